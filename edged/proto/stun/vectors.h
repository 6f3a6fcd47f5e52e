/* SPDX-License-Identifier: MIT
 *
 * proto/stun/vectors.h: messages of RFC 5769 and of ms-turn 6.3 (docs/spec/ms-turn.md), for tests
 * only.
 */
#ifndef EDGED_PROTO_STUN_VECTORS_H
#define EDGED_PROTO_STUN_VECTORS_H

/* RFC 5769 2.1: short-term credential, password VOkJxbRl1RmTxUk/WvJxBt */
#define RFC5769_REQUEST                                                                            \
	"00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74"     \
	"00240004 6e0001ff 80290008 932ff9b151263b36 00060009 6576746a3a68367659 202020"           \
	"00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf"
#define RFC5769_IPV4_RESPONSE                                                                      \
	"0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220"             \
	"00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"              \
	"80280004 c07d4c96"
#define RFC5769_IPV6_RESPONSE                                                                      \
	"01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220"             \
	"00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"                                        \
	"00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c"
/* RFC 5769 2.4: long-term credential, realm example.org, password TheMatrIX */
#define RFC5769_LONG_TERM                                                                          \
	"00010060 2112a442 78ad3433c6ad72c029da412e"                                               \
	"00060012 e3839ee38388e383aae38383e382afe382b9 0000"                                       \
	"0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341"                        \
	"0014000b 6578616d706c652e6f7267 00"                                                       \
	"00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666"

#define MS_COOKIE    "000f0004 72c64bc6"
#define MS_REALM     "00150010 656467652e6578616d706c652e636f6d"
#define MS_NONCE     "00140010 30303131323233333434353536363737"
#define MS_USERNAME  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3"
#define MS_PASSWORD  "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
#define MS_CONN_ID   "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3"
#define MS_USER_ATTR "00060024" MS_USERNAME
#define MS_KEY       "3c940b015af85e1b58d3ea5526b033e9"

#define MS_V1 "0003 0010 101112131415161718191a1b1c1d1e1f" MS_COOKIE "8008 0004 00000001"
#define MS_V2                                                                                      \
	"0113 0058 101112131415161718191a1b1c1d1e1f" MS_COOKIE "8008 0004 00000001"                \
	"0009 0010 00000401 556e617574686f72697a6564" MS_REALM MS_NONCE                            \
	"000e 0008 0001 0d96 c0000214"
#define MS_V3                                                                                      \
	"0003 0078 303132333435363738393a3b3c3d3e3f" MS_COOKIE                                     \
	"8008 0004 00000001" MS_REALM MS_NONCE MS_USER_ATTR                                        \
	"0008 0014 28223ae342ff7b80971520d4e0e42fb1ce6f466e"
#define MS_V4                                                                                      \
	"0103 006c 303132333435363738393a3b3c3d3e3f" MS_COOKIE "8008 0004 00000001"                \
	"0001 0008 0001 d6d9 c0000214 8020 0008 0001 de79 fb31433a 000d 0004 00000258"             \
	"0010 0004 00000bb8 8050 0018" MS_CONN_ID "00000000"                                       \
	"0008 0014 b52851a7a293e357e3d37729b149eaf9cdec357a"
#define MS_V5                                                                                      \
	"0004 0095 505152535455565758595a5b5c5d5e5f" MS_COOKIE MS_USER_ATTR                        \
	"0011 0008 0001 9c40 c6336407 8008 0004 00000001 8050 0018" MS_CONN_ID "00000001" MS_REALM \
	"0013 0005 68656c6c6f 0008 0014 7eda1b93a70eeb46ba9a3b9630de2e82003247d6"
#define MS_V5B                                                                                     \
	"0004 0081 5152535455565758595a5b5c5d5e5f60" MS_COOKIE "8008 0004 00000002" MS_USER_ATTR   \
	"8050 0018" MS_CONN_ID "00000003 0011 0008 0001 9c40 c6336407 0013 0005 68656c6c6f"        \
	"0008 0014 e7269cc82f4958368b4de04cf77f36292716a0f6"
#define MS_V6                                                                                      \
	"0006 0084 707172737475767778797a7b7c7d7e7f" MS_COOKIE MS_USER_ATTR "8050 0018" MS_CONN_ID \
	"00000002" MS_REALM                                                                        \
	"0011 0008 0001 9c40 c6336407 0008 0014 ade476bf7b0c663f3d9503385c5d7df7bb2f91f9"
#define MS_V7                                                                                      \
	"0115 001d e0e1e2e3e4e5e6e7e8e9eaebecedeeef" MS_COOKIE                                     \
	"0012 0008 0001 9c40 c6336407 0013 0005 776f726c64"
#define MS_V8                                                                                      \
	"0106 0020 707172737475767778797a7b7c7d7e7f" MS_COOKIE                                     \
	"0008 0014 645ed9d76ecf9e2033d7cf498fd39b326cac5643"
#define MS_V9                                                                                      \
	"0003 0080 909192939495969798999a9b9c9d9e9f" MS_COOKIE                                     \
	"8008 0004 00000001 000d 0004 00000000" MS_REALM MS_NONCE MS_USER_ATTR                     \
	"0008 0014 8483bbc0b590d3a0b60ad16ea3e0290898696163"

/* ms-turn V12: the REST credential in the standard dialect */
#define STD_V12                                                                                    \
	"0003 0058 2112a442 b4b5b6b7b8b9babbbcbdbebf 0019 0004 11000000"                           \
	"0014 0010 656467652e6578616d706c652e636f6d 0015 000a 66303064666565643031 0000"           \
	"0006 0010 313839333435363030303a616c696365"                                               \
	"0008 0014 ce8d7ba0266aa6f004bea3201d6cfac36c34a862"
#define STD_V12_KEY "407341d053837dd1ad3089e84c98a8a8"

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/stun/dialect.h: the two wire dialects of one STUN/TURN vocabulary, as rows of a table.
 *
 * Code asks the row ("are attributes padded?", "which number has the realm?") and never the name of
 * the dialect. Realm and Nonce, for one, swap their numbers between the two.
 *
 * Spec: RFC 8489 18.3, RFC 8656 18; ms-turn 3.5 (docs/spec/ms-turn.md).
 */
#ifndef EDGED_PROTO_STUN_DIALECT_H
#define EDGED_PROTO_STUN_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#define STUN_MAGIC_COOKIE    0x2112a442u /* RFC 8489 5 */
#define STUN_MS_MAGIC_COOKIE 0x72c64bc6u /* ms-turn 3.6 */

enum stun_attr { /* what an attribute means; its number is in the dialect's row */
	STUN_NONE,
	STUN_MAPPED_ADDRESS,
	STUN_XOR_MAPPED_ADDRESS,
	STUN_RELAYED_ADDRESS, /* XOR-RELAYED-ADDRESS; Mapped Address in MS-TURN */
	STUN_PEER_ADDRESS,    /* XOR-PEER-ADDRESS; Destination Address in MS-TURN */
	STUN_REMOTE_ADDRESS,  /* XOR-PEER-ADDRESS of a Data indication; Remote Address in MS-TURN */
	STUN_USERNAME,
	STUN_REALM,
	STUN_NONCE,
	STUN_MESSAGE_INTEGRITY,
	STUN_ERROR_CODE,
	STUN_UNKNOWN_ATTRIBUTES,
	STUN_ALTERNATE_SERVER,
	STUN_FINGERPRINT,
	STUN_LIFETIME,
	STUN_BANDWIDTH,
	STUN_DATA,
	STUN_CHANNEL_NUMBER,
	STUN_REQUESTED_ADDRESS_FAMILY,
	STUN_ADDITIONAL_ADDRESS_FAMILY,
	STUN_EVEN_PORT,
	STUN_REQUESTED_TRANSPORT,
	STUN_RESERVATION_TOKEN,
	STUN_DONT_FRAGMENT,
	STUN_ADDRESS_ERROR_CODE,
	STUN_CONNECTION_ID,
	STUN_MS_COOKIE,
	STUN_MS_VERSION,
	STUN_MS_SEQUENCE_NUMBER,
	STUN_MS_ALTERNATE_MAPPED_ADDRESS,
	STUN_IGNORED, /* known, without consequence here */
	STUN_ATTR__N
};

#define STUN_LOW_ATTRS  64u  /* numbers 0x0000.. that a row lists */
#define STUN_HIGH_ATTRS 160u /* numbers 0x8000.. that a row lists */

struct stun_dialect {
	const char *name;
	bool padded;           /* attribute values are padded to four bytes */
	bool cookie_attribute; /* the first attribute is the MS Magic Cookie */
	bool masks_with_id; /* addresses are masked with the transaction id alone, in the clear but
			       for XOR Mapped Address; else with cookie and id, but for Mapped */
	bool integrity_block; /* HMAC input is filled to 64 bytes and holds the wire's length */
	bool pads_text;       /* texts of ours have a length that is a multiple of four */
	uint16_t number[STUN_ATTR__N]; /* 0: not in this dialect */
	uint8_t low[STUN_LOW_ATTRS];   /* number -> enum stun_attr, STUN_NONE: unknown, mandatory */
	uint8_t high[STUN_HIGH_ATTRS]; /* number - 0x8000 -> enum stun_attr, STUN_NONE: ignore */
};

extern const struct stun_dialect stun_dialect_standard;
extern const struct stun_dialect stun_dialect_ms;

#endif

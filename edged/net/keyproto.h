/* SPDX-License-Identifier: MIT
 *
 * net/keyproto.h: the numbers of the protocol between keyd and its clients
 * (docs/decisions/0003-keys.md).
 *
 * Request: u32 number, u8 operation, then its fields. Answer: u32 number, u8 verdict, str result;
 * one message may carry several answers. Encoding: net/ipc.h.
 */
#ifndef EDGED_NET_KEYPROTO_H
#define EDGED_NET_KEYPROTO_H

#include <stdint.h>

#define KEYPROTO_REQUEST_MAX 1024u
#define KEYPROTO_RESULT_MAX  1024u /* RSA of 8192 bits; 16 day keys */

/* What a role may ask keyd for; bits of keyplan_role.ops. */
enum keyd_op {
	KEYD_OP_SIGN = 1,        /* u16 slot, u8 enum keyproto_alg, str digest: the signature */
	KEYD_OP_DAY_KEYS = 2,    /* u32 first day since 1970, u8 n: n times sign (32), seal (32) */
	KEYD_OP_TICKET_KEYS = 3, /* u32 period: 48 each for it, the one before, the one after */
	/* str username: u8 enum keyproto_name; when good: u64 seconds left (all ones: no end), str
	 * pseudonym (16), u8 n, n times str key (16) */
	KEYD_OP_TURN_KEY = 4,
	/* str identity, u32 minutes (0: the longest), u8 flags: u8 0, u32 minutes granted, str
	 * username (56), str password (20); or u8 1 alone: there is no A/V authentication key */
	KEYD_OP_ISSUE_TOKEN = 5,
};

enum keyproto_alg {              /* the allow list; digest length follows from it */
	KEYPROTO_RSA_SHA256 = 1, /* PKCS #1 v1.5 */
	KEYPROTO_RSA_SHA384 = 2,
	KEYPROTO_RSA_SHA512 = 3,
	KEYPROTO_PSS_SHA256 = 4, /* salt as long as the digest, MGF1 with the same hash */
	KEYPROTO_PSS_SHA384 = 5,
	KEYPROTO_PSS_SHA512 = 6,
	KEYPROTO_ECDSA_SHA256 = 7,
	KEYPROTO_ECDSA_SHA384 = 8,
	KEYPROTO_ECDSA_SHA512 = 9,
	KEYPROTO_ALG__N = 10,
};

enum keyproto_verdict {
	KEYPROTO_OK = 0,
	KEYPROTO_MALFORMED = 1,
	KEYPROTO_DENIED = 2, /* not in the channel's row: operation, slot, day, period */
	KEYPROTO_NO_SLOT = 3,
	KEYPROTO_UNSUPPORTED = 4, /* algorithm not on the list, or not of that key */
	KEYPROTO_FAILED = 5,
};

/* A TICKET_KEYS period: Unix time divided by this. */
#define KEYPROTO_TICKET_PERIOD_S 43200
#define KEYPROTO_DAYS_MAX        16u
#define KEYPROTO_DAY_KEY_LEN     64u

/* First byte of a TURN_KEY result: what keyd knows of the name. */
enum keyproto_name { KEYPROTO_NAME_GOOD, KEYPROTO_NAME_UNKNOWN, KEYPROTO_NAME_EXPIRED };

#endif

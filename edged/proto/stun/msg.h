/* SPDX-License-Identifier: MIT
 *
 * proto/stun/msg.h: one STUN message as views (reading) and built into a caller's buffer (writing).
 *
 * Pure. A duplicate attribute: the first counts. What stands behind MESSAGE-INTEGRITY is not
 * authenticated and is ignored, but for FINGERPRINT. Errors in a writer stick; stun_write_end
 * tells.
 *
 * Spec: RFC 8489 5, 14; ms-turn 2.1, 3 (docs/spec/ms-turn.md).
 */
#ifndef EDGED_PROTO_STUN_MSG_H
#define EDGED_PROTO_STUN_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/stun/dialect.h"

#define STUN_HEADER_LEN  20u
#define STUN_ID_LEN      16u /* with the cookie word in the standard dialect */
#define STUN_UNKNOWN_MAX 8u  /* unknown mandatory numbers we name in a 420 */

struct stun_msg {
	const struct stun_dialect *dialect;
	struct str bytes;
	uint16_t type;
	const uint8_t *id;             /* STUN_ID_LEN bytes, as on the wire */
	struct str attr[STUN_ATTR__N]; /* p is NULL when absent */
	uint32_t integrity_at;         /* offset of MESSAGE-INTEGRITY's own header; 0: none */
	uint32_t fingerprint_at;       /* the same; 0: none */
	uint16_t unknown[STUN_UNKNOWN_MAX];
	uint8_t n_unknown;
};

static inline uint16_t
stun_u16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t
stun_u32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/*
 * Read one whole message: exactly `bytes`, which stay borrowed. ED_OK, or ED_MALFORMED: length does
 * not fit, an attribute overruns, the marker of the dialect is missing. Unknown mandatory
 * attributes are not an error here; they are listed for a 420.
 */
int stun_msg_parse(
    struct stun_msg *ret, const struct stun_dialect *d, struct str bytes) ED_MUST_CHECK;

/* RFC 3489 Binding: as the standard dialect but without the cookie word. */
int stun_msg_parse_rfc3489(struct stun_msg *ret, struct str bytes) ED_MUST_CHECK;

static inline bool
stun_has(const struct stun_msg *m, enum stun_attr what)
{
	return m->attr[what].p != NULL;
}

/* Every attribute of that meaning in front of MESSAGE-INTEGRITY: *at starts at 0. False at the end.
 */
bool stun_next(const struct stun_msg *m, enum stun_attr what, uint32_t *at, struct str *ret);

/* ED_OK; ED_STATE when absent; ED_MALFORMED when it is not four bytes long. */
int stun_get_u32(const struct stun_msg *m, enum stun_attr what, uint32_t *ret) ED_MUST_CHECK;
/* An address, unmasked as the dialect says. ED_STATE, ED_MALFORMED, ED_UNSUPPORTED (family). */
int stun_get_addr(const struct stun_msg *m, enum stun_attr what, struct addr *ret) ED_MUST_CHECK;

/* The same for one that stun_next gave. */
int stun_addr_of(const struct stun_msg *m, enum stun_attr what, struct str value,
    struct addr *ret) ED_MUST_CHECK;

struct stun_writer {
	const struct stun_dialect *d;
	uint8_t *p;
	size_t n, room;
	bool full;
};

/* id: STUN_ID_LEN bytes as in the request. Writes the MS Magic Cookie where the dialect has one. */
void stun_write_start(struct stun_writer *w, const struct stun_dialect *d, void *buf, size_t room,
    uint16_t type, const uint8_t *id);
void stun_write_bytes(struct stun_writer *w, enum stun_attr what, struct str value);
void stun_write_u32(struct stun_writer *w, enum stun_attr what, uint32_t value);
void stun_write_addr(struct stun_writer *w, enum stun_attr what, const struct addr *a);
/* phrase may be empty; filled with blanks where the dialect wants lengths of four. */
void stun_write_error(struct stun_writer *w, unsigned code, struct str phrase);
void stun_write_unknown(struct stun_writer *w, const struct stun_msg *req);
/* Sets the length field. Bytes of the message, or ED_LIMIT when it did not fit. */
int64_t stun_write_end(struct stun_writer *w) ED_MUST_CHECK;

/*
 * The head of a Data indication for a payload of n bytes from peer: bytes that go right in front of
 * the payload (standard: plus (-n) & 3 zero bytes behind it). Returns its length, at most 56.
 */
#define STUN_DATA_HEAD_MAX 56u
size_t stun_data_head(const struct stun_dialect *d, uint8_t ret[STUN_DATA_HEAD_MAX],
    const uint8_t *id, const struct addr *peer, uint32_t n);

#endif

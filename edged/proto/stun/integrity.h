/* SPDX-License-Identifier: MIT
 *
 * proto/stun/integrity.h: long-term key, MESSAGE-INTEGRITY (HMAC-SHA-1) and FINGERPRINT.
 *
 * Pure. The dialects differ in what is hashed: the standard one sets the length as if
 * MESSAGE-INTEGRITY were last; the other hashes the length as it stands on the wire and fills the
 * input with zeros to a multiple of 64 (RFC 3489 11.2.8).
 *
 * Spec: RFC 8489 9.2.2, 14.5, 14.7; ms-turn 4.1.
 */
#ifndef EDGED_PROTO_STUN_INTEGRITY_H
#define EDGED_PROTO_STUN_INTEGRITY_H

#include "proto/stun/msg.h"

#define STUN_KEY_LEN       16u
#define STUN_INTEGRITY_LEN 20u

/* MD5(username ":" realm ":" password), raw bytes as given. */
int stun_key(struct str username, struct str realm, struct str password,
    uint8_t ret[STUN_KEY_LEN]) ED_MUST_CHECK;

/* ED_OK; ED_STATE without MESSAGE-INTEGRITY; ED_UNSUPPORTED when it is not 20 bytes long;
 * ED_DENIED. */
int stun_integrity_check(const struct stun_msg *m, struct str key) ED_MUST_CHECK;
/* Appends MESSAGE-INTEGRITY as the last attribute. */
void stun_write_integrity(struct stun_writer *w, struct str key);

/* True when there is no FINGERPRINT, or it is last and right. */
bool stun_fingerprint_holds(const struct stun_msg *m);
void stun_write_fingerprint(struct stun_writer *w);

#endif

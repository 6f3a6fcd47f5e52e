/* SPDX-License-Identifier: MIT
 *
 * access/token.h: signs and seals what must come back to us unchanged: route entries (ms-route-sig)
 * and tokens (ms-edged). Stateless; any worker or pool member with the keys of the day can check.
 *
 * A ring holds up to 64 day keys; kid, the first character of each value, is the base64url digit of
 * the day modulo 64. A key makes values on its day (UTC); its values are good from 10 minutes
 * before that day until 7 days after it. The ring remembers what held (80 KB), since a dialog
 * brings the same with each message; the answers are those it would give without. Not shared
 * between threads.
 *
 * Spec: access-edge-sip 6.2, 6.3; docs/decisions/0002-hiding.md.
 */
#ifndef EDGED_ACCESS_TOKEN_H
#define EDGED_ACCESS_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mac.h"
#include "base/str.h"

struct token_ring;

#define TOKEN_KEY_LEN    32u
#define TOKEN_SIG_LEN    23u /* kid and 22 characters of base64url */
#define TOKEN_DAYS_GOOD  7u
#define TOKEN_EARLY_S    600
#define TOKEN_SEALED_MAX 3072u /* longest token text looked at: 13, URI that holds one of ours */

struct token_ring *token_ring_new(void); /* NULL without memory */
struct token_ring *token_ring_free(struct token_ring *r);
/* Put the keys of a day (days since 1970, may be modulo 65536) into the ring; replaces that slot.
 */
int token_ring_set(struct token_ring *r, uint32_t day, const uint8_t sign[TOKEN_KEY_LEN],
    const uint8_t seal[TOKEN_KEY_LEN]) ED_MUST_CHECK;
/* True when the ring lacks today's or tomorrow's keys, or one of the 7 days before. */
bool token_ring_is_stale(const struct token_ring *r, int64_t now_s);
/* Days to ask keyd for so that it is not stale: [*ret_first, *ret_first + return value). */
uint8_t token_ring_days(int64_t now_s, uint32_t *ret_first);

enum token_label {
	TOKEN_RR1, /* entry of a dialog */
	TOKEN_RP1, /* REGISTER path: call_id empty */
	TOKEN_RT1, /* sealed route set */
	TOKEN_CT1, /* sealed Contact: only host (the SIP domain) */
};

/* What a value is bound to. host is put into lower case here; absent parts are empty. */
struct token_bind {
	enum token_label label;
	struct str call_id, host, ms_fe, opaque;
};

/* ED_OK; ED_STATE without today's key; ED_SYS. */
int token_sign(struct token_ring *r, int64_t now_s, const struct token_bind *b,
    char ret[TOKEN_SIG_LEN]) ED_MUST_CHECK;
/* ED_OK; ED_DENIED when it does not hold; ED_GONE when its key's time is over (or not yet come). */
int token_verify(
    struct token_ring *r, int64_t now_s, const struct token_bind *b, struct str sig) ED_MUST_CHECK;

/* *ret_text is kid and base64url, in the arena. */
int token_seal(struct token_ring *r, int64_t now_s, const struct token_bind *b,
    const uint8_t iv[SEAL_IV_LEN], struct str plain, struct arena *a,
    struct str *ret_text) ED_MUST_CHECK;
/* ED_DENIED, ED_GONE as above; ED_LIMIT for a text beyond TOKEN_SEALED_MAX. */
int token_open(struct token_ring *r, int64_t now_s, const struct token_bind *b, struct str text,
    struct arena *a, struct str *ret_plain) ED_MUST_CHECK;

/* Length of the token that token_seal makes of n plain octets. */
size_t token_sealed_len(size_t n);

/*
 * A short keyed mark (32 bits) over parts, for the loop check of our Via branch. days_back 0 makes
 * it with today's key; 1 gives yesterday's, so that a message under way at midnight is still known.
 */
int token_mark(struct token_ring *r, int64_t now_s, unsigned days_back, const struct str *parts,
    size_t n_parts, uint32_t *ret_mark) ED_MUST_CHECK;

#endif

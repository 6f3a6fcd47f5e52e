/* SPDX-License-Identifier: MIT
 *
 * keyd/relay.h: credentials of the relay: whose key is it (TURN_KEY), and a fresh one
 * (ISSUE_TOKEN).
 *
 * Three kinds of names, told apart by their look: tokens of A/V Authentication (56 bytes, 'E'),
 * users of the file, time-limited names (expiry[:user]). The relay gets a key for one name and an
 * end, never the secret; A/V Authentication gets one token.
 *
 * Made from a key plan (svc/keyplan.h); several tokens keys may be in force: the newest effective
 * one issues, all of them verify (CERT-AV-06).
 *
 * Spec: mras.md 6.4, 6.5; ms-turn 7.3.
 */
#ifndef EDGED_KEYD_RELAY_H
#define EDGED_KEYD_RELAY_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/mras/token.h"

struct keyplan;
struct relay;

#define RELAY_SECRETS_MAX 2u /* shared secrets in force: the new one and the one before */

/* Copies what it needs. ED_OK; ED_MALFORMED with *ret_why: an A/V key that is not RSA, a user
 * without password and key; ED_NOMEM; ED_SYS. */
int relay_new(const struct keyplan *plan, struct relay **ret, const char **ret_why) ED_MUST_CHECK;
struct relay *relay_free(struct relay *r);

struct relay_key {
	uint8_t key[RELAY_SECRETS_MAX][16];
	uint8_t n_keys;
	uint8_t user[16];     /* pseudonym */
	uint64_t remaining_s; /* UINT64_MAX: does not end */
};
/* ED_OK, ED_DENIED (unknown), ED_GONE (expired), ED_SYS. now_s: seconds since 1970. */
int relay_turn_key(
    const struct relay *r, struct str username, int64_t now_s, struct relay_key *ret) ED_MUST_CHECK;

struct relay_token {
	struct mras_token token;
	uint32_t duration_min;
};
/* ED_OK; ED_UNSUPPORTED: there is no A/V authentication key; ED_SYS. */
int relay_issue(const struct relay *r, struct str identity, uint32_t duration_min, uint8_t flags,
    int64_t now_s, void (*random)(void *p, size_t n), struct relay_token *ret) ED_MUST_CHECK;

#endif

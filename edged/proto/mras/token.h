/* SPDX-License-Identifier: MIT
 *
 * proto/mras/token.h: relay credentials that verify themselves, format 'E'. Whoever has the master
 * secret (keyd of every pool member) issues and checks; the relay only ever sees the derived key.
 *
 * Pure: nonce and time come from the caller. Spec: mras.md 6.4 (docs/spec/mras.md).
 */
#ifndef EDGED_PROTO_MRAS_TOKEN_H
#define EDGED_PROTO_MRAS_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define MRAS_USERNAME_LEN 56u
#define MRAS_PASSWORD_LEN 20u
#define MRAS_MASTER_LEN   32u
#define MRAS_USER_LEN     16u /* pseudonym of an identity: quotas and logs */
#define MRAS_SKEW_S       60

enum { MRAS_FLAG_INTERNET = 1, MRAS_FLAG_INTRANET = 2, MRAS_FLAG_SERVER = 4 };

struct mras_key {
	uint32_t kid;
	uint8_t username[32], password[32], identity[32];
};

/* From the two primes of the A/V authentication key, big-endian without leading zeros, in any
 * order, and SHA-256 of its SubjectPublicKeyInfo, whose first bytes are the kid. */
int mras_master(struct str prime1, struct str prime2, uint8_t ret[MRAS_MASTER_LEN]) ED_MUST_CHECK;
int mras_key_init(
    struct mras_key *ret, uint32_t kid, const uint8_t master[MRAS_MASTER_LEN]) ED_MUST_CHECK;

struct mras_token {
	uint8_t username[MRAS_USERNAME_LEN];
	uint8_t password[MRAS_PASSWORD_LEN];
};

/*
 * ED_STATE: username or password would be changed by the trimming of libnice (mras.md 6.2); draw
 * another nonce. ED_SYS: a digest failed.
 */
int mras_token_issue(const struct mras_key *key, struct str identity, uint8_t flags, int64_t expiry,
    uint32_t nonce, struct mras_token *ret) ED_MUST_CHECK;

struct mras_verdict {
	int64_t expiry;
	uint8_t flags;
	uint8_t user[MRAS_USER_LEN];
	uint8_t password[MRAS_PASSWORD_LEN];
};

/* ED_OK; ED_DENIED: not ours (*ret_kid_known tells whether its key was ours); ED_GONE: expired. */
int mras_token_verify(const struct mras_key *keys, size_t n_keys, struct str username, int64_t now,
    struct mras_verdict *ret, bool *ret_kid_known) ED_MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT
 *
 * base/digest.h: the digests that STUN, TURN and MRAS are made of: MD5, SHA-256, HMAC-SHA-1 and
 * HMAC-SHA-256 over several pieces without joining them first. New designs take base/mac.h instead.
 *
 * Pure but for the algorithm handles, which digest_setup fetches once (every program and test calls
 * it at start). One scratch context per process: not for threads.
 */
#ifndef EDGED_BASE_DIGEST_H
#define EDGED_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define DIGEST_MD5_LEN    16u
#define DIGEST_SHA1_LEN   20u
#define DIGEST_SHA256_LEN 32u

/* ED_OK; ED_SYS when libcrypto lacks an algorithm. Idempotent. */
int digest_setup(void) ED_MUST_CHECK;

/* parts are hashed in order, as if they were one text. ED_OK or ED_SYS. */
int digest_md5(const struct str *parts, size_t n_parts, uint8_t ret[DIGEST_MD5_LEN]) ED_MUST_CHECK;
int digest_sha256(
    const struct str *parts, size_t n_parts, uint8_t ret[DIGEST_SHA256_LEN]) ED_MUST_CHECK;
int digest_hmac_sha1(struct str key, const struct str *parts, size_t n_parts,
    uint8_t ret[DIGEST_SHA1_LEN]) ED_MUST_CHECK;
int digest_hmac_sha256(struct str key, const struct str *parts, size_t n_parts,
    uint8_t ret[DIGEST_SHA256_LEN]) ED_MUST_CHECK;

/* RFC 5869; ret_len at most 255 * 32. */
int digest_hkdf_sha256(struct str salt, struct str secret, struct str info, uint8_t *ret,
    size_t ret_len) ED_MUST_CHECK;

#endif

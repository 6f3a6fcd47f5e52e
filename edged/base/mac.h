/* SPDX-License-Identifier: MIT
 *
 * base/mac.h: the only door to libcrypto from the ground floor: HMAC-SHA-256, HKDF-SHA-256,
 * AES-256-GCM, base64url, constant-time comparison. Bytes in, bytes out; randomness comes from
 * above.
 *
 * The algorithm handles are fetched once (mac_setup, called by every program and test at start).
 */
#ifndef EDGED_BASE_MAC_H
#define EDGED_BASE_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define MAC_LEN      32u /* HMAC-SHA-256 */
#define SEAL_KEY_LEN 32u
#define SEAL_IV_LEN  12u
#define SEAL_TAG_LEN 16u

/* ED_OK; ED_SYS when libcrypto lacks an algorithm. Idempotent. */
int mac_setup(void) ED_MUST_CHECK;

/* A keyed context kept ready: one HMAC costs no key schedule. Not shared between threads. */
struct mac_ctx;
struct mac_ctx *mac_ctx_new(const uint8_t *key, size_t n);
struct mac_ctx *mac_ctx_free(struct mac_ctx *c);
int mac_hmac(struct mac_ctx *c, struct str data, uint8_t ret_mac[MAC_LEN]) ED_MUST_CHECK;

int mac_hkdf(const uint8_t *secret, size_t secret_len, struct str info, uint8_t *ret,
    size_t n) ED_MUST_CHECK;

struct seal_ctx;
struct seal_ctx *seal_ctx_new(const uint8_t key[SEAL_KEY_LEN]);
struct seal_ctx *seal_ctx_free(struct seal_ctx *c);
/* ret gets iv || ciphertext || tag, plain.n + 28 bytes. */
int seal_close(struct seal_ctx *c, const uint8_t iv[SEAL_IV_LEN], struct str aad, struct str plain,
    uint8_t *ret) ED_MUST_CHECK;
/* box as above; ret gets box.n - 28 bytes. ED_DENIED when the tag does not hold. */
int seal_open(struct seal_ctx *c, struct str aad, struct str box, uint8_t *ret) ED_MUST_CHECK;

/* No padding, RFC 4648 5. Sizes: encode (n * 4 + 2) / 3 bytes, decode n * 3 / 4. */
size_t b64url_encode(const uint8_t *p, size_t n, char *ret);
/* Bytes written, or ED_MALFORMED (a foreign character, length 1 mod 4, stray low bits). */
int64_t b64url_decode(struct str text, uint8_t *ret) ED_MUST_CHECK;

bool mac_equal(const void *a, const void *b, size_t n); /* constant time */

#endif

/* SPDX-License-Identifier: MIT
 *
 * base/mac.c: OpenSSL 3 EVP behind a small door. Handles are fetched once: a fetch by name costs
 * more than the HMAC of a token.
 */
#include "base/mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

static EVP_MAC *hmac_alg;
static EVP_KDF *hkdf_alg;
static EVP_CIPHER *gcm_alg;

struct mac_ctx {
	EVP_MAC_CTX *evp;
};

struct seal_ctx {
	EVP_CIPHER_CTX *enc, *dec; /* the key schedule of each is made once */
};

int
mac_setup(void)
{
	if (!hmac_alg)
		hmac_alg = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!hkdf_alg)
		hkdf_alg = EVP_KDF_fetch(NULL, "HKDF", NULL);
	if (!gcm_alg)
		gcm_alg = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	return hmac_alg && hkdf_alg && gcm_alg ? ED_OK : ED_SYS;
}

struct mac_ctx *
mac_ctx_new(const uint8_t *key, size_t n)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};
	struct mac_ctx *c;

	if (mac_setup() < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->evp = EVP_MAC_CTX_new(hmac_alg);
	if (!c->evp || EVP_MAC_init(c->evp, key, n, params) != 1)
		return mac_ctx_free(c);
	return c;
}

struct mac_ctx *
mac_ctx_free(struct mac_ctx *c)
{
	if (c)
		EVP_MAC_CTX_free(c->evp);
	free(c);
	return NULL;
}

int
mac_hmac(struct mac_ctx *c, struct str data, uint8_t ret_mac[MAC_LEN])
{
	size_t n;

	/* A NULL key starts again with the one set before. */
	if (EVP_MAC_init(c->evp, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(c->evp, (const uint8_t *)data.p, data.n) != 1 ||
	    EVP_MAC_final(c->evp, ret_mac, &n, MAC_LEN) != 1 || n != MAC_LEN)
		return ED_SYS;
	return ED_OK;
}

int
mac_hkdf(const uint8_t *secret, size_t secret_len, struct str info, uint8_t *ret, size_t n)
{
	char digest[] = "SHA256";
	uint8_t no_info[1] = {0};
	OSSL_PARAM params[4];
	EVP_KDF_CTX *kdf;
	int r = ED_SYS;

	if (mac_setup() < 0)
		return ED_SYS;
	kdf = EVP_KDF_CTX_new(hkdf_alg);
	if (!kdf)
		return ED_NOMEM;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret, secret_len);
	params[2] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_INFO, info.n ? (void *)(uintptr_t)info.p : no_info, info.n);
	params[3] = OSSL_PARAM_construct_end();
	if (EVP_KDF_derive(kdf, ret, n, params) == 1)
		r = ED_OK;
	EVP_KDF_CTX_free(kdf);
	return r;
}

struct seal_ctx *
seal_ctx_new(const uint8_t key[SEAL_KEY_LEN])
{
	struct seal_ctx *c;

	if (mac_setup() < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->enc = EVP_CIPHER_CTX_new();
	c->dec = EVP_CIPHER_CTX_new();
	if (!c->enc || !c->dec || EVP_EncryptInit_ex2(c->enc, gcm_alg, key, NULL, NULL) != 1 ||
	    EVP_DecryptInit_ex2(c->dec, gcm_alg, key, NULL, NULL) != 1)
		return seal_ctx_free(c);
	return c;
}

struct seal_ctx *
seal_ctx_free(struct seal_ctx *c)
{
	if (c) {
		EVP_CIPHER_CTX_free(c->enc);
		EVP_CIPHER_CTX_free(c->dec);
	}
	free(c);
	return NULL;
}

static bool
fits_int(size_t n)
{
	return n <= 0x7fffff00;
}

int
seal_close(struct seal_ctx *c, const uint8_t iv[SEAL_IV_LEN], struct str aad, struct str plain,
    uint8_t *ret)
{
	uint8_t *body = ret + SEAL_IV_LEN;
	int n = 0, m = 0;

	if (!fits_int(aad.n) || !fits_int(plain.n))
		return ED_LIMIT;
	if (EVP_EncryptInit_ex2(c->enc, NULL, NULL, iv, NULL) != 1)
		return ED_SYS;
	if (aad.n && EVP_EncryptUpdate(c->enc, NULL, &n, (const uint8_t *)aad.p, (int)aad.n) != 1)
		return ED_SYS;
	n = 0;
	if (plain.n &&
	    EVP_EncryptUpdate(c->enc, body, &n, (const uint8_t *)plain.p, (int)plain.n) != 1)
		return ED_SYS;
	if (EVP_EncryptFinal_ex(c->enc, body + n, &m) != 1 || (size_t)(n + m) != plain.n)
		return ED_SYS;
	if (EVP_CIPHER_CTX_ctrl(c->enc, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_LEN, body + plain.n) != 1)
		return ED_SYS;
	memcpy(ret, iv, SEAL_IV_LEN);
	return ED_OK;
}

int
seal_open(struct seal_ctx *c, struct str aad, struct str box, uint8_t *ret)
{
	const uint8_t *p = (const uint8_t *)box.p;
	uint8_t tag[SEAL_TAG_LEN];
	size_t len;
	int n = 0, m = 0;

	if (box.n < SEAL_IV_LEN + SEAL_TAG_LEN)
		return ED_DENIED;
	if (!fits_int(aad.n) || !fits_int(box.n))
		return ED_LIMIT;
	len = box.n - SEAL_IV_LEN - SEAL_TAG_LEN;
	memcpy(tag, p + SEAL_IV_LEN + len, SEAL_TAG_LEN);
	if (EVP_DecryptInit_ex2(c->dec, NULL, NULL, p, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c->dec, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_LEN, tag) != 1)
		return ED_SYS;
	if (aad.n && EVP_DecryptUpdate(c->dec, NULL, &n, (const uint8_t *)aad.p, (int)aad.n) != 1)
		return ED_SYS;
	n = 0;
	if (len && EVP_DecryptUpdate(c->dec, ret, &n, p + SEAL_IV_LEN, (int)len) != 1)
		return ED_SYS;
	if (EVP_DecryptFinal_ex(c->dec, ret + n, &m) != 1) {
		OPENSSL_cleanse(ret, len); /* unauthenticated bytes are nobody's */
		return ED_DENIED;
	}
	return ED_OK;
}

static const char b64url[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
b64url_encode(const uint8_t *p, size_t n, char *ret)
{
	char *o = ret;
	uint32_t v;

	for (; n >= 3; n -= 3, p += 3) {
		v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		*o++ = b64url[v >> 18];
		*o++ = b64url[v >> 12 & 63];
		*o++ = b64url[v >> 6 & 63];
		*o++ = b64url[v & 63];
	}
	if (n) {
		v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
		*o++ = b64url[v >> 18];
		*o++ = b64url[v >> 12 & 63];
		if (n == 2)
			*o++ = b64url[v >> 6 & 63];
	}
	return (size_t)(o - ret);
}

static int
b64url_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

int64_t
b64url_decode(struct str text, uint8_t *ret)
{
	uint8_t *o = ret;
	uint32_t v = 0;
	unsigned bits = 0;

	if (text.n % 4 == 1)
		return ED_MALFORMED;
	for (size_t i = 0; i < text.n; i++) {
		int d = b64url_value((unsigned char)text.p[i]);

		if (d < 0)
			return ED_MALFORMED;
		v = (v << 6 | (uint32_t)d) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*o++ = (uint8_t)(v >> bits);
		}
	}
	if (v & ((1u << bits) - 1)) /* one octet string has one text */
		return ED_MALFORMED;
	return o - ret;
}

bool
mac_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

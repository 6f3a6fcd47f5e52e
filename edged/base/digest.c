/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <openssl/evp.h>

#include "base/wipe.h"

#define BLOCK_LEN 64u /* of MD5, SHA-1 and SHA-256 alike */

static EVP_MD *md5, *sha1, *sha256;
static EVP_MD_CTX *scratch;

int
digest_setup(void)
{
	if (scratch)
		return ED_OK;
	md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!md5 || !sha1 || !sha256)
		return ED_SYS;
	scratch = EVP_MD_CTX_new();
	return scratch ? ED_OK : ED_SYS;
}

static int
hash(
    const EVP_MD *md, const struct str *lead, const struct str *parts, size_t n_parts, uint8_t *ret)
{
	if (!scratch || EVP_DigestInit_ex2(scratch, md, NULL) != 1)
		return ED_SYS;
	if (lead && EVP_DigestUpdate(scratch, lead->p, lead->n) != 1)
		return ED_SYS;
	for (size_t i = 0; i < n_parts; i++)
		if (parts[i].n && EVP_DigestUpdate(scratch, parts[i].p, parts[i].n) != 1)
			return ED_SYS;
	return EVP_DigestFinal_ex(scratch, ret, NULL) == 1 ? ED_OK : ED_SYS;
}

int
digest_md5(const struct str *parts, size_t n_parts, uint8_t ret[DIGEST_MD5_LEN])
{
	return hash(md5, NULL, parts, n_parts, ret);
}

int
digest_sha256(const struct str *parts, size_t n_parts, uint8_t ret[DIGEST_SHA256_LEN])
{
	return hash(sha256, NULL, parts, n_parts, ret);
}

/* RFC 2104 spelled out: two plain digests cost less than setting up a keyed context per message. */
static int
hmac(const EVP_MD *md, size_t md_len, struct str key, const struct str *parts, size_t n_parts,
    uint8_t *ret)
{
	uint8_t inner_pad[BLOCK_LEN] = {0}, outer_pad[BLOCK_LEN], inner[DIGEST_SHA256_LEN];
	struct str lead = {(const char *)inner_pad, BLOCK_LEN},
		   body = {(const char *)inner, md_len};
	int r;

	if (key.n > BLOCK_LEN) {
		r = hash(md, NULL, &key, 1, inner_pad);
		if (r < 0)
			goto out;
	} else if (key.n) {
		memcpy(inner_pad, key.p, key.n);
	}
	for (size_t i = 0; i < BLOCK_LEN; i++) {
		outer_pad[i] = inner_pad[i] ^ 0x5c;
		inner_pad[i] ^= 0x36;
	}
	r = hash(md, &lead, parts, n_parts, inner);
	if (r < 0)
		goto out;
	lead.p = (const char *)outer_pad;
	r = hash(md, &lead, &body, 1, ret);
out:
	wipe(inner_pad, sizeof(inner_pad));
	wipe(outer_pad, sizeof(outer_pad));
	wipe(inner, sizeof(inner));
	return r;
}

int
digest_hmac_sha1(
    struct str key, const struct str *parts, size_t n_parts, uint8_t ret[DIGEST_SHA1_LEN])
{
	return hmac(sha1, DIGEST_SHA1_LEN, key, parts, n_parts, ret);
}

int
digest_hmac_sha256(
    struct str key, const struct str *parts, size_t n_parts, uint8_t ret[DIGEST_SHA256_LEN])
{
	return hmac(sha256, DIGEST_SHA256_LEN, key, parts, n_parts, ret);
}

int
digest_hkdf_sha256(
    struct str salt, struct str secret, struct str info, uint8_t *ret, size_t ret_len)
{
	uint8_t prk[DIGEST_SHA256_LEN], block[DIGEST_SHA256_LEN], count = 0;
	struct str key = {(const char *)prk, sizeof(prk)}, parts[3];
	size_t done = 0;
	int r;

	if (ret_len > 255 * DIGEST_SHA256_LEN)
		return ED_LIMIT;
	r = digest_hmac_sha256(salt, &secret, 1, prk);
	while (r == ED_OK && done < ret_len) {
		size_t part = ret_len - done < sizeof(block) ? ret_len - done : sizeof(block);

		count++;
		parts[0] = (struct str){(const char *)block, count == 1 ? 0 : sizeof(block)};
		parts[1] = info;
		parts[2] = (struct str){(const char *)&count, 1};
		r = digest_hmac_sha256(key, parts, 3, block);
		if (r == ED_OK)
			memcpy(ret + done, block, part);
		done += part;
	}
	wipe(prk, sizeof(prk));
	wipe(block, sizeof(block));
	return r;
}

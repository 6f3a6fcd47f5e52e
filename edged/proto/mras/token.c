/* SPDX-License-Identifier: MIT */
#include "proto/mras/token.h"

#include "base/digest.h"
#include "base/mac.h"
#include "base/wipe.h"

#define BLOB_LEN     36u
#define TAG_LEN      20u
#define IDENTITY_MAX 1024u /* hashed; longer ones are hashed as they are */

static struct str
view(const uint8_t *p, size_t n)
{
	return (struct str){(const char *)p, n};
}

int
mras_master(struct str a, struct str b, uint8_t ret[MRAS_MASTER_LEN])
{
	uint8_t both[2 * 1024];
	bool a_first = a.n < b.n || (a.n == b.n && memcmp(a.p, b.p, a.n) <= 0);
	struct str first = a_first ? a : b, second = a_first ? b : a;
	int r;

	if (a.n == 0 || b.n == 0 || a.n + b.n > sizeof(both))
		return ED_LIMIT;
	memcpy(both, first.p, first.n);
	memcpy(both + first.n, second.p, second.n);
	r = digest_hkdf_sha256(STR("edged-mras-master-v1"), view(both, a.n + b.n), STR("master"),
	    ret, MRAS_MASTER_LEN);
	wipe(both, sizeof(both));
	return r;
}

int
mras_key_init(struct mras_key *ret, uint32_t kid, const uint8_t master[MRAS_MASTER_LEN])
{
	struct str salt = STR("edged-mras-v1"), secret = view(master, MRAS_MASTER_LEN);
	int r;

	ret->kid = kid;
	r = digest_hkdf_sha256(salt, secret, STR("username"), ret->username, sizeof(ret->username));
	if (r == ED_OK)
		r = digest_hkdf_sha256(
		    salt, secret, STR("password"), ret->password, sizeof(ret->password));
	if (r == ED_OK)
		r = digest_hkdf_sha256(
		    salt, secret, STR("identity"), ret->identity, sizeof(ret->identity));
	return r;
}

static struct str
trimmed(struct str s)
{
	while (s.n && (unsigned char)s.p[0] <= ' ')
		s = str_from(s, 1);
	while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
		s.n--;
	return s;
}

/* sip:Alice@X;gruu and SIP:alice@x are one user; what is no SIP URI stays as it is. */
static struct str
canonical(struct str identity, char buf[IDENTITY_MAX])
{
	struct str s = trimmed(identity);

	if (!str_starts_nocase(s, STR("sip:")) && !str_starts_nocase(s, STR("sips:")))
		return s;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ';' || s.p[i] == '?')
			s.n = i;
	if (s.n > IDENTITY_MAX)
		return s;
	for (size_t i = 0; i < s.n; i++)
		buf[i] = (char)ascii_lower((unsigned char)s.p[i]);
	return (struct str){buf, s.n};
}

static int
hmac_cut(const uint8_t key[32], struct str data, uint8_t *ret, size_t n)
{
	uint8_t mac[DIGEST_SHA256_LEN];
	int r = digest_hmac_sha256(view(key, 32), &data, 1, mac);

	if (r == ED_OK)
		memcpy(ret, mac, n);
	wipe(mac, sizeof(mac));
	return r;
}

static void
put_be(uint8_t *p, uint64_t v, size_t n)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t
get_be(const char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

static bool
survives_trimming(const uint8_t *p, size_t n)
{
	return p[0] != '"' && p[n - 1] != '"' && p[n - 1] != 0;
}

int
mras_token_issue(const struct mras_key *key, struct str identity, uint8_t flags, int64_t expiry,
    uint32_t nonce, struct mras_token *ret)
{
	char buf[IDENTITY_MAX];
	struct mras_token t;
	uint8_t *u = t.username;
	int r;

	u[0] = 'E';
	u[1] = flags;
	put_be(u + 2, BLOB_LEN, 2);
	put_be(u + 4, key->kid, 4);
	put_be(u + 8, (uint64_t)expiry, 8);
	put_be(u + 16, nonce, 4);
	r = hmac_cut(key->identity, canonical(identity, buf), u + 20, MRAS_USER_LEN);
	if (r == ED_OK)
		r = hmac_cut(key->username, view(u, BLOB_LEN), u + BLOB_LEN, TAG_LEN);
	if (r == ED_OK)
		r = hmac_cut(
		    key->password, view(u, MRAS_USERNAME_LEN), t.password, MRAS_PASSWORD_LEN);
	if (r == ED_OK && (!survives_trimming(t.username, MRAS_USERNAME_LEN) ||
			      !survives_trimming(t.password, MRAS_PASSWORD_LEN)))
		r = ED_STATE;
	if (r == ED_OK)
		*ret = t;
	wipe(&t, sizeof(t));
	return r;
}

int
mras_token_verify(const struct mras_key *keys, size_t n_keys, struct str u, int64_t now,
    struct mras_verdict *ret, bool *ret_kid_known)
{
	const struct mras_key *key = NULL;
	uint8_t tag[TAG_LEN];
	uint32_t kid;
	int r;

	*ret_kid_known = true;
	if (u.n != MRAS_USERNAME_LEN || u.p[0] != 'E' || get_be(u.p + 2, 2) != BLOB_LEN)
		return ED_DENIED;
	kid = (uint32_t)get_be(u.p + 4, 4);
	for (size_t i = 0; i < n_keys; i++)
		if (keys[i].kid == kid)
			key = &keys[i];
	*ret_kid_known = key != NULL;
	if (!key)
		return ED_DENIED;
	r = hmac_cut(key->username, str_first(u, BLOB_LEN), tag, sizeof(tag));
	if (r < 0)
		return r;
	if (!mac_equal(tag, u.p + BLOB_LEN, sizeof(tag)))
		return ED_DENIED;
	ret->expiry = (int64_t)get_be(u.p + 8, 8);
	ret->flags = (uint8_t)u.p[1];
	memcpy(ret->user, u.p + 20, MRAS_USER_LEN);
	if (now > ret->expiry + MRAS_SKEW_S)
		return ED_GONE;
	return hmac_cut(key->password, u, ret->password, MRAS_PASSWORD_LEN);
}

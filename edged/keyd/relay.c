/* SPDX-License-Identifier: MIT */
#include "keyd/relay.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/wipe.h"
#include "svc/keyplan.h"

#define KEYS_MAX     4u /* tokens keys in force */
#define TRIES        64u
#define FAR_S        (10 * 366 * 86400LL) /* a time-limited name beyond is a mistake */
#define PRIME_MAX    1024u
#define PASSWORD_MAX 28u /* base64 of HMAC-SHA-1 */

struct file_user {
	char *name;
	uint8_t key[16];
};

struct relay {
	char *realm;
	struct mras_key keys[KEYS_MAX];
	int64_t effective[KEYS_MAX];
	uint32_t n_keys;
	struct file_user *users;
	uint32_t n_users;
	char *secrets; /* one or two, separated by a blank */
	struct str secret[RELAY_SECRETS_MAX];
	uint32_t n_secrets;
	uint32_t lifetime_s;
};

static char *
copy(struct str s)
{
	char *p = malloc(s.n + 1);

	if (!p)
		return NULL;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return p;
}

static void
forget(char *p)
{
	if (p)
		wipe(p, strlen(p));
	free(p);
}

struct relay *
relay_free(struct relay *r)
{
	if (!r)
		return NULL;
	for (uint32_t i = 0; i < r->n_users; i++)
		free(r->users[i].name);
	if (r->users)
		wipe(r->users, r->n_users * sizeof(r->users[0]));
	free(r->users);
	free(r->realm);
	forget(r->secrets);
	wipe(r, sizeof(*r));
	free(r);
	return NULL;
}

/* ---- the A/V authentication key ---- */

static int
prime(const EVP_PKEY *pkey, const char *name, uint8_t *buf, struct str *ret)
{
	BIGNUM *bn = NULL;
	int r = ED_SYS;

	if (EVP_PKEY_get_bn_param(pkey, name, &bn) == 1 && BN_num_bytes(bn) <= (int)PRIME_MAX) {
		*ret = (struct str){(const char *)buf, (size_t)BN_bn2bin(bn, buf)};
		r = ED_OK;
	}
	BN_clear_free(bn);
	return r;
}

/* First four bytes of SHA-256 over the public key as certificates hold it. */
static int
kid_of(const EVP_PKEY *pkey, uint32_t *ret)
{
	uint8_t *der = NULL, d[DIGEST_SHA256_LEN];
	int n = i2d_PUBKEY(pkey, &der), r = ED_SYS;
	struct str part = {(const char *)der, n > 0 ? (size_t)n : 0};

	if (n > 0)
		r = digest_sha256(&part, 1, d);
	if (r == ED_OK)
		*ret = (uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3];
	OPENSSL_free(der);
	return r;
}

static int
derive(const EVP_PKEY *pkey, struct mras_key *ret)
{
	uint8_t p[PRIME_MAX], q[PRIME_MAX], master[MRAS_MASTER_LEN];
	struct str a = STR_NONE, b = STR_NONE;
	uint32_t kid = 0;
	int r = kid_of(pkey, &kid);

	if (r == ED_OK)
		r = prime(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, p, &a);
	if (r == ED_OK)
		r = prime(pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, q, &b);
	if (r == ED_OK)
		r = mras_master(a, b, master);
	if (r == ED_OK)
		r = mras_key_init(ret, kid, master);
	wipe(p, sizeof(p));
	wipe(q, sizeof(q));
	wipe(master, sizeof(master));
	return r;
}

static int
add_key(struct relay *r, const struct keyplan_slot *slot, const char **ret_why)
{
	BIO *bio;
	EVP_PKEY *pkey = NULL;
	int e = ED_MALFORMED;

	*ret_why = "certificates.av_auth: not an RSA key (CERT-AV-03)";
	if (r->n_keys >= KEYS_MAX)
		return ED_OK; /* the plan names the newest first; older ones have ended by then */
	bio = BIO_new_mem_buf(slot->key_pem.p, (int)slot->key_pem.n);
	if (bio)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	if (pkey && EVP_PKEY_is_a(pkey, "RSA"))
		e = derive(pkey, &r->keys[r->n_keys]);
	for (uint32_t i = 0; e == ED_OK && i < r->n_keys; i++)
		if (r->keys[i].kid == r->keys[r->n_keys].kid)
			goto out; /* the same key in two slots */
	if (e == ED_OK)
		r->effective[r->n_keys++] = slot->effective;
out:
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	return e;
}

/* ---- users of the file ---- */

static int
nibble(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static int
unhex(struct str s, uint8_t ret[16])
{
	if (s.n != 32)
		return ED_MALFORMED;
	for (size_t i = 0; i < 16; i++) {
		int high = nibble(s.p[2 * i]), low = nibble(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return ED_MALFORMED;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return ED_OK;
}

static int
long_term_key(struct str name, struct str realm, struct str password, uint8_t ret[16])
{
	struct str parts[5] = {name, STR(":"), realm, STR(":"), password};

	return digest_md5(parts, 5, ret);
}

static int
add_users(struct relay *r, const struct keyplan *plan, const char **ret_why)
{
	r->users = calloc(plan->n_turn_users ? plan->n_turn_users : 1, sizeof(r->users[0]));
	if (!r->users)
		return ED_NOMEM;
	for (uint16_t i = 0; i < plan->n_turn_users; i++) {
		struct file_user *u = &r->users[i];
		struct str password = plan->turn_users[i].password, key = plan->turn_users[i].key;
		int e = ED_MALFORMED;

		u->name = copy(plan->turn_users[i].name);
		if (!u->name)
			return ED_NOMEM;
		r->n_users++;
		if (key.n)
			e = unhex(key, u->key);
		else if (password.n)
			e = long_term_key(str_of(u->name), str_of(r->realm), password, u->key);
		if (e < 0) {
			*ret_why = "av.users: a user needs a password, or a key of 32 hex digits";
			return e;
		}
	}
	return ED_OK;
}

static int
add_secrets(struct relay *r, const struct keyplan *plan)
{
	struct str left;

	r->secrets = copy(plan->turn_shared_secret);
	if (!r->secrets)
		return ED_NOMEM;
	left = str_trim(str_of(r->secrets));
	while (left.n && r->n_secrets < RELAY_SECRETS_MAX) {
		ptrdiff_t blank = str_find(left, ' ');
		size_t n = blank < 0 ? left.n : (size_t)blank;

		r->secret[r->n_secrets++] = str_first(left, n);
		left = str_trim(str_from(left, n));
	}
	return ED_OK;
}

int
relay_new(const struct keyplan *plan, struct relay **ret, const char **ret_why)
{
	struct relay *r = calloc(1, sizeof(*r));
	int e = ED_NOMEM;

	*ret_why = "out of memory";
	if (!r)
		return ED_NOMEM;
	r->lifetime_s = plan->token_lifetime_s ? plan->token_lifetime_s : 8 * 3600;
	r->realm = copy(plan->turn_realm);
	if (!r->realm)
		goto out;
	for (uint16_t i = 0; i < plan->n_slots; i++) {
		if (!str_eq(plan->slots[i].binding, STR("av_auth")) &&
		    !str_eq(plan->slots[i].binding, STR("av_auth_next")))
			continue;
		e = add_key(r, &plan->slots[i], ret_why);
		if (e < 0)
			goto out;
	}
	e = add_users(r, plan, ret_why);
	if (e == ED_OK)
		e = add_secrets(r, plan);
	if (e < 0)
		goto out;
	*ret = r;
	r = NULL;
out:
	relay_free(r);
	return e;
}

/* ---- TURN_KEY ---- */

static int
pseudonym(struct str kind, struct str name, uint8_t ret[16])
{
	struct str parts[2] = {kind, name};
	uint8_t d[DIGEST_SHA256_LEN];
	int e = digest_sha256(parts, 2, d);

	if (e == ED_OK)
		memcpy(ret, d, 16);
	return e;
}

static int
token_key(const struct relay *r, struct str username, int64_t now_s, struct relay_key *ret)
{
	struct mras_verdict v;
	bool kid_known;
	int e = mras_token_verify(r->keys, r->n_keys, username, now_s, &v, &kid_known);

	if (e < 0)
		return e;
	memcpy(ret->user, v.user, sizeof(ret->user));
	ret->remaining_s = v.expiry > now_s ? (uint64_t)(v.expiry - now_s) : 0;
	ret->n_keys = 1;
	e = long_term_key(username, str_of(r->realm),
	    (struct str){(const char *)v.password, sizeof(v.password)}, ret->key[0]);
	wipe(&v, sizeof(v));
	return e;
}

static size_t
base64(const uint8_t *p, size_t n, char *ret)
{
	return (size_t)EVP_EncodeBlock((unsigned char *)ret, p, (int)n);
}

/* expiry[:user], seconds since 1970 in plain decimal. */
static int
timed_key(const struct relay *r, struct str username, int64_t now_s, struct relay_key *ret)
{
	ptrdiff_t colon = str_find(username, ':');
	struct str digits = colon < 0 ? username : str_first(username, (size_t)colon);
	struct str user = colon < 0 ? username : str_from(username, (size_t)colon + 1);
	uint32_t expiry;
	int e;

	if (!r->n_secrets || !str_to_u32(digits, UINT32_MAX, &expiry) || expiry > now_s + FAR_S)
		return ED_DENIED;
	if (expiry <= now_s)
		return ED_GONE;
	ret->remaining_s = (uint64_t)(expiry - now_s);
	e = pseudonym(STR("time-limited:"), user, ret->user);
	for (uint32_t i = 0; e == ED_OK && i < r->n_secrets; i++) {
		uint8_t mac[DIGEST_SHA1_LEN];
		char password[PASSWORD_MAX + 1];

		e = digest_hmac_sha1(r->secret[i], &username, 1, mac);
		if (e == ED_OK)
			e = long_term_key(username, str_of(r->realm),
			    (struct str){password, base64(mac, sizeof(mac), password)},
			    ret->key[i]);
		wipe(password, sizeof(password));
		ret->n_keys++;
	}
	return e;
}

int
relay_turn_key(const struct relay *r, struct str username, int64_t now_s, struct relay_key *ret)
{
	*ret = (struct relay_key){.remaining_s = UINT64_MAX};
	if (username.n == MRAS_USERNAME_LEN && username.p[0] == 'E')
		return token_key(r, username, now_s, ret);
	for (uint32_t i = 0; i < r->n_users; i++) {
		if (!str_eq(str_of(r->users[i].name), username))
			continue;
		memcpy(ret->key[0], r->users[i].key, 16);
		ret->n_keys = 1;
		return pseudonym(STR("file:"), username, ret->user);
	}
	return timed_key(r, username, now_s, ret);
}

/* ---- ISSUE_TOKEN ---- */

/* The newest whose time has come; before any has, the one that comes first. */
static const struct mras_key *
issuing_key(const struct relay *r, int64_t now_s)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < r->n_keys; i++) {
		bool due = r->effective[i] <= now_s, best_due = r->effective[best] <= now_s;

		if (due == best_due ? (due ? r->effective[i] > r->effective[best]
					   : r->effective[i] < r->effective[best])
				    : due)
			best = i;
	}
	return r->n_keys ? &r->keys[best] : NULL;
}

int
relay_issue(const struct relay *r, struct str identity, uint32_t duration_min, uint8_t flags,
    int64_t now_s, void (*random)(void *p, size_t n), struct relay_token *ret)
{
	const struct mras_key *key = issuing_key(r, now_s);
	uint32_t longest = r->lifetime_s / 60;
	int e = ED_STATE;

	if (!key)
		return ED_UNSUPPORTED;
	if (duration_min == 0 || duration_min > longest)
		duration_min = longest ? longest : 1;
	/* About one nonce in fifty makes a token that libnice would trim; it is never issued. */
	for (unsigned i = 0; i < TRIES && e == ED_STATE; i++) {
		uint32_t nonce;

		random(&nonce, sizeof(nonce));
		e = mras_token_issue(
		    key, identity, flags, now_s + (int64_t)duration_min * 60, nonce, &ret->token);
	}
	ret->duration_min = duration_min;
	return e == ED_STATE ? ED_SYS : e;
}

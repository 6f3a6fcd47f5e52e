/* SPDX-License-Identifier: MIT
 *
 * keyd/keyd.c: the operations. A request is judged in one order: can it be read, may this role do
 * that at all, may it with this slot (or day), and only then is a key touched.
 */
#include "keyd/keyd.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/digest.h"
#include "base/mac.h"
#include "keyd/relay.h"
#include "keyd/view.h"
#include "net/ipc.h"

#define SECURE_HEAP     (256u * 1024u)
#define SECURE_HEAP_MIN 32
#define DAY_S           86400
/* Route tokens are good for 7 days after theirs (access-edge-sip 6.2); a day's slack at each end.
 */
#define DAYS_BACK  9
#define DAYS_AHEAD 2

struct keyd {
	struct keyd_view *now, *staged;
	char why[KEYD_WHY_LEN];
};

struct keyd *
keyd_new(void)
{
	struct keyd *k = calloc(1, sizeof(*k));

	if (!k || mac_setup() < 0 || digest_setup() < 0) {
		free(k);
		return NULL;
	}
	/* Without it the keys lie in the ordinary heap, which the sandbox keeps out of dumps too.
	 */
	if (!CRYPTO_secure_malloc_initialized())
		(void)CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_HEAP_MIN);
	return k;
}

struct keyd *
keyd_free(struct keyd *k)
{
	if (!k)
		return NULL;
	keyd_view_free(k->now);
	keyd_view_free(k->staged);
	free(k);
	return NULL;
}

int
keyd_stage(struct keyd *k, struct str plan, const char **ret_why)
{
	int r;

	keyd_rollback(k);
	r = keyd_view_new(plan, &k->staged, k->why);
	*ret_why = k->why;
	return r;
}

static bool
has_same_slots(const struct keyd_view *a, const struct keyd_view *b)
{
	for (unsigned i = 0; i < a->n_slots && a->n_slots == b->n_slots; i++)
		if (a->slots[i].number != b->slots[i].number)
			return false;
	return a->n_slots == b->n_slots;
}

void
keyd_commit(struct keyd *k)
{
	struct keyd_view *old = k->now;

	if (!k->staged)
		return;
	k->now = k->staged;
	k->staged = NULL;
	if (old && has_same_slots(old, k->now)) {
		k->now->before = old->before;
		old->before = NULL;
		keyd_view_free(old);
	} else if (old) {
		old->before = keyd_view_free(old->before);
		k->now->before = old;
	}
}

void
keyd_rollback(struct keyd *k)
{
	k->staged = keyd_view_free(k->staged);
}

unsigned
keyd_slots(const struct keyd *k)
{
	return k->now ? k->now->n_slots : 0;
}

/* --- SIGN --- */

enum padding { PAD_PKCS1, PAD_PSS, PAD_NONE };

static const struct alg {
	const char *digest;
	size_t len;
	bool ec;
	enum padding pad;
} algs[KEYPROTO_ALG__N] = {
    [KEYPROTO_RSA_SHA256] = {"SHA256", 32, false, PAD_PKCS1},
    [KEYPROTO_RSA_SHA384] = {"SHA384", 48, false, PAD_PKCS1},
    [KEYPROTO_RSA_SHA512] = {"SHA512", 64, false, PAD_PKCS1},
    [KEYPROTO_PSS_SHA256] = {"SHA256", 32, false, PAD_PSS},
    [KEYPROTO_PSS_SHA384] = {"SHA384", 48, false, PAD_PSS},
    [KEYPROTO_PSS_SHA512] = {"SHA512", 64, false, PAD_PSS},
    [KEYPROTO_ECDSA_SHA256] = {"SHA256", 32, true, PAD_NONE},
    [KEYPROTO_ECDSA_SHA384] = {"SHA384", 48, true, PAD_NONE},
    [KEYPROTO_ECDSA_SHA512] = {"SHA512", 64, true, PAD_NONE},
};

static EVP_PKEY_CTX *
sign_ctx_new(EVP_PKEY *key, const struct alg *alg)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	EVP_MD *md = EVP_MD_fetch(NULL, alg->digest, NULL);
	bool ok = ctx && md && EVP_PKEY_sign_init(ctx) == 1;

	if (ok && alg->pad != PAD_NONE)
		ok = EVP_PKEY_CTX_set_rsa_padding(
			 ctx, alg->pad == PAD_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1;
	if (ok)
		ok = EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;
	if (ok && alg->pad == PAD_PSS)
		ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	EVP_MD_free(md);
	if (ok)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

static struct keyd_slot *
find_slot(struct keyd_view *v, uint16_t number, uint64_t *ret_bit)
{
	for (unsigned i = 0; i < v->n_slots; i++)
		if (v->slots[i].number == number) {
			*ret_bit = 1ull << i;
			return &v->slots[i];
		}
	return NULL;
}

struct result {
	uint8_t p[KEYPROTO_RESULT_MAX];
	size_t n;
};

static enum keyproto_verdict
op_sign(
    struct keyd_view *v, enum role role, int64_t now_s, struct ipc_reader *r, struct result *ret)
{
	uint16_t number = ipc_get_u16(r);
	uint8_t a = ipc_get_u8(r);
	struct str digest = ipc_get_str(r);
	struct keyd_slot *slot;
	uint64_t bit = 0;
	size_t n = sizeof(ret->p);

	if (ipc_get_end(r) < 0)
		return KEYPROTO_MALFORMED;
	slot = find_slot(v, number, &bit);
	if (!slot && v->before) {
		v = v->before;
		slot = find_slot(v, number, &bit);
	}
	if (!slot)
		return KEYPROTO_NO_SLOT;
	if (!(v->rows[role].slots & bit))
		return KEYPROTO_DENIED;
	if (a >= KEYPROTO_ALG__N || !algs[a].digest || algs[a].ec != slot->ec)
		return KEYPROTO_UNSUPPORTED;
	if (digest.n != algs[a].len)
		return KEYPROTO_MALFORMED;
	if (!slot->sign[a])
		slot->sign[a] = sign_ctx_new(slot->key, &algs[a]);
	if (!slot->sign[a] || EVP_PKEY_sign(slot->sign[a], ret->p, &n,
				  (const unsigned char *)digest.p, digest.n) != 1) {
		ERR_clear_error();
		return KEYPROTO_FAILED;
	}
	ret->n = n;
	return KEYPROTO_OK;
}

/* --- keys derived from the pool secret --- */

/* HKDF-SHA-256, info = label, then the number as 32 bits, most significant first. */
static int
derive(const struct keyd_view *v, const char *label, uint32_t number, uint8_t *ret, size_t n)
{
	uint8_t info[64];
	struct ipc_writer w = {.p = info, .room = sizeof(info)};
	size_t len = strlen(label);

	if (len > sizeof(info) - 4)
		return ED_LIMIT;
	memcpy(info, label, len);
	w.n = len;
	ipc_put_u32(&w, number);
	return mac_hkdf(v->pool.p, v->pool.n, (struct str){(const char *)info, w.n}, ret, n);
}

static enum keyproto_verdict
op_day_keys(
    struct keyd_view *v, enum role role, int64_t now_s, struct ipc_reader *r, struct result *ret)
{
	uint32_t first = ipc_get_u32(r);
	uint8_t n = ipc_get_u8(r);
	int64_t today = now_s / DAY_S;

	if (ipc_get_end(r) < 0 || n == 0 || n > KEYPROTO_DAYS_MAX)
		return KEYPROTO_MALFORMED;
	/* Who takes over a worker gets the keys of these days, not of next year. */
	if ((int64_t)first < today - DAYS_BACK || (int64_t)first + n - 1 > today + DAYS_AHEAD)
		return KEYPROTO_DENIED;
	for (uint8_t i = 0; i < n; i++) {
		uint8_t *at = ret->p + i * KEYPROTO_DAY_KEY_LEN;

		if (derive(v, "edged route sign", first + i, at, 32) < 0 ||
		    derive(v, "edged route seal", first + i, at + 32, 32) < 0)
			return KEYPROTO_FAILED;
	}
	ret->n = n * KEYPROTO_DAY_KEY_LEN;
	return KEYPROTO_OK;
}

static enum keyproto_verdict
op_ticket_keys(
    struct keyd_view *v, enum role role, int64_t now_s, struct ipc_reader *r, struct result *ret)
{
	uint32_t period = ipc_get_u32(r);
	int64_t now = now_s / KEYPROTO_TICKET_PERIOD_S;
	const uint32_t periods[3] = {period, period - 1, period + 1};

	if (ipc_get_end(r) < 0)
		return KEYPROTO_MALFORMED;
	if ((int64_t)period < now - 1 || (int64_t)period > now + 1)
		return KEYPROTO_DENIED;
	for (int i = 0; i < 3; i++)
		if (derive(v, "edged tls ticket", periods[i], ret->p + i * 48, 48) < 0)
			return KEYPROTO_FAILED;
	ret->n = 3 * 48;
	return KEYPROTO_OK;
}

/* --- credentials of the relay --- */

static enum keyproto_verdict
op_turn_key(
    struct keyd_view *v, enum role role, int64_t now_s, struct ipc_reader *r, struct result *ret)
{
	struct ipc_writer w = {.p = ret->p, .room = sizeof(ret->p)};
	struct str username = ipc_get_str(r);
	struct relay_key key;
	int e;

	if (ipc_get_end(r) < 0)
		return KEYPROTO_MALFORMED;
	e = relay_turn_key(v->relay, username, now_s, &key);
	if (e == ED_OK) {
		ipc_put_u8(&w, KEYPROTO_NAME_GOOD);
		ipc_put_u64(&w, key.remaining_s);
		ipc_put_str(&w, (struct str){(const char *)key.user, sizeof(key.user)});
		ipc_put_u8(&w, key.n_keys);
		for (uint8_t i = 0; i < key.n_keys; i++)
			ipc_put_str(&w, (struct str){(const char *)key.key[i], sizeof(key.key[i])});
	} else if (e == ED_DENIED || e == ED_GONE) {
		/* An unknown name is an answer, not a refused request. */
		ipc_put_u8(&w, e == ED_GONE ? KEYPROTO_NAME_EXPIRED : KEYPROTO_NAME_UNKNOWN);
	}
	wipe(&key, sizeof(key));
	ret->n = w.n;
	return w.n && w.err == ED_OK ? KEYPROTO_OK : KEYPROTO_FAILED;
}

static void
random_bytes(void *p, size_t n)
{
	if (getrandom(p, n, 0) != (ssize_t)n)
		abort(); /* a keyd without random bytes issues nothing */
}

static enum keyproto_verdict
op_issue_token(
    struct keyd_view *v, enum role role, int64_t now_s, struct ipc_reader *r, struct result *ret)
{
	struct ipc_writer w = {.p = ret->p, .room = sizeof(ret->p)};
	struct str identity = ipc_get_str(r);
	uint32_t duration_min = ipc_get_u32(r);
	uint8_t flags = ipc_get_u8(r);
	struct relay_token t = {0};
	int e;

	if (ipc_get_end(r) < 0)
		return KEYPROTO_MALFORMED;
	e = relay_issue(v->relay, identity, duration_min, flags, now_s, random_bytes, &t);
	if (e < 0 && e != ED_UNSUPPORTED)
		return KEYPROTO_FAILED;
	ipc_put_u8(&w, e == ED_OK ? 0 : 1);
	if (e == ED_OK) {
		ipc_put_u32(&w, t.duration_min);
		ipc_put_str(
		    &w, (struct str){(const char *)t.token.username, sizeof(t.token.username)});
		ipc_put_str(
		    &w, (struct str){(const char *)t.token.password, sizeof(t.token.password)});
	}
	wipe(&t, sizeof(t));
	ret->n = w.n;
	return w.err == ED_OK ? KEYPROTO_OK : KEYPROTO_FAILED;
}

static const struct {
	enum keyd_op op;
	enum keyproto_verdict (*run)(struct keyd_view *v, enum role role, int64_t now_s,
	    struct ipc_reader *r, struct result *ret);
} ops[] = {
    {KEYD_OP_SIGN, op_sign},
    {KEYD_OP_DAY_KEYS, op_day_keys},
    {KEYD_OP_TICKET_KEYS, op_ticket_keys},
    {KEYD_OP_TURN_KEY, op_turn_key},
    {KEYD_OP_ISSUE_TOKEN, op_issue_token},
};

static enum keyproto_verdict
judge(struct keyd *k, enum role role, int64_t now_s, uint8_t op, struct ipc_reader *r,
    struct result *ret)
{
	if (op >= 32 || role >= ROLE__N || !k->now || !(k->now->rows[role].ops & KEYD_OP_BIT(op)))
		return KEYPROTO_DENIED;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].op == op)
			return ops[i].run(k->now, role, now_s, r, ret);
	return KEYPROTO_UNSUPPORTED;
}

int
keyd_answer(struct keyd *k, enum role role, int64_t now_s, struct str request,
    uint8_t ret[KEYD_ANSWER_MAX], size_t *ret_n, enum keyproto_verdict *ret_verdict)
{
	struct ipc_writer w = {.p = ret, .room = KEYD_ANSWER_MAX};
	struct ipc_reader r = {.left = request};
	uint32_t number = ipc_get_u32(&r);
	uint8_t op = ipc_get_u8(&r);
	struct result result;
	enum keyproto_verdict v;

	if (r.err < 0 || request.n > KEYPROTO_REQUEST_MAX)
		return ED_MALFORMED;
	result.n = 0;
	v = judge(k, role, now_s, op, &r, &result);
	ipc_put_u32(&w, number);
	ipc_put_u8(&w, (uint8_t)v);
	ipc_put_str(
	    &w, v == KEYPROTO_OK ? (struct str){(const char *)result.p, result.n} : STR_NONE);
	wipe(result.p, result.n);
	if (w.err < 0)
		return w.err;
	*ret_n = w.n;
	*ret_verdict = v;
	return ED_OK;
}

/* SPDX-License-Identifier: MIT */
#include "keyd/keyd.h"

#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "net/ipc.h"
#include "svc/keyplan.h"
#include "testcert.h"

#define NOW (20000 * 86400LL + 3600)

static struct testcert rsa, ec;
static uint8_t plan_bytes[65536];

static struct str
plan_of(struct keyplan *p)
{
	struct ipc_writer w = {.p = plan_bytes, .room = sizeof(plan_bytes)};

	keyplan_put(&w, p);
	assert_int_equal(w.err, ED_OK);
	return (struct str){(const char *)plan_bytes, w.n};
}

static void
usual(struct keyplan *p)
{
	memset(p, 0, sizeof(*p));
	p->pool_secret = STR("0123456789abcdef0123456789abcdef");
	p->n_slots = 2;
	p->slots[0] = (struct keyplan_slot){.slot = 7,
	    .binding = STR("external"),
	    .key_pem = str_of(rsa.key_pem),
	    .cert_pem = str_of(rsa.pem)};
	p->slots[1] = (struct keyplan_slot){.slot = 9,
	    .binding = STR("internal"),
	    .key_pem = str_of(ec.key_pem),
	    .cert_pem = str_of(ec.pem)};
	p->roles[ROLE_ACCESS].ops = KEYD_OP_BIT(KEYD_OP_SIGN) | KEYD_OP_BIT(KEYD_OP_DAY_KEYS) |
				    KEYD_OP_BIT(KEYD_OP_TICKET_KEYS);
	p->roles[ROLE_ACCESS].bindings = STR("external internal");
	p->roles[ROLE_WEBCONF].ops = KEYD_OP_BIT(KEYD_OP_SIGN);
	p->roles[ROLE_WEBCONF].bindings = STR("external internal2");
}

static struct keyd *
usual_keyd(void)
{
	struct keyd *k = keyd_new();
	struct keyplan *p = malloc(sizeof(*p));
	const char *why = NULL;

	usual(p);
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_OK);
	keyd_commit(k);
	assert_int_equal(keyd_slots(k), 2);
	free(p);
	return k;
}

static enum keyproto_verdict
ask(struct keyd *k, enum role role, struct str request, uint8_t *result, size_t *ret_n)
{
	uint8_t answer[KEYD_ANSWER_MAX];
	enum keyproto_verdict v;
	struct ipc_reader r;
	struct str res;
	size_t n;

	assert_int_equal(keyd_answer(k, role, NOW, request, answer, &n, &v), ED_OK);
	r = (struct ipc_reader){.left = {(const char *)answer, n}};
	assert_int_equal(ipc_get_u32(&r), 42);
	assert_int_equal(ipc_get_u8(&r), v);
	res = ipc_get_str(&r);
	assert_int_equal(ipc_get_end(&r), ED_OK);
	if (v != KEYPROTO_OK)
		assert_int_equal(res.n, 0);
	if (res.n)
		memcpy(result, res.p, res.n);
	*ret_n = res.n;
	return v;
}

static struct str
sign_request(uint8_t *buf, uint16_t slot, uint8_t alg, struct str digest)
{
	struct ipc_writer w = {.p = buf, .room = 256};

	ipc_put_u32(&w, 42);
	ipc_put_u8(&w, KEYD_OP_SIGN);
	ipc_put_u16(&w, slot);
	ipc_put_u8(&w, alg);
	ipc_put_str(&w, digest);
	return (struct str){(const char *)buf, w.n};
}

static const struct {
	const char *name;
	enum role role;
	uint16_t slot;
	uint8_t alg;
	size_t digest_len;
	enum keyproto_verdict want;
} sign_cases[] = {
    {"rsa sha256", ROLE_ACCESS, 7, KEYPROTO_RSA_SHA256, 32, KEYPROTO_OK},
    {"rsa sha384", ROLE_ACCESS, 7, KEYPROTO_RSA_SHA384, 48, KEYPROTO_OK},
    {"rsa sha512", ROLE_ACCESS, 7, KEYPROTO_RSA_SHA512, 64, KEYPROTO_OK},
    {"pss sha256", ROLE_ACCESS, 7, KEYPROTO_PSS_SHA256, 32, KEYPROTO_OK},
    {"pss sha384", ROLE_ACCESS, 7, KEYPROTO_PSS_SHA384, 48, KEYPROTO_OK},
    {"pss sha512", ROLE_ACCESS, 7, KEYPROTO_PSS_SHA512, 64, KEYPROTO_OK},
    {"ecdsa sha256", ROLE_ACCESS, 9, KEYPROTO_ECDSA_SHA256, 32, KEYPROTO_OK},
    {"ecdsa sha384", ROLE_ACCESS, 9, KEYPROTO_ECDSA_SHA384, 48, KEYPROTO_OK},
    {"other role, its slot", ROLE_WEBCONF, 7, KEYPROTO_RSA_SHA256, 32, KEYPROTO_OK},
    {"other role, not its slot", ROLE_WEBCONF, 9, KEYPROTO_ECDSA_SHA256, 32, KEYPROTO_DENIED},
    {"role without a row", ROLE_AV, 7, KEYPROTO_RSA_SHA256, 32, KEYPROTO_DENIED},
    {"no such role", ROLE__N, 7, KEYPROTO_RSA_SHA256, 32, KEYPROTO_DENIED},
    {"no such slot", ROLE_ACCESS, 8, KEYPROTO_RSA_SHA256, 32, KEYPROTO_NO_SLOT},
    {"rsa with the ec key", ROLE_ACCESS, 9, KEYPROTO_RSA_SHA256, 32, KEYPROTO_UNSUPPORTED},
    {"ecdsa with the rsa key", ROLE_ACCESS, 7, KEYPROTO_ECDSA_SHA256, 32, KEYPROTO_UNSUPPORTED},
    {"algorithm 0", ROLE_ACCESS, 7, 0, 32, KEYPROTO_UNSUPPORTED},
    {"algorithm 255", ROLE_ACCESS, 7, 255, 32, KEYPROTO_UNSUPPORTED},
    {"digest too short", ROLE_ACCESS, 7, KEYPROTO_RSA_SHA256, 20, KEYPROTO_MALFORMED},
    {"digest too long", ROLE_ACCESS, 9, KEYPROTO_ECDSA_SHA256, 64, KEYPROTO_MALFORMED},
    {"no digest", ROLE_ACCESS, 9, KEYPROTO_ECDSA_SHA256, 0, KEYPROTO_MALFORMED},
};

static int
verifies(EVP_PKEY *key, uint8_t alg, const uint8_t *sig, size_t sig_n, struct str digest)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	const EVP_MD *md = digest.n == 32   ? EVP_sha256()
			   : digest.n == 48 ? EVP_sha384()
					    : EVP_sha512();
	int ok;

	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	if (alg <= KEYPROTO_PSS_SHA512)
		EVP_PKEY_CTX_set_rsa_padding(
		    ctx, alg >= KEYPROTO_PSS_SHA256 ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
	EVP_PKEY_CTX_set_signature_md(ctx, md);
	if (alg >= KEYPROTO_PSS_SHA256 && alg <= KEYPROTO_PSS_SHA512)
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
	ok = EVP_PKEY_verify(ctx, sig, sig_n, (const uint8_t *)digest.p, digest.n);
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static void
test_sign(void **state)
{
	struct keyd *k = usual_keyd();
	uint8_t buf[256], sig[KEYPROTO_RESULT_MAX];
	char digest[64];

	memset(digest, 0x33, sizeof(digest));
	for (int round = 0; round < 2; round++) /* the second meets prepared contexts */
		for (size_t i = 0; i < sizeof(sign_cases) / sizeof(sign_cases[0]); i++) {
			struct str d = {digest, sign_cases[i].digest_len};
			struct str q = sign_request(buf, sign_cases[i].slot, sign_cases[i].alg, d);
			size_t n;

			if (ask(k, sign_cases[i].role, q, sig, &n) != sign_cases[i].want)
				fail_msg("%s", sign_cases[i].name);
			if (sign_cases[i].want == KEYPROTO_OK &&
			    verifies(sign_cases[i].slot == 7 ? rsa.key : ec.key, sign_cases[i].alg,
				sig, n, d) != 1)
				fail_msg("%s: does not verify", sign_cases[i].name);
		}
	keyd_free(k);
}

static void
test_cut_requests(void **state)
{
	struct keyd *k = usual_keyd();
	uint8_t buf[256], out[KEYD_ANSWER_MAX];
	char digest[32] = {1};
	struct str q = sign_request(buf, 7, KEYPROTO_RSA_SHA256, (struct str){digest, 32});
	enum keyproto_verdict v;
	size_t n;

	for (size_t i = 0; i < q.n; i++) {
		int r = keyd_answer(k, ROLE_ACCESS, NOW, str_first(q, i), out, &n, &v);

		assert_int_equal(r, i < 5 ? ED_MALFORMED : ED_OK);
		if (i >= 5)
			assert_int_equal(v, KEYPROTO_MALFORMED);
	}
	buf[q.n] = 0; /* one octet too many */
	q.n++;
	assert_int_equal(keyd_answer(k, ROLE_ACCESS, NOW, q, out, &n, &v), ED_OK);
	assert_int_equal(v, KEYPROTO_MALFORMED);
	keyd_free(k);
}

static enum keyproto_verdict
ask_days(struct keyd *k, enum role role, uint32_t first, uint8_t n, uint8_t *ret, size_t *ret_n)
{
	uint8_t buf[64];
	struct ipc_writer w = {.p = buf, .room = sizeof(buf)};

	ipc_put_u32(&w, 42);
	ipc_put_u8(&w, KEYD_OP_DAY_KEYS);
	ipc_put_u32(&w, first);
	ipc_put_u8(&w, n);
	return ask(k, role, (struct str){(const char *)buf, w.n}, ret, ret_n);
}

static void
test_day_keys(void **state)
{
	struct keyd *a = usual_keyd(), *b = usual_keyd();
	uint8_t x[KEYPROTO_RESULT_MAX], y[KEYPROTO_RESULT_MAX];
	size_t n, m;

	assert_int_equal(ask_days(a, ROLE_ACCESS, 19993, 9, x, &n), KEYPROTO_OK);
	assert_int_equal(n, 9 * 64);
	/* Every member of a pool derives the same, and a day's keys do not depend on the question.
	 */
	assert_int_equal(ask_days(b, ROLE_ACCESS, 20000, 1, y, &m), KEYPROTO_OK);
	assert_memory_equal(x + 7 * 64, y, 64);
	for (int i = 0; i < 18; i++) /* all differ */
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(x + i * 32, x + j * 32, 32);
	assert_int_equal(ask_days(a, ROLE_ACCESS, 20003, 1, x, &n), KEYPROTO_DENIED);
	assert_int_equal(ask_days(a, ROLE_ACCESS, 20000, 4, x, &n), KEYPROTO_DENIED);
	assert_int_equal(ask_days(a, ROLE_ACCESS, 19990, 1, x, &n), KEYPROTO_DENIED);
	assert_int_equal(ask_days(a, ROLE_ACCESS, UINT32_MAX, 2, x, &n), KEYPROTO_DENIED);
	assert_int_equal(ask_days(a, ROLE_ACCESS, 20000, 0, x, &n), KEYPROTO_MALFORMED);
	assert_int_equal(ask_days(a, ROLE_ACCESS, 19992, 17, x, &n), KEYPROTO_MALFORMED);
	assert_int_equal(ask_days(a, ROLE_WEBCONF, 20000, 1, x, &n), KEYPROTO_DENIED);
	keyd_free(a);
	keyd_free(b);
}

static void
test_ticket_keys(void **state)
{
	static const uint8_t op = KEYD_OP_TICKET_KEYS;
	uint32_t now = (uint32_t)(NOW / KEYPROTO_TICKET_PERIOD_S);
	struct keyd *k = usual_keyd();
	uint8_t got[3][KEYPROTO_RESULT_MAX];
	size_t n;

	for (uint32_t i = 0; i < 4; i++) {
		uint8_t buf[64], extra[KEYPROTO_RESULT_MAX];
		struct ipc_writer w = {.p = buf, .room = sizeof(buf)};

		ipc_put_u32(&w, 42);
		ipc_put_u8(&w, op);
		ipc_put_u32(&w, now - 1 + i);
		assert_int_equal(ask(k, ROLE_ACCESS, (struct str){(const char *)buf, w.n},
				     i < 3 ? got[i] : extra, &n),
		    i < 3 ? KEYPROTO_OK : KEYPROTO_DENIED);
		assert_int_equal(n, i < 3 ? 144 : 0);
	}
	/* current, previous, next: the rings of neighbouring periods overlap */
	assert_memory_equal(got[1], got[0] + 96, 48);
	assert_memory_equal(got[1] + 48, got[0], 48);
	assert_memory_equal(got[1] + 96, got[2], 48);
	keyd_free(k);
}

static void
test_plans(void **state)
{
	struct keyd *k = usual_keyd();
	struct keyplan *p = malloc(sizeof(*p));
	const char *why = NULL;
	struct str bytes;
	uint8_t sig[KEYPROTO_RESULT_MAX], buf[256];
	char digest[32] = {1};
	size_t n;

	usual(p);
	p->slots[1].cert_pem = str_of(rsa.pem);
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_DENIED);
	assert_non_null(strstr(why, "certificates.internal: private key does not match"));
	usual(p);
	p->slots[0].key_pem = STR("junk");
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_DENIED);
	assert_non_null(strstr(why, "cannot be read"));
	usual(p);
	p->slots[1].slot = 7;
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_DENIED);
	usual(p);
	bytes = plan_of(p);
	for (size_t i = 0; i < bytes.n; i += 97)
		assert_true(keyd_stage(k, str_first(bytes, i), &why) < 0);
	/* A refused plan changes nothing. */
	keyd_commit(k);
	assert_int_equal(keyd_slots(k), 2);
	usual(p);
	p->slots[0].slot = 11;
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_OK);
	struct str q = sign_request(buf, 7, KEYPROTO_RSA_SHA256, (struct str){digest, 32});
	assert_int_equal(ask(k, ROLE_ACCESS, q, sig, &n), KEYPROTO_OK);
	keyd_rollback(k);
	keyd_commit(k);
	assert_int_equal(ask(k, ROLE_ACCESS, q, sig, &n), KEYPROTO_OK);
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_OK);
	keyd_commit(k);
	/* The slot of the plan before signs on, also when the same plan comes once more ... */
	assert_int_equal(ask(k, ROLE_ACCESS, q, sig, &n), KEYPROTO_OK);
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_OK);
	keyd_commit(k);
	assert_int_equal(ask(k, ROLE_ACCESS, q, sig, &n), KEYPROTO_OK);
	/* ... until another takes its place. */
	p->slots[0].slot = 12;
	assert_int_equal(keyd_stage(k, plan_of(p), &why), ED_OK);
	keyd_commit(k);
	assert_int_equal(ask(k, ROLE_ACCESS, q, sig, &n), KEYPROTO_NO_SLOT);
	free(p);
	keyd_free(k);
}

static int
make(void **state)
{
	rsa =
	    testcert_new(&(struct testcert_spec){.cn = "sip.contoso.com", .rsa_bits = 2048}, NULL);
	ec = testcert_new(&(struct testcert_spec){.cn = "edge.contoso.net"}, NULL);
	return 0;
}

static int
unmake(void **state)
{
	testcert_free(&rsa);
	testcert_free(&ec);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sign),
	    cmocka_unit_test(test_cut_requests),
	    cmocka_unit_test(test_day_keys),
	    cmocka_unit_test(test_ticket_keys),
	    cmocka_unit_test(test_plans),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}

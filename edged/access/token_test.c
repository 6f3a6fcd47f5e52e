/* SPDX-License-Identifier: MIT */
#include "access/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access_cast.h"

static struct cast cast;

#define DAY 86400

static const struct token_bind bind_o = {.label = TOKEN_RR1,
    .call_id = {"3C0Dg11B4a7A2Bi", 15},
    .host = {"SIP.Contoso.com", 15},
    .ms_fe = {"", 0},
    .opaque = {"state:F:Ci.R2b00", 16}};

static int
setup(void **state)
{
	cast_init(&cast);
	return 0;
}

static int
teardown(void **state)
{
	cast_done(&cast);
	return 0;
}

/* Made with another implementation: HMAC-SHA-256 over "RR1\0Call-ID\0host\0\0opaque". */
static void
signature_is_that_of_6_2(void **state)
{
	char sig[TOKEN_SIG_LEN];

	assert_int_equal(token_sign(cast.ring, CAST_NOW_S, &bind_o, sig), ED_OK);
	assert_memory_equal(sig, "5OILdvpM4cbgxmoKmCrp4s1", TOKEN_SIG_LEN);
}

static void
signature_binds_every_part(void **state)
{
	struct token_bind parts[6];
	char sig[TOKEN_SIG_LEN];
	struct str s = {sig, sizeof(sig)};

	assert_int_equal(token_sign(cast.ring, CAST_NOW_S, &bind_o, sig), ED_OK);
	for (unsigned i = 0; i < 6; i++)
		parts[i] = bind_o;
	parts[0].label = TOKEN_RP1;
	parts[1].call_id = STR("3C0Dg11B4a7A2Bj");
	parts[2].host = STR("sip.contoso.con");
	parts[3].ms_fe = STR("x");
	parts[4].opaque = STR("state:F:Ci.R2b01");
	parts[5].host = STR("sip.contoso.com"); /* case does not count */
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(
		    token_verify(cast.ring, CAST_NOW_S, &parts[i], s), i == 5 ? ED_OK : ED_DENIED);
	for (unsigned i = 0; i < TOKEN_SIG_LEN; i++) {
		sig[i] ^= 1;
		assert_true(token_verify(cast.ring, CAST_NOW_S, &bind_o, s) < 0);
		sig[i] ^= 1;
	}
	s.n--;
	assert_int_equal(token_verify(cast.ring, CAST_NOW_S, &bind_o, s), ED_DENIED);
}

/* access-edge-sip 6.2: made on day d; when is it still (or already) good? */
static void
keys_have_their_days(void **state)
{
	static const struct {
		const char *name;
		int64_t after_s; /* since the first second of day d */
		int want;
	} rows[] = {
	    {"11 minutes early", -11 * 60, ED_GONE},
	    {"10 minutes early", -10 * 60, ED_OK},
	    {"its first second", 0, ED_OK},
	    {"its last second", DAY - 1, ED_OK},
	    {"7 days more, last second", 8 * DAY - 1, ED_OK},
	    {"one second later", 8 * DAY, ED_GONE},
	    {"64 days later the digit is the same", 64 * DAY, ED_GONE},
	};
	const int64_t day0 = CAST_NOW_S / DAY * DAY;
	char sig[TOKEN_SIG_LEN];
	struct str text, plain;
	const uint8_t iv[SEAL_IV_LEN] = {1};
	struct token_bind rt = bind_o;

	rt.label = TOKEN_RT1;
	assert_int_equal(token_sign(cast.ring, day0, &bind_o, sig), ED_OK);
	assert_int_equal(
	    token_seal(cast.ring, day0, &rt, iv, STR("sip:a\n"), &cast.arena, &text), ED_OK);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t now = day0 + rows[i].after_s;

		if (token_verify(cast.ring, now, &bind_o, (struct str){sig, sizeof(sig)}) !=
		    rows[i].want)
			fail_msg("sign: %s", rows[i].name);
		if (token_open(cast.ring, now, &rt, text, &cast.arena, &plain) != rows[i].want)
			fail_msg("seal: %s", rows[i].name);
	}
	assert_int_equal(token_sign(cast.ring, day0 + 30 * DAY, &bind_o, sig), ED_STATE);
}

static void
ring_says_what_it_lacks(void **state)
{
	struct token_ring *r = token_ring_new();
	const uint8_t key[TOKEN_KEY_LEN] = {1};
	uint32_t first;
	uint8_t n = token_ring_days(CAST_NOW_S, &first);

	for (uint8_t i = 0; i < n; i++) {
		assert_true(token_ring_is_stale(r, CAST_NOW_S));
		assert_int_equal(token_ring_set(r, first + i, key, key), ED_OK);
	}
	assert_false(token_ring_is_stale(r, CAST_NOW_S));
	assert_true(token_ring_is_stale(r, CAST_NOW_S + DAY));
	token_ring_free(r);
}

static void
sealed_text_opens_only_where_it_belongs(void **state)
{
	struct token_bind b = bind_o, other;
	const uint8_t iv[SEAL_IV_LEN] = {9};
	struct str text, plain;
	char *copy;

	b.label = TOKEN_RT1;
	assert_int_equal(token_seal(cast.ring, CAST_NOW_S, &b, iv, STR("sip:f1;lr\nsip:f2;lr\n"),
			     &cast.arena, &text),
	    ED_OK);
	assert_int_equal(text.n, token_sealed_len(20));
	assert_int_equal(token_open(cast.ring, CAST_NOW_S, &b, text, &cast.arena, &plain), ED_OK);
	assert_true(str_eq(plain, STR("sip:f1;lr\nsip:f2;lr\n")));
	other = b;
	other.opaque = STR("state:F:Ci.R2c00"); /* another connection */
	assert_int_equal(
	    token_open(cast.ring, CAST_NOW_S, &other, text, &cast.arena, &plain), ED_DENIED);
	other = b;
	other.call_id = STR("x");
	assert_int_equal(
	    token_open(cast.ring, CAST_NOW_S, &other, text, &cast.arena, &plain), ED_DENIED);
	copy = (char *)(uintptr_t)text.p;
	for (size_t i = 0; i < text.n; i++) {
		char was = copy[i];

		copy[i] = was == 'A' ? 'B' : 'A';
		assert_true(token_open(cast.ring, CAST_NOW_S, &b, text, &cast.arena, &plain) < 0);
		copy[i] = was;
	}
	for (size_t n = 0; n < text.n; n++)
		assert_true(token_open(cast.ring, CAST_NOW_S, &b, str_first(text, n), &cast.arena,
				&plain) < 0);
	text.n = TOKEN_SEALED_MAX + 1;
	assert_int_equal(
	    token_open(cast.ring, CAST_NOW_S, &b, text, &cast.arena, &plain), ED_LIMIT);
}

/* The ring remembers what held; that must change neither what is refused nor when. */
static void
memory_of_a_proof_proves_nothing_else(void **state)
{
	char sig[TOKEN_SIG_LEN], forged[TOKEN_SIG_LEN];
	const uint8_t iv[SEAL_IV_LEN] = {3}, key[TOKEN_KEY_LEN] = {0x55};
	struct token_bind rt = bind_o, other = bind_o;
	struct str text, plain;

	rt.label = TOKEN_RT1;
	other.call_id = STR("4D1Dg11B4a7A2Bi");
	assert_int_equal(token_sign(cast.ring, CAST_NOW_S, &bind_o, sig), ED_OK);
	assert_int_equal(
	    token_seal(cast.ring, CAST_NOW_S, &rt, iv, STR("sip:f1\n"), &cast.arena, &text), ED_OK);
	memcpy(forged, sig, sizeof(sig));
	forged[9] ^= 2;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(
		    token_verify(cast.ring, CAST_NOW_S, &bind_o, (struct str){sig, 23}), ED_OK);
		assert_int_equal(
		    token_verify(cast.ring, CAST_NOW_S, &bind_o, (struct str){forged, 23}),
		    ED_DENIED);
		assert_int_equal(
		    token_verify(cast.ring, CAST_NOW_S, &other, (struct str){sig, 23}), ED_DENIED);
		assert_int_equal(
		    token_open(cast.ring, CAST_NOW_S, &rt, text, &cast.arena, &plain), ED_OK);
		assert_true(str_eq(plain, STR("sip:f1\n")));
		assert_int_equal(
		    token_open(cast.ring, CAST_NOW_S, &bind_o, text, &cast.arena, &plain),
		    ED_DENIED);
	}
	assert_int_equal(
	    token_verify(cast.ring, CAST_NOW_S + 9 * DAY, &bind_o, (struct str){sig, 23}), ED_GONE);
	assert_int_equal(
	    token_open(cast.ring, CAST_NOW_S + 9 * DAY, &rt, text, &cast.arena, &plain), ED_GONE);
	/* Another key in that slot: what held under the old one does no longer. */
	assert_int_equal(token_ring_set(cast.ring, CAST_NOW_S / DAY, key, key), ED_OK);
	assert_int_equal(
	    token_verify(cast.ring, CAST_NOW_S, &bind_o, (struct str){sig, 23}), ED_DENIED);
	assert_int_equal(
	    token_open(cast.ring, CAST_NOW_S, &rt, text, &cast.arena, &plain), ED_DENIED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(signature_is_that_of_6_2, setup, teardown),
	    cmocka_unit_test_setup_teardown(signature_binds_every_part, setup, teardown),
	    cmocka_unit_test_setup_teardown(keys_have_their_days, setup, teardown),
	    cmocka_unit_test_setup_teardown(ring_says_what_it_lacks, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		sealed_text_opens_only_where_it_belongs, setup, teardown),
	    cmocka_unit_test_setup_teardown(memory_of_a_proof_proves_nothing_else, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/digest.h"
#include "hex.h"
#include "proto/mras/token.h"

static void
assert_hex(const uint8_t *p, const char *want)
{
	uint8_t b[64];
	size_t n = hex_bytes(want, b, sizeof(b));

	assert_memory_equal(p, b, n);
}

static void
key_7(struct mras_key *k)
{
	uint8_t master[MRAS_MASTER_LEN];

	for (size_t i = 0; i < sizeof(master); i++)
		master[i] = (uint8_t)i;
	assert_int_equal(mras_key_init(k, 7, master), ED_OK);
}

/* The vector of mras.md 6.4. */
static void
the_vector(void **state)
{
	struct mras_key k;
	struct mras_token t;

	(void)state;
	key_7(&k);
	assert_hex(k.username, "7d4de517d6d6c970d1c23bd32f6c375860c5cca2714aa293bbdb9fc04663c86a");
	assert_hex(k.password, "e34fefc81b651c6a04e61d6e9416275fc44f01389c113e686c3db03f40216d59");
	assert_hex(k.identity, "9f030d012a6311a06b175ed63672a46475e6eb485a590fe8d716033cfbd5a2d7");
	assert_int_equal(mras_token_issue(&k, STR(" SIP:Alice@contoso.com;gruu;opaque=x "),
			     MRAS_FLAG_INTERNET, 1735718400, 0xa1b2c3d4, &t),
	    ED_OK);
	assert_hex(t.username, "45010024 00000007 000000006774f600 a1b2c3d4"
			       "6be9cf29dd2bc1a1d9dc69698833b6d4"
			       "73d9d946e50d7c53ae27f4e39b253c771e432cc7");
	assert_hex(t.password, "3dda12a628815c0b76d905db303232559c765886");
	/* nonce 15: a password that ends in zero */
	assert_int_equal(mras_token_issue(&k, STR("sip:alice@contoso.com"), MRAS_FLAG_INTERNET,
			     1735718400, 15, &t),
	    ED_STATE);
}

static void
tokens_verify_until_they_end(void **state)
{
	struct mras_key keys[2];
	uint8_t other[MRAS_MASTER_LEN] = {9};
	struct mras_token t;
	struct mras_verdict v;
	struct str u = {(char *)t.username, sizeof(t.username)};
	bool known;

	(void)state;
	key_7(&keys[0]);
	assert_int_equal(mras_key_init(&keys[1], 8, other), ED_OK);
	assert_int_equal(
	    mras_token_issue(&keys[0], STR("sip:a@b"), MRAS_FLAG_INTRANET, 1000, 1, &t), ED_OK);
	assert_int_equal(mras_token_verify(keys, 2, u, 1000, &v, &known), ED_OK);
	assert_int_equal(v.expiry, 1000);
	assert_int_equal(v.flags, MRAS_FLAG_INTRANET);
	assert_memory_equal(v.password, t.password, sizeof(t.password));
	assert_int_equal(mras_token_verify(keys, 2, u, 1060, &v, &known), ED_OK); /* skew */
	assert_int_equal(mras_token_verify(keys, 2, u, 1061, &v, &known), ED_GONE);
	/* another pool's key under another id, and under the same id */
	assert_int_equal(mras_token_verify(keys + 1, 1, u, 1000, &v, &known), ED_DENIED);
	assert_false(known);
	keys[1].kid = 7;
	assert_int_equal(mras_token_verify(keys + 1, 1, u, 1000, &v, &known), ED_DENIED);
	assert_true(known);
	for (size_t i = 0; i < sizeof(t.username); i++) {
		t.username[i] ^= 0x10;
		assert_int_equal(mras_token_verify(keys, 1, u, 1000, &v, &known), ED_DENIED);
		t.username[i] ^= 0x10;
	}
	u.n--;
	assert_int_equal(mras_token_verify(keys, 1, u, 1000, &v, &known), ED_DENIED);
}

/* The order of the primes is not that of the file. */
static void
masters_do_not_depend_on_order(void **state)
{
	uint8_t a[MRAS_MASTER_LEN], b[MRAS_MASTER_LEN];

	(void)state;
	assert_int_equal(mras_master(STR("\x05prime"), STR("\x07prime"), a), ED_OK);
	assert_int_equal(mras_master(STR("\x07prime"), STR("\x05prime"), b), ED_OK);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(mras_master(STR("\x07prime"), STR("\x06prime"), b), ED_OK);
	assert_memory_not_equal(a, b, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vector),
	    cmocka_unit_test(tokens_verify_until_they_end),
	    cmocka_unit_test(masters_do_not_depend_on_order),
	};

	if (digest_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

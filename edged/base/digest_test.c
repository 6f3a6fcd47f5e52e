/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/digest.h"

static void
assert_hex(const uint8_t *p, size_t n, const char *want)
{
	char got[129];

	for (size_t i = 0; i < n; i++)
		snprintf(got + 2 * i, 3, "%02x", p[i]);
	assert_string_equal(got, want);
}

/* RFC 1321 A.5, FIPS 180 "abc", RFC 2202 and RFC 4231 cases 2 and 6; each cut into pieces as well.
 */
static void
digests_agree_with_their_documents(void **state)
{
	struct str whole = STR("abc"), cut[3] = {STR("a"), STR(""), STR("bc")};
	struct str what[2] = {STR("what do ya want "), STR("for nothing?")};
	struct str long_text = STR("Test Using Larger Than Block-Size Key - Hash Key First");
	char long_key[131];
	uint8_t d[32];

	(void)state;
	memset(long_key, 0xaa, sizeof(long_key));
	assert_int_equal(digest_md5(&whole, 1, d), ED_OK);
	assert_hex(d, 16, "900150983cd24fb0d6963f7d28e17f72");
	assert_int_equal(digest_md5(cut, 3, d), ED_OK);
	assert_hex(d, 16, "900150983cd24fb0d6963f7d28e17f72");
	assert_int_equal(digest_sha256(cut, 3, d), ED_OK);
	assert_hex(d, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(digest_hmac_sha1(STR("Jefe"), what, 2, d), ED_OK);
	assert_hex(d, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	assert_int_equal(digest_hmac_sha256(STR("Jefe"), what, 2, d), ED_OK);
	assert_hex(d, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_int_equal(
	    digest_hmac_sha256((struct str){long_key, sizeof(long_key)}, &long_text, 1, d), ED_OK);
	assert_hex(d, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 5869 A.1 (42 bytes: more than one block) and A.3 (no salt, no info). */
static void
hkdf_agrees_with_rfc5869(void **state)
{
	char ikm[22], salt[13], info[10];
	uint8_t okm[42];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	for (size_t i = 0; i < sizeof(salt); i++)
		salt[i] = (char)i;
	for (size_t i = 0; i < sizeof(info); i++)
		info[i] = (char)(0xf0 + i);
	assert_int_equal(
	    digest_hkdf_sha256((struct str){salt, sizeof(salt)}, (struct str){ikm, sizeof(ikm)},
		(struct str){info, sizeof(info)}, okm, sizeof(okm)),
	    ED_OK);
	assert_hex(okm, 42,
	    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	assert_int_equal(
	    digest_hkdf_sha256(STR(""), (struct str){ikm, sizeof(ikm)}, STR(""), okm, sizeof(okm)),
	    ED_OK);
	assert_hex(okm, 42,
	    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digests_agree_with_their_documents),
	    cmocka_unit_test(hkdf_agrees_with_rfc5869),
	};

	if (digest_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

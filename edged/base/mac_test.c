/* SPDX-License-Identifier: MIT */
#include "base/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/wipe.h"

static void
from_hex(const char *hex, uint8_t *ret)
{
	for (; hex[0]; hex += 2) {
		char two[3] = {hex[0], hex[1], 0};

		*ret++ = (uint8_t)strtoul(two, NULL, 16);
	}
}

/* RFC 4231, test case 2 */
static void
test_hmac(void **state)
{
	struct mac_ctx *c = mac_ctx_new((const uint8_t *)"Jefe", 4);
	uint8_t want[MAC_LEN], got[MAC_LEN];

	from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", want);
	assert_non_null(c);
	for (int i = 0; i < 3; i++) { /* the context is used again and again */
		assert_int_equal(mac_hmac(c, STR("what do ya want for nothing?"), got), ED_OK);
		assert_memory_equal(got, want, MAC_LEN);
	}
	assert_int_equal(mac_hmac(c, STR(""), got), ED_OK);
	assert_false(mac_equal(got, want, MAC_LEN));
	assert_null(mac_ctx_free(c));
	assert_null(mac_ctx_free(NULL));
}

/* RFC 5869, test case 3 (no salt, no info) */
static void
test_hkdf(void **state)
{
	uint8_t secret[22], want[42], got[42];

	memset(secret, 0x0b, sizeof(secret));
	from_hex(
	    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
	    want);
	assert_int_equal(mac_hkdf(secret, sizeof(secret), STR(""), got, sizeof(got)), ED_OK);
	assert_memory_equal(got, want, sizeof(got));
	assert_int_equal(mac_hkdf(secret, sizeof(secret), STR("x"), got, sizeof(got)), ED_OK);
	assert_memory_not_equal(got, want, sizeof(got));
}

static void
test_seal(void **state)
{
	uint8_t key[SEAL_KEY_LEN] = {7}, iv[SEAL_IV_LEN] = {9};
	struct str plain = STR("sip:fe.contoso.net;lr"), aad = STR("call-id");
	uint8_t box[64], back[64];
	struct seal_ctx *c = seal_ctx_new(key);
	size_t n = plain.n + 28;

	assert_non_null(c);
	assert_int_equal(seal_close(c, iv, aad, plain, box), ED_OK);
	assert_memory_equal(box, iv, sizeof(iv));
	struct str b = {(const char *)box, n};
	assert_int_equal(seal_open(c, aad, b, back), ED_OK);
	assert_memory_equal(back, plain.p, plain.n);
	assert_int_equal(seal_open(c, STR("call-iD"), b, back), ED_DENIED);
	for (size_t i = 0; i < n; i++) {
		box[i] ^= 1;
		assert_int_equal(seal_open(c, aad, b, back), ED_DENIED);
		box[i] ^= 1;
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(seal_open(c, aad, str_first(b, i), back), ED_DENIED);
	assert_int_equal(seal_open(c, aad, b, back), ED_OK);
	assert_int_equal(seal_close(c, iv, STR(""), STR(""), box), ED_OK);
	assert_int_equal(seal_open(c, STR(""), (struct str){(char *)box, 28}, back), ED_OK);
	seal_ctx_free(c);
}

/* NIST GCM test case 14: key, iv and plain text of zeros */
static void
test_seal_vector(void **state)
{
	uint8_t key[SEAL_KEY_LEN] = {0}, iv[SEAL_IV_LEN] = {0}, zeros[16] = {0};
	uint8_t box[44], want[32];
	struct seal_ctx *c = seal_ctx_new(key);

	from_hex("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919", want);
	assert_int_equal(seal_close(c, iv, STR(""), (struct str){(char *)zeros, 16}, box), ED_OK);
	assert_memory_equal(box + 12, want, 32);
	seal_ctx_free(c);
}

static const struct {
	const char *plain, *text;
} b64_cases[] = {
    {"", ""},
    {"f", "Zg"},
    {"fo", "Zm8"},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg"},
    {"fooba", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy"},
    {"\xff\xef\xbe", "_---"},
};

static void
test_b64url(void **state)
{
	static const char *const bad[] = {
	    "Z", "Zm9vY", "Zh", "Zm9", "Zg==", "Zm8=", "Z+9v", "Z/9v", "Zm 9v", "Zm9v\n"};
	uint8_t bytes[16];
	char text[16];

	for (size_t i = 0; i < sizeof(b64_cases) / sizeof(b64_cases[0]); i++) {
		struct str plain = str_of(b64_cases[i].plain), t = str_of(b64_cases[i].text);

		assert_int_equal(b64url_encode((const uint8_t *)plain.p, plain.n, text), t.n);
		assert_memory_equal(text, t.p, t.n);
		assert_int_equal(b64url_decode(t, bytes), plain.n);
		assert_memory_equal(bytes, plain.p, plain.n);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (b64url_decode(str_of(bad[i]), bytes) != ED_MALFORMED)
			fail_msg("accepted: %s", bad[i]);
}

static void
test_secret(void **state)
{
	uint8_t copy[64];
	struct secret s;

	assert_int_equal(secret_init(&s, 64), ED_OK);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(s.p[i], 0);
	memset(s.p, 0x5a, 64);
	memcpy(copy, s.p, 64);
	secret_done(&s);
	assert_null(s.p);
	secret_done(&s);
	wipe(copy, sizeof(copy));
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(copy[i], 0);
	assert_int_equal(secret_init(&s, SIZE_MAX), ED_NOMEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hmac),
	    cmocka_unit_test(test_hkdf),
	    cmocka_unit_test(test_seal),
	    cmocka_unit_test(test_seal_vector),
	    cmocka_unit_test(test_b64url),
	    cmocka_unit_test(test_secret),
	};

	if (mac_setup() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "net/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct hash_key key = {{1, 2}};

static struct addr
ip(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse_ip(&a, str_of(text)), ED_OK);
	return a;
}

static void
test_counts(void **state)
{
	const struct admit_limits lim = {.total = 5, .per_address = 2, .half_open = 4};
	struct admit *a = admit_new(&lim, &key);
	struct addr p = ip("192.0.2.1"), q = ip("192.0.2.2"), r = ip("192.0.2.3");

	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_PER_ADDRESS);
	assert_int_equal(admit_take(a, &q, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &q, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &r, 0), ADMIT_HALF_OPEN);
	admit_up(a, &p);
	assert_int_equal(admit_take(a, &r, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &r, 0), ADMIT_TOTAL);
	admit_drop(a, &p, true);
	admit_drop(a, &q, false);
	assert_int_equal(admit_take(a, &r, 0), ADMIT_OK);
	admit_drop(a, &p, false);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_null(admit_free(a));
	assert_null(admit_free(NULL));
}

static void
test_v6_by_64(void **state)
{
	const struct admit_limits lim = {.total = 9, .per_address = 1, .half_open = 9};
	struct admit *a = admit_new(&lim, &key);
	struct addr p = ip("2001:db8:0:1::1"), same = ip("2001:db8:0:1:ffff::9"),
		    other = ip("2001:db8:0:2::1");

	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &same, 0), ADMIT_PER_ADDRESS);
	assert_int_equal(admit_take(a, &other, 0), ADMIT_OK);
	admit_drop(a, &same, true);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	admit_free(a);
}

static void
test_rate(void **state)
{
	const struct admit_limits lim = {
	    .total = 99, .per_address = 99, .half_open = 99, .per_address_minute = 20};
	struct admit *a = admit_new(&lim, &key);
	struct addr p = ip("192.0.2.1"), q = ip("192.0.2.2");
	uint64_t now = 1000000;
	int ok = 0;

	for (int i = 0; i < 30; i++)
		ok += admit_take(a, &p, now) == ADMIT_OK;
	assert_int_equal(ok, 20);
	assert_int_equal(admit_take(a, &p, now), ADMIT_RATE);
	assert_int_equal(admit_take(a, &q, now), ADMIT_OK);
	for (int i = 0; i < 20; i++)
		admit_drop(a, &p, true);
	assert_int_equal(admit_take(a, &p, now + 2999), ADMIT_RATE);
	assert_int_equal(admit_take(a, &p, now + 3000), ADMIT_OK);
	assert_int_equal(admit_take(a, &p, now + 3000), ADMIT_RATE);
	ok = 0;
	for (int i = 0; i < 30; i++)
		ok += admit_take(a, &p, now + 200000) == ADMIT_OK;
	assert_int_equal(ok, 20);
	admit_free(a);
}

/* Many addresses cannot make it grow, and no open connection is forgotten. */
static void
test_flood(void **state)
{
	const struct admit_limits lim = {
	    .total = 100, .per_address = 1, .half_open = 100, .per_address_minute = 5};
	struct admit *a = admit_new(&lim, &key);
	struct addr p = ip("198.51.100.1");

	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	for (uint32_t i = 0; i < 50000; i++) {
		struct addr q = {
		    .family = 4, .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

		assert_int_equal(admit_take(a, &q, 0), ADMIT_OK);
		if (i % 2)
			admit_up(a, &q);
		admit_drop(a, &q, i % 2);
	}
	assert_int_equal(admit_take(a, &p, 60000), ADMIT_PER_ADDRESS);
	admit_free(a);
}

static void
test_limits_change(void **state)
{
	struct admit_limits lim = {.total = 2, .per_address = 9000, .half_open = 9000};
	struct admit *a = admit_new(&lim, &key);
	struct addr p = ip("198.51.100.1");

	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_TOTAL);
	lim.total = 5000;
	lim.per_address = 3;
	admit_set_limits(a, &lim);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_PER_ADDRESS);
	for (uint32_t i = 0; i < 4000; i++) {
		struct addr q = {.family = 4, .ip = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};

		assert_int_equal(admit_take(a, &q, 0), ADMIT_OK);
	}
	admit_drop(a, &p, false);
	assert_int_equal(admit_take(a, &p, 0), ADMIT_OK);
	assert_string_equal(admit_verdict_name(ADMIT_RATE), "rate");
	admit_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_v6_by_64),
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_limits_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

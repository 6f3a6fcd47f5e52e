/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "webconf/penalty.h"
#include "webconf/rate.h"

static const struct hash_key key = {{7, 9}};

static struct addr
v4(uint8_t last)
{
	return (struct addr){.family = 4, .ip = {198, 51, 100, last}};
}

static void
thirtieth_failure_refuses(void **state)
{
	struct penalty *p = penalty_new(&key);
	struct addr a = v4(1), other = v4(2);

	for (int i = 0; i < 29; i++)
		assert_false(penalty_failed(p, &a, 30, 300000, 1000));
	assert_false(penalty_is_refused(p, &a, 1000));
	assert_true(penalty_failed(p, &a, 30, 300000, 1000));
	assert_true(penalty_is_refused(p, &a, 1000));
	assert_false(penalty_is_refused(p, &other, 1000));
	assert_true(penalty_is_refused(p, &a, 300999));
	assert_false(penalty_is_refused(p, &a, 301000));
	penalty_free(p);
}

static void
old_failures_do_not_count(void **state)
{
	struct penalty *p = penalty_new(&key);
	struct addr a = v4(1);

	for (int i = 0; i < 29; i++)
		assert_false(penalty_failed(p, &a, 30, 300000, 1000));
	for (int i = 0; i < 29; i++)
		assert_false(penalty_failed(p, &a, 30, 300000, 61000));
	assert_true(penalty_failed(p, &a, 30, 300000, 61001));
	penalty_free(p);
}

/* One host with many IPv6 addresses is one host. */
static void
v6_by_64(void **state)
{
	struct penalty *p = penalty_new(&key);
	struct addr a = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8}}, b = a, far = a;

	b.ip[15] = 9;
	far.ip[7] = 1;
	assert_true(penalty_failed(p, &a, 1, 1000, 5));
	assert_true(penalty_is_refused(p, &b, 6));
	assert_false(penalty_is_refused(p, &far, 6));
	penalty_free(p);
}

/* However many addresses come, one that was refused lately stays so unless its set overflows. */
static void
table_does_not_grow(void **state)
{
	struct penalty *p = penalty_new(&key);
	struct addr a = {.family = 4};
	unsigned still = 0;

	for (uint32_t i = 0; i < 100000; i++) {
		memcpy(a.ip, &i, 4);
		penalty_failed(p, &a, 1, 1000000, 1000 + i);
	}
	for (uint32_t i = 0; i < 100000; i++) {
		memcpy(a.ip, &i, 4);
		still += penalty_is_refused(p, &a, 101000);
	}
	assert_in_range(still, 3500, 4096);
	penalty_free(p);
}

static void
rate_waits_and_opens(void **state)
{
	struct rate r = {0};

	rate_refill(&r, 100, 300, 5000);
	rate_spend(&r, 299);
	assert_true(rate_is_open(&r));
	rate_spend(&r, 101);
	assert_false(rate_is_open(&r));
	assert_int_equal(rate_wait_ms(&r, 100), 1001);
	rate_refill(&r, 100, 300, 6000);
	assert_false(rate_is_open(&r));
	rate_refill(&r, 100, 300, 6001);
	assert_true(rate_is_open(&r));
	rate_refill(&r, 100, 300, 1000000);
	assert_int_equal(r.thousandths, 300000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(thirtieth_failure_refuses),
	    cmocka_unit_test(old_failures_do_not_count),
	    cmocka_unit_test(v6_by_64),
	    cmocka_unit_test(table_does_not_grow),
	    cmocka_unit_test(rate_waits_and_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

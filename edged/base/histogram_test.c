/* SPDX-License-Identifier: MIT
 *
 * histogram_test.c: where a time is counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/histogram.h"

static void
a_bound_belongs_to_its_bucket(void **state)
{
	struct histogram h = {.sum_us = 0};

	histogram_add(&h, 0, 1);
	histogram_add(&h, 100, 1);
	histogram_add(&h, 101, 1);
	histogram_add(&h, 3000000, 1);
	histogram_add(&h, 10000000, 1);
	assert_int_equal(h.n[0], 2);
	assert_int_equal(h.n[1], 1);
	assert_int_equal(h.n[9], 1);
	assert_int_equal(h.n[10], 1);
	assert_int_equal(h.sum_us, 13000201);
}

static void
what_is_beyond_all_has_the_last_one(void **state)
{
	struct histogram h = {.sum_us = 0};

	histogram_add(&h, 10000001, 1);
	histogram_add(&h, (uint64_t)1 << 40, 1);
	assert_int_equal(h.n[HISTOGRAM_BOUNDS], 2);
}

static void
several_at_once_weigh_as_many(void **state)
{
	struct histogram h = {.sum_us = 0};

	histogram_add(&h, 700, 5);
	histogram_add(&h, 700, 0);
	assert_int_equal(h.n[2], 5);
	assert_int_equal(h.sum_us, 3500);
}

static void
bounds_rise(void **state)
{
	for (unsigned i = 1; i < HISTOGRAM_BOUNDS; i++)
		assert_true(histogram_bounds_us[i - 1] < histogram_bounds_us[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_bound_belongs_to_its_bucket),
	    cmocka_unit_test(what_is_beyond_all_has_the_last_one),
	    cmocka_unit_test(several_at_once_weigh_as_many),
	    cmocka_unit_test(bounds_rise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

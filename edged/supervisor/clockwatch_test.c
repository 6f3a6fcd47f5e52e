/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/clockwatch.h"

#define NOON 1764417600000 /* ms */

static void
steps_are_told_once(void **state)
{
	struct clockwatch c = {0};

	assert_int_equal(
	    clockwatch_look(&c, NOON, 1000), 0); /* the first look has nothing before it */
	assert_int_equal(clockwatch_look(&c, NOON + 5000, 6000), 0);
	assert_int_equal(clockwatch_look(&c, NOON + 3610000, 11000), 3600000);
	assert_int_equal(clockwatch_look(&c, NOON + 3615000, 16000), 0);
	assert_int_equal(clockwatch_look(&c, NOON + 15000, 16000), -3600000);
	assert_int_equal(clockwatch_look(&c, NOON + 20000, 21000), 0);
}

static void
slewing_never_adds_up(void **state)
{
	struct clockwatch c = {0};

	for (int i = 0; i < 10000; i++)
		assert_int_equal(clockwatch_look(&c, NOON + i * 5002, i * 5000), 0);
}

static void
the_edge_of_a_step(void **state)
{
	struct clockwatch c = {0};

	assert_int_equal(clockwatch_look(&c, NOON, 0), 0);
	assert_int_equal(clockwatch_look(&c, NOON + CLOCKWATCH_STEP_MS - 1, 0), 0);
	assert_int_equal(clockwatch_look(&c, NOON - 1, 0), -CLOCKWATCH_STEP_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(steps_are_told_once),
	    cmocka_unit_test(slewing_never_adds_up),
	    cmocka_unit_test(the_edge_of_a_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "access/lockout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct lockout_limits lim = {.failures = 3, .window_ms = 60000, .lock_ms = 600000};
static struct lockout *l;

static int
setup(void **state)
{
	l = lockout_new();
	return l ? 0 : -1;
}

static int
teardown(void **state)
{
	l = lockout_free(l);
	return 0;
}

static void
the_third_locks(void **state)
{
	assert_false(lockout_failed(l, 7, &lim, 1000));
	assert_false(lockout_failed(l, 7, &lim, 1001));
	assert_int_equal(lockout_left_ms(l, 7, 1001), 0);
	assert_true(lockout_failed(l, 7, &lim, 1002));
	assert_false(lockout_failed(l, 7, &lim, 1003)); /* told once, and not made longer */
	assert_int_equal(lockout_left_ms(l, 7, 1003), 599999);
	assert_int_equal(lockout_left_ms(l, 8, 1003), 0);
	assert_int_equal(lockout_left_ms(l, 7, 601002), 0);
	/* Then it counts from the start. */
	assert_false(lockout_failed(l, 7, &lim, 601002));
	assert_false(lockout_failed(l, 7, &lim, 601003));
	assert_true(lockout_failed(l, 7, &lim, 601004));
}

static void
a_window_ends(void **state)
{
	assert_false(lockout_failed(l, 7, &lim, 0));
	assert_false(lockout_failed(l, 7, &lim, 59999));
	assert_false(lockout_failed(l, 7, &lim, 60000));
	assert_false(lockout_failed(l, 7, &lim, 60001));
	assert_true(lockout_failed(l, 7, &lim, 60002));
}

static void
the_right_password_clears(void **state)
{
	assert_false(lockout_good(l, 7, 0));
	lockout_failed(l, 7, &lim, 0);
	lockout_failed(l, 7, &lim, 1);
	assert_true(lockout_good(l, 7, 2));
	assert_false(lockout_failed(l, 7, &lim, 2));
	lockout_failed(l, 7, &lim, 3);
	assert_true(lockout_failed(l, 7, &lim, 4));
	assert_false(lockout_good(l, 7, 5)); /* by a connection that was there before */
	assert_int_not_equal(lockout_left_ms(l, 7, 5), 0);
	assert_true(lockout_clear(l, 7)); /* edgectl release */
	assert_int_equal(lockout_left_ms(l, 7, 5), 0);
}

static void
nobody_without_a_limit(void **state)
{
	static const struct lockout_limits none = {.window_ms = 60000, .lock_ms = 600000};

	for (int i = 0; i < 1000; i++)
		assert_false(lockout_failed(l, 7, &none, 0));
	assert_int_equal(lockout_left_ms(l, 7, 0), 0);
}

/* A million names do not free the one that is locked; without locks the oldest makes room. */
static void
many_names_free_nobody(void **state)
{
	for (int i = 0; i < 3; i++)
		lockout_failed(l, 7, &lim, 0);
	for (uint64_t user = 100; user < 1000100; user++)
		assert_false(lockout_failed(l, user, &lim, user < 500000 ? 1 : 2));
	assert_int_not_equal(lockout_left_ms(l, 7, 500000), 0);
	assert_true(lockout_clear(l, 1000099));
	assert_false(lockout_clear(l, 100));
}

static void
the_lock_that_ends_first_makes_room(void **state)
{
	uint64_t step = LOCKOUT_PLACES / LOCKOUT_WAYS;

	for (uint64_t k = 0; k <= LOCKOUT_WAYS; k++)
		for (int i = 0; i < 3; i++)
			lockout_failed(l, 7 + k * step, &lim, 1000 * k + (uint64_t)i);
	assert_int_equal(lockout_left_ms(l, 7, 9000), 0);
	for (uint64_t k = 1; k <= LOCKOUT_WAYS; k++)
		assert_int_not_equal(lockout_left_ms(l, 7 + k * step, 9000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_third_locks, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_window_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_right_password_clears, setup, teardown),
	    cmocka_unit_test_setup_teardown(nobody_without_a_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_names_free_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_lock_that_ends_first_makes_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

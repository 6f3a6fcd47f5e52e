/* SPDX-License-Identifier: MIT
 *
 * What a user holds over all workers, also with workers that race and one that dies.
 */
#include "proto/turn/shared.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct turn_shared *
fresh(void)
{
	void *p =
	    mmap(NULL, TURN_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return turn_shared_at(p, TURN_SHARED_SIZE);
}

static void
test_counts(void **state)
{
	struct turn_shared *t = fresh();
	uint32_t slot[4];

	(void)state;
	assert_null(turn_shared_at(t, TURN_SHARED_SIZE - 1));
	assert_int_equal(turn_shared_take(t, 0, 7, 2, &slot[0]), ED_OK);
	assert_int_equal(turn_shared_take(t, 1, 7, 2, &slot[1]), ED_OK);
	assert_int_equal(turn_shared_take(t, 1, 7, 2, &slot[2]), ED_LIMIT);
	assert_int_equal(slot[0], slot[1]);
	assert_int_equal(turn_shared_take(t, 1, 8, 2, &slot[3]), ED_OK);
	assert_int_not_equal(slot[0], slot[3]);
	turn_shared_put(t, 0, slot[0]);
	assert_int_equal(turn_shared_take(t, 2, 7, 2, &slot[2]), ED_OK);
	/* worker 2 dies and starts again: what it held is free */
	turn_shared_reset(t, 2);
	assert_int_equal(turn_shared_take(t, 2, 7, 2, &slot[2]), ED_OK);
	turn_shared_put(t, 3, slot[2]); /* never counted there: no number below zero */
	assert_int_equal(turn_shared_take(t, 3, 7, 2, &slot[3]), ED_LIMIT);
	munmap(t, TURN_SHARED_SIZE);
}

/* Users come and go for ever; an entry is another's as soon as nobody counts in it. */
static void
test_reuse(void **state)
{
	struct turn_shared *t = fresh();
	uint32_t slot, *held = calloc(TURN_SHARED_ENTRIES, sizeof(*held)), n = 0, none = 0;

	(void)state;
	assert_non_null(held);
	for (uint64_t u = 1; u <= 20ull * TURN_SHARED_ENTRIES; u++) {
		assert_int_equal(turn_shared_take(t, 0, u * 0x9e3779b9u, 1, &slot), ED_OK);
		turn_shared_put(t, 0, slot);
	}
	for (uint64_t u = 1; u <= 2ull * TURN_SHARED_ENTRIES; u++) {
		int r = turn_shared_take(t, 0, u, 1, &slot);

		assert_true(r == ED_OK || r == ED_STATE); /* full: counted by the worker alone */
		none += r == ED_STATE;
		if (r == ED_OK)
			held[n++] = slot;
		if (n == TURN_SHARED_ENTRIES)
			break;
	}
	assert_true(none > 0);
	assert_true(n > TURN_SHARED_ENTRIES / 2);
	free(held);
	munmap(t, TURN_SHARED_SIZE);
}

static void
test_bandwidth(void **state)
{
	struct turn_shared *t = fresh();
	uint32_t slot, passed = 0;

	(void)state;
	assert_int_equal(turn_shared_take(t, 0, 7, 9, &slot), ED_OK);
	for (int i = 0; i < 2000; i++) /* 800 kbit/s: 100 packets of 1000 bytes a second */
		passed += turn_shared_pay(t, slot, 800, 1000, 5000000);
	assert_int_equal(passed, 100);
	passed = 0;
	for (int i = 0; i < 1000; i++) /* one every 5 ms */
		passed += turn_shared_pay(t, slot, 800, 1000, 5000000 + (uint64_t)i * 5);
	assert_in_range(passed, 495, 505);
	assert_true(turn_shared_pay(t, slot, 0, 1000000, 5000000));
	munmap(t, TURN_SHARED_SIZE);
}

/* Four processes fight for twenty places of each of eight users: never more than twenty are held.
 */
static void
test_race(void **state)
{
	struct turn_shared *t = fresh();
	uint32_t slot;
	int status;

	(void)state;
	for (unsigned w = 0; w < 4; w++) {
		if (fork() != 0)
			continue;
		for (uint64_t i = 0; i < 20000; i++) {
			uint32_t mine[10], n = 0;

			for (int k = 0; k < 10; k++)
				n += turn_shared_take(t, w, 1 + i % 8, 20, &mine[n]) == ED_OK;
			while (n)
				turn_shared_put(t, w, mine[--n]);
		}
		_exit(0);
	}
	for (unsigned w = 0; w < 4; w++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	/* all came back: each user's twenty places are there again, and no more */
	for (uint64_t u = 1; u <= 8; u++)
		for (int i = 0; i < 21; i++)
			assert_int_equal(
			    turn_shared_take(t, 5, u, 20, &slot), i < 20 ? ED_OK : ED_LIMIT);
	munmap(t, TURN_SHARED_SIZE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_reuse),
	    cmocka_unit_test(test_bandwidth),
	    cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * access/watch_test.c: the numbers of access-edge-sip 11.6 and FED-20 to FED-24, with a clock that
 * jumps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "access/watch.h"

#define DOMAIN STR("fabrikam.com")

static const struct hash_key key = {{1, 2}};

static enum watch_verdict
ask(struct watch *w, uint64_t contact, uint64_t now_ms, uint32_t *wait, enum watch_state *entered)
{
	return watch_request(w, DOMAIN, contact, now_ms, wait, entered);
}

static void
keep_row(const struct watch_row *row, void *arg)
{
	if (str_eq(row->domain, DOMAIN))
		*(struct watch_row *)arg = *row;
}

static void
rate_is_20_with_a_burst_of_100(void **state)
{
	struct watch *w = watch_new(&WATCH_LIMITS_DEFAULT, &key);
	enum watch_state entered;
	uint32_t wait = 0, passed = 0;

	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(w, 7, 1000, &wait, &entered), WATCH_PASS);
	assert_int_equal(ask(w, 7, 1000, &wait, &entered), WATCH_WAIT);
	assert_int_equal(entered, WATCH_THROTTLED);
	assert_int_equal(wait, 50);
	assert_int_equal(ask(w, 7, 1049, &wait, &entered), WATCH_WAIT);
	assert_int_equal(entered, WATCH_NORMAL); /* told once */
	assert_int_equal(wait, 1);
	assert_int_equal(ask(w, 7, 1050, &wait, &entered), WATCH_PASS);
	/* 500 messages/s for ten seconds: 200 come through */
	for (uint64_t t = 1052; t < 11052; t += 2)
		passed += ask(w, 7, t, &wait, &entered) == WATCH_PASS;
	assert_in_range(passed, 199, 201);
	watch_free(w);
}

static void
a_thousand_users_and_no_more(void **state)
{
	struct watch *w = watch_new(&WATCH_LIMITS_DEFAULT, &key);
	enum watch_state entered;
	struct watch_row row = {0};
	uint32_t wait;
	uint64_t t = 0;

	for (uint64_t c = 1; c <= 1000; c++, t += 50)
		assert_int_equal(ask(w, c, t, &wait, &entered), WATCH_PASS);
	assert_int_equal(ask(w, 5000, t += 50, &wait, &entered), WATCH_REFUSE);
	assert_int_equal(entered, WATCH_CONTACTS);
	assert_int_equal(ask(w, 5001, t += 50, &wait, &entered), WATCH_REFUSE);
	assert_int_equal(entered, WATCH_NORMAL);
	/* those it knows already go on (FED-20: "further new URIs are blocked") */
	assert_int_equal(ask(w, 3, t += 50, &wait, &entered), WATCH_PASS);
	watch_each(w, t, keep_row, &row);
	assert_int_equal(row.state, WATCH_CONTACTS);
	assert_int_equal(row.contacts, 1000);
	assert_int_equal(row.refused, 2);
	/* a new window forgives */
	assert_int_equal(ask(w, 5000, 3600u * 1000u, &wait, &entered), WATCH_PASS);
	watch_free(w);
}

static void
mostly_failing_is_suspicious(void **state)
{
	struct watch *w = watch_new(&WATCH_LIMITS_DEFAULT, &key);
	enum watch_state entered;
	uint32_t wait, passed = 0;
	uint64_t t = 0;

	ask(w, 1, t, &wait, &entered);
	for (int i = 0; i < 19; i++) {
		watch_response(w, DOMAIN, 404, t, &entered);
		assert_int_equal(entered, WATCH_NORMAL);
	}
	watch_response(w, DOMAIN, 486, t, &entered); /* the 20th final; 19 failed */
	assert_int_equal(entered, WATCH_SUSPICIOUS);
	for (t = 1; t <= 10000; t += 10)
		passed += ask(w, 1, t, &wait, &entered) == WATCH_PASS;
	assert_in_range(passed, 9, 11);

	/* fifteen minutes of good answers lift it, not one less */
	for (t = 300001; t < 300001 + 14 * 60000; t += 1000)
		watch_response(w, DOMAIN, 200, t, &entered);
	passed = 0;
	for (uint64_t i = 0; i < 100; i++)
		passed += ask(w, 1, t, &wait, &entered) == WATCH_PASS;
	assert_in_range(passed, 0, 1);
	for (; t < 300001 + 17 * 60000; t += 1000)
		watch_response(w, DOMAIN, 200, t, &entered);
	ask(w, 1, t, &wait, &entered);
	passed = 0;
	for (uint64_t i = 0; i < 100; i++)
		passed += ask(w, 1, t + 10000, &wait, &entered) == WATCH_PASS;
	assert_int_equal(passed, 100);
	watch_free(w);
}

static void
half_failing_is_not_suspicious(void **state)
{
	struct watch *w = watch_new(&WATCH_LIMITS_DEFAULT, &key);
	enum watch_state entered;
	uint32_t wait;

	ask(w, 1, 0, &wait, &entered);
	for (int i = 0; i < 400; i++) {
		watch_response(w, DOMAIN, i % 2 ? 404 : 200, 0, &entered);
		if (i >= 1)
			assert_int_equal(entered, WATCH_NORMAL);
	}
	watch_free(w);
}

static void
hostile_domains_do_not_grow_the_table(void **state)
{
	struct watch_limits lim = WATCH_LIMITS_DEFAULT;
	struct watch_row row = {0};
	enum watch_state entered;
	struct watch *w;
	uint32_t wait;

	lim.places = 8;
	w = watch_new(&lim, &key);
	ask(w, 1, 0, &wait, &entered);
	for (int i = 0; i < 1000; i++) {
		char name[32];
		int n = snprintf(name, sizeof(name), "d%d.example", i);

		watch_request(w, (struct str){name, (size_t)n}, 1, 1, &wait, &entered);
		if (i % 4 == 0) /* kept fresh, so never the one to go */
			ask(w, 1, 1, &wait, &entered);
	}
	watch_each(w, 1, keep_row, &row);
	assert_int_equal(row.requests, 1 + 99); /* the burst of 100, no more: its place was kept */
	assert_true(watch_release(w, DOMAIN));
	assert_false(watch_release(w, DOMAIN));
	watch_free(w);
}

/* Held by its connection's bucket it is over its rate as well, and the list says so. */
static void
held_counts_as_throttled(void **state)
{
	struct watch *w = watch_new(&WATCH_LIMITS_DEFAULT, &key);
	enum watch_state entered;
	struct watch_row row = {0};

	watch_held(w, DOMAIN, 1000, &entered);
	assert_int_equal(entered, WATCH_THROTTLED);
	watch_held(w, DOMAIN, 1010, &entered);
	assert_int_equal(entered, WATCH_NORMAL); /* told once */
	watch_each(w, 1020, keep_row, &row);
	assert_int_equal(row.state, WATCH_THROTTLED);
	assert_int_equal(row.waited, 2);
	watch_each(w, 1010 + 60000, keep_row, &row);
	assert_int_equal(row.state, WATCH_NORMAL);
	watch_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(held_counts_as_throttled),
	    cmocka_unit_test(rate_is_20_with_a_burst_of_100),
	    cmocka_unit_test(a_thousand_users_and_no_more),
	    cmocka_unit_test(mostly_failing_is_suspicious),
	    cmocka_unit_test(half_failing_is_not_suspicious),
	    cmocka_unit_test(hostile_domains_do_not_grow_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

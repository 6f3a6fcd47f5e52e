/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "proto/psom/ticket.h"

static const struct hash_key key = {{1, 2}};

static struct psom_line
ticket(uint32_t number, uint64_t not_after_s, uint32_t uses)
{
	struct psom_line l = {.kind = PSOM_LINE_TICKET,
	    .server = STR("dmcu1"),
	    .conference = STR("BE92"),
	    .not_after_s = not_after_s,
	    .uses = uses};

	memcpy(l.hash, &number, sizeof(number));
	return l;
}

/* Test 7: unknown, expired, reused, revoked. */
static void
ticket_verdicts(void **state)
{
	struct psom_tickets *t = psom_tickets_new(8, &key);
	struct psom_line one = ticket(1, 1000, 1), two = ticket(2, 1000, 2),
			 past = ticket(3, 99, 1);
	struct psom_ticket_facts f;

	assert_int_equal(psom_tickets_take(t, one.hash, 100, &f), PSOM_TICKET_UNKNOWN);
	assert_int_equal(psom_tickets_put(t, &one, 100), ED_OK);
	assert_int_equal(psom_tickets_put(t, &two, 100), ED_OK);
	assert_int_equal(psom_tickets_put(t, &past, 100), ED_GONE);
	assert_int_equal(psom_tickets_take(t, past.hash, 100, &f), PSOM_TICKET_UNKNOWN);

	assert_int_equal(psom_tickets_take(t, one.hash, 1000, &f), PSOM_TICKET_OK);
	assert_true(str_eq(f.server, STR("dmcu1")));
	assert_true(str_eq(f.conference, STR("BE92")));
	assert_int_equal(f.uses_left, 0);
	assert_int_equal(psom_tickets_take(t, one.hash, 1000, &f), PSOM_TICKET_USED);
	/* The link comes up again and announces it once more: still used. */
	assert_int_equal(psom_tickets_put(t, &one, 1000), ED_OK);
	assert_int_equal(psom_tickets_take(t, one.hash, 1000, &f), PSOM_TICKET_USED);

	/* ... and when its time is over too: somebody has it twice, that is what to know. */
	assert_int_equal(psom_tickets_take(t, one.hash, 1001, &f), PSOM_TICKET_USED);
	assert_int_equal(psom_tickets_take(t, two.hash, 1000, &f), PSOM_TICKET_OK);
	assert_int_equal(psom_tickets_take(t, two.hash, 1001, &f), PSOM_TICKET_EXPIRED);
	assert_int_equal(psom_tickets_revoke(t, two.hash), ED_OK);
	assert_int_equal(psom_tickets_take(t, two.hash, 1000, &f), PSOM_TICKET_REVOKED);
	assert_int_equal(psom_tickets_revoke(t, past.hash), ED_GONE);
	psom_tickets_free(t);
}

/* Table full: the oldest dead one goes; a live one never does. */
static void
ticket_table_full(void **state)
{
	static const uint64_t ends[] = {50, 20, 40, 30};
	struct psom_tickets *t = psom_tickets_new(4, &key);
	struct psom_ticket_facts f;
	struct psom_line l;

	for (uint32_t i = 0; i < 4; i++) {
		l = ticket(i, ends[i], 1);
		assert_int_equal(psom_tickets_put(t, &l, 10), ED_OK);
	}
	l = ticket(9, 60, 1);
	assert_int_equal(psom_tickets_put(t, &l, 20), ED_LIMIT);
	assert_int_equal(psom_tickets_put(t, &l, 35), ED_OK); /* number 1 had to go */
	assert_int_equal(psom_tickets_count(t), 4);
	l = ticket(1, 0, 1);
	assert_int_equal(psom_tickets_take(t, l.hash, 35, &f), PSOM_TICKET_UNKNOWN);
	l = ticket(3, 0, 1);
	assert_int_equal(psom_tickets_take(t, l.hash, 35, &f), PSOM_TICKET_EXPIRED);
	l = ticket(2, 0, 1);
	assert_int_equal(psom_tickets_take(t, l.hash, 35, &f), PSOM_TICKET_OK);
	psom_tickets_free(t);
}

/* The heap keeps its order over many numbers: what is refused is what a plain scan says is live. */
static void
ticket_churn(void **state)
{
	enum { MAX = 100 };
	struct psom_tickets *t = psom_tickets_new(MAX, &key);
	uint64_t ends[2000] = {0};
	uint32_t x = 12345;

	for (uint32_t i = 0; i < 2000; i++) {
		uint64_t now = i / 2;
		struct psom_line l;
		size_t live = 0;

		x = x * 1664525u + 1013904223u;
		l = ticket(i, now + x % 150, 1);
		for (uint32_t k = 0; k < i; k++)
			live += ends[k] && ends[k] >= now;
		if (live < MAX) {
			assert_int_equal(psom_tickets_put(t, &l, now), ED_OK);
			ends[i] = l.not_after_s;
		} else {
			assert_int_equal(psom_tickets_put(t, &l, now), ED_LIMIT);
		}
		assert_true(psom_tickets_count(t) <= MAX);
	}
	psom_tickets_free(t);
}

static void
count_one(const struct psom_line *l, void *arg)
{
	assert_true(str_eq(l->server, STR("dmcu1")));
	assert_int_equal(l->uses, 2); /* what is left of three */
	assert_int_equal(l->not_after_s, 103);
	++*(int *)arg;
}

static void
ticket_each_live(void **state)
{
	struct psom_tickets *t = psom_tickets_new(8, &key);
	struct psom_ticket_facts f;
	int n = 0;

	for (uint32_t i = 0; i < 4; i++) {
		struct psom_line l = ticket(i, 100 + i, i == 3 ? 3 : 1);

		assert_int_equal(psom_tickets_put(t, &l, 1), ED_OK);
		if (i == 1 || i == 3)
			psom_tickets_take(t, l.hash, 1, &f);
		if (i == 2)
			assert_int_equal(psom_tickets_revoke(t, l.hash), ED_OK);
	}
	psom_tickets_each_live(t, 101, count_one, &n); /* 0 expired, 1 used, 2 revoked */
	assert_int_equal(n, 1);
	psom_tickets_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ticket_verdicts),
	    cmocka_unit_test(ticket_table_full),
	    cmocka_unit_test(ticket_churn),
	    cmocka_unit_test(ticket_each_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * What one connection remembers of the DNS: how long, how much, how many questions at a time.
 */
#include "access/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "access/core.h"

static struct lookups *l;

static int
teardown(void **state)
{
	l = lookups_free(l);
	return 0;
}

static struct access_srv
leads_to(const char *host, uint32_t ttl_s)
{
	struct access_srv a = {.err = ED_OK, .ttl_s = ttl_s, .n = 1};

	a.v[0].host = str_of(host);
	return a;
}

static enum lookup_state
get(const char *domain, uint64_t now_ms)
{
	struct str ask;

	return lookup_get(&l, str_of(domain), now_ms, &ask);
}

static const struct facts_srv *
fact(const char *domain)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (str_eq_nocase(l->srv[i].domain, str_of(domain)))
			return &l->srv[i];
	return NULL;
}

static void
an_answer_lives_its_time(void **state)
{
	struct access_srv a = leads_to("sip.fabrikam.com", 60);

	assert_int_equal(get("Fabrikam.COM", 1000), LOOKUP_ASK);
	assert_int_equal(get("fabrikam.com", 1001), LOOKUP_PENDING);
	assert_int_equal(fact("fabrikam.com")->state, FACTS_SRV_UNKNOWN);
	assert_false(lookup_answer(l, STR("other.example"), &a, 1500));
	assert_true(lookup_answer(l, STR("fabrikam.com"), &a, 2000));
	assert_false(lookup_answer(l, STR("fabrikam.com"), &a, 2000)); /* nobody asked again */
	assert_int_equal(get("FABRIKAM.com", 61999), LOOKUP_KNOWN);
	assert_int_equal(fact("fabrikam.com")->state, FACTS_SRV_FOUND);
	assert_true(str_eq(fact("fabrikam.com")->targets[0], STR("sip.fabrikam.com")));
	assert_int_equal(get("fabrikam.com", 62001), LOOKUP_ASK);
	/* What was said before proves nothing while the new answer is out. */
	assert_int_equal(fact("fabrikam.com")->state, FACTS_SRV_UNKNOWN);
	assert_int_equal(fact("fabrikam.com")->n_targets, 0);
	/* An hour at most (3.2). */
	a = leads_to("sip.fabrikam.com", 86400);
	assert_true(lookup_answer(l, STR("fabrikam.com"), &a, 70000));
	assert_int_equal(get("fabrikam.com", 70000 + 3600 * 1000 - 1), LOOKUP_KNOWN);
	assert_int_equal(get("fabrikam.com", 70000 + 3600 * 1000 + 2), LOOKUP_ASK);
}

static void
silence_is_a_no_for_a_while(void **state)
{
	struct access_srv none = {.err = ED_GONE, .ttl_s = 60}, down = {.err = ED_SYS};

	assert_int_equal(get("a.example", 0), LOOKUP_ASK);
	assert_int_equal(get("a.example", LOOKUP_MS - 1), LOOKUP_PENDING);
	assert_int_equal(get("a.example", LOOKUP_MS), LOOKUP_KNOWN);
	assert_int_equal(fact("a.example")->state, FACTS_SRV_FAILED);
	assert_false(lookup_answer(l, STR("a.example"), &none, LOOKUP_MS + 1)); /* too late */
	assert_int_equal(get("a.example", LOOKUP_MS + LOOKUP_FAILED_MS), LOOKUP_ASK);
	assert_true(lookup_answer(l, STR("a.example"), &down, 20000));
	assert_int_equal(get("a.example", 20001), LOOKUP_KNOWN);
	assert_int_equal(fact("a.example")->state, FACTS_SRV_FAILED);
	assert_int_equal(get("b.example", 20000), LOOKUP_ASK);
	assert_true(lookup_answer(l, STR("b.example"), &none, 20000));
	assert_int_equal(get("b.example", 20001), LOOKUP_KNOWN);
	assert_int_equal(fact("b.example")->state, FACTS_SRV_NONE);
}

static void
so_many_questions_at_a_time(void **state)
{
	struct access_srv a = leads_to("sip.d0.example", 60);
	char name[32];

	for (unsigned i = 0; i < LOOKUP_ASKED_MAX; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		assert_int_equal(get(name, 0), LOOKUP_ASK);
	}
	assert_int_equal(get("one-more.example", 0), LOOKUP_FULL);
	assert_true(lookup_answer(l, STR("d0.example"), &a, 1));
	assert_int_equal(get("one-more.example", 1), LOOKUP_ASK);
	assert_int_equal(get("and-one.example", 1), LOOKUP_FULL);
	/* One that the DNS would not take is no question under way, and is asked again. */
	lookup_put_off(l, STR("one-more.example"));
	assert_false(lookup_is_pending(l, STR("one-more.example"), 2));
	assert_int_equal(get("one-more.example", 2), LOOKUP_ASK);
	/* Those that nobody answers free their places. */
	assert_int_equal(get("and-one.example", LOOKUP_MS + 3), LOOKUP_ASK);
}

static void
so_many_domains(void **state)
{
	char name[32];

	for (unsigned i = 0; i < 10 * LOOKUP_DOMAINS; i++) {
		struct access_srv a = leads_to("sip.x.example", 3600);

		snprintf(name, sizeof(name), "d%u.example", i);
		assert_int_equal(get(name, i), LOOKUP_ASK);
		assert_true(lookup_answer(l, str_of(name), &a, i));
		assert_true(l->n <= LOOKUP_DOMAINS);
		assert_int_equal(get("kept.example", i), i ? LOOKUP_KNOWN : LOOKUP_ASK);
		a = leads_to("sip.kept.example", 3600);
		lookup_answer(l, STR("kept.example"), &a, i);
	}
	assert_null(fact("d0.example"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(an_answer_lives_its_time, teardown),
	    cmocka_unit_test_teardown(silence_is_a_no_for_a_while, teardown),
	    cmocka_unit_test_teardown(so_many_questions_at_a_time, teardown),
	    cmocka_unit_test_teardown(so_many_domains, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * stats_sum_test.c: adding up, in order, with a bound.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/stats_sum.h"
#include "svc/json.h"

static void
same_names_add_up(void **state)
{
	struct stats_sum *s = stats_sum_new();
	struct json j = {0};

	stats_sum_add(s, STR("b{x=\"1\"}"), STATS_COUNTER, STR("help"), 3);
	stats_sum_add(s, STR("a"), STATS_GAUGE, STR(""), 1);
	stats_sum_add(s, STR("b{x=\"1\"}"), STATS_COUNTER, STR("help"), 4);
	stats_sum_json(s, &j);
	assert_string_equal(j.p,
	    "[{\"name\":\"b{x=\\\"1\\\"}\",\"kind\":\"counter\",\"help\":\"help\",\"value\":7},"
	    "{\"name\":\"a\",\"kind\":\"gauge\",\"help\":\"\",\"value\":1}]");
	assert_true(json_is_valid((struct str){j.p, j.n}));
	json_done(&j);
	stats_sum_free(s);
}

/* Two workers' histograms add up bucket by bucket; whatever came between, one TYPE line. */
static void
a_histogram_is_one_metric(void **state)
{
	struct stats_sum *s = stats_sum_new();
	struct json j = {0};

	for (int worker = 0; worker < 2; worker++) {
		stats_sum_add(s, STR("h_seconds_bucket{le=\"1\"}"), STATS_BUCKET, STR("help"), 2);
		stats_sum_add(s, STR("c_total"), STATS_COUNTER, STR("other"), 1);
		stats_sum_add(
		    s, STR("h_seconds_bucket{le=\"+Inf\"}"), STATS_BUCKET, STR("help"), 3);
		stats_sum_add(s, STR("h_seconds_count"), STATS_BUCKET, STR("help"), 3);
		stats_sum_add(s, STR("h_seconds_sum"), STATS_TIME, STR("help"), 1500020);
	}
	stats_sum_prometheus(s, &j);
	assert_string_equal(j.p, "# HELP h_seconds help\n# TYPE h_seconds histogram\n"
				 "h_seconds_bucket{le=\"1\"} 4\nh_seconds_bucket{le=\"+Inf\"} 6\n"
				 "h_seconds_count 6\nh_seconds_sum 3.000040\n"
				 "# HELP c_total other\n# TYPE c_total counter\nc_total 2\n");
	json_done(&j);
	stats_sum_json(s, &j);
	assert_true(json_is_valid((struct str){j.p, j.n}));
	assert_non_null(strstr(j.p, "{\"name\":\"h_seconds_sum\",\"kind\":\"histogram\",\"help\":"
				    "\"help\",\"value\":3.000040}"));
	json_done(&j);
	stats_sum_free(s);
}

static void
names_are_bounded(void **state)
{
	struct stats_sum *s = stats_sum_new();
	struct json j = {0};
	size_t n = 0;

	for (unsigned i = 0; i < STATS_SUM_MAX + 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		stats_sum_add(s, str_of(name), STATS_COUNTER, STR_NONE, 1);
	}
	stats_sum_json(s, &j);
	for (size_t i = 0; i < j.n; i++)
		n += j.p[i] == '{';
	assert_int_equal(n, STATS_SUM_MAX);
	json_done(&j);
	stats_sum_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_names_add_up),
	    cmocka_unit_test(a_histogram_is_one_metric),
	    cmocka_unit_test(names_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

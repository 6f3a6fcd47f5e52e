/* SPDX-License-Identifier: MIT
 *
 * stats_test.c: what a process shows of its tables and histograms.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/histogram.h"
#include "svc/stats.h"

static char shown[2048];

static void
show(const struct stats_row *row, void *arg)
{
	size_t n = strlen(shown);

	snprintf(shown + n, sizeof(shown) - n, "%u %s %llu\n", (unsigned)row->kind, row->name,
	    (unsigned long long)row->value);
	assert_string_equal(row->help, "help");
}

static void
buckets_are_cumulative(void **state)
{
	static struct stats_row rows[] = {{"a_total", STATS_COUNTER, "help", 3}};
	static struct histogram h;

	histogram_add(&h, 50, 2);
	histogram_add(&h, 700, 1);
	histogram_add(&h, 20000000, 1);
	stats_register_histogram("b_seconds", "help", &h);
	stats_register(rows, 1);
	stats_each(show, NULL);
	assert_string_equal(shown, "0 a_total 3\n"
				   "2 b_seconds_bucket{le=\"0.0001\"} 2\n"
				   "2 b_seconds_bucket{le=\"0.0005\"} 2\n"
				   "2 b_seconds_bucket{le=\"0.001\"} 3\n"
				   "2 b_seconds_bucket{le=\"0.005\"} 3\n"
				   "2 b_seconds_bucket{le=\"0.01\"} 3\n"
				   "2 b_seconds_bucket{le=\"0.05\"} 3\n"
				   "2 b_seconds_bucket{le=\"0.1\"} 3\n"
				   "2 b_seconds_bucket{le=\"0.5\"} 3\n"
				   "2 b_seconds_bucket{le=\"1\"} 3\n"
				   "2 b_seconds_bucket{le=\"3\"} 3\n"
				   "2 b_seconds_bucket{le=\"10\"} 3\n"
				   "2 b_seconds_bucket{le=\"+Inf\"} 4\n"
				   "2 b_seconds_count 4\n"
				   "3 b_seconds_sum 20000800\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(buckets_are_cumulative)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

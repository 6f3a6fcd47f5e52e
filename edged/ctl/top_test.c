/* SPDX-License-Identifier: MIT
 *
 * top_test.c: figures from two answers to `stats`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/top.h"

static struct json_value
value_of(const char *text)
{
	struct str left = str_of(text);

	return json_take(&left);
}

#define STATS(a, b, c)                                                                             \
	"{\"ok\":true,\"stats\":["                                                                 \
	"{\"name\":\"edged_sip_connections{side=\\\"external\\\",kind=\\\"client\\\"}\","          \
	"\"value\":" a "},{\"name\":\"edged_sip_connections{side=\\\"internal\\\",kind=\\\"next_"  \
	"hop\\\"}\",\"value\":" b                                                                  \
	"},{\"name\":\"edged_sip_connections_refused_total{reason=\\\"total\\\"}\",\"value\":" c   \
	"}]}"

static void
test_sums(void **state)
{
	struct json_value v = value_of(STATS("3", "4", "9"));

	assert_true(top_sum(v, "edged_sip_connections", NULL) == 7);
	assert_true(top_sum(v, "edged_sip_connections", "kind=\"client\"") == 3);
	assert_true(top_sum(v, "edged_sip", NULL) == 0); /* a name, not its beginning */
	assert_true(top_sum(value_of("{\"stats\":7}"), "edged_sip_connections", NULL) == 0);
}

static void
test_rates(void **state)
{
	struct top_row rate = {.metric = "edged_sip_connections_refused_total", .rate = true};
	struct top_row now = {.metric = "edged_sip_connections", .factor = 2};
	struct json_value a = value_of(STATS("1", "1", "100")),
			  b = value_of(STATS("5", "1", "120"));

	assert_true(top_value(&rate, a, b, 4) == 5);
	assert_true(top_value(&now, a, b, 4) == 12);
	/* The process was started again meanwhile: not a negative rate. */
	assert_true(top_value(&rate, b, value_of(STATS("0", "0", "8")), 2) == 4);
	assert_true(top_value(&rate, a, b, 0) == 20);
}

static void
test_json(void **state)
{
	struct json_value status = value_of(
	    "{\"services\":[{\"role\":\"access\"},{\"role\":\"keyd\"},{\"role\":\"access\"}]}");
	struct json_value a = value_of(STATS("1", "2", "3"));
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);
	struct json_value v;

	top_json(status, a, a, 1, f);
	fclose(f);
	assert_true(json_is_valid((struct str){out, n - 1}));
	v = json_get(value_of(out), "figures");
	assert_true(str_eq(json_get(json_get(v, "access"), "next_hop_links").raw, STR("2.000")));
	assert_int_equal(json_get(v, "keyd").kind, JSON_OBJECT);
	assert_int_equal(json_get(v, "av").kind, JSON_NONE);
	free(out);
	f = open_memstream(&out, &n);
	top_json(value_of("{}"), a, a, 1, f);
	fclose(f);
	assert_true(json_is_valid((struct str){out, n - 1}));
	free(out);
}

static void
test_numbers(void **state)
{
	char b[32];

	assert_string_equal(top_number(0, b, sizeof(b)), "0");
	assert_string_equal(top_number(12, b, sizeof(b)), "12");
	assert_string_equal(top_number(3.44, b, sizeof(b)), "3.4");
	assert_string_equal(top_number(1234.5, b, sizeof(b)), "1234");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sums),
	    cmocka_unit_test(test_rates),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

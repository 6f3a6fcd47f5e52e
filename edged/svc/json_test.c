/* SPDX-License-Identifier: MIT
 *
 * json_test.c: what is written can be read; what is broken is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "svc/json.h"

static const struct {
	const char *text;
	bool valid;
} rows[] = {
    {"{}", true},
    {"[]", true},
    {" [ 1 , -2.5e3 , true , null , \"a\\\"b\" ] ", true},
    {"{\"a\":{\"b\":[{}]}}", true},
    {"\"\"", true},
    {"", false},
    {"{", false},
    {"[1,]", false},
    {"{\"a\"}", false},
    {"{a:1}", false},
    {"{\"a\":1,}", false},
    {"\"a", false},
    {"\"a\\", false},
    {"\"a\nb\"", false},
    {"tru", false},
    {"1 2", false},
    {"[1]]", false},
    {"}", false},
};

static void
validity(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (json_is_valid(str_of(rows[i].text)) != rows[i].valid)
			fail_msg("%s", rows[i].text);
}

static void
depth_is_bounded(void **state)
{
	char deep[200];

	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	assert_false(json_is_valid((struct str){deep, 200}));
	assert_true(json_is_valid((struct str){deep + 80, 40}));
}

static void
written_is_read_back(void **state)
{
	struct json j = {0};
	struct json_value v, e;
	struct str left, it;
	char buf[64];

	json_raw(&j, STR("{"));
	json_key(&j, "name");
	json_text(&j, STR("a\"b\\\n"));
	json_key(&j, "list");
	json_raw(&j, STR("["));
	for (int i = 0; i < 3; i++) {
		json_next(&j);
		json_fmt(&j, "%d", i);
	}
	json_raw(&j, STR("]}"));
	assert_false(j.failed);
	assert_true(json_is_valid((struct str){j.p, j.n}));
	left = (struct str){j.p, j.n};
	v = json_take(&left);
	assert_int_equal(v.kind, JSON_OBJECT);
	assert_string_equal(json_plain(json_get(v, "name"), buf, sizeof(buf)), "a\"b\\?");
	it = json_get(v, "list").raw;
	for (int i = 0; i < 3; i++) {
		assert_true(json_element(&it, &e));
		assert_int_equal(e.raw.p[0], '0' + i);
	}
	assert_false(json_element(&it, &e));
	assert_int_equal(json_get(v, "none").kind, JSON_NONE);
	json_done(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(validity),
	    cmocka_unit_test(depth_is_bounded),
	    cmocka_unit_test(written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

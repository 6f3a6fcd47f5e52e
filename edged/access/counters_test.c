/* SPDX-License-Identifier: MIT
 *
 * counters_test.c: the rows say what they count.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "access/counters.h"

static void
every_row_has_a_name(void **state)
{
	for (unsigned i = 0; i < CNT__N; i++)
		assert_non_null(access_counters[i].name);
}

/* The label is the method as it stands in a start line. */
static void
messages_have_their_methods(void **state)
{
	char name[128];

	for (unsigned way = 0; way < 4; way++)
		for (unsigned m = 0; m < MESSAGE__N; m++) {
			snprintf(name, sizeof(name),
			    "edged_sip_messages_total{dir=\"%s\",side=\"%s\",method=\"%s\"}",
			    way & 2 ? "out" : "in", way & 1 ? "internal" : "external",
			    m == SIP_METHOD_OTHER   ? "other"
			    : m == MESSAGE_RESPONSE ? "response"
						    : sip_method_name((enum sip_method)m));
			assert_string_equal(access_messages[way >> 1][way & 1][m].name, name);
		}
}

static void
a_message_is_counted_where_it_belongs(void **state)
{
	count_message(false, true, SIP_INVITE);
	count_message(true, false, MESSAGE_RESPONSE);
	assert_int_equal(access_messages[0][0][SIP_INVITE].value, 1);
	assert_int_equal(access_messages[1][1][MESSAGE_RESPONSE].value, 1);
	assert_int_equal(access_messages[0][1][SIP_INVITE].value, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row_has_a_name),
	    cmocka_unit_test(messages_have_their_methods),
	    cmocka_unit_test(a_message_is_counted_where_it_belongs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "avedge/ports.h"

static void
counter(void *p, size_t n)
{
	static uint32_t next = 12345;

	next = next * 1103515245u + 12345u;
	memcpy(p, &next, n);
}

static void
every_port_once_then_none(void **state)
{
	struct ports *p = ports_new(50000, 50099, counter);
	uint8_t seen[100] = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		uint16_t port = ports_take(p, 0, false);

		assert_true(port >= 50000 && port <= 50099);
		assert_int_equal(seen[port - 50000]++, 0);
	}
	assert_int_equal(ports_take(p, 0, false), 0);
	assert_int_equal(ports_in_use(p), 100);
	assert_int_not_equal(ports_take(p, 1, false), 0); /* TCP has its own numbers */
	ports_give_back(p, 0, 50042);
	ports_give_back(p, 0, 50042);
	assert_int_equal(ports_take(p, 0, false), 50042);
	ports_free(p);
}

static void
even_ones_when_asked(void **state)
{
	struct ports *p = ports_new(50001, 50010, counter);

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(ports_take(p, 0, true) % 2, 0);
	assert_int_equal(ports_take(p, 0, true), 0);
	assert_int_equal(ports_take(p, 0, false) % 2, 1);
	ports_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_port_once_then_none),
	    cmocka_unit_test(even_ones_when_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

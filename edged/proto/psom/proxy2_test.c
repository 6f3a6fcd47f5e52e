/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "proto/psom/proxy2.h"

static const struct addr v4_client = {.family = 4, .port = 51234, .ip = {203, 0, 113, 9}};
static const struct addr v4_ours = {.family = 4, .port = 443, .ip = {198, 51, 100, 20}};
static const struct addr v6_client = {.family = 6, .port = 1, .ip = {0x20, 1, 0xd, 0xb8}};

/* psom-webconf 12 */
static void
proxy2_worked_octets(void **state)
{
	static const uint8_t want[49] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49,
	    0x54, 0x0a, 0x21, 0x11, 0x00, 0x21, 0xcb, 0x00, 0x71, 0x09, 0xc6, 0x33, 0x64, 0x14,
	    0xc8, 0x22, 0x01, 0xbb, 0x02, 0x00, 0x12, 0x77, 0x65, 0x62, 0x63, 0x6f, 0x6e, 0x2e,
	    0x63, 0x6f, 0x6e, 0x74, 0x6f, 0x73, 0x6f, 0x2e, 0x63, 0x6f, 0x6d};
	uint8_t out[PSOM_PROXY2_MAX];

	assert_int_equal(
	    psom_proxy2_write(&v4_client, &v4_ours, STR("webcon.contoso.com"), out), 49);
	assert_memory_equal(out, want, 49);
	assert_int_equal(psom_proxy2_write(&v4_client, &v4_ours, STR_NONE, out), 28);
	assert_int_equal(out[15], 12);
}

static void
proxy2_families_and_bounds(void **state)
{
	static const struct addr none = {0};
	char name[PSOM_PROXY2_AUTHORITY_MAX + 1] = {0};
	uint8_t out[PSOM_PROXY2_MAX];

	assert_int_equal(psom_proxy2_write(&v6_client, &v4_ours, STR_NONE, out), 52);
	assert_int_equal(out[13], 0x21);
	assert_memory_equal(out + 16, v6_client.ip, 16);
	assert_int_equal(out[16 + 16 + 10], 0xff);
	assert_memory_equal(out + 16 + 16 + 12, v4_ours.ip, 4);
	assert_int_equal(psom_proxy2_write(&v6_client, &v4_ours,
			     (struct str){name, PSOM_PROXY2_AUTHORITY_MAX}, out),
	    (int)PSOM_PROXY2_MAX);
	assert_int_equal(psom_proxy2_write(&v6_client, &v4_ours,
			     (struct str){name, PSOM_PROXY2_AUTHORITY_MAX + 1}, out),
	    ED_LIMIT);
	assert_int_equal(psom_proxy2_write(&none, &v4_ours, STR_NONE, out), ED_UNSUPPORTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(proxy2_worked_octets),
	    cmocka_unit_test(proxy2_families_and_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Rates of strangers, and the table of connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "access/flow.h"
#include "access/home.h"
#include "access/limits.h"
#include "access/sibling.h"

static const struct hash_key key = {{5, 6}};

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse_ip(&a, str_of(text)), ED_OK);
	return a;
}

static void
test_registers(void **state)
{
	static struct limits l;
	struct addr a = address("198.51.100.7"), b = address("198.51.100.8");
	struct addr n1 = address("2001:db8::1"), n2 = address("2001:db8::2");

	limits_init(&l, &key);
	for (unsigned i = 0; i < 20; i++)
		assert_true(limits_register(&l, &a, 20, 60000));
	assert_false(limits_register(&l, &a, 20, 60001));
	assert_true(limits_register(&l, &b, 20, 60001));
	assert_true(limits_register(&l, &a, 20, 120000)); /* the next minute */
	assert_true(limits_register(&l, &a, 0, 120000));  /* no limit */
	assert_true(limits_register(&l, &n1, 1, 120000));
	assert_false(limits_register(&l, &n2, 1, 120000)); /* a /64 is one source */
}

static void
test_registers_flood(void **state)
{
	static struct limits l;
	struct addr a = address("198.51.100.7");
	unsigned passed = 0;

	limits_init(&l, &key);
	for (uint32_t i = 0; i < 100000; i++) { /* the table never grows, so rows get shared */
		memcpy(a.ip, &i, 4);
		passed += limits_register(&l, &a, 20, 60000);
	}
	assert_true(passed <= LIMITS_ROWS * 20);
}

static void
test_requests(void **state)
{
	struct flow f = {.born_ms = 1000, .tokens = 10};

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(limits_request(&f, 10, 1000), 0);
	assert_in_range(limits_request(&f, 10, 1000), 1, 200);
	assert_int_equal(limits_request(&f, 10, 1100), 0);
	assert_in_range(limits_request(&f, 10, 1100), 1, 200);
	for (unsigned i = 0; i < 10; i++) /* never more than a second's worth at once */
		assert_int_equal(limits_request(&f, 10, 100000), 0);
	assert_in_range(limits_request(&f, 10, 100000), 1, 200);
	assert_int_equal(limits_request(&f, 0, 100000), 0);
}

static void
test_homes(void **state)
{
	static struct homes h;
	char aor[32];

	homes_init(&h, &key);
	homes_learn(&h, STR("sip:Alice@contoso.com"), STR("fe02.int.contoso.com"), 1000);
	assert_int_equal(homes_find(&h, STR("sip:alice@contoso.com"), 2000).n, 20);
	assert_int_equal(homes_find(&h, STR("sip:bob@contoso.com"), 2000).n, 0);
	assert_int_equal(homes_find(&h, STR("sip:alice@contoso.com"), 1000 + HOME_LIFE_MS).n, 0);
	for (unsigned i = 0; i < 10000; i++) { /* bounded: old ones give way, the newest stays */
		snprintf(aor, sizeof(aor), "sip:u%u@contoso.com", i);
		homes_learn(&h, str_of(aor), STR("fe01"), 3000 + i);
		assert_int_equal(homes_find(&h, str_of(aor), 3000 + i).n, 4);
	}
}

static void
test_flows(void **state)
{
	static const struct str names[] = {{"FE01.int.contoso.com", 20}, {"pool", 4}};
	struct flow_table t;
	struct flow *a = flow_new(FLOW_CLIENT), *b = flow_new(FLOW_INSIDE);

	assert_int_equal(flow_table_init(&t, 3, 0x2a), ED_OK);
	flow_admit(&t, a);
	flow_admit(&t, b);
	assert_int_equal(a->cid, 0x03000000002b00);
	assert_int_equal(FLOW_CID_SLOT(b->cid), 3);
	assert_ptr_equal(flow_find(&t, a->cid), a);
	assert_null(flow_find(&t, 0x2b00)); /* the same counter of another worker */
	a->closing = true;
	assert_null(flow_find(&t, a->cid));
	assert_int_equal(flow_set_names(b, names, 2), ED_OK);
	assert_true(flow_has_name(b, STR("fe01.INT.contoso.com")));
	assert_false(flow_has_name(b, STR("fe01")));
	flow_free(&t, a);
	flow_free(&t, b);
	flow_table_done(&t);
}

static void
test_sibling(void **state)
{
	uint8_t out[SIBLING_HEAD_LEN + 4] = {0};
	struct str all = {(char *)out, sizeof(out)};
	struct addr peer = address("10.20.0.11");
	struct sibling_msg s;

	peer.port = 5061;
	memcpy(out + SIBLING_HEAD_LEN, "PING", 4);
	sibling_head(out, SIBLING_REQUEST, FLOW_CID(1, 7), &peer, 4);
	assert_int_equal(sibling_read(all, 1, 0, &s), ED_OK);
	assert_int_equal(s.cid, FLOW_CID(1, 7));
	assert_true(addr_eq(&s.peer, &peer));
	assert_int_equal(s.bytes.n, 4);
	assert_int_equal(sibling_read(all, 2, 0, &s), ED_MALFORMED); /* not his connection */
	assert_int_equal(sibling_read(str_first(all, sizeof(out) - 1), 1, 0, &s), ED_MALFORMED);
	sibling_head(out, SIBLING_OUTPUT, FLOW_CID(0, 9), NULL, 4);
	assert_int_equal(sibling_read(all, 1, 0, &s), ED_OK);
	assert_int_equal(sibling_read(all, 1, 2, &s), ED_MALFORMED); /* not mine */
	sibling_head(out, SIBLING_GONE, FLOW_CID(1, 9), NULL, 0);
	assert_int_equal(sibling_read(str_first(all, SIBLING_HEAD_LEN), 1, 0, &s), ED_OK);
	out[0] = 9;
	assert_int_equal(sibling_read(str_first(all, SIBLING_HEAD_LEN), 1, 0, &s), ED_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_registers),
	    cmocka_unit_test(test_registers_flood),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_homes),
	    cmocka_unit_test(test_flows),
	    cmocka_unit_test(test_sibling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

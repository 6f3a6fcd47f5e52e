/* SPDX-License-Identifier: MIT */
#include "base/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
	const char *in;
	const char *want; /* NULL: refused */
	bool with_port;
} parse_cases[] = {
    {"192.0.2.1", "192.0.2.1", false},
    {"2001:db8::1", "2001:db8::1", false},
    {"[2001:db8::1]", "2001:db8::1", false},
    {"::ffff:192.0.2.1", "192.0.2.1", false},
    {"fe80::1%3", "fe80::1%3", false},
    {"", NULL, false},
    {"[192.0.2.1]", NULL, false},
    {"192.0.2.256", NULL, false},
    {"192.0.2", NULL, false},
    {"[2001:db8::1", NULL, false},
    {"fe80::1%eth0", NULL, false},
    {"sip.contoso.com", NULL, false},
    {"192.0.2.1:5061", "192.0.2.1:5061", true},
    {"[2001:db8::1]:5061", "[2001:db8::1]:5061", true},
    {"192.0.2.1:0", "192.0.2.1:0", true},
    {"192.0.2.1:65535", "192.0.2.1:65535", true},
    {"192.0.2.1:65536", NULL, true},
    {"192.0.2.1:", NULL, true},
    {"192.0.2.1", NULL, true},
    {":5061", NULL, true},
    {"2001:db8::1:5061", NULL, true},
    {"192.0.2.1:+1", NULL, true},
};

static void
test_parse(void **state)
{
	char buf[ADDR_STR_LEN];

	for (size_t i = 0; i < sizeof(parse_cases) / sizeof(parse_cases[0]); i++) {
		struct str in = str_of(parse_cases[i].in);
		struct addr a;
		int r = parse_cases[i].with_port ? addr_parse(&a, in) : addr_parse_ip(&a, in);

		if (!parse_cases[i].want) {
			if (r >= 0)
				fail_msg("accepted: %s", parse_cases[i].in);
			continue;
		}
		if (r < 0)
			fail_msg("refused: %s", parse_cases[i].in);
		assert_string_equal(
		    parse_cases[i].with_port ? addr_str(&a, buf) : addr_ip_str(&a, buf),
		    parse_cases[i].want);
	}
}

static void
test_sockaddr_round_trip(void **state)
{
	static const char *const texts[] = {"192.0.2.1:5061", "[2001:db8::1]:443"};
	struct sockaddr_storage ss;
	struct addr a, b;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(addr_parse(&a, str_of(texts[i])), ED_OK);
		socklen_t len = addr_to_sockaddr(&a, &ss);
		assert_int_equal(addr_from_sockaddr(&b, (struct sockaddr *)&ss, len), ED_OK);
		assert_true(addr_eq(&a, &b));
		b.port++;
		assert_false(addr_eq(&a, &b));
		assert_true(addr_ip_eq(&a, &b));
		assert_int_equal(
		    addr_from_sockaddr(&b, (struct sockaddr *)&ss, len - 1), ED_UNSUPPORTED);
	}
	a.family = 0;
	assert_int_equal(addr_to_sockaddr(&a, &ss), 0);
}

static const struct {
	const char *net, *ip;
	bool want;
} net_cases[] = {
    {"10.0.0.0/8", "10.255.1.2", true},
    {"10.0.0.0/8", "11.0.0.1", false},
    {"192.0.2.128/25", "192.0.2.127", false},
    {"192.0.2.128/25", "192.0.2.200", true},
    {"0.0.0.0/0", "203.0.113.1", true},
    {"0.0.0.0/0", "2001:db8::1", false},
    {"192.0.2.7", "192.0.2.7", true},
    {"192.0.2.7", "192.0.2.6", false},
    {"2001:db8::/33", "2001:db8:7fff::1", true},
    {"2001:db8::/33", "2001:db8:8000::1", false},
};

static void
test_net(void **state)
{
	struct addr_net net;
	struct addr a;

	for (size_t i = 0; i < sizeof(net_cases) / sizeof(net_cases[0]); i++) {
		assert_int_equal(addr_net_parse(&net, str_of(net_cases[i].net)), ED_OK);
		assert_int_equal(addr_parse_ip(&a, str_of(net_cases[i].ip)), ED_OK);
		if (addr_net_has(&net, &a) != net_cases[i].want)
			fail_msg("%s %s", net_cases[i].net, net_cases[i].ip);
	}
	assert_int_equal(addr_net_parse(&net, STR("10.0.0.0/33")), ED_MALFORMED);
	assert_int_equal(addr_net_parse(&net, STR("10.0.0.0/")), ED_MALFORMED);
	assert_int_equal(addr_net_parse(&net, STR("ten/8")), ED_MALFORMED);
}

static void
test_loopback(void **state)
{
	struct addr a;

	assert_int_equal(addr_parse_ip(&a, STR("127.1.2.3")), ED_OK);
	assert_true(addr_is_loopback(&a));
	assert_int_equal(addr_parse_ip(&a, STR("::1")), ED_OK);
	assert_true(addr_is_loopback(&a));
	assert_int_equal(addr_parse_ip(&a, STR("::ffff:127.0.0.1")), ED_OK);
	assert_true(addr_is_loopback(&a));
	assert_int_equal(addr_parse_ip(&a, STR("192.0.2.1")), ED_OK);
	assert_false(addr_is_loopback(&a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_sockaddr_round_trip),
	    cmocka_unit_test(test_net),
	    cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

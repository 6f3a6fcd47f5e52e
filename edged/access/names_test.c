/* SPDX-License-Identifier: MIT */
#include "access/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access_cast.h"

static struct cast cast;

static int
setup(void **state)
{
	cast_init(&cast);
	return 0;
}

static int
teardown(void **state)
{
	cast_done(&cast);
	return 0;
}

static void
hosts_are_told_apart(void **state)
{
	static const struct {
		const char *host;
		bool sip, external, self_inside, trusted, inside, inside_by_name;
	} rows[] = {
	    {"contoso.com", true, false, false, false, false, false},
	    {"CONTOSO.Com", true, false, false, false, false, false},
	    {"contoso.com.", true, false, false, false, false, false},
	    {"northwind.example", true, false, false, false, false, false},
	    {"sip.contoso.com", false, true, false, false, false, false},
	    {"sip.northwind.example", false, true, false, false, false, false},
	    {"203.0.113.10", false, true, false, false, false, false},
	    {"edge.int.contoso.com", false, false, true, false, true, true},
	    {"10.30.0.5", false, false, true, false, true, false},
	    {"fe01.contoso.net", false, false, false, true, true, true},
	    {"FE01.CONTOSO.NET.", false, false, false, true, true, true},
	    {"pool01.contoso.net", false, false, false, true, true, true},
	    {"registrar", false, false, false, true, true, true},
	    {"x.y.contoso.net", false, false, false, false, true, true},
	    {"contoso.net", false, false, false, false, true, true},
	    {"xcontoso.net", false, false, false, false, false, false},
	    {"contoso.net.evil.org", false, false, false, false, false, false},
	    {"10.200.3.4", false, false, false, false, true, false},
	    {"11.200.3.4", false, false, false, false, false, false},
	    {"fd00::7", false, false, false, false, true, false},
	    {"2001:db8::7", false, false, false, false, false, false},
	    {"fabrikam.com", false, false, false, false, false, false},
	    {"", false, false, false, false, false, false},
	    {".", false, false, false, false, false, false},
	};
	const struct names *n = cast.view->names;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str h = str_of(rows[i].host);

		print_message("%s\n", rows[i].host);
		assert_int_equal(names_is_sip_domain(n, h), rows[i].sip);
		assert_int_equal(names_is_external(n, h), rows[i].external);
		assert_int_equal(names_is_self_inside(n, h), rows[i].self_inside);
		assert_int_equal(names_is_trusted(n, h), rows[i].trusted);
		assert_int_equal(names_is_inside(n, h, true), rows[i].inside);
		assert_int_equal(names_is_inside(n, h, false), rows[i].inside_by_name);
	}
}

static void
long_hosts_below_an_inside_domain_count(void **state)
{
	char host[2048];

	memset(host, 'a', sizeof(host));
	memcpy(host + sizeof(host) - 12, ".contoso.net", 12);
	assert_true(names_is_inside(cast.view->names, (struct str){host, sizeof(host)}, false));
}

static void
text_is_scanned_for_whole_hosts(void **state)
{
	static const struct {
		const char *text;
		const char *hit; /* "" when nothing is inside */
	} rows[] = {
	    {"", ""},
	    {"RTC/5.0", ""},
	    {"RTC/5.0 fe01.contoso.net", "fe01.contoso.net"},
	    {"source=\"FE01.contoso.net\"", "FE01.contoso.net"},
	    {"xfe01.contoso.netx", ""},
	    {"a.b.contoso.net:5061", "a.b.contoso.net"},
	    {"x@sip.contoso.com", ""},
	    {"alice@contoso.com", ""},
	    {"fe01.contoso.net-17", "fe01.contoso.net"},
	    {"fe01.contoso.net.evil.org", "fe01.contoso.net"},
	    {"at 10.1.2.3.", "10.1.2.3"},
	    {"15.0.4420.1017", ""},
	    {"10.1.2.3.4", "10.1.2.3"},
	    {"110.1.2.3", ""},
	    {"10.1.2.300", ""},
	    {"(10.1.2.3:5060)", "10.1.2.3"},
	    {"[fd00::5]:5061", "fd00::5"},
	    {"fd00::5.", "fd00::5"},
	    {"12:34:56", ""},
	    {"the registrar said", "registrar"},
	    {"registrars", ""},
	    {"sip:%01.contoso.net", "%01.contoso.net"},
	    {"a%2Dfe01.contoso.net;x", "%2Dfe01.contoso.net"},
	    {"%0A.10.1.2.3", "10.1.2.3"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str t = str_of(rows[i].text);
		size_t at = 0, len = 0;
		bool found = names_scan(cast.view->names, t, true, &at, &len);

		print_message("%s\n", rows[i].text);
		assert_int_equal(found, rows[i].hit[0] != '\0');
		assert_true(!found || str_eq((struct str){t.p + at, len}, str_of(rows[i].hit)));
	}
}

static void
scan_without_addresses_leaves_them(void **state)
{
	size_t at, len;

	assert_false(names_scan(cast.view->names, STR("10.1.2.3 fd00::1"), false, &at, &len));
}

static void
within_is_by_labels(void **state)
{
	assert_true(names_is_within(STR("sip.Fabrikam.com"), STR("fabrikam.com")));
	assert_true(names_is_within(STR("fabrikam.com."), STR("fabrikam.com")));
	assert_false(names_is_within(STR("notfabrikam.com"), STR("fabrikam.com")));
	assert_false(names_is_within(STR("fabrikam.com"), STR("sip.fabrikam.com")));
	assert_false(names_is_within(STR("fabrikam.com"), STR("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(hosts_are_told_apart, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		long_hosts_below_an_inside_domain_count, setup, teardown),
	    cmocka_unit_test_setup_teardown(text_is_scanned_for_whole_hosts, setup, teardown),
	    cmocka_unit_test_setup_teardown(scan_without_addresses_leaves_them, setup, teardown),
	    cmocka_unit_test_setup_teardown(within_is_by_labels, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

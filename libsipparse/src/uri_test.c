/* SPDX-License-Identifier: MIT
 *
 * uri_test.c: URIs, name-addrs and parameters; each URI also goes to libosip2 (differential).
 */
#include "table.h"

#include <stdio.h>

#include "sipparse/uri.h"

#define OSIP_LAX "libosip2 reads hosts, ports and characters loosely"

static const struct {
	const char *text;
	int want;
	const char *user, *host;
	unsigned port;
	const char *params, *headers;
	const char *osip_differs;
} cases[] = {
    {"sip:bob@contoso.com", ED_OK, "bob", "contoso.com", 0, "", "", NULL},
    {"sip:contoso.com", ED_OK, NULL, "contoso.com", 0, "", "", NULL},
    {"SIP:contoso.com:5061", ED_OK, NULL, "contoso.com", 5061, "", "", NULL},
    {"sips:bob@contoso.com:5061;transport=tls;lr", ED_OK, "bob", "contoso.com", 5061,
	";transport=tls;lr", "", NULL},
    {"sip:bob:secret@contoso.com", ED_OK, "bob:secret", "contoso.com", 0, "", "", NULL},
    {"sip:alice@contoso.com;opaque=user:epid:kBosfQ5MH1uadwobLD1OXwAA;gruu", ED_OK, "alice",
	"contoso.com", 0, ";opaque=user:epid:kBosfQ5MH1uadwobLD1OXwAA;gruu", "", NULL},
    {"sip:a@b?Replaces=x%40y&z=1", ED_OK, "a", "b", 0, "", "Replaces=x%40y&z=1", NULL},
    {"sip:a@b;lr?h=1", ED_OK, "a", "b", 0, ";lr", "h=1", NULL},
    {"sip:u;par=x%40y@example.com", ED_OK, "u;par=x%40y", "example.com", 0, "", "", NULL},
    {"sip:a?b/c@example.com", ED_OK, "a?b/c", "example.com", 0, "", "", NULL},
    {"sip:[2001:db8::10]:5070", ED_OK, NULL, "2001:db8::10", 5070, "", "", NULL},
    {"sip:[2001:db8::10:5070]", ED_OK, NULL, "2001:db8::10:5070", 0, "", "", NULL},
    {"sip:u@[::ffff:192.0.2.1];lr", ED_OK, "u", "::ffff:192.0.2.1", 0, ";lr", "", NULL},
    {"sip:192.0.2.1:5060", ED_OK, NULL, "192.0.2.1", 5060, "", "", NULL},
    {"sip:alice:51001;maddr=192.168.1.50;transport=tls", ED_OK, NULL, "alice", 51001,
	";maddr=192.168.1.50;transport=tls", "", NULL},
    {"sip:j_doe:51001", ED_OK, NULL, "j_doe", 51001, "", "", NULL},
    {"sip:null-%00-null@example.com", ED_OK, "null-%00-null", "example.com", 0, "", "", NULL},
    {"sip:j\xc3\xb6rg@example.com", ED_OK, "j\xc3\xb6rg", "example.com", 0, "", "", NULL},
    {"tel:+1-201-555-0123", ED_OK, NULL, NULL, 0, NULL, NULL, NULL},
    {"nobodyKnowsThisScheme:totallyopaque", ED_OK, NULL, NULL, 0, NULL, NULL, NULL},
    {"im:bob@contoso.com", ED_OK, NULL, NULL, 0, NULL, NULL, NULL},

    {"", ED_MALFORMED, .osip_differs = NULL},
    {"sip", ED_MALFORMED, .osip_differs = NULL},
    {"sip:", ED_MALFORMED, .osip_differs = NULL},
    {":bob@contoso.com", ED_MALFORMED, .osip_differs = NULL},
    {"1sip:a", ED_MALFORMED, .osip_differs = NULL},
    {"sip:@contoso.com", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@", ED_MALFORMED, .osip_differs = NULL},
    {"sip:a@b@c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a.example;x=@b.example@c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a b@c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b>", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b#c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a\\@b", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b\"c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a%4@b", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a%zz@b", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b%2e", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b.", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@.b", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b..c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@-b", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b-.c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b\xc3\xb6", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@127.1", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@2130706433", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@0x7f.0.0.1", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@010.0.0.1", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@1.2.3.256", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@1.2.3.4.5", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:2001:db8::10", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:[2001:db8::10", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:[2001:db8::g]", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:[fe80::1%25eth0]", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:[]", ED_MALFORMED, .osip_differs = NULL},
    {"sip:[::1]x", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:[u]@b", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b:", ED_MALFORMED, .osip_differs = NULL},
    {"sip:a@b:0", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b:05060", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b:65536", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b:506011", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b:5x", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b;", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b;;lr", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b;x=", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b;=x", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b;lr;LR", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b;opaque=x;opaque=y", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b;x=\"y\"", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b?", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b/c", ED_MALFORMED, .osip_differs = OSIP_LAX},
    {"sip:a@b,c", ED_MALFORMED, .osip_differs = OSIP_LAX},
};

static void
assert_str(struct str got, const char *want)
{
	struct str w = str_of(want);

	if (!str_eq(got, w))
		print_error("got '" STR_FMT "', want '%s'\n", STR_ARG(got), want ? want : "(none)");
	assert_true(str_eq(got, w));
}

static void
test_uris(void **state)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct flush f = flush_of(str_of(cases[i].text));
		struct sip_uri u;
		struct ed_fault fault;
		int r = sip_uri_parse(f.text, &u, &fault);

		if (r != cases[i].want)
			print_error("%s: got %d\n", cases[i].text, r);
		assert_int_equal(r, cases[i].want);
		if (r < 0) {
			assert_true(fault.at <= f.text.n);
		} else if (u.scheme != SIP_SCHEME_OTHER) {
			assert_str(u.user, cases[i].user);
			assert_str(u.host, cases[i].host);
			assert_int_equal(u.port, cases[i].port);
			assert_str(u.params, cases[i].params);
			assert_str(u.headers, cases[i].headers);
			assert_true(u.host.p - u.host_is_v6 == f.text.p + u.host_at);
		} else {
			assert_null(cases[i].host);
		}
		flush_done(&f);
	}
}

/* What we take libosip2 takes; what only libosip2 takes has a row that says why. */
static void
test_uris_beside_osip(void **state)
{
	int wrong = 0;

	for (size_t i = 0; i < N_OF(cases); i++) {
		int r = sip_uri_check_osip(str_of(cases[i].text));
		bool differs = (r < 0) != (cases[i].want < 0);

		if (differs != (cases[i].osip_differs != NULL)) {
			print_error("%s: libosip2 says %d\n", cases[i].text, r);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* What we take, both read alike; and a reading that is not libosip2's is noticed, field by field.
 */
static void
test_uris_agree_with_osip(void **state)
{
	struct sip_uri u, v;

	for (size_t i = 0; i < N_OF(cases); i++) {
		if (cases[i].want < 0)
			continue;
		assert_int_equal(sip_uri_parse(str_of(cases[i].text), &u, NULL), ED_OK);
		if (sip_uri_agrees_osip(&u) != ED_OK)
			fail_msg("%s is read otherwise", cases[i].text);
	}
	assert_int_equal(sip_uri_parse(str_of("sip:a@b.example:5061"), &u, NULL), ED_OK);
	v = u, v.host = str_of("c.example");
	assert_int_equal(sip_uri_agrees_osip(&v), ED_MALFORMED);
	v = u, v.port = 5060;
	assert_int_equal(sip_uri_agrees_osip(&v), ED_MALFORMED);
	v = u, v.user = (struct str){0};
	assert_int_equal(sip_uri_agrees_osip(&v), ED_MALFORMED);
	v = u, v.scheme_text = str_of("sips");
	assert_int_equal(sip_uri_agrees_osip(&v), ED_MALFORMED);
	v = u, v.text = (struct str){0};
	assert_int_equal(sip_uri_agrees_osip(&v), ED_MALFORMED);
}

static const struct {
	const char *text;
	int want;
	const char *display, *uri, *params;
} nameaddr_cases[] = {
    {"<sip:a@b>", ED_OK, "", "sip:a@b", ""},
    {"sip:a@b", ED_OK, "", "sip:a@b", ""},
    {"sip:a@b;tag=1", ED_OK, "", "sip:a@b", ";tag=1"},
    {"sip:a@b ; tag = 1", ED_OK, "", "sip:a@b", "; tag = 1"},
    {"<sip:a@b;lr>;tag=1", ED_OK, "", "sip:a@b;lr", ";tag=1"},
    {"Alice <sip:a@b>", ED_OK, "Alice", "sip:a@b", ""},
    {"Alice B. Example<sip:a@b> ;x", ED_OK, "Alice B. Example", "sip:a@b", ";x"},
    {"\"A, <B> \\\"q\\\" ;x\" <sip:a@b>;tag=2", ED_OK, "\"A, <B> \\\"q\\\" ;x\"", "sip:a@b",
	";tag=2"},
    {"\"\"<sip:a@b>", ED_OK, "\"\"", "sip:a@b", ""},
    {"\xc3\x84pfel <sip:a@b>", ED_OK, "\xc3\x84pfel", "sip:a@b", ""},
    {"<http://www.example.com/a,b?c>", ED_OK, "", "http://www.example.com/a,b?c", ""},
    {"*", ED_UNSUPPORTED, NULL, NULL, NULL},
    {"", ED_MALFORMED, NULL, NULL, NULL},
    {" ", ED_MALFORMED, NULL, NULL, NULL},
    {"<>", ED_MALFORMED, NULL, NULL, NULL},
    {"<sip:a@b", ED_MALFORMED, NULL, NULL, NULL},
    {"\"Alice <sip:a@b>", ED_MALFORMED, NULL, NULL, NULL},
    {"\"Alice\\\" <sip:a@b>", ED_MALFORMED, NULL, NULL, NULL},
    {"\"Alice\" sip:a@b", ED_MALFORMED, NULL, NULL, NULL},
    {"\"Alice\"", ED_MALFORMED, NULL, NULL, NULL},
    {"Bell, Alexander <sip:a@b>", ED_MALFORMED, NULL, NULL, NULL},
    {"A \"B\" <sip:a@b>", ED_MALFORMED, NULL, NULL, NULL},
    {"a@b <sip:a@b>", ED_MALFORMED, NULL, NULL, NULL},
    {"sip:a@b <sip:c@d>", ED_MALFORMED, NULL, NULL, NULL},
    {"sip:a@b;x=<sip:c@d>", ED_MALFORMED, NULL, NULL, NULL},
    {"sip:a@b?x=y", ED_MALFORMED, NULL, NULL, NULL},
    {"sip:a,b@c", ED_MALFORMED, NULL, NULL, NULL},
    {"<sip:a@b>x", ED_MALFORMED, NULL, NULL, NULL},
    {"<sip:a@b> <sip:c@d>", ED_MALFORMED, NULL, NULL, NULL},
};

static void
test_nameaddrs(void **state)
{
	for (size_t i = 0; i < N_OF(nameaddr_cases); i++) {
		struct flush f = flush_of(str_of(nameaddr_cases[i].text));
		struct sip_nameaddr na;
		struct ed_fault fault;
		int r = sip_nameaddr_parse(f.text, &na, &fault);

		if (r != nameaddr_cases[i].want)
			print_error("%s: got %d\n", nameaddr_cases[i].text, r);
		assert_int_equal(r, nameaddr_cases[i].want);
		if (r == ED_OK) {
			assert_str(na.display, nameaddr_cases[i].display);
			assert_str(na.uri_text, nameaddr_cases[i].uri);
			assert_str(na.params, nameaddr_cases[i].params);
			assert_ptr_equal(na.uri_text.p, f.text.p + na.uri_at);
			assert_ptr_equal(na.params.p, f.text.p + na.params_at);
		}
		flush_done(&f);
	}
}

static const struct {
	const char *text;
	int want;         /* of the walk's end */
	const char *list; /* name=value|name|... */
} param_cases[] = {
    {"", 0, ""},
    {";lr", 0, "lr|"},
    {";a=1;b;c=\"x;y=\\\"z\"", 0, "a=1|b|c=\"x;y=\\\"z\"|"},
    {" ; a = 1 ; b ", 0, "a=1|b|"},
    {";tag=a;received=2001:db8::9:255", 0, "tag=a|received=2001:db8::9:255|"},
    {";ms-fe=fe01.contoso.com;x=aGk=", 0, "ms-fe=fe01.contoso.com|x=aGk=|"},
    {";a=\xc3\xa9", 0, "a=\xc3\xa9|"},
    {"a=1", ED_MALFORMED, ""},
    {";", ED_MALFORMED, ""},
    {";a=", ED_MALFORMED, ""},
    {";a;", ED_MALFORMED, "a|"},
    {";a b", ED_MALFORMED, ""},
    {";a=b c", ED_MALFORMED, ""},
    {";a=b\"c\"", ED_MALFORMED, ""},
    {";a=\"b\"c", ED_MALFORMED, ""},
    {";a=\"b", ED_MALFORMED, ""},
    {";a=b,c", ED_MALFORMED, ""},
    {";a=<b>", ED_MALFORMED, ""},
    {";a\xc3=1", ED_MALFORMED, ""},
};

static void
test_params(void **state)
{
	for (size_t i = 0; i < N_OF(param_cases); i++) {
		struct flush f = flush_of(str_of(param_cases[i].text));
		struct sip_param one;
		char list[200] = "";
		uint32_t pos = 0;
		int r;

		while ((r = sip_param_next(f.text, &pos, &one)) == 1) {
			snprintf(list + strlen(list), sizeof(list) - strlen(list),
			    STR_FMT "%s" STR_FMT "|", STR_ARG(one.name), one.value.p ? "=" : "",
			    STR_ARG(one.value));
			assert_int_equal(f.text.p[one.at], ';');
			assert_true(one.at + one.len <= f.text.n);
		}
		if (r != param_cases[i].want)
			print_error("%s: got %d\n", param_cases[i].text, r);
		assert_int_equal(r, param_cases[i].want);
		assert_string_equal(list, param_cases[i].list);
		flush_done(&f);
	}
}

/* Text that is not there at all: p NULL. */
static void
test_absent(void **state)
{
	struct sip_nameaddr na;
	struct sip_param one;
	struct sip_uri u;
	uint32_t pos = 0;

	assert_int_equal(sip_uri_parse(STR_NONE, &u, NULL), ED_MALFORMED);
	assert_int_equal(sip_nameaddr_parse(STR_NONE, &na, NULL), ED_MALFORMED);
	assert_int_equal(sip_param_next(STR_NONE, &pos, &one), 0);
	assert_int_equal(sip_uri_check_osip(STR_NONE), ED_MALFORMED);
}

static void
test_param_find(void **state)
{
	struct sip_param one;

	assert_true(sip_param_find(STR(";a=1;Tag=x;b"), STR("tag"), &one));
	assert_str(one.value, "x");
	assert_int_equal(one.at, 4);
	assert_int_equal(one.len, 6);
	assert_true(sip_param_find(STR(";lr"), STR("LR"), NULL));
	assert_false(sip_param_find(STR(";lrx"), STR("lr"), NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_uris),
	    cmocka_unit_test(test_uris_beside_osip),
	    cmocka_unit_test(test_uris_agree_with_osip),
	    cmocka_unit_test(test_nameaddrs),
	    cmocka_unit_test(test_params),
	    cmocka_unit_test(test_absent),
	    cmocka_unit_test(test_param_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * via_test.c: single Via values.
 */
#include "table.h"

#include <osipparser2/osip_parser.h>

#include "sipparse/via.h"

static const struct {
	const char *text;
	int want;
	const char *transport, *host, *branch, *received;
	unsigned port;
	const char *osip_differs; /* why libosip2 says otherwise */
} cases[] = {
    {"SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bKa;rport", ED_OK, "TLS", "192.0.2.1", "z9hG4bKa",
	NULL, 5061, NULL},
    {"sip/2.0/tls host.example.com", ED_OK, "tls", "host.example.com", NULL, NULL, 0, NULL},
    {"SIP/2.0/TLS  a ;branch = b", ED_OK, "TLS", "a", "b", NULL, 0, NULL},
    {"SIP/2.0/TLS\ta;x;y=\"q;z\"", ED_OK, "TLS", "a", NULL, NULL, 0, "libosip2 wants a space"},
    {"SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111", ED_OK, "UDP",
	"2001:db8::9:1", "z9hG4bKas3-111", "[2001:db8::9:255]", 0, NULL},
    {"SIP/2.0/UDP [2001:db8::9:1]:7;received=2001:db8::9:255", ED_OK, "UDP", "2001:db8::9:1", NULL,
	"2001:db8::9:255", 7, NULL},
    {"SIP/2.0/tls "
     "192.168.1.50:51001;branch=z9hG4bK6E;received=198.51.100.23;ms-received-port=51001;ms-"
     "received-cid=2B00",
	ED_OK, "tls", "192.168.1.50", "z9hG4bK6E", "198.51.100.23", 51001, NULL},
    {"SIP/2.0/TLS a;ms-internal-info=\"abAAA\";branched=FALSE", ED_OK, "TLS", "a", NULL, NULL, 0,
	NULL},
    {"SIP/2.0/X-NEW+1 a", ED_OK, "X-NEW+1", "a", NULL, NULL, 0, NULL},
    {"SIP/2.0/TLS a;rport=5060", ED_OK, "TLS", "a", NULL, NULL, 0, NULL},

    {"", ED_MALFORMED, .osip_differs = NULL},
    {"SIP/2.0/TLS", ED_MALFORMED, .osip_differs = NULL},
    {"SIP/2.0/TLS ", ED_MALFORMED, .osip_differs = NULL},
    {"SIP/2.0/ a", ED_MALFORMED, .osip_differs = NULL},
    {"SIP/7.0/UDP a", ED_MALFORMED, .osip_differs = "any version"},
    {"HTTP/1.1/TLS a", ED_MALFORMED, .osip_differs = "any protocol"},
    {"SIP / 2.0 / TLS a", ED_MALFORMED, .osip_differs = "legal; refused by us"},
    {"SIP/2.0/TLS a b", ED_MALFORMED, .osip_differs = "loose host"},
    {"SIP/2.0/TLS a:", ED_MALFORMED, .osip_differs = NULL},
    {"SIP/2.0/TLS a: 5061", ED_MALFORMED, .osip_differs = "legal; refused by us"},
    {"SIP/2.0/TLS a:99999", ED_MALFORMED, .osip_differs = "loose port"},
    {"SIP/2.0/TLS a:0", ED_MALFORMED, .osip_differs = "loose port"},
    {"SIP/2.0/TLS [::1", ED_MALFORMED, .osip_differs = NULL},
    {"SIP/2.0/TLS 2001:db8::1", ED_MALFORMED, .osip_differs = "loose host"},
    {"SIP/2.0/TLS a;;branch=b", ED_MALFORMED, .osip_differs = NULL},
    {"SIP/2.0/TLS a;", ED_MALFORMED, .osip_differs = "loose parameters"},
    {"SIP/2.0/TLS a;branch=", ED_MALFORMED, .osip_differs = "loose parameters"},
    {"SIP/2.0/TLS a;branch", ED_MALFORMED, .osip_differs = "loose parameters"},
    {"SIP/2.0/TLS a;branch=\"b\"", ED_MALFORMED, .osip_differs = "loose parameters"},
    {"SIP/2.0/TLS a;branch=b@c", ED_MALFORMED, .osip_differs = "loose parameters"},
    {"SIP/2.0/TLS a;branch=-.!%66*_+`'~", ED_OK, "TLS", "a", "-.!%66*_+`'~", NULL, 0, NULL},
    {"SIP/2.0/TLS a;branch=b;branch=c", ED_MALFORMED, .osip_differs = "takes the first"},
    {"SIP/2.0/TLS a;branch=b;BRANCH=b", ED_MALFORMED, .osip_differs = "takes the first"},
    {"SIP/2.0/TLS a;received=1.2.3.4;received=1.2.3.5", ED_MALFORMED,
	.osip_differs = "takes the first"},
    {"SIP/2.0/TLS a;rport;rport=1", ED_MALFORMED, .osip_differs = "takes the first"},
    {"SIP/2.0/TLS a;ttl=1;ttl=1", ED_MALFORMED, .osip_differs = "takes the first"},
    {"SIP/2.0/TLS a;maddr=b;maddr=c", ED_MALFORMED, .osip_differs = "takes the first"},
    {"SIP/2.0/TLS a;ms-received-cid=1;ms-received-cid=2", ED_MALFORMED,
	.osip_differs = "takes the first"},
    {"SIP/2.0/TLS a;rport=x", ED_MALFORMED, .osip_differs = "loose port"},
    {"SIP/2.0/TLS a;rport=0", ED_MALFORMED, .osip_differs = "loose port"},
    {"SIP/2.0/TLS a;x=\"b", ED_MALFORMED, .osip_differs = "loose quotes"},
    {"SIP/2.0/TLS a (comment)", ED_MALFORMED, .osip_differs = "comments are of RFC 2543"},
    {"SIP/2.0/TLS a, SIP/2.0/TLS b", ED_MALFORMED, .osip_differs = "values are split before"},
};

static void
assert_str(struct str got, const char *want)
{
	assert_true(str_eq(got, str_of(want)));
}

static void
test_vias(void **state)
{
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct flush f = flush_of(str_of(cases[i].text));
		struct sip_via v;
		struct ed_fault fault;
		int r = sip_via_parse(f.text, &v, &fault);

		if (r != cases[i].want)
			print_error("%s: got %d\n", cases[i].text, r);
		assert_int_equal(r, cases[i].want);
		if (r == ED_OK) {
			assert_str(v.transport, cases[i].transport);
			assert_str(v.host, cases[i].host);
			assert_str(v.branch, cases[i].branch);
			assert_str(v.received, cases[i].received);
			assert_int_equal(v.port, cases[i].port);
			assert_ptr_equal(v.params.p, f.text.p + v.params_at);
		} else {
			assert_true(fault.at <= f.text.n);
		}
		flush_done(&f);
	}
}

static void
test_vias_beside_osip(void **state)
{
	int wrong = 0;

	for (size_t i = 0; i < N_OF(cases); i++) {
		osip_via_t *via;
		int r;
		bool differs;

		assert_int_equal(osip_via_init(&via), 0);
		r = osip_via_parse(via, cases[i].text);
		osip_via_free(via);
		differs = (r < 0) != (cases[i].want < 0);
		if (differs != (cases[i].osip_differs != NULL)) {
			print_error("%s: libosip2 says %d\n", cases[i].text, r);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void
test_rport(void **state)
{
	struct sip_via v;

	assert_int_equal(sip_via_parse(STR("SIP/2.0/TLS a;RPORT"), &v, NULL), ED_OK);
	assert_true(v.has_rport && !v.rport.p);
	assert_int_equal(sip_via_parse(STR("SIP/2.0/TLS a;rport=77"), &v, NULL), ED_OK);
	assert_true(v.has_rport);
	assert_str(v.rport, "77");
	assert_int_equal(sip_via_parse(STR("SIP/2.0/TLS a"), &v, NULL), ED_OK);
	assert_false(v.has_rport);
}

static void
test_cookie(void **state)
{
	struct sip_via v;

	assert_int_equal(sip_via_parse(STR("SIP/2.0/TLS a;branch=Z9HG4BK1"), &v, NULL), ED_OK);
	assert_true(sip_via_has_cookie(&v));
	assert_int_equal(sip_via_parse(STR("SIP/2.0/TLS a;branch=z9hG4b"), &v, NULL), ED_OK);
	assert_false(sip_via_has_cookie(&v));
	/* RFC 4475 3.2.1: the cookie alone identifies nothing. */
	assert_int_equal(sip_via_parse(STR("SIP/2.0/TLS a;branch=z9hG4bK"), &v, NULL), ED_OK);
	assert_false(sip_via_has_cookie(&v));
	assert_int_equal(sip_via_parse(STR("SIP/2.0/TLS a"), &v, NULL), ED_OK);
	assert_false(sip_via_has_cookie(&v));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vias),
	    cmocka_unit_test(test_vias_beside_osip),
	    cmocka_unit_test(test_rport),
	    cmocka_unit_test(test_cookie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "avauth/answer.h"
#include "avauth/rate.h"
#include "avauth/view.h"
#include "conf/conf.h"
#include "proto/mras/doc.h"

#define HEAD(method, uri)                                                                          \
	method                                                                                     \
	    " " uri " SIP/2.0\r\n"                                                                 \
	    "Record-Route: "                                                                       \
	    "<sip:fe01.contoso.com:5061;transport=tls;opaque=state:T;lr>;tag=5B0E\r\n"             \
	    "Via: SIP/2.0/TLS 10.20.0.11:60353;branch=z9hG4bK7C1F02D9;branched=FALSE\r\n"          \
	    "Max-Forwards: 69\r\n"                                                                 \
	    "ms-application-via: SIP;ms-urc-rs-from;ms-server=fe01.contoso.com\r\n"                \
	    "Via: SIP/2.0/TLS 10.20.0.57:58674;ms-received-port=58674;ms-received-cid=39700\r\n"   \
	    "From: <sip:alice@contoso.com>;tag=b81a0f4c2d;epid=5a3b7c9d01\r\n"                     \
	    "To: "                                                                                 \
	    "<sip:edge.int.contoso.com@contoso.com;gruu;opaque=srvr:MRAS:"                         \
	    "QkYw3nZ1tUqk9mC0o2lZ7QAA>\r\n"                                                        \
	    "Call-ID: 6f2f0c0a\r\nCSeq: 1 " method "\r\n"
#define TYPE  "Content-Type: application/msrtc-media-relay-auth+xml\r\n"
#define EDGE  "sip:edge.int.contoso.net:5062;grid"
#define EMPTY "Content-Length: 0\r\n\r\n"
#define BODY  "Content-Length: 1\r\n\r\nx"

static struct view *view;

static const struct {
	const char *name, *bytes;
	unsigned code;
	bool is_mras;
	const char *header; /* what must stand in the answer; NULL: nothing */
} cases[] = {
    {"a request for credentials", HEAD("SERVICE", EDGE) TYPE BODY, 200, true,
	"Content-Type: " MRAS_CONTENT_TYPE "\r\n"},
    {"the type in capitals, with a parameter",
	HEAD("SERVICE", EDGE) "c: Application/MSRTC-media-relay-auth+XML; charset=utf-8\r\n" BODY,
	200, true, NULL},
    {"by GRUU",
	HEAD("SERVICE", "sip:edge.int.contoso.net@contoso.com;gruu;opaque=srvr:MRAS:x") TYPE BODY,
	200, true, NULL},
    {"by pool name", HEAD("SERVICE", "sip:pool.contoso.net:5062") TYPE BODY, 200, true, NULL},
    {"by address", HEAD("SERVICE", "sip:10.30.0.5:5062") TYPE BODY, 200, true, NULL},
    {"to somebody else", HEAD("SERVICE", "sip:edge.example.org") TYPE BODY, 404, false, NULL},
    {"an empty body is read, and malformed", HEAD("SERVICE", EDGE) TYPE EMPTY, 200, true, NULL},
    {"another type", HEAD("SERVICE", EDGE) "Content-Type: application/sdp\r\n" BODY, 415, false,
	"Accept: " MRAS_CONTENT_TYPE "\r\n"},
    {"no type", HEAD("SERVICE", EDGE) BODY, 415, false, "Accept: "},
    {"a probe", HEAD("OPTIONS", EDGE) EMPTY, 200, false, "Allow: SERVICE, OPTIONS\r\n"},
    {"a call", HEAD("INVITE", EDGE) EMPTY, 405, false, "Allow: SERVICE, OPTIONS\r\n"},
    {"compression offered", HEAD("NEGOTIATE", EDGE) EMPTY, 405, false, "Allow: "},
    {"an extension required", HEAD("SERVICE", EDGE) TYPE "Require: 100rel\r\n" BODY, 420, false,
	"Unsupported: 100rel\r\n"},
    {"CANCEL", HEAD("CANCEL", EDGE) EMPTY, 481, false, NULL},
    {"ACK", HEAD("ACK", EDGE) EMPTY, 0, false, NULL},
};

static struct sip_msg *
parse(struct arena *a, const char *bytes)
{
	struct sip_limits lim = SIP_LIMITS_CLIENT;
	struct ed_fault fault = {.what = ""};
	struct sip_msg *m = NULL;

	if (sip_msg_parse(a, str_of(bytes), &lim, &m, &fault) < 0)
		fail_msg("%s at %u", fault.what, fault.at);
	return m;
}

static bool
holds(struct str s, const char *part)
{
	return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static void
what_the_headers_decide(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer answer;
		struct sip_msg *m;
		struct arena a;
		struct str got;

		print_message("  %s\n", cases[i].name);
		arena_init(&a, NULL, 0, 65536);
		m = parse(&a, cases[i].bytes);
		answer = answer_judge(view, m, &a);
		assert_int_equal(answer.code, cases[i].code);
		assert_int_equal(answer.is_mras, cases[i].is_mras);
		if (answer.code) {
			got = answer_write(&a, m, &answer, STR("0123456789abcdef"), STR(""));
			assert_non_null(got.p);
			if (cases[i].header)
				assert_true(holds(got, cases[i].header));
		}
		arena_done(&a);
	}
}

/* Vias in order with what stood between them left out, Record-Route whole, To with our tag. */
static void
an_answer_copies_what_it_must(void **state)
{
	struct answer answer = {.code = 200, .reason = "OK", .headers = STR("X: y\r\n")};
	struct arena a;
	struct sip_msg *m;
	struct str got;

	(void)state;
	arena_init(&a, NULL, 0, 65536);
	m = parse(&a, HEAD("SERVICE", EDGE) TYPE BODY);
	got = answer_write(&a, m, &answer, STR("0123456789abcdef"), STR("body"));
	assert_true(str_eq(got,
	    STR("SIP/2.0 200 OK\r\n"
		"Record-Route: "
		"<sip:fe01.contoso.com:5061;transport=tls;opaque=state:T;lr>;tag=5B0E\r\n"
		"Via: SIP/2.0/TLS 10.20.0.11:60353;branch=z9hG4bK7C1F02D9;branched=FALSE\r\n"
		"Via: SIP/2.0/TLS 10.20.0.57:58674;ms-received-port=58674;ms-received-cid=39700\r\n"
		"From: <sip:alice@contoso.com>;tag=b81a0f4c2d;epid=5a3b7c9d01\r\n"
		"To: "
		"<sip:edge.int.contoso.com@contoso.com;gruu;opaque=srvr:MRAS:"
		"QkYw3nZ1tUqk9mC0o2lZ7QAA>"
		";tag=0123456789abcdef\r\n"
		"Call-ID: 6f2f0c0a\r\nCSeq: 1 SERVICE\r\nX: y\r\n"
		"Server: edged/" EDGED_VERSION "\r\nContent-Length: 4\r\n\r\nbody")));
	arena_done(&a);
}

static void
relays_by_location(void **state)
{
	(void)state;
	assert_true(view_has_relays(view, false, MRAS_INTERNET));
	assert_true(view_has_relays(view, false, MRAS_INTRANET));
	assert_true(view_has_relays(view, true, MRAS_INTERNET));
	assert_false(view_has_relays(view, true, MRAS_INTRANET)); /* no literal configured */
	assert_true(view_has_domain(view, STR("sip:alice@CONTOSO.com;x=y")));
	assert_false(view_has_domain(view, STR("sip:alice@contoso.com.example.org")));
	assert_false(view_has_domain(view, STR("tel:+4930123")));
}

static void
rates_come_back(void **state)
{
	static struct rate r = {.limit = {.burst = 30, .per_s_1000 = 50}};

	(void)state;
	assert_true(rate_take(&r, STR("alice"), 30, 1000));
	assert_false(rate_take(&r, STR("alice"), 1, 1000));
	assert_true(rate_take(&r, STR("bob"), 1, 1000));
	assert_false(rate_take(&r, STR("alice"), 1, 20000));
	assert_true(rate_take(&r, STR("alice"), 1, 21000)); /* one in twenty seconds */
	assert_true(rate_take(&r, STR("alice"), 30, 2000000));
	assert_false(rate_take(&r, STR("carol"), 31, 1000));
}

int
main(void)
{
	static const char *domains[] = {"contoso.com"}, *addresses[] = {"203.0.113.12"};
	static struct conf c = {
	    .edge = {.fqdn = "edge.int.contoso.net", .pool_fqdn = "pool.contoso.net"}};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_the_headers_decide),
	    cmocka_unit_test(an_answer_copies_what_it_must),
	    cmocka_unit_test(relays_by_location),
	    cmocka_unit_test(rates_come_back),
	};
	const char *why;
	int r;

	c.edge.sip_domains.v = domains;
	c.edge.sip_domains.n = 1;
	c.external.av.address.v = addresses;
	c.external.av.address.n = 1;
	c.external.av.fqdn = "av.contoso.com";
	if (view_new(&c, NULL, &view, &why) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	view_unref(view);
	return r;
}

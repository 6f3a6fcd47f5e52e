/* SPDX-License-Identifier: MIT */
#include "access/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access/keepalive.h"
#include "access_hop.h"

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

#define INVITE                                                                                     \
	"INVITE sip:bob@contoso.com SIP/2.0\r\n"                                                   \
	"v: SIP/2.0/tls 192.168.1.50:51001 , SIP/2.0/TLS b\r\n"                                    \
	"Via: SIP/2.0/TLS c\r\n"                                                                   \
	"f: <sip:alice@contoso.com>;tag=33\r\n"                                                    \
	"t: \"B\" <sip:bob@contoso.com>\r\n"                                                       \
	"i: abc\r\n"                                                                               \
	"CSeq: 7 INVITE\r\n"                                                                       \
	"Timestamp: 54\r\n"                                                                        \
	"Subject: x\r\n"                                                                           \
	"l: 0\r\n\r\n"
#define MARKED                                                                                     \
	"Via: SIP/2.0/tls 192.168.1.50:51001;received=198.51.100.23;ms-received-port=51001;"       \
	"ms-received-cid=2B00\r\nVia: SIP/2.0/TLS b\r\nVia: SIP/2.0/TLS c\r\n"
#define DIALOG(tag)                                                                                \
	"From: <sip:alice@contoso.com>;tag=33\r\nTo: \"B\" <sip:bob@contoso.com>" tag "\r\n"       \
	"Call-ID: abc\r\nCSeq: 7 INVITE\r\n"
#define END "Content-Length: 0\r\n\r\n"

static void
answers_are_complete(void **state)
{
	static const struct {
		const char *name;
		struct reply_spec spec;
		enum facts_peer peer;
		const char *want;
	} rows[] = {
	    {"100", {.status = 100, .to_tag = 5}, FACTS_CLIENT,
		"SIP/2.0 100 Trying\r\n" MARKED DIALOG("") "Timestamp: 54\r\n" END},
	    {"refusal to a client",
		{.status = 403,
		    .diag = DIAG_NOT_OUTSIDE,
		    .to_tag = 0xabc,
		    .diag_text = "off",
		    .logon_data = true},
		FACTS_CLIENT,
		"SIP/2.0 403 Forbidden\r\nms-user-logon-data: RemoteUser\r\n" MARKED DIALOG(
		    ";tag=0000000000000ABC") "ms-diagnostics-public: 1012;reason=\"off\"\r\n" END},
	    {"inside diagnostics do not reach a client",
		{.status = 504, .diag = DIAG_SRV_UNRESOLVED, .to_tag = 1}, FACTS_CLIENT,
		"SIP/2.0 504 Server time-out\r\n" MARKED DIALOG(";tag=0000000000000001") END},
	    {"own reason and lines",
		{.status = 405, .reason = "No", .lines = {"Allow: A\r\n", 10}, .to_tag = 1},
		FACTS_CLIENT,
		"SIP/2.0 405 No\r\n" MARKED DIALOG(";tag=0000000000000001") "Allow: A\r\n" END},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sip_msg *m = cast_parse(&cast, STR(INVITE));
		struct str got = reply_make(&cast.work, &cast.client, m, &rows[i].spec);

		print_message("%s\n", rows[i].name);
		if (!str_eq(got, str_of(rows[i].want)))
			print_message("got:\n" STR_FMT "\n", STR_ARG(got));
		assert_true(str_eq(got, str_of(rows[i].want)));
	}
}

/* 14.7 */
static void
inside_sees_the_whole_story(void **state)
{
	struct reply_spec s = {.status = 504,
	    .diag = DIAG_SRV_UNRESOLVED,
	    .diag_more = STR(";domain=\"nosuch.example\""),
	    .to_tag = 1};
	struct sip_msg *m = cast_parse(&cast, STR(INVITE));
	struct str got = reply_make(&cast.work, &cast.internal, m, &s);

	assert_non_null(memmem(got.p, got.n, "SIP/2.0 504 Server time-out\r\n", 29));
	assert_non_null(
	    strstr(got.p, "ms-diagnostics: 1008;reason=\"Unable to resolve DNS SRV "
			  "record\";domain=\"nosuch.example\";source=\"sip.contoso.com\"\r\n"));
	assert_non_null(
	    strstr(got.p, "ms-edge-proxy-message-trust: ms-source-type=EdgeProxyGenerated;"
			  "ms-ep-fqdn=edge.int.contoso.com;ms-source-verified-user=verified\r\n"));
}

/* ---- requests of our own ---- */

#define OUT                                                                                        \
	"INVITE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TLS 10.20.0.11;branch=z9hG4bKx\r\n"        \
	"Record-Route: <sip:fe01.contoso.net;lr>\r\n"                                              \
	"From: <sip:bob@contoso.com>;tag=1\r\nTo: <sip:alice@contoso.com>\r\nCall-ID: abc\r\n"     \
	"CSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"

static void
ack_and_cancel_follow_their_invite(void **state)
{
	struct sip_msg *m;
	struct str got;
	struct hop h;
	char want[1024];

	assert_int_equal(hop_request(&cast, &cast.internal, FACTS_CLIENT, STR(OUT), &h), ED_OK);
	m = cast_parse(&cast, STR("SIP/2.0 486 Busy\r\nVia: SIP/2.0/TLS x\r\n"
				  "From: <sip:bob@contoso.com>;tag=1\r\n"
				  "To: <sip:alice@contoso.com>;tag=9\r\nCall-ID: abc\r\n"
				  "CSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"));
	got = reply_ack(&cast.work, h.keep, m);
	snprintf(want, sizeof(want),
	    "ACK sip:a@192.0.2.1 SIP/2.0\r\n"
	    "Via: SIP/2.0/TLS sip.contoso.com:443;branch=%.32s;branched=FALSE\r\n"
	    "Max-Forwards: 70\r\nFrom: <sip:bob@contoso.com>;tag=1\r\n"
	    "To: <sip:alice@contoso.com>;tag=9\r\nCall-ID: abc\r\nCSeq: 7 ACK\r\n"
	    "Content-Length: 0\r\n\r\n",
	    h.sent.branch);
	assert_true(str_eq(got, str_of(want)));

	m = cast_parse(
	    &cast, STR("CANCEL sip:a@192.0.2.1 SIP/2.0\r\n"
		       "Via: SIP/2.0/TLS 10.20.0.11;branch=z9hG4bKx\r\n"
		       "From: <sip:bob@contoso.com>;tag=1\r\nTo: <sip:alice@contoso.com>\r\n"
		       "Call-ID: abc\r\nCSeq: 7 CANCEL\r\nMax-Forwards: 9\r\n"
		       "Authentication-Info: NTLM x\r\nms-user-data: y\r\n"
		       "Server: fe01.contoso.net\r\nContent-Length: 0\r\n\r\n"));
	got = reply_cancel(&cast.work, h.keep, FACTS_INTERNAL, STR_NONE, m);
	snprintf(want, sizeof(want),
	    "CANCEL sip:a@192.0.2.1 SIP/2.0\r\n"
	    "Via: SIP/2.0/TLS sip.contoso.com:443;branch=%.32s;branched=FALSE\r\n"
	    "From: <sip:bob@contoso.com>;tag=1\r\nTo: <sip:alice@contoso.com>\r\n"
	    "Call-ID: abc\r\nCSeq: 7 CANCEL\r\nMax-Forwards: 8\r\n"
	    "Authentication-Info: NTLM x\r\nServer: sip.contoso.com\r\nContent-Length: 0\r\n\r\n",
	    h.sent.branch);
	assert_true(str_eq(got, str_of(want)));

	m = cast_parse(&cast, STR(OUT));
	got = reply_cancel_own(&cast.work, h.keep, m);
	snprintf(want, sizeof(want),
	    "CANCEL sip:a@192.0.2.1 SIP/2.0\r\n"
	    "Via: SIP/2.0/TLS sip.contoso.com:443;branch=%.32s;branched=FALSE\r\n"
	    "Max-Forwards: 70\r\nFrom: <sip:bob@contoso.com>;tag=1\r\n"
	    "To: <sip:alice@contoso.com>\r\nCall-ID: abc\r\nCSeq: 7 CANCEL\r\n"
	    "Content-Length: 0\r\n\r\n",
	    h.sent.branch);
	assert_true(str_eq(got, str_of(want)));
	hop_done(&h);
}

/* 6.3: a set too long to hide: the outside gets 500, the inside ACK and BYE. */
static void
too_long_a_set_ends_the_call_inside(void **state)
{
	static char text[16384];
	struct sip_msg *m;
	struct str got;
	struct hop h;
	char *out;
	size_t n;

	assert_int_equal(
	    hop_request(&cast, &cast.client, FACTS_INTERNAL,
		STR("INVITE sip:bob@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS a\r\n"
		    "From: <sip:alice@contoso.com>;tag=1\r\nTo: <sip:bob@contoso.com>\r\n"
		    "Call-ID: abc\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"),
		&h),
	    ED_OK);
	n = (size_t)snprintf(text, sizeof(text),
	    "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 10.30.0.5;branch=%.32s\r\nVia: SIP/2.0/TLS a\r\n"
	    "From: <sip:alice@contoso.com>;tag=1\r\nTo: <sip:bob@contoso.com>;tag=2\r\n"
	    "Call-ID: abc\r\nCSeq: 7 INVITE\r\nContact: <sip:bob@10.20.0.50>\r\n",
	    h.sent.branch);
	for (unsigned i = 20; i-- > 0;)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "Record-Route: <sip:fe%02u.%0100u.contoso.net;lr>\r\n", i, i);
	for (char *at = strstr(h.text, "Record-Route"), *end = strstr(h.text, "Via:"); at < end;
	     at++)
		text[n++] = *at;
	n += (size_t)snprintf(text + n, sizeof(text) - n, "Content-Length: 0\r\n\r\n");
	assert_int_equal(
	    hop_response(&cast, &cast.internal, FACTS_CLIENT, &h, (struct str){text, n}, &out),
	    ED_LIMIT);
	m = cast_parse(&cast, (struct str){text, n});
	got = reply_ack_bye(
	    &cast.work, h.keep, m, STR("Via: SIP/2.0/TLS 1\r\n"), STR("Via: SIP/2.0/TLS 2\r\n"));
	assert_non_null(got.p);
	assert_memory_equal(got.p, "ACK sip:bob@10.20.0.50 SIP/2.0\r\nVia: SIP/2.0/TLS 1\r\n", 52);
	assert_non_null(strstr(got.p, "Route: <sip:fe00."));
	assert_null(strstr(got.p, "edge.int"));
	assert_non_null(strstr(got.p, "CSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
				      "BYE sip:bob@10.20.0.50 SIP/2.0\r\nVia: SIP/2.0/TLS 2\r\n"));
	assert_non_null(strstr(got.p, "CSeq: 8 BYE\r\n"));
	hop_done(&h);
}

static void
keep_alive_is_read_strictly(void **state)
{
	static const struct {
		const char *lines;
		bool ok, hop_hop;
		uint32_t timeout_s;
	} rows[] = {
	    {"ms-keep-alive: UAC;hop-hop=yes\r\n", true, true, 0},
	    {"MS-KEEP-ALIVE: uac ; hop-hop=YES ; timeout=60\r\n", true, true, 60},
	    {"ms-keep-alive: UAC;hop-hop=no\r\n", true, false, 0},
	    {"ms-keep-alive: UAC\r\n", true, false, 0},
	    {"ms-keep-alive: UAX;hop-hop=yes\r\n", false, false, 0},
	    {"ms-keep-alive: UAC;timeout=x\r\n", false, false, 0},
	    {"ms-keep-alive: UAC;timeout=999999\r\n", false, false, 0},
	    {"ms-keep-alive: UAC\r\nms-keep-alive: UAC\r\n", false, false, 0},
	    {"", false, false, 0},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct keepalive k = {0};
		char text[1024];

		snprintf(text, sizeof(text),
		    "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TLS a\r\nFrom: <sip:a@b>;tag=1\r\n"
		    "To: <sip:a@b>\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\n%sContent-Length: 0\r\n\r\n",
		    rows[i].lines);
		print_message("%s", rows[i].lines);
		assert_int_equal(keepalive_read(cast_parse(&cast, str_of(text)), &k), rows[i].ok);
		assert_int_equal(k.hop_hop, rows[i].hop_hop);
		assert_int_equal(k.timeout_s, rows[i].timeout_s);
	}
	assert_int_equal(keepalive_idle_s(cast.view), 630);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(answers_are_complete, setup, teardown),
	    cmocka_unit_test_setup_teardown(inside_sees_the_whole_story, setup, teardown),
	    cmocka_unit_test_setup_teardown(ack_and_cancel_follow_their_invite, setup, teardown),
	    cmocka_unit_test_setup_teardown(too_long_a_set_ends_the_call_inside, setup, teardown),
	    cmocka_unit_test_setup_teardown(keep_alive_is_read_strictly, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

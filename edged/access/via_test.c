/* SPDX-License-Identifier: MIT */
#include "access/via.h"

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

#define REST                                                                                       \
	"From: <sip:alice@contoso.com>;tag=1\r\nTo: <sip:bob@contoso.com>\r\nCall-ID: a\r\n"       \
	"CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
#define MESSAGE "MESSAGE sip:bob@contoso.com SIP/2.0\r\n"

static void
top_via_is_marked(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
	    {"behind NAT", "SIP/2.0/tls 192.168.1.50:51001",
		"SIP/2.0/tls 192.168.1.50:51001;received=198.51.100.23;ms-received-port=51001;"
		"ms-received-cid=2B00"},
	    {"same address", "SIP/2.0/TLS 198.51.100.23",
		"SIP/2.0/TLS 198.51.100.23;ms-received-port=51001;ms-received-cid=2B00"},
	    {"a name", "SIP/2.0/TLS pc1",
		"SIP/2.0/TLS pc1;received=198.51.100.23;"
		"ms-received-port=51001;ms-received-cid=2B00"},
	    {"rport is filled in and gets received beside it",
		"SIP/2.0/TLS 198.51.100.23;rport;branch=z9hG4bKa",
		"SIP/2.0/TLS 198.51.100.23;rport=51001;branch=z9hG4bKa;received=198.51.100.23;"
		"ms-received-port=51001;ms-received-cid=2B00"},
	    {"what only we may say goes",
		"SIP/2.0/TLS 1.2.3.4;received=9.9.9.9;ms-received-port=1;MS-Received-CID=1;x=y",
		"SIP/2.0/TLS 1.2.3.4;x=y;received=198.51.100.23;ms-received-port=51001;"
		"ms-received-cid=2B00"},
	    {"only the first of a list",
		"SIP/2.0/TLS 1.2.3.4 , SIP/2.0/TLS 5.6.7.8;received=1.1.1.1",
		"SIP/2.0/TLS 1.2.3.4;received=198.51.100.23;ms-received-port=51001;"
		"ms-received-cid=2B00 , SIP/2.0/TLS 5.6.7.8;received=1.1.1.1"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2048], want[2048];
		struct sip_edits e;
		struct sip_msg *m;

		snprintf(text, sizeof(text), MESSAGE "Via: %s\r\n" REST, rows[i].in);
		snprintf(want, sizeof(want), MESSAGE "Via: %s\r\n" REST, rows[i].want);
		cast_begin(&cast);
		m = cast_parse(&cast, str_of(text));
		sip_edits_init(&e, &cast.arena, m);
		assert_int_equal(via_mark(&cast.work, &cast.client, m, &e), ED_OK);
		print_message("%s\n", rows[i].name);
		assert_string_equal(cast_print(&cast, &e).p, want);
		if (!strchr(rows[i].in, ',')) {
			struct str v = via_marked(&cast.work, &cast.client, m);

			assert_true(str_eq(v, str_of(rows[i].want)));
		}
	}
}

static void
ipv6_peer_is_marked_without_brackets(void **state)
{
	struct facts f = cast.client;
	struct sip_msg *m;

	cast_addr(&f.remote, "[2001:db8::9]:4000");
	m = cast_parse(&cast, STR(MESSAGE "Via: SIP/2.0/TLS [2001:db8::9]:4000\r\n" REST));
	assert_true(str_eq(via_marked(&cast.work, &f, m),
	    STR("SIP/2.0/TLS [2001:db8::9]:4000;ms-received-port=4000;ms-received-cid=2B00")));
	m = cast_parse(&cast, STR(MESSAGE "Via: SIP/2.0/TLS [2001:db8::8]\r\n" REST));
	assert_true(str_eq(via_marked(&cast.work, &f, m),
	    STR("SIP/2.0/TLS [2001:db8::8];received=2001:db8::9;ms-received-port=4000;"
		"ms-received-cid=2B00")));
}

static void
our_line_and_its_way_back(void **state)
{
	char branch[VIA_BRANCH_LEN], text[2048];
	struct sip_msg *m;
	struct str line;
	uint64_t id = 0;

	m = cast_parse(&cast, STR(MESSAGE "Via: SIP/2.0/TLS a\r\n" REST));
	assert_int_equal(via_branch(&cast.work, m, 0x77D0C4E19B2A5F01, branch), ED_OK);
	assert_memory_equal(branch, "z9hG4bK", 7);
	assert_memory_equal(branch + 15, ".77D0C4E19B2A5F01", 17);
	line = via_line(&cast.work, FACTS_CLIENT, &cast.client.local, branch);
	snprintf(text, sizeof(text),
	    "Via: SIP/2.0/TLS sip.contoso.com:443;branch=%.32s;branched=FALSE\r\n", branch);
	assert_true(str_eq(line, str_of(text)));
	line = via_line(&cast.work, FACTS_SERVER, &cast.client.local, branch);
	assert_non_null(memmem(line.p, line.n, "sip.contoso.com:5061;", 21));
	line = via_line(&cast.work, FACTS_INTERNAL, &cast.internal.local, branch);
	assert_non_null(memmem(line.p, line.n, " 10.30.0.5:49310;", 17));
	snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n" STR_FMT REST, STR_ARG(line));
	m = cast_parse(&cast, str_of(text));
	assert_int_equal(via_own(&cast.work, m, &id), ED_OK);
	assert_true(id == 0x77D0C4E19B2A5F01);
}

static void
foreign_vias_are_not_ours(void **state)
{
	static const char *const rows[] = {
	    "SIP/2.0/TLS 10.30.0.6:49310;branch=z9hG4bK00000000.77D0C4E19B2A5F01",
	    "SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK00000000.77D0C4E19B2A5F0",
	    "SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK00000000-77D0C4E19B2A5F01",
	    "SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK0000000x.77D0C4E19B2A5F01",
	    "SIP/2.0/TLS 10.30.0.5:49310",
	    "SIP/2.0/TLS fe01.contoso.net;branch=z9hG4bK00000000.77D0C4E19B2A5F01",
	};
	uint64_t id;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024];

		snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\nVia: %s\r\n" REST, rows[i]);
		assert_int_equal(
		    via_own(&cast.work, cast_parse(&cast, str_of(text)), &id), ED_DENIED);
	}
}

static void
loops_are_seen_and_spirals_pass(void **state)
{
	char branch[VIA_BRANCH_LEN], text[2048];
	static const struct {
		const char *name, *uri, *route, *rest;
		int64_t later_s;
		bool loop;
	} rows[] = {
	    {"the same again", "sip:bob@contoso.com", "", REST, 0, true},
	    {"the same after midnight", "sip:bob@contoso.com", "", REST, 86400, true},
	    {"another Request-URI", "sip:bob@10.20.0.50", "", REST, 0, false},
	    {"another Route", "sip:bob@contoso.com", "Route: <sip:a;lr>\r\n", REST, 0, false},
	    {"another Call-ID", "sip:bob@contoso.com", "",
		"From: <sip:a@b>;tag=1\r\nTo: <sip:bob@contoso.com>\r\nCall-ID: b\r\n"
		"CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
		0, false},
	};
	struct sip_msg *m;

	m = cast_parse(&cast, STR(MESSAGE "Via: SIP/2.0/TLS a\r\n" REST));
	assert_false(via_is_loop(&cast.work, m));
	assert_int_equal(via_branch(&cast.work, m, 0x1234, branch), ED_OK);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct work w = cast.work;

		w.now_s += rows[i].later_s;
		snprintf(text, sizeof(text),
		    "MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TLS fe01.contoso.net;branch=z9hG4bKx\r\n"
		    "Via: SIP/2.0/TLS 10.30.0.5:1;branch=%.32s\r\nVia: SIP/2.0/TLS a\r\n%s%s",
		    rows[i].uri, branch, rows[i].route, rows[i].rest);
		print_message("%s\n", rows[i].name);
		assert_int_equal(via_is_loop(&w, cast_parse(&cast, str_of(text))), rows[i].loop);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(top_via_is_marked, setup, teardown),
	    cmocka_unit_test_setup_teardown(ipv6_peer_is_marked_without_brackets, setup, teardown),
	    cmocka_unit_test_setup_teardown(our_line_and_its_way_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(foreign_vias_are_not_ours, setup, teardown),
	    cmocka_unit_test_setup_teardown(loops_are_seen_and_spirals_pass, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

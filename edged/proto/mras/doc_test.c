/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/digest.h"
#include "proto/mras/doc.h"

#define NS "xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\""
#define HEAD                                                                                       \
	"<request requestID=\"1\" from=\"sip:alice@contoso.com\" version=\"2.0\" "                 \
	"to=\"sip:mras@contoso.com\" " NS
#define ASK                                                                                        \
	"<credentialsRequest "                                                                     \
	"credentialsRequestID=\"a\"><identity>sip:alice@contoso.com</identity>"
#define END  "</credentialsRequest>"
#define GOOD HEAD ">" ASK "<location>internet</location><duration>480</duration>" END "</request>"
#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *name, *body;
	enum mras_reason want;
	uint32_t n;
	const char *version;
} cases[] = {
    {"as a client sends it", GOOD, MRAS_OK, 1, "2.0"},
    {"with a declaration", "<?xml version=\"1.0\"?>" GOOD, MRAS_OK, 1, "2.0"},
    {"utf-8 named", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" GOOD, MRAS_OK, 1, "2.0"},
    {"another encoding", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" GOOD,
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"prefixed namespace",
	"<m:request xmlns:m=\"http://schemas.microsoft.com/2006/09/sip/mrasp\" requestID=\"1\" "
	"from=\"sip:a@b\" version=\"1.0\" to=\"sip:m@b\"><m:credentialsRequest "
	"credentialsRequestID=\"x\"><m:identity>sip:a@b</m:identity></m:credentialsRequest></"
	"m:request>",
	MRAS_OK, 1, "1.0"},
    {"two of them", HEAD ">" ASK END ASK "<duration>100000</duration>" END "</request>", MRAS_OK, 2,
	"2.0"},
    {"direct addresses", HEAD " route=\"directip\">" ASK END "</request>", MRAS_OK, 1, "2.0"},
    {"a duration beyond 32 bits",
	HEAD ">" ASK "<duration>99999999999999999999</duration>" END "</request>", MRAS_OK, 1,
	"2.0"},
    {"id of 64",
	"<request requestID=\"" ID64 "\" from=\"sip:a@b\" version=\"3.0\" to=\"sip:m@b\" " NS
	">" ASK END "</request>",
	MRAS_OK, 1, "3.0"},
    {"id of 65",
	"<request requestID=\"" ID64 "x\" from=\"sip:a@b\" version=\"3.0\" to=\"sip:m@b\" " NS
	">" ASK END "</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"id empty",
	"<request requestID=\"\" from=\"sip:a@b\" version=\"3.0\" to=\"sip:m@b\" " NS ">" ASK END
	"</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"version from the future",
	"<request requestID=\"77\" from=\"sip:a@b\" version=\"4.0\" to=\"sip:m@b\" " NS ">" ASK END
	"</request>",
	MRAS_VERSION_MISMATCH, 1, "3.0"},
    {"version between ours",
	"<request requestID=\"77\" from=\"sip:a@b\" version=\"2.5\" to=\"sip:m@b\" " NS ">" ASK END
	"</request>",
	MRAS_VERSION_MISMATCH, 1, "2.0"},
    {"version below ours",
	"<request requestID=\"77\" from=\"sip:a@b\" version=\"0.9\" to=\"sip:m@b\" " NS ">" ASK END
	"</request>",
	MRAS_VERSION_MISMATCH, 1, "1.0"},
    {"version is no number",
	"<request requestID=\"77\" from=\"sip:a@b\" version=\"two\" to=\"sip:m@b\" " NS ">" ASK END
	"</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"cut off", "<request version=\"1.0\"", MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"empty", "", MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"not XML", "hello", MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"no namespace", "<request requestID=\"1\" from=\"sip:a@b\" version=\"1.0\" to=\"sip:m@b\"/>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"nothing asked", HEAD "/>", MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"no from",
	"<request requestID=\"1\" version=\"1.0\" to=\"sip:m@b\" " NS ">" ASK END "</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"to is no SIP URI",
	"<request requestID=\"1\" from=\"sip:a@b\" version=\"1.0\" to=\"http://x\" " NS ">" ASK END
	"</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"route unknown", HEAD " route=\"scenic\">" ASK END "</request>", MRAS_REQUEST_MALFORMED, 0,
	"3.0"},
    {"location unknown", HEAD ">" ASK "<location>moon</location>" END "</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"duration zero", HEAD ">" ASK "<duration>0</duration>" END "</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"duration negative", HEAD ">" ASK "<duration>-1</duration>" END "</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"no identity", HEAD "><credentialsRequest credentialsRequestID=\"a\"/></request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"order turned round",
	HEAD "><credentialsRequest credentialsRequestID=\"a\"><location>internet</location>"
	     "<identity>sip:a@b</identity></credentialsRequest></request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"identity twice", HEAD ">" ASK "<identity>sip:b@b</identity>" END "</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"a DTD", "<!DOCTYPE request [<!ENTITY x \"y\">]>" GOOD, MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"a DTD from elsewhere", "<!DOCTYPE request SYSTEM \"file:///etc/passwd\">" GOOD,
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
    {"an entity of nobody's", HEAD ">" ASK "&x;" END "</request>", MRAS_REQUEST_MALFORMED, 0,
	"3.0"},
    {"too deep", HEAD ">" ASK "<a><b><c><d><e><f><g/></f></e></d></c></b></a>" END "</request>",
	MRAS_REQUEST_MALFORMED, 0, "3.0"},
};

static void
request_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mras_request q;
		struct arena a;

		print_message("  %s\n", cases[i].name);
		arena_init(&a, NULL, 0, 256 * 1024);
		assert_int_equal(mras_request_read(&a, str_of(cases[i].body), &q), ED_OK);
		assert_int_equal(q.reason, cases[i].want);
		assert_int_equal(q.n_asks, cases[i].n);
		assert_true(str_eq(q.version, str_of(cases[i].version)));
		arena_done(&a);
		/* every way of having no memory ends, and says so */
		for (size_t cap = 0; cap < 100 * 1024; cap += 2048) {
			int r;

			arena_init(&a, NULL, 0, cap);
			r = mras_request_read(&a, str_of(cases[i].body), &q);
			assert_true(r == ED_NOMEM || (r == ED_OK && q.reason == cases[i].want));
			arena_done(&a);
		}
	}
}

static void
a_hundred_and_one_are_too_many(void **state)
{
	for (unsigned n = 99; n <= 101; n++) {
		char *body = calloc(1, MRAS_BODY_MAX);
		size_t at = (size_t)sprintf(body, "%s>", HEAD);
		struct mras_request q;
		struct arena a;

		(void)state;
		for (unsigned i = 0; i < n; i++)
			at += (size_t)sprintf(body + at, "%s%s", ASK, END);
		sprintf(body + at, "</request>");
		arena_init(&a, NULL, 0, 256 * 1024);
		assert_int_equal(mras_request_read(&a, str_of(body), &q), ED_OK);
		assert_int_equal(q.reason, n > 100 ? MRAS_REQUEST_TOO_LARGE : MRAS_OK);
		assert_true(str_eq(q.id, STR("1")));
		arena_done(&a);
		free(body);
	}
}

static void
a_body_beyond_64_kb_is_not_read(void **state)
{
	char *body = calloc(1, MRAS_BODY_MAX + 1);
	struct mras_request q;
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 0, 1024);
	assert_int_equal(mras_request_read(&a, (struct str){body, MRAS_BODY_MAX + 1}, &q), ED_OK);
	assert_int_equal(q.reason, MRAS_REQUEST_TOO_LARGE);
	assert_null(q.id.p);
	arena_done(&a);
	free(body);
}

static struct mras_key
key_7(void)
{
	uint8_t master[MRAS_MASTER_LEN];
	struct mras_key k;

	for (size_t i = 0; i < sizeof(master); i++)
		master[i] = (uint8_t)i;
	assert_int_equal(mras_key_init(&k, 7, master), ED_OK);
	return k;
}

/* mras.md 8.1, without its white space. */
static void
the_worked_example(void **state)
{
	static const struct mras_relay relays[] = {
	    {MRAS_INTRANET, false, {"edge.int.contoso.com", 20}, 3478, 443},
	    {MRAS_INTERNET, false, {"av.contoso.com", 14}, 3478, 443},
	    {MRAS_INTERNET, true, {"203.0.113.12", 12}, 3478, 443},
	};
	struct mras_key k = key_7();
	struct mras_grant g = {.duration_min = 480};
	struct mras_request q;
	struct mras_answer answer = {.request = &q,
	    .realm = STR("edged.contoso.com"),
	    .grants = &g,
	    .relays = relays,
	    .n_relays = 3};
	struct arena a;
	struct str got;

	(void)state;
	arena_init(&a, NULL, 0, 256 * 1024);
	assert_int_equal(mras_request_read(&a, STR(GOOD), &q), ED_OK);
	assert_int_equal(mras_token_issue(&k, q.asks[0].identity, MRAS_FLAG_INTERNET, 1735718400,
			     0xa1b2c3d4, &g.token),
	    ED_OK);
	got = mras_answer_write(&a, &answer);
	assert_true(str_eq(got,
	    STR("<?xml version=\"1.0\"?><response "
		"xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\" requestID=\"1\" "
		"version=\"2.0\" "
		"serverVersion=\"3.0\" to=\"sip:mras@contoso.com\" from=\"sip:alice@contoso.com\" "
		"reasonPhrase=\"OK\"><credentialsResponse credentialsRequestID=\"a\"><credentials>"
		"<username>RQEAJAAAAAcAAAAAZ3T2AKGyw9Rr6c8p3SvBodncaWmIM7bUc9nZRuUNfFOuJ/"
		"TjmyU8dx5DLMc=</username><password>PdoSpiiBXAt22QXbMDIyVZx2WIY=</password>"
		"<duration>480</duration><realm>edged.contoso.com</realm></"
		"credentials><mediaRelayList>"
		"<mediaRelay><location>internet</location><hostName>av.contoso.com</hostName>"
		"<udpPort>3478</udpPort><tcpPort>443</tcpPort></mediaRelay></mediaRelayList>"
		"</credentialsResponse></response>")));
	arena_done(&a);
}

static void
foreign_text_is_escaped_and_failures_are_short(void **state)
{
	struct mras_request q = {.id = STR("<\"&>\n"),
	    .version = STR("2.0"),
	    .to = STR("sip:a@b"),
	    .from = STR("sip:x?\"y")};
	struct mras_answer answer = {.request = &q, .reason = MRAS_SERVER_BUSY};
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 0, 4096);
	assert_true(str_eq(mras_answer_write(&a, &answer),
	    STR("<?xml version=\"1.0\"?><response "
		"xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\" "
		"requestID=\"&lt;&quot;&amp;&gt;&#10;\" version=\"2.0\" serverVersion=\"3.0\" "
		"to=\"sip:a@b\" from=\"sip:x?&quot;y\" reasonPhrase=\"Server Busy\"/>")));
	arena_done(&a);
	arena_init(&a, NULL, 0, 16);
	assert_null(mras_answer_write(&a, &answer).p);
	arena_done(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(request_table),
	    cmocka_unit_test(a_hundred_and_one_are_too_many),
	    cmocka_unit_test(a_body_beyond_64_kb_is_not_read),
	    cmocka_unit_test(the_worked_example),
	    cmocka_unit_test(foreign_text_is_escaped_and_failures_are_short),
	};

	if (digest_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

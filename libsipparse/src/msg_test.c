/* SPDX-License-Identifier: MIT
 *
 * msg_test.c: the index and the strict values of one message.
 */
#include "table.h"

#define REQ     "OPTIONS sip:bob@contoso.com SIP/2.0\r\n"
#define VIA     "Via: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1;rport\r\n"
#define FROM    "From: \"Alice\" <sip:alice@contoso.com>;tag=a1;epid=5a3b\r\n"
#define TO      "To: <sip:bob@contoso.com>\r\n"
#define CALL_ID "Call-ID: abc@192.0.2.1\r\n"
#define CSEQ    "CSeq: 7 OPTIONS\r\n"
#define MF      "Max-Forwards: 70\r\n"
#define END     "Content-Length: 0\r\n\r\n"
#define BASE    VIA FROM TO CALL_ID CSEQ MF
#define NO_VIA  FROM TO CALL_ID CSEQ MF
#define NO_FROM VIA TO CALL_ID CSEQ MF
#define NO_TO   VIA FROM CALL_ID CSEQ MF
#define NO_CID  VIA FROM TO CSEQ MF
#define NO_CSEQ VIA FROM TO CALL_ID MF
#define NO_MF   VIA FROM TO CALL_ID CSEQ
#define ANSWER  true
#define SILENCE false

static const struct {
	const char *name;
	const char *in;
	int want;
	bool answerable; /* looked at only when refused */
} cases[] = {
    {"whole", REQ BASE END, ED_OK, ANSWER},
    {"no Content-Length (datagrams)", REQ BASE "\r\nbody", ED_OK, ANSWER},
    {"no Max-Forwards", REQ NO_MF END, ED_OK, ANSWER},
    {"empty header value", REQ BASE "Subject:\r\n" END, ED_OK, ANSWER},
    {"unknown header, odd value", REQ BASE "X: ;;,,;,;\r\n" END, ED_OK, ANSWER},
    {"unknown header folded", REQ BASE "X: a\r\n  b\r\n\tc\r\n" END, ED_OK, ANSWER},
    {"tab in a value", REQ BASE "X: a\tb\r\n" END, ED_OK, ANSWER},
    {"unknown scheme", "OPTIONS nobody:knows SIP/2.0\r\n" BASE END, ED_OK, ANSWER},
    {"unknown method", "FOO! sip:a SIP/2.0\r\n" NO_CSEQ "CSeq: 0 FOO!\r\n" END, ED_OK, ANSWER},
    {"response", "SIP/2.0 200 OK\r\n" BASE END, ED_OK, SILENCE},
    {"response without phrase", "SIP/2.0 200 \r\n" BASE END, ED_OK, SILENCE},
    {"response, phrase in UTF-8", "SIP/2.0 404 \xc3\xa9\tx\r\n" BASE END, ED_OK, SILENCE},

    {"version lower case", "OPTIONS sip:a sip/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"version 7.0", "OPTIONS sip:a SIP/7.0\r\n" BASE END, ED_UNSUPPORTED, ANSWER},
    {"version 2.00", "OPTIONS sip:a SIP/2.00\r\n" BASE END, ED_UNSUPPORTED, ANSWER},
    {"version 2", "OPTIONS sip:a SIP/2\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"version 2.", "OPTIONS sip:a SIP/2.\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"version HTTP", "OPTIONS sip:a HTTP/1.1\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"no version", "OPTIONS sip:a\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"no URI", "OPTIONS SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"empty URI", "OPTIONS  SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"method alone", "OPTIONS\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"two blanks behind the method", "OPTIONS  sip:a SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"two blanks behind the URI", "OPTIONS sip:a  SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"tab behind the method", "OPTIONS\tsip:a SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"tab in the URI", "OPTIONS sip:a\tb SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"blank behind the version", "OPTIONS sip:a SIP/2.0 \r\n" BASE END, ED_MALFORMED, ANSWER},
    {"blank in front", " OPTIONS sip:a SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"method no token", "OPT(ONS sip:a SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"URI in < >", "OPTIONS <sip:a> SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"URI with headers", "OPTIONS sip:a?Route=%3Csip:b%3E SIP/2.0\r\n" BASE END, ED_MALFORMED,
	ANSWER},
    {"URI with escaped name", "OPTIONS sip:a;%6Cr SIP/2.0\r\n" BASE END, ED_MALFORMED, ANSWER},
    {"status of two digits", "SIP/2.0 20 OK\r\n" BASE END, ED_MALFORMED, SILENCE},
    {"status of four digits", "SIP/2.0 2000 OK\r\n" BASE END, ED_MALFORMED, SILENCE},
    {"status 099", "SIP/2.0 099 OK\r\n" BASE END, ED_MALFORMED, SILENCE},
    {"status 700", "SIP/2.0 700 OK\r\n" BASE END, ED_MALFORMED, SILENCE},
    {"status without second space", "SIP/2.0 200\r\n" BASE END, ED_MALFORMED, SILENCE},
    {"status, lower case", "sip/2.0 200 OK\r\n" BASE END, ED_MALFORMED, SILENCE},
    {"status, other version", "SIP/3.0 200 OK\r\n" BASE END, ED_MALFORMED, SILENCE},

    {"name without colon", REQ BASE "Subject\r\n" END, ED_MALFORMED, ANSWER},
    {"empty name", REQ BASE ": x\r\n" END, ED_MALFORMED, ANSWER},
    {"blank before the colon", REQ BASE "Subject : x\r\n" END, ED_MALFORMED, ANSWER},
    {"tab before the colon", REQ BASE "Subject\t: x\r\n" END, ED_MALFORMED, ANSWER},
    {"fold before the colon", REQ BASE "Subject\r\n : x\r\n" END, ED_MALFORMED, ANSWER},
    {"blank in a name", REQ BASE "Sub ject: x\r\n" END, ED_MALFORMED, ANSWER},
    {"UTF-8 in a name",
	REQ BASE "V\xc3\xad"
		 "a: x\r\n" END,
	ED_MALFORMED, ANSWER},
    {"continuation of blanks", REQ BASE "Subject: x\r\n \t\r\n" END, ED_MALFORMED, ANSWER},
    {"control", REQ BASE "Subject: \x01\r\n" END, ED_MALFORMED, ANSWER},
    {"bare CR", REQ BASE "Subject: a\rRoute: <sip:x>\r\n" END, ED_MALFORMED, ANSWER},
    {"bare LF", REQ BASE "Subject: a\nRoute: <sip:x>\r\n" END, ED_MALFORMED, ANSWER},
    {"control in the Via", REQ NO_VIA "Via: SIP/2.0/TLS a;x=\x01\r\n" END, ED_MALFORMED, SILENCE},
    {"bare CR in From", REQ NO_FROM "From: <sip:a@b>\rX: y\r\n" END, ED_MALFORMED, SILENCE},
    {"no empty line", REQ BASE "Content-Length: 0\r\n", ED_MALFORMED, ANSWER},
    {"cut in a line", REQ BASE "Content-Len", ED_MALFORMED, ANSWER},

    {"Via missing", REQ NO_VIA END, ED_MALFORMED, SILENCE},
    {"From missing", REQ NO_FROM END, ED_MALFORMED, SILENCE},
    {"To missing", REQ NO_TO END, ED_MALFORMED, SILENCE},
    {"Call-ID missing", REQ NO_CID END, ED_MALFORMED, SILENCE},
    {"CSeq missing", REQ NO_CSEQ END, ED_MALFORMED, SILENCE},
    {"two From", REQ BASE FROM END, ED_MALFORMED, ANSWER},
    {"two To, one compact", REQ BASE "t: <sip:x@y>\r\n" END, ED_MALFORMED, ANSWER},
    {"two Call-ID", REQ BASE "i: abc@192.0.2.1\r\n" END, ED_MALFORMED, ANSWER},
    {"two CSeq", REQ BASE CSEQ END, ED_MALFORMED, ANSWER},
    {"two Max-Forwards", REQ BASE MF END, ED_MALFORMED, ANSWER},
    {"two Content-Length", REQ BASE "l: 0\r\n" END, ED_MALFORMED, ANSWER},

    {"Expires", REQ BASE "Expires: 600\r\n" END, ED_OK, ANSWER},
    {"two Expires", REQ BASE "Expires: 600\r\nExpires: 0\r\n" END, ED_MALFORMED, ANSWER},
    {"folded Via", REQ NO_VIA "Via: SIP/2.0/TLS\r\n 192.0.2.1;branch=z9hG4bK1\r\n" END,
	ED_MALFORMED, ANSWER},
    {"folded From", REQ NO_FROM "From: <sip:a@b>\r\n ;tag=1\r\n" END, ED_MALFORMED, ANSWER},
    {"folded To", REQ NO_TO "To:\r\n <sip:a@b>\r\n" END, ED_MALFORMED, ANSWER},
    {"folded Route", REQ BASE "Route: <sip:a;lr>,\r\n <sip:b;lr>\r\n" END, ED_MALFORMED, ANSWER},
    {"folded Require", REQ BASE "Require: a,\r\n b\r\n" END, ED_MALFORMED, ANSWER},
    {"folded Supported passes", REQ BASE "Supported: a,\r\n b\r\n" END, ED_OK, ANSWER},

    {"Via without branch", REQ NO_VIA "v: SIP/2.0/tls 192.0.2.1\r\n" END, ED_OK, ANSWER},
    {"Via list", REQ NO_VIA "v: SIP/2.0/TLS a;branch=1 , SIP/2.0/TCP b:9\r\n" END, ED_OK, ANSWER},
    {"Via empty", REQ NO_VIA "Via:\r\n" END, ED_MALFORMED, SILENCE},
    {"Via, nothing behind a comma", REQ NO_VIA "v: SIP/2.0/TLS a,\r\n" END, ED_MALFORMED, ANSWER},
    {"Via, nothing between commas", REQ NO_VIA "v: SIP/2.0/TLS a,,SIP/2.0/TLS b\r\n" END,
	ED_MALFORMED, ANSWER},
    {"Via, second one bad", REQ NO_VIA "v: SIP/2.0/TLS a, x\r\n" END, ED_MALFORMED, ANSWER},
    {"Via, open quote", REQ NO_VIA "v: SIP/2.0/TLS a;x=\"b\r\n" END, ED_MALFORMED, ANSWER},

    {"From bare", REQ NO_FROM "From: sip:a@b;tag=1\r\n" END, ED_OK, ANSWER},
    {"From without tag", REQ NO_FROM "From: <sip:a@b>\r\n" END, ED_OK, ANSWER},
    {"From other scheme", REQ NO_FROM "From: <tel:+1555>;tag=1\r\n" END, ED_OK, ANSWER},
    {"From, two tags", REQ NO_FROM "From: <sip:a@b>;tag=1;TAG=2\r\n" END, ED_MALFORMED, ANSWER},
    {"From, tag empty", REQ NO_FROM "From: <sip:a@b>;tag=\r\n" END, ED_MALFORMED, ANSWER},
    {"From, tag alone", REQ NO_FROM "From: <sip:a@b>;tag\r\n" END, ED_MALFORMED, ANSWER},
    {"From, tag quoted", REQ NO_FROM "From: <sip:a@b>;tag=\"1\"\r\n" END, ED_MALFORMED, ANSWER},
    {"From, > missing", REQ NO_FROM "From: <sip:a@b;tag=1\r\n" END, ED_MALFORMED, ANSWER},
    {"From, open quote", REQ NO_FROM "From: \"a <sip:a@b>;tag=1\r\n" END, ED_MALFORMED, ANSWER},
    {"From, two values", REQ NO_FROM "From: <sip:a@b>;tag=1, <sip:c@d>\r\n" END, ED_MALFORMED,
	ANSWER},
    {"From, two URIs", REQ NO_FROM "From: <sip:a@b> <sip:c@d>;tag=1\r\n" END, ED_MALFORMED, ANSWER},
    {"From, host in doubt", REQ NO_FROM "From: <sip:a@contoso.com@x>;tag=1\r\n" END, ED_MALFORMED,
	ANSWER},
    {"From, dot behind the host", REQ NO_FROM "From: <sip:a@contoso.com.>;tag=1\r\n" END,
	ED_MALFORMED, ANSWER},
    {"From *", REQ NO_FROM "From: *\r\n" END, ED_MALFORMED, ANSWER},
    {"From empty", REQ NO_FROM "From:\r\n" END, ED_MALFORMED, SILENCE},

    {"Call-ID odd but legal", REQ NO_CID "i: w%ZK-!.*_+'@w`~)(><:\\/\"][?}{\r\n" END, ED_OK,
	ANSWER},
    {"Call-ID with blank", REQ NO_CID "i: a b\r\n" END, ED_MALFORMED, ANSWER},
    {"Call-ID with comma", REQ NO_CID "i: a,b\r\n" END, ED_MALFORMED, ANSWER},
    {"Call-ID with two @", REQ NO_CID "i: a@b@c\r\n" END, ED_MALFORMED, ANSWER},
    {"Call-ID, nothing behind @", REQ NO_CID "i: a@\r\n" END, ED_MALFORMED, ANSWER},
    {"Call-ID empty", REQ NO_CID "i:\r\n" END, ED_MALFORMED, SILENCE},

    {"CSeq with zeros and blanks", REQ NO_CSEQ "CSeq: 0009 \t OPTIONS\r\n" END, ED_OK, ANSWER},
    {"CSeq at its end", REQ NO_CSEQ "CSeq: 2147483647 OPTIONS\r\n" END, ED_OK, ANSWER},
    {"CSeq beyond", REQ NO_CSEQ "CSeq: 2147483648 OPTIONS\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq overlong", REQ NO_CSEQ "CSeq: 00000000009 OPTIONS\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq huge", REQ NO_CSEQ "CSeq: 36893488147419103232 OPTIONS\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq with sign", REQ NO_CSEQ "CSeq: +9 OPTIONS\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq, no number", REQ NO_CSEQ "CSeq: OPTIONS\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq, no method", REQ NO_CSEQ "CSeq: 9\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq, no blank", REQ NO_CSEQ "CSeq: 9OPTIONS\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq, other method", REQ NO_CSEQ "CSeq: 9 INVITE\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq, other case", REQ NO_CSEQ "CSeq: 9 Options\r\n" END, ED_MALFORMED, ANSWER},
    {"CSeq, more behind", REQ NO_CSEQ "CSeq: 9 OPTIONS x\r\n" END, ED_MALFORMED, ANSWER},

    {"Max-Forwards with zeros", REQ NO_MF "Max-Forwards: 0068\r\n" END, ED_OK, ANSWER},
    {"Max-Forwards 255", REQ NO_MF "Max-Forwards: 255\r\n" END, ED_OK, ANSWER},
    {"Max-Forwards 256", REQ NO_MF "Max-Forwards: 256\r\n" END, ED_MALFORMED, ANSWER},
    {"Max-Forwards negative", REQ NO_MF "Max-Forwards: -1\r\n" END, ED_MALFORMED, ANSWER},
    {"Max-Forwards empty", REQ NO_MF "Max-Forwards:\r\n" END, ED_MALFORMED, ANSWER},

    {"length too small", REQ BASE "l: 1\r\n\r\nab", ED_MALFORMED, ANSWER},
    {"length too large", REQ BASE "l: 3\r\n\r\nab", ED_MALFORMED, ANSWER},
    {"length with zero in front", REQ BASE "l: 02\r\n\r\nab", ED_MALFORMED, ANSWER},

    {"Route list", REQ BASE "Route: <sip:a;lr>;x=1, \"n\" <sip:b;lr>\r\nRoute: <sips:c>\r\n" END,
	ED_OK, ANSWER},
    {"Route bare", REQ BASE "Route: sip:a;lr\r\n" END, ED_MALFORMED, ANSWER},
    {"Route *", REQ BASE "Route: *\r\n" END, ED_MALFORMED, ANSWER},
    {"Route empty", REQ BASE "Route:\r\n" END, ED_MALFORMED, ANSWER},
    {"Route with escaped lr", REQ BASE "Route: <sip:a;%6cr>\r\n" END, ED_MALFORMED, ANSWER},
    {"Route with headers", REQ BASE "Route: <sip:a;lr?Via=x>\r\n" END, ED_MALFORMED, ANSWER},
    {"Route twice lr", REQ BASE "Route: <sip:a;lr;lr>\r\n" END, ED_MALFORMED, ANSWER},
    {"Record-Route, > missing", REQ BASE "Record-Route: <sip:a;lr, <sip:b;lr>\r\n" END,
	ED_MALFORMED, ANSWER},

    {"Contact as Lync has it",
	REQ BASE "Contact: <sip:192.168.1.50:51001;transport=tls;ms-opaque=d3>;methods=\"INVITE, "
		 "MESSAGE\";proxy=replace;+sip.instance=\"<urn:uuid:7D>\"\r\n" END,
	ED_OK, ANSWER},
    {"Contact as pidgin-sipe has it",
	REQ BASE
	"Contact: <sip:alice:51001;maddr=192.168.1.50;transport=tls>;proxy=replace\r\n" END,
	ED_OK, ANSWER},
    {"Contact *", REQ BASE "Contact: *\r\n" END, ED_OK, ANSWER},
    {"Contact with escaped name", REQ BASE "m: <sip:a@b;%6C%72;n%61me=v>\r\n" END, ED_OK, ANSWER},
    {"Contact * and another", REQ BASE "Contact: *, <sip:a>\r\n" END, ED_MALFORMED, ANSWER},
    {"Contact * and another line", REQ BASE "Contact: *\r\nm: <sip:a>\r\n" END, ED_MALFORMED,
	ANSWER},
    {"Contact with ? unbracketed", REQ BASE "m: sip:a@b?Route=%3Csip:c%3E\r\n" END, ED_MALFORMED,
	ANSWER},
    {"Contact empty", REQ BASE "Contact:\r\n" END, ED_MALFORMED, ANSWER},

    {"Require", REQ BASE "Require: a, b\r\nProxy-Require: c\r\n" END, ED_OK, ANSWER},
    {"Require empty", REQ BASE "Require:\r\n" END, ED_MALFORMED, ANSWER},
    {"Require no token", REQ BASE "Require: a b\r\n" END, ED_MALFORMED, ANSWER},
    {"Proxy-Require, empty one", REQ BASE "Proxy-Require: a,,b\r\n" END, ED_MALFORMED, ANSWER},
};

static void
check_case(
    const char *name, const char *in, const struct sip_limits *lim, int want, bool answerable)
{
	struct flush f = flush_of(str_of(in));
	struct ed_fault fault = {.what = ""};
	struct sip_msg *m = NULL;
	struct arena a;
	int r;

	arena_init(&a, NULL, 0, 64 * 1024);
	r = sip_msg_parse(&a, f.text, lim, &m, &fault);
	if (r != want)
		print_error("%s: got %d (%s), want %d\n", name, r, fault.what, want);
	assert_int_equal(r, want);
	assert_non_null(m);
	if (r < 0) {
		assert_int_equal(fault.code, r);
		assert_true(fault.at <= f.text.n);
		if (sip_msg_is_answerable(m) != answerable)
			print_error("%s: answerable %d\n", name, !answerable);
		assert_true(sip_msg_is_answerable(m) == answerable);
	} else {
		assert_int_equal(m->content_length, m->body.n);
		assert_int_equal(m->header_len + m->body.n, f.text.n);
	}
	arena_done(&a);
	assert_int_equal(msg_growing_caps(f.text, lim), want);
	flush_done(&f);
}

static void
test_messages(void **state)
{
	for (size_t i = 0; i < N_OF(cases); i++)
		check_case(cases[i].name, cases[i].in, &SIP_LIMITS_CLIENT, cases[i].want,
		    cases[i].answerable);
}

static void
test_limits(void **state)
{
	struct sip_limits lim = SIP_LIMITS_CLIENT;

	lim.n_vias = 2;
	check_case("two Vias", REQ BASE VIA END, &lim, ED_OK, ANSWER);
	check_case("three Vias", REQ BASE VIA VIA END, &lim, ED_LIMIT, ANSWER);
	check_case("three Vias in a list", REQ BASE "v: SIP/2.0/TLS a, SIP/2.0/TLS b\r\n" END, &lim,
	    ED_LIMIT, ANSWER);
	check_case("two Routes", REQ BASE "Route: <sip:a>, <sip:b>\r\n" END, &lim, ED_OK, ANSWER);
	check_case("three Routes", REQ BASE "Route: <sip:a>, <sip:b>\r\nRoute: <sip:c>\r\n" END,
	    &lim, ED_LIMIT, ANSWER);
	check_case("three Record-Routes",
	    REQ BASE "Record-Route: <sip:a>, <sip:b>, <sip:c>\r\n" END, &lim, ED_LIMIT, ANSWER);
	lim = SIP_LIMITS_CLIENT;
	lim.uri = 20;
	check_case("URI too long", REQ BASE END, &lim, ED_LIMIT, ANSWER);
	lim = SIP_LIMITS_CLIENT;
	lim.n_lines = 7;
	check_case("lines", REQ BASE END, &lim, ED_OK, ANSWER);
	lim.n_lines = 6;
	check_case("lines too many", REQ BASE END, &lim, ED_LIMIT, ANSWER);
	lim = SIP_LIMITS_CLIENT;
	lim.header_line = 60;
	check_case("line length", REQ BASE END, &lim, ED_OK, ANSWER);
	check_case("line too long",
	    REQ BASE "X: 4567890123456789012345678901234567890123456789012345678901\r\n" END, &lim,
	    ED_LIMIT, ANSWER);
	lim = SIP_LIMITS_CLIENT;
	lim.start_line = 35;
	check_case("start line length", REQ BASE END, &lim, ED_OK, ANSWER);
	lim.start_line = 34;
	check_case("start line too long", REQ BASE END, &lim, ED_LIMIT, SILENCE);
	lim = SIP_LIMITS_CLIENT;
	lim.body = 3;
	check_case("body", REQ BASE "l: 3\r\n\r\nabc", &lim, ED_OK, ANSWER);
	check_case("body too large", REQ BASE "l: 4\r\n\r\nabcd", &lim, ED_LIMIT, ANSWER);
}

/* More lines than the first block holds. */
static void
test_many_lines(void **state)
{
	char in[8192] = REQ BASE;
	struct sip_msg *m;
	struct arena a;

	for (int i = 0; i < 200; i++)
		strcat(in, "X-Line: y\r\n");
	strcat(in, END);
	arena_init(&a, NULL, 0, 64 * 1024);
	assert_int_equal(sip_msg_parse(&a, str_of(in), &SIP_LIMITS_CLIENT, &m, NULL), ED_OK);
	assert_int_equal(m->n_lines, 207);
	assert_int_equal(m->lines[206].id, SIP_HDR_CONTENT_LENGTH);
	assert_int_equal(m->lines[100].name_len, 6);
	arena_done(&a);
}

static void
test_fields(void **state)
{
	static const char in[] =
	    "INVITE sip:bob@contoso.com;gruu SIP/2.0\r\n"
	    "VIA: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1, SIP/2.0/tls c\r\n"
	    "f: \"A, <x>\" <sip:alice@contoso.com>;epid=5a;tag=a1\r\n"
	    "Supported: ms-dialog-route-set-update,  timer\r\n"
	    "Max-Forwards: 0070\r\n"
	    "CSEQ: 0012 INVITE\r\n"
	    "t: sip:bob@contoso.com;tag=b2\r\n"
	    "Supported:\r\n"
	    "i: cid\r\n"
	    "Subject:  a \r\n  b  \r\n"
	    "k: Gruu-10\r\n"
	    "ms-Edge-Something: 1\r\n"
	    "X-MS-edge: 1\r\n"
	    "ms-foo-Verification-Level-bar: 1\r\n"
	    "v: SIP/2.0/TCP d\r\n"
	    "c: text/plain\r\n"
	    "l: 2\r\n\r\nhi";
	const struct sip_line *l;
	struct sip_msg *m;
	struct sip_values it;
	struct sip_value v;
	struct arena a;

	arena_init(&a, NULL, 0, 64 * 1024);
	assert_int_equal(sip_msg_parse(&a, str_of(in), &SIP_LIMITS_CLIENT, &m, NULL), ED_OK);
	assert_true(m->is_request && m->method == SIP_INVITE);
	assert_true(str_eq(m->uri, STR("sip:bob@contoso.com;gruu")));
	assert_true(str_eq(m->ruri.host, STR("contoso.com")));
	assert_int_equal(m->cseq, 12);
	assert_int_equal(m->max_forwards, 70);
	assert_true(str_eq(m->from.display, STR("\"A, <x>\"")));
	assert_true(str_eq(m->from.uri, STR("sip:alice@contoso.com")));
	assert_true(str_eq(m->from.addr.host, STR("contoso.com")));
	assert_true(str_eq(m->from.tag, STR("a1")));
	assert_true(str_eq(m->from.params, STR(";epid=5a;tag=a1")));
	assert_true(str_eq(m->to.uri, STR("sip:bob@contoso.com")));
	assert_true(str_eq(m->to.tag, STR("b2")));
	assert_true(str_eq(m->call_id, STR("cid")));
	assert_true(str_eq(m->via.branch, STR("z9hG4bK1")));
	assert_true(str_eq(m->body, STR("hi")));
	assert_int_equal(m->count[SIP_HDR_VIA], 2);
	assert_int_equal(m->count[SIP_HDR_SUPPORTED], 3);
	assert_int_equal(m->count[SIP_HDR_MS_EDGE_OTHER], 1);
	assert_int_equal(m->count[SIP_HDR_MS_VERIFICATION_LEVEL], 1);
	l = sip_msg_find(m, STR("SUBJECT"));
	assert_non_null(l);
	assert_true(l->folded);
	assert_true(str_eq(sip_line_value(m, l), STR("a \r\n  b")));
	l = sip_msg_find(m, STR("Content-Type"));
	assert_non_null(l);
	assert_true(str_eq(sip_line_value(m, l), STR("text/plain")));
	assert_non_null(sip_msg_find(m, STR("x-ms-edge")));
	assert_non_null(sip_msg_find(m, STR("ms-edge-something")));
	assert_null(sip_msg_find(m, STR("ms-edge-else")));
	assert_null(sip_msg_find(m, STR("Event")));
	assert_ptr_equal(sip_msg_find(m, STR("Via")), &m->lines[0]);
	assert_null(sip_msg_find(m, STR("Route")));
	assert_null(sip_msg_value(m, SIP_HDR_ROUTE).p);
	assert_true(str_eq(sip_line_name(m, &m->lines[0]), STR("VIA")));
	assert_true(sip_msg_has_token(m, SIP_HDR_SUPPORTED, STR("Ms-Dialog-Route-Set-Update")));
	assert_true(sip_msg_has_token(m, SIP_HDR_SUPPORTED, STR("gruu-10")));
	assert_false(sip_msg_has_token(m, SIP_HDR_SUPPORTED, STR("gruu")));
	assert_false(sip_msg_has_token(m, SIP_HDR_REQUIRE, STR("gruu")));

	sip_values_init(&it, m, SIP_HDR_VIA);
	assert_int_equal(sip_values_next(&it, &v), 1);
	assert_true(v.first && !v.last && !v.only && v.line == 0);
	assert_true(v.text.p == in + v.at);
	assert_int_equal(sip_values_next(&it, &v), 1);
	assert_true(str_eq(v.text, STR("SIP/2.0/tls c")));
	assert_true(!v.first && v.last && !v.only);
	assert_int_equal(sip_values_next(&it, &v), 1);
	assert_true(v.first && v.last && v.only && it.index == 3);
	assert_true(str_eq(v.text, STR("SIP/2.0/TCP d")));
	assert_int_equal(sip_values_next(&it, &v), 0);
	assert_int_equal(sip_values_next(&it, &v), 0);
	arena_done(&a);
}

static void
test_response_fields(void **state)
{
	static const char in[] = "SIP/2.0 180 Ringing there\r\n" NO_CSEQ "CSeq: 9 INVITE\r\n" END;
	struct sip_msg *m;
	struct arena a;

	arena_init(&a, NULL, 0, 64 * 1024);
	assert_int_equal(sip_msg_parse(&a, str_of(in), &SIP_LIMITS_CLIENT, &m, NULL), ED_OK);
	assert_false(m->is_request);
	assert_int_equal(m->status, 180);
	assert_true(str_eq(m->reason, STR("Ringing there")));
	assert_int_equal(m->method, SIP_INVITE);
	assert_int_equal(m->max_forwards, 70);
	assert_false(sip_msg_is_answerable(m));
	assert_false(sip_msg_is_answerable(NULL));
	arena_done(&a);
}

/* What nobody answers: RFC 3261 8.2.1 (ACK) and [MS-SIP] (BENOTIFY). */
static void
test_unanswerable_methods(void **state)
{
	check_case("ACK", "ACK sip:a SIP/2.0\r\n" NO_CSEQ "CSeq: x ACK\r\n" END, &SIP_LIMITS_CLIENT,
	    ED_MALFORMED, SILENCE);
	check_case("BENOTIFY", "BENOTIFY sip:a SIP/2.0\r\n" NO_CSEQ "CSeq: x BENOTIFY\r\n" END,
	    &SIP_LIMITS_CLIENT, ED_MALFORMED, SILENCE);
}

static void
test_names(void **state)
{
	char upper[64];

	for (int id = SIP_HDR_OTHER + 1; id < SIP_HDR__N; id++) {
		struct str name = str_of(sip_hdr_name((enum sip_hdr)id));

		for (size_t i = 0; i < name.n; i++)
			upper[i] = (char)(name.p[i] >= 'a' && name.p[i] <= 'z' ? name.p[i] - 32
									       : name.p[i]);
		if (id == SIP_HDR_MS_VERIFICATION_LEVEL || id == SIP_HDR_MS_EDGE_OTHER)
			continue;
		assert_int_equal(sip_hdr_of(name), id);
		assert_int_equal(sip_hdr_of((struct str){upper, name.n}), id);
		upper[name.n - 1]++;
		assert_true(sip_hdr_of((struct str){upper, name.n}) != (enum sip_hdr)id);
	}
	assert_int_equal(sip_hdr_of(STR("ms-edge-")), SIP_HDR_MS_EDGE_OTHER);
	assert_int_equal(sip_hdr_of(STR("ms-verification-level")), SIP_HDR_MS_VERIFICATION_LEVEL);
	assert_int_equal(sip_hdr_of(STR("xs-verification-level")), SIP_HDR_OTHER);
	assert_int_equal(sip_hdr_of(STR("")), SIP_HDR_OTHER);
	assert_int_equal(sip_hdr_of(STR("r")), SIP_HDR_REFER_TO);
	assert_int_equal(sip_hdr_of(STR("B")), SIP_HDR_REFERRED_BY);
	assert_int_equal(sip_hdr_of(STR("z")), SIP_HDR_OTHER);
	for (int m = SIP_METHOD_OTHER + 1; m < SIP_METHOD__N; m++)
		assert_int_equal(sip_method_of(str_of(sip_method_name((enum sip_method)m))), m);
	assert_int_equal(sip_method_of(STR("invite")), SIP_METHOD_OTHER);
	assert_int_equal(sip_method_of(STR("INVITEX")), SIP_METHOD_OTHER);
	assert_string_equal(sip_method_name(SIP_METHOD__N), "?");
	assert_string_equal(sip_hdr_name(SIP_HDR__N), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_many_lines),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_response_fields),
	    cmocka_unit_test(test_unanswerable_methods),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

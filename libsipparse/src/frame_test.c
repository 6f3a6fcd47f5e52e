/* SPDX-License-Identifier: MIT
 *
 * frame_test.c: where a message ends, whole, dripped and at the edge of a page.
 */
#include "table.h"

#define START   "OPTIONS sip:a SIP/2.0\r\n"
#define LIMIT_N 8 /* rows below that hit a limit use these small ones */

static const struct sip_limits small = {.start_line = 40,
    .header_line = 32,
    .header_block = 120,
    .body = 16,
    .n_lines = LIMIT_N,
    .n_vias = 4,
    .uri = 32};

static const struct {
	const char *name;
	const char *in;
	int want; /* > 0 bytes used, 0 more, < 0 enum ed_err */
} frame_cases[] = {
    {"whole message", START "l: 0\r\n\r\n", 31},
    {"full name", START "Content-Length: 0\r\n\r\n", 44},
    {"any case", START "cONTENT-lENGTH:0\r\n\r\n", 43},
    {"tab in front of the number", START "l:\t0\r\n\r\n", 31},
    {"blanks behind the number", START "l: 0 \t\r\n\r\n", 33},
    {"body", START "l: 3\r\n\r\nabc", 34},
    {"body and the start of the next", START "l: 3\r\n\r\nabcOPT", 34},
    {"body holds anything", START "l: 4\r\n\r\n\n\r\x01\x80", 35},
    {"nothing yet", "", 0},
    {"start line open", "OPTIONS sip:a", 0},
    {"header still open", START "l: 0\r\n", 0},
    {"CR of the empty line", START "l: 0\r\n\r", 0},
    {"body still open", START "l: 9\r\n\r\nabc", 0},
    {"fold elsewhere", START "Subject: a\r\n b\r\nl: 0\r\n\r\n", 47},
    {"UTF-8 in a value", START "s: \xc3\xa9\r\nl: 0\r\n\r\n", 38},
    {"a longer name that starts alike", START "Content-Lengthy: 7\r\nl: 0\r\n\r\n", 51},

    {"length is not a number", START "l: x\r\n\r\n", ED_MALFORMED},
    {"length empty", START "l:\r\n\r\n", ED_MALFORMED},
    {"length with sign", START "l: +5\r\n\r\nabcde", ED_MALFORMED},
    {"length negative", START "l: -1\r\n\r\n", ED_MALFORMED},
    {"length with leading zero", START "l: 03\r\n\r\nabc", ED_MALFORMED},
    {"length hexadecimal", START "l: 0x3\r\n\r\nabc", ED_MALFORMED},
    {"length list", START "l: 3,3\r\n\r\nabc", ED_MALFORMED},
    {"length list with blank", START "l: 3 3\r\n\r\nabc", ED_MALFORMED},
    {"length with comment", START "l: 3 (b)\r\n\r\nabc", ED_MALFORMED},
    {"length with parameter", START "l: 3;x\r\n\r\nabc", ED_MALFORMED},
    {"length quoted", START "l: \"3\"\r\n\r\nabc", ED_MALFORMED},
    {"length overlong", START "l: 00000000003\r\n\r\nabc", ED_MALFORMED},
    {"length beyond 32 bits", START "l: 4294967299\r\n\r\nabc", ED_MALFORMED},
    {"length beyond 64 bits", START "l: 18446744073709551619\r\n\r\nabc", ED_MALFORMED},
    {"length with a no-break space",
	START "l:\xc2\xa0"
	      "3\r\n\r\nabc",
	ED_MALFORMED},
    {"two lengths that differ", START "l: 0\r\nl: 5\r\n\r\n", ED_MALFORMED},
    {"two lengths alike", START "l: 0\r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"compact and full length", START "l: 0\r\nContent-Length: 0\r\n\r\n", ED_MALFORMED},
    {"length missing", START "s: x\r\n\r\n", ED_MALFORMED},
    {"no header at all", START "\r\n", ED_MALFORMED},
    {"folded length", START "l:\r\n 3\r\n\r\nabc", ED_MALFORMED},
    {"length continued", START "l: 3\r\n 0\r\n\r\nabc", ED_MALFORMED},
    {"blank before the colon", START "Content-Length : 3\r\n\r\nabc", ED_MALFORMED},
    {"tab before the colon, compact", START "l\t: 3\r\n\r\nabc", ED_MALFORMED},
    {"no colon", START "Content-Length 3\r\n\r\nabc", ED_MALFORMED},
    {"name alone", START "Content-Length\r\n\r\nabc", ED_MALFORMED},
    {"name with a high octet behind", START "Content-Length\xa0: 3\r\n\r\nabc", ED_MALFORMED},
    {"bare LF ends the start line", "OPTIONS sip:a SIP/2.0\nl: 0\r\n\r\n", ED_MALFORMED},
    {"bare LF ends a line", START "l: 0\n\r\n", ED_MALFORMED},
    {"bare CR in a value", START "s: a\rb\r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"bare CR hides a length", START "s: a\rl: 7\r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"CR CR LF", START "l: 0\r\r\n\r\n", ED_MALFORMED},
    {"bare LF as the empty line", START "l: 0\r\n\n", ED_MALFORMED},
    {"vertical tab", START "s: a\vb\r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"escape", START "s: \x1b[m\r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"DEL", START "s: \x7f\r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"line of blanks is no end", START "l: 0\r\n \t\r\n\r\n", ED_MALFORMED},
    {"line of one blank behind others", START "s: a\r\n b\r\n \r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"blank in front of the first header", START " s: a\r\nl: 0\r\n\r\n", ED_MALFORMED},
    {"blank in front of the start line", " " START "l: 0\r\n\r\n", ED_MALFORMED},
    {"LF first", "\nOPTIONS", ED_MALFORMED},
    {"colon first", ": x\r\n", ED_MALFORMED},
    {"TLS inside TLS", "\x16\x03\x01", ED_MALFORMED},
    {"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ED_MALFORMED},

    {"keep-alive", "\r\n", 2},
    {"keep-alive, CR of it", "\r", 0},
    {"keep-alive CR CR", "\r\r", ED_MALFORMED},
    {"keep-alive and the CR of another", "\r\n\r", 2},
    {"keep-alive and a bare CR", "\r\n\rX", 2},
};

static const struct {
	const char *name;
	const char *in;
	int want;
} limit_cases[] = {
    {"start line at its limit", "OPTIONS sip:567890123456789012345 SIP/2.0\r\n" + 1, 0},
    {"start line beyond", "OPTIONS sip:5678901234567890123456 SIP/2.0", ED_LIMIT},
    {"line at its limit", START "s: 45678901234567890123456789012\r\nl: 0\r\n\r\n", 65},
    {"line beyond, still open", START "s: 456789012345678901234567890123", ED_LIMIT},
    {"line beyond by folds", START "s: 4567890123456\r\n 7890123456789\r\n 8", ED_LIMIT},
    {"lines at their limit", START "a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\nl: 0\r\n\r\n", 59},
    {"lines beyond", START "a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\nl: 0\r\n\r\n",
	ED_LIMIT},
    {"block beyond",
	START "a: 45678901234567890123456\r\nb: 45678901234567890123456\r\n"
	      "c: 45678901234567890123456\r\nd: 45678901234567890123456\r\nl: 0\r\n\r\n",
	ED_LIMIT},
    {"body at its limit", START "l: 16\r\n\r\n0123456789abcdef", 48},
    {"body beyond, refused before it comes", START "l: 17\r\n\r\n", ED_LIMIT},
};

static void
check_frame(const char *name, const char *in, const struct sip_limits *lim, int64_t want)
{
	struct ed_fault fault = {.what = NULL}, dripped = {.what = NULL};
	struct sip_frame frame = {.header_len = 0}, frame2 = {.header_len = 0};
	struct flush f = flush_of(str_of(in));
	int64_t r = frame_whole(str_of(in), lim, &frame, &fault);

	if (r != want)
		print_error(
		    "%s: got %d (%s), want %d\n", name, (int)r, r < 0 ? fault.what : "", (int)want);
	assert_int_equal(r, want);
	if (r < 0) {
		assert_int_equal(fault.code, r);
		assert_non_null(fault.what);
	}
	assert_int_equal(frame_whole(f.text, lim, &frame2, &fault), want);
	assert_int_equal(frame_dripped(f.text, lim, &frame2, &dripped), want);
	if (want > 0) {
		assert_int_equal(frame.header_len, frame2.header_len);
		assert_int_equal(frame.body_len, frame2.body_len);
		assert_int_equal(frame.header_len + frame.body_len, want);
	}
	flush_done(&f);
}

static void
test_frames(void **state)
{
	for (size_t i = 0; i < N_OF(frame_cases); i++)
		check_frame(frame_cases[i].name, frame_cases[i].in, &SIP_LIMITS_CLIENT,
		    frame_cases[i].want);
	for (size_t i = 0; i < N_OF(limit_cases); i++)
		check_frame(limit_cases[i].name, limit_cases[i].in, &small, limit_cases[i].want);
}

static void
test_nul_is_refused(void **state)
{
	static const char in[] = "OPTIONS sip:a SIP/2.0\r\ns: a\0b\r\nl: 0\r\n\r\n";
	struct sip_frame frame;
	struct ed_fault fault;

	assert_int_equal(
	    frame_whole((struct str){in, sizeof(in) - 1}, &SIP_LIMITS_CLIENT, &frame, &fault),
	    ED_MALFORMED);
	assert_int_equal(fault.at, 27);
}

/* Several CRLFs are one frame; the message behind them is the next. */
static void
test_keepalive_then_message(void **state)
{
	struct str in = STR("\r\n\r\n\r\nOPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n");
	struct sip_framer f;
	struct sip_frame frame;
	struct ed_fault fault;

	sip_framer_init(&f);
	assert_int_equal(sip_frame_next(&f, in, &SIP_LIMITS_CLIENT, &frame, &fault), 6);
	assert_int_equal(frame.kind, SIP_FRAME_KEEPALIVE);
	assert_int_equal(
	    sip_frame_next(&f, str_from(in, 6), &SIP_LIMITS_CLIENT, &frame, &fault), 31);
	assert_int_equal(frame.kind, SIP_FRAME_MESSAGE);
	assert_int_equal(sip_frame_next(&f, STR_NONE, &SIP_LIMITS_CLIENT, &frame, &fault), 0);
}

/* The room times header and body apart by f.header_len. */
static void
test_header_len_tells_the_phase(void **state)
{
	struct str in = STR(START "l: 3\r\n\r\nabc");
	struct sip_framer f;
	struct sip_frame frame;
	struct ed_fault fault;

	sip_framer_init(&f);
	assert_int_equal(
	    sip_frame_next(&f, str_first(in, 30), &SIP_LIMITS_CLIENT, &frame, &fault), 0);
	assert_int_equal(f.header_len, 0);
	assert_int_equal(
	    sip_frame_next(&f, str_first(in, 31), &SIP_LIMITS_CLIENT, &frame, &fault), 0);
	assert_int_equal(f.header_len, 31);
	assert_int_equal(sip_frame_next(&f, in, &SIP_LIMITS_CLIENT, &frame, &fault), 34);
	assert_int_equal(f.header_len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames),
	    cmocka_unit_test(test_nul_is_refused),
	    cmocka_unit_test(test_keepalive_then_message),
	    cmocka_unit_test(test_header_len_tells_the_phase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

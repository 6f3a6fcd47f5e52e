/* SPDX-License-Identifier: MIT
 *
 * chars_test.c: the scans of 16 octets say what the table says, for each octet at each place.
 */
#include "table.h"

#include "chars.h"

typedef const char *(*scan_fn)(const char *p, const char *end, const char *safe);

static const char *
to_colon(const char *p, const char *end, const char *safe)
{
	return scan_to(p, end, safe, ':');
}

static bool
stops_value(char c)
{
	return !ch_is(c, CH_VALUE);
}

static bool
stops_pname(char c)
{
	return !ch_is(c, CH_PNAME);
}

static bool
stops_token(char c)
{
	return !ch_is(c, CH_TOKEN);
}

static bool
stops_word(char c)
{
	return !ch_is(c, CH_WORD);
}

static bool
stops_label(char c)
{
	return !ch_is(c, CH_LABEL);
}

static bool
stops_list(char c)
{
	return c == ',' || c == '"' || c == '<' || c == '>';
}

static bool
stops_quotes(char c)
{
	return c == '"' || c == '\\' || ch_ctl(c);
}

static bool
stops_colon(char c)
{
	return c == ':';
}

static const struct {
	scan_fn scan;
	bool (*stops)(char c);
} scans[] = {
    {scan_value, stops_value},
    {scan_pname, stops_pname},
    {scan_token, stops_token},
    {scan_word, stops_word},
    {scan_label, stops_label},
    {scan_list, stops_list},
    {scan_in_quotes, stops_quotes},
    {to_colon, stops_colon},
};

/* A text of 'a' with one octet c at `at`; the buffer goes on for `more` octets that all stop a
 * scan. */
static void
check_scan(size_t which, int c, size_t n, size_t at, size_t more)
{
	static const char stoppers[] = "\"\"\"\"::::,,,,<<<<\"\"\"\"::::,,,,<<<<";
	char buf[128];
	struct flush f;
	const char *want;

	memset(buf, 'a', n);
	if (at < n)
		buf[at] = (char)c;
	memcpy(buf + n, stoppers, more);
	f = flush_of((struct str){buf, n + more});
	want = f.text.p + (at < n && scans[which].stops((char)c) ? at : n);
	assert_ptr_equal(scans[which].scan(f.text.p, f.text.p + n, f.text.p + n + more), want);
	flush_done(&f);
}

static void
test_scans(void **state)
{
	for (size_t which = 0; which < N_OF(scans); which++) {
		for (int c = 0; c < 256; c++) {
			check_scan(which, c, 40, 3, 20); /* in the first 16, buffer goes on */
			check_scan(which, c, 40, 20, 0); /* in the second, buffer ends */
			check_scan(which, c, 40, 38, 0); /* in the rest */
			check_scan(which, c, 5, 4, 32);  /* text shorter than 16 */
		}
		for (size_t n = 0; n < 36; n++)
			check_scan(which, 'a', n, n, n % 3 * 16);
	}
}

/* uri_mark is in uri.c; what it lets pass is what the table lets pass. */
static void
test_uri_octets(void **state)
{
	for (int c = 0; c < 256; c++) {
		char text[] = "sip:abcdefghijklmnop-qrstuvwxyz@h";
		struct sip_uri u;

		text[20] = (char)c;
		if (c == '@' || c == '%' || c == '[' || c == ']')
			continue;
		assert_int_equal(
		    sip_uri_parse((struct str){text, sizeof(text) - 1}, &u, NULL) == ED_OK,
		    ch_is((char)c, CH_URI | CH_UTF8));
	}
}

static void
test_controls(void **state)
{
	char buf[200];

	for (int c = 0; c < 256; c++) {
		for (size_t at = 0; at < sizeof(buf); at += 7) {
			struct ctl_scan s;
			struct flush f;

			memset(buf, 'a', sizeof(buf));
			buf[at] = (char)c;
			buf[sizeof(buf) - 1] = '\n';
			f = flush_of((struct str){buf, sizeof(buf)});
			ctl_scan_init(&s, f.text.p, f.text.p + f.text.n);
			if (ch_ctl((char)c) && at < sizeof(buf) - 1)
				assert_ptr_equal(ctl_scan_next(&s), f.text.p + at);
			assert_ptr_equal(ctl_scan_next(&s), f.text.p + sizeof(buf) - 1);
			assert_ptr_equal(ctl_scan_next(&s), f.text.p + sizeof(buf));
			assert_ptr_equal(ctl_scan_next(&s), f.text.p + sizeof(buf));
			flush_done(&f);
		}
	}
}

static void
test_ctl_skip(void **state)
{
	const char text[] = "a\r\nb\r\n";
	struct ctl_scan s;

	ctl_scan_init(&s, text, text + 6);
	assert_ptr_equal(ctl_scan_next(&s), text + 1);
	ctl_scan_skip(&s, text + 2);
	ctl_scan_skip(&s, text + 3); /* no control: nothing happens */
	assert_ptr_equal(ctl_scan_next(&s), text + 4);
	assert_ptr_equal(ctl_scan_next(&s), text + 5);
	ctl_scan_skip(&s, text + 5);
	assert_ptr_equal(ctl_scan_next(&s), text + 6);
}

static const struct {
	const char *text;
	int want; /* octets behind the closing quote, -1 open */
} quoted[] = {
    {"\"\"", 2},
    {"\"a\"b", 3},
    {"\"a\\\"b\"c", 6},
    {"\"a\\\\\"b", 5},
    {"\"\xc3\xa9\"", 4},
    {"\"", -1},
    {"\"a", -1},
    {"\"a\\", -1},
    {"\"a\\\"", -1},
    {"\"a\x01\"", -1},
    {"\"a\\\x01\"", -1},
    {"\"a\\\xc3\xa9\"", -1},
    {"\"a\rb\"", -1},
};

static void
test_quoted(void **state)
{
	for (size_t i = 0; i < N_OF(quoted); i++) {
		struct flush f = flush_of(str_of(quoted[i].text));
		const char *end = f.text.p + f.text.n, *p = scan_quoted(f.text.p, end, end);

		assert_int_equal(p ? p - f.text.p : -1, quoted[i].want);
		flush_done(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scans),
	    cmocka_unit_test(test_uri_octets),
	    cmocka_unit_test(test_controls),
	    cmocka_unit_test(test_ctl_skip),
	    cmocka_unit_test(test_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

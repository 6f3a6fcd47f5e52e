/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/psom/line.h"

#define HASH "2b1beeeab0b1b927852f80cd6a98cb98bd9128e7568521eb26fa7f9de0475ac6"

static const struct {
	const char *line;
	int want;
	enum psom_line_kind kind;
	const char *server, *name, *conference;
	uint32_t weight, uses;
	uint64_t not_after_s;
} rows[] = {
    {"server dmcu1 weight=1 name=webcon.contoso.com", ED_OK, PSOM_LINE_SERVER, "dmcu1",
	"webcon.contoso.com", "", 1, 1, 0},
    {"server dmcu1", ED_OK, PSOM_LINE_SERVER, "dmcu1", "", "", 1, 1, 0},
    {"server dmcu1 weight=1000", ED_OK, PSOM_LINE_SERVER, "dmcu1", "", "", 1000, 1, 0},
    {"server dmcu1 zone=7 weight=2", ED_OK, PSOM_LINE_SERVER, "dmcu1", "", "", 2, 1, 0},
    {"server dmcu1 server=x", ED_OK, PSOM_LINE_SERVER, "dmcu1", "", "", 1, 1, 0},
    {"gone dmcu1", ED_OK, PSOM_LINE_GONE, "dmcu1", "", "", 1, 1, 0},
    {"ticket " HASH " server=dmcu1 not-after=1767225600 uses=1 conference=BE92", ED_OK,
	PSOM_LINE_TICKET, "dmcu1", "", "BE92", 1, 1, 1767225600},
    {"ticket " HASH " not-after=1 server=a.b-c_d", ED_OK, PSOM_LINE_TICKET, "a.b-c_d", "", "", 1, 1,
	1},
    {"revoke " HASH, ED_OK, PSOM_LINE_REVOKE, "", "", "", 1, 1, 0},
    {"", ED_UNSUPPORTED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"hello", ED_UNSUPPORTED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"Server dmcu1", ED_UNSUPPORTED, 0, NULL, NULL, NULL, 0, 0, 0},
    {" server dmcu1", ED_UNSUPPORTED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server ", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dm:cu1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 x=\x7f", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 x=\x80", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH " server=a not-after=", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dm/cu1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 ", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1  weight=1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 weight", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 =1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 weight=0", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 weight=1001", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 weight=1 weight=1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 name=web con", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 name=", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1 x=\x01", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"server dmcu1\r", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH, ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH " server=dmcu1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH " not-after=1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH "0 server=a not-after=1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket 2b1b server=a not-after=1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH " server=a not-after=-1", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH " server=a not-after=1234567890123456", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0,
	0},
    {"ticket " HASH " server=a not-after=1 uses=0", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"ticket " HASH " server=a not-after=1 uses=1001", ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
    {"revoke g" HASH, ED_MALFORMED, 0, NULL, NULL, NULL, 0, 0, 0},
};

static void
line_table(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].line);
		char *copy = malloc(n ? n : 1);
		struct psom_line l = {0};

		memcpy(copy, rows[i].line, n);
		if (psom_line_read((struct str){copy, n}, &l) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].line);
		if (rows[i].want == ED_OK) {
			assert_int_equal(l.kind, rows[i].kind);
			assert_true(str_eq(l.server, str_of(rows[i].server)));
			assert_true(str_eq(l.name, str_of(rows[i].name)));
			assert_true(str_eq(l.conference, str_of(rows[i].conference)));
			assert_int_equal(l.weight, rows[i].weight);
			assert_int_equal(l.uses, rows[i].uses);
			assert_int_equal(l.not_after_s, rows[i].not_after_s);
		}
		free(copy);
	}
}

/* Each value is good up to its bound and one octet longer is not. */
static void
line_values_have_an_end(void **state)
{
	static const struct {
		const char *before, *after;
		size_t max;
	} values[] = {
	    {"server ", "", PSOM_SERVER_MAX},
	    {"gone ", " x=y", PSOM_SERVER_MAX},
	    {"server a name=", "", PSOM_NAME_MAX},
	    {"ticket " HASH " not-after=1 server=", "", PSOM_SERVER_MAX},
	    {"ticket " HASH " not-after=1 server=a conference=", "", PSOM_CONFERENCE_MAX},
	};
	char big[PSOM_NAME_MAX + 2], text[PSOM_LINE_MAX];
	struct psom_line l;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (size_t more = 0; more < 2; more++) {
			size_t n = values[i].max + more;

			memset(big, 'x', n);
			big[n] = 0;
			snprintf(
			    text, sizeof(text), "%s%s%s", values[i].before, big, values[i].after);
			assert_int_equal(
			    psom_line_read(str_of(text), &l), more ? ED_MALFORMED : ED_OK);
		}
	}
}

/* What we write we read back; the longest one fits. */
static void
line_round_trip(void **state)
{
	char big[PSOM_LINE_MAX], out[PSOM_LINE_MAX];
	struct psom_line in[4] = {
	    {.kind = PSOM_LINE_SERVER, .server = STR("a"), .name = STR("b.example"), .weight = 3},
	    {.kind = PSOM_LINE_GONE, .server = STR("a")},
	    {.kind = PSOM_LINE_TICKET, .uses = 2, .not_after_s = 99}, {.kind = PSOM_LINE_REVOKE}};
	struct psom_line l;
	int n;

	memset(big, 'x', sizeof(big));
	in[2].server = (struct str){big, PSOM_SERVER_MAX};
	in[2].conference = (struct str){big, PSOM_CONFERENCE_MAX};
	memset(in[2].hash, 0xfe, PSOM_HASH_LEN);
	for (size_t i = 0; i < 4; i++) {
		n = psom_line_write(&in[i], out);
		assert_true(n > 0);
		assert_int_equal(out[n - 1], '\n');
		assert_int_equal(psom_line_read((struct str){out, (size_t)n - 1}, &l), ED_OK);
		assert_int_equal(l.kind, in[i].kind);
		assert_true(str_eq(l.server, in[i].server));
		assert_memory_equal(l.hash, in[i].hash, PSOM_HASH_LEN);
	}
	in[0].server = (struct str){big, 300};
	in[0].name = (struct str){big, 300};
	assert_int_equal(psom_line_write(&in[0], out), ED_LIMIT);
}

/* Cuts: any number of pieces gives the same lines. */
static size_t
lines_of(const char *text, size_t piece, char *ret_join)
{
	struct psom_lines ls = {0};
	size_t len = strlen(text), n = 0, at = 0;

	for (size_t from = 0; from < len; from += piece) {
		size_t take = len - from < piece ? len - from : piece;
		char *copy = malloc(take);
		struct str in = {copy, take}, line;

		memcpy(copy, text + from, take);
		while (psom_lines_next(&ls, &in, &line) == 1) {
			memcpy(ret_join + at, line.p, line.n);
			at += line.n;
			ret_join[at++] = '|';
			n++;
		}
		free(copy);
	}
	ret_join[at] = 0;
	return n;
}

static void
lines_cut_everywhere(void **state)
{
	static const char text[] = "server a\n\ngone b\nrevoke c\nnot whole";
	char got[64];

	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		assert_int_equal(lines_of(text, piece, got), 4);
		assert_string_equal(got, "server a||gone b|revoke c|");
	}
}

/* The bound counts the LF, and holds however the octets come. */
static void
lines_bound(void **state)
{
	char text[PSOM_LINE_MAX + 2];
	struct str line;

	memset(text, 'a', sizeof(text));
	for (size_t len = PSOM_LINE_MAX - 1; len <= PSOM_LINE_MAX + 1; len++) {
		int want = len <= PSOM_LINE_MAX ? 1 : ED_LIMIT;
		struct psom_lines whole = {0}, bytes = {0};
		struct str in = {text, len};
		int r = 0;

		text[len - 1] = '\n';
		assert_int_equal(psom_lines_next(&whole, &in, &line), want);
		for (size_t i = 0; i < len && r == 0; i++) {
			in = (struct str){text + i, 1};
			r = psom_lines_next(&bytes, &in, &line);
		}
		assert_int_equal(r, want);
		text[len - 1] = 'a';
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(line_table),
	    cmocka_unit_test(line_values_have_an_end),
	    cmocka_unit_test(line_round_trip),
	    cmocka_unit_test(lines_cut_everywhere),
	    cmocka_unit_test(lines_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

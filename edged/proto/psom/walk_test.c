/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "proto/psom/walk.h"

#define O(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* Invented numbers, not PSOM: psom-webconf 7.2's example and its neighbours. */
static const struct psom_framing two_big = {.len_size = 2, .frame_max = 64};
static const struct psom_framing two_big_zero = {.len_size = 2, .frame_max = 64, .zero_ok = true};
static const struct psom_framing little4 = {
    .len_off = 2, .len_size = 4, .little = true, .len_adjust = -6, .frame_max = 100000};
static const struct psom_framing first = {.len_size = 1, .frame_max = 200, .first_max = 10};
static const struct psom_framing hello = {.preamble = {'P', 'S'},
    .preamble_len = 2,
    .preamble_fixed = true,
    .len_size = 1,
    .frame_max = 9};
static const struct psom_framing skip3 = {.preamble_len = 3, .len_size = 1, .frame_max = 9};

static const struct {
	const char *name;
	const struct psom_framing *f;
	bool answered;
	const uint8_t *in;
	size_t n;
	int want;
	size_t used;
	uint64_t frames;
} rows[] = {
    {"two frames", &two_big, true, O(0, 3, 0xaa, 0xbb, 0xcc, 0, 1, 0xdd), ED_OK, 8, 2},
    {"65 is one too many", &two_big, true, O(0, 0x41, 1, 2, 3), ED_LIMIT, 2, 0},
    {"64 is not", &two_big, true, O(0, 0x40, 1, 2, 3), ED_OK, 5, 0},
    {"nothing in it", &two_big, true, O(0, 0, 1), ED_MALFORMED, 2, 0},
    {"nothing in it, allowed", &two_big_zero, true, O(0, 0, 0, 1, 9), ED_OK, 5, 2},
    {"little end first", &little4, true, O(7, 7, 8, 0, 0, 0, 0xaa, 0xbb), ED_OK, 8, 1},
    {"below zero", &little4, true, O(7, 7, 5, 0, 0, 0, 0xaa), ED_MALFORMED, 6, 0},
    {"all ones", &little4, true, O(7, 7, 255, 255, 255, 255), ED_LIMIT, 6, 0},
    {"tighter before the answer", &first, false, O(11, 1), ED_LIMIT, 1, 0},
    {"wider after it", &first, true, O(11, 1), ED_OK, 2, 0},
    {"fixed preamble", &hello, true, O('P', 'S', 1, 5), ED_OK, 4, 1},
    {"another preamble", &hello, true, O('P', 'T', 1, 5), ED_MALFORMED, 2, 0},
    {"any preamble", &skip3, true, O(9, 9, 9, 1, 5), ED_OK, 5, 1},
    {"nothing", &two_big, true, NULL, 0, ED_OK, 0, 0},
};

static void
walk_table_in_any_cut(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(psom_framing_check(rows[i].f), ED_OK);
		for (size_t piece = 1; piece <= rows[i].n + 1; piece++) {
			struct psom_walk w = {0};
			size_t used = 0, total = 0;
			int r = ED_OK;

			for (size_t at = 0; at < rows[i].n && r == ED_OK; at += piece) {
				size_t take = rows[i].n - at < piece ? rows[i].n - at : piece;

				r = psom_walk_input(rows[i].f, &w, rows[i].answered,
				    (struct str){(const char *)rows[i].in + at, take}, &used);
				total += used;
			}
			if (r != rows[i].want || total != rows[i].used ||
			    w.frames != rows[i].frames)
				fail_msg("%s: piece %zu: %d, %zu used, %llu frames", rows[i].name,
				    piece, r, total, (unsigned long long)w.frames);
		}
	}
}

static void
framing_that_cannot_be_walked(void **state)
{
	static const struct psom_framing bad[] = {
	    {.len_size = 0, .frame_max = 1},
	    {.len_size = 3, .frame_max = 1},
	    {.len_size = 8, .frame_max = 1},
	    {.len_off = 13, .len_size = 4, .frame_max = 1},
	    {.len_off = 255, .len_size = 1, .frame_max = 1},
	    {.len_size = 2, .frame_max = 0},
	    {.len_size = 2, .frame_max = 1, .preamble_len = PSOM_PREAMBLE_MAX + 1},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(psom_framing_check(&bad[i]), ED_UNSUPPORTED);
}

static void
framing_from_an_option(void **state)
{
	static const struct {
		const char *text;
		int want;
		bool on;
	} texts[] = {
	    {"opaque", ED_OK, false},
	    {"lenprefix size=2 max=64", ED_OK, true},
	    {"lenprefix  size=4 order=little adjust=-6 off=2 max=100000 first=10 zero=yes "
	     "preamble=5053",
		ED_OK, true},
	    {"lenprefix size=1 skip=3 max=9", ED_OK, true},
	    {"", ED_MALFORMED, false},
	    {"opaque ", ED_MALFORMED, false},
	    {"lenprefix", ED_MALFORMED, false},
	    {"lenprefix size=3 max=64", ED_MALFORMED, false},
	    {"lenprefix size=2", ED_MALFORMED, false},
	    {"lenprefix size=2 max=64 order=middle", ED_MALFORMED, false},
	    {"lenprefix size=2 max=64 preamble=5", ED_MALFORMED, false},
	    {"lenprefix size=2 max=64 preamble=zz", ED_MALFORMED, false},
	    {"lenprefix size=2 max=-64", ED_MALFORMED, false},
	    {"lenprefix size=2 max=64 off=16", ED_MALFORMED, false},
	    {"lenprefix size=2 max=64 adjust=2147483648", ED_MALFORMED, false},
	    {"lenprefix size=2 max=64 colour=red", ED_MALFORMED, false},
	    {"lenprefix =2 max=64", ED_MALFORMED, false},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct psom_framing f = {0};
		struct ed_fault fault;
		bool on = false;

		if (psom_framing_read(str_of(texts[i].text), &f, &on, &fault) != texts[i].want ||
		    on != texts[i].on)
			fail_msg("%s", texts[i].text);
		if (i == 2) {
			assert_int_equal(f.len_adjust, -6);
			assert_true(f.little && f.zero_ok && f.preamble_fixed);
			assert_int_equal(f.preamble_len, 2);
			assert_int_equal(f.len_off, 2);
			assert_int_equal(f.first_max, 10);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(walk_table_in_any_cut),
	    cmocka_unit_test(framing_that_cannot_be_walked),
	    cmocka_unit_test(framing_from_an_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "hex.h"
#include "proto/msframe/frame.h"
#include "proto/msframe/hello.h"

#define LIBNICE_RANDOM "c1fcd5a3 6d93dd7e 0b45673f ec7985fb bc3fd660 c2ce8485 081b8121 bcaa10fb"
#define HELLO          "16 03 01 00 2d 01 00 00 29 03 01" LIBNICE_RANDOM "00 00 02 00 18 01 00"

static const struct {
	const char *name, *bytes;
	enum msframe_first want;
	size_t decided_at; /* fewer bytes: MORE */
} first_cases[] = {
    {"libnice's hello", HELLO, MSFRAME_FIRST_HELLO, 50},
    {"hello and a frame behind it", HELLO "02 00 00 24", MSFRAME_FIRST_HELLO, 50},
    {"a real ClientHello: longer", "16 03 01 02 00 01 00 01 fc 03 03", MSFRAME_FIRST_TLS, 4},
    {"45 bytes but another suite",
	"16 03 01 00 2d 01 00 00 29 03 01" LIBNICE_RANDOM "00 00 02 00 2f 01 00", MSFRAME_FIRST_TLS,
	48},
    {"record of SSL 2 shape", "16 02", MSFRAME_FIRST_CLOSE, 2},
    {"control frame", "02 00 00 24", MSFRAME_FIRST_FRAMES, 2},
    {"data frame", "03 00 00 24", MSFRAME_FIRST_FRAMES, 2},
    {"reserved byte set", "02 01 00 24", MSFRAME_FIRST_CLOSE, 2},
    {"Google's hello", "8046 0103 0100 2d00", MSFRAME_FIRST_GOOGLE, 5},
    {"nearly Google's", "8046 0102", MSFRAME_FIRST_CLOSE, 4},
    {"standard Allocate", "0003 0008 2112a442", MSFRAME_FIRST_STANDARD, 8},
    {"no cookie", "0003 0008 2212a442", MSFRAME_FIRST_CLOSE, 5},
    {"ChannelData first", "4000 0004", MSFRAME_FIRST_CLOSE, 1},
    {"HTTP", "474554", MSFRAME_FIRST_CLOSE, 1},
};

static void
first_bytes_table(void **state)
{
	uint8_t buf[128];

	(void)state;
	for (size_t i = 0; i < sizeof(first_cases) / sizeof(first_cases[0]); i++) {
		size_t n = hex_bytes(first_cases[i].bytes, buf, sizeof(buf));

		print_message("  %s\n", first_cases[i].name);
		for (size_t k = 0; k <= n; k++)
			assert_int_equal(msframe_first((struct str){(char *)buf, k}),
			    k < first_cases[i].decided_at ? MSFRAME_FIRST_MORE
							  : first_cases[i].want);
	}
}

/* libnice ignores bytes 11-42 and 44-75 of the answer and compares the rest. */
static void
server_hello_is_what_libnice_compares(void **state)
{
	uint8_t random[MSFRAME_HELLO_RANDOM_LEN], got[MSFRAME_SERVER_HELLO_LEN], want[16];

	(void)state;
	memset(random, 0xab, sizeof(random));
	msframe_server_hello(got, 0x01020304, random);
	hex_bytes("16 03 01 00 4e 02 00 00 46 03 01 01020304 ab", want, sizeof(want));
	assert_memory_equal(got, want, 16);
	assert_int_equal(got[43], 0x20);
	hex_bytes("00 18 00 0e 00 00 00", want, sizeof(want));
	assert_memory_equal(got + 76, want, 7);
}

typedef int64_t next_fn(struct str, size_t, struct msframe *);

static const struct {
	const char *name;
	next_fn *next;
	const char *bytes;
	int64_t want;
	int kind;
	size_t body;
} frame_cases[] = {
    {"V13 data, \"hi\" framed", msframe_next, "03 00 0004 0002 6869", 8, MSFRAME_DATA, 4},
    {"control, more behind", msframe_next, "02 00 0001 aa 02 00", 5, MSFRAME_CONTROL, 1},
    {"empty", msframe_next, "02 00 0000", 4, MSFRAME_CONTROL, 0},
    {"reserved byte is not read", msframe_next, "02 ff 0000", 4, MSFRAME_CONTROL, 0},
    {"open", msframe_next, "02 00 0002 aa", 0, 0, 0},
    {"unknown type", msframe_next, "04", ED_MALFORMED, 0, 0},
    {"beyond the limit", msframe_next, "02 00 0061", ED_LIMIT, 0, 0},
    {"message", msframe_next_standard, "0001 0000 2112a442 000102030405060708090a0b", 20,
	MSFRAME_MESSAGE, 20},
    {"message not of fours", msframe_next_standard, "0001 0001", ED_MALFORMED, 0, 0},
    {"channel, padded", msframe_next_standard, "4000 0001 aa000000", 8, MSFRAME_CHANNEL_DATA, 5},
    {"channel, padding not there yet", msframe_next_standard, "4000 0001 aa0000", 0, 0, 0},
    {"channel beyond the limit", msframe_next_standard, "4000 0061", ED_LIMIT, 0, 0},
    {"neither", msframe_next_standard, "80", ED_MALFORMED, 0, 0},
};

/* Whole, and byte by byte: a shorter view must ask for more or refuse, never read on. */
static void
frame_table(void **state)
{
	uint8_t buf[128];

	(void)state;
	for (size_t i = 0; i < sizeof(frame_cases) / sizeof(frame_cases[0]); i++) {
		size_t n = hex_bytes(frame_cases[i].bytes, buf, sizeof(buf));
		struct msframe f = {0};

		print_message("  %s\n", frame_cases[i].name);
		assert_int_equal(frame_cases[i].next((struct str){(char *)buf, n}, 100, &f),
		    frame_cases[i].want);
		if (frame_cases[i].want > 0) {
			assert_int_equal(f.kind, frame_cases[i].kind);
			assert_int_equal(f.body.n, frame_cases[i].body);
		}
		for (size_t k = 0; k < n; k++) {
			char *copy = malloc(k + 1);
			int64_t r;

			memcpy(copy, buf, k);
			r = frame_cases[i].next((struct str){copy, k}, 100, &f);
			if (frame_cases[i].want >= 0)
				assert_true(r == 0 || r == frame_cases[i].want);
			free(copy);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first_bytes_table),
	    cmocka_unit_test(server_hello_is_what_libnice_compares),
	    cmocka_unit_test(frame_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * fuzz_msframe: the first bytes of a TCP connection with the A/V Edge and the frames behind them,
 * in both dialects. The first octet seeds the cuts.
 *
 * Besides memory faults: what a connection is does not change once it is decided, whatever follows;
 * frames and the end are the same however the stream is cut; a frame with its last octet missing
 * asks for more; a frame of the MS dialect that is written again is the same octets.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/msframe/frame.h"
#include "proto/msframe/hello.h"

#define MAX 1500u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

typedef int64_t next_fn(struct str bytes, size_t max, struct msframe *ret);

static void
first(struct str all)
{
	enum msframe_first whole = msframe_first(all);
	bool decided = false;

	for (size_t n = 0; n <= all.n && n <= 128; n++) {
		enum msframe_first now = msframe_first(str_first(all, n));

		must(!decided || now == whole);
		decided = now != MSFRAME_FIRST_MORE;
		if (decided)
			must(now == whole || all.n > 128);
	}
}

static uint64_t
note(uint64_t sum, const struct msframe *f)
{
	sum = sum * 31 + f->kind;
	for (size_t i = 0; i < f->body.n; i++)
		sum = sum * 31 + (uint8_t)f->body.p[i];
	return sum * 31 + f->body.n;
}

static void
check(next_fn *next, struct str in, int64_t used, const struct msframe *f)
{
	uint8_t head[MSFRAME_HEADER_LEN];
	struct msframe g;

	must((size_t)used <= in.n && f->body.n <= (size_t)used && f->body.n <= MAX);
	must(f->body.p >= in.p && f->body.p + f->body.n <= in.p + used);
	must(next(str_first(in, (size_t)used - 1), MAX, &g) == 0);
	if (next == msframe_next) {
		msframe_header(head, f->kind, f->body.n);
		must(memcmp(head, in.p, 1) == 0 && memcmp(head + 2, in.p + 2, 2) == 0);
		must((size_t)used == sizeof(head) + f->body.n);
	}
}

/* seed 0: all at once. Each look sees what has come and has not been used; copied to its own size.
 */
static uint64_t
walk(next_fn *next, struct str all, uint32_t seed, int64_t *ret_end)
{
	size_t have = seed ? 0 : all.n, at = 0;
	uint64_t sum = 0;
	int64_t used = 0;

	for (;;) {
		size_t n = have - at;
		char *copy = malloc(n ? n : 1);
		struct msframe f;

		must(copy != NULL);
		memcpy(copy, all.p + at, n);
		used = next((struct str){copy, n}, MAX, &f);
		if (used > 0) {
			check(next, (struct str){copy, n}, used, &f);
			sum = note(sum, &f);
			at += (size_t)used;
		}
		free(copy);
		if (used < 0 || (used == 0 && have == all.n))
			break;
		if (used == 0) {
			seed = seed * 1664525u + 1013904223u;
			have += 1 + (seed >> 16) % 97;
			if (have > all.n)
				have = all.n;
		}
	}
	*ret_end = used;
	return sum * 31 + at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static next_fn *const nexts[] = {msframe_next, msframe_next_standard};
	struct str all;

	if (size == 0)
		return 0;
	all = (struct str){(const char *)data + 1, size - 1};
	first(all);
	for (int i = 0; i < 2; i++) {
		int64_t end, end_cut;
		uint64_t sum = walk(nexts[i], all, 0, &end);

		must(walk(nexts[i], all, data[0] + 1u, &end_cut) == sum && end == end_cut);
	}
	return 0;
}

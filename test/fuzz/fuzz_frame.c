/* SPDX-License-Identifier: MIT
 *
 * fuzz_frame.c: a byte stream through sip_frame_next, in one piece and in pieces. However the bytes
 * are cut, the same frames come out, and the same refusal at the same place.
 *
 * The cuts are made from a sum over the input. Limits are small enough to be met.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sipparse/frame.h"

#define INPUT_MAX 16384u
#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

static const struct sip_limits limits = {.start_line = 100,
    .header_line = 200,
    .header_block = 700,
    .body = 300,
    .n_lines = 20,
    .n_vias = 8,
    .uri = 128};

struct outcome {
	uint64_t messages, digest; /* of sizes and places of all messages */
	uint64_t keepalive;        /* octets */
	uint64_t used;
	int err;
	struct ed_fault fault;
};

static void
outcome_add(struct outcome *o, const struct sip_frame *f, int64_t used)
{
	if (f->kind == SIP_FRAME_KEEPALIVE) {
		o->keepalive += (uint64_t)used;
	} else {
		o->messages++;
		o->digest = (o->digest ^ o->used ^ ((uint64_t)f->header_len << 32) ^ f->body_len) *
			    0x9e3779b97f4a7c15u;
		MUST(f->header_len >= 4 && f->header_len <= limits.header_block);
		MUST(f->body_len <= limits.body);
		MUST((int64_t)f->header_len + f->body_len == used);
	}
	o->used += (uint64_t)used;
}

/*
 * Lends the framer a copy that ends where a page begins that must not be read. Not malloc: one
 * piece for each octet would keep only the allocator busy.
 */
static int64_t
next_of_copy(struct sip_framer *f, const uint8_t *p, size_t n, struct sip_frame *frame,
    struct ed_fault *fault)
{
	static char *wall;
	char *copy;

	if (!wall) {
		char *map = mmap(NULL, INPUT_MAX + 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		MUST(map != MAP_FAILED);
		wall = map + INPUT_MAX;
		MUST(mprotect(wall, 4096, PROT_NONE) == 0);
	}
	copy = wall - n;
	if (n)
		memcpy(copy, p, n);
	return sip_frame_next(f, (struct str){copy, n}, &limits, frame, fault);
}

/* step 0: all at once; else pieces of 1 .. step octets. */
static struct outcome
run(const uint8_t *p, size_t n, unsigned step, unsigned seed)
{
	struct outcome o = {.err = 0};
	struct sip_frame frame;
	struct sip_framer f;
	size_t have = step ? 0 : n;
	int64_t r;

	sip_framer_init(&f);
	for (;;) {
		r = next_of_copy(&f, p + o.used, have - o.used, &frame, &o.fault);
		if (r < 0) {
			o.err = (int)r;
			MUST(o.fault.code == r && o.fault.what);
			return o;
		}
		MUST((uint64_t)r <= have - o.used);
		if (r > 0) {
			outcome_add(&o, &frame, r);
			continue;
		}
		if (have == n)
			return o;
		seed = seed * 1103515245u + 12345u;
		have += 1 + (seed >> 16) % step;
		if (have > n)
			have = n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const unsigned steps[] = {1, 7, 60, 900};
	struct outcome whole;
	unsigned seed = 2166136261u;

	if (n > INPUT_MAX)
		return 0;
	for (size_t i = 0; i < n; i++)
		seed = (seed ^ data[i]) * 16777619u;
	whole = run(data, n, 0, 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct outcome o;

		if (n / steps[i] > 1024) /* each piece is copied: keep the work in proportion */
			continue;
		o = run(data, n, steps[i], seed);
		MUST(o.messages == whole.messages && o.digest == whole.digest);
		MUST(o.keepalive == whole.keepalive && o.used == whole.used && o.err == whole.err);
	}
	return 0;
}

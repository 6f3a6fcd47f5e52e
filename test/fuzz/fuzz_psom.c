/* SPDX-License-Identifier: MIT
 *
 * fuzz_psom: what reaches the Web Conferencing Edge before a meeting does. The first octet selects:
 * 0 announcement lines, 1 admission (preface and host name), 2 framing walker. FUZZ_TARGET=0, 1 or
 * 2 in the environment selects for all inputs, so that each can be given its time.
 *
 * Besides memory faults it looks for answers that depend on where the input was cut, and compares
 * the walker with a reader that has the whole input (psom-webconf 13, tests 5 and 12).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/psom/line.h"
#include "proto/psom/preface.h"
#include "proto/psom/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* Cuts in by the digits of seed and sums up what the lines say. */
static uint64_t
lines_sum(struct str in, uint32_t seed, int *ret_end)
{
	struct psom_lines ls = {0};
	struct str line;
	struct psom_line l, back;
	char out[PSOM_LINE_MAX];
	uint64_t sum = 0;
	int r = 0, n;

	while (in.n && r == 0) {
		size_t take = seed ? 1 + seed % 61 : in.n;
		struct str piece = str_first(in, take);

		seed = seed ? seed * 1664525u + 1013904223u : 0;
		in = str_from(in, piece.n);
		while ((r = psom_lines_next(&ls, &piece, &line)) == 1) {
			must(line.n < PSOM_LINE_MAX);
			sum = sum * 31 + line.n + 1;
			if (psom_line_read(line, &l) < 0)
				continue;
			n = psom_line_write(&l, out);
			must(n > 0 && psom_line_read((struct str){out, (size_t)n - 1}, &back) == 0);
			must(back.kind == l.kind && str_eq(back.server, l.server) &&
			     str_eq(back.conference, l.conference) &&
			     back.not_after_s == l.not_after_s);
			sum = sum * 31 + l.kind + l.weight + l.uses;
		}
	}
	*ret_end = r;
	return sum;
}

static void
fuzz_lines(const uint8_t *p, size_t n)
{
	struct str in = {(const char *)p, n};
	int whole_end, cut_end;
	uint64_t whole = lines_sum(in, 0, &whole_end);
	uint64_t cut = lines_sum(in, 1 + (uint32_t)n, &cut_end);

	must(whole_end == cut_end && whole == cut);
}

static void
fuzz_admission(const uint8_t *p, size_t n)
{
	uint8_t handle[PSOM_HANDLE_LEN], out[PSOM_PREFACE_MAX];
	char label[PSOM_LABEL_LEN];
	struct str got = STR_NONE, in = {(const char *)p, n};
	int r = psom_preface_read(in, &got);
	size_t sum = 0;

	must(r <= (int)n && r <= (int)PSOM_PREFACE_MAX);
	for (size_t i = 0; i < got.n; i++)
		sum += (uint8_t)got.p[i];
	must(sum <= 255u * PSOM_HANDLE_MAX);
	if (r > 0)
		must(psom_preface_write(got, out) == r && memcmp(out, p, (size_t)r) == 0);
	/* Once refused, more octets do not make it good; once good, fewer are "more". */
	for (size_t cut = 0; cut < n && cut < PSOM_PREFACE_MAX; cut++) {
		int c = psom_preface_read(str_first(in, cut), &got);

		must(c >= 0 ? c == 0 || c == r : r == c);
	}
	if (psom_label_read(in, STR("wc.example"), handle) == ED_OK) {
		psom_label_write(handle, label);
		must(str_eq_nocase(
		    str_first(in, PSOM_LABEL_LEN), (struct str){label, PSOM_LABEL_LEN}));
	}
}

/* The reader with the whole input at hand: where does the walk end, and how? */
static int
walk_reference(
    const struct psom_framing *f, bool answered, const uint8_t *p, size_t n, size_t *ret_used)
{
	uint32_t max =
	    !answered && f->first_max && f->first_max < f->frame_max ? f->first_max : f->frame_max;
	size_t at = f->preamble_len;

	for (size_t i = 0; i < f->preamble_len; i++) {
		if (i >= n)
			break;
		if (f->preamble_fixed && p[i] != f->preamble[i]) {
			*ret_used = i + 1;
			return ED_MALFORMED;
		}
	}
	while (at + f->len_off + f->len_size <= n) {
		const uint8_t *q = p + at + f->len_off;
		int64_t len = 0;

		for (unsigned i = 0; i < f->len_size; i++)
			len |= (int64_t)q[i] << (8 * (f->little ? i : f->len_size - 1 - i));
		len += f->len_adjust;
		at += f->len_off + f->len_size;
		if (len < 0 || (len == 0 && !f->zero_ok) || len > max) {
			*ret_used = at;
			return len > max ? ED_LIMIT : ED_MALFORMED;
		}
		at += (size_t)len;
	}
	*ret_used = n;
	return ED_OK;
}

static void
fuzz_walk(const uint8_t *p, size_t n)
{
	static const uint8_t sizes[] = {1, 2, 4, 2};
	struct psom_framing f = {.preamble = {'P', 'S', 'O', 'M'}};
	struct psom_walk w = {0};
	size_t used = 0, total = 0, want_used;
	uint32_t seed;
	bool answered;
	int r = ED_OK, want;

	if (n < 8)
		return;
	f.len_size = sizes[p[0] & 3];
	f.little = p[0] & 4;
	f.zero_ok = p[0] & 8;
	f.preamble_fixed = p[0] & 16;
	answered = p[0] & 32;
	f.preamble_len = p[1] % 5;
	f.len_off = p[2] % (PSOM_HEAD_MAX - 3);
	f.len_adjust = (int8_t)p[3] * (p[0] & 64 ? 1 << 20 : 1);
	f.frame_max = 1 + p[4] * (p[0] & 128 ? 1u << 23 : 1);
	f.first_max = p[5];
	seed = (uint32_t)p[6] << 8 | p[7];
	p += 8;
	n -= 8;
	must(psom_framing_check(&f) == ED_OK);
	for (size_t at = 0; at < n && r == ED_OK; at += used) {
		size_t take = 1 + seed % 23;

		seed = seed * 1664525u + 1013904223u;
		if (take > n - at)
			take = n - at;
		r = psom_walk_input(
		    &f, &w, answered, (struct str){(const char *)p + at, take}, &used);
		must(used <= take && (r < 0 || used == take));
		total += used;
	}
	want = walk_reference(&f, answered, p, n, &want_used);
	must(r == want && total == want_used);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int chosen = -1;
	unsigned target;
	uint8_t *copy;

	if (chosen < 0) {
		const char *asked = getenv("FUZZ_TARGET");

		chosen = asked && *asked >= '0' && *asked <= '2' ? *asked - '0' : 3;
	}
	if (size == 0)
		return 0;
	target = chosen < 3 ? (unsigned)chosen : data[0] % 3u;
	copy = malloc(size); /* ends where its allocation ends */
	must(copy != NULL);
	memcpy(copy, data, size);
	if (target == 0)
		fuzz_lines(copy + 1, size - 1);
	else if (target == 1)
		fuzz_admission(copy + 1, size - 1);
	else
		fuzz_walk(copy + 1, size - 1);
	free(copy);
	return 0;
}

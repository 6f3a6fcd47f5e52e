/* SPDX-License-Identifier: MIT
 *
 * fuzz_h2: the inside link of the Web Conferencing Edge with a hostile other end. Octet 0 selects
 * the side we are and what the room above does, octet 1 how the input is cut; the rest is what the
 * other end says.
 *
 * Besides memory faults it looks for a callback after the last one, a stream that is never told its
 * end, more octets on a stream than its window allows, and output that grows beyond its mark.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/h2/h2.h"

#define WINDOW    65535u
#define OUT_HIGH  65536u
#define OUT_LIMIT (OUT_HIGH + 262144u)
#define FLOWS     8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct flow {
	struct h2_stream *s; /* NULL: the slot is free */
	size_t unpassed;
	bool wants; /* an h2_write took not all */
};

static struct {
	struct h2 *h;
	struct flow flows[FLOWS];
	char out[OUT_LIMIT];
	size_t n_out, n_flows;
	uint8_t mood; /* octet 0 */
} room;

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static char *
out_reserve(void *arg, size_t n)
{
	return n > OUT_LIMIT - room.n_out ? NULL : room.out + room.n_out;
}

static void
out_commit(void *arg, size_t n)
{
	room.n_out += n;
}

static size_t
out_pending(void *arg)
{
	return room.n_out;
}

/* Streams. */

static void
flow_write(struct flow *f, size_t n)
{
	static const char text[40000];
	size_t took = h2_write(f->s, (struct str){text, n});

	must(took <= n);
	f->wants = took < n;
}

static void
flow_forget(struct flow *f)
{
	*f = (struct flow){0};
	room.n_flows--;
}

static void
on_answer(struct h2_stream *s, void *arg, unsigned status)
{
	struct flow *f = arg;

	must(f->s == s && status >= 200 && status <= 999);
	if (status == 200)
		flow_write(f, 100);
}

/* What a room may do from here: pass on, answer, end, give up. The first octet says which. */
static void
on_bytes(struct h2_stream *s, void *arg, struct str bytes)
{
	struct flow *f = arg;

	must(f->s == s && bytes.n > 0);
	f->unpassed += bytes.n;
	/* The frame that breaks the window is still shown; its stream is reset behind it. */
	must(f->unpassed <= WINDOW + 16384);
	switch ((uint8_t)bytes.p[0] & 7) {
	case 0:
	case 1:
	case 2:
		h2_passed(s, f->unpassed);
		f->unpassed = 0;
		break;
	case 3:
		flow_write(f, bytes.n < 40000 ? bytes.n : 40000);
		break;
	case 4:
		h2_end(s);
		break;
	case 5:
		flow_forget(f);
		h2_reset(s, H2_ENHANCE_YOUR_CALM);
		break;
	default: /* a receiver that stalls */
		break;
	}
}

static void
on_end(struct h2_stream *s, void *arg)
{
	must(((struct flow *)arg)->s == s);
	if (room.mood & 16)
		h2_end(s);
}

static void
on_writable(struct h2_stream *s, void *arg)
{
	struct flow *f = arg;

	must(f->s == s && f->wants);
	flow_write(f, 3000);
}

static void
on_gone(struct h2_stream *s, void *arg, uint32_t code)
{
	struct flow *f = arg;

	must(f->s == s);
	flow_forget(f);
}

static const struct h2_stream_ops flow_ops = {on_answer, on_bytes, on_end, on_writable, on_gone};

static struct flow *
flow_free(void)
{
	for (size_t i = 0; i < FLOWS; i++)
		if (!room.flows[i].s)
			return &room.flows[i];
	return NULL;
}

static void
check_text(struct str s)
{
	must(s.n <= H2_HEADER_LIST_MAX);
	for (size_t i = 0; i < s.n; i++)
		must(s.p[i] > 0x20 && s.p[i] < 0x7f);
}

static void
on_request(struct h2 *h, void *arg, struct h2_stream *s, const struct h2_request *rq)
{
	struct flow *f = flow_free();

	check_text(rq->method);
	check_text(rq->path);
	check_text(rq->authority);
	must(rq->n_heads <= H2_HEADS_MAX);
	for (unsigned i = 0; i < rq->n_heads; i++) {
		check_text(rq->heads[i].value);
		must(rq->heads[i].value.n <= H2_VALUE_MAX);
	}
	if (!f || rq->authority.n % 5 == 4)
		return; /* not taken: it is refused */
	f->s = s;
	room.n_flows++;
	h2_stream_take(s, &flow_ops, f);
	/* on_gone may come inside: f is not looked at behind this. */
	(void)!h2_answer(s, rq->authority.n % 5 == 3 ? 404 : 200, rq->authority.n % 5 != 3);
}

static void
on_goaway(struct h2 *h, void *arg)
{
}

static void
on_ping_ack(struct h2 *h, void *arg, uint64_t token)
{
}

static const struct h2_ops ops = {on_request, on_goaway, on_ping_ack};

/* What time and clients do between two reads. */
static int
between(uint32_t seed)
{
	if (seed & 1) { /* the other end reads */
		room.n_out = 0;
		if (h2_drained(room.h) < 0)
			return -1;
	}
	for (size_t i = 0; i < FLOWS; i++) {
		struct flow *f = &room.flows[i];

		if (f->s && seed >> (i + 1) & 1 && !f->wants)
			flow_write(f, seed % 20000 + 1);
		if (f->s && seed >> (i + 9) & 1 && f->unpassed) {
			h2_passed(f->s, f->unpassed);
			f->unpassed = 0;
		}
	}
	if ((seed >> 20 & 15) == 7 && h2_ping(room.h, seed) < 0)
		return -1;
	if ((seed >> 24 & 63) == 9 && h2_goaway(room.h, H2_NO_ERROR) < 0)
		return -1;
	return 0;
}

static void
open_some(void)
{
	static const struct h2_head get[] = {{{":method", 7}, {"GET", 3}},
	    {{":scheme", 7}, {"https", 5}}, {{":authority", 10}, {"c", 1}},
	    {{":path", 5}, {"/announcements", 14}}};
	static const struct h2_head connect[] = {
	    {{":method", 7}, {"CONNECT", 7}}, {{":authority", 10}, {"dmcu1", 5}}};

	for (size_t i = 0; i < 4; i++) {
		struct flow *f = &room.flows[i];

		room.n_flows++;
		f->s = h2_open(room.h, i ? connect : get, i ? 2 : 4, i > 0, &flow_ops, f);
		if (!f->s)
			room.n_flows--;
	}
}

static void
talk(const uint8_t *p, size_t n, uint32_t seed)
{
	while (n) {
		size_t take = seed % 7 == 0 ? n : 1 + (seed >> 8) % 97;
		uint8_t *copy;
		int r;

		if (take > n)
			take = n;
		copy = malloc(take); /* ends where its allocation ends */
		must(copy != NULL);
		memcpy(copy, p, take);
		r = h2_input(room.h, (struct str){(const char *)copy, take});
		free(copy);
		p += take;
		n -= take;
		seed = seed * 1664525u + 1013904223u;
		/* DATA stops at the mark; what comes on top is bounded by the library. */
		must(room.n_out <= OUT_HIGH + 131072u);
		if (r < 0 || between(seed) < 0)
			return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct h2_out out = {out_reserve, out_commit, out_pending, NULL};
	struct h2_conf conf = {.window = WINDOW, .out_high = OUT_HIGH};

	if (size < 2)
		return 0;
	room.mood = data[0];
	room.n_out = room.n_flows = 0;
	memset(room.flows, 0, sizeof(room.flows));
	conf.side = room.mood & 1 ? H2_ANSWERS : H2_OPENS;
	conf.max_streams = room.mood & 1 ? 20 : 0;
	conf.resets_burst = room.mood & 2 ? 5 : 1000;
	conf.resets_per_s = 1;
	room.h = h2_new(&conf, &out, &ops, NULL);
	must(room.h != NULL && h2_start(room.h) == ED_OK);
	if (conf.side == H2_OPENS)
		open_some();
	else if (room.mood & 4)
		must(h2_input(room.h, (struct str){magic, 24}) == ED_OK);
	talk(data + 2, size - 2, data[1]);
	h2_free(room.h);
	must(room.n_flows == 0); /* each was told its end */
	return 0;
}

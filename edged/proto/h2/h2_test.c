/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/h2/h2.h"

#define WINDOW   (256u * 1024u)
#define OUT_HIGH (64u * 1024u)
#define STREAMS  1001u

/* Two ends joined by two buffers. */
struct pipe {
	char *p;
	size_t n, room;
};

struct end {
	struct h2 *h;
	struct pipe out;
	int over; /* what h2_input said at last */
	int goaways, acks;
	uint64_t token;
};

struct peer { /* one end of a stream */
	struct h2_stream *s;
	unsigned status;
	size_t got, sum, to_send, sent;
	bool hold; /* does not pass on what came */
	bool fin, gone, echo, end_after;
	uint32_t code;
};

static struct end edge, conn;
static uint32_t offered = STREAMS;
/* Static: teardown ends the streams a test left open, and they tell their peers. */
static struct peer nears[11], fars[11];
static struct peer *next_peer; /* takes the next request */
static struct h2_request last_request;
static char last_text[256];

static char *
pipe_reserve(void *arg, size_t n)
{
	struct pipe *q = arg;

	if (q->n + n > q->room) {
		q->room = (q->n + n) * 2;
		q->p = realloc(q->p, q->room);
	}
	return q->p + q->n;
}

static void
pipe_commit(void *arg, size_t n)
{
	((struct pipe *)arg)->n += n;
}

static size_t
pipe_pending(void *arg)
{
	return ((struct pipe *)arg)->n;
}

static char
octet(size_t at)
{
	return (char)(at * 7 + at / 251);
}

static void
peer_push(struct peer *p)
{
	char buf[50000];

	while (p->s && p->sent < p->to_send) {
		size_t n = p->to_send - p->sent, took;

		if (n > sizeof(buf))
			n = sizeof(buf);
		for (size_t i = 0; i < n; i++)
			buf[i] = octet(p->sent + i);
		took = h2_write(p->s, (struct str){buf, n});
		p->sent += took;
		if (took < n)
			return;
	}
	if (p->s && p->end_after) {
		p->end_after = false;
		h2_end(p->s);
	}
}

static void
peer_answer(struct h2_stream *s, void *arg, unsigned status)
{
	((struct peer *)arg)->status = status;
}

static void
peer_bytes(struct h2_stream *s, void *arg, struct str bytes)
{
	struct peer *p = arg;

	for (size_t i = 0; i < bytes.n; i++)
		if (bytes.p[i] != octet(p->got + i))
			fail_msg("octet %zu differs", p->got + i);
	p->got += bytes.n;
	if (!p->hold)
		h2_passed(s, bytes.n);
}

static void
peer_end(struct h2_stream *s, void *arg)
{
	((struct peer *)arg)->fin = true;
}

static void
peer_writable(struct h2_stream *s, void *arg)
{
	peer_push(arg);
}

static void
peer_gone(struct h2_stream *s, void *arg, uint32_t code)
{
	struct peer *p = arg;

	assert_false(p->gone);
	p->gone = true;
	p->code = code;
	p->s = NULL;
}

static const struct h2_stream_ops peer_ops = {
    peer_answer, peer_bytes, peer_end, peer_writable, peer_gone};

static void
end_request(struct h2 *h, void *arg, struct h2_stream *s, const struct h2_request *rq)
{
	last_request = *rq;
	snprintf(last_text, sizeof(last_text), STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT,
	    STR_ARG(rq->method), STR_ARG(rq->authority), STR_ARG(rq->path),
	    STR_ARG(rq->n_heads ? rq->heads[0].value : STR_NONE));
	if (!next_peer)
		return;
	next_peer->s = s;
	h2_stream_take(s, &peer_ops, next_peer);
	assert_int_equal(h2_answer(s, 200, true), ED_OK);
	next_peer = NULL;
}

static void
end_goaway(struct h2 *h, void *arg)
{
	((struct end *)arg)->goaways++;
}

static void
end_ack(struct h2 *h, void *arg, uint64_t token)
{
	((struct end *)arg)->acks++;
	((struct end *)arg)->token = token;
}

static const struct h2_ops end_ops = {end_request, end_goaway, end_ack};

static void
end_make(struct end *e, enum h2_side side)
{
	struct h2_conf conf = {.side = side,
	    .max_streams = offered,
	    .window = WINDOW,
	    .out_high = OUT_HIGH,
	    .resets_burst = 5,
	    .resets_per_s = 1};
	struct h2_out out = {pipe_reserve, pipe_commit, pipe_pending, &e->out};

	memset(e, 0, sizeof(*e));
	e->h = h2_new(&conf, &out, &end_ops, e);
	assert_non_null(e->h);
	assert_int_equal(h2_start(e->h), ED_OK);
}

static bool
carry(struct end *from, struct end *to)
{
	struct pipe q = from->out;

	if (q.n == 0)
		return false;
	from->out = (struct pipe){0};
	if (to->over >= 0)
		to->over = h2_input(to->h, (struct str){q.p, q.n});
	free(q.p);
	if (from->over >= 0)
		from->over = h2_drained(from->h);
	return true;
}

static void
run(void)
{
	int n = 0;

	while (carry(&edge, &conn) | carry(&conn, &edge))
		assert_true(++n < 100000);
}

static int
setup(void **state)
{
	end_make(&edge, H2_OPENS);
	end_make(&conn, H2_ANSWERS);
	memset(nears, 0, sizeof(nears));
	memset(fars, 0, sizeof(fars));
	next_peer = NULL;
	run();
	return 0;
}

static int
teardown(void **state)
{
	h2_free(edge.h);
	h2_free(conn.h);
	free(edge.out.p);
	free(conn.out.p);
	return 0;
}

static struct h2_stream *
open_stream(struct peer *near, struct peer *far)
{
	const struct h2_head heads[] = {{STR(":method"), STR("CONNECT")},
	    {STR(":authority"), STR("dmcu1")}, {STR("edged-client"), STR("203.0.113.9:51234")}};

	next_peer = far;
	near->s = h2_open(edge.h, heads, 3, true, &peer_ops, near);
	return near->s;
}

/* 3 MB each way, more than any window; then both ends close and both streams are gone in order. */
static void
bytes_both_ways(void **state)
{
	struct peer *near = nears, *far = fars;

	*near = *far = (struct peer){.to_send = 3000000, .end_after = true};

	assert_non_null(open_stream(near, far));
	peer_push(near);
	run();
	peer_push(far);
	run();
	assert_string_equal(last_text, "CONNECT|dmcu1||203.0.113.9:51234");
	assert_int_equal(near->status, 200);
	assert_int_equal(far->got, 3000000);
	assert_int_equal(near->got, 3000000);
	assert_true(near->fin && far->fin && near->gone && far->gone);
	assert_int_equal(near->code, H2_NO_ERROR);
	assert_int_equal(h2_streams(edge.h) + h2_streams(conn.h), 0);
}

/* Test 4: a receiver that stalls holds its window and nothing else. */
static void
one_of_ten_stalls(void **state)
{
	struct peer *near = nears, *far = fars;

	for (int i = 0; i < 10; i++) {
		assert_non_null(open_stream(&near[i], &far[i]));
		run();
		far[i].hold = i == 3;
		near[i].to_send = 1000000;
	}
	for (int i = 0; i < 10; i++)
		peer_push(&near[i]);
	run();
	for (int i = 0; i < 10; i++)
		assert_int_equal(far[i].got, i == 3 ? WINDOW : 1000000);
	/* It wakes up: the rest comes. */
	far[3].hold = false;
	h2_passed(far[3].s, far[3].got);
	run();
	assert_int_equal(far[3].got, 1000000);
}

/* The output is not filled beyond its mark, whoever writes. */
static void
output_stays_below_its_mark(void **state)
{
	struct peer *near = nears, *far = fars;

	for (int i = 0; i < 4; i++) {
		assert_non_null(open_stream(&near[i], &far[i]));
		run();
		near[i].to_send = 500000;
	}
	for (int i = 0; i < 4; i++)
		peer_push(&near[i]);
	assert_in_range(edge.out.n, OUT_HIGH, OUT_HIGH + 4 * (16384 + 9));
	run();
	for (int i = 0; i < 4; i++)
		assert_int_equal(far[i].got, 500000);
}

/* Test 2: who has much to say gets no more than who else has. Ten writers, a link that carries 2
 * MB. */
static void
shares_are_fair(void **state)
{
	size_t least = SIZE_MAX, most = 0;

	for (int i = 0; i < 10; i++) {
		assert_non_null(open_stream(&nears[i], &fars[i]));
		run();
		nears[i].to_send = 50000000;
	}
	for (int i = 0; i < 10; i++)
		peer_push(&nears[i]);
	while (fars[0].got < 2000000)
		assert_true(carry(&edge, &conn) | carry(&conn, &edge));
	for (int i = 0; i < 10; i++) {
		least = fars[i].got < least ? fars[i].got : least;
		most = fars[i].got > most ? fars[i].got : most;
	}
	assert_true(least * 10 >= most * 8);
}

static void
half_close(void **state)
{
	struct peer *near = nears, *far = fars;

	*near = (struct peer){.to_send = 10, .end_after = true};

	assert_non_null(open_stream(near, far));
	peer_push(near);
	run();
	assert_true(far->fin);
	assert_false(far->gone || near->gone);
	far->to_send = 400000;
	peer_push(far);
	run();
	assert_int_equal(near->got, 400000);
	h2_end(far->s);
	run();
	assert_true(near->fin && near->gone && far->gone);
}

static void
reset_each_way(void **state)
{
	struct peer *near = nears, *far = fars;

	assert_non_null(open_stream(near, far));
	run();
	h2_reset(near->s, H2_ENHANCE_YOUR_CALM);
	run();
	assert_false(near->gone); /* who gave it up hears no more */
	assert_true(far->gone);
	assert_int_equal(far->code, H2_ENHANCE_YOUR_CALM);
	*near = (struct peer){0};
	*far = (struct peer){0};
	assert_non_null(open_stream(near, far));
	run();
	h2_reset(far->s, H2_CANCEL);
	run();
	assert_true(near->gone);
	assert_int_equal(near->code, H2_CANCEL);
	assert_int_equal(h2_streams(edge.h) + h2_streams(conn.h), 0);
}

/* A request that nobody takes is refused, and says so. */
static void
request_not_taken(void **state)
{
	struct peer *near = nears;

	assert_non_null(open_stream(near, NULL));
	run();
	assert_true(near->gone);
	assert_int_equal(near->code, H2_REFUSED_STREAM);
}

/* Test 10: GOAWAY stops new streams, old ones finish. */
static void
goaway_drains(void **state)
{
	struct peer *near = nears, *far = fars, *late = &nears[1];

	near->to_send = 1000000;

	assert_non_null(open_stream(near, far));
	run();
	assert_int_equal(h2_goaway(conn.h, H2_NO_ERROR), ED_OK);
	run();
	assert_int_equal(edge.goaways, 1);
	assert_null(open_stream(late, NULL));
	peer_push(near);
	run();
	assert_int_equal(far->got, 1000000);
	h2_end(near->s);
	h2_end(far->s);
	run();
	assert_true(near->gone && far->gone);
}

/* A request that waits for its turn when the other end leaves is told so. */
static void
goaway_meets_a_waiting_request(void **state)
{
	struct peer *near = nears, *late = &nears[1];

	teardown(state);
	offered = 1;
	setup(state);
	offered = STREAMS;
	assert_non_null(open_stream(near, fars));
	run();
	assert_non_null(open_stream(late, &fars[1]));
	run();
	assert_int_equal(late->status, 0);
	assert_false(late->gone);
	assert_int_equal(h2_goaway(conn.h, H2_NO_ERROR), ED_OK);
	run();
	assert_false(near->gone);
	h2_reset(near->s, H2_CANCEL); /* its turn would come now */
	run();
	assert_true(late->gone);
	assert_int_equal(late->code, H2_REFUSED_STREAM);
	next_peer = NULL;
}

/* Who said GOAWAY opens nothing more itself. */
static void
own_goaway(void **state)
{
	assert_int_equal(h2_goaway(edge.h, H2_NO_ERROR), ED_OK);
	assert_null(open_stream(nears, NULL));
	run();
	assert_int_equal(conn.goaways, 1);
}

/* The output is full and one waits: when a little of it left, the next writer does not overtake. */
static void
who_waits_goes_first(void **state)
{
	struct peer *a = nears, *b = &nears[1], *c = &nears[2];
	size_t before;

	for (int i = 0; i < 3; i++) {
		assert_non_null(open_stream(&nears[i], &fars[i]));
		run();
	}
	a->to_send = b->to_send = c->to_send = 200000;
	peer_push(a);
	peer_push(b); /* nothing taken: it waits */
	assert_int_equal(b->sent, 0);
	before = a->sent;
	edge.out.n -= OUT_HIGH / 4; /* as if so much had left */
	assert_int_equal(h2_drained(edge.h), ED_OK);
	peer_push(a);
	peer_push(c);
	assert_int_equal(a->sent, before);
	assert_int_equal(c->sent, 0);
	assert_int_equal(b->sent, 0);          /* not worth waking anybody yet */
	for (int turn = 0; turn < 2; turn++) { /* the first is a's */
		edge.out.n = 0;
		assert_int_equal(h2_drained(edge.h), ED_OK);
	}
	assert_true(a->sent > before && b->sent > 0);
}

/* Who allows fewer streams than we would open gets no more; one that ended makes room. */
static void
other_ends_limit(void **state)
{
	teardown(state);
	offered = 2;
	setup(state);
	offered = STREAMS;
	assert_true(h2_has_room(edge.h));
	for (int i = 0; i < 2; i++) {
		assert_non_null(open_stream(&nears[i], &fars[i]));
		run();
	}
	assert_false(h2_has_room(edge.h));
	h2_reset(nears[0].s, H2_CANCEL);
	run();
	assert_true(h2_has_room(edge.h));
}

static void
ping_comes_back(void **state)
{
	assert_int_equal(h2_ping(edge.h, 0x0123456789abcdefull), ED_OK);
	run();
	assert_int_equal(edge.acks, 1);
	assert_true(edge.token == 0x0123456789abcdefull);
}

/* The session is lost with streams open: each hears it once. */
static void
free_tells_all(void **state)
{
	struct peer *near = nears, *far = fars;

	for (int i = 0; i < 3; i++) {
		assert_non_null(open_stream(&near[i], &far[i]));
		run();
	}
	edge.h = h2_free(edge.h);
	for (int i = 0; i < 3; i++)
		assert_true(near[i].gone);
}

/* Test 6: a hostile other end. Frames are written by hand. */
struct raw {
	char p[400000];
	size_t n;
};

static void
raw_frame(struct raw *r, uint8_t type, uint8_t flags, uint32_t id, const char *body, size_t n)
{
	const char head[9] = {(char)(n >> 16), (char)(n >> 8), (char)n, (char)type, (char)flags,
	    (char)(id >> 24), (char)(id >> 16), (char)(id >> 8), (char)id};

	assert_true(r->n + 9 + n <= sizeof(r->p));
	memcpy(r->p + r->n, head, 9);
	if (n)
		memcpy(r->p + r->n + 9, body, n);
	r->n += 9 + n;
}

static void
hostile_peer(void **state)
{
	static char zeros[70000];
	/* :method CONNECT, :authority "a": literal without indexing */
	static const char connect_block[] = "\x02\x07"
					    "CONNECT"
					    "\x01\x01"
					    "a";
	enum { BIG, FLOOD_SETTINGS, CONTINUATION, WINDOW_OVER, RAPID_RESET, DATA_ON_0, CASES };
	static const int want[CASES] = {[BIG] = ED_MALFORMED,
	    [FLOOD_SETTINGS] = ED_LIMIT,
	    [CONTINUATION] = ED_MALFORMED,
	    [WINDOW_OVER] = ED_MALFORMED,
	    [RAPID_RESET] = ED_MALFORMED, /* the library says INTERNAL_ERROR */
	    [DATA_ON_0] = ED_MALFORMED};
	static struct raw r;

	for (int kind = 0; kind < CASES; kind++) {
		struct end e;
		int got;

		r.n = 0;
		end_make(&e, H2_ANSWERS);
		memcpy(r.p, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
		r.n = 24;
		raw_frame(&r, 4, 0, 0, NULL, 0);
		if (kind == BIG)
			raw_frame(&r, 0, 0, 1, zeros, 20000);
		if (kind == FLOOD_SETTINGS)
			for (int i = 0; i < 1500; i++)
				raw_frame(&r, 4, 0, 0, NULL, 0);
		if (kind == CONTINUATION) {
			raw_frame(&r, 1, 0, 1, connect_block, sizeof(connect_block) - 1);
			for (int i = 0; i < 5000; i++)
				raw_frame(&r, 9, 0, 1, NULL, 0);
		}
		if (kind == WINDOW_OVER)
			for (int i = 0; i < 2; i++)
				raw_frame(&r, 8, 0, 0, "\x7f\xff\xff\xff", 4);
		if (kind == RAPID_RESET)
			for (uint32_t i = 0; i < 50; i++) {
				raw_frame(
				    &r, 1, 4, 2 * i + 1, connect_block, sizeof(connect_block) - 1);
				raw_frame(&r, 3, 0, 2 * i + 1, "\0\0\0\x08", 4);
			}
		if (kind == DATA_ON_0)
			raw_frame(&r, 0, 0, 0, zeros, 10);
		got = h2_input(e.h, (struct str){r.p, r.n});
		if (got != want[kind])
			fail_msg("case %d: %s", kind, ed_err_name(got));
		assert_true(e.out.n < 100000);
		h2_free(e.h);
		free(e.out.p);
	}
}

/* Answers that go out at once never wait, so the library's limit does not see this flood. */
static void
pings_are_bounded(void **state)
{
	static struct raw r;

	for (int refill = 0; refill < 2; refill++) {
		struct end e;
		int got = ED_OK;
		uint32_t sent = 1; /* SETTINGS */

		end_make(&e, H2_ANSWERS);
		memcpy(r.p, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
		r.n = 24;
		raw_frame(&r, 4, 0, 0, NULL, 0);
		assert_int_equal(h2_input(e.h, (struct str){r.p, r.n}), ED_OK);
		while (got == ED_OK && sent < 3 * H2_CONTROLS_MAX) {
			r.n = 0;
			for (int i = 0; i < 500; i++, sent++)
				raw_frame(&r, 6, 0, 0, "12345678", 8);
			got = h2_input(e.h, (struct str){r.p, r.n});
			e.out.n = 0; /* the other end reads */
			if (refill)
				h2_controls_refill(e.h);
		}
		assert_int_equal(got, refill ? ED_OK : ED_LIMIT);
		assert_true(refill || sent <= H2_CONTROLS_MAX + 500);
		h2_free(e.h);
		free(e.out.p);
	}
}

static void
heads_refused(const struct h2_head *heads, size_t n)
{
	struct peer *near = nears;

	*near = (struct peer){0};
	next_peer = fars;
	fars[0].s = NULL;
	near->s = h2_open(edge.h, heads, n, true, &peer_ops, near);
	assert_non_null(near->s);
	run();
	assert_true(near->gone);
	assert_null(fars[0].s);
	next_peer = NULL;
}

/* So do too many of ours, and more text than we keep. */
static void
header_lists_are_bounded(void **state)
{
	static char name[3000];
	struct h2_head heads[12] = {
	    {STR(":method"), STR("CONNECT")}, {STR(":authority"), STR("a")}};
	struct peer *near = &nears[1], *far = &fars[1];

	for (size_t i = 2; i < 11; i++)
		heads[i] = (struct h2_head){STR("edged-x"), STR("y")};
	heads_refused(heads, 11);
	memset(name, 'n', sizeof(name));
	memcpy(name, "edged-", 6);
	heads[2].name = heads[3].name = (struct str){name, sizeof(name)};
	heads_refused(heads, 4);
	/* The last value is what is too much. */
	heads[2].name.n = heads[3].name.n = 1900;
	heads[2].value = heads[3].value = (struct str){name, H2_VALUE_MAX};
	heads_refused(heads, 4);
	heads[2] = (struct h2_head){STR("edged-x"), STR("\x80")};
	heads_refused(heads, 3);
	/* Eight are welcome; whether a body follows is told. */
	for (size_t i = 2; i < 10; i++)
		heads[i] = (struct h2_head){STR("edged-x"), STR("y")};
	next_peer = far;
	near->s = h2_open(edge.h, heads, 10, true, &peer_ops, near);
	run();
	assert_int_equal(near->status, 200);
	assert_int_equal(last_request.n_heads, 8);
	assert_false(last_request.ended);
	heads[0].value = STR("GET");
	heads[2] = (struct h2_head){STR(":scheme"), STR("https")};
	heads[3] = (struct h2_head){STR(":path"), STR("/x")};
	next_peer = &fars[2];
	nears[2].s = h2_open(edge.h, heads, 4, false, &peer_ops, &nears[2]);
	run();
	assert_true(last_request.ended);
}

/* Values beyond the bound, or with octets that are not visible, cost that stream only. */
static void
header_values_are_checked(void **state)
{
	static char big[H2_VALUE_MAX + 1];
	struct peer *near = nears, *far = fars, *good = &nears[1], *good_far = &fars[1];
	const struct h2_head heads[] = {{STR(":method"), STR("CONNECT")},
	    {STR(":authority"), STR("dmcu1")}, {STR("edged-sni"), {big, sizeof(big)}}};
	struct h2_head blank[3];

	memset(big, 'x', sizeof(big));
	next_peer = far;
	near->s = h2_open(edge.h, heads, 3, true, &peer_ops, near);
	run();
	assert_true(near->gone);
	memcpy(blank, heads, sizeof(blank));
	blank[2].value = STR("a b");
	*near = (struct peer){0};
	near->s = h2_open(edge.h, blank, 3, true, &peer_ops, near);
	run();
	assert_true(near->gone);
	assert_null(far->s);
	assert_non_null(open_stream(good, good_far));
	run();
	assert_int_equal(good->status, 200);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(bytes_both_ways),
	    T(one_of_ten_stalls),
	    T(output_stays_below_its_mark),
	    T(shares_are_fair),
	    T(half_close),
	    T(reset_each_way),
	    T(request_not_taken),
	    T(goaway_drains),
	    T(goaway_meets_a_waiting_request),
	    T(own_goaway),
	    T(who_waits_goes_first),
	    T(other_ends_limit),
	    T(ping_comes_back),
	    T(pings_are_bounded),
	    T(free_tells_all),
	    cmocka_unit_test(hostile_peer),
	    T(header_values_are_checked),
	    T(header_lists_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

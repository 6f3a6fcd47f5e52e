/* SPDX-License-Identifier: MIT
 *
 * edit_test.c: splices, one by one and at random beside a naive model.
 */
#include "table.h"

#include <stdio.h>

#include "sipparse/edit.h"

#define HEAD "MESSAGE sip:b SIP/2.0\r\n"
#define REST                                                                                       \
	"Via: SIP/2.0/TLS a\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\n"               \
	"CSeq: 1 MESSAGE\r\nl: 2\r\n\r\nhi"

struct bench {
	struct arena a;
	struct sip_msg *m;
	struct sip_edits e;
};

static void
bench_init(struct bench *b, const char *in)
{
	struct ed_fault fault = {.what = ""};
	int r;

	arena_init(&b->a, NULL, 0, 256 * 1024);
	r = sip_msg_parse(&b->a, str_of(in), &SIP_LIMITS_CLIENT, &b->m, &fault);
	if (r < 0)
		print_error("%s: %s\n", in, fault.what);
	assert_int_equal(r, ED_OK);
	sip_edits_init(&b->e, &b->a, b->m);
}

/* Writes, compares, and drops the arena. */
static void
bench_done(struct bench *b, const char *want)
{
	int64_t n = sip_edits_size(&b->e);
	struct str w = str_of(want);
	char *out;

	assert_true(n >= 0);
	out = malloc((size_t)n + 1);
	assert_int_equal(sip_edits_write(&b->e, out), n);
	if ((size_t)n != w.n || memcmp(out, w.p, w.n) != 0)
		print_error("got:\n%.*s\nwant:\n%s\n", (int)n, out, want);
	assert_int_equal(n, w.n);
	assert_memory_equal(out, w.p, w.n);
	free(out);
	arena_done(&b->a);
}

static void
test_nothing(void **state)
{
	struct bench b;

	bench_init(&b, HEAD REST);
	bench_done(&b, HEAD REST);
}

static void
test_lines(void **state)
{
	struct bench b;

	bench_init(&b, HEAD "A: 1\r\nX: 2\r\nA: 3\r\n" REST);
	sip_edit_insert_last(&b.e, STR("Z: 9\r\n"));
	sip_edit_delete_line(&b.e, &b.m->lines[1]);
	sip_edit_insert_before(&b.e, &b.m->lines[1], STR("Y: 8\r\n"));
	sip_edit_replace_value(&b.e, &b.m->lines[1], STR("swallowed"));
	sip_edit_replace_value(&b.e, &b.m->lines[0], STR("11"));
	sip_edit_insert_first(&b.e, STR("B: 0\r\n"));
	sip_edit_insert_first(&b.e, STR("B: 1\r\n"));
	sip_edit_replace_uri(&b.e, STR("sip:other"));
	bench_done(&b, "MESSAGE sip:other SIP/2.0\r\nB: 0\r\nB: 1\r\nA: 11\r\nY: 8\r\nA: 3\r\n"
		       "Via: SIP/2.0/TLS a\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\n"
		       "CSeq: 1 MESSAGE\r\nl: 2\r\nZ: 9\r\n\r\nhi");
}

static void
test_delete_all(void **state)
{
	struct bench b;

	bench_init(&b, HEAD "ms-edge-a: 1\r\nX: 2\r\nms-edge-b: 3\r\n 4\r\nServer:\r\n" REST);
	sip_edit_delete_all(&b.e, SIP_HDR_MS_EDGE_OTHER);
	sip_edit_delete_all(&b.e, SIP_HDR_MS_EDGE_OTHER); /* asked twice, gone once */
	sip_edit_delete_all(&b.e, SIP_HDR_SERVER);
	sip_edit_delete_all(&b.e, SIP_HDR_WARNING);
	bench_done(&b, HEAD "X: 2\r\n" REST);
}

/* An edit in front of a deleted line stays, in whatever order both were asked for. */
static void
test_insert_beside_deletion(void **state)
{
	struct bench b;

	bench_init(&b, HEAD "X: 2\r\n" REST);
	sip_edit_delete_line(&b.e, &b.m->lines[0]);
	sip_edit_insert_before(&b.e, &b.m->lines[0], STR("A: 1\r\n"));
	sip_edit_insert_before(&b.e, &b.m->lines[1], STR("B: 1\r\n"));
	bench_done(&b, HEAD "A: 1\r\nB: 1\r\n" REST);
}

/* All ways to take values out of "a , b,\tc" (bit i set: value i goes). */
static void
test_delete_values(void **state)
{
	static const char *const want[8] = {
	    "Route: <sip:a> , <sip:b>,\t<sip:c>\r\n",
	    "Route: <sip:b>,\t<sip:c>\r\n",
	    "Route: <sip:a> , <sip:c>\r\n",
	    "Route: <sip:c>\r\n",
	    "Route: <sip:a> , <sip:b>\r\n",
	    "Route: <sip:b>\r\n",
	    "Route: <sip:a>\r\n",
	    "",
	};

	for (unsigned mask = 0; mask < 8; mask++) {
		struct bench b;
		struct sip_values it;
		struct sip_value v;
		char text[300];

		bench_init(&b, HEAD "Route: <sip:a> , <sip:b>,\t<sip:c>\r\n" REST);
		sip_values_init(&it, b.m, SIP_HDR_ROUTE);
		for (unsigned i = 0; sip_values_next(&it, &v) == 1; i++)
			if (mask & (1u << i))
				sip_edit_delete_value(&b.e, &v);
		snprintf(text, sizeof(text), "%s%s%s", HEAD, want[mask], REST);
		bench_done(&b, text);
	}
}

static void
test_delete_values_of_folded_line(void **state)
{
	struct bench b;
	struct sip_values it;
	struct sip_value v;

	bench_init(&b, HEAD "Supported: a,\r\n b\r\n ,c\r\n" REST);
	sip_values_init(&it, b.m, SIP_HDR_SUPPORTED);
	assert_int_equal(sip_values_next(&it, &v), 1);
	assert_int_equal(sip_values_next(&it, &v), 1);
	sip_edit_delete_value(&b.e, &v);
	assert_int_equal(sip_values_next(&it, &v), 1);
	sip_edit_delete_value(&b.e, &v);
	bench_done(&b, HEAD "Supported: a\r\n" REST);
}

static void
test_no_memory(void **state)
{
	struct bench b;

	bench_init(&b, HEAD REST);
	b.a.cap = b.a.used;
	sip_edit_insert_first(&b.e, STR("X: 1\r\n"));
	assert_int_equal(sip_edits_size(&b.e), ED_NOMEM);
	arena_done(&b.a);
}

#ifdef NDEBUG
/* A splice outside the message is our own mistake: it costs the message, not the memory. */
static void
test_outside(void **state)
{
	struct bench b;

	bench_init(&b, HEAD REST);
	sip_edit_splice(&b.e, (uint32_t)b.m->bytes.n, 1, STR_NONE);
	assert_int_equal(sip_edits_size(&b.e), ED_STATE);
	arena_done(&b.a);
}
#endif

/*
 * Random edits beside a model that marks octets: mark[i] 1 = cut; text inserted in front of octet i
 * is kept as a list per octet. Edits of one place come out in the order asked for.
 */
static unsigned
rnd(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

static void
random_round(unsigned seed)
{
	static const char in[] = HEAD "Aa: 1\r\nBb: two, three\r\n four\r\nCc:\r\nX: 5\r\n" REST;
	static const char *const texts[] = {"", "q", "XY: z\r\n", "0123456789"};
	enum { LEN = sizeof(in) - 1 };
	static char model[LEN + 1][256];
	bool cut[LEN + 1] = {false}, inside[LEN + 1] = {false}, touched[LEN + 1] = {false};
	char want[LEN + 8192];
	struct bench b;
	size_t n = 0;

	memset(model, 0, sizeof(model));
	bench_init(&b, in);
	for (unsigned i = rnd(&seed, 12); i > 0; i--) {
		struct str text = str_of(texts[rnd(&seed, N_OF(texts))]);
		uint32_t at = rnd(&seed, LEN + 1), len = rnd(&seed, 9);
		bool clash = inside[at];

		/* Overlaps are our own mistake and not modelled. */
		for (uint32_t k = at; k < at + len && !clash; k++)
			clash = k >= LEN || cut[k] || (k > at && touched[k]);
		if (clash)
			continue;
		sip_edit_splice(&b.e, at, len, text);
		touched[at] = true;
		strncat(model[at], text.p, text.n);
		for (uint32_t k = at; k < at + len; k++) {
			cut[k] = true;
			inside[k] = k > at;
		}
	}
	for (size_t i = 0; i <= LEN; i++) {
		size_t k = strlen(model[i]);

		memcpy(want + n, model[i], k);
		n += k;
		if (i < LEN && !cut[i])
			want[n++] = in[i];
	}
	want[n] = '\0';
	bench_done(&b, want);
}

static void
test_random_edits(void **state)
{
	for (unsigned seed = 1; seed <= 20000; seed++)
		random_round(seed * 2654435761u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_delete_all),
	    cmocka_unit_test(test_insert_beside_deletion),
	    cmocka_unit_test(test_delete_values),
	    cmocka_unit_test(test_delete_values_of_folded_line),
	    cmocka_unit_test(test_no_memory),
#ifdef NDEBUG
	    cmocka_unit_test(test_outside),
#endif
	    cmocka_unit_test(test_random_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

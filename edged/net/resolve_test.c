/* SPDX-License-Identifier: MIT
 *
 * net/resolve_test.c: a small DNS server of our own in the same loop; it can be honest, silent or
 * hostile.
 */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/loop.h"
#include "net/resolve_parse.h"

struct got {
	struct scene *s;
	int n;
	struct resolve_answer a;
	const char *then_cancel; /* other's arg, cancelled in the callback */
	struct got *other;
};

struct scene {
	struct loop *l;
	struct resolve *r;
	int fd;
	struct event *ev;
	char server[64];
	int questions;
	struct addr from; /* of the last one */
	bool mute;
	uint32_t ttl;
	int waits; /* answers until the loop stops */
	struct timer stop;
};

struct pkt {
	uint8_t p[4096];
	size_t n;
};

static void
put(struct pkt *k, const void *p, size_t n)
{
	memcpy(k->p + k->n, p, n);
	k->n += n;
}

static void
put16(struct pkt *k, unsigned v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(k, b, 2);
}

static void
put_name(struct pkt *k, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");
		uint8_t len = (uint8_t)n;

		put(k, &len, 1);
		put(k, name, n);
		name += n + (name[n] == '.');
	}
	put(k, "", 1);
}

static void
put_head(struct pkt *k, unsigned type, uint32_t ttl, unsigned len)
{
	put16(k, 0xc00c); /* the question's name */
	put16(k, type);
	put16(k, 1);
	put16(k, ttl >> 16);
	put16(k, ttl & 0xffff);
	put16(k, len);
}

static void
put_srv(struct pkt *k, uint32_t ttl, unsigned priority, unsigned weight, unsigned port,
    const char *target)
{
	put_head(k, 33, ttl, (unsigned)(6 + strlen(target) + 2 - (target[0] == 0)));
	put16(k, priority);
	put16(k, weight);
	put16(k, port);
	put_name(k, target);
}

static void
on_question(evutil_socket_t fd, short what, void *arg)
{
	struct scene *s = arg;
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	uint8_t q[512];
	ssize_t n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &from_len);
	struct pkt k = {.n = 0};
	unsigned type, count = 0;
	char name[256] = "";
	size_t at = 12;

	if (n < 17)
		return;
	s->questions++;
	assert_int_equal(addr_from_sockaddr(&s->from, (struct sockaddr *)&from, from_len), ED_OK);
	if (s->mute)
		return;
	while (at < (size_t)n && q[at]) {
		if (name[0])
			strcat(name, ".");
		strncat(name, (char *)q + at + 1, q[at]);
		at += 1u + q[at];
	}
	type = (unsigned)q[at + 1] << 8 | q[at + 2];
	put(&k, q, at + 5);
	k.p[2] = 0x84;
	k.p[3] = 0x80;
	memset(k.p + 6, 0, 6);
	if (strcmp(name, "fe.contoso.net") == 0 && type == 1) {
		for (count = 0; count < 2; count++) {
			put_head(&k, 1, s->ttl, 4);
			put(&k, (uint8_t[]){192, 0, 2, (uint8_t)(9 - count)}, 4);
		}
	} else if (strcmp(name, "fe.contoso.net") == 0 && type == 28) {
		put_head(&k, 28, s->ttl, 16);
		put(&k, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 1}, 16);
		count = 1;
	} else if (strcmp(name, "many.contoso.net") == 0 && type == 1) {
		for (count = 0; count < 25; count++) {
			put_head(&k, 1, s->ttl, 4);
			put(&k, (uint8_t[]){192, 0, 2, (uint8_t)count}, 4);
		}
	} else if (type == 33 && strstr(name, "fabrikam")) {
		put_srv(&k, s->ttl, 20, 0, 5061, "c.fabrikam.com");
		put_srv(&k, s->ttl, 10, 5, 5061, "b2.fabrikam.com");
		put_srv(&k, s->ttl, 10, 60, 5061, "A.Fabrikam.com");
		put_srv(&k, s->ttl, 10, 5, 5062, "b3.fabrikam.com");
		count = 4;
	} else if (type == 33 && strstr(name, "closed")) {
		put_srv(&k, s->ttl, 0, 0, 0, "");
		count = 1;
	} else if (type == 33 && strstr(name, "liar")) {
		put_srv(&k, s->ttl, 0, 0, 5061, "x.liar.example");
		count = 200; /* but there is only one */
	} else if (strstr(name, "broken")) {
		k.p[3] = 0x82; /* SERVFAIL */
	} else {
		k.p[3] = strstr(name, "nodata") ? 0x80 : 0x83;
	}
	k.p[6] = 0;
	k.p[7] = (uint8_t)count;
	(void)!sendto(fd, k.p, k.n, 0, (struct sockaddr *)&from, from_len);
}

static void
on_stop(struct timer *t, uint64_t now_ms)
{
	loop_stop(LIST_OF(t, struct scene, stop)->l);
}

static void
scene_up_on(struct scene *s, const char *device)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	const char *servers[] = {s->server};
	struct resolve_conf conf = {.servers = servers, .n_servers = 1};

	memset(s, 0, sizeof(*s));
	s->ttl = 300;
	s->l = loop_new();
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	getsockname(s->fd, (struct sockaddr *)&in, &len);
	snprintf(s->server, sizeof(s->server), "127.0.0.1:%u", ntohs(in.sin_port));
	s->ev = event_new(loop_base(s->l), s->fd, EV_READ | EV_PERSIST, on_question, s);
	event_add(s->ev, NULL);
	timer_init(&s->stop, on_stop);
	if (device) {
		conf.device = device;
		assert_int_equal(addr_parse_ip(&conf.from[0], STR("127.0.0.2")), ED_OK);
	}
	s->r = resolve_new(s->l, &conf);
	assert_non_null(s->r);
}

static void
scene_up(struct scene *s)
{
	scene_up_on(s, NULL);
}

static void
scene_down(struct scene *s)
{
	timer_cancel(&s->stop);
	resolve_free(s->r);
	event_free(s->ev);
	close(s->fd);
	loop_free(s->l);
}

static void
on_answer(void *arg, const struct resolve_answer *a)
{
	struct got *g = arg;

	g->n++;
	g->a = *a;
	if (g->other)
		resolve_cancel(g->s->r, g->other);
	if (--g->s->waits == 0)
		loop_stop(g->s->l);
}

static struct got
host(struct scene *s, const char *name)
{
	struct got g = {.s = s};

	s->waits = 1;
	assert_int_equal(resolve_host(s->r, str_of(name), on_answer, &g), ED_OK);
	assert_int_equal(loop_run(s->l), ED_OK); /* over at once when the answer is there */
	assert_int_equal(g.n, 1);
	return g;
}

static struct got
srv(struct scene *s, const char *name)
{
	struct got g = {.s = s};

	s->waits = 1;
	assert_int_equal(resolve_srv(s->r, str_of(name), on_answer, &g), ED_OK);
	assert_int_equal(loop_run(s->l), ED_OK); /* over at once when the answer is there */
	assert_int_equal(g.n, 1);
	return g;
}

static void
test_host(void **state)
{
	char buf[ADDR_STR_LEN];
	struct scene s;
	struct got g;
	int asked, v4 = 0;

	scene_up(&s);
	g = host(&s, "FE.contoso.net.");
	assert_int_equal(g.a.err, ED_OK);
	assert_int_equal(g.a.n_addrs, 3);
	assert_int_equal(g.a.ttl_s, 300);
	for (int i = 0; i < 3; i++) { /* in the order received, within a family */
		if (g.a.addrs[i].family != 4)
			continue;
		assert_string_equal(
		    addr_ip_str(&g.a.addrs[i], buf), v4++ ? "192.0.2.8" : "192.0.2.9");
	}
	asked = s.questions;
	g = host(&s, "fe.contoso.net");
	assert_int_equal(g.a.n_addrs, 3);
	assert_int_equal(s.questions, asked); /* out of the cache */
	g = host(&s, "192.0.2.77");
	assert_string_equal(addr_ip_str(&g.a.addrs[0], buf), "192.0.2.77");
	g = host(&s, "[2001:db8::5]");
	assert_int_equal(g.a.addrs[0].family, 6);
	g = host(&s, "many.contoso.net");
	assert_int_equal(g.a.n_addrs, RESOLVE_ADDRS_MAX);
	assert_int_equal(s.questions, asked + 2);
	scene_down(&s);
}

static void
test_hosts_file(void **state)
{
	struct scene s;
	struct got g;

	scene_up(&s);
	g = host(&s, "localhost");
	assert_int_equal(g.a.err, ED_OK);
	assert_true(addr_is_loopback(&g.a.addrs[0]));
	assert_int_equal(s.questions, 0);
	scene_down(&s);
}

/* A server behind the interface is asked from the address given, another one is not. */
static void
test_source(void **state)
{
	static const struct {
		const char *device, *from;
	} rows[] = {{"lo", "127.0.0.2"}, {"no-such-device", "127.0.0.1"}, {"", "127.0.0.1"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene s;
		char from[ADDR_STR_LEN];

		scene_up_on(&s, rows[i].device);
		assert_int_equal(host(&s, "fe.contoso.net").a.err, ED_OK);
		assert_string_equal(addr_ip_str(&s.from, from), rows[i].from);
		scene_down(&s);
	}
}

static void
test_negative(void **state)
{
	struct scene s;
	struct got g;
	int asked;

	scene_up(&s);
	g = host(&s, "no-such.contoso.net");
	assert_int_equal(g.a.err, ED_GONE);
	assert_int_equal(g.a.ttl_s, 60);
	asked = s.questions;
	g = host(&s, "no-such.contoso.net");
	assert_int_equal(g.a.err, ED_GONE);
	assert_int_equal(s.questions, asked);
	assert_int_equal(srv(&s, "_sip._tls.nodata.example").a.err, ED_GONE);
	asked = s.questions;
	assert_int_equal(host(&s, "broken.example").a.err, ED_SYS);
	assert_int_equal(host(&s, "broken.example").a.err, ED_SYS);
	assert_true(s.questions >= asked + 2); /* a failure is asked again */
	scene_down(&s);
}

static void
test_srv(void **state)
{
	struct scene s;
	struct got g;

	scene_up(&s);
	s.ttl = 1;
	g = srv(&s, "_sipfederationtls._tcp.fabrikam.com");
	assert_int_equal(g.a.n_srv, 4);
	assert_int_equal(g.a.ttl_s, 30);
	assert_string_equal(g.a.srv[0].target, "a.fabrikam.com");
	assert_string_equal(g.a.srv[1].target, "b2.fabrikam.com");
	assert_string_equal(g.a.srv[2].target, "b3.fabrikam.com");
	assert_int_equal(g.a.srv[2].port, 5062);
	assert_string_equal(g.a.srv[3].target, "c.fabrikam.com");
	s.ttl = 1000000;
	g = srv(&s, "_sipfederationtls._tcp.other.fabrikam.com");
	assert_int_equal(g.a.ttl_s, 3600);
	assert_int_equal(srv(&s, "_sip._tls.closed.example").a.err, ED_GONE);
	assert_int_equal(srv(&s, "_sip._tls.liar.example").a.err, ED_SYS);
	scene_down(&s);
}

/* One question on the wire for all who ask the same; a cancelled one is never called. */
static void
test_together_and_cancel(void **state)
{
	struct scene s;
	struct got g[5];
	int asked;

	scene_up(&s);
	s.waits = 3;
	for (int i = 0; i < 5; i++) {
		g[i] = (struct got){.s = &s};
		assert_int_equal(
		    resolve_srv(s.r, STR("_x._tcp.fabrikam.com"), on_answer, &g[i]), ED_OK);
	}
	g[0].other = &g[4]; /* from inside a callback */
	resolve_cancel(s.r, &g[1]);
	assert_int_equal(loop_run(s.l), ED_OK);
	asked = s.questions;
	assert_int_equal(asked, 1);
	assert_int_equal(g[0].n + g[2].n + g[3].n, 3);
	assert_int_equal(g[1].n + g[4].n, 0);
	scene_down(&s);
}

/* A dead server: bounded, refused beyond, nothing left behind. */
static void
test_silence(void **state)
{
	struct scene s;
	struct got g = {.s = &s};
	char name[64];
	int refused = 0;

	scene_up(&s);
	s.mute = true;
	s.waits = -1;
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "_sip._tls.d%d.example", i);
		if (resolve_srv(s.r, str_of(name), on_answer, &g) == ED_LIMIT)
			refused++;
	}
	assert_int_equal(refused, 300 - 256);
	assert_int_equal(g.n, 0);
	timer_set(s.l, &s.stop, loop_now_ms(s.l) + 30);
	assert_int_equal(loop_run(s.l), ED_OK);
	scene_down(&s);
	assert_int_equal(g.n, 0);
}

static void
test_names(void **state)
{
	static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a/b", "a\x80",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"};
	struct scene s;
	struct got g = {.s = &s};
	char ret[256];
	size_t n;

	scene_up(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(resolve_host(s.r, str_of(bad[i]), on_answer, &g), ED_MALFORMED);
	assert_int_equal(g.n, 0);
	assert_int_equal(resolve_name(STR("A-1_b.C."), ret, &n), ED_OK);
	assert_string_equal(ret, "a-1_b.c");
	scene_down(&s);
}

/* Any cut of a good answer is refused or yields no more than was there. */
static void
test_cut_answers(void **state)
{
	struct pkt k = {.n = 0};
	struct resolve_answer a;

	put(&k, "\0\1\x84\x80\0\1\0\2\0\0\0\0", 12);
	put_name(&k, "_s._t.a.example");
	put16(&k, 33);
	put16(&k, 1);
	put_srv(&k, 100, 1, 2, 3, "x.example");
	put_srv(&k, 50, 1, 9, 4, "y.example");
	assert_int_equal(resolve_parse_srv(k.p, k.n, &a), ED_OK);
	assert_int_equal(a.n_srv, 2);
	assert_int_equal(a.ttl_s, 50);
	assert_string_equal(a.srv[0].target, "y.example");
	for (size_t i = 0; i < k.n; i++) {
		uint8_t *copy = malloc(i + 1); /* flush against the end */

		memcpy(copy, k.p, i);
		assert_int_equal(resolve_parse_srv(copy, i, &a), ED_MALFORMED);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_host),
	    cmocka_unit_test(test_hosts_file),
	    cmocka_unit_test(test_source),
	    cmocka_unit_test(test_negative),
	    cmocka_unit_test(test_srv),
	    cmocka_unit_test(test_together_and_cancel),
	    cmocka_unit_test(test_silence),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_cut_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

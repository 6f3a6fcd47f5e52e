/* SPDX-License-Identifier: MIT
 *
 * net/resolve_test.c: against a DNS server of this test's own on loopback: order, cache, negative
 * answers, one question for many callers, silence, and what is no name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/list.h"
#include "net/loop.h"
#include "net/resolve.h"

struct fixture {
	struct loop *loop;
	struct resolve *r;
	struct event *ev;
	int fd;
	unsigned questions;
	bool silent;
	unsigned answers; /* callbacks */
	unsigned want;
	struct resolve_answer last;
	struct timer giveup;
	bool timed_out;
};

/* ---- a server that knows three names ---- */

static size_t
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return 2;
}

static size_t
put_rr_head(uint8_t *p, unsigned type, uint32_t ttl, unsigned len)
{
	size_t n = put16(p, 0xc00c); /* the name asked for */

	n += put16(p + n, type);
	n += put16(p + n, 1);
	n += put16(p + n, ttl >> 16);
	n += put16(p + n, ttl & 0xffff);
	return n + put16(p + n, len);
}

static size_t
put_srv(uint8_t *p, unsigned prio, unsigned weight, const char *label)
{
	size_t len = 6 + 1 + strlen(label) + 2; /* label, then a pointer to the name's last part */
	size_t n = put_rr_head(p, 33, 120, (unsigned)len);

	n += put16(p + n, prio);
	n += put16(p + n, weight);
	n += put16(p + n, 5061);
	p[n++] = (uint8_t)strlen(label);
	memcpy(p + n, label, strlen(label));
	n += strlen(label);
	return n + put16(p + n, 0xc00c);
}

static size_t
put_a(uint8_t *p, uint32_t ttl, uint8_t last)
{
	size_t n = put_rr_head(p, 1, ttl, 4);

	p[n] = 10;
	p[n + 1] = p[n + 2] = 0;
	p[n + 3] = last;
	return n + 4;
}

static void
on_question(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;
	uint8_t buf[1500];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, buf, 512, 0, (struct sockaddr *)&from, &from_len);
	size_t q = 12;
	unsigned type;

	(void)what;
	assert_true(n > 16);
	f->questions++;
	if (f->silent)
		return;
	while (buf[q])
		q += 1u + buf[q];
	type = (unsigned)buf[q + 1] << 8 | buf[q + 2];
	q += 5;
	memset(buf + 6, 0, 6); /* no records */
	buf[2] = 0x84;
	buf[3] = 0;
	if (buf[12] == 2 && memcmp(buf + 13, "fe", 2) == 0 && type == 1) {
		buf[7] = 3;
		q += put_a(buf + q, 300, 9);
		q += put_a(buf + q, 60, 3);
		q += put_a(buf + q, 300, 7);
	} else if (type == 33) {
		buf[7] = 4;
		q += put_srv(buf + q, 20, 9, "late");
		q += put_srv(buf + q, 10, 1, "light");
		q += put_srv(buf + q, 10, 5, "Heavy");
		q += put_srv(buf + q, 10, 5, "second");
	} else if (buf[12] == 4 && memcmp(buf + 13, "none", 4) == 0) {
		buf[3] = 3; /* NXDOMAIN */
	}
	assert_true(sendto(fd, buf, q, 0, (struct sockaddr *)&from, from_len) == (ssize_t)q);
}

static void
on_giveup(struct timer *t, uint64_t now_ms)
{
	struct fixture *f = LIST_OF(t, struct fixture, giveup);

	(void)now_ms;
	f->timed_out = true;
	loop_stop(f->loop);
}

static int
setup(void **state)
{
	static struct fixture f;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	struct resolve_conf conf = {.n_servers = 1};
	static char server[64];
	static const char *servers[1] = {server};

	memset(&f, 0, sizeof(f));
	f.loop = loop_new();
	f.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(f.fd, (struct sockaddr *)&at, &len), 0);
	f.ev = event_new(loop_base(f.loop), f.fd, EV_READ | EV_PERSIST, on_question, &f);
	event_add(f.ev, NULL);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(at.sin_port));
	conf.servers = servers;
	f.r = resolve_new(f.loop, &conf);
	assert_non_null(f.r);
	timer_init(&f.giveup, on_giveup);
	timer_set(f.loop, &f.giveup, loop_now_ms(f.loop) + 20000);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	f->r = resolve_free(f->r);
	timer_cancel(&f->giveup);
	event_free(f->ev);
	close(f->fd);
	f->loop = loop_free(f->loop);
	return 0;
}

static void
on_answer(void *arg, const struct resolve_answer *ans)
{
	struct fixture *f = arg;

	f->last = *ans;
	if (++f->answers >= f->want)
		loop_stop(f->loop);
}

static void
run_until(struct fixture *f, unsigned answers)
{
	f->want = answers;
	while (f->answers < answers && !f->timed_out)
		assert_int_equal(loop_run(f->loop), ED_OK);
	assert_false(f->timed_out);
	assert_int_equal(f->answers, answers);
}

static void
addresses_come_as_received_and_are_kept(void **state)
{
	struct fixture *f = *state;
	unsigned asked;

	for (int i = 0; i < 5; i++) /* five callers, one question of each type */
		assert_int_equal(resolve_host(f->r, STR("FE.contoso.net."), on_answer, f), ED_OK);
	run_until(f, 5);
	assert_int_equal(f->last.err, ED_OK);
	assert_int_equal(f->last.n_addrs, 3);
	assert_int_equal(f->last.addrs[0].ip[3], 9);
	assert_int_equal(f->last.addrs[1].ip[3], 3);
	assert_int_equal(f->last.addrs[2].ip[3], 7);
	assert_int_equal(f->last.ttl_s, 60);
	asked = f->questions;
	assert_in_range(asked, 1, 2);
	assert_int_equal(resolve_host(f->r, STR("fe.contoso.net"), on_answer, f), ED_OK);
	assert_int_equal(f->answers, 6); /* at once */
	assert_int_equal(f->questions, asked);
}

static void
srv_order_is_dns_14(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    resolve_srv(f->r, STR("_sipfederationtls._tcp.fabrikam.com"), on_answer, f), ED_OK);
	run_until(f, 1);
	assert_int_equal(f->last.err, ED_OK);
	assert_int_equal(f->last.n_srv, 4);
	assert_string_equal(f->last.srv[0].target, "heavy._sipfederationtls._tcp.fabrikam.com");
	assert_string_equal(f->last.srv[1].target, "second._sipfederationtls._tcp.fabrikam.com");
	assert_string_equal(f->last.srv[2].target, "light._sipfederationtls._tcp.fabrikam.com");
	assert_string_equal(f->last.srv[3].target, "late._sipfederationtls._tcp.fabrikam.com");
	assert_int_equal(f->last.srv[0].port, 5061);
	assert_int_equal(f->last.ttl_s, 120);
}

static void
no_such_name_is_kept_too(void **state)
{
	struct fixture *f = *state;
	unsigned asked;

	assert_int_equal(resolve_host(f->r, STR("none.example"), on_answer, f), ED_OK);
	run_until(f, 1);
	assert_int_equal(f->last.err, ED_GONE);
	assert_int_equal(f->last.n_addrs, 0);
	asked = f->questions;
	assert_int_equal(resolve_host(f->r, STR("none.example"), on_answer, f), ED_OK);
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->questions, asked);
}

static void
silence_ends_as_failure(void **state)
{
	struct fixture *f = *state;

	f->silent = true;
	assert_int_equal(resolve_host(f->r, STR("fe.contoso.net"), on_answer, f), ED_OK);
	run_until(f, 1);
	assert_int_equal(f->last.err, ED_SYS);
}

static void
cancelled_callers_hear_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(resolve_host(f->r, STR("fe.contoso.net"), on_answer, &f->answers), ED_OK);
	resolve_cancel(f->r, &f->answers);
	assert_int_equal(resolve_host(f->r, STR("fe.contoso.net"), on_answer, f), ED_OK);
	run_until(f, 1);
}

static void
literals_and_nonsense(void **state)
{
	struct fixture *f = *state;
	char big[300];

	assert_int_equal(resolve_host(f->r, STR("192.0.2.7"), on_answer, f), ED_OK);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->last.n_addrs, 1);
	assert_int_equal(resolve_host(f->r, STR("[2001:db8::1]"), on_answer, f), ED_OK);
	assert_int_equal(f->last.addrs[0].family, 6);
	memset(big, 'a', sizeof(big));
	assert_int_equal(
	    resolve_host(f->r, (struct str){big, sizeof(big)}, on_answer, f), ED_MALFORMED);
	assert_int_equal(resolve_host(f->r, STR("a..b"), on_answer, f), ED_MALFORMED);
	assert_int_equal(resolve_host(f->r, STR("a b"), on_answer, f), ED_MALFORMED);
	assert_int_equal(resolve_host(f->r, STR(""), on_answer, f), ED_MALFORMED);
	assert_int_equal(resolve_host(f->r, STR("a\0b"), on_answer, f), ED_MALFORMED);
	assert_int_equal(f->questions, 0);
}

static void
freed_while_asking(void **state)
{
	struct fixture *f = *state;

	f->silent = true;
	assert_int_equal(resolve_host(f->r, STR("fe.contoso.net"), on_answer, f), ED_OK);
	f->r = resolve_free(f->r);
	assert_int_equal(f->answers, 0);
}

#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ROW(addresses_come_as_received_and_are_kept),
	    ROW(srv_order_is_dns_14),
	    ROW(no_such_name_is_kept_too),
	    ROW(silence_ends_as_failure),
	    ROW(cancelled_callers_hear_nothing),
	    ROW(literals_and_nonsense),
	    ROW(freed_while_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

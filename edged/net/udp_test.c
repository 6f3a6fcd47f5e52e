/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/loop.h"
#include "net/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

struct echo {
	struct loop *loop;
	struct udp_socket *s;
	unsigned n, stop_after;
	bool close_first;
};

/* Each test runs with and without the ring: *state says which. */
static struct udp *
datagrams(void **state, struct loop *l)
{
	struct udp *u = udp_new(l, 1000);
	const char *why = "";

	assert_non_null(u);
	if (*(bool *)*state && udp_use_ring(u, &why) < 0) {
		udp_free(u);
		loop_free(l);
		print_message("no io_uring here: %s\n", why);
		skip();
	}
	return u;
}

static void
on_datagram(void *arg, struct udp_socket *s, struct pkt *p, const struct addr *from)
{
	struct echo *e = arg;
	uint8_t *head = pkt_push(p, 4);

	memcpy(head, "echo", 4);
	udp_send(s, p, from);
	if (++e->n == e->stop_after)
		loop_stop(e->loop);
	if (e->close_first)
		e->s = udp_close(s);
}

static int
client(const struct addr *to)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval tv = {.tv_sec = 5};

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

static int
server(struct addr *ret_at)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int fd;

	assert_int_equal(addr_parse(ret_at, STR("127.0.0.1:0")), ED_OK);
	assert_int_equal(udp_bind(ret_at, "", false, &fd), ED_OK);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(addr_from_sockaddr(ret_at, (struct sockaddr *)&sa, len), ED_OK);
	return fd;
}

/* Runs of equal length, a shorter one, an empty one, a longer one: each comes back whole, in order.
 */
static void
datagrams_keep_their_borders(void **state)
{
	static const unsigned lens[] = {100, 100, 100, 40, 0, 100, 200, 200, 1, 1000, 1000};
	enum { N = sizeof(lens) / sizeof(lens[0]) };
	struct echo e = {.stop_after = N};
	struct udp *u;
	struct addr at;
	char buf[2048];
	int fd, srv = server(&at);

	e.loop = loop_new();
	u = datagrams(state, e.loop);
	e.s = udp_open(u, srv, on_datagram, &e);
	fd = client(&at);
	memset(buf, 'x', sizeof(buf));
	for (size_t i = 0; i < N; i++)
		assert_int_equal(send(fd, buf, lens[i], 0), lens[i]);
	assert_int_equal(send(fd, buf, 1001, 0), 1001); /* beyond the limit: dropped, counted */
	assert_int_equal(loop_run(e.loop), ED_OK);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(recv(fd, buf, sizeof(buf), 0), lens[i] + 4);
		assert_memory_equal(buf, "echo", 4);
	}
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(udp_stats(u)->sent, N);
	udp_close(e.s);
	assert_int_equal(pkt_pool_in_use(udp_pool(u)) <= 64, true);
	udp_free(u);
	loop_free(e.loop);
	close(fd);
}

static void
a_socket_may_close_in_its_callback(void **state)
{
	struct echo e = {.stop_after = 1, .close_first = true};
	struct udp *u;
	struct addr at;
	char buf[64];
	int fd, srv = server(&at);

	e.loop = loop_new();
	u = datagrams(state, e.loop);
	e.s = udp_open(u, srv, on_datagram, &e);
	fd = client(&at);
	for (int i = 0; i < 10; i++)
		assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(loop_run(e.loop), ED_OK);
	assert_int_equal(e.n, 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 5); /* what was answered has left */
	udp_free(u);
	loop_free(e.loop);
	close(fd);
}

/* Sends one datagram from within the loop, when everything that came before has been dealt with. */
struct later {
	struct timer timer;
	struct loop *loop;
	int fd;
	unsigned n;
};

static void
send_one(struct timer *t, uint64_t now_ms)
{
	struct later *l = LIST_OF(t, struct later, timer);

	assert_int_equal(send(l->fd, "late", 4, 0), 4);
	if (--l->n)
		timer_set(l->loop, t, now_ms + 20);
}

static void
a_sleeping_process_is_woken(void **state)
{
	struct echo e = {.stop_after = 3};
	struct later l = {.n = 3};
	struct udp *u;
	struct addr at;
	char buf[64];
	int srv = server(&at);

	e.loop = l.loop = loop_new();
	u = datagrams(state, e.loop);
	e.s = udp_open(u, srv, on_datagram, &e);
	l.fd = client(&at);
	timer_init(&l.timer, send_one);
	timer_set(l.loop, &l.timer, loop_now_ms(l.loop) + 20);
	assert_int_equal(loop_run(e.loop), ED_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(recv(l.fd, buf, sizeof(buf), 0), 8);
	udp_close(e.s);
	udp_free(u);
	loop_free(e.loop);
	close(l.fd);
}

/* What the sender put out as one piece is received as one, and comes apart as it was. */
static void
pieces_come_apart(void **state)
{
	enum { SEGMENT = 900, N = 12, LAST = 333 };
	struct echo e = {.stop_after = N};
	struct udp *u;
	struct addr at;
	static char buf[SEGMENT * N];
	int fd, size = SEGMENT, srv = server(&at);

	e.loop = loop_new();
	u = datagrams(state, e.loop);
	e.s = udp_open(u, srv, on_datagram, &e);
	fd = client(&at);
	for (int i = 0; i < N; i++)
		memset(buf + i * SEGMENT, 'a' + i, SEGMENT);
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	assert_int_equal(send(fd, buf, SEGMENT * (N - 1) + LAST, 0), SEGMENT * (N - 1) + LAST);
	assert_int_equal(loop_run(e.loop), ED_OK);
	for (int i = 0; i < N; i++) {
		int n = i < N - 1 ? SEGMENT : LAST;

		assert_int_equal(recv(fd, buf, sizeof(buf), 0), n + 4);
		assert_memory_equal(buf, "echo", 4);
		for (int k = 4; k < n + 4; k++)
			assert_int_equal(buf[k], 'a' + i);
	}
	assert_int_equal(udp_stats(u)->pieces, 1);
	udp_close(e.s);
	udp_free(u);
	loop_free(e.loop);
	close(fd);
}

/* One datagram to each of many sockets: all are answered, by the socket that was asked. */
static void
many_sockets(void **state)
{
	enum { N = 300 };
	static int fd[N];
	static struct udp_socket *s[N];
	struct echo e = {.stop_after = N};
	struct udp *u;
	char buf[64];

	e.loop = loop_new();
	u = datagrams(state, e.loop);
	for (int i = 0; i < N; i++) {
		struct addr at;
		int srv = server(&at);

		s[i] = udp_open(u, srv, on_datagram, &e);
		assert_non_null(s[i]);
		fd[i] = client(&at);
		assert_int_equal(send(fd[i], &i, sizeof(i), 0), sizeof(i));
	}
	assert_int_equal(loop_run(e.loop), ED_OK);
	for (int i = 0; i < N; i++) {
		assert_int_equal(recv(fd[i], buf, sizeof(buf), 0), 4 + sizeof(i));
		assert_memory_equal(buf + 4, &i, sizeof(i));
		udp_close(s[i]);
		close(fd[i]);
	}
	udp_free(u);
	loop_free(e.loop);
}

/* The port of a closed socket is free at once. */
static void
a_closed_port_is_free(void **state)
{
	struct echo e = {.stop_after = 1};
	struct udp *u;
	struct addr at;
	int fd, srv = server(&at);

	e.loop = loop_new();
	u = datagrams(state, e.loop);
	e.s = udp_open(u, srv, on_datagram, &e);
	fd = client(&at);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(loop_run(e.loop), ED_OK);
	for (int i = 0; i < 50; i++) {
		udp_close(e.s);
		assert_int_equal(udp_bind(&at, "", false, &srv), ED_OK);
		e.s = udp_open(u, srv, on_datagram, &e);
	}
	e.n = 0;
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(loop_run(e.loop), ED_OK);
	udp_close(e.s);
	udp_free(u);
	loop_free(e.loop);
	close(fd);
}

int
main(void)
{
	static bool without = false, with = true;
#define BOTH(test)                                                                                 \
	{#test " (recvmmsg)", test, NULL, NULL, &without},                                         \
	{                                                                                          \
#test " (io_uring)", test, NULL, NULL, &with                                       \
	}
	const struct CMUnitTest tests[] = {
	    BOTH(datagrams_keep_their_borders),
	    BOTH(a_socket_may_close_in_its_callback),
	    BOTH(a_sleeping_process_is_woken),
	    BOTH(pieces_come_apart),
	    BOTH(many_sockets),
	    BOTH(a_closed_port_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

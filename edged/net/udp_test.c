/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/loop.h"
#include "net/udp.h"

struct echo {
	struct loop *loop;
	struct udp_socket *s;
	unsigned n, stop_after;
	bool close_first;
};

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

	(void)state;
	e.loop = loop_new();
	u = udp_new(e.loop, 1000);
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

	(void)state;
	e.loop = loop_new();
	u = udp_new(e.loop, 1000);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(datagrams_keep_their_borders),
	    cmocka_unit_test(a_socket_may_close_in_its_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/loop.h"

struct scene {
	struct loop *l;
	struct listener *ln;
	struct addr at;
	int fd;
	int want, got, troubles, last_err;
	bool free_on_first;
	rlim_t lift; /* descriptors allowed again after trouble */
	int fds[64];
};

static void
on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	struct scene *s = arg;

	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(addr_is_loopback(peer));
	assert_true(addr_eq(local, &s->at));
	s->fds[s->got++] = fd;
	if (s->free_on_first)
		s->ln = listener_free(s->ln);
	if (s->got == s->want)
		loop_stop(s->l);
}

static void
on_trouble(void *arg, int err)
{
	struct scene *s = arg;
	struct rlimit rl;

	s->troubles++;
	s->last_err = err;
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = s->lift;
	setrlimit(RLIMIT_NOFILE, &rl);
}

static const struct listener_ops ops = {on_accept, on_trouble};

static void
scene_up(struct scene *s, const char *bind_to, const char *reach)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr at;

	assert_int_equal(addr_parse(&at, str_of(bind_to)), ED_OK);
	s->l = loop_new();
	assert_int_equal(listener_bind(&at, "", 64, &s->fd), ED_OK);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(addr_from_sockaddr(&at, (struct sockaddr *)&ss, len), ED_OK);
	assert_int_equal(addr_parse_ip(&s->at, str_of(reach)), ED_OK);
	s->at.port = at.port;
	s->ln = listener_new(s->l, s->fd, &ops, s);
	assert_non_null(s->ln);
}

static void
scene_down(struct scene *s)
{
	for (int i = 0; i < s->got; i++)
		close(s->fds[i]);
	listener_free(s->ln);
	loop_free(s->l);
}

static int
dial(const struct scene *s)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&s->at, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static void
test_accepts(void **state)
{
	struct scene s = {.want = 40};
	int fds[40];

	scene_up(&s, "127.0.0.1:0", "127.0.0.1");
	for (int i = 0; i < 40; i++)
		fds[i] = dial(&s);
	assert_int_equal(loop_run(s.l), ED_OK);
	assert_int_equal(s.got, 40);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	scene_down(&s);
}

static void
test_wildcard_tells_local(void **state)
{
	struct scene s = {.want = 1};

	scene_up(&s, "0.0.0.0:0", "127.0.0.2");
	close(dial(&s));
	assert_int_equal(loop_run(s.l), ED_OK);
	scene_down(&s);
}

static void
test_freed_inside(void **state)
{
	struct scene s = {.want = 1, .free_on_first = true};
	int a, b;

	scene_up(&s, "127.0.0.1:0", "127.0.0.1");
	a = dial(&s);
	b = dial(&s);
	assert_int_equal(loop_run(s.l), ED_OK);
	assert_int_equal(s.got, 1);
	close(a);
	close(b);
	scene_down(&s);
}

/* Out of descriptors: told once, rests, goes on later; nobody is lost. */
static void
test_no_descriptors(void **state)
{
	struct scene s = {.want = 1};
	struct rlimit rl, low;
	int fd, probe;

	scene_up(&s, "127.0.0.1:0", "127.0.0.1");
	fd = dial(&s);
	getrlimit(RLIMIT_NOFILE, &rl);
	low = rl;
	probe = dup(0);
	low.rlim_cur = (rlim_t)probe; /* the next free number is beyond */
	close(probe);
	s.lift = rl.rlim_cur;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(loop_run(s.l), ED_OK);
	assert_int_equal(s.troubles, 1);
	assert_int_equal(s.last_err, EMFILE);
	assert_int_equal(s.got, 1);
	close(fd);
	scene_down(&s);
}

static void
test_pause(void **state)
{
	struct scene s = {.want = 1};
	int fd;

	scene_up(&s, "127.0.0.1:0", "127.0.0.1");
	listener_pause(s.ln, true);
	fd = dial(&s); /* the kernel takes it */
	listener_pause(s.ln, false);
	assert_int_equal(loop_run(s.l), ED_OK);
	close(fd);
	scene_down(&s);
}

static void
test_bind_refused(void **state)
{
	struct addr at;
	int fd = -1;

	assert_int_equal(addr_parse(&at, STR("192.0.2.1:5061")), ED_OK);
	assert_int_equal(listener_bind(&at, "", 1, &fd), ED_SYS);
	assert_int_equal(errno, EADDRNOTAVAIL);
	assert_int_equal(addr_parse(&at, STR("127.0.0.1:0")), ED_OK);
	assert_int_equal(listener_bind(&at, "no-such-dev0", 1, &fd), ED_SYS);
	assert_int_equal(fd, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepts),
	    cmocka_unit_test(test_wildcard_tells_local),
	    cmocka_unit_test(test_freed_inside),
	    cmocka_unit_test(test_no_descriptors),
	    cmocka_unit_test(test_pause),
	    cmocka_unit_test(test_bind_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

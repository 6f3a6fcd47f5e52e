/* SPDX-License-Identifier: MIT */
#include "net/ipc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

static void
test_fields(void **state)
{
	uint8_t buf[64];
	struct ipc_writer w = {.p = buf, .room = sizeof(buf)};

	ipc_put_u8(&w, 1);
	ipc_put_u16(&w, 0x0203);
	ipc_put_u32(&w, 0x04050607);
	ipc_put_u64(&w, 0x08090a0b0c0d0e0f);
	ipc_put_str(&w, STR("hello"));
	ipc_put_str(&w, STR_NONE);
	assert_int_equal(w.err, ED_OK);
	for (int i = 0; i < 15; i++)
		assert_int_equal(buf[i], i + 1);
	/* Any cut is an error, and what comes after it is zero. */
	for (size_t n = 0; n <= w.n; n++) {
		struct ipc_reader r = {.left = {(char *)buf, n}};

		(void)ipc_get_u8(&r);
		(void)ipc_get_u16(&r);
		(void)ipc_get_u32(&r);
		assert_true(ipc_get_u64(&r) == (n >= 15 ? 0x08090a0b0c0d0e0f : 0));
		struct str s = ipc_get_str(&r);
		assert_int_equal(s.n, n >= 24 ? 5 : 0);
		assert_int_equal(ipc_get_str(&r).n, 0);
		assert_int_equal(ipc_get_end(&r), n == w.n ? ED_OK : ED_MALFORMED);
	}
	struct ipc_reader more = {.left = {(char *)buf, w.n}};
	(void)ipc_get_u8(&more);
	assert_int_equal(ipc_get_end(&more), ED_MALFORMED);

	struct ipc_writer small = {.p = buf, .room = 7};
	ipc_put_str(&small, STR("four"));
	assert_int_equal(small.err, ED_LIMIT);
	ipc_put_u8(&small, 1); /* sticks */
	assert_int_equal(small.err, ED_LIMIT);
}

static size_t
open_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
round_trip(size_t len, size_t n_fds, size_t fds_room)
{
	uint8_t *msg = malloc(len + 1), *got = malloc(IPC_MSG_MAX);
	int fds[IPC_FDS_MAX], got_fds[IPC_FDS_MAX], pair[2];
	size_t before = open_fds(), n = 0, got_n = 0;

	for (size_t i = 0; i < len; i++)
		msg[i] = (uint8_t)(i * 7);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = STDIN_FILENO;
	assert_int_equal(ipc_send(pair[0], (struct str){(char *)msg, len}, fds, n_fds), ED_OK);
	assert_int_equal(ipc_recv(pair[1], got, IPC_MSG_MAX, &n, got_fds, fds_room, &got_n), ED_OK);
	assert_int_equal(n, len);
	assert_memory_equal(got, msg, len);
	assert_int_equal(got_n, n_fds < fds_room ? n_fds : fds_room);
	for (size_t i = 0; i < got_n; i++) {
		assert_int_equal(fcntl(got_fds[i], F_GETFD), FD_CLOEXEC);
		close(got_fds[i]);
	}
	assert_int_equal(ipc_recv(pair[1], got, 10, &n, NULL, 0, NULL), ED_STATE);
	close(pair[0]);
	assert_int_equal(ipc_recv(pair[1], got, 10, &n, NULL, 0, NULL), ED_GONE);
	close(pair[1]);
	assert_int_equal(open_fds(), before);
	free(msg);
	free(got);
}

static void
test_messages(void **state)
{
	round_trip(0, 0, 0);
	round_trip(1, 1, 4);
	round_trip(32768, 0, 0);
	round_trip(32769, 0, 0);
	round_trip(IPC_MSG_MAX, IPC_FDS_MAX, IPC_FDS_MAX);
	round_trip(100, 5, 2);
	round_trip(100000, 3, 0);
}

static void
send_raw(int fd, const void *p, size_t n, int with_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = {{0}};
	struct iovec iov = {(void *)(uintptr_t)p, n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (with_fd >= 0) {
		m.msg_control = ctl.buf;
		m.msg_controllen = sizeof(ctl.buf);
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&ctl.align), &with_fd, sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &m, 0), n);
}

/* What a taken-over service might send upward. */
static void
test_hostile(void **state)
{
	static const uint8_t memfd_5[] = {1, 0, 0, 0, 5}, memfd_short[] = {1, 0, 0},
			     memfd_huge[] = {1, 0xff, 0xff, 0xff, 0xff}, unknown[] = {9, 1};
	size_t before = open_fds(), n;
	int pair[2], fd, got_fd;
	uint8_t buf[16];
	int unsealed = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(unsealed, "abcde", 5), 5);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	const struct {
		const uint8_t *p;
		size_t n;
		int fd;
		int want;
	} rows[] = {
	    {memfd_5, 5, -1, ED_MALFORMED},
	    {memfd_5, 5, unsealed, ED_MALFORMED},
	    {memfd_5, 5, STDIN_FILENO, ED_MALFORMED},
	    {memfd_short, 3, unsealed, ED_MALFORMED},
	    {memfd_huge, 5, unsealed, ED_MALFORMED},
	    {unknown, 2, STDIN_FILENO, ED_MALFORMED},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		send_raw(pair[0], rows[i].p, rows[i].n, rows[i].fd);
		assert_int_equal(
		    ipc_recv(pair[1], buf, sizeof(buf), &n, &got_fd, 1, NULL), rows[i].want);
	}
	fcntl(unsealed, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	send_raw(pair[0], memfd_5, 5, unsealed);
	assert_int_equal(ipc_recv(pair[1], buf, sizeof(buf), &n, &fd, 1, NULL), ED_OK);
	assert_int_equal(n, 5);
	assert_memory_equal(buf, "abcde", 5);
	send_raw(pair[0], "\0aaaaaaaaaaaaaaaaaaaaaaaaaaa", 28, STDIN_FILENO);
	assert_int_equal(ipc_recv(pair[1], buf, sizeof(buf), &n, &fd, 1, NULL), ED_LIMIT);
	close(unsealed);
	close(pair[1]);
	assert_int_equal(ipc_send(pair[0], STR("x"), NULL, 0), ED_GONE);
	close(pair[0]);
	assert_int_equal(open_fds(), before);
	assert_int_equal(
	    ipc_send(-1, (struct str){(char *)buf, IPC_MSG_MAX + 1}, NULL, 0), ED_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * net/ipc.c: a frame is one packet: a kind octet, then the message itself, or its length (32 bit)
 * when the message lies in a sealed memfd that travels as the last descriptor.
 */
#include "net/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define KIND_INLINE 0u
#define KIND_MEMFD  1u
/* Well below the default socket buffer, so that several fit in flight. */
#define INLINE_MAX 32768u
#define SEALS      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static uint8_t *
put(struct ipc_writer *w, size_t n)
{
	uint8_t *at;

	if (w->err < 0)
		return NULL;
	if (n > w->room - w->n) {
		w->err = ED_LIMIT;
		return NULL;
	}
	at = w->p + w->n;
	w->n += n;
	return at;
}

static void
put_be(struct ipc_writer *w, uint64_t v, unsigned n)
{
	uint8_t *at = put(w, n);

	for (unsigned i = 0; at && i < n; i++)
		at[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

void
ipc_put_u8(struct ipc_writer *w, uint8_t v)
{
	put_be(w, v, 1);
}

void
ipc_put_u16(struct ipc_writer *w, uint16_t v)
{
	put_be(w, v, 2);
}

void
ipc_put_u32(struct ipc_writer *w, uint32_t v)
{
	put_be(w, v, 4);
}

void
ipc_put_u64(struct ipc_writer *w, uint64_t v)
{
	put_be(w, v, 8);
}

void
ipc_put_str(struct ipc_writer *w, struct str s)
{
	uint8_t *at;

	if (s.n > UINT32_MAX) {
		w->err = ED_LIMIT;
		return;
	}
	ipc_put_u32(w, (uint32_t)s.n);
	at = put(w, s.n);
	if (at && s.n)
		memcpy(at, s.p, s.n);
}

static uint64_t
get_be(struct ipc_reader *r, unsigned n)
{
	uint64_t v = 0;

	if (r->err < 0)
		return 0;
	if (r->left.n < n) {
		r->err = ED_MALFORMED;
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | (uint8_t)r->left.p[i];
	r->left.p += n;
	r->left.n -= n;
	return v;
}

uint8_t
ipc_get_u8(struct ipc_reader *r)
{
	return (uint8_t)get_be(r, 1);
}

uint16_t
ipc_get_u16(struct ipc_reader *r)
{
	return (uint16_t)get_be(r, 2);
}

uint32_t
ipc_get_u32(struct ipc_reader *r)
{
	return (uint32_t)get_be(r, 4);
}

uint64_t
ipc_get_u64(struct ipc_reader *r)
{
	return get_be(r, 8);
}

struct str
ipc_get_str(struct ipc_reader *r)
{
	uint32_t n = ipc_get_u32(r);
	struct str s;

	if (r->err < 0)
		return STR_NONE;
	if (n > r->left.n) {
		r->err = ED_MALFORMED;
		return STR_NONE;
	}
	s = (struct str){r->left.p, n};
	r->left.p += n;
	r->left.n -= n;
	return s;
}

int
ipc_get_end(const struct ipc_reader *r)
{
	if (r->err < 0)
		return r->err;
	return r->left.n ? ED_MALFORMED : ED_OK;
}

static int
memfd_of(struct str msg, int *ret_fd)
{
	int fd = memfd_create("edged-ipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at = 0;

	if (fd < 0)
		return ED_SYS;
	while (at < msg.n) {
		ssize_t n = write(fd, msg.p + at, msg.n - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			goto fail;
		at += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		goto fail;
	*ret_fd = fd;
	return ED_OK;
fail:
	close(fd);
	return ED_SYS;
}

static int
send_frame(int fd, struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds)
{
	union {
		char buf[CMSG_SPACE((IPC_FDS_MAX + 1) * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = n_iov};
	struct cmsghdr *c;
	ssize_t n;

	if (n_fds) {
		memset(&ctl, 0, sizeof(ctl));
		m.msg_control = ctl.buf;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return ED_OK;
	if (errno == EAGAIN || errno == ENOBUFS)
		return ED_STATE;
	return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? ED_GONE : ED_SYS;
}

int
ipc_send(int fd, struct str msg, const int *fds, size_t n_fds)
{
	uint8_t head[5] = {KIND_INLINE};
	struct iovec iov[2] = {
	    {.iov_base = head, .iov_len = 1},
	    {.iov_base = (void *)(uintptr_t)msg.p, .iov_len = msg.n},
	};
	int all[IPC_FDS_MAX + 1];
	int r;

	if (msg.n > IPC_MSG_MAX || n_fds > IPC_FDS_MAX)
		return ED_LIMIT;
	if (msg.n <= INLINE_MAX)
		return send_frame(fd, iov, msg.n ? 2 : 1, fds, n_fds);
	if (n_fds)
		memcpy(all, fds, n_fds * sizeof(int));
	r = memfd_of(msg, &all[n_fds]);
	if (r < 0)
		return r;
	head[0] = KIND_MEMFD;
	for (unsigned i = 0; i < 4; i++)
		head[1 + i] = (uint8_t)(msg.n >> 8 * (3 - i));
	iov[0].iov_len = sizeof(head);
	r = send_frame(fd, iov, 1, all, n_fds + 1);
	close(all[n_fds]);
	return r;
}

struct got_fds {
	int fd[IPC_FDS_MAX + 1];
	size_t n;
};

static void
close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void
collect_fds(struct msghdr *m, struct got_fds *ret)
{
	ret->n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (ret->n < IPC_FDS_MAX + 1)
				ret->fd[ret->n++] = fd;
			else
				close(fd);
		}
	}
}

/* The message out of its memfd, the last descriptor, which is closed. */
static int
read_memfd(struct got_fds *got, const uint8_t *head, size_t head_len, uint8_t *buf, size_t room,
    size_t *ret_n)
{
	size_t want = 0, at = 0;
	int r = ED_MALFORMED;
	struct stat st;
	int fd, seals;

	if (head_len != 4 || got->n == 0)
		return ED_MALFORMED;
	fd = got->fd[--got->n];
	for (unsigned i = 0; i < 4; i++)
		want = want << 8 | head[i];
	/* Without its seals the other side could change or shorten it while we read. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || want > IPC_MSG_MAX || fstat(fd, &st) < 0 ||
	    st.st_size != (off_t)want)
		goto out;
	if (want > room) {
		r = ED_LIMIT;
		goto out;
	}
	while (at < want) {
		ssize_t n = pread(fd, buf + at, want - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			goto out;
		at += (size_t)n;
	}
	*ret_n = want;
	r = ED_OK;
out:
	close(fd);
	return r;
}

int
ipc_recv(int fd, uint8_t *buf, size_t room, size_t *ret_n, int *ret_fds, size_t fds_room,
    size_t *ret_n_fds)
{
	union {
		char buf[CMSG_SPACE((IPC_FDS_MAX + 1) * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	uint8_t kind;
	struct iovec iov[2] = {{&kind, 1}, {buf, room}};
	struct msghdr m = {.msg_iov = iov,
	    .msg_iovlen = 2,
	    .msg_control = ctl.buf,
	    .msg_controllen = sizeof(ctl.buf)};
	struct got_fds got;
	size_t len = 0;
	ssize_t n;
	int r = ED_OK;

	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ED_STATE : errno == ECONNRESET ? ED_GONE : ED_SYS;
	collect_fds(&m, &got);
	if (n == 0) {
		close_all(got.fd, got.n);
		return ED_GONE;
	}
	len = (size_t)n - 1;
	if (m.msg_flags & MSG_TRUNC)
		r = ED_LIMIT;
	else if (m.msg_flags & MSG_CTRUNC)
		r = ED_MALFORMED;
	else if (kind == KIND_MEMFD)
		r = read_memfd(&got, buf, len, buf, room, &len);
	else if (kind != KIND_INLINE)
		r = ED_MALFORMED;
	if (r < 0) {
		close_all(got.fd, got.n);
		return r;
	}
	if (got.n > fds_room) {
		close_all(got.fd + fds_room, got.n - fds_room);
		got.n = fds_room;
	}
	if (got.n)
		memcpy(ret_fds, got.fd, got.n * sizeof(int));
	if (ret_n_fds)
		*ret_n_fds = got.n;
	*ret_n = len;
	return ED_OK;
}

/* SPDX-License-Identifier: MIT */
#include "net/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"

#define SCRATCH_LEN (64u * 1024u)
#define KEEPALIVE_S 30

/* One for the process: a connection that holds no part of a message holds no buffer. */
static char scratch[SCRATCH_LEN];

struct stream {
	struct loop *loop;
	struct event in, out;
	struct loop_task flush;
	const struct stream_ops *ops;
	void *arg;
	struct stream_limits lim;
	char *kept; /* unconsumed input */
	size_t kept_len, kept_room;
	char *wait; /* output */
	size_t wait_at, wait_len, wait_room;
	int fd;
	bool connecting, paused, closed, down;
	uint8_t busy; /* callbacks under way */
};

static void
destroy(struct stream *s)
{
	event_del(&s->in);
	event_del(&s->out);
	loop_defer_cancel(&s->flush);
	if (s->fd >= 0)
		close(s->fd);
	free(s->kept);
	free(s->wait);
	free(s);
}

static void
leave(struct stream *s)
{
	if (--s->busy == 0 && s->closed)
		destroy(s);
}

static void
end(struct stream *s)
{
	if (s->down || s->closed)
		return;
	s->down = true;
	event_del(&s->in);
	event_del(&s->out);
	loop_defer_cancel(&s->flush);
	s->busy++;
	s->ops->on_down(s, s->arg);
	leave(s);
}

/* Room for `more` bytes behind *len; false without memory. */
static bool
grow(char **p, size_t *room, size_t len, size_t more)
{
	size_t want = *room ? *room : 512;
	char *q;

	if (*room - len >= more)
		return true;
	while (want - len < more)
		want *= 2;
	q = realloc(*p, want);
	if (!q)
		return false;
	*p = q;
	*room = want;
	return true;
}

/* Shows bytes to the room; what it leaves is kept. False: the stream has ended. */
static bool
show(struct stream *s, const char *p, size_t n)
{
	ptrdiff_t used = s->ops->on_bytes(s, s->arg, (struct str){p, n});
	size_t left;

	if (used < 0 || s->closed || s->down)
		return false;
	left = n - (size_t)used;
	if (left > s->lim.input)
		return false;
	if (p != s->kept) {
		if (left && !grow(&s->kept, &s->kept_room, 0, left))
			return false;
		if (left)
			memcpy(s->kept, p + used, left);
	} else if (used) {
		memmove(s->kept, p + used, left);
	}
	s->kept_len = left;
	if (left == 0 && s->kept) {
		free(s->kept);
		s->kept = NULL;
		s->kept_room = 0;
	}
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	ssize_t n = recv(fd, scratch, sizeof(scratch), 0);
	bool goes_on = true;

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	s->busy++;
	if (n <= 0) {
		goes_on = false;
	} else if (s->kept_len == 0) {
		goes_on = show(s, scratch, (size_t)n);
	} else if (grow(&s->kept, &s->kept_room, s->kept_len, (size_t)n)) {
		memcpy(s->kept + s->kept_len, scratch, (size_t)n);
		goes_on = show(s, s->kept, s->kept_len + (size_t)n);
	} else {
		goes_on = false;
	}
	if (!goes_on)
		end(s);
	leave(s);
}

static void
write_out(struct stream *s)
{
	while (s->wait_at < s->wait_len) {
		ssize_t n = send(s->fd, s->wait + s->wait_at, s->wait_len - s->wait_at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			s->wait_at += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			event_add(&s->out, NULL);
			return;
		}
		end(s);
		return;
	}
	free(s->wait);
	s->wait = NULL;
	s->wait_at = s->wait_len = s->wait_room = 0;
	if (s->ops->on_drained)
		s->ops->on_drained(s, s->arg);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	int err = 0;
	socklen_t len = sizeof(err);

	(void)what;
	s->busy++;
	if (s->connecting) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err) {
			errno = err;
			end(s);
			leave(s);
			return;
		}
		s->connecting = false;
		if (!s->paused)
			event_add(&s->in, NULL);
		if (s->ops->on_up)
			s->ops->on_up(s, s->arg);
	}
	if (!s->closed && !s->down && s->wait_at < s->wait_len)
		write_out(s);
	leave(s);
}

static void
flush(struct loop_task *t)
{
	struct stream *s = (struct stream *)(void *)((char *)t - offsetof(struct stream, flush));

	if (s->connecting || s->down || s->wait_at >= s->wait_len)
		return;
	s->busy++;
	write_out(s);
	leave(s);
}

static struct stream *
stream_new(struct loop *l, int fd, const struct stream_limits *lim, const struct stream_ops *ops,
    void *arg)
{
	struct stream *s = calloc(1, sizeof(*s));
	int one = 1, every = KEEPALIVE_S, probes = 3;

	if (!s) {
		close(fd);
		return NULL;
	}
	s->loop = l;
	s->fd = fd;
	s->lim = *lim;
	s->ops = ops;
	s->arg = arg;
	s->flush.run = flush;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	event_assign(&s->in, loop_base(l), fd, EV_READ | EV_PERSIST, on_readable, s);
	event_assign(&s->out, loop_base(l), fd, EV_WRITE, on_writable, s);
	return s;
}

struct stream *
stream_accept(struct loop *l, int fd, const struct stream_limits *lim, const struct stream_ops *ops,
    void *arg)
{
	struct stream *s = stream_new(l, fd, lim, ops, arg);

	if (s && event_add(&s->in, NULL) < 0)
		return stream_close(s);
	return s;
}

struct stream *
stream_connect(struct loop *l, const struct stream_target *t, const struct stream_limits *lim,
    const struct stream_ops *ops, void *arg)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&t->bind, &sa);
	const char *device = t->device;
	struct stream *s;
	int one = 1, fd;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (t->share_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    (device && device[0] &&
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) <
		    0) ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0)
		goto fail;
	len = addr_to_sockaddr(&t->to, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		goto fail;
	s = stream_new(l, fd, lim, ops, arg);
	if (!s)
		return NULL;
	s->connecting = true;
	if (event_add(&s->out, NULL) < 0)
		return stream_close(s);
	return s;
fail:
	close(fd);
	return NULL;
}

struct stream *
stream_close(struct stream *s)
{
	if (!s || s->closed)
		return NULL;
	s->closed = true;
	event_del(&s->in);
	event_del(&s->out);
	if (s->busy == 0)
		destroy(s);
	return NULL;
}

struct stream *
stream_finish(struct stream *s)
{
	if (s && !s->closed && !s->down && !s->connecting && s->wait_at < s->wait_len)
		(void)!send(s->fd, s->wait + s->wait_at, s->wait_len - s->wait_at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	return stream_close(s);
}

int
stream_send(struct stream *s, struct str head, struct str body)
{
	size_t more = head.n + body.n;

	if (s->closed || s->down)
		return ED_GONE;
	if (s->wait_at) {
		memmove(s->wait, s->wait + s->wait_at, s->wait_len - s->wait_at);
		s->wait_len -= s->wait_at;
		s->wait_at = 0;
	}
	if (s->wait_len + more > s->lim.output)
		return ED_LIMIT;
	if (!grow(&s->wait, &s->wait_room, s->wait_len, more))
		return ED_NOMEM;
	if (head.n)
		memcpy(s->wait + s->wait_len, head.p, head.n);
	if (body.n)
		memcpy(s->wait + s->wait_len + head.n, body.p, body.n);
	s->wait_len += more;
	loop_defer(s->loop, &s->flush);
	return ED_OK;
}

size_t
stream_pending(const struct stream *s)
{
	return s->wait_len - s->wait_at;
}

void
stream_pause(struct stream *s, bool pause)
{
	if (s->paused == pause || s->closed || s->down)
		return;
	s->paused = pause;
	if (s->connecting)
		return;
	if (pause)
		event_del(&s->in);
	else
		event_add(&s->in, NULL);
}

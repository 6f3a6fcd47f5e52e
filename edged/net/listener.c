/* SPDX-License-Identifier: MIT
 *
 * net/listener.c: see the header. A burst is bounded so that a flood of SYNs does not stand in
 * front of messages; the kernel keeps the rest in its queue and the descriptor stays readable.
 */
#include "net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"

#define ACCEPT_BURST 16
#define REST_MS      100u /* after running out of descriptors or memory */

struct listener {
	struct loop *loop;
	struct event *ev;
	int fd;
	struct addr at; /* address listened on */
	bool any;       /* a wildcard: each connection has its own local address */
	bool paused;    /* by the room */
	struct timer rest;
	const struct listener_ops *ops;
	void *arg;
	bool *freed; /* set while accepting: the room may free us in a callback */
};

static int
bind_options(int fd, const struct addr *at, const char *device)
{
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return ED_SYS;
	if (at->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return ED_SYS;
	if (device && device[0] &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		return ED_SYS;
	return ED_OK;
}

int
listener_bind(const struct addr *at, const char *device, int backlog, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, &ss);
	int saved;
	int fd;

	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ED_SYS;
	if (bind_options(fd, at, device) < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    listen(fd, backlog) < 0) {
		saved = errno; /* the caller says why */
		close(fd);
		errno = saved;
		return ED_SYS;
	}
	*ret_fd = fd;
	return ED_OK;
}

static void
update(struct listener *ln)
{
	if (ln->paused || timer_is_set(&ln->rest))
		event_del(ln->ev);
	else
		event_add(ln->ev, NULL);
}

static void
on_rest_over(struct timer *t, uint64_t now_ms)
{
	update(LIST_OF(t, struct listener, rest));
}

static void
trouble(struct listener *ln, int err)
{
	timer_set(ln->loop, &ln->rest, loop_now_ms(ln->loop) + REST_MS);
	update(ln);
	if (ln->ops->on_trouble)
		ln->ops->on_trouble(ln->arg, err);
}

static bool
local_of(const struct listener *ln, int fd, struct addr *ret)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	*ret = ln->at;
	if (!ln->any)
		return true;
	return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	       addr_from_sockaddr(ret, (struct sockaddr *)&ss, len) == ED_OK;
}

/* True to go on with the burst. */
static bool
accept_one(struct listener *ln)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr peer, local;
	int fd = accept4(ln->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		switch (errno) {
		case EAGAIN:
			return false;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			trouble(ln, errno);
			return false;
		default: /* the connection died in the queue; on to the next */
			return true;
		}
	}
	if (addr_from_sockaddr(&peer, (struct sockaddr *)&ss, len) < 0 ||
	    !local_of(ln, fd, &local)) {
		close(fd);
		return true;
	}
	ln->ops->on_accept(ln->arg, fd, &peer, &local);
	return true;
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct listener *ln = arg;
	bool freed = false;

	ln->freed = &freed;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		bool more = accept_one(ln);

		if (freed)
			return;
		if (!more || ln->paused)
			break;
	}
	ln->freed = NULL;
}

static int
learn_address(struct listener *ln)
{
	static const uint8_t zero[16];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(ln->fd, (struct sockaddr *)&ss, &len) < 0 ||
	    addr_from_sockaddr(&ln->at, (struct sockaddr *)&ss, len) < 0)
		return ED_SYS;
	ln->any = memcmp(ln->at.ip, zero, sizeof(zero)) == 0;
	return ED_OK;
}

struct listener *
listener_new(struct loop *l, int fd, const struct listener_ops *ops, void *arg)
{
	struct listener *ln = calloc(1, sizeof(*ln));

	if (!ln) {
		close(fd);
		return NULL;
	}
	ln->loop = l;
	ln->fd = fd;
	ln->ops = ops;
	ln->arg = arg;
	timer_init(&ln->rest, on_rest_over);
	ln->ev = event_new(loop_base(l), fd, EV_READ | EV_PERSIST, on_ready, ln);
	if (!ln->ev || learn_address(ln) < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
	    event_add(ln->ev, NULL) < 0)
		return listener_free(ln);
	return ln;
}

struct listener *
listener_free(struct listener *ln)
{
	if (!ln)
		return NULL;
	if (ln->freed)
		*ln->freed = true;
	timer_cancel(&ln->rest);
	if (ln->ev)
		event_free(ln->ev);
	close(ln->fd);
	free(ln);
	return NULL;
}

void
listener_pause(struct listener *ln, bool pause)
{
	ln->paused = pause;
	update(ln);
}

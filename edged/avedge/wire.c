/* SPDX-License-Identifier: MIT */
#include "avedge/wire.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/list.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/msframe/hello.h"

#define HANDSHAKE_MS 10000u /* as long as the first bytes may take (ms-turn 5.9) */
#define LOOK_LEN     64u    /* more than any row of ms-turn 1.3 needs */

struct wire {
	struct loop *loop;
	struct list link; /* all: reachable to the end of the process, while TLS says goodbye */
	const struct wire_ops *ops;
	void *arg; /* NULL: finished */
	struct wire_conf conf;
	struct addr peer, local;
	struct stream *stream;
	struct conn *conn;
	struct event look;
	int fd;      /* -1: handed on */
	size_t seen; /* bytes looked at */
	bool paused;
};

static struct list all = {&all, &all};

static void
destroy(struct wire *w)
{
	list_remove(&w->link);
	tls_ctx_unref(w->conf.tls);
	free(w);
}

/* ---- without TLS ---- */

static ptrdiff_t
stream_bytes(struct stream *s, void *arg, struct str bytes)
{
	struct wire *w = arg;

	(void)s;
	return w->ops->on_bytes(w->arg, bytes);
}

static void
stream_drained(struct stream *s, void *arg)
{
	struct wire *w = arg;

	(void)s;
	w->ops->on_drained(w->arg);
}

static void
stream_down(struct stream *s, void *arg)
{
	struct wire *w = arg;

	(void)s;
	w->ops->on_down(w->arg, "closed");
}

static bool
go_plain(struct wire *w)
{
	static const struct stream_ops ops = {
	    .on_bytes = stream_bytes, .on_drained = stream_drained, .on_down = stream_down};
	struct stream_limits lim = {(uint32_t)w->conf.input, (uint32_t)w->conf.output};

	w->stream = stream_accept(w->loop, w->fd, &lim, &ops, w);
	w->fd = -1;
	return w->stream != NULL;
}

/* ---- with TLS ---- */

static void
conn_up(struct conn *c, void *arg, const struct tls_facts *facts)
{
	struct wire *w = arg;

	(void)facts;
	if (w->paused)
		conn_pause(c, true);
}

static ptrdiff_t
conn_bytes(struct conn *c, void *arg, struct str bytes)
{
	struct wire *w = arg;

	(void)c;
	return w->arg ? w->ops->on_bytes(w->arg, bytes) : (ptrdiff_t)bytes.n;
}

static void
conn_drained(struct conn *c, void *arg)
{
	struct wire *w = arg;

	if (w->arg && conn_output_pending(c) == 0)
		w->ops->on_drained(w->arg);
}

static void
conn_down(struct conn *c, void *arg, enum conn_end why)
{
	struct wire *w = arg;

	(void)c;
	w->conn = NULL;
	if (w->arg)
		w->ops->on_down(w->arg, conn_end_name(why));
	else
		destroy(w);
}

static bool
go_tls(struct wire *w)
{
	static const struct conn_ops ops = {.on_up = conn_up,
	    .on_bytes = conn_bytes,
	    .on_drained = conn_drained,
	    .on_down = conn_down};
	struct conn_limits lim = {.handshake_ms = HANDSHAKE_MS,
	    .input = (uint32_t)w->conf.input,
	    /* wire_send refuses before: a datagram too many is lost, not the connection */
	    .output = (uint32_t)w->conf.output * 2};

	w->conn = conn_accept(w->loop, w->fd, &w->peer, &w->local, w->conf.tls, &lim, &ops, w);
	w->fd = -1;
	return w->conn != NULL;
}

/* ---- which ---- */

/* False: the other side has gone, or nothing is new. */
static bool
look_again(struct wire *w, enum msframe_first *ret)
{
	char bytes[LOOK_LEN];
	ssize_t n = recv(w->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	int want = (int)w->seen + 1;

	*ret = MSFRAME_FIRST_MORE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if ((size_t)n <= w->seen)
		return false;
	w->seen = (size_t)n;
	*ret = msframe_first((struct str){bytes, (size_t)n});
	want = (int)n + 1;
	/* What was looked at stays in the socket: it shall wake us for more only. */
	return *ret != MSFRAME_FIRST_MORE ||
	       setsockopt(w->fd, SOL_SOCKET, SO_RCVLOWAT, &want, sizeof(want)) == 0;
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;
	enum msframe_first first;
	int one = 1;
	bool goes_on = look_again(w, &first);

	(void)what;
	if (goes_on && first == MSFRAME_FIRST_MORE)
		return;
	event_del(&w->look);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	if (goes_on)
		goes_on = first == MSFRAME_FIRST_TLS ? go_tls(w) : go_plain(w);
	if (!goes_on)
		w->ops->on_down(w->arg, "closed");
	else if (w->stream && w->paused)
		stream_pause(w->stream, true);
}

struct wire *
wire_accept(struct loop *l, int fd, const struct addr *peer, const struct addr *local,
    const struct wire_conf *conf, const struct wire_ops *ops, void *arg)
{
	struct wire *w = calloc(1, sizeof(*w));
	bool ok;

	if (!w) {
		close(fd);
		return NULL;
	}
	*w = (struct wire){.loop = l,
	    .ops = ops,
	    .arg = arg,
	    .conf = *conf,
	    .peer = *peer,
	    .local = *local,
	    .fd = fd};
	if (conf->tls)
		tls_ctx_ref(conf->tls);
	list_push_back(&all, &w->link);
	event_assign(&w->look, loop_base(l), fd, EV_READ | EV_PERSIST, on_look, w);
	if (conf->tls && conf->tls_only)
		ok = go_tls(w);
	else if (conf->tls)
		ok = event_add(&w->look, NULL) == 0;
	else
		ok = go_plain(w);
	return ok ? w : wire_finish(w);
}

struct wire *
wire_finish(struct wire *w)
{
	if (!w)
		return NULL;
	w->arg = NULL;
	event_del(&w->look);
	if (w->fd >= 0)
		close(w->fd);
	w->stream = stream_finish(w->stream);
	if (w->conn)
		conn_close(w->conn, CONN_END_LOCAL); /* conn_down destroys */
	else
		destroy(w);
	return NULL;
}

int
wire_send(struct wire *w, struct str head, struct str body)
{
	char *at;

	if (w->stream)
		return stream_send(w->stream, head, body);
	if (!w->conn)
		return ED_GONE;
	if (conn_output_pending(w->conn) + head.n + body.n > w->conf.output)
		return ED_LIMIT;
	at = conn_reserve(w->conn, head.n + body.n);
	if (!at)
		return ED_GONE;
	if (head.n)
		memcpy(at, head.p, head.n);
	if (body.n)
		memcpy(at + head.n, body.p, body.n);
	conn_commit(w->conn, head.n + body.n);
	/* turnutils_uclient loses the second of two messages in one record. */
	conn_send_now(w->conn);
	return ED_OK;
}

size_t
wire_pending(const struct wire *w)
{
	return w->stream ? stream_pending(w->stream) : w->conn ? conn_output_pending(w->conn) : 0;
}

void
wire_pause(struct wire *w, bool pause)
{
	w->paused = pause;
	if (w->stream)
		stream_pause(w->stream, pause);
	else if (w->conn && conn_facts(w->conn))
		conn_pause(w->conn, pause);
}

bool
wire_is_tls(const struct wire *w)
{
	return w->conn != NULL;
}

/* SPDX-License-Identifier: MIT */
#include "connector/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/list.h"
#include "connector/connector.h"
#include "connector/edge.h"
#include "net/loop.h"
#include "proto/psom/line.h"
#include "svc/log.h"

#define CALLERS_MAX 32u

struct caller {
	struct list link;
	struct control *c;
	struct event *ev;
	struct psom_lines lines;
	char in[4096]; /* read, lines not all answered */
	size_t n_in, at_in;
	uint64_t waits_for; /* seq; 0: for nothing */
	int fd;
};

struct control {
	struct connector *k;
	struct event *ev;
	struct list callers;
	unsigned n;
	int fd;
	char path[108];
};

static void
caller_free(struct caller *r)
{
	list_remove(&r->link);
	r->c->n--;
	if (r->ev)
		event_free(r->ev);
	close(r->fd);
	free(r);
}

/* False when the caller is gone. A short answer into an empty socket: it fits, or the caller is
 * sick. */
static bool
say(struct caller *r, const char *text)
{
	size_t n = strlen(text);

	if (send(r->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n)
		return true;
	caller_free(r);
	return false;
}

enum reading { READING, READ, NOBODY_LEFT };

/* READ: by every edge that is up. A handle is of no use while nobody has its hash. */
static enum reading
readers(const struct connector *k, uint64_t seq)
{
	enum reading r = NOBODY_LEFT;

	for (uint32_t i = 0; i < k->n_edges; i++) {
		if (!edge_is_up(k->edges[i]))
			continue;
		if (!edge_acked(k->edges[i], seq))
			return READING;
		r = READ;
	}
	return r;
}

static bool
line_answer(struct caller *r, struct str line)
{
	struct connector *k = r->c->k;
	struct psom_line l;
	char text[64];
	int e = psom_line_read(line, &l);

	if (e == ED_OK && l.kind != PSOM_LINE_TICKET && l.kind != PSOM_LINE_REVOKE)
		e = ED_UNSUPPORTED;
	if (e == ED_OK && l.kind == PSOM_LINE_TICKET && !connector_server(k, l.server))
		return say(r, "error no_such_server\n");
	if (e == ED_OK)
		e = connector_announce(k, &l, &r->waits_for);
	if (e < 0) {
		snprintf(
		    text, sizeof(text), "error %s\n", e == ED_STATE ? "no_link" : ed_err_name(e));
		return say(r, text);
	}
	return true;
}

/* Answer lines one after the other; a ticket stops here until every edge has read it. */
static void
caller_run(struct caller *r)
{
	struct str line;

	for (;;) {
		struct str in = {r->in + r->at_in, r->n_in - r->at_in};
		int got;

		if (r->waits_for) {
			enum reading rd = readers(r->c->k, r->waits_for);

			if (rd == READING)
				return;
			r->waits_for = 0;
			if (!say(r, rd == READ ? "ok\n" : "error no_link\n"))
				return;
		}
		got = psom_lines_next(&r->lines, &in, &line);
		r->at_in = r->n_in - in.n;
		if (got == 0)
			break;
		if (got < 0) {
			if (say(r, "error line_too_long\n"))
				caller_free(r);
			return;
		}
		if (!line_answer(r, line))
			return;
	}
	r->n_in = r->at_in = 0;
	event_add(r->ev, NULL);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct caller *r = arg;
	ssize_t n = recv(fd, r->in, sizeof(r->in), MSG_DONTWAIT);

	if (n > 0) {
		r->n_in = (size_t)n;
		r->at_in = 0;
		caller_run(r); /* adds the event again when all is answered */
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		caller_free(r);
	} else {
		event_add(r->ev, NULL);
	}
}

static void
on_caller(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;
	int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct caller *r;

	if (got < 0)
		return;
	r = c->n < CALLERS_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (!r) {
		close(got);
		return;
	}
	r->c = c;
	r->fd = got;
	list_push_back(&c->callers, &r->link);
	c->n++;
	r->ev = event_new(loop_base(c->k->loop), got, EV_READ, on_readable, r);
	if (!r->ev || event_add(r->ev, NULL) < 0)
		caller_free(r);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t old;
	int r;

	if (fd < 0 || strlen(path) >= sizeof(un.sun_path))
		goto fail;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	(void)unlink(path);
	old = umask(0117); /* 0660 from its first moment */
	r = bind(fd, (struct sockaddr *)&un, sizeof(un));
	umask(old);
	if (r == 0 && listen(fd, 16) == 0)
		return fd;
fail:
	if (fd >= 0)
		close(fd);
	return -1;
}

struct control *
control_new(struct connector *k, const char *path, const char **ret_why)
{
	struct control *c;

	if (!path || !*path)
		return NULL;
	c = calloc(1, sizeof(*c));
	*ret_why = "connector.control: cannot listen there";
	if (!c)
		return NULL;
	c->k = k;
	list_init(&c->callers);
	snprintf(c->path, sizeof(c->path), "%s", path);
	c->fd = listen_at(path);
	if (c->fd >= 0)
		c->ev = event_new(loop_base(k->loop), c->fd, EV_READ | EV_PERSIST, on_caller, c);
	if (!c->ev || event_add(c->ev, NULL) < 0)
		return control_free(c);
	*ret_why = NULL;
	return c;
}

struct control *
control_free(struct control *c)
{
	if (!c)
		return NULL;
	LIST_EACH_SAFE(it, &c->callers)
	caller_free(LIST_OF(it, struct caller, link));
	if (c->ev)
		event_free(c->ev);
	if (c->fd >= 0) {
		close(c->fd);
		(void)unlink(c->path);
	}
	free(c);
	return NULL;
}

void
control_edges_changed(struct control *c)
{
	LIST_EACH_SAFE(it, &c->callers)
	{
		struct caller *r = LIST_OF(it, struct caller, link);

		if (r->waits_for)
			caller_run(r);
	}
}

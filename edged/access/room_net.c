/* SPDX-License-Identifier: MIT
 *
 * access/room_net.c: what the core asks of the world (core.h), and the links with the other
 * workers.
 */
#include "access/room_in.h"

#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>

#include "net/resolve.h"
#include "svc/log.h"

/* ---- acts of the core ---- */

static char *
net_reserve(void *net, struct flow *f, size_t n)
{
	return conn_reserve(f->conn, n);
}

static void
net_commit(void *net, struct flow *f, size_t n)
{
	conn_commit(f->conn, n);
}

static void
net_close(void *net, struct flow *f, enum access_end why)
{
	conn_close(f->conn, why == ACCESS_END_DEADLINE ? CONN_END_IDLE : CONN_END_LOCAL);
}

static void
net_pause(void *net, struct flow *f, bool pause)
{
	conn_pause(f->conn, pause);
}

static size_t
net_pending(void *net, const struct flow *f)
{
	return conn_output_pending(f->conn);
}

static void
net_set_idle(void *net, struct flow *f, uint32_t idle_ms)
{
	conn_set_idle(f->conn, idle_ms);
}

static void
net_random(void *net, void *p, size_t n)
{
	svc_random(p, n);
}

static uint64_t
net_now_ms(void *net)
{
	const struct room *room = net;

	return loop_now_ms(room->loop);
}

static uint64_t
net_clock_s(void *net)
{
	return (uint64_t)time(NULL);
}

static uint64_t
net_spent_us(void *net)
{
	const struct room *room = net;

	return loop_spent_us(room->loop);
}

static void
on_resolved(void *arg, const struct resolve_answer *ans)
{
	struct room_source *s = arg;

	access_resolved(
	    s->room->ax, s->source, ans->addrs, ans->err == ED_OK ? ans->n_addrs : 0, ans->ttl_s);
}

static int
net_resolve(void *net, const char *host, uint32_t source)
{
	struct room *room = net;

	return resolve_host(room->resolve, str_of(host), on_resolved, &room->sources[source]);
}

static int
net_srv(void *net, const char *domain, bool for_outsider)
{
	const struct room *room = net;

	return room_partner_srv(room->partner, domain, for_outsider);
}

static int
net_host(void *net, const char *host)
{
	const struct room *room = net;

	return room_partner_host(room->partner, host);
}

static void
net_each_list(void *net, void (*each)(const struct access_list *l, void *arg), void *arg)
{
	const struct room *room = net;

	room_partner_each_list(room->partner, each, arg);
}

static void
sibling_end(struct room_sibling *s)
{
	if (!s->ev)
		return;
	event_free(s->ev);
	close(s->fd);
	s->ev = NULL;
	s->fd = -1;
}

static int
net_to_sibling(void *net, unsigned slot, struct str bytes)
{
	struct room *room = net;
	struct room_sibling *s = &room->siblings[slot & 0xff];
	int r;

	if (!s->ev)
		return ED_GONE;
	r = ipc_send(s->fd, bytes, NULL, 0);
	return r == ED_OK ? ED_OK : ED_LIMIT;
}

/* ---- siblings ---- */

static void
on_sibling(evutil_socket_t fd, short what, void *arg)
{
	struct room_sibling *s = arg;

	for (unsigned i = 0; i < 64; i++) { /* then others have their turn */
		size_t n, n_fds;
		int r =
		    ipc_recv(s->fd, s->room->inbox, sizeof(s->room->inbox), &n, NULL, 0, &n_fds);

		if (r == ED_STATE)
			return;
		if (r < 0) { /* the supervisor starts it again and brings a new link */
			sibling_end(s);
			access_sibling_lost(s->room->ax, s->slot);
			return;
		}
		access_sibling_message(
		    s->room->ax, s->slot, (struct str){(char *)s->room->inbox, n});
	}
}

void
room_link_sibling(void *arg, unsigned slot, int fd)
{
	struct room *room = arg;
	struct room_sibling *s = &room->siblings[slot & 0xff];

	if (s->ev) {
		sibling_end(s);
		access_sibling_lost(room->ax, slot);
	}
	s->room = room;
	s->slot = slot;
	s->fd = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	s->ev = event_new(loop_base(room->loop), fd, EV_READ | EV_PERSIST, on_sibling, s);
	if (!s->ev || event_add(s->ev, NULL) < 0) {
		log_error(AREA_SYS, "", "sibling_link_failed", "slot=%u", slot);
		if (s->ev)
			sibling_end(s);
		else
			close(fd);
	}
}

const struct access_ops room_access_ops = {
    .reserve = net_reserve,
    .commit = net_commit,
    .close = net_close,
    .pause = net_pause,
    .pending = net_pending,
    .set_idle = net_set_idle,
    .open = room_open,
    .resolve = net_resolve,
    .open_partner = room_open_partner,
    .srv = net_srv,
    .host = net_host,
    .to_sibling = net_to_sibling,
    .random = net_random,
    .now_ms = net_now_ms,
    .clock_s = net_clock_s,
    .spent_us = net_spent_us,
    .each_list = net_each_list,
};

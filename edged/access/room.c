/* SPDX-License-Identifier: MIT */
#include "access/room.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/control.h"
#include "access/counters.h"
#include "access/room_in.h"
#include "access/token.h"
#include "access/view.h"
#include "base/wipe.h"
#include "net/admit.h"
#include "net/keycall.h"
#include "net/resolve.h"
#include "svc/log.h"

#define KEYS_EVERY_MS 1000u

/* ---- keys of the day ---- */

static int
refresh_ring(struct room *room)
{
	struct keycall_day_key keys[16];
	int64_t now = (int64_t)time(NULL);
	uint32_t first;
	uint8_t n = token_ring_days(now, &first);
	int r;

	if (n > sizeof(keys) / sizeof(keys[0]))
		n = sizeof(keys) / sizeof(keys[0]);
	r = keycall_day_keys(svc_keys(room->svc), first, n, keys);
	for (uint8_t i = 0; r == ED_OK && i < n; i++)
		r = token_ring_set(room->ring, keys[i].day, keys[i].sign, keys[i].seal);
	wipe(keys, sizeof(keys));
	return r;
}

static uint32_t
ticket_period(void)
{
	return (uint32_t)(time(NULL) / ROOM_TICKET_PERIOD_S);
}

static void
refresh_keys(struct room *room)
{
	struct room_tls fresh;
	const char *why = "";

	if (token_ring_is_stale(room->ring, (int64_t)time(NULL)) && refresh_ring(room) < 0)
		log_warning(AREA_CERT, "", "day_keys_not_renewed", "hint=\"keyd\"");
	if (room->now.tls.ticket_period == ticket_period())
		return;
	if (room_tls_new(room->now.conf, svc_keys(room->svc), ticket_period(), &fresh, &why) < 0) {
		log_warning(AREA_CERT, "", "ticket_keys_not_renewed", "reason=\"%s\"", why);
		return;
	}
	room_tls_done(&room->now.tls);
	room->now.tls = fresh;
}

/* ---- time ---- */

static void
on_tick(struct timer *t, uint64_t now_ms)
{
	struct room *room = (struct room *)(void *)((char *)t - offsetof(struct room, tick));
	struct access_state s;

	access_tick(room->ax);
	if (now_ms >= room->keys_at_ms) {
		room->keys_at_ms = now_ms + KEYS_EVERY_MS;
		refresh_keys(room);
		room_partner_tick(room->partner);
	}
	if (room->draining && !room->drained) {
		access_get_state(room->ax, &s);
		if (s.clients == 0) {
			room->drained = true;
			svc_drained(room->svc);
		}
	}
	timer_set(room->loop, t, now_ms + ACCESS_TICK_MS);
}

/* ---- life ---- */

static struct admit_limits
admit_limits_of(const struct conf *c)
{
	return (struct admit_limits){
	    .total = c->access.limits.connections,
	    .per_address = c->access.limits.connections_per_address,
	    .half_open = c->access.limits.half_open,
	    .per_address_minute = c->access.limits.handshakes_per_minute,
	};
}

static void
view_drop(struct room_view *v)
{
	view_free(v->view);
	room_tls_done(&v->tls);
	memset(v, 0, sizeof(*v));
}

static int
view_build(struct room *room, const struct conf *c, struct room_view *ret, const char **ret_why)
{
	struct room_view v = {.conf = c};
	int r;

	*ret_why = "a name or network of the configuration is none";
	r = view_new(c, svc_hash_key(room->svc), &v.view);
	if (r == ED_OK)
		r = room_tls_new(c, svc_keys(room->svc), ticket_period(), &v.tls, ret_why);
	if (r < 0) {
		view_drop(&v);
		return r;
	}
	*ret = v;
	return ED_OK;
}

static int
start_net(struct room *room, const char **ret_why)
{
	const struct conf *c = room->now.conf;
	struct admit_limits lim = admit_limits_of(c);
	static const struct addr v4 = {.family = 4}, v6 = {.family = 6};
	const struct conf_list *own = &c->external.access.addresses;
	struct resolve_conf rc = {.servers = c->dns.servers.v,
	    .n_servers = (uint8_t)(c->dns.servers.n > 8 ? 8 : c->dns.servers.n),
	    .device = c->external.interface,
	    .from = {room_own_address(own, &v4), room_own_address(own, &v6)}};
	const struct svc_listener *l;
	size_t n;

	if (rc.n_servers == 0)
		rc.servers = NULL;
	room->admit = admit_new(&lim, svc_hash_key(room->svc));
	room->resolve = resolve_new(room->loop, &rc);
	if (!room->admit || !room->resolve) {
		*ret_why = "no memory, or no name servers";
		return ED_NOMEM;
	}
	room->partner = room_partner_new(room->svc, room->resolve, room->now.view);
	if (!room->partner) {
		*ret_why = "no memory for partners";
		return ED_NOMEM;
	}
	l = svc_listeners(room->svc, &n);
	for (size_t i = 0; i < n && room->n_listeners < LISTENERS_MAX; i++) {
		struct room_listener *rl = &room->listeners[room->n_listeners];

		rl->room = room;
		rl->kind = l[i].kind;
		rl->ln = listener_new(room->loop, l[i].fd, &room_listener_ops, rl);
		if (!rl->ln) {
			*ret_why = "listener";
			return ED_NOMEM;
		}
		room->n_listeners++;
	}
	return ED_OK;
}

static int
start_core(struct room *room, const char **ret_why)
{
	struct access_params p = {
	    .ops = &room_access_ops,
	    .net = room,
	    .slot = svc_worker(room->svc),
	    .n_workers = svc_workers(room->svc),
	    .counter_base = svc_counter_base(room->svc),
	    .hash_key = *svc_hash_key(room->svc),
	    .view = room->now.view,
	    .ring = room->ring,
	};

	room->ax = access_new(&p, ret_why);
	room_partner_set_core(room->partner, room->ax);
	return room->ax ? access_start(room->ax, ret_why) : ED_NOMEM;
}

static int
room_start(struct svc *s, void **ret_room, const char **ret_why)
{
	struct room *room = calloc(1, sizeof(*room));
	int r;

	*ret_why = "no memory";
	if (!room)
		return ED_NOMEM;
	room->svc = s;
	room->loop = svc_loop(s);
	for (uint32_t i = 0; i < NEXTHOP_SOURCES_MAX; i++)
		room->sources[i] = (struct room_source){room, i};
	counters_register();
	stats_register_histogram("edged_sip_outgoing_queue_delay_seconds",
	    "How long output waited for its connection, once for what left together",
	    conn_queue_delay());
	room->ring = token_ring_new();
	r = room->ring ? refresh_ring(room) : ED_NOMEM;
	if (r < 0)
		*ret_why = "keys of the day: keyd does not answer";
	if (r == ED_OK)
		r = view_build(room, svc_conf(s), &room->now, ret_why);
	if (r == ED_OK)
		r = start_net(room, ret_why);
	if (r == ED_OK)
		r = start_core(room, ret_why);
	if (r < 0) /* the process ends: what it holds ends with it */
		return r;
	timer_init(&room->tick, on_tick);
	timer_set(room->loop, &room->tick, loop_now_ms(room->loop) + ACCESS_TICK_MS);
	*ret_room = room;
	return ED_OK;
}

static int
room_prepare(void *arg, const struct conf *next, const char **ret_why)
{
	struct room *room = arg;

	view_drop(&room->next);
	return view_build(room, next, &room->next, ret_why);
}

static void
room_commit(void *arg)
{
	struct room *room = arg;
	struct room_view old = room->now;
	struct admit_limits lim;

	if (!room->next.view)
		return;
	if (access_set_view(room->ax, room->next.view) < 0) {
		log_error(AREA_SYS, "SYS-1003", "reload_refused", "rule=access.next_hop");
		view_drop(&room->next);
		return;
	}
	room->now = room->next;
	memset(&room->next, 0, sizeof(room->next));
	room_partner_set_view(room->partner, room->now.view);
	view_drop(&old);
	lim = admit_limits_of(room->now.conf);
	admit_set_limits(room->admit, &lim);
}

static void
room_rollback(void *arg)
{
	struct room *room = arg;

	view_drop(&room->next);
}

static void
room_drain(void *arg)
{
	struct room *room = arg;

	if (room->draining)
		return;
	room->draining = true;
	for (size_t i = 0; i < room->n_listeners; i++)
		if (room->listeners[i].kind != SVC_LISTEN_ACCESS_INTERNAL)
			listener_pause(room->listeners[i].ln, true);
	access_drain(room->ax);
	log_notice(AREA_SYS, "SYS-1006", "drain", "state=begun");
}

static void
room_control(void *arg, struct str verb, struct str what, struct svc_ctl_reply *reply)
{
	struct room *room = arg;

	control_answer(room->ax, verb, what, reply);
}

static void
close_flow(const struct flow *f, void *arg)
{
	if (f->conn)
		conn_close(f->conn, CONN_END_SHUTDOWN);
}

/* The process ends after this: connections get their close_notify, memory goes with the process. */
static void
room_stop(void *arg)
{
	struct room *room = arg;

	timer_cancel(&room->tick);
	for (size_t i = 0; i < room->n_listeners; i++)
		listener_free(room->listeners[i].ln);
	access_each_flow(room->ax, close_flow, NULL);
}

const struct svc_room access_room = {
    .role = ROLE_ACCESS,
    .program = "edged-access",
    .start = room_start,
    .prepare = room_prepare,
    .commit = room_commit,
    .rollback = room_rollback,
    .sibling = room_link_sibling,
    .drain = room_drain,
    .control = room_control,
    .stop = room_stop,
};

/* SPDX-License-Identifier: MIT */
#include "access/room.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access/control.h"
#include "access/core.h"
#include "access/counters.h"
#include "access/nexthop.h"
#include "access/room_partner.h"
#include "access/room_tls.h"
#include "access/token.h"
#include "access/view.h"
#include "base/wipe.h"
#include "conf/conf.h"
#include "net/admit.h"
#include "net/conn.h"
#include "net/ipc.h"
#include "net/keycall.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "svc/log.h"
#include "svc/svc.h"

#define LISTENERS_MAX      64
#define LINK_OUTPUT        (1024u * 1024u) /* toward the inside: one slow server must not cost links */
#define LINK_CONNECT_MS    1500u
#define PARTNER_CONNECT_MS 4000u
#define KEYS_EVERY_MS      1000u
#define HEADER_BLOCK_MAX   65536u

struct room;

struct room_sibling {
	struct room *room;
	struct event *ev; /* NULL: no link */
	unsigned slot;
	int fd;
};

struct room_source { /* of the next hop: which question a DNS answer belongs to */
	struct room *room;
	uint32_t source;
};

struct room_listener {
	struct room *room;
	struct listener *ln;
	enum svc_listener_kind kind;
};

struct room_view { /* what a reload exchanges as one */
	const struct conf *conf;
	struct view *view;
	struct room_tls tls;
};

struct room {
	struct svc *svc;
	struct loop *loop;
	struct access *ax;
	struct room_view now, next;
	struct token_ring *ring;
	struct admit *admit;
	struct resolve *resolve;
	struct room_listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct room_source sources[NEXTHOP_SOURCES_MAX];
	struct room_sibling siblings[256];
	struct room_partner *partner;
	struct timer tick;
	uint64_t keys_at_ms;
	bool draining, drained;
	uint8_t inbox[IPC_MSG_MAX];
};

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

/* ---- connections ---- */

static void
on_up(struct conn *c, void *arg, const struct tls_facts *facts)
{
	struct flow *f = arg;
	struct room *room = access_net(f);

	f->local = *conn_local(c);
	if (flow_is_external(f) && !f->by_us)
		admit_up(room->admit, &f->peer);
	if (flow_is_external(f) && facts->has_cert && !room_partner_judge(room->partner, f))
		return;
	if (access_flow_up(f, facts) < 0)
		conn_close(c, CONN_END_LOCAL);
}

static ptrdiff_t
on_bytes(struct conn *c, void *arg, struct str bytes)
{
	struct flow *f = arg;

	if (!f->cid) /* refused in on_up, still closing */
		return (ptrdiff_t)bytes.n;
	return access_flow_bytes(f, bytes);
}

/* That a peer cannot be reached at all is no matter of TLS. */
static void
count_failed(const struct conn *c, const struct flow *f, enum conn_end why)
{
	enum access_counter first = flow_is_external(f) ? CNT_TLS_EXTERNAL : CNT_TLS_INTERNAL;

	switch (why) {
	case CONN_END_HANDSHAKE_TIMEOUT:
		count(first);
		break;
	case CONN_END_PEER:
	case CONN_END_RESET:
		count(first + 1);
		break;
	case CONN_END_TLS_FAILED:
		count(first + 2 + conn_tls_end(c));
		break;
	default:
		break;
	}
}

static void
say_failed(struct conn *c, const struct flow *f, enum conn_end why)
{
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];

	count_failed(c, f, why);
	if (f->kind == FLOW_LINK || f->by_us) /* the pool says it once for a member */
		return;
	if (f->federation_port && room_partner_say_refused(f, conn_end_detail(c)))
		return;
	log_notice(AREA_CERT, "ACC-2002", "tls_failed", "peer=%s side=%s why=%s reason=%s",
	    addr_str(&f->peer, a), flow_is_external(f) ? "external" : "internal",
	    conn_end_name(why), log_quote(str_of(conn_end_detail(c)), q));
}

static void
on_down(struct conn *c, void *arg, enum conn_end why)
{
	struct flow *f = arg;
	struct room *room = access_net(f);
	bool was_up = conn_facts(c) != NULL;

	if (flow_is_external(f) && !f->by_us)
		admit_drop(room->admit, &f->peer, was_up);
	if (!was_up)
		say_failed(c, f, why);
	room_partner_forget(room->partner, f);
	access_flow_down(f, conn_end_name(why), conn_end_detail(c));
}

static const struct conn_ops conn_ops = {.on_up = on_up, .on_bytes = on_bytes, .on_down = on_down};

static struct conn_limits
limits_for(const struct room *room, bool external, bool client)
{
	const struct conf *c = room->now.conf;
	uint32_t body_kb =
	    client ? c->access.limits.client_body_kb : c->access.limits.server_body_kb;

	return (struct conn_limits){
	    .handshake_ms = c->access.limits.handshake_ms,
	    .connect_ms = LINK_CONNECT_MS,
	    .idle_ms = 0, /* the core sets it */
	    .output = external ? c->access.limits.output_bytes : LINK_OUTPUT,
	    .input = HEADER_BLOCK_MAX + body_kb * 1024 + 32768,
	};
}

/* Our own address on that side, of the family of `like`. */
static struct addr
own_address(const struct conf_list *own, const struct addr *like)
{
	struct addr a;

	for (uint32_t i = 0; i < own->n; i++)
		if (addr_parse_ip(&a, str_of(own->v[i])) == ED_OK && a.family == like->family) {
			a.port = 0;
			return a;
		}
	return (struct addr){0};
}

static int
net_open(void *net, struct flow *f, const struct addr *addr, const char *host)
{
	struct room *room = net;
	struct conn_target t = {.addr = *addr,
	    .bind = own_address(&room->now.conf->internal.addresses, addr),
	    .device = room->now.conf->internal.interface,
	    .host = host};
	struct conn_limits lim = limits_for(room, false, false);
	struct addr literal;

	if (addr_parse_ip(&literal, str_of(host)) == ED_OK) /* no SNI for addresses, RFC 6066 3 */
		t.host = room->now.conf->access.next_hop.fqdn;
	lim.handshake_ms = LINK_CONNECT_MS * 2;
	f->conn = conn_open(room->loop, &t, room->now.tls.link, &lim, &conn_ops, f);
	return f->conn ? ED_OK : ED_SYS;
}

static int
net_open_partner(void *net, struct flow *f, const struct addr *addr, const char *host)
{
	struct room *room = net;
	struct conn_target t = {.addr = *addr,
	    .bind = own_address(&room->now.conf->external.access.addresses, addr),
	    .device = room->now.conf->external.interface,
	    .host = host};
	struct conn_limits lim = limits_for(room, true, false);
	struct tls_ctx *tls = room_partner_tls(room->partner, host);

	if (!tls)
		return ED_SYS;
	lim.connect_ms = PARTNER_CONNECT_MS;
	f->conn = conn_open(room->loop, &t, tls, &lim, &conn_ops, f);
	return f->conn ? ED_OK : ED_SYS;
}

static const struct access_ops access_ops = {
    .reserve = net_reserve,
    .commit = net_commit,
    .close = net_close,
    .pause = net_pause,
    .pending = net_pending,
    .set_idle = net_set_idle,
    .open = net_open,
    .resolve = net_resolve,
    .open_partner = net_open_partner,
    .srv = net_srv,
    .host = net_host,
    .to_sibling = net_to_sibling,
    .random = net_random,
    .now_ms = net_now_ms,
    .clock_s = net_clock_s,
    .spent_us = net_spent_us,
    .each_list = net_each_list,
};

static bool
is_admitted(struct room *room, const struct addr *peer)
{
	static const enum access_counter counters[] = {[ADMIT_TOTAL] = CNT_REFUSED_TOTAL,
	    [ADMIT_PER_ADDRESS] = CNT_REFUSED_PER_ADDRESS,
	    [ADMIT_HALF_OPEN] = CNT_REFUSED_HALF_OPEN,
	    [ADMIT_RATE] = CNT_REFUSED_RATE};
	enum admit_verdict v = admit_take(room->admit, peer, loop_now_ms(room->loop));
	char a[ADDR_STR_LEN];

	if (v == ADMIT_OK)
		return true;
	count(counters[v]);
	log_warning(AREA_SIP, "ACC-2012", "connection_refused", "peer=%s limit=%s",
	    addr_ip_str(peer, a), admit_verdict_name(v));
	return false;
}

static void
on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	struct room_listener *rl = arg;
	struct room *room = rl->room;
	bool internal = rl->kind == SVC_LISTEN_ACCESS_INTERNAL;
	bool federation = rl->kind == SVC_LISTEN_ACCESS_FEDERATION;
	struct conn_limits lim = limits_for(room, !internal, !internal && !federation);
	struct tls_ctx *tls = internal     ? room->now.tls.internal
			      : federation ? room->now.tls.federation
					   : room->now.tls.client;
	struct flow *f;

	if (!internal && !is_admitted(room, peer)) {
		close(fd);
		return;
	}
	f = access_flow_new(
	    room->ax, internal ? FLOW_INSIDE : FLOW_CLIENT, NULL, peer, local, federation);
	if (f) {
		f->conn = conn_accept(room->loop, fd, peer, local, tls, &lim, &conn_ops, f);
		if (f->conn)
			return;
		access_flow_down(f, "no_memory", "");
	} else {
		close(fd);
	}
	if (!internal)
		admit_drop(room->admit, peer, false);
}

static void
on_trouble(void *arg, int err)
{
	log_warning(AREA_SYS, "SYS-1007", "accept_failed", "reason=%s", strerror(err));
}

static const struct listener_ops listener_ops = {.on_accept = on_accept, .on_trouble = on_trouble};

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

static void
room_sibling(void *arg, unsigned slot, int fd)
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
	    .from = {own_address(own, &v4), own_address(own, &v6)}};
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
		rl->ln = listener_new(room->loop, l[i].fd, &listener_ops, rl);
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
	    .ops = &access_ops,
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
    .sibling = room_sibling,
    .drain = room_drain,
    .control = room_control,
    .stop = room_stop,
};

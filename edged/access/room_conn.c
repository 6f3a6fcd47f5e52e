/* SPDX-License-Identifier: MIT
 *
 * access/room_conn.c: connections in and out, and who is let in.
 */
#include "access/room_in.h"

#include <string.h>
#include <unistd.h>

#include "access/counters.h"
#include "net/admit.h"
#include "svc/log.h"

#define LINK_OUTPUT        (1024u * 1024u) /* toward the inside: one slow server must not cost links */
#define LINK_CONNECT_MS    1500u
#define PARTNER_CONNECT_MS 4000u
#define HEADER_BLOCK_MAX   65536u

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
struct addr
room_own_address(const struct conf_list *own, const struct addr *like)
{
	struct addr a;

	for (uint32_t i = 0; i < own->n; i++)
		if (addr_parse_ip(&a, str_of(own->v[i])) == ED_OK && a.family == like->family) {
			a.port = 0;
			return a;
		}
	return (struct addr){0};
}

int
room_open(void *net, struct flow *f, const struct addr *addr, const char *host)
{
	struct room *room = net;
	struct conn_target t = {.addr = *addr,
	    .bind = room_own_address(&room->now.conf->internal.addresses, addr),
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

int
room_open_partner(void *net, struct flow *f, const struct addr *addr, const char *host)
{
	struct room *room = net;
	struct conn_target t = {.addr = *addr,
	    .bind = room_own_address(&room->now.conf->external.access.addresses, addr),
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

const struct listener_ops room_listener_ops = {.on_accept = on_accept, .on_trouble = on_trouble};

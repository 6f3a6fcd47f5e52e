/* SPDX-License-Identifier: MIT
 *
 * avedge/egress.c: carries out what proto/turn has decided.
 */
#include "avedge/internal.h"

#define PAIR_TRIES 64u
#include "proto/turn/allocation.h"

/* An answer: the client may have moved a channel or its active destination. */
static void
forget_flows(const struct turn_allocation *a)
{
	for (int i = 0; i < 2; i++)
		if (a->relay[i])
			kernel_forget(a->relay[i]);
}

static void
to_client(struct avedge *av, const struct turn_act *act)
{
	struct av_listener *l = &av->listeners[act->flow.listener];
	struct pkt *p = act->pkt;
	uint8_t *at;

	if (av->kernel && p)
		kernel_note(av, act, true);
	else if (av->kernel && act->a)
		forget_flows(act->a);

	if (act->flow.transport == TURN_TCP) {
		client_send(av, act->flow.conn, p ? pkt_str(p) : act->bytes, act->is_data);
		return;
	}
	if (p) {
		udp_send(l->udp, p, &act->flow.client);
		return;
	}
	p = pkt_get(udp_pool(av->udp));
	at = p ? pkt_put(p, (uint32_t)act->bytes.n) : NULL;
	if (at) {
		memcpy(at, act->bytes.p, act->bytes.n);
		udp_send(l->udp, p, &act->flow.client);
	}
	pkt_unref(p);
}

static void
to_peer(struct avedge *av, const struct turn_act *act)
{
	struct av_relay *r = act->relay;

	if (av->kernel)
		kernel_note(av, act, false);
	if (r->udp) {
		udp_send(r->udp, act->pkt, &act->peer);
		return;
	}
	peer_send(r, &act->peer, pkt_str(act->pkt));
	throttle_look(r);
}

/* An even port and the one above; others may hold the upper one, so a few draws. */
static struct av_relay *
open_pair(struct avedge *av, const struct turn_act *act)
{
	for (unsigned i = 0; i < PAIR_TRIES; i++) {
		struct av_relay *r = av_relay_open(av, act->a, act->family, act->transport, true);
		struct av_relay *above = r ? av_relay_open_above(r) : NULL;

		if (!r)
			return NULL;
		if (above) {
			turn_server_reserved(
			    av->server, act->a, above, act->family, loop_now_ms(av->loop));
			return r;
		}
		av_relay_close(r);
	}
	return NULL;
}

static void
open_relay(struct avedge *av, const struct turn_act *act)
{
	struct av_relay *r = act->relay; /* one that was reserved */

	if (r)
		r->a = act->a;
	else if (!av->draining)
		r = act->pair ? open_pair(av, act)
			      : av_relay_open(av, act->a, act->family, act->transport, act->even);
	if (r && r->conn)
		client_has_allocation(av, r->conn);
	turn_server_relay_opened(
	    av->server, act->a, r ? &r->bound : NULL, r, loop_now_ms(av->loop), &av->acts);
	egress_run(av);
}

static void
run_one(struct avedge *av, const struct turn_act *act)
{
	switch (act->kind) {
	case TURN_ACT_TO_CLIENT:
		to_client(av, act);
		break;
	case TURN_ACT_TO_PEER:
		to_peer(av, act);
		break;
	case TURN_ACT_OPEN_RELAY:
		open_relay(av, act);
		break;
	case TURN_ACT_CLOSE_RELAY:
		av_relay_close(act->relay);
		break;
	case TURN_ACT_NEED_KEY:
		cred_ask(av, act->ticket, act->bytes);
		break;
	case TURN_ACT_CLOSE_CLIENT:
		client_close(av, act->flow.conn);
		break;
	case TURN_ACT_CONNECT:
		joint_connect(av, act->relay, act->ticket, &act->peer);
		break;
	case TURN_ACT_JOIN:
		joint_bind(av, act->a, act->ticket, act->flow.conn);
		break;
	case TURN_ACT_CLOSE_PEER:
		joint_close(act->a, act->ticket);
		break;
	}
}

void
egress_run(struct avedge *av)
{
	const struct turn_acts *acts = &av->acts;

	/* First, so that the line of an allocation's end has all of its counts. */
	for (uint8_t i = 0; av->kernel && i < acts->n; i++)
		if (acts->v[i].kind == TURN_ACT_CLOSE_RELAY)
			kernel_forget(acts->v[i].relay);
	if (acts->note)
		notes_write(av, acts);
	/* An act that makes further ones (a relay to open, a client to close) is always the last.
	 */
	for (uint8_t i = 0, n = acts->n; i < n; i++) {
		struct turn_act act = acts->v[i];

		run_one(av, &act);
	}
}

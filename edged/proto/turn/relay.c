/* SPDX-License-Identifier: MIT
 *
 * proto/turn/relay.c: media. No allocation of memory, no copy, no log; a look-up, a payment, one
 * act.
 *
 * Spec: RFC 8656 11, 12; ms-turn 5.7.
 */
#include <string.h>

#include "proto/stun/types.h"
#include "proto/turn/internal.h"

enum turn_rule
turn_judge(struct turn_request *q, const struct addr *peer, bool has_port)
{
	struct turn_server *s = q->s;
	enum turn_leg leg = s->conf.listeners[q->flow->listener].leg;
	enum turn_rule r = turn_peer_judge(&s->conf.policy, leg, peer, has_port);

	if (r != TURN_RULE_ALLOWED) {
		turn_drop(s, TURN_COUNT_DROP_PEER_POLICY, q->flow);
		turn_note(q->acts, TURN_NOTE_PEER_REFUSED, turn_rule_name(r), q->a, peer);
	}
	return r;
}

struct turn_fast
turn_fast_of(const struct turn_allocation *a, enum turn_fast_kind kind, uint64_t until_ms)
{
	struct turn_fast f = {.kind = (uint8_t)kind, .until_ms = until_ms};

	if (a->flow.transport == TURN_TCP || a->transport == TURN_TCP)
		f.kind = TURN_FAST_NONE;
	if (f.until_ms > a->expires_ms)
		f.until_ms = a->expires_ms;
	return f;
}

void
turn_relay(struct turn_request *q, const struct addr *wire, struct turn_fast fast)
{
	struct turn_allocation *a = q->a;
	struct turn_act *act;
	void *relay = a->relay[wire->family == 6];

	if (!relay) {
		turn_drop(q->s, TURN_COUNT_DROP_OTHER, q->flow);
		return;
	}
	if (!turn_pay(q->s, a, 0, q->pkt->len, q->now_ms))
		return;
	act = turn_act_add(q->acts, TURN_ACT_TO_PEER);
	act->a = a;
	act->pkt = q->pkt;
	act->peer = *wire;
	act->relay = relay;
	act->fast = fast;
}

/* A transaction id for an indication: unique, not secret, never answered. */
void
turn_indication_id(struct turn_server *s, const struct stun_dialect *d, uint8_t id[STUN_ID_LEN])
{
	uint64_t v[2];

	s->next_indication++;
	v[0] = hash_bytes(&s->conf.hash_key, &s->next_indication, sizeof(s->next_indication));
	v[1] = s->next_indication;
	memcpy(id, v, sizeof(v));
	if (!d->cookie_attribute) {
		id[0] = STUN_MAGIC_COOKIE >> 24;
		id[1] = (STUN_MAGIC_COOKIE >> 16) & 0xff;
		id[2] = (STUN_MAGIC_COOKIE >> 8) & 0xff;
		id[3] = STUN_MAGIC_COOKIE & 0xff;
	}
}

/* Zero bytes behind the content up to a multiple of four. */
static bool
pad(struct pkt *pkt)
{
	uint32_t n = -pkt->len & 3;
	uint8_t *p = n ? pkt_put(pkt, n) : pkt->data;

	if (p && n)
		memset(p, 0, n);
	return p != NULL;
}

/* Puts the head of an indication in front of the content. */
static bool
wrap_indication(
    struct turn_server *s, struct turn_allocation *a, const struct addr *from, struct pkt *pkt)
{
	uint8_t id[STUN_ID_LEN], head[STUN_DATA_HEAD_MAX], *p;
	size_t n;

	turn_indication_id(s, a->dialect, id);
	n = stun_data_head(a->dialect, head, id, from, pkt->len);
	if (a->dialect->padded && !pad(pkt))
		return false;
	p = pkt_push(pkt, (uint32_t)n);
	if (!p)
		return false;
	memcpy(p, head, n);
	return true;
}

static bool
wrap_channel(struct turn_allocation *a, const struct turn_channel *c, struct pkt *pkt)
{
	uint32_t n = pkt->len;
	uint8_t *p;

	/* RFC 8656 12.5: padded over a stream, not in a datagram */
	if (a->flow.transport == TURN_TCP && !pad(pkt))
		return false;
	p = pkt_push(pkt, 4);
	if (!p)
		return false;
	p[0] = (uint8_t)(c->number >> 8);
	p[1] = (uint8_t)c->number;
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
	return true;
}

static bool
wrap(struct turn_server *s, struct turn_allocation *a, const struct addr *from, struct pkt *pkt,
    uint64_t now_ms, bool *ret_is_data, struct turn_fast *ret_fast)
{
	const struct turn_channel *c;

	*ret_is_data = false;
	if (a->ms) {
		if (a->ms->active.family && addr_eq(&a->ms->active, from)) {
			*ret_is_data = true;
			*ret_fast = turn_fast_of(a, TURN_FAST_BARE, UINT64_MAX);
			return true;
		}
		turn_ms_heard(a->ms, from);
	} else {
		c = turn_channel_by_peer(&a->channels, from, now_ms);
		if (c) {
			*ret_fast = turn_fast_of(a, TURN_FAST_CHANNEL, c->expires_ms);
			ret_fast->channel = c->number;
			return wrap_channel(a, c, pkt);
		}
	}
	*ret_fast = turn_fast_of(a, TURN_FAST_INDICATION, UINT64_MAX);
	return wrap_indication(s, a, from, pkt);
}

void
turn_server_peer_input(struct turn_server *s, struct turn_allocation *a, const struct addr *wire,
    struct pkt *pkt, uint64_t now_ms, struct turn_acts *acts)
{
	struct addr from = *wire;
	struct turn_act *act;
	struct turn_fast fast = {0};
	uint64_t permitted_ms;
	bool is_data;

	acts->n = 0;
	acts->note = TURN_NOTE_NONE;
	turn_reap(s);
	if (a->state != TURN_LIVE) {
		turn_drop(s, TURN_COUNT_DROP_NO_ALLOCATION, &a->flow);
		return;
	}
	turn_peer_from_wire(&s->conf.policy, &from);
	permitted_ms = turn_permission_until(&a->permissions, &from);
	if (permitted_ms <= now_ms) {
		turn_drop(s, TURN_COUNT_DROP_NO_PERMISSION, &a->flow);
		return;
	}
	if (!turn_pay(s, a, 1, pkt->len, now_ms))
		return;
	if (!wrap(s, a, &from, pkt, now_ms, &is_data, &fast)) {
		turn_drop(s, TURN_COUNT_DROP_OTHER, &a->flow);
		return;
	}
	act = turn_act_add(acts, TURN_ACT_TO_CLIENT);
	act->a = a;
	act->pkt = pkt;
	act->flow = a->flow;
	act->peer = *wire;
	act->relay = a->relay[wire->family == 6];
	act->is_data = is_data;
	if (fast.until_ms > permitted_ms)
		fast.until_ms = permitted_ms;
	act->fast = fast;
}

bool
turn_server_peer_accept(
    struct turn_server *s, struct turn_allocation *a, const struct addr *wire, uint64_t now_ms)
{
	struct addr from = *wire;
	enum turn_leg leg = s->conf.listeners[a->flow.listener].leg;

	turn_peer_from_wire(&s->conf.policy, &from);
	if (a->state == TURN_LIVE && turn_permission_is_live(&a->permissions, &from, now_ms) &&
	    turn_peer_judge(&s->conf.policy, leg, &from, false) == TURN_RULE_ALLOWED)
		return true;
	turn_drop(s, TURN_COUNT_DROP_NO_PERMISSION, &a->flow);
	return false;
}

/* SPDX-License-Identifier: MIT
 *
 * proto/turn/server.c: what a packet is, by its looks and by the state of its five-tuple
 * (ms-turn 2.3), and the entries that the room calls.
 */
#include "proto/turn/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/wipe.h"
#include "proto/stun/classify.h"
#include "proto/stun/types.h"
#include "proto/turn/internal.h"
#include "proto/turn/shared.h"

const struct turn_limits turn_limits_default = {
    .allocations = 10000,
    .allocations_per_user = 20,
    .allocations_per_address = 1000,
    .permissions = TURN_PERMISSIONS_MAX,
    .channels = TURN_CHANNELS_MAX,
    .connections = 8,
    .kbit_per_port = 3000,
    .kbit_per_user = 10000,
    .challenge = {100, 500},
    .binding = {500, 1000},
    .integrity = {5, 50},
    .keys_waiting = 256,
    .keys_waiting_per_address = 4,
    .lifetime_s = 600,
    .lifetime_max_s = 3600,
    .refresh_grace_s = 2 * 3600,
    .life_max_s = 12 * 3600,
};

struct turn_act *
turn_act_add(struct turn_acts *acts, enum turn_act_kind kind)
{
	/* No path of one call asks for more than two relays, a client and an answer. */
	struct turn_act *act = &acts->v[acts->n < TURN_ACTS_MAX ? acts->n++ : TURN_ACTS_MAX - 1];

	act->kind = kind;
	act->a = NULL;
	act->pkt = NULL;
	act->relay = NULL;
	act->is_data = false;
	act->fast.kind = TURN_FAST_NONE;
	return act;
}

void
turn_note(struct turn_acts *acts, enum turn_note note, const char *detail,
    const struct turn_allocation *a, const struct addr *peer)
{
	acts->note = note;
	acts->detail = detail;
	acts->note_allocation = a;
	acts->note_peer = peer ? *peer : (struct addr){0};
}

void
turn_drop(struct turn_server *s, enum turn_count why, const struct turn_flow *flow)
{
	turn_count_by_transport(s, why, flow);
}

static void
begin(struct turn_server *s, struct turn_acts *acts)
{
	acts->n = 0;
	acts->note = TURN_NOTE_NONE;
	acts->out_used = 0;
	if (s->dead)
		turn_reap(s);
}

int
turn_server_new(const struct turn_conf *conf, struct turn_server **ret)
{
	struct turn_server *s = calloc(1, sizeof(*s));
	int r = ED_NOMEM;

	if (!s)
		return ED_NOMEM;
	s->conf = *conf;
	list_init(&s->pending);
	list_init(&s->unbound);
	list_init(&s->reservations);
	for (size_t i = 0; i < TURN_WHEEL; i++)
		list_init(&s->wheel[i]);
	r = hash_init(&s->flows, 64);
	if (r < 0)
		goto out;
	r = hash_init(&s->tallies, 64);
	if (r < 0)
		goto out;
	r = hash_init(&s->connections, 16);
	if (r < 0)
		goto out;
	r = ED_NOMEM;
	s->sources = turn_sources_new(&conf->hash_key);
	s->nonce_key = mac_ctx_new(conf->nonce_secret, sizeof(conf->nonce_secret));
	if (!s->sources || !s->nonce_key)
		goto out;
	*ret = s;
	s = NULL;
	r = ED_OK;
out:
	turn_server_free(s);
	return r;
}

struct turn_server *
turn_server_free(struct turn_server *s)
{
	struct turn_acts acts;

	if (!s)
		return NULL;
	for (size_t i = 0; i < TURN_WHEEL; i++)
		while (s->wheel[i].next && !list_is_empty(&s->wheel[i])) {
			begin(s, &acts);
			turn_end(s, LIST_OF(s->wheel[i].next, struct turn_allocation, due), "stop",
			    &acts);
		}
	turn_reap(s);
	while (s->pending.next && !list_is_empty(&s->pending)) {
		struct turn_pending *p = LIST_OF(s->pending.next, struct turn_pending, link);

		list_remove(&p->link);
		free(p);
	}
	while (s->reservations.next && !list_is_empty(&s->reservations))
		turn_reservation_free(
		    s, LIST_OF(s->reservations.next, struct turn_reservation, link));
	hash_done(&s->flows);
	hash_done(&s->tallies);
	hash_done(&s->connections);
	turn_sources_free(s->sources);
	mac_ctx_free(s->nonce_key);
	wipe(&s->conf, sizeof(s->conf));
	free(s);
	return NULL;
}

/* What the new policy forbids must not go on over what the old one had granted; done here once, so
 * that the media path need not ask. */
static void
judge_again(struct turn_server *s, struct turn_allocation *a)
{
	enum turn_leg leg = s->conf.listeners[a->flow.listener].leg;

	for (uint8_t i = 0; i < a->channels.n; i++)
		if (turn_peer_judge(&s->conf.policy, leg, &a->channels.v[i].peer, true))
			a->channels.v[i].expires_ms = 0;
	for (uint8_t i = 0; i < a->permissions.n; i++) {
		struct addr peer = {.family = 6};

		memcpy(peer.ip, a->permissions.v[i].ip, 16);
		if (turn_peer_judge(&s->conf.policy, leg, &peer, false))
			a->permissions.v[i].expires_ms = 0;
	}
	LIST_EACH_SAFE(it, &a->connections)
	{
		struct turn_connection *c = LIST_OF(it, struct turn_connection, link);

		if (turn_peer_judge(&s->conf.policy, leg, &c->peer, true)) {
			c->deadline_ms = 0; /* the next tick ends it */
			list_remove(&c->due);
			list_push_front(&s->unbound, &c->due);
		}
	}
	if (a->ms && a->ms->active.family &&
	    turn_peer_judge(&s->conf.policy, leg, &a->ms->active, true))
		a->ms->active.family = 0;
}

void
turn_server_set_conf(struct turn_server *s, const struct turn_conf *conf)
{
	bool forgive = s->conf.limits.kbit_per_user != conf->limits.kbit_per_user;

	/* Secrets and hash key stay: nonces and tables of running clients hang on them. */
	memcpy(s->conf.realm, conf->realm, sizeof(s->conf.realm));
	memcpy(s->conf.listeners, conf->listeners, sizeof(s->conf.listeners));
	s->conf.n_listeners = conf->n_listeners;
	s->conf.policy = conf->policy;
	s->conf.limits = conf->limits;
	s->conf.mtu = conf->mtu;
	s->conf.tcp_allocations = conf->tcp_allocations;
	for (size_t i = 0; i < TURN_WHEEL; i++)
		LIST_EACH(it, &s->wheel[i])
		{
			struct turn_allocation *a = LIST_OF(it, struct turn_allocation, due);

			judge_again(s, a);
			if (forgive && a->is_shared)
				turn_shared_forgive(s->conf.shared, a->shared);
		}
}

static void
control(struct turn_request *q, const struct stun_dialect *d, bool rfc3489, struct str bytes)
{
	struct stun_msg m;
	int r = rfc3489 ? stun_msg_parse_rfc3489(&m, bytes) : stun_msg_parse(&m, d, bytes);

	if (r < 0 || !stun_fingerprint_holds(&m)) {
		turn_drop(q->s, TURN_COUNT_DROP_MALFORMED, q->flow);
		/* ms-turn 3.1.10: a stream that does not hold messages is closed */
		if (q->flow->transport == TURN_TCP)
			turn_act_add(q->acts, TURN_ACT_CLOSE_CLIENT)->flow = *q->flow;
		return;
	}
	q->d = d;
	q->m = &m;
	q->id = m.id;
	q->type = m.type;
	q->len = bytes.n;
	q->fingerprint = m.fingerprint_at != 0;
	/* What is left of a released allocation only answers its own release. */
	if (q->a && q->a->state == TURN_RELEASED && m.type == STUN_ALLOCATE &&
	    memcmp(q->a->first_id, m.id, STUN_ID_LEN) != 0) {
		turn_end(q->s, q->a, "replaced", q->acts);
		q->a = NULL;
	}
	if (rfc3489)
		turn_reply_binding(q, true);
	else if (d->cookie_attribute)
		turn_ms_request(q);
	else
		turn_standard_request(q);
	q->m = NULL;
}

static void
with_ms_allocation(struct turn_request *q, enum stun_class class)
{
	/* Over frames the frame says what it holds; in a datagram only the cookie does. */
	if (q->frame == TURN_FRAME_DATA || (q->frame == TURN_FRAME_NONE && class != STUN_CLASS_MS))
		turn_ms_data(q);
	else
		control(q, &stun_dialect_ms, false, pkt_str(q->pkt));
}

static void
with_standard_allocation(struct turn_request *q, enum stun_class class)
{
	if (class == STUN_CLASS_CHANNEL)
		turn_standard_channel_data(q);
	else if (class == STUN_CLASS_STANDARD)
		control(q, &stun_dialect_standard, false, pkt_str(q->pkt));
	else
		turn_drop(q->s, TURN_COUNT_DROP_OTHER, q->flow);
}

static void
without_allocation(struct turn_request *q, enum stun_class class)
{
	switch (class) {
	case STUN_CLASS_MS:
		control(q, &stun_dialect_ms, false, pkt_str(q->pkt));
		break;
	case STUN_CLASS_STANDARD:
		control(q, &stun_dialect_standard, false, pkt_str(q->pkt));
		break;
	case STUN_CLASS_RFC3489:
		control(q, &stun_dialect_standard, true, pkt_str(q->pkt));
		break;
	case STUN_CLASS_MULTIPLEX:
		turn_drop(q->s, TURN_COUNT_DROP_MULTIPLEX, q->flow);
		break;
	default:
		turn_drop(q->s, TURN_COUNT_DROP_NO_ALLOCATION, q->flow);
	}
}

void
turn_server_input(struct turn_server *s, const struct turn_input *in, struct turn_acts *acts)
{
	struct turn_request q = {.s = s,
	    .flow = in->flow,
	    .now_ms = in->now_ms,
	    .acts = acts,
	    .pkt = in->pkt,
	    .frame = in->frame};
	enum stun_class class = stun_classify(pkt_str(in->pkt));

	begin(s, acts);
	q.a = turn_find(s, in->flow);
	if (!q.a)
		without_allocation(&q, in->frame == TURN_FRAME_DATA ? STUN_CLASS_OTHER : class);
	else if (q.a->ms)
		with_ms_allocation(&q, class);
	else
		with_standard_allocation(&q, class);
}

void
turn_server_key_ready(struct turn_server *s, uint32_t ticket, const struct turn_key *key,
    uint64_t now_ms, struct turn_acts *acts)
{
	struct turn_pending *p = NULL;
	struct turn_request q = {.s = s, .now_ms = now_ms, .acts = acts, .fresh = key};
	struct str bytes;

	begin(s, acts);
	LIST_EACH(it, &s->pending)
	if (LIST_OF(it, struct turn_pending, link)->ticket == ticket)
		p = LIST_OF(it, struct turn_pending, link);
	if (!p)
		return; /* too late */
	list_remove(&p->link);
	s->n_pending--;
	q.flow = &p->flow;
	q.frame = p->frame;
	q.a = turn_find(s, &p->flow);
	bytes = (struct str){(const char *)p->bytes, p->len};
	control(&q,
	    stun_classify(bytes) == STUN_CLASS_MS ? &stun_dialect_ms : &stun_dialect_standard,
	    false, bytes);
	free(p);
}

static void
answer_allocate(struct turn_request *q)
{
	struct turn_allocation *a = q->a;

	a->state = TURN_LIVE;
	turn_count_by_transport(q->s, TURN_COUNT_ALLOCATED, &a->flow);
	turn_note(q->acts, TURN_NOTE_CREATED, a->dialect->name, a, NULL);
	if (a->ms)
		turn_ms_allocated(q, a->lifetime_s);
	else
		turn_standard_allocated(q, a->lifetime_s);
}

void
turn_server_relay_opened(struct turn_server *s, struct turn_allocation *a, const struct addr *bound,
    void *relay, uint64_t now_ms, struct turn_acts *acts)
{
	int i = a->wants[0] ? 0 : 1;
	struct turn_flow flow = a->flow;
	uint8_t id[16], key[16];
	struct turn_request q = {.s = s,
	    .flow = &flow,
	    .now_ms = now_ms,
	    .acts = acts,
	    .d = a->dialect,
	    .id = id,
	    .type = STUN_ALLOCATE,
	    .fingerprint = a->fingerprint,
	    .a = a,
	    .key = {(const char *)key, sizeof(key)}};

	begin(s, acts);
	memcpy(id, a->first_id, sizeof(id));
	memcpy(key, a->key, sizeof(key));
	a->wants[i] = false;
	if (bound) {
		a->relayed[i] = s->conf.policy.relay_public[i];
		a->relayed[i].port = bound->port;
		a->relay[i] = relay;
	} else {
		a->address_error[i] = 508;
	}
	if (a->wants[1]) {
		turn_open_relay(s, a, TURN_PORT_ANY, acts);
	} else if ((a->relay[0] || a->relay[1]) && a->pair == a->has_token) {
		answer_allocate(&q);
	} else {
		bool is_ms = a->ms != NULL;

		turn_end(s, a, "no_port", acts);
		q.a = NULL;
		s->count[TURN_COUNT_NO_PORT]++;
		turn_note(acts, TURN_NOTE_NO_PORT, "", NULL, &flow.client);
		turn_reply_error(&q, is_ms ? 500 : 508);
	}
	wipe(key, sizeof(key));
}

void
turn_server_flow_closed(
    struct turn_server *s, const struct turn_flow *flow, uint64_t now_ms, struct turn_acts *acts)
{
	struct turn_allocation *a;

	(void)now_ms;
	begin(s, acts);
	a = turn_find(s, flow);
	if (a)
		turn_end(s, a, "client_closed", acts);
}

void
turn_server_end(
    struct turn_server *s, struct turn_allocation *a, const char *why, struct turn_acts *acts)
{
	begin(s, acts);
	if (a->flow.transport == TURN_TCP)
		turn_act_add(acts, TURN_ACT_CLOSE_CLIENT)->flow = a->flow;
	turn_end(s, a, why, acts);
}

uint32_t
turn_server_allocations(const struct turn_server *s)
{
	return (uint32_t)s->flows.n;
}

struct turn_allocation *
turn_server_any(struct turn_server *s)
{
	for (size_t i = 0; i < TURN_WHEEL && s->flows.n; i++)
		if (!list_is_empty(&s->wheel[i]))
			return LIST_OF(s->wheel[i].next, struct turn_allocation, due);
	return NULL;
}

uint64_t
turn_server_count(const struct turn_server *s, enum turn_count c)
{
	return s->count[c];
}

void
turn_server_each(
    struct turn_server *s, void (*each)(const struct turn_allocation *a, void *arg), void *arg)
{
	for (size_t i = 0; i < TURN_WHEEL; i++)
		LIST_EACH_SAFE(it, &s->wheel[i])
	each(LIST_OF(it, struct turn_allocation, due), arg);
}

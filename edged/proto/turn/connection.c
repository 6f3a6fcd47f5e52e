/* SPDX-License-Identifier: MIT
 *
 * proto/turn/connection.c: TCP allocations: connections with peers, and the client's connection
 * that carries the bytes of one.
 *
 * Life: Connect gives TURN_ACT_CONNECT, or a peer connects and the client hears of it by
 * ConnectionAttempt; either has a CONNECTION-ID then and 30 s. ConnectionBind, on a TCP connection
 * of its own, joins both (TURN_ACT_JOIN): from then on bytes pass without being looked at. It ends
 * with either side or with its allocation.
 *
 * Spec: RFC 6062 4, 5.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/stun/types.h"
#include "proto/turn/internal.h"

static uint64_t
id_hash(const struct turn_server *s, uint32_t id)
{
	return hash_bytes(&s->conf.hash_key, &id, sizeof(id));
}

static struct turn_connection *
find(struct turn_server *s, uint32_t id)
{
	struct hash_node *n = hash_first(&s->connections, id_hash(s, id));

	for (; n; n = hash_next(n)) {
		struct turn_connection *c = LIST_OF(n, struct turn_connection, node);

		if (c->id == id)
			return c;
	}
	return NULL;
}

static struct turn_connection *
find_peer(struct turn_allocation *a, const struct addr *peer)
{
	/* Linear on purpose: at most turn_limits.connections. */
	LIST_EACH(it, &a->connections)
	{
		struct turn_connection *c = LIST_OF(it, struct turn_connection, link);

		if (addr_eq(&c->peer, peer))
			return c;
	}
	return NULL;
}

static void
wait_for(struct turn_server *s, struct turn_connection *c, uint8_t state, uint64_t now_ms)
{
	c->state = state;
	c->deadline_ms = now_ms + TURN_CONNECT_MS;
	list_remove(&c->due);
	list_push_back(&s->unbound, &c->due); /* all wait equally long: stays in order */
}

/* Guessing one must not help: it is random, and ConnectionBind is authenticated all the same. */
static uint32_t
draw_id(struct turn_server *s)
{
	uint32_t id;

	s->conf.random(&id, sizeof(id));
	while (id == 0 || find(s, id))
		id++;
	return id;
}

static struct turn_connection *
connection_new(struct turn_server *s, struct turn_allocation *a, const struct addr *peer,
    uint8_t state, uint64_t now_ms)
{
	struct turn_connection *c;

	if (a->n_connections >= s->conf.limits.connections)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->a = a;
	c->peer = *peer;
	c->id = draw_id(s);
	list_init(&c->due);
	hash_insert(&s->connections, &c->node, id_hash(s, c->id));
	list_push_back(&a->connections, &c->link);
	a->n_connections++;
	wait_for(s, c, state, now_ms);
	return c;
}

static void
connection_free(struct turn_server *s, struct turn_connection *c)
{
	c->a->n_connections--;
	hash_remove(&s->connections, &c->node);
	list_remove(&c->link);
	list_remove(&c->due);
	free(c);
}

void
turn_connections_done(struct turn_server *s, struct turn_allocation *a)
{
	while (!list_is_empty(&a->connections))
		connection_free(s, LIST_OF(a->connections.next, struct turn_connection, link));
}

static unsigned
begin_connect(struct turn_request *q)
{
	struct turn_allocation *a = q->a;
	struct turn_connection *c;
	struct turn_act *act;
	struct addr peer;
	unsigned code;

	if (a->transport != TURN_TCP || !stun_has(q->m, STUN_PEER_ADDRESS))
		return 400;
	code = turn_check_peer(q, q->m->attr[STUN_PEER_ADDRESS], true, &peer);
	if (code)
		return code;
	if (find_peer(a, &peer))
		return 446;
	c = connection_new(q->s, a, &peer, TURN_CONNECTING, q->now_ms);
	if (!c)
		return 508;
	memcpy(c->connect_id, q->id, sizeof(c->connect_id));
	act = turn_act_add(q->acts, TURN_ACT_CONNECT);
	act->a = a;
	act->relay = a->relay[peer.family == 6];
	act->peer = peer;
	turn_peer_to_wire(&q->s->conf.policy, &act->peer);
	act->ticket = c->id;
	return 0;
}

void
turn_connect(struct turn_request *q)
{
	unsigned code = begin_connect(q);

	if (code)
		turn_reply_error(q, code);
}

/* The request's bytes are gone by now; what answers it stands in connection and allocation. */
static void
answer_connect(struct turn_server *s, const struct turn_connection *c, bool ok, uint64_t now_ms,
    struct turn_acts *acts)
{
	struct turn_allocation *a = c->a;
	struct turn_request q = {.s = s,
	    .flow = &a->flow,
	    .now_ms = now_ms,
	    .acts = acts,
	    .d = a->dialect,
	    .id = c->connect_id,
	    .type = STUN_CONNECT,
	    .fingerprint = a->fingerprint,
	    .a = a,
	    .key = {(const char *)a->key, sizeof(a->key)}};
	struct stun_writer w;

	if (!ok) {
		turn_reply_error(&q, 447);
		return;
	}
	turn_reply_start(&q, &w, STUN_SUCCESS);
	stun_write_u32(&w, STUN_CONNECTION_ID, c->id);
	turn_reply_end(&q, &w);
}

static void
begin(struct turn_server *s, struct turn_acts *acts)
{
	acts->n = 0;
	acts->note = TURN_NOTE_NONE;
	acts->out_used = 0;
	turn_reap(s);
}

void
turn_server_connected(
    struct turn_server *s, uint32_t id, bool ok, uint64_t now_ms, struct turn_acts *acts)
{
	struct turn_connection *c = find(s, id);

	begin(s, acts);
	if (!c || c->state != TURN_CONNECTING)
		return;
	wait_for(s, c, TURN_UNBOUND, now_ms);
	answer_connect(s, c, ok, now_ms, acts);
	if (!ok)
		connection_free(s, c);
}

uint32_t
turn_server_attempt(struct turn_server *s, struct turn_allocation *a, const struct addr *wire,
    uint64_t now_ms, struct turn_acts *acts)
{
	struct turn_request q = {.s = s,
	    .flow = &a->flow,
	    .now_ms = now_ms,
	    .acts = acts,
	    .d = a->dialect,
	    .type = STUN_CONNECTION_ATTEMPT,
	    .fingerprint = a->fingerprint,
	    .a = a};
	struct addr from = *wire;
	struct turn_connection *c;
	struct stun_writer w;
	uint8_t id[STUN_ID_LEN];

	begin(s, acts);
	if (!turn_server_peer_accept(s, a, wire, now_ms))
		return 0;
	turn_peer_from_wire(&s->conf.policy, &from);
	c = find_peer(a, &from) ? NULL : connection_new(s, a, &from, TURN_UNBOUND, now_ms);
	if (!c) {
		turn_drop(s, TURN_COUNT_DROP_OTHER, &a->flow);
		return 0;
	}
	turn_indication_id(s, a->dialect, id);
	q.id = id;
	turn_reply_start(&q, &w, 0);
	stun_write_u32(&w, STUN_CONNECTION_ID, c->id);
	stun_write_addr(&w, STUN_PEER_ADDRESS, &from);
	turn_reply_end(&q, &w);
	return c->id;
}

struct turn_allocation *
turn_connection_owner(struct turn_server *s, const struct stun_msg *m)
{
	struct turn_connection *c;
	uint32_t id;

	if (stun_get_u32(m, STUN_CONNECTION_ID, &id) < 0)
		return NULL;
	c = find(s, id);
	return c ? c->a : NULL;
}

/* Only what is wrong with the request is answered by a code; who asks has been checked. */
static struct turn_connection *
find_bindable(const struct turn_request *q)
{
	struct turn_connection *c;
	uint32_t id;

	if (q->flow->transport != TURN_TCP || stun_get_u32(q->m, STUN_CONNECTION_ID, &id) < 0)
		return NULL;
	c = find(q->s, id);
	return c && c->state == TURN_UNBOUND ? c : NULL;
}

void
turn_connection_bind(struct turn_request *q)
{
	struct turn_connection *c;
	struct stun_writer w;
	struct turn_act *act;

	if (q->a) { /* that connection controls an allocation of its own */
		if (turn_authenticate(q))
			turn_reply_error(q, 400);
		return;
	}
	/* Key and nonce are those of the allocation: RFC 6062 4.3 wants the same credentials. */
	q->a = turn_connection_owner(q->s, q->m);
	if (!turn_authenticate(q))
		return;
	c = find_bindable(q);
	if (!c) {
		turn_reply_error(q, 400);
		return;
	}
	c->state = TURN_BOUND;
	list_remove(&c->due);
	turn_reply_start(q, &w, STUN_SUCCESS);
	turn_reply_end(q, &w);
	act = turn_act_add(q->acts, TURN_ACT_JOIN);
	act->a = c->a;
	act->flow = *q->flow;
	act->ticket = c->id;
}

void
turn_server_connection_closed(struct turn_server *s, uint32_t id)
{
	struct turn_connection *c = find(s, id);

	if (c)
		connection_free(s, c);
}

void
turn_server_carried(struct turn_server *s, uint32_t id, int dir, uint32_t n, uint64_t now_ms)
{
	struct turn_connection *c = find(s, id);

	if (c)
		turn_owe(s, c->a, dir, n, now_ms);
}

bool
turn_connections_tick(struct turn_server *s, uint64_t now_ms, struct turn_acts *acts)
{
	struct turn_connection *c;
	struct turn_act *act;

	if (list_is_empty(&s->unbound))
		return false;
	c = LIST_OF(s->unbound.next, struct turn_connection, due);
	if (c->deadline_ms > now_ms)
		return false;
	acts->out_used = 0;
	if (c->state == TURN_CONNECTING)
		answer_connect(s, c, false, now_ms, acts);
	act = turn_act_add(acts, TURN_ACT_CLOSE_PEER);
	act->a = c->a;
	act->ticket = c->id;
	connection_free(s, c);
	return true;
}

/* SPDX-License-Identifier: MIT
 *
 * proto/turn/life.c: how allocations begin, are found, are paid for, and end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"
#include "proto/turn/internal.h"
#include "proto/turn/shared.h"

static uint64_t
flow_hash(const struct turn_server *s, const struct turn_flow *f)
{
	uint8_t key[28];

	memcpy(key, f->client.ip, 16);
	memcpy(key + 16, &f->client.port, 2);
	key[18] = f->client.family;
	key[19] = f->listener;
	memcpy(key + 20, &f->client.scope, 4);
	memcpy(key + 24, &f->conn, 4);
	return hash_bytes(&s->conf.hash_key, key, sizeof(key));
}

static bool
flow_eq(const struct turn_flow *a, const struct turn_flow *b)
{
	return a->conn == b->conn && a->listener == b->listener && a->transport == b->transport &&
	       addr_eq(&a->client, &b->client);
}

struct turn_allocation *
turn_find(struct turn_server *s, const struct turn_flow *flow)
{
	struct hash_node *n = hash_first(&s->flows, flow_hash(s, flow));

	for (; n; n = hash_next(n)) {
		struct turn_allocation *a = LIST_OF(n, struct turn_allocation, node);

		if (flow_eq(&a->flow, flow))
			return a;
	}
	return NULL;
}

static struct turn_tally *
tally_get(struct turn_server *s, char kind, const uint8_t id[16], uint32_t max, bool *ret_full)
{
	uint8_t key[17];
	uint64_t hash;
	struct turn_tally *t;

	key[0] = (uint8_t)kind;
	memcpy(key + 1, id, 16);
	hash = hash_bytes(&s->conf.hash_key, key, sizeof(key));
	*ret_full = false;
	for (struct hash_node *n = hash_first(&s->tallies, hash); n; n = hash_next(n)) {
		t = LIST_OF(n, struct turn_tally, node);
		if (memcmp(t->key, key, sizeof(key)) != 0)
			continue;
		*ret_full = t->n >= max;
		t->n += !*ret_full;
		return *ret_full ? NULL : t;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	memcpy(t->key, key, sizeof(key));
	t->n = 1;
	hash_insert(&s->tallies, &t->node, hash);
	return t;
}

static void
tally_put(struct turn_server *s, struct turn_tally *t)
{
	if (!t || --t->n > 0)
		return;
	hash_remove(&s->tallies, &t->node);
	free(t);
}

static const char *
user_str(const struct turn_tally *t, char ret[TURN_USER_STR_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 8; i++) {
		ret[2 * i] = digits[t->key[1 + i] >> 4];
		ret[2 * i + 1] = digits[t->key[1 + i] & 15];
	}
	ret[16] = '\0';
	return ret;
}

const char *
turn_user_str(const struct turn_allocation *a, char ret[TURN_USER_STR_LEN])
{
	ret[0] = '\0';
	return a->user ? user_str(a->user, ret) : ret;
}

uint32_t
turn_server_most(const struct turn_server *s, char ret_user[TURN_USER_STR_LEN])
{
	const struct turn_tally *most = NULL;

	ret_user[0] = '\0';
	for (size_t i = 0; i < s->tallies.n_buckets; i++)
		for (struct hash_node *n = s->tallies.buckets[i]; n; n = n->next) {
			const struct turn_tally *t = LIST_OF(n, struct turn_tally, node);

			if (t->key[0] == 'u' && (!most || t->n > most->n))
				most = t;
		}
	if (!most)
		return 0;
	user_str(most, ret_user);
	return most->n;
}

static void
allocation_free(struct turn_allocation *a)
{
	turn_permissions_done(&a->permissions);
	turn_channels_done(&a->channels);
	turn_ms_done(a->ms);
	wipe(a->key, sizeof(a->key));
	free((char *)a->username.p);
	free(a);
}

void
turn_reap(struct turn_server *s)
{
	while (s->dead) {
		struct turn_allocation *a = s->dead;

		s->dead = a->next_dead;
		allocation_free(a);
	}
}

/* The user's allocations over all workers, this one included. */
static int
shared_take(struct turn_server *s, struct turn_allocation *a)
{
	uint64_t id;
	int r;

	if (!s->conf.shared)
		return ED_OK;
	memcpy(&id, a->user->key + 1, sizeof(id));
	r = turn_shared_take(
	    s->conf.shared, s->conf.worker, id, s->conf.limits.allocations_per_user, &a->shared);
	a->is_shared = r == ED_OK;
	s->count[TURN_COUNT_NOT_SHARED] += r == ED_STATE;
	return r == ED_LIMIT ? ED_LIMIT : ED_OK;
}

static void
user_put(struct turn_server *s, struct turn_allocation *a)
{
	if (a->user && a->is_shared)
		turn_shared_put(s->conf.shared, s->conf.worker, a->shared);
	a->is_shared = false;
	tally_put(s, a->user);
	a->user = NULL;
}

/* Client addresses count without port, IPv6 by /64. */
static int
count_owner(struct turn_request *q, struct turn_allocation *a, const char **ret_which)
{
	const struct turn_limits *lim = &q->s->conf.limits;
	uint8_t address[16] = {0};
	bool full;

	*ret_which = "total";
	if (q->s->flows.n >= lim->allocations)
		return ED_LIMIT;
	memcpy(address, q->flow->client.ip, q->flow->client.family == 4 ? 4 : 8);
	a->user = tally_get(q->s, 'u', q->fresh->user, lim->allocations_per_user, &full);
	*ret_which = "user";
	if (!a->user)
		return full ? ED_LIMIT : ED_NOMEM;
	if (shared_take(q->s, a) < 0)
		return ED_LIMIT;
	a->address = tally_get(q->s, 'a', address, lim->allocations_per_address, &full);
	*ret_which = "address";
	if (!a->address)
		return full ? ED_LIMIT : ED_NOMEM;
	return ED_OK;
}

static struct turn_ms *
ms_new(struct turn_server *s)
{
	struct turn_ms *ms = calloc(1, sizeof(*ms));

	if (ms)
		s->conf.random(ms->connection_id, sizeof(ms->connection_id));
	return ms;
}

int
turn_allocation_new(struct turn_request *q, uint32_t lifetime_s, struct turn_allocation **ret,
    const char **ret_which)
{
	struct turn_server *s = q->s;
	struct turn_allocation *a = calloc(1, sizeof(*a));
	struct str user = q->m->attr[STUN_USERNAME], nonce = q->m->attr[STUN_NONCE];
	uint64_t life_s;
	int r = ED_NOMEM;

	*ret_which = "memory";
	if (!a)
		return ED_NOMEM;
	list_init(&a->connections);
	a->username = (struct str){malloc(user.n), user.n};
	if (!a->username.p)
		goto out;
	memcpy((char *)a->username.p, user.p, user.n);
	if (q->d->cookie_attribute) {
		a->ms = ms_new(s);
		if (!a->ms)
			goto out;
	}
	r = count_owner(q, a, ret_which);
	if (r < 0)
		goto out;
	a->flow = *q->flow;
	/* The MS dialect relays over what the client came with (ms-turn 1.1). */
	a->transport = a->ms ? a->flow.transport : TURN_UDP;
	a->dialect = q->d;
	memcpy(a->key, q->key.p, sizeof(a->key)); /* the one that held */
	if (nonce.n == TURN_NONCE_LEN)
		memcpy(a->nonce, nonce.p, TURN_NONCE_LEN);
	memcpy(a->first_id, q->id, sizeof(a->first_id));
	a->id = ++s->next_id;
	a->fingerprint = q->fingerprint;
	a->born_ms = q->now_ms;
	life_s = s->conf.limits.life_max_s;
	if (q->fresh->remaining_s < life_s &&
	    q->fresh->remaining_s + s->conf.limits.refresh_grace_s < life_s)
		life_s = q->fresh->remaining_s + s->conf.limits.refresh_grace_s;
	a->hard_end_ms = q->now_ms + life_s * 1000;
	a->lifetime_s = lifetime_s;
	hash_insert(&s->flows, &a->node, flow_hash(s, &a->flow));
	turn_set_expiry(s, a, lifetime_s, q->now_ms);
	*ret = a;
	a = NULL;
out:
	if (a) {
		user_put(s, a);
		tally_put(s, a->address);
		allocation_free(a);
	}
	return r;
}

void
turn_set_expiry(
    struct turn_server *s, struct turn_allocation *a, uint32_t lifetime_s, uint64_t now_ms)
{
	a->expires_ms = now_ms + (uint64_t)lifetime_s * 1000;
	if (a->expires_ms > a->hard_end_ms)
		a->expires_ms = a->hard_end_ms;
	a->traffic = false;
	list_remove(&a->due);
	/* Rounded up: never early. The wheel is longer than any lifetime. */
	list_push_back(&s->wheel[(a->expires_ms / 1000 + 1) % TURN_WHEEL], &a->due);
}

void
turn_open_relay(
    struct turn_server *s, struct turn_allocation *a, enum turn_port port, struct turn_acts *acts)
{
	struct turn_act *act = turn_act_add(acts, TURN_ACT_OPEN_RELAY);

	act->a = a;
	act->family = a->wants[0] ? 4 : 6;
	act->even = port != TURN_PORT_ANY;
	act->pair = port == TURN_PORT_PAIR;
	act->transport = a->transport;
}

static void
close_relays(struct turn_allocation *a, struct turn_acts *acts)
{
	for (int i = 0; i < 2; i++) {
		struct turn_act *act;

		if (!a->relay[i])
			continue;
		act = turn_act_add(acts, TURN_ACT_CLOSE_RELAY);
		act->a = a;
		act->relay = a->relay[i];
		a->relay[i] = NULL;
	}
}

void
turn_end(struct turn_server *s, struct turn_allocation *a, const char *why, struct turn_acts *acts)
{
	close_relays(a, acts);
	turn_connections_done(s, a);
	if (a->state != TURN_RELEASED && a->state != TURN_OPENING) {
		turn_count_by_transport(s, TURN_COUNT_ENDED, &a->flow);
		turn_note(acts, TURN_NOTE_ENDED, why, a, NULL);
	}
	list_remove(&a->due);
	hash_remove(&s->flows, &a->node);
	user_put(s, a);
	tally_put(s, a->address);
	a->address = NULL;
	a->next_dead = s->dead;
	s->dead = a;
}

void
turn_release(struct turn_request *q)
{
	struct turn_allocation *a = q->a;

	close_relays(a, q->acts);
	turn_connections_done(q->s, a);
	turn_count_by_transport(q->s, TURN_COUNT_ENDED, &a->flow);
	turn_note(q->acts, TURN_NOTE_ENDED, "released", a, NULL);
	a->state = TURN_RELEASED;
	memcpy(a->first_id, q->id, sizeof(a->first_id));
	turn_permissions_done(&a->permissions);
	turn_channels_done(&a->channels);
	user_put(q->s, a);
	tally_put(q->s, a->address);
	a->address = NULL;
	turn_set_expiry(q->s, a, TURN_RELEASED_MS / 1000, q->now_ms);
}

/* The lifetime of the MS dialect counts idleness (ms-turn 5.4); over TCP the connection is the
 * lifetime, but an idle one without active destination is not kept. */
static bool
lives_on(struct turn_server *s, struct turn_allocation *a, uint64_t now_ms)
{
	bool is_stream;

	if (!a->ms || a->state != TURN_LIVE || now_ms >= a->hard_end_ms)
		return false;
	is_stream = a->flow.transport == TURN_TCP;
	if (!a->traffic && !(is_stream && a->ms->active.family))
		return false;
	turn_set_expiry(s, a, is_stream ? TURN_TCP_IDLE_S : a->lifetime_s, now_ms);
	return true;
}

static bool
tick_pending(struct turn_server *s, uint64_t now_ms)
{
	struct turn_pending *p;

	if (list_is_empty(&s->pending))
		return false;
	p = LIST_OF(s->pending.next, struct turn_pending, link);
	if (p->since_ms + TURN_PENDING_MS > now_ms)
		return false;
	list_remove(&p->link);
	s->n_pending--;
	free(p);
	return true;
}

bool
turn_server_tick(struct turn_server *s, uint64_t now_ms, struct turn_acts *acts)
{
	uint64_t now_s = now_ms / 1000;

	acts->n = 0;
	acts->note = TURN_NOTE_NONE;
	turn_reap(s);
	if (tick_pending(s, now_ms) || turn_connections_tick(s, now_ms, acts) ||
	    turn_reservations_tick(s, now_ms, acts))
		return true;
	if (s->wheel_s + TURN_WHEEL < now_s)
		s->wheel_s = now_s - TURN_WHEEL;
	for (; s->wheel_s <= now_s; s->wheel_s++) {
		struct list *head = &s->wheel[s->wheel_s % TURN_WHEEL];

		LIST_EACH_SAFE(it, head)
		{
			struct turn_allocation *a = LIST_OF(it, struct turn_allocation, due);

			if (a->expires_ms > now_ms || lives_on(s, a, now_ms))
				continue;
			if (a->flow.transport == TURN_TCP && a->ms)
				turn_act_add(acts, TURN_ACT_CLOSE_CLIENT)->flow = a->flow;
			turn_end(
			    s, a, now_ms >= a->hard_end_ms ? "credentials_ended" : "expired", acts);
			return true;
		}
	}
	return false;
}

uint64_t
turn_server_next_deadline(const struct turn_server *s)
{
	if (s->flows.n == 0 && s->n_pending == 0)
		return UINT64_MAX;
	return s->wheel_s * 1000;
}

/* SPDX-License-Identifier: MIT
 *
 * net/admit.c: one row per source address, out of a pool that holds twice as many as there may be
 * connections. A row with an open connection stays; a row kept only for its rate goes, oldest
 * first, when the pool is full. So a flood from many addresses costs the flood its own memory of
 * rates and nobody a connection count.
 *
 * Rates are kept as one number (GCRA): the moment up to which the allowance is used up.
 */
#include "net/admit.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define POOL_MIN 1024u
#define POOL_MAX (1u << 22)

struct row {
	struct hash_node node;
	struct list idle; /* linked while nothing is open */
	uint8_t ip[8];    /* v4 address, or the first 64 bits of v6 */
	uint8_t family;
	uint32_t open;
	uint64_t used_up_ms; /* GCRA: theoretical arrival time */
};

struct admit {
	struct admit_limits lim;
	struct hash_key key;
	struct hash_table table;
	struct row *pool;
	uint32_t pool_n, pool_used;
	struct list idle; /* oldest first */
	uint32_t open, half_open;
};

static uint32_t
pool_size_for(const struct admit_limits *lim)
{
	uint64_t n = (uint64_t)lim->total * 2;

	return n < POOL_MIN ? POOL_MIN : n > POOL_MAX ? POOL_MAX : (uint32_t)n;
}

struct admit *
admit_new(const struct admit_limits *lim, const struct hash_key *key)
{
	struct admit *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->lim = *lim;
	a->key = *key;
	list_init(&a->idle);
	a->pool_n = pool_size_for(lim);
	/* untouched pages cost nothing */
	a->pool = calloc(a->pool_n, sizeof(*a->pool));
	if (!a->pool || hash_init(&a->table, POOL_MIN) < 0)
		return admit_free(a);
	return a;
}

struct admit *
admit_free(struct admit *a)
{
	if (!a)
		return NULL;
	hash_done(&a->table);
	free(a->pool);
	free(a);
	return NULL;
}

static uint64_t
row_key(const struct admit *a, const struct addr *peer, uint8_t ret_ip[8])
{
	/* IPv6 by /64: who has one address there has them all */
	memset(ret_ip, 0, 8);
	memcpy(ret_ip, peer->ip, peer->family == 4 ? 4 : 8);
	return hash_bytes(&a->key, ret_ip, 8) + peer->family;
}

static struct row *
row_find(struct admit *a, const struct addr *peer)
{
	uint8_t ip[8];
	uint64_t hash = row_key(a, peer, ip);

	for (struct hash_node *n = hash_first(&a->table, hash); n; n = hash_next(n)) {
		struct row *r = LIST_OF(n, struct row, node);

		if (r->family == peer->family && memcmp(r->ip, ip, 8) == 0)
			return r;
	}
	return NULL;
}

static struct row *
row_take(struct admit *a, const struct addr *peer)
{
	uint64_t hash;
	struct row *r;

	if (a->pool_used < a->pool_n) {
		r = &a->pool[a->pool_used++];
	} else if (!list_is_empty(&a->idle)) {
		r = LIST_OF(a->idle.next, struct row, idle);
		list_remove(&r->idle);
		hash_remove(&a->table, &r->node);
	} else {
		return NULL;
	}
	memset(r, 0, sizeof(*r));
	hash = row_key(a, peer, r->ip);
	r->family = peer->family;
	hash_insert(&a->table, &r->node, hash);
	list_push_back(&a->idle, &r->idle);
	return r;
}

/* True when one more is within the rate; then it is counted. */
static bool
rate_take(const struct admit *a, struct row *r, uint64_t now_ms)
{
	uint64_t step, used = r->used_up_ms > now_ms ? r->used_up_ms : now_ms;

	if (a->lim.per_address_minute == 0)
		return true;
	step = 60000u / a->lim.per_address_minute;
	if (used - now_ms + step > 60000u)
		return false;
	r->used_up_ms = used + step;
	return true;
}

enum admit_verdict
admit_take(struct admit *a, const struct addr *peer, uint64_t now_ms)
{
	struct row *r;

	if (a->open >= a->lim.total)
		return ADMIT_TOTAL;
	if (a->half_open >= a->lim.half_open)
		return ADMIT_HALF_OPEN;
	r = row_find(a, peer);
	if (!r)
		r = row_take(a, peer);
	if (!r)
		return ADMIT_TOTAL;
	if (r->open >= a->lim.per_address)
		return ADMIT_PER_ADDRESS;
	if (!rate_take(a, r, now_ms))
		return ADMIT_RATE;
	list_remove(&r->idle);
	r->open++;
	a->open++;
	a->half_open++;
	return ADMIT_OK;
}

void
admit_up(struct admit *a, const struct addr *peer)
{
	if (a->half_open)
		a->half_open--;
}

void
admit_drop(struct admit *a, const struct addr *peer, bool was_up)
{
	struct row *r = row_find(a, peer);

	if (!r || r->open == 0)
		return;
	a->open--;
	if (!was_up && a->half_open)
		a->half_open--;
	if (--r->open == 0)
		list_push_back(&a->idle, &r->idle);
}

/* Rows move into a larger pool; without memory the old one stays and its size is the limit. */
static void
pool_grow(struct admit *a, uint32_t n)
{
	struct row *pool = calloc(n, sizeof(*pool));
	struct row *old = a->pool;
	struct list idle;
	uint32_t used = 0;

	if (!pool)
		return;
	list_init(&idle);
	for (uint32_t i = 0; i < a->pool_used; i++) {
		struct row *to = &pool[used++];

		*to = old[i];
		hash_remove(&a->table, &old[i].node);
		hash_insert(&a->table, &to->node, old[i].node.hash);
		to->idle.next = to->idle.prev = NULL;
		if (to->open == 0)
			list_push_back(&idle, &to->idle);
	}
	list_init(&a->idle);
	while (!list_is_empty(&idle)) {
		struct list *it = idle.next;

		list_remove(it);
		list_push_back(&a->idle, it);
	}
	a->pool = pool;
	a->pool_n = n;
	a->pool_used = used;
	free(old);
}

void
admit_set_limits(struct admit *a, const struct admit_limits *lim)
{
	uint32_t n = pool_size_for(lim);

	if (n > a->pool_n)
		pool_grow(a, n);
	a->lim = *lim;
}

const char *
admit_verdict_name(enum admit_verdict v)
{
	static const char *const names[] = {"ok", "total", "per_address", "half_open", "rate"};

	return (unsigned)v < sizeof(names) / sizeof(names[0]) ? names[v] : "unknown";
}

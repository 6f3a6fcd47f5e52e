/* SPDX-License-Identifier: MIT */
#include "proto/turn/shared.h"

#include <stdatomic.h>

#define PROBES    16u
#define SECOND_US 1000000u

struct entry {
	_Atomic uint64_t user;    /* 0: free */
	_Atomic uint64_t paid_us; /* up to when its bandwidth is spent */
	_Atomic uint16_t n[TURN_SHARED_WORKERS];
};

struct turn_shared {
	struct entry v[TURN_SHARED_ENTRIES];
};

_Static_assert(sizeof(struct turn_shared) == TURN_SHARED_SIZE, "no padding");

struct turn_shared *
turn_shared_at(void *mem, size_t size)
{
	return mem && size >= sizeof(struct turn_shared) ? mem : NULL;
}

void
turn_shared_reset(struct turn_shared *t, unsigned worker)
{
	for (uint32_t i = 0; i < TURN_SHARED_ENTRIES; i++)
		atomic_store(&t->v[i].n[worker], 0);
}

static uint32_t
sum(const struct entry *e)
{
	uint32_t n = 0;

	for (unsigned w = 0; w < TURN_SHARED_WORKERS; w++)
		n += atomic_load(&e->n[w]);
	return n;
}

/* Counts one in; false when the entry has become another user's meanwhile. */
static bool
count_in(struct entry *e, unsigned worker, uint64_t user)
{
	atomic_fetch_add(&e->n[worker], 1);
	if (atomic_load(&e->user) == user)
		return true;
	atomic_fetch_sub(&e->n[worker], 1);
	return false;
}

/* An entry that nobody counts in becomes this user's. */
static bool
claim(struct entry *e, unsigned worker, uint64_t user)
{
	uint64_t old = atomic_load(&e->user);

	if (old != 0 && sum(e) != 0)
		return false;
	if (!atomic_compare_exchange_strong(&e->user, &old, user))
		return false;
	atomic_store(&e->paid_us, 0);
	return count_in(e, worker, user);
}

static struct entry *
find(struct turn_shared *t, unsigned worker, uint64_t user)
{
	uint64_t at = user * 0x9e3779b97f4a7c15u >> 32;

	for (uint64_t i = 0; i < PROBES; i++) {
		struct entry *e = &t->v[(at + i) % TURN_SHARED_ENTRIES];

		if (atomic_load(&e->user) == user && count_in(e, worker, user))
			return e;
	}
	for (uint64_t i = 0; i < PROBES; i++) {
		struct entry *e = &t->v[(at + i) % TURN_SHARED_ENTRIES];

		if (claim(e, worker, user))
			return e;
	}
	return NULL;
}

int
turn_shared_take(
    struct turn_shared *t, unsigned worker, uint64_t user, uint32_t max, uint32_t *ret_slot)
{
	struct entry *e = find(t, worker, user ? user : 1);

	*ret_slot = TURN_SHARED_NONE;
	if (!e)
		return ED_STATE;
	/* Counted first, judged then: two workers at once may both be refused, never both let in.
	 */
	if (sum(e) > max) {
		atomic_fetch_sub(&e->n[worker], 1);
		return ED_LIMIT;
	}
	*ret_slot = (uint32_t)(e - t->v);
	return ED_OK;
}

void
turn_shared_put(struct turn_shared *t, unsigned worker, uint32_t slot)
{
	if (slot < TURN_SHARED_ENTRIES && atomic_load(&t->v[slot].n[worker]) > 0)
		atomic_fetch_sub(&t->v[slot].n[worker], 1);
}

/* Moves paid_us on by what n bytes cost; when it is limited, not beyond now: false. */
static bool
spend(struct entry *e, uint64_t kbit, uint32_t n, uint64_t now_ms, bool is_limited)
{
	uint64_t now_us = now_ms * 1000, cost_us = (uint64_t)n * 8000 / kbit, from;
	uint64_t old = atomic_load_explicit(&e->paid_us, memory_order_relaxed);

	do {
		from = old + SECOND_US < now_us ? now_us - SECOND_US : old;
		if (is_limited && from + cost_us > now_us)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
	    &e->paid_us, &old, from + cost_us, memory_order_relaxed, memory_order_relaxed));
	return true;
}

bool
turn_shared_pay(struct turn_shared *t, uint32_t slot, uint64_t kbit, uint32_t n, uint64_t now_ms)
{
	if (kbit == 0 || slot >= TURN_SHARED_ENTRIES)
		return true;
	return spend(&t->v[slot], kbit, n, now_ms, true);
}

void
turn_shared_owe(struct turn_shared *t, uint32_t slot, uint64_t kbit, uint32_t n, uint64_t now_ms)
{
	if (kbit && slot < TURN_SHARED_ENTRIES)
		(void)spend(&t->v[slot], kbit, n, now_ms, false);
}

uint64_t
turn_shared_wait_ms(const struct turn_shared *t, uint32_t slot, uint64_t kbit, uint64_t now_ms)
{
	uint64_t open_us;

	if (kbit == 0 || slot >= TURN_SHARED_ENTRIES)
		return 0;
	open_us = atomic_load_explicit(&t->v[slot].paid_us, memory_order_relaxed) + SECOND_US / 2;
	return open_us <= now_ms * 1000 ? 0 : open_us / 1000 - now_ms + 1;
}

void
turn_shared_forgive(struct turn_shared *t, uint32_t slot)
{
	if (slot < TURN_SHARED_ENTRIES)
		atomic_store_explicit(&t->v[slot].paid_us, 0, memory_order_relaxed);
}

/* SPDX-License-Identifier: MIT
 *
 * net/wheel.c: see the header; the shape is the classic one of Varghese and Lauck.
 */
#include "net/wheel.h"

#define LOW_BITS  8u
#define HIGH_BITS 6u

void
wheel_init(struct wheel *w, uint64_t now_ms)
{
	w->tick = now_ms / WHEEL_TICK_MS + 1;
	for (unsigned i = 0; i < WHEEL_LOW; i++)
		list_init(&w->low[i]);
	for (unsigned i = 0; i < WHEEL_LOW / 64; i++)
		w->low_used[i] = 0;
	for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
		for (unsigned i = 0; i < WHEEL_HIGH; i++)
			list_init(&w->high[l][i]);
		w->high_used[l] = 0;
	}
}

void
wheel_set(struct wheel *w, struct timer *t)
{
	/* rounded up: never early */
	uint64_t at = t->deadline_ms / WHEEL_TICK_MS + (t->deadline_ms % WHEEL_TICK_MS != 0);
	uint64_t delta;
	unsigned level = 0, shift = LOW_BITS, slot;

	if (at < w->tick)
		at = w->tick;
	delta = at - w->tick;
	if (delta < WHEEL_LOW) {
		slot = (unsigned)(at % WHEEL_LOW);
		list_push_back(&w->low[slot], &t->link);
		w->low_used[slot / 64] |= 1ull << slot % 64;
		return;
	}
	while (level < WHEEL_LEVELS - 1 && delta >> (shift + HIGH_BITS)) {
		level++;
		shift += HIGH_BITS;
	}
	if (delta >> (shift + HIGH_BITS)) /* beyond the reach: poured down and set again then */
		at = w->tick + (1ull << (shift + HIGH_BITS)) - 1;
	slot = (unsigned)(at >> shift) % WHEEL_HIGH;
	list_push_back(&w->high[level][slot], &t->link);
	w->high_used[level] |= 1ull << slot;
}

/* All of from to the empty list to. */
static void
take_all(struct list *from, struct list *to)
{
	list_init(to);
	if (list_is_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

static void
pour(struct wheel *w, unsigned level, unsigned slot)
{
	struct list all;

	take_all(&w->high[level][slot], &all);
	w->high_used[level] &= ~(1ull << slot);
	while (!list_is_empty(&all)) {
		struct timer *t = LIST_OF(all.next, struct timer, link);

		list_remove(&t->link);
		wheel_set(w, t);
	}
}

static void
run_tick(struct wheel *w, uint64_t now_ms)
{
	unsigned low = (unsigned)(w->tick % WHEEL_LOW);
	unsigned shift = LOW_BITS;
	struct list due;

	for (unsigned l = 0, slot = low; slot == 0 && l < WHEEL_LEVELS; l++, shift += HIGH_BITS) {
		slot = (unsigned)(w->tick >> shift) % WHEEL_HIGH;
		pour(w, l, slot);
	}
	w->tick++;
	take_all(&w->low[low], &due);
	w->low_used[low / 64] &= ~(1ull << low % 64);
	while (!list_is_empty(&due)) { /* a callback may cancel any of them */
		struct timer *t = LIST_OF(due.next, struct timer, link);

		list_remove(&t->link);
		t->fire(t, now_ms);
	}
}

static bool
high_in_use(struct wheel *w)
{
	bool any = false;

	for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
		uint64_t used = w->high_used[l];

		while (used) {
			unsigned slot = (unsigned)__builtin_ctzll(used);

			used &= used - 1;
			if (list_is_empty(&w->high[l][slot]))
				w->high_used[l] &= ~(1ull << slot);
			else
				any = true;
		}
	}
	return any;
}

/* Ticks from w->tick to the first one in the low level with a timer, or WHEEL_LOW. */
static unsigned
low_distance(struct wheel *w)
{
	unsigned i = 0;

	while (i < WHEEL_LOW) {
		unsigned slot = (unsigned)((w->tick + i) % WHEEL_LOW);
		uint64_t used = w->low_used[slot / 64] >> slot % 64;

		if (!used) { /* on to the next word */
			i += 64 - slot % 64;
			continue;
		}
		i += (unsigned)__builtin_ctzll(used);
		slot = (unsigned)((w->tick + i) % WHEEL_LOW);
		if (i < WHEEL_LOW && !list_is_empty(&w->low[slot]))
			return i;
		w->low_used[slot / 64] &= ~(1ull << slot % 64);
		i++;
	}
	return WHEEL_LOW;
}

uint64_t
wheel_next_ms(struct wheel *w)
{
	uint64_t low = low_distance(w);
	uint64_t wrap = (WHEEL_LOW - w->tick % WHEEL_LOW) % WHEEL_LOW;

	if (low <= wrap && low < WHEEL_LOW)
		return (w->tick + low) * WHEEL_TICK_MS;
	if (high_in_use(w))
		return (w->tick + wrap) * WHEEL_TICK_MS;
	return low < WHEEL_LOW ? (w->tick + low) * WHEEL_TICK_MS : UINT64_MAX;
}

void
wheel_run(struct wheel *w, uint64_t now_ms)
{
	uint64_t last = now_ms / WHEEL_TICK_MS;

	while (w->tick <= last) {
		uint64_t next = wheel_next_ms(w) / WHEEL_TICK_MS;

		if (next > last) { /* nothing up to now: jump */
			w->tick = last + 1;
			return;
		}
		w->tick = next;
		run_tick(w, now_ms);
	}
}

/* SPDX-License-Identifier: MIT */
#include "proto/turn/source.h"

#include <stdlib.h>

#define LONGEST_MS (1u << 24) /* of a bucket's debt; more would not fit its numbers */

struct entry {
	uint32_t last_ms; /* wraps; differences count */
	uint32_t used;    /* thousandths of what has been taken and not come back */
};

struct turn_sources {
	struct hash_key key;
	struct entry v[TURN_SOURCE__N][TURN_SOURCES];
};

struct turn_sources *
turn_sources_new(const struct hash_key *key)
{
	struct turn_sources *s = calloc(1, sizeof(*s));

	if (s)
		s->key = *key;
	return s;
}

struct turn_sources *
turn_sources_free(struct turn_sources *s)
{
	free(s);
	return NULL;
}

static uint32_t
slot_of(const struct turn_sources *s, const struct addr *from)
{
	return (uint32_t)hash_bytes(&s->key, from->ip, from->family == 4 ? 4 : 8) &
	       (TURN_SOURCES - 1);
}

static uint32_t
used_now(const struct entry *e, const struct turn_rate *rate, uint64_t now_ms)
{
	uint64_t back = (uint64_t)((uint32_t)now_ms - e->last_ms) * rate->per_s;

	return back >= e->used ? 0 : e->used - (uint32_t)back;
}

bool
turn_source_has(const struct turn_sources *s, enum turn_source_kind kind,
    const struct turn_rate *rate, const struct addr *from, uint64_t now_ms)
{
	const struct entry *e = &s->v[kind][slot_of(s, from)];

	return rate->per_s == 0 || used_now(e, rate, now_ms) + 1000 <= rate->burst * 1000;
}

bool
turn_source_take(struct turn_sources *s, enum turn_source_kind kind, const struct turn_rate *rate,
    const struct addr *from, uint64_t now_ms)
{
	struct entry *e = &s->v[kind][slot_of(s, from)];
	uint32_t used;

	if (rate->per_s == 0)
		return true;
	used = used_now(e, rate, now_ms);
	if (used + 1000 > rate->burst * 1000)
		return false;
	e->used = used + 1000;
	e->last_ms = (uint32_t)now_ms;
	return true;
}

void
turn_source_silence(struct turn_sources *s, enum turn_source_kind kind,
    const struct turn_rate *rate, const struct addr *from, uint32_t ms)
{
	s->v[kind][slot_of(s, from)].used += ms * rate->per_s;
}

/* In bytes, when it is full. */
static int64_t
second_of(uint64_t kbit)
{
	return (int64_t)(kbit * 125);
}

static void
refill(struct turn_bucket *b, uint64_t kbit, uint64_t now_ms)
{
	int64_t full = second_of(kbit);
	uint64_t passed = now_ms - b->last_ms;

	if (passed == 0)
		return;
	if (passed > LONGEST_MS)
		passed = LONGEST_MS;
	/* last_ms 0 is a fresh bucket: full */
	if (b->last_ms == 0 || b->bytes + (int64_t)(passed * kbit / 8) > full)
		b->bytes = full;
	else
		b->bytes += (int64_t)(passed * kbit / 8);
	b->last_ms = now_ms;
}

bool
turn_bucket_take(struct turn_bucket *b, uint64_t kbit, uint32_t n, uint64_t now_ms)
{
	if (kbit == 0)
		return true;
	refill(b, kbit, now_ms);
	if (b->bytes < (int64_t)n)
		return false;
	b->bytes -= n;
	return true;
}

void
turn_bucket_owe(struct turn_bucket *b, uint64_t kbit, uint32_t n, uint64_t now_ms)
{
	if (kbit == 0)
		return;
	refill(b, kbit, now_ms);
	b->bytes -= n;
}

uint64_t
turn_bucket_wait_ms(struct turn_bucket *b, uint64_t kbit, uint64_t now_ms)
{
	int64_t missing;

	if (kbit == 0)
		return 0;
	refill(b, kbit, now_ms);
	missing = second_of(kbit) / 2 - b->bytes;
	return missing <= 0 ? 0 : (uint64_t)missing * 8 / kbit + 1;
}

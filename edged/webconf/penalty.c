/* SPDX-License-Identifier: MIT */
#include "webconf/penalty.h"

#include <stdlib.h>
#include <string.h>

#define SETS 1024u
#define WAYS 4u

struct entry {
	uint64_t mark; /* keyed hash of the address; 0: free */
	uint64_t window_ms;
	uint64_t until_ms;
	uint64_t seen_ms;
	uint32_t n;
};

struct penalty {
	struct hash_key key;
	struct entry e[SETS][WAYS];
};

struct penalty *
penalty_new(const struct hash_key *key)
{
	struct penalty *p = calloc(1, sizeof(*p));

	if (p)
		p->key = *key;
	return p;
}

struct penalty *
penalty_free(struct penalty *p)
{
	free(p);
	return NULL;
}

static uint64_t
mark_of(const struct penalty *p, const struct addr *peer)
{
	uint64_t h = hash_bytes(&p->key, peer->ip, peer->family == 6 ? 8 : 4);

	return (h ^ peer->family) | 1u;
}

static const struct entry *
find(const struct penalty *p, uint64_t mark)
{
	const struct entry *set = p->e[mark >> 32 & (SETS - 1)];

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].mark == mark)
			return &set[i];
	return NULL;
}

static struct entry *
take(struct penalty *p, uint64_t mark)
{
	struct entry *set = p->e[mark >> 32 & (SETS - 1)], *oldest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].mark == mark)
			return &set[i];
		if (set[i].seen_ms < oldest->seen_ms)
			oldest = &set[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->mark = mark;
	return oldest;
}

bool
penalty_failed(struct penalty *p, const struct addr *peer, uint32_t per_minute, uint64_t refuse_ms,
    uint64_t now_ms)
{
	struct entry *e = take(p, mark_of(p, peer));

	if (e->n == 0 || now_ms - e->window_ms >= 60000) {
		e->window_ms = now_ms;
		e->n = 0;
	}
	e->seen_ms = now_ms;
	if (++e->n < per_minute || e->until_ms > now_ms)
		return false;
	e->until_ms = now_ms + refuse_ms;
	e->n = 0;
	return true;
}

bool
penalty_is_refused(const struct penalty *p, const struct addr *peer, uint64_t now_ms)
{
	const struct entry *e = find(p, mark_of(p, peer));

	return e && e->until_ms > now_ms;
}

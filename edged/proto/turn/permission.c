/* SPDX-License-Identifier: MIT */
#include "proto/turn/permission.h"

#include <stdlib.h>
#include <string.h>

#include "proto/turn/mix.h"

/* The index holds position + 1; 0 is empty. It has twice the room, so probing ends. */
static uint8_t *
index_of(const struct turn_permissions *t)
{
	return (uint8_t *)(t->v + t->room);
}

/* IPv4 in its v4-mapped form: both families in one table without a family byte per entry. */
static void
key_of(uint8_t ret[16], const struct addr *a)
{
	if (a->family == 6) {
		memcpy(ret, a->ip, 16);
		return;
	}
	memset(ret, 0, 10);
	ret[10] = ret[11] = 0xff;
	memcpy(ret + 12, a->ip, 4);
}

static struct turn_permission *
find(const struct turn_permissions *t, const uint8_t key[16])
{
	uint32_t mask = 2u * t->room - 1;
	const uint8_t *index;

	if (!t->room)
		return NULL;
	index = index_of(t);
	for (uint32_t h = turn_mix(key, 16, 0) & mask; index[h]; h = (h + 1) & mask)
		if (memcmp(t->v[index[h] - 1].ip, key, 16) == 0)
			return &t->v[index[h] - 1];
	return NULL;
}

static void
add(struct turn_permissions *t, const uint8_t key[16], uint64_t expires_ms)
{
	uint32_t mask = 2u * t->room - 1, h = turn_mix(key, 16, 0) & mask;
	uint8_t *index = index_of(t);

	while (index[h])
		h = (h + 1) & mask;
	memcpy(t->v[t->n].ip, key, 16);
	t->v[t->n].expires_ms = expires_ms;
	index[h] = ++t->n;
}

/* Rebuild without the dead, with more room if the living fill it. */
static int
make_room(struct turn_permissions *t, uint32_t max, uint64_t now_ms)
{
	struct turn_permissions fresh = {0};
	uint32_t live = 0, room = t->room ? t->room : 2;

	for (uint8_t i = 0; i < t->n; i++)
		live += t->v[i].expires_ms > now_ms;
	if (live >= max)
		return ED_LIMIT;
	while (room <= live)
		room *= 2;
	fresh.v = calloc(1, room * (sizeof(fresh.v[0]) + 2));
	if (!fresh.v)
		return ED_NOMEM;
	fresh.room = (uint8_t)room;
	for (uint8_t i = 0; i < t->n; i++)
		if (t->v[i].expires_ms > now_ms)
			add(&fresh, t->v[i].ip, t->v[i].expires_ms);
	free(t->v);
	*t = fresh;
	return ED_OK;
}

int
turn_permission_install(struct turn_permissions *t, const struct addr *peer, uint64_t expires_ms,
    uint32_t max, uint64_t now_ms)
{
	struct turn_permission *p;
	uint8_t key[16];

	key_of(key, peer);
	p = find(t, key);
	if (p) {
		if (p->expires_ms < expires_ms)
			p->expires_ms = expires_ms;
		return ED_OK;
	}
	if (max > TURN_PERMISSIONS_MAX)
		max = TURN_PERMISSIONS_MAX;
	if (t->n >= t->room || t->n >= max) {
		int r = make_room(t, max, now_ms);

		if (r < 0)
			return r;
	}
	add(t, key, expires_ms);
	return ED_OK;
}

uint64_t
turn_permission_until(const struct turn_permissions *t, const struct addr *peer)
{
	struct turn_permission *p;
	uint8_t key[16];

	key_of(key, peer);
	p = find(t, key);
	return p ? p->expires_ms : 0;
}

bool
turn_permission_is_live(const struct turn_permissions *t, const struct addr *peer, uint64_t now_ms)
{
	return turn_permission_until(t, peer) > now_ms;
}

void
turn_permissions_done(struct turn_permissions *t)
{
	free(t->v);
	*t = (struct turn_permissions){0};
}

/* SPDX-License-Identifier: MIT */
#include "proto/turn/channel.h"

#include <stdlib.h>

#include "proto/turn/mix.h"

/* Both indexes hold position + 1; 0 is empty. Each has twice the room, so probing ends. */
static uint8_t *
numbers_of(const struct turn_channels *t)
{
	return (uint8_t *)(t->v + t->room);
}

static uint8_t *
peers_of(const struct turn_channels *t)
{
	return numbers_of(t) + 2u * t->room;
}

static uint32_t
mix_peer(const struct addr *peer)
{
	return turn_mix(peer->ip, peer->family == 4 ? 8 : 16, peer->port);
}

static struct turn_channel *
find_number(const struct turn_channels *t, uint16_t number)
{
	uint32_t mask = 2u * t->room - 1;
	const uint8_t *index;

	if (!t->room)
		return NULL;
	index = numbers_of(t);
	/* Clients count upward from 0x4000, so the number itself spreads best. */
	for (uint32_t h = number & mask; index[h]; h = (h + 1) & mask)
		if (t->v[index[h] - 1].number == number)
			return &t->v[index[h] - 1];
	return NULL;
}

static struct turn_channel *
find_peer(const struct turn_channels *t, const struct addr *peer)
{
	uint32_t mask = 2u * t->room - 1;
	const uint8_t *index;

	if (!t->room)
		return NULL;
	index = peers_of(t);
	for (uint32_t h = mix_peer(peer) & mask; index[h]; h = (h + 1) & mask)
		if (addr_eq(&t->v[index[h] - 1].peer, peer))
			return &t->v[index[h] - 1];
	return NULL;
}

static void
add(struct turn_channels *t, const struct turn_channel *c)
{
	uint32_t mask = 2u * t->room - 1, h = c->number & mask;
	uint8_t *index = numbers_of(t);

	t->v[t->n++] = *c;
	while (index[h])
		h = (h + 1) & mask;
	index[h] = t->n;
	index = peers_of(t);
	h = mix_peer(&c->peer) & mask;
	while (index[h])
		h = (h + 1) & mask;
	index[h] = t->n;
}

static bool
is_resting(const struct turn_channel *c, uint64_t now_ms)
{
	return c->expires_ms + TURN_CHANNEL_REST_MS > now_ms;
}

static int
make_room(struct turn_channels *t, uint32_t max, uint64_t now_ms)
{
	struct turn_channels fresh = {0};
	uint32_t kept = 0, room = t->room ? t->room : 1;

	for (uint8_t i = 0; i < t->n; i++)
		kept += is_resting(&t->v[i], now_ms);
	if (kept >= max)
		return ED_LIMIT;
	while (room <= kept)
		room *= 2;
	fresh.v = calloc(1, room * (sizeof(fresh.v[0]) + 4));
	if (!fresh.v)
		return ED_NOMEM;
	fresh.room = (uint8_t)room;
	for (uint8_t i = 0; i < t->n; i++)
		if (is_resting(&t->v[i], now_ms))
			add(&fresh, &t->v[i]);
	free(t->v);
	*t = fresh;
	return ED_OK;
}

int
turn_channel_bind(struct turn_channels *t, uint16_t number, const struct addr *peer,
    const struct addr *wire, uint32_t max, uint64_t now_ms)
{
	struct turn_channel fresh = {.peer = *peer,
	    .wire = *wire,
	    .number = number,
	    .expires_ms = now_ms + TURN_CHANNEL_LIFETIME_MS};
	struct turn_channel *c = find_number(t, number), *of_peer = find_peer(t, peer);
	bool blocked = (c && is_resting(c, now_ms)) || (of_peer && of_peer->expires_ms > now_ms);
	int r;

	if (c && c == of_peer) {
		c->expires_ms = fresh.expires_ms;
		c->wire = *wire;
		return ED_OK;
	}
	if (blocked)
		return ED_MALFORMED;
	if (max > TURN_CHANNELS_MAX)
		max = TURN_CHANNELS_MAX;
	if (c || of_peer || t->n >= t->room || t->n >= max) {
		/* A peer may take a fresh number when its old one has ended, though that still
		 * rests: what makes it resting is forgotten with the peer it was kept apart for. */
		if (of_peer)
			of_peer->expires_ms = 0;
		r = make_room(t, max, now_ms);
		if (r < 0)
			return r;
	}
	add(t, &fresh);
	return ED_OK;
}

const struct turn_channel *
turn_channel_by_number(const struct turn_channels *t, uint16_t number, uint64_t now_ms)
{
	const struct turn_channel *c = find_number(t, number);

	return c && c->expires_ms > now_ms ? c : NULL;
}

const struct turn_channel *
turn_channel_by_peer(const struct turn_channels *t, const struct addr *peer, uint64_t now_ms)
{
	const struct turn_channel *c = find_peer(t, peer);

	return c && c->expires_ms > now_ms ? c : NULL;
}

void
turn_channels_done(struct turn_channels *t)
{
	free(t->v);
	*t = (struct turn_channels){0};
}

/* SPDX-License-Identifier: MIT */
#include "avedge/ports.h"

#include <stddef.h>
#include <stdlib.h>

#define KINDS 4u

struct ports {
	uint16_t min, max;
	uint32_t n, in_use;
	void (*random)(void *p, size_t n);
	uint8_t used[KINDS][65536 / 8];
};

struct ports *
ports_new(uint16_t min, uint16_t max, void (*random)(void *p, size_t n))
{
	struct ports *p;

	if (min == 0 || max < min)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->min = min;
	p->max = max;
	p->n = (uint32_t)max - min + 1;
	p->random = random;
	return p;
}

struct ports *
ports_free(struct ports *p)
{
	free(p);
	return NULL;
}

static bool
is_used(const struct ports *p, unsigned kind, uint32_t port)
{
	return p->used[kind][port / 8] >> port % 8 & 1;
}

uint16_t
ports_take(struct ports *p, unsigned kind, bool even)
{
	uint32_t start;

	p->random(&start, sizeof(start));
	start %= p->n;
	/* From a random place on to the next free one: always ends, and finds the last port. */
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t port = p->min + (start + i) % p->n;

		if (is_used(p, kind, port) || (even && port % 2))
			continue;
		p->used[kind][port / 8] |= (uint8_t)(1u << port % 8);
		p->in_use++;
		return (uint16_t)port;
	}
	return 0;
}

bool
ports_take_one(struct ports *p, unsigned kind, uint16_t port)
{
	if (port < p->min || port > p->max || is_used(p, kind, port))
		return false;
	p->used[kind][port / 8] |= (uint8_t)(1u << port % 8);
	p->in_use++;
	return true;
}

void
ports_give_back(struct ports *p, unsigned kind, uint16_t port)
{
	if (!is_used(p, kind, port))
		return;
	p->used[kind][port / 8] &= (uint8_t) ~(1u << port % 8);
	p->in_use--;
}

uint32_t
ports_in_use(const struct ports *p)
{
	return p->in_use;
}

uint32_t
ports_total(const struct ports *p)
{
	return p->n;
}

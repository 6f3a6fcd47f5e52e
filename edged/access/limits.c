/* SPDX-License-Identifier: MIT */
#include "access/limits.h"

#include <string.h>

#include "access/flow.h"

void
limits_init(struct limits *l, const struct hash_key *key)
{
	memset(l, 0, sizeof(*l));
	l->key = *key;
}

bool
limits_register(struct limits *l, const struct addr *peer, uint32_t per_minute, uint64_t now_ms)
{
	uint32_t minute = (uint32_t)(now_ms / 60000);
	size_t n = peer->family == 6 ? 8 : 4; /* a /64 is one source */
	uint64_t h = hash_bytes(&l->key, peer->ip, n);
	struct limits_row *row = NULL;

	if (per_minute == 0)
		return true;
	for (unsigned i = 0; i < 4; i++) { /* four neighbours, then the least used is shared */
		struct limits_row *at = &l->registers[(h + i) % LIMITS_ROWS];

		if (at->tag == (uint32_t)(h >> 32) && at->minute == minute) {
			row = at;
			break;
		}
		if (!row || (row->minute == minute && (at->minute != minute || at->n < row->n)))
			row = at;
	}
	if (row->tag != (uint32_t)(h >> 32) || row->minute != minute) {
		if (row->minute != minute)
			row->n = 0;
		row->minute = minute;
		row->tag = (uint32_t)(h >> 32);
	}
	if (row->n >= per_minute)
		return false;
	row->n++;
	return true;
}

uint32_t
limits_request(struct flow *f, uint32_t per_second, uint64_t now_ms)
{
	uint32_t at = (uint32_t)(now_ms - f->born_ms);
	uint64_t fresh;

	if (per_second == 0)
		return 0;
	if (per_second > 10000)
		per_second = 10000;
	fresh = (uint64_t)(at - f->tokens_at) * per_second / 1000;
	if (fresh > 0) {
		f->tokens =
		    (uint16_t)(f->tokens + fresh > per_second ? per_second : f->tokens + fresh);
		f->tokens_at = f->tokens == per_second
				   ? at
				   : f->tokens_at + (uint32_t)(fresh * 1000 / per_second);
	}
	if (f->tokens == 0)
		return 1000 / per_second + 1;
	f->tokens--;
	return 0;
}

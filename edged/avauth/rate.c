/* SPDX-License-Identifier: MIT */
#include "avauth/rate.h"

bool
rate_take(struct rate *r, struct str name, uint32_t n, uint64_t now_ms)
{
	uint64_t i = hash_bytes(&r->key, name.p, name.n) & (RATE_ENTRIES - 1);
	uint64_t back = (now_ms - r->v[i].last_ms) * r->limit.per_s_1000 / 1000;
	uint64_t used = r->v[i].used > back ? r->v[i].used - back : 0;

	if (used + (uint64_t)n * 1000 > (uint64_t)r->limit.burst * 1000)
		return false;
	r->v[i].used = used + (uint64_t)n * 1000;
	r->v[i].last_ms = now_ms;
	return true;
}

/* SPDX-License-Identifier: MIT
 *
 * avauth/rate.h: how many credentials one peer, or one identity, may draw. A table of fixed size
 * under a keyed hash; two names on one entry share it.
 *
 * Pure. Spec: mras.md 9 item 6.
 */
#ifndef EDGED_AVAUTH_RATE_H
#define EDGED_AVAUTH_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"

#define RATE_ENTRIES 4096u

struct rate_limit {
	uint32_t burst;
	uint32_t per_s_1000; /* thousandths that come back each second */
};

struct rate {
	struct hash_key key;
	struct rate_limit limit;
	struct {
		uint64_t last_ms;
		uint64_t used; /* thousandths */
	} v[RATE_ENTRIES];
};

/* n at once or none. */
bool rate_take(struct rate *r, struct str name, uint32_t n, uint64_t now_ms);

#endif

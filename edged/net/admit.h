/* SPDX-License-Identifier: MIT
 *
 * net/admit.h: who may open one more connection: per source address (IPv6 by /64), in all,
 * half-open, and handshakes per minute and address. Fixed-size tables; a flood cannot make them
 * grow.
 */
#ifndef EDGED_NET_ADMIT_H
#define EDGED_NET_ADMIT_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"

struct admit;

struct admit_limits {
	uint32_t total;              /* connections open */
	uint32_t per_address;        /* open from one address */
	uint32_t half_open;          /* accepted, handshake not done, in all */
	uint32_t per_address_minute; /* new ones a minute from one address; 0: no such limit */
};

enum admit_verdict { ADMIT_OK, ADMIT_TOTAL, ADMIT_PER_ADDRESS, ADMIT_HALF_OPEN, ADMIT_RATE };

struct admit *admit_new(const struct admit_limits *lim, const struct hash_key *key);
struct admit *admit_free(struct admit *a);
/* Counts the connection when ADMIT_OK. */
enum admit_verdict admit_take(struct admit *a, const struct addr *peer, uint64_t now_ms);
void admit_up(struct admit *a, const struct addr *peer);                /* handshake done */
void admit_drop(struct admit *a, const struct addr *peer, bool was_up); /* closed */
void admit_set_limits(struct admit *a, const struct admit_limits *lim);
const char *admit_verdict_name(enum admit_verdict v);

#endif

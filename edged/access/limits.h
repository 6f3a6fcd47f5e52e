/* SPDX-License-Identifier: MIT
 *
 * access/limits.h: how often a stranger may knock: REGISTERs a minute from one source address,
 * requests a second on one connection before it signed in, failed authentications
 * (access-edge-sip 11.6).
 *
 * Fixed-size tables: a flood of addresses cannot make them grow, only share rows (a shared row is a
 * rarely unfair limit, never an open one). Pure: the clock comes in.
 */
#ifndef EDGED_ACCESS_LIMITS_H
#define EDGED_ACCESS_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"

struct flow;

#define LIMITS_ROWS          4096u
#define LIMITS_AUTH_FAILURES 3u /* a minute and connection, then every further one waits */
#define LIMITS_TARPIT_MS     1000u

struct limits_row {
	uint32_t tag; /* of the address */
	uint32_t minute;
	uint32_t n;
};

struct limits {
	struct hash_key key;
	struct limits_row registers[LIMITS_ROWS];
};

void limits_init(struct limits *l, const struct hash_key *key);

/* Count one REGISTER of an unproven source; false when it is over per_minute (0: no limit). */
bool limits_register(
    struct limits *l, const struct addr *peer, uint32_t per_minute, uint64_t now_ms);

/*
 * Take one of the tokens that f has before it signed in: per_second of them a second, at most as
 * many at once (0: no limit). Returns 0, or the milliseconds until there is one again.
 */
uint32_t limits_request(struct flow *f, uint32_t per_second, uint64_t now_ms);

#endif

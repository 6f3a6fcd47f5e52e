/* SPDX-License-Identifier: MIT
 *
 * access/lockout.h: failed sign-ins per user, and who is locked for them (EXT-08): before the
 * directory locks the account everywhere, the Edge locks it from outside.
 *
 * Pure: time comes in as now_ms, users as hashes made by the caller's keyed hash. The table has
 * LOCKOUT_PLACES places for good; a user who is not locked makes room first, so that somebody who
 * tries many names does not free the one he tried before.
 */
#ifndef EDGED_ACCESS_LOCKOUT_H
#define EDGED_ACCESS_LOCKOUT_H

#include <stdbool.h>
#include <stdint.h>

#define LOCKOUT_WAYS   8u
#define LOCKOUT_PLACES 4096u /* 128 KB */

struct lockout;

struct lockout_limits {
	uint32_t failures; /* 0: nobody is locked */
	uint64_t window_ms, lock_ms;
};

struct lockout *lockout_new(void);
struct lockout *lockout_free(struct lockout *l);

/* A wrong password of user. True when it is this one that locks. */
bool lockout_failed(
    struct lockout *l, uint64_t user, const struct lockout_limits *lim, uint64_t now_ms);
/* How long user stays locked; 0: not at all. */
uint64_t lockout_left_ms(const struct lockout *l, uint64_t user, uint64_t now_ms);
/* A right one: what came before it is forgotten, but a lock stays: whoever signed in earlier goes
 * on beside somebody who guesses. False when there was nothing to forget. */
bool lockout_good(struct lockout *l, uint64_t user, uint64_t now_ms);
/* An administrator ends a lock. False when nothing was known of user. */
bool lockout_clear(struct lockout *l, uint64_t user);

#endif

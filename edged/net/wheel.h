/* SPDX-License-Identifier: MIT
 *
 * net/wheel.h: the hierarchical timer wheel inside the loop, apart so that a test can turn it by
 * hand.
 *
 * Ticks of WHEEL_TICK_MS. The lowest level has 256 slots of one tick; each higher one has 64 slots
 * and is poured down when the level below comes round. Set and cancel are O(1). Pure but for the
 * callbacks it runs.
 */
#ifndef EDGED_NET_WHEEL_H
#define EDGED_NET_WHEEL_H

#include <stdint.h>

#include "base/list.h"
#include "net/loop.h"

#define WHEEL_TICK_MS 10u
#define WHEEL_LOW     256u
#define WHEEL_HIGH    64u
#define WHEEL_LEVELS  4u /* high ones; reach: 256 * 64^4 ticks, 497 days */

struct wheel {
	uint64_t tick; /* next one to run */
	struct list low[WHEEL_LOW];
	struct list high[WHEEL_LEVELS][WHEEL_HIGH];
	/* A set bit may be stale (cancel does not know the wheel), a clear one never is. */
	uint64_t low_used[WHEEL_LOW / 64];
	uint64_t high_used[WHEEL_LEVELS];
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_set(struct wheel *w, struct timer *t);
/* Runs what is due at now_ms. */
void wheel_run(struct wheel *w, uint64_t now_ms);
/* When wheel_run has work next, at the earliest; UINT64_MAX: never. */
uint64_t wheel_next_ms(struct wheel *w);

#endif

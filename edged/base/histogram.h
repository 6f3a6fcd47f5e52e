/* SPDX-License-Identifier: MIT
 *
 * base/histogram.h: how many times took how long, by fixed bounds: plain counts, no memory of its
 * own, no clock. Adding one is a few comparisons, so it may stand on a path that is walked for each
 * message.
 *
 * The bounds are the same everywhere, from 100 us to 10 s; 3 s is the level at which
 * "average processing time" is an alarm (edge-reference 14).
 */
#ifndef EDGED_BASE_HISTOGRAM_H
#define EDGED_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS 11u

struct histogram {
	uint64_t n[HISTOGRAM_BOUNDS + 1]; /* each its own, not cumulative; the last: beyond all */
	uint64_t sum_us;
};

/* Microseconds; a time that is equal to a bound belongs to it. */
extern const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS];

/* `times` of them took us each. */
static inline void
histogram_add(struct histogram *h, uint64_t us, uint64_t times)
{
	unsigned i = 0;

	while (i < HISTOGRAM_BOUNDS && us > histogram_bounds_us[i])
		i++;
	h->n[i] += times;
	h->sum_us += us * times;
}

#endif

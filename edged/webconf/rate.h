/* SPDX-License-Identifier: MIT
 *
 * webconf/rate.h: a bucket of permits that refills with time; it may go below zero, which tells how
 * long to wait. Pure: time comes in as now_ms.
 */
#ifndef EDGED_WEBCONF_RATE_H
#define EDGED_WEBCONF_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	int64_t thousandths; /* permits in the bucket, times 1000 */
	uint64_t last_ms;
};

/* per_s permits a second, at most burst saved. A fresh (all zero) bucket is full. */
static inline void
rate_refill(struct rate *r, uint64_t per_s, uint64_t burst, uint64_t now_ms)
{
	int64_t cap = (int64_t)burst * 1000;
	uint64_t gone = now_ms - r->last_ms;

	if (r->last_ms == 0 || gone > 3600000u)
		r->thousandths = cap;
	else
		r->thousandths += (int64_t)(gone * per_s);
	if (r->thousandths > cap)
		r->thousandths = cap;
	r->last_ms = now_ms;
}

static inline void
rate_spend(struct rate *r, uint64_t n)
{
	r->thousandths -= (int64_t)n * 1000;
}

static inline bool
rate_is_open(const struct rate *r)
{
	return r->thousandths > 0;
}

/* Milliseconds until it is open again, at least 1. */
static inline uint64_t
rate_wait_ms(const struct rate *r, uint64_t per_s)
{
	return r->thousandths > 0 || per_s == 0 ? 1 : (uint64_t)-r->thousandths / per_s + 1;
}

#endif

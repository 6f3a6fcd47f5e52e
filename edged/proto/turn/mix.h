/* SPDX-License-Identifier: MIT
 *
 * proto/turn/mix.h: a quick hash for the tiny tables inside one allocation. Not keyed: whoever
 * makes its entries collide slows down nothing but their own allocation, at most by its 64 entries.
 */
#ifndef EDGED_PROTO_TURN_MIX_H
#define EDGED_PROTO_TURN_MIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* n is a multiple of 8. */
static inline uint32_t
turn_mix(const uint8_t *p, size_t n, uint32_t more)
{
	uint64_t h = more;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t w;

		memcpy(&w, p + i, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	return (uint32_t)(h ^ h >> 16);
}

#endif

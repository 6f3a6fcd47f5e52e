/* SPDX-License-Identifier: MIT
 *
 * base/wipe.h: secrets that do not outlive their use. No print form on purpose.
 */
#ifndef EDGED_BASE_WIPE_H
#define EDGED_BASE_WIPE_H

#include <stddef.h>
#include <stdint.h>

void wipe(void *p, size_t n); /* not optimised away */

/* Heap bytes, locked in memory where the limit allows, not in core dumps, wiped by secret_done. */
struct secret {
	uint8_t *p;
	size_t n;
};
int secret_init(struct secret *s, size_t n); /* zeroed; ED_NOMEM */
void secret_done(struct secret *s);

#endif

/* SPDX-License-Identifier: MIT
 *
 * avedge/ports.h: which ports of the relay range are worth trying: drawn at random (getrandom, so
 * that a stranger cannot guess the next one), even if wanted, none that we hold already.
 *
 * The kernel has the last word: other workers share the range, and a port that cannot be bound is
 * drawn again.
 */
#ifndef EDGED_AVEDGE_PORTS_H
#define EDGED_AVEDGE_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ports;

struct ports *ports_new(uint16_t min, uint16_t max, void (*random)(void *p, size_t n));
struct ports *ports_free(struct ports *p);
/* 0: the range is used up. Kind tells apart what may share a number: family and transport, 0..3. */
uint16_t ports_take(struct ports *p, unsigned kind, bool even);
/* That very one; false when it is held or outside the range. */
bool ports_take_one(struct ports *p, unsigned kind, uint16_t port);
void ports_give_back(struct ports *p, unsigned kind, uint16_t port);
uint32_t ports_in_use(const struct ports *p);
uint32_t ports_total(const struct ports *p);

#endif

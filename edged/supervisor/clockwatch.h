/* SPDX-License-Identifier: MIT
 *
 * supervisor/clockwatch.h: did the time of day jump? Pure; the supervisor feeds it both clocks.
 *
 * Tokens of the relay, tickets, route keys and certificates go by the time of day. `edged -n` tells
 * of a clock that is not synchronised (TOP-15); a jump is told while running (SYS-1008).
 */
#ifndef EDGED_SUPERVISOR_CLOCKWATCH_H
#define EDGED_SUPERVISOR_CLOCKWATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Less is what a clock daemon corrects day by day. */
#define CLOCKWATCH_STEP_MS 2000

struct clockwatch {
	int64_t offset_ms; /* time of day less the clock since boot, which goes on while asleep */
	bool started;
};

/* The step since the last look in ms, positive forward; 0: none worth a word. */
int64_t clockwatch_look(struct clockwatch *c, int64_t real_ms, int64_t boot_ms);

#endif

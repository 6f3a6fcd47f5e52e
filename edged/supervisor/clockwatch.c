/* SPDX-License-Identifier: MIT
 *
 * supervisor/clockwatch.c
 */
#include "supervisor/clockwatch.h"

int64_t
clockwatch_look(struct clockwatch *c, int64_t real_ms, int64_t boot_ms)
{
	int64_t now = real_ms - boot_ms, step = c->started ? now - c->offset_ms : 0;

	c->started = true;
	/* Slewing is followed, so that it never adds up to a step. */
	c->offset_ms = now;
	return step >= CLOCKWATCH_STEP_MS || step <= -CLOCKWATCH_STEP_MS ? step : 0;
}

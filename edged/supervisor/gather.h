/* SPDX-License-Identifier: MIT
 *
 * supervisor/gather.h: one question to all services, their answers put together.
 *
 * The question goes to each service that is ready; answers come in any order; when all are there,
 * or after GATHER_MS, done is called once (possibly before gather_begin returns). Who did not
 * answer is named. Used by edgectl's socket and by the metrics listener.
 */
#ifndef EDGED_SUPERVISOR_GATHER_H
#define EDGED_SUPERVISOR_GATHER_H

#include <stdint.h>

#include "base/list.h"
#include "supervisor/stats_sum.h"
#include "supervisor/supervisor.h"
#include "svc/json.h"

#define GATHER_MS 5000u

struct gather {
	struct list link;
	struct supervisor *sup;
	uint32_t number;
	unsigned waiting_for;
	bool awaited[CHILDREN_MAX];
	struct timer deadline;
	struct json answers;   /* of a question: list elements, comma between them */
	struct stats_sum *sum; /* of counters; NULL for a question */
	void (*done)(void *arg, struct gather *g); /* g is freed after it */
	void *arg;
};

/* verb empty: counters. Calls done with g NULL when there is no memory. */
void gather_begin(struct supervisor *s, struct str verb, struct str argument,
    void (*done)(void *arg, struct gather *g), void *arg);
/* Whoever began with arg is gone. */
void gather_cancel(struct supervisor *s, void *arg);
/* ["access.1", ...]: who did not answer. */
void gather_silent_json(const struct gather *g, struct json *j);

#endif

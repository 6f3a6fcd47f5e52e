/* SPDX-License-Identifier: MIT
 *
 * access/timeq.h: deadlines that all lie the same time ahead, so a plain FIFO keeps them sorted:
 * set and cancel are O(1), the first one is the earliest, and an idle one costs nothing.
 *
 * Every timer of a SIP proxy over TLS is such a constant (B and F 32 s, C 180 s, header 30 s, ...).
 * Pure: the clock comes in as now_ms; the owner asks timeq_due in its tick.
 */
#ifndef EDGED_ACCESS_TIMEQ_H
#define EDGED_ACCESS_TIMEQ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct timeq {
	struct list head;
	uint32_t ahead_ms;
};

struct timeq_node { /* inside the object it times; all zero when not set */
	struct list link;
	uint64_t deadline_ms;
};

static inline void
timeq_init(struct timeq *q, uint32_t ahead_ms)
{
	list_init(&q->head);
	q->ahead_ms = ahead_ms;
}

static inline bool
timeq_is_set(const struct timeq_node *n)
{
	return list_is_linked(&n->link);
}

static inline void
timeq_cancel(struct timeq_node *n)
{
	list_remove(&n->link);
}

/*
 * At a deadline of its own; moves one that is set, from whichever queue it is in. Sought from the
 * end: one step while all lie the same time ahead, a few after a reload changed that time.
 */
static inline void
timeq_set_at(struct timeq *q, struct timeq_node *n, uint64_t deadline_ms)
{
	struct list *at;

	list_remove(&n->link);
	n->deadline_ms = deadline_ms;
	for (at = q->head.prev; at != &q->head; at = at->prev)
		if (LIST_OF(at, struct timeq_node, link)->deadline_ms <= deadline_ms)
			break;
	list_insert_before(at->next, &n->link);
}

static inline void
timeq_set(struct timeq *q, struct timeq_node *n, uint64_t now_ms)
{
	timeq_set_at(q, n, now_ms + q->ahead_ms);
}

/* The next node whose time has come, taken out of the queue; NULL if none. */
static inline struct timeq_node *
timeq_due(struct timeq *q, uint64_t now_ms)
{
	struct timeq_node *n;

	if (list_is_empty(&q->head))
		return NULL;
	n = LIST_OF(q->head.next, struct timeq_node, link);
	if (n->deadline_ms > now_ms)
		return NULL;
	list_remove(&n->link);
	return n;
}

/* Earliest deadline; UINT64_MAX when none is set. */
static inline uint64_t
timeq_next(const struct timeq *q)
{
	if (list_is_empty(&q->head))
		return UINT64_MAX;
	return LIST_OF(q->head.next, struct timeq_node, link)->deadline_ms;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/loop.h: the one event loop of a process (libevent), its clock, its timers and its
 * end-of-round hook.
 *
 * A round: wait, run every ready callback, run the timers that are due, then the tasks put off with
 * loop_defer (flush the connections that got output in this round: one TLS record and one send
 * each). The clock is read once a round. No threads.
 */
#ifndef EDGED_NET_LOOP_H
#define EDGED_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct event_base; /* libevent */
struct loop;

struct loop *loop_new(void);
struct loop *loop_free(struct loop *l);
/* Until loop_stop. ED_OK, or ED_SYS. */
int loop_run(struct loop *l) ED_MUST_CHECK;
void loop_stop(struct loop *l);
struct event_base *loop_base(struct loop *l);
/* Milliseconds on the monotonic clock, as read at the start of this round. */
uint64_t loop_now_ms(const struct loop *l);
/* Microseconds since then. Reads the clock each time: for measuring, not for deadlines. */
uint64_t loop_spent_us(const struct loop *l);

/* Runs once at the end of this round; may put itself off again (then next round runs at once). */
struct loop_task {
	struct list link;
	void (*run)(struct loop_task *t);
};
void loop_defer(struct loop *l, struct loop_task *t); /* no harm when already put off */
/* The same, but after all of loop_defer's: work that must not stand in front of output. What it
 * puts off itself with loop_defer still runs in this round. */
void loop_defer_late(struct loop *l, struct loop_task *t);
void loop_defer_cancel(struct loop_task *t);

/*
 * Timers on a hierarchical wheel of 10 ms: set and cancel are O(1), a hundred thousand idle ones
 * cost nothing. The struct lives inside the object it times. A callback may set its own timer again
 * or free its object. Deadlines may come up to one tick late, never early.
 */
struct timer {
	struct list link;
	uint64_t deadline_ms;
	void (*fire)(struct timer *t, uint64_t now_ms);
};
void timer_init(struct timer *t, void (*fire)(struct timer *, uint64_t));
void timer_set(struct loop *l, struct timer *t, uint64_t deadline_ms); /* moves a set one */
void timer_cancel(struct timer *t);
bool timer_is_set(const struct timer *t);

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/loop.c: libevent carries the descriptors; timers and the end of the round are ours.
 *
 * libevent sees a single timer: the next moment the wheel has work. The clock is read when first
 * asked for after the wait, so a round that needs no time reads none.
 */
#include "net/loop.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "net/wheel.h"

struct loop {
	struct event_base *base;
	struct event *wake;      /* the wheel's */
	uint64_t wake_ms;        /* what it is armed for; UINT64_MAX: not */
	uint64_t now_us, now_ms; /* the same reading */
	bool now_stale;
	bool stop;
	struct list tasks, late;
	struct wheel wheel;
};

static uint64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void
read_clock(struct loop *l)
{
	l->now_us = clock_us();
	l->now_ms = l->now_us / 1000u;
	l->now_stale = false;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	l->wake_ms = UINT64_MAX; /* that the round ends is all that matters */
}

static struct event_base *
base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (!cfg)
		return NULL;
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK) == 0 &&
	    event_config_require_features(cfg, EV_FEATURE_O1) == 0)
		base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

struct loop *
loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	list_init(&l->tasks);
	list_init(&l->late);
	read_clock(l);
	l->wake_ms = UINT64_MAX;
	wheel_init(&l->wheel, l->now_ms);
	l->base = base_new();
	if (!l->base)
		return loop_free(l);
	l->wake = evtimer_new(l->base, on_wake, l);
	if (!l->wake)
		return loop_free(l);
	return l;
}

struct loop *
loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	LIST_EACH_SAFE(it, &l->tasks)
	list_remove(it);
	if (l->wake)
		event_free(l->wake);
	if (l->base)
		event_base_free(l->base);
	free(l);
	return NULL;
}

static void
arm_wake(struct loop *l)
{
	uint64_t next = wheel_next_ms(&l->wheel);
	uint64_t wait;
	struct timeval tv;

	if (next == l->wake_ms)
		return;
	l->wake_ms = next;
	if (next == UINT64_MAX) {
		evtimer_del(l->wake);
		return;
	}
	/* libevent's clock may be a few ms behind ours: at least one, so that we do not spin */
	wait = next > l->now_ms ? next - l->now_ms : 1;
	tv.tv_sec = (time_t)(wait / 1000);
	tv.tv_usec = (suseconds_t)(wait % 1000 * 1000);
	evtimer_add(l->wake, &tv);
}

static void
run_tasks(struct list *tasks)
{
	struct list now;

	/* Only those put off until here: one that puts itself off again has its turn next round. */
	list_init(&now);
	while (!list_is_empty(tasks)) {
		struct list *it = tasks->next;

		list_remove(it);
		list_push_back(&now, it);
	}
	while (!list_is_empty(&now)) {
		struct loop_task *t = LIST_OF(now.next, struct loop_task, link);

		list_remove(&t->link);
		t->run(t);
	}
}

int
loop_run(struct loop *l)
{
	int r = ED_OK;

	while (!l->stop) {
		int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

		if (!list_is_empty(&l->tasks) || !list_is_empty(&l->late))
			flags |= EVLOOP_NONBLOCK;
		else
			arm_wake(l);
		l->now_stale = true;
		if (event_base_loop(l->base, flags) < 0) {
			r = ED_SYS;
			break;
		}
		wheel_run(&l->wheel, loop_now_ms(l));
		run_tasks(&l->tasks);
		if (!list_is_empty(&l->late)) {
			run_tasks(&l->late);
			run_tasks(&l->tasks);
		}
	}
	l->stop = false;
	return r;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

uint64_t
loop_now_ms(const struct loop *l)
{
	struct loop *m = (struct loop *)(uintptr_t)l; /* the cached clock is no part of its value */

	if (m->now_stale)
		read_clock(m);
	return m->now_ms;
}

uint64_t
loop_spent_us(const struct loop *l)
{
	(void)loop_now_ms(l); /* a round that has asked for no time yet begins now */
	return clock_us() - l->now_us;
}

void
loop_defer(struct loop *l, struct loop_task *t)
{
	if (!list_is_linked(&t->link))
		list_push_back(&l->tasks, &t->link);
}

void
loop_defer_late(struct loop *l, struct loop_task *t)
{
	if (!list_is_linked(&t->link))
		list_push_back(&l->late, &t->link);
}

void
loop_defer_cancel(struct loop_task *t)
{
	list_remove(&t->link);
}

void
timer_init(struct timer *t, void (*fire)(struct timer *, uint64_t))
{
	t->link.next = t->link.prev = NULL;
	t->deadline_ms = 0;
	t->fire = fire;
}

void
timer_set(struct loop *l, struct timer *t, uint64_t deadline_ms)
{
	list_remove(&t->link);
	t->deadline_ms = deadline_ms;
	wheel_set(&l->wheel, t);
}

void
timer_cancel(struct timer *t)
{
	list_remove(&t->link);
}

bool
timer_is_set(const struct timer *t)
{
	return list_is_linked(&t->link);
}

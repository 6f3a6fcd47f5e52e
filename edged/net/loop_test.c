/* SPDX-License-Identifier: MIT */
#include "net/loop.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/wheel.h"

struct probe {
	struct timer t;
	uint64_t fired_ms; /* 0: not */
	unsigned n;
};

static void
on_fire(struct timer *t, uint64_t now_ms)
{
	struct probe *p = LIST_OF(t, struct probe, t);

	p->fired_ms = now_ms;
	p->n++;
}

/* A wheel turned by hand in odd steps: each timer once, never early, at most a tick late. */
static void
test_wheel(void **state)
{
	enum { N = 3000 };
	static const uint64_t spans[] = {1, 10, 2560, 2561, 163840, 163841, 10485760, 700000000};
	struct probe *p = calloc(N, sizeof(*p));
	struct wheel *w = malloc(sizeof(*w));
	uint64_t now = 123457;

	srand(1);
	wheel_init(w, now);
	for (int i = 0; i < N; i++) {
		timer_init(&p[i].t, on_fire);
		p[i].t.deadline_ms = now + (uint64_t)rand() % spans[i % 8];
		wheel_set(w, &p[i].t);
	}
	for (int i = 0; i < N; i += 7)
		timer_cancel(&p[i].t);
	for (;;) {
		uint64_t next = wheel_next_ms(w);

		if (next == UINT64_MAX)
			break;
		assert_true(next > now);
		now = next;
		wheel_run(w, now);
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(p[i].n, i % 7 != 0);
		if (p[i].n == 0)
			continue;
		assert_true(p[i].fired_ms >= p[i].t.deadline_ms);
		assert_true(p[i].fired_ms < p[i].t.deadline_ms + 2 * WHEEL_TICK_MS);
	}
	free(w);
	free(p);
}

/* The clock may stand still for long and then jump. */
static void
test_wheel_jump(void **state)
{
	struct probe a = {0}, b = {0}, c = {0};
	struct wheel *w = malloc(sizeof(*w));

	wheel_init(w, 0);
	timer_init(&a.t, on_fire);
	timer_init(&b.t, on_fire);
	timer_init(&c.t, on_fire);
	a.t.deadline_ms = 50;
	b.t.deadline_ms = 90000;
	c.t.deadline_ms = 90000000;
	wheel_set(w, &a.t);
	wheel_set(w, &b.t);
	wheel_set(w, &c.t);
	wheel_run(w, 49);
	assert_int_equal(a.n, 0);
	wheel_run(w, 89999);
	assert_int_equal(a.n, 1);
	assert_int_equal(b.n, 0);
	wheel_run(w, 80000000);
	assert_int_equal(b.n, 1);
	assert_int_equal(c.n, 0);
	wheel_run(w, 90000000);
	assert_int_equal(c.n, 1);
	assert_true(wheel_next_ms(w) == UINT64_MAX);
	free(w);
}

struct scene {
	struct loop *l;
	struct timer t, other;
	struct loop_task task;
	char story[64];
	int again;
	int pipe[2];
};

static void
tell(struct scene *s, const char *what)
{
	strncat(s->story, what, sizeof(s->story) - strlen(s->story) - 1);
}

static void
on_task(struct loop_task *t)
{
	struct scene *s = LIST_OF(t, struct scene, task);

	tell(s, "t");
	if (s->again-- > 0)
		loop_defer(s->l, t);
	else
		loop_stop(s->l);
}

static void
on_timer(struct timer *t, uint64_t now_ms)
{
	struct scene *s = LIST_OF(t, struct scene, t);

	assert_true(now_ms >= t->deadline_ms);
	tell(s, "T");
	timer_cancel(&s->other);
	loop_defer(s->l, &s->task);
	loop_defer(s->l, &s->task);
}

static void
on_never(struct timer *t, uint64_t now_ms)
{
	fail();
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct scene *s = arg;
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
	tell(s, "r");
	timer_set(s->l, &s->t, loop_now_ms(s->l));
	timer_set(s->l, &s->other, loop_now_ms(s->l) + 5);
	timer_set(s->l, &s->other, loop_now_ms(s->l) + 60000);
	assert_true(timer_is_set(&s->other));
}

static void
test_round(void **state)
{
	struct scene s = {.again = 2};
	struct event *ev;

	s.l = loop_new();
	assert_non_null(s.l);
	timer_init(&s.t, on_timer);
	timer_init(&s.other, on_never);
	s.task.run = on_task;
	assert_int_equal(pipe(s.pipe), 0);
	ev = event_new(loop_base(s.l), s.pipe[0], EV_READ | EV_PERSIST, on_read, &s);
	event_add(ev, NULL);
	assert_int_equal(write(s.pipe[1], "x", 1), 1);
	assert_int_equal(loop_run(s.l), ED_OK);
	assert_string_equal(s.story, "rTttt");
	assert_false(timer_is_set(&s.other));

	loop_defer(s.l, &s.task);
	loop_defer_cancel(&s.task);
	loop_stop(s.l);
	assert_int_equal(loop_run(s.l), ED_OK);
	assert_string_equal(s.story, "rTttt");
	event_free(ev);
	close(s.pipe[0]);
	close(s.pipe[1]);
	assert_null(loop_free(s.l));
	assert_null(loop_free(NULL));
}

/* From one reading of the clock of a round it only rises; a new round has a reading of its own. */
static void
test_spent(void **state)
{
	struct loop *l = loop_new();
	uint64_t now_ms = loop_now_ms(l), a = loop_spent_us(l), b = loop_spent_us(l);

	assert_true(b >= a);
	assert_true(loop_now_ms(l) == now_ms);
	loop_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wheel),
	    cmocka_unit_test(test_wheel_jump),
	    cmocka_unit_test(test_round),
	    cmocka_unit_test(test_spent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

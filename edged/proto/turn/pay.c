/* SPDX-License-Identifier: MIT
 *
 * proto/turn/pay.c: what passes is counted, and paid for where there are ceilings of bandwidth (of
 * a port: one allocation; of a user: all of his, over all workers).
 *
 * Spec: edge-reference AV-10.
 */
#include "proto/turn/internal.h"
#include "proto/turn/shared.h"

static bool
user_pays(struct turn_server *s, struct turn_allocation *a, uint32_t n, uint64_t now_ms)
{
	uint64_t kbit = s->conf.limits.kbit_per_user;

	return turn_bucket_take(&a->user->bucket, kbit, n, now_ms) &&
	       (!a->is_shared || turn_shared_pay(s->conf.shared, a->shared, kbit, n, now_ms));
}

static void
mark_over(struct turn_server *s, struct turn_allocation *a, uint64_t now_ms)
{
	if (!a->over_ms || now_ms - a->over_ms >= TURN_OVER_MS)
		a->over_since_ms = now_ms;
	a->over_ms = s->over_ms = now_ms;
}

void
turn_count_relayed(
    struct turn_server *s, struct turn_allocation *a, int dir, uint64_t packets, uint64_t bytes)
{
	enum turn_leg leg = s->conf.listeners[a->flow.listener].leg;

	a->traffic |= packets > 0;
	a->packets[dir] += packets;
	a->bytes[dir] += bytes;
	s->count[dir ? TURN_COUNT_FROM_PEER : TURN_COUNT_FROM_CLIENT] += packets;
	s->count[turn_count_bytes((unsigned)dir, a->flow.transport, leg)] += bytes;
}

bool
turn_pay(struct turn_server *s, struct turn_allocation *a, int dir, uint32_t n, uint64_t now_ms)
{
	if (a->ms && a->flow.transport == TURN_TCP) { /* a stream: its bytes must not be dropped */
		turn_owe(s, a, dir, n, now_ms);
		return true;
	}
	if (!turn_bucket_take(&a->bucket, s->conf.limits.kbit_per_port, n, now_ms) ||
	    !user_pays(s, a, n, now_ms)) {
		turn_drop(s, TURN_COUNT_DROP_BANDWIDTH, &a->flow);
		mark_over(s, a, now_ms);
		return false;
	}
	turn_count_relayed(s, a, dir, 1, n);
	return true;
}

void
turn_owe(struct turn_server *s, struct turn_allocation *a, int dir, uint32_t n, uint64_t now_ms)
{
	uint64_t kbit = s->conf.limits.kbit_per_user;

	turn_bucket_owe(&a->bucket, s->conf.limits.kbit_per_port, n, now_ms);
	turn_bucket_owe(&a->user->bucket, kbit, n, now_ms);
	if (a->is_shared)
		turn_shared_owe(s->conf.shared, a->shared, kbit, n, now_ms);
	turn_count_relayed(s, a, dir, 1, n);
}

static uint64_t
user_wait_ms(struct turn_server *s, struct turn_allocation *a, uint64_t now_ms)
{
	uint64_t kbit = s->conf.limits.kbit_per_user;
	uint64_t here = turn_bucket_wait_ms(&a->user->bucket, kbit, now_ms), all = 0;

	if (a->is_shared)
		all = turn_shared_wait_ms(s->conf.shared, a->shared, kbit, now_ms);
	return here > all ? here : all;
}

uint32_t
turn_server_stream_wait(
    struct turn_server *s, struct turn_allocation *a, uint64_t now_ms, const char **ret_tell)
{
	uint64_t port, user, ms;

	*ret_tell = NULL;
	if (a->state != TURN_LIVE)
		return 0;
	port = turn_bucket_wait_ms(&a->bucket, s->conf.limits.kbit_per_port, now_ms);
	user = user_wait_ms(s, a, now_ms);
	ms = port > user ? port : user;
	if (ms && !a->waits)
		s->count[TURN_COUNT_THROTTLED]++;
	if (ms && !a->told)
		*ret_tell = user > port ? "user" : "port";
	if (ms)
		mark_over(s, a, now_ms);
	a->waits = ms > 0;
	a->told |= a->waits;
	return ms > TURN_STREAM_WAIT_MS ? TURN_STREAM_WAIT_MS : (uint32_t)ms;
}

void
turn_server_relayed(
    struct turn_server *s, struct turn_allocation *a, int dir, uint64_t packets, uint64_t bytes)
{
	turn_count_relayed(s, a, dir, packets, bytes);
}

/* Only datagrams are relayed below us. */
void
turn_server_dropped(struct turn_server *s, struct turn_allocation *a, uint32_t bandwidth,
    uint32_t other, uint64_t now_ms)
{
	s->count[TURN_COUNT_DROP_BANDWIDTH] += bandwidth;
	s->count[TURN_COUNT_DROP_OTHER] += other;
	if (a && bandwidth)
		mark_over(s, a, now_ms);
}

struct over_walk {
	uint64_t now_ms;
	struct turn_over n;
};

static void
count_over(const struct turn_allocation *a, void *arg)
{
	struct over_walk *w = arg;

	if (a->state != TURN_LIVE || !a->over_ms || w->now_ms - a->over_ms >= TURN_OVER_MS)
		return;
	w->n.peak++;
	w->n.average += a->over_ms - a->over_since_ms >= TURN_OVER_LONG_MS;
}

/* Asked for once a second: where nobody was over a ceiling, nobody is looked at. */
struct turn_over
turn_server_over(struct turn_server *s, uint64_t now_ms)
{
	struct over_walk w = {.now_ms = now_ms};

	if (s->over_ms && now_ms - s->over_ms < TURN_OVER_MS)
		turn_server_each(s, count_over, &w);
	return w.n;
}

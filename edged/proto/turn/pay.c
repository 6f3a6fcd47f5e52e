/* SPDX-License-Identifier: MIT
 *
 * proto/turn/pay.c: bandwidth of a port and of a user, and what has been relayed.
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

bool
turn_pay(struct turn_server *s, struct turn_allocation *a, int dir, uint32_t n, uint64_t now_ms)
{
	const struct turn_limits *lim = &s->conf.limits;
	bool is_stream = a->ms && a->flow.transport == TURN_TCP; /* its bytes must not be dropped */

	if (!is_stream && (!turn_bucket_take(&a->bucket, lim->kbit_per_port, n, now_ms) ||
			      !user_pays(s, a, n, now_ms))) {
		turn_drop(s, TURN_COUNT_DROP_BANDWIDTH);
		return false;
	}
	a->traffic = true;
	a->packets[dir]++;
	a->bytes[dir] += n;
	s->count[dir ? TURN_COUNT_FROM_PEER : TURN_COUNT_FROM_CLIENT]++;
	s->count[dir ? TURN_COUNT_BYTES_FROM_PEER : TURN_COUNT_BYTES_FROM_CLIENT] += n;
	return true;
}

void
turn_server_relayed(
    struct turn_server *s, struct turn_allocation *a, int dir, uint64_t packets, uint64_t bytes)
{
	a->traffic |= packets > 0;
	a->packets[dir] += packets;
	a->bytes[dir] += bytes;
	s->count[dir ? TURN_COUNT_FROM_PEER : TURN_COUNT_FROM_CLIENT] += packets;
	s->count[dir ? TURN_COUNT_BYTES_FROM_PEER : TURN_COUNT_BYTES_FROM_CLIENT] += bytes;
}

void
turn_server_dropped(struct turn_server *s, uint32_t bandwidth, uint32_t other)
{
	s->count[TURN_COUNT_DROP_BANDWIDTH] += bandwidth;
	s->count[TURN_COUNT_DROP_OTHER] += other;
}

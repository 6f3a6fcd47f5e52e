/* SPDX-License-Identifier: MIT
 *
 * avedge/throttle.c: the streams of a relay wait for the ceilings of bandwidth (turn/pay.c says for
 * how long): nothing of them is read, neither from peers nor from the client, until the timer
 * fires. What is still in the kernel then stops the senders.
 *
 * Both directions stop, since both spend from the same buckets. The control connection of a client
 * of RFC 6062 is read all the same; in the MS dialect it is the client's stream itself.
 */
#include "avedge/internal.h"
#include "proto/turn/allocation.h"

static void
read_all(struct av_relay *r)
{
	peer_read_all(r);
	joint_read_all(r);
	if (r->a->ms)
		client_throttle(r->av, r->conn, throttle_is_on(r));
}

/* True while r has to wait; asks again when that may be over. */
static bool
wait_on(struct av_relay *r)
{
	uint64_t now_ms = loop_now_ms(r->av->loop);
	const char *tell;
	uint32_t ms = turn_server_stream_wait(r->av->server, r->a, now_ms, &tell);

	if (tell)
		note_throttled(r->av, r->a, tell);
	if (ms)
		timer_set(r->av->loop, &r->throttle, now_ms + ms);
	return ms > 0;
}

static void
on_over(struct timer *t, uint64_t now_ms)
{
	struct av_relay *r = LIST_OF(t, struct av_relay, throttle);

	(void)now_ms;
	if (!wait_on(r))
		read_all(r);
}

void
throttle_init(struct av_relay *r)
{
	timer_init(&r->throttle, on_over);
}

void
throttle_done(struct av_relay *r)
{
	if (!throttle_is_on(r))
		return;
	timer_cancel(&r->throttle);
	read_all(r);
}

void
throttle_look(struct av_relay *r)
{
	if (wait_on(r))
		read_all(r);
}

bool
throttle_is_on(const struct av_relay *r)
{
	return timer_is_set(&r->throttle);
}

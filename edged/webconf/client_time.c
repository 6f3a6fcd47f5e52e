/* SPDX-License-Identifier: MIT
 *
 * webconf/client_time.c: the deadlines of a client (psom-webconf 9.2) and its rate each way.
 */
#include "webconf/client_in.h"

static void
earlier(uint64_t *at, uint64_t other)
{
	if (other < *at)
		*at = other;
}

/* Admitted, and not a word since; while it is not read that says nothing. */
static bool
is_mute(const struct client *c)
{
	return c->admitted_ms && c->pump.in == 0 && !c->w->throttling;
}

bool
client_is_stuck(const struct client *c)
{
	return c->state == STATE_RELAY && c->pump.held && !c->close_at_ms;
}

static uint64_t
next_deadline(const struct client *c)
{
	const struct conf_webconf_limits *l = client_limits(c);
	uint64_t at = c->accepted_ms + l->lifetime_s * 1000ull;

	if (client_now(c) >= at)
		at = client_now(c) + 1000;
	if (c->close_at_ms)
		earlier(&at, c->close_at_ms);
	if (c->state == STATE_ADMIT)
		earlier(&at, c->since_ms + l->admit_ms);
	if (c->state == STATE_OPENING)
		earlier(&at, c->since_ms + l->open_ms);
	if (is_mute(c))
		earlier(&at, c->admitted_ms + l->first_octet_ms);
	if (c->admitted_ms && l->idle_s)
		earlier(&at, c->last_ms + l->idle_s * 1000ull);
	if (c->half_ms)
		earlier(&at, c->half_ms + l->half_open_s * 1000ull);
	if (c->pump.unpassed)
		earlier(&at, c->out_ms + l->slow_s * 1000ull);
	if (client_is_stuck(c))
		earlier(&at, c->up_ms + l->slow_s * 1000ull);
	if (c->pump.holds & PUMP_HOLD_RATE)
		earlier(&at, client_now(c) + rate_wait_ms(&c->up, l->rate_kbit * 125ull));
	if (c->owed)
		earlier(&at, client_now(c) + rate_wait_ms(&c->down, l->rate_down_kbit * 125ull));
	return at;
}

void
client_schedule(struct client *c)
{
	if (!c->why && c->state != STATE_TLS)
		timer_set(c->w->loop, &c->timer, next_deadline(c));
}

/* What a deadline that is over means; CLIENT_UNDER_WAY: nothing. */
static enum client_end
overdue(const struct client *c, uint64_t t)
{
	const struct conf_webconf_limits *l = client_limits(c);
	uint64_t life = c->accepted_ms + l->lifetime_s * 1000ull;

	if (c->close_at_ms && t >= c->close_at_ms)
		return CLIENT_LINK_LOST;
	if (c->state == STATE_ADMIT && t >= c->since_ms + l->admit_ms)
		return CLIENT_ADMIT_TIMEOUT;
	if (c->state == STATE_OPENING && t >= c->since_ms + l->open_ms)
		return CLIENT_OPEN_TIMEOUT;
	if (is_mute(c) && t >= c->admitted_ms + l->first_octet_ms)
		return CLIENT_FIRST_OCTET_TIMEOUT;
	if (c->admitted_ms && l->idle_s && t >= c->last_ms + l->idle_s * 1000ull)
		return CLIENT_IDLE;
	if (c->half_ms && t >= c->half_ms + l->half_open_s * 1000ull)
		return CLIENT_HALF_OPEN;
	if (c->pump.unpassed && t >= c->out_ms + l->slow_s * 1000ull)
		return CLIENT_SLOW;
	if (client_is_stuck(c) && t >= c->up_ms + l->slow_s * 1000ull)
		return CLIENT_SLOW;
	/* Long lived enough: at the next idle second, or a minute later. */
	if (t >= life && (t >= c->last_ms + 1000 || t >= life + 60000))
		return CLIENT_LIFETIME;
	return CLIENT_UNDER_WAY;
}

/* Volume. */

static uint64_t
burst_of(uint64_t octets_per_s)
{
	return octets_per_s / 4 > 65536 ? octets_per_s / 4 : 65536;
}

static void
rates_release(struct client *c, uint64_t t)
{
	uint64_t up = client_limits(c)->rate_kbit * 125ull,
		 down = client_limits(c)->rate_down_kbit * 125ull;
	size_t n;

	if (c->pump.holds & PUMP_HOLD_RATE) {
		rate_refill(&c->up, up, burst_of(up), t);
		if (rate_is_open(&c->up) || up == 0)
			pump_hold(&c->pump, PUMP_HOLD_RATE, false);
	}
	if (c->owed) {
		rate_refill(&c->down, down, burst_of(down), t);
		if (rate_is_open(&c->down) || down == 0) {
			n = c->owed;
			c->owed = 0;
			rate_spend(&c->down, n);
			if (c->in)
				c->in->cls->passed(c->in, n);
		}
	}
}

void
client_tick(struct timer *t, uint64_t now_ms)
{
	struct client *c = LIST_OF(t, struct client, timer);
	enum client_end why = overdue(c, now_ms);

	if (why != CLIENT_UNDER_WAY) {
		client_end(c, why);
		return;
	}
	rates_release(c, now_ms);
	client_schedule(c);
}

void
client_rate_up(struct client *c, size_t n)
{
	uint64_t per_s = client_limits(c)->rate_kbit * 125ull;

	if (per_s == 0)
		return;
	rate_refill(&c->up, per_s, burst_of(per_s), client_now(c));
	rate_spend(&c->up, n);
	if (!rate_is_open(&c->up)) {
		pump_hold(&c->pump, PUMP_HOLD_RATE, true);
		client_schedule(c);
	}
}

static size_t
far_write(void *far, struct str bytes)
{
	struct client *c = far;
	size_t n = c->in ? c->in->cls->write(c->in, bytes) : 0;

	if (n)
		c->up_ms = client_now(c);
	return n;
}

static void
far_end(void *far)
{
	struct client *c = far;

	if (c->in)
		c->in->cls->end(c->in);
}

static void
far_passed(void *far, size_t n)
{
	struct client *c = far;
	uint64_t per_s = client_limits(c)->rate_down_kbit * 125ull;

	if (per_s) {
		rate_refill(&c->down, per_s, burst_of(per_s), client_now(c));
		if (c->owed || !rate_is_open(&c->down)) {
			c->owed += n;
			client_schedule(c);
			return;
		}
		rate_spend(&c->down, n);
	}
	if (c->in)
		c->in->cls->passed(c->in, n);
}

const struct pump_far client_far_ops = {far_write, far_end, far_passed};

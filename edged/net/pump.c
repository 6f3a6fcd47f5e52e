/* SPDX-License-Identifier: MIT */
#include "net/pump.h"

#include <stdlib.h>
#include <string.h>

#include "net/conn.h"

void
pump_init(struct pump *p, struct conn *conn)
{
	memset(p, 0, sizeof(*p));
	p->conn = conn;
}

static void
held_drop(struct pump *p)
{
	free(p->held);
	p->held = NULL;
	p->n_held = p->at_held = 0;
}

void
pump_done(struct pump *p)
{
	held_drop(p);
	p->conn = NULL;
	p->far = NULL;
}

void
pump_hold(struct pump *p, enum pump_hold why, bool on)
{
	unsigned was = p->holds;

	p->holds = on ? was | why : was & ~(unsigned)why;
	if (p->conn && !was != !p->holds)
		conn_pause(p->conn, p->holds != 0);
}

static int
held_add(struct pump *p, struct str bytes)
{
	char *grown = realloc(p->held, p->n_held + bytes.n);

	if (!grown)
		return ED_NOMEM;
	memcpy(grown + p->n_held, bytes.p, bytes.n);
	p->held = grown;
	p->n_held += bytes.n;
	return ED_OK;
}

int
pump_from_conn(struct pump *p, struct str bytes)
{
	p->in += bytes.n;
	if (p->far && !p->held)
		bytes = str_from(bytes, p->ops->write(p->far, bytes));
	if (bytes.n == 0)
		return ED_OK;
	/* Before the far side is there reading goes on: the room bounds how much, and sees an end.
	 */
	if (p->far)
		pump_hold(p, PUMP_HOLD_FAR, true);
	return held_add(p, bytes);
}

static void
tell_end(struct pump *p)
{
	if (!p->conn_ended || p->held || !p->far || p->far_told)
		return;
	p->far_told = true;
	p->ops->end(p->far);
}

void
pump_conn_ended(struct pump *p)
{
	p->conn_ended = true;
	tell_end(p);
}

void
pump_far_writable(struct pump *p)
{
	if (!p->far)
		return;
	if (p->held) {
		p->at_held += p->ops->write(
		    p->far, (struct str){p->held + p->at_held, p->n_held - p->at_held});
		if (p->at_held < p->n_held)
			return;
		held_drop(p);
	}
	pump_hold(p, PUMP_HOLD_FAR, false);
	tell_end(p);
}

void
pump_far_is_up(struct pump *p, const struct pump_far *ops, void *far)
{
	p->ops = ops;
	p->far = far;
	if (p->held)
		pump_hold(p, PUMP_HOLD_FAR, true);
	pump_far_writable(p);
}

int
pump_from_far(struct pump *p, struct str bytes)
{
	int r = conn_send(p->conn, bytes);

	if (r < 0)
		return r;
	p->out += bytes.n;
	p->unpassed += bytes.n;
	return ED_OK;
}

void
pump_conn_drained(struct pump *p)
{
	size_t waits = conn_output_pending(p->conn), n;

	if (p->unpassed <= waits)
		return;
	n = p->unpassed - waits;
	p->unpassed = waits;
	if (p->far)
		p->ops->passed(p->far, n);
}

void
pump_far_ended(struct pump *p)
{
	if (p->far_ended)
		return;
	p->far_ended = true;
	conn_shutdown_write(p->conn);
}

void
pump_far_is_gone(struct pump *p)
{
	p->far = NULL;
}

size_t
pump_queued(const struct pump *p)
{
	return p->n_held - p->at_held + p->unpassed;
}

bool
pump_is_over(const struct pump *p)
{
	return p->conn_ended && p->far_ended && !p->held;
}

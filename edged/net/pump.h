/* SPDX-License-Identifier: MIT
 *
 * net/pump.h: carries plain octets between a connection and its far side (a stream of a link, or
 * another connection), with back-pressure and the orderly end of each direction passed on.
 *
 * Memory: towards the far side nothing is kept while it takes all; what it does not take is held
 * and the connection is not read meanwhile, so one read is the bound (and `first` before the far
 * side is there). Towards the connection, the far side's own window is the bound: octets are
 * reported as passed only when the kernel took them.
 *
 * Life: pump_init when the connection is up; pump_far_is_up when there is a far side; the room
 * forwards the events of both sides; pump_done. It owns neither side.
 */
#ifndef EDGED_NET_PUMP_H
#define EDGED_NET_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct conn;

struct pump_far {
	/* How many octets it took. Not all: the room calls pump_far_writable later. */
	size_t (*write)(void *far, struct str bytes);
	void (*end)(void *far);              /* no more from us */
	void (*passed)(void *far, size_t n); /* n of its octets went on */
};

enum pump_hold { /* why the connection is not read; it is when no bit is left */
	PUMP_HOLD_FAR = 1,
	PUMP_HOLD_RATE = 2,
	PUMP_HOLD_ALL = 4, /* the whole process holds too much */
};

struct pump {
	struct conn *conn;
	const struct pump_far *ops;
	void *far; /* NULL until pump_far_is_up */
	char *held;
	size_t n_held, at_held;
	size_t unpassed;  /* from the far side, not yet taken by the kernel */
	unsigned holds;   /* enum pump_hold */
	bool conn_ended;  /* its direction is over */
	bool far_told;    /* ... and the far side knows */
	bool far_ended;   /* the other direction is over; the connection was told */
	uint64_t in, out; /* octets from the connection, to it */
};

void pump_init(struct pump *p, struct conn *conn);
void pump_done(struct pump *p);

/* Octets of the connection; all are taken. ED_NOMEM. */
int pump_from_conn(struct pump *p, struct str bytes) ED_MUST_CHECK;
void pump_conn_ended(struct pump *p);
void pump_conn_drained(struct pump *p);

void pump_far_is_up(struct pump *p, const struct pump_far *ops, void *far);
void pump_far_writable(struct pump *p);
/* ED_OK, or what conn_send said. */
int pump_from_far(struct pump *p, struct str bytes) ED_MUST_CHECK;
void pump_far_ended(struct pump *p);
/* The far side is no more; nothing is written to it from now on. */
void pump_far_is_gone(struct pump *p);

void pump_hold(struct pump *p, enum pump_hold why, bool on);
/* Octets that this pair makes us hold. */
size_t pump_queued(const struct pump *p);
/* Both directions are over. */
bool pump_is_over(const struct pump *p);

#endif

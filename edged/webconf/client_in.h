/* SPDX-License-Identifier: MIT
 *
 * webconf/client_in.h: one client, for the files that make it up: client.c its life and the
 * connection, client_admit.c who comes in, client_time.c deadlines and rates.
 */
#ifndef EDGED_WEBCONF_CLIENT_IN_H
#define EDGED_WEBCONF_CLIENT_IN_H

#include "net/conn.h"
#include "net/pump.h"
#include "proto/psom/preface.h"
#include "proto/psom/ticket.h"
#include "webconf/client.h"
#include "webconf/inside.h"
#include "webconf/rate.h"
#include "webconf/room.h"
#include "webconf/view.h"

#define ADMISSION_MAX 512u /* octets read before the verdict */

enum state { STATE_TLS, STATE_ADMIT, STATE_OPENING, STATE_RELAY };

struct framing { /* walkers of both directions, with the table they were born with */
	struct psom_framing table;
	struct psom_walk in, out;
};

struct client {
	struct list link; /* webconf.clients */
	struct webconf *w;
	struct conn *conn;
	struct inside *in;
	struct pump pump;
	struct timer timer;
	struct framing *framing;
	struct rate up, down;
	uint64_t id;
	uint64_t accepted_ms, since_ms; /* since_ms: of the state */
	uint64_t admitted_ms, last_ms;  /* last_ms: an octet either way */
	uint64_t half_ms;               /* one direction ended; 0: none */
	uint64_t out_ms;                /* the client took an octet, or had none to take */
	uint64_t up_ms;                 /* the inside took an octet, or had none to take */
	uint64_t close_at_ms;           /* 0: no such plan */
	uint64_t queued;                /* as reported to webconf_account */
	size_t owed;                    /* passed on, not yet told the inside: rate */
	struct addr peer;
	enum state state;
	enum client_end why;
	bool is_up; /* counted as such by admit */
};

static inline const struct conf_webconf_limits *
client_limits(const struct client *c)
{
	return &c->w->view->lim;
}

static inline uint64_t
client_now(const struct client *c)
{
	return loop_now_ms(c->w->loop);
}

/* ---- client.c ---- */

/* What lies in the pump, as the room counts it. */
void client_account(struct client *c);
/* Octets of an admitted client. */
void client_take(struct client *c, struct str bytes);

/* ---- client_admit.c ---- */

void client_admit_by_name(struct client *c, struct str sni);
void client_admit_by_label(struct client *c, struct str sni);
/* Octets used up: 0 while the preface is not whole. */
size_t client_admit_by_preface(struct client *c, struct str bytes);

/* ---- client_time.c ---- */

/* The next of its deadlines. */
void client_schedule(struct client *c);
void client_tick(struct timer *t, uint64_t now_ms);
/* The inside does not take what it sends: its window is full, or the link is. */
bool client_is_stuck(const struct client *c);
/* n octets came from it: it is not read for a while when that is over its rate. */
void client_rate_up(struct client *c, size_t n);
/* Far side of the pump: the inside, with the rate between. */
extern const struct pump_far client_far_ops;

#endif

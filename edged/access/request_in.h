/* SPDX-License-Identifier: MIT
 *
 * access/request_in.h: one request in hand, for request.c, which judges it, and request_out.c,
 * which sends it on.
 */
#ifndef EDGED_ACCESS_REQUEST_IN_H
#define EDGED_ACCESS_REQUEST_IN_H

#include "access/engine.h"

struct request {
	struct flow *f;
	const struct sip_msg *m;
	struct facts facts;
	struct work w;
	struct policy_verdict v;
	struct hide_route h;
	struct txn_key key;
	enum traffic to_traffic; /* of the partner it goes to */
	bool to_shared;          /* and whether that shares our address space (3.5) */
};

/* ---- request.c ---- */
void request_answer(struct request *q, uint16_t status, enum diag diag, struct str lines);
/* 503, try again in a moment. */
void request_busy(struct request *q);
void request_say_refused(
    const struct request *q, const char *event_id, const char *name, const char *why);
/* It carries proof of who sent it, right or wrong; the first step of a handshake does not. */
bool request_has_credentials(const struct sip_msg *m);

/* ---- request_out.c ---- */
/* To where its route leads, or an answer. ED_STATE: hold it. */
int request_route(struct request *q);

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/pass.h: a whole message through the edge: all edits of one hop in the right order. This is
 * what the room calls; the parts are in via, contact, headers, hide and keepalive.
 *
 *   request   policy_judge -> via_is_loop -> hide_route -> (room: target, transaction number)
 *             -> pass_request -> sip_edits_size / sip_edits_write into the target's output
 *   response  via_own -> (room: transaction) -> pass_response -> sip_edits_write
 *
 * Pure but for the block that a transaction keeps.
 */
#ifndef EDGED_ACCESS_PASS_H
#define EDGED_ACCESS_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "access/facts.h"
#include "access/hide.h"
#include "access/policy.h"
#include "access/view.h"
#include "base/err.h"

struct sip_edits;
struct sip_msg;

/* The connection the request leaves on. */
struct pass_to {
	enum facts_peer peer;
	uint64_t cid;      /* client */
	struct str domain; /* partner: the domain the request is for */
	struct addr local; /* our end, for the Via toward the inside */
	bool shared_space; /* partner: a provider with shared address space */
};

struct pass_request {
	const struct facts *from;
	const struct policy_verdict *verdict; /* POLICY_FORWARD */
	const struct hide_route *route;
	const struct pass_to *to;
	uint64_t txn_id; /* goes into our branch */
};

struct pass_sent {
	struct hide_keep *keep; /* NULL for ACK and BENOTIFY; the transaction frees it: free() */
	char branch[32];        /* VIA_BRANCH_LEN */
	bool keepalive_offered; /* the 2xx gets our answer: give it back in pass_response */
	/* on error: the answer */
	uint16_t status;
	const char *reason;
};

/* ED_OK with e ready to write; otherwise ret->status and reason say what to answer. e was
 * initialised for m by the caller. */
int pass_request(const struct work *w, const struct pass_request *p, const struct sip_msg *m,
    struct sip_edits *e, struct pass_sent *ret) ED_MUST_CHECK;

struct pass_response {
	const struct facts *from; /* who answered */
	enum facts_peer to;       /* who asked */
	enum traffic traffic;     /* class of the outside party of this transaction */
	bool verified;
	bool shared_space;   /* the outside party shares our address space (3.5) */
	struct str answerer; /* from a partner: the domain asked, the only one whose identity it may
				assert */
	struct str remote_fqdn;
	const struct hide_keep *keep;
	bool keepalive_answer; /* pass_sent.keepalive_offered of a request from a client */
};

/* ED_OK; ED_DENIED: drop it; ED_LIMIT: see hide_response; ED_NOMEM. */
int pass_response(const struct work *w, const struct pass_response *p, const struct sip_msg *m,
    struct sip_edits *e) ED_MUST_CHECK;

#endif

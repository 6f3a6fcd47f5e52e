/* SPDX-License-Identifier: MIT
 *
 * access/hide.h: the inside's Vias, Record-Routes and Contacts do not leave, and are back when the
 * message returns, without dialog state (access-edge-sip 5.3, 6.2-6.4;
 * docs/decisions/0002-hiding.md).
 *
 * Life of a request: hide_route reads the Route set and the Request-URI and tells where to; the
 * caller picks the connection; pass.h calls hide_request, which edits and hands back what the
 * transaction must keep (struct hide_keep, one heap block); hide_response uses it for each
 * response. Pure but for that allocation. No other file writes a Route or Record-Route.
 */
#ifndef EDGED_ACCESS_HIDE_H
#define EDGED_ACCESS_HIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "access/diag.h"
#include "access/entry.h"
#include "access/facts.h"
#include "access/view.h"
#include "base/err.h"
#include "base/str.h"

struct sip_edits;
struct sip_msg;

/* ---- where to ---- */

enum hide_where {
	HIDE_TO_NEXT_HOP,   /* the internal next hop; server names a preferred one if not empty */
	HIDE_TO_CID,        /* the client connection `cid` */
	HIDE_TO_DOMAIN,     /* the link of partner `domain` */
	HIDE_TO_EDGE_ROUTE, /* inside ordered this external host (ms-edge-route) for `domain` */
	HIDE_TO_URI, /* from inside, no Route of ours: decide by Request-URI `domain` (11.1) */
	HIDE_REFUSE, /* answer status/reason/lines/diag; ACK and BENOTIFY are dropped */
};

struct hide_route {
	enum hide_where where;
	struct str
	    server; /* inside: host that the next Route names (its ms-fe first), if trusted */
	uint64_t cid;
	struct str domain;
	struct str edge_route;

	uint16_t status;
	const char *reason;
	struct str lines; /* P-Dialog-Recovery-Action, ... */
	enum diag diag;
	bool foreign; /* refused for a Route that is not ours: count, close after 5 in 60 s */

	/* For hide_request. */
	uint8_t n_popped;  /* Route values that were ours */
	bool rewritten;    /* routes and uri below say more than popping */
	struct str routes; /* Route lines (with CRLF) that stand in place of all received */
	struct str uri;    /* new Request-URI, empty: as received */
};

/* Before choosing a target. Never fails: ED_NOMEM becomes HIDE_REFUSE 500. */
void hide_route(
    const struct work *w, const struct facts *f, const struct sip_msg *m, struct hide_route *ret);

/*
 * The answer when the connection or its keys are gone (6.4 "State gone"): 430 Flow Failed with
 * P-Dialog-Recovery-Action, or 481. own_path: the vanished hop was the sender's registration path.
 */
void hide_gone(const struct sip_msg *m, bool own_path, struct hide_route *ret);

/* ---- requests and responses ---- */

/* The other party of a message that crosses the edge. */
struct hide_far {
	bool is_partner;   /* else a client */
	uint64_t cid;      /* client's connection */
	struct str domain; /* partner's domain: of From (entering) or of the target (leaving) */
};

/* What a transaction keeps: offsets into one block; freed with free(). */
struct hide_keep {
	uint32_t size;   /* of the block, for accounting */
	uint8_t leaving; /* request went inside -> outside */
	uint8_t has_rr;  /* we added Record-Route */
	uint8_t hidden;  /* the outside got / gets O* */
	uint8_t role;    /* 'F'/'T' of the outside entry */
	uint8_t partner;
	uint8_t single;    /* made under rr_mode single: the pair is one line */
	uint16_t uri_n;    /* Request-URI as sent */
	uint16_t via_n;    /* our Via line as sent */
	uint16_t i_n, o_n; /* URIs of I (empty when rr_single) and O */
	uint16_t domain_n;
	uint32_t routes_n; /* Route lines as sent (INVITE only) */
	uint32_t vias_n;   /* Via lines cut from the request */
	uint32_t rrs_n;    /* Record-Route lines: leaving: the inside's; entering: those the outside
			      brought */
	uint32_t contacts_n; /* REGISTER: host[:port] of the Contacts as sent, each with LF */
	uint8_t traffic;     /* enum traffic of the outside party */
	uint8_t verified;
	uint64_t cid;
	char bytes[];
};
struct str hide_keep_uri(const struct hide_keep *k);
struct str hide_keep_via(const struct hide_keep *k);
struct str hide_keep_routes(const struct hide_keep *k);

/*
 * Edits of a request that enters (f->peer external) or leaves. via is our line on top.
 * ED_OK with *ret_keep (caller frees; NULL for ACK and BENOTIFY); ED_LIMIT: 513; ED_NOMEM;
 * ED_STATE: no key of the day; ED_MALFORMED: 400.
 */
int hide_request(const struct work *w, const struct facts *f, const struct hide_far *far,
    const struct hide_route *r, const struct sip_msg *m, struct str via, struct sip_edits *e,
    struct hide_keep **ret_keep) ED_MUST_CHECK;

/*
 * Edits of a response to that request. Takes our Via off, puts kept ones back. ED_OK; ED_DENIED:
 * drop it (foreign Vias); ED_LIMIT: too long to hide: answer 500 outside, ACK and BYE inward when
 * it is a 2xx to INVITE.
 */
int hide_response(const struct work *w, const struct hide_keep *k, const struct sip_msg *m,
    struct sip_edits *e) ED_MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT
 *
 * harness/access_hop.h: one message through the pure half of the Access Edge, as the room does it,
 * for tests and fuzzers: judge, route, pass, write.
 */
#ifndef HARNESS_ACCESS_HOP_H
#define HARNESS_ACCESS_HOP_H

#include "access_cast.h"

#define HOP_TXN_ID 0x77D0C4E19B2A5F01ull

/* One request through the edge: what leaves, and what its transaction keeps. */
struct hop {
	char *text; /* owned */
	struct hide_keep *keep;
	struct pass_sent sent;
	struct policy_verdict verdict;
	struct hide_route route;
};

static inline void
hop_done(struct hop *h)
{
	free(h->text);
	free(h->keep);
	memset(h, 0, sizeof(*h));
}

static inline struct pass_to
hop_to(const struct cast *c, enum facts_peer peer)
{
	struct pass_to to = {.peer = peer, .cid = CAST_CID, .domain = STR("fabrikam.com")};

	to.local = peer == FACTS_INTERNAL ? c->internal.local : c->client.local;
	return to;
}

static inline int
hop_request(
    struct cast *c, const struct facts *from, enum facts_peer peer, struct str text, struct hop *h)
{
	struct pass_to to = hop_to(c, peer);
	struct pass_request p;
	struct sip_edits e;
	struct sip_msg *m;
	int r;

	memset(h, 0, sizeof(*h));
	cast_begin(c);
	m = cast_parse(c, text);
	policy_judge(&c->work, from, m, &h->verdict);
	if (h->verdict.kind != POLICY_FORWARD) {
		return ED_DENIED;
	}
	hide_route(&c->work, from, m, &h->route);
	if (h->route.where == HIDE_REFUSE) {
		return ED_STATE;
	}
	p = (struct pass_request){.from = from,
	    .verdict = &h->verdict,
	    .route = &h->route,
	    .to = &to,
	    .txn_id = HOP_TXN_ID};
	sip_edits_init(&e, &c->arena, m);
	r = pass_request(&c->work, &p, m, &e, &h->sent);
	h->keep = h->sent.keep;
	if (r == ED_OK)
		h->text = strdup(cast_print(c, &e).p);
	return r;
}

static inline int
hop_response(struct cast *c, const struct facts *from, enum facts_peer to, const struct hop *req,
    struct str text, char **ret_text)
{
	struct pass_response p = {.from = from,
	    .to = to,
	    .traffic = TRAFFIC_REMOTE_USER,
	    .keep = req->keep,
	    .keepalive_answer = req->sent.keepalive_offered};
	struct sip_edits e;
	struct sip_msg *m;
	int r;

	cast_begin(c);
	m = cast_parse(c, text);
	sip_edits_init(&e, &c->arena, m);
	r = pass_response(&c->work, &p, m, &e);
	*ret_text = r == ED_OK ? strdup(cast_print(c, &e).p) : NULL;
	return r;
}

#endif

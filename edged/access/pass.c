/* SPDX-License-Identifier: MIT
 *
 * access/pass.c: see pass.h.
 */
#include "access/pass.h"

#include <stdlib.h>

#include "access/contact.h"
#include "access/headers.h"
#include "access/keepalive.h"
#include "access/via.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"

static enum headers_way
way_of(enum facts_peer from, enum facts_peer to)
{
	if (from == FACTS_INTERNAL)
		return to == FACTS_CLIENT ? HEADERS_TO_CLIENT : HEADERS_TO_PARTNER;
	return from == FACTS_CLIENT ? HEADERS_FROM_CLIENT : HEADERS_FROM_PARTNER;
}

/* What to answer when a request could not be made ready. */
static int
fail(struct pass_sent *ret, int r, const char *why)
{
	switch (r) {
	case ED_MALFORMED:
	case ED_DENIED:
		ret->status = 400;
		ret->reason = why ? why : "Bad Request";
		break;
	case ED_LIMIT:
		ret->status = 513;
		ret->reason = "Message Too Large";
		break;
	default:
		ret->status = 500;
		ret->reason = "Server Internal Error";
	}
	return r;
}

static int
edit_request(const struct work *w, const struct pass_request *p, const struct sip_msg *m,
    struct sip_edits *e, struct pass_sent *ret, const char **ret_why)
{
	bool leaving = p->from->peer == FACTS_INTERNAL;
	enum facts_peer outside = leaving ? p->to->peer : p->from->peer;
	struct hide_far far = {
	    .is_partner = outside == FACTS_SERVER,
	    .cid = leaving ? p->to->cid : p->from->cid,
	    .domain = leaving ? p->to->domain : p->verdict->domain,
	};
	struct headers_opts o = {
	    .traffic = p->verdict->traffic,
	    .verified = p->verdict->verified,
	    .keep_level = p->verdict->use_source,
	    .shared_space = leaving ? p->to->shared_space : p->verdict->shared_space,
	    .remote_fqdn = p->verdict->remote_fqdn,
	    .uri_written = p->route->uri.n > 0,
	};
	struct str via;
	int r;

	r = via_branch(w, m, p->txn_id, ret->branch);
	if (r < 0)
		return r;
	via = via_line(w, p->to->peer, &p->to->local, ret->branch);
	if (!via.p)
		return ED_NOMEM;
	r = hide_request(w, p->from, &far, p->route, m, via, e, &ret->keep);
	if (r < 0)
		return r;
	if (!leaving) {
		r = via_mark(w, p->from, m, e);
		if (r == ED_OK && p->from->peer == FACTS_CLIENT)
			r = contact_replace(w, p->from, m, e, ret_why);
		if (r < 0)
			return r;
	}
	return headers_apply(w, way_of(p->from->peer, p->to->peer), &o, m, e);
}

int
pass_request(const struct work *w, const struct pass_request *p, const struct sip_msg *m,
    struct sip_edits *e, struct pass_sent *ret)
{
	struct pass_sent sent = {0};
	struct keepalive ka;
	const char *why = NULL;
	int r;

	r = edit_request(w, p, m, e, &sent, &why);
	if (r < 0) {
		free(sent.keep);
		sent.keep = NULL;
		r = fail(&sent, r, why);
	} else {
		if (sent.keep) {
			sent.keep->traffic = (uint8_t)p->verdict->traffic;
			sent.keep->verified = p->verdict->verified;
		}
		sent.keepalive_offered = p->from->peer == FACTS_CLIENT && keepalive_read(m, &ka) &&
					 !ka.is_uas && ka.hop_hop;
	}
	*ret = sent;
	return r;
}

int
pass_response(const struct work *w, const struct pass_response *p, const struct sip_msg *m,
    struct sip_edits *e)
{
	bool to_client = p->to == FACTS_CLIENT;
	struct headers_opts o = {
	    .traffic = p->traffic,
	    .verified = p->verified,
	    .shared_space = p->shared_space,
	    .answerer = p->answerer,
	    .remote_fqdn = p->remote_fqdn,
	    .logon_data = to_client && p->traffic == TRAFFIC_REMOTE_USER,
	};
	const char *why;
	struct str line;
	int r;

	r = hide_response(w, p->keep, m, e);
	if (r < 0)
		return r;
	if (p->from->peer == FACTS_CLIENT) {
		r = contact_replace(w, p->from, m, e, &why);
		if (r < 0)
			return r;
	}
	r = headers_apply(w, way_of(p->from->peer, p->to), &o, m, e);
	if (r < 0)
		return r;
	if (to_client && p->keepalive_answer && m->status >= 200 && m->status < 300) {
		line = keepalive_answer(w);
		if (!line.p)
			return ED_NOMEM;
		sip_edit_insert_first(e, line);
	}
	return e->err;
}

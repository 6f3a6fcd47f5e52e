/* SPDX-License-Identifier: MIT
 *
 * access/request_out.c: a request on its way out: the transaction that will want its responses, the
 * link it goes on, and what its sender is told when there is none.
 */
#include <stdlib.h>
#include <string.h>

#include "access/pass.h"
#include "access/request_in.h"
#include "access/via.h"
#include "svc/log.h"

#define SEND_TRIES        3  /* links that turn out to be ending while a request is put on them */
#define OUTLINE_LINES_MAX 64 /* a message with more lines of Via is refused long before */

/* ---- refusals on the way ---- */

/* access-edge-sip 6.4: a client that keeps showing Routes that are not ours is shown out. */
static void
strike(struct request *q)
{
	struct flow *f = q->f;
	struct access *ax = f->ax;

	request_say_refused(q, "", "foreign_route", "route_from_untrusted_source");
	if (f->kind != FLOW_CLIENT)
		return;
	if (f->strikes == 0 || ax->now_ms - f->strikes_since_ms > ENGINE_STRIKES_MS) {
		f->strikes = 0;
		f->strikes_since_ms = ax->now_ms;
	}
	if (++f->strikes >= ENGINE_STRIKES)
		engine_close(f, ACCESS_END_REFUSED);
}

static void
refuse_route(struct request *q, const struct route *r)
{
	struct reply_spec s = {.status = r->no.status,
	    .reason = r->no.reason,
	    .lines = r->no.lines,
	    .diag = r->no.diag,
	    .diag_more = r->more};

	count(r->why);
	s.logon_data = q->f->kind == FLOW_CLIENT && q->v.traffic == TRAFFIC_REMOTE_USER;
	egress_answer(q->f, &q->facts, q->m, &s);
	if (r->no.foreign)
		strike(q);
	else if (r->event)
		request_say_refused(q, r->event_id, r->event, r->reason);
	else
		log_debug(AREA_SIP, "", "request_refused", "flow=%llx code=%u",
		    (unsigned long long)q->f->cid, r->no.status);
}

/* ---- out ---- */

/*
 * What answering the request later takes, as a small message of its own: its lines as they came, to
 * be read again on the rare day that it is needed.
 */
static int
keep_outline(struct request *q, struct txn *x)
{
	static const enum sip_hdr ids[] = {
	    SIP_HDR_VIA, SIP_HDR_FROM, SIP_HDR_TO, SIP_HDR_CALL_ID, SIP_HDR_CSEQ};
	const struct sip_msg *m = q->m;
	struct str parts[OUTLINE_LINES_MAX + 2];
	unsigned n = 0;
	size_t size = 0;
	char *at;

	parts[n++] = (struct str){m->bytes.p, m->start_line_len};
	for (unsigned k = 0; k < 5; k++)
		for (uint16_t i = m->first[ids[k]]; i != SIP_NO_LINE && n <= OUTLINE_LINES_MAX;
		     i = m->lines[i].next)
			parts[n++] = (struct str){m->bytes.p + m->lines[i].at, m->lines[i].len};
	parts[n++] = STR("\r\n");
	for (unsigned i = 0; i < n; i++)
		size += parts[i].n;
	if (slab_text_take(&q->f->ax->txns.texts, &x->outline, size) < 0)
		return ED_NOMEM;
	at = x->outline.p;
	for (unsigned i = 0; i < n; at += parts[i++].n)
		memcpy(at, parts[i].p, parts[i].n);
	return ED_OK;
}

/* From the heap, where the pure half put it, into the slab: blocks freed at once are cheap to get
 * again. */
static int
keep_hidden(struct request *q, struct txn *x, struct hide_keep *keep)
{
	int r = ED_OK;

	if (!keep)
		return ED_OK;
	r = slab_text_take(&q->f->ax->txns.texts, &x->keep, keep->size);
	if (r == ED_OK)
		memcpy(x->keep.p, keep, keep->size);
	free(keep);
	return r;
}

static uint32_t
branch_mark(const char branch[VIA_BRANCH_LEN])
{
	uint32_t v = 0;

	for (unsigned i = 7; i < 15; i++) {
		unsigned char c = ascii_lower((unsigned char)branch[i]);

		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

static bool
may_open_txn(const struct flow *f)
{
	uint32_t most = f->signed_in ? ENGINE_TXNS_CLIENT : ENGINE_TXNS_STRANGER;

	if (f->kind == FLOW_PARTNER)
		return f->n_txns < ENGINE_TXNS_PARTNER;
	return f->kind != FLOW_CLIENT || f->n_txns < most ||
	       (!f->ax->view->require_registration && f->n_txns < ENGINE_TXNS_CLIENT);
}

static int
open_txn(struct request *q, struct flow *to, uint64_t id, struct txn **ret_txn)
{
	struct flow *f = q->f;
	struct access *ax = f->ax;
	struct txn *x;
	int r;

	if (!may_open_txn(f))
		return ED_LIMIT;
	if (ax->txns.n >= ax->txns.max)
		response_txn_free(ax, txn_spare(&ax->txns));
	r = txn_open(&ax->txns, &q->key, q->m->method, id, ax->now_ms, &x);
	if (r < 0)
		return r;
	x->from_cid = f->cid;
	x->member = f->kind == FLOW_LINK && f->link ? f->link->member->id : 0;
	x->outward = flow_is_external(to);
	x->traffic = (uint8_t)q->v.traffic;
	if (x->outward) /* the outside party is the one we send to */
		x->traffic = to->kind == FLOW_PARTNER ? q->to_traffic
			     : to->anonymous          ? TRAFFIC_ANONYMOUS
						      : TRAFFIC_REMOTE_USER;
	x->verified = q->v.verified;
	x->shared_space = x->outward ? q->to_shared : q->v.shared_space;
	x->discovered = q->v.discovered;
	x->cseq = q->m->cseq;
	x->with_auth = f->kind == FLOW_CLIENT && request_has_credentials(q->m);
	f->n_txns++;
	count(CNT_TRANSACTIONS);
	*ret_txn = x;
	return ED_OK;
}

static void
refuse_txn(struct request *q)
{
	count(CNT_TXN_FULL);
	log_warning(AREA_SIP, "ACC-2012", "overload", "flow=%llx limit=transactions open=%u own=%u",
	    (unsigned long long)q->f->cid, q->f->ax->txns.n, q->f->n_txns);
	request_busy(q);
}

static void
refuse_full(struct request *q, struct flow *to)
{
	count(CNT_DROP_OUTPUT_FULL);
	log_warning(AREA_SIP, "ACC-2012", "overload", "flow=%llx to=%llx limit=output",
	    (unsigned long long)q->f->cid, (unsigned long long)to->cid);
	request_busy(q);
}

static void
refuse_pass(struct request *q, const struct pass_sent *sent)
{
	struct reply_spec s = {.status = sent->status ? sent->status : 500, .reason = sent->reason};

	count(s.status == 513 ? CNT_DROP_POLICY : CNT_DROP_MALFORMED);
	request_say_refused(q, "", "request_refused", sent->reason ? sent->reason : "not_sent");
	egress_answer(q->f, &q->facts, q->m, &s);
}

static bool
queue_is_full(const struct flow *to)
{
	return (to->kind == FLOW_LINK || to->by_us) &&
	       to->ax->ops->pending(to->ax->net, to) > ENGINE_LINK_QUEUE;
}

/* The transaction of a request that is about to leave, with what its responses will want. */
static int
fill_txn(struct request *q, struct txn *x, struct pass_sent *sent)
{
	struct hide_keep *keep = sent->keep;

	sent->keep = NULL;
	if (!x) {
		free(keep);
		return ED_OK;
	}
	x->mark = branch_mark(sent->branch);
	x->keep_alive = sent->keepalive_offered;
	if (keep_hidden(q, x, keep) < 0)
		return ED_NOMEM;
	return keep_outline(q, x);
}

static void
has_left(struct request *q, struct txn *x, struct flow *to)
{
	txn_sent_on(x, to);
	if ((to->kind == FLOW_LINK || to->by_us) && !to->waiting_since_ms)
		to->waiting_since_ms = q->f->ax->now_ms;
	/* One that waited for a partner has had its 100. */
	if (q->m->method == SIP_INVITE && !(q->f->ax->showing && flow_is_inside(q->f)))
		request_answer(q, 100, DIAG_NONE, STR_NONE);
}

/* ED_GONE: nothing was sent or answered, the connection has just ended; another may do. */
static int
send_on(struct request *q, struct flow *to)
{
	struct access *ax = q->f->ax;
	bool stateless = q->m->method == SIP_ACK || q->m->method == SIP_BENOTIFY;
	uint64_t id = engine_random(ax) >> 8 | (uint64_t)ax->slot << 56;
	struct pass_to pt = {.peer = engine_peer(to),
	    .cid = to->cid,
	    .domain = q->h.domain,
	    .local = to->local,
	    .shared_space = q->to_shared};
	struct pass_request p = {
	    .from = &q->facts, .verdict = &q->v, .route = &q->h, .to = &pt, .txn_id = id};
	struct pass_sent sent = {0};
	struct sip_edits e;
	struct txn *x = NULL;

	if (queue_is_full(to)) {
		refuse_full(q, to);
		return ED_OK;
	}
	if (!stateless && open_txn(q, to, id, &x) < 0) {
		refuse_txn(q);
		return ED_OK;
	}
	sip_edits_init(&e, &ax->arena, q->m);
	if (pass_request(&q->w, &p, q->m, &e, &sent) < 0) {
		refuse_pass(q, &sent);
		response_txn_free(ax, x);
		return ED_OK;
	}
	if (fill_txn(q, x, &sent) < 0) {
		refuse_txn(q);
		response_txn_free(ax, x);
		return ED_OK;
	}
	if (egress_edits(to, &e, q->m->method) < 0) {
		response_txn_free(ax, x);
		return ED_GONE;
	}
	if (x)
		has_left(q, x, to);
	return ED_OK;
}

static void
hand_over(struct request *q, unsigned slot)
{
	struct route gone = {.kind = ROUTE_REFUSE, .why = CNT_DROP_FLOW_GONE};
	int r = egress_hand_over(q->f, slot, q->m->bytes);

	if (r == ED_OK)
		return;
	if (r == ED_LIMIT) {
		request_busy(q);
		return;
	}
	hide_gone(q->m, q->m->to.tag.n == 0, &gone.no);
	refuse_route(q, &gone);
}

/* The connection turned out to be ending, or its reader has stopped reading. */
static void
refuse_ended(struct request *q, struct flow *to)
{
	struct route gone = {.kind = ROUTE_REFUSE, .why = CNT_DROP_FLOW_GONE};

	if (flow_is_inside(to)) {
		refuse_full(q, to);
		return;
	}
	count(CNT_DROP_OUTPUT_FULL);
	hide_gone(q->m, q->m->to.tag.n == 0, &gone.no);
	refuse_route(q, &gone);
}

/* Until there is a link to that partner, or a reason why there is none. */
static void
park_for_link(struct request *q, struct partner *p)
{
	struct access *ax = q->f->ax;
	struct park_item item = {.from_cid = q->f->cid,
	    .key = &q->key,
	    .method = q->m->method,
	    .domain = STR(""),
	    .bytes = q->m->bytes};
	struct parked *x;

	if (park_put(&ax->park, &p->queue, &item, ax->now_ms, &x) == ED_OK) {
		count(CNT_PARTNER_PARKED);
		if (q->m->method == SIP_INVITE)
			request_answer(q, 100, DIAG_NONE, STR_NONE);
		return;
	}
	count(CNT_PARTNER_PARK_FULL);
	log_warning(AREA_SIP, "ACC-2012", "overload",
	    "flow=%llx limit=partner_queue open=%u own=%u", (unsigned long long)q->f->cid,
	    ax->park.n, p->queue.n);
	request_busy(q);
}

/* ED_STATE: hold it. */
static int
send_somewhere(struct request *q, struct route *r)
{
	for (unsigned tries = 0; r->kind == ROUTE_FLOW; tries++) {
		struct flow *to = r->to;

		q->to_traffic = r->traffic;
		q->to_shared = r->shared_space;
		if (send_on(q, to) == ED_OK)
			return ED_OK;
		route_lost(to);
		if ((flow_is_external(to) && !to->by_us) || tries == SEND_TRIES) {
			refuse_ended(q, to);
			return ED_OK;
		}
		route_choose(q->f, &q->facts, q->m, &q->h, r);
	}
	if (r->kind == ROUTE_HOLD)
		return ED_STATE;
	if (r->kind == ROUTE_PARK)
		park_for_link(q, r->partner);
	else
		refuse_route(q, r);
	return ED_OK;
}

int
request_route(struct request *q)
{
	struct route r = {0};

	hide_route(&q->w, &q->facts, q->m, &q->h);
	route_choose(q->f, &q->facts, q->m, &q->h, &r);
	if (r.kind == ROUTE_HOLD)
		return ED_STATE;
	if (r.kind == ROUTE_SIBLING) {
		hand_over(q, r.slot);
	} else if (q->m->method == SIP_CANCEL) { /* its INVITE would have been known */
		request_answer(q, 481, DIAG_NONE, STR_NONE);
	} else if (r.kind == ROUTE_REFUSE) {
		refuse_route(q, &r);
	} else {
		return send_somewhere(q, &r);
	}
	return ED_OK;
}

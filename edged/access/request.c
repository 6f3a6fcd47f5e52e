/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "access/engine.h"
#include "access/names.h"
#include "access/pass.h"
#include "access/via.h"
#include "conf/conf.h"
#include "svc/log.h"

#define SEND_TRIES     3  /* links that turn out to be ending while a request is put on them */
#define STUB_LINES_MAX 64 /* a message with more lines of Via is refused long before */

/* One request in hand. */
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

static void
answer(struct request *q, uint16_t status, enum diag diag, struct str lines)
{
	struct reply_spec s = {.status = status, .diag = diag, .lines = lines};

	s.logon_data = q->f->kind == FLOW_CLIENT && q->v.traffic == TRAFFIC_REMOTE_USER;
	egress_answer(q->f, &q->facts, q->m, &s);
}

static void
answer_busy(struct request *q)
{
	answer(q, 503, DIAG_NONE, STR("Retry-After: 5\r\n"));
}

static void
say_refused(const struct request *q, const char *event_id, const char *name, const char *why)
{
	char a[ADDR_STR_LEN], from[LOG_QUOTE_LEN], uri[LOG_QUOTE_LEN];
	bool loud =
	    event_id && (strcmp(event_id, "ACC-2003") == 0 || strcmp(event_id, "ACC-2004") == 0);

	log_event(loud ? LOG_WARNING_L : LOG_NOTICE_L, AREA_SIP, event_id ? event_id : "", name,
	    "flow=%llx peer=%s method=" STR_FMT " why=%s from=%s uri=%s domain=" STR_FMT,
	    (unsigned long long)q->f->cid, addr_str(&q->f->peer, a), STR_ARG(q->m->method_name),
	    why, log_quote(q->m->from.uri, from), log_quote(q->m->uri, uri), STR_ARG(q->v.domain));
}

/* ---- the verdict of the rules ---- */

/* A provider that names a domain it may not speak for is counted apart from partners that do: it is
 * a contract that was broken, or a list of domains that is too short. */
static enum access_counter
counter_of_why(const struct policy_verdict *v)
{
	switch (v->why) {
	case POLICY_WHY_NOT_ALLOWED:
	case POLICY_WHY_NO_SRV:
		return v->of_provider ? CNT_DROP_PROVIDER_DOMAIN : CNT_DROP_UNKNOWN_DOMAIN;
	case POLICY_WHY_SPOOFED_DOMAIN:
	case POLICY_WHY_NAME_MISMATCH:
	case POLICY_WHY_SRV_OUTSIDE:
	case POLICY_WHY_SRV_MISMATCH:
	case POLICY_WHY_IDENTITY:
		return v->of_provider ? CNT_DROP_PROVIDER_DOMAIN : CNT_DROP_INCOMPATIBLE_DOMAIN;
	case POLICY_WHY_DOMAIN_NOT_SERVED:
	case POLICY_WHY_NOT_FOR_US:
	case POLICY_WHY_BLOCKED_DOMAIN:
		return CNT_DROP_UNKNOWN_DOMAIN;
	case POLICY_WHY_MAX_FORWARDS:
		return CNT_DROP_MAX_FORWARDS;
	default:
		return CNT_DROP_POLICY;
	}
}

enum judged { JUDGED_GO, JUDGED_DONE, JUDGED_WAIT };

/* The DNS is asked for as many domains as one request may name; false: wait for it. */
static bool
judge_with_dns(struct request *q, int *ret_r)
{
	struct policy_verdict *v = &q->v;

	for (unsigned asked = 0;; asked++) {
		policy_judge(&q->w, &q->facts, q->m, v);
		if (v->kind != POLICY_LOOKUP)
			return true;
		if (asked == ENGINE_LOOKUPS)
			break;
		if (!federate_ask(q->f, v->lookup_domain, ret_r))
			return false;
		engine_facts(q->f, &q->facts);
	}
	v->kind =
	    q->m->method == SIP_ACK || q->m->method == SIP_BENOTIFY ? POLICY_DROP : POLICY_REPLY;
	v->status = 403;
	v->why = POLICY_WHY_IDENTITY;
	v->event = "FED-3007";
	v->event_name = "sender_domain_mismatch";
	return true;
}

static void
say_verdict(const struct request *q)
{
	const struct policy_verdict *v = &q->v;

	count(counter_of_why(v));
	if (q->f->kind == FLOW_PARTNER)
		federate_say(q->f, v, q->m);
	else
		say_refused(q, v->event, v->event_name ? v->event_name : "request_refused",
		    policy_why_name(v->why));
}

static enum judged
judge(struct request *q)
{
	struct policy_verdict *v = &q->v;
	struct reply_spec s = {0};
	int r;

	if (!judge_with_dns(q, &r))
		return JUDGED_WAIT;
	if (v->kind == POLICY_FORWARD)
		return JUDGED_GO;
	if (v->why != POLICY_WHY_OPTIONS_HERE && v->why != POLICY_WHY_NEGOTIATE)
		say_verdict(q);
	if (v->kind == POLICY_REPLY) {
		s.status = v->status;
		s.reason = v->reason;
		s.lines = v->lines;
		s.diag = v->diag;
		s.diag_text = v->diag_text;
		s.logon_data = q->f->kind == FLOW_CLIENT && v->traffic == TRAFFIC_REMOTE_USER;
		egress_answer(q->f, &q->facts, q->m, &s);
	}
	federate_refused(q->f);
	if (v->kind == POLICY_CLOSE || v->close_after)
		engine_close(q->f, ACCESS_END_REFUSED);
	return JUDGED_DONE;
}

/* ---- requests of partners that wait ---- */

/* A wait has an end: 503. True when that is now. */
static bool
waited_enough(struct request *q)
{
	struct access *ax = q->f->ax;
	uint64_t since = ax->showing ? ax->showing->since_ms : q->f->held_since_ms;

	if (since == 0 || ax->now_ms - since < ENGINE_WAIT_MS)
		return false;
	answer_busy(q);
	return true;
}

/* Behind the answer of the DNS; without room its connection is not read. */
static int
wait_for_dns(struct request *q)
{
	struct access *ax = q->f->ax;

	if (waited_enough(q))
		return ED_OK;
	if (ax->showing)
		return ED_STATE;
	if (federate_park(q->f, q->m, &q->key, q->m->from.addr.host) == ED_OK)
		return ED_OK;
	count(CNT_PARTNER_PARK_FULL);
	return ED_STATE;
}

/* ED_OK: it may go on; ED_STATE: hold it; ED_DENIED: it has been dealt with. */
static int
partner_limits(struct request *q)
{
	struct access *ax = q->f->ax;

	if (q->f->kind != FLOW_PARTNER)
		return ED_OK;
	if (!ax->showing && federate_is_behind(q->f, q->m->from.addr.host))
		return wait_for_dns(q) == ED_OK ? ED_DENIED : ED_STATE;
	switch (federate_limit(q->f, &q->v, q->m)) {
	case ED_OK:
		return ED_OK;
	case ED_STATE:
		return waited_enough(q) ? ED_DENIED : ED_STATE;
	default:
		count(CNT_DROP_POLICY);
		answer(q, 403, DIAG_NONE, STR_NONE);
		return ED_DENIED;
	}
}

static bool
has_credentials(const struct sip_msg *m)
{
	static const enum sip_hdr ids[] = {SIP_HDR_AUTHORIZATION, SIP_HDR_PROXY_AUTHORIZATION};

	for (unsigned i = 0; i < 2; i++) {
		struct str v = sip_msg_value(m, ids[i]);
		const char *g;

		if (!v.p)
			continue;
		if (memmem(v.p, v.n, "response=\"", 10))
			return true;
		/* NTLM and TLS-DSK: the first step has an empty gssapi-data, which proves nothing.
		 */
		g = memmem(v.p, v.n, "gssapi-data=\"", 13);
		if (g && g + 13 < v.p + v.n && g[13] != '"')
			return true;
	}
	return false;
}

/* Sign-ins over the rate of their address, or while we drain, are put off. */
static bool
register_put_off(struct request *q)
{
	struct flow *f = q->f;
	struct access *ax = f->ax;
	char a[ADDR_STR_LEN];

	if (q->m->method != SIP_REGISTER || f->kind != FLOW_CLIENT || f->signed_in)
		return false;
	if (ax->draining) {
		count(CNT_REFUSED_DRAIN);
		answer_busy(q);
		return true;
	}
	if (f->held_since_ms ||
	    limits_register(&ax->limits, &f->peer,
		engine_conf(ax)->access.limits.registers_per_minute, ax->now_ms))
		return false;
	count(CNT_RATE_REGISTERS);
	log_warning(AREA_SIP, "ACC-2012", "overload",
	    "flow=%llx peer=%s limit=access.limits.registers_per_minute",
	    (unsigned long long)f->cid, addr_str(&f->peer, a));
	answer_busy(q);
	return true;
}

/* Wrong passwords for this account: not even a right one is asked about inside now. */
static bool
soft_locked(struct request *q)
{
	struct reply_spec s = {.status = 403,
	    .reason = "Forbidden",
	    .diag = DIAG_NOT_OUTSIDE,
	    .diag_text = "Too many failed sign-ins: try again later",
	    .logon_data = true};

	if (!has_credentials(q->m) || q->m->method == SIP_ACK || !softlock_holds(q->f, q->m))
		return false;
	count(CNT_SOFT_LOCKED);
	say_refused(q, "", "request_refused", "soft_locked");
	egress_answer(q->f, &q->facts, q->m, &s);
	engine_nap(q->f, LIMITS_TARPIT_MS);
	return true;
}

/* ---- refusals on the way ---- */

/* access-edge-sip 6.4: a client that keeps showing Routes that are not ours is shown out. */
static void
strike(struct request *q)
{
	struct flow *f = q->f;
	struct access *ax = f->ax;

	say_refused(q, "", "foreign_route", "route_from_untrusted_source");
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
		say_refused(q, r->event_id, r->event, r->reason);
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
keep_stub(struct request *q, struct txn *x)
{
	static const enum sip_hdr ids[] = {
	    SIP_HDR_VIA, SIP_HDR_FROM, SIP_HDR_TO, SIP_HDR_CALL_ID, SIP_HDR_CSEQ};
	const struct sip_msg *m = q->m;
	struct str parts[STUB_LINES_MAX + 2];
	unsigned n = 0;
	size_t size = 0;
	char *at;

	parts[n++] = (struct str){m->bytes.p, m->start_line_len};
	for (unsigned k = 0; k < 5; k++)
		for (uint16_t i = m->first[ids[k]]; i != SIP_NO_LINE && n <= STUB_LINES_MAX;
		     i = m->lines[i].next)
			parts[n++] = (struct str){m->bytes.p + m->lines[i].at, m->lines[i].len};
	parts[n++] = STR("\r\n");
	for (unsigned i = 0; i < n; i++)
		size += parts[i].n;
	if (slab_text_take(&q->f->ax->txns.texts, &x->stub, size) < 0)
		return ED_NOMEM;
	at = x->stub.p;
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
	x->with_auth = f->kind == FLOW_CLIENT && has_credentials(q->m);
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
	answer_busy(q);
}

static void
refuse_full(struct request *q, struct flow *to)
{
	count(CNT_DROP_OUTPUT_FULL);
	log_warning(AREA_SIP, "ACC-2012", "overload", "flow=%llx to=%llx limit=output",
	    (unsigned long long)q->f->cid, (unsigned long long)to->cid);
	answer_busy(q);
}

static void
refuse_pass(struct request *q, const struct pass_sent *sent)
{
	struct reply_spec s = {.status = sent->status ? sent->status : 500, .reason = sent->reason};

	count(s.status == 513 ? CNT_DROP_POLICY : CNT_DROP_MALFORMED);
	say_refused(q, "", "request_refused", sent->reason ? sent->reason : "not_sent");
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
	return keep_stub(q, x);
}

static void
has_left(struct request *q, struct txn *x, struct flow *to)
{
	txn_sent_on(x, to);
	if ((to->kind == FLOW_LINK || to->by_us) && !to->waiting_since_ms)
		to->waiting_since_ms = q->f->ax->now_ms;
	/* One that waited for a partner has had its 100. */
	if (q->m->method == SIP_INVITE && !(q->f->ax->showing && flow_is_inside(q->f)))
		answer(q, 100, DIAG_NONE, STR_NONE);
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
		answer_busy(q);
		return;
	}
	hide_gone(q->m, q->m->to.tag.n == 0, &gone.no);
	refuse_route(q, &gone);
}

/* ---- what belongs to a transaction that is open ---- */

static void
cancel(struct request *q, struct txn *x)
{
	struct access *ax = q->f->ax;
	struct str text;

	answer(q, 200, DIAG_NONE, STR_NONE);
	if (x->cancel_came || x->state > TXN_PROCEEDING || !x->to || !x->keep.p)
		return;
	x->cancel_came = true;
	text = reply_cancel(&q->w, engine_keep(x), q->facts.peer, q->v.remote_fqdn, q->m);
	if (!text.p)
		return;
	if (x->state == TXN_PROCEEDING) {
		x->cancel_sent = egress_text(x->to, text, SIP_CANCEL) == ED_OK;
		txn_wait_b(&ax->txns, x, ax->now_ms);
		return;
	}
	/* RFC 3261 9.1: not before a provisional response came. */
	if (slab_text_take(&ax->txns.texts, &x->cancel, text.n) == ED_OK)
		memcpy(x->cancel.p, text.p, text.n);
}

/* RFC 3261 9.2: 200 to the CANCEL, 487 to the INVITE that has not left yet. */
static void
cancel_parked(struct request *q, struct parked *x)
{
	struct access *ax = q->f->ax;
	struct reply_spec s = {.status = 487};
	struct ed_fault fault;
	struct sip_msg *m = NULL;

	answer(q, 200, DIAG_NONE, STR_NONE);
	if (sip_msg_parse(&ax->arena, x->bytes, &ax->from_server, &m, &fault) == ED_OK)
		egress_answer(q->f, &q->facts, m, &s);
	if (x->queue == &ax->waiting)
		q->f->n_parked--;
	park_free(&ax->park, x);
}

/* The same for one whose request is parked. */
static bool
take_parked(struct request *q)
{
	struct access *ax = q->f->ax;
	struct parked *x = ax->park.n ? park_find(&ax->park, &q->key) : NULL;

	if (!x || x == ax->showing || x->from_cid != q->f->cid || q->m->method == SIP_ACK)
		return false;
	if (q->m->method == SIP_CANCEL)
		cancel_parked(q, x);
	else
		count(CNT_RETRANSMITS);
	return true;
}

/* True when the request belonged to an open transaction and is dealt with. */
static bool
take_known(struct request *q)
{
	struct access *ax = q->f->ax;
	struct txn *x = txn_of_request(&ax->txns, &q->key, q->m->method);

	if (!x)
		return false;
	if (q->m->method == SIP_CANCEL) {
		cancel(q, x);
		return true;
	}
	if (q->m->method == SIP_ACK) {
		if (x->state != TXN_COMPLETED)
			return false; /* of a 2xx: end to end */
		response_txn_free(ax, x);
		return true;
	}
	count(CNT_RETRANSMITS);
	if (x->method == SIP_INVITE && x->state <= TXN_PROCEEDING)
		answer(q, 100, DIAG_NONE, STR_NONE);
	return true;
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
			answer(q, 100, DIAG_NONE, STR_NONE);
		return;
	}
	count(CNT_PARTNER_PARK_FULL);
	log_warning(AREA_SIP, "ACC-2012", "overload",
	    "flow=%llx limit=partner_queue open=%u own=%u", (unsigned long long)q->f->cid,
	    ax->park.n, p->queue.n);
	answer_busy(q);
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

static int
take_routed(struct request *q)
{
	struct route r = {0};

	hide_route(&q->w, &q->facts, q->m, &q->h);
	route_choose(q->f, &q->facts, q->m, &q->h, &r);
	if (r.kind == ROUTE_HOLD)
		return ED_STATE;
	if (r.kind == ROUTE_SIBLING) {
		hand_over(q, r.slot);
	} else if (q->m->method == SIP_CANCEL) { /* its INVITE would have been known */
		answer(q, 481, DIAG_NONE, STR_NONE);
	} else if (r.kind == ROUTE_REFUSE) {
		refuse_route(q, &r);
	} else {
		return send_somewhere(q, &r);
	}
	return ED_OK;
}

int
request_take(struct flow *f, const struct sip_msg *m)
{
	struct request q = {.f = f, .m = m};
	int r;

	engine_facts(f, &q.facts);
	engine_work(f->ax, &q.w);
	txn_key_of(&f->ax->txns, m, f->cid, &q.key);
	switch (judge(&q)) {
	case JUDGED_GO:
		break;
	case JUDGED_DONE:
		return ED_OK;
	case JUDGED_WAIT:
		return wait_for_dns(&q);
	}
	if (register_put_off(&q) || soft_locked(&q))
		return ED_OK;
	r = partner_limits(&q);
	if (r != ED_OK)
		return r == ED_STATE ? ED_STATE : ED_OK;
	if (take_known(&q) || take_parked(&q))
		return ED_OK;
	if (via_is_loop(&q.w, m)) {
		count(CNT_LOOPS);
		say_refused(&q, "", "request_refused", "loop");
		answer(&q, 482, DIAG_NONE, STR_NONE);
		return ED_OK;
	}
	return take_routed(&q);
}

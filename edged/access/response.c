/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "access/engine.h"
#include "access/keepalive.h"
#include "access/names.h"
#include "access/pass.h"
#include "access/text.h"
#include "access/via.h"
#include "conf/conf.h"
#include "sipparse/uri.h"
#include "svc/log.h"

/* It no longer counts against its connection. */
static void
settle(struct access *ax, struct txn *x)
{
	struct flow *from;

	if (x->answered)
		return;
	x->answered = true;
	from = flow_find(&ax->flows, x->from_cid);
	if (from && from->n_txns)
		from->n_txns--;
}

void
response_txn_free(struct access *ax, struct txn *x)
{
	if (!x)
		return;
	if (!x->probe) {
		settle(ax, x);
		count_down(CNT_TRANSACTIONS);
	}
	txn_free(&ax->txns, x);
}

/* The final response of x is out: end it, or let it stay as INVITE does. */
static void
finish(struct access *ax, struct txn *x, uint16_t status, struct str to_tag)
{
	if (x->method == SIP_INVITE) {
		settle(ax, x);
		txn_finish(&ax->txns, x, status, to_tag, ax->now_ms);
	} else {
		response_txn_free(ax, x);
	}
}

static bool
is_to_partner(const struct txn *x)
{
	return x->outward && traffic_is_partner((enum traffic)x->traffic);
}

/* ---- responses that we make for what will not come ---- */

/* Answer x from its outline; x ends, or waits for the ACK. */
static void
answer_and_finish(struct access *ax, struct txn *x, uint16_t status, enum diag diag)
{
	struct flow *from = flow_find(&ax->flows, x->from_cid);
	struct reply_spec s = {.status = status, .diag = diag, .to_tag = engine_random(ax) | 1};
	struct ed_fault fault;
	struct sip_msg *outline = NULL;
	struct facts facts;
	struct work w;

	if (!from || !x->outline.p) {
		count(CNT_DROP_RES_CLIENT_GONE);
		response_txn_free(ax, x);
		return;
	}
	arena_reset(&ax->arena);
	engine_work(ax, &w);
	engine_facts(from, &facts);
	s.logon_data = from->kind == FLOW_CLIENT && x->traffic == TRAFFIC_REMOTE_USER;
	if (sip_msg_parse(&ax->arena, (struct str){x->outline.p, x->outline.n}, &ax->from_server,
		&outline, &fault) == ED_OK &&
	    egress_text(from, reply_make(&w, &facts, outline, &s), MESSAGE_RESPONSE) == ED_OK)
		count(counter_of_status(status));
	else
		count(CNT_DROP_OUTPUT_FULL);
	finish(ax, x, status, STR_NONE);
}

/* Nobody waits for this INVITE any more: tell the far side, once. */
static void
cancel_own(struct access *ax, struct txn *x)
{
	struct ed_fault fault;
	struct sip_msg *outline = NULL;
	struct work w;

	if (x->cancel_sent || !x->to || !x->keep.p || !x->outline.p)
		return;
	engine_work(ax, &w);
	if (sip_msg_parse(&ax->arena, (struct str){x->outline.p, x->outline.n}, &ax->from_server,
		&outline, &fault) == ED_OK)
		egress_text(x->to, reply_cancel_own(&w, engine_keep(x), outline), SIP_CANCEL);
	x->cancel_sent = true;
}

static void
timer_fired(struct access *ax, struct txn *x)
{
	bool is_c = x->method == SIP_INVITE && x->state == TXN_PROCEEDING && !x->cancel_sent;

	if (x->probe || x->state == TXN_COMPLETED || x->state == TXN_ACCEPTED) {
		response_txn_free(ax, x);
		return;
	}
	if (is_c) { /* RFC 3261 16.8 */
		count(CNT_TIMER_C);
		cancel_own(ax, x);
		txn_wait_b(&ax->txns, x, ax->now_ms);
		return;
	}
	count(CNT_TIMER_B);
	answer_and_finish(
	    ax, x, x->outward && !is_to_partner(x) ? 408 : 504, DIAG_CANNOT_ROUTE_NOW);
}

void
response_timers(struct access *ax)
{
	struct txn *x;

	while ((x = txn_due(&ax->txns, ax->now_ms)) != NULL) {
		arena_reset(&ax->arena);
		timer_fired(ax, x);
	}
}

static void
lost(struct access *ax, struct txn *x)
{
	list_remove(&x->sent);
	x->to = NULL;
	if (x->probe || x->state == TXN_COMPLETED) {
		response_txn_free(ax, x);
		return;
	}
	if (x->state == TXN_ACCEPTED)
		return; /* answered; it stays for its ACK-less 32 s */
	count(CNT_INFLIGHT_LOST);
	/* What reached the next hop may have been done: it is not sent a second time (R11). */
	if (is_to_partner(x))
		answer_and_finish(ax, x, 504, DIAG_CONNECT_PARTNER);
	else if (x->outward)
		answer_and_finish(ax, x, 481, DIAG_ROUTE_SET);
	else
		answer_and_finish(ax, x, 504, DIAG_CANNOT_ROUTE_NOW);
}

void
response_flow_lost(struct flow *f)
{
	while (!list_is_empty(&f->sent))
		lost(f->ax, LIST_OF(f->sent.next, struct txn, sent));
	while (!list_is_empty(&f->open))
		lost(f->ax, LIST_OF(f->open.next, struct txn, sent));
}

/* ---- what a response says about its sender ---- */

static void
sign_in(struct flow *f, bool anonymous)
{
	if (f->signed_in)
		return;
	f->signed_in = true;
	f->anonymous = anonymous;
	f->failed_auths = 0;
	f->ax->n_signed_in++;
	count(CNT_SIGNED_IN);
	timeq_cancel(&f->setup);
}

static void
auth_failed(struct flow *f, const struct sip_msg *m)
{
	struct access *ax = f->ax;
	uint32_t minute = (uint32_t)(ax->now_ms / 60000);
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];

	count(CNT_AUTH_FAILURES);
	if (f->failed_minute != minute)
		f->failed_auths = 0;
	f->failed_minute = minute;
	if (f->failed_auths < 255)
		f->failed_auths++;
	if (f->failed_auths < LIMITS_AUTH_FAILURES)
		return;
	if (f->failed_auths == LIMITS_AUTH_FAILURES)
		log_warning(AREA_SIP, "ACC-2010", "authentication_failures",
		    "flow=%llx peer=%s from=%s count=%u window_s=60", (unsigned long long)f->cid,
		    addr_str(&f->peer, a), log_quote(m->from.uri, q), f->failed_auths);
	count(CNT_TARPITS);
	engine_nap(f, LIMITS_TARPIT_MS);
}

/* The next step of a handshake ([MS-SIPAE]: gssapi-data that is not empty), or a nonce that was too
 * old (RFC 2617): nothing is wrong with the password. */
static bool
is_step(const struct sip_msg *m)
{
	static const enum sip_hdr ids[] = {SIP_HDR_WWW_AUTHENTICATE, SIP_HDR_PROXY_AUTHENTICATE};

	for (unsigned k = 0; k < 2; k++)
		for (uint16_t i = m->first[ids[k]]; i != SIP_NO_LINE; i = m->lines[i].next) {
			struct str v = sip_line_value(m, &m->lines[i]);
			const char *g = memmem(v.p, v.n, "gssapi-data=\"", 13);

			if ((g && g + 13 < v.p + v.n && g[13] != '"') ||
			    memmem(v.p, v.n, "stale=true", 10) ||
			    memmem(v.p, v.n, "stale=\"true\"", 12))
				return true;
		}
	return false;
}

static void
learn(struct txn *x, struct flow *f, struct flow *from, const struct sip_msg *m)
{
	uint32_t retry_after = 0;
	const struct sip_line *l;

	if (m->status == 503 && f->link) {
		l = sip_msg_find(m, STR("Retry-After"));
		if (l && !str_to_u32(sip_line_value(m, l), 86400, &retry_after))
			retry_after = 0;
		nexthop_refused(f->link, retry_after, f->ax->now_ms);
	}
	if (!from || from->kind != FLOW_CLIENT)
		return;
	if ((m->status == 401 || m->status == 407) && x->with_auth && !is_step(m)) {
		auth_failed(from, m);
		softlock_failed(from, m);
	}
	if (m->status < 200 || m->status > 299)
		return;
	if (x->with_auth && x->traffic == TRAFFIC_REMOTE_USER)
		softlock_good(from, m);
	if (x->method == SIP_REGISTER)
		sign_in(from, false);
	else if (x->method == SIP_INVITE && x->traffic == TRAFFIC_ANONYMOUS)
		sign_in(from, true);
	if (x->keep_alive && !from->keep_alive) {
		from->keep_alive = true;
		from->idle_ms = keepalive_idle_s(f->ax->view) * 1000;
		f->ax->ops->set_idle(f->ax->net, from, from->idle_ms);
	}
}

/*
 * access-edge-sip 6.5: a redirect of REGISTER to a server inside cannot work from outside, and a
 * silent retry elsewhere cannot either, since the client's security association is with the first
 * server.
 */
static bool
is_inward_redirect(
    const struct access *ax, const struct txn *x, const struct sip_msg *m, struct str *ret_host)
{
	struct sip_nameaddr na;
	struct sip_uri u;

	if (x->method != SIP_REGISTER || (m->status != 301 && m->status != 302) ||
	    sip_nameaddr_parse(sip_msg_value(m, SIP_HDR_CONTACT), &na, NULL) < 0 ||
	    sip_uri_parse(na.uri_text, &u, NULL) < 0)
		return false;
	*ret_host = u.host;
	return names_is_inside(ax->view->names, u.host, true);
}

static void
refuse_redirect(struct txn *x, struct flow *from, const struct sip_msg *m, struct str host)
{
	struct access *ax = from->ax;
	char c[LOG_QUOTE_LEN], q[LOG_QUOTE_LEN];

	count(CNT_REDIRECTS);
	if (names_is_trusted(ax->view->names, host))
		homes_learn(&ax->homes, m->to.uri, host, ax->now_ms);
	log_error(AREA_SIP, "", "register_redirected_inside",
	    "flow=%llx from=%s contact=%s hint=\"the next hop must be a Director or the user's "
	    "pool\"",
	    (unsigned long long)from->cid, log_quote(m->from.uri, q),
	    log_quote(sip_msg_value(m, SIP_HDR_CONTACT), c));
	answer_and_finish(ax, x, 504, DIAG_CANNOT_ROUTE_NOW);
	engine_close(from, ACCESS_END_REFUSED);
}

/* ---- a response on its way ---- */

static void
ack_and_bye(struct txn *x, struct flow *f, const struct sip_msg *m)
{
	struct access *ax = f->ax;
	char branch[VIA_BRANCH_LEN];
	struct str via[2];
	struct work w;

	engine_work(ax, &w);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t id = engine_random(ax) >> 8 | (uint64_t)ax->slot << 56;

		if (via_branch(&w, m, id, branch) < 0)
			return;
		via[i] = via_line(&w, engine_peer(f), &f->local, branch);
	}
	if (egress_text(f, reply_ack_bye(&w, engine_keep(x), m, via[0], via[1]), SIP_ACK) == ED_OK)
		count_message(true, flow_is_external(f), SIP_BYE);
}

/* Where the answer to x goes now: its connection, or another one to the same server inside. */
static struct flow *
back_to(struct access *ax, const struct txn *x)
{
	struct flow *from = flow_find(&ax->flows, x->from_cid);
	struct nexthop_link *l;
	uint16_t member = x->member;

	if (from || !x->outward || !member)
		return from;
	if (nexthop_pick(&ax->nexthop, x->from_cid, &member, ax->now_ms, &l) != NEXTHOP_USE ||
	    member != x->member)
		return NULL;
	return l->flow;
}

/* The outside cannot be shown this answer without naming the inside (6.3). */
static void
too_long_to_hide(struct txn *x, struct flow *f, const struct sip_msg *m)
{
	log_warning(AREA_SIP, "", "route_set_too_long", "flow=%llx status=%u",
	    (unsigned long long)f->cid, m->status);
	if (m->status >= 200 && m->status < 300 && x->method == SIP_INVITE && x->keep.p)
		ack_and_bye(x, f, m);
	if (m->status >= 200)
		answer_and_finish(f->ax, x, 500, DIAG_NONE);
}

static void
answer_keepalive_facts(const struct txn *x, const struct flow *from, struct pass_response *p)
{
	p->to = engine_peer(from);
	p->traffic = (enum traffic)x->traffic;
	p->verified = x->verified;
	p->shared_space = x->shared_space;
	p->keep = engine_keep(x);
	p->keepalive_answer = x->keep_alive;
}

/*
 * access-edge-sip 12: a partner's refusal without diagnostics gets 1034 for the inside; what it
 * calls ms-diagnostics has been taken off (9.2).
 */
static void
add_diagnostics(
    const struct work *w, const struct flow *f, const struct sip_msg *m, struct sip_edits *e)
{
	struct str domain = str_first(m->to.addr.host, 255);
	struct text t = text_start(w->arena, 600);
	struct str line;

	text_put(&t, STR(";Domain=\""));
	text_put(&t, domain);
	text_put(&t, STR("\";PeerServer=\""));
	if (f->names && f->names->n)
		text_put(&t, str_first(f->names->v[0], 255));
	text_put(&t, STR("\""));
	line = diag_line(w, FACTS_INTERNAL, DIAG_PREVIOUS_PARTNER, STR_NONE, text_done(&t));
	if (line.p && line.n)
		sip_edit_insert_last(e, line);
}

/* The domain that a request to a partner was for: its own To, not the one that came back. */
static struct str
domain_asked(struct access *ax, const struct txn *x)
{
	struct ed_fault fault;
	struct sip_msg *outline = NULL;

	if (!x->outline.p || sip_msg_parse(&ax->arena, (struct str){x->outline.p, x->outline.n},
				 &ax->from_server, &outline, &fault) < 0)
		return STR_NONE;
	return outline->to.addr.host;
}

static void
pass_on(struct txn *x, struct flow *f, struct flow *from, const struct sip_msg *m)
{
	struct access *ax = f->ax;
	struct pass_response p = {0};
	struct facts facts;
	struct sip_edits e;
	struct work w;
	int r;

	engine_facts(f, &facts);
	engine_work(ax, &w);
	p.from = &facts;
	answer_keepalive_facts(x, from, &p);
	if (is_to_partner(x) && m->first[SIP_HDR_P_ASSERTED_IDENTITY] != SIP_NO_LINE)
		p.answerer = domain_asked(ax, x);
	sip_edits_init(&e, &ax->arena, m);
	r = pass_response(&w, &p, m, &e);
	if (r == ED_OK && is_to_partner(x) && m->status >= 400 &&
	    !sip_msg_find(m, STR("ms-diagnostics-public")))
		add_diagnostics(&w, f, m, &e);
	if (r == ED_OK)
		r = egress_edits(from, &e, MESSAGE_RESPONSE) < 0 ? ED_GONE : ED_OK;
	if (r == ED_LIMIT) {
		too_long_to_hide(x, f, m);
		return;
	}
	if (r == ED_DENIED)
		count(CNT_DROP_RES_VIAS);
	else if (r < 0)
		count(CNT_DROP_OUTPUT_FULL);
	if (r == ED_DENIED) { /* not the answer to what we sent; the transaction goes on waiting */
		log_notice(AREA_SIP, "ACC-2008", "response_dropped", "flow=%llx status=%u why=vias",
		    (unsigned long long)f->cid, m->status);
		return;
	}
	if (m->status >= 200 && x->state != TXN_ACCEPTED)
		finish(ax, x, m->status, m->to.tag);
}

static void
for_nobody(struct txn *x, struct flow *f, const struct sip_msg *m)
{
	struct access *ax = f->ax;

	count(CNT_DROP_RES_CLIENT_GONE);
	if (m->status < 200) {
		if (x->method == SIP_INVITE)
			cancel_own(ax, x);
		return;
	}
	if (m->status < 300 && x->method == SIP_INVITE && x->keep.p)
		ack_and_bye(x, f, m);
	response_txn_free(ax, x);
}

static void
provisional(struct txn *x, struct flow *f, struct flow *from, const struct sip_msg *m)
{
	struct access *ax = f->ax;

	if (x->state > TXN_PROCEEDING) {
		count(CNT_DROP_RES_LATE);
		return;
	}
	txn_proceed(&ax->txns, x, ax->now_ms);
	if (x->cancel.p && !x->cancel_sent) {
		x->cancel_sent = true;
		egress_text(f, (struct str){x->cancel.p, x->cancel.n}, SIP_CANCEL);
		slab_text_give(&ax->txns.texts, &x->cancel);
	}
	if (x->cancel_sent)
		txn_wait_b(&ax->txns, x, ax->now_ms);
	if (!from)
		for_nobody(x, f, m);
	else if (m->status != 100) /* 100 is hop by hop */
		pass_on(x, f, from, m);
}

static void
final(struct txn *x, struct flow *f, struct flow *from, const struct sip_msg *m)
{
	struct work w;
	struct str host;

	learn(x, f, from, m);
	if (x->method == SIP_INVITE && m->status >= 300 && x->keep.p) {
		engine_work(f->ax, &w);
		egress_text(f, reply_ack(&w, engine_keep(x), m), SIP_ACK);
	}
	if (x->state == TXN_ACCEPTED && m->status >= 300) {
		count(CNT_DROP_RES_LATE);
		return;
	}
	if (is_to_partner(x) && federate_is_no(m->status))
		federate_said_no(f, domain_asked(f->ax, x), m);
	if (x->discovered && from)
		federate_answered(f->ax, m->from.addr.host, m->status);
	if (!from)
		for_nobody(x, f, m);
	else if (from->kind == FLOW_CLIENT && is_inward_redirect(f->ax, x, m, &host))
		refuse_redirect(x, from, m, host);
	else
		pass_on(x, f, from, m);
}

static uint32_t
mark_of(struct str branch)
{
	uint32_t v = 0;

	for (unsigned i = 7; i < 15 && i < branch.n; i++) {
		unsigned char c = ascii_lower((unsigned char)branch.p[i]);

		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

/* The transaction this answers: our Via on top, unchanged, and from where we sent the request. */
static struct txn *
find(struct flow *f, const struct sip_msg *m, enum access_counter *ret_why)
{
	struct access *ax = f->ax;
	struct work w;
	struct txn *x;
	uint64_t id;

	engine_work(ax, &w);
	*ret_why = CNT_DROP_RES_NO_TXN;
	if (via_own(&w, m, &id) < 0)
		return NULL;
	x = txn_of_id(&ax->txns, id);
	if (!x || mark_of(m->via.branch) != x->mark)
		return NULL;
	*ret_why = x->state == TXN_COMPLETED ? CNT_DROP_RES_LATE : CNT_DROP_RES_WRONG_FLOW;
	if (x->to != f)
		return NULL;
	return x;
}

static bool
is_answer_to(const struct txn *x, const struct sip_msg *m)
{
	return m->method == (enum sip_method)x->method && m->cseq == x->cseq;
}

void
response_take(struct flow *f, const struct sip_msg *m)
{
	enum access_counter why;
	struct txn *x = find(f, m, &why);
	struct flow *from;

	if (!x) {
		count(why);
		log_info(AREA_SIP, "", "response_dropped", "flow=%llx status=%u why=%s",
		    (unsigned long long)f->cid, m->status,
		    why == CNT_DROP_RES_NO_TXN ? "no_transaction" : "wrong_connection");
		return;
	}
	if (x->probe) {
		learn(x, f, NULL, m);
		if (m->status >= 200)
			response_txn_free(f->ax, x);
		return;
	}
	if (m->method == SIP_CANCEL && x->method == SIP_INVITE && x->cancel_sent)
		return; /* the answer to our CANCEL; the INVITE's own is still to come */
	if (!is_answer_to(x, m)) {
		count(CNT_DROP_RES_MALFORMED);
		return;
	}
	from = back_to(f->ax, x);
	if (m->status < 200)
		provisional(x, f, from, m);
	else
		final(x, f, from, m);
}

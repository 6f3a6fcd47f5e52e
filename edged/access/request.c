/* SPDX-License-Identifier: MIT
 *
 * access/request.c: a request that came in: the rules, what waits, what belongs to a transaction
 * that is open already. What is left goes out by request_out.c.
 */

#include <string.h>

#include "access/request_in.h"
#include "access/via.h"
#include "conf/conf.h"
#include "svc/log.h"

void
request_answer(struct request *q, uint16_t status, enum diag diag, struct str lines)
{
	struct reply_spec s = {.status = status, .diag = diag, .lines = lines};

	s.logon_data = q->f->kind == FLOW_CLIENT && q->v.traffic == TRAFFIC_REMOTE_USER;
	egress_answer(q->f, &q->facts, q->m, &s);
}

void
request_busy(struct request *q)
{
	request_answer(q, 503, DIAG_NONE, STR("Retry-After: 5\r\n"));
}

void
request_say_refused(
    const struct request *q, const char *event_id, const char *name, const char *why)
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
		request_say_refused(q, v->event, v->event_name ? v->event_name : "request_refused",
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
	request_busy(q);
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
		request_answer(q, 403, DIAG_NONE, STR_NONE);
		return ED_DENIED;
	}
}

bool
request_has_credentials(const struct sip_msg *m)
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
		request_busy(q);
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
	request_busy(q);
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

	if (!request_has_credentials(q->m) || q->m->method == SIP_ACK ||
	    !softlock_holds(q->f, q->m))
		return false;
	count(CNT_SOFT_LOCKED);
	request_say_refused(q, "", "request_refused", "soft_locked");
	egress_answer(q->f, &q->facts, q->m, &s);
	engine_nap(q->f, LIMITS_TARPIT_MS);
	return true;
}

/* ---- what belongs to a transaction that is open ---- */

static void
cancel(struct request *q, struct txn *x)
{
	struct access *ax = q->f->ax;
	struct str text;

	request_answer(q, 200, DIAG_NONE, STR_NONE);
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

	request_answer(q, 200, DIAG_NONE, STR_NONE);
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
		request_answer(q, 100, DIAG_NONE, STR_NONE);
	return true;
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
		request_say_refused(&q, "", "request_refused", "loop");
		request_answer(&q, 482, DIAG_NONE, STR_NONE);
		return ED_OK;
	}
	return request_route(&q);
}

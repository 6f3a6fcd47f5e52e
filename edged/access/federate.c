/* SPDX-License-Identifier: MIT
 *
 * access/federate.c: what the core does for requests of partners beside judging them: the DNS is
 * asked and the request waits (access-edge-sip 3.2 step 6), discovered partners are slowed down
 * (11.6), and the log says which rule and which fact refused one (11.7: the partner is told
 * little).
 *
 * A request that waits is parked in access.waiting. It is shown again when an answer came, and in
 * each tick; what must go on waiting keeps its place, and later requests of the same connection and
 * domain stay behind it.
 */
#include <stdio.h>
#include <string.h>

#include "access/engine.h"
#include "conf/conf.h"
#include "svc/log.h"

#define NAMES_SHOWN 4u

/* ---- the DNS ---- */

bool
federate_ask(struct flow *f, struct str domain, int *ret_r)
{
	struct access *ax = f->ax;
	char text[256];
	struct str ask;
	int r;

	*ret_r = ED_STATE;
	switch (lookup_get(&f->lookups, domain, ax->now_ms, &ask)) {
	case LOOKUP_KNOWN:
		return true;
	case LOOKUP_PENDING:
		return false;
	case LOOKUP_FULL:
		*ret_r = ED_LIMIT;
		return false;
	case LOOKUP_ASK:
		break;
	}
	count(CNT_PARTNER_LOOKUPS);
	r = ED_MALFORMED;
	if (ask.n < sizeof(text)) {
		memcpy(text, ask.p, ask.n);
		text[ask.n] = '\0';
		r = ax->ops->srv(ax->net, text, true);
	}
	if (r == ED_LIMIT) { /* too many questions are under way: this one waits its turn */
		lookup_put_off(f->lookups, ask);
		*ret_r = ED_LIMIT;
		return false;
	}
	if (r < 0) { /* nobody will answer: not a name */
		struct access_srv a = {.err = r == ED_MALFORMED ? ED_GONE : ED_SYS, .ttl_s = 5};

		lookup_answer(f->lookups, ask, &a, ax->now_ms);
	}
	return lookup_get(&f->lookups, domain, ax->now_ms, &ask) == LOOKUP_KNOWN;
}

void
access_srv_answer(struct access *ax, const char *domain, const struct access_srv *a)
{
	struct str d = str_of(domain);
	bool came = false;

	ax->now_ms = ax->ops->now_ms(ax->net);
	LIST_EACH(it, &ax->partner_flows)
	{
		struct flow *f = LIST_OF(it, struct flow, peers);

		if (f->lookups)
			came |= lookup_answer(f->lookups, d, a, ax->now_ms);
	}
	partners_srv(ax, d, a);
	if (came)
		federate_wake(ax);
	partners_flush(ax);
}

void
access_host_answer(
    struct access *ax, const char *host, int err, const struct addr *addrs, uint8_t n)
{
	ax->now_ms = ax->ops->now_ms(ax->net);
	partners_host(ax, str_of(host), err, addrs, n);
	partners_flush(ax);
}

/* ---- waiting ---- */

int
federate_park(struct flow *f, const struct sip_msg *m, const struct txn_key *key, struct str domain)
{
	struct access *ax = f->ax;
	struct park_item item = {.from_cid = f->cid,
	    .key = key,
	    .method = m->method,
	    .domain = domain,
	    .bytes = m->bytes};
	struct parked *x;
	int r;

	if (f->n_parked >= ENGINE_WAITING)
		return ED_LIMIT;
	r = park_put(&ax->park, &ax->waiting, &item, ax->now_ms, &x);
	if (r < 0)
		return r;
	x->counted = f->counted;
	f->n_parked++;
	count(CNT_PARTNER_PARKED);
	return ED_OK;
}

bool
federate_is_behind(const struct flow *f, struct str domain)
{
	if (f->n_parked == 0)
		return false;
	LIST_EACH(it, &f->ax->waiting.head)
	{
		const struct parked *x = LIST_OF(it, struct parked, link);

		if (x->from_cid == f->cid && str_eq_nocase(x->domain, domain))
			return true;
	}
	return false;
}

static void
show(struct access *ax, struct flow *f, struct parked *x)
{
	if (f->stalled == ax->round || lookup_is_pending(f->lookups, x->domain, ax->now_ms))
		return;
	if (ingress_show_again(f, x) == ED_STATE) {
		f->stalled = ax->round; /* what came later stays behind it */
		return;
	}
	f->n_parked--;
	park_free(&ax->park, x);
}

void
federate_wake(struct access *ax)
{
	if (ax->in_message) {
		ax->wake_waiting = true;
		return;
	}
	ax->wake_waiting = false;
	if (++ax->round == 0)
		ax->round = 1;
	LIST_EACH_SAFE(it, &ax->waiting.head)
	{
		struct parked *x = LIST_OF(it, struct parked, link);
		struct flow *f = flow_find(&ax->flows, x->from_cid);

		if (f) {
			show(ax, f, x);
			continue;
		}
		count(CNT_DROP_RES_CLIENT_GONE);
		park_free(&ax->park, x);
	}
}

static void
count_watched(const struct watch_row *row, void *arg)
{
	uint64_t *n = arg;

	*n += row->state != WATCH_NORMAL;
}

static void
count_partners(const struct access *ax)
{
	uint64_t n[4] = {0};

	LIST_EACH(it, &ax->partners.lru)
	{
		const struct partner *p = LIST_OF(it, struct partner, lru);

		n[p->state == PARTNER_UP ? 0 : p->state != PARTNER_IDLE ? 1 : p->failed ? 2 : 3]++;
	}
	for (unsigned i = 0; i < 4; i++)
		access_counters[CNT_PARTNERS_UP + i].value = n[i];
}

void
federate_tick(struct access *ax)
{
	uint64_t n = 0;

	federate_wake(ax);
	if (ax->now_ms - ax->watched_ms < 1000)
		return;
	ax->watched_ms = ax->now_ms;
	watch_each(ax->watch, ax->now_ms, count_watched, &n);
	access_counters[CNT_PARTNER_WATCHED].value = n;
	count_partners(ax);
}

/* ---- discovered partners ---- */

static struct str
lower(struct str s, char *buf, size_t room)
{
	size_t n = s.n < room ? s.n : room;

	for (size_t i = 0; i < n; i++)
		buf[i] = (char)ascii_lower((unsigned char)s.p[i]);
	return (struct str){buf, n};
}

/* The user of ours that it is for: To, without parameters. */
static uint64_t
contact_of(const struct access *ax, const struct sip_msg *m)
{
	const struct sip_uri *u = &m->to.addr;
	char buf[600];
	struct str user = lower(u->user, buf, 300);
	struct str host = lower(u->host, buf + user.n + 1, 256);

	buf[user.n] = '@';
	return hash_bytes(&ax->hash_key, buf, user.n + 1 + host.n);
}

static void
say_entered(struct access *ax, struct str domain, enum watch_state s)
{
	const struct conf *c = engine_conf(ax);

	switch (s) {
	case WATCH_NORMAL:
		return;
	case WATCH_THROTTLED:
		log_warning(AREA_SIP, "FED-3009", "partner_throttled",
		    "domain=" STR_FMT " rate=%u hint=\"an entry in federation.allowed lifts the "
		    "limit\"",
		    STR_ARG(domain), c->federation.discovered_rate);
		return;
	case WATCH_SUSPICIOUS:
		count(CNT_PARTNER_SUSPICIOUS);
		log_warning(AREA_SIP, "FED-3010", "partner_suspicious",
		    "domain=" STR_FMT " rate=1 hint=\"most of its requests fail: block the domain, "
		    "or allow it\"",
		    STR_ARG(domain));
		return;
	case WATCH_CONTACTS:
		log_warning(AREA_SIP, "FED-3008", "partner_contacts",
		    "domain=" STR_FMT " limit=%u hint=\"an entry in federation.allowed lifts the "
		    "limit\"",
		    STR_ARG(domain), c->federation.discovered_contacts);
		return;
	}
}

/*
 * What nobody lists shares one bucket for each connection, beside that of its domain: a certificate
 * with a hundred names is not a hundred times as fast, and refusals are not free of it either.
 * Returns how long to wait for a token; 0: there is one.
 */
static uint32_t
bucket_wait_ms(struct flow *f)
{
	uint32_t rate = engine_conf(f->ax)->federation.discovered_rate;
	uint64_t full = 5000ull * rate, got;

	if (f->slow_ms == 0) {
		f->slow_tokens = (uint32_t)full;
	} else {
		got = f->slow_tokens + (f->ax->now_ms - f->slow_ms) * rate;
		f->slow_tokens = (uint32_t)(got < full ? got : full);
	}
	f->slow_ms = f->ax->now_ms;
	return f->slow_tokens >= 1000 ? 0 : (1000 - f->slow_tokens + rate - 1) / rate;
}

void
federate_refused(struct flow *f)
{
	uint32_t wait_ms;

	if (f->kind != FLOW_PARTNER)
		return;
	wait_ms = bucket_wait_ms(f);
	if (wait_ms == 0) {
		f->slow_tokens -= 1000;
		return;
	}
	count(CNT_PARTNER_THROTTLED);
	engine_nap(f, wait_ms);
}

int
federate_limit(struct flow *f, const struct policy_verdict *v, const struct sip_msg *m)
{
	struct access *ax = f->ax;
	bool *counted = ax->showing ? &ax->showing->counted : NULL;
	enum watch_state entered;
	uint32_t wait_ms = 0;
	char buf[256];
	struct str domain = lower(v->domain, buf, sizeof(buf));

	if (!v->discovered || (counted ? *counted : f->counted))
		return ED_OK;
	f->hold_ms = bucket_wait_ms(f);
	if (f->hold_ms) {
		count(CNT_PARTNER_THROTTLED);
		watch_held(ax->watch, domain, ax->now_ms, &entered);
		say_entered(ax, domain, entered);
		return ED_STATE;
	}
	switch (
	    watch_request(ax->watch, domain, contact_of(ax, m), ax->now_ms, &wait_ms, &entered)) {
	case WATCH_PASS:
		f->slow_tokens -= 1000;
		if (counted)
			*counted = true;
		else
			f->counted = true;
		return ED_OK;
	case WATCH_WAIT:
		count(CNT_PARTNER_THROTTLED);
		say_entered(ax, domain, entered);
		f->hold_ms = wait_ms;
		return ED_STATE;
	case WATCH_REFUSE:
		break;
	}
	count(CNT_PARTNER_CONTACTS);
	say_entered(ax, domain, entered);
	return ED_DENIED;
}

bool
federate_is_no(uint16_t status)
{
	return status == 403 || status == 407 || (status >= 500 && status < 600);
}

void
federate_said_no(const struct flow *f, struct str domain, const struct sip_msg *m)
{
	const struct sip_line *l = sip_msg_find(m, STR("ms-diagnostics-public"));
	char q[LOG_QUOTE_LEN], d[LOG_QUOTE_LEN], a[ADDR_STR_LEN];

	if (!l)
		l = sip_msg_find(m, STR("ms-diagnostics"));
	log_warning(AREA_SIP, "FED-3002", "partner_refused_us",
	    "flow=%llx peer=%s domain=%s status=%u diagnostic=%s", (unsigned long long)f->cid,
	    addr_str(&f->peer, a), log_quote(domain, q), m->status,
	    log_quote(l ? sip_line_value(m, l) : STR_NONE, d));
}

void
federate_answered(struct access *ax, struct str text, uint16_t status)
{
	enum watch_state entered;
	char buf[256];
	struct str domain = lower(text, buf, sizeof(buf));

	watch_response(ax->watch, domain, status, ax->now_ms, &entered);
	say_entered(ax, domain, entered);
}

/* ---- what the log says ---- */

/* The step of the decision procedure (access-edge-sip 3.2), or the rule of policy.c that spoke. */
static const char *
rule_of(const struct policy_verdict *v)
{
	if (v->rule)
		return v->rule;
	switch (v->why) {
	case POLICY_WHY_METHOD_CLASS:
	case POLICY_WHY_METHOD_UNKNOWN:
		return "3.3";
	case POLICY_WHY_IDENTITY:
		return "9.2-identity";
	default:
		return "4";
	}
}

static void
put_names(char *buf, size_t room, const struct str *v, uint32_t n)
{
	size_t at = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < n && i < NAMES_SHOWN && at < room; i++)
		at += (size_t)snprintf(
		    buf + at, room - at, "%s" STR_FMT, i ? "," : "", STR_ARG(str_first(v[i], 64)));
	if (n > NAMES_SHOWN && at < room)
		snprintf(buf + at, room - at, ",...");
}

void
federate_say(const struct flow *f, const struct policy_verdict *v, const struct sip_msg *m)
{
	char a[ADDR_STR_LEN], from[LOG_QUOTE_LEN], uri[LOG_QUOTE_LEN], d[LOG_QUOTE_LEN];
	char names[320], srv[320], q1[LOG_QUOTE_LEN], q2[LOG_QUOTE_LEN], fact[LOG_QUOTE_LEN];
	struct str domain = v->domain.n ? v->domain : m->from.addr.host;

	count(CNT_PARTNER_REFUSED);
	put_names(names, sizeof(names), f->names ? f->names->v : NULL, f->names ? f->names->n : 0);
	srv[0] = '\0';
	for (uint32_t i = 0; f->lookups && i < f->lookups->n; i++)
		if (str_eq_nocase(f->lookups->srv[i].domain, domain))
			put_names(srv, sizeof(srv), f->lookups->srv[i].targets,
			    f->lookups->srv[i].n_targets);
	log_event(LOG_NOTICE_L, AREA_SIP, v->event ? v->event : "",
	    v->event_name ? v->event_name : "request_refused",
	    "flow=%llx peer=%s method=" STR_FMT
	    " why=%s from=%s uri=%s domain=%s rule=%s fact=%s certificate=%s srv=%s",
	    (unsigned long long)f->cid, addr_str(&f->peer, a), STR_ARG(m->method_name),
	    policy_why_name(v->why), log_quote(m->from.uri, from), log_quote(m->uri, uri),
	    log_quote(domain, d), rule_of(v), log_quote(v->fact, fact),
	    log_quote(str_of(names), q1), log_quote(str_of(srv), q2));
}

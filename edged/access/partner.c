/* SPDX-License-Identifier: MIT */
#include "access/partner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/cert_event.h"
#include "access/engine.h"
#include "access/names.h"
#include "svc/log.h"

const char *
partner_state_name(const struct partner *p)
{
	static const char *const names[] = {"idle", "srv", "address", "connecting", "up"};

	return p->state == PARTNER_IDLE && p->failed ? "failed" : names[p->state];
}

int
partners_init(struct partners *ps)
{
	list_init(&ps->lru);
	list_init(&ps->busy);
	ps->n = 0;
	ps->n_due = 0;
	return hash_init(&ps->by_name, 64);
}

static void
hosts_forget(struct partner *p)
{
	for (unsigned i = 0; i < p->n_hosts; i++)
		free(p->hosts[i].name);
	p->n_hosts = p->at_host = 0;
}

static void
partner_free(struct partner *p)
{
	struct access *ax = p->ax;

	while (p->queue.n)
		park_free(&ax->park, LIST_OF(p->queue.head.next, struct parked, link));
	hash_remove(&ax->partners.by_name, &p->node);
	list_remove(&p->lru);
	list_remove(&p->busy);
	hosts_forget(p);
	free(p->up_host);
	free(p->name);
	free(p);
	ax->partners.n--;
}

void
partners_done(struct access *ax)
{
	if (!ax->partners.by_name.buckets)
		return;
	while (!list_is_empty(&ax->partners.lru))
		partner_free(LIST_OF(ax->partners.lru.next, struct partner, lru));
	hash_done(&ax->partners.by_name);
}

/* ---- finding one ---- */

static uint64_t
name_hash(const struct access *ax, bool by_srv, struct str name)
{
	char low[256];
	size_t n = name.n < sizeof(low) - 1 ? name.n : sizeof(low) - 1;

	low[0] = by_srv ? 's' : 'p';
	for (size_t i = 0; i < n; i++)
		low[1 + i] = (char)ascii_lower((unsigned char)name.p[i]);
	return hash_bytes(&ax->hash_key, low, n + 1);
}

static bool
has_links(const struct partner *p)
{
	for (unsigned i = 0; i < PARTNER_LINKS_MAX; i++)
		if (p->links[i].flow)
			return true;
	return false;
}

static bool
make_room(struct access *ax)
{
	for (struct list *it = ax->partners.lru.prev; it != &ax->partners.lru; it = it->prev) {
		struct partner *p = LIST_OF(it, struct partner, lru);

		if (p->state == PARTNER_IDLE && !has_links(p) && p->queue.n == 0) {
			partner_free(p);
			return true;
		}
	}
	return false;
}

static char *
lower_copy(struct str s)
{
	char *p = malloc(s.n + 1);

	if (!p)
		return NULL;
	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)ascii_lower((unsigned char)s.p[i]);
	p[s.n] = '\0';
	return p;
}

static struct partner *
partner_get(struct access *ax, bool by_srv, struct str name)
{
	uint64_t h = name_hash(ax, by_srv, name);
	struct partner *p;

	for (struct hash_node *n = hash_first(&ax->partners.by_name, h); n; n = hash_next(n)) {
		p = LIST_OF(n, struct partner, node);
		if (p->by_srv == by_srv && str_eq_nocase(str_of(p->name), name)) {
			list_remove(&p->lru);
			list_push_front(&ax->partners.lru, &p->lru);
			return p;
		}
	}
	if (ax->partners.n >= PARTNERS_MAX && !make_room(ax))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p)
		p->name = lower_copy(name);
	if (!p || !p->name) {
		free(p);
		return NULL;
	}
	p->ax = ax;
	p->by_srv = by_srv;
	p->since_ms = ax->now_ms;
	park_queue_init(&p->queue, PARTNER_QUEUE_MAX, PARK_BYTES_MAX / 4);
	for (unsigned i = 0; i < PARTNER_LINKS_MAX; i++)
		p->links[i].partner = p;
	hash_insert(&ax->partners.by_name, &p->node, h);
	list_push_front(&ax->partners.lru, &p->lru);
	ax->partners.n++;
	return p;
}

/* ---- an attempt ---- */

static void host_next(struct partner *p);
static void addr_next(struct partner *p);

static void
mark_due(struct partner *p)
{
	if (p->due || p->queue.n == 0)
		return;
	p->due = true;
	p->ax->partners.n_due++;
}

static void
attempt_end(struct partner *p, enum partner_state s)
{
	p->state = (uint8_t)s;
	list_remove(&p->busy);
	mark_due(p);
}

static const struct failure {
	enum diag diag;
	const char *id, *event;
} failures[] = {
    {DIAG_SRV_UNRESOLVED, "FED-3005", "no_srv_record"},
    {DIAG_SRV_CONFLICT, "FED-3005", "srv_outside_domain"},
    {DIAG_TLS_TRUST, "FED-3006", "certificate_mismatch"},
    {DIAG_NONE, "FED-3001", "partner_unreachable"}, /* all others */
};

/* The attempt is over without a link: why stays, and stands in the answers until the next one. */
static void
attempt_failed(struct partner *p)
{
	const struct failure *e = failures;
	const char *id, *event, *detail;
	char q[LOG_QUOTE_LEN], w[LOG_QUOTE_LEN];

	while (e->diag != DIAG_NONE && e->diag != p->diag)
		e++;
	id = e->id;
	event = e->event;
	detail = strstr(p->why, ": ");
	if (e->diag == DIAG_TLS_TRUST && detail)
		(void)cert_event(detail + 2, &id, &event);
	p->failed = true;
	p->failures++;
	p->retry_ms = p->retry_ms ? p->retry_ms * 2 : PARTNER_RETRY_MIN_MS;
	if (p->retry_ms > PARTNER_RETRY_MAX_MS)
		p->retry_ms = PARTNER_RETRY_MAX_MS;
	p->retry_at_ms = p->ax->now_ms + p->retry_ms;
	count(CNT_PARTNER_FAILED);
	log_event(LOG_WARNING_L, AREA_SIP, id, event,
	    "partner=%s found_by=%s diagnostics=%u reason=%s retry_ms=%u",
	    log_quote(str_of(p->name), q), p->by_srv ? "srv" : "proxy_fqdn", (unsigned)p->diag,
	    log_quote(str_of(p->why), w), p->retry_ms);
	attempt_end(p, PARTNER_IDLE);
}

static void
because(struct partner *p, enum diag d, const char *what, const char *detail)
{
	p->diag = d;
	snprintf(p->why, sizeof(p->why), "%s%s%s", what, detail && detail[0] ? ": " : "",
	    detail ? detail : "");
}

static void
attempt_start(struct partner *p)
{
	struct access *ax = p->ax;
	int r;

	hosts_forget(p);
	p->started_ms = ax->now_ms;
	p->connects++;
	because(p, DIAG_CANNOT_ROUTE_NOW, "nothing was tried", "");
	list_push_back(&ax->partners.busy, &p->busy);
	if (!p->by_srv) {
		p->hosts[0].name = lower_copy(str_of(p->name));
		p->hosts[0].port = PARTNER_PORT;
		p->n_hosts = p->hosts[0].name ? 1 : 0;
		host_next(p);
		return;
	}
	p->state = PARTNER_SRV;
	r = ax->ops->srv(ax->net, p->name, false);
	if (r == ED_OK || p->state != PARTNER_SRV)
		return;
	because(p, r == ED_MALFORMED ? DIAG_SRV_UNRESOLVED : DIAG_CANNOT_ROUTE_NOW,
	    r == ED_MALFORMED ? "not a domain name" : "too many DNS questions are under way", "");
	attempt_failed(p);
}

static void
srv_came(struct partner *p, const struct access_srv *a)
{
	struct str domain = str_of(p->name);

	if (a->err != ED_OK || a->n == 0) {
		because(p, DIAG_SRV_UNRESOLVED,
		    a->err == ED_OK || a->err == ED_GONE ? "no _sipfederationtls._tcp SRV record"
							 : "the name servers gave no answer",
		    "");
		attempt_failed(p);
		return;
	}
	/* access-edge-sip 11.3: a target elsewhere proves nothing about the domain. */
	for (unsigned i = 0; i < a->n && p->n_hosts < PARTNER_HOSTS_MAX; i++) {
		if (!names_is_within(a->v[i].host, domain))
			continue;
		p->hosts[p->n_hosts].name = lower_copy(a->v[i].host);
		p->hosts[p->n_hosts].port = a->v[i].port;
		p->n_hosts += p->hosts[p->n_hosts].name != NULL;
	}
	if (p->n_hosts == 0) {
		char host[128];

		snprintf(host, sizeof(host), STR_FMT, STR_ARG(str_first(a->v[0].host, 120)));
		because(p, DIAG_SRV_CONFLICT, "the SRV target lies outside the domain", host);
		attempt_failed(p);
		return;
	}
	host_next(p);
}

void
partners_srv(struct access *ax, struct str domain, const struct access_srv *a)
{
	LIST_EACH_SAFE(it, &ax->partners.busy)
	{
		struct partner *p = LIST_OF(it, struct partner, busy);

		if (p->state == PARTNER_SRV && str_eq_nocase(str_of(p->name), domain))
			srv_came(p, a);
	}
}

/* Ask for the addresses of the host whose turn it is. */
static void
host_next(struct partner *p)
{
	struct access *ax = p->ax;
	uint8_t at;

	while (p->at_host < p->n_hosts) {
		at = p->at_host;
		p->state = PARTNER_HOST;
		if (ax->ops->host(ax->net, p->hosts[at].name) == ED_OK ||
		    p->state != PARTNER_HOST || p->at_host != at)
			return;
		because(p, DIAG_A_UNRESOLVED, "no address", p->hosts[at].name);
		p->at_host++;
	}
	attempt_failed(p);
}

static void
host_came(struct partner *p, int err, const struct addr *addrs, uint8_t n)
{
	const char *host = p->hosts[p->at_host].name;

	if (n > PARTNER_HOSTS_MAX)
		n = PARTNER_HOSTS_MAX;
	if (err != ED_OK || n == 0) {
		because(p, DIAG_A_UNRESOLVED,
		    err == ED_OK || err == ED_GONE ? "no address" : "no DNS answer for", host);
		p->at_host++;
		host_next(p);
		return;
	}
	p->n_addrs = 0;
	for (uint8_t i = 0; i < n; i++) {
		if (p->by_srv && names_is_inward(p->ax->view->names, &addrs[i]))
			continue;
		p->addrs[p->n_addrs] = addrs[i];
		p->addrs[p->n_addrs++].port = p->hosts[p->at_host].port;
	}
	if (p->n_addrs == 0) {
		because(p, DIAG_A_UNRESOLVED, "the address lies inside or is our own", host);
		p->at_host++;
		host_next(p);
		return;
	}
	p->at_addr = 0;
	p->state = PARTNER_CONNECT;
	addr_next(p);
}

void
partners_host(
    struct access *ax, struct str host, int err, const struct addr *addrs, uint8_t n_addrs)
{
	LIST_EACH_SAFE(it, &ax->partners.busy)
	{
		struct partner *p = LIST_OF(it, struct partner, busy);

		if (p->state == PARTNER_HOST &&
		    str_eq_nocase(str_of(p->hosts[p->at_host].name), host))
			host_came(p, err, addrs, n_addrs);
	}
}

static int
link_open(struct partner_link *l, const struct addr *addr, const char *host)
{
	static const struct addr unknown;
	struct access *ax = l->partner->ax;
	struct flow *f = access_flow_new(ax, FLOW_PARTNER, NULL, addr, &unknown, true);
	int r;

	if (!f)
		return ED_NOMEM;
	f->by_us = true;
	f->plink = l;
	l->flow = f;
	r = ax->ops->open_partner(ax->net, f, addr, host);
	if (r < 0) {
		l->flow = NULL;
		f->plink = NULL;
		flow_free(&ax->flows, f);
	}
	return r;
}

static struct partner_link *
link_free(struct partner *p)
{
	for (unsigned i = 0; i < p->ax->partners.n_links; i++)
		if (!p->links[i].flow)
			return &p->links[i];
	return NULL;
}

/* DNS-15: each address in turn, then the next target. */
static void
addr_next(struct partner *p)
{
	struct partner_link *l = link_free(p);

	while (l && p->at_addr < p->n_addrs) {
		if (link_open(l, &p->addrs[p->at_addr], p->hosts[p->at_host].name) == ED_OK)
			return;
		because(p, DIAG_CONNECT_PARTNER, "no memory or certificate for a connection", "");
		p->at_addr++;
	}
	if (!l) { /* links that are ending hold all places */
		because(p, DIAG_CANNOT_ROUTE_NOW, "links are still closing", "");
		attempt_failed(p);
		return;
	}
	p->at_host++;
	host_next(p);
}

/* ---- links ---- */

void
partner_link_up(struct flow *f)
{
	struct partner_link *l = f->plink;
	struct partner *p = l->partner;
	char a[ADDR_STR_LEN];

	l->up = true;
	p->n_up++;
	p->up_addr = f->peer;
	if (p->state == PARTNER_CONNECT) {
		char *host = lower_copy(str_of(p->hosts[p->at_host].name));

		if (host) {
			free(p->up_host);
			p->up_host = host;
		}
	}
	p->failed = false;
	p->retry_ms = 0;
	log_notice(AREA_SIP, "FED-3001", "partner_link_up",
	    "flow=%llx partner=%s host=%s addr=%s links=%u", (unsigned long long)f->cid, p->name,
	    p->up_host ? p->up_host : "", addr_str(&f->peer, a), p->n_up);
	attempt_end(p, PARTNER_UP);
}

/* What the end of a connection that never stood says about the partner. */
static enum diag
diag_of_end(const char *why, const char *detail)
{
	const char *id, *name;

	if (detail && cert_event(detail, &id, &name))
		return DIAG_TLS_TRUST;
	if (strcmp(why, "tls_failed") == 0)
		return detail && strstr(detail, "certificate") ? DIAG_TLS_TRUST : DIAG_TLS_PARTNER;
	if (strcmp(why, "handshake_timeout") == 0)
		return DIAG_TLS_PARTNER;
	return DIAG_CONNECT_PARTNER;
}

void
partner_link_down(struct flow *f, const char *why, const char *detail)
{
	struct partner_link *l = f->plink;
	struct partner *p = l->partner;
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];
	bool was_up = l->up;

	l->flow = NULL;
	l->up = false;
	f->plink = NULL;
	if (was_up) {
		p->n_up--;
		count(CNT_PARTNER_LINKS_LOST);
		log_notice(AREA_SIP, "FED-3001", "partner_link_down",
		    "flow=%llx partner=%s addr=%s why=%s detail=%s", (unsigned long long)f->cid,
		    p->name, addr_str(&f->peer, a), why, log_quote(str_of(detail), q));
		if (p->n_up == 0 && p->state == PARTNER_UP)
			p->state = PARTNER_IDLE;
		return;
	}
	p->grow_at_ms = p->ax->now_ms + PARTNER_GROW_MS;
	if (p->state != PARTNER_CONNECT)
		return; /* one more than the one that stands */
	because(p, diag_of_end(why, detail), why, detail);
	p->at_addr++;
	addr_next(p);
}

/* One more when all that stand have work waiting. */
static void
links_grow(struct partner *p)
{
	struct access *ax = p->ax;
	struct partner_link *l = link_free(p);

	if (!l || !p->up_host || ax->now_ms < p->grow_at_ms)
		return;
	for (unsigned i = 0; i < PARTNER_LINKS_MAX; i++) {
		const struct partner_link *o = &p->links[i];

		if (o->flow && (!o->up || ax->ops->pending(ax->net, o->flow) < PARTNER_GROW_BYTES))
			return;
	}
	if (link_open(l, &p->up_addr, p->up_host) < 0)
		p->grow_at_ms = ax->now_ms + PARTNER_GROW_MS;
}

static struct flow *
link_choose(const struct partner *p, uint64_t spread)
{
	unsigned want = (unsigned)(spread % p->n_up);

	for (unsigned i = 0; i < PARTNER_LINKS_MAX; i++)
		if (p->links[i].up && want-- == 0)
			return p->links[i].flow;
	return NULL;
}

enum partner_verdict
partner_pick(struct access *ax, const struct policy_target *t, struct str domain, uint64_t spread,
    struct partner **ret, struct flow **ret_flow)
{
	bool by_srv = t->kind == POLICY_TARGET_SRV;
	struct partner *p = partner_get(ax, by_srv, by_srv ? domain : t->fqdn);

	*ret = p;
	if (!p)
		return PARTNER_NO;
	p->used_ms = ax->now_ms;
	if (p->n_up) {
		links_grow(p);
		*ret_flow = link_choose(p, spread);
		p->requests++;
		return PARTNER_USE;
	}
	if (p->state == PARTNER_IDLE) {
		if (p->failed && ax->now_ms < p->retry_at_ms)
			return PARTNER_NO;
		attempt_start(p);
	}
	return p->state == PARTNER_IDLE ? PARTNER_NO : PARTNER_WAIT;
}

/* ---- time ---- */

static void
attempts_late(struct access *ax)
{
	LIST_EACH_SAFE(it, &ax->partners.busy)
	{
		struct partner *p = LIST_OF(it, struct partner, busy);

		if (ax->now_ms - p->started_ms < PARTNER_ATTEMPT_MS)
			continue;
		if (p->state == PARTNER_SRV)
			because(p, DIAG_SRV_UNRESOLVED, "the name servers gave no answer", "");
		else if (p->state == PARTNER_HOST)
			because(
			    p, DIAG_A_UNRESOLVED, "no DNS answer for", p->hosts[p->at_host].name);
		else
			because(p, DIAG_CONNECT_PARTNER, "no connection in time", "");
		attempt_failed(p); /* a link that still comes up is used by the next request */
	}
}

static void
links_silent(struct partner *p)
{
	struct access *ax = p->ax;

	for (unsigned i = 0; i < PARTNER_LINKS_MAX; i++) {
		struct flow *f = p->links[i].flow;

		if (f && p->links[i].up && f->waiting_since_ms &&
		    ax->now_ms - f->waiting_since_ms >= PARTNER_SILENT_MS) {
			partner_link_down(f, "silent", "");
			response_flow_lost(f);
			engine_close(f, ACCESS_END_SILENT);
		}
	}
}

static void
queue_show(struct partner *p)
{
	struct access *ax = p->ax;

	p->due = false;
	ax->partners.n_due--;
	/* Those that come back into the queue stand behind the last one of now. */
	for (uint32_t n = p->queue.n; n > 0 && p->queue.n; n--) {
		struct parked *x = LIST_OF(p->queue.head.next, struct parked, link);
		struct flow *from = flow_find(&ax->flows, x->from_cid);

		park_take(&ax->park, x);
		if (from)
			ingress_show_again(from, x);
		else
			count(CNT_DROP_RES_CLIENT_GONE);
		park_free(&ax->park, x);
	}
}

void
partners_flush(struct access *ax)
{
	if (ax->in_message)
		return;
	while (ax->partners.n_due) {
		struct partner *due = NULL;

		LIST_EACH(it, &ax->partners.lru)
		{
			struct partner *p = LIST_OF(it, struct partner, lru);

			if (p->due) {
				due = p;
				break;
			}
		}
		if (!due)
			return;
		queue_show(due);
	}
}

void
partners_tick(struct access *ax)
{
	attempts_late(ax);
	LIST_EACH_SAFE(it, &ax->partners.lru)
	{
		links_silent(LIST_OF(it, struct partner, lru));
	}
	partners_flush(ax);
}

/* SPDX-License-Identifier: MIT */
#include "access/core.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/engine.h"
#include "access/keepalive.h"
#include "access/names.h"
#include "conf/conf.h"
#include "net/ipc.h"
#include "net/tls.h"
#include "svc/log.h"

const struct conf *
engine_conf(const struct access *ax)
{
	return ax->view->conf;
}

static void
clock_read(struct access *ax)
{
	ax->now_ms = ax->ops->now_ms(ax->net);
	ax->now_s = (int64_t)ax->ops->clock_s(ax->net);
}

static void
random_bytes(void *ctx, void *buf, size_t n)
{
	struct access *ax = ctx;

	assert(n <= sizeof(ax->random));
	if (ax->random_left < n) {
		ax->ops->random(ax->net, ax->random, sizeof(ax->random));
		ax->random_left = sizeof(ax->random);
	}
	ax->random_left -= (unsigned)n;
	memcpy(buf, ax->random + ax->random_left, n);
	memset(ax->random + ax->random_left, 0, n);
}

uint64_t
engine_random(struct access *ax)
{
	uint64_t v;

	random_bytes(ax, &v, sizeof(v));
	return v;
}

void
engine_work(struct access *ax, struct work *ret)
{
	ret->view = ax->view;
	ret->ring = ax->ring;
	ret->arena = &ax->arena;
	ret->now_s = ax->now_s;
	ret->random = random_bytes;
	ret->random_ctx = ax;
}

enum facts_peer
engine_peer(const struct flow *f)
{
	return f->kind == FLOW_CLIENT    ? FACTS_CLIENT
	       : f->kind == FLOW_PARTNER ? FACTS_SERVER
					 : FACTS_INTERNAL;
}

void
engine_facts(const struct flow *f, struct facts *ret)
{
	ret->peer = engine_peer(f);
	ret->cid = f->cid;
	ret->remote = f->peer;
	ret->local = f->local;
	ret->registered = f->signed_in;
	ret->federation_port = f->federation_port;
	ret->chain = f->chain_good ? FACTS_CHAIN_GOOD : FACTS_CHAIN_NONE;
	ret->names = f->names ? f->names->v : NULL;
	ret->n_names = f->names ? f->names->n : 0;
	ret->srv = f->lookups ? f->lookups->srv : NULL;
	ret->n_srv = f->lookups ? f->lookups->n : 0;
}

static void
apply_limits(struct access *ax)
{
	const struct conf *c = engine_conf(ax);

	ax->first_message.ahead_ms = c->access.limits.first_message_ms;
	ax->sign_in.ahead_ms = c->access.limits.sign_in_ms;
	ax->header.ahead_ms = c->access.limits.header_ms;
	ax->body.ahead_ms = c->access.limits.body_ms;
	ax->from_client = SIP_LIMITS_CLIENT;
	ax->from_client.body = c->access.limits.client_body_kb * 1024;
	ax->from_server = SIP_LIMITS_CLIENT;
	ax->from_server.body = c->access.limits.server_body_kb * 1024;
	ax->txns.max = c->access.limits.transactions;
	ax->partners.n_links =
	    (c->federation.outgoing_tls_count + ax->n_workers - 1) / ax->n_workers;
	if (ax->partners.n_links > PARTNER_LINKS_MAX)
		ax->partners.n_links = PARTNER_LINKS_MAX;
}

/* The limits of discovered partners; what is held against them stays over a reload that leaves
 * these as they are. */
static int
apply_watch(struct access *ax, const struct conf *c)
{
	struct watch_limits lim = WATCH_LIMITS_DEFAULT;
	struct watch *w;

	lim.rate_per_s = c->federation.discovered_rate;
	lim.burst = 5 * lim.rate_per_s;
	lim.contacts = c->federation.discovered_contacts;
	lim.window_ms = c->federation.discovered_window_min * 60000u;
	if (ax->watch && memcmp(&lim, &ax->watch_limits, sizeof(lim)) == 0)
		return ED_OK;
	w = watch_new(&lim, &ax->hash_key);
	if (!w)
		return ED_NOMEM;
	watch_free(ax->watch);
	ax->watch = w;
	ax->watch_limits = lim;
	return ED_OK;
}

static int
apply_next_hop(struct access *ax, const struct conf *c)
{
	const char *only = c->access.next_hop.fqdn;
	const char *const *hosts =
	    c->access.next_hop.members.n ? c->access.next_hop.members.v : &only;
	uint32_t n = c->access.next_hop.members.n ? c->access.next_hop.members.n : 1;

	return nexthop_configure(&ax->nexthop, hosts, n, c->access.next_hop.port,
	    c->access.next_hop.links, c->access.next_hop.probe_interval_ms, ax->now_ms);
}

static struct access *
give_up(struct access *ax, const char *why, const char **ret_why)
{
	*ret_why = why;
	access_free(ax);
	return NULL;
}

struct access *
access_new(const struct access_params *p, const char **ret_why)
{
	struct access *ax = calloc(1, sizeof(*ax));

	if (!ax) {
		*ret_why = "no memory";
		return NULL;
	}
	ax->ops = p->ops;
	ax->net = p->net;
	ax->view = p->view;
	ax->ring = p->ring;
	ax->slot = p->slot;
	list_init(&ax->inside);
	list_init(&ax->siblings);
	list_init(&ax->partner_flows);
	/* Half is left to the requests of the inside that wait for a link. */
	park_queue_init(&ax->waiting, PARK_REQUESTS_MAX / 2, PARK_BYTES_MAX / 2);
	ax->hash_key = p->hash_key;
	ax->n_workers = p->n_workers ? p->n_workers : 1;
	timeq_init(&ax->first_message, 0);
	timeq_init(&ax->sign_in, 0);
	timeq_init(&ax->header, 0);
	timeq_init(&ax->body, 0);
	timeq_init(&ax->nap, 0);
	limits_init(&ax->limits, &p->hash_key);
	homes_init(&ax->homes, &p->hash_key);
	nexthop_init(&ax->nexthop, &engine_nexthop_ops, ax);
	clock_read(ax);
	ax->block = malloc(ENGINE_BLOCK_LEN);
	ax->sibling_out = malloc(IPC_MSG_MAX);
	ax->lockout = lockout_new();
	if (!ax->block || !ax->sibling_out || !ax->lockout)
		return give_up(ax, "no memory", ret_why);
	arena_init(&ax->arena, ax->block, ENGINE_BLOCK_LEN, ENGINE_ARENA_CAP);
	if (flow_table_init(&ax->flows, p->slot, p->counter_base) < 0 ||
	    txn_table_init(&ax->txns, &p->hash_key, 0) < 0 || park_init(&ax->park) < 0 ||
	    partners_init(&ax->partners) < 0 || apply_watch(ax, engine_conf(ax)) < 0)
		return give_up(ax, "no memory", ret_why);
	apply_limits(ax);
	return ax;
}

int
access_start(struct access *ax, const char **ret_why)
{
	int r;

	clock_read(ax);
	r = apply_next_hop(ax, engine_conf(ax));
	if (r < 0)
		*ret_why = "access.next_hop: no usable member";
	return r;
}

void *
access_net(const struct flow *f)
{
	return f->ax->net;
}

struct access *
access_free(struct access *ax)
{
	if (!ax)
		return NULL;
	while (!list_is_empty(&ax->siblings))
		access_flow_down(LIST_OF(ax->siblings.next, struct flow, peers), "end", "");
	if (ax->txns.by_id.buckets)
		txn_table_done(&ax->txns);
	nexthop_done(&ax->nexthop);
	partners_done(ax);
	while (ax->waiting.n)
		park_free(&ax->park, LIST_OF(ax->waiting.head.next, struct parked, link));
	if (ax->park.by_key.buckets)
		park_done(&ax->park);
	watch_free(ax->watch);
	lockout_free(ax->lockout);
	trace_free(ax->trace);
	if (ax->flows.by_cid.buckets)
		flow_table_done(&ax->flows);
	if (ax->block)
		arena_done(&ax->arena);
	free(ax->block);
	free(ax->sibling_out);
	free(ax);
	return NULL;
}

int
access_set_view(struct access *ax, struct view *view)
{
	int r;

	clock_read(ax);
	r = apply_next_hop(ax, view->conf);
	if (r == ED_OK)
		r = apply_watch(ax, view->conf);
	if (r < 0)
		return r;
	ax->view = view;
	apply_limits(ax);
	return ED_OK;
}

const struct view *
access_view(const struct access *ax)
{
	return ax->view;
}

/* ---- connections ---- */

struct flow *
access_flow_new(struct access *ax, enum flow_kind kind, void *conn, const struct addr *peer,
    const struct addr *local, bool federation_port)
{
	struct flow *f = flow_new(kind);

	if (!f)
		return NULL;
	f->ax = ax;
	f->conn = conn;
	f->peer = *peer;
	f->local = *local;
	f->federation_port = federation_port;
	return f;
}

/* CERT-INT-04: inside, a certificate without any dNSName counts by its CN. */
static bool
is_trusted(const struct access *ax, const struct tls_facts *t)
{
	for (uint16_t i = 0; i < t->n_names; i++)
		if (names_is_trusted(ax->view->names, t->names[i]))
			return true;
	return !t->has_san && t->cn.n && names_is_trusted(ax->view->names, t->cn);
}

static int
take_names(struct flow *f, const struct tls_facts *t)
{
	bool by_cn = flow_is_inside(f) || engine_conf(f->ax)->federation.accept_common_name;

	if (t->n_names == 0 && !t->has_san && t->cn.n && by_cn)
		return flow_set_names(f, &t->cn, 1);
	return flow_set_names(f, t->names, t->n_names);
}

static void
watch_setup(struct flow *f)
{
	struct access *ax = f->ax;

	if (flow_is_external(f) && !f->by_us)
		timeq_set(&ax->first_message, &f->setup, ax->now_ms);
	f->idle_ms =
	    f->kind == FLOW_CLIENT ? keepalive_idle_s(ax->view) * 1000 : ENGINE_IDLE_SERVER_MS;
	ax->ops->set_idle(ax->net, f, f->idle_ms);
}

/* For edgectl; without memory it shows less. */
static void
keep_cert(struct flow *f, const struct tls_facts *t)
{
	f->cert = calloc(1, sizeof(*f->cert));
	if (!f->cert)
		return;
	f->cert->not_after = t->not_after;
	snprintf(f->cert->serial, sizeof(f->cert->serial), STR_FMT, STR_ARG(t->serial));
	snprintf(f->cert->issuer, sizeof(f->cert->issuer), STR_FMT, STR_ARG(t->issuer));
	snprintf(f->cert->version, sizeof(f->cert->version), "%s", t->version ? t->version : "");
}

int
access_flow_up(struct flow *f, const struct tls_facts *facts)
{
	struct access *ax = f->ax;
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];
	int r;

	clock_read(ax);
	if (f->kind == FLOW_CLIENT && facts->has_cert)
		f->kind = FLOW_PARTNER;
	if (f->kind == FLOW_INSIDE && !is_trusted(ax, facts)) {
		count(CNT_REFUSED_NAME);
		log_warning(AREA_SIP, "ACC-2002", "inside_name_not_trusted",
		    "peer=%s name=%s hint=\"internal.trusted_servers\"", addr_str(&f->peer, a),
		    log_quote(facts->n_names ? facts->names[0] : facts->cn, q));
		return ED_DENIED;
	}
	if (f->kind != FLOW_CLIENT) {
		r = take_names(f, facts);
		if (r < 0)
			return r;
	}
	flow_admit(&ax->flows, f);
	f->was_up = true;
	f->born_ms = f->last_in_ms = ax->now_ms;
	f->tokens = (uint16_t)engine_conf(ax)->access.limits.unsigned_requests_per_s;
	if (f->kind == FLOW_INSIDE)
		list_push_back(&ax->inside, &f->peers);
	if (f->kind == FLOW_PARTNER) {
		f->chain_good = facts->verified;
		list_push_back(&ax->partner_flows, &f->peers);
		keep_cert(f, facts);
	}
	if (flow_is_external(f) && !f->by_us)
		ax->n_clients++;
	count(CNT_CONNS_CLIENT + (enum access_counter)f->kind);
	watch_setup(f);
	log_info(AREA_SIP, "ACC-2001", "connected", "flow=%llx peer=%s tls=%s sni=%s",
	    (unsigned long long)f->cid, addr_str(&f->peer, a), facts->version,
	    log_quote(facts->sni, q));
	if (f->kind == FLOW_LINK) {
		nexthop_link_up(f->link, ax->now_ms);
		engine_wake_held(ax);
	}
	if (f->plink) {
		partner_link_up(f);
		partners_flush(ax);
	}
	return ED_OK;
}

static enum access_counter
end_counter(const char *why)
{
	if (strcmp(why, "idle") == 0)
		return CNT_DEADLINE_IDLE;
	if (strcmp(why, "output_full") == 0)
		return CNT_OUTPUT_FULL;
	return CNT__N;
}

static void
flow_forget(struct flow *f)
{
	struct access *ax = f->ax;

	if (f->signed_in) {
		ax->n_signed_in--;
		count_down(CNT_SIGNED_IN);
	}
	if (f->held_since_ms)
		ax->n_held--;
	if (f->napping)
		count_down(CNT_CONNS_SLOWED);
	if (f->cid)
		count_down(CNT_CONNS_CLIENT + (enum access_counter)f->kind);
	if (f->kind == FLOW_SIBLING)
		ax->n_siblings--;
	if (f->cid && flow_is_external(f) && !f->by_us)
		ax->n_clients--;
	flow_free(&ax->flows, f);
}

void
access_flow_down(struct flow *f, const char *why, const char *detail)
{
	struct access *ax = f->ax;
	struct nexthop_link *link = f->link;
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];

	clock_read(ax);
	f->closing = true;
	if (end_counter(why) != CNT__N)
		count(end_counter(why));
	if (f->cid && f->kind != FLOW_SIBLING)
		log_info(AREA_SIP, "ACC-2001", "closed",
		    "flow=%llx peer=%s why=%s detail=%s signed_in=%d", (unsigned long long)f->cid,
		    addr_str(&f->peer, a), why, log_quote(str_of(detail), q), f->signed_in);
	if (link) {
		count(CNT_LINK_DEATHS);
		nexthop_link_down(link, ax->now_ms, detail && detail[0] ? detail : why);
		f->link = NULL;
	}
	if (f->plink)
		partner_link_down(f, why, detail);
	response_flow_lost(f);
	if (f->kind == FLOW_INSIDE || f->kind == FLOW_LINK)
		egress_tell_gone(f);
	flow_forget(f);
	if (link) { /* what waited for it is refused now, or waits for the next attempt */
		nexthop_tick(&ax->nexthop, ax->now_ms);
		engine_wake_held(ax);
	}
	partners_flush(ax);
}

void
engine_close(struct flow *f, enum access_end why)
{
	if (f->closing || f->kind == FLOW_SIBLING)
		return;
	f->closing = true;
	timeq_cancel(&f->setup);
	timeq_cancel(&f->partial);
	f->ax->ops->close(f->ax->net, f, why);
}

void
engine_nap(struct flow *f, uint32_t ms)
{
	struct access *ax = f->ax;

	if (f->kind == FLOW_SIBLING)
		return;
	timeq_set_at(&ax->nap, &f->nap, ax->now_ms + ms);
	if (f->napping)
		return;
	f->napping = true;
	count(CNT_CONNS_SLOWED);
	ax->ops->pause(ax->net, f, true);
}

static void
wake(struct flow *f)
{
	timeq_cancel(&f->nap);
	if (f->napping)
		count_down(CNT_CONNS_SLOWED);
	f->napping = false;
	if (!f->closing)
		f->ax->ops->pause(f->ax->net, f, false);
}

/* Held connections sleep in short naps, so all whose nap is set look again. */
void
engine_wake_held(struct access *ax)
{
	if (ax->n_held == 0)
		return;
	LIST_EACH_SAFE(it, &ax->nap.head)
	{
		struct flow *f = LIST_OF(LIST_OF(it, struct timeq_node, link), struct flow, nap);

		if (f->held_since_ms)
			wake(f);
	}
}

/* ---- names and siblings ---- */

void
access_resolved(
    struct access *ax, uint32_t source, const struct addr *addrs, uint8_t n, uint32_t ttl_s)
{
	clock_read(ax);
	nexthop_resolved(&ax->nexthop, source, addrs, n, ttl_s, ax->now_ms);
}

void
access_drain(struct access *ax)
{
	ax->draining = true;
}

bool
access_is_draining(const struct access *ax)
{
	return ax->draining;
}

/* ---- time ---- */

static void
deadlines(struct access *ax)
{
	struct timeq_node *n;

	while ((n = timeq_due(&ax->first_message, ax->now_ms)))
		ingress_deadline(
		    LIST_OF(n, struct flow, setup), CNT_DEADLINE_FIRST, "first_message");
	while ((n = timeq_due(&ax->sign_in, ax->now_ms)))
		ingress_deadline(LIST_OF(n, struct flow, setup), CNT_DEADLINE_SIGN_IN, "sign_in");
	while ((n = timeq_due(&ax->header, ax->now_ms)))
		ingress_deadline(LIST_OF(n, struct flow, partial), CNT_DEADLINE_HEADER, "header");
	while ((n = timeq_due(&ax->body, ax->now_ms)))
		ingress_deadline(LIST_OF(n, struct flow, partial), CNT_DEADLINE_BODY, "body");
	while ((n = timeq_due(&ax->nap, ax->now_ms)))
		wake(LIST_OF(n, struct flow, nap));
}

void
access_tick(struct access *ax)
{
	clock_read(ax);
	nexthop_tick(&ax->nexthop, ax->now_ms);
	deadlines(ax);
	response_timers(ax);
	federate_tick(ax);
	partners_tick(ax);
	if (ax->trace && trace_is_forgotten(ax->trace, ax->now_ms)) {
		log_notice(AREA_SIP, "", "trace_forgotten", "slot=%u", ax->slot);
		ax->trace = trace_free(ax->trace);
	}
}

/* ---- for control and tests ---- */

void
access_get_state(const struct access *ax, struct access_state *ret)
{
	*ret = (struct access_state){
	    .flows = (uint32_t)ax->flows.by_cid.n,
	    .clients = ax->n_clients,
	    .transactions = ax->txns.n,
	    .held = ax->n_held,
	    .signed_in = ax->n_signed_in,
	    .parked = ax->park.n,
	};
}

struct flow *
access_flow_find(const struct access *ax, uint64_t cid)
{
	return flow_find(&ax->flows, cid);
}

void
access_each_flow(struct access *ax, void (*each)(const struct flow *f, void *arg), void *arg)
{
	for (size_t i = 0; i < ax->flows.by_cid.n_buckets; i++)
		for (struct hash_node *n = ax->flows.by_cid.buckets[i]; n; n = n->next)
			each(LIST_OF(n, struct flow, node), arg);
}

const struct nexthop *
access_nexthop(const struct access *ax)
{
	return &ax->nexthop;
}

/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/token.h"
#include "base/mac.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "net/tls.h"

#define START_MS 1000000u
#define START_S  1767225600u /* 2026-01-01 */

void
world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

/* ---- acts of the core ---- */

static struct peer *
peer_of(const struct flow *f)
{
	return f->conn;
}

static char *
op_reserve(void *net, struct flow *f, size_t n)
{
	struct peer *p = peer_of(f);
	struct node *node = net;
	size_t most = p->external ? node->w->conf->access.limits.output_bytes : 1024 * 1024;

	if (p->closing)
		return NULL;
	if (p->deaf && p->pending > 0 && p->pending + n > most) {
		p->closing = true;
		snprintf(p->end, sizeof(p->end), "output_full");
		return NULL;
	}
	p->tx.n = 0;
	buf_add(&p->tx, "", 0);
	if (p->tx.room < n + 1) {
		free(p->tx.p);
		p->tx.room = n + 1;
		p->tx.p = malloc(p->tx.room);
	}
	return p->tx.p;
}

static void
op_commit(void *net, struct flow *f, size_t n)
{
	struct peer *p = peer_of(f);

	if (p->deaf)
		p->pending += n;
	buf_add(&p->rx, p->tx.p, n);
}

static void
op_close(void *net, struct flow *f, enum access_end why)
{
	static const char *const names[] = {"done", "refused", "broken", "deadline", "silent"};
	struct peer *p = peer_of(f);

	p->closing = true;
	p->why = why;
	snprintf(p->end, sizeof(p->end), "%s", names[why]);
}

static void
op_pause(void *net, struct flow *f, bool pause)
{
	peer_of(f)->paused = pause;
}

static size_t
op_pending(void *net, const struct flow *f)
{
	return peer_of(f)->pending;
}

static void
op_set_idle(void *net, struct flow *f, uint32_t idle_ms)
{
	peer_of(f)->idle_ms = idle_ms;
}

static struct peer *
peer_new(struct world *w, const char *name, bool external, struct node *node)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p || w->n_peers == WORLD_PEERS_MAX)
		abort();
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->external = external;
	p->node = node;
	p->opened_ms = w->now_ms;
	w->peers[w->n_peers++] = p;
	return p;
}

static int
op_open(void *net, struct flow *f, const struct addr *addr, const char *host)
{
	struct node *node = net;
	struct world *w = node->w;
	char name[24];
	struct peer *p;

	snprintf(name, sizeof(name), "%c%u", node->slot ? 'M' : 'L', ++w->n_links);
	p = peer_new(w, name, false, node);
	p->by_us = true;
	p->f = f;
	p->addr = *addr;
	snprintf(p->host, sizeof(p->host), "%s", host);
	f->conn = p;
	return ED_OK;
}

static int
op_resolve(void *net, const char *host, uint32_t source)
{
	struct node *node = net;
	struct world *w = node->w;

	for (unsigned i = 0; i < w->n_dns; i++)
		if (strcmp(w->dns[i].name, host) == 0) {
			access_resolved(
			    node->ax, source, w->dns[i].addrs, (uint8_t)w->dns[i].n, 30);
			return ED_OK;
		}
	access_resolved(node->ax, source, NULL, 0, 0);
	return ED_OK;
}

static int
op_open_partner(void *net, struct flow *f, const struct addr *addr, const char *host)
{
	struct node *node = net;
	char name[24];
	struct peer *p;

	snprintf(name, sizeof(name), "P%u", ++node->w->n_partner_links);
	p = peer_new(node->w, name, true, node);
	p->by_us = true;
	p->f = f;
	p->addr = *addr;
	snprintf(p->host, sizeof(p->host), "%s", host);
	f->conn = p;
	return ED_OK;
}

/* "dns NAME = later": the question waits for "dns NAME = ..." that answers it. */
static int
ask_dns(struct node *node, const char *name, bool srv)
{
	struct world *w = node->w;
	struct world_question *q = &w->questions[w->n_questions];

	if (w->n_questions == WORLD_QUESTIONS_MAX)
		return ED_LIMIT;
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->srv = srv;
	q->node = node;
	w->n_questions++;
	world_answer_dns(w);
	return ED_OK;
}

static int
op_srv(void *net, const char *domain, bool for_outsider)
{
	return ask_dns(net, domain, true);
}

static int
op_host(void *net, const char *host)
{
	return ask_dns(net, host, false);
}

static int
op_to_sibling(void *net, unsigned slot, struct str bytes)
{
	struct node *node = net;
	struct world *w = node->w;
	uint32_t n = (uint32_t)bytes.n;

	if (slot >= w->n_nodes)
		return ED_GONE;
	buf_add(&w->nodes[slot].mail, (char *)&n, sizeof(n));
	buf_add(&w->nodes[slot].mail, bytes.p, bytes.n);
	return ED_OK;
}

static void
op_random(void *net, void *out, size_t n)
{
	struct node *node = net;
	unsigned char *at = out;

	while (n--) { /* xorshift: the same run every time */
		uint64_t *x = &node->w->random;

		*x ^= *x << 13;
		*x ^= *x >> 7;
		*x ^= *x << 17;
		*at++ = (unsigned char)(*x >> 24);
	}
}

static uint64_t
op_now_ms(void *net)
{
	struct node *node = net;

	return node->w->now_ms;
}

static uint64_t
op_clock_s(void *net)
{
	struct node *node = net;

	return START_S + (node->w->now_ms - START_MS) / 1000;
}

static uint64_t
op_spent_us(void *net)
{
	return 0;
}

static const struct access_ops ops = {
    .reserve = op_reserve,
    .commit = op_commit,
    .close = op_close,
    .pause = op_pause,
    .pending = op_pending,
    .set_idle = op_set_idle,
    .open = op_open,
    .resolve = op_resolve,
    .open_partner = op_open_partner,
    .srv = op_srv,
    .host = op_host,
    .to_sibling = op_to_sibling,
    .random = op_random,
    .now_ms = op_now_ms,
    .clock_s = op_clock_s,
    .spent_us = op_spent_us,
};

static const struct world_dns *
dns_find(const struct world *w, const char *name)
{
	for (unsigned i = w->n_dns; i-- > 0;) /* the last one said holds */
		if (strcmp(w->dns[i].name, name) == 0)
			return &w->dns[i];
	return NULL;
}

static void
answer_srv(struct node *node, const char *domain, const struct world_dns *d)
{
	struct access_srv a = {.err = d ? ED_OK : ED_GONE, .ttl_s = 300};

	for (unsigned i = 0; d && i < d->n_targets; i++) {
		a.v[a.n].host = str_of(d->targets[i]);
		a.v[a.n++].port = 5061;
	}
	if (d && d->fails)
		a.err = ED_SYS;
	access_srv_answer(node->ax, domain, &a);
}

void
world_answer_dns(struct world *w)
{
	for (unsigned i = 0; i < w->n_questions;) {
		struct world_question q = w->questions[i];
		char key[300];
		const struct world_dns *d;

		snprintf(key, sizeof(key), "%s%s", q.srv ? "_sipfederationtls._tcp." : "", q.name);
		d = dns_find(w, key);
		if (d && d->later) {
			i++;
			continue;
		}
		memmove(&w->questions[i], &w->questions[i + 1],
		    (--w->n_questions - i) * sizeof(w->questions[0]));
		if (q.srv)
			answer_srv(q.node, q.name, d);
		else
			access_host_answer(q.node->ax, q.name, d && d->n ? ED_OK : ED_GONE,
			    d ? d->addrs : NULL, d ? (uint8_t)d->n : 0);
		i = 0; /* an answer may have led to questions */
	}
}

/* ---- configuration ---- */

bool
world_conf(struct world *w, const char *key, const char *value)
{
	const struct conf_opt *o = conf_opt_find(str_of(key));
	struct conf_opt with;

	if (!o || o->type == CONF_ROWS) {
		world_fail(w, "conf: no such key: %s", key);
		return false;
	}
	with = *o; /* the reader of defaults is also a reader of values */
	with.def = arena_str(&w->conf->arena, (struct str){value, strlen(value) + 1}).p;
	return conf_opt_default(&with, &w->conf->arena, w->conf) == ED_OK;
}

static void
base_conf(struct world *w)
{
	static const char *const rows[][2] = {
	    {"edge.fqdn", "edge.int.contoso.com"},
	    {"edge.sip_domains", "contoso.com"},
	    {"edge.lab", "true"},
	    {"external.access.address", "203.0.113.10"},
	    {"external.access.fqdn", "sip.contoso.com"},
	    {"internal.address", "10.30.0.5"},
	    {"internal.networks", "10.0.0.0/8"},
	    {"internal.domains", "int.contoso.com"},
	    {"internal.trusted_servers", "fe01.int.contoso.com,fe02.int.contoso.com"},
	    {"access.next_hop.fqdn", "pool01.int.contoso.com"},
	    {"access.next_hop.members", "10.20.0.11:5061"},
	    {"access.next_hop.links", "1"},
	    {"access.next_hop.probe_interval_ms", "3600000"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		world_conf(w, rows[i][0], rows[i][1]);
}

static void
fill_ring(struct token_ring *ring)
{
	uint32_t first;
	uint8_t n = token_ring_days(START_S, &first);

	for (uint32_t day = first; day < first + n; day++) {
		uint8_t sign[TOKEN_KEY_LEN], seal[TOKEN_KEY_LEN];

		memset(sign, (int)(day & 0xff), sizeof(sign));
		memset(seal, (int)(day & 0xff) ^ 0x5a, sizeof(seal));
		if (token_ring_set(ring, day, sign, seal) < 0)
			abort();
	}
}

void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->now_ms = START_MS;
	w->random = 88172645463325252u;
	w->conf = conf_new();
	w->ring = token_ring_new();
	if (!w->conf || !w->ring || mac_setup() < 0)
		abort();
	fill_ring(w->ring);
	base_conf(w);
}

static struct hash_key hash_key = {{1, 2}};

bool
world_start(struct world *w, unsigned n_nodes)
{
	const char *why = "";

	if (view_new(w->conf, &hash_key, &w->view) < 0) {
		world_fail(w, "view_new");
		return false;
	}
	w->n_nodes = n_nodes;
	for (unsigned i = 0; i < n_nodes; i++) {
		struct access_params p = {.ops = &ops,
		    .net = &w->nodes[i],
		    .slot = i,
		    .counter_base = 0x2a + i * 0x1000,
		    .hash_key = hash_key,
		    .view = w->view,
		    .ring = w->ring};

		w->nodes[i].w = w;
		w->nodes[i].slot = i;
		w->nodes[i].ax = access_new(&p, &why);
		if (!w->nodes[i].ax || access_start(w->nodes[i].ax, &why) < 0) {
			world_fail(w, "access_new: %s", why);
			return false;
		}
	}
	world_settle(w);
	return true;
}

void
world_reload(struct world *w)
{
	struct view *old = w->view;

	if (view_new(w->conf, &hash_key, &w->view) < 0)
		abort();
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (access_set_view(w->nodes[i].ax, w->view) < 0)
			world_fail(w, "reload refused");
	view_free(old);
	world_settle(w);
}

static void
peer_free(struct peer *p)
{
	buf_free(&p->tx);
	buf_free(&p->rx);
	buf_free(&p->in);
	buf_free(&p->sent);
	text_free(p->last);
	for (unsigned i = 0; i < 16; i++)
		text_free(p->request[i]);
	free(p);
}

void
world_done(struct world *w)
{
	for (unsigned i = 0; i < w->n_peers; i++) {
		if (w->peers[i]->f)
			access_flow_down(w->peers[i]->f, "end", "");
		w->peers[i]->f = NULL;
	}
	for (unsigned i = 0; i < w->n_nodes; i++) {
		access_free(w->nodes[i].ax);
		buf_free(&w->nodes[i].mail);
	}
	for (unsigned i = 0; i < w->n_peers; i++)
		peer_free(w->peers[i]);
	for (unsigned i = 0; i < w->n_vars; i++)
		free(w->vars[i].value);
	view_free(w->view);
	token_ring_free(w->ring);
	conf_free(w->conf);
	buf_free(&w->log);
}

/* ---- what happens by itself ---- */

static void
facts_fill(struct tls_facts *t, char *names)
{
	char *save = NULL;

	memset(t, 0, sizeof(*t));
	t->version = "TLSv1.3";
	t->cipher = "made-up";
	for (char *n = strtok_r(names, ",", &save); n; n = strtok_r(NULL, ",", &save)) {
		t->has_cert = t->verified = t->has_san = true;
		t->names[t->n_names++] = str_of(n);
	}
}

static bool
bring_up(struct peer *p)
{
	char names[512];
	struct tls_facts t;

	snprintf(names, sizeof(names), "%s", p->cert);
	facts_fill(&t, names);
	p->up = true;
	if (access_flow_up(p->f, &t) == ED_OK)
		return true;
	p->closing = true;
	snprintf(p->end, sizeof(p->end), "refused");
	return true;
}

static bool
link_step(struct world *w, struct peer *p)
{
	enum host_mood mood = HOST_UP;
	const char *cert = "fe01.int.contoso.com";

	for (unsigned i = 0; i < w->n_hosts; i++)
		if (addr_eq(&w->hosts[i].addr, &p->addr)) {
			mood = w->hosts[i].mood;
			cert = w->hosts[i].cert;
		}
	if (mood == HOST_UP && p->external && !strstr(cert, p->host)) {
		p->closing = true; /* net/tls checks the name before on_up */
		snprintf(p->end, sizeof(p->end), "tls_failed");
		snprintf(p->detail, sizeof(p->detail), "wrong name: expected %.100s", p->host);
		return true;
	}
	if (mood == HOST_UP) {
		snprintf(p->cert, sizeof(p->cert), "%s", cert);
		if (p->external && addr_parse(&p->f->local, STR("203.0.113.10:49320")) < 0)
			abort();
		if (!p->external && addr_parse(&p->f->local, STR("10.30.0.5:49310")) < 0)
			abort();
		return bring_up(p);
	}
	if (mood == HOST_REFUSED || w->now_ms - p->opened_ms >= 1500) {
		p->closing = true;
		snprintf(p->end, sizeof(p->end), "%s",
		    mood == HOST_REFUSED ? "connect_failed" : "connect_timeout");
		return true;
	}
	return false;
}

static bool
show_input(struct peer *p)
{
	ptrdiff_t used;

	if (p->paused || p->in.n == 0 || !p->up)
		return false;
	used = access_flow_bytes(p->f, (struct str){p->in.p, p->in.n});
	if (used < 0) {
		p->closing = true;
		snprintf(p->end, sizeof(p->end), "%s", ed_err_name((int)used));
		return true;
	}
	memmove(p->in.p, p->in.p + used, p->in.n - (size_t)used);
	p->in.n -= (size_t)used;
	return used > 0;
}

static bool
peer_step(struct world *w, struct peer *p)
{
	if (!p->f)
		return false;
	if (p->closing) {
		struct flow *f = p->f;

		p->f = NULL;
		access_flow_down(f, p->end, p->detail);
		return true;
	}
	if (!p->up)
		return p->by_us ? link_step(w, p) : bring_up(p);
	return show_input(p);
}

static bool
mail_step(struct node *node)
{
	unsigned other = 1 - node->slot;
	uint32_t n;

	if (node->mail.n == 0)
		return false;
	memcpy(&n, node->mail.p, sizeof(n));
	access_sibling_message(node->ax, other, (struct str){node->mail.p + sizeof(n), n});
	memmove(node->mail.p, node->mail.p + sizeof(n) + n, node->mail.n - sizeof(n) - n);
	node->mail.n -= sizeof(n) + n;
	return true;
}

void
world_settle(struct world *w)
{
	for (bool moved = true; moved;) {
		moved = false;
		for (unsigned i = 0; i < w->n_peers; i++)
			moved |= peer_step(w, w->peers[i]);
		for (unsigned i = 0; i < w->n_nodes; i++)
			moved |= mail_step(&w->nodes[i]);
	}
}

void
world_advance(struct world *w, uint64_t to_ms)
{
	while (w->now_ms < to_ms) {
		uint64_t step = to_ms - w->now_ms;

		w->now_ms += step < ACCESS_TICK_MS ? step : ACCESS_TICK_MS;
		for (unsigned i = 0; i < w->n_nodes; i++)
			access_tick(w->nodes[i].ax);
		world_settle(w);
	}
}

/* ---- what the script does ---- */

struct peer *
world_find(struct world *w, const char *name)
{
	for (unsigned i = w->n_peers; i-- > 0;)
		if (strcmp(w->peers[i]->name, name) == 0)
			return w->peers[i];
	return NULL;
}

struct peer *
world_open(struct world *w, const char *name, bool external, unsigned node, const struct addr *from,
    const char *cert, bool federation)
{
	struct peer *p = peer_new(w, name, external, &w->nodes[node]);
	struct addr local;

	if (addr_parse(&local, external ? STR("203.0.113.10:443") : STR("10.30.0.5:5061")) < 0)
		abort();
	p->addr = *from;
	snprintf(p->cert, sizeof(p->cert), "%s", cert);
	p->f = access_flow_new(
	    w->nodes[node].ax, external ? FLOW_CLIENT : FLOW_INSIDE, p, from, &local, federation);
	return p;
}

void
world_send(struct peer *p, const char *bytes, size_t n)
{
	const char *body = memmem(bytes, n, "\r\n\r\n", 4);

	buf_add(&p->sent, bytes, body ? (size_t)(body - bytes) + 2 : n);
	buf_add(&p->in, bytes, n);
}

void
world_close(struct peer *p, const char *why)
{
	p->closing = true;
	snprintf(p->end, sizeof(p->end), "%s", why);
}

struct text_msg *
world_get(struct peer *p)
{
	long n = p->rx.n ? text_frame(p->rx.p, p->rx.n) : 0;
	struct text_msg *m;

	if (n <= 0)
		return NULL;
	m = text_parse(p->rx.p, (size_t)n);
	memmove(p->rx.p, p->rx.p + n, p->rx.n - (size_t)n);
	p->rx.n -= (size_t)n;
	if (!m)
		return NULL;
	text_free(p->last);
	p->last = text_parse(m->raw, m->n);
	if (m->is_request) {
		text_free(p->request[15]);
		memmove(&p->request[1], &p->request[0], 15 * sizeof(p->request[0]));
		p->request[0] = text_parse(m->raw, m->n);
	}
	return m;
}

void
world_set(struct world *w, const char *name, const char *value)
{
	unsigned i;

	for (i = 0; i < w->n_vars; i++)
		if (strcmp(w->vars[i].name, name) == 0)
			break;
	if (i == WORLD_VARS_MAX)
		abort();
	if (i == w->n_vars) {
		w->n_vars++;
		snprintf(w->vars[i].name, sizeof(w->vars[i].name), "%s", name);
	} else {
		free(w->vars[i].value);
	}
	w->vars[i].value = strdup(value);
}

const char *
world_var(const struct world *w, const char *name)
{
	for (unsigned i = 0; i < w->n_vars; i++)
		if (strcmp(w->vars[i].name, name) == 0)
			return w->vars[i].value;
	return NULL;
}

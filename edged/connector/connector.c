/* SPDX-License-Identifier: MIT */
#include "connector/connector.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/digest.h"
#include "base/mac.h"
#include "base/wipe.h"
#include "conf/conf.h"
#include "connector/control.h"
#include "connector/edge.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "proto/psom/line.h"
#include "proto/psom/ticket.h"

#define FILE_MAX (1u << 20)

uint64_t
connector_wall_s(void)
{
	return (uint64_t)time(NULL);
}

/* A whole file; p NULL when it cannot be read. The caller frees. */
static struct str
file_read(const char *path)
{
	FILE *f = path && *path ? fopen(path, "re") : NULL;
	char *p = f ? malloc(FILE_MAX) : NULL;
	size_t n = p ? fread(p, 1, FILE_MAX, f) : 0;
	bool bad = !p || n == FILE_MAX || ferror(f);

	if (f)
		fclose(f);
	if (bad) {
		free(p);
		return STR_NONE;
	}
	return (struct str){p, n};
}

static void
file_free(struct str *s, bool secret)
{
	char *p = (char *)(uintptr_t)s->p;

	if (p && secret)
		wipe(p, s->n);
	free(p);
	*s = STR_NONE;
}

struct material { /* what TLS contexts are made of; lives for one load */
	struct str chain, key, edge_trust, server_trust;
};

static void
material_done(struct material *m)
{
	file_free(&m->chain, false);
	file_free(&m->key, true);
	file_free(&m->edge_trust, false);
	file_free(&m->server_trust, false);
}

static int
material_load(struct material *m, const struct conf *conf, const char **ret_why)
{
	const char *server_trust = conf->connector.server_trust;

	*m = (struct material){0};
	m->chain = file_read(conf->connector.certificate.chain);
	m->key = file_read(conf->connector.certificate.key);
	m->edge_trust = file_read(conf->connector.edge_trust);
	m->server_trust =
	    file_read(server_trust && *server_trust ? server_trust : conf->connector.edge_trust);
	*ret_why = !m->chain.p          ? "connector.certificate.chain cannot be read"
		   : !m->key.p          ? "connector.certificate.key cannot be read"
		   : !m->edge_trust.p   ? "connector.edge_trust cannot be read"
		   : !m->server_trust.p ? "connector.server_trust cannot be read"
					: NULL;
	return *ret_why ? ED_SYS : ED_OK;
}

static int
context(struct material *m, struct str trust, struct str expect, struct str alpn,
    struct tls_ctx **ret, const char **ret_why)
{
	struct tls_identity id = {.chain_pem = m->chain, .key_pem = m->key};
	struct tls_client_conf cc = {.id = &id,
	    .trust_pem = trust,
	    .expect = &expect,
	    .n_expect = 1,
	    .cn_fallback = true,
	    .alpn = alpn};
	struct ed_fault fault = {.what = "TLS context"};
	int r = tls_client_new(&cc, ret, &fault);

	if (r < 0)
		*ret_why = fault.what;
	return r;
}

int
connector_reload(struct connector *k, const char **ret_why)
{
	struct tls_ctx **made = calloc(k->n_edges + k->n_servers + 1u, sizeof(struct tls_ctx *));
	struct material m = {0};
	uint32_t n = 0;
	int r = made ? material_load(&m, k->conf, ret_why) : ED_NOMEM;

	for (uint32_t i = 0; i < k->n_edges && r == ED_OK; i++)
		r = context(&m, m.edge_trust, edge_host(k->edges[i]), STR(CONNECTOR_ALPN),
		    &made[n++], ret_why);
	for (uint32_t i = 0; i < k->n_servers && r == ED_OK; i++) {
		const char *fqdn = k->conf->connector.servers[i].fqdn;

		r = context(&m, m.server_trust, fqdn && *fqdn ? str_of(fqdn) : k->servers[i].host,
		    STR_NONE, &made[n++], ret_why);
	}
	for (uint32_t i = 0; r == ED_OK && i < k->n_edges; i++) {
		edge_set_tls(k->edges[i], made[i]);
		made[i] = NULL;
	}
	for (uint32_t i = 0; r == ED_OK && i < k->n_servers; i++) {
		tls_ctx_unref(k->servers[i].tls);
		k->servers[i].tls = made[k->n_edges + i];
		made[k->n_edges + i] = NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		tls_ctx_unref(made[i]);
	material_done(&m);
	free(made);
	return r;
}

static int
read_servers(struct connector *k, const char **ret_why)
{
	const struct conf *c = k->conf;
	char line[PSOM_LINE_MAX];
	struct psom_line l;

	k->servers = calloc(c->connector.n_servers + 1u, sizeof(*k->servers));
	if (!k->servers)
		return ED_NOMEM;
	for (uint32_t i = 0; i < c->connector.n_servers; i++) {
		const struct conf_connector_server *s = &c->connector.servers[i];
		int n = snprintf(line, sizeof(line), "server %s weight=%u%s%s", s->id, s->weight,
		    s->name && *s->name ? " name=" : "", s->name ? s->name : "");

		/* What an edge would refuse is refused here. */
		if (n <= 0 || (size_t)n >= sizeof(line) || !s->host || !*s->host || s->port == 0 ||
		    psom_line_read((struct str){line, (size_t)n}, &l) < 0) {
			*ret_why =
			    "connector.servers: id, host, port, name or weight is not usable";
			return ED_MALFORMED;
		}
		k->servers[i] = (struct server){.id = str_of(s->id),
		    .host = str_of(s->host),
		    .name = str_of(s->name),
		    .port = s->port,
		    .weight = s->weight};
		k->n_servers = i + 1;
	}
	return ED_OK;
}

static int
read_edges(struct connector *k, const char **ret_why)
{
	const struct conf *c = k->conf;
	uint32_t links = c->connector.links;

	if (c->connector.edges.n == 0) {
		*ret_why = "connector.edges is empty";
		return ED_MALFORMED;
	}
	k->edges = calloc((size_t)c->connector.edges.n * links, sizeof(*k->edges));
	if (!k->edges)
		return ED_NOMEM;
	for (uint32_t i = 0; i < c->connector.edges.n * links; i++) {
		k->edges[i] = edge_new(k, c->connector.edges.v[i / links], ret_why);
		if (!k->edges[i])
			return ED_MALFORMED;
		k->n_edges = i + 1;
	}
	return ED_OK;
}

struct connector *
connector_new(struct loop *l, const struct conf *conf, const char **ret_why)
{
	struct connector *k = calloc(1, sizeof(*k));
	struct resolve_conf rc = {.servers = conf->dns.servers.n ? conf->dns.servers.v : NULL,
	    .n_servers = (uint8_t)conf->dns.servers.n};
	struct hash_key key = {{0, 0}};
	FILE *f = fopen("/dev/urandom", "re");
	bool seeded = f && fread(&key, sizeof(key), 1, f) == 1;

	if (f)
		fclose(f);
	*ret_why = "out of memory";
	if (!k || !seeded || mac_setup() < 0 || digest_setup() < 0)
		return connector_free(k);
	k->conf = conf;
	k->loop = l;
	k->seq = 1;
	k->next_id = 1;
	k->resolve = resolve_new(l, &rc);
	k->tickets = psom_tickets_new(conf->connector.tickets, &key);
	if (!k->resolve || !k->tickets || read_servers(k, ret_why) < 0 ||
	    read_edges(k, ret_why) < 0 || connector_reload(k, ret_why) < 0)
		return connector_free(k);
	*ret_why = NULL;
	k->control = control_new(k, conf->connector.control, ret_why);
	return *ret_why ? connector_free(k) : k;
}

struct connector *
connector_free(struct connector *k)
{
	if (!k)
		return NULL;
	control_free(k->control);
	for (uint32_t i = 0; i < k->n_edges; i++)
		edge_free(k->edges[i]);
	free(k->edges);
	for (uint32_t i = 0; i < k->n_servers; i++)
		tls_ctx_unref(k->servers[i].tls);
	free(k->servers);
	psom_tickets_free(k->tickets);
	resolve_free(k->resolve);
	free(k);
	return NULL;
}

void
connector_leave(struct connector *k)
{
	if (k->leaving)
		return;
	k->leaving = true;
	for (uint32_t i = 0; i < k->n_edges; i++)
		edge_leave(k->edges[i]);
}

uint32_t
connector_clients(const struct connector *k)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < k->n_edges; i++)
		n += edge_clients(k->edges[i]);
	return n;
}

void
connector_close(struct connector *k)
{
	for (uint32_t i = 0; i < k->n_edges; i++)
		edge_close(k->edges[i]);
}

bool
connector_is_over(const struct connector *k)
{
	return k->n_conns == 0 && connector_clients(k) == 0;
}

int
connector_announce(struct connector *k, const struct psom_line *l, uint64_t *ret_seq)
{
	char text[PSOM_LINE_MAX];
	int n = psom_line_write(l, text), r = ED_OK;
	bool any = false;

	if (n < 0)
		return n;
	for (uint32_t i = 0; i < k->n_edges; i++)
		any = any || edge_is_up(k->edges[i]);
	if (l->kind == PSOM_LINE_TICKET)
		r = psom_tickets_put(k->tickets, l, connector_wall_s());
	else
		(void)psom_tickets_revoke(k->tickets, l->hash);
	if (r < 0)
		return r;
	if (!any)
		return ED_STATE; /* kept, and announced when a link comes up */
	k->seq++;
	for (uint32_t i = 0; i < k->n_edges; i++)
		edge_announce(k->edges[i], (struct str){text, (size_t)n}, k->seq);
	*ret_seq = k->seq;
	return ED_OK;
}

void
connector_edges_changed(struct connector *k)
{
	if (k->control)
		control_edges_changed(k->control);
}

struct server *
connector_server(struct connector *k, struct str id)
{
	for (uint32_t i = 0; i < k->n_servers; i++)
		if (str_eq(k->servers[i].id, id))
			return &k->servers[i];
	return NULL;
}

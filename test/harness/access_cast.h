/* SPDX-License-Identifier: MIT
 *
 * harness/access_cast.h: the cast of docs/spec/access-edge.md for tests of the Access Edge's pure
 * half: edge sip.contoso.com / edge.int.contoso.com, Front End fe01.contoso.net in pool01, alice
 * behind NAT on connection 2B00, partner fabrikam.com; a view, a key ring, made-up random bytes;
 * and what every test does with a message: parse, edit, print.
 *
 * cast_begin for each message; everything handed out lives until the next one.
 */
#ifndef HARNESS_ACCESS_CAST_H
#define HARNESS_ACCESS_CAST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/facts.h"
#include "access/hide.h"
#include "access/pass.h"
#include "access/policy.h"
#include "access/token.h"
#include "access/view.h"
#include "base/mac.h"
#include "conf/conf.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"

#define CAST_NOW_S ((int64_t)1735722000) /* 2025-01-01 09:00:00 UTC */
#define CAST_CID   0x2b00u

struct cast {
	struct conf conf;
	struct view *view;
	struct token_ring *ring;
	struct arena arena;
	struct work work;
	struct facts client, internal, partner;
	uint32_t random; /* state of the made-up bytes */
	char out[262144];
	struct conf_allowed_domain allowed[4];
	struct conf_provider providers[4];
};

static inline void
cast_random(void *ctx, void *buf, size_t n)
{
	struct cast *c = ctx;
	uint8_t *p = buf;

	for (size_t i = 0; i < n; i++) {
		c->random = c->random * 1664525u + 1013904223u;
		p[i] = (uint8_t)(c->random >> 24);
	}
}

static inline void
cast_conf(struct conf *c)
{
	static const char *const domains[] = {"contoso.com", "northwind.example"};
	static const char *const networks[] = {"10.0.0.0/8", "fd00::/8"};
	static const char *const servers[] = {
	    "fe01.contoso.net", "pool01.contoso.net", "fe02.contoso.net", "registrar"};
	static const char *const inside[] = {"int.contoso.com", "contoso.net"};
	static const char *const blocked[] = {"evil.example"};

	memset(c, 0, sizeof(*c));
	c->edge.fqdn = "edge.int.contoso.com";
	c->edge.pool_fqdn = "";
	c->edge.sip_domains.v = (const char **)(uintptr_t)domains;
	c->edge.sip_domains.n = 2;
	c->external.access.address = "203.0.113.10";
	c->external.access.fqdn = "sip.contoso.com";
	c->external.access.client_port = 443;
	c->external.access.federation_port = 5061;
	c->internal.address = "10.30.0.5";
	c->internal.sip_port = 5061;
	c->internal.networks.v = (const char **)(uintptr_t)networks;
	c->internal.networks.n = 2;
	c->internal.trusted_servers.v = (const char **)(uintptr_t)servers;
	c->internal.trusted_servers.n = 4;
	c->internal.domains.v = (const char **)(uintptr_t)inside;
	c->internal.domains.n = 2;
	c->access.next_hop.fqdn = "pool01.contoso.net";
	c->access.next_hop.port = 5061;
	c->access.allow_outside_users = true;
	c->access.require_registration = true;
	c->access.hide_topology = "all";
	c->access.rr_mode = "double";
	c->access.trust_internet_user = "verified";
	c->access.limits.keep_alive_s = 300;
	c->federation.blocked.v = (const char **)(uintptr_t)blocked;
	c->federation.blocked.n = 1;
}

static inline void
cast_addr(struct addr *a, const char *text)
{
	if (addr_parse(a, str_of(text)) < 0)
		abort();
}

/* Makes the view anew after the conf was changed. */
static inline void
cast_view(struct cast *c)
{
	static const struct hash_key key = {{7, 9}};

	c->view = view_free(c->view);
	if (view_new(&c->conf, &key, &c->view) < 0)
		abort();
	c->work.view = c->view;
}

static inline void
cast_keys(struct cast *c, int64_t now_s)
{
	uint32_t first;
	uint8_t n = token_ring_days(now_s, &first), sign[32], seal[32];

	for (uint32_t d = first; d < first + n; d++) {
		memset(sign, (int)(d & 0xff), sizeof(sign));
		memset(seal, (int)(~d & 0xff), sizeof(seal));
		if (token_ring_set(c->ring, d, sign, seal) < 0)
			abort();
	}
}

static inline void
cast_init(struct cast *c)
{
	static const struct str partner_names[] = {{"sip.fabrikam.com", 16}};
	static const struct str inside_names[] = {{"fe01.contoso.net", 16}};

	memset(c, 0, sizeof(*c));
	if (mac_setup() < 0)
		abort();
	cast_conf(&c->conf);
	c->ring = token_ring_new();
	cast_keys(c, CAST_NOW_S);
	cast_view(c);
	arena_init(&c->arena, NULL, 0, 4 << 20);
	c->work = (struct work){.view = c->view,
	    .ring = c->ring,
	    .arena = &c->arena,
	    .now_s = CAST_NOW_S,
	    .random = cast_random,
	    .random_ctx = c};
	c->client = (struct facts){.peer = FACTS_CLIENT, .cid = CAST_CID, .registered = true};
	cast_addr(&c->client.remote, "198.51.100.23:51001");
	cast_addr(&c->client.local, "203.0.113.10:443");
	c->internal = (struct facts){
	    .peer = FACTS_INTERNAL, .cid = 0x500, .names = inside_names, .n_names = 1};
	cast_addr(&c->internal.remote, "10.20.0.11:5061");
	cast_addr(&c->internal.local, "10.30.0.5:49310");
	c->partner = (struct facts){.peer = FACTS_SERVER,
	    .chain = FACTS_CHAIN_GOOD,
	    .cid = 0x7700,
	    .names = partner_names,
	    .n_names = 1};
	cast_addr(&c->partner.remote, "192.0.2.40:40112");
	cast_addr(&c->partner.local, "203.0.113.10:5061");
}

static inline void
cast_done(struct cast *c)
{
	c->view = view_free(c->view);
	c->ring = token_ring_free(c->ring);
	arena_done(&c->arena);
}

static inline void
cast_begin(struct cast *c)
{
	arena_reset(&c->arena);
}

/* Parse text (with CRLF, ended by the empty line); aborts the test with a word when it cannot. */
static inline struct sip_msg *
cast_parse(struct cast *c, struct str text)
{
	struct sip_limits lim = SIP_LIMITS_CLIENT;
	struct ed_fault fault = {0};
	struct sip_msg *m = NULL;
	struct str copy = arena_str(&c->arena, text);

	if (!copy.p || sip_msg_parse(&c->arena, copy, &lim, &m, &fault) < 0) {
		fprintf(stderr, "parse: %s at %u in:\n" STR_FMT "\n", fault.what ? fault.what : "?",
		    fault.at, STR_ARG(text));
		abort();
	}
	return m;
}

/* The edited message, in c->out, ended by NUL. */
static inline struct str
cast_print(struct cast *c, struct sip_edits *e)
{
	int64_t n = sip_edits_size(e);

	if (n < 0 || (size_t)n >= sizeof(c->out))
		abort();
	sip_edits_write(e, c->out);
	c->out[n] = '\0';
	return (struct str){c->out, (size_t)n};
}

/* Lines joined by "\n" become a message with CRLF. The caller frees. */
static inline char *
cast_crlf(const char *lines)
{
	size_t n = strlen(lines), at = 0;
	char *out = malloc(2 * n + 3);

	for (size_t i = 0; i < n; i++) {
		if (lines[i] == '\n')
			out[at++] = '\r';
		out[at++] = lines[i];
	}
	out[at] = '\0';
	return out;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * connector/connector.h: the inside helper of the Web Conferencing Edge. It stands beside the
 * conferencing servers, dials every edge, announces servers and tickets, and opens one TLS
 * connection to a server for each client that an edge brings. It has no other logic and no
 * privilege.
 *
 * Parts: edge.h (one link to one edge), relay.h (one client), control.h (tickets from signalling).
 *
 * Spec: docs/spec/psom-webconf.md, "The connector".
 */
#ifndef EDGED_CONNECTOR_CONNECTOR_H
#define EDGED_CONNECTOR_CONNECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"

struct conf;
struct control;
struct edge;
struct loop;
struct psom_line;
struct psom_tickets;
struct resolve;
struct tls_ctx;

#define CONNECTOR_ALPN "h2-edged-webconf"

struct server { /* one of connector.servers */
	struct str id, host, name;
	uint16_t port;
	uint32_t weight;
	struct tls_ctx *tls; /* expects the name on its certificate */
};

struct connector {
	const struct conf *conf;
	struct loop *loop;
	struct resolve *resolve;
	struct psom_tickets *tickets;
	struct server *servers;
	uint32_t n_servers;
	struct edge **edges;
	uint32_t n_edges;
	struct control *control;
	uint64_t seq; /* of the newest line that was announced */
	uint64_t next_id;
	uint32_t n_conns; /* to edges and servers; what was written to them may still wait */
	bool leaving;
};

struct connector *connector_new(struct loop *l, const struct conf *conf, const char **ret_why);
struct connector *connector_free(struct connector *k);
/* Read certificate, key and trust again, for new connections. Keeps the old ones on failure. */
int connector_reload(struct connector *k, const char **ret_why) ED_MUST_CHECK;
/* No new clients; those under way go on. */
void connector_leave(struct connector *k);
/* Clients under way on all links. */
uint32_t connector_clients(const struct connector *k);
/* After connector_leave: ends the links, and with them the clients that are left. */
void connector_close(struct connector *k);
/* After connector_leave: no client is under way, and all that was written has gone out. */
bool connector_is_over(const struct connector *k);

/*
 * A ticket or a revocation from the signalling side. *ret_seq: the announcement is with every edge
 * when each has acknowledged that number (edge_acked). ED_GONE: too late; ED_LIMIT: table full;
 * ED_STATE: no link is up, so the handle is of no use yet.
 */
int connector_announce(
    struct connector *k, const struct psom_line *l, uint64_t *ret_seq) ED_MUST_CHECK;
/* An edge acknowledged, came or went. */
void connector_edges_changed(struct connector *k);
struct server *connector_server(struct connector *k, struct str id);
uint64_t connector_wall_s(void);

#endif

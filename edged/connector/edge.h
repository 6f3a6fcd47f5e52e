/* SPDX-License-Identifier: MIT
 *
 * connector/edge.h: one link to one edge, for ever: resolve, dial, serve, wait, again.
 *
 * The pause doubles up to 30 s and starts small again after a link was up. On a link that comes up
 * all servers and all live tickets are announced. A PING that follows an announcement tells when
 * the edge has read it.
 */
#ifndef EDGED_CONNECTOR_EDGE_H
#define EDGED_CONNECTOR_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct connector;
struct edge;
struct tls_ctx;

/* at: "host" or "host:port". */
struct edge *edge_new(struct connector *k, const char *at, const char **ret_why);
struct edge *edge_free(struct edge *e);
void edge_set_tls(struct edge *e, struct tls_ctx *tls); /* reference taken over */
/* The name that its certificate must carry. */
struct str edge_host(const struct edge *e);
bool edge_is_up(const struct edge *e);
/* Send a line (with LF) and, behind it, a PING with seq. */
void edge_announce(struct edge *e, struct str line, uint64_t seq);
/* True when the edge has read all up to seq, or is not up. */
bool edge_acked(const struct edge *e, uint64_t seq);
void edge_leave(struct edge *e);
void edge_close(struct edge *e);
uint32_t edge_clients(const struct edge *e);

#endif

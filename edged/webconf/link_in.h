/* SPDX-License-Identifier: MIT
 *
 * webconf/link_in.h: the inside of an inside link, shared by link.c (its life, the streams of
 * clients) and link_news.c (what it announces); nobody else includes it.
 */
#ifndef EDGED_WEBCONF_LINK_IN_H
#define EDGED_WEBCONF_LINK_IN_H

#include "base/addr.h"
#include "base/list.h"
#include "net/loop.h"
#include "proto/h2/h2.h"
#include "proto/psom/line.h"
#include "webconf/link.h"

#define LINK_SERVERS_MAX 64u

struct server {
	char id[PSOM_SERVER_MAX + 1], name[PSOM_NAME_MAX + 1];
	uint8_t n_id, n_name;
	uint32_t weight;
};

struct link {
	struct list link; /* webconf.links */
	struct webconf *w;
	struct conn *conn;
	struct h2 *h2;
	struct h2_stream *announcements;
	struct psom_lines lines;
	struct server *servers;
	uint32_t n_servers, n_clients;
	struct list streams; /* link_stream */
	struct timer timer;
	struct addr peer;
	char name[160]; /* of its certificate, quoted for logs (LOG_QUOTE_LEN) */
	uint64_t id, up_ms, last_ms, ping_ms, close_at_ms, queued;
	bool counted; /* in webconf.n_links */
	bool going;   /* no new streams: it said GOAWAY, or we drain */
	bool spoiled; /* its announcements broke a rule; GOAWAY is on its way */
	bool dead;
};

/* link.c: no more clients come to it; it ends with its last one. */
void link_stop(struct link *l);
/* link_news.c */
struct server *link_server_find(struct link *l, struct str id);
/* Of the announcements stream; its arg is the link. */
extern const struct h2_stream_ops link_news_ops;

#endif

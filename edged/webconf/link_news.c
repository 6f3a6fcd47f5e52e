/* SPDX-License-Identifier: MIT
 *
 * webconf/link_news.c: the announcements of a connector: servers, tickets.
 */
#include "proto/psom/ticket.h"
#include "svc/log.h"
#include "webconf/counters.h"
#include "webconf/link_in.h"
#include "webconf/room.h"

struct server *
link_server_find(struct link *l, struct str id)
{
	for (uint32_t i = 0; i < l->n_servers; i++)
		if (str_eq(id, (struct str){l->servers[i].id, l->servers[i].n_id}))
			return &l->servers[i];
	return NULL;
}

static void
line_ignored(struct link *l, enum count c, int why)
{
	count_one(c);
	log_info(AREA_WEBCONF, "WEB-6014", "line_ignored", "link=%llx why=%s",
	    (unsigned long long)l->id, ed_err_name(why));
}

static void
server_set(struct link *l, const struct psom_line *a)
{
	struct server *s = link_server_find(l, a->server);

	if (!s && l->n_servers == LINK_SERVERS_MAX) {
		line_ignored(l, COUNT_LINES_MALFORMED, ED_LIMIT);
		return;
	}
	if (!s) {
		s = &l->servers[l->n_servers++];
		memcpy(s->id, a->server.p, a->server.n);
		s->n_id = (uint8_t)a->server.n;
	}
	s->n_name = (uint8_t)a->name.n;
	if (a->name.n)
		memcpy(s->name, a->name.p, a->name.n);
	s->weight = a->weight;
	log_info(AREA_WEBCONF, "WEB-6006", "server_registered",
	    "link=%llx server=" STR_FMT " name=" STR_FMT, (unsigned long long)l->id,
	    STR_ARG(a->server), STR_ARG(a->name));
}

static void
server_gone(struct link *l, struct str id)
{
	struct server *s = link_server_find(l, id);

	if (!s)
		return;
	log_info(AREA_WEBCONF, "WEB-6007", "server_gone", "link=%llx server=" STR_FMT,
	    (unsigned long long)l->id, STR_ARG(id));
	*s = l->servers[--l->n_servers];
}

static void
ticket_put(struct link *l, const struct psom_line *a)
{
	int r = psom_tickets_put(l->w->tickets, a, webconf_wall_s());

	if (r == ED_OK)
		return;
	count_one(r == ED_GONE ? COUNT_TICKETS_LATE : COUNT_TICKETS_FULL);
	log_warning(AREA_WEBCONF, "WEB-6013", "ticket_refused",
	    "link=%llx ticket=%02x%02x%02x%02x why=%s", (unsigned long long)l->id, a->hash[0],
	    a->hash[1], a->hash[2], a->hash[3], ed_err_name(r));
}

static void
line_apply(struct link *l, struct str line)
{
	struct psom_line a;
	int r = psom_line_read(line, &a);

	if (r < 0) {
		line_ignored(
		    l, r == ED_UNSUPPORTED ? COUNT_LINES_UNKNOWN : COUNT_LINES_MALFORMED, r);
		return;
	}
	switch (a.kind) {
	case PSOM_LINE_SERVER:
		server_set(l, &a);
		break;
	case PSOM_LINE_GONE:
		server_gone(l, a.server);
		break;
	case PSOM_LINE_TICKET:
		ticket_put(l, &a);
		break;
	case PSOM_LINE_REVOKE:
		(void)psom_tickets_revoke(l->w->tickets, a.hash);
		break;
	}
}

/* Once and for all: what else came with it is not read. */
static void
news_spoiled(struct link *l)
{
	l->spoiled = l->going = true;
	count_one(COUNT_LINKS_FAULTY);
	log_warning(AREA_WEBCONF, "WEB-6012", "link_faulty",
	    "link=%llx peer=%s why=line_too_long text=\"\"", (unsigned long long)l->id, l->name);
	/* Closed by the timer, not from inside the session; the GOAWAY goes out before. */
	(void)!h2_goaway(l->h2, H2_ENHANCE_YOUR_CALM);
	l->close_at_ms = 1;
	timer_set(l->w->loop, &l->timer, loop_now_ms(l->w->loop));
}

static void
news_bytes(struct h2_stream *s, void *arg, struct str bytes)
{
	struct link *l = arg;
	struct str line;
	size_t n = bytes.n;
	int r;

	if (l->spoiled)
		return;
	while ((r = psom_lines_next(&l->lines, &bytes, &line)) == 1)
		line_apply(l, line);
	if (r < 0)
		news_spoiled(l);
	else
		h2_passed(s, n);
}

/* The connector ended its report: it has nothing more to offer. */
static void
news_end(struct h2_stream *s, void *arg)
{
	link_stop(arg);
}

static void
news_gone(struct h2_stream *s, void *arg, uint32_t code)
{
	struct link *l = arg;

	l->announcements = NULL;
	link_stop(l);
}

static void
news_answer(struct h2_stream *s, void *arg, unsigned status)
{
	if (status != 200)
		link_stop(arg);
}

const struct h2_stream_ops link_news_ops = {
    .on_answer = news_answer, .on_bytes = news_bytes, .on_end = news_end, .on_gone = news_gone};

/* SPDX-License-Identifier: MIT */
#include "connector/edge.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "connector/connector.h"
#include "connector/relay.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "proto/h2/h2.h"
#include "proto/psom/line.h"
#include "proto/psom/ticket.h"
#include "svc/log.h"

#define OUT_HIGH     (256u * 1024u)
#define OUT_LIMIT    (4u * 1024u * 1024u)
#define WINDOW       (256u * 1024u)
#define STREAMS      1001u /* 1,000 clients and the announcements */
#define RETRY_MAX_MS 30000u
#define EDGE_PORT    8057u
/* Above the rate at which an edge accepts, so that clients which abort do not cost the link. */
#define RESETS_BURST 3000u
#define RESETS_PER_S 500u

struct edge {
	struct connector *k;
	char host[256];
	uint16_t port;
	struct tls_ctx *tls;
	struct conn *conn; /* NULL between two attempts */
	struct h2 *h2;
	struct h2_stream *news;
	char *wait; /* announcements that did not go out yet */
	size_t n_wait, at_wait;
	uint64_t seq, acked;       /* newest wanted, newest acknowledged */
	uint64_t last_ms, ping_ms; /* octets came; a PING is out since */
	uint32_t n_clients, pause_ms, attempt;
	struct timer timer;
	bool resolving, dead, left;
};

static void edge_dial(struct edge *e);

static void
again_later(struct edge *e)
{
	uint32_t first = e->k->conf->connector.retry_ms;

	if (e->k->leaving)
		return;
	e->pause_ms = e->pause_ms == 0 ? first : e->pause_ms * 2;
	if (e->pause_ms > RETRY_MAX_MS)
		e->pause_ms = RETRY_MAX_MS;
	timer_set(e->k->loop, &e->timer, loop_now_ms(e->k->loop) + e->pause_ms);
}

static void
edge_kill(struct edge *e)
{
	if (e->dead || !e->conn)
		return;
	e->dead = true;
	timer_cancel(&e->timer);
	conn_close(e->conn, CONN_END_LOCAL);
}

static void
edge_judge(struct edge *e, int r)
{
	char quoted[LOG_QUOTE_LEN];

	if (r == ED_OK || e->dead)
		return;
	if (r != ED_GONE)
		log_warning(AREA_WEBCONF, "CON-9003", "edge_faulty", "edge=%s why=%s text=%s",
		    e->host, ed_err_name(r), log_quote(str_of(h2_fault(e->h2)), quoted));
	edge_kill(e);
}

static char *
out_reserve(void *arg, size_t n)
{
	struct edge *e = arg;

	return e->conn && !e->dead ? conn_reserve(e->conn, n) : NULL;
}

static void
out_commit(void *arg, size_t n)
{
	conn_commit(((struct edge *)arg)->conn, n);
}

static size_t
out_pending(void *arg)
{
	struct edge *e = arg;

	return e->conn ? conn_output_pending(e->conn) : 0;
}

/* Announcements. */

static void
ping(struct edge *e)
{
	if (!e->ping_ms)
		e->ping_ms = loop_now_ms(e->k->loop);
	edge_judge(e, h2_ping(e->h2, e->seq));
}

static void
news_flush(struct edge *e)
{
	struct str rest = {e->wait + e->at_wait, e->n_wait - e->at_wait};

	if (!e->news)
		return;
	if (rest.n)
		e->at_wait += h2_write(e->news, rest);
	if (e->at_wait < e->n_wait)
		return;
	free(e->wait);
	e->wait = NULL;
	e->n_wait = e->at_wait = 0;
	/* Frames of one connection are read in order: who answers this has read the lines. */
	if (e->acked < e->seq)
		ping(e);
}

static void
news_add(struct edge *e, struct str line)
{
	char *grown = realloc(e->wait, e->n_wait + line.n);

	if (!grown) {
		edge_kill(e);
		return;
	}
	memcpy(grown + e->n_wait, line.p, line.n);
	e->wait = grown;
	e->n_wait += line.n;
}

static void
news_line(const struct psom_line *l, void *arg)
{
	char text[PSOM_LINE_MAX];
	int n = psom_line_write(l, text);

	if (n > 0)
		news_add(arg, (struct str){text, (size_t)n});
}

/* All that there is to know, on a link that came up. */
static void
news_begin(struct edge *e)
{
	struct connector *k = e->k;

	for (uint32_t i = 0; i < k->n_servers; i++) {
		const struct server *s = &k->servers[i];
		struct psom_line l = {.kind = PSOM_LINE_SERVER,
		    .server = s->id,
		    .name = s->name,
		    .weight = s->weight};

		news_line(&l, e);
	}
	psom_tickets_each_live(k->tickets, connector_wall_s(), news_line, e);
	e->seq = k->seq;
	e->acked = 0;
}

static void
news_writable(struct h2_stream *s, void *arg)
{
	news_flush(arg);
}

static void
news_gone(struct h2_stream *s, void *arg, uint32_t code)
{
	((struct edge *)arg)->news = NULL;
}

static const struct h2_stream_ops news_ops = {.on_writable = news_writable, .on_gone = news_gone};

/* Requests of the edge. */

static void
answer(struct h2_stream *s, unsigned status)
{
	static const struct h2_stream_ops none;

	h2_stream_take(s, &none, NULL);
	if (h2_answer(s, status, false) < 0)
		h2_reset(s, H2_INTERNAL);
}

static int
hash_of(const struct h2_request *rq, uint8_t hash[PSOM_HASH_LEN])
{
	char text[PSOM_LINE_MAX];
	struct psom_line l;
	int n;

	for (unsigned i = 0; i < rq->n_heads; i++) {
		if (!str_eq(rq->heads[i].name, STR("edged-ticket")))
			continue;
		n = snprintf(text, sizeof(text), "revoke " STR_FMT, STR_ARG(rq->heads[i].value));
		if (psom_line_read((struct str){text, (size_t)n}, &l) < 0)
			return ED_MALFORMED;
		memcpy(hash, l.hash, PSOM_HASH_LEN);
		return 1;
	}
	return 0;
}

/*
 * A ticket of ours is used up here, where all edges and restarts of edges meet: the second edge
 * that brings it is refused. One that we do not know was made at that edge, which is its judge
 * alone.
 */
static bool
ticket_is_good(struct edge *e, const struct h2_request *rq)
{
	struct psom_ticket_facts f;
	uint8_t hash[PSOM_HASH_LEN];
	enum psom_ticket_verdict v;
	int r = hash_of(rq, hash);

	if (r <= 0)
		return r == 0;
	v = psom_tickets_take(e->k->tickets, hash, connector_wall_s(), &f);
	if (v == PSOM_TICKET_OK || v == PSOM_TICKET_UNKNOWN)
		return true;
	log_notice(AREA_WEBCONF, "CON-9006", "ticket_refused",
	    "edge=%s ticket=%02x%02x%02x%02x why=%s", e->host, hash[0], hash[1], hash[2], hash[3],
	    psom_ticket_verdict_name(v));
	return false;
}

static void
on_request(struct h2 *h, void *arg, struct h2_stream *s, const struct h2_request *rq)
{
	struct edge *e = arg;
	struct server *srv = connector_server(e->k, rq->authority);

	if (str_eq(rq->method, STR("GET")) && str_eq(rq->path, STR("/announcements")) && !e->news) {
		h2_stream_take(s, &news_ops, e);
		e->news = s;
		if (h2_answer(s, 200, true) == ED_OK)
			news_begin(e);
		/* Not before: one that does not trust us closes behind the handshake. */
		e->pause_ms = 0;
		/* The answer has to leave first: written when the session is done with this input.
		 */
		timer_set(e->k->loop, &e->timer, loop_now_ms(e->k->loop));
		return;
	}
	if (!str_eq(rq->method, STR("CONNECT")))
		answer(s, 405);
	else if (!srv)
		answer(s, 404);
	else if (e->k->leaving)
		answer(s, 503);
	else if (!ticket_is_good(e, rq))
		answer(s, 403);
	else
		relay_open(e->k, s, srv, &e->n_clients);
}

static void
on_ping_ack(struct h2 *h, void *arg, uint64_t token)
{
	struct edge *e = arg;

	e->ping_ms = 0;
	if (token > e->acked)
		e->acked = token;
	connector_edges_changed(e->k);
}

/* The edge drains: it will close when its last client is gone. */
static void
on_goaway(struct h2 *h, void *arg)
{
	log_info(AREA_WEBCONF, "CON-9007", "edge_goaway", "edge=%s clients=%u",
	    ((struct edge *)arg)->host, ((struct edge *)arg)->n_clients);
}

static const struct h2_ops session_ops = {on_request, on_goaway, on_ping_ack};

/* The connection. */

static void
on_up(struct conn *c, void *arg, const struct tls_facts *f)
{
	struct edge *e = arg;
	struct h2_conf hc = {.side = H2_ANSWERS,
	    .max_streams = STREAMS,
	    .window = WINDOW,
	    .out_high = OUT_HIGH,
	    .resets_burst = RESETS_BURST,
	    .resets_per_s = RESETS_PER_S};
	struct h2_out out = {out_reserve, out_commit, out_pending, e};
	char buf[ADDR_STR_LEN];

	if (!str_eq(f->alpn, STR(CONNECTOR_ALPN))) {
		log_warning(AREA_WEBCONF, "CON-9003", "edge_faulty",
		    "edge=%s why=no_alpn text=\"\"", e->host);
		edge_kill(e);
		return;
	}
	e->h2 = h2_new(&hc, &out, &session_ops, e);
	if (!e->h2 || h2_start(e->h2) < 0) {
		edge_kill(e);
		return;
	}
	e->last_ms = loop_now_ms(e->k->loop);
	e->ping_ms = 0;
	log_info(AREA_WEBCONF, "CON-9001", "edge_up", "edge=%s address=%s tls=%s", e->host,
	    addr_str(conn_peer(c), buf), f->version);
	timer_set(e->k->loop, &e->timer, e->last_ms + e->k->conf->connector.ping_s * 1000ull);
}

static ptrdiff_t
on_bytes(struct conn *c, void *arg, struct str bytes)
{
	struct edge *e = arg;

	if (e->dead || !e->h2)
		return (ptrdiff_t)bytes.n;
	e->last_ms = loop_now_ms(e->k->loop);
	edge_judge(e, h2_input(e->h2, bytes));
	return (ptrdiff_t)bytes.n;
}

static void
on_drained(struct conn *c, void *arg)
{
	struct edge *e = arg;

	if (e->h2 && !e->dead)
		edge_judge(e, h2_drained(e->h2));
}

static void
on_down(struct conn *c, void *arg, enum conn_end why)
{
	struct edge *e = arg;
	uint32_t clients = e->n_clients;
	bool was_up = e->h2 != NULL;
	char quoted[LOG_QUOTE_LEN];

	e->dead = true;
	e->k->n_conns--;
	h2_free(e->h2); /* closes the connections to servers */
	e->h2 = NULL;
	e->conn = NULL;
	e->news = NULL;
	free(e->wait);
	e->wait = NULL;
	e->n_wait = e->at_wait = 0;
	timer_cancel(&e->timer);
	again_later(e);
	log_notice(AREA_WEBCONF, "CON-9002", "edge_down",
	    "edge=%s up=%d why=%s clients=%u again_ms=%u detail=%s", e->host, was_up,
	    conn_end_name(why), clients, e->pause_ms,
	    log_quote(str_of(conn_end_detail(c)), quoted));
	connector_edges_changed(e->k);
}

static const struct conn_ops conn_ops = {
    .on_up = on_up, .on_bytes = on_bytes, .on_down = on_down, .on_drained = on_drained};

static void
on_resolved(void *arg, const struct resolve_answer *ans)
{
	struct edge *e = arg;
	struct conn_limits lim = {.handshake_ms = e->k->conf->connector.connect_ms,
	    .connect_ms = e->k->conf->connector.connect_ms,
	    .output = OUT_LIMIT};
	struct conn_target t = {.host = e->host, .device = ""};

	e->resolving = false;
	if (e->k->leaving)
		return;
	if (ans->err < 0 || ans->n_addrs == 0) {
		log_warning(AREA_WEBCONF, "CON-9008", "edge_not_found", "edge=%s", e->host);
		again_later(e);
		return;
	}
	t.addr = ans->addrs[e->attempt++ % ans->n_addrs];
	t.addr.port = e->port;
	e->dead = false;
	e->conn = conn_open(e->k->loop, &t, e->tls, &lim, &conn_ops, e);
	if (e->conn)
		e->k->n_conns++;
	else
		again_later(e);
}

static void
edge_dial(struct edge *e)
{
	e->resolving = true;
	if (resolve_host(e->k->resolve, str_of(e->host), on_resolved, e) < 0) {
		e->resolving = false;
		again_later(e);
	}
}

static void
edge_tick(struct timer *t, uint64_t now_ms)
{
	struct edge *e = LIST_OF(t, struct edge, timer);
	uint64_t silence = e->k->conf->connector.ping_s * 1000ull;

	if (!e->conn) {
		if (!e->resolving && !e->k->leaving)
			edge_dial(e);
		return;
	}
	if (!e->h2 || e->dead)
		return;
	h2_controls_refill(e->h2);
	news_flush(e);
	if (e->left && e->n_clients == 0) {
		edge_kill(e);
		return;
	}
	if (e->ping_ms && now_ms >= e->ping_ms + silence) {
		log_warning(AREA_WEBCONF, "CON-9009", "edge_silent", "edge=%s", e->host);
		edge_kill(e);
		return;
	}
	if (!e->ping_ms && now_ms >= e->last_ms + silence)
		ping(e);
	if (!e->dead)
		timer_set(e->k->loop, t, now_ms + (e->left ? 100 : silence / 2 + 1));
}

/* Life. */

struct edge *
edge_new(struct connector *k, const char *at, const char **ret_why)
{
	struct edge *e = calloc(1, sizeof(*e));
	struct str s = str_of(at);
	struct addr literal;
	uint32_t port = EDGE_PORT;
	ptrdiff_t colon = str_find(s, ':');

	*ret_why = "out of memory";
	if (!e)
		return NULL;
	*ret_why = "connector.edges: neither host nor host:port";
	if (addr_parse(&literal, s) == ED_OK && literal.port) {
		port = literal.port;
		addr_ip_str(&literal, e->host);
	} else if (colon >= 0 && addr_parse_ip(&literal, s) < 0) {
		if (!str_to_u32(str_from(s, (size_t)colon + 1), 65535, &port) || port == 0)
			goto fail;
		s = str_first(s, (size_t)colon);
	}
	if (s.n == 0 || s.n >= sizeof(e->host))
		goto fail;
	if (!e->host[0])
		memcpy(e->host, s.p, s.n);
	e->k = k;
	e->port = (uint16_t)port;
	timer_init(&e->timer, edge_tick);
	timer_set(k->loop, &e->timer, loop_now_ms(k->loop));
	return e;
fail:
	free(e);
	return NULL;
}

struct edge *
edge_free(struct edge *e)
{
	if (!e)
		return NULL;
	if (e->resolving)
		resolve_cancel(e->k->resolve, e);
	timer_cancel(&e->timer);
	h2_free(e->h2);
	tls_ctx_unref(e->tls);
	free(e->wait);
	free(e);
	return NULL;
}

void
edge_set_tls(struct edge *e, struct tls_ctx *tls)
{
	tls_ctx_unref(e->tls);
	e->tls = tls;
}

struct str
edge_host(const struct edge *e)
{
	return str_of(e->host);
}

bool
edge_is_up(const struct edge *e)
{
	return e->news && !e->dead;
}

void
edge_announce(struct edge *e, struct str line, uint64_t seq)
{
	if (!edge_is_up(e))
		return;
	e->seq = seq;
	news_add(e, line);
	news_flush(e);
}

bool
edge_acked(const struct edge *e, uint64_t seq)
{
	return !edge_is_up(e) || e->acked >= seq;
}

void
edge_leave(struct edge *e)
{
	e->left = true;
	if (!e->h2)
		edge_kill(e); /* it was being dialled */
	else if (!e->dead)
		edge_judge(e, h2_goaway(e->h2, H2_NO_ERROR));
	if (!e->dead)
		timer_set(e->k->loop, &e->timer, loop_now_ms(e->k->loop));
}

void
edge_close(struct edge *e)
{
	edge_kill(e);
}

uint32_t
edge_clients(const struct edge *e)
{
	return e->n_clients;
}

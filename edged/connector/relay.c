/* SPDX-License-Identifier: MIT */
#include "connector/relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "connector/connector.h"
#include "net/conn.h"
#include "net/pump.h"
#include "net/resolve.h"
#include "proto/h2/h2.h"
#include "svc/log.h"

#define OUTPUT (256u * 1024u + 65536u) /* the stream's window bounds what waits */

struct relay {
	struct connector *k;
	struct server *srv;
	struct h2_stream *s; /* NULL: gone */
	struct conn *conn;   /* NULL: not yet, or down */
	struct pump pump;
	uint64_t id;
	uint32_t *n_clients;
	bool resolving;
};

static void
relay_free(struct relay *r)
{
	if (r->resolving)
		resolve_cancel(r->k->resolve, r);
	pump_done(&r->pump);
	free(r);
}

/* The stream is over for us; the caller has told the other end, or heard it. */
static void
stream_lost(struct relay *r)
{
	if (!r->s)
		return;
	r->s = NULL;
	--*r->n_clients;
	pump_far_is_gone(&r->pump);
}

static void
refuse(struct relay *r, unsigned status)
{
	struct h2_stream *s = r->s;

	if (!s)
		return;
	/* Before the answer: it may end the stream, and on_gone comes inside. */
	if (h2_answer(s, status, false) < 0 && r->s) {
		h2_reset(r->s, H2_INTERNAL);
		stream_lost(r);
	}
}

/* Towards the edge. */

static size_t
far_write(void *far, struct str bytes)
{
	struct relay *r = far;

	return r->s ? h2_write(r->s, bytes) : bytes.n;
}

static void
far_end(void *far)
{
	struct relay *r = far;

	if (r->s)
		h2_end(r->s);
}

static void
far_passed(void *far, size_t n)
{
	struct relay *r = far;

	if (r->s)
		h2_passed(r->s, n);
}

static const struct pump_far far_ops = {far_write, far_end, far_passed};

static void
on_stream_bytes(struct h2_stream *s, void *arg, struct str bytes)
{
	struct relay *r = arg;

	/* An edge sends nothing before the 200; pump.far tells that it went out. */
	if (r->conn && r->pump.far && pump_from_far(&r->pump, bytes) == ED_OK)
		return;
	h2_reset(s, H2_CANCEL);
	stream_lost(r);
	if (r->conn)
		conn_close(r->conn, CONN_END_LOCAL);
	else
		relay_free(r);
}

static void
on_stream_end(struct h2_stream *s, void *arg)
{
	struct relay *r = arg;

	if (r->conn && r->pump.far)
		pump_far_ended(&r->pump);
}

static void
on_stream_writable(struct h2_stream *s, void *arg)
{
	pump_far_writable(&((struct relay *)arg)->pump);
}

static void
on_stream_gone(struct h2_stream *s, void *arg, uint32_t code)
{
	struct relay *r = arg;
	bool over = code == H2_NO_ERROR && pump_is_over(&r->pump);

	stream_lost(r);
	if (r->conn && !over)
		conn_close(r->conn, CONN_END_LOCAL);
	if (!r->conn)
		relay_free(r);
}

static const struct h2_stream_ops stream_ops = {
    .on_bytes = on_stream_bytes,
    .on_end = on_stream_end,
    .on_writable = on_stream_writable,
    .on_gone = on_stream_gone,
};

/* The server. */

static void
on_up(struct conn *c, void *arg, const struct tls_facts *facts)
{
	struct relay *r = arg;

	if (!r->s || h2_answer(r->s, 200, true) < 0) {
		conn_close(c, CONN_END_LOCAL);
		return;
	}
	pump_far_is_up(&r->pump, &far_ops, r);
}

static ptrdiff_t
on_bytes(struct conn *c, void *arg, struct str bytes)
{
	struct relay *r = arg;

	if (r->s && pump_from_conn(&r->pump, bytes) < 0)
		return ED_NOMEM;
	return (ptrdiff_t)bytes.n;
}

static void
on_drained(struct conn *c, void *arg)
{
	pump_conn_drained(&((struct relay *)arg)->pump);
}

static void
on_eof(struct conn *c, void *arg)
{
	pump_conn_ended(&((struct relay *)arg)->pump);
}

static void
on_down(struct conn *c, void *arg, enum conn_end why)
{
	struct relay *r = arg;
	bool answered = r->pump.far != NULL;
	char buf[ADDR_STR_LEN];

	r->conn = NULL;
	r->k->n_conns--;
	if (!answered && r->s) {
		log_warning(AREA_WEBCONF, "CON-9004", "server_unreachable",
		    "flow=%llx server=" STR_FMT " address=%s why=%s detail=\"%s\"",
		    (unsigned long long)r->id, STR_ARG(r->srv->id), addr_str(conn_peer(c), buf),
		    conn_end_name(why), conn_end_detail(c));
		/* r stays until on_gone, which the refusal brings sooner or later. */
		refuse(r, why == CONN_END_CONNECT_TIMEOUT || why == CONN_END_HANDSHAKE_TIMEOUT
			      ? 504
			      : 502);
		return;
	}
	if (r->s && !pump_is_over(&r->pump)) {
		h2_reset(r->s, H2_CANCEL);
		stream_lost(r);
	}
	/* Both directions over and END_STREAM still on its way: on_gone frees. */
	if (!r->s)
		relay_free(r);
}

static const struct conn_ops conn_ops = {
    .on_up = on_up,
    .on_bytes = on_bytes,
    .on_down = on_down,
    .on_drained = on_drained,
    .on_eof = on_eof,
};

static void
on_resolved(void *arg, const struct resolve_answer *ans)
{
	struct relay *r = arg;
	char host[256];
	struct conn_limits lim = {.handshake_ms = r->k->conf->connector.connect_ms,
	    .connect_ms = r->k->conf->connector.connect_ms,
	    .output = OUTPUT};
	struct conn_target t = {.host = host, .device = ""};

	r->resolving = false;
	if (ans->err < 0 || ans->n_addrs == 0) {
		log_warning(AREA_WEBCONF, "CON-9005", "server_not_found",
		    "server=" STR_FMT " host=" STR_FMT, STR_ARG(r->srv->id), STR_ARG(r->srv->host));
		refuse(r, 502);
		return;
	}
	snprintf(host, sizeof(host), STR_FMT, STR_ARG(r->srv->host));
	t.addr = ans->addrs[0];
	t.addr.port = r->srv->port;
	r->conn = conn_open(r->k->loop, &t, r->srv->tls, &lim, &conn_ops, r);
	if (!r->conn) {
		refuse(r, 502);
		return;
	}
	r->k->n_conns++;
	pump_init(&r->pump, r->conn);
}

void
relay_open(struct connector *k, struct h2_stream *s, struct server *srv, uint32_t *n_clients)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return; /* not taken: the session refuses it */
	r->k = k;
	r->srv = srv;
	r->s = s;
	r->id = k->next_id++;
	r->n_clients = n_clients;
	++*n_clients;
	h2_stream_take(s, &stream_ops, r);
	r->resolving = true;
	if (resolve_host(k->resolve, srv->host, on_resolved, r) < 0) {
		r->resolving = false;
		refuse(r, 502);
	}
}

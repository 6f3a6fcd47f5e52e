/* SPDX-License-Identifier: MIT */
#include "webconf/dial.h"

#include <stdlib.h>

#include "net/conn.h"
#include "proto/psom/proxy2.h"
#include "svc/log.h"
#include "webconf/client.h"
#include "webconf/counters.h"
#include "webconf/inside.h"
#include "webconf/room.h"
#include "webconf/view.h"

#define DIAL_CONNECT_MS 10000u

struct dial {
	struct inside in; /* first; in.client NULL: given up */
	struct webconf *w;
	struct conn *conn;
	size_t unpassed, cap;
	uint64_t queued; /* as reported to webconf_account */
	bool is_up, held, throttled;
	bool proxy_inside; /* the header is the first inside TLS */
	uint16_t n_proxy;
	uint8_t proxy[PSOM_PROXY2_MAX];
};

static void
account(struct dial *d)
{
	webconf_account(d->w, &d->queued, d->in.client ? conn_output_pending(d->conn) : 0);
}

/* The handle is given up while the connection closes. */
static struct client *
dial_forget(struct dial *d)
{
	struct client *c = d->in.client;

	d->in.client = NULL;
	account(d);
	return c;
}

static size_t
in_write(void *in, struct str bytes)
{
	struct dial *d = in;
	size_t waits = conn_output_pending(d->conn);
	size_t n = waits < d->cap ? d->cap - waits : 0;

	if (n > bytes.n)
		n = bytes.n;
	if (n && conn_send(d->conn, str_first(bytes, n)) < 0)
		return 0;
	account(d);
	return n;
}

static void
in_end(void *in)
{
	conn_shutdown_write(((struct dial *)in)->conn);
}

static void
in_passed(void *in, size_t n)
{
	struct dial *d = in;

	d->unpassed -= n < d->unpassed ? n : d->unpassed;
	if (d->held && d->unpassed < d->cap / 2) {
		d->held = false;
		conn_pause(d->conn, d->throttled);
	}
}

static void
in_hold(void *in, bool on)
{
	struct dial *d = in;

	d->throttled = on;
	conn_pause(d->conn, d->held || on);
}

static void
in_reset(void *in, enum h2_code code)
{
	struct dial *d = in;

	dial_forget(d);
	conn_close(d->conn, CONN_END_LOCAL);
}

static const struct inside_class dial_class = {in_write, in_end, in_passed, in_reset, in_hold};

static void
on_up(struct conn *conn, void *arg, const struct tls_facts *facts)
{
	struct dial *d = arg;

	d->is_up = true;
	if (!d->in.client)
		return;
	if (d->n_proxy && d->proxy_inside &&
	    conn_send(conn, (struct str){(const char *)d->proxy, d->n_proxy}) < 0)
		return;
	client_far_up(d->in.client);
}

static ptrdiff_t
on_bytes(struct conn *conn, void *arg, struct str bytes)
{
	struct dial *d = arg;

	if (d->in.client) {
		d->unpassed += bytes.n;
		client_far_bytes(d->in.client, bytes);
	}
	if (d->in.client && d->unpassed >= d->cap && !d->held) {
		d->held = true;
		conn_pause(conn, true);
	}
	return (ptrdiff_t)bytes.n;
}

static void
on_drained(struct conn *conn, void *arg)
{
	struct dial *d = arg;

	if (!d->in.client)
		return;
	account(d);
	if (d->is_up && conn_output_pending(conn) <= d->cap / 2)
		client_far_writable(d->in.client);
}

static void
on_eof(struct conn *conn, void *arg)
{
	struct dial *d = arg;

	if (d->in.client)
		client_far_ended(d->in.client);
}

static void
on_down(struct conn *conn, void *arg, enum conn_end why)
{
	struct dial *d = arg;
	struct client *c = dial_forget(d);
	char buf[ADDR_STR_LEN];

	if (!d->is_up && c)
		log_warning(AREA_WEBCONF, "WEB-6018", "server_unreachable",
		    "address=%s why=%s detail=\"%s\"", addr_str(conn_peer(conn), buf),
		    conn_end_name(why), conn_end_detail(conn));
	if (c && d->is_up)
		client_far_gone(c, why == CONN_END_PEER ? H2_NO_ERROR : H2_CANCEL);
	else if (c)
		client_far_refused(c, 502);
	free(d);
}

static const struct conn_ops dial_ops = {
    .on_up = on_up,
    .on_bytes = on_bytes,
    .on_down = on_down,
    .on_drained = on_drained,
    .on_eof = on_eof,
};

static const struct dial_server *
server_by_id(const struct view *v, struct str id)
{
	for (uint32_t i = 0; i < v->n_servers; i++)
		if (str_eq(v->servers[i].id, id))
			return &v->servers[i];
	return NULL;
}

struct str
dial_server_by_name(struct webconf *w, struct str name)
{
	for (uint32_t i = 0; i < w->view->n_servers && name.n; i++)
		if (str_eq_nocase(w->view->servers[i].name, name))
			return w->view->servers[i].id;
	return STR_NONE;
}

int
dial_open(struct webconf *w, struct client *c, const struct inside_want *want, struct inside **ret)
{
	const struct view *v = w->view;
	const struct dial_server *s = server_by_id(v, want->server);
	struct conn_limits cl = {.handshake_ms = DIAL_CONNECT_MS, .connect_ms = DIAL_CONNECT_MS};
	struct conn_target t = {.bind = v->bind, .device = v->device};
	char host[256];
	struct dial *d;
	int n;

	if (!s)
		return ED_GONE;
	d = calloc(1, sizeof(*d));
	if (!d)
		return ED_NOMEM;
	d->in = (struct inside){&dial_class, c};
	d->w = w;
	d->cap = v->lim.stream_buffer_kb * 1024u;
	cl.output = (uint32_t)d->cap + 65536u;
	t.addr = s->addr;
	t.host = host;
	memcpy(host, s->fqdn.p, s->fqdn.n < 255 ? s->fqdn.n : 255);
	host[s->fqdn.n < 255 ? s->fqdn.n : 255] = 0;
	if (v->proxy != PROXY_NONE) {
		n = psom_proxy2_write(&want->client, &want->local, want->sni, d->proxy);
		d->n_proxy = n > 0 ? (uint16_t)n : 0;
		d->proxy_inside = v->proxy == PROXY_INSIDE_TLS;
		if (v->proxy == PROXY_BEFORE_TLS)
			t.preamble = (struct str){(const char *)d->proxy, d->n_proxy};
	}
	d->conn = conn_open(w->loop, &t, s->tls, &cl, &dial_ops, d);
	if (!d->conn) {
		free(d);
		return ED_SYS;
	}
	count_one(COUNT_STREAMS);
	in_hold(d, w->throttling);
	*ret = &d->in;
	return ED_OK;
}

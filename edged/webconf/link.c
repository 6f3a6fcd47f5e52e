/* SPDX-License-Identifier: MIT */
#include "webconf/link_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/tls.h"
#include "proto/h2/h2.h"
#include "svc/log.h"
#include "svc/svc.h"
#include "webconf/client.h"
#include "webconf/counters.h"
#include "webconf/inside.h"
#include "webconf/room.h"
#include "webconf/view.h"

#define OUT_HIGH (256u * 1024u)
/* Beyond OUT_HIGH only control frames are added, which nghttp2 bounds. */
#define OUT_LIMIT   (4u * 1024u * 1024u)
#define LOST_SPREAD 5000u
/* Inside connections that are still shaking hands. */
#define HANDSHAKES_MAX 64u

struct link_stream {
	struct inside in; /* first */
	struct list link;
	struct link *l;
	struct h2_stream *s;
};

static void
link_account(struct link *l)
{
	webconf_account(l->w, &l->queued, l->dead ? 0 : conn_output_pending(l->conn));
}

void
link_stop(struct link *l)
{
	l->going = true;
	if (l->n_clients == 0 && !l->dead)
		timer_set(l->w->loop, &l->timer, loop_now_ms(l->w->loop));
}

static void
link_kill(struct link *l)
{
	if (l->dead)
		return;
	l->dead = l->going = true;
	timer_cancel(&l->timer);
	conn_close(l->conn, CONN_END_LOCAL);
}

/* What the session said about itself; a fault ends the link. */
static void
link_judge(struct link *l, int r)
{
	char quoted[LOG_QUOTE_LEN];

	if (r == ED_OK || l->dead) {
		link_account(l);
		return;
	}
	if (r != ED_GONE && !l->spoiled) {
		count_one(COUNT_LINKS_FAULTY);
		/* The text may quote a header of the other end. */
		log_warning(AREA_WEBCONF, "WEB-6012", "link_faulty",
		    "link=%llx peer=%s why=%s text=%s", (unsigned long long)l->id, l->name,
		    ed_err_name(r), log_quote(str_of(h2_fault(l->h2)), quoted));
	}
	link_kill(l);
}

/* Output of the session. */

static char *
out_reserve(void *arg, size_t n)
{
	struct link *l = arg;

	return l->dead ? NULL : conn_reserve(l->conn, n);
}

static void
out_commit(void *arg, size_t n)
{
	conn_commit(((struct link *)arg)->conn, n);
}

static size_t
out_pending(void *arg)
{
	return conn_output_pending(((struct link *)arg)->conn);
}

/* Streams of clients. */

static void
stream_drop(struct link_stream *ls)
{
	struct link *l = ls->l;

	list_remove(&ls->link);
	free(ls);
	l->n_clients--;
	if (l->going)
		link_stop(l);
}

static void
cl_answer(struct h2_stream *s, void *arg, unsigned status)
{
	struct link_stream *ls = arg;

	if (status == 200)
		client_far_up(ls->in.client);
	else
		client_far_refused(ls->in.client, status);
}

static void
cl_bytes(struct h2_stream *s, void *arg, struct str bytes)
{
	client_far_bytes(((struct link_stream *)arg)->in.client, bytes);
}

static void
cl_end(struct h2_stream *s, void *arg)
{
	client_far_ended(((struct link_stream *)arg)->in.client);
}

static void
cl_writable(struct h2_stream *s, void *arg)
{
	client_far_writable(((struct link_stream *)arg)->in.client);
}

static void
cl_gone(struct h2_stream *s, void *arg, uint32_t code)
{
	struct link_stream *ls = arg;
	struct client *c = ls->in.client;
	struct link *l = ls->l;
	uint32_t nth = l->n_clients;

	stream_drop(ls);
	/* Spread, so that they do not all come back in the same instant. */
	if (l->dead)
		client_far_lost(c, (uint32_t)((uint64_t)nth * 7919u % LOST_SPREAD));
	else
		client_far_gone(c, code);
}

static const struct h2_stream_ops client_stream_ops = {
    cl_answer, cl_bytes, cl_end, cl_writable, cl_gone};

static size_t
in_write(void *in, struct str bytes)
{
	struct link_stream *ls = in;
	size_t n = h2_write(ls->s, bytes);

	link_account(ls->l);
	return n;
}

static void
in_end(void *in)
{
	h2_end(((struct link_stream *)in)->s);
}

static void
in_passed(void *in, size_t n)
{
	h2_passed(((struct link_stream *)in)->s, n);
}

static void
in_reset(void *in, enum h2_code code)
{
	struct link_stream *ls = in;

	h2_reset(ls->s, code);
	stream_drop(ls);
}

static const struct inside_class link_class = {in_write, in_end, in_passed, in_reset, NULL};

/* The link with the least clients for its weight. */
static int
link_choose(struct webconf *w, struct str id, struct link **ret)
{
	struct link *best = NULL;
	uint64_t best_load = 0;
	int r = ED_GONE;

	LIST_EACH(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);
		struct server *s = l->h2 && !l->going && !l->dead ? link_server_find(l, id) : NULL;
		uint64_t load = s ? (uint64_t)l->n_clients * 1000u / s->weight : 0;

		if (!s)
			continue;
		if (l->n_clients >= w->view->lim.clients_per_link || !h2_has_room(l->h2)) {
			r = ED_LIMIT;
		} else if (!best || load < best_load) {
			best = l;
			best_load = load;
		}
	}
	*ret = best;
	return best ? ED_OK : r;
}

struct str
link_server_by_name(struct webconf *w, struct str name)
{
	if (name.n == 0)
		return STR_NONE;
	LIST_EACH(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);

		for (uint32_t i = 0; i < l->n_servers && !l->going; i++) {
			struct server *s = &l->servers[i];

			if (str_eq_nocase(name, (struct str){s->name, s->n_name}))
				return (struct str){s->id, s->n_id};
		}
	}
	return STR_NONE;
}

static size_t
connect_heads(const struct inside_want *want, struct h2_head *h, char *addr_buf, char *hex)
{
	size_t n = 0;

	h[n++] = (struct h2_head){STR(":method"), STR("CONNECT")};
	h[n++] = (struct h2_head){STR(":authority"), want->server};
	h[n++] = (struct h2_head){STR("edged-client"), str_of(addr_str(&want->client, addr_buf))};
	h[n++] = (struct h2_head){STR("edged-tls"), str_of(want->tls)};
	if (want->sni.n && want->sni.n <= H2_VALUE_MAX)
		h[n++] = (struct h2_head){STR("edged-sni"), want->sni};
	if (want->conference.n)
		h[n++] = (struct h2_head){STR("edged-conference"), want->conference};
	if (want->ticket) {
		for (unsigned i = 0; i < PSOM_HASH_LEN; i++)
			snprintf(hex + 2 * i, 3, "%02x", want->ticket[i]);
		h[n++] = (struct h2_head){STR("edged-ticket"), {hex, 2 * PSOM_HASH_LEN}};
	}
	return n;
}

int
link_open_stream(
    struct webconf *w, struct client *c, const struct inside_want *want, struct inside **ret)
{
	struct h2_head heads[H2_HEADS_MAX + 2];
	char addr_buf[ADDR_STR_LEN], hex[2 * PSOM_HASH_LEN + 1];
	struct link_stream *ls;
	struct link *l;
	int r = link_choose(w, want->server, &l);

	if (r < 0)
		return r;
	ls = calloc(1, sizeof(*ls));
	if (!ls)
		return ED_NOMEM;
	ls->in = (struct inside){&link_class, c};
	ls->l = l;
	ls->s = h2_open(
	    l->h2, heads, connect_heads(want, heads, addr_buf, hex), true, &client_stream_ops, ls);
	if (!ls->s) {
		free(ls);
		return ED_LIMIT;
	}
	l->n_clients++;
	list_push_back(&l->streams, &ls->link);
	count_one(COUNT_STREAMS);
	*ret = &ls->in;
	return ED_OK;
}

/* Session events. */

static void
link_goaway_came(struct h2 *h, void *arg)
{
	struct link *l = arg;

	if (l->going)
		return;
	l->going = true;
	l->close_at_ms = loop_now_ms(l->w->loop) + l->w->view->lim.drain_s * 1000ull;
	log_info(AREA_WEBCONF, "WEB-6015", "link_goaway", "link=%llx peer=%s clients=%u",
	    (unsigned long long)l->id, l->name, l->n_clients);
	timer_set(l->w->loop, &l->timer, loop_now_ms(l->w->loop));
}

static void
link_ping_acked(struct h2 *h, void *arg, uint64_t token)
{
	((struct link *)arg)->ping_ms = 0;
}

static const struct h2_ops session_ops = {
    .on_goaway = link_goaway_came, .on_ping_ack = link_ping_acked};

static uint64_t
link_deadline(const struct link *l)
{
	uint64_t ping = l->w->view->lim.ping_s * 1000ull;
	uint64_t at = l->ping_ms ? l->ping_ms + ping : l->last_ms + ping;

	return l->close_at_ms && l->close_at_ms < at ? l->close_at_ms : at;
}

static void
link_tick(struct timer *t, uint64_t now_ms)
{
	struct link *l = LIST_OF(t, struct link, timer);
	uint64_t ping = l->w->view->lim.ping_s * 1000ull;

	if ((l->close_at_ms && now_ms >= l->close_at_ms) || (l->going && l->n_clients == 0)) {
		link_kill(l);
		return;
	}
	if (l->h2)
		h2_controls_refill(l->h2);
	if (l->ping_ms && now_ms >= l->ping_ms + ping) {
		log_warning(AREA_WEBCONF, "WEB-6016", "link_silent", "link=%llx peer=%s",
		    (unsigned long long)l->id, l->name);
		link_kill(l);
		return;
	}
	if (!l->ping_ms && now_ms >= l->last_ms + ping) {
		l->ping_ms = now_ms;
		link_judge(l, h2_ping(l->h2, now_ms));
	}
	if (!l->dead)
		timer_set(l->w->loop, &l->timer, link_deadline(l));
}

/* Connection events. */

static bool
peer_is_trusted(const struct view *v, const struct tls_facts *f, const char **ret_why)
{
	if (!str_eq(f->alpn, STR(LINK_ALPN))) {
		*ret_why = "no_alpn";
		return false;
	}
	*ret_why = "name_not_trusted";
	for (uint32_t i = 0; i < v->n_trusted; i++)
		if (tls_facts_match(f, v->trusted[i], true))
			return true;
	return false;
}

static bool
is_one_too_many(const struct webconf *w, const char **ret_why)
{
	*ret_why = w->draining ? "draining" : "too_many_links";
	return w->draining || w->n_links >= w->view->lim.links;
}

static int
session_begin(struct link *l)
{
	const struct h2_head heads[] = {{STR(":method"), STR("GET")},
	    {STR(":scheme"), STR("https")}, {STR(":authority"), STR("connector")},
	    {STR(":path"), STR("/announcements")}};
	struct h2_conf conf = {.side = H2_OPENS,
	    .max_streams = 0,
	    .window = l->w->view->lim.stream_buffer_kb * 1024u,
	    .out_high = OUT_HIGH};
	struct h2_out out = {out_reserve, out_commit, out_pending, l};

	l->servers = calloc(LINK_SERVERS_MAX, sizeof(*l->servers));
	l->h2 = h2_new(&conf, &out, &session_ops, l);
	if (!l->servers || !l->h2)
		return ED_NOMEM;
	if (h2_start(l->h2) < 0)
		return ED_NOMEM;
	l->announcements = h2_open(l->h2, heads, 4, false, &link_news_ops, l);
	return l->announcements ? ED_OK : ED_NOMEM;
}

static void
on_up(struct conn *conn, void *arg, const struct tls_facts *f)
{
	struct link *l = arg;
	char buf[ADDR_STR_LEN];
	const char *why;

	_Static_assert(sizeof(l->name) >= LOG_QUOTE_LEN, "a quoted name fits");
	log_quote(f->n_names ? f->names[0] : f->cn, l->name);
	if (!peer_is_trusted(l->w->view, f, &why) || is_one_too_many(l->w, &why)) {
		count_one(COUNT_UNKNOWN_PEERS);
		log_warning(AREA_WEBCONF, "WEB-6005", "inside_unknown_peer",
		    "peer=%s name=%s why=%s", addr_str(&l->peer, buf), l->name, why);
		link_kill(l);
		return;
	}
	l->up_ms = l->last_ms = loop_now_ms(l->w->loop);
	if (session_begin(l) < 0) {
		link_kill(l);
		return;
	}
	log_info(AREA_WEBCONF, "WEB-6004", "inside_up", "link=%llx peer=%s name=%s tls=%s",
	    (unsigned long long)l->id, addr_str(&l->peer, buf), l->name, f->version);
	l->counted = true;
	count_set(COUNT_LINKS, ++l->w->n_links);
	webconf_links_changed(l->w);
	timer_set(l->w->loop, &l->timer, link_deadline(l));
}

static ptrdiff_t
on_bytes(struct conn *conn, void *arg, struct str bytes)
{
	struct link *l = arg;

	if (l->dead || !l->h2)
		return (ptrdiff_t)bytes.n;
	l->last_ms = loop_now_ms(l->w->loop);
	link_judge(l, h2_input(l->h2, bytes));
	if (l->w->throttling)
		conn_pause(conn, true); /* until the next turn of links_trickle */
	return (ptrdiff_t)bytes.n;
}

static void
on_drained(struct conn *conn, void *arg)
{
	struct link *l = arg;

	if (l->h2 && !l->dead)
		link_judge(l, h2_drained(l->h2));
}

static void
on_down(struct conn *conn, void *arg, enum conn_end why)
{
	struct link *l = arg;
	struct webconf *w = l->w;
	char buf[ADDR_STR_LEN];

	l->dead = l->going = true;
	if (l->up_ms) {
		log_notice(AREA_WEBCONF, "WEB-6017", "inside_down",
		    "link=%llx peer=%s why=%s clients=%u detail=\"%s\"", (unsigned long long)l->id,
		    addr_str(&l->peer, buf), conn_end_name(why), l->n_clients,
		    conn_end_detail(conn));
	} else if (why == CONN_END_TLS_FAILED) {
		count_one(COUNT_UNKNOWN_PEERS);
		log_warning(AREA_WEBCONF, "WEB-6005", "inside_unknown_peer",
		    "peer=%s name=\"\" why=\"%s\"", addr_str(&l->peer, buf), conn_end_detail(conn));
	}
	timer_cancel(&l->timer);
	list_remove(&l->link);
	h2_free(l->h2); /* tells the clients */
	if (l->counted) {
		count_set(COUNT_LINKS, --w->n_links);
		webconf_links_changed(w);
	}
	link_account(l);
	free(l->servers);
	free(l);
}

static const struct conn_ops link_ops = {
    .on_up = on_up, .on_bytes = on_bytes, .on_down = on_down, .on_drained = on_drained};

/* Connections whose peer has not shown a certificate yet. Too many: the oldest goes, so that
 * strangers who wait cannot keep a connector out. */
static void
make_place(struct webconf *w)
{
	struct link *oldest = NULL;
	char buf[ADDR_STR_LEN];
	unsigned n = 0;

	LIST_EACH(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);

		if (l->up_ms || l->dead)
			continue;
		if (n++ == 0)
			oldest = l;
	}
	if (n < HANDSHAKES_MAX)
		return;
	count_one(COUNT_UNKNOWN_PEERS);
	log_warning(AREA_WEBCONF, "WEB-6005", "inside_unknown_peer",
	    "peer=%s name=\"\" why=too_many_handshakes", addr_str(&oldest->peer, buf));
	link_kill(oldest);
}

void
link_accept(struct webconf *w, int fd, const struct addr *peer, const struct addr *local)
{
	struct conn_limits cl = {
	    .handshake_ms = w->view->lim.tls_handshake_ms, .output = OUT_LIMIT};
	struct link *l;

	make_place(w);
	l = w->draining ? NULL : calloc(1, sizeof(*l));
	if (!l) {
		close(fd);
		return;
	}
	l->w = w;
	l->peer = *peer;
	l->id = w->next_id++;
	list_init(&l->streams);
	timer_init(&l->timer, link_tick);
	l->conn = conn_accept(w->loop, fd, peer, local, w->view->internal, &cl, &link_ops, l);
	if (!l->conn) {
		free(l);
		return;
	}
	list_push_back(&w->links, &l->link);
}

void
links_pause(struct webconf *w, bool on)
{
	LIST_EACH(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);

		if (l->h2 && !l->dead)
			conn_pause(l->conn, on);
	}
}

void
links_goaway(struct webconf *w)
{
	LIST_EACH_SAFE(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);

		l->going = true;
		if (!l->h2 || l->dead)
			continue;
		l->close_at_ms = loop_now_ms(w->loop) + w->view->lim.drain_s * 1000ull;
		link_judge(l, h2_goaway(l->h2, H2_NO_ERROR));
		if (!l->dead)
			timer_set(w->loop, &l->timer, loop_now_ms(w->loop));
	}
}

uint32_t
links_throttled(const struct webconf *w)
{
	uint32_t n = 0;

	LIST_EACH(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);

		n += l->h2 && !l->dead && conn_output_pending(l->conn) >= OUT_HIGH;
	}
	return n;
}

void
links_print(struct webconf *w, struct svc_ctl_reply *reply)
{
	const char *comma = "";
	char buf[ADDR_STR_LEN];

	svc_reply(reply, "[");
	LIST_EACH(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);

		if (!l->h2 || !svc_reply_has_room(reply, 512 + l->n_servers * 96))
			continue;
		svc_reply(reply,
		    "%s{\"link\":\"%llx\",\"peer\":\"%s\",\"clients\":%u,\"going\":%s,\"servers\":"
		    "[",
		    comma, (unsigned long long)l->id, addr_str(&l->peer, buf), l->n_clients,
		    l->going ? "true" : "false");
		for (uint32_t i = 0; i < l->n_servers; i++)
			svc_reply(reply, "%s\"%.*s\"", i ? "," : "", l->servers[i].n_id,
			    l->servers[i].id);
		svc_reply(reply, "]}");
		comma = ",";
	}
	svc_reply(reply, "]");
}

void
links_close(struct webconf *w)
{
	LIST_EACH_SAFE(it, &w->links)
	{
		struct link *l = LIST_OF(it, struct link, link);

		link_kill(l);
	}
}

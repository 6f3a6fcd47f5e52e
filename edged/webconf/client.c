/* SPDX-License-Identifier: MIT */
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/admit.h"
#include "net/tls.h"
#include "svc/log.h"
#include "webconf/client_in.h"
#include "webconf/penalty.h"

void
client_account(struct client *c)
{
	webconf_account(c->w, &c->queued, c->why ? 0 : pump_queued(&c->pump));
}

/* Ends. */

static bool
is_data_failure(enum client_end why)
{
	return why == CLIENT_TICKET_UNKNOWN || why == CLIENT_TICKET_USED ||
	       why == CLIENT_TICKET_REVOKED || why == CLIENT_SNI_UNKNOWN ||
	       why == CLIENT_PREFACE_BAD;
}

/* Admission failed: counted as operators know it, and held against the address. */
static void
refused(struct client *c, enum client_end why)
{
	char buf[ADDR_STR_LEN];

	if (is_data_failure(why))
		count_one(COUNT_REFUSED_DATA);
	else if (why == CLIENT_TICKET_EXPIRED)
		count_one(COUNT_REFUSED_TIME);
	else if (why != CLIENT_ADMIT_TIMEOUT)
		return;
	log_notice(AREA_WEBCONF, "WEB-6002", "client_refused", "flow=%llx peer=%s reason=%s",
	    (unsigned long long)c->id, addr_str(&c->peer, buf), client_end_name(why));
	if (penalty_failed(c->w->penalty, &c->peer, client_limits(c)->failures_per_minute,
		client_limits(c)->refuse_s * 1000ull, client_now(c)))
		log_notice(AREA_WEBCONF, "WEB-6008", "address_refused", "peer=%s for_s=%u",
		    addr_ip_str(&c->peer, buf), client_limits(c)->refuse_s);
}

static enum h2_code
reset_code(enum client_end why)
{
	return why == CLIENT_FRAMING || why == CLIENT_FIRST_FLIGHT ? H2_ENHANCE_YOUR_CALM
								   : H2_CANCEL;
}

/* Settle all but the connection itself. */
static void
settle(struct client *c, enum client_end why)
{
	char buf[ADDR_STR_LEN];

	if (c->why)
		return;
	c->why = why;
	count_end(why);
	refused(c, why);
	timer_cancel(&c->timer);
	pump_far_is_gone(&c->pump);
	if (c->in)
		c->in->cls->reset(c->in, reset_code(why));
	c->in = NULL;
	log_info(AREA_WEBCONF, "WEB-6010", "client_closed",
	    "flow=%llx peer=%s reason=%s in=%llu out=%llu ms=%llu", (unsigned long long)c->id,
	    addr_str(&c->peer, buf), client_end_name(why), (unsigned long long)c->pump.in,
	    (unsigned long long)c->pump.out, (unsigned long long)(client_now(c) - c->accepted_ms));
}

void
client_end(struct client *c, enum client_end why)
{
	if (c->why)
		return;
	settle(c, why);
	client_account(c);
	conn_close(c->conn, CONN_END_LOCAL);
}

static void
client_free(struct client *c)
{
	struct webconf *w = c->w;

	client_account(c);
	admit_drop(w->admit, &c->peer, c->is_up);
	list_remove(&c->link);
	count_set(COUNT_CLIENTS, --w->n_clients);
	pump_done(&c->pump);
	free(c->framing);
	free(c);
}

static enum client_end
end_of_conn(const struct client *c, enum conn_end why)
{
	switch (why) {
	case CONN_END_PEER:
		return pump_is_over(&c->pump) || c->state < STATE_RELAY ? CLIENT_CLOSED
									: CLIENT_RESET;
	case CONN_END_TLS_FAILED:
		return c->state == STATE_TLS ? CLIENT_TLS_FAILED : CLIENT_RESET;
	case CONN_END_HANDSHAKE_TIMEOUT:
		return CLIENT_HANDSHAKE_TIMEOUT;
	case CONN_END_OUTPUT_FULL:
		return CLIENT_SLOW;
	case CONN_END_NOMEM:
		return CLIENT_NO_MEMORY;
	default:
		return CLIENT_RESET;
	}
}

void
client_take(struct client *c, struct str bytes)
{
	bool answered = c->pump.out > 0, stuck = client_is_stuck(c);
	size_t used;

	if (bytes.n == 0 || c->why)
		return;
	c->last_ms = client_now(c);
	count_add(COUNT_OCTETS_IN, bytes.n);
	if (!answered && c->pump.in + bytes.n > client_limits(c)->first_flight) {
		client_end(c, CLIENT_FIRST_FLIGHT);
		return;
	}
	if (c->framing && psom_walk_input(&c->framing->table, &c->framing->in,
			      c->framing->out.frames > 0, bytes, &used) < 0) {
		client_end(c, CLIENT_FRAMING);
		return;
	}
	if (pump_from_conn(&c->pump, bytes) < 0) {
		client_end(c, CLIENT_NO_MEMORY);
		return;
	}
	if (!stuck && client_is_stuck(c)) {
		c->up_ms = client_now(c);
		client_schedule(c);
	}
	client_rate_up(c, bytes.n);
	client_account(c);
}

/* Connection events. */

static void
on_up(struct conn *conn, void *arg, const struct tls_facts *facts)
{
	struct client *c = arg;

	admit_up(c->w->admit, &c->peer);
	c->is_up = true;
	c->state = STATE_ADMIT;
	c->since_ms = client_now(c);
	switch (c->w->view->admission) {
	case ADMISSION_NONE:
		client_admit_by_name(c, facts->sni);
		break;
	case ADMISSION_SNI_TICKET:
		client_admit_by_label(c, facts->sni);
		break;
	case ADMISSION_PREFACE:
		break;
	}
	client_schedule(c);
}

static ptrdiff_t
on_bytes(struct conn *conn, void *arg, struct str bytes)
{
	struct client *c = arg;
	size_t n = 0;

	if (c->why)
		return (ptrdiff_t)bytes.n;
	if (c->state == STATE_ADMIT) {
		n = client_admit_by_preface(c, bytes);
		if (n == 0)
			return c->why ? (ptrdiff_t)bytes.n : 0;
	}
	client_take(c, str_from(bytes, n));
	return (ptrdiff_t)bytes.n;
}

static void
half_ended(struct client *c)
{
	if (pump_is_over(&c->pump))
		c->half_ms = 0;
	else if (!c->half_ms)
		c->half_ms = client_now(c);
	client_schedule(c);
}

static void
on_eof(struct conn *conn, void *arg)
{
	struct client *c = arg;

	if (c->why)
		return;
	if (c->state < STATE_OPENING) {
		client_end(c, CLIENT_CLOSED);
		return;
	}
	pump_conn_ended(&c->pump);
	half_ended(c);
}

static void
on_drained(struct conn *conn, void *arg)
{
	struct client *c = arg;

	if (c->why)
		return;
	c->out_ms = client_now(c);
	pump_conn_drained(&c->pump);
	client_account(c);
}

static void
on_down(struct conn *conn, void *arg, enum conn_end why)
{
	struct client *c = arg;
	char buf[ADDR_STR_LEN];

	if (why == CONN_END_TLS_FAILED && c->state == STATE_TLS)
		log_info(AREA_WEBCONF, "WEB-6011", "client_tls_failed", "flow=%llx peer=%s why=%s",
		    (unsigned long long)c->id, addr_str(&c->peer, buf), conn_end_detail(conn));
	settle(c, end_of_conn(c, why));
	client_free(c);
}

static const struct conn_ops client_ops = {
    .on_up = on_up,
    .on_bytes = on_bytes,
    .on_down = on_down,
    .on_drained = on_drained,
    .on_eof = on_eof,
};

/* psom-webconf 9.2: dead peers are found by TCP before the idle timer. */
static void
keep_alive(int fd)
{
	int on = 1, idle = 60, interval = 15, count = 4;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static bool
framing_start(struct client *c)
{
	if (!c->w->view->framed)
		return true;
	c->framing = calloc(1, sizeof(*c->framing));
	if (c->framing)
		c->framing->table = c->w->view->framing;
	return c->framing != NULL;
}

void
client_accept(struct webconf *w, int fd, const struct addr *peer, const struct addr *local)
{
	const struct conf_webconf_limits *l = &w->view->lim;
	struct conn_limits cl = {.handshake_ms = l->tls_handshake_ms,
	    .output = l->stream_buffer_kb * 1024u + INSIDE_READ_MAX,
	    .input = ADMISSION_MAX};
	struct client *c = calloc(1, sizeof(*c));

	keep_alive(fd);
	if (c) {
		c->w = w;
		c->peer = *peer;
		c->id = w->next_id++;
		c->accepted_ms = loop_now_ms(w->loop);
		timer_init(&c->timer, client_tick);
		list_push_back(&w->clients, &c->link);
		count_set(COUNT_CLIENTS, ++w->n_clients);
	}
	if (!c || !framing_start(c))
		close(fd);
	else /* takes the descriptor even when it fails */
		c->conn =
		    conn_accept(w->loop, fd, peer, local, w->view->external, &cl, &client_ops, c);
	if (c && c->conn) {
		pump_init(&c->pump, c->conn);
		return;
	}
	count_end(CLIENT_NO_MEMORY);
	if (c)
		client_free(c);
	else
		admit_drop(w->admit, peer, false);
}

void
client_throttle(struct client *c, bool on)
{
	/* Admission goes on: it holds 512 octets at most, and its end is held against the address.
	 */
	if (c->state < STATE_OPENING || c->why)
		return;
	if (!on && c->pump.in == 0)
		c->admitted_ms = client_now(c);
	pump_hold(&c->pump, PUMP_HOLD_ALL, on);
	if (c->in && c->in->cls->hold)
		c->in->cls->hold(c->in, on);
	client_schedule(c);
}

/* From the inside. */

void
client_far_up(struct client *c)
{
	if (c->why)
		return;
	c->state = STATE_RELAY;
	c->up_ms = client_now(c);
	pump_far_is_up(&c->pump, &client_far_ops, c);
	client_account(c);
	client_schedule(c);
}

void
client_far_refused(struct client *c, unsigned status)
{
	client_end(c, CLIENT_SERVER_REFUSED);
}

void
client_far_bytes(struct client *c, struct str bytes)
{
	bool first = c->pump.unpassed == 0;
	size_t used;

	if (c->why)
		return;
	if (c->framing &&
	    psom_walk_input(&c->framing->table, &c->framing->out, true, bytes, &used) < 0) {
		client_end(c, CLIENT_FRAMING);
		return;
	}
	c->last_ms = client_now(c);
	count_add(COUNT_OCTETS_OUT, bytes.n);
	if (pump_from_far(&c->pump, bytes) < 0) {
		client_end(c, CLIENT_SLOW);
		return;
	}
	if (first) {
		/* Watched for a reader that does not read from the first octet that waits. */
		c->out_ms = client_now(c);
		if (c->timer.deadline_ms > c->out_ms + client_limits(c)->slow_s * 1000ull)
			client_schedule(c);
	}
	client_account(c);
}

void
client_far_writable(struct client *c)
{
	if (c->why)
		return;
	pump_far_writable(&c->pump);
	client_account(c);
}

void
client_far_ended(struct client *c)
{
	if (c->why)
		return;
	pump_far_ended(&c->pump);
	half_ended(c);
}

void
client_far_gone(struct client *c, uint32_t code)
{
	c->in = NULL;
	pump_far_is_gone(&c->pump);
	if (c->why || (code == H2_NO_ERROR && pump_is_over(&c->pump)))
		return;
	count_one(code == H2_CANCEL              ? COUNT_RESET_CANCEL
		  : code == H2_REFUSED_STREAM    ? COUNT_RESET_REFUSED
		  : code == H2_ENHANCE_YOUR_CALM ? COUNT_RESET_CALM
						 : COUNT_RESET_OTHER);
	client_end(c, CLIENT_INSIDE_RESET);
}

void
client_far_lost(struct client *c, uint32_t after_ms)
{
	c->in = NULL;
	pump_far_is_gone(&c->pump);
	if (c->why)
		return;
	pump_hold(&c->pump, PUMP_HOLD_FAR, true);
	c->close_at_ms = client_now(c) + after_ms;
	client_schedule(c);
}

struct client *
client_at(struct list *link, struct client_facts *ret)
{
	static const char *const states[] = {"tls", "admission", "opening", "meeting"};
	struct client *c = LIST_OF(link, struct client, link);

	*ret = (struct client_facts){.id = c->id,
	    .peer = c->peer,
	    .state = c->why ? "ending" : states[c->state],
	    .age_s = (client_now(c) - c->accepted_ms) / 1000,
	    .in = c->pump.in,
	    .out = c->pump.out};
	return c;
}

/* SPDX-License-Identifier: MIT */
#include "webconf/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/digest.h"
#include "net/admit.h"
#include "net/conn.h"
#include "net/pump.h"
#include "net/tls.h"
#include "proto/psom/preface.h"
#include "proto/psom/ticket.h"
#include "svc/log.h"
#include "webconf/inside.h"
#include "webconf/penalty.h"
#include "webconf/room.h"
#include "webconf/view.h"

#define ADMISSION_MAX 512u /* octets read before the verdict */

enum state { STATE_TLS, STATE_ADMIT, STATE_OPENING, STATE_RELAY };

struct framing { /* walkers of both directions, with the table they were born with */
	struct psom_framing table;
	struct psom_walk in, out;
};

struct client {
	struct list link; /* webconf.clients */
	struct webconf *w;
	struct conn *conn;
	struct inside *in;
	struct pump pump;
	struct timer timer;
	struct framing *framing;
	struct rate up, down;
	uint64_t id;
	uint64_t accepted_ms, since_ms; /* since_ms: of the state */
	uint64_t admitted_ms, last_ms;  /* last_ms: an octet either way */
	uint64_t half_ms;               /* one direction ended; 0: none */
	uint64_t out_ms;                /* the client took an octet, or had none to take */
	uint64_t up_ms;                 /* the inside took an octet, or had none to take */
	uint64_t close_at_ms;           /* 0: no such plan */
	uint64_t queued;                /* as reported to webconf_account */
	size_t owed;                    /* passed on, not yet told the inside: rate */
	struct addr peer;
	enum state state;
	enum client_end why;
	bool is_up; /* counted as such by admit */
};

static void client_tick(struct timer *t, uint64_t now_ms);

static const struct conf_webconf_limits *
limits(const struct client *c)
{
	return &c->w->view->lim;
}

static uint64_t
now(const struct client *c)
{
	return loop_now_ms(c->w->loop);
}

static void
account(struct client *c)
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
	if (penalty_failed(c->w->penalty, &c->peer, limits(c)->failures_per_minute,
		limits(c)->refuse_s * 1000ull, now(c)))
		log_notice(AREA_WEBCONF, "WEB-6008", "address_refused", "peer=%s for_s=%u",
		    addr_ip_str(&c->peer, buf), limits(c)->refuse_s);
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
	    (unsigned long long)c->pump.out, (unsigned long long)(now(c) - c->accepted_ms));
}

void
client_end(struct client *c, enum client_end why)
{
	if (c->why)
		return;
	settle(c, why);
	account(c);
	conn_close(c->conn, CONN_END_LOCAL);
}

static void
client_free(struct client *c)
{
	struct webconf *w = c->w;

	account(c);
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

/* Timers. */

static void
earlier(uint64_t *at, uint64_t other)
{
	if (other < *at)
		*at = other;
}

/* Admitted, and not a word since; while it is not read that says nothing. */
static bool
is_mute(const struct client *c)
{
	return c->admitted_ms && c->pump.in == 0 && !c->w->throttling;
}

/* The inside does not take what it sends: its window is full, or the link is. */
static bool
is_stuck(const struct client *c)
{
	return c->state == STATE_RELAY && c->pump.held && !c->close_at_ms;
}

static uint64_t
next_deadline(const struct client *c)
{
	const struct conf_webconf_limits *l = limits(c);
	uint64_t at = c->accepted_ms + l->lifetime_s * 1000ull;

	if (now(c) >= at)
		at = now(c) + 1000;
	if (c->close_at_ms)
		earlier(&at, c->close_at_ms);
	if (c->state == STATE_ADMIT)
		earlier(&at, c->since_ms + l->admit_ms);
	if (c->state == STATE_OPENING)
		earlier(&at, c->since_ms + l->open_ms);
	if (is_mute(c))
		earlier(&at, c->admitted_ms + l->first_octet_ms);
	if (c->admitted_ms && l->idle_s)
		earlier(&at, c->last_ms + l->idle_s * 1000ull);
	if (c->half_ms)
		earlier(&at, c->half_ms + l->half_open_s * 1000ull);
	if (c->pump.unpassed)
		earlier(&at, c->out_ms + l->slow_s * 1000ull);
	if (is_stuck(c))
		earlier(&at, c->up_ms + l->slow_s * 1000ull);
	if (c->pump.holds & PUMP_HOLD_RATE)
		earlier(&at, now(c) + rate_wait_ms(&c->up, l->rate_kbit * 125ull));
	if (c->owed)
		earlier(&at, now(c) + rate_wait_ms(&c->down, l->rate_down_kbit * 125ull));
	return at;
}

static void
schedule(struct client *c)
{
	if (!c->why && c->state != STATE_TLS)
		timer_set(c->w->loop, &c->timer, next_deadline(c));
}

/* What a deadline that is over means; CLIENT_UNDER_WAY: nothing. */
static enum client_end
overdue(const struct client *c, uint64_t t)
{
	const struct conf_webconf_limits *l = limits(c);
	uint64_t life = c->accepted_ms + l->lifetime_s * 1000ull;

	if (c->close_at_ms && t >= c->close_at_ms)
		return CLIENT_LINK_LOST;
	if (c->state == STATE_ADMIT && t >= c->since_ms + l->admit_ms)
		return CLIENT_ADMIT_TIMEOUT;
	if (c->state == STATE_OPENING && t >= c->since_ms + l->open_ms)
		return CLIENT_OPEN_TIMEOUT;
	if (is_mute(c) && t >= c->admitted_ms + l->first_octet_ms)
		return CLIENT_FIRST_OCTET_TIMEOUT;
	if (c->admitted_ms && l->idle_s && t >= c->last_ms + l->idle_s * 1000ull)
		return CLIENT_IDLE;
	if (c->half_ms && t >= c->half_ms + l->half_open_s * 1000ull)
		return CLIENT_HALF_OPEN;
	if (c->pump.unpassed && t >= c->out_ms + l->slow_s * 1000ull)
		return CLIENT_SLOW;
	if (is_stuck(c) && t >= c->up_ms + l->slow_s * 1000ull)
		return CLIENT_SLOW;
	/* Long lived enough: at the next idle second, or a minute later. */
	if (t >= life && (t >= c->last_ms + 1000 || t >= life + 60000))
		return CLIENT_LIFETIME;
	return CLIENT_UNDER_WAY;
}

/* Volume. */

static uint64_t
burst_of(uint64_t octets_per_s)
{
	return octets_per_s / 4 > 65536 ? octets_per_s / 4 : 65536;
}

static void
rates_release(struct client *c, uint64_t t)
{
	uint64_t up = limits(c)->rate_kbit * 125ull, down = limits(c)->rate_down_kbit * 125ull;
	size_t n;

	if (c->pump.holds & PUMP_HOLD_RATE) {
		rate_refill(&c->up, up, burst_of(up), t);
		if (rate_is_open(&c->up) || up == 0)
			pump_hold(&c->pump, PUMP_HOLD_RATE, false);
	}
	if (c->owed) {
		rate_refill(&c->down, down, burst_of(down), t);
		if (rate_is_open(&c->down) || down == 0) {
			n = c->owed;
			c->owed = 0;
			rate_spend(&c->down, n);
			if (c->in)
				c->in->cls->passed(c->in, n);
		}
	}
}

static void
client_tick(struct timer *t, uint64_t now_ms)
{
	struct client *c = LIST_OF(t, struct client, timer);
	enum client_end why = overdue(c, now_ms);

	if (why != CLIENT_UNDER_WAY) {
		client_end(c, why);
		return;
	}
	rates_release(c, now_ms);
	schedule(c);
}

static void
rate_count_up(struct client *c, size_t n)
{
	uint64_t per_s = limits(c)->rate_kbit * 125ull;

	if (per_s == 0)
		return;
	rate_refill(&c->up, per_s, burst_of(per_s), now(c));
	rate_spend(&c->up, n);
	if (!rate_is_open(&c->up)) {
		pump_hold(&c->pump, PUMP_HOLD_RATE, true);
		schedule(c);
	}
}

/* Far side of the pump: the inside, with the rate between. */

static size_t
far_write(void *far, struct str bytes)
{
	struct client *c = far;
	size_t n = c->in ? c->in->cls->write(c->in, bytes) : 0;

	if (n)
		c->up_ms = now(c);
	return n;
}

static void
far_end(void *far)
{
	struct client *c = far;

	if (c->in)
		c->in->cls->end(c->in);
}

static void
far_passed(void *far, size_t n)
{
	struct client *c = far;
	uint64_t per_s = limits(c)->rate_down_kbit * 125ull;

	if (per_s) {
		rate_refill(&c->down, per_s, burst_of(per_s), now(c));
		if (c->owed || !rate_is_open(&c->down)) {
			c->owed += n;
			schedule(c);
			return;
		}
		rate_spend(&c->down, n);
	}
	if (c->in)
		c->in->cls->passed(c->in, n);
}

static const struct pump_far far_ops = {far_write, far_end, far_passed};

/* Octets of an admitted client. */
static void
take_bytes(struct client *c, struct str bytes)
{
	bool answered = c->pump.out > 0, stuck = is_stuck(c);
	size_t used;

	if (bytes.n == 0 || c->why)
		return;
	c->last_ms = now(c);
	count_add(COUNT_OCTETS_IN, bytes.n);
	if (!answered && c->pump.in + bytes.n > limits(c)->first_flight) {
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
	if (!stuck && is_stuck(c)) {
		c->up_ms = now(c);
		schedule(c);
	}
	rate_count_up(c, bytes.n);
	account(c);
}

/* Admission. */

static void
open_inside(struct client *c, const struct inside_want *want)
{
	const struct tls_facts *facts = conn_facts(c->conn);
	struct inside_want iw = *want;
	char buf[ADDR_STR_LEN];
	int r;

	iw.client = c->peer;
	iw.local = *conn_local(c->conn);
	iw.sni = facts->sni;
	iw.tls = facts->version;
	c->state = STATE_OPENING;
	c->since_ms = c->admitted_ms = c->last_ms = now(c);
	client_throttle(c, c->w->throttling);
	count_one(COUNT_ADMITTED);
	log_info(AREA_WEBCONF, "WEB-6009", "client_admitted",
	    "flow=%llx peer=%s tls=%s server=" STR_FMT " ticket=%02x%02x%02x%02x",
	    (unsigned long long)c->id, addr_str(&c->peer, buf), facts->version, STR_ARG(iw.server),
	    iw.ticket ? iw.ticket[0] : 0, iw.ticket ? iw.ticket[1] : 0,
	    iw.ticket ? iw.ticket[2] : 0, iw.ticket ? iw.ticket[3] : 0);
	r = inside_open(c->w, c, &iw, &c->in);
	if (r < 0)
		client_end(c, r == ED_GONE ? CLIENT_NO_SERVER : CLIENT_LINKS_FULL);
	else
		schedule(c);
}

static void
admit_by_handle(struct client *c, struct str handle)
{
	uint8_t hash[PSOM_HASH_LEN];
	struct psom_ticket_facts t;
	struct inside_want iw = {.ticket = hash};
	enum psom_ticket_verdict v = PSOM_TICKET_UNKNOWN;

	if (digest_sha256(&handle, 1, hash) == ED_OK)
		v = psom_tickets_take(c->w->tickets, hash, webconf_wall_s(), &t);
	switch (v) {
	case PSOM_TICKET_OK:
		iw.server = t.server;
		iw.conference = t.conference;
		open_inside(c, &iw);
		break;
	case PSOM_TICKET_UNKNOWN:
		client_end(c, CLIENT_TICKET_UNKNOWN);
		break;
	case PSOM_TICKET_EXPIRED:
		client_end(c, CLIENT_TICKET_EXPIRED);
		break;
	case PSOM_TICKET_USED:
		client_end(c, CLIENT_TICKET_USED);
		break;
	case PSOM_TICKET_REVOKED:
		client_end(c, CLIENT_TICKET_REVOKED);
		break;
	}
}

static void
admit_by_name(struct client *c, struct str sni)
{
	struct inside_want iw = {.server = inside_server_by_name(c->w, sni)};

	if (iw.server.n == 0)
		iw.server = c->w->view->default_server;
	if (iw.server.n == 0)
		client_end(c, CLIENT_SNI_UNKNOWN);
	else
		open_inside(c, &iw);
}

static void
admit_by_label(struct client *c, struct str sni)
{
	uint8_t handle[PSOM_HANDLE_LEN];

	if (psom_label_read(sni, c->w->view->ticket_suffix, handle) < 0)
		client_end(c, CLIENT_SNI_UNKNOWN);
	else
		admit_by_handle(c, (struct str){(const char *)handle, sizeof(handle)});
}

/* Octets used up: 0 while the preface is not whole. */
static size_t
admit_by_preface(struct client *c, struct str bytes)
{
	struct str handle;
	int n = psom_preface_read(bytes, &handle);

	if (n < 0 || (n == 0 && bytes.n > ADMISSION_MAX))
		client_end(c, CLIENT_PREFACE_BAD);
	if (n <= 0)
		return 0;
	admit_by_handle(c, handle);
	return (size_t)n;
}

/* Connection events. */

static void
on_up(struct conn *conn, void *arg, const struct tls_facts *facts)
{
	struct client *c = arg;

	admit_up(c->w->admit, &c->peer);
	c->is_up = true;
	c->state = STATE_ADMIT;
	c->since_ms = now(c);
	switch (c->w->view->admission) {
	case ADMISSION_NONE:
		admit_by_name(c, facts->sni);
		break;
	case ADMISSION_SNI_TICKET:
		admit_by_label(c, facts->sni);
		break;
	case ADMISSION_PREFACE:
		break;
	}
	schedule(c);
}

static ptrdiff_t
on_bytes(struct conn *conn, void *arg, struct str bytes)
{
	struct client *c = arg;
	size_t n = 0;

	if (c->why)
		return (ptrdiff_t)bytes.n;
	if (c->state == STATE_ADMIT) {
		n = admit_by_preface(c, bytes);
		if (n == 0)
			return c->why ? (ptrdiff_t)bytes.n : 0;
	}
	take_bytes(c, str_from(bytes, n));
	return (ptrdiff_t)bytes.n;
}

static void
half_ended(struct client *c)
{
	if (pump_is_over(&c->pump))
		c->half_ms = 0;
	else if (!c->half_ms)
		c->half_ms = now(c);
	schedule(c);
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
	c->out_ms = now(c);
	pump_conn_drained(&c->pump);
	account(c);
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
		c->admitted_ms = now(c);
	pump_hold(&c->pump, PUMP_HOLD_ALL, on);
	if (c->in && c->in->cls->hold)
		c->in->cls->hold(c->in, on);
	schedule(c);
}

/* From the inside. */

void
client_far_up(struct client *c)
{
	if (c->why)
		return;
	c->state = STATE_RELAY;
	c->up_ms = now(c);
	pump_far_is_up(&c->pump, &far_ops, c);
	account(c);
	schedule(c);
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
	c->last_ms = now(c);
	count_add(COUNT_OCTETS_OUT, bytes.n);
	if (pump_from_far(&c->pump, bytes) < 0) {
		client_end(c, CLIENT_SLOW);
		return;
	}
	if (first) {
		/* Watched for a reader that does not read from the first octet that waits. */
		c->out_ms = now(c);
		if (c->timer.deadline_ms > c->out_ms + limits(c)->slow_s * 1000ull)
			schedule(c);
	}
	account(c);
}

void
client_far_writable(struct client *c)
{
	if (c->why)
		return;
	pump_far_writable(&c->pump);
	account(c);
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
	c->close_at_ms = now(c) + after_ms;
	schedule(c);
}

struct client *
client_at(struct list *link, struct client_facts *ret)
{
	static const char *const states[] = {"tls", "admission", "opening", "meeting"};
	struct client *c = LIST_OF(link, struct client, link);

	*ret = (struct client_facts){.id = c->id,
	    .peer = c->peer,
	    .state = c->why ? "ending" : states[c->state],
	    .age_s = (now(c) - c->accepted_ms) / 1000,
	    .in = c->pump.in,
	    .out = c->pump.out};
	return c;
}

/* SPDX-License-Identifier: MIT
 *
 * net/conn.c: life of a connection: birth, deadlines, the ways it ends.
 *
 * Every end goes through CONN_DEAD and the task at the end of the round, so on_down never comes
 * from inside a call of the room, and nobody holds a freed conn while a callback still runs.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_in.h"

#define DEFAULT_MS     10000u
#define DEFAULT_INPUT  65536u
#define DEFAULT_OUTPUT 262144u

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	if (what & EV_WRITE) {
		if (c->phase == CONN_CONNECTING)
			conn_connect_ready(c);
		else
			conn_write_ready(c);
	}
	if (!(what & EV_READ))
		return;
	if (c->phase == CONN_UP || c->phase == CONN_LINGER)
		conn_read(c);
	else if (c->phase == CONN_HANDSHAKE)
		conn_hs_queue(c);
}

void
conn_arm(struct conn *c)
{
	bool read = (c->phase == CONN_HANDSHAKE && !c->quiet) || c->phase == CONN_LINGER ||
		    (c->phase == CONN_UP && !c->paused && !c->peer_eof && !c->eof_due);
	bool write = c->phase == CONN_CONNECTING || (c->pend.n > c->pend.at && !c->held);
	uint8_t want = (uint8_t)((read ? EV_READ : 0) | (write ? EV_WRITE : 0));

	if (c->phase == CONN_DEAD)
		want = 0;
	if (want == c->armed)
		return;
	if (c->armed)
		event_del(&c->ev);
	c->armed = want;
	if (!want)
		return;
	event_assign(&c->ev, loop_base(c->loop), c->fd, (short)(want | EV_PERSIST), on_event, c);
	if (event_add(&c->ev, NULL) < 0) {
		c->armed = 0;
		conn_fail(c, CONN_END_NOMEM, "event_add");
	}
}

void
conn_soon(struct conn *c)
{
	loop_defer(c->loop, &c->task);
}

/* The next moment an open connection's deadlines say something; bytes only move last_in_ms. */
void
conn_retime(struct conn *c)
{
	uint64_t at = c->deadline_ms ? c->deadline_ms : UINT64_MAX;

	if (c->phase == CONN_UP && c->lim.idle_ms && c->last_in_ms + c->lim.idle_ms < at)
		at = c->last_in_ms + c->lim.idle_ms;
	if (at == UINT64_MAX)
		timer_cancel(&c->timer);
	else
		timer_set(c->loop, &c->timer, at);
}

static void
on_timer(struct timer *t, uint64_t now_ms)
{
	struct conn *c = LIST_OF(t, struct conn, timer);

	switch (c->phase) {
	case CONN_CONNECTING:
		conn_fail(c, CONN_END_CONNECT_TIMEOUT, "no answer to the TCP connect");
		return;
	case CONN_HANDSHAKE:
		conn_fail(c, CONN_END_HANDSHAKE_TIMEOUT, "TLS handshake not finished in time");
		return;
	case CONN_UP:
		if ((c->deadline_ms && now_ms >= c->deadline_ms) ||
		    (c->lim.idle_ms && now_ms >= c->last_in_ms + c->lim.idle_ms))
			conn_close(c, CONN_END_IDLE);
		else
			conn_retime(c);
		return;
	default: /* what could not be sent by now stays unsent */
		conn_fail(c, (enum conn_end)c->why, NULL);
		return;
	}
}

void
conn_fail(struct conn *c, enum conn_end why, const char *detail)
{
	if (c->phase == CONN_DEAD)
		return;
	if (c->phase != CONN_CLOSING && c->phase != CONN_LINGER) {
		c->why = (uint8_t)why;
		if (detail)
			tls_detail(&c->tls, "%s", detail);
	}
	c->phase = CONN_DEAD;
	conn_arm(c);
	timer_cancel(&c->timer);
	conn_soon(c);
}

static void
end(struct conn *c)
{
	struct linger rst = {.l_onoff = 1, .l_linger = 0};

	list_remove(&c->hs);
	loop_defer_cancel(&c->task);
	timer_cancel(&c->timer);
	conn_hs_abandon(c);
	SSL_free(c->ssl);
	if (c->tls.ctx) {
		tls_count_down(&c->tls);
		c->tls.ctx->conns--;
		tls_ctx_unref(c->tls.ctx);
	}
	/* The kernel would keep the unread output of a peer that does not read for minutes. */
	if (c->why == CONN_END_OUTPUT_FULL)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	if (c->fd >= 0)
		close(c->fd);
	conn_buf_free(&c->in);
	conn_buf_free(&c->out);
	conn_buf_free(&c->pend);
	if (c->ops->on_down)
		c->ops->on_down(c, c->arg, (enum conn_end)c->why);
	free(c->tls.facts);
	free(c->tls.detail);
	free(c);
}

/* close_notify once, behind all that was said. False while something waits. */
static bool
say_goodbye(struct conn *c)
{
	conn_flush(c);
	if (c->phase == CONN_DEAD || c->pend.n > c->pend.at || c->out.n > c->out.at)
		return false;
	if (!c->notify_sent) {
		c->notify_sent = true;
		conn_shared()->cur = c;
		ERR_clear_error();
		(void)SSL_shutdown(c->ssl);
		ERR_clear_error();
		conn_push(c);
	}
	return c->phase != CONN_DEAD && c->pend.n == c->pend.at;
}

static void
go_on_closing(struct conn *c)
{
	if (!say_goodbye(c))
		return;
	if (c->why == CONN_END_LOCAL && shutdown(c->fd, SHUT_WR) == 0) {
		c->phase = CONN_LINGER;
		conn_arm(c);
		return;
	}
	conn_fail(c, (enum conn_end)c->why, NULL);
}

static void
end_our_direction(struct conn *c)
{
	if (!say_goodbye(c) || c->fin_sent)
		return;
	c->fin_sent = true;
	if (c->peer_eof)
		conn_fail(c, CONN_END_PEER, NULL);
	else
		(void)shutdown(c->fd, SHUT_WR);
}

static void
tell_drained(struct conn *c)
{
	c->wrote = false;
	if (c->ops->on_drained && c->phase == CONN_UP)
		c->ops->on_drained(c, c->arg);
}

static void
on_task(struct loop_task *t)
{
	struct conn *c = LIST_OF(t, struct conn, task);

	if (c->phase == CONN_UP && c->show_again)
		conn_show(c);
	if (c->phase == CONN_UP) {
		conn_flush(c);
		if (c->wrote)
			tell_drained(c);
		if (c->phase == CONN_UP && c->end_write)
			end_our_direction(c);
	}
	if (c->phase == CONN_CLOSING)
		go_on_closing(c);
	if (c->phase == CONN_DEAD)
		end(c);
}

static struct conn *
conn_new(struct loop *l, int fd, struct tls_ctx *tls, const char *sni,
    const struct conn_limits *lim, const struct conn_ops *ops, void *arg)
{
	struct conn_shared *sh = conn_shared();
	struct conn *c = sh ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	c->ssl = tls_ssl_new(tls, &c->tls, sni);
	if (!c->ssl) {
		ERR_clear_error();
		free(c);
		return NULL;
	}
	/* One BIO serves all: whose turn it is stands in conn_shared. */
	BIO_up_ref(sh->bio);
	SSL_set_bio(c->ssl, sh->bio, sh->bio);
	c->loop = l;
	c->fd = fd;
	c->lim = *lim;
	if (c->lim.input == 0)
		c->lim.input = DEFAULT_INPUT;
	if (c->lim.output == 0)
		c->lim.output = DEFAULT_OUTPUT;
	c->ops = ops;
	c->arg = arg;
	c->task.run = on_task;
	c->key.wake = conn_hs_on_wake;
	timer_init(&c->timer, on_timer);
	c->last_in_ms = loop_now_ms(l);
	return c;
}

struct conn *
conn_accept(struct loop *l, int fd, const struct addr *peer, const struct addr *local,
    struct tls_ctx *tls, const struct conn_limits *lim, const struct conn_ops *ops, void *arg)
{
	struct conn *c = conn_new(l, fd, tls, NULL, lim, ops, arg);

	if (!c) {
		close(fd);
		return NULL;
	}
	c->peer = *peer;
	c->local = *local;
	c->phase = CONN_HANDSHAKE;
	c->deadline_ms = loop_now_ms(l) + (lim->handshake_ms ? lim->handshake_ms : DEFAULT_MS);
	conn_retime(c);
	conn_arm(c);
	return c;
}

struct conn *
conn_open(struct loop *l, const struct conn_target *t, struct tls_ctx *tls,
    const struct conn_limits *lim, const struct conn_ops *ops, void *arg)
{
	struct addr literal;
	const char *sni = t->host;
	struct conn *c;
	int fd;

	/* RFC 6066 3: an address is no SNI */
	if (sni && addr_parse_ip(&literal, str_of(sni)) == ED_OK)
		sni = NULL;
	fd = socket(t->addr.family == 6 ? AF_INET6 : AF_INET,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	c = conn_new(l, fd, tls, sni, lim, ops, arg);
	if (!c) {
		close(fd);
		return NULL;
	}
	c->peer = t->addr;
	c->phase = CONN_CONNECTING;
	c->deadline_ms = loop_now_ms(l) + (lim->connect_ms ? lim->connect_ms : DEFAULT_MS);
	conn_retime(c);
	conn_connect_start(c, t);
	return c;
}

void
conn_close(struct conn *c, enum conn_end why)
{
	if (c->phase > CONN_UP)
		return;
	if (c->phase != CONN_UP || why == CONN_END_OUTPUT_FULL || why == CONN_END_NOMEM ||
	    why == CONN_END_RESET) {
		conn_fail(c, why, NULL);
		return;
	}
	c->why = (uint8_t)why;
	c->phase = CONN_CLOSING;
	c->deadline_ms = loop_now_ms(c->loop) + CONN_LINGER_MS;
	conn_retime(c);
	conn_arm(c);
	conn_soon(c);
}

void
conn_refuse(struct conn *c, const char *detail)
{
	tls_detail(&c->tls, "%s", detail);
	conn_close(c, CONN_END_TLS_FAILED);
}

char *
conn_reserve(struct conn *c, size_t n)
{
	size_t waits = conn_output_pending(c);

	if (c->phase != CONN_UP || c->end_write)
		return NULL;
	if (waits && waits + n > c->lim.output) {
		/* What the socket would still take does not count as waiting. */
		if (c->pend.n == c->pend.at)
			conn_flush(c);
		waits = conn_output_pending(c);
		if (c->phase != CONN_UP)
			return NULL;
		if (waits && waits + n > c->lim.output) {
			tls_detail(&c->tls, "peer does not read: %zu bytes wait", waits);
			conn_close(c, CONN_END_OUTPUT_FULL);
			return NULL;
		}
	}
	if (conn_buf_room(&c->out, n) < 0) {
		conn_close(c, CONN_END_NOMEM);
		return NULL;
	}
	return c->out.p + c->out.n;
}

void
conn_commit(struct conn *c, size_t n)
{
	if (c->phase != CONN_UP || n == 0)
		return;
	if (!c->out_ms)
		c->out_ms = loop_now_ms(c->loop);
	c->out.n += (uint32_t)n;
	c->bytes_out += n;
	if (c->out.n - c->out.at >= CONN_SEAL_EARLY && c->pend.n == c->pend.at)
		conn_flush(c);
	/* Also when all of it left already: the room that counts is still to be told. */
	if (c->out.n > c->out.at || c->ops->on_drained)
		conn_soon(c);
}

int
conn_send(struct conn *c, struct str bytes)
{
	char *p;

	if (c->phase != CONN_UP || c->end_write)
		return ED_STATE;
	if (bytes.n == 0)
		return ED_OK;
	p = conn_reserve(c, bytes.n);
	if (!p)
		return c->why == CONN_END_OUTPUT_FULL ? ED_LIMIT : ED_NOMEM;
	memcpy(p, bytes.p, bytes.n);
	conn_commit(c, bytes.n);
	return ED_OK;
}

void
conn_send_now(struct conn *c)
{
	if (c->phase == CONN_UP)
		conn_flush(c);
}

void
conn_shutdown_write(struct conn *c)
{
	if (c->phase != CONN_UP || c->end_write)
		return;
	c->end_write = true;
	conn_soon(c);
}

size_t
conn_output_pending(const struct conn *c)
{
	return (size_t)(c->out.n - c->out.at) + (c->pend.n - c->pend.at);
}

void
conn_pause(struct conn *c, bool pause)
{
	if (c->paused == pause)
		return;
	c->paused = pause;
	if (c->phase != CONN_UP)
		return;
	if (!pause && (c->in.n > c->in.at || c->eof_due)) {
		c->show_again = true;
		conn_soon(c);
	}
	if (!pause)
		c->last_in_ms = loop_now_ms(c->loop); /* our silence, not the peer's */
	conn_arm(c);
}

void
conn_set_idle(struct conn *c, uint32_t idle_ms)
{
	if (c->phase != CONN_UP)
		return;
	c->deadline_ms = idle_ms ? loop_now_ms(c->loop) + idle_ms : 0;
	/* Lifting or putting off needs no new timer: when it fires it looks again. */
	if (c->deadline_ms && (!timer_is_set(&c->timer) || c->deadline_ms < c->timer.deadline_ms))
		conn_retime(c);
}

const struct addr *
conn_peer(const struct conn *c)
{
	return &c->peer;
}

const struct addr *
conn_local(const struct conn *c)
{
	return &c->local;
}

const struct tls_facts *
conn_facts(const struct conn *c)
{
	return c->tls.facts;
}

uint64_t
conn_bytes_in(const struct conn *c)
{
	return c->bytes_in;
}

uint64_t
conn_bytes_out(const struct conn *c)
{
	return c->bytes_out;
}

const char *
conn_end_name(enum conn_end why)
{
	static const char *const names[CONN_END__N] = {
	    [CONN_END_LOCAL] = "local",
	    [CONN_END_PEER] = "peer",
	    [CONN_END_RESET] = "reset",
	    [CONN_END_TLS_FAILED] = "tls_failed",
	    [CONN_END_HANDSHAKE_TIMEOUT] = "handshake_timeout",
	    [CONN_END_CONNECT_FAILED] = "connect_failed",
	    [CONN_END_CONNECT_TIMEOUT] = "connect_timeout",
	    [CONN_END_IDLE] = "idle",
	    [CONN_END_OUTPUT_FULL] = "output_full",
	    [CONN_END_INPUT_FULL] = "input_full",
	    [CONN_END_NOMEM] = "no_memory",
	    [CONN_END_SHUTDOWN] = "shutdown",
	};

	return (unsigned)why < CONN_END__N && names[why] ? names[why] : "unknown";
}

const char *
conn_end_detail(const struct conn *c)
{
	return c->tls.detail ? c->tls.detail : "";
}

enum tls_end
conn_tls_end(const struct conn *c)
{
	return (enum tls_end)c->tls.end;
}

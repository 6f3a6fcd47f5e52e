/* SPDX-License-Identifier: MIT
 *
 * net/conn_hs.c: TCP connect and TLS handshake.
 *
 * A ready socket in handshake is only put into a queue. At the end of the round, after all messages
 * were served and flushed, a few steps are made: one when there were messages, so that a storm of
 * handshakes (some 200 us a step) never stands in front of them (goals P7).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "net/conn_in.h"

static void hs_run(struct loop_task *t);

void
conn_hs_queue(struct conn *c)
{
	struct conn_shared *sh = conn_shared();

	if (!list_is_linked(&c->hs))
		list_push_back(&sh->hs, &c->hs);
	sh->hs_task.run = hs_run;
	loop_defer_late(c->loop, &sh->hs_task);
}

/*
 * Every return of a job lets the longest waiting one in, whatever the step ended with: a last
 * flight signs nothing, so no answer of keyd would come to pass the turn on.
 */
static void
feed_starved(void)
{
	struct conn_shared *sh = conn_shared();
	struct conn *c;

	if (list_is_empty(&sh->starved))
		return;
	c = LIST_OF(sh->starved.next, struct conn, hs);
	list_remove(&c->hs);
	conn_hs_queue(c);
}

void
conn_hs_on_wake(struct keycall_wait *w)
{
	struct conn *c = LIST_OF(w, struct conn, key);

	/* Signed already: the finish is cheap and the peer waits. Ahead of new ones. */
	if (c->phase != CONN_HANDSHAKE)
		return;
	if (c->quiet) {
		c->quiet = false;
		conn_arm(c);
	}
	list_remove(&c->hs);
	list_push_front(&conn_shared()->hs, &c->hs);
	conn_hs_queue(c);
}

static void
up(struct conn *c)
{
	struct conn_shared *sh = conn_shared();

	SSL_clear_mode(c->ssl, SSL_MODE_ASYNC); /* nothing after the handshake signs */
	c->phase = CONN_UP;
	c->bytes_in = 0;
	c->deadline_ms = 0;
	c->last_in_ms = loop_now_ms(c->loop);
	conn_retime(c);
	conn_arm(c);
	tls_count_up(&c->tls, c->ssl);
	c->tls.facts = tls_facts_new(c->ssl, c->tls.ctx->server);
	if (!c->tls.facts) {
		conn_fail(c, CONN_END_NOMEM, NULL);
		return;
	}
	/* The room may write on other connections now: what this one was fed waits meanwhile. */
	const char *raw = sh->raw;
	size_t raw_n = sh->raw_n;

	sh->raw_n = 0;
	c->ops->on_up(c, c->arg, c->tls.facts);
	if (c->phase != CONN_UP || raw_n == 0)
		return;
	sh->raw = raw;
	sh->raw_n = raw_n;
	conn_decrypt(c);
}

/* Unread octets outlive the round only while a handshake waits for its key or for a job. */
static void
stash_rest(struct conn *c)
{
	struct conn_shared *sh = conn_shared();

	if (sh->raw_n && conn_buf_add(&c->in, sh->raw, sh->raw_n) < 0)
		conn_fail(c, CONN_END_NOMEM, NULL);
	sh->raw_n = 0;
}

static void
step(struct conn *c)
{
	struct conn_shared *sh = conn_shared();
	bool had_job = SSL_waiting_for_async(c->ssl);
	int r, err;

	sh->cur = c;
	ERR_clear_error();
	keycall_enter(&c->key);
	r = SSL_do_handshake(c->ssl);
	err = r == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, r);
	keycall_leave();
	c->started = c->started || err != SSL_ERROR_WANT_ASYNC_JOB;
	sh->jobs_out += (err == SSL_ERROR_WANT_ASYNC) - had_job;
	if (err != SSL_ERROR_WANT_ASYNC && err != SSL_ERROR_WANT_ASYNC_JOB)
		feed_starved();
	switch (err) {
	case SSL_ERROR_NONE:
		conn_push(c);
		if (c->phase == CONN_HANDSHAKE)
			up(c);
		break;
	case SSL_ERROR_WANT_READ:
		conn_push(c);
		break;
	case SSL_ERROR_WANT_ASYNC:
		conn_hold(c);
		stash_rest(c);
		break;
	case SSL_ERROR_WANT_ASYNC_JOB: /* all jobs are out: again when one comes back */
		stash_rest(c);
		list_push_back(&sh->starved, &c->hs);
		break;
	default:
		if (c->key.why) {
			tls_because(&c->tls, TLS_END_KEY);
			tls_detail(&c->tls, "%s", c->key.why);
		}
		tls_detail_from_queue(&c->tls);
		conn_push(c);
		conn_fail(c, CONN_END_TLS_FAILED, NULL);
	}
	sh->raw_n = 0;
}

/* What was stashed, then what the socket has. False when there is nothing to step on. */
static bool
feed(struct conn *c)
{
	struct conn_shared *sh = conn_shared();
	size_t kept = c->in.n - c->in.at;
	ssize_t n;

	if (kept > CONN_RAW_LEN) {
		conn_fail(c, CONN_END_TLS_FAILED, "handshake too large");
		return false;
	}
	if (kept)
		memcpy(sh->raw_buf, c->in.p + c->in.at, kept);
	conn_buf_free(&c->in);
	sh->raw = sh->raw_buf;
	sh->raw_n = kept;
	if (kept || SSL_waiting_for_async(c->ssl))
		return true;
	n = recv(c->fd, sh->raw_buf, CONN_RAW_LEN, MSG_DONTWAIT);
	if (n > 0) {
		sh->raw_n = (size_t)n;
		c->bytes_in += (size_t)n;
		if (c->bytes_in > CONN_HS_IN_MAX && !SSL_is_init_finished(c->ssl)) {
			sh->raw_n = 0;
			conn_fail(c, CONN_END_TLS_FAILED, "handshake too large");
			return false;
		}
		return true;
	}
	if (n == 0)
		conn_fail(c, CONN_END_PEER, "closed during the handshake");
	else if (errno != EAGAIN && errno != EINTR)
		conn_fail(c, CONN_END_RESET, strerrordesc_np(errno));
	else if (!c->started && !c->tls.ctx->server)
		return true; /* ours is the first word */
	return false;
}

static void
hs_run(struct loop_task *t)
{
	struct conn_shared *sh = conn_shared();
	unsigned budget = sh->traffic ? CONN_HS_BUSY : CONN_HS_IDLE;
	struct loop *l = NULL;

	sh->traffic = false;
	while (budget > 0 && !list_is_empty(&sh->hs)) {
		struct conn *c = LIST_OF(sh->hs.next, struct conn, hs);

		l = c->loop;
		list_remove(&c->hs);
		if (c->phase != CONN_HANDSHAKE)
			continue;
		if (c->key.call) { /* woken with the answer; until then its bytes would spin us */
			c->quiet = true;
			conn_arm(c);
			continue;
		}
		if (!feed(c))
			continue;
		step(c);
		budget--;
	}
	/* Who was let in may have ended since, and the turn with it. */
	if (list_is_empty(&sh->hs) && sh->jobs_out == 0)
		feed_starved();
	if (l && !list_is_empty(&sh->hs))
		loop_defer_late(l, t);
}

void
conn_hs_abandon(struct conn *c)
{
	struct conn_shared *sh = conn_shared();

	if (!SSL_waiting_for_async(c->ssl))
		return;
	/* A paused job stands on a stack of its own, inside this SSL: let it run out. */
	keycall_abandon(&c->key);
	sh->cur = c;
	sh->raw_n = 0;
	keycall_enter(&c->key);
	(void)SSL_do_handshake(c->ssl);
	keycall_leave();
	sh->sealed_n = 0;
	sh->jobs_out--;
	ERR_clear_error();
	feed_starved();
}

/* --- opened connections --- */

static void
handshake_begin(struct conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	uint32_t ms = c->lim.handshake_ms ? c->lim.handshake_ms : 10000u;

	if (getsockname(c->fd, (struct sockaddr *)&ss, &len) == 0)
		(void)!addr_from_sockaddr(&c->local, (struct sockaddr *)&ss, len);
	c->phase = CONN_HANDSHAKE;
	c->deadline_ms = loop_now_ms(c->loop) + ms;
	conn_retime(c);
	conn_arm(c);
	conn_hs_queue(c);
}

void
conn_connect_ready(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err)
		conn_fail(c, CONN_END_CONNECT_FAILED, strerrordesc_np(err));
	else
		handshake_begin(c);
}

static int
set_options(int fd, const struct conn_target *t)
{
	struct sockaddr_storage ss;
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return ED_SYS;
	if (t->device && t->device[0] &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, t->device, (socklen_t)strlen(t->device)) <
		0)
		return ED_SYS;
	if (t->bind.family == 0)
		return ED_OK;
	/* The port is chosen at connect, so that one address reaches many peers at once. */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&t->bind, &ss)) < 0)
		return ED_SYS;
	return ED_OK;
}

void
conn_connect_start(struct conn *c, const struct conn_target *t)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&t->addr, &ss);

	/* Leaves as soon as the socket writes, ahead of the first flight, which queues behind it.
	 */
	if (t->preamble.n && conn_buf_add(&c->pend, t->preamble.p, t->preamble.n) < 0) {
		conn_fail(c, CONN_END_NOMEM, NULL);
		return;
	}
	if (set_options(c->fd, t) < 0) {
		conn_fail(c, CONN_END_CONNECT_FAILED, strerrordesc_np(errno));
		return;
	}
	if (connect(c->fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)
		conn_arm(c);
	else
		conn_fail(c, CONN_END_CONNECT_FAILED, strerrordesc_np(errno));
}

/* SPDX-License-Identifier: MIT
 *
 * net/conn_io.c: bytes in and out of an open connection.
 *
 * In: one recv into the shared raw buffer; OpenSSL is fed from there by the BIO and always drinks
 * all of it; the plain text goes to the shared plain buffer and from there straight to the room.
 * Only what the room leaves is kept. Out: the room's bytes gather in c->out; at the end of the
 * round they are sealed into the shared sealed buffer and leave with one send.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/histogram.h"
#include "net/conn_in.h"

static int
bio_read(BIO *b, char *p, int n)
{
	struct conn_shared *sh = conn_shared();
	size_t take = (size_t)n < sh->raw_n ? (size_t)n : sh->raw_n;

	BIO_clear_retry_flags(b);
	if (take == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(p, sh->raw, take);
	sh->raw += take;
	sh->raw_n -= take;
	return (int)take;
}

static int
bio_write(BIO *b, const char *p, int n)
{
	struct conn_shared *sh = conn_shared();

	BIO_clear_retry_flags(b);
	if ((size_t)n > CONN_SEALED_LEN)
		return -1;
	if (sh->sealed_n + (size_t)n > CONN_SEALED_LEN)
		conn_push(sh->cur);
	memcpy(sh->sealed + sh->sealed_n, p, (size_t)n);
	sh->sealed_n += (size_t)n;
	return n;
}

static long
bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH;
}

static BIO *
bio_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "edged conn");
	BIO *b;

	if (!m || BIO_meth_set_read(m, bio_read) != 1 || BIO_meth_set_write(m, bio_write) != 1 ||
	    BIO_meth_set_ctrl(m, bio_ctrl) != 1)
		return NULL;
	b = BIO_new(m);
	if (b)
		BIO_set_init(b, 1);
	return b;
}

struct conn_shared *
conn_shared(void)
{
	static struct conn_shared *sh;
	struct conn_shared *s;

	if (sh)
		return sh;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	list_init(&s->hs);
	list_init(&s->starved);
	s->bio = bio_new();
	if (!s->bio) {
		free(s);
		return NULL;
	}
	sh = s;
	return sh;
}

/*
 * Output buffers of two sizes come from short free lists: a message's worth, and a busy next hop's.
 * Others are the allocator's.
 */
#define SMALL_LEN  4096u
#define LARGE_LEN  (CONN_SEAL_EARLY + 16384u)
#define SMALL_KEPT 64u
#define LARGE_KEPT 8u

struct spare {
	struct spare *next;
};
static struct {
	struct spare *first;
	uint32_t n;
	const uint32_t len, kept;
} spares[2] = {{.len = SMALL_LEN, .kept = SMALL_KEPT}, {.len = LARGE_LEN, .kept = LARGE_KEPT}};

static char *
block_take(uint32_t len)
{
	for (int i = 0; i < 2; i++) {
		struct spare *s = spares[i].first;

		if (spares[i].len != len || !s)
			continue;
		spares[i].first = s->next;
		spares[i].n--;
		return (char *)s;
	}
	return malloc(len);
}

static void
block_give(char *p, uint32_t len)
{
	for (int i = 0; i < 2; i++) {
		struct spare *s = (struct spare *)(void *)p;

		if (spares[i].len != len || spares[i].n >= spares[i].kept)
			continue;
		s->next = spares[i].first;
		spares[i].first = s;
		spares[i].n++;
		return;
	}
	free(p);
}

void
conn_buf_free(struct conn_buf *b)
{
	if (b->p)
		block_give(b->p, b->cap);
	*b = (struct conn_buf){0};
}

/* Room for n more bytes behind those in use. */
int
conn_buf_room(struct conn_buf *b, size_t n)
{
	size_t used = b->n - b->at, need = used + n, cap;
	char *p;

	if (n <= b->cap - b->n)
		return ED_OK;
	if (need > UINT32_MAX / 4)
		return ED_NOMEM;
	if (need <= b->cap && used <= b->cap / 2) { /* worth moving up */
		memmove(b->p, b->p + b->at, used);
		b->at = 0;
		b->n = (uint32_t)used;
		return ED_OK;
	}
	cap = need <= SMALL_LEN ? SMALL_LEN : need <= LARGE_LEN ? LARGE_LEN : need * 2;
	p = block_take((uint32_t)cap);
	if (!p)
		return ED_NOMEM;
	if (used)
		memcpy(p, b->p + b->at, used);
	if (b->p)
		block_give(b->p, b->cap);
	*b = (struct conn_buf){.p = p, .n = (uint32_t)used, .cap = (uint32_t)cap};
	return ED_OK;
}

int
conn_buf_add(struct conn_buf *b, const char *p, size_t n)
{
	if (conn_buf_room(b, n) < 0)
		return ED_NOMEM;
	memcpy(b->p + b->n, p, n);
	b->n += (uint32_t)n;
	return ED_OK;
}

/* A small rest in a block of its own size: a dripping peer holds what it sent, not 4 KB. */
static int
keep_rest(struct conn_buf *b, const char *p, size_t n)
{
	size_t cap = n < 256 ? 512 : n * 2;
	char *copy;

	if (cap > UINT32_MAX / 4 || !(copy = malloc(cap)))
		return ED_NOMEM;
	memcpy(copy, p, n);
	conn_buf_free(b);
	*b = (struct conn_buf){.p = copy, .n = (uint32_t)n, .cap = (uint32_t)cap};
	return ED_OK;
}

/* --- out --- */

static struct histogram queue_delay;

const struct histogram *
conn_queue_delay(void)
{
	return &queue_delay;
}

static void
has_left(const struct conn *c, uint64_t since_ms)
{
	histogram_add(&queue_delay, (loop_now_ms(c->loop) - since_ms) * 1000u, 1);
}

static size_t
send_some(struct conn *c, const char *p, size_t n)
{
	ssize_t sent;

	do
		sent = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return (size_t)sent;
	if (errno != EAGAIN && errno != ENOBUFS)
		conn_fail(c, CONN_END_RESET, strerrordesc_np(errno));
	return 0;
}

static void
send_pend(struct conn *c)
{
	struct conn_buf *b = &c->pend;

	if (b->n == b->at)
		return;
	b->at += (uint32_t)send_some(c, b->p + b->at, b->n - b->at);
	if (b->at < b->n)
		return;
	conn_buf_free(b);
	if (c->pend_ms)
		has_left(c, c->pend_ms);
	c->pend_ms = 0;
}

void
conn_push(struct conn *c)
{
	struct conn_shared *sh = conn_shared();
	size_t n = sh->sealed_n, sent = 0;

	sh->sealed_n = 0;
	if (c->phase == CONN_DEAD)
		return;
	if (c->held) {
		c->held = false;
		if (n && conn_buf_add(&c->pend, sh->sealed, n) < 0) {
			conn_fail(c, CONN_END_NOMEM, NULL);
			return;
		}
		n = 0;
		send_pend(c);
	}
	if (n && c->pend.n == c->pend.at)
		sent = send_some(c, sh->sealed, n);
	if (c->phase == CONN_DEAD)
		return;
	if (sent < n && conn_buf_add(&c->pend, sh->sealed + sent, n - sent) < 0) {
		conn_fail(c, CONN_END_NOMEM, NULL);
		return;
	}
	conn_arm(c);
}

void
conn_hold(struct conn *c)
{
	struct conn_shared *sh = conn_shared();
	size_t n = sh->sealed_n;

	sh->sealed_n = 0;
	if (n == 0)
		return;
	c->held = true;
	if (conn_buf_add(&c->pend, sh->sealed, n) < 0)
		conn_fail(c, CONN_END_NOMEM, NULL);
}

static void
tls_failed(struct conn *c)
{
	tls_detail_from_queue(&c->tls);
	conn_push(c); /* the alert */
	conn_fail(c, CONN_END_TLS_FAILED, NULL);
}

/* All that waits, as far as the socket takes it. */
void
conn_flush(struct conn *c)
{
	struct conn_shared *sh = conn_shared();
	struct conn_buf *b = &c->out;

	while (b->n > b->at && c->pend.n == c->pend.at && c->phase != CONN_DEAD) {
		sh->cur = c;
		ERR_clear_error();
		while (b->n > b->at && sh->sealed_n < CONN_SEAL_STOP) {
			uint32_t n = b->n - b->at < CONN_RECORD ? b->n - b->at : CONN_RECORD;
			int r = SSL_write(c->ssl, b->p + b->at, (int)n);

			if (r <= 0) {
				tls_failed(c);
				return;
			}
			b->at += (uint32_t)r;
		}
		conn_push(c);
		c->wrote = true;
		if (c->pend.n > c->pend.at)
			c->pend_ms = c->out_ms;
		else if (c->phase != CONN_DEAD)
			has_left(c, c->out_ms);
	}
	if (b->n > b->at)
		return;
	conn_buf_free(b);
	c->out_ms = 0;
}

void
conn_write_ready(struct conn *c)
{
	send_pend(c);
	if (c->phase == CONN_DEAD)
		return;
	c->wrote = true;
	conn_arm(c);
	conn_soon(c); /* seals what waited behind, or goes on closing */
}

/* --- in --- */

static void
peer_ended(struct conn *c)
{
	c->eof_due = false;
	if (!c->ops->on_eof) {
		conn_close(c, CONN_END_PEER);
		return;
	}
	c->peer_eof = true;
	conn_arm(c);
	c->ops->on_eof(c, c->arg);
	if (c->phase == CONN_UP && c->fin_sent)
		conn_fail(c, CONN_END_PEER, NULL);
}

/* Shows [p, p + n) until the room wants no more; returns how much it used, or n when it closed. */
static size_t
show(struct conn *c, const char *p, size_t n)
{
	size_t used = 0;

	conn_shared()->traffic = true;
	while (used < n && c->phase == CONN_UP && !c->paused) {
		ptrdiff_t r = c->ops->on_bytes(c, c->arg, (struct str){p + used, n - used});

		if (r < 0) {
			conn_close(c, CONN_END_LOCAL);
			break;
		}
		if (r == 0)
			break;
		used += (size_t)r < n - used ? (size_t)r : n - used;
	}
	return c->phase == CONN_UP ? used : n;
}

static void
after_show(struct conn *c)
{
	if (c->phase != CONN_UP || c->paused)
		return;
	if (c->in.n - c->in.at > c->lim.input) {
		tls_detail(&c->tls, "%u bytes unconsumed", c->in.n - c->in.at);
		conn_close(c, CONN_END_INPUT_FULL);
		return;
	}
	if (c->eof_due)
		peer_ended(c);
}

void
conn_show(struct conn *c)
{
	size_t used;

	c->show_again = false;
	if (c->paused)
		return;
	used = c->in.n > c->in.at ? show(c, c->in.p + c->in.at, c->in.n - c->in.at) : 0;
	if (c->phase != CONN_UP) {
		conn_buf_free(&c->in);
		return;
	}
	c->in.at += (uint32_t)used;
	if (c->in.at == c->in.n)
		conn_buf_free(&c->in);
	after_show(c);
}

static void
deliver(struct conn *c, const char *p, size_t n)
{
	size_t used;

	c->bytes_in += n;
	if (c->in.n > c->in.at || c->paused) { /* behind what is kept */
		if (n && conn_buf_add(&c->in, p, n) < 0) {
			conn_close(c, CONN_END_NOMEM);
			return;
		}
		conn_show(c);
		return;
	}
	used = show(c, p, n);
	if (c->phase != CONN_UP)
		return;
	if (used < n && keep_rest(&c->in, p + used, n - used) < 0) {
		conn_close(c, CONN_END_NOMEM);
		return;
	}
	after_show(c);
}

void
conn_decrypt(struct conn *c)
{
	struct conn_shared *sh = conn_shared();
	size_t n = 0;
	int err, r;

	sh->cur = c;
	ERR_clear_error();
	do {
		r = SSL_read(c->ssl, sh->plain + n, (int)(CONN_PLAIN_LEN - n));
		if (r > 0)
			n += (size_t)r;
	} while (r > 0 && n < CONN_PLAIN_LEN);
	err = r > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, r);
	sh->raw_n = 0; /* after an error or close_notify the rest is void */
	if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_NONE && err != SSL_ERROR_ZERO_RETURN)
		tls_detail_from_queue(&c->tls);
	conn_push(c); /* an alert, or the answer to a key update */
	if (err == SSL_ERROR_ZERO_RETURN)
		c->eof_due = true;
	if (c->phase == CONN_UP && (n || c->eof_due))
		deliver(c, sh->plain, n);
	if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_NONE && err != SSL_ERROR_ZERO_RETURN &&
	    c->phase == CONN_UP)
		conn_fail(c, CONN_END_TLS_FAILED, NULL);
}

static void
fin_without_notify(struct conn *c)
{
	if (c->phase == CONN_UP && c->ops->on_eof)
		conn_fail(c, CONN_END_RESET, "closed without close_notify");
	else
		conn_fail(c, CONN_END_PEER, NULL);
}

void
conn_read(struct conn *c)
{
	struct conn_shared *sh = conn_shared();

	for (int i = 0; i < CONN_READS; i++) {
		ssize_t n = recv(c->fd, sh->raw_buf, CONN_RAW_LEN, MSG_DONTWAIT);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				conn_fail(c, CONN_END_RESET, strerrordesc_np(errno));
			return;
		}
		if (n == 0) {
			fin_without_notify(c);
			return;
		}
		if (c->phase == CONN_LINGER) /* read away; the 2 s are running */
			continue;
		c->last_in_ms = loop_now_ms(c->loop);
		sh->raw = sh->raw_buf;
		sh->raw_n = (size_t)n;
		conn_decrypt(c);
		if ((size_t)n < CONN_RAW_LEN || c->phase != CONN_UP || c->paused)
			return;
	}
}

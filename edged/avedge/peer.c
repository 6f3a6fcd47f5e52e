/* SPDX-License-Identifier: MIT
 *
 * avedge/peer.c: connections with peers, of allocations that relay streams (MS dialect over TCP):
 * opened from a port of the relay range, or accepted from an address the client has sent to.
 *
 * Spec: ms-turn 5.5 item 6, 5.7, 5.8.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avedge/internal.h"
#include "net/stream.h"
#include "proto/turn/allocation.h"

#define PEERS_MAX      8u
#define EARLY_MS       2000u
#define CONNECT_MS     10000u
#define QUEUE_MAX      (256u * 1024u)
#define CONNECTING_MAX (64u * 1024u)
#define PIECE_MAX      16384u /* of a peer's stream in one indication */
#define CLIENT_PAUSE   (128u * 1024u)

struct peer {
	struct list link;
	struct av_relay *relay; /* NULL: its relay is gone */
	struct stream *stream;
	struct timer connect;
	struct addr addr;
	uint16_t port; /* of ours, when we opened it */
	bool up, paused, client_waits;
};

static struct peer *
find(struct av_relay *r, const struct addr *a)
{
	LIST_EACH(it, &r->peers)
	{
		struct peer *p = LIST_OF(it, struct peer, link);

		if (addr_eq(&p->addr, a))
			return p;
	}
	return NULL;
}

static uint32_t
conn_of(const struct av_relay *r)
{
	return r->conn;
}

static void
peer_free(struct peer *p)
{
	struct av_relay *r = p->relay;

	timer_cancel(&p->connect);
	stream_close(p->stream);
	if (p->client_waits)
		client_pause(r->av, conn_of(r), false);
	list_remove(&p->link);
	r->n_peers--;
	if (p->port)
		ports_give_back(r->av->ports, p->addr.family == 6 ? 3u : 2u, p->port);
	free(p);
}

/* Of its own accord, or because it could not be opened: the active one takes the client along. */
static void
peer_down(struct peer *p)
{
	struct av_relay *r = p->relay;
	struct avedge *av = r->av;
	struct turn_allocation *a = r->a;
	struct addr addr = p->addr;

	peer_free(p);
	turn_server_peer_closed(av->server, a, &addr, loop_now_ms(av->loop), &av->acts);
	egress_run(av);
}

static void
on_connect_late(struct timer *t, uint64_t now_ms)
{
	(void)now_ms;
	peer_down(LIST_OF(t, struct peer, connect));
}

static void
on_up(struct stream *s, void *arg)
{
	struct peer *p = arg;

	(void)s;
	p->up = true;
	timer_cancel(&p->connect);
}

/* Where the stream may be cut: behind the last whole RFC 4571 frame when there is one, so that one
 * indication holds whole frames; else anywhere. */
static size_t
cut(struct str bytes)
{
	size_t at = 0;

	if (bytes.n > PIECE_MAX)
		bytes.n = PIECE_MAX;
	while (bytes.n - at >= 2) {
		size_t n = 2 + ((size_t)(uint8_t)bytes.p[at] << 8 | (uint8_t)bytes.p[at + 1]);

		if (n > bytes.n - at)
			break;
		at += n;
	}
	return at ? at : bytes.n;
}

static bool
piece(struct peer *p, struct str bytes)
{
	struct avedge *av = p->relay->av;
	struct pkt *pkt = pkt_get(av->big);
	uint8_t *at = pkt ? pkt_put(pkt, (uint32_t)bytes.n) : NULL;

	if (!at) {
		pkt_unref(pkt);
		return false;
	}
	memcpy(at, bytes.p, bytes.n);
	turn_server_peer_input(
	    av->server, p->relay->a, &p->addr, pkt, loop_now_ms(av->loop), &av->acts);
	egress_run(av);
	pkt_unref(pkt);
	return true;
}

static void
read_or_wait(struct peer *p)
{
	stream_pause(p->stream, p->paused || throttle_is_on(p->relay));
}

static ptrdiff_t
on_bytes(struct stream *s, void *arg, struct str bytes)
{
	struct peer *p = arg;
	struct av_relay *r = p->relay;
	size_t used = 0;

	(void)s;
	/* All of it now: the client's output is bounded, and a full one stops the reading below. */
	while (used < bytes.n) {
		struct str left = str_from(bytes, used);
		size_t n = cut(left);

		if (!piece(p, str_first(left, n)))
			return ED_NOMEM; /* ends it: on_down */
		used += n;
	}
	p->paused = client_is_full(r->av, conn_of(r), r);
	throttle_look(r);
	read_or_wait(p);
	return (ptrdiff_t)used;
}

static void
on_drained(struct stream *s, void *arg)
{
	struct peer *p = arg;

	(void)s;
	if (!p->client_waits)
		return;
	p->client_waits = false;
	client_pause(p->relay->av, conn_of(p->relay), false);
}

static void
on_down(struct stream *s, void *arg)
{
	(void)s;
	peer_down(arg);
}

static const struct stream_ops ops = {
    .on_up = on_up, .on_bytes = on_bytes, .on_drained = on_drained, .on_down = on_down};
static const struct stream_limits lim = {.input = PIECE_MAX, .output = QUEUE_MAX};

static struct peer *
peer_new(struct av_relay *r, const struct addr *a)
{
	struct peer *p;

	if (r->n_peers >= PEERS_MAX)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->relay = r;
	p->addr = *a;
	timer_init(&p->connect, on_connect_late);
	list_push_back(&r->peers, &p->link);
	r->n_peers++;
	return p;
}

static struct peer *
peer_open(struct av_relay *r, const struct addr *to)
{
	struct avedge *av = r->av;
	struct peer *p = peer_new(r, to);
	struct stream_target target = {.to = *to, .bind = r->bound, .device = av->device};

	if (!p)
		return NULL;
	/* Firewalls know the relay range as source ports too (PX-09). */
	for (int i = 0; i < 16 && !p->stream; i++) {
		p->port = ports_take(av->ports, to->family == 6 ? 3u : 2u, false);
		if (p->port == 0)
			break;
		target.bind.port = p->port;
		p->stream = stream_connect(av->loop, &target, &lim, &ops, p);
		if (!p->stream) {
			ports_give_back(av->ports, to->family == 6 ? 3u : 2u, p->port);
			p->port = 0;
		}
	}
	if (!p->stream) {
		peer_free(p);
		return NULL;
	}
	timer_set(av->loop, &p->connect, loop_now_ms(av->loop) + CONNECT_MS);
	return p;
}

static void
peer_take(struct av_relay *r, int fd, const struct addr *from)
{
	struct peer *p = peer_new(r, from);

	if (!p) {
		close(fd);
		return;
	}
	p->up = true;
	p->stream = stream_accept(r->av->loop, fd, &lim, &ops, p);
	if (!p->stream)
		peer_free(p);
}

/*
 * Both sides of a call start at the same moment, and libnice gives a connection up for good when it
 * is closed at once. One that comes before the client has sent to its address waits a little,
 * unread; what has not been permitted by then is closed.
 */
static bool
early_keep(struct av_relay *r, int fd, const struct addr *from)
{
	if (r->n_early >= AV_EARLY_MAX)
		return false;
	r->early[r->n_early].fd = fd;
	r->early[r->n_early++].from = *from;
	if (!timer_is_set(&r->early_until))
		timer_set(r->av->loop, &r->early_until, loop_now_ms(r->av->loop) + EARLY_MS);
	return true;
}

static void
early_admit(struct av_relay *r)
{
	for (uint32_t i = r->n_early; i-- > 0;) {
		int fd = r->early[i].fd;
		struct addr from = r->early[i].from;

		if (!turn_server_peer_accept(r->av->server, r->a, &from, loop_now_ms(r->av->loop)))
			continue;
		r->early[i] = r->early[--r->n_early];
		peer_take(r, fd, &from);
	}
}

static void
early_close(struct av_relay *r)
{
	timer_cancel(&r->early_until);
	while (r->n_early)
		close(r->early[--r->n_early].fd);
}

static void
on_early_over(struct timer *t, uint64_t now_ms)
{
	(void)now_ms;
	early_close(LIST_OF(t, struct av_relay, early_until));
}

void
peer_init(struct av_relay *r)
{
	list_init(&r->peers);
	list_init(&r->joints);
	timer_init(&r->early_until, on_early_over);
}

void
peer_send(struct av_relay *r, const struct addr *to, struct str bytes)
{
	struct peer *p;

	if (r->n_early)
		early_admit(r);
	p = find(r, to);
	if (!p)
		p = peer_open(r, to);
	if (!p)
		return; /* a Send has no answer; the client's next check tries again */
	if (!p->up && stream_pending(p->stream) + bytes.n > CONNECTING_MAX)
		return;
	if (stream_send(p->stream, STR_NONE, bytes) < 0) {
		client_close(r->av, conn_of(r)); /* a hole in a stream is worse than its end */
		return;
	}
	if (p->up && stream_pending(p->stream) > CLIENT_PAUSE && !p->client_waits) {
		p->client_waits = true;
		client_pause(r->av, conn_of(r), true);
	}
}

void
peer_on_accept(void *arg, int fd, const struct addr *from, const struct addr *local)
{
	struct av_relay *r = arg;
	struct avedge *av = r->av;

	(void)local;
	if (!r->a->ms) {
		joint_on_accept(r, fd, from);
		return;
	}
	if (turn_server_peer_accept(av->server, r->a, from, loop_now_ms(av->loop)))
		peer_take(r, fd, from);
	else if (!early_keep(r, fd, from))
		close(fd);
}

void
peer_resume(struct av_relay *r)
{
	LIST_EACH(it, &r->peers)
	{
		struct peer *p = LIST_OF(it, struct peer, link);

		p->paused = false;
		read_or_wait(p);
	}
}

void
peer_read_all(struct av_relay *r)
{
	LIST_EACH(it, &r->peers)
	read_or_wait(LIST_OF(it, struct peer, link));
}

void
peer_close_all(struct av_relay *r)
{
	early_close(r);
	joint_close_all(r);
	if (r->transport == TURN_TCP)
		client_forget_relay(r->av, r->conn);
	while (!list_is_empty(&r->peers))
		peer_free(LIST_OF(r->peers.next, struct peer, link));
}

/* SPDX-License-Identifier: MIT
 *
 * net/udp.c: datagram sockets of a process: life, and sending.
 *
 * A round: every readable socket gives a batch (udp_recv.c, or uring.c for all of them at once),
 * its callback queues what leaves; at the end of the round what is queued is sent. What a relay
 * sends to one client port from hundreds of relayed addresses leaves in one sendmmsg that way;
 * single datagrams of many sockets leave in one submission, where there is a ring.
 */
#include "net/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/udp_in.h"
#include "net/uring.h"

static void flush(struct loop_task *t);

struct udp *
udp_new(struct loop *l, uint32_t max_datagram)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->loop = l;
	list_init(&u->dirty);
	u->flush.run = flush;
	/* One byte more tells a datagram that is too long from one that just fits. */
	u->pool = pkt_pool_new(max_datagram + 1, UDP_POOL_MAX);
	u->in = calloc(1, sizeof(*u->in)); /* pages that no segments come to stay untouched */
	if (!u->pool || !u->in)
		return udp_free(u);
	for (size_t i = 0; i < UDP_QUEUE_MAX; i++) {
		u->queue[i].next = u->free;
		u->free = &u->queue[i];
	}
	return u;
}

struct udp *
udp_free(struct udp *u)
{
	if (!u)
		return NULL;
	loop_defer_cancel(&u->flush);
	uring_free(u->ring);
	for (size_t i = 0; u->in && i < UDP_BATCH; i++)
		pkt_unref(u->in->pkt[i]);
	free(u->in);
	pkt_pool_free(u->pool);
	free(u);
	return NULL;
}

int
udp_use_ring(struct udp *u, const char **ret_why)
{
	int r = uring_new(u, &u->ring, ret_why);

	if (r < 0)
		return r;
	free(u->in);
	u->in = NULL;
	return ED_OK;
}

void
udp_coalesce(struct udp *u, uint32_t wait_us)
{
	u->wait_us = wait_us;
}

const struct udp_stats *
udp_stats(const struct udp *u)
{
	return &u->stats;
}

struct pkt_pool *
udp_pool(struct udp *u)
{
	return u->pool;
}

int
udp_bind(const struct addr *at, const char *device, bool reuse_port, int *ret_fd)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(at, &sa);
	int one = 1, fd;

	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ED_SYS;
	if (sa.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		goto fail;
	if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		goto fail;
	if (device && device[0] &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		goto fail;
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		goto fail;
	*ret_fd = fd;
	return ED_OK;
fail:
	close(fd);
	return ED_SYS;
}

void
udp_set_buffers(int fd, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* ---- sending ---- */

static struct udp_queued *
queue_drop(struct udp_socket *s)
{
	struct udp_queued *q = s->first;

	s->first = q->next;
	if (!s->first)
		s->last = &s->first;
	pkt_unref(q->pkt);
	q->next = s->u->free;
	s->u->free = q;
	return s->first;
}

/* How many from q on may leave as one segmented send: same peer, same length but for the last. */
static unsigned
run_length(const struct udp *u, const struct udp_queued *q)
{
	const struct udp_queued *first = q;
	uint32_t total = q->pkt->len;
	unsigned n = 1;

	if (u->no_segments || q->pkt->len == 0)
		return 1;
	for (q = q->next; q && n < UDP_SEGMENTS_MAX; q = q->next, n++) {
		if (q->pkt->len > first->pkt->len || q->pkt->len == 0 ||
		    total + q->pkt->len > UDP_SEGMENT_BYTES || !addr_eq(&q->to, &first->to))
			break;
		total += q->pkt->len;
		if (q->pkt->len < first->pkt->len)
			return n + 1;
	}
	return n;
}

static void
put_segment_size(struct udp *u, unsigned i, uint32_t size)
{
	struct msghdr *h = &u->out_msg[i].msg_hdr;
	uint16_t v = (uint16_t)size;
	struct cmsghdr *c;

	h->msg_control = u->out_control[i].bytes;
	h->msg_controllen = sizeof(u->out_control[i].bytes);
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(v));
	memcpy(CMSG_DATA(c), &v, sizeof(v));
}

/* Makes messages of the socket's queue, from out_msg[at] on, until it or the room ends; returns
 * behind the last. The queue is not yet touched. */
static unsigned
fill_batch(struct udp_socket *s, unsigned at, unsigned *n_iov)
{
	struct udp *u = s->u;
	struct udp_queued *q = s->first;

	for (; q && at < UDP_SEND_BATCH && *n_iov < UDP_SEND_BATCH; at++) {
		struct msghdr *h = &u->out_msg[at].msg_hdr;
		struct iovec *iov = &u->out_iov[*n_iov];
		unsigned run = run_length(u, q);
		uint32_t size = q->pkt->len;

		*h = (struct msghdr){.msg_name = &u->out_name[at],
		    .msg_namelen = addr_to_sockaddr(&q->to, &u->out_name[at]),
		    .msg_iov = iov,
		    .msg_iovlen = run};
		if (run > 1)
			put_segment_size(u, at, size);
		*n_iov += run;
		for (; run; run--, q = q->next)
			*iov++ = (struct iovec){q->pkt->data, q->pkt->len};
	}
	return at;
}

/* What has been sent, or has failed, leaves the queue. */
static void
take_off(struct udp_socket *s, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		for (size_t k = s->u->out_msg[i].msg_hdr.msg_iovlen; k; k--)
			queue_drop(s);
}

static void
send_batch(struct udp_socket *s, unsigned n)
{
	struct udp *u = s->u;
	int r = sendmmsg(s->fd, u->out_msg, n, MSG_DONTWAIT);
	unsigned done = r > 0 ? (unsigned)r : 1;

	u->stats.send_calls++;
	if (r < 0 && u->out_msg[0].msg_hdr.msg_iovlen > 1 &&
	    (errno == EIO || errno == EINVAL || errno == EMSGSIZE)) {
		u->no_segments = true; /* device or path cannot; singly then */
		return;
	}
	for (unsigned i = 0; i < done; i++)
		if (r > 0)
			u->stats.sent += u->out_msg[i].msg_hdr.msg_iovlen;
		else /* the first of them failed: it is lost, as on a wire */
			u->stats.send_dropped += u->out_msg[i].msg_hdr.msg_iovlen;
	take_off(s, 0, done);
}

static void
flush_socket(struct udp_socket *s)
{
	while (s->first) {
		unsigned n_iov = 0;

		send_batch(s, fill_batch(s, 0, &n_iov));
	}
}

/* Sockets with one datagram, of which there are many in a round: all in one submission. */
static void
flush_singles(struct udp *u, struct list *singles)
{
	unsigned n = 0, n_iov = 0;

	LIST_EACH(it, singles)
	{
		struct udp_socket *s = LIST_OF(it, struct udp_socket, dirty);

		fill_batch(s, n, &n_iov);
		uring_send(u->ring, s->fd, &u->out_msg[n].msg_hdr);
		n++;
	}
	uring_submit(u->ring);
	for (unsigned i = 0; i < n; i++) {
		struct udp_socket *s = LIST_OF(singles->next, struct udp_socket, dirty);

		list_remove(&s->dirty);
		queue_drop(s);
	}
}

static void
flush_all(struct udp *u)
{
	struct list singles;
	unsigned n = 0;

	list_init(&singles);
	while (!list_is_empty(&u->dirty)) {
		struct udp_socket *s = LIST_OF(u->dirty.next, struct udp_socket, dirty);

		list_remove(&s->dirty);
		if (!u->ring || s->first->next) {
			flush_socket(s);
			continue;
		}
		list_push_back(&singles, &s->dirty);
		if (++n == UDP_SEND_BATCH) {
			flush_singles(u, &singles);
			n = 0;
		}
	}
	if (n)
		flush_singles(u, &singles);
}

static void
flush(struct loop_task *t)
{
	flush_all(LIST_OF(t, struct udp, flush));
}

void
udp_send(struct udp_socket *s, struct pkt *p, const struct addr *to)
{
	struct udp *u = s->u;
	struct udp_queued *q = u->free;

	if (!q) {
		flush_all(u);
		q = u->free;
	}
	u->free = q->next;
	*q = (struct udp_queued){.pkt = pkt_ref(p), .to = *to};
	*s->last = q;
	s->last = &q->next;
	if (!list_is_linked(&s->dirty))
		list_push_back(&u->dirty, &s->dirty);
	loop_defer(u->loop, &u->flush);
}

static bool
start_reading(struct udp_socket *s)
{
	if (s->u->ring) {
		s->slot = uring_open(s->u->ring, s);
		return s->slot != NULL;
	}
	return event_assign(&s->event, loop_base(s->u->loop), s->fd, EV_READ | EV_PERSIST,
		   udp_on_readable, s) == 0 &&
	       event_add(&s->event, NULL) == 0;
}

struct udp_socket *
udp_open(struct udp *u, int fd, udp_cb *cb, void *arg)
{
	struct udp_socket *s = calloc(1, sizeof(*s));
	int one = 1;

	if (!s) {
		close(fd);
		return NULL;
	}
	s->u = u;
	s->fd = fd;
	s->cb = cb;
	s->arg = arg;
	s->last = &s->first;
	/* Several of one flow in one piece, where the network has them so. */
	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
	if (!start_reading(s)) {
		close(fd);
		free(s);
		return NULL;
	}
	return s;
}

struct udp_socket *
udp_close(struct udp_socket *s)
{
	if (!s)
		return NULL;
	/* What was answered in this round (a release, for one) still leaves. */
	flush_socket(s);
	list_remove(&s->dirty);
	if (s->u->reading == s)
		s->u->reading = NULL;
	if (s->slot)
		uring_close(s->u->ring, s->slot);
	else
		event_del(&s->event);
	close(s->fd);
	free(s);
	return NULL;
}

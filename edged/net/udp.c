/* SPDX-License-Identifier: MIT
 *
 * net/udp.c: recvmmsg and sendmmsg on libevent.
 *
 * A round: every readable socket gives a batch, its callback queues what leaves; at the end of the
 * round each socket that has something queued sends it. What a relay sends to one client port from
 * hundreds of relayed addresses leaves in one call that way.
 */
#include "net/udp.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "net/loop.h"

#define BATCH         64u   /* received with one call */
#define SEND_BATCH    64u   /* sent with one call */
#define QUEUE_MAX     1024u /* waiting in all; more flush at once */
#define POOL_MAX      8192u
#define SEGMENTS_MAX  32u    /* datagrams in one segmented send */
#define SEGMENT_BYTES 60000u /* all of them: below the 64 KB of an IP datagram */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

struct queued {
	struct pkt *pkt;
	struct addr to;
	struct queued *next;
};

struct udp_socket {
	struct udp *u;
	struct event event;
	udp_cb *cb;
	void *arg;
	struct list dirty; /* has something queued */
	struct queued *first, **last;
	int fd;
};

struct udp {
	struct loop *loop;
	struct pkt_pool *pool;
	struct list dirty;
	struct loop_task flush;
	struct udp_stats stats;
	struct udp_socket *reading; /* whose callback runs; NULL once that closed itself */
	bool no_segments;           /* the kernel refused them once */
	struct queued queue[QUEUE_MAX];
	struct queued *free;
	/* receiving */
	struct pkt *in[BATCH];
	struct mmsghdr in_msg[BATCH];
	struct iovec in_iov[BATCH];
	struct sockaddr_storage in_name[BATCH];
	/* sending */
	struct mmsghdr out_msg[SEND_BATCH];
	struct iovec out_iov[SEND_BATCH * SEGMENTS_MAX];
	struct sockaddr_storage out_name[SEND_BATCH];
	union {
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} out_control[SEND_BATCH];
};

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
	u->pool = pkt_pool_new(max_datagram + 1, POOL_MAX);
	if (!u->pool)
		return udp_free(u);
	for (size_t i = 0; i < QUEUE_MAX; i++) {
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
	for (size_t i = 0; i < BATCH; i++)
		pkt_unref(u->in[i]);
	pkt_pool_free(u->pool);
	free(u);
	return NULL;
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

/* ---- receiving ---- */

/* How many packets stand ready to be filled. */
static unsigned
prepare_batch(struct udp *u)
{
	unsigned n = 0;

	for (; n < BATCH; n++) {
		if (!u->in[n])
			u->in[n] = pkt_get(u->pool);
		if (!u->in[n])
			break;
		u->in_iov[n] = (struct iovec){u->in[n]->data, pkt_pool_content(u->pool)};
		u->in_msg[n].msg_hdr = (struct msghdr){.msg_name = &u->in_name[n],
		    .msg_namelen = sizeof(u->in_name[n]),
		    .msg_iov = &u->in_iov[n],
		    .msg_iovlen = 1};
	}
	return n;
}

static void
deliver(struct udp_socket *s, unsigned i)
{
	struct udp *u = s->u;
	struct pkt *p = u->in[i];
	struct addr from;

	u->in[i] = NULL;
	p->len = u->in_msg[i].msg_len;
	if (p->len >= pkt_pool_content(u->pool)) {
		u->stats.cut++;
	} else if (addr_from_sockaddr(&from, (struct sockaddr *)&u->in_name[i],
		       u->in_msg[i].msg_hdr.msg_namelen) == ED_OK) {
		u->stats.received++;
		s->cb(s->arg, s, p, &from);
	}
	pkt_unref(p);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct udp_socket *s = arg;
	struct udp *u = s->u;
	unsigned room = prepare_batch(u);
	int n;

	(void)what;
	if (room == 0) {
		u->stats.no_packet++;
		return;
	}
	/* One batch a round: what is left is readable in the next, and others have their turn. */
	n = recvmmsg(fd, u->in_msg, room, MSG_DONTWAIT, NULL);
	u->stats.receive_calls++;
	u->reading = s;
	for (int i = 0; i < n && u->reading; i++)
		deliver(s, (unsigned)i);
	u->reading = NULL;
}

/* ---- sending ---- */

static struct queued *
queue_drop(struct udp_socket *s)
{
	struct queued *q = s->first;

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
run_length(const struct udp *u, const struct queued *q)
{
	const struct queued *first = q;
	uint32_t total = q->pkt->len;
	unsigned n = 1;

	if (u->no_segments || q->pkt->len == 0)
		return 1;
	for (q = q->next; q && n < SEGMENTS_MAX; q = q->next, n++) {
		if (q->pkt->len > first->pkt->len || q->pkt->len == 0 ||
		    total + q->pkt->len > SEGMENT_BYTES || !addr_eq(&q->to, &first->to))
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

/* Fills out_msg from the socket's queue; returns how many messages. */
static unsigned
fill_batch(struct udp_socket *s)
{
	struct udp *u = s->u;
	struct queued *q = s->first;
	struct iovec *iov = u->out_iov;
	unsigned n = 0;

	for (; q && n < SEND_BATCH; n++) {
		struct msghdr *h = &u->out_msg[n].msg_hdr;
		unsigned run = run_length(u, q);
		uint32_t size = q->pkt->len;

		*h = (struct msghdr){.msg_name = &u->out_name[n],
		    .msg_namelen = addr_to_sockaddr(&q->to, &u->out_name[n]),
		    .msg_iov = iov,
		    .msg_iovlen = run};
		if (run > 1)
			put_segment_size(u, n, size);
		for (; run; run--, q = q->next)
			*iov++ = (struct iovec){q->pkt->data, q->pkt->len};
	}
	return n;
}

static void
flush_socket(struct udp_socket *s)
{
	struct udp *u = s->u;

	while (s->first) {
		unsigned n = fill_batch(s), done;
		int r = sendmmsg(s->fd, u->out_msg, n, MSG_DONTWAIT);

		u->stats.send_calls++;
		if (r < 0 && u->out_msg[0].msg_hdr.msg_iovlen > 1 &&
		    (errno == EIO || errno == EINVAL || errno == EMSGSIZE)) {
			u->no_segments = true; /* device or path cannot; singly then */
			continue;
		}
		done = r > 0 ? (unsigned)r
			     : 1; /* the first of them failed: it is lost, as on a wire */
		for (unsigned i = 0; i < done; i++)
			for (size_t k = u->out_msg[i].msg_hdr.msg_iovlen; k; k--) {
				if (r > 0)
					u->stats.sent++;
				else
					u->stats.send_dropped++;
				queue_drop(s);
			}
	}
}

static void
flush_all(struct udp *u)
{
	while (!list_is_empty(&u->dirty)) {
		struct udp_socket *s = LIST_OF(u->dirty.next, struct udp_socket, dirty);

		list_remove(&s->dirty);
		flush_socket(s);
	}
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
	struct queued *q = u->free;

	if (!q) {
		flush_all(u);
		q = u->free;
	}
	u->free = q->next;
	*q = (struct queued){.pkt = pkt_ref(p), .to = *to};
	*s->last = q;
	s->last = &q->next;
	if (!list_is_linked(&s->dirty))
		list_push_back(&u->dirty, &s->dirty);
	loop_defer(u->loop, &u->flush);
}

struct udp_socket *
udp_open(struct udp *u, int fd, udp_cb *cb, void *arg)
{
	struct udp_socket *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return NULL;
	}
	s->u = u;
	s->fd = fd;
	s->cb = cb;
	s->arg = arg;
	s->last = &s->first;
	if (event_assign(&s->event, loop_base(u->loop), fd, EV_READ | EV_PERSIST, on_readable, s) <
		0 ||
	    event_add(&s->event, NULL) < 0) {
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
	event_del(&s->event);
	close(s->fd);
	free(s);
	return NULL;
}

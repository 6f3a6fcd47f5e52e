/* SPDX-License-Identifier: MIT
 *
 * net/udp_recv.c: datagrams as they come: by recvmmsg, alone or several of one length in one piece
 * (UDP_GRO), and how these are taken apart.
 *
 * A single datagram lies in its packet and is not copied. A piece of several fills the packet and
 * goes on in a spill area; each of its datagrams is copied out, so that a header may go in front of
 * each.
 */
#include <string.h>
#include <time.h>

#include "net/udp_in.h"

#define WAIT_WINDOW_MS 100u
#define WAIT_PER_S     5000u /* from so many packets a second on, waiting pays */

uint32_t
udp_segment_of(const struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR((struct msghdr *)h, c)) {
		int v;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO ||
		    c->cmsg_len < CMSG_LEN(sizeof(v)))
			continue;
		memcpy(&v, CMSG_DATA(c), sizeof(v));
		return v > 0 ? (uint32_t)v : 0;
	}
	return 0;
}

static void
hand_over(struct udp_socket *s, struct pkt *p, const struct addr *from)
{
	struct udp *u = s->u;

	if (p->len >= pkt_pool_content(u->pool)) {
		u->stats.cut++;
	} else {
		u->stats.received++;
		u->n_window++;
		s->cb(s->arg, s, p, from);
	}
}

/* n bytes at `at` of what lies in p and then in spill. */
static struct pkt *
copy_out(struct udp *u, const struct pkt *p, const uint8_t *spill, uint32_t at, uint32_t n)
{
	uint32_t in_p = at < p->len ? p->len - at : 0;
	struct pkt *q = pkt_get(u->pool);
	uint8_t *to;

	if (!q) {
		u->stats.no_packet++;
		return NULL;
	}
	if (n > pkt_pool_content(u->pool))
		n = pkt_pool_content(u->pool); /* counted as cut */
	if (in_p > n)
		in_p = n;
	to = pkt_put(q, n);
	memcpy(to, p->data + at, in_p);
	if (n > in_p)
		memcpy(to + in_p, spill + (at + in_p - p->len), n - in_p);
	return q;
}

void
udp_deliver(struct udp_socket *s, struct pkt *p, const uint8_t *spill, uint32_t total,
    uint32_t segment, const struct sockaddr *name, socklen_t name_len)
{
	struct udp *u = s->u;
	struct addr from;

	if (addr_from_sockaddr(&from, name, name_len) < 0) {
		pkt_unref(p);
		return;
	}
	u->reading = s;
	if (segment == 0 || segment >= total) {
		hand_over(s, p, &from);
	} else {
		u->stats.pieces++;
		for (uint32_t at = 0; at < total && u->reading; at += segment) {
			uint32_t n = total - at < segment ? total - at : segment;
			struct pkt *q = copy_out(u, p, spill, at, n);

			if (q)
				hand_over(s, q, &from);
			pkt_unref(q);
		}
	}
	pkt_unref(p);
}

/* ---- recvmmsg ---- */

/* How many packets stand ready to be filled. */
static unsigned
prepare_batch(struct udp *u)
{
	struct udp_in *in = u->in;
	unsigned n = 0;

	for (; n < UDP_BATCH; n++) {
		if (!in->pkt[n])
			in->pkt[n] = pkt_get(u->pool);
		if (!in->pkt[n])
			break;
		in->iov[n][0] = (struct iovec){in->pkt[n]->data, pkt_pool_content(u->pool)};
		in->iov[n][1] = (struct iovec){in->spill[n], UDP_WHOLE_MAX};
		in->msg[n].msg_hdr = (struct msghdr){.msg_name = &in->name[n],
		    .msg_namelen = sizeof(in->name[n]),
		    .msg_iov = in->iov[n],
		    .msg_iovlen = 2,
		    .msg_control = in->control[n].bytes,
		    .msg_controllen = sizeof(in->control[n].bytes)};
	}
	return n;
}

static void
deliver(struct udp_socket *s, unsigned i)
{
	struct udp *u = s->u;
	struct udp_in *in = u->in;
	struct msghdr *h = &in->msg[i].msg_hdr;
	uint32_t total = in->msg[i].msg_len, content = pkt_pool_content(u->pool);
	struct pkt *p = in->pkt[i];

	in->pkt[i] = NULL;
	p->len = total < content ? total : content;
	udp_deliver(s, p, in->spill[i], total, udp_segment_of(h), (struct sockaddr *)&in->name[i],
	    h->msg_namelen);
}

void
udp_on_readable(evutil_socket_t fd, short what, void *arg)
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
	udp_wait_for_more(u);
	/* One batch a round: what is left is readable in the next, and others have their turn. */
	n = recvmmsg(fd, u->in->msg, room, MSG_DONTWAIT, NULL);
	u->stats.receive_calls++;
	u->reading = s;
	for (int i = 0; i < n && u->reading; i++)
		deliver(s, (unsigned)i);
	u->reading = NULL;
}

/* ---- waiting for neighbours ---- */

/* goals P11: at rates where each packet wakes the process, the wake-up costs more than the packet.
 * Once a round, and only while many flow: a lone call is not delayed. */
void
udp_wait_for_more(struct udp *u)
{
	struct timespec ts = {.tv_nsec = (long)u->wait_us * 1000};
	uint64_t now_ms;

	if (u->wait_us == 0 || list_is_linked(&u->flush.link))
		return;
	now_ms = loop_now_ms(u->loop);
	if (now_ms - u->window_ms >= WAIT_WINDOW_MS) {
		u->waits = (uint64_t)u->n_window * 1000 > WAIT_PER_S * (now_ms - u->window_ms);
		u->n_window = 0;
		u->window_ms = now_ms;
	}
	if (u->waits) {
		u->stats.waits++;
		nanosleep(&ts, NULL);
	}
}

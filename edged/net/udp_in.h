/* SPDX-License-Identifier: MIT
 *
 * net/udp_in.h: shared by udp.c (life, sending), udp_recv.c (recvmmsg, segments) and uring.c (the
 * ring) only.
 */
#ifndef EDGED_NET_UDP_IN_H
#define EDGED_NET_UDP_IN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/list.h"
#include "net/loop.h"
#include "net/udp.h"

#define UDP_BATCH         64u   /* received with one call */
#define UDP_SEND_BATCH    256u  /* made ready for sending at a time */
#define UDP_QUEUE_MAX     1024u /* waiting in all; more flush at once */
#define UDP_POOL_MAX      8192u
#define UDP_SEGMENTS_MAX  32u    /* datagrams in one segmented send */
#define UDP_SEGMENT_BYTES 60000u /* all of them: below the 64 KB of an IP datagram */
#define UDP_WHOLE_MAX     65536u /* what segments come in */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct uring;
struct uring_slot;

struct udp_queued {
	struct pkt *pkt;
	struct addr to;
	struct udp_queued *next;
};

struct udp_socket {
	struct udp *u;
	struct event event;
	struct uring_slot *slot; /* instead of event, with a ring */
	udp_cb *cb;
	void *arg;
	struct list dirty; /* has something queued */
	struct udp_queued *first, **last;
	int fd;
};

/* What recvmmsg fills; not there with a ring. */
struct udp_in {
	struct pkt *pkt[UDP_BATCH];
	struct mmsghdr msg[UDP_BATCH];
	struct iovec iov[UDP_BATCH][2];
	struct sockaddr_storage name[UDP_BATCH];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control[UDP_BATCH];
	uint8_t spill[UDP_BATCH][UDP_WHOLE_MAX]; /* what segments hold beyond one packet */
};

struct udp {
	struct loop *loop;
	struct pkt_pool *pool;
	struct uring *ring; /* NULL: recvmmsg and sendmmsg */
	struct udp_in *in;
	struct list dirty;
	struct loop_task flush;
	struct udp_stats stats;
	struct udp_socket *reading; /* whose callback runs; NULL once that closed itself */
	bool no_segments;           /* the kernel refused them once */
	/* Waiting for neighbours (udp_coalesce). */
	uint32_t wait_us, n_window;
	uint64_t window_ms;
	bool waits;
	struct udp_queued queue[UDP_QUEUE_MAX];
	struct udp_queued *free;
	/* sending */
	struct udp_socket *out_of[UDP_SEND_BATCH];
	struct mmsghdr out_msg[UDP_SEND_BATCH];
	struct iovec out_iov[UDP_SEND_BATCH + UDP_SEGMENTS_MAX];
	struct sockaddr_storage out_name[UDP_SEND_BATCH];
	union {
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} out_control[UDP_SEND_BATCH];
};

/* udp_recv.c */
/* One datagram, or several in one piece: `total` bytes in p's content, the rest in spill. Takes
 * over the caller's reference. segment 0: one. */
void udp_deliver(struct udp_socket *s, struct pkt *p, const uint8_t *spill, uint32_t total,
    uint32_t segment, const struct sockaddr *name, socklen_t name_len);
void udp_on_readable(evutil_socket_t fd, short what, void *arg);
/* The segment size that the kernel named in the control data; 0: none. */
uint32_t udp_segment_of(const struct msghdr *h);
/* Before a batch is read: lets others come, when that is wanted and so many flow. */
void udp_wait_for_more(struct udp *u);

#endif

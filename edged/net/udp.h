/* SPDX-License-Identifier: MIT
 *
 * net/udp.h: datagrams in batches: received into pooled packets with headroom, sent at the end of
 * the loop round, one system call for all that leaves by one socket (and UDP segmentation for a run
 * of equal ones to one peer, in and out, where the kernel has it).
 *
 * Life: udp_new once per process; udp_open per socket (takes the descriptor over); udp_send queues
 * and counts the packet; udp_close drops what is still queued for that socket. A socket may be
 * closed from its own callback.
 */
#ifndef EDGED_NET_UDP_H
#define EDGED_NET_UDP_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/pkt.h"

struct loop;
struct udp;
struct udp_socket;

/* The packet is the caller's for the length of the call; pkt_ref keeps it. */
typedef void udp_cb(void *arg, struct udp_socket *s, struct pkt *p, const struct addr *from);

struct udp_stats {
	uint64_t received, sent, receive_calls, send_calls;
	uint64_t send_dropped; /* the socket's buffer was full, or the network refused */
	uint64_t no_packet;    /* the pool was empty: not read in this round */
	uint64_t cut;          /* longer than max_datagram: dropped */
	uint64_t pieces;       /* received as several datagrams in one (UDP_GRO) */
	uint64_t waits;        /* rounds that waited for more (udp_coalesce) */
};

/* max_datagram: longest taken. */
struct udp *udp_new(struct loop *l, uint32_t max_datagram);
struct udp *udp_free(struct udp *u); /* after its sockets */
/* io_uring from here on (uring.h), before the first socket. Refused, with *ret_why naming the step:
 * u goes on with recvmmsg and sendmmsg; the same datagrams come and go in the same order per
 * socket. */
int udp_use_ring(struct udp *u, const char **ret_why) ED_MUST_CHECK;
/* While more than 5,000 packets a second come, each round waits so long for more; 0: never. */
void udp_coalesce(struct udp *u, uint32_t wait_us);
const struct udp_stats *udp_stats(const struct udp *u);
struct pkt_pool *udp_pool(struct udp *u);

/* A datagram socket bound to `at`; port 0: the kernel picks. */
int udp_bind(const struct addr *at, const char *device, bool reuse_port, int *ret_fd) ED_MUST_CHECK;
/* Room for bursts; as far as the process may. */
void udp_set_buffers(int fd, int bytes);

/* Takes fd over; NULL without memory (fd is closed). */
struct udp_socket *udp_open(struct udp *u, int fd, udp_cb *cb, void *arg);
struct udp_socket *udp_close(struct udp_socket *s);
/* Takes a reference of its own. */
void udp_send(struct udp_socket *s, struct pkt *p, const struct addr *to);

#endif

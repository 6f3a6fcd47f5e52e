/* SPDX-License-Identifier: MIT
 *
 * net/uring.h: io_uring for the datagram sockets of one process: each socket has one receive that
 * stays armed and fills buffers of one ring; single sends leave together in one call.
 *
 * The ring is made disabled, restricted to three operations (receive, send, cancel), enabled, and
 * then takes no further registration: seccomp does not see what a ring does, so the ring carries
 * its own list. It is made before the sandbox closes, so that no filter has to allow io_uring_setup
 * or io_uring_register; the memory it locks is charged to who starts the role.
 *
 * For udp.c only. Life: uring_new; uring_open per socket; uring_send and uring_submit; uring_close
 * before the descriptor is closed; uring_free when all sockets are closed.
 */
#ifndef EDGED_NET_URING_H
#define EDGED_NET_URING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct msghdr;
struct udp;
struct udp_socket;
struct uring;
struct uring_slot;

/* ED_SYS, ED_NOMEM: *ret_why tells which step the kernel refused (static text). */
int uring_new(struct udp *u, struct uring **ret, const char **ret_why) ED_MUST_CHECK;
struct uring *uring_free(struct uring *r);
/* NULL without memory. */
struct uring_slot *uring_open(struct uring *r, struct udp_socket *s);
/* From now on nothing of it is delivered; the kernel has let go of the socket. */
void uring_close(struct uring *r, struct uring_slot *slot);
/* h and all it names stay as they are until uring_submit. */
void uring_send(struct uring *r, int fd, const struct msghdr *h);
/* All that was given has been taken by the network, or has failed. */
void uring_submit(struct uring *r);

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/listener.h: accepts on a socket that the supervisor bound (address and device), in bounded
 * bursts.
 *
 * listener_bind is for the supervisor and for tests; services get the descriptor.
 */
#ifndef EDGED_NET_LISTENER_H
#define EDGED_NET_LISTENER_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/err.h"

struct loop;
struct listener;

/* A listening TCP socket: SO_REUSEADDR, SO_REUSEPORT, TCP_NODELAY, bound to device unless "". */
int listener_bind(
    const struct addr *at, const char *device, int backlog, int *ret_fd) ED_MUST_CHECK;

/* fd is taken over. on_accept gets a non-blocking close-on-exec fd and owns it. Out of descriptors:
 * pauses 100 ms, reports through on_trouble, never spins. */
struct listener_ops {
	void (*on_accept)(void *arg, int fd, const struct addr *peer, const struct addr *local);
	void (*on_trouble)(void *arg, int err);
};
struct listener *listener_new(struct loop *l, int fd, const struct listener_ops *ops, void *arg);
struct listener *listener_free(struct listener *ln);
void listener_pause(struct listener *ln, bool pause);

#endif

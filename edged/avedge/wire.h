/* SPDX-License-Identifier: MIT
 *
 * avedge/wire.h: the connection of a TCP client, with TLS or without: one face for client.c.
 *
 * Life: wire_accept; on_bytes and on_drained as in net/stream.h; on_down once when the other side
 * or the network ended it; then, or at any time before, wire_finish. Neither callback comes after
 * that.
 *
 * With a TLS context and without `tls_only` the first bytes decide (ms-turn 1.3): they are looked
 * at in the socket's own buffer, so that whoever takes the connection reads them as if they were
 * new.
 */
#ifndef EDGED_AVEDGE_WIRE_H
#define EDGED_AVEDGE_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct addr;
struct loop;
struct tls_ctx;
struct wire;

struct wire_ops {
	ptrdiff_t (*on_bytes)(void *arg, struct str bytes);
	void (*on_drained)(void *arg);
	void (*on_down)(void *arg, const char *why);
};

struct wire_conf {
	struct tls_ctx *tls; /* NULL: never TLS */
	bool tls_only;       /* the port speaks nothing else */
	size_t input, output;
};

/* Takes fd over; NULL without memory (fd closed). */
struct wire *wire_accept(struct loop *l, int fd, const struct addr *peer, const struct addr *local,
    const struct wire_conf *conf, const struct wire_ops *ops, void *arg);
/* What waits is sent as far as it can be, then the connection is closed. */
struct wire *wire_finish(struct wire *w);

/* Joined in order. ED_LIMIT when they do not fit whole; nothing is queued then. */
int wire_send(struct wire *w, struct str head, struct str body) ED_MUST_CHECK;
size_t wire_pending(const struct wire *w);
void wire_pause(struct wire *w, bool pause);
bool wire_is_tls(const struct wire *w);

#endif

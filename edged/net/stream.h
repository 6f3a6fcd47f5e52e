/* SPDX-License-Identifier: MIT
 *
 * net/stream.h: one TCP connection without TLS: bytes in and out, bounded; for the relay's own
 * framing and for connections with peers. net/conn.h is the one with TLS.
 *
 * Life: stream_accept or stream_connect; on_up (connect only) when it stands; on_bytes; on_drained
 * when all that waited has left; on_down exactly once when the other side or the network ended it;
 * then, or at any time before, stream_close (also from a callback) frees it. stream_close does not
 * call on_down.
 *
 * Output leaves at the end of the loop round, all of it in one send.
 */
#ifndef EDGED_NET_STREAM_H
#define EDGED_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

struct loop;
struct stream;

struct stream_ops {
	void (*on_up)(struct stream *s, void *arg);
	/* All bytes not yet consumed. Returns how many are used up; the rest is shown again with
	 * more behind it. Negative: the room gave up (and closes, or has closed, the stream). */
	ptrdiff_t (*on_bytes)(struct stream *s, void *arg, struct str bytes);
	void (*on_drained)(struct stream *s, void *arg);
	void (*on_down)(struct stream *s, void *arg);
};

struct stream_limits {
	uint32_t input;  /* unconsumed bytes kept; more ends it (on_down) */
	uint32_t output; /* waiting; stream_send refuses beyond */
};

/* Takes fd over (connected, non-blocking); NULL without memory (fd closed). */
struct stream *stream_accept(struct loop *l, int fd, const struct stream_limits *lim,
    const struct stream_ops *ops, void *arg);
struct stream_target {
	struct addr to, bind; /* bind: address and port of our side */
	const char *device;
	bool share_port; /* a listening socket of ours holds that port too */
};
/* NULL when bind or connect fail at once (errno tells). */
struct stream *stream_connect(struct loop *l, const struct stream_target *t,
    const struct stream_limits *lim, const struct stream_ops *ops, void *arg);
struct stream *stream_close(struct stream *s);
/* What waits is sent once more as far as the socket takes it, then closed. */
struct stream *stream_finish(struct stream *s);

/* Joined in order. ED_LIMIT when they do not fit whole; nothing is queued then. */
int stream_send(struct stream *s, struct str head, struct str body) ED_MUST_CHECK;
size_t stream_pending(const struct stream *s);
/* Stop / go on reading. */
void stream_pause(struct stream *s, bool pause);

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/h2/h2_in.h: a session and its streams, for the files that make them up: h2.c what the owner
 * calls, h2_frames.c what nghttp2 calls, h2_out.c what leaves.
 */
#ifndef EDGED_PROTO_H2_IN_H
#define EDGED_PROTO_H2_IN_H

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "proto/h2/h2.h"

#define LINK_WINDOW INT32_MAX /* 2^31-1: only the streams' own windows hold anybody back */

struct h2 {
	nghttp2_session *ng;
	struct h2_conf conf;
	struct h2_out out;
	const struct h2_ops *ops;
	void *arg;
	struct list streams;
	struct list ready;   /* streams whose on_writable is due */
	struct list no_room; /* streams that stopped because the output was full */
	size_t n_streams;
	bool busy;    /* inside nghttp2: it must not be entered again */
	bool telling; /* inside h2_tell_ready */
	bool sent_goaway;
	uint32_t goaway_code;
	uint32_t n_controls; /* since h2_controls_refill */
	char fault[96];
};

struct h2_stream {
	struct h2 *h;
	struct list link;
	struct list due; /* in h->ready or h->no_room */
	const struct h2_stream_ops *ops;
	void *arg;
	int32_t id;
	bool taken;
	bool ending, ended; /* h2_end was called; END_STREAM is on its way */
	bool blocked;       /* h2_write took not all */
	struct str view;    /* what h2_write offers just now */
	struct request_text *rq;
};

/* A request while its header block comes in. The list is bounded by SETTINGS and again here. */
struct request_text {
	struct h2_request r;
	size_t n;
	char text[H2_HEADER_LIST_MAX];
};

/* ---- h2.c ---- */
struct h2_stream *h2_stream_new(struct h2 *h);
/* Tells its owner, and frees it. */
void h2_stream_gone(struct h2_stream *s, uint32_t code);

/* ---- h2_out.c ---- */
void h2_stream_due(struct h2_stream *s, struct list *where);
/* What nghttp2 says, as an error of ours. */
int h2_fatal(struct h2 *h, int ng);
int h2_send_all(struct h2 *h);
/* Tell streams that they may write again, outside nghttp2. */
int h2_tell_ready(struct h2 *h);
int h2_flush(struct h2 *h);
/* Queued frames leave now, unless nghttp2 is on the stack: whoever entered it flushes then. */
void h2_flush_soon(struct h2 *h);
void h2_output_callbacks(nghttp2_session_callbacks *cb);
/* Asked by nghttp2 when window and turn allow a DATA frame of this stream. */
ssize_t h2_on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
    nghttp2_data_source *source, void *user);

/* ---- h2_frames.c ---- */
/* nghttp2's session; an error of its own. */
int h2_session_make(struct h2 *h);

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/h2/h2.h: one HTTP/2 connection as a bundle of two-way byte streams, over nghttp2. No
 * socket, no clock: bytes come in through h2_input and leave through h2_out. Used by both ends of
 * the inside link of the Web Conferencing Edge, where the end that was dialled opens the streams
 * (H2_OPENS).
 *
 * Life: h2_new, h2_start (SETTINGS go out), h2_input for all that arrives, h2_drained when output
 * left, h2_free. A stream begins with h2_open, or with on_request at the other end; its on_gone
 * comes exactly once and last, unless h2_reset gave it up before. After an error from h2_input the
 * session is over: the room sends what waits (a GOAWAY among it), closes, and frees it.
 *
 * Callbacks: on_writable of any stream may run inside h2_write of another; on_gone of s may run
 * inside h2_end(s) and h2_answer(s). From a callback a room may call anything here but h2_free and
 * h2_input.
 *
 * Flow control is end to end: octets that arrived count against the stream's window until h2_passed
 * says that they went on. The window of the connection is wide open, so one stalled stream holds no
 * other.
 *
 * Spec: RFC 9113; docs/spec/psom-webconf.md, "The inside link".
 */
#ifndef EDGED_PROTO_H2_H2_H
#define EDGED_PROTO_H2_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct h2;
struct h2_stream;

#define H2_HEADS_MAX       8u
#define H2_VALUE_MAX       256u
#define H2_HEADER_LIST_MAX 4096u

/* RFC 9113 section 7, those that we send. */
enum h2_code {
	H2_NO_ERROR = 0x0,
	H2_INTERNAL = 0x2,
	H2_REFUSED_STREAM = 0x7,
	H2_CANCEL = 0x8,
	H2_ENHANCE_YOUR_CALM = 0xb,
};

enum h2_side {
	H2_OPENS,   /* speaks as the HTTP/2 client */
	H2_ANSWERS, /* speaks as the HTTP/2 server */
};

struct h2_head {
	struct str name, value;
};

struct h2_request { /* views, until on_request returns */
	struct str method, path, authority;
	struct h2_head heads[H2_HEADS_MAX]; /* "edged-*" only, values of visible ASCII */
	uint8_t n_heads;
	bool ended; /* no body follows */
};

/* Where output goes; pending is what still waits there. */
struct h2_out {
	char *(*reserve)(void *arg, size_t n); /* NULL: no room, the session is over */
	void (*commit)(void *arg, size_t n);
	size_t (*pending)(void *arg);
	void *arg;
};

struct h2_ops { /* each may be NULL */
	/* H2_ANSWERS. Answer now or later with h2_answer; take it with h2_stream_take before it
	 * returns, else it is reset (REFUSED_STREAM). */
	void (*on_request)(
	    struct h2 *h, void *arg, struct h2_stream *s, const struct h2_request *rq);
	void (*on_goaway)(struct h2 *h, void *arg); /* no new streams; those under way go on */
	void (*on_ping_ack)(struct h2 *h, void *arg, uint64_t token);
};

struct h2_stream_ops {
	void (*on_answer)(struct h2_stream *s, void *arg, unsigned status); /* H2_OPENS */
	void (*on_bytes)(struct h2_stream *s, void *arg, struct str bytes);
	void (*on_end)(struct h2_stream *s, void *arg); /* nothing more comes from the other end */
	void (*on_writable)(
	    struct h2_stream *s, void *arg); /* after an h2_write that took not all */
	void (*on_gone)(struct h2_stream *s, void *arg, uint32_t code); /* last; an RFC 9113 code */
};

struct h2_conf {
	enum h2_side side;
	uint32_t max_streams; /* offered to the other end */
	uint32_t window;      /* of each stream, in octets */
	size_t out_high;      /* stop giving DATA to the output when so much waits there */
	uint32_t resets_burst,
	    resets_per_s; /* incoming resets; more ends the session; 0: library's */
};

#define H2_CONTROLS_MAX 10000u

struct h2 *h2_new(
    const struct h2_conf *conf, const struct h2_out *out, const struct h2_ops *ops, void *arg);
/* Every stream ends (on_gone, H2_CANCEL). */
struct h2 *h2_free(struct h2 *h);

int h2_start(struct h2 *h) ED_MUST_CHECK;

/*
 * ED_OK; ED_MALFORMED or ED_LIMIT when the other end broke a rule (h2_fault says which; GOAWAY is
 * in the output); ED_GONE when both ends are done; ED_NOMEM.
 */
int h2_input(struct h2 *h, struct str bytes) ED_MUST_CHECK;
/* Output got shorter. Same answers as h2_input. */
int h2_drained(struct h2 *h) ED_MUST_CHECK;
int h2_ping(struct h2 *h, uint64_t token) ED_MUST_CHECK;
/*
 * Between two calls of this the other end may send H2_CONTROLS_MAX PING and SETTINGS frames, each
 * of which wants an answer; one more is ED_LIMIT with ENHANCE_YOUR_CALM. The library's own limit
 * counts answers that wait, which are none while the other end reads. Call it every ten seconds or
 * so.
 */
void h2_controls_refill(struct h2 *h);
/* Say that no new stream is taken (H2_ANSWERS) or will be opened (H2_OPENS). */
int h2_goaway(struct h2 *h, enum h2_code code) ED_MUST_CHECK;
size_t h2_streams(const struct h2 *h);    /* open now */
bool h2_has_room(const struct h2 *h);     /* the other end allows one more (H2_OPENS) */
const char *h2_fault(const struct h2 *h); /* static or h's; "" if none */

/* heads: pseudo headers first. The stream's first own octet may follow at once. NULL: no memory or
 * going away. */
struct h2_stream *h2_open(struct h2 *h, const struct h2_head *heads, size_t n_heads, bool body,
    const struct h2_stream_ops *ops, void *arg);
void h2_stream_take(struct h2_stream *s, const struct h2_stream_ops *ops, void *arg);
/* body false: the answer ends the stream. */
int h2_answer(struct h2_stream *s, unsigned status, bool body) ED_MUST_CHECK;

/* How many octets were taken, 0..bytes.n. Not all: on_writable comes when it is worth trying again.
 */
size_t h2_write(struct h2_stream *s, struct str bytes);
/* No more from us; after what h2_write took. */
void h2_end(struct h2_stream *s);
/* Give it up: RST_STREAM, and no callback any more. */
void h2_reset(struct h2_stream *s, enum h2_code code);
/* n of the octets that came through on_bytes went on: their room in the window is given back. */
void h2_passed(struct h2_stream *s, size_t n);

#endif

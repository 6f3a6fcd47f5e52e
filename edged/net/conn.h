/* SPDX-License-Identifier: MIT
 *
 * net/conn.h: one TLS connection over TCP: accepted or opened, its plain bytes in and out, its
 * limits, its end. Knows nothing of what the bytes mean.
 *
 * Life: conn_accept or conn_open gives a conn; on_up when the handshake is done (never before: the
 * room sees no byte and no name of an unverified peer); on_bytes as plain bytes come; conn_send or
 * conn_reserve/conn_commit any time after on_up, sealed and sent together at the end of the loop
 * round; on_down exactly once, last, also when the handshake failed; then the conn is freed by its
 * own room.
 *
 * Memory: nothing is buffered while the connection is idle. Bytes are read into one scratch buffer
 * shared by the process and shown to the room; only what on_bytes left over is kept. Output waits
 * in a buffer that goes away when sent.
 */
#ifndef EDGED_NET_CONN_H
#define EDGED_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"
#include "net/tls.h"

struct conn;
struct histogram; /* base/histogram.h */
struct loop;

enum conn_end {         /* why a connection ended; names for logs and counters in conn_end_name */
	CONN_END_LOCAL, /* conn_close by the room */
	CONN_END_PEER,  /* closed by the other side */
	CONN_END_RESET, /* TCP error */
	CONN_END_TLS_FAILED,        /* handshake or record failure; conn_end_detail says more */
	CONN_END_HANDSHAKE_TIMEOUT, /* limits.handshake_ms */
	CONN_END_CONNECT_FAILED,    /* conn_open: refused, unreachable */
	CONN_END_CONNECT_TIMEOUT,
	CONN_END_IDLE,        /* limits.idle_ms without a byte from the peer */
	CONN_END_OUTPUT_FULL, /* limits.output reached: the peer does not read */
	CONN_END_INPUT_FULL,  /* the room left more than limits.input unconsumed */
	CONN_END_NOMEM,
	CONN_END_SHUTDOWN,
	CONN_END__N
};

struct conn_limits {
	uint32_t handshake_ms; /* TCP up (or accept) to TLS up */
	uint32_t connect_ms;   /* conn_open only */
	uint32_t idle_ms;      /* 0: none */
	uint32_t output; /* bytes waiting; more closes. One conn_reserve may exceed it if alone */
	uint32_t input;  /* unconsumed bytes kept */
};

struct conn_ops {
	void (*on_up)(struct conn *c, void *arg, const struct tls_facts *facts);
	/*
	 * All bytes not yet consumed. Returns how many are used up (0..n); the rest is shown again
	 * with more behind it. A negative value (enum ed_err) closes after pending output is sent.
	 */
	ptrdiff_t (*on_bytes)(struct conn *c, void *arg, struct str bytes);
	void (*on_down)(struct conn *c, void *arg, enum conn_end why);
	/*
	 * The two below may be NULL; a room that relays bytes (webconf) needs them.
	 *
	 * on_drained: output was written and less waits now than before (conn_output_pending says
	 * how much), so a room that held back may go on. May call conn_send.
	 */
	void (*on_drained)(struct conn *c, void *arg);
	/*
	 * The peer ended its direction in order (TLS close_notify, all its bytes consumed); ours
	 * goes on until conn_shutdown_write. Left NULL: the connection closes then, CONN_END_PEER.
	 * A FIN without close_notify is a truncation: CONN_END_RESET where on_eof is set.
	 */
	void (*on_eof)(struct conn *c, void *arg);
};

/* Takes over fd (connected, non-blocking). NULL on failure (fd closed). */
struct conn *conn_accept(struct loop *l, int fd, const struct addr *peer, const struct addr *local,
    struct tls_ctx *tls, const struct conn_limits *lim, const struct conn_ops *ops, void *arg);

struct conn_target {
	struct addr addr;
	struct addr bind;    /* source address of the service (TOP-08); port 0 */
	const char *device;  /* SO_BINDTODEVICE, "" for none */
	const char *host;    /* SNI */
	struct str preamble; /* sent in clear before the handshake (a PROXY header); mostly empty */
};
/* Failure after this call comes through on_down. NULL without memory or descriptors. */
struct conn *conn_open(struct loop *l, const struct conn_target *t, struct tls_ctx *tls,
    const struct conn_limits *lim, const struct conn_ops *ops, void *arg);

/* Sends what waits (bounded by 2 s), close_notify, close. on_down comes from the loop, never
 * inside. */
void conn_close(struct conn *c, enum conn_end why);

/* The room found out why this peer is nobody to talk to: CONN_END_TLS_FAILED with that detail. */
void conn_refuse(struct conn *c, const char *detail);

/*
 * n writable bytes at the end of the waiting output, NULL without memory or beyond limits.output
 * (then the connection is being closed with CONN_END_OUTPUT_FULL). Valid until the next call on c.
 */
char *conn_reserve(struct conn *c, size_t n);
void conn_commit(struct conn *c, size_t n); /* n <= what was reserved */
int conn_send(struct conn *c, struct str bytes) ED_MUST_CHECK;
/* What waits is sealed and sent now, not at the end of the round: for clients that take one TLS
 * record for one message. */
void conn_send_now(struct conn *c);

/*
 * Our direction ends in order: what waits is sent, then close_notify and a FIN; conn_send is
 * refused from now on (ED_STATE), on_bytes goes on. When the peer ended too: on_down with
 * CONN_END_PEER.
 */
void conn_shutdown_write(struct conn *c);

size_t conn_output_pending(const struct conn *c);
/* How long output stayed here until its socket had taken it, over all connections of this process:
 * one count for what was sealed together, 0 when it left in the round that made it. */
const struct histogram *conn_queue_delay(void);
/* Stop / go on reading (back-pressure). on_bytes is not called while paused. */
void conn_pause(struct conn *c, bool pause);
/* Deadline by which the room wants its open message complete; 0 lifts it. Ends as CONN_END_IDLE. */
void conn_set_idle(struct conn *c, uint32_t idle_ms);

const struct addr *conn_peer(const struct conn *c);
const struct addr *conn_local(const struct conn *c);
const struct tls_facts *conn_facts(const struct conn *c); /* NULL before on_up */
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);
const char *conn_end_name(enum conn_end why);
/* Text of the last TLS or socket error for the log; "" if none. Valid inside on_down. */
const char *conn_end_detail(const struct conn *c);
/* Of CONN_END_TLS_FAILED: the kind of it. Valid inside on_down. */
enum tls_end conn_tls_end(const struct conn *c);

#endif

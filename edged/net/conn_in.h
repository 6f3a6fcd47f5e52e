/* SPDX-License-Identifier: MIT
 *
 * net/conn_in.h: the inside of a connection, shared by conn.c (life), conn_io.c (bytes) and
 * conn_hs.c (connect and handshake); nobody else includes it.
 *
 * One struct conn_shared per process holds every large buffer: between two callbacks of the loop
 * they are empty, so an idle connection costs its struct and its SSL.
 */
#ifndef EDGED_NET_CONN_IN_H
#define EDGED_NET_CONN_IN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "net/conn.h"
#include "net/keycall_in.h"
#include "net/loop.h"
#include "net/tls_in.h"

#define CONN_RAW_LEN    65536u                  /* one read */
#define CONN_PLAIN_LEN  (CONN_RAW_LEN + 32768u) /* a read and a record begun before it */
#define CONN_SEALED_LEN (160u * 1024u)
#define CONN_SEAL_STOP  (128u * 1024u) /* sealed bytes that go out in one send */
#define CONN_RECORD     16384u
#define CONN_READS      4             /* full reads a round and connection: fairness */
#define CONN_SEAL_EARLY 65536u        /* plain bytes that do not wait for the end of the round */
#define CONN_HS_IN_MAX  (96u * 1024u) /* octets of a whole handshake from the peer */
#define CONN_LINGER_MS  2000u
#define CONN_HS_IDLE    4u /* handshake steps a round without messages */
#define CONN_HS_BUSY    1u /* and with */

enum conn_phase {
	CONN_CONNECTING,
	CONN_HANDSHAKE,
	CONN_UP,
	CONN_CLOSING, /* output still leaves */
	CONN_LINGER,  /* all sent; the peer's last bytes are read away so that no RST overtakes ours
		       */
	CONN_DEAD,    /* on_down is due */
};

struct conn_buf {
	char *p;
	uint32_t at, n, cap; /* bytes [at, n) are in use */
};

struct conn {
	struct loop *loop;
	SSL *ssl;
	const struct conn_ops *ops;
	void *arg;
	struct conn_buf
	    in; /* plain, shown and not consumed; raw while a handshake waits for a key */
	struct conn_buf out;  /* plain, not sealed */
	struct conn_buf pend; /* sealed, refused by the socket */
	struct loop_task task;
	struct event ev;
	struct timer timer;
	struct tls_peer tls;
	struct keycall_wait key;
	struct list hs; /* in the queue of handshake steps */
	uint64_t last_in_ms, deadline_ms;
	uint64_t out_ms, pend_ms; /* since when the oldest of each waits; 0: none */
	uint64_t bytes_in, bytes_out;
	struct conn_limits lim;
	struct addr peer, local;
	int fd;
	uint8_t phase; /* enum conn_phase */
	uint8_t why;   /* enum conn_end */
	uint8_t armed; /* EV_READ | EV_WRITE as libevent knows */
	bool paused : 1;
	bool started : 1;     /* the client's first handshake step was made */
	bool show_again : 1;  /* resumed: kept input is due */
	bool eof_due : 1;     /* peer's close_notify not told yet */
	bool peer_eof : 1;    /* told */
	bool end_write : 1;   /* conn_shutdown_write */
	bool fin_sent : 1;    /* our direction has ended on the wire */
	bool notify_sent : 1; /* close_notify sealed */
	bool wrote : 1;       /* on_drained is due */
	bool quiet : 1;       /* bytes came while the key is awaited: not looked at until then */
	bool held : 1;        /* pend is part of a flight: do not send yet */
};

struct conn_shared {
	struct conn *cur; /* whose SSL runs now: the BIO's target */
	const char *raw;  /* fed to it */
	size_t raw_n;
	size_t sealed_n;
	BIO *bio;
	struct list hs;      /* conns with a handshake step to make */
	struct list starved; /* conns that found no free job; moved to hs when one ends */
	unsigned jobs_out;   /* conns whose job waits for keyd */
	struct loop_task hs_task;
	bool traffic; /* messages were shown since the last handshake steps */
	char raw_buf[CONN_RAW_LEN];
	char plain[CONN_PLAIN_LEN];
	char sealed[CONN_SEALED_LEN];
};

/* conn.c */
void conn_arm(struct conn *c);
void conn_retime(struct conn *c);
/* The connection is over; on_down comes from the loop. detail: static, may be NULL. */
void conn_fail(struct conn *c, enum conn_end why, const char *detail);
void conn_soon(struct conn *c); /* run its task at the end of the round */

/* conn_io.c; NULL without memory */
struct conn_shared *conn_shared(void);
void conn_read(struct conn *c);
void conn_decrypt(struct conn *c); /* what was fed */
void conn_show(struct conn *c);    /* kept input, after a pause */
void conn_push(struct conn *c);    /* sealed scratch to the socket */
void conn_hold(struct conn *c);    /* sealed scratch into pend, not sent yet */
void conn_write_ready(struct conn *c);
void conn_flush(struct conn *c);
int conn_buf_room(struct conn_buf *b, size_t n);
void conn_buf_free(struct conn_buf *b);
int conn_buf_add(struct conn_buf *b, const char *p, size_t n);

/* conn_hs.c */
void conn_connect_start(struct conn *c, const struct conn_target *t);
void conn_connect_ready(struct conn *c);
void conn_hs_queue(struct conn *c);
void conn_hs_on_wake(struct keycall_wait *w);
void conn_hs_abandon(struct conn *c);

#endif

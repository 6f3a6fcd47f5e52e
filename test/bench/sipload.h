/* sipload.h - what the files of sipload share. */
#ifndef BENCH_SIPLOAD_H
#define BENCH_SIPLOAD_H
#include "common.h"
#include <openssl/ssl.h>

enum { M_MESSAGE, M_OPTIONS, M_DIALOG, M_HS, M_IDLE, M_SINK, M_DRIP };
enum { R_CLI, R_UAS, R_LISTEN, R_TIMER, R_DRIP };
enum { S_CONN, S_HS, S_UP, S_DEAD };

struct conn {
  int fd, role, state, id;
  SSL *ssl;
  BIO *wb;
  char *in;
  int inlen, incap;
  int pollout;
  /* client side */
  uint32_t cseq, dlg;
  int nout, phase, src;
  uint64_t *ts;
  SSL_SESSION *sess;
  struct conn *nextidle;
  int queued;
  char *drip;
  int driplen, dripoff;
  uint64_t dripnext, t0;
};

struct options {
  int mode, conns, window, secs, warm, drips, dripms, together, silent, raw, resume, hsconc, tls13, idle_n, sources, nosink, body, vias;
  double rate;
  const char *cipher, *groups, *cert, *key, *ca, *sni, *tag, *sigalgs;
  struct sockaddr_in target, nh;
  struct pidset ps;
  uint64_t maxcount;
};
extern struct options o;

struct counts {
  uint64_t done, err, non200, lost, badrr, badvia, conn_fail, closed, hs, reused, uas_req, uas_ack, uas_conns, sent, late, drips_done, drip_bytes, dlg;
};
extern struct counts c;
extern int ep, running, measuring;
extern char body_msg[8192];
extern int body_len;
extern unsigned runid; /* makes branches and Call-IDs differ from run to run */

/* sipload.c */
void pump(struct conn *k);
void flush_out(struct conn *k);
void tls_send(struct conn *k, const char *p, int n);

/* sipload_msg.c */
extern const char AUTH[], UA[];
/* One request of k into b; its length. */
int build(struct conn *k, const char *method, char *b, size_t cap);

/* sipload_drip.c */
/* Spread over the interval, or all at its start. */
void drip_timetable(struct conn *d, int n, uint64_t from);
void drip_tick(struct conn *d, int n, uint64_t t);
/* Slow writers and nothing else, from SIGUSR1 to SIGTERM: a process of its own, so that the clients that are measured do not pay for it. */
void drip_main(struct conn *d, int timer);
#endif

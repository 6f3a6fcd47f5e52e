/* turnload.h - what the files of turnload share: allocations, options, sockets, messages. */
#ifndef BENCH_TURNLOAD_H
#define BENCH_TURNLOAD_H
#include "common.h"
#include <netinet/udp.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { A_NEW, A_ALLOC1, A_ALLOC2, A_CHAN, A_READY, A_FREE1, A_DONE };
struct chan {
  uint16_t num;
  uint32_t peer_ip; /* network order */
};
struct alloc {
  int i, state, fd, chan_i, tries;
  uint32_t src; /* network order */
  uint8_t txid[12];
  uint64_t t_sent;
  char nonce[256];
  int nonce_len;
  uint16_t seq;
  int inflight;
  uint64_t born;
  uint64_t t_got, gap; /* --revive: last packet, longest pause */
  int revived;
  uint8_t conn[20]; /* --lync: connection id, sequence number */
  uint32_t mseq;
  /* tcp */
  uint8_t *in;
  int inlen;
};
struct options {
  struct sockaddr_in srv;
  const char *user, *pass, *tag;
  int allocs, chans, size, secs, warm, tcp, raw, window, mode_alloc, sendind, conc, burst, gso, peerport, cport, oneway, revive, lync;
  double rate, packets;
  struct pidset ps;
};
extern struct options o;

extern struct alloc *al;
extern uint8_t key[16];
extern char realm[128];
extern int cfd;
struct counts {
  uint64_t sent, got, peer_got, bad, dup, tx_drop;
};
extern struct counts c;

/* turnload_udp.c: many datagrams, each with its own source address, in one call */
#define BATCH 64
#define CTL CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))
struct mm {
  struct mmsghdr h[BATCH];
  struct iovec v[BATCH];
  struct sockaddr_in a[BATCH];
  char ctl[BATCH][128];
  uint8_t *buf[BATCH];
  int n;
};
#define BUFSZ 65536
extern struct mm rx, tx, ptx;
void mm_init(struct mm *m, int bufsz);
void put_ctl(struct msghdr *h, char *ctl, uint32_t src, int gso);
uint32_t get_dst(struct msghdr *h);
int get_seg(struct msghdr *h, int n); /* a UDP_GRO datagram holds segments of this size */
void mm_flush(int fd, struct mm *m);
int usock(int port);

/* turnload_msg.c: requests of both dialects */
void p16(uint8_t *p, unsigned v);
unsigned g16(const uint8_t *p);
int head(struct alloc *a, uint8_t *b, unsigned type);
int xpeer(uint8_t *b, int n, uint32_t ip, int port);
uint32_t peer_ip(int i, int ch);
int ms_send(struct alloc *a, uint8_t *b, const void *data, int len);
/* What a's state asks for; leaves with the batch. */
void ctl_send(struct alloc *a);
#endif

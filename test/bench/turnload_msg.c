/* turnload_msg.c - the requests of a TURN client, in the standard and in the Lync dialect. */
#include "turnload.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

void p16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
unsigned g16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }
static int attr(uint8_t *b, int n, unsigned t, const void *v, int l) {
  p16(b + n, t);
  p16(b + n + 2, (unsigned)l);
  memcpy(b + n + 4, v, (size_t)l);
  int pad = o.lync ? 0 : (4 - (l & 3)) & 3; /* the Lync dialect does not pad */
  memset(b + n + 4 + l, 0, (size_t)pad);
  return n + 4 + l + pad;
}
static int integrity(uint8_t *b, int n) {
  p16(b + 2, (unsigned)(n - 20 + 24));
  uint8_t mac[20];
  unsigned ml;
  HMAC(EVP_sha1(), key, 16, b, (size_t)n, mac, &ml);
  return attr(b, n, 0x0008, mac, 20);
}
int head(struct alloc *a, uint8_t *b, unsigned type) {
  static uint32_t ctr;
  p16(b, type);
  p16(b + 2, 0);
  memcpy(b + 4, "\x21\x12\xa4\x42", 4);
  ctr++;
  memcpy(a->txid, &a->i, 4);
  memcpy(a->txid + 4, &ctr, 4);
  uint32_t pid = (uint32_t)getpid();
  memcpy(a->txid + 8, &pid, 4);
  memcpy(b + 8, a->txid, 12);
  return 20;
}
/* ---- the Lync dialect (MS-TURN): the cookie is the first attribute, integrity is over whole blocks of 64 ---- */
static int attr_addr(uint8_t *b, int n, unsigned t, uint32_t ip, int port) {
  uint8_t v[8] = {0, 1};
  p16(v + 2, (unsigned)port);
  memcpy(v + 4, &ip, 4);
  return attr(b, n, t, v, 8);
}
static int attr_seq(struct alloc *a, uint8_t *b, int n) {
  uint8_t v[24];
  uint32_t s = htonl(++a->mseq);
  memcpy(v, a->conn, 20);
  memcpy(v + 20, &s, 4);
  return attr(b, n, 0x8050, v, 24);
}
static int ms_head(struct alloc *a, uint8_t *b, unsigned type) {
  int n = head(a, b, type);
  memcpy(b + 4, "LYNC", 4);
  return attr(b, n, 0x000f, "\x72\xc6\x4b\xc6", 4);
}
static int ms_seal(uint8_t *b, int n) {
  int whole = (n + 63) & ~63;
  uint8_t mac[20];
  unsigned ml;
  p16(b + 2, (unsigned)(n - 20 + 24));
  memset(b + n, 0, (size_t)(whole - n));
  HMAC(EVP_sha1(), key, 16, b, (size_t)whole, mac, &ml);
  return attr(b, n, 0x0008, mac, 20);
}
int ms_send(struct alloc *a, uint8_t *b, const void *data, int len) {
  int n = ms_head(a, b, 0x0004);
  n = attr(b, n, 0x0006, o.user, (int)strlen(o.user));
  n = attr_addr(b, n, 0x0011, peer_ip(a->i, 0), o.peerport);
  n = attr_seq(a, b, n);
  p16(b + n, 0x0013); /* data is not padded in this dialect */
  p16(b + n + 2, (unsigned)len);
  memcpy(b + n + 4, data, (size_t)len);
  return ms_seal(b, n + 4 + len);
}
static void out_pkt(struct alloc *a, const uint8_t *b, int n);
static void ms_ctl_send(struct alloc *a) {
  uint8_t b[1024], version[4] = {0, 0, 0, 1}, zero[4] = {0};
  int n = ms_head(a, b, a->state == A_CHAN ? 0x0006 : 0x0003);
  if (a->state == A_CHAN) { /* a Send first: only who was sent to may become the active destination */
    uint8_t txid[12], s[256], hello[20] = MAGIC;
    int i = -1;
    memcpy(hello + 4, &i, 4);
    memcpy(txid, a->txid, 12);
    out_pkt(a, s, ms_send(a, s, hello, sizeof hello));
    memcpy(a->txid, txid, 12);
    n = attr(b, n, 0x0006, o.user, (int)strlen(o.user));
    n = attr_seq(a, b, n);
    n = attr_addr(b, n, 0x0011, peer_ip(a->i, 0), o.peerport);
    n = ms_seal(b, n);
  } else {
    n = attr(b, n, 0x8008, version, 4);
    if (a->state == A_FREE1) n = attr(b, n, 0x000D, zero, 4);
    if (a->state == A_ALLOC1) {
      p16(b + 2, (unsigned)n - 20);
    } else {
      n = attr(b, n, 0x0015, realm, (int)strlen(realm));
      n = attr(b, n, 0x0014, a->nonce, a->nonce_len);
      n = attr(b, n, 0x0006, o.user, (int)strlen(o.user));
      n = ms_seal(b, n);
    }
  }
  a->t_sent = now_ns();
  out_pkt(a, b, n);
}
static int creds(struct alloc *a, uint8_t *b, int n) {
  n = attr(b, n, 0x0006, o.user, (int)strlen(o.user));
  n = attr(b, n, 0x0014, realm, (int)strlen(realm));
  n = attr(b, n, 0x0015, a->nonce, a->nonce_len);
  return integrity(b, n);
}
uint32_t peer_ip(int i, int ch) { return htonl(0x7f020000u + (uint32_t)((i * o.chans + ch) % 60000) + 1u); }
int xpeer(uint8_t *b, int n, uint32_t ip, int port) {
  uint8_t v[8] = {0, 1};
  p16(v + 2, (unsigned)port ^ 0x2112u);
  uint32_t x = ip ^ htonl(0x2112A442u);
  memcpy(v + 4, &x, 4);
  return attr(b, n, 0x0012, v, 8);
}
static void out_pkt(struct alloc *a, const uint8_t *b, int n) {
  if (o.tcp) {
    if (send(a->fd, b, (size_t)n, MSG_NOSIGNAL) != n) c.tx_drop++;
    return;
  }
  int k = tx.n++;
  memcpy(tx.buf[k], b, (size_t)n);
  tx.v[k].iov_len = (size_t)n;
  tx.a[k] = o.srv;
  put_ctl(&tx.h[k].msg_hdr, tx.ctl[k], a->src, 0);
  if (tx.n == BATCH) mm_flush(cfd, &tx);
}
void ctl_send(struct alloc *a) {
  uint8_t b[1024];
  int n = 0;
  uint8_t udp[4] = {17, 0, 0, 0};
  if (o.lync) {
    ms_ctl_send(a);
    return;
  }
  switch (a->state) {
  case A_ALLOC1:
    n = attr(b, head(a, b, 0x0003), 0x0019, udp, 4);
    p16(b + 2, (unsigned)n - 20);
    break;
  case A_ALLOC2:
    n = attr(b, head(a, b, 0x0003), 0x0019, udp, 4);
    n = creds(a, b, n);
    break;
  case A_CHAN: {
    uint8_t cn[4] = {0, 0, 0, 0};
    uint32_t pip = peer_ip(a->i, a->chan_i);
    if (o.sendind) {
      n = xpeer(b, head(a, b, 0x0008), pip, o.peerport);
    } else {
      p16(cn, 0x4000u + (unsigned)a->chan_i);
      n = attr(b, head(a, b, 0x0009), 0x000C, cn, 4);
      n = xpeer(b, n, pip, o.peerport);
    }
    n = creds(a, b, n);
    break;
  }
  case A_FREE1: {
    uint8_t z[4] = {0, 0, 0, 0};
    n = attr(b, head(a, b, 0x0004), 0x000D, z, 4);
    n = creds(a, b, n);
    break;
  }
  default: return;
  }
  a->t_sent = now_ns();
  out_pkt(a, b, n);
}

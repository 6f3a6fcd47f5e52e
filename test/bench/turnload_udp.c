/* turnload_udp.c - batches of datagrams: one socket stands for many addresses. */
#include "turnload.h"

struct mm rx, tx, ptx;

void mm_init(struct mm *m, int bufsz) {
  for (int i = 0; i < BATCH; i++) {
    m->buf[i] = malloc((size_t)bufsz);
    m->v[i].iov_base = m->buf[i];
    m->v[i].iov_len = (size_t)bufsz;
    struct msghdr *h = &m->h[i].msg_hdr;
    memset(h, 0, sizeof *h);
    h->msg_iov = &m->v[i];
    h->msg_iovlen = 1;
    h->msg_name = &m->a[i];
    h->msg_namelen = sizeof m->a[i];
    h->msg_control = m->ctl[i];
    h->msg_controllen = sizeof m->ctl[i];
  }
  m->n = 0;
}
void put_ctl(struct msghdr *h, char *ctl, uint32_t src, int gso) {
  h->msg_control = ctl;
  h->msg_controllen = 128;
  struct cmsghdr *cm = CMSG_FIRSTHDR(h);
  cm->cmsg_level = IPPROTO_IP;
  cm->cmsg_type = IP_PKTINFO;
  cm->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
  struct in_pktinfo *pi = (void *)CMSG_DATA(cm);
  memset(pi, 0, sizeof *pi);
  pi->ipi_spec_dst.s_addr = src;
  size_t l = CMSG_SPACE(sizeof *pi);
  if (gso) {
    cm = (void *)((char *)cm + CMSG_SPACE(sizeof *pi));
    cm->cmsg_level = IPPROTO_UDP;
    cm->cmsg_type = UDP_SEGMENT;
    cm->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    *(uint16_t *)CMSG_DATA(cm) = (uint16_t)gso;
    l += CMSG_SPACE(sizeof(uint16_t));
  }
  h->msg_controllen = l;
}
uint32_t get_dst(struct msghdr *h) {
  for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm))
    if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_PKTINFO) return ((struct in_pktinfo *)CMSG_DATA(cm))->ipi_addr.s_addr;
  return 0;
}
int get_seg(struct msghdr *h, int n) { /* a UDP_GRO datagram holds segments of this size */
  for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm))
    if (cm->cmsg_level == IPPROTO_UDP && cm->cmsg_type == UDP_GRO) return *(int *)CMSG_DATA(cm);
  return n;
}
void mm_flush(int fd, struct mm *m) {
  int off = 0;
  while (off < m->n) {
    int r = sendmmsg(fd, m->h + off, (unsigned)(m->n - off), 0);
    if (r <= 0) {
      if (errno == EAGAIN || errno == ENOBUFS) {
        c.tx_drop += (uint64_t)(m->n - off);
        break;
      }
      off++; /* ECONNREFUSED and the like: skip one */
      c.tx_drop++;
      continue;
    }
    off += r;
  }
  m->n = 0;
}
int usock(int port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, big = 8 << 20;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
  setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
  if (o.gso && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one)) die("UDP_GRO: %s", strerror(errno));
  if (bind(fd, (void *)&a, sizeof a)) die("bind udp %d: %s", port, strerror(errno));
  return fd;
}

/* sipload_drip.c - slow writers: an octet of a request each now and then. */
#include "sipload.h"

static struct hist driplate;

/* Each slow writer has a timetable of its own, so that a late one makes up for it and the rate is what was asked for. */
void drip_tick(struct conn *d, int n, uint64_t t) {
  uint64_t every = (uint64_t)o.dripms * 1000000u;
  for (int i = 0; i < n; i++) {
    struct conn *k = &d[i];
    if (k->state != S_UP || t < k->dripnext || o.silent) continue;
    if (k->dripoff >= k->driplen && k->dripoff) continue;
    if (!k->dripoff) {
      char b[16384];
      k->cseq++;
      k->driplen = build(k, "MESSAGE", b, sizeof b);
      free(k->drip);
      k->drip = memcpy(malloc((size_t)k->driplen), b, (size_t)k->driplen);
    }
    tls_send(k, k->drip + k->dripoff, 1);
    k->dripoff++;
    c.drip_bytes++;
    flush_out(k);
    if (measuring) hist_add(&driplate, now_ns() - k->dripnext);
    k->dripnext += every;
  }
}
void drip_timetable(struct conn *d, int n, uint64_t from) {
  uint64_t every = (uint64_t)o.dripms * 1000000u;
  for (int i = 0; i < n; i++) d[i].dripnext = from + (o.together ? 0 : every * (uint64_t)i / (uint64_t)n);
}
static volatile sig_atomic_t drip_go;
static void on_signal(int sig) {
  if (sig == SIGTERM)
    running = 0;
  else
    drip_go = 1;
}
void drip_main(struct conn *d, int timer) {
  struct epoll_event ev[256];
  uint64_t t0 = now_ns(), from = 0, t = t0;
  double g0 = 0;
  int said = 0;
  signal(SIGTERM, on_signal);
  signal(SIGUSR1, on_signal);
  while (running && t < t0 + (uint64_t)o.secs * 1000000000ull) {
    int k = epoll_wait(ep, ev, 256, 1000);
    for (int i = 0; i < k; i++) {
      struct conn *q = ev[i].data.ptr;
      if (q->role == R_TIMER) {
        uint64_t x;
        (void)!read(timer, &x, 8);
      } else if (q->state != S_DEAD)
        pump(q);
    }
    t = now_ns();
    if (!measuring) {
      int up = 0;
      for (int i = 0; i < o.drips; i++) up += d[i].state == S_UP;
      if (up + (int)c.conn_fail < o.drips) continue;
      if (!said) printf("up=%d\n", up), fflush(stdout), said = 1;
      if (!drip_go) continue;
      measuring = 1;
      from = t;
      g0 = self_cpu();
      drip_timetable(d, o.drips, from);
    }
    drip_tick(d, o.drips, t);
  }
  double el = from ? (double)(now_ns() - from) / 1e9 : 1;
  int up = 0;
  for (int i = 0; i < o.drips; i++) up += d[i].state == S_UP;
  printf("drips=%d drip_secs=%.2f drips_per_s=%.0f drip_late_p50_us=%.1f drip_late_p99_us=%.1f drip_errors=%llu drip_gen_util=%.3f\n", up, el, (double)c.drip_bytes / el,
         (double)hist_q(&driplate, .5) / 1e3, (double)hist_q(&driplate, .99) / 1e3, (unsigned long long)(c.conn_fail + c.err), (self_cpu() - g0) / el);
}

/* SPDX-License-Identifier: MIT
 *
 * psomload: a meeting in numbers. As `serve` it is a TLS server that echoes, swallows or sends; as
 * `load` it is N participants that show a ticket (a 28 octet preface) and move octets. Each octet's
 * value follows from its position, so a lost, doubled or foreign octet is seen.
 *
 *   psomload serve --listen A:P --cert PEM --key PEM [--mode echo|sink|source]
 *   psomload load  --target A:P [--sni NAME] [--handles FILE] [--conns N] [--open-per-s N]
 *                  [--mode echo|up|down] [--bytes N | --secs S [--rate-kbit N]] [--pids P,P] [--tag
 * T] [--idle]
 *
 * load prints one line of key=value: admitted, errors, mb (sum of both directions), secs, cpu of
 * --pids per gigabyte, memory per client, slowest and fastest client's share of the mean.
 */
#include "common.h"
#include <stdbool.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define CHUNK      16384u
#define FIRST      1024u /* sent before the first answer */
#define EVENTS_MAX 256

enum mode { ECHO, SINK, SOURCE };

struct peer {
	int fd;
	SSL *ssl;
	bool up, client, done, failed, want_write;
	uint64_t in, out, due; /* octets; due: to echo */
	uint64_t opened_ns, up_ns, done_ns;
	uint8_t handle[20];
	bool has_handle, said_hello;
};

static struct {
	enum mode mode;
	uint64_t bytes, rate; /* a client's own; rate in octets per second, 0 free */
	double secs;
	const char *sni;
	uint64_t start_ns, end_ns;
	bool idle;
} opt = {.secs = 10};

static int ep;
static SSL_CTX *ctx;
static uint8_t pattern[65536 + CHUNK];
static uint64_t n_up, n_done, n_failed;

/* A prime period, so that a shift by any power of two is seen. */
#define PERIOD 65521u

static void
pattern_make(void)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)((i % PERIOD) * 167u + (i % PERIOD) / 241u);
}

static void
watch(struct peer *p, bool write)
{
	struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = p};

	if (p->want_write == write)
		return;
	p->want_write = write;
	epoll_ctl(ep, EPOLL_CTL_MOD, p->fd, &e);
}

static void
peer_end(struct peer *p, bool failed)
{
	if (p->done)
		return;
	p->done = true;
	p->failed = failed;
	p->done_ns = now_ns();
	n_done++;
	n_failed += failed;
	if (!failed)
		SSL_shutdown(p->ssl);
	SSL_free(p->ssl);
	close(p->fd);
	ERR_clear_error();
	if (!p->client)
		free(p);
}

/* How much it may send now. */
static uint64_t
may_send(const struct peer *p)
{
	uint64_t n, total;

	if (!p->client)
		return opt.mode == ECHO ? p->due : opt.mode == SOURCE ? CHUNK : 0;
	if (opt.idle)
		return p->out < FIRST ? FIRST - p->out : 0;
	if (opt.mode == SOURCE) /* a word, so that the server has somebody to answer */
		return p->out ? 0 : 1;
	if (p->in == 0 && opt.mode == ECHO)
		return p->out < FIRST ? FIRST - p->out : 0;
	total = opt.bytes ? opt.bytes : UINT64_MAX;
	if (opt.rate) {
		n = (uint64_t)((double)(now_ns() - p->up_ns) / 1e9 * (double)opt.rate) + FIRST;
		total = n < total ? n : total;
	}
	if (!opt.bytes && now_ns() >= opt.end_ns)
		return 0;
	return p->out < total ? total - p->out : 0;
}

static void
peer_write(struct peer *p)
{
	uint64_t n;

	while (!p->done && (n = may_send(p)) > 0) {
		int w = SSL_write(p->ssl, pattern + p->out % PERIOD, (int)(n < CHUNK ? n : CHUNK));

		if (w <= 0) {
			int err = SSL_get_error(p->ssl, w);

			if (err == SSL_ERROR_WANT_WRITE)
				watch(p, true);
			else if (err != SSL_ERROR_WANT_READ)
				peer_end(p, true);
			return;
		}
		p->out += (uint64_t)w;
		if (!p->client && opt.mode == ECHO)
			p->due -= (uint64_t)w;
	}
	if (!p->done)
		watch(p, false);
}

static bool
peer_is_satisfied(const struct peer *p)
{
	if (opt.idle)
		return false;
	if (opt.bytes)
		return opt.mode == ECHO     ? p->in >= opt.bytes
		       : opt.mode == SOURCE ? p->in >= opt.bytes
					    : p->out >= opt.bytes;
	return false;
}

static void
peer_read(struct peer *p)
{
	static uint8_t buf[CHUNK];
	int n = 0;

	while (!p->done) {
		/* An echo that is not read back holds no more than this. */
		if (!p->client && opt.mode == ECHO && p->due > 262144)
			return;
		n = SSL_read(p->ssl, buf, sizeof(buf));
		if (n <= 0)
			break;
		if (memcmp(buf, pattern + p->in % PERIOD, (size_t)n) != 0) {
			fprintf(stderr, "octets differ after %llu\n", (unsigned long long)p->in);
			peer_end(p, true);
			return;
		}
		p->in += (uint64_t)n;
		p->due += (uint64_t)n;
		if (p->client && peer_is_satisfied(p)) {
			peer_end(p, false);
			return;
		}
		if (!p->client && opt.mode == ECHO)
			peer_write(p);
	}
	if (p->done)
		return;
	switch (SSL_get_error(p->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		return;
	case SSL_ERROR_WANT_WRITE:
		watch(p, true);
		return;
	case SSL_ERROR_ZERO_RETURN:
		peer_end(
		    p, p->client && !peer_is_satisfied(p) && (opt.bytes || now_ns() < opt.end_ns));
		return;
	default:
		peer_end(p, true);
	}
}

static void
say_hello(struct peer *p)
{
	uint8_t preface[28] = {'E', 'D', 'W', 'C', 1, 20};

	p->said_hello = true;
	if (!p->has_handle)
		return;
	memcpy(preface + 8, p->handle, 20);
	if (SSL_write(p->ssl, preface, sizeof(preface)) != (int)sizeof(preface))
		peer_end(p, true);
}

static void
peer_event(struct peer *p, uint32_t ev)
{
	if (p->done)
		return;
	if (!p->up) {
		int r = SSL_do_handshake(p->ssl);

		if (r != 1) {
			int err = SSL_get_error(p->ssl, r);

			if (err == SSL_ERROR_WANT_WRITE)
				watch(p, true);
			else if (err == SSL_ERROR_WANT_READ)
				watch(p, false);
			else
				peer_end(p, true);
			return;
		}
		p->up = true;
		p->up_ns = now_ns();
		n_up++;
		if (p->client)
			say_hello(p);
		if (!p->done)
			peer_write(p);
	}
	peer_read(p);
	if (!p->done)
		peer_write(p);
	if (!p->done && p->client && opt.mode == SINK && peer_is_satisfied(p))
		peer_end(p, false);
}

static void
peer_start(struct peer *p, int fd, bool client)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = p};
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p->fd = fd;
	p->client = client;
	p->want_write = true;
	p->opened_ns = now_ns();
	p->ssl = SSL_new(ctx);
	SSL_set_fd(p->ssl, fd);
	SSL_set_mode(p->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				 SSL_MODE_RELEASE_BUFFERS);
	if (client) {
		SSL_set_connect_state(p->ssl);
		if (opt.sni)
			SSL_set_tlsext_host_name(p->ssl, opt.sni);
	} else {
		SSL_set_accept_state(p->ssl);
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int
tcp_connect(const struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 && errno != EINPROGRESS))
		die("connect: %s", strerror(errno));
	return fd;
}

static void
serve(const struct sockaddr_in *at, const char *cert, const char *key)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ev[EVENTS_MAX];

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 || listen(fd, 4096) < 0)
		die("listen: %s", strerror(errno));
	ctx = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		die("certificate or key: %s", cert);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr) {
				peer_event(ev[i].data.ptr, ev[i].events);
				continue;
			}
			for (;;) {
				int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
				struct peer *p = got >= 0 ? calloc(1, sizeof(*p)) : NULL;

				if (!p)
					break;
				peer_start(p, got, false);
			}
		}
	}
}

static void
handles_read(const char *path, struct peer *ps, unsigned n)
{
	FILE *f = path ? fopen(path, "r") : NULL;
	char line[128];

	if (path && !f)
		die("cannot read %s", path);
	for (unsigned i = 0; f && i < n; i++) {
		if (!fgets(line, sizeof(line), f) || strlen(line) < 40)
			die("%s has %u handles, %u are needed", path, i, n);
		for (unsigned k = 0; k < 20; k++) {
			unsigned v;

			sscanf(line + 2 * k, "%2x", &v);
			ps[i].handle[k] = (uint8_t)v;
		}
		ps[i].has_handle = true;
	}
	if (f)
		fclose(f);
}

static void
report(const char *tag, struct peer *ps, unsigned n, double cpu, double mem_kb)
{
	uint64_t in = 0, out = 0, last = opt.start_ns, slow = UINT64_MAX, fast = 0;
	struct hist *h = calloc(1, sizeof(*h));
	double secs, gb, mean;

	for (unsigned i = 0; i < n; i++) {
		uint64_t moved = ps[i].in + ps[i].out;

		in += ps[i].in;
		out += ps[i].out;
		slow = moved < slow ? moved : slow;
		fast = moved > fast ? moved : fast;
		if (ps[i].done_ns > last)
			last = ps[i].done_ns;
		if (ps[i].up)
			hist_add(h, ps[i].up_ns - ps[i].opened_ns);
	}
	if (last == opt.start_ns || !opt.bytes)
		last = now_ns();
	secs = (double)(last - opt.start_ns) / 1e9;
	gb = (double)(in + out) / 1e9;
	mean = (double)(in + out) / n;
	printf("tag=%s conns=%u admitted=%llu errors=%llu mb=%.1f secs=%.2f mbit_s=%.0f "
	       "cpu_s_per_gb=%.3f "
	       "cpu_util=%.3f kb_per_client=%.1f slowest=%.3f fastest=%.3f hs_p50_us=%.0f "
	       "hs_p99_us=%.0f "
	       "gen_util=%.2f\n",
	    tag, n, (unsigned long long)n_up, (unsigned long long)n_failed,
	    (double)(in + out) / 1e6, secs, (double)(in + out) * 8e-6 / secs,
	    gb > 0 ? cpu / gb : 0.0, cpu / secs, mem_kb / n, mean > 0 ? (double)slow / mean : 0.0,
	    mean > 0 ? (double)fast / mean : 0.0, (double)hist_q(h, 0.5) / 1e3,
	    (double)hist_q(h, 0.99) / 1e3, self_cpu() / secs);
	free(h);
}

static void
load(const struct sockaddr_in *to, const char *handles, unsigned n, double open_per_s,
    const char *pid_list, const char *tag)
{
	struct peer *ps = calloc(n, sizeof(*ps));
	struct epoll_event ev[EVENTS_MAX];
	struct pidset pids = {0};
	unsigned opened = 0;
	double cpu0 = 0, mem0 = 0, mem1 = 0, cpu1;
	uint64_t t0 = now_ns(), tick = 0;

	ctx = SSL_CTX_new(TLS_client_method());
	handles_read(handles, ps, n);
	if (pid_list) {
		pidset_add(&pids, pid_list);
		pidset_scan(&pids);
		cpu0 = pidset_cpu(&pids).total;
		mem0 = pidset_mem(&pids).pss_kb;
	}
	opt.start_ns = t0;
	opt.end_ns = t0 + (uint64_t)(opt.secs * 1e9);
	while (n_done < n && (opt.bytes || now_ns() < opt.end_ns)) {
		unsigned want =
		    open_per_s > 0 ? (unsigned)((double)(now_ns() - t0) / 1e9 * open_per_s) + 1 : n;
		int got;

		while (opened < n && opened < want) {
			peer_start(&ps[opened], tcp_connect(to), true);
			opened++;
		}
		if (opened == n && mem1 == 0 && n_up + n_failed >= n && pid_list && opt.idle)
			mem1 = pidset_mem(&pids).pss_kb;
		got = epoll_wait(ep, ev, EVENTS_MAX, opt.rate || opened < n ? 2 : 50);
		for (int i = 0; i < got; i++)
			peer_event(ev[i].data.ptr, ev[i].events);
		if (opt.rate && now_ns() - tick > 5000000) {
			tick = now_ns();
			for (unsigned i = 0; i < opened; i++)
				if (ps[i].up && !ps[i].done && !ps[i].want_write)
					peer_write(&ps[i]);
		}
		if (now_ns() - t0 > (uint64_t)(opt.secs * 1e9) + 120000000000ull)
			die("not done in time: %llu of %u", (unsigned long long)n_done, n);
	}
	cpu1 = pid_list ? pidset_cpu(&pids).total : 0;
	if (pid_list && mem1 == 0)
		mem1 = pidset_mem(&pids).pss_kb;
	report(tag, ps, n, cpu1 - cpu0, mem1 - mem0);
	free(ps);
}

static enum mode
mode_of(const char *s)
{
	if (!strcmp(s, "echo"))
		return ECHO;
	if (!strcmp(s, "sink") || !strcmp(s, "up"))
		return SINK;
	if (!strcmp(s, "source") || !strcmp(s, "down"))
		return SOURCE;
	die("no mode %s", s);
}

int
main(int argc, char **argv)
{
	const char *at = NULL, *cert = NULL, *key = NULL, *handles = NULL, *pids = NULL,
		   *tag = "psom";
	double open_per_s = 0;
	struct sockaddr_in a;
	unsigned conns = 1;

	if (argc < 2)
		die("usage: psomload serve|load ...");
	for (int i = 2; i < argc; i++) {
		const char *k = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(k, "--idle")) {
			opt.idle = true;
			continue;
		}
		i++;
		if (!strcmp(k, "--listen") || !strcmp(k, "--target"))
			at = v;
		else if (!strcmp(k, "--cert"))
			cert = v;
		else if (!strcmp(k, "--key"))
			key = v;
		else if (!strcmp(k, "--mode"))
			opt.mode = mode_of(v);
		else if (!strcmp(k, "--sni"))
			opt.sni = v;
		else if (!strcmp(k, "--handles"))
			handles = v;
		else if (!strcmp(k, "--conns"))
			conns = (unsigned)atoi(v);
		else if (!strcmp(k, "--open-per-s"))
			open_per_s = atof(v);
		else if (!strcmp(k, "--bytes"))
			opt.bytes = strtoull(v, NULL, 10);
		else if (!strcmp(k, "--secs"))
			opt.secs = atof(v);
		else if (!strcmp(k, "--rate-kbit"))
			opt.rate = strtoull(v, NULL, 10) * 125;
		else if (!strcmp(k, "--pids"))
			pids = v;
		else if (!strcmp(k, "--tag"))
			tag = v;
		else
			die("no option %s", k);
	}
	if (!at)
		die("--listen or --target is missing");
	signal(SIGPIPE, SIG_IGN);
	raise_nofile();
	pattern_make();
	parse_hostport(at, &a);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (!strcmp(argv[1], "serve"))
		serve(&a, cert, key);
	else
		load(&a, handles, conns, open_per_s, pids, tag);
	return n_failed > 0;
}

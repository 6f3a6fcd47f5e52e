/* SPDX-License-Identifier: MIT
 *
 * tlsidle.c: what one idle TLS connection and one handshake cost net/ alone, without SIP above it.
 *
 *   bench_tlsidle [CONNECTIONS] [1.2|1.3] [local]
 *
 * Three processes: keyd (the real core on a real channel), this server, and a stock OpenSSL client
 * that opens CONNECTIONS, sends and reads one octet on each, and idles. "local": key in the server
 * process.
 */
#include <malloc.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keyd/keyd.h"
#include "keyd/room.h"
#include "net/conn.h"
#include "net/ipc.h"
#include "net/keycall.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "svc/keyplan.h"
#include "testcert.h"

static struct loop *loop;
static struct tls_ctx *tls;
static struct testcert cert;
static int wanted, echoed;
static struct timer settle;

static void
gone(struct keyd_channel *ch, void *arg)
{
	loop_stop(arg);
}

static void
run_keyd(int fd)
{
	static uint8_t bytes[16384];
	struct ipc_writer w = {.p = bytes, .room = sizeof(bytes)};
	struct keyplan *p = calloc(1, sizeof(*p));
	struct keyd *k = keyd_new();
	struct loop *l = loop_new();
	const char *why;

	p->pool_secret = STR("0123456789abcdef0123456789abcdef");
	p->n_slots = 1;
	p->slots[0] =
	    (struct keyplan_slot){.slot = 1, .binding = STR("a"), .key_pem = str_of(cert.key_pem)};
	p->roles[ROLE_ACCESS].ops = ~0u;
	p->roles[ROLE_ACCESS].bindings = STR("a");
	keyplan_put(&w, p);
	if (keyd_stage(k, (struct str){(char *)bytes, w.n}, &why) < 0)
		exit(1);
	keyd_commit(k);
	keyd_channel_new(l, k, ROLE_ACCESS, 0, fd, gone, l);
	(void)!loop_run(l);
	_exit(0);
}

static void
run_client(const struct addr *at, int n, int version, int done)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, &ss);
	char c;

	SSL_CTX_set_min_proto_version(x, version);
	SSL_CTX_set_max_proto_version(x, version);
	for (int i = 0; i < n; i++) {
		SSL *ssl = SSL_new(x);
		int fd = socket(ss.ss_family, SOCK_STREAM, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) < 0)
			exit(1);
		SSL_set_fd(ssl, fd);
		SSL_set_tlsext_host_name(ssl, "sip.contoso.com");
		if (SSL_connect(ssl) != 1 || SSL_write(ssl, "x", 1) != 1 ||
		    SSL_read(ssl, &c, 1) != 1)
			exit(1);
	}
	(void)!read(done, &c, 1); /* idle until the server is done */
	_exit(0);
}

static long
pss_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static void
on_up(struct conn *c, void *arg, const struct tls_facts *f)
{
}

static ptrdiff_t
on_bytes(struct conn *c, void *arg, struct str b)
{
	(void)!conn_send(c, b);
	if (++echoed == wanted)
		timer_set(loop, &settle, loop_now_ms(loop) + 300);
	return (ptrdiff_t)b.n;
}

static void
on_down(struct conn *c, void *arg, enum conn_end why)
{
}

static const struct conn_ops ops = {on_up, on_bytes, on_down, NULL, NULL};

static void
on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	static const struct conn_limits lim = {.handshake_ms = 60000, .idle_ms = 3600000};

	conn_accept(loop, fd, peer, local, tls, &lim, &ops, NULL);
}

static const struct listener_ops accept_ops = {on_accept, NULL};

static double
cpu_us(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void
on_settled(struct timer *t, uint64_t now_ms)
{
	loop_stop(loop);
}

int
main(int argc, char **argv)
{
	int version = argc > 2 && !strcmp(argv[2], "1.2") ? TLS1_2_VERSION : TLS1_3_VERSION;
	bool local = argc > 3;
	struct tls_identity id = {0};
	struct tls_server_conf conf = {.ids = &id, .n_ids = 1, .tickets = true};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int pair[2], done[2], fd;
	pid_t keyd, client;
	struct addr at;
	size_t heap;
	double cpu;
	long pss;

	wanted = argc > 1 ? atoi(argv[1]) : 1000;
	cert =
	    testcert_new(&(struct testcert_spec){.cn = "sip.contoso.com", .rsa_bits = 2048}, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 || pipe(done) < 0)
		return 1;
	keyd = fork();
	if (keyd == 0) {
		close(pair[0]);
		close(done[1]);
		run_keyd(pair[1]);
	}
	close(pair[1]);
	loop = loop_new();
	id.chain_pem = str_of(cert.pem);
	id.keys = keycall_new(loop, pair[0]);
	id.slot = 1;
	if (local) {
		id.key_pem = str_of(cert.key_pem);
		id.keys = NULL;
	}
	if (tls_server_new(&conf, &tls, NULL) < 0 || addr_parse(&at, STR("127.0.0.1:0")) < 0 ||
	    listener_bind(&at, "", 512, &fd) < 0)
		return 1;
	getsockname(fd, (struct sockaddr *)&ss, &len);
	(void)!addr_from_sockaddr(&at, (struct sockaddr *)&ss, len);
	client = fork();
	if (client == 0) {
		close(done[1]);
		close(pair[0]);
		run_client(&at, wanted, version, done[0]);
	}
	listener_new(loop, fd, &accept_ops, NULL);
	timer_init(&settle, on_settled);
	heap = mallinfo2().uordblks;
	pss = pss_kb();
	cpu = cpu_us(RUSAGE_SELF);
	(void)!loop_run(loop);
	printf("connections=%d heap_bytes_per_conn=%zu pss_bytes_per_conn=%ld "
	       "cpu_us_per_handshake=%.0f",
	    wanted, (mallinfo2().uordblks - heap) / (size_t)wanted,
	    (pss_kb() - pss) * 1024 / wanted, (cpu_us(RUSAGE_SELF) - cpu) / wanted);
	fflush(stdout);
	close(done[1]);
	waitpid(client, NULL, 0);
	cpu = cpu_us(RUSAGE_CHILDREN);
	kill(keyd, SIGTERM);
	waitpid(keyd, NULL, 0);
	printf(" keyd_cpu_us_per_handshake=%.0f\n", (cpu_us(RUSAGE_CHILDREN) - cpu) / wanted);
	return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * keyd/keycall_test.c: TLS handshakes whose signatures come from a real keyd core over a real
 * channel; both ends of everything in one loop, so each order of events can be made to happen.
 */
#include "net/keycall.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <openssl/ssl.h>
#include <cmocka.h>

#include "keyd/keyd.h"
#include "keyd/room.h"
#include "net/conn.h"
#include "net/ipc.h"
#include "net/keyproto.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "svc/keyplan.h"
#include "testcert.h"

enum mood {
	MOOD_PROMPT,
	MOOD_HOLD,   /* answers nothing until told */
	MOOD_DIE,    /* closes the channel at the first request */
	MOOD_LIE,    /* a signature of zeros */
	MOOD_BABBLE, /* bytes that are no answer */
	MOOD_REFUSE,
};

#define HELD_MAX 512

struct daemon {
	struct keyd *k;
	enum mood mood;
	int fd;
	struct event *ev;
	struct {
		uint8_t p[KEYPROTO_REQUEST_MAX];
		size_t n;
	} held[HELD_MAX];
	int n_held, served;
};

struct end {
	struct scene *s;
	struct conn *c;
	int ups, downs;
	enum conn_end why;
	char detail[128];
};

#define PAIRS_MAX 300

struct scene {
	struct loop *l;
	struct listener *ln;
	struct addr at;
	struct keycall *kc;
	struct daemon d;
	struct tls_ctx *server_tls, *client_tls;
	struct conn_limits lim;
	struct end server[PAIRS_MAX], client[PAIRS_MAX];
	int accepted, n, downs;
	bool close_on_up;
	struct timer t;
	void (*on_time)(struct scene *s);
};

static struct testcert ca, rsa, ec, peer;

static void
daemon_serve(struct daemon *d, const uint8_t *p, size_t n)
{
	uint8_t out[KEYD_ANSWER_MAX];
	enum keyproto_verdict v;
	size_t m;

	assert_int_equal(keyd_answer(d->k, ROLE_ACCESS, 20000 * 86400LL,
			     (struct str){(const char *)p, n}, out, &m, &v),
	    ED_OK);
	if (d->mood == MOOD_LIE)
		memset(out + 9, 0, m - 9);
	if (d->mood == MOOD_BABBLE)
		m = 3;
	if (d->mood == MOOD_REFUSE) {
		out[4] = KEYPROTO_DENIED;
		memset(out + 5, 0, 4);
		m = 9;
	}
	d->served++;
	(void)!ipc_send(d->fd, (struct str){(const char *)out, m}, NULL, 0);
}

static void
daemon_close(struct daemon *d)
{
	if (d->ev)
		event_free(d->ev);
	if (d->fd >= 0)
		close(d->fd);
	d->ev = NULL;
	d->fd = -1;
}

static void
on_request(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	uint8_t buf[KEYPROTO_REQUEST_MAX];
	size_t n;
	int r = ipc_recv(fd, buf, sizeof(buf), &n, NULL, 0, NULL);

	if (r < 0 || d->mood == MOOD_DIE) {
		daemon_close(d);
		return;
	}
	if (d->mood != MOOD_HOLD) {
		daemon_serve(d, buf, n);
		return;
	}
	assert_true(d->n_held < HELD_MAX);
	memcpy(d->held[d->n_held].p, buf, n);
	d->held[d->n_held++].n = n;
}

static int
daemon_open(struct scene *s, enum mood mood)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	evutil_make_socket_nonblocking(pair[1]);
	s->d.fd = pair[1];
	s->d.mood = mood;
	s->d.ev = event_new(loop_base(s->l), pair[1], EV_READ | EV_PERSIST, on_request, &s->d);
	event_add(s->d.ev, NULL);
	return pair[0];
}

static struct keyd *
make_keyd(void)
{
	uint8_t *bytes = malloc(65536);
	struct ipc_writer w = {.p = bytes, .room = 65536};
	struct keyplan *p = calloc(1, sizeof(*p));
	struct keyd *k = keyd_new();
	const char *why = NULL;

	p->pool_secret = STR("0123456789abcdef0123456789abcdef");
	p->n_slots = 3;
	p->slots[0] =
	    (struct keyplan_slot){.slot = 1, .binding = STR("a"), .key_pem = str_of(rsa.key_pem)};
	p->slots[1] =
	    (struct keyplan_slot){.slot = 2, .binding = STR("a"), .key_pem = str_of(ec.key_pem)};
	p->slots[2] =
	    (struct keyplan_slot){.slot = 3, .binding = STR("a"), .key_pem = str_of(peer.key_pem)};
	p->roles[ROLE_ACCESS].ops = ~0u;
	p->roles[ROLE_ACCESS].bindings = STR("a");
	keyplan_put(&w, p);
	assert_int_equal(keyd_stage(k, (struct str){(char *)bytes, w.n}, &why), ED_OK);
	keyd_commit(k);
	free(p);
	free(bytes);
	return k;
}

static void
on_up(struct conn *c, void *arg, const struct tls_facts *facts)
{
	struct end *e = arg;

	e->ups++;
	if (e->s->close_on_up)
		conn_close(c, CONN_END_LOCAL);
}

static ptrdiff_t
on_bytes(struct conn *c, void *arg, struct str bytes)
{
	return (ptrdiff_t)bytes.n;
}

static void
on_down(struct conn *c, void *arg, enum conn_end why)
{
	struct end *e = arg;

	assert_int_equal(e->downs++, 0);
	e->why = why;
	e->c = NULL;
	snprintf(e->detail, sizeof(e->detail), "%s", conn_end_detail(c));
	if (++e->s->downs == 2 * e->s->n)
		loop_stop(e->s->l);
}

static const struct conn_ops ops = {on_up, on_bytes, on_down, NULL, NULL};

static void
on_accept(void *arg, int fd, const struct addr *from, const struct addr *local)
{
	struct scene *s = arg;
	struct end *e = &s->server[s->accepted++];

	e->s = s;
	e->c = conn_accept(s->l, fd, from, local, s->server_tls, &s->lim, &ops, e);
	assert_non_null(e->c);
}

static const struct listener_ops accept_ops = {on_accept, NULL};

static void
on_time(struct timer *t, uint64_t now_ms)
{
	struct scene *s = LIST_OF(t, struct scene, t);

	s->on_time(s);
}

struct scene_spec {
	enum mood mood;
	bool only_ec, only_rsa, tls13, client_key;
	int n;
};

static struct scene *
scene_up(const struct scene_spec *spec)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct tls_identity ids[2], mine = {0};
	struct str expect = STR("sip.contoso.com");
	struct tls_server_conf sc = {.ids = ids,
	    .n_ids = 2,
	    .peer = spec->client_key ? TLS_PEER_REQUIRED : TLS_PEER_NONE,
	    .trust_pem = str_of(ca.pem),
	    .only_tls13 = spec->tls13};
	struct tls_client_conf cc = {.trust_pem = str_of(ca.pem), .expect = &expect, .n_expect = 1};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ed_fault fault = {0};
	int fd;

	s->l = loop_new();
	s->d.k = make_keyd();
	s->kc = keycall_new(s->l, daemon_open(s, spec->mood));
	assert_non_null(s->kc);
	keycall_set_deadline(s->kc, 60000); /* a slow machine is not what is tested */
	ids[0] = (struct tls_identity){.chain_pem = str_of(rsa.pem), .keys = s->kc, .slot = 1};
	ids[1] = (struct tls_identity){.chain_pem = str_of(ec.pem), .keys = s->kc, .slot = 2};
	if (spec->only_ec)
		sc.ids = &ids[1];
	sc.n_ids = spec->only_ec || spec->only_rsa ? 1 : 2;
	if (spec->client_key) {
		mine =
		    (struct tls_identity){.chain_pem = str_of(peer.pem), .keys = s->kc, .slot = 3};
		cc.id = &mine;
	}
	if (tls_server_new(&sc, &s->server_tls, &fault) < 0 ||
	    tls_client_new(&cc, &s->client_tls, &fault) < 0)
		fail_msg("%s", fault.what);
	assert_int_equal(addr_parse(&s->at, STR("127.0.0.1:0")), ED_OK);
	assert_int_equal(listener_bind(&s->at, "", 512, &fd), ED_OK);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(addr_from_sockaddr(&s->at, (struct sockaddr *)&ss, len), ED_OK);
	s->ln = listener_new(s->l, fd, &accept_ops, s);
	s->lim = (struct conn_limits){.handshake_ms = 60000, .connect_ms = 60000};
	s->close_on_up = true;
	s->n = spec->n;
	timer_init(&s->t, on_time);
	for (int i = 0; i < s->n; i++) {
		struct conn_target t = {.addr = s->at, .host = "sip.contoso.com"};

		s->client[i].s = s;
		s->client[i].c = conn_open(s->l, &t, s->client_tls, &s->lim, &ops, &s->client[i]);
		assert_non_null(s->client[i].c);
	}
	return s;
}

static void
scene_down(struct scene *s)
{
	timer_cancel(&s->t);
	assert_int_equal(tls_ctx_conns(s->server_tls), 0);
	assert_int_equal(tls_ctx_conns(s->client_tls), 0);
	tls_ctx_unref(s->server_tls);
	tls_ctx_unref(s->client_tls);
	keycall_free(s->kc);
	daemon_close(&s->d);
	keyd_free(s->d.k);
	listener_free(s->ln);
	loop_free(s->l);
	free(s);
}

static void
all_up(struct scene *s)
{
	assert_int_equal(loop_run(s->l), ED_OK);
	for (int i = 0; i < s->n; i++) {
		if (!s->server[i].ups || !s->client[i].ups)
			fail_msg("%d: %s / %s", i, s->server[i].detail, s->client[i].detail);
	}
}

static void
test_handshakes(void **state)
{
	static const struct scene_spec rows[] = {
	    {.n = 1},
	    {.n = 1, .only_rsa = true},
	    {.n = 1, .only_ec = true},
	    {.n = 1, .only_rsa = true, .tls13 = true},
	    {.n = 40},
	    {.n = 20, .client_key = true},
	    {.n = 20, .client_key = true, .only_rsa = true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene *s = scene_up(&rows[i]);

		all_up(s);
		assert_int_equal(s->d.served, rows[i].n * (rows[i].client_key ? 2 : 1));
		scene_down(s);
	}
}

/* Stock clients of TLS 1.2 with one signature algorithm each: what keyd's list must cover. */
static int
stock_client(const struct addr *at, int version, const char *algs)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0), r = 0;
	SSL *ssl;

	SSL_CTX_set_min_proto_version(x, version);
	SSL_CTX_set_max_proto_version(x, version);
	if (SSL_CTX_set1_sigalgs_list(x, algs) != 1)
		return 5;
	ssl = SSL_new(x);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		return 6;
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1)
		r = 7;
	SSL_free(ssl);
	SSL_CTX_free(x);
	close(fd);
	return r;
}

static void
test_algorithms(void **state)
{
	static const struct {
		int version;
		const char *algs;
	} rows[] = {
	    {TLS1_2_VERSION, "RSA+SHA256"},
	    {TLS1_2_VERSION, "RSA+SHA384"},
	    {TLS1_2_VERSION, "RSA+SHA512"},
	    {TLS1_2_VERSION, "RSA-PSS+SHA256"},
	    {TLS1_2_VERSION, "ECDSA+SHA256"},
	    {TLS1_2_VERSION, "ECDSA+SHA384"},
	    {TLS1_2_VERSION, "ECDSA+SHA512"},
	    {TLS1_3_VERSION, "RSA-PSS+SHA256"},
	    {TLS1_3_VERSION, "RSA-PSS+SHA384"},
	    {TLS1_3_VERSION, "RSA-PSS+SHA512"},
	    {TLS1_3_VERSION, "ECDSA+SHA256"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene *s = scene_up(&(struct scene_spec){.n = 0});
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(stock_client(&s->at, rows[i].version, rows[i].algs));
		s->n = 1;
		s->downs = 1;
		assert_int_equal(loop_run(s->l), ED_OK);
		waitpid(pid, &status, 0);
		if (WEXITSTATUS(status) != 0 || s->server[0].ups != 1)
			fail_msg(
			    "%s: %d, %s", rows[i].algs, WEXITSTATUS(status), s->server[0].detail);
		scene_down(s);
	}
}

static void
release_backwards(struct scene *s)
{
	if (s->d.n_held < 128) { /* no more jobs than that are under way at once */
		timer_set(s->l, &s->t, loop_now_ms(s->l) + 10);
		return;
	}
	s->d.mood = MOOD_PROMPT;
	while (s->d.n_held > 0) {
		s->d.n_held--;
		daemon_serve(&s->d, s->d.held[s->d.n_held].p, s->d.held[s->d.n_held].n);
	}
}

/* More handshakes than jobs, all waiting, then answered last first: each gets its own answer. */
static void
test_slow_keyd(void **state)
{
	struct scene *s =
	    scene_up(&(struct scene_spec){.n = 200, .mood = MOOD_HOLD, .only_ec = true});

	s->on_time = release_backwards;
	timer_set(s->l, &s->t, loop_now_ms(s->l) + 10);
	all_up(s);
	assert_int_equal(s->d.served, 200);
	scene_down(s);
}

static void
release_one(struct scene *s)
{
	int left = s->n - s->d.served;

	if (s->d.n_held == (left < 128 ? left : 128)) {
		daemon_serve(&s->d, s->d.held[0].p, s->d.held[0].n);
		s->d.n_held--;
		memmove(&s->d.held[0], &s->d.held[1], s->d.n_held * sizeof(s->d.held[0]));
	}
	if (s->d.served < s->n)
		timer_set(s->l, &s->t, loop_now_ms(s->l) + 1);
}

/* All jobs are out for long: also the peers' last flights wait for one, and nothing of theirs wakes
 * them. */
static void
test_last_flights_wait(void **state)
{
	struct scene *s =
	    scene_up(&(struct scene_spec){.n = 300, .mood = MOOD_HOLD, .only_ec = true});

	s->on_time = release_one;
	timer_set(s->l, &s->t, loop_now_ms(s->l) + 10);
	all_up(s);
	scene_down(s);
}

static void
all_failed(struct scene *s, const char *says)
{
	assert_int_equal(loop_run(s->l), ED_OK);
	for (int i = 0; i < s->n; i++) {
		assert_int_equal(s->server[i].ups, 0);
		assert_int_equal(s->server[i].why, CONN_END_TLS_FAILED);
		if (!strstr(s->server[i].detail, says))
			fail_msg("%s", s->server[i].detail);
	}
}

static void
test_bad_keyd(void **state)
{
	static const struct {
		enum mood mood;
		const char *says;
	} rows[] = {
	    {MOOD_DIE, "key daemon is gone"},
	    {MOOD_BABBLE, "key daemon is gone"},
	    {MOOD_REFUSE, "key daemon refused"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene *s = scene_up(&(struct scene_spec){.n = 20, .mood = rows[i].mood});

		all_failed(s, rows[i].says);
		scene_down(s);
	}
	/* A wrong signature is the other end's to find. */
	struct scene *s =
	    scene_up(&(struct scene_spec){.n = 3, .mood = MOOD_LIE, .only_rsa = true});
	assert_int_equal(loop_run(s->l), ED_OK);
	assert_int_equal(s->client[0].ups, 0);
	assert_int_equal(s->client[0].why, CONN_END_TLS_FAILED);
	scene_down(s);
}

static void
die_then_return(struct scene *s)
{
	if (s->d.n_held < 10) {
		timer_set(s->l, &s->t, loop_now_ms(s->l) + 10);
		return;
	}
	daemon_close(&s->d);
	s->d.n_held = 0;
	keycall_rebind(s->kc, daemon_open(s, MOOD_PROMPT));
	s->n += 5;
	for (int i = s->n - 5; i < s->n; i++) {
		struct conn_target t = {.addr = s->at, .host = "sip.contoso.com"};

		s->client[i].s = s;
		s->client[i].c = conn_open(s->l, &t, s->client_tls, &s->lim, &ops, &s->client[i]);
	}
}

/* Those under way fail with a reason, those after the return go well, those that are up stay up. */
static void
test_keyd_returns(void **state)
{
	struct scene *s = scene_up(&(struct scene_spec){.n = 10, .mood = MOOD_HOLD});

	s->on_time = die_then_return;
	timer_set(s->l, &s->t, loop_now_ms(s->l) + 10);
	assert_int_equal(loop_run(s->l), ED_OK);
	for (int i = 0; i < 10; i++)
		assert_string_equal(s->server[i].detail, "key daemon is gone");
	for (int i = 10; i < 15; i++)
		assert_int_equal(s->server[i].ups, 1);
	scene_down(s);
}

static void
clients_leave(struct scene *s)
{
	if (s->d.n_held < s->n) {
		timer_set(s->l, &s->t, loop_now_ms(s->l) + 10);
		return;
	}
	for (int i = 0; i < s->n; i++) {
		if (i % 2)
			conn_close(s->client[i].c, CONN_END_LOCAL);
		else
			conn_close(s->server[i].c, CONN_END_LOCAL);
	}
}

static void
answer_late(struct scene *s)
{
	clients_leave(s);
	if (s->d.n_held < s->n)
		return;
	s->d.mood = MOOD_PROMPT;
	while (s->d.n_held > 0) {
		s->d.n_held--;
		daemon_serve(&s->d, s->d.held[s->d.n_held].p, s->d.held[s->d.n_held].n);
	}
}

/* Either end dies while the signature is awaited; the answer then comes for nobody. */
static void
test_given_up(void **state)
{
	struct scene *s = scene_up(&(struct scene_spec){.n = 30, .mood = MOOD_HOLD});

	s->on_time = answer_late;
	timer_set(s->l, &s->t, loop_now_ms(s->l) + 10);
	assert_int_equal(loop_run(s->l), ED_OK);
	scene_down(s);
}

/* keyd does not answer: keycall's deadline ends the handshake. */
static void
test_deadline(void **state)
{
	struct scene *s = scene_up(&(struct scene_spec){.n = 2, .mood = MOOD_HOLD});

	keycall_set_deadline(s->kc, 100);
	for (int i = 0; i < 2; i++)
		s->client[i].s = s;
	assert_int_equal(loop_run(s->l), ED_OK);
	for (int i = 0; i < 2; i++)
		assert_string_equal(s->server[i].detail, "key daemon did not answer in time");
	scene_down(s);
}

/* The blocking calls need somebody else to answer: the channel of the room in a child. */
static void
on_gone(struct keyd_channel *ch, void *arg)
{
	loop_stop(arg);
}

static void
test_blocking(void **state)
{
	struct keycall_day_key days[3];
	uint8_t tickets[3][48];
	struct keycall *kc;
	struct loop *l;
	int pair[2], status;
	uint32_t today = (uint32_t)(time(NULL) / 86400);
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		struct keyd *k = make_keyd();

		close(pair[0]);
		l = loop_new();
		keyd_channel_new(l, k, ROLE_ACCESS, 0, pair[1], on_gone, l);
		(void)!loop_run(l);
		_exit(0);
	}
	close(pair[1]);
	l = loop_new();
	kc = keycall_new(l, pair[0]);
	assert_int_equal(keycall_day_keys(kc, today - 1, 3, days), ED_OK);
	assert_int_equal(days[2].day, (uint16_t)(today + 1));
	assert_memory_not_equal(days[0].sign, days[0].seal, 32);
	assert_int_equal(keycall_day_keys(kc, today + 100, 1, days), ED_DENIED);
	assert_int_equal(keycall_day_keys(kc, today, 17, days), ED_LIMIT);
	assert_int_equal(
	    keycall_ticket_keys(kc, (uint32_t)(time(NULL) / KEYPROTO_TICKET_PERIOD_S), tickets),
	    ED_OK);
	keycall_free(kc);
	loop_free(l);
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);

	l = loop_new(); /* nobody there */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	kc = keycall_new(l, pair[0]);
	close(pair[1]);
	assert_int_equal(keycall_day_keys(kc, today, 1, days), ED_GONE);
	assert_int_equal(keycall_day_keys(kc, today, 1, days), ED_GONE);
	keycall_free(kc);
	loop_free(l);
}

static int
make(void **state)
{
	ca = testcert_new(&(struct testcert_spec){.cn = "Test CA", .is_ca = 1}, NULL);
	rsa = testcert_new(
	    &(struct testcert_spec){
		.cn = "sip.contoso.com", .sans = "DNS:sip.contoso.com", .rsa_bits = 2048},
	    &ca);
	ec = testcert_new(
	    &(struct testcert_spec){.cn = "sip.contoso.com", .sans = "DNS:sip.contoso.com"}, &ca);
	peer = testcert_new(
	    &(struct testcert_spec){.cn = "fe.contoso.net", .sans = "DNS:fe.contoso.net"}, &ca);
	return 0;
}

static int
unmake(void **state)
{
	testcert_free(&ca);
	testcert_free(&rsa);
	testcert_free(&ec);
	testcert_free(&peer);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handshakes),
	    cmocka_unit_test(test_algorithms),
	    cmocka_unit_test(test_slow_keyd),
	    cmocka_unit_test(test_last_flights_wait),
	    cmocka_unit_test(test_bad_keyd),
	    cmocka_unit_test(test_keyd_returns),
	    cmocka_unit_test(test_given_up),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_blocking),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}

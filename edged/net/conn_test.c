/* SPDX-License-Identifier: MIT
 *
 * net/conn_test.c: two ends of our own in one loop over loopback, and raw sockets where the peer is
 * to misbehave.
 */
#include "net/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openssl/ssl.h>
#include <cmocka.h>

#include "base/histogram.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"
#include "testcert.h"

static struct testcert ca, other_ca, server_cert, client_cert;

struct end { /* one side of a scene */
	struct scene *s;
	struct conn *c;
	int ups, downs, drains, eofs;
	enum conn_end why;
	enum tls_end tls;
	char detail[256];
	size_t got, sent, total;
	size_t eat; /* bytes used per call at most; 0: all */
	bool echo, close_on_up, close_on_bytes, pump, pause_on_bytes, end_on_eof, refuse, greedy;
	char text[256];
	uint8_t next_in, next_out;
};

struct scene {
	struct loop *l;
	struct listener *ln;
	struct addr at;
	struct tls_ctx *server_tls, *client_tls;
	struct conn_limits lim;
	struct end server, client;
	int downs, want_downs;
	struct timer t;
	const struct conn_ops *ops;
};

static void
pump(struct end *e)
{
	while (e->sent < e->total && (e->greedy || conn_output_pending(e->c) < 100000)) {
		size_t n = e->total - e->sent < 30000 ? e->total - e->sent : 30000;
		char *p = conn_reserve(e->c, n);

		if (!p)
			return;
		for (size_t i = 0; i < n; i++)
			p[i] = (char)e->next_out++;
		conn_commit(e->c, n);
		e->sent += n;
	}
	if (e->sent == e->total)
		conn_close(e->c, CONN_END_LOCAL);
}

static void
on_up(struct conn *c, void *arg, const struct tls_facts *facts)
{
	struct end *e = arg;

	e->ups++;
	assert_int_equal(e->downs, 0);
	assert_ptr_equal(conn_facts(c), facts);
	if (e->close_on_up)
		conn_close(c, CONN_END_LOCAL);
	else if (e->pump)
		pump(e);
	else if (e->text[0])
		assert_int_equal(conn_send(c, str_of(e->text)), ED_OK);
}

static ptrdiff_t
on_bytes(struct conn *c, void *arg, struct str bytes)
{
	struct end *e = arg;
	size_t n = e->eat && bytes.n > e->eat ? e->eat : bytes.n;

	assert_int_equal(e->downs, 0);
	assert_true(bytes.n > 0);
	if (e->refuse)
		return ED_MALFORMED;
	if (e->s->client.pump || e->s->server.pump)
		for (size_t i = 0; i < n; i++)
			if ((uint8_t)bytes.p[i] != e->next_in++)
				fail_msg("byte %zu differs", e->got + i);
	e->got += n;
	if (e->echo)
		assert_int_equal(conn_send(c, str_first(bytes, n)), ED_OK);
	if (e->close_on_bytes)
		conn_close(c, CONN_END_LOCAL);
	if (e->pause_on_bytes) {
		conn_pause(c, true);
		timer_set(e->s->l, &e->s->t, loop_now_ms(e->s->l) + 1);
	}
	return (ptrdiff_t)n;
}

static void
on_down(struct conn *c, void *arg, enum conn_end why)
{
	struct end *e = arg;

	e->downs++;
	assert_int_equal(e->downs, 1);
	e->why = why;
	e->tls = conn_tls_end(c);
	snprintf(e->detail, sizeof(e->detail), "%s", conn_end_detail(c));
	e->c = NULL;
	if (++e->s->downs >= e->s->want_downs)
		loop_stop(e->s->l);
}

static void
on_drained(struct conn *c, void *arg)
{
	struct end *e = arg;

	e->drains++;
	if (e->pump)
		pump(e);
}

static void
on_eof(struct conn *c, void *arg)
{
	struct end *e = arg;

	e->eofs++;
	if (e->end_on_eof) {
		assert_int_equal(conn_send(c, STR("farewell")), ED_OK);
		conn_shutdown_write(c);
		assert_int_equal(conn_send(c, STR("too late")), ED_STATE);
	}
}

static const struct conn_ops plain_ops = {on_up, on_bytes, on_down, NULL, NULL};
static const struct conn_ops relay_ops = {on_up, on_bytes, on_down, on_drained, on_eof};

static void
on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	struct scene *s = arg;

	s->server.c =
	    conn_accept(s->l, fd, peer, local, s->server_tls, &s->lim, s->ops, &s->server);
	assert_non_null(s->server.c);
}

static const struct listener_ops accept_ops = {on_accept, NULL};

static void
on_resume(struct timer *t, uint64_t now_ms)
{
	struct scene *s = LIST_OF(t, struct scene, t);

	if (s->server.c)
		conn_pause(s->server.c, false);
}

static void
server_tls(struct scene *s, const struct testcert *cert, enum tls_peer_cert peer, bool eku_ok)
{
	struct tls_identity id = {.chain_pem = str_of(cert->pem), .key_pem = str_of(cert->key_pem)};
	struct tls_server_conf conf = {.ids = &id,
	    .n_ids = 1,
	    .peer = peer,
	    .trust_pem = str_of(ca.pem),
	    .peer_server_eku_ok = eku_ok,
	    .alpn = STR("edged-test")};
	struct ed_fault fault = {0};

	tls_ctx_unref(s->server_tls);
	s->server_tls = NULL;
	if (tls_server_new(&conf, &s->server_tls, &fault) < 0)
		fail_msg("%s", fault.what);
}

static void
client_tls(struct scene *s, const struct testcert *cert, const char *expect, bool cn)
{
	struct tls_identity id = {0};
	struct str name = str_of(expect);
	struct tls_client_conf conf = {.trust_pem = str_of(ca.pem),
	    .expect = &name,
	    .n_expect = 1,
	    .cn_fallback = cn,
	    .alpn = STR("edged-test")};
	struct ed_fault fault = {0};

	if (cert) {
		id.chain_pem = str_of(cert->pem);
		id.key_pem = str_of(cert->key_pem);
		conf.id = &id;
	}
	tls_ctx_unref(s->client_tls);
	s->client_tls = NULL;
	if (tls_client_new(&conf, &s->client_tls, &fault) < 0)
		fail_msg("%s", fault.what);
}

static void
scene_up(struct scene *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr at;
	int fd;

	memset(s, 0, sizeof(*s));
	s->l = loop_new();
	s->ops = &plain_ops;
	s->want_downs = 2;
	s->lim = (struct conn_limits){
	    .handshake_ms = 20000, .connect_ms = 20000, .output = 262144, .input = 65536};
	s->server.s = s->client.s = s;
	timer_init(&s->t, on_resume);
	assert_int_equal(addr_parse(&at, STR("127.0.0.1:0")), ED_OK);
	assert_int_equal(listener_bind(&at, "", 64, &fd), ED_OK);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(addr_from_sockaddr(&s->at, (struct sockaddr *)&ss, len), ED_OK);
	s->ln = listener_new(s->l, fd, &accept_ops, s);
	server_tls(s, &server_cert, TLS_PEER_NONE, false);
	client_tls(s, NULL, "sip.contoso.com", false);
}

static void
scene_open(struct scene *s)
{
	struct conn_target t = {.addr = s->at, .device = "", .host = "sip.contoso.com"};

	assert_int_equal(addr_parse_ip(&t.bind, STR("127.0.0.1")), ED_OK);
	s->client.c = conn_open(s->l, &t, s->client_tls, &s->lim, s->ops, &s->client);
	assert_non_null(s->client.c);
}

static void
scene_run(struct scene *s)
{
	assert_int_equal(loop_run(s->l), ED_OK);
	assert_int_equal(s->downs, s->want_downs);
}

static void
scene_down(struct scene *s)
{
	if (s->server_tls)
		assert_int_equal(tls_ctx_conns(s->server_tls), 0);
	assert_int_equal(tls_ctx_conns(s->client_tls), 0);
	timer_cancel(&s->t);
	listener_free(s->ln);
	tls_ctx_unref(s->server_tls);
	tls_ctx_unref(s->client_tls);
	loop_free(s->l);
}

static int
raw_dial(const struct scene *s)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&s->at, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static void
test_echo(void **state)
{
	struct scene s;

	scene_up(&s);
	s.server.echo = true;
	strcpy(s.client.text, "hello");
	s.client.close_on_bytes = true;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.client.ups, 1);
	assert_int_equal(s.server.ups, 1);
	assert_int_equal(s.server.got, 5);
	assert_int_equal(s.client.got, 5);
	assert_int_equal(s.client.why, CONN_END_LOCAL);
	assert_int_equal(s.server.why, CONN_END_PEER);
	assert_string_equal(s.server.detail, "");
	scene_down(&s);
}

static void
on_up_facts(struct conn *c, void *arg, const struct tls_facts *f)
{
	struct end *e = arg;

	e->ups++;
	assert_true(f->has_cert);
	assert_false(f->resumed);
	assert_string_equal(f->version, "TLSv1.3");
	assert_true(str_eq(f->alpn, STR("edged-test")));
	assert_true(f->not_after > 1000000000);
	assert_true(f->serial.n > 0 && f->issuer.n > 0);
	if (e == &e->s->server) {
		assert_true(str_eq(f->sni, STR("sip.contoso.com")));
		assert_int_equal(f->n_names, 2);
		assert_true(str_eq(f->names[0], STR("partner.fabrikam.com")));
		assert_true(str_eq(f->names[1], STR("*.fabrikam.com")));
		assert_true(str_eq(f->cn, STR("partner.fabrikam.com")));
		assert_true(tls_facts_match(f, STR("PARTNER.fabrikam.com."), false));
		assert_false(tls_facts_match(f, STR("any.fabrikam.com"), true));
		assert_false(tls_facts_match(f, STR("*.fabrikam.com"), true));
		assert_false(tls_facts_match(f, STR(""), true));
	}
	conn_close(c, CONN_END_LOCAL);
}

static void
test_facts(void **state)
{
	static const struct conn_ops ops = {on_up_facts, on_bytes, on_down, NULL, NULL};
	struct scene s;

	scene_up(&s);
	s.ops = &ops;
	server_tls(&s, &server_cert, TLS_PEER_REQUIRED, false);
	client_tls(&s, &client_cert, "sip.contoso.com", false);
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.client.ups + s.server.ups, 2);
	scene_down(&s);
}

static const struct verify_case {
	const char *name;
	struct testcert_spec server, client; /* cn NULL and sans NULL: the usual one */
	bool server_foreign, client_foreign, client_none;
	enum tls_peer_cert peer;
	bool eku_ok, cn_fallback;
	bool up;
	const char *server_says, *client_says; /* within the detail */
} verify_cases[] = {
    {.name = "no certificate, none asked", .client_none = true, .peer = TLS_PEER_NONE, .up = true},
    {.name = "no certificate, optional",
	.client_none = true,
	.peer = TLS_PEER_OPTIONAL,
	.up = true},
    {.name = "no certificate, required",
	.client_none = true,
	.peer = TLS_PEER_REQUIRED,
	.server_says = "no client certificate"},
    {.name = "client of a foreign CA",
	.client = {.cn = "x", .sans = "DNS:partner.fabrikam.com"},
	.client_foreign = true,
	.peer = TLS_PEER_OPTIONAL,
	.server_says = "unknown CA"},
    {.name = "client expired",
	.client = {.cn = "x", .from_s = -7200, .until_s = -3600},
	.peer = TLS_PEER_REQUIRED,
	.server_says = "certificate has expired (serial 10"},
    {.name = "client not yet valid",
	.client = {.cn = "x", .from_s = 3600, .until_s = 7200},
	.peer = TLS_PEER_REQUIRED,
	.server_says = "certificate is not yet valid"},
    {.name = "client with server usage only",
	.client = {.cn = "x", .eku = "serverAuth"},
	.peer = TLS_PEER_REQUIRED,
	.server_says = "extended key usage"},
    {.name = "client with server usage only, accepted",
	.client = {.cn = "x", .eku = "serverAuth"},
	.peer = TLS_PEER_REQUIRED,
	.eku_ok = true,
	.up = true},
    {.name = "client with mail usage",
	.client = {.cn = "x", .eku = "emailProtection"},
	.peer = TLS_PEER_REQUIRED,
	.eku_ok = true,
	.server_says = "extended key usage"},
    {.name = "client with a NUL in a name",
	.client = {.cn = "x", .raw_dns = "good.example\0.evil.example", .raw_dns_len = 26},
	.peer = TLS_PEER_REQUIRED,
	.server_says = "contains a NUL"},
    {.name = "wrong server name",
	.server = {.cn = "sip.contoso.com", .sans = "DNS:a.example,DNS:b.example"},
	.client_none = true,
	.client_says = "wrong name: expected sip.contoso.com, found a.example, b.example"},
    {.name = "wildcard server name",
	.server = {.cn = "x", .sans = "DNS:*.contoso.com"},
	.client_none = true,
	.client_says = "wrong name"},
    {.name = "CN only, no fallback",
	.server = {.cn = "sip.contoso.com"},
	.client_none = true,
	.client_says = "wrong name: expected sip.contoso.com, found CN sip.contoso.com"},
    {.name = "CN only, fallback",
	.server = {.cn = "SIP.contoso.com"},
	.client_none = true,
	.cn_fallback = true,
	.up = true},
    {.name = "CN beside a SAN does not count",
	.server = {.cn = "sip.contoso.com", .sans = "DNS:other.contoso.com"},
	.client_none = true,
	.cn_fallback = true,
	.client_says = "wrong name"},
    {.name = "server with client usage only",
	.server = {.cn = "x", .sans = "DNS:sip.contoso.com", .eku = "clientAuth"},
	.client_none = true,
	.client_says = "purpose"},
    {.name = "server of a foreign CA",
	.server = {.cn = "x", .sans = "DNS:sip.contoso.com"},
	.server_foreign = true,
	.client_none = true,
	.client_says = "unknown CA"},
    {.name = "server expired",
	.server = {.cn = "x", .sans = "DNS:sip.contoso.com", .from_s = -7200, .until_s = -3600},
	.client_none = true,
	.client_says = "certificate has expired"},
};

static void
verify_one(const struct verify_case *v)
{
	struct testcert sc = {0}, cc = {0};
	struct scene s;

	scene_up(&s);
	if (v->server.cn)
		sc = testcert_new(&v->server, v->server_foreign ? &other_ca : &ca);
	if (v->client.cn)
		cc = testcert_new(&v->client, v->client_foreign ? &other_ca : &ca);
	server_tls(&s, sc.pem ? &sc : &server_cert, v->peer, v->eku_ok);
	client_tls(&s,
	    v->client_none ? NULL
	    : cc.pem       ? &cc
			   : &client_cert,
	    "sip.contoso.com", v->cn_fallback);
	s.server.close_on_up = true;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.server.ups, v->up);
	if (v->client_says || v->up)
		assert_int_equal(s.client.ups, v->up);
	if (v->server_says) {
		assert_int_equal(s.server.why, CONN_END_TLS_FAILED);
		assert_int_equal(s.server.tls, TLS_END_CERTIFICATE);
	}
	if (v->server_says && !strstr(s.server.detail, v->server_says))
		fail_msg("server: %s", s.server.detail);
	if (v->client_says) {
		assert_int_equal(s.client.why, CONN_END_TLS_FAILED);
		assert_int_equal(s.client.tls, TLS_END_CERTIFICATE);
	}
	if (v->client_says && s.server.why == CONN_END_TLS_FAILED)
		assert_int_equal(s.server.tls, TLS_END_ALERT);
	if (v->client_says && !strstr(s.client.detail, v->client_says))
		fail_msg("client: %s", s.client.detail);
	scene_down(&s);
	testcert_free(&sc);
	testcert_free(&cc);
}

static void
test_verify(void **state)
{
	for (size_t i = 0; i < sizeof(verify_cases) / sizeof(verify_cases[0]); i++) {
		print_message("           %s\n", verify_cases[i].name);
		verify_one(&verify_cases[i]);
	}
}

/* Pieces of output that have left, of all connections so far. */
static uint64_t
pieces_left(void)
{
	const struct histogram *h = conn_queue_delay();
	uint64_t n = 0;

	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
		n += h->n[i];
	return n;
}

/* Output is counted when it has left: at once, or when the peer reads again. Handshakes are not. */
static void
test_queue_delay(void **state)
{
	uint64_t before = pieces_left(), sum_us = conn_queue_delay()->sum_us;
	struct scene s;

	scene_up(&s);
	s.client.close_on_up = true;
	scene_open(&s);
	scene_run(&s);
	scene_down(&s);
	assert_int_equal(pieces_left(), before);
	scene_up(&s);
	snprintf(s.client.text, sizeof(s.client.text), "one");
	s.server.close_on_bytes = true;
	scene_open(&s);
	scene_run(&s);
	scene_down(&s);
	assert_int_equal(pieces_left(), before + 1);
	assert_int_equal(conn_queue_delay()->sum_us, sum_us); /* in the round that made it */
	scene_up(&s);
	s.ops = &relay_ops;
	s.client.pump = s.client.greedy = true;
	s.client.total = 8000000;
	s.lim.output = 9000000;
	s.server.pause_on_bytes = true;
	s.server.end_on_eof = true;
	scene_open(&s);
	scene_run(&s);
	scene_down(&s);
	assert_true(pieces_left() >= before + 1 + 8000000 / 160000); /* none is longer */
}

/* Nothing is lost or reordered while the receiver stops and goes, and eats in odd pieces. */
static void
test_bulk(void **state)
{
	struct scene s;

	scene_up(&s);
	s.ops = &relay_ops;
	s.client.pump = true;
	s.client.total = 8000000;
	s.server.eat = 90011;
	s.server.pause_on_bytes = true;
	s.server.end_on_eof = true;
	s.lim.input = 200000;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.server.got, 8000000);
	assert_int_equal(s.server.eofs, 1);
	assert_true(s.client.drains > 0);
	assert_int_equal(s.client.why, CONN_END_LOCAL);
	scene_down(&s);
}

static ptrdiff_t
bytes_then_end(struct conn *c, void *arg, struct str bytes)
{
	struct end *e = arg;

	e->got += bytes.n;
	if (e == &e->s->client)
		conn_shutdown_write(c); /* got the greeting: our direction ends */
	return (ptrdiff_t)bytes.n;
}

static void
test_half_close_in_order(void **state)
{
	static const struct conn_ops ops = {on_up, bytes_then_end, on_down, on_drained, on_eof};
	struct scene s;

	scene_up(&s);
	s.ops = &ops;
	strcpy(s.server.text, "greeting");
	s.server.end_on_eof = true;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.client.got, 16); /* greeting, farewell */
	assert_int_equal(s.client.eofs, 1);
	assert_int_equal(s.server.eofs, 1);
	assert_int_equal(s.client.why, CONN_END_PEER);
	assert_int_equal(s.server.why, CONN_END_PEER);
	scene_down(&s);
}

/* A peer that never reads costs limits.output, then it is closed. */
static void
test_output_full(void **state)
{
	struct scene s;

	scene_up(&s);
	s.ops = &relay_ops;
	s.server.pump = s.server.greedy = true;
	s.server.total = SIZE_MAX / 2;
	s.lim.output = 65536;
	scene_open(&s);
	s.client.pause_on_bytes = true; /* never resumed: the timer resumes the server only */
	s.want_downs = 1;
	assert_int_equal(loop_run(s.l), ED_OK);
	assert_int_equal(s.server.why, CONN_END_OUTPUT_FULL);
	assert_non_null(strstr(s.server.detail, "does not read"));
	s.want_downs = 2;
	if (s.client.c) {
		conn_close(s.client.c, CONN_END_SHUTDOWN);
		scene_run(&s);
	}
	scene_down(&s);
}

static void
test_room_refuses(void **state)
{
	struct scene s;

	scene_up(&s);
	s.client.pump = true;
	s.client.total = 1000000;
	s.lim.input = 4096;
	s.lim.output = 2000000;
	s.ops = &relay_ops;
	scene_open(&s);
	s.server.refuse = true; /* a room that says malformed closes */
	scene_run(&s);
	assert_int_equal(s.server.why, CONN_END_LOCAL);
	scene_down(&s);
}

static ptrdiff_t
eat_nothing(struct conn *c, void *arg, struct str bytes)
{
	return 0;
}

static void
test_unconsumed(void **state)
{
	static const struct conn_ops ops = {on_up, eat_nothing, on_down, on_drained, NULL};
	struct scene s;

	scene_up(&s);
	s.ops = &ops;
	s.client.pump = true;
	s.client.total = 200000;
	s.lim.input = 50000;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.server.why, CONN_END_INPUT_FULL);
	scene_down(&s);
}

static void
test_closed_in_callbacks(void **state)
{
	struct scene s;

	scene_up(&s);
	s.client.close_on_up = s.server.close_on_up = true;
	scene_open(&s);
	scene_run(&s);
	scene_down(&s);

	scene_up(&s);
	s.server.close_on_bytes = true;
	strcpy(s.client.text, "x");
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.server.why, CONN_END_LOCAL);
	assert_int_equal(s.client.why, CONN_END_PEER);
	scene_down(&s);

	scene_up(&s); /* before it is even connected */
	s.want_downs = 1;
	scene_open(&s);
	conn_close(s.client.c, CONN_END_LOCAL);
	conn_close(s.client.c, CONN_END_LOCAL);
	assert_int_equal(s.client.downs, 0); /* never from inside the call */
	assert_null(conn_reserve(s.client.c, 1));
	assert_int_equal(conn_send(s.client.c, STR("x")), ED_STATE);
	assert_null(conn_facts(s.client.c));
	scene_run(&s);
	s.want_downs = 2;
	if (s.server.c)
		scene_run(&s);
	scene_down(&s);
}

static const struct {
	const char *send;
	size_t n;
	int how; /* 0: wait for the server, 1: FIN after sending, 2: RST after sending */
	enum conn_end why;
	const char *says;
} raw_cases[] = {
    {"GET / HTTP/1.1\r\n\r\n", 18, 0, CONN_END_TLS_FAILED, "HTTP request on TLS port"},
    {"CONNECT a:1 HTTP/1.1\r\n\r\n", 24, 0, CONN_END_TLS_FAILED, "HTTP proxy request"},
    {"REGISTER sip:a SIP/2.0\r\n\r\n", 26, 0, CONN_END_TLS_FAILED, "not TLS"},
    {"\x16\x03\x01\x00", 4, 1, CONN_END_PEER, "closed during the handshake"},
    {"", 0, 1, CONN_END_PEER, "closed during the handshake"},
    {"\x16\x03\x01\x02\x00\x01", 6, 2, CONN_END_RESET, "reset"},
};

static void
test_raw_peers(void **state)
{
	for (size_t i = 0; i < sizeof(raw_cases) / sizeof(raw_cases[0]); i++) {
		struct linger rst = {1, 0};
		struct scene s;
		int fd;

		scene_up(&s);
		s.want_downs = 1;
		fd = raw_dial(&s);
		if (raw_cases[i].n)
			assert_int_equal(
			    write(fd, raw_cases[i].send, raw_cases[i].n), raw_cases[i].n);
		if (raw_cases[i].how == 1)
			shutdown(fd, SHUT_WR);
		if (raw_cases[i].how == 2) {
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
			close(fd);
			fd = -1;
		}
		scene_run(&s);
		if (s.server.why != raw_cases[i].why || !strstr(s.server.detail, raw_cases[i].says))
			fail_msg(
			    "case %zu: %s, %s", i, conn_end_name(s.server.why), s.server.detail);
		if (raw_cases[i].why == CONN_END_TLS_FAILED)
			assert_int_equal(s.server.tls, TLS_END_NOT_TLS);
		assert_int_equal(s.server.ups, 0);
		if (fd >= 0)
			close(fd);
		scene_down(&s);
	}
}

static void
test_handshake_flood(void **state)
{
	static const char first[16389] = {0x16, 3, 3, 0x40, 0, 1, 1, (char)0xf0, 0};
	static const char more[16389] = {0x16, 3, 3, 0x40, 0};
	struct scene s;
	int fd;

	/* Well-formed records of one ClientHello of 124 KB, which the library would gather. */
	scene_up(&s);
	s.want_downs = 1;
	fd = raw_dial(&s);
	assert_int_equal(write(fd, first, sizeof(first)), sizeof(first));
	for (int i = 0; i < 6; i++)
		assert_int_equal(write(fd, more, sizeof(more)), sizeof(more));
	scene_run(&s);
	assert_int_equal(s.server.why, CONN_END_TLS_FAILED);
	assert_string_equal(s.server.detail, "handshake too large");
	close(fd);
	scene_down(&s);
}

static void
test_deadlines(void **state)
{
	struct scene s;
	int fd;

	scene_up(&s);
	s.want_downs = 1;
	s.lim.handshake_ms = 20;
	fd = raw_dial(&s);
	scene_run(&s);
	assert_int_equal(s.server.why, CONN_END_HANDSHAKE_TIMEOUT);
	close(fd);
	scene_down(&s);

	scene_up(&s);
	s.lim.idle_ms = 30;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.server.ups, 1);
	assert_true(s.server.why == CONN_END_IDLE || s.client.why == CONN_END_IDLE);
	scene_down(&s);
}

static void
on_up_deadline(struct conn *c, void *arg, const struct tls_facts *f)
{
	struct end *e = arg;

	if (e == &e->s->server) {
		conn_set_idle(c, 60000);
		conn_set_idle(c, 20);
	} else {
		conn_set_idle(c, 20);
		conn_set_idle(c, 0);
	}
}

static void
test_deadline_of_a_message(void **state)
{
	static const struct conn_ops ops = {on_up_deadline, on_bytes, on_down, NULL, NULL};
	struct scene s;

	scene_up(&s);
	s.ops = &ops;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.server.why, CONN_END_IDLE);
	assert_int_equal(s.client.why, CONN_END_PEER);
	scene_down(&s);
}

static void
test_connect_refused(void **state)
{
	struct scene s;

	scene_up(&s);
	s.ln = listener_free(s.ln);
	s.want_downs = 1;
	scene_open(&s);
	scene_run(&s);
	assert_int_equal(s.client.why, CONN_END_CONNECT_FAILED);
	assert_non_null(strstr(s.client.detail, "refused"));
	scene_down(&s);
}

/* A stock client that keeps its session: exit 0 when the second connection was resumed. */
static int
stock_client(const struct addr *at, int version, bool with_cert, bool want_resumed)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *sess = NULL;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, &ss);
	int bad = 0;

	SSL_CTX_set_min_proto_version(x, version);
	SSL_CTX_set_max_proto_version(x, version);
	if (with_cert && (SSL_CTX_use_certificate(x, client_cert.x509) != 1 ||
			     SSL_CTX_use_PrivateKey(x, client_cert.key) != 1))
		return 6;
	for (int i = 0; i < 2; i++) {
		SSL *ssl = SSL_new(x);
		char buf[16];
		int fd = socket(ss.ss_family, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&ss, len) < 0)
			return 9;
		SSL_set_fd(ssl, fd);
		if (sess)
			SSL_set_session(ssl, sess);
		if (SSL_connect(ssl) != 1 || SSL_write(ssl, "ping", 4) != 4 ||
		    SSL_read(ssl, buf, sizeof(buf)) != 4)
			return 8;
		if (i == 1 && (SSL_session_reused(ssl) == 1) != want_resumed)
			bad = 7;
		SSL_SESSION_free(sess);
		sess = SSL_get1_session(ssl);
		SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
	}
	SSL_SESSION_free(sess);
	SSL_CTX_free(x);
	return bad;
}

static void
resume_one(int version, bool tickets, bool with_cert)
{
	struct tls_identity id = {
	    .chain_pem = str_of(server_cert.pem), .key_pem = str_of(server_cert.key_pem)};
	struct tls_server_conf conf = {.ids = &id,
	    .n_ids = 1,
	    .peer = TLS_PEER_OPTIONAL,
	    .trust_pem = str_of(ca.pem),
	    .tickets = tickets,
	    .have_ticket_keys = true};
	struct scene s;
	int status;
	pid_t pid;

	scene_up(&s);
	memset(conf.ticket_key, 0x41, sizeof(conf.ticket_key));
	tls_ctx_unref(s.server_tls);
	assert_int_equal(tls_server_new(&conf, &s.server_tls, NULL), ED_OK);
	s.server.echo = true;
	pid = fork();
	if (pid == 0)
		_exit(stock_client(&s.at, version, with_cert, tickets && !with_cert));
	for (int i = 0; i < 2; i++) {
		s.want_downs = 1;
		s.downs = 0;
		memset(&s.server, 0, sizeof(s.server));
		s.server.s = &s;
		s.server.echo = true;
		assert_int_equal(loop_run(s.l), ED_OK);
		assert_int_equal(s.server.got, 4);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	scene_down(&s);
}

static void
test_resumption(void **state)
{
	for (int i = 0; i < 4; i++) {
		resume_one(TLS1_3_VERSION, i & 1, i & 2);
		resume_one(TLS1_2_VERSION, i & 1, i & 2);
	}
}

static void
test_contexts_refused(void **state)
{
	struct tls_identity good = {
	    .chain_pem = str_of(server_cert.pem), .key_pem = str_of(server_cert.key_pem)};
	struct tls_identity mixed = {
	    .chain_pem = str_of(server_cert.pem), .key_pem = str_of(client_cert.key_pem)};
	struct tls_identity junk = {.chain_pem = STR("junk"), .key_pem = STR("junk")};
	const struct {
		struct tls_server_conf conf;
		const char *says;
	} rows[] = {
	    {{.ids = NULL}, "no certificate"},
	    {{.ids = &mixed, .n_ids = 1}, "does not belong"},
	    {{.ids = &junk, .n_ids = 1}, "not PEM"},
	    {{.ids = &good, .n_ids = 1, .peer = TLS_PEER_REQUIRED}, "none found"},
	};
	struct tls_ctx *t = NULL;
	struct ed_fault fault;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(tls_server_new(&rows[i].conf, &t, &fault) < 0);
		assert_non_null(strstr(fault.what, rows[i].says));
		assert_null(t);
	}
	struct tls_client_conf nameless = {.trust_pem = str_of(ca.pem)};
	assert_true(tls_client_new(&nameless, &t, &fault) < 0);
	assert_non_null(strstr(fault.what, "no name to expect"));
}

static int
make_certs(void **state)
{
	ca = testcert_new(&(struct testcert_spec){.cn = "Test CA", .is_ca = 1}, NULL);
	other_ca = testcert_new(&(struct testcert_spec){.cn = "Other CA", .is_ca = 1}, NULL);
	server_cert = testcert_new(
	    &(struct testcert_spec){.cn = "sip.contoso.com", .sans = "DNS:sip.contoso.com"}, &ca);
	client_cert = testcert_new(&(struct testcert_spec){.cn = "partner.fabrikam.com",
				       .sans = "DNS:Partner.Fabrikam.com.,DNS:*.fabrikam.com",
				       .eku = "serverAuth,clientAuth"},
	    &ca);
	return 0;
}

static int
free_certs(void **state)
{
	testcert_free(&ca);
	testcert_free(&other_ca);
	testcert_free(&server_cert);
	testcert_free(&client_cert);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_echo),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_verify),
	    cmocka_unit_test(test_bulk),
	    cmocka_unit_test(test_queue_delay),
	    cmocka_unit_test(test_half_close_in_order),
	    cmocka_unit_test(test_output_full),
	    cmocka_unit_test(test_room_refuses),
	    cmocka_unit_test(test_unconsumed),
	    cmocka_unit_test(test_closed_in_callbacks),
	    cmocka_unit_test(test_raw_peers),
	    cmocka_unit_test(test_handshake_flood),
	    cmocka_unit_test(test_deadlines),
	    cmocka_unit_test(test_deadline_of_a_message),
	    cmocka_unit_test(test_connect_refused),
	    cmocka_unit_test(test_resumption),
	    cmocka_unit_test(test_contexts_refused),
	};

	return cmocka_run_group_tests(tests, make_certs, free_certs);
}

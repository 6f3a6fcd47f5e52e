/* SPDX-License-Identifier: MIT
 *
 * TCP allocations (RFC 6062): Connect, ConnectionAttempt, ConnectionBind, their timers and limits.
 */
#include "base/mac.h"
#include "proto/turn/world.h"

#define PEER "9.8.7.6:4000"

/* An Allocate for a transport over a five-tuple; the code. */
static int
allocate(struct client *c, uint32_t transport, enum stun_attr extra)
{
	uint8_t buf[2048];
	struct stun_writer w;
	struct stun_msg m;

	if (c->nonce_len == 0)
		client_challenge(c);
	client_start(c, &w, buf, STUN_ALLOCATE);
	stun_write_u32(&w, STUN_REQUESTED_TRANSPORT, transport << 24);
	if (extra == STUN_EVEN_PORT)
		stun_write_bytes(&w, extra, STR("\0"));
	else if (extra == STUN_RESERVATION_TOKEN)
		stun_write_bytes(&w, extra, STR("12345678"));
	else if (extra)
		stun_write_bytes(&w, extra, STR(""));
	client_credentials(c, &w);
	client_send(c, &w, true);
	return client_code(c, &m);
}

static void
tcp_client(struct client *c, struct world *w, const char *from, uint32_t conn)
{
	client_init(c, w, STD, from);
	c->flow.transport = TURN_TCP;
	c->flow.conn = conn;
}

static void
setup(struct world *w, struct client *c)
{
	world_init(w);
	w->conf.tcp_allocations = true;
	turn_server_set_conf(w->s, &w->conf);
	tcp_client(c, w, "198.18.0.9:7000", 1);
	assert_int_equal(allocate(c, 6, STUN_NONE), 0);
	assert_int_equal(w->a->transport, TURN_TCP);
}

static int
bind_once(struct client *data, uint32_t id)
{
	uint8_t buf[2048];
	struct stun_writer w;
	struct stun_msg m;

	client_start(data, &w, buf, STUN_CONNECTION_BIND);
	if (id)
		stun_write_u32(&w, STUN_CONNECTION_ID, id);
	client_credentials(data, &w);
	client_send(data, &w, true);
	return client_code(data, &m);
}

/* As a client does: a stale nonce brings the one to use. */
static int
bind_on(struct client *data, uint32_t id)
{
	struct stun_msg m;
	int code = bind_once(data, id);

	if (code != 438)
		return code;
	assert_int_equal(client_code(data, &m), 438);
	memcpy(data->nonce, m.attr[STUN_NONCE].p, m.attr[STUN_NONCE].n);
	return bind_once(data, id);
}

static void
data_client(struct client *d, const struct client *control, const char *from, uint32_t conn)
{
	tcp_client(d, control->w, from, conn);
	memcpy(d->nonce, control->nonce, sizeof(d->nonce)); /* as clients do */
	d->nonce_len = control->nonce_len;
}

static void
answer(struct world *w, bool ok)
{
	uint32_t id = w->connection;

	world_clear(w);
	turn_server_connected(w->s, id, ok, w->now_ms, &w->acts);
	world_run(w);
}

static void
test_allocate(void **state)
{
	struct world w;
	struct client c, u;

	(void)state;
	world_init(&w);
	tcp_client(&c, &w, "198.18.0.9:7000", 1);
	assert_int_equal(allocate(&c, 6, STUN_NONE), 442); /* off unless asked for */
	w.conf.tcp_allocations = true;
	turn_server_set_conf(w.s, &w.conf);
	client_init(&u, &w, STD, "198.18.0.9:7001");
	assert_int_equal(allocate(&u, 6, STUN_NONE), 400); /* the client's side must be TCP */
	assert_int_equal(allocate(&c, 6, STUN_EVEN_PORT), 400);
	assert_int_equal(allocate(&c, 6, STUN_RESERVATION_TOKEN), 400);
	assert_int_equal(allocate(&c, 6, STUN_DONT_FRAGMENT), 400);
	assert_int_equal(allocate(&c, 132, STUN_NONE), 442);
	assert_int_equal(allocate(&c, 6, STUN_NONE), 0);
	world_done(&w);
}

static void
test_connect(void **state)
{
	struct world w;
	struct client c, d, e;
	struct stun_msg m;
	struct addr peer = at(PEER), inside = at("10.1.2.3:80"), own = at("192.0.2.20:443");
	uint32_t id;

	(void)state;
	setup(&w, &c);
	assert_int_equal(client_peer_request(&c, STUN_CONNECT, &inside, 0, &m), 403);
	assert_int_equal(client_peer_request(&c, STUN_CONNECT, &own, 0, &m), 403);
	assert_int_equal(w.n_connect, 0);
	assert_int_equal(client_peer_request(&c, STUN_CONNECT, &peer, 0, &m), -1);
	assert_int_equal(w.n_connect, 1);
	assert_true(addr_eq(&w.peer, &peer));
	assert_int_equal(client_peer_request(&c, STUN_CONNECT, &peer, 0, &m), 446);
	data_client(&d, &c, "198.18.0.9:7002", 2);
	assert_int_equal(bind_on(&d, w.connection), 400); /* not connected yet */
	answer(&w, true);
	assert_int_equal(client_code(&c, &m), 0);
	assert_true(client_signed(&c, &m));
	assert_int_equal(m.type, STUN_CONNECT + STUN_SUCCESS);
	assert_int_equal(stun_get_u32(&m, STUN_CONNECTION_ID, &id), ED_OK);
	assert_int_equal(id, w.connection);

	assert_int_equal(bind_on(&d, 0), 400);
	assert_int_equal(bind_on(&d, id + 1), 400);
	assert_int_equal(bind_on(&c, id), 400); /* over the control connection */
	assert_int_equal(w.n_join, 0);
	d.user = STR("mallory");
	assert_int_equal(bind_on(&d, id), 441);
	d.user = STR("alice");
	d.key[0] ^= 1;
	assert_int_equal(bind_on(&d, id), 401);
	d.key[0] ^= 1;
	assert_int_equal(w.n_join, 0);
	assert_int_equal(bind_on(&d, id), 0);
	assert_int_equal(w.n_join, 1);
	data_client(&e, &c, "198.18.0.9:7003", 3);
	assert_int_equal(bind_on(&e, id), 400); /* once only */

	turn_server_carried(w.s, id, 0, 100, w.now_ms);
	turn_server_carried(w.s, id, 1, 50, w.now_ms);
	assert_int_equal(w.a->bytes[0], 100);
	assert_int_equal(w.a->bytes[1], 50);
	world_pass(&w, 40000); /* bound: no timer any more */
	assert_int_equal(w.n_close_peer, 0);
	turn_server_connection_closed(w.s, id);
	assert_int_equal(w.a->n_connections, 0);
	assert_int_equal(client_peer_request(&c, STUN_CONNECT, &peer, 0, &m), -1);
	answer(&w, false);
	assert_int_equal(client_code(&c, &m), 447);
	assert_int_equal(w.a->n_connections, 0);
	world_done(&w);
}

/* Datagrams have no place on such an allocation, nor Connect on another. */
static void
test_forbidden(void **state)
{
	struct world w;
	struct client c, u;
	struct stun_msg m;
	struct addr peer = at(PEER);

	(void)state;
	setup(&w, &c);
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer, 0x4000, &m), 403);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	client_send_data(&c, &peer, 0, STR("x"));
	assert_int_equal(w.n_to_peer, 0);
	client_init(&u, &w, STD, "198.18.0.9:7001");
	assert_int_equal(client_allocate(&u, &m), 0);
	assert_int_equal(client_peer_request(&u, STUN_CONNECT, &peer, 0, &m), 400);
	world_done(&w);
}

static void
test_attempt(void **state)
{
	struct world w;
	struct client c, d;
	struct stun_msg m;
	struct addr peer = at(PEER), got;
	uint32_t id, told;

	(void)state;
	setup(&w, &c);
	world_clear(&w);
	assert_int_equal(turn_server_attempt(w.s, w.a, &peer, w.now_ms, &w.acts), 0);
	world_run(&w);
	assert_int_equal(w.n_to_client, 0); /* no permission */
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	world_clear(&w);
	id = turn_server_attempt(w.s, w.a, &peer, w.now_ms, &w.acts);
	world_run(&w);
	assert_int_not_equal(id, 0);
	assert_int_equal(client_code(&c, &m), 0);
	assert_int_equal(m.type, STUN_CONNECTION_ATTEMPT);
	assert_int_equal(stun_get_u32(&m, STUN_CONNECTION_ID, &told), ED_OK);
	assert_int_equal(told, id);
	assert_int_equal(stun_get_addr(&m, STUN_PEER_ADDRESS, &got), ED_OK);
	assert_true(addr_eq(&got, &peer));
	data_client(&d, &c, "198.18.0.9:7002", 2);
	assert_int_equal(bind_on(&d, id), 0);
	assert_int_equal(w.n_join, 1);
	world_done(&w);
}

static void
test_timers_and_limits(void **state)
{
	struct world w;
	struct client c, d;
	struct stun_msg m;
	struct addr peer = at(PEER);
	uint32_t ids[8];

	(void)state;
	setup(&w, &c);
	for (int i = 0; i < 8; i++) {
		peer.port = (uint16_t)(4000 + i);
		assert_int_equal(client_peer_request(&c, STUN_CONNECT, &peer, 0, &m), -1);
		ids[i] = w.connection;
		if (i % 2)
			answer(&w, true);
	}
	peer.port = 5000;
	assert_int_equal(client_peer_request(&c, STUN_CONNECT, &peer, 0, &m), 508);
	data_client(&d, &c, "198.18.0.9:7002", 2);
	assert_int_equal(bind_on(&d, ids[1]), 0);
	world_pass(&w, 29000);
	assert_int_equal(w.n_close_peer, 0);
	world_pass(&w, 2000);
	assert_int_equal(w.n_close_peer, 7);
	assert_int_equal(w.n_to_client, 4); /* 447 for each that did not connect */
	assert_int_equal(w.a->n_connections, 1);
	assert_int_equal(bind_on(&d, ids[3]), 400);
	/* a reload forbids the peer: what is bound ends too */
	w.conf.policy.own[w.conf.policy.n_own++] = at("9.8.7.6:0");
	turn_server_set_conf(w.s, &w.conf);
	world_pass(&w, 1);
	assert_int_equal(w.n_close_peer, 1);
	assert_int_equal(w.connection, ids[1]);
	world_done(&w);
}

/* Its control connection ends: the relay closes, nothing of its connections is left. */
static void
test_end(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at(PEER);

	(void)state;
	setup(&w, &c);
	assert_int_equal(client_peer_request(&c, STUN_CONNECT, &peer, 0, &m), -1);
	world_clear(&w);
	turn_server_flow_closed(w.s, &c.flow, w.now_ms, &w.acts);
	world_run(&w);
	assert_int_equal(w.n_closed, 1);
	answer(&w, true); /* too late */
	assert_int_equal(w.n_to_client, 0);
	world_pass(&w, 60000);
	assert_int_equal(w.n_close_peer, 0);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_allocate),
	    cmocka_unit_test(test_connect),
	    cmocka_unit_test(test_forbidden),
	    cmocka_unit_test(test_attempt),
	    cmocka_unit_test(test_timers_and_limits),
	    cmocka_unit_test(test_end),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Ceilings of bandwidth on streams: how long they wait, what they leave to datagrams, who shares
 * with whom, what a reload does.
 */
#include "base/mac.h"
#include "proto/turn/shared.h"
#include "proto/turn/world.h"

#define PEER  "9.8.7.6:4000"
#define PIECE 65536u /* what one read brings */

static struct turn_shared *table;

/* An allocation with a joined connection (RFC 6062). */
struct joint {
	struct world *w;
	struct client c, data;
	struct turn_allocation *a;
	uint32_t id;
};

static void
allocate_tcp(struct client *c)
{
	uint8_t buf[2048];
	struct stun_writer w;
	struct stun_msg m;

	client_challenge(c);
	client_start(c, &w, buf, STUN_ALLOCATE);
	stun_write_u32(&w, STUN_REQUESTED_TRANSPORT, 6u << 24);
	client_credentials(c, &w);
	client_send(c, &w, true);
	assert_int_equal(client_code(c, &m), 0);
}

static void
join(struct joint *j, struct world *w, uint32_t conn)
{
	struct stun_msg m;
	struct stun_writer out;
	struct addr peer = at(PEER);
	uint8_t buf[2048];

	j->w = w;
	client_init(&j->c, w, STD, "198.18.0.9:7000");
	j->c.flow.transport = TURN_TCP;
	j->c.flow.conn = conn;
	allocate_tcp(&j->c);
	j->a = w->a;
	assert_int_equal(client_peer_request(&j->c, STUN_CONNECT, &peer, 0, &m), -1);
	j->id = w->connection;
	turn_server_connected(w->s, j->id, true, w->now_ms, &w->acts);
	j->data = j->c;
	j->data.flow.conn = conn + 1;
	client_start(&j->data, &out, buf, STUN_CONNECTION_BIND);
	stun_write_u32(&out, STUN_CONNECTION_ID, j->id);
	client_credentials(&j->data, &out);
	client_send(&j->data, &out, true);
	assert_int_equal(w->n_join, 1);
}

static uint32_t
wait_of(struct joint *j, const char **ret_tell)
{
	return turn_server_stream_wait(j->w->s, j->a, j->w->now_ms, ret_tell);
}

static uint32_t
carry(struct joint *j, int dir, uint32_t n)
{
	const char *tell;

	turn_server_carried(j->w->s, j->id, dir, n, j->w->now_ms);
	return wait_of(j, &tell);
}

static void
limit(struct world *w, uint64_t port, uint64_t user)
{
	w->conf.tcp_allocations = true;
	w->conf.limits.kbit_per_port = port;
	w->conf.limits.kbit_per_user = user;
	turn_server_set_conf(w->s, &w->conf);
}

static uint64_t
throttled(const struct world *w)
{
	return turn_server_count(w->s, TURN_COUNT_THROTTLED);
}

/* For a minute, read whenever allowed: what passes is the ceiling, both directions together. */
static void
the_rate_is_kept(void **state)
{
	struct world w;
	struct joint j;
	uint64_t passed = 0, reads = 0;
	const char *tell;
	uint32_t ms;

	(void)state;
	world_init(&w);
	limit(&w, 3000, 0);
	join(&j, &w, 1);
	for (uint64_t end = w.now_ms + 60000; w.now_ms < end; reads++) {
		for (ms = carry(&j, reads % 2, PIECE); ms; ms = wait_of(&j, &tell))
			w.now_ms += ms;
		passed += PIECE;
	}
	/* A second's worth was there at the start, and the last read goes beyond. */
	assert_in_range(passed, 60u * 375000, 61u * 375000 + PIECE);
	assert_int_equal(j.a->bytes[0] + j.a->bytes[1], passed);
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_BANDWIDTH), 0);
	assert_in_range(throttled(&w), reads / 2, reads);
	world_done(&w);
}

static void
it_is_told_once(void **state)
{
	struct world w;
	struct joint j, k;
	const char *tell;

	(void)state;
	world_init(&w);
	limit(&w, 800, 0);
	join(&j, &w, 1);
	turn_server_carried(w.s, j.id, 0, 100000, w.now_ms);
	assert_true(wait_of(&j, &tell) > 0);
	assert_string_equal(tell, "port");
	assert_true(wait_of(&j, &tell) > 0); /* still the same time */
	assert_null(tell);
	assert_int_equal(throttled(&w), 1);
	w.now_ms += 1000;
	assert_int_equal(wait_of(&j, &tell), 0);
	turn_server_carried(w.s, j.id, 0, 100000, w.now_ms);
	assert_true(wait_of(&j, &tell) > 0);
	assert_null(tell);
	assert_int_equal(throttled(&w), 2);
	limit(&w, 0, 800);
	join(&k, &w, 3);
	turn_server_carried(w.s, k.id, 1, 100000, w.now_ms);
	assert_true(wait_of(&k, &tell) > 0);
	assert_string_equal(tell, "user");
	world_done(&w);
}

/* One read at a low ceiling owes minutes; nobody waits for them once the ceiling has gone. */
static void
a_reload_frees(void **state)
{
	struct world w;
	struct joint j;
	const char *tell;

	(void)state;
	world_init(&w);
	limit(&w, 1, 0);
	join(&j, &w, 1);
	assert_int_equal(carry(&j, 1, PIECE), 1000); /* asks again every second */
	for (int i = 0; i < 500; i++) {
		w.now_ms += 1000;
		assert_int_equal(wait_of(&j, &tell), 1000);
	}
	limit(&w, 3000, 0);
	w.now_ms += 1000;
	assert_int_equal(wait_of(&j, &tell), 0);
	w.now_ms += 1000;
	assert_int_equal(carry(&j, 1, 250000), 167); /* from full to a third; half is 62,500 more */
	limit(&w, 0, 0);
	assert_int_equal(wait_of(&j, &tell), 0);
	world_done(&w);
}

/* Both over one user's ceiling: the file waits, and audio goes on (30 packets of 200 in a second
 * of 1,000 kbit/s). */
static void
datagrams_go_first(void **state)
{
	struct world w;
	struct joint j;
	struct client u;
	struct stun_msg m;
	struct addr peer = at(PEER);
	uint64_t wait = 0;
	char data[200] = {0};

	(void)state;
	world_init(&w);
	limit(&w, 0, 1200);
	join(&j, &w, 1);
	client_init(&u, &w, STD, "198.18.0.9:7100");
	assert_int_equal(client_allocate(&u, &m), 0);
	assert_int_equal(client_peer_request(&u, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	for (unsigned ms = 0; ms < 20000; ms++, w.now_ms++) {
		while (wait <= ms)
			wait = ms + carry(&j, 0, PIECE);
		if (ms % 20)
			continue;
		client_send_data(&u, &peer, 0, (struct str){data, sizeof(data)});
		assert_int_equal(w.n_to_peer, 1);
	}
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_BANDWIDTH), 0);
	world_done(&w);
}

/* The user of one worker has read much: his stream at the other waits as well. */
static void
workers_share(void **state)
{
	struct world w[2];
	struct joint j, k;
	const char *tell;

	(void)state;
	memset(table, 0, TURN_SHARED_SIZE);
	for (unsigned i = 0; i < 2; i++) {
		world_init(&w[i]);
		turn_server_free(w[i].s);
		w[i].conf.shared = table;
		w[i].conf.worker = i;
		w[i].key.user[0] = 42;
		assert_int_equal(turn_server_new(&w[i].conf, &w[i].s), ED_OK);
		limit(&w[i], 0, 800);
	}
	join(&j, &w[0], 1);
	join(&k, &w[1], 1);
	assert_int_equal(wait_of(&k, &tell), 0);
	(void)carry(&j, 0, 100000);
	assert_in_range(wait_of(&k, &tell), 500, 501);
	assert_string_equal(tell, "user");
	w[1].now_ms += 502;
	assert_int_equal(wait_of(&k, &tell), 0);
	/* what is owed at a low ceiling goes with it */
	limit(&w[0], 0, 1);
	limit(&w[1], 0, 1);
	w[0].now_ms = w[1].now_ms;
	(void)carry(&j, 0, PIECE);
	assert_int_equal(wait_of(&k, &tell), 1000);
	limit(&w[0], 0, 1000000);
	limit(&w[1], 0, 1000000);
	w[0].now_ms = w[1].now_ms += 1000;
	assert_int_equal(wait_of(&j, &tell), 0);
	assert_int_equal(wait_of(&k, &tell), 0);
	world_done(&w[0]);
	world_done(&w[1]);
}

/* The Lync dialect: the client's own connection is the stream. */
static void
ms_streams_wait(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at(PEER);
	char data[1000] = {0};
	const char *tell;

	(void)state;
	world_init(&w);
	limit(&w, 80, 0); /* 10,000 bytes a second */
	client_init(&c, &w, MS, "198.18.9.9:61000");
	c.flow.transport = TURN_TCP;
	c.flow.conn = 1;
	assert_int_equal(client_allocate(&c, &m), 0);
	for (uint32_t i = 1; i <= 30; i++) {
		client_send_data(&c, &peer, i, (struct str){data, sizeof(data)});
		assert_int_equal(w.n_to_peer, 1); /* nothing is lost */
	}
	assert_int_equal(turn_server_over(w.s, w.now_ms).peak, 0);
	assert_int_equal(turn_server_stream_wait(w.s, w.a, w.now_ms, &tell), 1000);
	assert_int_equal(turn_server_over(w.s, w.now_ms).peak, 1); /* who waits wants more */
	assert_int_equal(turn_server_over(w.s, w.now_ms).average, 0);
	w.now_ms += 2499;
	assert_true(turn_server_stream_wait(w.s, w.a, w.now_ms, &tell) > 0);
	w.now_ms += 1;
	assert_int_equal(turn_server_stream_wait(w.s, w.a, w.now_ms, &tell), 0);
	for (int i = 0; i < 10; i++) {
		world_from_peer(&w, w.a, PEER, (struct str){data, sizeof(data)});
		assert_int_equal(w.n_to_client, 1);
	}
	assert_int_equal(turn_server_stream_wait(w.s, w.a, w.now_ms, &tell), 1000);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_rate_is_kept),
	    cmocka_unit_test(it_is_told_once),
	    cmocka_unit_test(a_reload_frees),
	    cmocka_unit_test(datagrams_go_first),
	    cmocka_unit_test(workers_share),
	    cmocka_unit_test(ms_streams_wait),
	};
	int r;

	table = calloc(1, TURN_SHARED_SIZE);
	if (!table || digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	free(table);
	return r;
}

/* SPDX-License-Identifier: MIT
 *
 * Quotas of one user over two workers: as many as one alone would give, given back by every way an
 * allocation ends (coturn issue 786).
 */
#include "base/mac.h"
#include "proto/turn/shared.h"
#include "proto/turn/world.h"

static struct turn_shared *table;

static void
pair_init(struct world w[2])
{
	memset(table, 0, TURN_SHARED_SIZE);
	for (unsigned i = 0; i < 2; i++) {
		world_init(&w[i]);
		turn_server_free(w[i].s);
		w[i].conf.shared = table;
		w[i].conf.worker = i;
		w[i].conf.limits.allocations_per_user = 3;
		w[i].conf.limits.kbit_per_user = 800;
		w[i].conf.limits.kbit_per_port = 0;
		w[i].key.user[0] = 42;
		assert_int_equal(turn_server_new(&w[i].conf, &w[i].s), ED_OK);
	}
}

static int
one_more(struct world *w, struct client *c, const struct stun_dialect *d, uint16_t port)
{
	struct stun_msg m;

	client_init(c, w, d, "198.18.0.9:7000");
	c->flow.client.port = port;
	return client_allocate(c, &m);
}

static int
release(struct client *c)
{
	uint8_t buf[2048];
	struct stun_writer w;
	struct stun_msg m;

	client_start(c, &w, buf, c->d == MS ? STUN_ALLOCATE : STUN_REFRESH);
	stun_write_u32(&w, STUN_LIFETIME, 0);
	client_credentials(c, &w);
	client_send(c, &w, true);
	return client_code(c, &m);
}

static void
test_allocations(void **state)
{
	struct world w[2];
	struct client c[3], d;

	(void)state;
	pair_init(w);
	assert_int_equal(one_more(&w[0], &c[0], STD, 7001), 0);
	assert_int_equal(one_more(&w[1], &c[1], STD, 7002), 0);
	assert_int_equal(one_more(&w[0], &c[2], MS, 7003), 0);
	assert_int_equal(one_more(&w[1], &d, STD, 7004), 486);
	assert_int_equal(one_more(&w[0], &d, MS, 7005), 500);
	assert_string_equal(w[0].detail, "user");
	/* released, both dialects */
	assert_int_equal(release(&c[0]), 0);
	assert_int_equal(one_more(&w[1], &d, STD, 7006), 0);
	assert_int_equal(one_more(&w[1], &d, STD, 7007), 486);
	assert_int_equal(release(&c[2]), 0);
	assert_int_equal(one_more(&w[1], &d, STD, 7008), 0);
	/* no port to be had: nothing stays counted */
	world_pass(&w[1], 700000);
	w[0].no_ports = true;
	for (int i = 0; i < 5; i++)
		assert_int_equal(one_more(&w[0], &d, STD, (uint16_t)(7100 + i)), 508);
	w[0].no_ports = false;
	/* by time: all three of worker 1 went above */
	for (int i = 0; i < 3; i++)
		assert_int_equal(one_more(&w[0], &d, STD, (uint16_t)(7200 + i)), 0);
	assert_int_equal(one_more(&w[1], &d, STD, 7300), 486);
	/* worker 0 dies and starts again */
	turn_shared_reset(table, 0);
	assert_int_equal(one_more(&w[1], &d, STD, 7301), 0);
	world_done(&w[0]);
	world_done(&w[1]);
}

static unsigned
send_100(struct client *c, const struct addr *peer)
{
	static const char data[1000];
	unsigned n = 0;

	for (int i = 0; i < 100; i++) {
		client_send_data(c, peer, 0, (struct str){data, sizeof(data)});
		n += c->w->n_to_peer;
	}
	return n;
}

static void
test_bandwidth(void **state)
{
	struct world w[2];
	struct client c, d;
	struct stun_msg m;
	struct addr peer = at("9.8.7.6:4000");
	unsigned first, second;

	(void)state;
	pair_init(w);
	assert_int_equal(one_more(&w[0], &c, STD, 7001), 0);
	assert_int_equal(one_more(&w[1], &d, STD, 7002), 0);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	assert_int_equal(client_peer_request(&d, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	first = send_100(&c, &peer); /* 800 kbit: one second's worth */
	second = send_100(&d, &peer);
	assert_int_equal(first, 100);
	assert_int_equal(second, 0);
	assert_int_equal(turn_server_count(w[1].s, TURN_COUNT_DROP_BANDWIDTH), 100);
	w[0].now_ms += 500;
	w[1].now_ms += 500;
	assert_in_range(send_100(&d, &peer), 49, 51);
	world_done(&w[0]);
	world_done(&w[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_allocations),
	    cmocka_unit_test(test_bandwidth),
	};
	int r;

	table = calloc(1, TURN_SHARED_SIZE);
	if (!table || digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	free(table);
	return r;
}

/* SPDX-License-Identifier: MIT
 *
 * count_test.c: what is relayed is counted by transport, direction and leg, also when a relay below
 * us carried it; sessions over their ceiling, for a moment and for long.
 */
#include "proto/turn/world.h"

static uint64_t
octets(const struct world *w, unsigned dir, enum turn_transport t, enum turn_leg leg)
{
	return turn_server_count(w->s, turn_count_bytes(dir, t, leg));
}

static void
relayed_octets_have_their_row(void **state)
{
	static const struct {
		uint8_t transport, listener;
	} flows[] = {{TURN_UDP, 0}, {TURN_UDP, 1}, {TURN_TCP, 0}, {TURN_TCP, 1}};
	struct addr peer = at("9.8.7.6:4000");

	for (unsigned i = 0; i < 4; i++) {
		enum turn_leg leg = flows[i].listener ? TURN_LEG_INTERNAL : TURN_LEG_EXTERNAL;
		enum turn_transport t = flows[i].transport;
		uint64_t all = 0;
		struct world w;
		struct client c;
		struct stun_msg m;

		world_init(&w);
		client_init(&c, &w, STD, "198.18.9.9:61000");
		c.flow.transport = flows[i].transport;
		c.flow.listener = flows[i].listener;
		assert_int_equal(client_allocate(&c, &m), 0);
		assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
		client_send_data(&c, &peer, 0, STR("12345"));
		assert_int_equal(w.n_to_peer, 1);
		world_from_peer(&w, w.a, "9.8.7.6:4000", STR("123"));
		turn_server_relayed(w.s, w.a, 0, 2, 1000);
		turn_server_relayed(w.s, w.a, 1, 3, 30000);
		assert_int_equal(octets(&w, 0, t, leg), 1005);
		assert_int_equal(octets(&w, 1, t, leg), 30003);
		assert_int_equal(w.a->bytes[1], 30003);
		assert_int_equal(turn_server_count(w.s, TURN_COUNT_FROM_PEER), 4);
		for (int n = TURN_COUNT_BYTES; n <= TURN_COUNT_BYTES_LAST; n++)
			all += turn_server_count(w.s, (enum turn_count)n);
		assert_int_equal(all, 31008); /* and no other */
		world_done(&w);
	}
}

/* One second's worth and one datagram more. */
static void
burst(struct client *c, const struct addr *peer)
{
	static const char data[1000];

	for (int i = 0; i < 11; i++)
		client_send_data(c, peer, 0, (struct str){data, sizeof(data)});
}

static void
assert_over(struct world *w, uint32_t peak, uint32_t average)
{
	struct turn_over o = turn_server_over(w->s, w->now_ms);

	assert_int_equal(o.peak, peak);
	assert_int_equal(o.average, average);
}

static void
over_for_a_moment_and_for_long(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at("9.8.7.6:4000");

	world_init(&w);
	w.conf.limits.kbit_per_port = 80; /* 10,000 bytes a second */
	turn_server_set_conf(w.s, &w.conf);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	assert_over(&w, 0, 0);
	burst(&c, &peer);
	assert_over(&w, 1, 0);
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_BANDWIDTH), 1);
	w.now_ms += 10000;
	assert_over(&w, 0, 0);
	for (int i = 0; i <= 12; i++, w.now_ms += 5000) { /* a minute of it */
		burst(&c, &peer);
		assert_over(&w, 1, i == 12);
	}
	w.now_ms += 5000;
	assert_over(&w, 0, 0);
	turn_server_dropped(w.s, w.a, 0, 1, w.now_ms); /* below us, for another reason */
	assert_over(&w, 0, 0);
	turn_server_dropped(w.s, w.a, 3, 0, w.now_ms);
	assert_over(&w, 1, 0);
	turn_server_dropped(w.s, NULL, 1, 0, w.now_ms); /* of one that has ended */
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_BANDWIDTH), 18);
	turn_server_end(w.s, w.a, "test", &w.acts);
	assert_over(&w, 0, 0);
	world_done(&w);
}

static void
drops_have_a_transport(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at("9.8.7.6:4000");

	world_init(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	c.flow.transport = TURN_TCP;
	client_send_data(&c, &peer, 0, STR("x"));
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_NO_ALLOCATION_TCP), 1);
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_NO_ALLOCATION), 0);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(relayed_octets_have_their_row),
	    cmocka_unit_test(over_for_a_moment_and_for_long),
	    cmocka_unit_test(drops_have_a_transport),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

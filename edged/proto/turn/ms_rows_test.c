/* SPDX-License-Identifier: MIT
 *
 * Rows of ms-turn 4.6 and 5 that no story of server_test tells: one short case each. The list in
 * docs/spec/ms-turn.md names the test of every row.
 */
#include "base/mac.h"
#include "proto/turn/world.h"

#define PEER "9.8.7.6:4000"

static void
setup(struct world *w, struct client *c, bool tcp)
{
	world_init(w);
	client_init(c, w, MS, "198.18.9.9:61000");
	if (tcp) {
		c->flow.transport = TURN_TCP;
		c->flow.conn = 1;
	}
}

static void
allocated(struct world *w, struct client *c, bool tcp)
{
	struct stun_msg m;

	setup(w, c, tcp);
	assert_int_equal(client_allocate(c, &m), 0);
}

/* An Allocate with one number more; the code. */
static int
allocate_with(struct client *c, enum stun_attr what, uint32_t value, struct stun_msg *ret)
{
	uint8_t buf[2048];
	struct stun_writer w;

	client_start(c, &w, buf, STUN_ALLOCATE);
	stun_write_u32(&w, STUN_MS_VERSION, 1);
	stun_write_u32(&w, what, value);
	client_credentials(c, &w);
	client_send(c, &w, true);
	return client_code(c, ret);
}

static uint32_t
number(const struct stun_msg *m, enum stun_attr what)
{
	uint32_t v;

	assert_int_equal(stun_get_u32(m, what, &v), ED_OK);
	return v;
}

/* 4.6, first row: cookie not first or malformed: no answer; a stream is closed. */
static void
malformed_is_not_answered(void **state)
{
	static const char cut[] = "\x00\x03\x00\x20"
				  "abcdefghijklmnop\x00\x0f\x00\x04\x72\xc6\x4b\xc6";
	static const char late[] = "\x00\x03\x00\x10"
				   "abcdefghijklmnop\x80\x08\x00\x04\0\0\0\1"
				   "\x00\x0f\x00\x04\x72\xc6\x4b\xc6";

	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct world w;
		struct client c;
		enum turn_frame frame = tcp ? TURN_FRAME_CONTROL : TURN_FRAME_NONE;

		setup(&w, &c, tcp);
		client_frame(&c, frame, (struct str){cut, sizeof(cut) - 1});
		assert_int_equal(w.n_to_client, 0);
		client_frame(&c, frame, (struct str){late, sizeof(late) - 1});
		assert_int_equal(w.n_to_client, 0);
		world_done(&w);

		allocated(&w, &c, tcp);
		client_frame(&c, frame, (struct str){late, sizeof(late) - 1});
		assert_int_equal(w.n_to_client, 0);
		assert_int_equal(w.n_close_client, tcp);
		world_done(&w);
	}
}

/* 4.6: Integrity on every error once the key is known, on none of the challenges. 440 and the
 * quotas. */
static void
errors_are_signed(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	uint8_t buf[2048];
	struct stun_writer wr;

	(void)state;
	setup(&w, &c, false);
	w.conf.policy.relay_bind[1].family = 0;
	w.conf.policy.relay_bind[0].family = 0;
	turn_server_set_conf(w.s, &w.conf);
	assert_int_equal(client_allocate(&c, &m), 440); /* no family that it can read */
	assert_true(client_signed(&c, &m));
	world_done(&w);

	setup(&w, &c, false);
	w.conf.policy.relay_bind[1].family = 0;
	turn_server_set_conf(w.s, &w.conf);
	client_challenge(&c);
	client_start(&c, &wr, buf, STUN_ALLOCATE);
	stun_write_u32(&wr, STUN_MS_VERSION, 4);
	stun_write_u32(&wr, STUN_REQUESTED_ADDRESS_FAMILY, 2u << 24); /* IPv6, not offered */
	client_credentials(&c, &wr);
	client_send(&c, &wr, true);
	assert_int_equal(client_code(&c, &m), 440);
	assert_true(client_signed(&c, &m));
	world_done(&w);

	setup(&w, &c, false);
	w.conf.limits.allocations_per_user = 1;
	turn_server_set_conf(w.s, &w.conf);
	assert_int_equal(client_allocate(&c, &m), 0);
	c.flow.client.port++;
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), 500); /* no other server is known: not 300 */
	assert_true(client_signed(&c, &m));
	world_done(&w);
}

/* 4.6, Set Active Destination: 437, 441, 400; 5.6: a refused address is 400, and nothing changes.
 */
static void
set_active_codes(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at(PEER), loopback = at("127.0.0.1:9"), six = at("[2606:4700::1]:9");
	uint8_t buf[2048];
	struct stun_writer wr;

	(void)state;
	setup(&w, &c, false);
	assert_int_equal(
	    client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 437);
	world_done(&w);

	allocated(&w, &c, false);
	client_start(&c, &wr, buf, STUN_MS_SET_ACTIVE_DESTINATION);
	stun_write_bytes(&wr, STUN_USERNAME, c.user);
	client_sequence(&c, &wr, ++c.sequence);
	client_send(&c, &wr, true);
	assert_int_equal(client_code(&c, &m), 400);
	assert_true(client_signed(&c, &m));
	client_send_data(&c, &peer, ++c.sequence, STR("x"));
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 0);
	assert_int_equal(
	    client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &loopback, 0, &m), 400);
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &six, 0, &m), 400);
	client_frame(&c, TURN_FRAME_NONE, STR("bare"));
	assert_true(addr_eq(&w.peer, &peer));
	/* the same again: success, no change */
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 0);
	c.user = STR("mallory");
	assert_int_equal(
	    client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 441);
	world_done(&w);
}

/* 4.6, 5.5 items 1 to 3: a Send is never answered, whatever is wrong with it; a refused destination
 * leaves no permission. */
static void
send_is_never_answered(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER), refused = at("10.0.0.1:9");
	uint8_t buf[2048];
	struct stun_writer wr;

	(void)state;
	setup(&w, &c, false);
	client_send_data(&c, &peer, 1, STR("x")); /* no allocation */
	assert_int_equal(w.n_to_client + w.n_to_peer, 0);
	world_done(&w);

	allocated(&w, &c, false);
	c.key[0] ^= 1;
	client_send_data(&c, &peer, 1, STR("x")); /* signed by somebody else */
	assert_int_equal(w.n_to_client + w.n_to_peer, 0);
	c.key[0] ^= 1;
	client_start(&c, &wr, buf, STUN_MS_SEND); /* no Destination Address */
	stun_write_bytes(&wr, STUN_USERNAME, c.user);
	client_sequence(&c, &wr, 2);
	stun_write_bytes(&wr, STUN_DATA, STR("x"));
	client_send(&c, &wr, true);
	assert_int_equal(w.n_to_client + w.n_to_peer, 0);
	client_start(&c, &wr, buf, STUN_MS_SEND); /* no Data */
	stun_write_bytes(&wr, STUN_USERNAME, c.user);
	client_sequence(&c, &wr, 3);
	stun_write_addr(&wr, STUN_PEER_ADDRESS, &peer);
	client_send(&c, &wr, true);
	assert_int_equal(w.n_to_client + w.n_to_peer, 0);
	assert_int_equal(w.a->permissions.n, 0);
	client_send_data(&c, &refused, 4, STR("x"));
	assert_int_equal(w.n_to_client + w.n_to_peer, 0);
	assert_int_equal(w.a->permissions.n, 0);
	world_from_peer(&w, w.a, "10.0.0.1:9", STR("y"));
	assert_int_equal(w.n_to_client, 0);
	client_send_data(&c, &peer, 5, STR("x"));
	assert_int_equal(w.n_to_client, 0);
	assert_int_equal(w.n_to_peer, 1);
	world_done(&w);
}

/* 5.2, 5.4: what is asked for within what is granted. */
static void
lifetime_and_bandwidth(void **state)
{
	static const struct {
		enum stun_attr what;
		uint32_t asked, want;
	} rows[] = {
	    {STUN_LIFETIME, 7200, 3600}, /* lowered to the maximum */
	    {STUN_LIFETIME, 30, 30},     /* not raised: there is no minimum */
	    {STUN_BANDWIDTH, 100, 100},  /* within the cap: as asked */
	    {STUN_BANDWIDTH, 9000, 3000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;
		struct client c;
		struct stun_msg m;

		setup(&w, &c, false);
		client_challenge(&c);
		assert_int_equal(allocate_with(&c, rows[i].what, rows[i].asked, &m), 0);
		assert_int_equal(number(&m, rows[i].what), rows[i].want);
		world_done(&w);
	}
}

/* 5.3: a refresh keeps address, connection id and the highest number; over TCP it is harmless. */
static void
refresh_changes_the_lifetime_only(void **state)
{
	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct world w;
		struct client c;
		struct stun_msg m;
		struct addr peer = at(PEER), relayed;

		allocated(&w, &c, tcp);
		client_send_data(&c, &peer, 7, STR("x"));
		assert_int_equal(allocate_with(&c, STUN_LIFETIME, 900, &m), 0);
		assert_true(client_signed(&c, &m));
		assert_int_equal(stun_get_addr(&m, STUN_RELAYED_ADDRESS, &relayed), ED_OK);
		assert_true(addr_eq(&relayed, &c.relayed));
		assert_memory_equal(
		    m.attr[STUN_MS_SEQUENCE_NUMBER].p, c.connection_id, sizeof(c.connection_id));
		assert_int_equal(stun_u32(m.attr[STUN_MS_SEQUENCE_NUMBER].p + 20), 7);
		assert_int_equal(number(&m, STUN_LIFETIME), 900);
		assert_int_equal(w.n_open, 1);
		client_send_data(&c, &peer, 7, STR("x")); /* the window stands */
		assert_int_equal(w.n_to_peer, 0);
		world_done(&w);
	}
}

/* 5.4: twelve hours are the end, however busy. */
static void
no_allocation_outlives_twelve_hours(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER);

	(void)state;
	setup(&w, &c, false);
	w.key.remaining_s = UINT64_MAX;
	client_challenge(&c);
	{
		struct stun_msg m;

		assert_int_equal(client_allocate(&c, &m), 0);
	}
	for (int t = 0; t < 12 * 3600 - 300; t += 300) {
		client_send_data(&c, &peer, (uint32_t)t + 1, STR("x"));
		world_pass(&w, 300000);
		assert_int_equal(turn_server_allocations(w.s), 1);
	}
	client_send_data(&c, &peer, 12 * 3600, STR("x"));
	world_pass(&w, 302000);
	assert_int_equal(turn_server_allocations(w.s), 0);
	world_done(&w);
}

/* 5.7: 64 addresses, the 65th waits for nobody; the permission lasts as long as the allocation. */
static void
sixty_four_permissions(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER);

	(void)state;
	allocated(&w, &c, false);
	for (uint32_t i = 0; i < 70; i++) {
		peer.ip[3] = (uint8_t)i;
		client_send_data(&c, &peer, i + 1, STR("x"));
		assert_int_equal(w.n_to_peer, i < 64);
	}
	assert_int_equal(w.a->permissions.n, 64);
	peer.ip[3] = 5;
	peer.port = 77; /* another port of a permitted address */
	client_send_data(&c, &peer, 71, STR("x"));
	assert_int_equal(w.n_to_peer, 1);
	world_pass(&w, 500000);
	world_from_peer(&w, w.a, "9.8.7.5:1", STR("still"));
	assert_int_equal(w.n_to_client, 1);
	world_done(&w);
}

/* 5.11: a multiplexed packet is dropped and counted; 5.12: what asks for admission is ignored. */
static void
what_is_not_offered(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	uint8_t buf[2048];
	struct stun_writer wr;

	(void)state;
	setup(&w, &c, false);
	client_frame(&c, TURN_FRAME_NONE,
	    (struct str){"\xff\x10\x00\x0d"
			 "12345678hello",
		17});
	assert_int_equal(w.n_to_client, 0);
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_MULTIPLEX), 1);
	client_challenge(&c);
	client_start(&c, &wr, buf, STUN_ALLOCATE);
	memcpy(buf + wr.n, "\x80\x56\x00\x04\0\0\0\0", 8); /* admission control: check */
	wr.n += 8;
	memcpy(buf + wr.n, "\x80\x55\x00\x04\0\1\0\0", 8); /* MS-Service Quality */
	wr.n += 8;
	client_credentials(&c, &wr);
	client_send(&c, &wr, true);
	assert_int_equal(client_code(&c, &m), 0);
	assert_int_equal(w.n_open, 1);
	/* 1.3, 2.2: Shared Secret must not be used */
	client_start(&c, &wr, buf, 0x0002);
	client_credentials(&c, &wr);
	client_send(&c, &wr, true);
	assert_int_equal(w.n_to_client, 0);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(malformed_is_not_answered),
	    cmocka_unit_test(errors_are_signed),
	    cmocka_unit_test(set_active_codes),
	    cmocka_unit_test(send_is_never_answered),
	    cmocka_unit_test(lifetime_and_bandwidth),
	    cmocka_unit_test(refresh_changes_the_lifetime_only),
	    cmocka_unit_test(no_allocation_outlives_twelve_hours),
	    cmocka_unit_test(sixty_four_permissions),
	    cmocka_unit_test(what_is_not_offered),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

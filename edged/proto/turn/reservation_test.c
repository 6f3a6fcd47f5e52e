/* SPDX-License-Identifier: MIT
 *
 * EVEN-PORT with R, RESERVATION-TOKEN, DONT-FRAGMENT, ADDRESS-ERROR-CODE (RFC 8656 7.2, 18).
 */
#include "base/mac.h"
#include "proto/turn/world.h"

struct extra {
	enum stun_attr what;
	struct str value;
};

static int
allocate(struct client *c, const struct extra *v, size_t n, struct stun_msg *ret)
{
	uint8_t buf[2048];
	struct stun_writer w;

	if (c->nonce_len == 0)
		client_challenge(c);
	client_start(c, &w, buf, STUN_ALLOCATE);
	stun_write_u32(&w, STUN_REQUESTED_TRANSPORT, 17u << 24);
	for (size_t i = 0; i < n; i++)
		stun_write_bytes(&w, v[i].what, v[i].value);
	client_credentials(c, &w);
	client_send(c, &w, true);
	return client_code(c, ret);
}

static uint16_t
port_of(const struct stun_msg *m)
{
	struct addr a;

	assert_int_equal(stun_get_addr(m, STUN_RELAYED_ADDRESS, &a), ED_OK);
	return a.port;
}

static void
test_pair(void **state)
{
	struct world w;
	struct client c, d, e;
	struct stun_msg m;
	struct extra pair = {STUN_EVEN_PORT, STR("\x80")};
	struct extra token[2] = {{STUN_RESERVATION_TOKEN, {NULL, 0}}, pair};
	uint8_t kept[8];
	uint16_t port;

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.0.9:7000");
	assert_int_equal(allocate(&c, &pair, 1, &m), 0);
	port = port_of(&m);
	assert_int_equal(port % 2, 0);
	assert_int_equal(m.attr[STUN_RESERVATION_TOKEN].n, 8);
	memcpy(kept, m.attr[STUN_RESERVATION_TOKEN].p, 8);
	token[0].value = (struct str){(char *)kept, 8};

	client_init(&d, &w, STD, "198.18.0.9:7001");
	assert_int_equal(allocate(&d, token, 2, &m), 400); /* with EVEN-PORT */
	token[1] = (struct extra){STUN_REQUESTED_ADDRESS_FAMILY, STR("\1\0\0\0")};
	assert_int_equal(allocate(&d, token, 2, &m), 400);
	kept[0] ^= 1;
	assert_int_equal(allocate(&d, token, 1, &m), 508); /* none of that token */
	kept[0] ^= 1;
	w.key.user[0] = 1; /* somebody else heard of it */
	client_init(&e, &w, STD, "198.18.0.9:7002");
	assert_int_equal(allocate(&e, token, 1, &m), 508);
	w.key.user[0] = 0;
	assert_int_equal(allocate(&d, token, 1, &m), 0);
	assert_int_equal(port_of(&m), port + 1);
	client_init(&e, &w, STD, "198.18.0.9:7003");
	assert_int_equal(allocate(&e, token, 1, &m), 508); /* once */
	assert_int_equal(w.n_closed, 0);
	world_done(&w);
}

static void
test_end_of_a_reservation(void **state)
{
	struct world w;
	struct client c, d;
	struct stun_msg m;
	struct extra pair = {STUN_EVEN_PORT, STR("\x80")}, token = {STUN_RESERVATION_TOKEN, {0}};
	uint8_t kept[8];

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.0.9:7000");
	assert_int_equal(allocate(&c, &pair, 1, &m), 0);
	memcpy(kept, m.attr[STUN_RESERVATION_TOKEN].p, 8);
	token.value = (struct str){(char *)kept, 8};
	world_pass(&w, 29000);
	assert_int_equal(w.n_closed, 0);
	world_pass(&w, 2000);
	assert_int_equal(w.n_closed, 1);
	client_init(&d, &w, STD, "198.18.0.9:7001");
	assert_int_equal(allocate(&d, &token, 1, &m), 508);
	/* no pair to be had: no allocation either, and its port is given back */
	w.no_pair = true;
	assert_int_equal(allocate(&d, &pair, 1, &m), 508);
	assert_int_equal(w.n_closed, 2);
	/* an even port alone needs no token */
	pair.value = STR("\0");
	assert_int_equal(allocate(&d, &pair, 1, &m), 0);
	assert_false(stun_has(&m, STUN_RESERVATION_TOKEN));
	pair.value = STR("\0\0");
	client_init(&c, &w, STD, "198.18.0.9:7002");
	assert_int_equal(allocate(&c, &pair, 1, &m), 400);
	world_done(&w);
}

static void
send_whole(struct client *c, size_t n, bool whole)
{
	static const char data[1600];
	uint8_t buf[2048];
	struct stun_writer w;
	struct addr peer = at("9.8.7.6:4000");

	client_start(c, &w, buf, STUN_SEND_INDICATION);
	stun_write_addr(&w, STUN_PEER_ADDRESS, &peer);
	if (whole)
		stun_write_bytes(&w, STUN_DONT_FRAGMENT, STR(""));
	stun_write_bytes(&w, STUN_DATA, (struct str){data, n});
	client_send(c, &w, false);
}

static void
test_dont_fragment(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at("9.8.7.6:4000");
	struct extra df = {STUN_DONT_FRAGMENT, STR("")};

	(void)state;
	world_init(&w);
	w.conf.mtu = 1500;
	turn_server_set_conf(w.s, &w.conf);
	client_init(&c, &w, STD, "198.18.0.9:7000");
	assert_int_equal(allocate(&c, &df, 1, &m), 0); /* supported: no 420 */
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	send_whole(&c, 1472, true);
	assert_int_equal(w.n_to_peer, 1);
	send_whole(&c, 1473, true);
	assert_int_equal(w.n_to_peer, 0);
	assert_int_equal(turn_server_count(w.s, TURN_COUNT_DROP_TOO_LONG), 1);
	send_whole(&c, 1473, false);
	assert_int_equal(w.n_to_peer, 1);
	world_done(&w);
}

static void
test_address_error(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct extra both = {STUN_ADDITIONAL_ADDRESS_FAMILY, STR("\2\0\0\0")};

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.0.9:7000");
	assert_int_equal(allocate(&c, &both, 1, &m), 0);
	assert_false(stun_has(&m, STUN_ADDRESS_ERROR_CODE));
	world_done(&w);

	world_init(&w);
	w.conf.policy.relay_bind[1].family = 0;
	turn_server_set_conf(w.s, &w.conf);
	client_init(&c, &w, STD, "198.18.0.9:7000");
	assert_int_equal(allocate(&c, &both, 1, &m), 0);
	assert_int_equal(m.attr[STUN_ADDRESS_ERROR_CODE].n, 4);
	assert_memory_equal(m.attr[STUN_ADDRESS_ERROR_CODE].p, "\2\0\4\x28", 4); /* 440 for IPv6 */
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pair),
	    cmocka_unit_test(test_end_of_a_reservation),
	    cmocka_unit_test(test_dont_fragment),
	    cmocka_unit_test(test_address_error),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * A whole relay's life in both dialects, over datagrams and streams, with every message of the
 * client's twice and with those out of order that a network may turn round. What comes over a
 * stream comes byte by byte anyway (world.h).
 */
#include "base/mac.h"
#include "proto/turn/world.h"

#define PEER  "9.8.7.6:4000"
#define PEER2 "9.8.7.5:4000"

/* Sends the last request once more, byte for byte: the same answer but for what may differ. */
static void
repeat(struct client *c, const uint8_t *buf, size_t n, int want)
{
	uint8_t first[2048];
	size_t first_len = c->w->to_client_len;
	unsigned relays = c->w->n_open, closed = c->w->n_closed;
	struct stun_msg m;

	memcpy(first, c->w->to_client, first_len);
	client_frame(c,
	    c->d == MS && c->flow.transport == TURN_TCP ? TURN_FRAME_CONTROL : TURN_FRAME_NONE,
	    (struct str){(const char *)buf, n});
	assert_int_equal(client_code(c, &m), want);
	assert_int_equal(c->w->to_client_len, first_len);
	assert_memory_equal(c->w->to_client, first, first_len);
	assert_int_equal(c->w->n_open, relays);
	assert_int_equal(c->w->n_closed, closed);
}

static void
start(struct world *w, struct client *c, const struct stun_dialect *d, bool tcp)
{
	world_init(w);
	client_init(c, w, d, "198.18.9.9:61000");
	c->flow.transport = tcp ? TURN_TCP : TURN_UDP;
	c->flow.conn = tcp;
	client_challenge(c);
}

static void
request_twice(struct client *c, unsigned type, const struct addr *peer, uint16_t channel,
    int lifetime, int want)
{
	uint8_t buf[2048];
	struct stun_writer w;
	struct stun_msg m;

	client_start(c, &w, buf, type);
	if (type == STUN_ALLOCATE && c->d == STD)
		stun_write_u32(&w, STUN_REQUESTED_TRANSPORT, 17u << 24);
	if (lifetime >= 0)
		stun_write_u32(&w, STUN_LIFETIME, (uint32_t)lifetime);
	if (channel)
		stun_write_u32(&w, STUN_CHANNEL_NUMBER, (uint32_t)channel << 16);
	if (peer)
		stun_write_addr(&w, STUN_PEER_ADDRESS, peer);
	if (c->d == MS && type != STUN_ALLOCATE) {
		stun_write_bytes(&w, STUN_USERNAME, c->user);
		client_sequence(c, &w, ++c->sequence);
	} else {
		client_credentials(c, &w);
	}
	client_send(c, &w, true);
	assert_int_equal(client_code(c, &m), want);
	if (type == STUN_ALLOCATE && m.attr[STUN_MS_SEQUENCE_NUMBER].n == 24)
		memcpy(c->connection_id, m.attr[STUN_MS_SEQUENCE_NUMBER].p, 20);
	repeat(c, buf, w.n, want);
}

static void
standard(bool tcp)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER), peer2 = at(PEER2);

	start(&w, &c, STD, tcp);
	request_twice(&c, STUN_ALLOCATE, NULL, 0, -1, 0);
	assert_int_equal(turn_server_allocations(w.s), 1);
	request_twice(&c, STUN_CREATE_PERMISSION, &peer, 0, -1, 0);
	request_twice(&c, STUN_CHANNEL_BIND, &peer2, 0x4000, -1, 0);
	request_twice(&c, STUN_CHANNEL_BIND, &peer2, 0x4001, -1, 400);
	assert_int_equal(w.a->permissions.n, 2);
	assert_int_equal(w.a->channels.n, 1);
	for (int i = 0; i < 2; i++) { /* a datagram twice is two datagrams: as on any wire */
		client_send_data(&c, &peer, 0, STR("x"));
		assert_int_equal(w.n_to_peer, 1);
		client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\0\0\4data", 8});
		assert_int_equal(w.n_to_peer, 1);
	}
	request_twice(&c, STUN_REFRESH, NULL, 0, 900, 0);
	request_twice(&c, STUN_REFRESH, NULL, 0, 0, 0);
	assert_int_equal(w.n_closed, 1);
	request_twice(&c, STUN_REFRESH, NULL, 0, 900, 437); /* after its end */
	world_done(&w);
}

static void
ms(bool tcp)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER);

	start(&w, &c, MS, tcp);
	request_twice(&c, STUN_ALLOCATE, NULL, 0, -1, 0);
	assert_int_equal(turn_server_allocations(w.s), 1);
	for (int i = 0; i < 2; i++) { /* the second is a replay */
		client_send_data(&c, &peer, c.sequence + 1, STR("x"));
		assert_int_equal(w.n_to_peer, i == 0);
	}
	c.sequence++;
	request_twice(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, -1, 0);
	for (int i = 0; i < 2; i++) {
		client_frame(&c, tcp ? TURN_FRAME_DATA : TURN_FRAME_NONE, STR("\x80 bare"));
		assert_int_equal(w.n_to_peer, 1);
	}
	request_twice(&c, STUN_ALLOCATE, NULL, 0, 900, 0);
	request_twice(&c, STUN_ALLOCATE, NULL, 0, 0, 0);
	assert_int_equal(w.n_closed, 1);
	world_done(&w);
}

static void
every_message_twice(void **state)
{
	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		standard(tcp);
		ms(tcp);
	}
}

/* ChannelData before its ChannelBind, a Send before its permission: lost, and harmless; a
 * CreatePermission behind the ChannelBind that it should have preceded is as good as before. */
static void
standard_out_of_order(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at(PEER);

	(void)state;
	start(&w, &c, STD, false);
	client_send_data(&c, &peer, 0, STR("before it all"));
	assert_int_equal(w.n_to_peer + w.n_to_client, 0);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 437);
	assert_int_equal(client_allocate(&c, &m), 0);
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\0\0\4data", 8});
	client_send_data(&c, &peer, 0, STR("x"));
	assert_int_equal(w.n_to_peer, 0);
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer, 0x4000, &m), 0);
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\0\0\4data", 8});
	assert_int_equal(w.n_to_peer, 1);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	assert_int_equal(w.a->permissions.n, 1);
	assert_int_equal(turn_server_allocations(w.s), 1);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_message_twice),
	    cmocka_unit_test(standard_out_of_order),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

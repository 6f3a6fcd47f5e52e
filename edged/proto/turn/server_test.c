/* SPDX-License-Identifier: MIT
 *
 * Scenarios of both dialects: from the first Allocate to the end, with input retransmitted,
 * reordered, duplicated and split.
 */
#include "proto/turn/world.h"

#define PEER  "198.18.0.1:40000" /* opened in world_open, as a public one would be */
#define PEER2 "198.18.0.2:40000"

static void
open_peers(struct world *w)
{
	assert_int_equal(addr_net_parse(&w->conf.policy.allowed[0], STR("198.18.0.0/15")), ED_OK);
	w->conf.policy.n_allowed = 1;
	turn_server_set_conf(w->s, &w->conf);
}

static void
assert_to_peer(struct world *w, const char *peer, const char *data)
{
	struct addr a = at(peer);

	assert_int_equal(w->n_to_peer, 1);
	assert_true(addr_eq(&w->peer, &a));
	assert_int_equal(w->to_peer_len, strlen(data));
	assert_memory_equal(w->to_peer, data, strlen(data));
}

/* A challenge keeps nothing, names realm, nonce and (MS) the server, and may not amplify. */
static void
challenge_is_stateless_and_small(void **state)
{
	static const struct stun_dialect *const dialects[] = {STD, MS};
	struct world w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct client c;
		size_t asked;

		world_init(&w);
		client_init(&c, &w, dialects[i], "198.18.9.9:61000");
		client_challenge(&c);
		asked = i ? 36 : 28;
		assert_true(w.to_client_len + 28 <= 2 * (asked + 28));
		assert_int_equal(c.nonce_len, 16);
		assert_int_equal(turn_server_allocations(w.s), 0);
		assert_int_equal(w.n_asked, 0);
		assert_int_equal(turn_server_next_deadline(w.s), UINT64_MAX);
		world_done(&w);
	}
}

static void
binding_answers_in_both_forms(void **state)
{
	struct world w;
	struct client c;
	uint8_t buf[2048];
	struct stun_writer wr;
	struct stun_msg m;
	struct addr a;

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	client_start(&c, &wr, buf, STUN_BINDING);
	stun_write_fingerprint(&wr);
	client_send(&c, &wr, false);
	assert_int_equal(client_code(&c, &m), 0);
	assert_int_equal(stun_get_addr(&m, STUN_XOR_MAPPED_ADDRESS, &a), ED_OK);
	assert_true(addr_eq(&a, &c.flow.client));
	assert_true(m.fingerprint_at != 0 && stun_fingerprint_holds(&m));
	/* RFC 3489: no cookie word */
	client_start(&c, &wr, buf, STUN_BINDING);
	buf[4] = 0;
	client_send(&c, &wr, false);
	assert_int_equal(w.n_to_client, 1);
	assert_int_equal(
	    stun_msg_parse_rfc3489(&m, (struct str){(char *)w.to_client, w.to_client_len}), ED_OK);
	assert_int_equal(stun_get_addr(&m, STUN_MAPPED_ADDRESS, &a), ED_OK);
	assert_true(addr_eq(&a, &c.flow.client));
	assert_false(stun_has(&m, STUN_XOR_MAPPED_ADDRESS));
	/* a wrong fingerprint draws nothing */
	client_start(&c, &wr, buf, STUN_BINDING);
	stun_write_fingerprint(&wr);
	buf[27] ^= 1;
	client_send(&c, &wr, false);
	assert_int_equal(client_code(&c, &m), -1);
	world_done(&w);
}

static void
standard_relay_from_allocate_to_release(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER), peer2 = at(PEER2), a;
	struct stun_msg m;
	struct stun_writer wr;
	uint8_t buf[2048], again[2048];
	size_t again_len;

	(void)state;
	world_init(&w);
	open_peers(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	assert_true(client_signed(&c, &m));
	a = at("192.0.2.20:50000");
	assert_true(addr_eq(&c.relayed, &a)); /* advertised, not bound */

	/* nothing comes or goes before a permission */
	world_from_peer(&w, w.a, PEER, STR("early"));
	assert_int_equal(w.n_to_client, 0);
	client_send_data(&c, &peer, 0, STR("early"));
	assert_int_equal(w.n_to_peer, 0);

	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	client_send_data(&c, &peer, 0, STR("hello"));
	assert_to_peer(&w, PEER, "hello");
	world_from_peer(&w, w.a, "198.18.0.1:1", STR("any port")); /* the port does not count */
	assert_int_equal(
	    stun_msg_parse(&m, STD, (struct str){(char *)w.to_client, w.to_client_len}), ED_OK);
	assert_int_equal(m.type, STUN_DATA_INDICATION);
	assert_true(str_eq(m.attr[STUN_DATA], STR("any port")));
	assert_int_equal(stun_get_addr(&m, STUN_PEER_ADDRESS, &a), ED_OK);
	assert_int_equal(a.port, 1);
	world_from_peer(&w, w.a, PEER2, STR("stranger"));
	assert_int_equal(w.n_to_client, 0);

	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer2, 0x4000, &m), 0);
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\x00\x00\x05hello\x00\x00\x00", 12});
	assert_to_peer(&w, PEER2, "hello");
	world_from_peer(&w, w.a, PEER2, STR("world"));
	assert_int_equal(w.to_client_len, 9);
	assert_memory_equal(w.to_client, "\x40\x00\x00\x05world", 9);
	/* length beyond the datagram; a number never bound; too short */
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\x00\x00\x06hello", 9});
	assert_int_equal(w.n_to_peer, 0);
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\x01\x00\x05hello", 9});
	assert_int_equal(w.n_to_peer, 0);
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\x00", 2});
	assert_int_equal(w.n_to_peer, 0);

	/* number bound to another peer, peer bound to another number, numbers out of range */
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer, 0x4000, &m), 400);
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer2, 0x4001, &m), 400);
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer, 0x7fff, &m), 400);
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer, 0x3fff, &m), 400);

	/* permissions end by themselves, traffic or not; channels later, and carry nothing inward
	 * then */
	world_pass(&w, 299000);
	world_from_peer(&w, w.a, PEER, STR("x"));
	assert_int_equal(w.n_to_client, 1);
	world_pass(&w, 2000);
	world_from_peer(&w, w.a, PEER, STR("x"));
	assert_int_equal(w.n_to_client, 0);
	world_from_peer(&w, w.a, PEER2, STR("x"));
	assert_int_equal(w.n_to_client, 0);

	/* refresh, then release; the release repeated; anything else after it */
	client_start(&c, &wr, buf, STUN_REFRESH);
	client_credentials(&c, &wr);
	client_send(&c, &wr, true);
	assert_int_equal(client_code(&c, &m), 0);
	client_start(&c, &wr, buf, STUN_REFRESH);
	stun_write_u32(&wr, STUN_LIFETIME, 0);
	client_credentials(&c, &wr);
	client_send(&c, &wr, true);
	assert_int_equal(client_code(&c, &m), 0);
	assert_int_equal(w.n_closed, 1);
	again_len = (size_t)stun_write_end(&wr);
	memcpy(again, buf, again_len);
	client_frame(&c, TURN_FRAME_NONE, (struct str){(char *)again, again_len});
	assert_int_equal(client_code(&c, &m), 0);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 437);
	world_from_peer(&w, w.a, PEER, STR("x"));
	assert_int_equal(w.n_to_client, 0);
	world_pass(&w, 32000);
	assert_int_equal(turn_server_allocations(w.s), 0);
	assert_int_equal(w.n_open, w.n_closed);
	world_done(&w);
}

static void
a_second_allocate_is_the_first_or_437(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr first;
	int codes[2] = {437, 0}; /* standard: mismatch; MS: that is a refresh */

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		world_init(&w);
		client_init(&c, &w, i ? MS : STD, "198.18.9.9:61000");
		assert_int_equal(client_allocate(&c, &m), 0);
		first = c.relayed;
		c.id--; /* byte for byte the same again */
		assert_int_equal(client_allocate(&c, &m), 0);
		assert_true(addr_eq(&first, &c.relayed));
		assert_int_equal(w.n_open, 1);
		assert_int_equal(client_allocate(&c, &m), codes[i]);
		assert_int_equal(w.n_open, 1);
		/* other five-tuples are other clients */
		c.flow.client.port++;
		c.nonce_len = 0;
		assert_int_equal(client_allocate(&c, &m), 0);
		assert_int_equal(w.n_open, 2);
		c.flow.listener = 1;
		c.nonce_len = 0;
		assert_int_equal(client_allocate(&c, &m), 0);
		assert_int_equal(turn_server_allocations(w.s), 3);
		world_done(&w);
	}
}

static void
lifetimes_end_allocations(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at(PEER);

	(void)state;
	world_init(&w);
	open_peers(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	world_pass(&w, 599000);
	assert_int_equal(turn_server_allocations(w.s), 1);
	client_send_data(&c, &peer, 0, STR("x")); /* traffic is no refresh here */
	world_pass(&w, 3000);
	assert_int_equal(turn_server_allocations(w.s), 0);
	assert_int_equal(w.n_closed, 1);
	assert_int_equal(w.note, TURN_NOTE_ENDED);
	assert_string_equal(w.detail, "expired");
	world_done(&w);

	/* MS: the lifetime counts idleness (5.4) */
	world_init(&w);
	open_peers(&w);
	client_init(&c, &w, MS, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	world_pass(&w, 599000);
	client_send_data(&c, &peer, 1, STR("x"));
	assert_int_equal(w.n_to_peer, 1);
	world_pass(&w, 10000);
	assert_int_equal(turn_server_allocations(w.s), 1);
	world_pass(&w, 603000);
	assert_int_equal(turn_server_allocations(w.s), 0);
	world_done(&w);

	/* both: not beyond the credentials' end and the grace, whatever is refreshed or sent */
	for (size_t i = 0; i < 2; i++) {
		world_init(&w);
		open_peers(&w);
		w.key.remaining_s = 60;
		client_init(&c, &w, i ? MS : STD, "198.18.9.9:61000");
		assert_int_equal(client_allocate(&c, &m), 0);
		for (int t = 0; t < 7200 + 60; t += 500) {
			client_send_data(&c, &peer, (uint32_t)t / 500 + 1, STR("x"));
			if (!i) {
				uint8_t buf[2048];
				struct stun_writer wr;

				client_start(&c, &wr, buf, STUN_REFRESH);
				client_credentials(&c, &wr);
				client_send(&c, &wr, true);
				assert_int_equal(client_code(&c, &m), 0);
			}
			assert_int_equal(turn_server_allocations(w.s), 1);
			world_pass(&w, 500000);
		}
		assert_int_equal(turn_server_allocations(w.s), 0);
		assert_string_equal(w.detail, "credentials_ended");
		world_done(&w);
	}
}

static void
ms_relay_from_allocate_to_release(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER), peer2 = at(PEER2), a;
	struct stun_msg m;
	struct stun_writer wr;
	uint8_t buf[2048];
	uint32_t v;

	(void)state;
	world_init(&w);
	open_peers(&w);
	client_init(&c, &w, MS, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	assert_true(client_signed(&c, &m));
	assert_int_equal(stun_get_u32(&m, STUN_MS_VERSION, &v), ED_OK);
	assert_int_equal(v, 1);
	assert_int_equal(stun_get_u32(&m, STUN_LIFETIME, &v), ED_OK);
	assert_int_equal(v, 600);
	assert_int_equal(stun_get_u32(&m, STUN_BANDWIDTH, &v), ED_OK);
	assert_int_equal(v, 3000);
	assert_int_equal(stun_u32(m.attr[STUN_MS_SEQUENCE_NUMBER].p + 20), 0);
	assert_int_equal(stun_get_addr(&m, STUN_XOR_MAPPED_ADDRESS, &a), ED_OK);
	assert_true(addr_eq(&a, &c.flow.client));

	/* bare data without active destination: dropped; Set Active before any Send: 440 */
	client_frame(&c, TURN_FRAME_NONE, STR("\x80 rtp"));
	assert_int_equal(w.n_to_peer, 0);
	assert_int_equal(
	    client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 440);
	assert_true(client_signed(&c, &m));

	client_send_data(&c, &peer, ++c.sequence, STR("check"));
	assert_to_peer(&w, PEER, "check");
	assert_int_equal(w.n_to_client, 0); /* Send is never answered */
	world_from_peer(&w, w.a, PEER, STR("world"));
	assert_int_equal(
	    stun_msg_parse(&m, MS, (struct str){(char *)w.to_client, w.to_client_len}), ED_OK);
	assert_int_equal(m.type, STUN_MS_DATA_INDICATION);
	assert_int_equal(w.to_client_len, 49); /* unpadded, as V7 */
	assert_true(str_eq(m.attr[STUN_DATA], STR("world")));
	world_from_peer(&w, w.a, PEER2, STR("stranger"));
	assert_int_equal(w.n_to_client, 0);
	client_send_data(&c, &peer2, ++c.sequence, STR("")); /* permission without a datagram */
	assert_int_equal(w.n_to_peer, 0);
	world_from_peer(&w, w.a, "198.18.0.2:77", STR("now it may"));
	assert_int_equal(w.n_to_client, 1);

	/* an exact address that only came in may be made active too; one never met may not */
	a = at("198.18.0.2:78");
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &a, 0, &m), 440);
	a = at("198.18.0.2:77");
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &a, 0, &m), 0);
	assert_int_equal(w.to_client_len, 52); /* cookie and integrity, as V8 */
	assert_true(client_signed(&c, &m));
	client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m);

	/* bare both ways, also what looks like STUN: that is the client's ICE check */
	client_frame(&c, TURN_FRAME_NONE, STR("\x80 rtp"));
	assert_to_peer(&w, PEER, "\x80 rtp");
	client_frame(&c, TURN_FRAME_NONE,
	    (struct str){"\x00\x01\x00\x00\x21\x12\xa4\x42"
			 "abcdefghijkl",
		20});
	assert_int_equal(w.n_to_peer, 1);
	assert_int_equal(w.n_to_client, 0);
	world_from_peer(&w, w.a, PEER, STR("\x80 rtp"));
	assert_int_equal(w.to_client_len, 5);
	assert_true(w.is_data);
	world_from_peer(&w, w.a, "198.18.0.1:9", STR("same host, other port"));
	assert_int_equal(w.to_client[0], 0x01); /* indication */
	assert_false(w.is_data);
	client_send_data(&c, &peer2, ++c.sequence, STR("still works"));
	assert_to_peer(&w, PEER2, "still works");

	/* release: answered with lifetime 0, repeated with the same, then gone */
	for (int i = 0; i < 2; i++) {
		client_start(&c, &wr, buf, STUN_ALLOCATE);
		stun_write_u32(&wr, STUN_LIFETIME, 0);
		client_credentials(&c, &wr);
		client_send(&c, &wr, true);
		assert_int_equal(client_code(&c, &m), 0);
		assert_int_equal(stun_get_u32(&m, STUN_LIFETIME, &v), ED_OK);
		assert_int_equal(v, 0);
		assert_int_equal(w.n_closed, 1);
		c.id--;
	}
	client_frame(&c, TURN_FRAME_NONE, STR("\x80 rtp"));
	assert_int_equal(w.n_to_peer, 0);
	c.id++;
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), 0); /* and the five-tuple may begin anew */
	assert_int_equal(w.n_open, 2);
	world_done(&w);
}

/* ms-turn 4.5: the window of 64 over datagrams. */
static void
sends_reordered_duplicated_replayed(void **state)
{
	static const struct {
		uint32_t sequence;
		bool udp, tcp; /* passes */
	} rows[] = {
	    {0, false, false},
	    {1, true, true},
	    {1, false, false},
	    {3, true, true},
	    {2, true, false},
	    {2, false, false},
	    {3, false, false},
	    {70, true, true},
	    {7, true, false},
	    {6, false, false},
	    {7, false, false},
	    {69, true, false},
	    {200, true, true},
	    {136, false, false},
	    {137, true, false},
	    {137, false, false},
	    {201, true, true},
	    {0xffffffff, true, true},
	    {202, false, false},
	};
	struct addr peer = at(PEER);

	(void)state;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct world w;
		struct client c;
		struct stun_msg m;

		world_init(&w);
		open_peers(&w);
		client_init(&c, &w, MS, "198.18.9.9:61000");
		c.flow.transport = tcp ? TURN_TCP : TURN_UDP;
		c.flow.conn = (uint32_t)tcp;
		assert_int_equal(client_allocate(&c, &m), 0);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			client_send_data(&c, &peer, rows[i].sequence, STR("x"));
			if (w.n_to_peer != (tcp ? rows[i].tcp : rows[i].udp))
				fail_msg("row %zu (number %u), tcp %d", i, rows[i].sequence, tcp);
		}
		c.connection_id[3] ^= 1; /* another connection's number */
		client_send_data(&c, &peer, 300, STR("x"));
		assert_int_equal(w.n_to_peer, 0);
		world_done(&w);
	}
}

static void
a_repeated_set_active_is_answered_again(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER), peer2 = at(PEER2);
	struct stun_msg m;

	(void)state;
	world_init(&w);
	open_peers(&w);
	client_init(&c, &w, MS, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	client_send_data(&c, &peer, ++c.sequence, STR("x"));
	client_send_data(&c, &peer2, ++c.sequence, STR("x"));
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 0);
	c.id--, c.sequence--; /* byte for byte */
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 0);
	c.sequence--; /* another transaction with a used number: a replay */
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), -1);
	/* an error leaves what was set */
	peer2.port = 1;
	assert_int_equal(
	    client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer2, 0, &m), 440);
	client_frame(&c, TURN_FRAME_NONE, STR("bare"));
	assert_to_peer(&w, PEER, "bare");
	world_done(&w);
}

/* MS over TCP (5.6, 5.8): a stream keeps its peer; when that closes, the client's connection goes.
 */
static void
ms_stream(void **state)
{
	struct world w;
	struct client c;
	struct addr peer = at(PEER), peer2 = at(PEER2);
	struct stun_msg m;

	(void)state;
	world_init(&w);
	open_peers(&w);
	client_init(&c, &w, MS, "198.18.9.9:61000");
	c.flow.transport = TURN_TCP;
	c.flow.conn = 7;
	assert_int_equal(client_allocate(&c, &m), 0);
	client_frame(&c, TURN_FRAME_DATA, STR("too early"));
	assert_int_equal(w.n_to_peer, 0);
	assert_false(turn_server_peer_accept(w.s, w.a, &peer, w.now_ms));
	client_send_data(&c, &peer, ++c.sequence, STR("x"));
	assert_int_equal(w.n_to_peer, 1);
	client_send_data(&c, &peer2, ++c.sequence, STR("x"));
	assert_true(turn_server_peer_accept(w.s, w.a, &peer, w.now_ms));
	assert_int_equal(client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 0);
	assert_int_equal(
	    client_peer_request(&c, STUN_MS_SET_ACTIVE_DESTINATION, &peer2, 0, &m), 400);
	/* a data frame is data even when it looks like a control message */
	client_frame(&c, TURN_FRAME_DATA,
	    (struct str){"\x00\x03\x00\x08"
			 "abcdefghijklmnop\x00\x0f\x00\x04\x72\xc6\x4b\xc6",
		28});
	assert_int_equal(w.n_to_peer, 1);
	world_from_peer(&w, w.a, PEER, STR("stream"));
	assert_true(w.is_data);
	/* a broken control frame closes the stream */
	client_frame(&c, TURN_FRAME_CONTROL, STR("not a message"));
	assert_int_equal(w.n_close_client, 1);
	world_pass(
	    &w, 3600 * 1000); /* idle, but with an active destination: the connection is the life */
	assert_int_equal(turn_server_allocations(w.s), 1);
	world_clear(&w);
	turn_server_peer_closed(w.s, w.a, &peer2, w.now_ms, &w.acts);
	world_run(&w);
	assert_int_equal(w.n_close_client, 0);
	turn_server_peer_closed(w.s, w.a, &peer, w.now_ms, &w.acts);
	world_run(&w);
	assert_int_equal(w.n_close_client, 1);
	assert_int_equal(turn_server_allocations(w.s), 0);

	/* without one it ends after a minute of silence; a closed client takes its relay along */
	c.flow.conn = 8;
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), 0);
	world_pass(&w, 62000);
	assert_int_equal(turn_server_allocations(w.s), 0);
	assert_int_equal(w.n_close_client, 1);
	c.flow.conn = 9;
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), 0);
	turn_server_flow_closed(w.s, &c.flow, w.now_ms, &w.acts);
	world_run(&w);
	assert_int_equal(turn_server_allocations(w.s), 0);
	assert_int_equal(w.n_open, w.n_closed);
	world_done(&w);
}

/* Two clients of one Edge know each other by the advertised address; the kernel by the bound one.
 */
static void
two_allocations_meet(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr other = at("192.0.2.20:50123"), service = at("192.0.2.20:3478");
	struct addr bound = at("172.16.5.5:50123");

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &service, 0x4000, &m), 403);
	assert_string_equal(w.detail, "own_port");
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &other, 0x4000, &m), 0);
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\x00\x00\x01x", 5});
	assert_int_equal(w.n_to_peer, 1);
	assert_true(addr_eq(&w.peer, &bound));
	world_from_peer(&w, w.a, "172.16.5.5:50123", STR("y"));
	assert_int_equal(w.to_client[0], 0x40);
	client_send_data(&c, &service, 0, STR("x")); /* the permission names no port */
	assert_int_equal(w.n_to_peer, 0);
	world_done(&w);
}

static void
quotas(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;

	(void)state;
	world_init(&w);
	w.conf.limits.allocations_per_user = 3;
	w.conf.limits.allocations_per_address = 5;
	w.conf.limits.allocations = 6;
	turn_server_set_conf(w.s, &w.conf);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	for (int i = 0; i < 8; i++) {
		/* user 0 three times and refused; user 1 twice and the address is full; then from
		 * another address one more, and everything is */
		static const int want[8] = {0, 0, 0, 486, 0, 0, 508, 0};

		c.flow.client.port++;
		c.nonce_len = 0;
		w.key.user[0] = i >= 4;
		if (i == 7)
			c.flow.client = at("198.18.9.8:1");
		assert_int_equal(client_allocate(&c, &m), want[i]);
		assert_true(client_signed(&c, &m));
	}
	c.flow.client = at("198.18.9.7:1");
	c.nonce_len = 0;
	w.key.user[0] = 9;
	assert_int_equal(client_allocate(&c, &m), 508);
	/* all of it comes back */
	world_pass(&w, 700000);
	assert_int_equal(turn_server_allocations(w.s), 0);
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), 0);
	w.no_ports = true;
	c.flow.client.port++;
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), 508);
	assert_int_equal(w.note, TURN_NOTE_NO_PORT);
	assert_int_equal(turn_server_allocations(w.s), 1);
	client_init(&c, &w, MS, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 500);
	world_done(&w);
}

static void
bandwidth_is_cut_not_the_call(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	struct addr peer = at(PEER);
	char data[1000] = {0};
	unsigned passed = 0;

	(void)state;
	world_init(&w);
	w.conf.limits.kbit_per_port = 80; /* 10,000 bytes a second */
	open_peers(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	assert_int_equal(client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 0);
	for (int i = 0; i < 30; i++) {
		client_send_data(&c, &peer, 0, (struct str){data, sizeof(data)});
		passed += w.n_to_peer;
	}
	assert_int_equal(passed, 10);
	w.now_ms += 500;
	for (int i = 0; i < 30; i++) {
		world_from_peer(&w, w.a, PEER, (struct str){data, sizeof(data)});
		passed += w.n_to_client; /* both directions count */
	}
	assert_int_equal(passed, 15);
	assert_int_equal(turn_server_allocations(w.s), 1);
	world_done(&w);
}

static void
strangers_draw_little(void **state)
{
	struct world w;
	struct client c;
	uint8_t buf[2048];
	struct stun_writer wr;
	unsigned answers = 0, bindings = 0;

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.9.9:1");
	for (int i = 0; i < 3000; i++) {
		c.flow.client.port = (uint16_t)(1000 + i); /* the port does not help */
		client_start(&c, &wr, buf, STUN_ALLOCATE);
		client_send(&c, &wr, false);
		answers += w.n_to_client;
		if (i == 600)
			assert_int_equal(w.note, TURN_NOTE_RATE_LIMITED);
	}
	assert_int_equal(answers, 500);
	client_start(&c, &wr, buf, STUN_BINDING); /* another bucket */
	client_send(&c, &wr, false);
	bindings += w.n_to_client;
	assert_int_equal(bindings, 1);
	c.flow.client = at("198.18.9.10:1"); /* another source */
	client_start(&c, &wr, buf, STUN_ALLOCATE);
	client_send(&c, &wr, false);
	assert_int_equal(w.n_to_client, 1);
	world_done(&w);
}

static void
keys_are_waited_for_in_bounds(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	uint32_t first;

	(void)state;
	world_init(&w);
	w.hold_keys = true;
	client_init(&c, &w, MS, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), -1);
	first = w.ticket;
	c.id--;
	assert_int_equal(client_allocate(&c, &m), -1); /* a retransmission asks nobody */
	assert_int_equal(w.n_asked, 1);
	for (int i = 0; i < 10; i++) {
		c.flow.client.port++;
		c.nonce_len = 0;
		assert_int_equal(client_allocate(&c, &m), -1);
	}
	assert_int_equal(w.n_asked, 4);
	/* one answer comes late, one never: both are forgotten */
	world_pass(&w, 7000);
	turn_server_key_ready(w.s, first, &w.key, w.now_ms, &w.acts);
	assert_int_equal(w.acts.n, 0);
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), -1);
	assert_int_equal(w.n_asked, 5);
	turn_server_key_ready(w.s, w.ticket, &w.key, w.now_ms, &w.acts);
	world_run(&w);
	assert_int_equal(client_code(&c, &m), 0);
	world_done(&w);
}

static void
a_reload_takes_back_what_it_forbids(void **state)
{
	struct world w;
	struct client c, ms;
	struct stun_msg m;
	struct addr peer = at(PEER);
	struct turn_allocation *a, *b;

	(void)state;
	world_init(&w);
	open_peers(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	a = w.a;
	assert_int_equal(client_peer_request(&c, STUN_CHANNEL_BIND, &peer, 0x4000, &m), 0);
	client_init(&ms, &w, MS, "198.18.9.9:61001");
	assert_int_equal(client_allocate(&ms, &m), 0);
	b = w.a;
	client_send_data(&ms, &peer, ++ms.sequence, STR("x"));
	assert_int_equal(client_peer_request(&ms, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m), 0);
	w.conf.policy.n_allowed = 0;
	turn_server_set_conf(w.s, &w.conf);
	client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\x00\x00\x01x", 5});
	assert_int_equal(w.n_to_peer, 0);
	world_from_peer(&w, a, PEER, STR("y"));
	assert_int_equal(w.n_to_client, 0);
	client_frame(&ms, TURN_FRAME_NONE, STR("bare"));
	assert_int_equal(w.n_to_peer, 0);
	world_from_peer(&w, b, PEER, STR("y"));
	assert_int_equal(w.n_to_client, 0);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(challenge_is_stateless_and_small),
	    cmocka_unit_test(binding_answers_in_both_forms),
	    cmocka_unit_test(standard_relay_from_allocate_to_release),
	    cmocka_unit_test(a_second_allocate_is_the_first_or_437),
	    cmocka_unit_test(lifetimes_end_allocations),
	    cmocka_unit_test(ms_relay_from_allocate_to_release),
	    cmocka_unit_test(sends_reordered_duplicated_replayed),
	    cmocka_unit_test(a_repeated_set_active_is_answered_again),
	    cmocka_unit_test(ms_stream),
	    cmocka_unit_test(two_allocations_meet),
	    cmocka_unit_test(quotas),
	    cmocka_unit_test(bandwidth_is_cut_not_the_call),
	    cmocka_unit_test(strangers_draw_little),
	    cmocka_unit_test(keys_are_waited_for_in_bounds),
	    cmocka_unit_test(a_reload_takes_back_what_it_forbids),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

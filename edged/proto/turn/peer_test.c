/* SPDX-License-Identifier: MIT
 *
 * The abuse suite: addresses a client should not reach, tried over every path of both dialects.
 */
#include "proto/turn/world.h"

static const struct {
	const char *peer, *rule; /* rule NULL: allowed */
} external[] = {
    {"8.8.8.8:53", NULL},
    {"[2606:4700::1111]:443", NULL},
    {"192.0.2.20:50000", NULL}, /* another allocation of ours */
    {"192.0.2.20:59999", NULL},
    {"8.8.8.8:0", "port_zero"},
    {"0.0.0.0:80", "unspecified"},
    {"0.1.2.3:80", "unspecified"},
    {"127.0.0.1:6379", "loopback"},
    {"127.255.255.255:22", "loopback"},
    {"169.254.169.254:80", "link_local"},
    {"224.0.0.1:5353", "multicast"},
    {"239.255.255.250:1900", "multicast"},
    {"240.0.0.1:80", "reserved"},
    {"255.255.255.255:67", "reserved"},
    {"10.0.0.50:445", "inside"},
    {"10.0.0.10:5061", "own_address"},
    {"192.0.2.10:5061", "own_address"},
    {"192.0.2.20:3478", "own_port"},
    {"192.0.2.20:443", "own_port"},
    {"192.0.2.20:49999", "own_port"},
    {"192.0.2.20:60000", "own_port"},
    {"172.16.5.5:3478", "own_port"}, /* the bound form of the same */
    {"172.16.0.1:80", "private"},
    {"172.31.255.255:80", "private"},
    {"192.168.1.1:80", "private"},
    {"100.64.0.1:80", "private"},
    {"192.0.0.8:80", "reserved"},
    {"192.0.2.1:80", "documentation"},
    {"198.18.0.1:80", "documentation"},
    {"198.51.100.1:80", "documentation"},
    {"203.0.113.1:80", "documentation"},
    {"[::]:80", "unspecified"},
    {"[::1]:80", "loopback"},
    {"[fe80::1]:80", "link_local"},
    {"[fec0::1]:80", "link_local"},
    {"[ff02::fb]:5353", "multicast"},
    {"[fc00::1]:80", "private"},
    {"[fd12:3456::1]:80", "private"},
    {"[2001:db8::1]:80", "documentation"},
    {"[2001:0:4136:e378::]:80", "tunnel"},
    {"[::7f00:1]:80", "loopback"},        /* compatible */
    {"[2002:7f00:1::]:80", "loopback"},   /* 6to4 */
    {"[2002:a00:32::1]:80", "inside"},    /* 6to4 of 10.0.0.50 */
    {"[64:ff9b::7f00:1]:80", "loopback"}, /* NAT64 */
    {"[64:ff9b::a9fe:a9fe]:80", "link_local"},
    {"[64:ff9b::c0a8:101]:80", "private"},
    {"[64:ff9b::808:808]:80", NULL},
    {"[2606:4700::20]:3478", "own_port"},
};
#define N_EXTERNAL (sizeof(external) / sizeof(external[0]))

static void
rules_are_named(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < N_EXTERNAL; i++) {
		struct addr peer = at(external[i].peer);
		enum turn_rule r = turn_peer_judge(&w.conf.policy, TURN_LEG_EXTERNAL, &peer, true);

		print_message("  %s\n", external[i].peer);
		assert_string_equal(
		    turn_rule_name(r), external[i].rule ? external[i].rule : "allowed");
	}
	world_done(&w);
}

/* ::ffff:0:0/96 as it stands in an attribute: addr_parse would already have made it IPv4. */
static void
mapped_forms_do_not_help(void **state)
{
	struct world w;
	struct addr peer = {.family = 6, .port = 80};

	(void)state;
	world_init(&w);
	peer.ip[10] = peer.ip[11] = 0xff;
	peer.ip[12] = 127;
	peer.ip[15] = 1;
	assert_int_equal(
	    turn_peer_judge(&w.conf.policy, TURN_LEG_EXTERNAL, &peer, true), TURN_RULE_LOOPBACK);
	peer.ip[12] = 10;
	assert_int_equal(
	    turn_peer_judge(&w.conf.policy, TURN_LEG_EXTERNAL, &peer, true), TURN_RULE_INSIDE);
	world_done(&w);
}

/* Every refused address over every path: 44 addresses, seven ways, nothing leaves, nothing is let
 * in. */
static void
nothing_is_granted_on_any_path(void **state)
{
	unsigned attempts = 0, granted = 0;

	(void)state;
	for (size_t i = 0; i < N_EXTERNAL; i++) {
		struct addr peer = at(external[i].peer), good = at("8.8.8.8:53");
		/* A permission names no port: for our own relaying address it is granted, and what
		 * leaves is judged (the Send below it). */
		bool by_port = external[i].rule && (strcmp(external[i].rule, "own_port") == 0 ||
						       strcmp(external[i].rule, "port_zero") == 0);
		struct world w;
		struct client c;
		struct stun_msg m;
		char twice[2048];
		struct stun_writer wr;

		if (!external[i].rule)
			continue;
		world_init(&w);
		for (int tcp = 0; tcp < 2; tcp++) {
			client_init(&c, &w, STD, "198.18.9.9:61000");
			c.flow.transport = (uint8_t)tcp;
			c.flow.conn = (uint32_t)tcp;
			assert_int_equal(client_allocate(&c, &m), 0);
			if (peer.family == 4) {
				granted += client_peer_request(
					       &c, STUN_CREATE_PERMISSION, &peer, 0, &m) == 0 &&
					   !by_port;
				attempts++;
			}
			client_send_data(&c, &peer, 0, STR("x"));
			granted += w.n_to_peer;
			granted +=
			    client_peer_request(&c, STUN_CHANNEL_BIND, &peer, 0x4000, &m) == 0;
			client_frame(&c, TURN_FRAME_NONE, (struct str){"\x40\x00\x00\x01x", 5});
			granted += w.n_to_peer;
			attempts += 3;
			/* two addresses: the first judged, the second used? (coturn change 2016) */
			client_start(&c, &wr, (uint8_t *)twice, STUN_CREATE_PERMISSION);
			stun_write_addr(&wr, STUN_PEER_ADDRESS, &good);
			stun_write_addr(&wr, STUN_PEER_ADDRESS, &peer);
			client_credentials(&c, &wr);
			client_send(&c, &wr, true);
			granted += client_code(&c, &m) == 0 && !by_port;
			attempts++;

			client_init(&c, &w, MS, "198.18.9.9:61001");
			c.flow.transport = (uint8_t)tcp;
			c.flow.conn = (uint32_t)tcp * 2;
			assert_int_equal(client_allocate(&c, &m), 0);
			client_send_data(&c, &peer, ++c.sequence, STR("x"));
			granted += w.n_to_peer;
			world_from_peer(&w, w.a, external[i].peer, STR("x"));
			granted += w.n_to_client;
			granted += turn_server_peer_accept(w.s, w.a, &peer, w.now_ms);
			granted += client_peer_request(
				       &c, STUN_MS_SET_ACTIVE_DESTINATION, &peer, 0, &m) == 0;
			client_frame(&c, tcp ? TURN_FRAME_DATA : TURN_FRAME_NONE, STR("bare"));
			granted += w.n_to_peer;
			attempts += 5;
		}
		world_done(&w);
	}
	print_message("  %u attempts, %u granted\n", attempts, granted);
	assert_true(attempts >= 120);
	assert_int_equal(granted, 0);
}

static void
legs_decide_about_the_inside(void **state)
{
	struct world w;
	struct addr inside = at("10.0.0.50:20000"), own = at("10.0.0.10:5061"),
		    other = at("192.168.1.1:1");
	struct turn_policy *p = &w.conf.policy;

	(void)state;
	world_init(&w);
	assert_int_equal(turn_peer_judge(p, TURN_LEG_INTERNAL, &inside, true), TURN_RULE_ALLOWED);
	assert_int_equal(turn_peer_judge(p, TURN_LEG_EXTERNAL, &inside, true), TURN_RULE_INSIDE);
	assert_int_equal(turn_peer_judge(p, TURN_LEG_INTERNAL, &own, true), TURN_RULE_OWN_ADDRESS);
	assert_int_equal(turn_peer_judge(p, TURN_LEG_INTERNAL, &other, true), TURN_RULE_PRIVATE);
	p->inside_from_internal = false; /* av.inside_peers = none */
	assert_int_equal(turn_peer_judge(p, TURN_LEG_INTERNAL, &inside, true), TURN_RULE_INSIDE);
	p->inside_from_external = true; /* all */
	assert_int_equal(turn_peer_judge(p, TURN_LEG_EXTERNAL, &inside, true), TURN_RULE_ALLOWED);
	/* an explicit opening does not open what is denied always */
	assert_int_equal(addr_net_parse(&p->allowed[0], STR("0.0.0.0/0")), ED_OK);
	p->n_allowed = 1;
	assert_int_equal(turn_peer_judge(p, TURN_LEG_EXTERNAL, &other, true), TURN_RULE_ALLOWED);
	other = at("127.0.0.1:1");
	assert_int_equal(turn_peer_judge(p, TURN_LEG_EXTERNAL, &other, true), TURN_RULE_LOOPBACK);
	assert_int_equal(turn_peer_judge(p, TURN_LEG_EXTERNAL, &own, true), TURN_RULE_OWN_ADDRESS);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rules_are_named),
	    cmocka_unit_test(mapped_forms_do_not_help),
	    cmocka_unit_test(nothing_is_granted_on_any_path),
	    cmocka_unit_test(legs_decide_about_the_inside),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "proto/turn/peer.h"

#include <string.h>

struct block {
	uint8_t bits;
	uint8_t rule;
	uint8_t ip[16];
};

/* Denied whatever the configuration says; then what it may open (always = false). */
static const struct block always4[] = {
    {8, TURN_RULE_UNSPECIFIED, {0}},
    {8, TURN_RULE_LOOPBACK, {127}},
    {16, TURN_RULE_LINK_LOCAL, {169, 254}},
    {4, TURN_RULE_MULTICAST, {224}},
    {4, TURN_RULE_RESERVED, {240}},
};
static const struct block default4[] = {
    {8, TURN_RULE_PRIVATE, {10}},
    {12, TURN_RULE_PRIVATE, {172, 16}},
    {16, TURN_RULE_PRIVATE, {192, 168}},
    {10, TURN_RULE_PRIVATE, {100, 64}},
    {24, TURN_RULE_RESERVED, {192, 0, 0}},
    {24, TURN_RULE_DOCUMENTATION, {192, 0, 2}},
    {15, TURN_RULE_DOCUMENTATION, {198, 18}},
    {24, TURN_RULE_DOCUMENTATION, {198, 51, 100}},
    {24, TURN_RULE_DOCUMENTATION, {203, 0, 113}},
};
static const struct block always6[] = {
    {128, TURN_RULE_UNSPECIFIED, {0}},
    {128, TURN_RULE_LOOPBACK, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
    {10, TURN_RULE_LINK_LOCAL, {0xfe, 0x80}},
    {10, TURN_RULE_LINK_LOCAL, {0xfe, 0xc0}},
    {8, TURN_RULE_MULTICAST, {0xff}},
    {32, TURN_RULE_TUNNEL, {0x20, 0x01, 0x00, 0x00}},
};
static const struct block default6[] = {
    {7, TURN_RULE_PRIVATE, {0xfc}},
    {32, TURN_RULE_DOCUMENTATION, {0x20, 0x01, 0x0d, 0xb8}},
};
/* IPv6 forms that carry an IPv4 address, and where. */
static const struct {
	uint8_t bits, at, ip[16];
} carriers[] = {
    {96, 12, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, /* mapped */
    {96, 12, {0}},                                        /* compatible */
    {16, 2, {0x20, 0x02}},                                /* 6to4 */
    {96, 12, {0, 0x64, 0xff, 0x9b}},                      /* NAT64 */
};

static bool
has_prefix(const uint8_t *ip, const uint8_t *want, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(ip, want, whole) != 0)
		return false;
	return rest == 0 || ((ip[whole] ^ want[whole]) & (uint8_t)(0xff00u >> rest)) == 0;
}

static enum turn_rule
find_block(const struct block *v, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (has_prefix(a->ip, v[i].ip, v[i].bits))
			return (enum turn_rule)v[i].rule;
	return TURN_RULE_ALLOWED;
}

static bool
in_nets(const struct addr_net *v, uint32_t n, const struct addr *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (addr_net_has(&v[i], a))
			return true;
	return false;
}

/* TURN_RULE_ALLOWED with *ret_settled when the address is our own relaying one. */
static enum turn_rule
judge_own(const struct turn_policy *p, const struct addr *a, bool has_port, bool *ret_settled)
{
	*ret_settled = false;
	for (int i = 0; i < 2; i++) {
		if (!p->relay_bind[i].family)
			continue;
		if (!addr_ip_eq(a, &p->relay_public[i]) && !addr_ip_eq(a, &p->relay_bind[i]))
			continue;
		if (has_port && (a->port < p->relay_port_min || a->port > p->relay_port_max))
			return TURN_RULE_OWN_PORT;
		*ret_settled = true;
		return TURN_RULE_ALLOWED;
	}
	for (uint32_t i = 0; i < p->n_own; i++)
		if (addr_ip_eq(a, &p->own[i]))
			return TURN_RULE_OWN_ADDRESS;
	return TURN_RULE_ALLOWED;
}

static enum turn_rule
judge_one(const struct turn_policy *p, enum turn_leg leg, const struct addr *a, bool has_port)
{
	bool is4 = a->family == 4, settled;
	enum turn_rule r = is4 ? find_block(always4, sizeof(always4) / sizeof(always4[0]), a)
			       : find_block(always6, sizeof(always6) / sizeof(always6[0]), a);

	if (r == TURN_RULE_LOOPBACK && p->loopback) {
		r = judge_own(p, a, has_port, &settled);
		return r;
	}
	if (r != TURN_RULE_ALLOWED)
		return r;
	r = judge_own(p, a, has_port, &settled);
	if (r != TURN_RULE_ALLOWED || settled)
		return r;
	if (in_nets(p->allowed, p->n_allowed, a))
		return TURN_RULE_ALLOWED;
	if (in_nets(p->inside, p->n_inside, a)) {
		bool may =
		    leg == TURN_LEG_INTERNAL ? p->inside_from_internal : p->inside_from_external;

		return may ? TURN_RULE_ALLOWED : TURN_RULE_INSIDE;
	}
	return is4 ? find_block(default4, sizeof(default4) / sizeof(default4[0]), a)
		   : find_block(default6, sizeof(default6) / sizeof(default6[0]), a);
}

enum turn_rule
turn_peer_judge(
    const struct turn_policy *p, enum turn_leg leg, const struct addr *peer, bool has_port)
{
	enum turn_rule r;

	if (has_port && peer->port == 0)
		return TURN_RULE_PORT_ZERO;
	r = judge_one(p, leg, peer, has_port);
	if (r != TURN_RULE_ALLOWED || peer->family == 4)
		return r;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		struct addr inner = {.family = 4, .port = peer->port};

		if (!has_prefix(peer->ip, carriers[i].ip, carriers[i].bits))
			continue;
		memcpy(inner.ip, peer->ip + carriers[i].at, 4);
		r = judge_one(p, leg, &inner, has_port);
		if (r != TURN_RULE_ALLOWED)
			return r;
	}
	return TURN_RULE_ALLOWED;
}

void
turn_peer_to_wire(const struct turn_policy *p, struct addr *peer)
{
	const struct addr *public = &p->relay_public[peer->family == 6];
	uint16_t port = peer->port;

	if (port < p->relay_port_min || port > p->relay_port_max || !addr_ip_eq(peer, public))
		return;
	*peer = p->relay_bind[peer->family == 6];
	peer->port = port;
}

void
turn_peer_from_wire(const struct turn_policy *p, struct addr *peer)
{
	const struct addr *bind = &p->relay_bind[peer->family == 6];
	uint16_t port = peer->port;

	if (!addr_ip_eq(peer, bind))
		return;
	*peer = p->relay_public[peer->family == 6];
	peer->port = port;
}

const char *
turn_rule_name(enum turn_rule r)
{
	static const char *const names[TURN_RULE__N] = {"allowed", "port_zero", "unspecified",
	    "loopback", "link_local", "multicast", "reserved", "tunnel", "own_address", "own_port",
	    "inside", "private", "documentation"};

	return r < TURN_RULE__N ? names[r] : "unknown";
}

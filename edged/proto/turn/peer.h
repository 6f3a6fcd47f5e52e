/* SPDX-License-Identifier: MIT
 *
 * proto/turn/peer.h: which addresses a client may reach through the relay. One function for every
 * path: Send, Set Active Destination, CreatePermission, ChannelBind, TCP connects, and again when a
 * packet leaves. On by default; the answer names the rule for the log.
 *
 * Pure. Spec: ms-turn 7.6, edge-reference AV-06.
 */
#ifndef EDGED_PROTO_TURN_PEER_H
#define EDGED_PROTO_TURN_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

enum turn_leg { TURN_LEG_EXTERNAL, TURN_LEG_INTERNAL };

enum turn_rule {
	TURN_RULE_ALLOWED,
	TURN_RULE_PORT_ZERO,
	TURN_RULE_UNSPECIFIED, /* 0.0.0.0/8, :: */
	TURN_RULE_LOOPBACK,
	TURN_RULE_LINK_LOCAL, /* 169.254/16 (cloud metadata), fe80::/10, fec0::/10 */
	TURN_RULE_MULTICAST,
	TURN_RULE_RESERVED,      /* 240/4 with broadcast, 192.0.0/24 */
	TURN_RULE_TUNNEL,        /* Teredo */
	TURN_RULE_OWN_ADDRESS,   /* an address of this Edge that relays nothing */
	TURN_RULE_OWN_PORT,      /* our A/V address, a port outside the relay range */
	TURN_RULE_INSIDE,        /* internal.networks, asked from the external leg */
	TURN_RULE_PRIVATE,       /* RFC 1918, 100.64/10, fc00::/7 */
	TURN_RULE_DOCUMENTATION, /* and benchmarking ranges */
	TURN_RULE__N
};
const char *turn_rule_name(enum turn_rule r);

#define TURN_POLICY_NETS 64u
#define TURN_POLICY_OWN  64u

struct turn_policy {
	struct addr_net inside[TURN_POLICY_NETS]; /* internal.networks */
	uint32_t n_inside;
	struct addr_net allowed[TURN_POLICY_NETS]; /* reachable from every leg all the same */
	uint32_t n_allowed;
	struct addr own[TURN_POLICY_OWN]; /* our other addresses */
	uint32_t n_own;
	struct addr relay_bind[2], relay_public[2]; /* v4, v6; family 0: not offered */
	uint16_t relay_port_min, relay_port_max;
	bool inside_from_internal; /* av.inside_peers: internal_leg and all */
	bool inside_from_external; /* all */
	bool loopback;             /* laboratory only */
};

/* has_port false: a permission names no port; our own relaying address is granted then, and its
 * port is judged when something leaves. */
enum turn_rule turn_peer_judge(
    const struct turn_policy *p, enum turn_leg leg, const struct addr *peer, bool has_port);

/* Two allocations of one Edge know each other by the advertised address; the kernel knows the bound
 * one (ms-turn 5.10). On the way out and on the way in. */
void turn_peer_to_wire(const struct turn_policy *p, struct addr *peer);
void turn_peer_from_wire(const struct turn_policy *p, struct addr *peer);

#endif

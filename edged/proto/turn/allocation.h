/* SPDX-License-Identifier: MIT
 *
 * proto/turn/allocation.h: one relayed transport address of one client, and what it holds.
 *
 * Owned by its turn_server; read by the room (logs, `edgectl sessions`, TCP peers). Freed with its
 * permissions and channels when it ends.
 *
 * Spec: RFC 8656 5; ms-turn 5.1.
 */
#ifndef EDGED_PROTO_TURN_ALLOCATION_H
#define EDGED_PROTO_TURN_ALLOCATION_H

#include "base/list.h"
#include "proto/stun/dialect.h"
#include "proto/turn/channel.h"
#include "proto/turn/permission.h"
#include "proto/turn/server.h"

#define TURN_NONCE_LEN 16u
#define TURN_TOKEN_LEN 8u /* RESERVATION-TOKEN */

enum turn_state {
	TURN_OPENING, /* waits for turn_server_relay_opened */
	TURN_LIVE,
	TURN_RELEASED, /* answers the retransmission of its release, nothing else */
};

/* Allocations, bandwidth of one user or of one client address; counted by those allocations. */
struct turn_tally {
	struct hash_node node;
	uint32_t n;
	uint8_t key[17]; /* 'u' and hash, or 'a' and address */
	struct turn_bucket bucket;
};

/* What only the MS dialect needs. */
struct turn_ms {
	struct addr active; /* family 0: none */
	struct addr active_wire;
	uint8_t connection_id[20];
	uint32_t sequence;  /* highest number seen */
	uint64_t window;    /* bit i: sequence - i was seen */
	uint32_t bandwidth; /* what the client was told, kbit/s */
	uint32_t version;   /* what the client said; 0: nothing */
	uint8_t set_id[16]; /* last Set Active Destination answered with success */
	bool set_answered;
	/* Exact peers that were sent to (at most TURN_PERMISSIONS_MAX, grown) and heard from; the
	 * newest takes the place of the oldest. */
	struct addr *sent, heard[8];
	uint32_t n_sent, n_heard, room_sent;
};

/* RFC 6062: one connection with a peer, and the client's own for its bytes. */
enum turn_connection_state { TURN_CONNECTING, TURN_UNBOUND, TURN_BOUND };
struct turn_connection {
	struct hash_node node; /* of its server, by id */
	struct list link;      /* of its allocation */
	struct list due;       /* of its server, until it is bound */
	struct turn_allocation *a;
	struct addr peer; /* as the client names it */
	uint64_t deadline_ms;
	uint32_t id;
	uint8_t state;
	uint8_t connect_id[16]; /* transaction of the Connect under way */
};

struct turn_allocation {
	struct hash_node node;
	struct list due; /* wheel of its server */
	struct turn_flow flow;
	const struct stun_dialect *dialect;
	struct turn_tally *user, *address;
	struct turn_ms *ms;
	struct str username;
	uint8_t key[16];
	char nonce[TURN_NONCE_LEN];
	uint8_t first_id[16];   /* transaction that made it, or that released it */
	struct addr relayed[2]; /* v4, v6, as advertised; family 0: none */
	void *relay[2];         /* the room's handles */
	struct turn_permissions permissions;
	struct turn_channels channels;
	struct list connections; /* RFC 6062: struct turn_connection */
	uint32_t n_connections;
	struct turn_bucket bucket;
	uint64_t born_ms, expires_ms, hard_end_ms;
	uint64_t packets[2], bytes[2];   /* from the client, from peers */
	uint64_t over_ms, over_since_ms; /* dropped or waited for bandwidth: last, first without a
					    pause; 0: never */
	uint32_t id, lifetime_s;
	uint32_t shared; /* slot of its user in turn_conf.shared */
	bool is_shared;
	uint8_t state;
	uint8_t transport; /* of its relayed address: enum turn_transport */
	bool traffic;      /* since expires_ms was set */
	bool waits, told;  /* streams: for a ceiling of bandwidth, now; once at least */
	bool wants[2];     /* families still to be opened */
	bool pair;         /* the port above was asked for too */
	bool has_token;
	uint8_t token[TURN_TOKEN_LEN];
	uint16_t address_error[2]; /* a family asked for and not had: ADDRESS-ERROR-CODE */
	bool fingerprint;          /* the creating request had one */
	struct turn_allocation *next_dead;
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/turn/server.h: a TURN server as a state machine: bytes and time in, acts out. Both
 * dialects.
 *
 * Pure: the room above owns sockets, clock and randomness, and carries the acts out. Life of a
 * relay: turn_server_input gives a 401 without keeping anything; with credentials and a good nonce
 * it answers TURN_ACT_NEED_KEY; turn_server_key_ready checks and gives TURN_ACT_OPEN_RELAY;
 * turn_server_relay_opened answers the client; then turn_server_input and turn_server_peer_input
 * carry media by one act each, until release, turn_server_tick or turn_server_flow_closed ends it
 * with TURN_ACT_CLOSE_RELAY.
 *
 * Acts and what they point to are valid until the next call.
 *
 * Spec: RFC 8656, RFC 8489; ms-turn (docs/spec/ms-turn.md, docs/spec/rfc8656.md).
 */
#ifndef EDGED_PROTO_TURN_SERVER_H
#define EDGED_PROTO_TURN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/pkt.h"
#include "base/str.h"
#include "proto/turn/peer.h"
#include "proto/turn/source.h"

struct turn_allocation; /* proto/turn/allocation.h */
struct turn_server;
struct turn_shared; /* proto/turn/shared.h */

enum turn_transport { TURN_UDP, TURN_TCP };

/* The internal five-tuple: who speaks to us, over what. */
struct turn_flow {
	struct addr client;
	uint8_t listener;  /* row of turn_conf.listeners */
	uint8_t transport; /* enum turn_transport */
	uint32_t conn;     /* TCP: number of the connection; UDP: 0 */
};

#define TURN_LISTENERS 16u
#define TURN_REALM_MAX 128u

struct turn_listener {
	enum turn_leg leg;
	struct addr reach; /* what its clients dial, for Alternate Server; family 0: leave it out */
};

struct turn_limits {
	uint32_t allocations, allocations_per_user, allocations_per_address;
	uint32_t permissions, channels, connections;
	uint64_t kbit_per_port, kbit_per_user; /* 0: no limit */
	struct turn_rate challenge, binding, integrity;
	uint32_t keys_waiting, keys_waiting_per_address;
	uint32_t lifetime_s, lifetime_max_s;
	uint32_t refresh_grace_s; /* behind the end of a token */
	uint32_t life_max_s;      /* of any allocation */
};
extern const struct turn_limits turn_limits_default;

struct turn_conf {
	char realm[TURN_REALM_MAX + 1];
	struct turn_listener listeners[TURN_LISTENERS];
	uint8_t n_listeners;
	struct turn_policy policy; /* also which families are relayed */
	struct turn_limits limits;
	bool tcp_allocations; /* RFC 6062 is offered */
	/* Of the way out, with IP header: more is not sent when DONT-FRAGMENT says so. 0: unknown.
	 */
	uint32_t mtu;
	uint8_t nonce_secret[32];
	struct hash_key hash_key;
	/* Counts of users over all workers; NULL: this one is alone. worker: our column. */
	struct turn_shared *shared;
	unsigned worker;
	void (*random)(void *p, size_t n);
};

enum turn_act_kind {
	TURN_ACT_TO_CLIENT,  /* send on flow */
	TURN_ACT_TO_PEER,    /* send from relay to peer */
	TURN_ACT_OPEN_RELAY, /* bind a relayed transport address of family; turn_server_relay_opened
			      */
	TURN_ACT_CLOSE_RELAY,  /* relay and what came over it; a is still readable */
	TURN_ACT_NEED_KEY,     /* key for username; turn_server_key_ready with ticket */
	TURN_ACT_CLOSE_CLIENT, /* TCP: the stream of flow is broken or its allocation ended */
	/* RFC 6062; ticket is the CONNECTION-ID */
	TURN_ACT_CONNECT,    /* from relay to peer; turn_server_connected */
	TURN_ACT_JOIN,       /* flow carries that connection's bytes from now on */
	TURN_ACT_CLOSE_PEER, /* that connection, both sides */
};

/*
 * How the datagrams of one direction of an established flow look: what a relay that decides by
 * headers alone (the kernel's, docs/decisions/0008) needs to carry the next one as this one was.
 * NONE: every datagram needs us (integrity, streams, two families).
 */
enum turn_fast_kind {
	TURN_FAST_NONE,
	TURN_FAST_CHANNEL,    /* ChannelData of channel */
	TURN_FAST_INDICATION, /* Send or Data indication */
	TURN_FAST_BARE,       /* MS dialect, active destination: content alone */
};
struct turn_fast {
	uint8_t kind;
	uint16_t channel;
	uint64_t until_ms; /* what allows it ends then, unless it is refreshed */
};

struct turn_act {
	enum turn_act_kind kind;
	struct turn_allocation *a; /* NULL: none */
	struct pkt *pkt;           /* relayed: the packet given, now trimmed; NULL: bytes */
	struct str bytes;
	struct turn_flow flow; /* TO_CLIENT, CLOSE_CLIENT */
	struct addr peer;      /* TO_PEER; TO_CLIENT of a peer's: as the kernel names it */
	struct turn_fast fast; /* TO_PEER, TO_CLIENT of a peer's */
	void *relay; /* TO_PEER, CLOSE_RELAY; TO_CLIENT of a peer's: the room's handle; OPEN_RELAY:
			not NULL: take this one, which was reserved */
	uint32_t ticket;   /* NEED_KEY, CONNECT, JOIN, CLOSE_PEER */
	uint8_t family;    /* OPEN_RELAY: 4, 6 */
	uint8_t transport; /* OPEN_RELAY */
	bool even;         /* OPEN_RELAY: an even port */
	bool pair; /* and the one above it: turn_server_reserved before turn_server_relay_opened */
	bool is_data; /* TO_CLIENT over MS frames: end-to-end data, not a control message */
};

/* What is worth a line in the log: at most one per call. */
enum turn_note {
	TURN_NOTE_NONE,
	TURN_NOTE_CREATED,
	TURN_NOTE_ENDED, /* detail: why */
	TURN_NOTE_AUTH_FAILED,
	TURN_NOTE_NO_PORT,
	TURN_NOTE_USER_LIMIT,   /* detail: which */
	TURN_NOTE_PEER_REFUSED, /* detail: rule; peer */
	TURN_NOTE_RATE_LIMITED,
	TURN_NOTE__N
};

#define TURN_ACTS_MAX 4u
#define TURN_OUT_MAX  2048u

struct turn_acts {
	uint8_t n;
	struct turn_act v[TURN_ACTS_MAX];
	enum turn_note note;
	const char *detail; /* static text */
	struct addr note_peer;
	const struct turn_allocation *note_allocation;
	size_t out_used;
	uint8_t out[TURN_OUT_MAX];
};

enum turn_count {
	TURN_COUNT_FROM_CLIENT, /* packets relayed */
	TURN_COUNT_FROM_PEER,
	TURN_COUNT_BYTES, /* eight, see turn_count_bytes */
	TURN_COUNT_BYTES_LAST = TURN_COUNT_BYTES + 7,
	TURN_COUNT_BINDINGS,
	TURN_COUNT_CHALLENGES,
	TURN_COUNT_INTEGRITY_NOT_SHA1, /* a client that insists on SHA-256 (ms-turn 4.3) */
	TURN_COUNT_NOT_SHARED, /* an allocation that no room was left for in the shared table */
	TURN_COUNT_NO_PORT,
	TURN_COUNT_ALLOCATED, /* over UDP; over TCP it is the next one, here and below */
	TURN_COUNT_ALLOCATED_TCP,
	TURN_COUNT_ENDED,
	TURN_COUNT_ENDED_TCP,
	TURN_COUNT_AUTH_FAILURES,
	TURN_COUNT_AUTH_FAILURES_TCP,
	TURN_COUNT_USER_LIMIT,
	TURN_COUNT_USER_LIMIT_TCP,
	TURN_COUNT_THROTTLED, /* streams of an allocation began to wait for a ceiling */
	TURN_COUNT_DROP_MALFORMED,
	TURN_COUNT_DROP_MALFORMED_TCP,
	TURN_COUNT_DROP_NO_ALLOCATION,
	TURN_COUNT_DROP_NO_ALLOCATION_TCP,
	TURN_COUNT_DROP_RATE,
	TURN_COUNT_DROP_RATE_TCP,
	TURN_COUNT_DROP_AMPLIFICATION,
	TURN_COUNT_DROP_AMPLIFICATION_TCP,
	TURN_COUNT_DROP_KEYS_WAITING,
	TURN_COUNT_DROP_KEYS_WAITING_TCP,
	TURN_COUNT_DROP_INTEGRITY,
	TURN_COUNT_DROP_INTEGRITY_TCP,
	TURN_COUNT_DROP_REPLAY,
	TURN_COUNT_DROP_REPLAY_TCP,
	TURN_COUNT_DROP_PEER_POLICY,
	TURN_COUNT_DROP_PEER_POLICY_TCP,
	TURN_COUNT_DROP_NO_PERMISSION,
	TURN_COUNT_DROP_NO_PERMISSION_TCP,
	TURN_COUNT_DROP_BANDWIDTH,
	TURN_COUNT_DROP_BANDWIDTH_TCP,
	TURN_COUNT_DROP_MULTIPLEX,
	TURN_COUNT_DROP_MULTIPLEX_TCP,
	TURN_COUNT_DROP_TOO_LONG, /* DONT-FRAGMENT */
	TURN_COUNT_DROP_TOO_LONG_TCP,
	TURN_COUNT_DROP_OTHER,
	TURN_COUNT_DROP_OTHER_TCP,
	TURN_COUNT__N
};

/* Octets of media; dir 0 from the client, 1 from peers; transport and leg are the client's. */
static inline enum turn_count
turn_count_bytes(unsigned dir, enum turn_transport transport, enum turn_leg leg)
{
	return (enum turn_count)(TURN_COUNT_BYTES + dir * 4 + transport * 2 + leg);
}

/*
 * Sessions that want more than av.limits let them have: of which datagrams were dropped or streams
 * waited for it in the last 10 s, and those of them where that goes on for a minute, so that not a
 * peak but their average is too high.
 */
struct turn_over {
	uint32_t peak, average;
};

/* How the bytes of an input came. */
enum turn_frame { TURN_FRAME_NONE, TURN_FRAME_CONTROL, TURN_FRAME_DATA };

struct turn_input {
	const struct turn_flow *flow;
	struct pkt *pkt;       /* content: one datagram, or what one frame held; may be trimmed */
	enum turn_frame frame; /* MS frames over TCP */
	uint64_t now_ms;
};

struct turn_key {
	int verdict; /* ED_OK; ED_DENIED unknown, ED_GONE expired; others: no answer is sent */
	uint8_t key[2][16]; /* while a shared secret is rolled either may be the sender's */
	uint8_t n_keys;
	uint8_t user[16];     /* groups the allocations of one user */
	uint64_t remaining_s; /* until the credentials end; UINT64_MAX: they do not */
};

int turn_server_new(const struct turn_conf *conf, struct turn_server **ret) ED_MUST_CHECK;
/* Without acts: the room closes its relays itself. */
struct turn_server *turn_server_free(struct turn_server *s);
/* A reload: policy, limits and realm for what comes from now on. */
void turn_server_set_conf(struct turn_server *s, const struct turn_conf *conf);

void turn_server_input(struct turn_server *s, const struct turn_input *in, struct turn_acts *acts);
/* The port above the even one that is about to be told, kept for turn_server_relay_opened's answer.
 */
void turn_server_reserved(
    struct turn_server *s, struct turn_allocation *a, void *relay, uint8_t family, uint64_t now_ms);
/* bound: address the room has bound, NULL when it could not. */
void turn_server_relay_opened(struct turn_server *s, struct turn_allocation *a,
    const struct addr *bound, void *relay, uint64_t now_ms, struct turn_acts *acts);
void turn_server_key_ready(struct turn_server *s, uint32_t ticket, const struct turn_key *key,
    uint64_t now_ms, struct turn_acts *acts);
/* A datagram (or a piece of a peer's stream) from `from`, as the kernel names it. */
void turn_server_peer_input(struct turn_server *s, struct turn_allocation *a,
    const struct addr *from, struct pkt *pkt, uint64_t now_ms, struct turn_acts *acts);
/* May this peer connect to the relayed address (TCP)? */
bool turn_server_peer_accept(
    struct turn_server *s, struct turn_allocation *a, const struct addr *from, uint64_t now_ms);
/* Packets that a relay below us has carried by itself, as struct turn_fast allows: dir 0 from the
 * client, 1 from peers. */
void turn_server_relayed(
    struct turn_server *s, struct turn_allocation *a, int dir, uint64_t packets, uint64_t bytes);
/* And what it has dropped of a (NULL: it has ended): by the ceilings of bandwidth, for other
 * reasons. */
void turn_server_dropped(struct turn_server *s, struct turn_allocation *a, uint32_t bandwidth,
    uint32_t other, uint64_t now_ms);
/* A TCP connection with a peer has ended: the active one takes the client's with it. */
void turn_server_peer_closed(struct turn_server *s, struct turn_allocation *a,
    const struct addr *peer, uint64_t now_ms, struct turn_acts *acts);
/*
 * RFC 6062. turn_server_connected answers TURN_ACT_CONNECT. turn_server_attempt: a peer has
 * connected to the relayed address; the CONNECTION-ID that the client is told, 0: close it.
 * turn_server_connection_closed: either side has ended. turn_server_carried: n of its bytes went
 * by, dir 0 from the client, 1 from the peer.
 */
void turn_server_connected(
    struct turn_server *s, uint32_t id, bool ok, uint64_t now_ms, struct turn_acts *acts);
uint32_t turn_server_attempt(struct turn_server *s, struct turn_allocation *a,
    const struct addr *from, uint64_t now_ms, struct turn_acts *acts) ED_MUST_CHECK;
void turn_server_connection_closed(struct turn_server *s, uint32_t id);
void turn_server_carried(struct turn_server *s, uint32_t id, int dir, uint32_t n, uint64_t now_ms);
/*
 * Nothing can be dropped from a stream: above a ceiling of bandwidth it waits. For how many ms
 * nothing is to be read from any stream of a, neither the client's (its control connection in the
 * MS dialect, those that ConnectionBind has joined) nor peers'; 0: read on. To be asked when bytes
 * of one have passed, and again when that time is over: it may be only a part of the time, others
 * of the same user pay too, and a reload changes the ceilings. *ret_tell: "port" or "user", once
 * for each allocation; otherwise NULL.
 */
uint32_t turn_server_stream_wait(
    struct turn_server *s, struct turn_allocation *a, uint64_t now_ms, const char **ret_tell);
void turn_server_flow_closed(
    struct turn_server *s, const struct turn_flow *flow, uint64_t now_ms, struct turn_acts *acts);
/* Ends at most one allocation whose time has come; true: call again. */
bool turn_server_tick(struct turn_server *s, uint64_t now_ms, struct turn_acts *acts);
/* UINT64_MAX: none. */
uint64_t turn_server_next_deadline(const struct turn_server *s);
/* Ends an allocation for a reason of the room's ("drained", "port_lost"). */
void turn_server_end(
    struct turn_server *s, struct turn_allocation *a, const char *why, struct turn_acts *acts);

/* A user's pseudonym, cut: tells users apart and names nobody. */
#define TURN_USER_STR_LEN 17u
const char *turn_user_str(const struct turn_allocation *a, char ret[TURN_USER_STR_LEN]);
/* Who holds most allocations of this worker, and how many; 0: nobody. */
uint32_t turn_server_most(const struct turn_server *s, char ret_user[TURN_USER_STR_LEN]);
uint32_t turn_server_allocations(const struct turn_server *s);
/* Any allocation; NULL: there is none. */
struct turn_allocation *turn_server_any(struct turn_server *s);
uint64_t turn_server_count(const struct turn_server *s, enum turn_count c);
struct turn_over turn_server_over(struct turn_server *s, uint64_t now_ms);
void turn_server_each(
    struct turn_server *s, void (*each)(const struct turn_allocation *a, void *arg), void *arg);

#endif

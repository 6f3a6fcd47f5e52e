/* SPDX-License-Identifier: MIT
 *
 * proto/turn/internal.h: shared by the files of this folder only: the server's insides, and the
 * steps that both dialects take alike.
 */
#ifndef EDGED_PROTO_TURN_INTERNAL_H
#define EDGED_PROTO_TURN_INTERNAL_H

#include "base/mac.h"
#include "proto/stun/integrity.h"
#include "proto/stun/msg.h"
#include "proto/turn/allocation.h"
#include "proto/turn/server.h"

#define TURN_WHEEL          4096u /* seconds; more than the longest lifetime */
#define TURN_RELEASED_MS    30000u
#define TURN_TCP_IDLE_S     60u    /* no active destination, no traffic (ms-turn 5.9) */
#define TURN_CONNECT_MS     30000u /* RFC 6062 5.2, 5.3: to connect, and to be bound */
#define TURN_RESERVATION_MS 30000u
#define TURN_RESERVATIONS   256u   /* of one worker */
#define TURN_STREAM_WAIT_MS 1000u  /* a reload may have lifted the ceiling then */
#define TURN_OVER_MS        10000u /* turn_over: so long behind a datagram that was dropped */
#define TURN_OVER_LONG_MS   60000u /* and so long without such a pause */
#define TURN_SILENCE_MS     10000u /* behind too many wrong signatures */
#define TURN_PENDING_MS     6000u
#define TURN_PENDING_BYTES  1500u
#define TURN_AMPLIFICATION  2u  /* answer with headers at most twice the request with headers */
#define TURN_UDP_HEADERS    28u /* IPv4 and UDP */

struct turn_reservation {
	struct list link; /* of its server, oldest first */
	void *relay;      /* the room's handle */
	uint64_t deadline_ms;
	uint8_t token[TURN_TOKEN_LEN];
	uint8_t user[17]; /* as turn_tally.key */
	bool is_ipv6;
};

/* A request that waits for its user's key. */
struct turn_pending {
	struct list link;
	uint32_t ticket;
	uint64_t since_ms;
	struct turn_flow flow;
	enum turn_frame frame;
	uint16_t len;
	uint8_t bytes[];
};

struct turn_server {
	struct turn_conf conf;
	struct hash_table flows; /* allocations by flow */
	struct hash_table tallies;
	struct hash_table connections; /* RFC 6062, by id */
	struct list reservations;      /* oldest first */
	uint32_t n_reservations;
	struct list unbound; /* those that wait, oldest first */
	struct turn_sources *sources;
	struct mac_ctx *nonce_key;
	struct list wheel[TURN_WHEEL];
	uint64_t wheel_s;    /* next second to look at */
	struct list pending; /* oldest first */
	uint32_t n_pending, next_ticket, next_id;
	uint64_t next_indication;
	uint64_t count[TURN_COUNT__N];
	uint64_t over_ms;             /* when a datagram was dropped for bandwidth last; 0: never */
	struct turn_allocation *dead; /* ended, readable until the next call */
};

/* One request under way, or the answer to one whose bytes are gone (m is NULL then). */
struct turn_request {
	struct turn_server *s;
	const struct turn_flow *flow;
	uint64_t now_ms;
	struct turn_acts *acts;
	struct pkt *pkt; /* NULL: came back from waiting for its key */
	enum turn_frame frame;
	const struct stun_dialect *d;
	const struct stun_msg *m;
	const uint8_t *id;
	uint16_t type;
	bool fingerprint;             /* answer with one */
	size_t len;                   /* of the request, for what it may draw; 0: authenticated */
	struct turn_allocation *a;    /* of this flow; NULL: none */
	const struct turn_key *fresh; /* given by keyd for this request; NULL: not asked yet */
	struct str key;               /* set once the integrity has held */
};

/* server.c */
struct turn_act *turn_act_add(struct turn_acts *acts, enum turn_act_kind kind);
void turn_note(struct turn_acts *acts, enum turn_note note, const char *detail,
    const struct turn_allocation *a, const struct addr *peer);
/* flow: whose it was, or for whom; why is the row of UDP. */
void turn_drop(struct turn_server *s, enum turn_count why, const struct turn_flow *flow);

/* udp: a count whose row for TCP follows it. */
static inline void
turn_count_by_transport(struct turn_server *s, enum turn_count udp, const struct turn_flow *flow)
{
	s->count[flow->transport == TURN_TCP ? udp + 1 : udp]++;
}

/* life.c */
struct turn_allocation *turn_find(struct turn_server *s, const struct turn_flow *flow);
/* Makes it in state OPENING with user and address counted. ED_LIMIT with *ret_which: "user", ... */
int turn_allocation_new(struct turn_request *q, uint32_t lifetime_s, struct turn_allocation **ret,
    const char **ret_which) ED_MUST_CHECK;
/* Act for the first family that is wanted and not open. */
enum turn_port { TURN_PORT_ANY, TURN_PORT_EVEN, TURN_PORT_PAIR };
void turn_open_relay(
    struct turn_server *s, struct turn_allocation *a, enum turn_port port, struct turn_acts *acts);
void turn_set_expiry(
    struct turn_server *s, struct turn_allocation *a, uint32_t lifetime_s, uint64_t now_ms);
/* Closes its relays and forgets it. */
void turn_end(
    struct turn_server *s, struct turn_allocation *a, const char *why, struct turn_acts *acts);
/* Closes its relays, keeps it for retransmissions of request id. */
void turn_release(struct turn_request *q);
void turn_reap(struct turn_server *s);

/* pay.c */
/* Bandwidth of port and user; counts traffic. False: drop. */
bool turn_pay(
    struct turn_server *s, struct turn_allocation *a, int dir, uint32_t n, uint64_t now_ms);
/* The same for a stream's, which have been read: turn_server_stream_wait says what follows. */
void turn_owe(
    struct turn_server *s, struct turn_allocation *a, int dir, uint32_t n, uint64_t now_ms);

/* That went by: in a's counts and ours. */
void turn_count_relayed(
    struct turn_server *s, struct turn_allocation *a, int dir, uint64_t packets, uint64_t bytes);

/* auth.c */
/* True: authenticated, q->key is set. False: answered, dropped, or waits for its key. */
bool turn_authenticate(struct turn_request *q);

/* reply.c */
/* kind: STUN_SUCCESS or STUN_ERROR. */
void turn_reply_start(struct turn_request *q, struct stun_writer *w, unsigned kind);
/* Adds integrity when q->key is set (and FINGERPRINT when asked so), sends. */
void turn_reply_end(struct turn_request *q, struct stun_writer *w);
void turn_reply_error(struct turn_request *q, unsigned code);
/* Without integrity, with realm and nonce, within what an unknown sender may draw. */
void turn_reply_challenge(struct turn_request *q, unsigned code);
void turn_reply_binding(struct turn_request *q, bool rfc3489);

/* relay.c */
void turn_indication_id(
    struct turn_server *s, const struct stun_dialect *d, uint8_t id[STUN_ID_LEN]);
enum turn_rule turn_judge(struct turn_request *q, const struct addr *peer, bool has_port);
/* Content of q->pkt from a's relay to wire: paid, counted, one act. */
void turn_relay(struct turn_request *q, const struct addr *wire, struct turn_fast fast);
/* What is left of a flow that ends at until_ms at the latest. */
struct turn_fast turn_fast_of(
    const struct turn_allocation *a, enum turn_fast_kind kind, uint64_t until_ms);

/* reservation.c */
/* NULL: none of that token. */
struct turn_reservation *turn_reservation_find(struct turn_server *s, struct str token);
void turn_reservation_free(struct turn_server *s, struct turn_reservation *r);
/* True: one has ended. */
bool turn_reservations_tick(struct turn_server *s, uint64_t now_ms, struct turn_acts *acts);

/* connection.c */
void turn_connect(struct turn_request *q);
void turn_connection_bind(struct turn_request *q);
/* The allocation that a ConnectionBind speaks of: its key and nonce are the ones to check. */
struct turn_allocation *turn_connection_owner(struct turn_server *s, const struct stun_msg *m);
void turn_connections_done(struct turn_server *s, struct turn_allocation *a);
/* True: one was ended. */
bool turn_connections_tick(struct turn_server *s, uint64_t now_ms, struct turn_acts *acts);

/* standard.c */
/* Address the request names: 0, or the error code. */
unsigned turn_check_peer(struct turn_request *q, struct str value, bool has_port, struct addr *ret);
void turn_standard_request(struct turn_request *q);
void turn_standard_allocated(struct turn_request *q, uint32_t lifetime_s);
void turn_standard_channel_data(struct turn_request *q);

/* ms.c */
void turn_ms_request(struct turn_request *q);
void turn_ms_allocated(struct turn_request *q, uint32_t lifetime_s);
void turn_ms_data(struct turn_request *q);
/* An exact peer address that something came from; Set Active Destination may name it. */
void turn_ms_heard(struct turn_ms *ms, const struct addr *from);
void turn_ms_done(struct turn_ms *ms);

#endif

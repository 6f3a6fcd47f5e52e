/* SPDX-License-Identifier: MIT
 *
 * access/engine.h: what the files of the core share and nobody else includes: the worker's state,
 * and the few functions by which one file hands a message to the next.
 *
 *   core.c     life, time, the inputs that are not bytes
 *   ingress.c  bytes -> frames -> parsed messages; deadlines, rates
 *   request.c  one request: verdict, transaction, route, out
 *   response.c one response: transaction, out; what ends a transaction otherwise
 *   route.c    which connection a request leaves on: next hop, client, sibling
 *   partner.c  the edges of other organisations: DNS, links, attempts
 *   federate.c requests of partners: what the DNS says, limits of discovered ones, what the log
 * says egress.c   bytes onto connections; answers of our own
 */
#ifndef EDGED_ACCESS_ENGINE_H
#define EDGED_ACCESS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/core.h"
#include "access/counters.h"
#include "access/facts.h"
#include "access/flow.h"
#include "access/hide.h"
#include "access/home.h"
#include "access/limits.h"
#include "access/lockout.h"
#include "access/lookup.h"
#include "access/nexthop.h"
#include "access/park.h"
#include "access/partner.h"
#include "access/policy.h"
#include "access/reply.h"
#include "access/sibling.h"
#include "access/timeq.h"
#include "access/trace.h"
#include "access/txn.h"
#include "access/view.h"
#include "access/watch.h"
#include "sipparse/arena.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"

#define ENGINE_BLOCK_LEN      (96u * 1024u) /* lent to the arena: an ordinary message needs no more */
#define ENGINE_ARENA_CAP      (16u * 1024u * 1024u)
#define ENGINE_HOLD_MS        1500u /* a request waits so long for the first next hop link */
#define ENGINE_STRIKES        5u    /* foreign Routes in ENGINE_STRIKES_MS (access-edge-sip 6.4) */
#define ENGINE_STRIKES_MS     60000u
#define ENGINE_RETRY_AFTER_S  5u
#define ENGINE_TXNS_STRANGER  32u   /* open transactions of a client that has not signed in */
#define ENGINE_TXNS_CLIENT    1024u /* of one that has */
#define ENGINE_TXNS_PARTNER   4096u /* of one connection of a partner */
#define ENGINE_LINK_QUEUE     (192u * 1024u) /* output of a link beyond which requests get 503 */
#define ENGINE_WAIT_MS        10000u /* 11.6: a request of a partner that waits so long gets 503 */
#define ENGINE_LOOKUPS        4u     /* domains that one request may name (From, identities) */
#define ENGINE_WAITING        256u   /* requests of one connection that wait for the DNS */
#define ENGINE_IDLE_SERVER_MS 1200000u /* 8.1: connections of servers */

struct access {
	const struct access_ops *ops;
	void *net;
	struct view *view;
	struct token_ring *ring;
	unsigned slot, n_workers;
	uint64_t now_ms;
	int64_t now_s;
	struct flow_table flows;
	struct txn_table txns;
	struct nexthop nexthop;
	struct limits limits;
	struct homes homes;
	struct hash_key hash_key;
	struct partners partners;
	struct park park;
	struct park_queue waiting; /* requests of partners that wait for the DNS */
	struct list partner_flows; /* FLOW_PARTNER, up */
	struct watch *watch;
	struct lockout *lockout;
	struct trace *trace; /* NULL: nobody traces */
	struct watch_limits watch_limits;
	struct parked *showing; /* the parked request that is shown again now */
	uint32_t round;
	uint64_t watched_ms;
	bool in_message, wake_waiting;
	struct arena arena; /* of the message in hand */
	char *block;
	struct timeq first_message, sign_in, header, body, nap;
	struct list inside;   /* FLOW_INSIDE connections */
	struct list siblings; /* FLOW_SIBLING, the longest unused first */
	uint32_t n_siblings, n_clients, n_signed_in, n_held;
	uint32_t n_dealt_with;    /* messages of the bytes in hand */
	uint8_t *sibling_out;     /* one message on its way to a sibling, IPC_MSG_MAX */
	uint32_t sibling_seen[8]; /* bit set: that slot has been handed a request */
	bool draining, ticking;
	unsigned random_left;
	uint8_t random[512];
	struct sip_limits from_client, from_server;
};

/* What hide.c gave us to keep; NULL when it is gone already. */
static inline const struct hide_keep *
engine_keep(const struct txn *x)
{
	return (const struct hide_keep *)(const void *)x->keep.p;
}

/* ---- core.c ---- */
void engine_work(struct access *ax, struct work *ret); /* surroundings for the pure functions */
void engine_facts(const struct flow *f, struct facts *ret);
uint64_t engine_random(struct access *ax);
enum facts_peer engine_peer(const struct flow *f);
void engine_close(struct flow *f, enum access_end why);
/* Do not read from f for that long. */
void engine_nap(struct flow *f, uint32_t ms);
void engine_wake_held(struct access *ax);
const struct conf *engine_conf(const struct access *ax);
extern const struct nexthop_ops engine_nexthop_ops;

/* ---- ingress.c ---- */
void ingress_deadline(struct flow *f, enum access_counter why, const char *what);

/* A parked request once more; ED_STATE: it has to go on waiting. */
int ingress_show_again(struct flow *f, struct parked *x);

/* ---- request.c ---- */
/* ED_OK: done with, whatever became of it; ED_STATE: hold it, show it again later. */
int request_take(struct flow *f, const struct sip_msg *m);

/* ---- softlock.c ---- */
/* The user of this request has been locked for wrong passwords, and did not sign in on f before. */
bool softlock_holds(const struct flow *f, const struct sip_msg *m);
/* m, a response, says that a password was wrong, or right. */
void softlock_failed(const struct flow *f, const struct sip_msg *m);
void softlock_good(const struct flow *f, const struct sip_msg *m);
/* The same from a sibling. */
void softlock_heard(struct access *ax, const struct sibling_msg *s);
/* An administrator ends the lock of user@host, in lower case. False: there is none. */
bool softlock_release(struct access *ax, struct str aor);

/* ---- response.c ---- */
void response_take(struct flow *f, const struct sip_msg *m);
void response_timers(struct access *ax);
/* f is going away: what was sent on it and is open is answered or dropped. */
void response_flow_lost(struct flow *f);
/* Ends x, with the count of its connection. */
void response_txn_free(struct access *ax, struct txn *x);

/* ---- route.c ---- */
struct route {
	enum { ROUTE_FLOW, ROUTE_HOLD, ROUTE_SIBLING, ROUTE_PARK, ROUTE_REFUSE } kind;
	struct flow *to;
	unsigned slot;                /* ROUTE_SIBLING */
	struct partner *partner;      /* ROUTE_PARK */
	enum traffic traffic;         /* of the partner it goes to */
	bool shared_space;            /* and whether that shares our address space */
	struct str more;              /* ROUTE_REFUSE: further parameters of ms-diagnostics */
	const char *event, *event_id; /* ROUTE_REFUSE: what the log says; NULL: little */
	const char *reason;
	struct hide_route no; /* ROUTE_REFUSE: its status, reason, lines, diag */
	enum access_counter why;
};
void route_choose(struct flow *f, const struct facts *facts, const struct sip_msg *m,
    const struct hide_route *h, struct route *ret);
/* The network takes no more for `to`: it is ending, access_flow_down is on its way. */
void route_lost(struct flow *to);

/* ---- federate.c ---- */
/* The DNS is to say who speaks for domain: true when facts are at hand, else *ret_r is ED_STATE
 * (wait) or ED_LIMIT. */
bool federate_ask(struct flow *f, struct str domain, int *ret_r);
/* What discovered partners may do (11.6): ED_OK; ED_STATE, with the time in f->hold_ms; ED_DENIED.
 */
int federate_limit(struct flow *f, const struct policy_verdict *v, const struct sip_msg *m);
/* A request of that connection was refused: more of them than it may send slow it down. */
void federate_refused(struct flow *f);
/* A final response went back to a discovered partner. */
void federate_answered(struct access *ax, struct str domain, uint16_t status);
/* 403, 407 and the failures of a server are said to the Edge rather than to a user of it. */
bool federate_is_no(uint16_t status);
/* FED-3002: domain's server refused a request of ours. Its reason is all that its administrator can
 * be asked about. */
void federate_said_no(const struct flow *f, struct str domain, const struct sip_msg *m);
/* One line for a partner's request that was refused: rule and deciding fact. */
void federate_say(const struct flow *f, const struct policy_verdict *v, const struct sip_msg *m);
/* Keep the request for later; ED_LIMIT, ED_NOMEM. */
int federate_park(struct flow *f, const struct sip_msg *m, const struct txn_key *key,
    struct str domain) ED_MUST_CHECK;
/* True when an earlier request of that connection and domain is still parked. */
bool federate_is_behind(const struct flow *f, struct str domain);
/* Look at all that wait; not from inside the handling of a message. */
void federate_wake(struct access *ax);
void federate_tick(struct access *ax);

/* ---- egress.c ---- */
char *egress_reserve(struct flow *to, size_t n);
void egress_commit(struct flow *to, size_t n);
/* method, below too, is what is counted: enum sip_method or MESSAGE_RESPONSE. */
int egress_text(struct flow *to, struct str text, unsigned method);
/* ED_LIMIT: the output of `to` is full. Counts. */
int egress_edits(struct flow *to, struct sip_edits *e, unsigned method);
/* Answer m, unless it is an ACK or BENOTIFY, which get none; counts and logs why. */
void egress_answer(
    struct flow *f, const struct facts *facts, const struct sip_msg *m, struct reply_spec *s);
/* Hand a request that came on `from` to the worker of that slot. */
int egress_hand_over(struct flow *from, unsigned slot, struct str bytes);
/* Siblings forget the connection. */
void egress_tell_gone(struct flow *f);
/* An OPTIONS of our own on a next hop link. */
void egress_probe(struct access *ax, struct nexthop_link *l);

#endif

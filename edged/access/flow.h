/* SPDX-License-Identifier: MIT
 *
 * access/flow.h: the connections of a worker as the proxy sees them, by connection id
 * (access-edge-sip 1.2): which side, what kind of peer, what it has done so far.
 *
 * Life: flow_new before the TLS handshake (nobody finds it yet), flow_admit when the peer is known
 * (gets its cid, can be found), flow_free when the connection is gone. The connection itself
 * belongs to the network below (`conn`, opaque here). A flow of a sibling stands for a connection
 * of another worker: it has that worker's cid and is written to through the sibling.
 *
 * Whoever wants to remember a flow across messages keeps its cid and asks flow_find again.
 */
#ifndef EDGED_ACCESS_FLOW_H
#define EDGED_ACCESS_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "access/timeq.h"
#include "base/addr.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"
#include "sipparse/frame.h"

struct access;
struct lookups; /* access/lookup.h */
struct nexthop_link;
struct partner_link; /* access/partner.h */

enum flow_kind {
	FLOW_CLIENT,  /* from outside, showed no certificate */
	FLOW_PARTNER, /* from outside, with a verified certificate */
	FLOW_INSIDE,  /* accepted on the internal listener from a trusted server */
	FLOW_LINK,    /* opened by us to a member of the next hop */
	FLOW_SIBLING, /* an INSIDE or LINK of another worker */
};

struct flow_names { /* of the peer's certificate; one allocation */
	uint16_t n;
	struct str v[];
};

struct flow_cert { /* of a partner, for people */
	int64_t not_after;
	char serial[64];
	char issuer[160];
	char version[12];
};

/* cid: 8 bits slot of the worker, 40 bits counter, 8 bits zero. */
#define FLOW_CID(slot, counter)                                                                    \
	((uint64_t)((slot)&0xff) << 48 | ((uint64_t)(counter)&0xffffffffffu) << 8)
#define FLOW_CID_SLOT(cid) ((unsigned)((cid) >> 48 & 0xff))

struct flow {
	struct hash_node node;
	uint64_t cid; /* 0: not admitted */
	void *conn;   /* the network's handle; NULL for a sibling's */
	struct access *ax;
	struct flow_names *names;       /* owned; NULL for clients */
	struct nexthop_link *link;      /* FLOW_LINK: borrowed back pointer */
	struct partner_link *plink;     /* FLOW_PARTNER that we opened: borrowed back pointer */
	struct lookups *lookups;        /* FLOW_PARTNER: what the DNS says of its domains; owned */
	struct flow_cert *cert;         /* FLOW_PARTNER; owned */
	struct room_partner *list_room; /* the room's, for its revocation check */
	struct list sent; /* transactions whose request went out here, nothing came back yet */
	struct list open; /* the same once a response came, until they end */
	uint64_t waiting_since_ms; /* of the first request sent after the last byte in; 0: none */
	struct list peers;         /* INSIDE, SIBLING, PARTNER: in the core's list of its kind */
	struct timeq_node setup;   /* first message, then sign-in */
	struct timeq_node partial; /* header block, then body, of the open message */
	struct timeq_node nap;     /* not read from until then */
	uint64_t held_since_ms;    /* its next request waits for a next hop link; 0: none does */
	struct addr peer, local;
	struct sip_framer framer;
	uint64_t born_ms, last_in_ms;
	uint64_t strikes_since_ms;
	uint32_t n_txns; /* open transactions whose request came from here */
	uint32_t idle_ms;
	uint32_t tokens_at;   /* ms since birth at which the bucket was filled last */
	uint16_t tokens;      /* requests it may still send before signing in */
	uint8_t kind;         /* enum flow_kind */
	uint8_t strikes;      /* foreign Routes in the window */
	uint8_t failed_auths; /* 401 or 407 after credentials, in that minute */
	uint32_t failed_minute;
	uint32_t hold_ms;     /* its held request is looked at again after that */
	uint32_t n_parked;    /* requests of it that wait in the core */
	uint32_t slow_tokens; /* FLOW_PARTNER: thousandths, for what nobody lists (federate.c) */
	uint64_t slow_ms;     /* filled then */
	uint32_t stalled;     /* round in which one of them had to go on waiting */
	bool federation_port : 1; /* came in on the federation listener */
	bool closing : 1;
	bool had_message : 1; /* the first complete message has come */
	bool signed_in : 1;   /* a REGISTER got 200, or (anonymous) an INVITE a 2xx */
	bool anonymous : 1;   /* signed in by INVITE of anonymous.invalid */
	bool in_body : 1;     /* the open message has its header block */
	bool napping : 1;
	bool counted : 1;    /* the request that waits has been counted against its limits */
	bool keep_alive : 1; /* ms-keep-alive was negotiated */
	bool was_up : 1;
	bool list_due : 1;   /* not up yet: the room waits for a revocation list */
	bool chain_good : 1; /* FLOW_PARTNER: its certificate held */
	bool by_us : 1;      /* FLOW_PARTNER: we opened it */
	uint16_t member;     /* next hop member its requests keep to, + 1; 0: none yet */
};

struct flow_table {
	struct hash_table by_cid;
	uint64_t next_counter;
	unsigned slot;
};

int flow_table_init(struct flow_table *t, unsigned slot, uint64_t counter_base) ED_MUST_CHECK;
/* All flows must be gone. */
void flow_table_done(struct flow_table *t);

struct flow *flow_new(enum flow_kind kind);
struct flow *flow_free(struct flow_table *t, struct flow *f);

/* Gives f its cid and makes it findable; a FLOW_SIBLING brings its own in f->cid. */
void flow_admit(struct flow_table *t, struct flow *f);
/* NULL when no such connection lives here (or it is closing). */
struct flow *flow_find(const struct flow_table *t, uint64_t cid);

/* Copies the names, lower case. */
int flow_set_names(struct flow *f, const struct str *v, uint16_t n) ED_MUST_CHECK;
bool flow_has_name(const struct flow *f, struct str name); /* no case */

static inline bool
flow_is_external(const struct flow *f)
{
	return f->kind == FLOW_CLIENT || f->kind == FLOW_PARTNER;
}

static inline bool
flow_is_inside(const struct flow *f)
{
	return !flow_is_external(f);
}

#endif

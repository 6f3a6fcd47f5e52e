/* SPDX-License-Identifier: MIT
 *
 * access/core.h: the Access Edge of one worker: connections and SIP bytes in, acts out. No socket,
 * no clock and no randomness of its own: all that comes through struct access_ops, so a scenario
 * test runs this very code over a made-up network (test/scenario), and access/room.c binds it to
 * net/.
 *
 * Life: access_new with a view of the configuration, access_start; then inputs in any order: a
 * connection comes up (access_flow_new, access_flow_up), brings bytes (access_flow_bytes), goes
 * down (access_flow_down); a name resolves; a sibling speaks; time passes (access_tick). Reload:
 * access_set_view. Last: access_free, when all flows are down.
 *
 * One thread. No input may be given from inside an op, except where the op's comment says so.
 *
 * Spec: docs/spec/access-edge-engine.md.
 */
#ifndef EDGED_ACCESS_CORE_H
#define EDGED_ACCESS_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/flow.h"
#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

struct access;
struct token_ring; /* access/token.h */
struct view;       /* access/view.h */
struct tls_facts;  /* net/tls.h */

enum access_end {        /* why the core closes a connection; the room maps it to enum conn_end */
	ACCESS_END_DONE, /* nothing wrong: drain, member left the pool */
	ACCESS_END_REFUSED, /* policy: not a trusted name, too many strikes */
	ACCESS_END_BROKEN,  /* framing is lost */
	ACCESS_END_DEADLINE,
	ACCESS_END_SILENT, /* a next hop link that no longer answers */
};

struct access_list {
	const char *url, *state, *why;
	int64_t next_update; /* seconds since 1970; 0: none */
	uint32_t entries;
};

struct access_ops {
	/*
	 * n writable bytes at the end of f's output, valid until the commit that follows. NULL when
	 * its output is full (then the network is closing f) or f is closing.
	 */
	char *(*reserve)(void *net, struct flow *f, size_t n);
	void (*commit)(void *net, struct flow *f, size_t n);
	/* Send what waits, then close; access_flow_down comes later, never inside. */
	void (*close)(void *net, struct flow *f, enum access_end why);
	void (*pause)(void *net, struct flow *f, bool pause); /* stop or go on reading */
	size_t (*pending)(void *net, const struct flow *f);   /* output not sent yet */
	void (*set_idle)(void *net, struct flow *f, uint32_t idle_ms);
	/* Connect to a member of the next hop; access_flow_up or access_flow_down follow, later. */
	int (*open)(void *net, struct flow *f, const struct addr *addr, const char *host);
	/* access_resolved answers, perhaps before this returns. */
	int (*resolve)(void *net, const char *host, uint32_t source);
	/* Connect to a partner: from the external address, checked for the name `host` and nothing
	 * else. */
	int (*open_partner)(void *net, struct flow *f, const struct addr *addr, const char *host);
	/* _sipfederationtls._tcp of that domain, addresses of that host: access_srv_answer,
	 * access_host_answer, perhaps before this returns. ED_LIMIT, ED_MALFORMED: no answer comes.
	 * for_outsider: asked because an outsider named that domain; such questions may take half
	 * of the places, so that nobody outside keeps us from asking for ourselves.
	 */
	int (*srv)(void *net, const char *domain, bool for_outsider);
	int (*host)(void *net, const char *host);
	/* One message to the worker of that slot; ED_LIMIT when it does not take it now, ED_GONE.
	 */
	int (*to_sibling)(void *net, unsigned slot, struct str bytes);
	void (*random)(void *net, void *p, size_t n);
	uint64_t (*now_ms)(void *net);  /* monotonic */
	uint64_t (*clock_s)(void *net); /* seconds since 1970, for the day of the keys */
	/* Microseconds since the network saw that there were bytes: asked once for each piece of
	 * bytes that held a message. */
	uint64_t (*spent_us)(void *net);
	/* The revocation lists at hand, for people. NULL: there are none. */
	void (*each_list)(
	    void *net, void (*each)(const struct access_list *l, void *arg), void *arg);
};

struct access_params {
	const struct access_ops *ops;
	void *net;
	unsigned slot;
	unsigned n_workers; /* they share the connections to a partner; 0: one */
	uint64_t counter_base;
	struct hash_key hash_key;
	struct view *view;       /* borrowed until access_set_view or access_free returned */
	struct token_ring *ring; /* borrowed; the room keeps its keys fresh */
};

struct access *access_new(const struct access_params *p, const char **ret_why);
/* Open the next hop links; once, when the ops may answer. */
int access_start(struct access *ax, const char **ret_why) ED_MUST_CHECK;
struct access *access_free(struct access *ax);
void *access_net(const struct flow *f); /* access_params.net, for callbacks that have a flow only */

/* A connection whose handshake is under way; conn is handed back through the ops. NULL: no memory.
 */
struct flow *access_flow_new(struct access *ax, enum flow_kind kind, void *conn,
    const struct addr *peer, const struct addr *local, bool federation_port);
/* Its handshake is done. ED_DENIED: the peer's name is not trusted; the caller closes. */
int access_flow_up(struct flow *f, const struct tls_facts *facts) ED_MUST_CHECK;
/* Bytes used up, or a negative enum ed_err: the caller closes after pending output. */
ptrdiff_t access_flow_bytes(struct flow *f, struct str bytes);
/* The connection is gone; f is freed. why: one word for the log. */
void access_flow_down(struct flow *f, const char *why, const char *detail);

void access_resolved(
    struct access *ax, uint32_t source, const struct addr *addrs, uint8_t n, uint32_t ttl_s);

#define ACCESS_SRV_MAX 16
struct access_srv {
	int err; /* ED_OK, ED_GONE (no such record), ED_SYS (no answer) */
	uint32_t ttl_s;
	uint8_t n;
	struct {
		struct str host; /* lower case, no trailing dot */
		uint16_t port;
	} v[ACCESS_SRV_MAX]; /* in the order in which they are to be used (DNS-14) */
};
void access_srv_answer(struct access *ax, const char *domain, const struct access_srv *a);
void access_host_answer(
    struct access *ax, const char *host, int err, const struct addr *addrs, uint8_t n);

void access_sibling_message(struct access *ax, unsigned slot, struct str bytes);
void access_sibling_lost(struct access *ax, unsigned slot);

/* Call at least every ACCESS_TICK_MS. */
#define ACCESS_TICK_MS 100u
void access_tick(struct access *ax);

/* A new view is in force; the one before is not used any more. ED_LIMIT, ED_MALFORMED: the next hop
 * of its configuration is unusable, and the old view stays (access_check_view says so beforehand).
 */
int access_set_view(struct access *ax, struct view *view) ED_MUST_CHECK;
const struct view *access_view(const struct access *ax);

/* POOL-11: new REGISTERs get 503 with Retry-After; the room accepts no new connections. */
void access_drain(struct access *ax);
bool access_is_draining(const struct access *ax);

/* For control and tests. */
struct access_state {
	uint32_t flows, clients, transactions, held, signed_in; /* clients: and partners */
	uint32_t parked;
};
void access_get_state(const struct access *ax, struct access_state *ret);
/* By connection id; NULL: none. */
struct flow *access_flow_find(const struct access *ax, uint64_t cid);
void access_each_flow(struct access *ax, void (*each)(const struct flow *f, void *arg), void *arg);
struct nexthop;
const struct nexthop *access_nexthop(const struct access *ax);

#endif

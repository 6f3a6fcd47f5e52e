/* SPDX-License-Identifier: MIT
 *
 * access/nexthop.h: the pool of inside servers that requests from outside go to (Director or Front
 * End): its members, the standing links of this worker to each, and which of them may be used now.
 *
 * Connections and names are somebody else's (struct nexthop_ops); time comes in. Life of a link:
 * asked for with ops.open, nexthop_link_up or nexthop_link_down, then down again one day. A member
 * is new       never reached yet: requests may wait a moment for its first link up        at least
 * one link stands failed    the last attempt did not succeed, or it fell silent: not tried for
 * messages, only by one link at growing intervals, until that one stands A 503 of a member shuns it
 * for Retry-After; it is used then only when nobody else is up.
 *
 * Silence: a link on which a request went out NEXTHOP_PROBE_MS ago and no byte came since is sent
 * an OPTIONS; NEXTHOP_SILENT_MS after the request it is dead, and the member failed.
 */
#ifndef EDGED_ACCESS_NEXTHOP_H
#define EDGED_ACCESS_NEXTHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

struct flow;
struct nexthop;
struct nexthop_member;

#define NEXTHOP_LINKS_MAX      8
#define NEXTHOP_MEMBERS_MAX    32
#define NEXTHOP_SOURCES_MAX    16
#define NEXTHOP_HOST_LEN       256
#define NEXTHOP_PROBE_MS       800u
#define NEXTHOP_SILENT_MS      2300u
#define NEXTHOP_RETRY_MIN_MS   200u
#define NEXTHOP_RETRY_MAX_MS   500u
#define NEXTHOP_SHUN_MS        5000u /* a 503 without Retry-After */
#define NEXTHOP_SHUN_MAX_MS    30000u
#define NEXTHOP_RESOLVE_MIN_MS 2000u

enum nexthop_link_state { LINK_CLOSED, LINK_OPENING, LINK_UP };

struct nexthop_link {
	struct nexthop_member *member; /* NULL: its member is gone, the link closes */
	struct flow *flow;             /* while OPENING or UP */
	uint64_t probed_ms;
	uint8_t state; /* enum nexthop_link_state */
};

struct nexthop_member {
	struct nexthop *nh;
	char host[NEXTHOP_HOST_LEN]; /* for SNI and the log */
	struct addr addr;
	uint64_t retry_at_ms, shunned_until_ms, failed_since_ms;
	uint32_t retry_ms;
	uint16_t id; /* never 0, not reused while the process lives */
	uint8_t source;
	uint8_t n_up;
	bool failed;
	bool reached;               /* has been up */
	bool gone;                  /* left the configuration or the DNS: no new requests */
	struct nexthop_link *links; /* owned, nh->n_links of them */
};

struct nexthop_source { /* a name, or an address, that gives members */
	char host[NEXTHOP_HOST_LEN];
	uint16_t port;
	bool asked; /* an answer is under way */
	bool used;
	uint64_t ask_at_ms;
};

struct nexthop_ops {
	/* Start connecting; sets l->flow. Failure later comes as nexthop_link_down. */
	int (*open)(void *arg, struct nexthop_link *l);
	/* Close l->flow; nexthop_link_down follows, perhaps before this returns. */
	void (*close)(void *arg, struct nexthop_link *l);
	/* Send an OPTIONS on l. */
	void (*probe)(void *arg, struct nexthop_link *l);
	/* Ask for addresses; nexthop_resolved with the same source answers, perhaps before it
	 * returns. */
	int (*resolve)(void *arg, const char *host, uint32_t source);
};

struct nexthop {
	const struct nexthop_ops *ops;
	void *arg;
	struct nexthop_source sources[NEXTHOP_SOURCES_MAX];
	struct nexthop_member *members[NEXTHOP_MEMBERS_MAX];
	uint8_t n_members;
	uint8_t n_links;
	uint16_t last_id;
	uint32_t probe_interval_ms;
};

void nexthop_init(struct nexthop *nh, const struct nexthop_ops *ops, void *arg);
/* Links must have been closed by the caller. */
void nexthop_done(struct nexthop *nh);

/*
 * Take over a configuration: hosts ("host:port", "host" takes port) replace the ones before;
 * members that stay keep their links. ED_LIMIT, ED_MALFORMED.
 */
int nexthop_configure(struct nexthop *nh, const char *const *hosts, uint32_t n_hosts, uint16_t port,
    uint32_t n_links, uint32_t probe_interval_ms, uint64_t now_ms) ED_MUST_CHECK;

void nexthop_resolved(struct nexthop *nh, uint32_t source, const struct addr *addrs, uint8_t n,
    uint32_t ttl_s, uint64_t now_ms);
void nexthop_link_up(struct nexthop_link *l, uint64_t now_ms);
/* why: for the log. */
void nexthop_link_down(struct nexthop_link *l, uint64_t now_ms, const char *why);
/* A final response of 503 came from l. */
void nexthop_refused(struct nexthop_link *l, uint32_t retry_after_s, uint64_t now_ms);
void nexthop_tick(struct nexthop *nh, uint64_t now_ms);

enum nexthop_verdict {
	NEXTHOP_USE,
	NEXTHOP_WAIT, /* none stands, but one is being opened for the first time (again): hold it */
	NEXTHOP_NONE, /* all failed: refuse at once */
};
/*
 * The link for a request of the connection cid. *member is what its earlier requests kept to (0:
 * none) and is updated. All requests of one connection take one link while it stands, which keeps
 * their order.
 */
enum nexthop_verdict nexthop_pick(struct nexthop *nh, uint64_t cid, uint16_t *member,
    uint64_t now_ms, struct nexthop_link **ret_link);

#endif

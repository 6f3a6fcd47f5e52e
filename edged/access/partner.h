/* SPDX-License-Identifier: MIT
 *
 * access/partner.h: the edges of other organisations that this worker sends requests to: where they
 * are, the TLS links to each, what happened to the attempts (access-edge-sip 11.1 to 11.3,
 * DNS-09, DNS-14, DNS-15).
 *
 * Life of an attempt: partner_pick finds the partner idle and asks the DNS (SRV of its domain, or
 * the address of its configured proxy); access_srv_answer and access_host_answer bring hosts in
 * DNS-14 order and addresses, each of which is tried in turn; partner_link_up ends it well, a
 * reason that stays for `retry_ms` ends it badly: until then requests are refused at once with that
 * reason. Meanwhile requests are parked in its queue (access/park.h), and shown again at the end,
 * whatever the end was.
 *
 * One link at first; when all of them have output waiting, another one, up to
 * federation.outgoing_tls_count divided among the workers. What has neither links nor queue makes
 * room, oldest use first, beyond PARTNERS_MAX.
 */
#ifndef EDGED_ACCESS_PARTNER_H
#define EDGED_ACCESS_PARTNER_H

#include <stdbool.h>
#include <stdint.h>

#include "access/diag.h"
#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "access/park.h"
#include "base/str.h"

struct access;
struct access_srv; /* access/core.h */
struct flow;
struct policy_target;

#define PARTNERS_MAX         1000u
#define PARTNER_LINKS_MAX    4u
#define PARTNER_HOSTS_MAX    16u
#define PARTNER_QUEUE_MAX    512u   /* requests that wait for one partner's first link */
#define PARTNER_ATTEMPT_MS   12000u /* all of DNS, connects and handshakes */
#define PARTNER_RETRY_MIN_MS 500u
#define PARTNER_RETRY_MAX_MS 30000u
#define PARTNER_GROW_BYTES   16384u /* output waiting on each link that asks for one more */
#define PARTNER_GROW_MS      5000u  /* after one that failed */
#define PARTNER_SILENT_MS                                                                          \
	35000u /* a request went out and no byte came since: timer F and a bit                     \
		*/
#define PARTNER_PORT 5061u

enum partner_state { PARTNER_IDLE, PARTNER_SRV, PARTNER_HOST, PARTNER_CONNECT, PARTNER_UP };

struct partner_link {
	struct partner *partner;
	struct flow *flow; /* NULL: closed */
	bool up;
};

struct partner {
	struct hash_node node;
	struct list lru;
	struct list busy; /* in partners.busy while an attempt is under way */
	struct park_queue queue;
	struct access *ax;
	char *
	    name; /* the domain whose SRV record leads there, or the proxy's own name; lower case */
	bool by_srv;
	bool failed;
	bool due;      /* the queue is to be shown again */
	uint8_t state; /* enum partner_state */
	uint8_t n_hosts, at_host, n_addrs, at_addr, n_up;
	struct {
		char *name; /* owned */
		uint16_t port;
	} hosts[PARTNER_HOSTS_MAX];
	struct addr addrs[PARTNER_HOSTS_MAX];
	struct partner_link links[PARTNER_LINKS_MAX];
	struct addr up_addr; /* of the last link that came up, and the name it was checked for */
	char *up_host;
	enum diag diag; /* why the last attempt failed */
	char why[224];  /* what, and a host name of the longest kind; cut beyond */
	uint32_t retry_ms;
	uint64_t started_ms, retry_at_ms, grow_at_ms, used_ms, since_ms;
	uint64_t requests, connects, failures;
};

struct partners {
	struct hash_table by_name;
	struct list lru; /* most recently used first */
	struct list busy;
	uint32_t n, n_due;
	uint32_t n_links; /* for each partner, of this worker */
};

int partners_init(struct partners *ps) ED_MUST_CHECK;
/* All links must be down. */
void partners_done(struct access *ax);

enum partner_verdict {
	PARTNER_USE,  /* *ret_flow */
	PARTNER_WAIT, /* park it in *ret: partner_park */
	PARTNER_NO,   /* refuse it with (*ret)->diag; *ret NULL: no room for one more */
};
/* spread: requests with the same number keep to one link while that stands. */
enum partner_verdict partner_pick(struct access *ax, const struct policy_target *t,
    struct str domain, uint64_t spread, struct partner **ret, struct flow **ret_flow);

/* DNS answers; domain and host as asked. */
void partners_srv(struct access *ax, struct str domain, const struct access_srv *a);
void partners_host(
    struct access *ax, struct str host, int err, const struct addr *addrs, uint8_t n_addrs);
void partner_link_up(struct flow *f);
/* f is ending; why and detail as in access_flow_down. */
void partner_link_down(struct flow *f, const char *why, const char *detail);
/* Attempts that take too long, links that fell silent, queues to be shown again. */
void partners_tick(struct access *ax);
/* Show the queues that are due again; not from inside the handling of a message. */
void partners_flush(struct access *ax);
const char *partner_state_name(const struct partner *p);

#endif

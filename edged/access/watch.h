/* SPDX-License-Identifier: MIT
 *
 * access/watch.h: what discovered partners may do: their rate, how many of our users they may
 * address, and who of them behaves like a scanner (FED-20 to FED-25, access-edge-sip 11.6).
 *
 * Pure: time comes in as now_ms, users come in as hashes made by the caller's keyed hash. The table
 * has a fixed number of places; the partner longest unseen makes room (FED-24), so hostile domains
 * cannot grow it. A partner in the allow list is never put in here: that is how an administrator
 * lifts the limits (FED-23). Asked by access/core for each request from a discovered partner.
 */
#ifndef EDGED_ACCESS_WATCH_H
#define EDGED_ACCESS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

struct watch;

struct watch_limits {
	uint32_t places;        /* partners remembered */
	uint32_t rate_per_s;    /* DiscoveredPartnerStandardRate: 20 */
	uint32_t burst;         /* 100 */
	uint32_t slow_per_s;    /* once suspicious: 1 */
	uint32_t contacts;      /* MaxContactsPerDiscoveredPartner: 1000; 0: no such limit */
	uint32_t window_ms;     /* DiscoveredPartnerReportPeriodMinutes: 60 min */
	uint32_t suspect_after; /* final responses within 5 min before the ratio counts: 20 */
};

#define WATCH_LIMITS_DEFAULT                                                                       \
	((struct watch_limits){.places = 1024,                                                     \
	    .rate_per_s = 20,                                                                      \
	    .burst = 100,                                                                          \
	    .slow_per_s = 1,                                                                       \
	    .contacts = 1000,                                                                      \
	    .window_ms = 3600u * 1000u,                                                            \
	    .suspect_after = 20})

enum watch_state {
	WATCH_NORMAL,
	WATCH_THROTTLED,  /* over its rate within the last minute (FED-21) */
	WATCH_SUSPICIOUS, /* mostly failing targets (FED-22) */
	WATCH_CONTACTS,   /* addressed too many of our users (FED-20) */
};

enum watch_verdict {
	WATCH_PASS,
	WATCH_WAIT,   /* over the rate: read no further for ret_wait_ms */
	WATCH_REFUSE, /* a user beyond the contact limit */
};

/* What `edgectl partners` shows of one. Views live until the next call on the table. */
struct watch_row {
	struct str domain;
	enum watch_state state;
	uint64_t first_ms, last_ms;
	uint64_t requests, refused, waited;
	uint32_t contacts;         /* distinct users of ours in this window */
	uint32_t finals, failures; /* in the current 5 minutes */
};

struct watch *watch_new(const struct watch_limits *lim, const struct hash_key *key);
struct watch *watch_free(struct watch *w);

/*
 * One request from a discovered partner.
 *
 * domain   lower case, proven for the connection it came on; borrowed, copied when new
 * contact  hash of the addressed user (From our keyed hash of the lower-case URI without
 * parameters)
 *
 * WATCH_WAIT takes no token: ask again after *ret_wait_ms. *ret_entered (may be NULL) tells that
 * this very call moved the partner to a worse state, for one log event and not one a message.
 */
enum watch_verdict watch_request(struct watch *w, struct str domain, uint64_t contact,
    uint64_t now_ms, uint32_t *ret_wait_ms, enum watch_state *ret_entered);

/* It is held back for another reason than its own bucket (its connection's): it counts as over its
 * rate, too. */
void watch_held(struct watch *w, struct str domain, uint64_t now_ms, enum watch_state *ret_entered);

/* A final response went back to that partner. */
void watch_response(struct watch *w, struct str domain, uint16_t status, uint64_t now_ms,
    enum watch_state *ret_entered);

/* Forget what is held against domain (`edgectl partners release`). False when it is not there. */
bool watch_release(struct watch *w, struct str domain);

void watch_each(const struct watch *w, uint64_t now_ms,
    void (*each)(const struct watch_row *row, void *arg), void *arg);
const char *watch_state_name(enum watch_state s);

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/lookup.h: what the DNS says about the domains that a partner's connection speaks for, as
 * the facts that access/policy judges by (access-edge-sip 3.2 step 6).
 *
 * Each connection remembers its own answers, for their TTL but no longer than an hour, at most
 * LOOKUP_DOMAINS of them (the one longest unused makes room), at most LOOKUP_ASKED_MAX questions
 * under way at a time. No answer within LOOKUP_MS is remembered as FACTS_SRV_FAILED for
 * LOOKUP_FAILED_MS: then the verdict is no, and the DNS gets a pause. Nothing here decides.
 */
#ifndef EDGED_ACCESS_LOOKUP_H
#define EDGED_ACCESS_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "access/facts.h"
#include "base/err.h"
#include "base/str.h"

struct access_srv; /* access/core.h */

#define LOOKUP_DOMAINS   16u
#define LOOKUP_ASKED_MAX 4u /* questions of one connection under way */
#define LOOKUP_MS        5000u
#define LOOKUP_FAILED_MS 5000u
#define LOOKUP_LIFE_S    3600u

struct lookup_entry {
	uint64_t asked_ms, expires_ms, used_ms;
	bool pending;
	char *text; /* owned: domain and targets */
};

struct lookups { /* of one connection */
	uint32_t n;
	struct facts_srv srv[LOOKUP_DOMAINS];
	struct str *targets[LOOKUP_DOMAINS]; /* owned */
	struct lookup_entry entry[LOOKUP_DOMAINS];
};

struct lookups *lookups_free(struct lookups *l);

enum lookup_state {
	LOOKUP_KNOWN,   /* facts are at hand */
	LOOKUP_PENDING, /* asked, wait */
	LOOKUP_ASK,     /* the caller asks the DNS now; *ret_i is pending from here on */
	LOOKUP_FULL,    /* too many are under way, or no memory: wait and ask again */
};
/* domain in any case; *l is made at the first one. */
enum lookup_state lookup_get(
    struct lookups **l, struct str domain, uint64_t now_ms, struct str *ret_domain);
/* The DNS takes no more questions now: ask again later. */
void lookup_put_off(struct lookups *l, struct str domain);
/* False when nothing waits for that domain (lower case). */
bool lookup_answer(
    struct lookups *l, struct str domain, const struct access_srv *a, uint64_t now_ms);
bool lookup_is_pending(const struct lookups *l, struct str domain, uint64_t now_ms);

#endif

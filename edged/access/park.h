/* SPDX-License-Identifier: MIT
 *
 * access/park.h: requests that wait for something other than their own connection: for the DNS to
 * say who may speak for a domain, or for the first link to a partner. Their bytes are kept and
 * shown again later; the connection they came on goes on with what belongs to others.
 *
 * All requests of a worker that are parked share two caps, number and octets; beyond them a caller
 * stops reading (outside) or answers 503 (inside). A request is found by the key of its
 * transaction, so that its CANCEL reaches it.
 */
#ifndef EDGED_ACCESS_PARK_H
#define EDGED_ACCESS_PARK_H

#include <stdbool.h>
#include <stdint.h>

#include "access/txn.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"

#define PARK_REQUESTS_MAX 4096u
#define PARK_BYTES_MAX    (8u * 1024u * 1024u)

struct park {
	struct hash_table by_key;
	uint32_t n;
	size_t bytes;
};

struct park_queue { /* somebody's own, first come first */
	struct list head;
	uint32_t n, n_max; /* 0: only the caps of all hold */
	size_t bytes, bytes_max;
};

struct parked {
	struct hash_node node;
	struct list link;
	struct park_queue *queue;
	struct txn_key key;
	uint64_t from_cid; /* the connection it came on */
	uint64_t since_ms;
	uint8_t method;           /* enum sip_method */
	bool counted;             /* a token of its sender has been taken for it */
	struct str domain, bytes; /* both behind the struct */
};

struct park_item { /* what is to be parked; borrowed, copied */
	uint64_t from_cid;
	const struct txn_key *key;
	enum sip_method method;
	struct str domain, bytes;
};

/* What one queue may take of the two caps, so that one crowd does not starve the others. */
void park_queue_init(struct park_queue *q, uint32_t n_max, size_t bytes_max);
int park_init(struct park *p) ED_MUST_CHECK;
/* All queues must be empty. */
void park_done(struct park *p);

/* At the end of queue. ED_LIMIT when a cap is reached, ED_NOMEM. */
int park_put(struct park *p, struct park_queue *queue, const struct park_item *item,
    uint64_t now_ms, struct parked **ret) ED_MUST_CHECK;
/* Out of its queue, and not found any more; the caller shows its bytes, then park_free. */
void park_take(struct park *p, struct parked *x);
void park_free(struct park *p, struct parked *x);
/* The parked request of that transaction (for CANCEL and ACK: the INVITE); NULL if none. */
struct parked *park_find(const struct park *p, const struct txn_key *key);

#endif

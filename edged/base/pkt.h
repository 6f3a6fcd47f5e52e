/* SPDX-License-Identifier: MIT
 *
 * base/pkt.h: a counted datagram buffer with written-down headroom, so that a framing header goes
 * in front of a relayed payload without a copy.
 *
 * Life: pkt_get takes one from a pool (which grows up to its cap, then answers NULL), pkt_ref and
 * pkt_unref count, the last pkt_unref gives it back. pkt_push and pkt_pull check; they do not
 * trust. The pool outlives its packets. One thread.
 */
#ifndef EDGED_BASE_PKT_H
#define EDGED_BASE_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define PKT_HEADROOM 64u /* TURN data indication over TCP with an IPv6 peer: 4 + 56 */
#define PKT_TAILROOM 4u  /* STUN attribute padding */

struct pkt_pool;

struct pkt {
	struct pkt_pool *pool;
	struct pkt *next; /* free list, or a send queue of its holder */
	uint8_t *data;    /* first byte of the content */
	uint32_t len;     /* of the content */
	uint32_t room;    /* bytes behind buf: headroom, content and tailroom */
	uint32_t refs;
	uint8_t buf[];
};

/* content: largest datagram; cap: most packets that exist at a time. */
struct pkt_pool *pkt_pool_new(uint32_t content, uint32_t cap);
/* All packets have come back. */
struct pkt_pool *pkt_pool_free(struct pkt_pool *pool);
uint32_t pkt_pool_in_use(const struct pkt_pool *pool);
uint32_t pkt_pool_content(const struct pkt_pool *pool);

/* Empty, with PKT_HEADROOM in front; NULL at the cap or without memory. */
struct pkt *pkt_get(struct pkt_pool *pool);
struct pkt *pkt_ref(struct pkt *p);
struct pkt *pkt_unref(struct pkt *p); /* NULL is fine; returns NULL */

/* n bytes more in front; NULL when the headroom does not hold them. */
uint8_t *pkt_push(struct pkt *p, uint32_t n);
/* n bytes more behind; NULL when they do not fit. */
uint8_t *pkt_put(struct pkt *p, uint32_t n);
/* Drop n bytes in front; ED_MALFORMED when there are fewer. */
int pkt_pull(struct pkt *p, uint32_t n) ED_MUST_CHECK;
/* Keep the n bytes at `at`; ED_MALFORMED when they do not lie inside the content. */
int pkt_keep(struct pkt *p, uint32_t at, uint32_t n) ED_MUST_CHECK;

static inline struct str
pkt_str(const struct pkt *p)
{
	return (struct str){(const char *)p->data, p->len};
}

#endif

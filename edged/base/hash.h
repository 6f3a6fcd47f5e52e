/* SPDX-License-Identifier: MIT
 *
 * base/hash.h: keyed hash (SipHash-1-3, 64 bit) for tables whose keys a stranger picks, and an
 * intrusive chained table on top. Not for authentication: that is base/mac.h.
 *
 * Life of a table: hash_init (allocates buckets), hash_insert / hash_find / hash_remove, hash_done
 * (frees the buckets, not the members). It doubles when it holds more members than buckets.
 */
#ifndef EDGED_BASE_HASH_H
#define EDGED_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct hash_key {
	uint64_t k[2]; /* random at start, given by the roof */
};

uint64_t hash_bytes(const struct hash_key *key, const void *p, size_t n);

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_table {
	struct hash_node **buckets;
	size_t n_buckets; /* power of two */
	size_t n;
};

int hash_init(struct hash_table *t, size_t n_buckets) ED_MUST_CHECK;
void hash_done(struct hash_table *t);
/* Never fails: when the table cannot grow its chains get longer. */
void hash_insert(struct hash_table *t, struct hash_node *node, uint64_t hash);
void hash_remove(struct hash_table *t, struct hash_node *node);
/* First node with that hash, then hash_next for more; the caller compares its own key. */
struct hash_node *hash_first(const struct hash_table *t, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);

#endif

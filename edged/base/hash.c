/* SPDX-License-Identifier: MIT
 *
 * base/hash.c: SipHash-1-3 (Aumasson, Bernstein) and the chained table.
 */
#include "base/hash.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotl(uint64_t x, unsigned b)
{
	return (x << b) | (x >> (64 - b));
}

static inline void
sip_round(struct sip_state *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline void
sip_word(struct sip_state *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	s->v0 ^= m;
}

uint64_t
hash_bytes(const struct hash_key *key, const void *p, size_t n)
{
	struct sip_state s = {
	    .v0 = key->k[0] ^ 0x736f6d6570736575u,
	    .v1 = key->k[1] ^ 0x646f72616e646f6du,
	    .v2 = key->k[0] ^ 0x6c7967656e657261u,
	    .v3 = key->k[1] ^ 0x7465646279746573u,
	};
	const uint8_t *at = p;
	uint64_t last = (uint64_t)n << 56;
	size_t left = n;
	uint64_t m;

	for (; left >= 8; left -= 8, at += 8) {
		memcpy(&m, at, 8);
		sip_word(&s, le64toh(m));
	}
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)at[i] << (8 * i);
	sip_word(&s, last);
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

int
hash_init(struct hash_table *t, size_t n_buckets)
{
	size_t n = 8;

	t->buckets = NULL;
	t->n_buckets = t->n = 0;
	while (n < n_buckets) {
		if (n > SIZE_MAX / 2 / sizeof(struct hash_node *))
			return ED_NOMEM;
		n *= 2;
	}
	t->buckets = calloc(n, sizeof(struct hash_node *));
	if (!t->buckets)
		return ED_NOMEM;
	t->n_buckets = n;
	return ED_OK;
}

void
hash_done(struct hash_table *t)
{
	free(t->buckets);
	t->buckets = NULL;
	t->n_buckets = t->n = 0;
}

static void
grow(struct hash_table *t)
{
	size_t n = t->n_buckets * 2;
	struct hash_node **b;

	if (n > SIZE_MAX / 2 / sizeof(struct hash_node *))
		return;
	b = calloc(n, sizeof(struct hash_node *));
	if (!b)
		return;
	for (size_t i = 0; i < t->n_buckets; i++) {
		struct hash_node *node = t->buckets[i];

		while (node) {
			struct hash_node *next = node->next;
			struct hash_node **at = &b[node->hash & (n - 1)];

			node->next = *at;
			*at = node;
			node = next;
		}
	}
	free(t->buckets);
	t->buckets = b;
	t->n_buckets = n;
}

void
hash_insert(struct hash_table *t, struct hash_node *node, uint64_t hash)
{
	struct hash_node **at;

	if (t->n >= t->n_buckets)
		grow(t);
	at = &t->buckets[hash & (t->n_buckets - 1)];
	node->hash = hash;
	node->next = *at;
	*at = node;
	t->n++;
}

void
hash_remove(struct hash_table *t, struct hash_node *node)
{
	struct hash_node **at = &t->buckets[node->hash & (t->n_buckets - 1)];

	for (; *at; at = &(*at)->next) {
		if (*at != node)
			continue;
		*at = node->next;
		node->next = NULL;
		t->n--;
		return;
	}
}

static struct hash_node *
same_hash(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *
hash_first(const struct hash_table *t, uint64_t hash)
{
	return same_hash(t->buckets[hash & (t->n_buckets - 1)], hash);
}

struct hash_node *
hash_next(const struct hash_node *node)
{
	return same_hash(node->next, node->hash);
}

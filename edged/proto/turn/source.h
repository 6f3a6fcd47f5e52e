/* SPDX-License-Identifier: MIT
 *
 * proto/turn/source.h: how much one source address may draw from us before it has shown who it is.
 *
 * Pure. Tables of fixed size, keyed by address without port (IPv6 by /64) under a secret hash; two
 * sources that fall on one entry share it, so a flood costs no memory and proves nothing.
 *
 * Spec: ms-turn 7.7, edge-reference AV-12.
 */
#ifndef EDGED_PROTO_TURN_SOURCE_H
#define EDGED_PROTO_TURN_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"

/* Tokens that come back with time. per_s 0: no limit. */
struct turn_rate {
	uint32_t per_s, burst;
};

#define TURN_SOURCES 4096u

enum turn_source_kind {
	TURN_SOURCE_CHALLENGE, /* 401 and its kind */
	TURN_SOURCE_BINDING,
	TURN_SOURCE_INTEGRITY, /* failures; silence after them */
	TURN_SOURCE__N
};

struct turn_sources;
struct turn_sources *turn_sources_new(const struct hash_key *key);
struct turn_sources *turn_sources_free(struct turn_sources *s);
/* True and one taken, or false. */
bool turn_source_take(struct turn_sources *s, enum turn_source_kind kind,
    const struct turn_rate *rate, const struct addr *from, uint64_t now_ms);
/* True while one could be taken; takes none. */
bool turn_source_has(const struct turn_sources *s, enum turn_source_kind kind,
    const struct turn_rate *rate, const struct addr *from, uint64_t now_ms);

/* Nothing more for ms on top of what the rate says. */
void turn_source_silence(struct turn_sources *s, enum turn_source_kind kind,
    const struct turn_rate *rate, const struct addr *from, uint32_t ms);

/* Bandwidth: bytes that come back with time, one second's worth at most. kbit 0: no limit. */
struct turn_bucket {
	uint64_t last_ms;
	int64_t bytes;
};
bool turn_bucket_take(struct turn_bucket *b, uint64_t kbit, uint32_t n, uint64_t now_ms);
/*
 * For streams, whose bytes have been read before they are counted: they are owed, the bucket goes
 * below nothing; and how many ms nothing more is to be read, until half of a second's worth is
 * there. The other half is for the datagrams that share the bucket: they cannot wait.
 */
void turn_bucket_owe(struct turn_bucket *b, uint64_t kbit, uint32_t n, uint64_t now_ms);
uint64_t turn_bucket_wait_ms(struct turn_bucket *b, uint64_t kbit, uint64_t now_ms);

#endif

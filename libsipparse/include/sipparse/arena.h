/* SPDX-License-Identifier: MIT
 *
 * sipparse/arena.h: memory for one unit of work, dropped whole. The cap is the defence and the
 * test.
 *
 * Life: arena_init over a first block that the caller lends (often on its stack or inside its
 * object), any number of arena_alloc, then arena_reset (keep the lent block, free the rest) or
 * arena_done. Not thread-safe; no destructors; what lies in it never owns anything outside it.
 */
#ifndef SIPPARSE_ARENA_H
#define SIPPARSE_ARENA_H

#include <stddef.h>

#include "sipparse/err.h"
#include "sipparse/str.h"

struct arena_block;

struct arena {
	char *at;   /* next free byte of the block in use */
	char *end;  /* end of the block in use */
	char *lent; /* first block, borrowed; may be NULL */
	size_t lent_len;
	size_t used;                /* bytes handed out since the last reset, padding included */
	size_t cap;                 /* ceiling on used */
	struct arena_block *blocks; /* grown blocks, owned, newest first */
};

/* lent may be NULL with lent_len 0; cap is the most the arena ever hands out between resets. */
void arena_init(struct arena *a, void *lent, size_t lent_len, size_t cap);

/* 16-byte aligned, not zeroed. NULL beyond the cap or without memory. n 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t n) ED_MUST_CHECK;

/* Like arena_alloc, zeroed, n * size checked for overflow. */
void *arena_calloc(struct arena *a, size_t n, size_t size) ED_MUST_CHECK;

/* A copy of s that lives as long as the arena; p is NULL when there is no room. */
struct str arena_str(struct arena *a, struct str s) ED_MUST_CHECK;

/* printf into the arena; p is NULL when there is no room. */
struct str arena_fmt(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) ED_MUST_CHECK;

void arena_reset(struct arena *a);
void arena_done(struct arena *a);

#endif

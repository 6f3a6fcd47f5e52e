/* SPDX-License-Identifier: MIT */
#include "sipparse/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN     16u
#define ARENA_BLOCK_LEN 4096u

struct arena_block {
	struct arena_block *next;
	size_t len;
	_Alignas(ARENA_ALIGN) char bytes[];
};

void
arena_init(struct arena *a, void *lent, size_t lent_len, size_t cap)
{
	uintptr_t skew = (uintptr_t)lent % ARENA_ALIGN;

	if (lent && skew) { /* a lent block may start anywhere; what we hand out may not */
		size_t skip = ARENA_ALIGN - skew;

		lent = lent_len > skip ? (char *)lent + skip : NULL;
		lent_len = lent ? lent_len - skip : 0;
	}
	a->lent = lent;
	a->lent_len = lent ? lent_len : 0;
	a->at = a->lent;
	a->end = a->lent ? a->lent + a->lent_len : NULL;
	a->used = 0;
	a->cap = cap;
	a->blocks = NULL;
}

static bool
arena_grow(struct arena *a, size_t n)
{
	size_t len = n > ARENA_BLOCK_LEN ? n : ARENA_BLOCK_LEN;
	struct arena_block *b = malloc(sizeof(*b) + len);

	if (!b)
		return false;
	b->len = len;
	b->next = a->blocks;
	a->blocks = b;
	a->at = b->bytes;
	a->end = b->bytes + len;
	return true;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t take;
	char *p;

	if (n > a->cap) /* also keeps the rounding below from wrapping */
		return NULL;
	take = (n + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
	if (take < n || take > a->cap - a->used)
		return NULL;
	if (take > (size_t)(a->end - a->at) || !a->at) {
		if (!arena_grow(a, take ? take : ARENA_ALIGN))
			return NULL;
	}
	p = a->at;
	a->at += take;
	a->used += take;
	return p;
}

void *
arena_calloc(struct arena *a, size_t n, size_t size)
{
	void *p;

	if (size && n > SIZE_MAX / size)
		return NULL;
	p = arena_alloc(a, n * size);
	if (p)
		memset(p, 0, n * size);
	return p;
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n);

	if (!p)
		return STR_NONE;
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){p, s.n};
}

struct str
arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return STR_NONE;
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return STR_NONE;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct str){p, (size_t)n};
}

void
arena_reset(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->at = a->lent;
	a->end = a->lent ? a->lent + a->lent_len : NULL;
	a->used = 0;
}

void
arena_done(struct arena *a)
{
	arena_reset(a);
	a->lent = a->at = a->end = NULL;
	a->lent_len = 0;
}

/* SPDX-License-Identifier: MIT */
#include "access/slab.h"

#include <assert.h>
#include <stdlib.h>

#define BLOCK_LEN 32768u
#define ALIGN     16u

void
slab_init(struct slab *s, size_t size)
{
	assert(size >= sizeof(void *) && size <= BLOCK_LEN / 4);
	s->size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	s->spare = NULL;
	s->blocks = NULL;
	s->n_live = 0;
}

void
slab_done(struct slab *s)
{
	while (s->blocks) {
		void *next = *(void **)s->blocks;

		free(s->blocks);
		s->blocks = next;
	}
	s->spare = NULL;
	s->n_live = 0;
}

static int
slab_grow(struct slab *s)
{
	char *b = aligned_alloc(ALIGN, BLOCK_LEN);

	if (!b)
		return ED_NOMEM;
	*(void **)(void *)b = s->blocks;
	s->blocks = b;
	for (size_t at = ALIGN; at + s->size <= BLOCK_LEN; at += s->size) {
		*(void **)(void *)(b + at) = s->spare;
		s->spare = b + at;
	}
	return ED_OK;
}

void *
slab_take(struct slab *s)
{
	void *p;

	if (!s->spare && slab_grow(s) < 0)
		return NULL;
	p = s->spare;
	s->spare = *(void **)p;
	__builtin_prefetch(s->spare); /* the next one may have been idle for long */
	s->n_live++;
	return p;
}

void
slab_give(struct slab *s, void *p)
{
	if (!p)
		return;
	*(void **)p = s->spare;
	s->spare = p;
	s->n_live--;
}

void
slab_texts_init(struct slab_texts *s)
{
	static const size_t sizes[SLAB_TEXT_SIZES] = {256, 384, 512, 768, 1024, 2048};

	for (unsigned i = 0; i < SLAB_TEXT_SIZES; i++)
		slab_init(&s->of[i], sizes[i]);
}

void
slab_texts_done(struct slab_texts *s)
{
	for (unsigned i = 0; i < SLAB_TEXT_SIZES; i++)
		slab_done(&s->of[i]);
}

static struct slab *
slab_for(struct slab_texts *s, size_t n)
{
	for (unsigned i = 0; i < SLAB_TEXT_SIZES; i++)
		if (n <= s->of[i].size)
			return &s->of[i];
	return NULL;
}

int
slab_text_take(struct slab_texts *s, struct slab_text *t, size_t n)
{
	struct slab *of = slab_for(s, n);
	char *p = of ? slab_take(of) : malloc(n);

	if (!p)
		return ED_NOMEM;
	t->p = p;
	t->n = (uint32_t)n;
	t->room = (uint32_t)n;
	return ED_OK;
}

void
slab_text_give(struct slab_texts *s, struct slab_text *t)
{
	struct slab *of;

	if (!t->p)
		return;
	of = slab_for(s, t->room);
	if (of)
		slab_give(of, t->p);
	else
		free(t->p);
	t->p = NULL;
	t->n = t->room = 0;
}

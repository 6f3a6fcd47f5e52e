/* SPDX-License-Identifier: MIT
 *
 * access/slab.h: objects of one size from blocks, so that a transaction costs no malloc. What was
 * given back is handed out again; blocks go back to the system when the slab does.
 *
 * struct slab_text keeps pieces of text of a few sizes the same way (slab_text_copy); pieces larger
 * than the largest size are malloc'ed, which the caller's own limits must bound.
 */
#ifndef EDGED_ACCESS_SLAB_H
#define EDGED_ACCESS_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct slab {
	size_t size;
	void *spare;  /* chain through the first word of each */
	void *blocks; /* chain likewise */
	size_t n_live;
};
void slab_init(struct slab *s, size_t size); /* size of one object, at least a pointer */
void slab_done(struct slab *s);
void *slab_take(struct slab *s) ED_MUST_CHECK; /* not zeroed; NULL without memory */
void slab_give(struct slab *s, void *p);

#define SLAB_TEXT_SIZES 6

struct slab_texts {
	struct slab of[SLAB_TEXT_SIZES]; /* 256, 384, 512, 768, 1024, 2048 */
};
struct slab_text {
	char *p; /* NULL: none */
	uint32_t n;
	uint32_t room;
};
void slab_texts_init(struct slab_texts *s);
void slab_texts_done(struct slab_texts *s);
/* Room for n bytes; the caller fills t->p. */
int slab_text_take(struct slab_texts *s, struct slab_text *t, size_t n) ED_MUST_CHECK;
void slab_text_give(struct slab_texts *s, struct slab_text *t);

#endif

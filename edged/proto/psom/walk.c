/* SPDX-License-Identifier: MIT */
#include "proto/psom/walk.h"

int
psom_framing_check(const struct psom_framing *f)
{
	if (f->len_size != 1 && f->len_size != 2 && f->len_size != 4)
		return ED_UNSUPPORTED;
	if (f->len_off + f->len_size > PSOM_HEAD_MAX || f->preamble_len > PSOM_PREAMBLE_MAX)
		return ED_UNSUPPORTED;
	return f->frame_max ? ED_OK : ED_UNSUPPORTED;
}

/* The length field of the whole header in w->head, adjusted; may be negative. */
static int64_t
head_length(const struct psom_framing *f, const struct psom_walk *w)
{
	const uint8_t *p = w->head + f->len_off;
	uint32_t v = 0;

	for (uint8_t i = 0; i < f->len_size; i++)
		v = v << 8 | p[f->little ? f->len_size - 1 - i : i];
	return (int64_t)v + f->len_adjust;
}

static int
head_done(const struct psom_framing *f, struct psom_walk *w, bool answered)
{
	int64_t len = head_length(f, w);
	uint32_t max = f->frame_max;

	if (!answered && f->first_max && f->first_max < max)
		max = f->first_max;
	if (len < 0 || (len == 0 && !f->zero_ok))
		return ED_MALFORMED;
	if (len > max)
		return ED_LIMIT;
	w->n_head = 0;
	w->left = (uint32_t)len;
	if (len == 0)
		w->frames++;
	return ED_OK;
}

static size_t
body_skip(struct psom_walk *w, size_t n)
{
	size_t take = n < w->left ? n : w->left;

	w->left -= (uint32_t)take;
	if (w->left == 0)
		w->frames++;
	return take;
}

int
psom_walk_input(const struct psom_framing *f, struct psom_walk *w, bool answered, struct str in,
    size_t *ret_used)
{
	const uint8_t *p = (const uint8_t *)in.p;
	size_t at = 0;
	int r = ED_OK;

	while (at < in.n && r == ED_OK) {
		if (w->n_preamble < f->preamble_len) {
			if (f->preamble_fixed && p[at] != f->preamble[w->n_preamble])
				r = ED_MALFORMED;
			w->n_preamble++;
			at++;
		} else if (w->left) {
			at += body_skip(w, in.n - at);
		} else {
			w->head[w->n_head++] = p[at++];
			if (w->n_head == f->len_off + f->len_size)
				r = head_done(f, w, answered);
		}
	}
	*ret_used = at;
	return r;
}

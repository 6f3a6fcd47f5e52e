/* SPDX-License-Identifier: MIT
 *
 * access/text.h: puts short texts together in an arena, without printf. For the pure half only.
 *
 * text_start reserves the most that will be written; text_put beyond it is our own mistake and
 * marks the text bad (text_done then gives p NULL), as does an arena without room.
 */
#ifndef EDGED_ACCESS_TEXT_H
#define EDGED_ACCESS_TEXT_H

#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "sipparse/edit.h"

struct text {
	char *p;
	size_t n, room;
	bool bad;
};

static inline struct text
text_start(struct arena *a, size_t room)
{
	struct text t = {.p = arena_alloc(a, room), .room = room};

	t.bad = !t.p;
	return t;
}

static inline struct text
text_over(char *buf, size_t room)
{
	return (struct text){.p = buf, .room = room};
}

static inline void
text_put(struct text *t, struct str s)
{
	if (t->bad || s.n > t->room - t->n) {
		t->bad = true;
		return;
	}
	if (s.n)
		memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

static inline void
text_put_lower(struct text *t, struct str s)
{
	size_t at = t->n;

	text_put(t, s);
	if (!t->bad)
		for (; at < t->n; at++)
			t->p[at] = (char)ascii_lower((unsigned char)t->p[at]);
}

static inline void
text_put_u32(struct text *t, uint32_t v)
{
	char digits[10];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	text_put(t, (struct str){digits + at, sizeof(digits) - at});
}

/* Hex without leading zeros, at least `width` digits. */
static inline void
text_put_hex(struct text *t, uint64_t v, unsigned width, bool upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[16];
	size_t at = sizeof(digits);

	do {
		digits[--at] = set[v & 15];
		v >>= 4;
	} while (v != 0 || sizeof(digits) - at < width);
	text_put(t, (struct str){digits + at, sizeof(digits) - at});
}

static inline struct str
text_done(const struct text *t)
{
	return t->bad ? STR_NONE : (struct str){t->p, t->n};
}

/* Splice in what was put together; without memory the whole list of edits is void. */
static inline void
text_splice(struct sip_edits *e, uint32_t at, uint32_t cut, const struct text *t)
{
	if (t->bad)
		e->err = ED_NOMEM;
	else
		sip_edit_splice(e, at, cut, text_done(t));
}

#endif

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

/* An optional minus and digits, within int32_t. */
static bool
number_read(struct str s, int64_t min, int64_t max, int64_t *ret)
{
	bool minus = s.n && s.p[0] == '-';
	uint32_t v;

	if (!str_to_u32(minus ? str_from(s, 1) : s, UINT32_MAX, &v))
		return false;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return *ret >= min && *ret <= max;
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)ascii_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
preamble_read(struct str hex, struct psom_framing *f)
{
	if (hex.n == 0 || hex.n % 2 || hex.n / 2 > PSOM_PREAMBLE_MAX)
		return false;
	for (size_t i = 0; i < hex.n / 2; i++) {
		int hi = nibble(hex.p[2 * i]), lo = nibble(hex.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		f->preamble[i] = (uint8_t)(hi << 4 | lo);
	}
	f->preamble_len = (uint8_t)(hex.n / 2);
	f->preamble_fixed = true;
	return true;
}

static bool
word_read(struct str k, struct str v, struct psom_framing *f)
{
	int64_t n = 0;

	if (str_eq(k, STR("order"))) {
		f->little = str_eq(v, STR("little"));
		return f->little || str_eq(v, STR("big"));
	}
	if (str_eq(k, STR("zero"))) {
		f->zero_ok = str_eq(v, STR("yes"));
		return f->zero_ok || str_eq(v, STR("no"));
	}
	if (str_eq(k, STR("preamble")))
		return preamble_read(v, f);
	if (str_eq(k, STR("adjust"))) {
		if (!number_read(v, INT32_MIN, INT32_MAX, &n))
			return false;
		f->len_adjust = (int32_t)n;
		return true;
	}
	if (!number_read(v, 0, UINT32_MAX, &n))
		return false;
	if (str_eq(k, STR("max")))
		f->frame_max = (uint32_t)n;
	else if (str_eq(k, STR("first")))
		f->first_max = (uint32_t)n;
	else if (str_eq(k, STR("size")) && n <= 4)
		f->len_size = (uint8_t)n;
	else if (str_eq(k, STR("off")) && n < PSOM_HEAD_MAX)
		f->len_off = (uint8_t)n;
	else if (str_eq(k, STR("skip")) && n <= PSOM_PREAMBLE_MAX)
		f->preamble_len = (uint8_t)n;
	else
		return false;
	return true;
}

int
psom_framing_read(struct str text, struct psom_framing *ret, bool *ret_on, struct ed_fault *fault)
{
	struct psom_framing f = {0};
	size_t at = STR("lenprefix").n;

	if (str_eq(text, STR("opaque"))) {
		*ret_on = false;
		return ED_OK;
	}
	if (!str_starts_nocase(text, STR("lenprefix")))
		return ed_fail(fault, ED_MALFORMED, 0, "framing: neither opaque nor lenprefix");
	while (at < text.n) {
		struct str rest = str_from(text, at), word;
		ptrdiff_t sp = str_find(rest, ' '), eq;

		if (sp == 0) {
			at++;
			continue;
		}
		word = sp < 0 ? rest : str_first(rest, (size_t)sp);
		eq = str_find(word, '=');
		if (eq <= 0 ||
		    !word_read(str_first(word, (size_t)eq), str_from(word, (size_t)eq + 1), &f))
			return ed_fail(fault, ED_MALFORMED, (uint32_t)at, "framing: bad word");
		at += word.n;
	}
	if (psom_framing_check(&f) < 0)
		return ed_fail(
		    fault, ED_MALFORMED, 0, "framing: size 1, 2 or 4 and max are needed");
	*ret = f;
	*ret_on = true;
	return ED_OK;
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

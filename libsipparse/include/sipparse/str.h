/* SPDX-License-Identifier: MIT
 *
 * sipparse/str.h: a borrowed piece of text. Whoever holds one knows how long its buffer lives.
 *
 * Pure and header-only. Case-insensitive means ASCII only; SIP never asks for more. Not
 * NUL-terminated.
 */
#ifndef SIPPARSE_STR_H
#define SIPPARSE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit)   ((struct str){("" lit), sizeof(lit) - 1})
#define STR_NONE   ((struct str){NULL, 0})
#define STR_FMT    "%.*s"
#define STR_ARG(s) ((int)(s).n), ((s).p ? (s).p : "")

static inline struct str
str_of(const char *z)
{
	return (struct str){z, z ? strlen(z) : 0};
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline unsigned char
ascii_lower(unsigned char c)
{
	return (unsigned char)(c - 'A') < 26u ? (unsigned char)(c | 0x20u) : c;
}

static inline bool
str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower((unsigned char)a.p[i]) != ascii_lower((unsigned char)b.p[i]))
			return false;
	return true;
}

static inline bool
str_starts_nocase(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq_nocase((struct str){s.p, prefix.n}, prefix);
}

static inline bool
str_ends_nocase(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       str_eq_nocase((struct str){s.p + (s.n - suffix.n), suffix.n}, suffix);
}

/* The part of s from byte at on; empty when at lies beyond the end. */
static inline struct str
str_from(struct str s, size_t at)
{
	return at >= s.n ? (struct str){s.p ? s.p + s.n : NULL, 0}
			 : (struct str){s.p + at, s.n - at};
}

static inline struct str
str_first(struct str s, size_t n)
{
	return (struct str){s.p, n < s.n ? n : s.n};
}

/* Without blanks (SP, HT) at either end. */
static inline struct str
str_trim(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Offset of the first c in s, or -1. */
static inline ptrdiff_t
str_find(struct str s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

	return hit ? hit - s.p : -1;
}

/*
 * Read an unsigned decimal number that fills s wholly: digits only, no sign, no blank, at most 10
 * digits, at most max. True and *ret_value on success.
 */
static inline bool
str_to_u32(struct str s, uint32_t max, uint32_t *ret_value)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > max)
		return false;
	*ret_value = (uint32_t)v;
	return true;
}

#endif

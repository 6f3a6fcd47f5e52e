/* SPDX-License-Identifier: MIT
 *
 * chars.h: classes of octets in SIP text (RFC 3261 25.1) and the scans that every line goes
 * through.
 *
 * Inside libsipparse only. A control is any octet below SP but HT, and DEL. Octets from 0x80 on are
 * UTF-8 that nobody here decodes; they count where the text is opaque and never in names or hosts.
 */
#ifndef SIPPARSE_CHARS_H
#define SIPPARSE_CHARS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "sipparse/str.h"

#define CH_TOKEN 0x01u /* token */
#define CH_ALNUM 0x02u
#define CH_WORD  0x04u /* word, as in Call-ID */
#define CH_URI   0x08u /* what may stand in a URI at all, '%' included */
#define CH_VALUE 0x10u /* an unquoted parameter value */
#define CH_PNAME 0x20u /* a parameter name, of a URI or of a header */
#define CH_LABEL 0x40u /* a label of a host name: alphanum - and _ (see uri.c) */
#define CH_UTF8  0x80u /* 0x80 and above */

extern const uint8_t chars_class[256];

static inline bool
ch_is(char c, unsigned cls)
{
	return (chars_class[(unsigned char)c] & cls) != 0;
}

static inline bool
ch_digit(char c)
{
	return (unsigned char)(c - '0') < 10u;
}

static inline bool
ch_alpha(char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26u;
}

static inline bool
ch_hex(char c)
{
	return ch_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6u;
}

static inline bool
ch_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Blank, or part of a fold: only for text whose lines have been checked (msg.c). */
static inline bool
ch_lws(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline bool
ch_ctl(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* Behind the last octet; s may be empty with no place. */
static inline const char *
str_end(struct str s)
{
	return s.n ? s.p + s.n : s.p;
}

/* First octet from p on that is not of cls. */
static inline const char *
scan_while(const char *p, const char *end, unsigned cls)
{
	while (p < end && ch_is(*p, cls))
		p++;
	return p;
}

static inline const char *
scan_blanks(const char *p, const char *end)
{
	while (p < end && ch_blank(*p))
		p++;
	return p;
}

/*
 * The long scans take 16 octets at a time where SSE2 is there (each x86-64). `end` is where the
 * text stops, `safe` where the buffer does that it stands in: octets between them may be loaded,
 * never counted. Whoever knows of no such buffer gives end twice. Other machines go octet by octet.
 */
#ifdef __SSE2__
#define SCAN16(p, end, safe, x, hits)                                                              \
	while ((p) < (end) && (safe) - (p) >= 16) {                                                \
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p));                   \
		unsigned hit = (unsigned)_mm_movemask_epi8(hits);                                  \
                                                                                                   \
		if (hit) {                                                                         \
			(p) += __builtin_ctz(hit);                                                 \
			return (p) < (end) ? (p) : (end);                                          \
		}                                                                                  \
		(p) += 16;                                                                         \
	}                                                                                          \
	if ((p) >= (end))                                                                          \
		return (end);

static inline __m128i
eq16(__m128i x, char c)
{
	return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

/* Octets lo .. lo + n. */
static inline __m128i
in16(__m128i x, unsigned char lo, unsigned char n)
{
	__m128i d = lo ? _mm_sub_epi8(x, _mm_set1_epi8((char)lo)) : x;

	return _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8((char)n)), d);
}

static inline __m128i
or16(__m128i a, __m128i b)
{
	return _mm_or_si128(a, b);
}

static inline __m128i
ctl16(__m128i x)
{
	return or16(_mm_andnot_si128(eq16(x, '\t'), in16(x, 0, 0x1f)), eq16(x, 0x7f));
}

static inline __m128i
not16(__m128i x)
{
	return _mm_cmpeq_epi8(x, _mm_setzero_si128());
}

static inline __m128i
alpha16(__m128i x)
{
	return in16(or16(x, _mm_set1_epi8(0x20)), 'a', 25);
}

/*
 * The classes of chars.c as comparisons; chars_test.c holds both beside each other. Written as
 * ranges of ASCII, since neighbours make one comparison.
 */
static inline __m128i
label16(__m128i x) /* alphanum - _ */
{
	return or16(or16(alpha16(x), in16(x, '0', 9)), or16(eq16(x, '-'), eq16(x, '_')));
}

static inline __m128i
token16(__m128i x) /* alphanum - . ! % * _ + ` ' ~ */
{
	return or16(or16(or16(alpha16(x), in16(x, '0', 9)), or16(in16(x, '*', 1), in16(x, '-', 1))),
	    or16(or16(eq16(x, '!'), eq16(x, '%')),
		or16(or16(eq16(x, '\''), eq16(x, '~')), in16(x, '_', 1))));
}

static inline __m128i
pname16(__m128i x) /* token and ( ) [ ] / : & $ */
{
	return or16(or16(or16(alpha16(x), in16(x, '$', 7)), or16(in16(x, '-', 13), eq16(x, '!'))),
	    or16(or16(eq16(x, '['), eq16(x, ']')), or16(in16(x, '_', 1), eq16(x, '~'))));
}

static inline __m128i
word16(__m128i x) /* token and ( ) < > : \ " / [ ] ? { } */
{
	return or16(or16(or16(alpha16(x), in16(x, '!', 1)), or16(eq16(x, '%'), in16(x, '\'', 4))),
	    or16(or16(or16(in16(x, '-', 13), eq16(x, '<')), or16(in16(x, '>', 1), in16(x, '[', 2))),
		or16(in16(x, '_', 1), or16(eq16(x, '{'), in16(x, '}', 1)))));
}

static inline __m128i
not_uri16(__m128i x) /* controls, blanks, " # < > \ ^ ` { | } */
{
	return or16(
	    or16(or16(in16(x, 0, 0x20), in16(x, '{', 2)), or16(in16(x, '"', 1), eq16(x, 0x7f))),
	    or16(or16(eq16(x, '<'), eq16(x, '>')),
		or16(eq16(x, '\\'), or16(eq16(x, '^'), eq16(x, '`')))));
}

static inline __m128i
not_value16(__m128i x) /* controls, blanks, " # , ; < > ? \ ^ { | } */
{
	return or16(
	    or16(or16(in16(x, 0, 0x20), in16(x, '{', 2)), or16(in16(x, '"', 1), eq16(x, 0x7f))),
	    or16(or16(in16(x, ';', 1), in16(x, '>', 1)),
		or16(eq16(x, '\\'), or16(eq16(x, '^'), eq16(x, ',')))));
}
#else
#define SCAN16(p, end, safe, x, hits)
#endif

/*
 * Controls in a text, one after the other: masks of 64 octets, each made once. Nothing behind `end`
 * is loaded.
 */
struct ctl_scan {
	const char *base; /* of the mask */
	const char *next; /* first octet without one */
	const char *end;
	uint64_t hits; /* not given yet */
};

static inline void
ctl_scan_init(struct ctl_scan *s, const char *p, const char *end)
{
	*s = (struct ctl_scan){.base = p, .next = p, .end = end};
}

#ifdef __SSE2__
/* Controls and tabs: telling tabs apart here would cost more than meeting one. */
static inline uint64_t
ctl_or_tab16(const char *p)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);

	return (unsigned)_mm_movemask_epi8(or16(in16(x, 0, 0x1f), eq16(x, 0x7f)));
}
#endif

static inline void
ctl_scan_fill(struct ctl_scan *s)
{
	const char *p = s->next;

	s->base = p;
#ifdef __SSE2__
	if (s->end - p >= 64) {
		s->hits = ctl_or_tab16(p) | ctl_or_tab16(p + 16) << 16 |
			  ctl_or_tab16(p + 32) << 32 | ctl_or_tab16(p + 48) << 48;
		s->next = p + 64;
		return;
	}
	if (s->end - p >= 16) {
		s->hits = ctl_or_tab16(p);
		s->next = p + 16;
		return;
	}
#endif
	for (unsigned i = 0; i < 16 && s->next < s->end; i++, s->next++)
		s->hits |= (uint64_t)ch_ctl(*s->next) << i;
}

/* The next control, or end. */
static inline const char *
ctl_scan_next(struct ctl_scan *s)
{
	const char *hit;

	for (;;) {
		while (!s->hits) {
			if (s->next == s->end)
				return s->end;
			ctl_scan_fill(s);
		}
		hit = s->base + __builtin_ctzll(s->hits);
		s->hits &= s->hits - 1;
		if (*hit != '\t')
			return hit;
	}
}

/* The control at `at` is known: do not give it. */
static inline void
ctl_scan_skip(struct ctl_scan *s, const char *at)
{
	if (s->hits && s->base + __builtin_ctzll(s->hits) == at)
		s->hits &= s->hits - 1;
}

/* First c from p on, or end. */
static inline const char *
scan_to(const char *p, const char *end, const char *safe, char c)
{
	SCAN16(p, end, safe, x, eq16(x, c))
	while (p < end && *p != c)
		p++;
	return p;
}

/* First octet from p on that is not of the class, or end. */
static inline const char *
scan_value(const char *p, const char *end, const char *safe)
{
	SCAN16(p, end, safe, x, not_value16(x))
	return scan_while(p, end, CH_VALUE);
}

static inline const char *
scan_pname(const char *p, const char *end, const char *safe)
{
	SCAN16(p, end, safe, x, not16(pname16(x)))
	return scan_while(p, end, CH_PNAME);
}

static inline const char *
scan_token(const char *p, const char *end, const char *safe)
{
	SCAN16(p, end, safe, x, not16(token16(x)))
	return scan_while(p, end, CH_TOKEN);
}

static inline const char *
scan_word(const char *p, const char *end, const char *safe)
{
	SCAN16(p, end, safe, x, not16(word16(x)))
	return scan_while(p, end, CH_WORD);
}

static inline const char *
scan_label(const char *p, const char *end, const char *safe)
{
	SCAN16(p, end, safe, x, not16(label16(x)))
	return scan_while(p, end, CH_LABEL);
}

/* First comma, quote or angle bracket from p on, or end. */
static inline const char *
scan_list(const char *p, const char *end, const char *safe)
{
	SCAN16(p, end, safe, x,
	    or16(or16(eq16(x, ','), eq16(x, '"')), or16(eq16(x, '<'), eq16(x, '>'))))
	while (p < end && *p != ',' && *p != '"' && *p != '<' && *p != '>')
		p++;
	return p;
}

/* First quote, backslash or control from p on, or end. */
static inline const char *
scan_in_quotes(const char *p, const char *end, const char *safe)
{
	SCAN16(p, end, safe, x, or16(or16(eq16(x, '"'), eq16(x, '\\')), ctl16(x)))
	while (p < end && *p != '"' && *p != '\\' && !ch_ctl(*p))
		p++;
	return p;
}

/* *p is '"': the octet behind the closing quote, or NULL when it stays open. */
const char *scan_quoted(const char *p, const char *end, const char *safe);

/* True if every '%' in [p, end) is followed by two hex digits. */
bool chars_escapes_ok(const char *p, const char *end);

/*
 * The lower-case literal lit of n octets, compared without case. Setting bit 5 is exact for names
 * of letters, digits and '-', because the controls that would turn into those are refused before.
 */
static inline bool
name_is(const char *p, const char *lit, size_t n)
{
	const uint64_t low8 = 0x2020202020202020u;
	uint64_t a, b;
	uint32_t c, d;

	if (n >= 8) {
		for (size_t i = 0; i + 8 <= n; i += 8) {
			memcpy(&a, p + i, 8);
			memcpy(&b, lit + i, 8);
			if ((a | low8) != b)
				return false;
		}
		memcpy(&a, p + n - 8, 8);
		memcpy(&b, lit + n - 8, 8);
		return (a | low8) == b;
	}
	if (n >= 4) {
		memcpy(&c, p, 4);
		memcpy(&d, lit, 4);
		if ((c | 0x20202020u) != d)
			return false;
		memcpy(&c, p + n - 4, 4);
		memcpy(&d, lit + n - 4, 4);
		return (c | 0x20202020u) == d;
	}
	for (size_t i = 0; i < n; i++)
		if ((p[i] | 0x20) != lit[i])
			return false;
	return true;
}

#define STR_IS(s, lit) ((s).n == sizeof(lit) - 1 && name_is((s).p, "" lit, sizeof(lit) - 1))

#endif

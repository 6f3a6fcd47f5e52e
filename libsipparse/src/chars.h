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
#define CH_HOST  0x40u /* a host name: alphanum - . and _ (see uri.c) */
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

/* First control from p on, or end. */
static inline const char *
scan_ctl(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i low = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'),
		      del = _mm_set1_epi8(0x7f);

	while (end - p >= 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i c = _mm_andnot_si128(
		    _mm_cmpeq_epi8(x, tab), _mm_cmpeq_epi8(_mm_min_epu8(x, low), x));
		unsigned hit = (unsigned)_mm_movemask_epi8(_mm_or_si128(c, _mm_cmpeq_epi8(x, del)));

		if (hit)
			return p + __builtin_ctz(hit);
		p += 16;
	}
#else
	while (end - p >= 8) { /* eight octets at a time; a false hit only ends the fast part */
		const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
		uint64_t x, del;

		memcpy(&x, p, 8);
		del = x ^ (ones * 0x7fu);
		if ((((x - ones * 0x20u) & ~x) | ((del - ones) & ~del)) & tops)
			break;
		p += 8;
	}
#endif
	while (p < end && !ch_ctl(*p))
		p++;
	return p;
}

/* First c from p on, or end. */
static inline const char *
scan_to(const char *p, const char *end, char c)
{
#ifdef __SSE2__
	const __m128i want = _mm_set1_epi8(c);

	while (end - p >= 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned hit = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, want));

		if (hit)
			return p + __builtin_ctz(hit);
		p += 16;
	}
#endif
	while (p < end && *p != c)
		p++;
	return p;
}

/* *p is '"': the octet behind the closing quote, or NULL when it stays open. */
const char *scan_quoted(const char *p, const char *end);

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

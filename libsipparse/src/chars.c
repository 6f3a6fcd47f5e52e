/* SPDX-License-Identifier: MIT */
#include "chars.h"

#define DIGIT(c) ((c) >= '0' && (c) <= '9')
#define ALPHA(c) (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))
#define ALNUM(c) (DIGIT(c) || ALPHA(c))

/* RFC 3261 25.1, spelled as comparisons so that the table is a constant. */
#define TOKEN(c)                                                                                   \
	(ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '!' || (c) == '%' || (c) == '*' ||         \
	    (c) == '_' || (c) == '+' || (c) == '`' || (c) == '\'' || (c) == '~')
#define WORD(c)                                                                                    \
	(TOKEN(c) || (c) == '(' || (c) == ')' || (c) == '<' || (c) == '>' || (c) == ':' ||         \
	    (c) == '\\' || (c) == '"' || (c) == '/' || (c) == '[' || (c) == ']' || (c) == '?' ||   \
	    (c) == '{' || (c) == '}')
#define URIC(c)                                                                                    \
	(ALNUM(c) || (c) == '-' || (c) == '_' || (c) == '.' || (c) == '!' || (c) == '~' ||         \
	    (c) == '*' || (c) == '\'' || (c) == '(' || (c) == ')' || (c) == ';' || (c) == '/' ||   \
	    (c) == '?' || (c) == ':' || (c) == '@' || (c) == '&' || (c) == '=' || (c) == '+' ||    \
	    (c) == '$' || (c) == ',' || (c) == '%' || (c) == '[' || (c) == ']')
#define PNAME(c)                                                                                   \
	(TOKEN(c) || (c) == '(' || (c) == ')' || (c) == '[' || (c) == ']' || (c) == '/' ||         \
	    (c) == ':' || (c) == '&' || (c) == '$')
#define UTF8(c)  ((c) >= 0x80)
#define VALUE(c) (PNAME(c) || (c) == '=' || (c) == '@' || UTF8(c))
#define LABEL(c) (ALNUM(c) || (c) == '-' || (c) == '_')

#define CLASS(c)                                                                                   \
	((TOKEN(c) ? CH_TOKEN : 0) | (ALNUM(c) ? CH_ALNUM : 0) | (WORD(c) ? CH_WORD : 0) |         \
	    (URIC(c) ? CH_URI : 0) | (VALUE(c) ? CH_VALUE : 0) | (PNAME(c) ? CH_PNAME : 0) |       \
	    (LABEL(c) ? CH_LABEL : 0) | (UTF8(c) ? CH_UTF8 : 0))
#define ROW4(c)  CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const uint8_t chars_class[256] = {ROW64(0), ROW64(64), ROW64(128), ROW64(192)};

const char *
scan_quoted(const char *p, const char *end, const char *safe)
{
	for (p++;;) {
		p = scan_in_quotes(p, end, safe);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		/* RFC 3261 25.1: a quoted-pair is ASCII; nothing may hide behind the slash. */
		if (*p != '\\' || p + 1 >= end || ch_ctl(p[1]) || ch_is(p[1], CH_UTF8))
			return NULL;
		p += 2;
	}
}

bool
chars_escapes_ok(const char *p, const char *end)
{
	for (;;) {
		p = scan_to(p, end, end, '%');
		if (p == end)
			return true;
		if (end - p < 3 || !ch_hex(p[1]) || !ch_hex(p[2]))
			return false;
		p += 3;
	}
}

/* SPDX-License-Identifier: MIT */
#include "sipparse/uri.h"

#include <arpa/inet.h>

#include "host.h"

/* More parameters than this in one URI or value have no honest use; it bounds the search for twins.
 */
#define PARAMS_MAX 32u

int
sip_param_next(struct str params, uint32_t *pos, struct sip_param *ret)
{
	return param_next(params, str_end(params), pos, ret);
}

bool
sip_param_find(struct str params, struct str name, struct sip_param *ret)
{
	struct sip_param one;
	uint32_t pos = 0;

	while (sip_param_next(params, &pos, &one) == 1) {
		if (one.name.n == name.n && str_eq_nocase(one.name, name)) {
			if (ret)
				*ret = one;
			return true;
		}
	}
	return false;
}

int
params_check(struct str params, const char *safe, struct str name, struct sip_param *ret)
{
	struct str names[PARAMS_MAX];
	struct sip_param one;
	uint32_t n = 0, pos = 0;
	int r;

	ret->name = STR_NONE;
	while ((r = param_next(params, safe, &pos, &one)) == 1) {
		if (n == PARAMS_MAX)
			return ED_MALFORMED;
		for (uint32_t i = 0; i < n; i++)
			if (names[i].n == one.name.n &&
			    (names[i].p[0] | 0x20) == (one.name.p[0] | 0x20) &&
			    str_eq_nocase(names[i], one.name))
				return ED_MALFORMED;
		if (one.name.n == name.n && str_eq_nocase(one.name, name))
			*ret = one;
		names[n++] = one.name;
	}
	return r;
}

/* True if a parameter name holds an escape. */
static bool
params_escaped_name(struct str params)
{
	struct sip_param one;
	uint32_t pos = 0;

	while (sip_param_next(params, &pos, &one) == 1)
		if (str_find(one.name, '%') >= 0)
			return true;
	return false;
}

/* Four numbers to 255; no leading zero, which is octal to some readers. NULL if it is none. */
static const char *
host_v4(const char *p, const char *end)
{
	for (int i = 0; i < 4; i++) {
		unsigned v = 0;
		const char *start = p;

		for (; p < end && ch_digit(*p) && p - start < 3; p++)
			v = v * 10 + (unsigned)(*p - '0');
		if (p == start || v > 255 || (*start == '0' && p - start > 1))
			return NULL;
		if (i < 3 && (p == end || *p++ != '.'))
			return NULL;
	}
	return p == end || (*p != '.' && !ch_is(*p, CH_LABEL)) ? p : NULL;
}

static bool
host_is_v6(const char *p, const char *end)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ip;
	size_t n = (size_t)(end - p);

	if (n < 2 || n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return inet_pton(AF_INET6, text, &ip) == 1;
}

/*
 * RFC 3261 25.1 hostname; the octet behind it, or NULL. A label may hold '_' (user names stand as
 * hosts in Contacts of pidgin-sipe; Windows names have it). Refused although legal: a trailing dot,
 * since "a.example." would be another domain than "a.example" to whoever compares text. The last
 * label does not start with a digit, so that inet_aton forms such as 0x7f.1, 127.1 or 2130706433
 * never pass as names.
 */
static const char *
host_name(const char *p, const char *end, const char *safe)
{
	const char *start = p, *label;

	for (;; p++) {
		label = p;
		p = scan_label(p, end, safe);
		if (p == label || *label == '-' || p[-1] == '-')
			return NULL;
		if (p == end || *p != '.')
			return p - start > 255 || ch_digit(*label) ? NULL : p;
	}
}

const char *
hostport_parse(const char *p, const char *end, const char *safe, struct hostport *ret)
{
	const char *start = p;

	ret->is_v6 = ret->is_v4 = false;
	ret->port = 0;
	if (p < end && *p == '[') {
		p = scan_to(p, end, end, ']');
		if (p == end || !host_is_v6(start + 1, p))
			return NULL;
		ret->host = (struct str){start + 1, (size_t)(p - start - 1)};
		ret->is_v6 = true;
		p++;
	} else {
		if (p < end && ch_digit(*p))
			p = host_v4(p, end);
		else
			p = NULL;
		ret->is_v4 = p != NULL;
		if (!p)
			p = host_name(start, end, safe);
		if (!p)
			return NULL;
		ret->host = (struct str){start, (size_t)(p - start)};
	}
	if (p < end && *p == ':') {
		const char *digits = ++p;
		uint32_t v = 0;

		while (p < end && ch_digit(*p) && p - digits < 5)
			v = v * 10 + (uint32_t)(*p++ - '0');
		if (v == 0 || v > 65535 || *digits == '0')
			return NULL;
		ret->port = (uint16_t)v;
	}
	ret->text = (struct str){start, (size_t)(p - start)};
	return p;
}

static int
uri_fail(struct ed_fault *fault, const struct sip_uri *u, const char *at, const char *what)
{
	return ed_fail(fault, ED_MALFORMED, (uint32_t)(at - u->text.p), what);
}

/* What one look at all octets of a URI tells. */
struct uri_marks {
	const char *bad; /* first octet that no URI holds; NULL: none */
	const char *at;  /* first '@' */
	bool two_at, escapes, brackets;
};

static void
uri_mark_at(struct uri_marks *m, const char *at)
{
	if (m->at)
		m->two_at = true;
	else
		m->at = at;
}

static void
uri_mark(const char *p, const char *end, const char *safe, struct uri_marks *ret)
{
	*ret = (struct uri_marks){.bad = NULL};
#ifdef __SSE2__
	for (; p < end && safe - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned mine = end - p >= 16 ? 0xffffu : (1u << (end - p)) - 1;
		__m128i bracket = or16(eq16(x, '['), eq16(x, ']'));
		unsigned bad = (unsigned)_mm_movemask_epi8(not_uri16(x)) & mine;
		unsigned at = (unsigned)_mm_movemask_epi8(eq16(x, '@')) & mine;

		ret->escapes |= ((unsigned)_mm_movemask_epi8(eq16(x, '%')) & mine) != 0;
		ret->brackets |= ((unsigned)_mm_movemask_epi8(bracket) & mine) != 0;
		if (bad) {
			ret->bad = p + __builtin_ctz(bad);
			return;
		}
		for (; at; at &= at - 1)
			uri_mark_at(ret, p + __builtin_ctz(at));
	}
#endif
	for (; p < end; p++) {
		if (!ch_is(*p, CH_URI | CH_UTF8)) {
			ret->bad = p;
			return;
		}
		ret->escapes |= *p == '%';
		ret->brackets |= *p == '[' || *p == ']';
		if (*p == '@')
			uri_mark_at(ret, p);
	}
}

/* Behind the scheme of a SIP or SIPS URI. */
static int
uri_parse_sip(struct sip_uri *u, const char *p, const char *safe, const struct uri_marks *marks,
    struct ed_fault *fault)
{
	const char *end = u->text.p + u->text.n, *at = marks->at;
	struct sip_param none;
	struct hostport hp;

	if (at) {
		/* '@' must be escaped everywhere else, so a second one is read in two ways. */
		if (marks->two_at)
			return uri_fail(fault, u, at, "URI: two @");
		if (at == p)
			return uri_fail(fault, u, at, "URI: empty user");
		u->user = (struct str){p, (size_t)(at - p)};
		if (marks->brackets && (memchr(p, '[', u->user.n) || memchr(p, ']', u->user.n)))
			return uri_fail(fault, u, p, "URI: bracket in the user part");
		p = at + 1;
	}
	u->host_at = (uint32_t)(p - u->text.p);
	at = p;
	p = hostport_parse(p, end, safe, &hp);
	if (!p)
		return uri_fail(fault, u, at, "URI: bad host or port");
	u->host = hp.host;
	u->host_is_v6 = hp.is_v6;
	u->host_is_v4 = hp.is_v4;
	u->port = hp.port;
	u->hostport_n = (uint32_t)hp.text.n;
	if (p < end && *p == ';') {
		at = scan_to(p, end, safe, '?');
		u->params = (struct str){p, (size_t)(at - p)};
		if (params_check(u->params, safe, STR_NONE, &none) < 0)
			return uri_fail(fault, u, p, "URI: bad or repeated parameter");
		u->escaped_name = marks->escapes && params_escaped_name(u->params);
		p = at;
	}
	if (p < end && *p == '?') {
		u->headers = (struct str){p + 1, (size_t)(end - p - 1)};
		if (u->headers.n == 0)
			return uri_fail(fault, u, p, "URI: empty headers");
		p = end;
	}
	return p == end ? ED_OK : uri_fail(fault, u, p, "URI: text behind the host");
}

/* Field by field: compilers clear a struct of this size by a string instruction, five times slower.
 */
static void
uri_clear(struct sip_uri *u, struct str text)
{
	u->text = text;
	u->scheme = SIP_SCHEME_OTHER;
	u->scheme_text = STR_NONE;
	u->user = STR_NONE;
	u->host = STR_NONE;
	u->host_is_v6 = u->host_is_v4 = u->escaped_name = false;
	u->port = 0;
	u->params = STR_NONE;
	u->headers = STR_NONE;
	u->host_at = u->hostport_n = 0;
}

int
uri_parse(struct str text, const char *safe, struct sip_uri *u, struct ed_fault *fault)
{
	const char *p = text.p, *end;
	struct uri_marks marks;

	uri_clear(u, text);
	if (text.n == 0 || text.n > UINT32_MAX / 2)
		return ed_fail(fault, ED_MALFORMED, 0, "URI: empty");
	end = text.p + text.n;
	uri_mark(p, end, safe, &marks);
	if (marks.bad)
		return uri_fail(fault, u, marks.bad, "URI: character that must be escaped");
	if (marks.escapes && !chars_escapes_ok(p, end))
		return uri_fail(fault, u, p, "URI: bad escape");
	if (text.n > 4 && name_is(p, "sip:", 4)) { /* nearly all of them */
		u->scheme = SIP_SCHEME_SIP;
		u->scheme_text = (struct str){p, 3};
		return uri_parse_sip(u, p + 4, safe, &marks, fault);
	}
	if (!ch_alpha(*p))
		return uri_fail(fault, u, p, "URI: no scheme");
	while (p < end && (ch_is(*p, CH_ALNUM) || *p == '+' || *p == '-' || *p == '.'))
		p++;
	if (p == end || *p != ':' || p + 1 == end)
		return uri_fail(fault, u, p, "URI: no scheme");
	u->scheme_text = (struct str){text.p, (size_t)(p - text.p)};
	if (!STR_IS(u->scheme_text, "sips")) {
		u->scheme = SIP_SCHEME_OTHER;
		return ED_OK;
	}
	u->scheme = SIP_SCHEME_SIPS;
	return uri_parse_sip(u, p + 1, safe, &marks, fault);
}

int
sip_uri_parse(struct str text, struct sip_uri *ret_uri, struct ed_fault *fault)
{
	struct sip_uri u;
	int r = uri_parse(text, str_end(text), &u, fault);

	if (r == ED_OK)
		*ret_uri = u;
	return r;
}

/* A display name without quotes: tokens and blanks; UTF-8 too, which clients send that way. */
static bool
display_ok(const char *p, const char *end)
{
	while (p < end && (ch_blank(*p) || ch_is(*p, CH_TOKEN | CH_UTF8)))
		p++;
	return p == end;
}

static int
nameaddr_fail(struct ed_fault *fault, struct str value, const char *at, const char *what)
{
	return ed_fail(fault, ED_MALFORMED, (uint32_t)(at - value.p), what);
}

int
nameaddr_parse(struct str value, const char *safe, struct sip_nameaddr *ret, struct ed_fault *fault)
{
	const char *p = value.p, *end, *start, *open;
	struct sip_nameaddr na = {.display = STR_NONE};

	if (value.n == 0 || value.n > UINT32_MAX / 2)
		return ed_fail(fault, ED_MALFORMED, 0, "name-addr: empty");
	if (value.n == 1 && *p == '*')
		return ed_fail(fault, ED_UNSUPPORTED, 0, "name-addr: *");
	end = value.p + value.n;
	p = start = scan_blanks(p, end);
	if (p == end)
		return nameaddr_fail(fault, value, p, "name-addr: empty");
	if (*p == '"') {
		p = scan_quoted(p, end, safe);
		if (!p)
			return nameaddr_fail(fault, value, start, "name-addr: open quote");
		na.display = (struct str){start, (size_t)(p - start)};
		p = open = scan_blanks(p, end);
		if (p == end || *p != '<')
			return nameaddr_fail(
			    fault, value, p, "name-addr: no < behind the display name");
	} else {
		open = scan_to(p, end, safe, '<');
		/* A '<' behind the first ';' is no bracket of ours, and no URI may hold one. */
		if (open < end) {
			na.display = str_trim((struct str){p, (size_t)(open - p)});
			if (!display_ok(p, open))
				return nameaddr_fail(
				    fault, value, p, "name-addr: bad display name");
		}
	}
	if (open < end) {
		na.bracketed = true;
		start = open + 1;
		p = scan_to(start, end, safe, '>');
		if (p == end)
			return nameaddr_fail(fault, value, open, "name-addr: > missing");
		na.uri_text = (struct str){start, (size_t)(p - start)};
		p++;
	} else {
		while (p < end && *p != ';' && *p != ',' && *p != '?' && !ch_blank(*p))
			p++;
		na.uri_text = (struct str){start, (size_t)(p - start)};
		/* RFC 3261 20: with a comma or question mark the URI must stand in < >. */
		if (p < end && (*p == ',' || *p == '?'))
			return nameaddr_fail(fault, value, p, "name-addr: < > missing");
	}
	if (na.uri_text.n == 0)
		return nameaddr_fail(fault, value, start, "name-addr: empty URI");
	na.uri_at = (uint32_t)(na.uri_text.p - value.p);
	p = scan_blanks(p, end);
	if (p < end && *p != ';')
		return nameaddr_fail(fault, value, p, "name-addr: text behind the URI");
	na.params = (struct str){p, (size_t)(end - p)};
	na.params_at = (uint32_t)(p - value.p);
	*ret = na;
	return ED_OK;
}

int
sip_nameaddr_parse(struct str value, struct sip_nameaddr *ret, struct ed_fault *fault)
{
	struct sip_nameaddr na;
	int r = nameaddr_parse(value, str_end(value), &na, fault);

	if (r == ED_OK)
		*ret = na;
	return r;
}

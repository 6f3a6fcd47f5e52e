/* SPDX-License-Identifier: MIT */
#include "sipparse/uri.h"

#include <arpa/inet.h>

#include "chars.h"
#include "host.h"

/* More parameters than this in one URI or value have no honest use; it bounds the search for twins.
 */
#define PARAMS_MAX 32u

int
sip_param_next(struct str params, uint32_t *pos, struct sip_param *ret)
{
	const char *start, *tail, *p, *end;

	if (params.n == 0) /* p may be NULL */
		return 0;
	end = params.p + params.n;
	p = scan_blanks(params.p + *pos, end);
	if (p == end)
		return 0;
	if (*p != ';')
		return ED_MALFORMED;
	start = p;
	p = scan_blanks(p + 1, end);
	ret->name.p = p;
	p = scan_while(p, end, CH_PNAME);
	ret->name.n = (size_t)(p - ret->name.p);
	if (ret->name.n == 0)
		return ED_MALFORMED;
	ret->value = STR_NONE;
	tail = scan_blanks(p, end);
	if (tail < end && *tail == '=') {
		p = scan_blanks(tail + 1, end);
		ret->value.p = p;
		if (p < end && *p == '"')
			p = scan_quoted(p, end);
		else
			p = scan_while(p, end, CH_VALUE);
		if (!p || p == ret->value.p)
			return ED_MALFORMED;
		ret->value.n = (size_t)(p - ret->value.p);
		tail = scan_blanks(p, end);
	}
	if (tail < end && *tail != ';')
		return ED_MALFORMED;
	ret->at = (uint32_t)(start - params.p);
	ret->len = (uint32_t)(p - start);
	*pos = (uint32_t)(tail - params.p);
	return 1;
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
params_check(struct str params, struct params_seen *ret)
{
	struct str names[PARAMS_MAX];
	struct sip_param one;
	uint32_t n = 0, pos = 0;
	int r;

	ret->escaped_name = false;
	while ((r = sip_param_next(params, &pos, &one)) == 1) {
		if (n == PARAMS_MAX)
			return ED_MALFORMED;
		for (uint32_t i = 0; i < n; i++)
			if (names[i].n == one.name.n &&
			    (names[i].p[0] | 0x20) == (one.name.p[0] | 0x20) &&
			    str_eq_nocase(names[i], one.name))
				return ED_MALFORMED;
		if (memchr(one.name.p, '%', one.name.n))
			ret->escaped_name = true;
		names[n++] = one.name;
	}
	ret->n = n;
	return r;
}

/*
 * RFC 3261 25.1 hostname and IPv4address. A label may hold '_' (user names stand as hosts in
 * Contacts of pidgin-sipe; Windows names have it). Refused although legal: a trailing dot, since
 * "a.example." would be another domain than "a.example" to whoever compares text. The last label
 * starts with a letter, so that inet_aton forms such as 0x7f.1, 127.1 or 2130706433 never pass as
 * names.
 */
static bool
host_is_name(const char *p, const char *end)
{
	const char *label = p;

	if (end - p > 255)
		return false;
	for (;; p++) {
		if (p == end || *p == '.') {
			if (p == label || *label == '-' || p[-1] == '-')
				return false;
			if (p == end)
				return ch_alpha(*label) || *label == '_';
			label = p + 1;
		}
	}
}

/* Four numbers to 255; no leading zero, which is octal to some readers. */
static bool
host_is_v4(const char *p, const char *end)
{
	for (int i = 0; i < 4; i++) {
		unsigned v = 0;
		const char *start = p;

		while (p < end && ch_digit(*p) && p - start < 3)
			v = v * 10 + (unsigned)(*p++ - '0');
		if (p == start || v > 255 || (*start == '0' && p - start > 1))
			return false;
		if (i < 3 && (p == end || *p++ != '.'))
			return false;
	}
	return p == end;
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

const char *
hostport_parse(const char *p, const char *end, struct hostport *ret)
{
	const char *start = p;

	ret->is_v6 = ret->is_v4 = false;
	ret->port = 0;
	if (p < end && *p == '[') {
		p = scan_to(p, end, ']');
		if (p == end || !host_is_v6(start + 1, p))
			return NULL;
		ret->host = (struct str){start + 1, (size_t)(p - start - 1)};
		ret->is_v6 = true;
		p++;
	} else {
		p = scan_while(p, end, CH_HOST);
		if (p == start)
			return NULL;
		if (ch_digit(*start) && host_is_v4(start, p))
			ret->is_v4 = true;
		else if (!host_is_name(start, p))
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

/* Behind the scheme of a SIP or SIPS URI. */
static int
uri_parse_sip(struct sip_uri *u, const char *p, const char *end, struct ed_fault *fault)
{
	struct params_seen seen;
	struct hostport hp;
	const char *at = scan_to(p, end, '@');

	if (at < end) {
		/* '@' must be escaped everywhere else, so a second one is read in two ways. */
		if (scan_to(at + 1, end, '@') < end)
			return uri_fail(fault, u, at, "URI: two @");
		if (at == p)
			return uri_fail(fault, u, at, "URI: empty user");
		u->user = (struct str){p, (size_t)(at - p)};
		if (memchr(p, '[', u->user.n) || memchr(p, ']', u->user.n))
			return uri_fail(fault, u, p, "URI: bracket in the user part");
		p = at + 1;
	}
	u->host_at = (uint32_t)(p - u->text.p);
	at = p;
	p = hostport_parse(p, end, &hp);
	if (!p)
		return uri_fail(fault, u, at, "URI: bad host or port");
	u->host = hp.host;
	u->host_is_v6 = hp.is_v6;
	u->host_is_v4 = hp.is_v4;
	u->port = hp.port;
	u->hostport_n = (uint32_t)hp.text.n;
	if (p < end && *p == ';') {
		at = scan_to(p, end, '?');
		u->params = (struct str){p, (size_t)(at - p)};
		if (params_check(u->params, &seen) < 0)
			return uri_fail(fault, u, p, "URI: bad or repeated parameter");
		u->escaped_name = seen.escaped_name;
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

int
sip_uri_parse(struct str text, struct sip_uri *ret_uri, struct ed_fault *fault)
{
	const char *p = text.p, *end, *bad;
	struct sip_uri u = {.text = text};
	int r = ED_OK;

	if (text.n == 0 || text.n > UINT32_MAX / 2)
		return ed_fail(fault, ED_MALFORMED, 0, "URI: empty");
	end = text.p + text.n;
	bad = scan_while(p, end, CH_URI | CH_UTF8);
	if (bad < end)
		return uri_fail(fault, &u, bad, "URI: character that must be escaped");
	if (!chars_escapes_ok(p, end))
		return uri_fail(fault, &u, p, "URI: bad escape");
	if (!ch_alpha(*p))
		return uri_fail(fault, &u, p, "URI: no scheme");
	while (p < end && (ch_is(*p, CH_ALNUM) || *p == '+' || *p == '-' || *p == '.'))
		p++;
	if (p == end || *p != ':' || p + 1 == end)
		return uri_fail(fault, &u, p, "URI: no scheme");
	u.scheme_text = (struct str){text.p, (size_t)(p - text.p)};
	p++;
	if (STR_IS(u.scheme_text, "sip"))
		u.scheme = SIP_SCHEME_SIP;
	else if (STR_IS(u.scheme_text, "sips"))
		u.scheme = SIP_SCHEME_SIPS;
	else
		u.scheme = SIP_SCHEME_OTHER;
	if (u.scheme != SIP_SCHEME_OTHER)
		r = uri_parse_sip(&u, p, end, fault);
	if (r < 0)
		return r;
	*ret_uri = u;
	return ED_OK;
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
sip_nameaddr_parse(struct str value, struct sip_nameaddr *ret, struct ed_fault *fault)
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
		p = scan_quoted(p, end);
		if (!p)
			return nameaddr_fail(fault, value, start, "name-addr: open quote");
		na.display = (struct str){start, (size_t)(p - start)};
		p = open = scan_blanks(p, end);
		if (p == end || *p != '<')
			return nameaddr_fail(
			    fault, value, p, "name-addr: no < behind the display name");
	} else {
		open = scan_to(p, end, '<');
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
		p = scan_to(start, end, '>');
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

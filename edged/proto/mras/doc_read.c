/* SPDX-License-Identifier: MIT */
#include <expat.h>
#include <stdlib.h>

#include "proto/mras/doc.h"

#define NS        "http://schemas.microsoft.com/2006/09/sip/mrasp"
#define SEPARATOR '\n' /* between namespace and name; cannot stand in either */
#define DEPTH_MAX 8u
#define ID_MAX    64u   /* characters */
#define URI_MAX   2048u /* bytes */
#define TEXT_MAX  65536u

enum place { OUTSIDE, IN_REQUEST, IN_ASK, IN_IDENTITY, IN_LOCATION, IN_DURATION };

struct reader {
	XML_Parser xml;
	struct arena *arena;
	struct mras_request *q;
	enum place place;
	enum place last; /* child of the ask that came last: order is significant */
	uint32_t depth;
	char *text;
	uint32_t text_len, text_room;
	bool malformed, no_memory, version_seen, version_known;
	struct mras_ask ask; /* beyond the cap it is read and not kept */
};

static void
give_up(struct reader *r, bool no_memory)
{
	if (no_memory)
		r->no_memory = true;
	else
		r->malformed = true;
	XML_StopParser(r->xml, XML_FALSE);
}

static bool
is_element(const char *name, const char *want)
{
	size_t n = sizeof(NS) - 1;

	return strncmp(name, NS, n) == 0 && name[n] == SEPARATOR && strcmp(name + n + 1, want) == 0;
}

static struct str
keep(struct reader *r, struct str s)
{
	struct str copy = arena_str(r->arena, s);

	if (!copy.p)
		give_up(r, true);
	return copy;
}

/* 1 to 64 characters of UTF-8. */
static bool
is_id(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return n >= 1 && n <= ID_MAX;
}

static bool
is_sip_uri(struct str s)
{
	size_t scheme = str_starts_nocase(s, STR("sips:"))  ? 5
			: str_starts_nocase(s, STR("sip:")) ? 4
							    : 0;

	if (!scheme || s.n <= scheme || s.n > URI_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((uint8_t)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

/* digits "." digits, or nothing known. */
static bool
read_version(struct str s, uint32_t *ret_major, uint32_t *ret_minor)
{
	ptrdiff_t dot = str_find(s, '.');

	return dot > 0 && str_to_u32(str_first(s, (size_t)dot), 999999, ret_major) &&
	       str_to_u32(str_from(s, (size_t)dot + 1), 999999, ret_minor);
}

/* mras.md 5.1: 1.0, 2.0 and 3.0 are ours; else the greatest below what was asked. */
static void
on_version(struct reader *r, struct str s)
{
	static const char *const ours[3] = {"1.0", "2.0", "3.0"};
	uint32_t major, minor, best;

	if (!read_version(s, &major, &minor)) {
		give_up(r, false);
		return;
	}
	r->version_seen = true;
	r->version_known = minor == 0 && major >= 1 && major <= 3;
	best = major < 1 ? 1 : major > 3 ? 3 : major;
	r->q->version = str_of(ours[best - 1]);
}

static void
open_request(struct reader *r, const char **attrs)
{
	for (; *attrs; attrs += 2) {
		struct str v = str_of(attrs[1]);

		if (strcmp(attrs[0], "requestID") == 0)
			r->q->id = keep(r, v);
		else if (strcmp(attrs[0], "version") == 0)
			on_version(r, v);
		else if (strcmp(attrs[0], "to") == 0)
			r->q->to = keep(r, v);
		else if (strcmp(attrs[0], "from") == 0)
			r->q->from = keep(r, v);
		else if (strcmp(attrs[0], "route") != 0)
			continue; /* xsi: and the like */
		else if (str_eq(v, STR("directip")))
			r->q->directip = true;
		else if (!str_eq(v, STR("loadbalanced")))
			give_up(r, false);
	}
	if (!r->version_seen || !is_id(r->q->id) || !is_sip_uri(r->q->to) ||
	    !is_sip_uri(r->q->from))
		give_up(r, false);
}

static void
open_ask(struct reader *r, const char **attrs)
{
	r->ask = (struct mras_ask){.location = MRAS_ANYWHERE};
	r->last = IN_ASK;
	for (; *attrs; attrs += 2)
		if (strcmp(attrs[0], "credentialsRequestID") == 0)
			r->ask.id = keep(r, str_of(attrs[1]));
	if (!is_id(r->ask.id))
		give_up(r, false);
}

/* identity, location, duration: in this order, each at most once. */
static void
open_child(struct reader *r, enum place place)
{
	if (place <= r->last) {
		give_up(r, false);
		return;
	}
	r->place = r->last = place;
	r->text_len = 0;
}

static void
on_open(void *arg, const char *name, const char **attrs)
{
	struct reader *r = arg;

	if (++r->depth > DEPTH_MAX) {
		give_up(r, false);
	} else if (r->place == OUTSIDE && r->depth == 1 && is_element(name, "request")) {
		r->place = IN_REQUEST;
		open_request(r, attrs);
	} else if (r->place == IN_REQUEST && is_element(name, "credentialsRequest")) {
		r->place = IN_ASK;
		open_ask(r, attrs);
	} else if (r->place == IN_ASK && is_element(name, "identity")) {
		open_child(r, IN_IDENTITY);
	} else if (r->place == IN_ASK && is_element(name, "location")) {
		open_child(r, IN_LOCATION);
	} else if (r->place == IN_ASK && is_element(name, "duration")) {
		open_child(r, IN_DURATION);
	} else {
		give_up(r, false);
	}
}

static bool
read_duration(struct str s, uint32_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (v < UINT32_MAX)
			v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
	return s.n > 0 && v > 0;
}

static struct str
trimmed(struct str s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]))
		s = str_from(s, 1);
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

static void
close_child(struct reader *r)
{
	struct str text = trimmed((struct str){r->text, r->text_len});
	bool good = true;

	if (r->place == IN_IDENTITY)
		r->ask.identity = keep(r, text);
	else if (r->place == IN_DURATION)
		good = read_duration(text, &r->ask.duration_min);
	else if (str_eq(text, STR("internet")))
		r->ask.location = MRAS_INTERNET;
	else if (str_eq(text, STR("intranet")))
		r->ask.location = MRAS_INTRANET;
	else
		good = false;
	if (!good)
		give_up(r, false);
	r->place = IN_ASK;
}

static void
close_ask(struct reader *r)
{
	struct mras_request *q = r->q;

	if (r->last < IN_IDENTITY) { /* identity is required */
		give_up(r, false);
		return;
	}
	if (q->n_asks < MRAS_CREDENTIALS_MAX)
		q->asks[q->n_asks] = r->ask;
	q->n_asks++;
	r->place = IN_REQUEST;
}

static void
on_close(void *arg, const char *name)
{
	struct reader *r = arg;

	(void)name;
	r->depth--;
	if (r->place >= IN_IDENTITY)
		close_child(r);
	else if (r->place == IN_ASK)
		close_ask(r);
	else
		r->place = OUTSIDE;
}

static void
on_text(void *arg, const char *p, int n)
{
	struct reader *r = arg;

	if (r->place < IN_IDENTITY)
		return;
	if (r->text_len + (uint32_t)n > TEXT_MAX) {
		give_up(r, false);
		return;
	}
	if (!r->text) {
		r->text = arena_alloc(r->arena, TEXT_MAX);
		if (!r->text) {
			give_up(r, true);
			return;
		}
	}
	memcpy(r->text + r->text_len, p, (size_t)n);
	r->text_len += (uint32_t)n;
}

static void
on_doctype(void *arg, const char *name, const char *system, const char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	give_up(arg, false);
}

static void
on_declaration(void *arg, const char *version, const char *encoding, int standalone)
{
	(void)version;
	(void)standalone;
	if (encoding && !str_eq_nocase(str_of(encoding), STR("utf-8")))
		give_up(arg, false);
}

static void
parse(struct reader *r, struct str body)
{
	XML_SetUserData(r->xml, r);
	XML_SetElementHandler(r->xml, on_open, on_close);
	XML_SetCharacterDataHandler(r->xml, on_text);
	XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
	XML_SetXmlDeclHandler(r->xml, on_declaration);
	if (XML_Parse(r->xml, body.p ? body.p : "", (int)body.n, XML_TRUE) != XML_STATUS_OK)
		r->malformed = true;
}

int
mras_request_read(struct arena *a, struct str body, struct mras_request *ret)
{
	struct mras_request q = {0};
	struct reader r = {.arena = a, .q = &q};

	if (body.n > MRAS_BODY_MAX) {
		*ret =
		    (struct mras_request){.reason = MRAS_REQUEST_TOO_LARGE, .version = STR("3.0")};
		return ED_OK;
	}
	q.asks = arena_calloc(a, MRAS_CREDENTIALS_MAX, sizeof(q.asks[0]));
	r.xml = XML_ParserCreateNS("UTF-8", SEPARATOR);
	if (q.asks && r.xml)
		parse(&r, body);
	XML_ParserFree(r.xml);
	if (!q.asks || !r.xml || r.no_memory)
		return ED_NOMEM;
	if (r.malformed || q.n_asks == 0) {
		*ret =
		    (struct mras_request){.reason = MRAS_REQUEST_MALFORMED, .version = STR("3.0")};
		return ED_OK;
	}
	q.reason = !r.version_known                  ? MRAS_VERSION_MISMATCH
		   : q.n_asks > MRAS_CREDENTIALS_MAX ? MRAS_REQUEST_TOO_LARGE
						     : MRAS_OK;
	*ret = q;
	return ED_OK;
}

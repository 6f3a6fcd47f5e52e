/* SPDX-License-Identifier: MIT
 *
 * scenario/check.c: what must hold for every message that leaves the edge, in every scenario, and
 * the assertions that a script can make about one of them.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "world.h"

/* access-edge-sip 6.3: texts that would name the inside. */
static const char *const inside_texts[] = {
    "int.contoso.com", "10.20.", "10.30.", "fe01.", "pool01.", NULL};

/* Headers that have to go out as they are: signed fields (7.3) and authentication. */
static bool
is_exempt(const char *name)
{
	static const char *const names[] = {"Call-ID", "From", "To", "P-Asserted-Identity",
	    "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info",
	    "Proxy-Authentication-Info", NULL};

	for (unsigned i = 0; names[i]; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool
peer_wrote(const struct peer *p, const char *text)
{
	return p->sent.n && memmem(p->sent.p, p->sent.n, text, strlen(text));
}

static void
hides_inside(struct world *w, const struct peer *p, const struct text_msg *m)
{
	for (unsigned t = 0; inside_texts[t]; t++) {
		if (strcasestr(m->start, inside_texts[t]) && !peer_wrote(p, inside_texts[t]))
			world_fail(w, "%s got an inside name in: %s", p->name, m->start);
		for (unsigned i = 0; i < m->n_headers; i++)
			if (!is_exempt(m->h[i].name) &&
			    strcasestr(m->h[i].value, inside_texts[t]) &&
			    !peer_wrote(p, inside_texts[t]))
				world_fail(w, "%s got an inside name in %s: %s", p->name,
				    m->h[i].name, m->h[i].value);
	}
}

/* No trust statement of an outsider reaches the inside. */
static void
carries_our_trust(struct world *w, const struct peer *p, const struct text_msg *m)
{
	static const char *const never[] = {"ms-user-logon-data", "ms-asserted-verification-level",
	    "ms-user-data", "ms-application-via", "ms-split-domain-info", NULL};
	unsigned n = text_count(m, "ms-edge-proxy-message-trust");
	const char *v = text_header(m, "ms-edge-proxy-message-trust", 0);

	if (m->is_request && text_count(m, "Via") == 1 && !v)
		return; /* made by the edge itself: a probe, ACK, CANCEL, BYE */
	if (m->is_request && strcmp(m->method, "ACK") != 0 && strcmp(m->method, "CANCEL") != 0 &&
	    (n != 1 || !strstr(v, "ms-ep-fqdn=edge.int.contoso.com")))
		world_fail(w, "%s got %s with %u trust headers", p->name, m->start, n);
	for (unsigned i = 0; never[i]; i++)
		if (text_header(m, never[i], 0))
			world_fail(w, "%s got %s", p->name, never[i]);
}

/* 7.3: the fields under a signature leave as some peer wrote them. */
static void
keeps_signed_fields(struct world *w, const struct peer *p, const struct text_msg *m)
{
	static const char *const names[] = {"Call-ID", "CSeq", "From", "P-Asserted-Identity",
	    "Expires", "Authorization", "WWW-Authenticate", "Authentication-Info", NULL};

	for (unsigned i = 0; i < m->n_headers; i++) {
		bool found = false, ours = true;

		for (unsigned k = 0; names[k]; k++)
			if (strcasecmp(m->h[i].name, names[k]) == 0)
				ours = false;
		if (ours)
			continue;
		for (unsigned k = 0; k < w->n_peers && !found; k++)
			found = w->peers[k] != p && peer_wrote(w->peers[k], m->h[i].value);
		/* Answers and requests that the edge makes itself copy from p, or from nobody. */
		if (!found && !peer_wrote(p, m->h[i].value) &&
		    strstr(m->start, "OPTIONS") == NULL &&
		    !(m->is_request &&
			(strcmp(m->method, "ACK") == 0 || strcmp(m->method, "BYE") == 0 ||
			    strcmp(m->method, "CANCEL") == 0)))
			world_fail(
			    w, "%s got a changed %s: %s", p->name, m->h[i].name, m->h[i].value);
	}
}

static void
is_readable(struct world *w, const struct peer *p, const struct text_msg *m)
{
	if (text_count(m, "Content-Length") != 1)
		world_fail(w, "%s got %u Content-Lengths in %s", p->name,
		    text_count(m, "Content-Length"), m->start);
	if (!m->is_request && strlen(m->start) < 13)
		world_fail(w, "%s got a status line without reason: %s", p->name, m->start);
	if (p->external && text_count(m, "Via") > 1 && m->is_request)
		world_fail(w, "%s got %u Vias", p->name, text_count(m, "Via"));
	if (text_count(m, "ms-user-logon-data") > 1)
		world_fail(w, "%s got ms-user-logon-data twice", p->name);
}

void
check_invariants(struct world *w, struct peer *p, const struct text_msg *m)
{
	is_readable(w, p, m);
	keeps_signed_fields(w, p, m);
	if (p->external)
		hides_inside(w, p, m);
	else
		carries_our_trust(w, p, m);
}

/* ---- assertions ---- */

static unsigned
value_count(const struct text_msg *m, const char *name)
{
	unsigned n = 0;
	const char *v;

	for (unsigned i = 0; (v = text_header(m, name, i)) != NULL; i++) {
		int angle = 0;

		n++;
		for (; *v; v++) {
			angle += *v == '<' ? 1 : *v == '>' ? -1 : 0;
			n += *v == ',' && angle == 0;
		}
	}
	return n;
}

/* The values of a Route-like header, one per line of the variable, turned round when asked. */
static void
save_routes(struct world *w, const struct text_msg *m, const char *var, bool turn)
{
	unsigned n = text_count(m, "Record-Route");
	struct buf b = {0};

	buf_add(&b, "", 0);
	for (unsigned i = 0; i < n; i++)
		buf_fmt(&b, "%sRoute: %s", i ? "\n" : "",
		    text_header(m, "Record-Route", turn ? n - 1 - i : i));
	world_set(w, var, b.p);
	buf_free(&b);
}

static void
save_part(struct world *w, const char *as, const char *suffix, const char *from, const char *mark,
    const char *stop)
{
	char var[192], value[4096] = "";
	const char *at = from ? strstr(from, mark) : NULL;

	if (at) {
		at += strlen(mark);
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, stop), at);
	}
	snprintf(var, sizeof(var), "%s.%s", as, suffix);
	world_set(w, var, value);
}

static void
save(struct world *w, const struct text_msg *m, const char *as)
{
	char var[192];

	snprintf(var, sizeof(var), "%s.uac", as);
	save_routes(w, m, var, true);
	snprintf(var, sizeof(var), "%s.uas", as);
	save_routes(w, m, var, false);
	save_part(w, as, "contact", text_header(m, "Contact", 0), "<", ">");
	save_part(w, as, "totag", text_header(m, "To", 0), ";tag=", ";");
	save_part(w, as, "fromtag", text_header(m, "From", 0), ";tag=", ";");
	save_part(w, as, "branch", text_header(m, "Via", 0), "branch=", ";");
	snprintf(var, sizeof(var), "%s.uri", as);
	world_set(w, var, m->uri);
	snprintf(var, sizeof(var), "%s.via", as);
	world_set(w, var, text_header(m, "Via", 0) ? text_header(m, "Via", 0) : "");
	snprintf(var, sizeof(var), "%s.raw", as);
	world_set(w, var, m->raw);
}

static bool
says(struct world *w, bool ok, const struct text_msg *m, const char *what)
{
	if (!ok)
		world_fail(w, "expected \"%s\" in:\n%s", what, m->raw);
	return ok;
}

bool
check_assert(struct world *w, const struct text_msg *m, const char *what)
{
	char name[128], text[2048];
	unsigned n;
	int at = 0;
	const char *v;

	if (sscanf(what, "save %127s", name) == 1) {
		save(w, m, name);
		return true;
	}
	if (sscanf(what, "no %127s", name) == 1)
		return says(w, !text_header(m, name, 0), m, what);
	if (sscanf(what, "%127s count %u", name, &n) == 2)
		return says(w, value_count(m, name) == n, m, what);
	if (sscanf(what, "body %2047[^\n]", text) == 1)
		return says(w, strncmp(m->body, text, strlen(text)) == 0, m, what);
	if (sscanf(what, "uri %2047[^\n]", text) == 1)
		return says(w, strcmp(m->uri, text) == 0, m, what);
	if (sscanf(what, "reason %2047[^\n]", text) == 1)
		return says(w, strstr(m->start, text) != NULL, m, what);
	if (sscanf(what, "first %127s", name) == 1)
		return says(w, m->n_headers && strcasecmp(m->h[0].name, name) == 0, m, what);
	if (sscanf(what, "%127[^ :] has %n%2047[^\n]", name, &at, text) == 2) {
		for (unsigned i = 0; (v = text_header(m, name, i)) != NULL; i++)
			if (strstr(v, text))
				return true;
		return says(w, false, m, what);
	}
	if (sscanf(what, "%127[^ :] lacks %2047[^\n]", name, text) == 2) {
		for (unsigned i = 0; (v = text_header(m, name, i)) != NULL; i++)
			if (strstr(v, text))
				return says(w, false, m, what);
		return true;
	}
	if (sscanf(what, "%127[^ :]: %2047[^\n]", name, text) == 2) {
		v = text_header(m, name, 0);
		return says(w, v && strcmp(v, text) == 0, m, what);
	}
	if (sscanf(what, "%127s", name) == 1)
		return says(w, text_header(m, name, 0) != NULL, m, what);
	world_fail(w, "cannot read the assertion \"%s\"", what);
	return false;
}

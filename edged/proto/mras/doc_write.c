/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/wipe.h"
#include "proto/mras/doc.h"

#define SERVER_VERSION "3.0"

/* Counts first (p NULL), then writes the same again. */
struct out {
	char *p;
	size_t n;
};

static void
raw(struct out *o, struct str s)
{
	if (o->p && s.n)
		memcpy(o->p + o->n, s.p, s.n);
	o->n += s.n;
}

static void
text(struct out *o, const char *s)
{
	raw(o, str_of(s));
}

/* What came from outside: ids and URIs are the requester's. */
static void
escaped(struct out *o, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&':
			text(o, "&amp;");
			break;
		case '<':
			text(o, "&lt;");
			break;
		case '>':
			text(o, "&gt;");
			break;
		case '"':
			text(o, "&quot;");
			break;
		case '\t':
			text(o, "&#9;");
			break;
		case '\n':
			text(o, "&#10;");
			break;
		case '\r':
			text(o, "&#13;");
			break;
		default:
			raw(o, (struct str){s.p + i, 1});
		}
	}
}

static void
attribute(struct out *o, const char *name, struct str value)
{
	text(o, " ");
	text(o, name);
	text(o, "=\"");
	escaped(o, value);
	text(o, "\"");
}

static void
element(struct out *o, const char *name, struct str value)
{
	text(o, "<");
	text(o, name);
	text(o, ">");
	escaped(o, value);
	text(o, "</");
	text(o, name);
	text(o, ">");
}

static void
number(struct out *o, const char *name, uint32_t value)
{
	char buf[12];

	snprintf(buf, sizeof(buf), "%u", value);
	element(o, name, str_of(buf));
}

static void
base64(struct out *o, const char *name, const uint8_t *p, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char buf[(MRAS_USERNAME_LEN + 2) / 3 * 4];
	size_t len = 0;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		if (i + 1 < n)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		buf[len++] = digits[v >> 18];
		buf[len++] = digits[v >> 12 & 63];
		buf[len++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		buf[len++] = i + 2 < n ? digits[v & 63] : '=';
	}
	element(o, name, (struct str){buf, len});
	wipe(buf, sizeof(buf));
}

static void
relay(struct out *o, const struct mras_relay *r)
{
	text(o, "<mediaRelay>");
	element(o, "location", r->location == MRAS_INTRANET ? STR("intranet") : STR("internet"));
	element(o, r->is_address ? "directIPAddress" : "hostName", r->host);
	if (r->udp_port)
		number(o, "udpPort", r->udp_port);
	if (r->tcp_port)
		number(o, "tcpPort", r->tcp_port);
	text(o, "</mediaRelay>");
}

static void
credentials(struct out *o, const struct mras_answer *a, uint32_t i)
{
	const struct mras_ask *ask = &a->request->asks[i];
	const struct mras_grant *g = &a->grants[i];

	text(o, "<credentialsResponse");
	attribute(o, "credentialsRequestID", ask->id);
	text(o, "><credentials>");
	base64(o, "username", g->token.username, sizeof(g->token.username));
	base64(o, "password", g->token.password, sizeof(g->token.password));
	number(o, "duration", g->duration_min);
	if (a->realm.n)
		element(o, "realm", a->realm);
	text(o, "</credentials><mediaRelayList>");
	for (uint32_t k = 0; k < a->n_relays; k++) {
		const struct mras_relay *r = &a->relays[k];

		if (r->is_address == a->request->directip &&
		    (ask->location == MRAS_ANYWHERE || ask->location == r->location))
			relay(o, r);
	}
	text(o, "</mediaRelayList></credentialsResponse>");
}

static void
document(struct out *o, const struct mras_answer *a)
{
	const struct mras_request *q = a->request;

	text(o, "<?xml version=\"1.0\"?>"
		"<response xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\"");
	if (q->id.p)
		attribute(o, "requestID", q->id);
	attribute(o, "version", q->version);
	attribute(o, "serverVersion", STR(SERVER_VERSION));
	if (q->to.p)
		attribute(o, "to", q->to);
	if (q->from.p)
		attribute(o, "from", q->from);
	attribute(o, "reasonPhrase", str_of(mras_reason_text(a->reason)));
	if (a->reason != MRAS_OK) {
		text(o, "/>");
		return;
	}
	text(o, ">");
	for (uint32_t i = 0; i < q->n_asks; i++)
		credentials(o, a, i);
	text(o, "</response>");
}

struct str
mras_answer_write(struct arena *arena, const struct mras_answer *a)
{
	struct out o = {0};

	document(&o, a);
	o.p = arena_alloc(arena, o.n);
	if (!o.p)
		return STR_NONE;
	o.n = 0;
	document(&o, a);
	return (struct str){o.p, o.n};
}

const char *
mras_reason_text(enum mras_reason r)
{
	static const char *const texts[MRAS_REASON__N] = {"OK", "Request Malformed",
	    "Request Too Large", "Not Supported", "Server Busy", "Time Out", "Forbidden",
	    "Internal Server Error", "Other Failure", "Version Mismatch"};

	return r < MRAS_REASON__N ? texts[r] : "Other Failure";
}

/* SPDX-License-Identifier: MIT
 *
 * access/trace.c
 */
#include "access/trace.h"

#include <stdlib.h>
#include <string.h>

#include "access/flow.h"
#include "base/addr.h"
#include "base/list.h"
#include "svc/svc.h"

struct record {
	struct list link;
	uint64_t at_ms, cid;
	struct addr peer, local;
	bool in, external;
	uint32_t n;
	char bytes[];
};

struct trace {
	char word[TRACE_WORD_MAX];
	size_t word_n;
	uint64_t cid; /* the word read as a flow's id; 0: it is none */
	uint64_t read_ms;
	struct list records; /* oldest first */
	size_t held;
	uint64_t lost;
};

/* ---- masking ---- */

static struct str
header_block(struct str bytes)
{
	const char *end = memmem(bytes.p, bytes.n, "\r\n\r\n", 4);

	return end ? str_first(bytes, (size_t)(end - bytes.p) + 4) : bytes;
}

static bool
is_credentials(struct str name)
{
	static const char *const names[] = {"Authorization", "Proxy-Authorization",
	    "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info",
	    "Proxy-Authentication-Info"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq_nocase(name, str_of(names[i])))
			return true;
	return false;
}

/* What tells a failed sign-in from another, and proves nothing. */
static bool
is_shown(struct str param)
{
	static const char *const names[] = {"realm", "targetname", "version", "algorithm", "qop",
	    "username", "uri", "nc", "cnum", "snum", "stale", "sts-uri"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq_nocase(param, str_of(names[i])))
			return true;
	return false;
}

static bool
is_name_char(char c)
{
	return c == '-' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* Stars over one value, its quotes apart. Returns where it ends. */
static size_t
mask_value(char *p, size_t i, size_t n, bool hide)
{
	bool quoted = i < n && p[i] == '"';

	i += quoted;
	for (; i < n; i++) {
		if (quoted ? p[i] == '"' : p[i] == ',' || p[i] == '\r' || p[i] == '\n')
			break;
		if (quoted && p[i] == '\\' && i + 1 < n) {
			if (hide)
				p[i] = '*';
			i++;
		}
		if (hide && p[i] != '\r' && p[i] != '\n')
			p[i] = '*';
	}
	return quoted && i < n ? i + 1 : i;
}

/* The value of a line of authentication: scheme, then name=value, name="value", ... */
static void
mask_line(char *p, size_t n)
{
	size_t i = 0, name = 0;

	while (i < n) {
		if (p[i] != '=') {
			if (!is_name_char(p[i]))
				name = i + 1;
			i++;
			continue;
		}
		i = mask_value(p, i + 1, n, !is_shown((struct str){p + name, i - name}));
		name = i;
	}
}

/* Lines with their folds; a credential without a '=' (Basic, Bearer) is a scheme and a blob. */
static void
mask_credentials(char *p, size_t n)
{
	size_t i = 0;
	bool blob = true;

	for (size_t k = 0; k < n; k++)
		if (p[k] == '=' && k + 1 < n && p[k + 1] != '=' && p[k + 1] != '\r')
			blob = false;
	if (!blob) {
		mask_line(p, n);
		return;
	}
	while (i < n && (p[i] == ' ' || p[i] == '\t'))
		i++;
	while (i < n && is_name_char(p[i]))
		i++;
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
			p[i] = '*';
}

void
trace_mask(char *p, size_t n)
{
	size_t head = header_block((struct str){p, n}).n, at = 0;

	while (at < head) {
		size_t end = at, colon;

		/* To the end of the line, folds included. */
		do {
			const char *lf = memchr(p + end, '\n', head - end);

			end = lf ? (size_t)(lf - p) + 1 : head;
		} while (end < head && (p[end] == ' ' || p[end] == '\t'));
		for (colon = at; colon < end && p[colon] != ':'; colon++)
			;
		if (colon < end && is_credentials(str_trim((struct str){p + at, colon - at})))
			mask_credentials(p + colon + 1, end - colon - 1);
		at = end;
	}
	for (size_t i = head; i < n; i++)
		if (p[i] != '\r' && p[i] != '\n')
			p[i] = '*';
}

/* ---- the records ---- */

struct trace *
trace_new(struct str word, uint64_t now_ms)
{
	struct trace *t;
	char *end;

	if (word.n == 0 || word.n >= TRACE_WORD_MAX)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	memcpy(t->word, word.p, word.n);
	t->word_n = word.n;
	t->cid = strtoull(t->word, &end, 16);
	if (*end)
		t->cid = 0;
	t->read_ms = now_ms;
	list_init(&t->records);
	return t;
}

static void
record_free(struct trace *t, struct record *r)
{
	list_remove(&r->link);
	t->held -= sizeof(*r) + r->n;
	free(r);
}

struct trace *
trace_free(struct trace *t)
{
	if (!t)
		return NULL;
	while (!list_is_empty(&t->records))
		record_free(t, LIST_OF(t->records.next, struct record, link));
	free(t);
	return NULL;
}

bool
trace_is_forgotten(const struct trace *t, uint64_t now_ms)
{
	return now_ms - t->read_ms > TRACE_FORGOTTEN_MS;
}

void
trace_show(struct trace *t, const struct flow *f, bool in, struct str bytes, uint64_t now_ms)
{
	struct str head = header_block(bytes);
	size_t n = bytes.n < TRACE_MESSAGE_MAX ? bytes.n : TRACE_MESSAGE_MAX;
	struct record *r;

	if (!(t->cid && t->cid == f->cid) && !memmem(head.p, head.n, t->word, t->word_n))
		return;
	r = t->held + sizeof(*r) + n > TRACE_HELD_MAX ? NULL : malloc(sizeof(*r) + n);
	if (!r) {
		t->lost++;
		return;
	}
	*r = (struct record){.at_ms = now_ms,
	    .cid = f->cid,
	    .peer = f->peer,
	    .local = f->local,
	    .in = in,
	    .external = flow_is_external(f),
	    .n = (uint32_t)n};
	memcpy(r->bytes, bytes.p, n);
	trace_mask(r->bytes, n);
	list_push_back(&t->records, &r->link);
	t->held += sizeof(*r) + n;
}

static void
put_hex(struct svc_ctl_reply *reply, const char *p, size_t n)
{
	char text[2 * 128 + 1];

	for (size_t i = 0; i < n;) {
		size_t k = 0;

		for (; k < 128 && i < n; k++, i++) {
			static const char digits[] = "0123456789abcdef";

			text[2 * k] = digits[(unsigned char)p[i] >> 4];
			text[2 * k + 1] = digits[(unsigned char)p[i] & 15];
		}
		text[2 * k] = '\0';
		svc_reply(reply, "%s", text);
	}
}

void
trace_read(struct trace *t, uint64_t now_ms, struct svc_ctl_reply *reply)
{
	const char *comma = "";

	t->read_ms = now_ms;
	svc_reply(reply, "{\"messages\":[");
	while (!list_is_empty(&t->records)) {
		struct record *r = LIST_OF(t->records.next, struct record, link);
		char peer[ADDR_STR_LEN], local[ADDR_STR_LEN];

		if (!svc_reply_has_room(reply, 2 * (size_t)r->n + 512))
			break;
		svc_reply(reply,
		    "%s{\"age_ms\":%llu,\"flow\":\"%llx\",\"dir\":\"%s\",\"side\":\"%s\",\"peer\":"
		    "\"%s\","
		    "\"local\":\"%s\",\"octets\":\"",
		    comma, (unsigned long long)(now_ms - r->at_ms), (unsigned long long)r->cid,
		    r->in ? "in" : "out", r->external ? "external" : "internal",
		    addr_str(&r->peer, peer), addr_str(&r->local, local));
		put_hex(reply, r->bytes, r->n);
		svc_reply(reply, "\"}");
		comma = ",";
		record_free(t, r);
	}
	svc_reply(reply, "],\"more\":%s,\"lost\":%llu}",
	    list_is_empty(&t->records) ? "false" : "true", (unsigned long long)t->lost);
}

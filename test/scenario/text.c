/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
buf_add(struct buf *b, const char *p, size_t n)
{
	if (b->n + n + 1 > b->room) {
		b->room = (b->n + n + 1) * 2;
		b->p = realloc(b->p, b->room);
		if (!b->p)
			abort();
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	buf_add(b, s, (size_t)n);
	free(s);
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

long
text_frame(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	const char *l;
	size_t head;
	long body;

	if (!end)
		return 0;
	head = (size_t)(end - p) + 4;
	l = memmem(p, head, "\r\nContent-Length:", 17);
	if (!l)
		l = memmem(p, head, "\r\nl:", 4);
	if (!l)
		return -1;
	body = strtol(strchr(l + 2, ':') + 1, NULL, 10);
	return n >= head + (size_t)body ? (long)head + body : 0;
}

static void
add_header(struct text_msg *m, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	struct text_header *h;
	size_t at;

	if (!colon || m->n_headers == TEXT_HEADERS_MAX)
		return;
	h = &m->h[m->n_headers++];
	h->name = strndup(line, (size_t)(colon - line));
	at = (size_t)(colon - line) + 1;
	while (at < n && line[at] == ' ')
		at++;
	h->value = strndup(line + at, n - at);
}

struct text_msg *
text_parse(const char *p, size_t n)
{
	struct text_msg *m = calloc(1, sizeof(*m));
	const char *cseq;
	char *at, *eol;

	m->raw = malloc(n + 1);
	memcpy(m->raw, p, n);
	m->raw[n] = '\0';
	m->n = n;
	at = strstr(m->raw, "\r\n");
	if (!at)
		return text_free(m);
	m->start = strndup(m->raw, (size_t)(at - m->raw));
	for (at += 2; (eol = strstr(at, "\r\n")) != NULL && eol != at; at = eol + 2)
		add_header(m, at, (size_t)(eol - at));
	if (!eol)
		return text_free(m);
	m->body = eol + 2;
	m->body_n = n - (size_t)(m->body - m->raw);
	m->is_request = strncmp(m->start, "SIP/2.0 ", 8) != 0;
	if (m->is_request) {
		if (sscanf(m->start, "%31s %4095s", m->method, m->uri) != 2)
			return text_free(m);
		return m;
	}
	m->status = atoi(m->start + 8);
	cseq = text_header(m, "CSeq", 0);
	if (cseq)
		sscanf(cseq, "%*u %31s", m->method);
	return m;
}

struct text_msg *
text_free(struct text_msg *m)
{
	if (!m)
		return NULL;
	for (unsigned i = 0; i < m->n_headers; i++) {
		free(m->h[i].name);
		free(m->h[i].value);
	}
	free(m->start);
	free(m->raw);
	free(m);
	return NULL;
}

const char *
text_header(const struct text_msg *m, const char *name, unsigned i)
{
	for (unsigned k = 0; k < m->n_headers; k++)
		if (strcasecmp(m->h[k].name, name) == 0 && i-- == 0)
			return m->h[k].value;
	return NULL;
}

unsigned
text_count(const struct text_msg *m, const char *name)
{
	unsigned n = 0;

	while (text_header(m, name, n))
		n++;
	return n;
}

void
text_to_wire(const char *lines, struct buf *out)
{
	const char *body = strstr(lines, "\n\n");
	size_t body_n = body ? strlen(body + 2) : 0;
	bool has_length = false;
	const char *at = lines;

	while (*at && (!body || at < body + 1)) {
		const char *eol = strchrnul(at, '\n');

		if (strncasecmp(at, "Content-Length:", 15) == 0 || strncasecmp(at, "l:", 2) == 0)
			has_length = true;
		buf_fmt(out, "%.*s\r\n", (int)(eol - at), at);
		at = *eol ? eol + 1 : eol;
	}
	if (!has_length)
		buf_fmt(out, "Content-Length: %zu\r\n", body_n);
	buf_add(out, "\r\n", 2);
	if (body)
		buf_add(out, body + 2, body_n);
}

/* Record-Routes of servers behind the one that answers stand above those they copied. */
static const char *
put_routes_first(struct buf *b, const char *more)
{
	while (strncasecmp(more, "Record-Route:", 13) == 0) {
		size_t n = strcspn(more, "\n") + 1;

		buf_add(b, more, n);
		more += n;
	}
	return more;
}

void
text_answer(const struct text_msg *m, int status, const char *reason, const char *more,
    unsigned tag, struct buf *out)
{
	static const char *const copied[] = {
	    "Via", "Record-Route", "From", "To", "Call-ID", "CSeq"};
	struct buf b = {0};

	buf_fmt(&b, "SIP/2.0 %d %s\n", status, reason);
	more = put_routes_first(&b, more);
	for (unsigned k = 0; k < sizeof(copied) / sizeof(copied[0]); k++) {
		const char *v;

		for (unsigned i = 0; (v = text_header(m, copied[k], i)) != NULL; i++) {
			bool is_to = strcmp(copied[k], "To") == 0;

			buf_fmt(&b, "%s: %s", copied[k], v);
			if (is_to && status > 100 && !strstr(v, ";tag="))
				buf_fmt(&b, ";tag=t%u", tag);
			buf_add(&b, "\n", 1);
		}
	}
	buf_add(&b, more, strlen(more));
	text_to_wire(b.p, out);
	buf_free(&b);
}

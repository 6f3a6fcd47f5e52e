/* SPDX-License-Identifier: MIT
 *
 * svc/json.c: RFC 8259, as far as our own answers need it; depth is bounded.
 */
#include "svc/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
json_done(struct json *j)
{
	free(j->p);
	memset(j, 0, sizeof(*j));
}

static bool
make_room(struct json *j, size_t n)
{
	size_t room = j->room ? j->room : 1024;
	char *p;

	if (j->failed)
		return false;
	while (room - j->n <= n)
		room *= 2;
	if (room == j->room)
		return true;
	p = realloc(j->p, room);
	if (!p) {
		j->failed = true;
		return false;
	}
	j->p = p;
	j->room = room;
	return true;
}

void
json_raw(struct json *j, struct str text)
{
	if (!make_room(j, text.n))
		return;
	if (text.n)
		memcpy(j->p + j->n, text.p, text.n);
	j->n += text.n;
	j->p[j->n] = '\0';
}

void
json_fmt(struct json *j, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf))
		j->failed = true;
	else
		json_raw(j, (struct str){buf, (size_t)n});
}

void
json_text(struct json *j, struct str text)
{
	json_raw(j, STR("\""));
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '"' || c == '\\')
			json_fmt(j, "\\%c", c);
		else if (c < 0x20)
			json_fmt(j, "\\u%04x", c);
		else
			json_raw(j, (struct str){text.p + i, 1});
	}
	json_raw(j, STR("\""));
}

void
json_next(struct json *j)
{
	if (j->n > 0 && j->p[j->n - 1] != '{' && j->p[j->n - 1] != '[')
		json_raw(j, STR(","));
}

void
json_key(struct json *j, const char *key)
{
	json_next(j);
	json_text(j, str_of(key));
	json_raw(j, STR(":"));
}

static void
skip_blanks(struct str *s)
{
	while (s->n && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		*s = str_from(*s, 1);
}

static bool
eat(struct str *s, char c)
{
	skip_blanks(s);
	if (!s->n || *s->p != c)
		return false;
	*s = str_from(*s, 1);
	return true;
}

static bool take(struct str *left, unsigned depth, struct json_value *ret);

static bool
take_text(struct str *left, struct str *ret)
{
	size_t n;

	if (!eat(left, '"'))
		return false;
	for (n = 0; n < left->n && left->p[n] != '"'; n++) {
		if ((unsigned char)left->p[n] < 0x20)
			return false;
		if (left->p[n] == '\\' && ++n == left->n)
			return false;
	}
	if (n == left->n)
		return false;
	*ret = str_first(*left, n);
	*left = str_from(*left, n + 1);
	return true;
}

static bool
take_object(struct str *left, unsigned depth)
{
	struct json_value v;
	struct str key;

	if (eat(left, '}'))
		return true;
	do {
		if (!take_text(left, &key) || !eat(left, ':') || !take(left, depth, &v))
			return false;
	} while (eat(left, ','));
	return eat(left, '}');
}

static bool
take_list(struct str *left, unsigned depth)
{
	struct json_value v;

	if (eat(left, ']'))
		return true;
	do {
		if (!take(left, depth, &v))
			return false;
	} while (eat(left, ','));
	return eat(left, ']');
}

static size_t
span(struct str s, const char *set)
{
	size_t n = 0;

	while (n < s.n && strchr(set, s.p[n]) && s.p[n])
		n++;
	return n;
}

static bool
take_word(struct str *left, struct json_value *ret)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t n = span(*left, "-+.0123456789eE");

	ret->kind = JSON_NUMBER;
	if (n == 0 || strchr("+.eE", left->p[0])) {
		ret->kind = JSON_WORD;
		n = 0;
		for (size_t i = 0; i < 3; i++) {
			struct str w = str_of(words[i]);

			if (left->n >= w.n && str_eq(str_first(*left, w.n), w))
				n = w.n;
		}
	}
	ret->raw = str_first(*left, n);
	*left = str_from(*left, n);
	return n > 0;
}

static bool
take(struct str *left, unsigned depth, struct json_value *ret)
{
	const char *from;
	bool ok;

	skip_blanks(left);
	if (!left->n || depth == 0)
		return false;
	from = left->p;
	if (*from == '"') {
		ret->kind = JSON_TEXT;
		return take_text(left, &ret->raw);
	}
	if (*from != '{' && *from != '[')
		return take_word(left, ret);
	ret->kind = *from == '{' ? JSON_OBJECT : JSON_LIST;
	*left = str_from(*left, 1);
	ok = ret->kind == JSON_OBJECT ? take_object(left, depth - 1) : take_list(left, depth - 1);
	ret->raw = (struct str){from, (size_t)(left->p - from)};
	return ok;
}

struct json_value
json_take(struct str *left)
{
	struct json_value v = {0};

	if (!take(left, JSON_DEPTH_MAX, &v))
		v = (struct json_value){0};
	return v;
}

/* Step over the opening bracket or the comma; false at the end. */
static bool
step(struct str *it)
{
	skip_blanks(it);
	if (!it->n || (*it->p != '{' && *it->p != '[' && *it->p != ','))
		return false;
	*it = str_from(*it, 1);
	skip_blanks(it);
	return it->n && *it->p != '}' && *it->p != ']';
}

bool
json_member(struct str *it, struct str *ret_key, struct json_value *ret)
{
	if (!step(it) || !take_text(it, ret_key) || !eat(it, ':'))
		return false;
	*ret = json_take(it);
	return ret->kind != JSON_NONE;
}

bool
json_element(struct str *it, struct json_value *ret)
{
	if (!step(it))
		return false;
	*ret = json_take(it);
	return ret->kind != JSON_NONE;
}

struct json_value
json_get(struct json_value v, const char *key)
{
	struct json_value one;
	struct str it = v.raw, name;

	if (v.kind == JSON_OBJECT)
		while (json_member(&it, &name, &one))
			if (str_eq(name, str_of(key)))
				return one;
	return (struct json_value){0};
}

const char *
json_plain(struct json_value v, char *buf, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < v.raw.n && n + 1 < room; i++) {
		char c = v.raw.p[i];

		if (v.kind == JSON_TEXT && c == '\\' && i + 1 < v.raw.n) {
			c = v.raw.p[++i];
			if (c == 'n')
				c = '\n';
			else if (c == 't')
				c = '\t';
			else if (c == 'u') {
				c = '?';
				i += 4;
			}
		}
		buf[n++] = c;
	}
	buf[n] = '\0';
	return buf;
}

bool
json_is_valid(struct str text)
{
	struct json_value v = json_take(&text);

	skip_blanks(&text);
	return v.kind != JSON_NONE && text.n == 0;
}

/* SPDX-License-Identifier: MIT */
#include "proto/psom/line.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static bool
visible(struct str s, size_t max)
{
	if (s.n == 0 || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return false;
	return true;
}

/* Server ids travel in :authority and in log lines: letters, digits, dot, hyphen, underscore. */
static bool
id_ok(struct str s, size_t max)
{
	if (s.n == 0 || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '-' &&
		    c != '_')
			return false;
	}
	return true;
}

static int
hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
hash_read(struct str s, uint8_t ret[PSOM_HASH_LEN])
{
	if (s.n != 2u * PSOM_HASH_LEN)
		return false;
	for (size_t i = 0; i < PSOM_HASH_LEN; i++) {
		int hi = hex_digit((unsigned char)s.p[2 * i]);
		int lo = hex_digit((unsigned char)s.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* Up to 15 digits: no overflow, and the year 30,000,000. */
static bool
seconds_read(struct str s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 15)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return true;
}

/* The text up to the next single space; *rest moves behind it. */
static struct str
word_next(struct str *rest)
{
	ptrdiff_t sp = str_find(*rest, ' ');
	struct str w = sp < 0 ? *rest : str_first(*rest, (size_t)sp);

	*rest = sp < 0 ? STR_NONE : str_from(*rest, (size_t)sp + 1);
	return w;
}

enum key { KEY_WEIGHT, KEY_NAME, KEY_SERVER, KEY_NOT_AFTER, KEY_USES, KEY_CONFERENCE, KEY__N };

static const struct {
	struct str name;
	unsigned kinds; /* bits of enum psom_line_kind it belongs to */
} keys[KEY__N] = {
    [KEY_WEIGHT] = {{"weight", 6}, 1u << PSOM_LINE_SERVER},
    [KEY_NAME] = {{"name", 4}, 1u << PSOM_LINE_SERVER},
    [KEY_SERVER] = {{"server", 6}, 1u << PSOM_LINE_TICKET},
    [KEY_NOT_AFTER] = {{"not-after", 9}, 1u << PSOM_LINE_TICKET},
    [KEY_USES] = {{"uses", 4}, 1u << PSOM_LINE_TICKET},
    [KEY_CONFERENCE] = {{"conference", 10}, 1u << PSOM_LINE_TICKET},
};

static bool
value_read(enum key k, struct str v, struct psom_line *l)
{
	switch (k) {
	case KEY_WEIGHT:
		return str_to_u32(v, PSOM_WEIGHT_MAX, &l->weight) && l->weight > 0;
	case KEY_NAME:
		l->name = v;
		return id_ok(v, PSOM_NAME_MAX);
	case KEY_SERVER:
		l->server = v;
		return id_ok(v, PSOM_SERVER_MAX);
	case KEY_NOT_AFTER:
		return seconds_read(v, &l->not_after_s);
	case KEY_USES:
		return str_to_u32(v, PSOM_USES_MAX, &l->uses) && l->uses > 0;
	case KEY_CONFERENCE:
		l->conference = v;
		return visible(v, PSOM_CONFERENCE_MAX);
	case KEY__N:
		break;
	}
	return false;
}

/* One key=value into l; seen collects the keys met. */
static int
field_read(struct str word, struct psom_line *l, unsigned *seen)
{
	ptrdiff_t eq = str_find(word, '=');
	struct str name;

	if (eq <= 0 || !visible(word, PSOM_LINE_MAX))
		return ED_MALFORMED;
	name = str_first(word, (size_t)eq);
	for (enum key k = 0; k < KEY__N; k++) {
		if (!(keys[k].kinds & 1u << l->kind) || !str_eq(name, keys[k].name))
			continue;
		if (*seen & 1u << k || !value_read(k, str_from(word, (size_t)eq + 1), l))
			return ED_MALFORMED;
		*seen |= 1u << k;
	}
	return ED_OK;
}

static int
kind_read(struct str word, enum psom_line_kind *ret)
{
	static const struct str words[] = {[PSOM_LINE_SERVER] = {"server", 6},
	    [PSOM_LINE_GONE] = {"gone", 4},
	    [PSOM_LINE_TICKET] = {"ticket", 6},
	    [PSOM_LINE_REVOKE] = {"revoke", 6}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq(word, words[i])) {
			*ret = (enum psom_line_kind)i;
			return ED_OK;
		}
	}
	return ED_UNSUPPORTED;
}

int
psom_line_read(struct str line, struct psom_line *ret)
{
	struct psom_line l = {.weight = 1, .uses = 1};
	struct str rest = line, subject;
	unsigned seen = 0;
	int r;

	r = kind_read(word_next(&rest), &l.kind);
	if (r < 0)
		return r;
	subject = word_next(&rest);
	if (l.kind == PSOM_LINE_SERVER || l.kind == PSOM_LINE_GONE) {
		if (!id_ok(subject, PSOM_SERVER_MAX))
			return ED_MALFORMED;
		l.server = subject;
	} else if (!hash_read(subject, l.hash)) {
		return ED_MALFORMED;
	}
	/* A space at the end gives an empty word: field_read refuses it. */
	while (rest.p) {
		r = field_read(word_next(&rest), &l, &seen);
		if (r < 0)
			return r;
	}
	if (l.kind == PSOM_LINE_TICKET &&
	    (!(seen & 1u << KEY_SERVER) || !(seen & 1u << KEY_NOT_AFTER)))
		return ED_MALFORMED;
	*ret = l;
	return ED_OK;
}

struct out {
	char *p;
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (o->n >= PSOM_LINE_MAX)
		return;
	va_start(ap, fmt);
	n = vsnprintf(o->p + o->n, PSOM_LINE_MAX - o->n, fmt, ap);
	va_end(ap);
	o->n = n < 0 ? PSOM_LINE_MAX : o->n + (size_t)n;
}

static void
put_hash(struct out *o, const uint8_t hash[PSOM_HASH_LEN])
{
	for (size_t i = 0; i < PSOM_HASH_LEN; i++)
		put(o, "%02x", hash[i]);
}

int
psom_line_write(const struct psom_line *l, char *ret)
{
	struct out o = {ret, 0};

	switch (l->kind) {
	case PSOM_LINE_SERVER:
		put(&o, "server " STR_FMT " weight=%u", STR_ARG(l->server), l->weight);
		if (l->name.n)
			put(&o, " name=" STR_FMT, STR_ARG(l->name));
		break;
	case PSOM_LINE_GONE:
		put(&o, "gone " STR_FMT, STR_ARG(l->server));
		break;
	case PSOM_LINE_TICKET:
		put(&o, "ticket ");
		put_hash(&o, l->hash);
		put(&o, " server=" STR_FMT " not-after=%llu uses=%u", STR_ARG(l->server),
		    (unsigned long long)l->not_after_s, l->uses);
		if (l->conference.n)
			put(&o, " conference=" STR_FMT, STR_ARG(l->conference));
		break;
	case PSOM_LINE_REVOKE:
		put(&o, "revoke ");
		put_hash(&o, l->hash);
		break;
	}
	put(&o, "\n");
	return o.n < PSOM_LINE_MAX ? (int)o.n : ED_LIMIT;
}

int
psom_lines_next(struct psom_lines *ls, struct str *in, struct str *ret_line)
{
	ptrdiff_t lf = str_find(*in, '\n');
	size_t take = lf < 0 ? in->n : (size_t)lf + 1;

	if (ls->n + take > PSOM_LINE_MAX || (lf < 0 && ls->n + take == PSOM_LINE_MAX))
		return ED_LIMIT;
	if (lf >= 0 && ls->n == 0) {
		*ret_line = str_first(*in, (size_t)lf);
		*in = str_from(*in, take);
		return 1;
	}
	if (take)
		memcpy(ls->held + ls->n, in->p, take);
	ls->n += take;
	*in = str_from(*in, take);
	if (lf < 0)
		return 0;
	*ret_line = (struct str){ls->held, ls->n - 1};
	ls->n = 0;
	return 1;
}

/* SPDX-License-Identifier: MIT
 *
 * conf/options.c: looking rows up, showing and copying their values, and a conf at its defaults.
 * Pure but for the memory of the conf's arena.
 */
#include "conf/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

/* Trust anchors of a distribution are 250 KB; a few of those and a long federation list fit. */
#define CONF_ARENA_CAP (64u * 1024u * 1024u)

const struct conf_opt *
conf_opt_find(struct str key)
{
	for (size_t i = 0; i < conf_n_opts; i++)
		if (str_eq(str_of(conf_opts[i].key), key))
			return &conf_opts[i];
	return NULL;
}

bool
conf_opt_is_group(struct str path)
{
	for (size_t i = 0; i < conf_n_opts; i++) {
		struct str k = str_of(conf_opts[i].key);

		if (k.n > path.n && k.p[path.n] == '.' && str_eq(str_first(k, path.n), path))
			return true;
	}
	return false;
}

/* Edit distance (insert, remove, replace), cut off at 64 characters. */
static unsigned
distance(struct str a, struct str b)
{
	unsigned row[65];

	a = str_first(a, 64);
	b = str_first(b, 64);
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned up = row[j];
			unsigned best = diagonal + (a.p[i - 1] != b.p[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = up;
		}
	}
	return row[b.n];
}

static struct str
last_part(struct str key)
{
	size_t at = key.n;

	while (at > 0 && key.p[at - 1] != '.')
		at--;
	return str_from(key, at);
}

const char *
conf_opt_guess(struct str key)
{
	const char *best = NULL;
	unsigned least = 4; /* more than three slips is another word */

	for (size_t i = 0; i < conf_n_opts; i++) {
		struct str k = str_of(conf_opts[i].key);
		unsigned d;

		if (conf_opts[i].filled)
			continue;
		d = distance(key, k);
		/* The right word in the wrong group. */
		if (d >= least && str_eq(last_part(k), last_part(key)))
			d = 3;
		if (d < least) {
			least = d;
			best = conf_opts[i].key;
		}
	}
	return best;
}

bool
conf_opt_guess_group(struct str path, char *ret, size_t room)
{
	unsigned least = 3;

	for (size_t i = 0; i < conf_n_opts; i++) {
		struct str k = str_of(conf_opts[i].key);

		for (size_t dot = 0; dot < k.n; dot++) {
			unsigned d = k.p[dot] == '.' ? distance(path, str_first(k, dot)) : least;

			if (d >= least)
				continue;
			least = d;
			snprintf(ret, room, STR_FMT, STR_ARG(str_first(k, dot)));
		}
	}
	return least < 3;
}

const char *
conf_takes_text(enum conf_takes t)
{
	static const char *const texts[] = {
	    "at once", "for new connections", "for new allocations", "after a restart"};

	return texts[t];
}

static void
add(char **at, size_t *left, const char *text)
{
	size_t n = strlen(text);

	if (n >= *left)
		n = *left - 1;
	memcpy(*at, text, n);
	*at += n;
	*left -= n;
	**at = '\0';
}

static void
add_list(char **at, size_t *left, const struct conf_list *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (i)
			add(at, left, ",");
		add(at, left, l->v[i]);
	}
}

static void
add_rows(char **at, size_t *left, const struct conf_opt *o, const void *base)
{
	const char *v = *(const char *const *)conf_at(base, o->at);
	uint32_t n = *(const uint32_t *)conf_at(base, o->at_n);

	for (uint32_t i = 0; i < n; i++) {
		add(at, left, i ? ", {" : "{");
		for (size_t k = 0; k < o->n_rows; k++) {
			char buf[512];

			add(at, left, k ? " " : "");
			add(at, left, o->rows[k].key);
			add(at, left, "=");
			add(at, left,
			    conf_opt_text(&o->rows[k], v + i * o->row_size, buf, sizeof(buf)));
		}
		add(at, left, "}");
	}
}

const char *
conf_opt_text(const struct conf_opt *o, const void *base, char *buf, size_t room)
{
	const void *f = conf_at(base, o->at);
	char number[16];
	char *at = buf;

	*buf = '\0';
	if (o->secret) {
		add(&at, &room, "(hidden)");
		return buf;
	}
	switch (o->type) {
	case CONF_BOOL:
		add(&at, &room, *(const bool *)f ? "true" : "false");
		break;
	case CONF_U32:
		snprintf(number, sizeof(number), "%" PRIu32, *(const uint32_t *)f);
		add(&at, &room, number);
		break;
	case CONF_PORT:
		snprintf(number, sizeof(number), "%u", *(const uint16_t *)f);
		add(&at, &room, number);
		break;
	case CONF_TEXT:
		add(&at, &room, *(const char *const *)f);
		break;
	case CONF_LIST:
	case CONF_ADDRS:
		add_list(&at, &room, f);
		break;
	case CONF_ROWS:
		add_rows(&at, &room, o, base);
		break;
	}
	return buf;
}

static int
text_copy(struct arena *a, const char **ret, const char *text)
{
	struct str s = str_of(text);
	char *p = arena_alloc(a, s.n + 1);

	if (!p)
		return ED_NOMEM;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	*ret = p;
	return ED_OK;
}

static int
list_copy(struct arena *a, struct conf_list *to, const struct conf_list *from)
{
	const char **v = arena_calloc(a, from->n, sizeof(*v));

	if (!v)
		return ED_NOMEM;
	for (uint32_t i = 0; i < from->n; i++)
		if (text_copy(a, &v[i], from->v[i]) < 0)
			return ED_NOMEM;
	to->v = v;
	to->n = from->n;
	return ED_OK;
}

static int copy_field(const struct conf_opt *o, struct arena *a, void *to, const void *from);

static int
rows_copy(const struct conf_opt *o, struct arena *a, void *to, const void *from)
{
	uint32_t n = *(const uint32_t *)conf_at(from, o->at_n);
	const char *src = *(const char *const *)conf_at(from, o->at);
	char *dst = arena_calloc(a, n, o->row_size);

	if (!dst)
		return ED_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		for (size_t k = 0; k < o->n_rows; k++)
			if (copy_field(
				&o->rows[k], a, dst + i * o->row_size, src + i * o->row_size) < 0)
				return ED_NOMEM;
	*(char **)conf_at(to, o->at) = dst;
	*(uint32_t *)conf_at(to, o->at_n) = n;
	return ED_OK;
}

static int
copy_field(const struct conf_opt *o, struct arena *a, void *to, const void *from)
{
	void *t = conf_at(to, o->at);
	const void *f = conf_at(from, o->at);
	int r = ED_OK;

	switch (o->type) {
	case CONF_BOOL:
		*(bool *)t = *(const bool *)f;
		break;
	case CONF_U32:
		*(uint32_t *)t = *(const uint32_t *)f;
		break;
	case CONF_PORT:
		*(uint16_t *)t = *(const uint16_t *)f;
		break;
	case CONF_TEXT:
		r = text_copy(a, t, *(const char *const *)f);
		break;
	case CONF_LIST:
	case CONF_ADDRS:
		r = list_copy(a, t, f);
		if (r == ED_OK && o->at_first)
			*(const char **)conf_at(to, o->at_first) =
			    ((struct conf_list *)t)->n ? ((struct conf_list *)t)->v[0] : "";
		break;
	case CONF_ROWS:
		r = rows_copy(o, a, to, from);
		break;
	}
	return r;
}

int
conf_opt_copy(const struct conf_opt *o, struct conf *to, const struct conf *from)
{
	return copy_field(o, &to->arena, to, from);
}

/* Split "a,b" into o's list; the parts are copied. */
static int
list_from_text(struct arena *a, struct conf_list *to, const char *text)
{
	struct str left = str_of(text);
	uint32_t n = left.n ? 1 : 0;

	for (size_t i = 0; i < left.n; i++)
		n += left.p[i] == ',';
	to->v = arena_calloc(a, n, sizeof(*to->v));
	to->n = n;
	if (!to->v)
		return ED_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		ptrdiff_t comma = str_find(left, ',');
		struct str part = comma < 0 ? left : str_first(left, (size_t)comma);
		char *z = arena_alloc(a, part.n + 1);

		if (!z)
			return ED_NOMEM;
		memcpy(z, part.p, part.n);
		z[part.n] = '\0';
		to->v[i] = z;
		left = str_from(left, part.n + 1);
	}
	return ED_OK;
}

int
conf_opt_default(const struct conf_opt *o, struct arena *a, void *base)
{
	void *f = conf_at(base, o->at);
	int r = ED_OK;

	switch (o->type) {
	case CONF_BOOL:
		*(bool *)f = o->def[0] == 't';
		break;
	case CONF_U32:
		*(uint32_t *)f = (uint32_t)strtoul(o->def, NULL, 10);
		break;
	case CONF_PORT:
		*(uint16_t *)f = (uint16_t)strtoul(o->def, NULL, 10);
		break;
	case CONF_TEXT:
		*(const char **)f = o->def;
		break;
	case CONF_LIST:
	case CONF_ADDRS:
		r = list_from_text(a, f, o->def);
		if (o->at_first)
			*(const char **)conf_at(base, o->at_first) = "";
		break;
	case CONF_ROWS:
		*(void **)f = NULL;
		*(uint32_t *)conf_at(base, o->at_n) = 0;
		break;
	}
	return r;
}

struct conf *
conf_new(void)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	arena_init(&c->arena, NULL, 0, CONF_ARENA_CAP);
	for (size_t i = 0; i < conf_n_opts; i++)
		if (conf_opt_default(&conf_opts[i], &c->arena, c) < 0)
			return conf_free(c);
	return c;
}

struct conf *
conf_free(struct conf *c)
{
	if (!c)
		return NULL;
	arena_done(&c->arena);
	free(c);
	return NULL;
}

struct conf *
conf_copy(const struct conf *c)
{
	struct conf *copy = conf_new();

	for (size_t i = 0; copy && i < conf_n_opts; i++)
		if (conf_opt_copy(&conf_opts[i], copy, c) < 0)
			copy = conf_free(copy);
	return copy;
}

/* SPDX-License-Identifier: MIT
 *
 * supervisor/stats_sum.c: linear on purpose: a few hundred names, asked for a few times a minute.
 */
#include "supervisor/stats_sum.h"

#include <stdlib.h>

#include "svc/json.h"

struct row {
	char name[192], help[192];
	enum stats_kind kind;
	uint64_t value;
};

struct stats_sum {
	struct row rows[STATS_SUM_MAX];
	size_t n;
	size_t next; /* workers of a role tell the same names in the same order: look here first */
};

struct stats_sum *
stats_sum_new(void)
{
	return calloc(1, sizeof(struct stats_sum));
}

struct stats_sum *
stats_sum_free(struct stats_sum *s)
{
	free(s);
	return NULL;
}

static void
copy_cut(char *to, size_t room, struct str s)
{
	s = str_first(s, room - 1);
	if (s.n)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

static struct row *
find(struct stats_sum *s, struct str name)
{
	for (size_t k = 0; k < s->n; k++) {
		size_t i = (s->next + k) % s->n;

		if (!str_eq(str_of(s->rows[i].name), name))
			continue;
		s->next = i + 1;
		return &s->rows[i];
	}
	return NULL;
}

void
stats_sum_add(
    struct stats_sum *s, struct str name, enum stats_kind kind, struct str help, uint64_t value)
{
	struct row *r = find(s, name);

	if (r) {
		r->value += value;
		return;
	}
	if (s->n == STATS_SUM_MAX)
		return;
	r = &s->rows[s->n++];
	copy_cut(r->name, sizeof(r->name), name);
	copy_cut(r->help, sizeof(r->help), help);
	r->kind = kind;
	r->value = value;
}

static const char *
kind_name(const struct row *r)
{
	static const char *const names[STATS_KIND__N] = {[STATS_COUNTER] = "counter",
	    [STATS_GAUGE] = "gauge",
	    [STATS_BUCKET] = "histogram",
	    [STATS_TIME] = "histogram"};

	return names[r->kind];
}

static void
put_value(const struct row *r, struct json *j)
{
	unsigned long long v = r->value;

	if (r->kind == STATS_TIME)
		json_fmt(j, "%llu.%06llu", v / 1000000, v % 1000000);
	else
		json_fmt(j, "%llu", v);
}

void
stats_sum_json(const struct stats_sum *s, struct json *j)
{
	json_raw(j, STR("["));
	for (size_t i = 0; i < s->n; i++) {
		const struct row *r = &s->rows[i];

		json_next(j);
		json_raw(j, STR("{"));
		json_key(j, "name");
		json_text(j, str_of(r->name));
		json_key(j, "kind");
		json_fmt(j, "\"%s\"", kind_name(r));
		json_key(j, "help");
		json_text(j, str_of(r->help));
		json_key(j, "value");
		put_value(r, j);
		json_raw(j, STR("}"));
	}
	json_raw(j, STR("]"));
}

/* Without labels; the parts of a histogram are one metric. */
static struct str
metric_of(const struct row *r)
{
	struct str name = str_of(r->name), part = STR_NONE;
	ptrdiff_t end = str_find(name, '{');

	if (end >= 0)
		name = str_first(name, (size_t)end);
	if (r->kind != STATS_BUCKET && r->kind != STATS_TIME)
		return name;
	for (end = (ptrdiff_t)name.n; end > 0 && !part.n; end--)
		if (name.p[end - 1] == '_')
			part = str_first(name, (size_t)end - 1);
	return part.n ? part : name;
}

static bool
metric_was_before(const struct stats_sum *s, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_eq(metric_of(&s->rows[i]), metric_of(&s->rows[at])))
			return true;
	return false;
}

void
stats_sum_prometheus(const struct stats_sum *s, struct json *j)
{
	for (size_t i = 0; i < s->n; i++) {
		struct str metric = metric_of(&s->rows[i]);

		if (metric_was_before(s, i))
			continue;
		json_fmt(j, "# HELP " STR_FMT " %s\n# TYPE " STR_FMT " %s\n", STR_ARG(metric),
		    s->rows[i].help, STR_ARG(metric), kind_name(&s->rows[i]));
		for (size_t k = i; k < s->n; k++) {
			if (!str_eq(metric_of(&s->rows[k]), metric))
				continue;
			json_fmt(j, "%s ", s->rows[k].name);
			put_value(&s->rows[k], j);
			json_raw(j, STR("\n"));
		}
	}
}

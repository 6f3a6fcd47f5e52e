/* SPDX-License-Identifier: MIT
 *
 * supervisor/stats_sum.c: linear on purpose: a few hundred names, asked for by hand.
 */
#include "supervisor/stats_sum.h"

#include <stdlib.h>

#include "svc/json.h"

struct row {
	char name[192], help[192];
	bool gauge;
	uint64_t value;
};

struct stats_sum {
	struct row rows[STATS_SUM_MAX];
	size_t n;
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

void
stats_sum_add(struct stats_sum *s, struct str name, bool gauge, struct str help, uint64_t value)
{
	struct row *r;

	for (size_t i = 0; i < s->n; i++)
		if (str_eq(str_of(s->rows[i].name), name)) {
			s->rows[i].value += value;
			return;
		}
	if (s->n == STATS_SUM_MAX)
		return;
	r = &s->rows[s->n++];
	copy_cut(r->name, sizeof(r->name), name);
	copy_cut(r->help, sizeof(r->help), help);
	r->gauge = gauge;
	r->value = value;
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
		json_raw(j, r->gauge ? STR("\"gauge\"") : STR("\"counter\""));
		json_key(j, "help");
		json_text(j, str_of(r->help));
		json_key(j, "value");
		json_fmt(j, "%llu}", (unsigned long long)r->value);
	}
	json_raw(j, STR("]"));
}

static struct str
metric_of(const struct row *r)
{
	struct str name = str_of(r->name);
	ptrdiff_t brace = str_find(name, '{');

	return brace < 0 ? name : str_first(name, (size_t)brace);
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
		    s->rows[i].help, STR_ARG(metric), s->rows[i].gauge ? "gauge" : "counter");
		for (size_t k = i; k < s->n; k++)
			if (str_eq(metric_of(&s->rows[k]), metric))
				json_fmt(j, "%s %llu\n", s->rows[k].name,
				    (unsigned long long)s->rows[k].value);
	}
}

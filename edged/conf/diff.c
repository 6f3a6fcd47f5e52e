/* SPDX-License-Identifier: MIT
 *
 * conf/diff.c: row by row comparison of two configurations. Pure.
 */
#include "conf/diff.h"

static bool
text_same(const char *a, const char *b)
{
	return str_eq(str_of(a), str_of(b));
}

static bool
list_same(const struct conf_list *a, const struct conf_list *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!text_same(a->v[i], b->v[i]))
			return false;
	return true;
}

static bool field_same(const struct conf_opt *o, const void *a, const void *b);

static bool
rows_same(const struct conf_opt *o, const void *a, const void *b)
{
	uint32_t n = *(const uint32_t *)conf_at(a, o->at_n);
	const char *va = *(const char *const *)conf_at(a, o->at);
	const char *vb = *(const char *const *)conf_at(b, o->at);

	if (n != *(const uint32_t *)conf_at(b, o->at_n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		for (size_t k = 0; k < o->n_rows; k++)
			if (!field_same(&o->rows[k], va + i * o->row_size, vb + i * o->row_size))
				return false;
	return true;
}

static bool
field_same(const struct conf_opt *o, const void *a, const void *b)
{
	const void *fa = conf_at(a, o->at), *fb = conf_at(b, o->at);

	switch (o->type) {
	case CONF_BOOL:
		return *(const bool *)fa == *(const bool *)fb;
	case CONF_U32:
		return *(const uint32_t *)fa == *(const uint32_t *)fb;
	case CONF_PORT:
		return *(const uint16_t *)fa == *(const uint16_t *)fb;
	case CONF_TEXT:
		return text_same(*(const char *const *)fa, *(const char *const *)fb);
	case CONF_LIST:
	case CONF_ADDRS:
		return list_same(fa, fb);
	case CONF_ROWS:
		return rows_same(o, a, b);
	}
	return false;
}

unsigned
conf_diff(const struct conf *now, const struct conf *next, conf_diff_cb *each, void *arg)
{
	unsigned n = 0;

	for (size_t i = 0; i < conf_n_opts; i++) {
		if (field_same(&conf_opts[i], now, next))
			continue;
		n++;
		if (each)
			each(arg, &conf_opts[i]);
	}
	return n;
}

int
conf_keep_restart_rows(const struct conf *now, struct conf *next, conf_diff_cb *each, void *arg)
{
	for (size_t i = 0; i < conf_n_opts; i++) {
		const struct conf_opt *o = &conf_opts[i];

		if (o->takes != CONF_TAKES_RESTART || field_same(o, now, next))
			continue;
		if (conf_opt_copy(o, next, now) < 0)
			return ED_NOMEM;
		if (each)
			each(arg, o);
	}
	return ED_OK;
}

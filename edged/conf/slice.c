/* SPDX-License-Identifier: MIT
 *
 * conf/slice.c: a role's rows on the wire: number of rows in the table (both ends are of one
 * build), then index and value of each row of the role, in table order.
 */
#include "conf/slice.h"

#include "conf/options.h"
#include "net/ipc.h"

#define LIST_MAX 100000u

static void
put_field(struct ipc_writer *w, const struct conf_opt *o, const void *base)
{
	const void *f = conf_at(base, o->at);
	const struct conf_list *l = f;

	switch (o->type) {
	case CONF_BOOL:
		ipc_put_u8(w, *(const bool *)f);
		break;
	case CONF_U32:
		ipc_put_u32(w, *(const uint32_t *)f);
		break;
	case CONF_PORT:
		ipc_put_u16(w, *(const uint16_t *)f);
		break;
	case CONF_TEXT:
		ipc_put_str(w, str_of(*(const char *const *)f));
		break;
	case CONF_LIST:
	case CONF_ADDRS:
		ipc_put_u32(w, l->n);
		for (uint32_t i = 0; i < l->n; i++)
			ipc_put_str(w, str_of(l->v[i]));
		break;
	case CONF_ROWS: {
		const char *v = *(const char *const *)f;
		uint32_t n = *(const uint32_t *)conf_at(base, o->at_n);

		ipc_put_u32(w, n);
		for (uint32_t i = 0; i < n; i++)
			for (size_t k = 0; k < o->n_rows; k++)
				put_field(w, &o->rows[k], v + i * o->row_size);
		break;
	}
	}
}

void
conf_slice_put(struct ipc_writer *w, const struct conf *c, uint32_t role_bit)
{
	ipc_put_u32(w, (uint32_t)conf_n_opts);
	for (size_t i = 0; i < conf_n_opts; i++) {
		if (!(conf_opts[i].slice & role_bit))
			continue;
		ipc_put_u16(w, (uint16_t)i);
		put_field(w, &conf_opts[i], c);
	}
}

static int
get_text(struct ipc_reader *r, struct arena *a, const char **ret)
{
	struct str s = ipc_get_str(r);
	char *p;

	if (r->err < 0 || (s.n && memchr(s.p, '\0', s.n)))
		return ED_MALFORMED;
	p = arena_alloc(a, s.n + 1);
	if (!p)
		return ED_NOMEM;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	*ret = p;
	return ED_OK;
}

static int
get_list(struct ipc_reader *r, struct arena *a, const struct conf_opt *o, void *base)
{
	struct conf_list *l = conf_at(base, o->at);
	uint32_t n = ipc_get_u32(r);
	int e = ED_OK;

	if (r->err < 0 || n > LIST_MAX)
		return ED_MALFORMED;
	l->v = arena_calloc(a, n, sizeof(*l->v));
	if (!l->v)
		return ED_NOMEM;
	l->n = n;
	for (uint32_t i = 0; e == ED_OK && i < n; i++)
		e = get_text(r, a, &l->v[i]);
	if (e == ED_OK && o->at_first)
		*(const char **)conf_at(base, o->at_first) = n ? l->v[0] : "";
	return e;
}

static int get_field(struct ipc_reader *r, struct arena *a, const struct conf_opt *o, void *base);

static int
get_rows(struct ipc_reader *r, struct arena *a, const struct conf_opt *o, void *base)
{
	uint32_t n = ipc_get_u32(r);
	char *v;
	int e = ED_OK;

	if (r->err < 0 || n > LIST_MAX)
		return ED_MALFORMED;
	v = arena_calloc(a, n, o->row_size);
	if (!v)
		return ED_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		for (size_t k = 0; e == ED_OK && k < o->n_rows; k++)
			e = get_field(r, a, &o->rows[k], v + i * o->row_size);
	if (e < 0)
		return e;
	*(char **)conf_at(base, o->at) = v;
	*(uint32_t *)conf_at(base, o->at_n) = n;
	return ED_OK;
}

static int
get_field(struct ipc_reader *r, struct arena *a, const struct conf_opt *o, void *base)
{
	void *f = conf_at(base, o->at);

	switch (o->type) {
	case CONF_BOOL:
		*(bool *)f = ipc_get_u8(r) != 0;
		break;
	case CONF_U32:
		*(uint32_t *)f = ipc_get_u32(r);
		break;
	case CONF_PORT:
		*(uint16_t *)f = ipc_get_u16(r);
		break;
	case CONF_TEXT:
		return get_text(r, a, f);
	case CONF_LIST:
	case CONF_ADDRS:
		return get_list(r, a, o, base);
	case CONF_ROWS:
		return get_rows(r, a, o, base);
	}
	return r->err < 0 ? ED_MALFORMED : ED_OK;
}

int
conf_slice_get(struct str bytes, uint32_t role_bit, struct conf **ret_conf)
{
	struct ipc_reader r = {.left = bytes};
	struct conf *c = conf_new();
	int e = ED_OK;

	if (!c)
		return ED_NOMEM;
	if (ipc_get_u32(&r) != conf_n_opts)
		e = ED_MALFORMED;
	for (size_t i = 0; e == ED_OK && i < conf_n_opts; i++) {
		if (!(conf_opts[i].slice & role_bit))
			continue;
		e = ipc_get_u16(&r) == i ? get_field(&r, &c->arena, &conf_opts[i], c)
					 : ED_MALFORMED;
	}
	if (e == ED_OK)
		e = ipc_get_end(&r);
	if (e < 0) {
		conf_free(c);
		return e;
	}
	*ret_conf = c;
	return ED_OK;
}

/* SPDX-License-Identifier: MIT
 *
 * access/hide_keep.c: what a request leaves in its transaction, as one block.
 */
#include "access/hide_in.h"

#include <stdlib.h>
#include <string.h>

int
hide_keep_make(const struct parts *p, struct hide_keep **ret)
{
	const struct str *in_order[] = {&p->uri, &p->via, &p->i, &p->o, &p->domain, &p->routes,
	    &p->vias, &p->rrs, &p->contacts};
	size_t n = sizeof(struct hide_keep);
	struct hide_keep *k;
	char *at;

	for (unsigned i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++)
		n += in_order[i]->n;
	if (p->uri.n > UINT16_MAX || p->via.n > UINT16_MAX)
		return ED_LIMIT;
	k = malloc(n);
	if (!k)
		return ED_NOMEM;
	*k = (struct hide_keep){
	    .size = (uint32_t)n,
	    .uri_n = (uint16_t)p->uri.n,
	    .via_n = (uint16_t)p->via.n,
	    .i_n = (uint16_t)p->i.n,
	    .o_n = (uint16_t)p->o.n,
	    .domain_n = (uint16_t)p->domain.n,
	    .routes_n = (uint32_t)p->routes.n,
	    .vias_n = (uint32_t)p->vias.n,
	    .rrs_n = (uint32_t)p->rrs.n,
	    .contacts_n = (uint32_t)p->contacts.n,
	};
	at = k->bytes;
	for (unsigned i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
		if (in_order[i]->n)
			memcpy(at, in_order[i]->p, in_order[i]->n);
		at += in_order[i]->n;
	}
	*ret = k;
	return ED_OK;
}

void
hide_keep_read(const struct hide_keep *k, struct parts *ret)
{
	const char *at = k->bytes;

#define TAKE(field)                                                                                \
	ret->field = (struct str){at, k->field##_n};                                               \
	at += k->field##_n
	TAKE(uri);
	TAKE(via);
	TAKE(i);
	TAKE(o);
	TAKE(domain);
	TAKE(routes);
	TAKE(vias);
	TAKE(rrs);
	TAKE(contacts);
#undef TAKE
}

struct str
hide_keep_uri(const struct hide_keep *k)
{
	struct parts p;

	hide_keep_read(k, &p);
	return p.uri;
}

struct str
hide_keep_via(const struct hide_keep *k)
{
	struct parts p;

	hide_keep_read(k, &p);
	return p.via;
}

struct str
hide_keep_routes(const struct hide_keep *k)
{
	struct parts p;

	hide_keep_read(k, &p);
	return p.routes;
}

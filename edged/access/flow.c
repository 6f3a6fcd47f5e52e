/* SPDX-License-Identifier: MIT */
#include "access/flow.h"

#include <assert.h>
#include <stdlib.h>

#include "access/lookup.h"

/* Counters are handed out by us, so no stranger picks the keys: mixing is enough, no keyed hash. */
static uint64_t
cid_hash(uint64_t cid)
{
	cid ^= cid >> 29;
	cid *= 0xbf58476d1ce4e5b9u;
	cid ^= cid >> 32;
	return cid;
}

int
flow_table_init(struct flow_table *t, unsigned slot, uint64_t counter_base)
{
	t->slot = slot;
	t->next_counter = counter_base & 0xffffffffffu;
	return hash_init(&t->by_cid, 1024);
}

void
flow_table_done(struct flow_table *t)
{
	assert(t->by_cid.n == 0);
	hash_done(&t->by_cid);
}

struct flow *
flow_new(enum flow_kind kind)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->kind = (uint8_t)kind;
	list_init(&f->sent);
	list_init(&f->open);
	sip_framer_init(&f->framer);
	return f;
}

struct flow *
flow_free(struct flow_table *t, struct flow *f)
{
	if (!f)
		return NULL;
	assert(list_is_empty(&f->sent) && list_is_empty(&f->open));
	if (f->cid)
		hash_remove(&t->by_cid, &f->node);
	timeq_cancel(&f->setup);
	timeq_cancel(&f->partial);
	timeq_cancel(&f->nap);
	list_remove(&f->peers);
	lookups_free(f->lookups);
	free(f->cert);
	free(f->names);
	free(f);
	return NULL;
}

void
flow_admit(struct flow_table *t, struct flow *f)
{
	if (f->kind != FLOW_SIBLING) {
		t->next_counter = (t->next_counter + 1) & 0xffffffffffu;
		if (t->next_counter == 0) /* 0 is no connection */
			t->next_counter = 1;
		f->cid = FLOW_CID(t->slot, t->next_counter);
	}
	hash_insert(&t->by_cid, &f->node, cid_hash(f->cid));
}

struct flow *
flow_find(const struct flow_table *t, uint64_t cid)
{
	for (struct hash_node *n = hash_first(&t->by_cid, cid_hash(cid)); n; n = hash_next(n)) {
		struct flow *f = LIST_OF(n, struct flow, node);

		if (f->cid == cid)
			return f->closing ? NULL : f;
	}
	return NULL;
}

int
flow_set_names(struct flow *f, const struct str *v, uint16_t n)
{
	size_t bytes = sizeof(struct flow_names) + n * sizeof(struct str);
	struct flow_names *names;
	char *p;

	for (uint16_t i = 0; i < n; i++)
		bytes += v[i].n;
	names = malloc(bytes);
	if (!names)
		return ED_NOMEM;
	names->n = n;
	p = (char *)&names->v[n];
	for (uint16_t i = 0; i < n; i++) {
		names->v[i] = (struct str){p, v[i].n};
		for (size_t k = 0; k < v[i].n; k++)
			*p++ = (char)ascii_lower((unsigned char)v[i].p[k]);
	}
	free(f->names);
	f->names = names;
	return ED_OK;
}

bool
flow_has_name(const struct flow *f, struct str name)
{
	if (!f->names)
		return false;
	for (uint16_t i = 0; i < f->names->n; i++)
		if (str_eq_nocase(f->names->v[i], name))
			return true;
	return false;
}

/* SPDX-License-Identifier: MIT */
#include "access/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "access/core.h"

static void
entry_clear(struct lookups *l, uint32_t i)
{
	free(l->entry[i].text);
	free(l->targets[i]);
	l->entry[i] = (struct lookup_entry){0};
	l->srv[i] = (struct facts_srv){0};
	l->targets[i] = NULL;
}

struct lookups *
lookups_free(struct lookups *l)
{
	if (!l)
		return NULL;
	for (uint32_t i = 0; i < l->n; i++)
		entry_clear(l, i);
	free(l);
	return NULL;
}

static int
entry_find(const struct lookups *l, struct str domain)
{
	for (uint32_t i = 0; l && i < l->n; i++)
		if (str_eq_nocase(l->srv[i].domain, domain))
			return (int)i;
	return -1;
}

/* A place for one more: a new one, or that of the longest unused. */
static int
entry_place(struct lookups *l)
{
	int oldest = -1;

	if (l->n < LOOKUP_DOMAINS)
		return (int)l->n++;
	for (uint32_t i = 0; i < l->n; i++)
		if (!l->entry[i].pending &&
		    (oldest < 0 || l->entry[i].used_ms < l->entry[oldest].used_ms))
			oldest = (int)i;
	if (oldest >= 0)
		entry_clear(l, (uint32_t)oldest);
	return oldest;
}

/* Room for domain and targets in one block; *targets may be NULL. */
static bool
entry_write(struct lookups *l, uint32_t i, struct str domain, const struct access_srv *a)
{
	size_t size = domain.n;
	struct str *targets = NULL;
	char *text, *at;

	for (unsigned k = 0; a && k < a->n; k++)
		size += a->v[k].host.n;
	text = malloc(size + 1);
	if (a && a->n)
		targets = calloc(a->n, sizeof(*targets));
	if (!text || (a && a->n && !targets)) {
		free(text);
		free(targets);
		return false;
	}
	at = text;
	for (size_t k = 0; k < domain.n; k++)
		*at++ = (char)ascii_lower((unsigned char)domain.p[k]);
	for (unsigned k = 0; targets && k < a->n; k++) {
		if (a->v[k].host.n)
			memcpy(at, a->v[k].host.p, a->v[k].host.n);
		targets[k] = (struct str){at, a->v[k].host.n};
		at += a->v[k].host.n;
	}
	free(l->entry[i].text);
	free(l->targets[i]);
	l->entry[i].text = text;
	l->targets[i] = targets;
	l->srv[i].domain = (struct str){text, domain.n};
	l->srv[i].targets = targets;
	l->srv[i].n_targets = targets ? a->n : 0;
	return true;
}

static void
entry_fail(struct lookups *l, uint32_t i, uint64_t now_ms)
{
	l->entry[i].pending = false;
	l->entry[i].expires_ms = now_ms + LOOKUP_FAILED_MS;
	l->srv[i].state = FACTS_SRV_FAILED;
	l->srv[i].n_targets = 0;
}

static bool
has_free_question(const struct lookups *l, uint64_t now_ms)
{
	unsigned n = 0;

	for (uint32_t i = 0; l && i < l->n; i++)
		n += l->entry[i].pending && now_ms - l->entry[i].asked_ms < LOOKUP_MS;
	return n < LOOKUP_ASKED_MAX;
}

static enum lookup_state
entry_ask(struct lookups *l, uint32_t i, uint64_t now_ms, struct str *ret_domain)
{
	l->entry[i].pending = true;
	l->entry[i].asked_ms = now_ms;
	l->srv[i].state = FACTS_SRV_UNKNOWN;
	l->srv[i].n_targets = 0;
	*ret_domain = l->srv[i].domain;
	return LOOKUP_ASK;
}

enum lookup_state
lookup_get(struct lookups **ret_l, struct str domain, uint64_t now_ms, struct str *ret_domain)
{
	struct lookups *l = *ret_l;
	int i = entry_find(l, domain);

	if (i >= 0) {
		struct lookup_entry *e = &l->entry[i];

		e->used_ms = now_ms;
		if (e->pending && now_ms - e->asked_ms < LOOKUP_MS)
			return LOOKUP_PENDING;
		if (e->pending)
			entry_fail(l, (uint32_t)i, now_ms);
		if (now_ms < e->expires_ms)
			return LOOKUP_KNOWN;
		if (!has_free_question(l, now_ms))
			return LOOKUP_FULL;
		return entry_ask(l, (uint32_t)i, now_ms, ret_domain);
	}
	if (!has_free_question(l, now_ms))
		return LOOKUP_FULL;
	if (!l)
		l = *ret_l = calloc(1, sizeof(*l));
	i = l ? entry_place(l) : -1;
	if (i < 0)
		return LOOKUP_FULL;
	if (!entry_write(l, (uint32_t)i, domain, NULL))
		return LOOKUP_FULL;
	l->entry[i].used_ms = now_ms;
	return entry_ask(l, (uint32_t)i, now_ms, ret_domain);
}

void
lookup_put_off(struct lookups *l, struct str domain)
{
	int i = entry_find(l, domain);

	if (i < 0)
		return;
	l->entry[i].pending = false;
	l->entry[i].expires_ms = 0;
}

bool
lookup_answer(struct lookups *l, struct str domain, const struct access_srv *a, uint64_t now_ms)
{
	int i = entry_find(l, domain);
	uint64_t life_s = a->ttl_s < LOOKUP_LIFE_S ? a->ttl_s : LOOKUP_LIFE_S;

	if (i < 0 || !l->entry[i].pending)
		return false;
	if (a->err == ED_SYS || a->err == ED_LIMIT || a->err == ED_NOMEM ||
	    !entry_write(l, (uint32_t)i, domain, a)) {
		entry_fail(l, (uint32_t)i, now_ms);
		return true;
	}
	l->entry[i].pending = false;
	l->entry[i].expires_ms = now_ms + life_s * 1000 + 1;
	l->srv[i].state = a->err == ED_OK && a->n ? FACTS_SRV_FOUND : FACTS_SRV_NONE;
	return true;
}

bool
lookup_is_pending(const struct lookups *l, struct str domain, uint64_t now_ms)
{
	int i = entry_find(l, domain);

	return i >= 0 && l->entry[i].pending && now_ms - l->entry[i].asked_ms < LOOKUP_MS;
}

/* SPDX-License-Identifier: MIT */
#include "proto/psom/ticket.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mac.h"

struct ticket {
	struct hash_node node;
	uint8_t hash[PSOM_HASH_LEN];
	uint64_t not_after_s;
	size_t at; /* place in the heap */
	uint32_t uses_left;
	bool revoked;
	uint8_t n_server;
	uint8_t n_conference;
	char text[]; /* server, conference */
};

struct psom_tickets {
	struct hash_key key;
	struct hash_table table;
	struct ticket *
	    *heap; /* earliest not_after_s on top: the one to go when a place is wanted */
	size_t n, max;
};

static void
heap_place(struct psom_tickets *t, size_t at, struct ticket *x)
{
	t->heap[at] = x;
	x->at = at;
}

static void
heap_up(struct psom_tickets *t, size_t at)
{
	struct ticket *x = t->heap[at];

	while (at > 0 && t->heap[(at - 1) / 2]->not_after_s > x->not_after_s) {
		heap_place(t, at, t->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_place(t, at, x);
}

static void
heap_down(struct psom_tickets *t, size_t at)
{
	struct ticket *x = t->heap[at];
	size_t kid;

	while ((kid = 2 * at + 1) < t->n) {
		if (kid + 1 < t->n && t->heap[kid + 1]->not_after_s < t->heap[kid]->not_after_s)
			kid++;
		if (t->heap[kid]->not_after_s >= x->not_after_s)
			break;
		heap_place(t, at, t->heap[kid]);
		at = kid;
	}
	heap_place(t, at, x);
}

static void
top_drop(struct psom_tickets *t)
{
	struct ticket *top = t->heap[0];

	hash_remove(&t->table, &top->node);
	t->n--;
	if (t->n) {
		heap_place(t, 0, t->heap[t->n]);
		heap_down(t, 0);
	}
	free(top);
}

static struct ticket *
find(const struct psom_tickets *t, const uint8_t hash[PSOM_HASH_LEN], uint64_t *ret_h)
{
	uint64_t h = hash_bytes(&t->key, hash, PSOM_HASH_LEN);

	*ret_h = h;
	for (struct hash_node *n = hash_first(&t->table, h); n; n = hash_next(n)) {
		struct ticket *x = LIST_OF(n, struct ticket, node);

		if (mac_equal(x->hash, hash, PSOM_HASH_LEN))
			return x;
	}
	return NULL;
}

struct psom_tickets *
psom_tickets_new(size_t max, const struct hash_key *key)
{
	struct psom_tickets *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->key = *key;
	t->max = max;
	t->heap = calloc(max ? max : 1, sizeof(struct ticket *));
	if (!t->heap || hash_init(&t->table, 64) < 0) {
		free(t->heap);
		free(t);
		return NULL;
	}
	return t;
}

struct psom_tickets *
psom_tickets_free(struct psom_tickets *t)
{
	if (!t)
		return NULL;
	while (t->n)
		free(t->heap[--t->n]);
	free(t->heap);
	hash_done(&t->table);
	free(t);
	return NULL;
}

int
psom_tickets_put(struct psom_tickets *t, const struct psom_line *l, uint64_t now_s)
{
	struct ticket *x;
	uint64_t h;

	if (l->not_after_s < now_s)
		return ED_GONE;
	if (l->server.n > PSOM_SERVER_MAX || l->conference.n > PSOM_CONFERENCE_MAX || t->max == 0)
		return ED_LIMIT;
	if (find(t, l->hash, &h))
		return ED_OK;
	if (t->n == t->max) {
		if (t->heap[0]->not_after_s >= now_s)
			return ED_LIMIT;
		top_drop(t);
	}
	x = calloc(1, sizeof(*x) + l->server.n + l->conference.n);
	if (!x)
		return ED_NOMEM;
	memcpy(x->hash, l->hash, PSOM_HASH_LEN);
	x->not_after_s = l->not_after_s;
	x->uses_left = l->uses;
	x->n_server = (uint8_t)l->server.n;
	x->n_conference = (uint8_t)l->conference.n;
	if (l->server.n)
		memcpy(x->text, l->server.p, l->server.n);
	if (l->conference.n)
		memcpy(x->text + l->server.n, l->conference.p, l->conference.n);
	hash_insert(&t->table, &x->node, h);
	t->heap[t->n] = x;
	heap_up(t, t->n++);
	return ED_OK;
}

enum psom_ticket_verdict
psom_tickets_take(struct psom_tickets *t, const uint8_t hash[PSOM_HASH_LEN], uint64_t now_s,
    struct psom_ticket_facts *ret)
{
	uint64_t h;
	struct ticket *x = find(t, hash, &h);

	if (!x)
		return PSOM_TICKET_UNKNOWN;
	if (x->revoked)
		return PSOM_TICKET_REVOKED;
	if (x->uses_left == 0)
		return PSOM_TICKET_USED;
	if (x->not_after_s < now_s)
		return PSOM_TICKET_EXPIRED;
	x->uses_left--;
	ret->server = (struct str){x->text, x->n_server};
	ret->conference = (struct str){x->text + x->n_server, x->n_conference};
	ret->uses_left = x->uses_left;
	ret->not_after_s = x->not_after_s;
	return PSOM_TICKET_OK;
}

int
psom_tickets_revoke(struct psom_tickets *t, const uint8_t hash[PSOM_HASH_LEN])
{
	uint64_t h;
	struct ticket *x = find(t, hash, &h);

	if (!x)
		return ED_GONE;
	x->revoked = true;
	return ED_OK;
}

size_t
psom_tickets_count(const struct psom_tickets *t)
{
	return t->n;
}

void
psom_tickets_each_live(const struct psom_tickets *t, uint64_t now_s,
    void (*each)(const struct psom_line *l, void *arg), void *arg)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct ticket *x = t->heap[i];
		struct psom_line l = {.kind = PSOM_LINE_TICKET,
		    .server = {x->text, x->n_server},
		    .conference = {x->text + x->n_server, x->n_conference},
		    .not_after_s = x->not_after_s,
		    .uses = x->uses_left};

		if (x->revoked || x->uses_left == 0 || x->not_after_s < now_s)
			continue;
		memcpy(l.hash, x->hash, PSOM_HASH_LEN);
		each(&l, arg);
	}
}

const char *
psom_ticket_verdict_name(enum psom_ticket_verdict v)
{
	static const char *const names[] = {[PSOM_TICKET_OK] = "ok",
	    [PSOM_TICKET_UNKNOWN] = "ticket_unknown",
	    [PSOM_TICKET_EXPIRED] = "ticket_expired",
	    [PSOM_TICKET_USED] = "ticket_used",
	    [PSOM_TICKET_REVOKED] = "ticket_revoked"};

	return names[v];
}

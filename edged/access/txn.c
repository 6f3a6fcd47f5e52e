/* SPDX-License-Identifier: MIT */
#include "access/txn.h"

#include <assert.h>
#include <string.h>

#include "access/flow.h"
#include "sipparse/via.h"

int
txn_table_init(struct txn_table *t, const struct hash_key *key, uint32_t max)
{
	int r;

	memset(t, 0, sizeof(*t));
	t->key[0] = *key;
	t->key[1].k[0] = key->k[1] ^ 0x9e3779b97f4a7c15u;
	t->key[1].k[1] = key->k[0] ^ 0xd1b54a32d192ed03u;
	t->max = max;
	timeq_init(&t->b, TXN_B_MS);
	timeq_init(&t->c, TXN_C_MS);
	slab_init(&t->slab, sizeof(struct txn));
	slab_texts_init(&t->texts);
	r = hash_init(&t->by_id, 1024);
	if (r < 0)
		return r;
	return hash_init(&t->by_key, 1024);
}

static void
drain(struct txn_table *t, struct timeq *q)
{
	while (!list_is_empty(&q->head))
		txn_free(t, LIST_OF(q->head.next, struct txn, timer.link));
}

void
txn_table_done(struct txn_table *t)
{
	drain(t, &t->b);
	drain(t, &t->c);
	assert(t->n == 0);
	slab_texts_done(&t->texts);
	slab_done(&t->slab);
	hash_done(&t->by_id);
	hash_done(&t->by_key);
}

/* What tells two requests apart, as a list of pieces: hashed one by one, then the hashes once more,
 * so that no piece can run into the next. */
struct key_parts {
	uint64_t a[8], b[8];
	unsigned n;
};

static void
part(const struct txn_table *t, struct key_parts *k, struct str s)
{
	k->a[k->n] = hash_bytes(&t->key[0], s.p ? s.p : "", s.n);
	k->b[k->n++] = hash_bytes(&t->key[1], s.p ? s.p : "", s.n);
}

static void
part_number(struct key_parts *k, uint64_t v)
{
	k->a[k->n] = v;
	k->b[k->n++] = v;
}

void
txn_key_of(
    const struct txn_table *t, const struct sip_msg *m, uint64_t cid, struct txn_key *ret_key)
{
	bool of_invite = m->method == SIP_ACK || m->method == SIP_CANCEL;
	struct key_parts k = {.n = 0};

	ret_key->cookie = sip_via_has_cookie(&m->via);
	ret_key->to_tag = 0;
	part_number(&k, cid);
	if (of_invite)
		part_number(&k, SIP_INVITE);
	else if (m->method == SIP_METHOD_OTHER)
		part(t, &k, m->method_name);
	else
		part_number(&k, m->method);
	if (ret_key->cookie) {
		part(t, &k, m->via.branch);
		part(t, &k, m->via.sent_by);
	} else {
		/* The To tag stands apart: an ACK has that of the response, the INVITE had none. */
		part(t, &k, m->uri);
		part(t, &k, m->from.tag);
		part(t, &k, m->call_id);
		part_number(&k, m->cseq);
		part(t, &k, m->via.text);
		ret_key->to_tag =
		    hash_bytes(&t->key[0], m->to.tag.p ? m->to.tag.p : "", m->to.tag.n);
	}
	ret_key->hash = hash_bytes(&t->key[0], k.a, k.n * sizeof(k.a[0]));
	ret_key->check = hash_bytes(&t->key[1], k.b, k.n * sizeof(k.b[0]));
}

static bool
key_matches(const struct txn *x, const struct txn_key *k, enum sip_method method)
{
	if (x->check != k->check || x->cookie != k->cookie)
		return false;
	if (k->cookie)
		return true;
	if (method == SIP_ACK)
		return x->res_to_tag == k->to_tag;
	return x->req_to_tag == k->to_tag;
}

struct txn *
txn_of_request(const struct txn_table *t, const struct txn_key *k, enum sip_method method)
{
	for (struct hash_node *n = hash_first(&t->by_key, k->hash); n; n = hash_next(n)) {
		struct txn *x = LIST_OF(n, struct txn, by_key);

		if (key_matches(x, k, method))
			return x;
	}
	return NULL;
}

struct txn *
txn_of_id(const struct txn_table *t, uint64_t id)
{
	for (struct hash_node *n = hash_first(&t->by_id, id); n; n = hash_next(n)) {
		struct txn *x = LIST_OF(n, struct txn, by_id);

		if (x->id == id)
			return x;
	}
	return NULL;
}

int
txn_open(struct txn_table *t, const struct txn_key *k, enum sip_method method, uint64_t id,
    uint64_t now_ms, struct txn **ret_txn)
{
	struct txn *x;

	if (t->n >= t->max)
		return ED_LIMIT;
	x = slab_take(&t->slab);
	if (!x)
		return ED_NOMEM;
	memset(x, 0, sizeof(*x));
	x->id = id;
	x->method = (uint8_t)method;
	x->check = k->check;
	x->cookie = k->cookie;
	x->req_to_tag = k->to_tag;
	x->sent_ms = now_ms;
	hash_insert(&t->by_id, &x->by_id, id);
	hash_insert(&t->by_key, &x->by_key, k->hash);
	timeq_set(&t->b, &x->timer, now_ms);
	t->n++;
	*ret_txn = x;
	return ED_OK;
}

void
txn_sent_on(struct txn *x, struct flow *to)
{
	list_remove(&x->sent);
	x->to = to;
	if (to)
		list_push_back(&to->sent, &x->sent);
}

void
txn_proceed(struct txn_table *t, struct txn *x, uint64_t now_ms)
{
	x->state = TXN_PROCEEDING;
	if (x->to) {
		list_remove(&x->sent);
		list_push_back(&x->to->open, &x->sent);
	}
	if (x->method == SIP_INVITE)
		timeq_set(&t->c, &x->timer, now_ms);
}

void
txn_wait_b(struct txn_table *t, struct txn *x, uint64_t now_ms)
{
	timeq_set(&t->b, &x->timer, now_ms);
}

struct txn *
txn_finish(struct txn_table *t, struct txn *x, uint16_t status, struct str to_tag, uint64_t now_ms)
{
	if (x->method != SIP_INVITE)
		return txn_free(t, x);
	x->state = status < 300 ? TXN_ACCEPTED : TXN_COMPLETED;
	x->res_to_tag = x->cookie ? 0 : hash_bytes(&t->key[0], to_tag.p ? to_tag.p : "", to_tag.n);
	slab_text_give(&t->texts, &x->cancel);
	list_remove(&x->sent);
	slab_text_give(&t->texts, &x->outline); /* it is answered */
	if (x->state == TXN_COMPLETED) {        /* and nothing more will be restored */
		slab_text_give(&t->texts, &x->keep);
		x->to = NULL;
	} else if (x->to) {
		list_push_back(&x->to->open, &x->sent);
	}
	timeq_set(&t->b, &x->timer, now_ms);
	return x;
}

struct txn *
txn_free(struct txn_table *t, struct txn *x)
{
	if (!x)
		return NULL;
	timeq_cancel(&x->timer);
	list_remove(&x->sent);
	hash_remove(&t->by_id, &x->by_id);
	hash_remove(&t->by_key, &x->by_key);
	slab_text_give(&t->texts, &x->outline);
	slab_text_give(&t->texts, &x->cancel);
	slab_text_give(&t->texts, &x->keep);
	slab_give(&t->slab, x);
	t->n--;
	return NULL;
}

struct txn *
txn_spare(const struct txn_table *t)
{
	unsigned looked = 0;

	LIST_EACH(it, &t->b.head)
	{
		struct txn *x = LIST_OF(LIST_OF(it, struct timeq_node, link), struct txn, timer);

		if (x->state == TXN_ACCEPTED || x->state == TXN_COMPLETED)
			return x;
		if (++looked == 32)
			break;
	}
	return NULL;
}

struct txn *
txn_due(struct txn_table *t, uint64_t now_ms)
{
	struct timeq_node *n = timeq_due(&t->b, now_ms);

	if (!n)
		n = timeq_due(&t->c, now_ms);
	return n ? LIST_OF(n, struct txn, timer) : NULL;
}

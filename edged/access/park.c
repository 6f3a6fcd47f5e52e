/* SPDX-License-Identifier: MIT */
#include "access/park.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int
park_init(struct park *p)
{
	p->n = 0;
	p->bytes = 0;
	return hash_init(&p->by_key, 64);
}

void
park_done(struct park *p)
{
	assert(p->n == 0);
	hash_done(&p->by_key);
}

void
park_queue_init(struct park_queue *q, uint32_t n_max, size_t bytes_max)
{
	list_init(&q->head);
	q->n = 0;
	q->bytes = 0;
	q->n_max = n_max;
	q->bytes_max = bytes_max;
}

static bool
queue_has_room(const struct park_queue *q, size_t size)
{
	return q->n_max == 0 ||
	       (q->n < q->n_max && q->bytes <= q->bytes_max && size <= q->bytes_max - q->bytes);
}

int
park_put(struct park *p, struct park_queue *queue, const struct park_item *item, uint64_t now_ms,
    struct parked **ret)
{
	size_t size = item->domain.n + item->bytes.n;
	struct parked *x;
	char *at;

	if (p->n >= PARK_REQUESTS_MAX || size > PARK_BYTES_MAX - p->bytes ||
	    !queue_has_room(queue, size))
		return ED_LIMIT;
	x = calloc(1, sizeof(*x) + size);
	if (!x)
		return ED_NOMEM;
	at = (char *)(x + 1);
	memcpy(at, item->bytes.p, item->bytes.n);
	x->bytes = (struct str){at, item->bytes.n};
	at += item->bytes.n;
	if (item->domain.n)
		memcpy(at, item->domain.p, item->domain.n);
	x->domain = (struct str){at, item->domain.n};
	x->key = *item->key;
	x->method = (uint8_t)item->method;
	x->from_cid = item->from_cid;
	x->since_ms = now_ms;
	hash_insert(&p->by_key, &x->node, x->key.hash);
	x->queue = queue;
	list_push_back(&queue->head, &x->link);
	queue->n++;
	queue->bytes += size;
	p->n++;
	p->bytes += size;
	*ret = x;
	return ED_OK;
}

void
park_take(struct park *p, struct parked *x)
{
	if (!list_is_linked(&x->link))
		return;
	hash_remove(&p->by_key, &x->node);
	list_remove(&x->link);
	x->queue->n--;
	x->queue->bytes -= x->domain.n + x->bytes.n;
}

void
park_free(struct park *p, struct parked *x)
{
	park_take(p, x);
	p->n--;
	p->bytes -= x->domain.n + x->bytes.n;
	free(x);
}

struct parked *
park_find(const struct park *p, const struct txn_key *key)
{
	for (struct hash_node *n = hash_first(&p->by_key, key->hash); n; n = hash_next(n)) {
		struct parked *x = LIST_OF(n, struct parked, node);

		/* An ACK's To tag is that of the answer, which a parked request never had. */
		if (x->key.check == key->check && x->key.cookie == key->cookie &&
		    x->method != SIP_ACK && x->method != SIP_CANCEL)
			return x;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "base/pkt.h"

#include <assert.h>
#include <stdlib.h>

struct pkt_pool {
	struct pkt *free;
	uint32_t content, cap, made, in_use;
};

struct pkt_pool *
pkt_pool_new(uint32_t content, uint32_t cap)
{
	struct pkt_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->content = content;
	pool->cap = cap;
	return pool;
}

struct pkt_pool *
pkt_pool_free(struct pkt_pool *pool)
{
	if (!pool)
		return NULL;
	assert(pool->in_use == 0);
	while (pool->free) {
		struct pkt *p = pool->free;

		pool->free = p->next;
		free(p);
	}
	free(pool);
	return NULL;
}

uint32_t
pkt_pool_in_use(const struct pkt_pool *pool)
{
	return pool->in_use;
}

uint32_t
pkt_pool_content(const struct pkt_pool *pool)
{
	return pool->content;
}

struct pkt *
pkt_get(struct pkt_pool *pool)
{
	struct pkt *p = pool->free;

	if (p) {
		pool->free = p->next;
	} else {
		uint32_t room = PKT_HEADROOM + pool->content + PKT_TAILROOM;

		if (pool->made >= pool->cap)
			return NULL;
		p = malloc(sizeof(*p) + room);
		if (!p)
			return NULL;
		p->pool = pool;
		p->room = room;
		pool->made++;
	}
	pool->in_use++;
	p->next = NULL;
	p->refs = 1;
	p->data = p->buf + PKT_HEADROOM;
	p->len = 0;
	return p;
}

struct pkt *
pkt_ref(struct pkt *p)
{
	p->refs++;
	return p;
}

struct pkt *
pkt_unref(struct pkt *p)
{
	if (!p)
		return NULL;
	assert(p->refs > 0);
	if (--p->refs > 0)
		return NULL;
	p->next = p->pool->free;
	p->pool->free = p;
	p->pool->in_use--;
	return NULL;
}

uint8_t *
pkt_push(struct pkt *p, uint32_t n)
{
	if ((size_t)(p->data - p->buf) < n)
		return NULL;
	p->data -= n;
	p->len += n;
	return p->data;
}

uint8_t *
pkt_put(struct pkt *p, uint32_t n)
{
	uint8_t *at = p->data + p->len;

	if ((size_t)(p->buf + p->room - at) < n)
		return NULL;
	p->len += n;
	return at;
}

int
pkt_pull(struct pkt *p, uint32_t n)
{
	if (n > p->len)
		return ED_MALFORMED;
	p->data += n;
	p->len -= n;
	return ED_OK;
}

int
pkt_keep(struct pkt *p, uint32_t at, uint32_t n)
{
	if (at > p->len || n > p->len - at)
		return ED_MALFORMED;
	p->data += at;
	p->len = n;
	return ED_OK;
}

/* SPDX-License-Identifier: MIT
 *
 * base/list.h: doubly linked list with the links inside the objects. Nothing is owned here.
 */
#ifndef EDGED_BASE_LIST_H
#define EDGED_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev; /* both NULL: in no list */
};

#define LIST_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define LIST_EACH(it, head)        for (struct list *it = (head)->next; it != (head); it = it->next)
/* it may be removed inside the loop */
#define LIST_EACH_SAFE(it, head)                                                                   \
	for (struct list *it = (head)->next, *it##_n = it->next; it != (head);                     \
	     it = it##_n, it##_n = it->next)

static inline void
list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool
list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool
list_is_linked(const struct list *l)
{
	return l->next != NULL;
}

static inline void
list_insert_before(struct list *at, struct list *l)
{
	l->prev = at->prev;
	l->next = at;
	at->prev->next = l;
	at->prev = l;
}

static inline void
list_push_back(struct list *head, struct list *l)
{
	list_insert_before(head, l);
}

static inline void
list_push_front(struct list *head, struct list *l)
{
	list_insert_before(head->next, l);
}

/* No harm when l is in no list. */
static inline void
list_remove(struct list *l)
{
	if (!l->next)
		return;
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = NULL;
}

#endif

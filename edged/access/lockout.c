/* SPDX-License-Identifier: MIT */
#include "access/lockout.h"

#include <stdlib.h>

struct place {
	uint64_t user;
	uint64_t since_ms;  /* of the window */
	uint64_t locked_ms; /* end of the lock; 0: none */
	uint32_t failures;  /* 0: free */
};

struct lockout {
	struct place places[LOCKOUT_PLACES];
};

struct lockout *
lockout_new(void)
{
	return calloc(1, sizeof(struct lockout));
}

struct lockout *
lockout_free(struct lockout *l)
{
	free(l);
	return NULL;
}

static struct place *
set_of(const struct lockout *l, uint64_t user)
{
	size_t set = user % (LOCKOUT_PLACES / LOCKOUT_WAYS);

	return (struct place *)(uintptr_t)&l->places[set * LOCKOUT_WAYS];
}

static struct place *
find(const struct lockout *l, uint64_t user)
{
	struct place *p = set_of(l, user);

	for (unsigned i = 0; i < LOCKOUT_WAYS; i++)
		if (p[i].failures && p[i].user == user)
			return &p[i];
	return NULL;
}

static bool
is_locked(const struct place *p, uint64_t now_ms)
{
	return p->failures && p->locked_ms > now_ms;
}

/* Who is missed least: nobody, then who failed longest ago, then whose lock ends first. */
static bool
is_worse(const struct place *a, const struct place *b, uint64_t now_ms)
{
	bool locked_a = is_locked(a, now_ms), locked_b = is_locked(b, now_ms);

	if (!a->failures || !b->failures)
		return !a->failures && b->failures;
	if (locked_a != locked_b)
		return locked_b;
	return locked_a ? a->locked_ms < b->locked_ms : a->since_ms < b->since_ms;
}

static struct place *
make_room(struct lockout *l, uint64_t user, uint64_t now_ms)
{
	struct place *p = set_of(l, user), *worst = p;

	for (unsigned i = 1; i < LOCKOUT_WAYS; i++)
		if (is_worse(&p[i], worst, now_ms))
			worst = &p[i];
	*worst = (struct place){.user = user, .since_ms = now_ms};
	return worst;
}

bool
lockout_failed(struct lockout *l, uint64_t user, const struct lockout_limits *lim, uint64_t now_ms)
{
	struct place *p;

	if (lim->failures == 0)
		return false;
	p = find(l, user);
	if (!p)
		p = make_room(l, user, now_ms);
	if (is_locked(p, now_ms))
		return false;
	if (p->locked_ms || now_ms - p->since_ms >= lim->window_ms)
		*p = (struct place){.user = user, .since_ms = now_ms};
	if (++p->failures < lim->failures)
		return false;
	p->locked_ms = now_ms + lim->lock_ms;
	return true;
}

uint64_t
lockout_left_ms(const struct lockout *l, uint64_t user, uint64_t now_ms)
{
	const struct place *p = find(l, user);

	return p && is_locked(p, now_ms) ? p->locked_ms - now_ms : 0;
}

bool
lockout_good(struct lockout *l, uint64_t user, uint64_t now_ms)
{
	return lockout_left_ms(l, user, now_ms) == 0 && lockout_clear(l, user);
}

bool
lockout_clear(struct lockout *l, uint64_t user)
{
	struct place *p = find(l, user);

	if (!p)
		return false;
	*p = (struct place){0};
	return true;
}

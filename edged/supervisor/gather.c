/* SPDX-License-Identifier: MIT
 *
 * supervisor/gather.c: see the header. What services answer is bounded by the message size and
 * checked before it becomes part of an answer of ours.
 */
#include "supervisor/gather.h"

#include <stdlib.h>

#include "net/ipc.h"
#include "svc/stats.h"
#include "svc/wire.h"

static void
gather_free(struct gather *g)
{
	timer_cancel(&g->deadline);
	list_remove(&g->link);
	json_done(&g->answers);
	stats_sum_free(g->sum);
	free(g);
}

static void
finish(struct gather *g)
{
	list_remove(&g->link);
	if (g->done)
		g->done(g->arg, g);
	gather_free(g);
}

static void
on_deadline(struct timer *t, uint64_t now_ms)
{
	finish(LIST_OF(t, struct gather, deadline));
}

void
gather_begin(struct supervisor *s, struct str verb, struct str argument,
    void (*done)(void *arg, struct gather *g), void *arg)
{
	uint8_t b[8192];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};
	struct gather *g = calloc(1, sizeof(*g));

	if (g && !verb.n)
		g->sum = stats_sum_new();
	if (!g || (!verb.n && !g->sum)) {
		free(g);
		done(arg, NULL);
		return;
	}
	g->sup = s;
	g->number = ++s->gather_number;
	g->done = done;
	g->arg = arg;
	timer_init(&g->deadline, on_deadline);
	list_push_back(&s->gathers, &g->link);
	ipc_put_u8(&w, verb.n ? WIRE_CONTROL : WIRE_STATS);
	ipc_put_u32(&w, g->number);
	if (verb.n) {
		ipc_put_str(&w, verb);
		ipc_put_str(&w, argument);
	}
	for (size_t i = 0; w.err == 0 && i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (c->state != CHILD_READY && c->state != CHILD_DRAINED)
			continue;
		g->awaited[i] = true;
		g->waiting_for++;
		child_say(c, (struct str){(char *)b, w.n}, NULL, 0);
	}
	if (g->waiting_for == 0)
		finish(g);
	else
		timer_set(s->loop, &g->deadline, loop_now_ms(s->loop) + GATHER_MS);
}

void
gather_cancel(struct supervisor *s, void *arg)
{
	LIST_EACH_SAFE(it, &s->gathers)
	{
		struct gather *g = LIST_OF(it, struct gather, link);

		if (g->arg == arg)
			gather_free(g);
	}
}

/* The gathering of that number that still waits for c. */
static struct gather *
find(struct child *c, uint32_t number)
{
	size_t at = (size_t)(c - c->sup->children);

	LIST_EACH(it, &c->sup->gathers)
	{
		struct gather *g = LIST_OF(it, struct gather, link);

		if (g->number == number && g->awaited[at]) {
			g->awaited[at] = false;
			g->waiting_for--;
			return g;
		}
	}
	return NULL;
}

void
gather_on_reply(struct child *c, uint32_t number, struct str json)
{
	struct gather *g = find(c, number);

	if (!g)
		return;
	if (!json_is_valid(json))
		json = STR("{\"error\":\"the service did not answer in JSON\"}");
	if (!str_eq(json, STR("null"))) {
		if (g->answers.n)
			json_raw(&g->answers, STR(","));
		json_fmt(&g->answers,
		    "{\"role\":\"%s\",\"worker\":%u,\"answer\":", role_name(c->role), c->worker);
		json_raw(&g->answers, json);
		json_raw(&g->answers, STR("}"));
	}
	if (g->waiting_for == 0)
		finish(g);
}

void
gather_on_counts(struct child *c, uint32_t number, struct str rows)
{
	struct gather *g = find(c, number);
	struct ipc_reader r = {.left = rows};
	uint16_t n = ipc_get_u16(&r);

	if (!g)
		return;
	for (uint16_t i = 0; g->sum && i < n && r.err == 0; i++) {
		struct str name = ipc_get_str(&r);
		unsigned kind = ipc_get_u8(&r);
		struct str help = ipc_get_str(&r);
		uint64_t value = ipc_get_u64(&r);

		if (r.err == 0 && kind < STATS_KIND__N)
			stats_sum_add(g->sum, name, (enum stats_kind)kind, help, value);
	}
	if (g->waiting_for == 0)
		finish(g);
}

void
gather_on_death(struct child *c)
{
	size_t at = (size_t)(c - c->sup->children);

	LIST_EACH_SAFE(it, &c->sup->gathers)
	{
		struct gather *g = LIST_OF(it, struct gather, link);

		/* It stays in the list of the silent ones. */
		if (g->awaited[at] && --g->waiting_for == 0)
			finish(g);
	}
}

void
gather_silent_json(const struct gather *g, struct json *j)
{
	json_raw(j, STR("["));
	for (size_t i = 0; i < g->sup->n_children; i++)
		if (g->awaited[i]) {
			json_next(j);
			json_fmt(j, "\"%s.%u\"", role_name(g->sup->children[i].role),
			    g->sup->children[i].worker);
		}
	json_raw(j, STR("]"));
}

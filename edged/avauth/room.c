/* SPDX-License-Identifier: MIT
 *
 * avauth/room.c: birth, reload and end.
 */
#include "avauth/room.h"

#include <stdlib.h>
#include <unistd.h>

#include "avauth/service.h"
#include "base/digest.h"
#include "net/admit.h"
#include "net/listener.h"
#include "svc/log.h"

/* mras.md 9 item 6 */
static const struct rate_limit peer_limit = {.burst = 2000, .per_s_1000 = 200 * 1000};
static const struct rate_limit identity_limit = {.burst = 30, .per_s_1000 = 50};

static struct rate *
rate_new(const struct hash_key *key, const struct rate_limit *limit)
{
	struct rate *r = calloc(1, sizeof(*r));

	if (r) {
		r->key = *key;
		r->limit = *limit;
	}
	return r;
}

static void
service_free(struct service *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n_listeners; i++)
		listener_free(s->listeners[i]);
	admit_free(s->admit);
	view_unref(s->view);
	view_unref(s->next);
	free(s->by_peer);
	free(s->by_identity);
	free(s);
}

static int
open_listeners(struct service *s)
{
	static const struct listener_ops ops = {.on_accept = service_on_accept};
	size_t n;
	const struct svc_listener *v = svc_listeners(s->svc, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i].kind != SVC_LISTEN_MRAS ||
		    s->n_listeners >= sizeof(s->listeners) / sizeof(s->listeners[0])) {
			close(v[i].fd);
			continue;
		}
		s->listeners[s->n_listeners] = listener_new(s->loop, v[i].fd, &ops, s);
		if (!s->listeners[s->n_listeners])
			return ED_NOMEM;
		s->n_listeners++;
	}
	return ED_OK;
}

static int
start(struct svc *svc, void **ret_room, const char **ret_why)
{
	static const struct admit_limits lim = {
	    .total = 1000, .per_address = 200, .half_open = 100, .per_address_minute = 0};
	struct service *s = calloc(1, sizeof(*s));
	int r = ED_NOMEM;

	*ret_why = "out of memory";
	if (!s)
		return ED_NOMEM;
	s->svc = svc;
	s->loop = svc_loop(svc);
	s->keys = svc_keys(svc);
	list_init(&s->links);
	list_init(&s->requests);
	if (digest_setup() < 0)
		goto out;
	s->admit = admit_new(&lim, svc_hash_key(svc));
	s->by_peer = rate_new(svc_hash_key(svc), &peer_limit);
	s->by_identity = rate_new(svc_hash_key(svc), &identity_limit);
	if (!s->admit || !s->by_peer || !s->by_identity)
		goto out;
	r = view_new(svc_conf(svc), s->keys, &s->view, ret_why);
	if (r == ED_OK)
		r = open_listeners(s);
	if (r < 0)
		goto out;
	counters_register();
	*ret_room = s;
	s = NULL;
out:
	service_free(s);
	return r;
}

static int
prepare(void *room, const struct conf *next, const char **ret_why)
{
	struct service *s = room;

	s->next = view_unref(s->next);
	return view_new(next, s->keys, &s->next, ret_why);
}

static void
commit(void *room)
{
	struct service *s = room;

	view_unref(s->view);
	s->view = s->next;
	s->next = NULL;
}

static void
rollback(void *room)
{
	struct service *s = room;

	s->next = view_unref(s->next);
}

static void
drain(void *room)
{
	struct service *s = room;

	s->draining = true;
	service_close(s);
	svc_drained(s->svc);
}

static void
control(void *room, struct str verb, struct str arg, struct svc_ctl_reply *reply)
{
	struct service *s = room;

	(void)arg;
	if (str_eq(verb, STR("status")))
		svc_reply(reply, "{\"links\":%u,\"requests\":%u,\"relays\":%u,\"has_key\":%s}",
		    s->n_links, s->n_requests, s->view->n_relays,
		    s->view->has_key ? "true" : "false");
}

static void
stop(void *room)
{
	struct service *s = room;

	service_close(s);
	service_forget(s);
	service_free(s);
}

const struct svc_room avauth_room = {
    .role = ROLE_AVAUTH,
    .program = "edged-avauth",
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .rollback = rollback,
    .drain = drain,
    .control = control,
    .stop = stop,
};

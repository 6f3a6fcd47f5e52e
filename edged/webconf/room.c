/* SPDX-License-Identifier: MIT */
#include "webconf/room.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/mac.h"
#include "conf/conf.h"
#include "net/admit.h"
#include "net/listener.h"
#include "proto/psom/ticket.h"
#include "svc/log.h"
#include "svc/svc.h"
#include "webconf/client.h"
#include "webconf/counters.h"
#include "webconf/link.h"
#include "webconf/penalty.h"
#include "webconf/view.h"

#define NO_LINK_MS 60000u
#define KEYS_MS    60000u
#define TRICKLE_MS 100u /* between two reads of a link while too much is held */

/* struct client begins with its list node, which is all this file needs of it. */
static struct client *
client_of(struct list *it)
{
	return (struct client *)(void *)it;
}

uint64_t
webconf_wall_s(void)
{
	return (uint64_t)time(NULL);
}

/* High and low water over all. */

static void
throttle(struct webconf *w, bool on)
{
	w->throttling = on;
	count_set(COUNT_THROTTLING, on);
	if (on)
		log_warning(AREA_WEBCONF, "WEB-6003", "throttle_on", "queued=%llu clients=%u",
		    (unsigned long long)w->queued, w->n_clients);
	else
		log_notice(AREA_WEBCONF, "WEB-6019", "throttle_off", "queued=%llu clients=%u",
		    (unsigned long long)w->queued, w->n_clients);
	LIST_EACH_SAFE(it, &w->clients)
	client_throttle(client_of(it), on);
	links_pause(w, on);
	if (on)
		timer_set(w->loop, &w->trickle, loop_now_ms(w->loop) + TRICKLE_MS);
	else
		timer_cancel(&w->trickle);
}

/*
 * A link that is not read at all would be dead for both ends after two PINGs, and what clients sent
 * could not leave for want of WINDOW_UPDATE. What a read brings is bounded by the clients' windows.
 */
static void
on_trickle(struct timer *t, uint64_t now_ms)
{
	struct webconf *w = LIST_OF(t, struct webconf, trickle);

	links_pause(w, false);
	timer_set(w->loop, t, now_ms + TRICKLE_MS);
}

void
webconf_account(struct webconf *w, uint64_t *reported, uint64_t now)
{
	uint64_t high = (uint64_t)w->view->lim.buffer_high_mb << 20;
	uint64_t low = (uint64_t)w->view->lim.buffer_low_mb << 20;

	w->queued = w->queued - *reported + now;
	*reported = now;
	if (!w->throttling && w->queued > high)
		throttle(w, true);
	else if (w->throttling && w->queued <= low)
		throttle(w, false);
}

void
webconf_links_changed(struct webconf *w)
{
	if (w->n_links) {
		w->no_link_since_ms = 0;
		w->warned_no_link = false;
	} else {
		w->no_link_since_ms = loop_now_ms(w->loop);
	}
}

/* Each second: what no event brings. */
static void
on_tick(struct timer *t, uint64_t now_ms)
{
	struct webconf *w = LIST_OF(t, struct webconf, tick);
	const struct conf_webconf_limits *l = &w->view->lim;

	count_set(COUNT_QUEUED, w->queued);
	count_set(COUNT_TICKETS, psom_tickets_count(w->tickets));
	count_set(COUNT_LINKS_THROTTLED, links_throttled(w));
	if (!w->view->dials && !w->draining && !w->warned_no_link && w->no_link_since_ms &&
	    now_ms - w->no_link_since_ms >= NO_LINK_MS) {
		w->warned_no_link = true;
		log_warning(AREA_WEBCONF, "WEB-6001", "no_link", "seconds=%llu",
		    (unsigned long long)((now_ms - w->no_link_since_ms) / 1000));
	}
	if (!w->warned_many && w->n_clients >= l->clients_warn) {
		w->warned_many = true;
		log_warning(AREA_WEBCONF, "WEB-6020", "many_clients", "clients=%u limit=%u",
		    w->n_clients, l->clients);
	}
	if (w->warned_many && w->n_clients < l->clients_warn / 10 * 9)
		w->warned_many = false;
	if (now_ms >= w->keys_at_ms) {
		w->keys_at_ms = now_ms + KEYS_MS;
		if (view_renew_tickets(w->view, svc_conf(w->svc), svc_keys(w->svc)) < 0)
			log_warning(AREA_CERT, "", "ticket_keys_not_renewed", "reason=\"\"");
	}
	if (w->draining && w->n_clients == 0)
		svc_drained(w->svc);
	timer_set(w->loop, t, now_ms + 1000);
}

/* New connections. */

static enum count
refusal(enum admit_verdict v)
{
	switch (v) {
	case ADMIT_TOTAL:
		return COUNT_CONN_TOTAL;
	case ADMIT_PER_ADDRESS:
		return COUNT_CONN_PER_ADDRESS;
	case ADMIT_HALF_OPEN:
		return COUNT_CONN_HALF_OPEN;
	default:
		return COUNT_CONN_RATE;
	}
}

/* COUNT_ACCEPTED: welcome; else which counter says why not. */
static enum count
judge(struct webconf *w, const struct addr *peer)
{
	const struct conf_webconf_limits *l = &w->view->lim;
	uint64_t now = loop_now_ms(w->loop);
	enum admit_verdict v;

	if (w->draining)
		return COUNT_CONN_DRAINING;
	if (penalty_is_refused(w->penalty, peer, now))
		return COUNT_CONN_PENALTY;
	rate_refill(&w->accept_rate, l->connections_per_s, l->connections_burst, now);
	if (!rate_is_open(&w->accept_rate))
		return COUNT_CONN_RATE;
	v = admit_take(w->admit, peer, now);
	if (v != ADMIT_OK)
		return refusal(v);
	rate_spend(&w->accept_rate, 1);
	return COUNT_ACCEPTED;
}

static void
on_client(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	struct webconf *w = arg;
	enum count c = judge(w, peer);
	char buf[ADDR_STR_LEN];

	count_one(c);
	if (c == COUNT_ACCEPTED) {
		client_accept(w, fd, peer, local);
		return;
	}
	close(fd);
	if (c == COUNT_CONN_DRAINING)
		return;
	log_notice(AREA_WEBCONF, "WEB-6021", "connection_refused", "peer=%s reason=%s",
	    addr_ip_str(peer, buf),
	    c == COUNT_CONN_PENALTY     ? "failed_before"
	    : c == COUNT_CONN_TOTAL     ? "total"
	    : c == COUNT_CONN_RATE      ? "rate"
	    : c == COUNT_CONN_HALF_OPEN ? "half_open"
					: "per_address");
}

static void
on_link(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	link_accept(arg, fd, peer, local);
}

static void
on_trouble(void *arg, int err)
{
	log_warning(AREA_WEBCONF, "WEB-6022", "accept_trouble", "errno=%d", err);
}

static const struct listener_ops client_listener = {on_client, on_trouble};
static const struct listener_ops link_listener = {on_link, on_trouble};

static int
listen_all(struct webconf *w)
{
	size_t n;
	const struct svc_listener *ls = svc_listeners(w->svc, &n);

	for (size_t i = 0; i < n; i++) {
		bool inside = ls[i].kind == SVC_LISTEN_WEBCONF_INTERNAL;
		struct listener *l;

		if (w->n_listeners == WEBCONF_LISTENERS_MAX || (inside && w->view->dials)) {
			close(ls[i].fd);
			continue;
		}
		l = listener_new(w->loop, ls[i].fd, inside ? &link_listener : &client_listener, w);
		if (!l)
			return ED_NOMEM;
		w->listeners[w->n_listeners++] = l;
	}
	return ED_OK;
}

static struct admit_limits
admit_limits_of(const struct view *v)
{
	return (struct admit_limits){.total = v->lim.clients,
	    .per_address = v->lim.clients_per_address,
	    .half_open = v->lim.clients,
	    .per_address_minute = v->lim.connections_per_minute};
}

/* Life. */

static void
room_free(struct webconf *w)
{
	if (!w)
		return;
	timer_cancel(&w->tick);
	timer_cancel(&w->trickle);
	for (unsigned i = 0; i < w->n_listeners; i++)
		listener_free(w->listeners[i]);
	admit_free(w->admit);
	penalty_free(w->penalty);
	psom_tickets_free(w->tickets);
	view_free(w->view);
	view_free(w->next);
	free(w);
}

static int
room_start(struct svc *s, void **ret_room, const char **ret_why)
{
	struct webconf *w = calloc(1, sizeof(*w));
	struct admit_limits al;

	*ret_why = "out of memory";
	if (!w || mac_setup() < 0 || digest_setup() < 0) {
		free(w);
		return ED_NOMEM;
	}
	w->svc = s;
	w->loop = svc_loop(s);
	w->next_id = svc_counter_base(s) + 1;
	list_init(&w->clients);
	list_init(&w->links);
	timer_init(&w->tick, on_tick);
	timer_init(&w->trickle, on_trickle);
	w->view = view_new(svc_conf(s), svc_keys(s), ret_why);
	if (!w->view)
		goto fail;
	al = admit_limits_of(w->view);
	w->admit = admit_new(&al, svc_hash_key(s));
	w->penalty = penalty_new(svc_hash_key(s));
	w->tickets = psom_tickets_new(w->view->lim.tickets, svc_hash_key(s));
	if (!w->admit || !w->penalty || !w->tickets || listen_all(w) < 0)
		goto fail;
	counters_register();
	webconf_links_changed(w);
	w->keys_at_ms = loop_now_ms(w->loop) + KEYS_MS;
	timer_set(w->loop, &w->tick, loop_now_ms(w->loop) + 1000);
	*ret_room = w;
	return ED_OK;
fail:
	room_free(w);
	return ED_STATE;
}

static int
room_prepare(void *room, const struct conf *next, const char **ret_why)
{
	struct webconf *w = room;

	view_free(w->next);
	w->next = view_new(next, svc_keys(w->svc), ret_why);
	if (w->next && w->next->dials != w->view->dials) {
		*ret_why = "webconf.inside.mode needs a restart";
		w->next = view_free(w->next);
	}
	return w->next ? ED_OK : ED_STATE;
}

static void
room_commit(void *room)
{
	struct webconf *w = room;
	struct admit_limits al;

	if (!w->next)
		return;
	view_free(w->view);
	w->view = w->next;
	w->next = NULL;
	al = admit_limits_of(w->view);
	admit_set_limits(w->admit, &al);
}

static void
room_rollback(void *room)
{
	struct webconf *w = room;

	w->next = view_free(w->next);
}

static void
room_drain(void *room)
{
	struct webconf *w = room;

	if (w->draining)
		return;
	w->draining = true;
	links_goaway(w);
	timer_set(w->loop, &w->tick, loop_now_ms(w->loop) + 10);
}

static void
room_stop(void *room)
{
	struct webconf *w = room;

	LIST_EACH_SAFE(it, &w->clients)
	client_end(client_of(it), CLIENT_DRAINED);
	links_close(w);
	room_free(w);
}

const struct svc_room webconf_room = {
    .role = ROLE_WEBCONF,
    .program = "edged-webconf",
    .start = room_start,
    .prepare = room_prepare,
    .commit = room_commit,
    .rollback = room_rollback,
    .drain = room_drain,
    .control = webconf_control,
    .stop = room_stop,
};

/* SPDX-License-Identifier: MIT
 *
 * avedge/room.c: birth, reload and end of one worker.
 */
#include "avedge/room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avedge/internal.h"
#include "base/digest.h"
#include "conf/conf.h"
#include "net/nic.h"
#include "net/tls.h"
#include "proto/turn/allocation.h"
#include "proto/turn/shared.h"
#include "svc/log.h"

#define SOCKET_BUFFER (4 << 20)
#define TICK_MS       1000u
#define MTU_USUAL     1500u

static void
on_tick(struct timer *t, uint64_t now_ms)
{
	struct avedge *av = LIST_OF(t, struct avedge, tick);
	bool more = true;

	while (more) {
		more = turn_server_tick(av->server, now_ms, &av->acts);
		egress_run(av);
	}
	if (av->draining && turn_server_allocations(av->server) == 0)
		svc_drained(av->svc);
	client_tick(av, now_ms);
	kernel_collect(av, now_ms);
	notes_collect(av);
	timer_set(av->loop, &av->tick, now_ms + TICK_MS);
}

static bool
is_udp(enum svc_listener_kind kind)
{
	return kind == SVC_LISTEN_AV_UDP_EXTERNAL || kind == SVC_LISTEN_AV_UDP_INTERNAL;
}

static bool
is_tcp(enum svc_listener_kind kind)
{
	return kind == SVC_LISTEN_AV_TCP_EXTERNAL || kind == SVC_LISTEN_AV_TCP_INTERNAL ||
	       kind == SVC_LISTEN_AV_STANDARD_TCP || kind == SVC_LISTEN_AV_TLS;
}

/* The certificate is the external one: inside nobody asks for it. */
static enum av_tls
tls_of(enum svc_listener_kind kind)
{
	return kind == SVC_LISTEN_AV_TLS            ? AV_TLS_ONLY
	       : kind == SVC_LISTEN_AV_TCP_INTERNAL ? AV_TLS_NEVER
						    : AV_TLS_TOO;
}

static int
open_listener(struct avedge *av, const struct svc_listener *sl)
{
	static const struct listener_ops ops = {.on_accept = client_on_accept};
	struct av_listener *l = &av->listeners[av->n_listeners];
	bool is_internal =
	    sl->kind == SVC_LISTEN_AV_UDP_INTERNAL || sl->kind == SVC_LISTEN_AV_TCP_INTERNAL;

	if (av->n_listeners >= TURN_LISTENERS || (!is_udp(sl->kind) && !is_tcp(sl->kind))) {
		close(sl->fd);
		return ED_UNSUPPORTED;
	}
	*l = (struct av_listener){
	    .av = av, .index = av->n_listeners, .tls = (uint8_t)tls_of(sl->kind)};
	if (is_udp(sl->kind)) {
		udp_set_buffers(sl->fd, SOCKET_BUFFER);
		l->udp = udp_open(av->udp, sl->fd, ingress_on_datagram, l);
	} else {
		l->tcp = listener_new(av->loop, sl->fd, &ops, l);
	}
	if (!l->udp && !l->tcp)
		return ED_NOMEM;
	av->listen_at[av->n_listeners] = (struct turn_listener){
	    .leg = is_internal ? TURN_LEG_INTERNAL : TURN_LEG_EXTERNAL, .reach = sl->addr};
	av->n_listeners++;
	return ED_OK;
}

static int
open_listeners(struct avedge *av, const char **ret_why)
{
	size_t n;
	const struct svc_listener *v = svc_listeners(av->svc, &n);

	for (size_t i = 0; i < n; i++) {
		int r = open_listener(av, &v[i]);

		if (r == ED_UNSUPPORTED) {
			log_warning(
			    AREA_TURN, "", "listener_not_served", "kind=%d", (int)v[i].kind);
		} else if (r < 0) {
			*ret_why = "a listener could not be opened";
			return r;
		}
	}
	return ED_OK;
}

static void
avedge_free(struct avedge *av)
{
	if (!av)
		return;
	timer_cancel(&av->tick);
	client_close_all(av);
	if (av->server) {
		struct turn_acts *acts = &av->acts;
		/* every allocation ends by the ordinary way, so that each relay socket is closed */
		while (turn_server_any(av->server)) {
			turn_server_end(av->server, turn_server_any(av->server), "stop", acts);
			egress_run(av);
		}
		/* and what is reserved */
		while (turn_server_tick(av->server, loop_now_ms(av->loop) + 60000, acts))
			egress_run(av);
	}
	for (uint8_t i = 0; i < av->n_listeners; i++) {
		udp_close(av->listeners[i].udp);
		listener_free(av->listeners[i].tcp);
	}
	turn_server_free(av->server);
	tls_ctx_unref(av->tls);
	tls_ctx_unref(av->next_tls);
	ports_free(av->ports);
	client_pools_free(av);
	udp_free(av->udp);
	free(av);
}

/* Before the sandbox, which then needs to allow no new ring. */
static void
choose_udp(struct avedge *av, const struct conf *conf)
{
	const char *why;

	udp_coalesce(av->udp, conf->av.coalesce_us);
	if (!conf->av.io_uring)
		return;
	if (udp_use_ring(av->udp, &why) == ED_OK)
		av->has_ring = true;
	else
		log_warning(AREA_TURN, "AVR-5010", "io_uring_refused",
		    "why=\"%s\" instead=recvmmsg lost=speed", why);
}

static int
start(struct svc *svc, void **ret_room, const char **ret_why)
{
	const struct conf *conf = svc_conf(svc);
	struct avedge *av = calloc(1, sizeof(*av));
	int r = ED_NOMEM;

	*ret_why = "out of memory";
	if (!av)
		return ED_NOMEM;
	av->svc = svc;
	av->loop = svc_loop(svc);
	if (conf->external.interface)
		snprintf(av->device, sizeof(av->device), "%s", conf->external.interface);
	avedge_read_machine(av);
	av->mtu = nic_mtu(av->device);
	if (!av->mtu)
		av->mtu = MTU_USUAL;
	list_init(&av->clients);
	timer_init(&av->tick, on_tick);
	if (digest_setup() < 0)
		goto out;
	av->udp = udp_new(av->loop, conf->av.max_datagram);
	av->ports = ports_new(
	    conf->external.av.relay_port_min, conf->external.av.relay_port_max, svc_random);
	if (!av->udp || !av->ports || client_pools_new(av) < 0)
		goto out;
	choose_udp(av, conf);
	r = kernel_start(av);
	if (r < 0)
		goto out;
	r = open_listeners(av, ret_why);
	if (r < 0)
		goto out;
	r = avedge_turn_conf(av, conf, &av->conf, ret_why);
	if (r < 0)
		goto out;
	r = avedge_tls_new(av, conf, &av->tls, ret_why);
	if (r < 0)
		goto out;
	av->conf.worker = svc_worker(svc);
	if (av->conf.worker < TURN_SHARED_WORKERS)
		av->conf.shared = turn_shared_at(svc_shared(svc), role_rows[ROLE_AV].shared);
	if (av->conf.shared)
		turn_shared_reset(av->conf.shared, av->conf.worker);
	svc_random(av->conf.nonce_secret, sizeof(av->conf.nonce_secret));
	r = turn_server_new(&av->conf, &av->server);
	if (r < 0)
		goto out;
	notes_register();
	timer_set(av->loop, &av->tick, loop_now_ms(av->loop) + TICK_MS);
	*ret_room = av;
	av = NULL;
out:
	avedge_free(av);
	return r;
}

static int
prepare(void *room, const struct conf *next, const char **ret_why)
{
	struct avedge *av = room;
	int r = avedge_turn_conf(av, next, &av->next_conf, ret_why);

	return r < 0 ? r : avedge_tls_new(av, next, &av->next_tls, ret_why);
}

static void
commit(void *room)
{
	struct avedge *av = room;

	memcpy(av->next_conf.nonce_secret, av->conf.nonce_secret, sizeof(av->conf.nonce_secret));
	av->conf = av->next_conf;
	tls_ctx_unref(av->tls); /* connections keep the one they were born with */
	av->tls = av->next_tls;
	av->next_tls = NULL;
	turn_server_set_conf(av->server, &av->conf);
	kernel_forget_all(av);
}

static void
rollback(void *room)
{
	struct avedge *av = room;

	av->next_tls = tls_ctx_unref(av->next_tls);
}

static void
drain(void *room)
{
	struct avedge *av = room;

	av->draining = true;
	timer_set(av->loop, &av->tick, loop_now_ms(av->loop));
}

static void
control(void *room, struct str verb, struct str arg, struct svc_ctl_reply *reply)
{
	struct avedge *av = room;

	kernel_collect(av, UINT64_MAX);
	notes_collect(av);
	if (str_eq(verb, STR("sessions"))) {
		sessions_write(av, reply);
	} else if (str_eq(verb, STR("kick"))) {
		sessions_kick(av, arg, reply);
	} else if (str_eq(verb, STR("status"))) {
		svc_reply(reply, "{\"allocations\":%u,\"tcp_clients\":%u,\"draining\":%s}",
		    turn_server_allocations(av->server), av->n_clients,
		    av->draining ? "true" : "false");
	}
}

static void
stop(void *room)
{
	avedge_free(room);
}

const struct svc_room avedge_room = {
    .role = ROLE_AV,
    .program = "edged-av",
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .rollback = rollback,
    .drain = drain,
    .control = control,
    .stop = stop,
};

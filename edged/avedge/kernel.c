/* SPDX-License-Identifier: MIT
 *
 * avedge/kernel.c: flows that the kernel relays by itself (av.kernel_relay). A flow is entered when
 * a few of its packets have been relayed here, for a lease; it is taken out when its relay closes,
 * when its client has asked for a change, and at a reload. Counts come back into its allocation.
 *
 * Spec: docs/decisions/0008-kernel-relay.md.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "avedge/internal.h"
#include "krelay/flows.h"
#include "proto/stun/msg.h"
#include "proto/turn/allocation.h"

#define FLOWS_OF_ONE 32u /* of one relay; more stay in user space */
#define COLLECT_MS   1000u
#define PACKETS_SEEN 4u /* of a flow before it is worth an entry: checks of ICE are shorter */

struct fast_flow {
	struct list link; /* of its av_relay */
	struct krelay_key key;
	uint64_t until_ms;       /* of its entry; 0: none yet */
	uint64_t packets, bytes; /* of the entry, taken over already */
	uint32_t over_limit, failed;
	uint32_t seen;
	uint8_t dir; /* 0 from the client, 1 from the peer */
};

int
kernel_start(struct avedge *av)
{
	struct krelay_grant grant;

	if (!svc_kernel_relay(av->svc, &grant))
		return ED_OK;
	return krelay_new(&grant, svc_worker(av->svc), &av->kernel);
}

/* What the entry has carried since the last time goes to the allocation. */
static void
take_counts(struct avedge *av, const struct av_relay *r, struct fast_flow *f)
{
	struct krelay_flow now;

	if (!f->until_ms || krelay_get(av->kernel, &f->key, &now) < 0 || now.packets < f->packets)
		return;
	av->kernel_packets[f->dir] += now.packets - f->packets;
	if (r->a)
		turn_server_relayed(
		    av->server, r->a, f->dir, now.packets - f->packets, now.bytes - f->bytes);
	turn_server_dropped(av->server, r->a, now.over_limit - f->over_limit,
	    now.failed - f->failed, loop_now_ms(av->loop));
	f->packets = now.packets;
	f->bytes = now.bytes;
	f->over_limit = now.over_limit;
	f->failed = now.failed;
}

/* Takes one out; its counts have gone to the allocation. */
static void
drop_flow(struct av_relay *r, struct fast_flow *f)
{
	struct avedge *av = r->av;

	take_counts(av, r, f);
	if (f->until_ms) {
		krelay_drop(av->kernel, &f->key);
		av->n_kernel--;
	}
	list_remove(&f->link);
	r->n_fast--;
	free(f);
}

void
kernel_forget(struct av_relay *r)
{
	while (!list_is_empty(&r->fast))
		drop_flow(r, LIST_OF(r->fast.next, struct fast_flow, link));
}

/* When there is no room: the oldest that the kernel does not relay now makes some. */
static bool
make_room(struct av_relay *r)
{
	uint64_t now_ms = loop_now_ms(r->av->loop);

	if (r->n_fast < FLOWS_OF_ONE)
		return true;
	LIST_EACH(it, &r->fast)
	{
		struct fast_flow *f = LIST_OF(it, struct fast_flow, link);

		if (f->until_ms > now_ms)
			continue;
		drop_flow(r, f);
		return true;
	}
	return false;
}

static struct fast_flow *
flow_of(struct av_relay *r, const struct krelay_key *key, uint8_t dir)
{
	struct fast_flow *f;

	LIST_EACH(it, &r->fast)
	{
		f = LIST_OF(it, struct fast_flow, link);
		if (memcmp(&f->key, key, sizeof(*key)) == 0)
			return f;
	}
	f = make_room(r) ? calloc(1, sizeof(*f)) : NULL;
	if (!f)
		return NULL;
	f->key = *key;
	f->dir = dir;
	r->n_fast++;
	list_push_back(&r->fast, &f->link);
	return f;
}

static bool
is_ours(const struct avedge *av, const struct addr *a)
{
	const struct turn_policy *p = &av->conf.policy;

	for (uint32_t i = 0; i < p->n_own; i++)
		if (addr_ip_eq(&p->own[i], a))
			return true;
	return addr_ip_eq(&p->relay_bind[a->family == 6], a) && !addr_is_loopback(a);
}

static const struct addr *
listener_of(const struct avedge *av, const struct turn_act *act)
{
	return &av->listen_at[act->a->flow.listener].reach;
}

/* How the kernel tells datagrams of this flow. ED_STATE: it knows no such address of ours. */
static int
key_to_peer(const struct avedge *av, const struct turn_act *act, struct krelay_key *ret)
{
	static const uint8_t kinds[] = {[TURN_FAST_CHANNEL] = KRELAY_CHANNEL,
	    [TURN_FAST_INDICATION] = KRELAY_SEND,
	    [TURN_FAST_BARE] = KRELAY_BARE};
	const struct addr *client = &act->a->flow.client, *at = listener_of(av, act);
	struct addr named = act->peer;

	krelay_addr(ret->src, client);
	ret->src_port = htons(client->port);
	ret->dst_port = htons(at->port);
	ret->kind = kinds[act->fast.kind];
	if (act->fast.kind == TURN_FAST_CHANNEL) {
		ret->sel_port = htons(act->fast.channel);
	} else if (act->fast.kind == TURN_FAST_INDICATION) {
		turn_peer_from_wire(&av->conf.policy, &named);
		krelay_addr(ret->sel, &named);
		ret->sel_port = htons(named.port);
	}
	return krelay_leg_of_listener(av->kernel, at, &ret->leg);
}

static int
key_to_client(const struct avedge *av, const struct turn_act *act, struct krelay_key *ret)
{
	const struct av_relay *r = act->relay;

	krelay_addr(ret->src, &act->peer);
	ret->src_port = htons(act->peer.port);
	ret->dst_port = htons(r->bound.port);
	ret->kind = KRELAY_PEER;
	return krelay_leg_of_relay(av->kernel, act->peer.family, &ret->leg);
}

static void
put_head(const struct avedge *av, const struct turn_act *act, struct krelay_flow *f)
{
	/* The cookie, which is part of the id in the standard dialect; the kernel fills in others.
	 */
	static const uint8_t id[STUN_ID_LEN] = {STUN_MAGIC_COOKIE >> 24,
	    (STUN_MAGIC_COOKIE >> 16) & 0xff, (STUN_MAGIC_COOKIE >> 8) & 0xff,
	    STUN_MAGIC_COOKIE & 0xff};
	const struct stun_dialect *d = act->a->dialect;
	struct addr from = act->peer;
	uint8_t head[STUN_DATA_HEAD_MAX];

	if (act->fast.kind == TURN_FAST_CHANNEL) {
		f->push_n = 4;
		f->push[0] = (uint8_t)(act->fast.channel >> 8);
		f->push[1] = (uint8_t)act->fast.channel;
	} else if (act->fast.kind == TURN_FAST_INDICATION) {
		turn_peer_from_wire(&av->conf.policy, &from);
		f->push_n = (uint8_t)stun_data_head(d, head, id, &from, 0);
		f->padded = d->padded;
		memcpy(f->push, head, f->push_n);
	}
}

/* What becomes of them. */
static int
describe(const struct avedge *av, const struct turn_act *act, bool to_client, struct krelay_flow *f)
{
	const struct av_relay *r = act->relay;
	const struct addr *to = to_client ? &act->a->flow.client : &act->peer;

	krelay_addr(f->dst, to);
	f->dst_port = htons(to->port);
	if (!to_client) {
		f->src_port = htons(r->bound.port);
		return krelay_leg_of_relay(av->kernel, to->family, &f->leg);
	}
	put_head(av, act, f);
	return krelay_leg_of_listener(av->kernel, listener_of(av, act), &f->leg);
}

/* Bandwidth is charged in the kernel too, to accounts of its own. */
static int
charge(struct avedge *av, const struct turn_allocation *a, struct krelay_flow *f)
{
	const struct turn_limits *lim = &av->conf.limits;
	uint64_t port = 1ull << 63 | (uint64_t)svc_worker(av->svc) << 32 | a->id, user;
	int r = ED_OK;

	if (lim->kbit_per_port)
		r = krelay_charge(av->kernel, f, 0, port, lim->kbit_per_port);
	if (r == ED_OK && lim->kbit_per_user && a->user) {
		memcpy(&user, a->user->key + 1, sizeof(user)); /* the same in all workers */
		user = (user & ~(1ull << 63)) | 1;
		r = krelay_charge(av->kernel, f, 1, user, lim->kbit_per_user);
	}
	return r;
}

static void
enter(struct avedge *av, const struct turn_act *act, bool to_client, struct fast_flow *f)
{
	struct krelay_flow entry = {.until_ns = 0};
	uint64_t until_ms = loop_now_ms(av->loop) + KRELAY_LEASE_MS;

	take_counts(av, act->relay, f);
	if (until_ms > act->fast.until_ms)
		until_ms = act->fast.until_ms;
	entry.until_ns = until_ms * 1000000u;
	if (describe(av, act, to_client, &entry) < 0 || charge(av, act->a, &entry) < 0 ||
	    krelay_put(av->kernel, &f->key, &entry) < 0) {
		av->kernel_refused++;
		return;
	}
	av->n_kernel += f->until_ms == 0;
	f->until_ms = until_ms;
	f->packets = f->bytes = 0;
	f->over_limit = f->failed = 0;
}

void
kernel_note(struct avedge *av, const struct turn_act *act, bool to_client)
{
	const struct turn_allocation *a = act->a;
	struct krelay_key key = {.kind = 0};
	struct fast_flow *f;

	if (act->fast.kind == TURN_FAST_NONE || a->flow.client.family != act->peer.family ||
	    (act->fast.kind == TURN_FAST_INDICATION && act->peer.family == 6) ||
	    is_ours(av, &act->peer) || is_ours(av, &a->flow.client))
		return;
	if ((to_client ? key_to_client(av, act, &key) : key_to_peer(av, act, &key)) < 0)
		return;
	f = flow_of(act->relay, &key, to_client);
	if (f && f->until_ms <= loop_now_ms(av->loop) && ++f->seen >= PACKETS_SEEN)
		enter(av, act, to_client, f);
}

static void
collect_one(const struct turn_allocation *a, void *arg)
{
	for (int i = 0; i < 2; i++) {
		struct av_relay *r = a->relay[i];

		if (!r)
			continue;
		LIST_EACH(it, &r->fast)
		take_counts(arg, r, LIST_OF(it, struct fast_flow, link));
	}
}

void
kernel_collect(struct avedge *av, uint64_t now_ms)
{
	if (!av->kernel || now_ms < av->kernel_at_ms + COLLECT_MS)
		return;
	if (now_ms != UINT64_MAX)
		av->kernel_at_ms = now_ms;
	turn_server_each(av->server, collect_one, av);
}

static void
forget_one(const struct turn_allocation *a, void *arg)
{
	for (int i = 0; i < 2; i++)
		if (a->relay[i])
			kernel_forget(a->relay[i]);
}

void
kernel_forget_all(struct avedge *av)
{
	if (av->kernel)
		turn_server_each(av->server, forget_one, NULL);
}

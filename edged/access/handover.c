/* SPDX-License-Identifier: MIT
 *
 * access/handover.c: what siblings say to this worker (docs/decisions/0001). A request from inside
 * that met the wrong worker is dealt with here as if it had come on a connection of ours: a
 * FLOW_SIBLING stands for the connection that the sibling holds. It is never handed on a second
 * time.
 */
#include "access/engine.h"
#include "svc/log.h"

static void
make_room(struct access *ax)
{
	if (ax->n_siblings >= SIBLING_FLOWS_MAX)
		access_flow_down(LIST_OF(ax->siblings.next, struct flow, peers), "forgotten", "");
}

static struct flow *
stand_in(struct access *ax, const struct sibling_msg *s)
{
	static const struct addr unknown;
	struct flow *f = flow_find(&ax->flows, s->cid);

	if (f) {
		list_remove(&f->peers);
		list_push_back(&ax->siblings, &f->peers);
		return f;
	}
	make_room(ax);
	f = access_flow_new(ax, FLOW_SIBLING, NULL, &s->peer, &unknown, false);
	if (!f)
		return NULL;
	f->cid = s->cid;
	flow_admit(&ax->flows, f);
	list_push_back(&ax->siblings, &f->peers);
	ax->n_siblings++;
	count(CNT_CONNS_SIBLING);
	return f;
}

static void
take_request(struct access *ax, const struct sibling_msg *s)
{
	struct flow *f = stand_in(ax, s);
	struct ed_fault fault = {0};
	struct sip_msg *m = NULL;

	if (!f)
		return;
	arena_reset(&ax->arena);
	if (sip_msg_parse(&ax->arena, s->bytes, &ax->from_server, &m, &fault) < 0 ||
	    !m->is_request) {
		count(CNT_DROP_MALFORMED);
		return;
	}
	if (request_take(f, m) ==
	    ED_STATE) /* only requests for the next hop are held, and none is */
		count(CNT_DROP_NO_NEXT_HOP);
}

static void
write_out(struct access *ax, const struct sibling_msg *s)
{
	struct flow *f = flow_find(&ax->flows, s->cid);

	if (!f || flow_is_external(f) || f->kind == FLOW_SIBLING) {
		count(CNT_DROP_RES_CLIENT_GONE);
		return;
	}
	if (egress_text(f, s->bytes, MESSAGE_RESPONSE) < 0)
		count(CNT_DROP_OUTPUT_FULL);
}

void
access_sibling_message(struct access *ax, unsigned slot, struct str bytes)
{
	struct sibling_msg s;
	struct flow *f;

	ax->now_ms = ax->ops->now_ms(ax->net);
	if (sibling_read(bytes, slot, ax->slot, &s) < 0) {
		log_error(
		    AREA_SIP, "", "sibling_message_broken", "slot=%u bytes=%zu", slot, bytes.n);
		return;
	}
	count(CNT_SIBLING_IN);
	switch (s.kind) {
	case SIBLING_REQUEST:
		take_request(ax, &s);
		return;
	case SIBLING_OUTPUT:
		write_out(ax, &s);
		return;
	case SIBLING_FAILED:
	case SIBLING_SIGNED_IN:
		softlock_heard(ax, &s);
		return;
	case SIBLING_GONE:
		f = flow_find(&ax->flows, s.cid);
		if (f && f->kind == FLOW_SIBLING)
			access_flow_down(f, "peer", "");
		return;
	}
}

void
access_sibling_lost(struct access *ax, unsigned slot)
{
	LIST_EACH_SAFE(it, &ax->siblings)
	{
		struct flow *f = LIST_OF(it, struct flow, peers);

		if (FLOW_CID_SLOT(f->cid) == slot)
			access_flow_down(f, "sibling_lost", "");
	}
	ax->sibling_seen[slot % 256 / 32] &= ~(1u << slot % 32);
}

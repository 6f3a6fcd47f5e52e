/* SPDX-License-Identifier: MIT */
#include "access/engine.h"
#include "access/text.h"
#include "svc/log.h"

/* ---- what the next hop pool asks of the core ---- */

static int
hop_open(void *arg, struct nexthop_link *l)
{
	static const struct addr unknown;
	struct access *ax = arg;
	struct flow *f = access_flow_new(ax, FLOW_LINK, NULL, &l->member->addr, &unknown, false);
	int r;

	if (!f)
		return ED_NOMEM;
	f->link = l;
	l->flow = f;
	r = ax->ops->open(ax->net, f, &l->member->addr, l->member->host);
	if (r < 0) {
		l->flow = NULL;
		f->link = NULL;
		flow_free(&ax->flows, f);
	}
	return r;
}

static void
hop_close(void *arg, struct nexthop_link *l)
{
	struct flow *f = l->flow;

	/* Its requests are answered now; the connection may take its time to close. */
	f->link = NULL;
	count(CNT_LINK_DEATHS);
	nexthop_link_down(l, f->ax->now_ms, l->member->failed ? "silent" : "left the pool");
	response_flow_lost(f);
	engine_close(f, ACCESS_END_SILENT);
}

void
route_lost(struct flow *to)
{
	struct nexthop_link *l = to->link;

	to->closing = true;
	if (to->plink)
		partner_link_down(to, "ended", "");
	if (!l)
		return;
	to->link = NULL;
	count(CNT_LINK_DEATHS);
	nexthop_link_down(l, to->ax->now_ms, "ended");
}

static void
hop_probe(void *arg, struct nexthop_link *l)
{
	egress_probe(arg, l);
}

static int
hop_resolve(void *arg, const char *host, uint32_t source)
{
	struct access *ax = arg;

	return ax->ops->resolve(ax->net, host, source);
}

const struct nexthop_ops engine_nexthop_ops = {
    .open = hop_open, .close = hop_close, .probe = hop_probe, .resolve = hop_resolve};

/* ---- choosing ---- */

/* The internal server that the next Route names, if a connection to it stands (access-edge-sip 4
 * a). */
static struct flow *
inside_by_name(struct access *ax, const struct flow *f, struct str server)
{
	struct nexthop *nh = &ax->nexthop;
	struct flow *hit = NULL;

	for (unsigned i = 0; i < nh->n_members; i++) {
		struct nexthop_member *m = nh->members[i];

		for (unsigned k = 0; k < nh->n_links && m->n_up; k++) {
			unsigned at = ((unsigned)(f->cid >> 8) + k) % nh->n_links;
			struct nexthop_link *l = &m->links[at];

			if (l->state == LINK_UP && (str_eq_nocase(str_of(m->host), server) ||
						       flow_has_name(l->flow, server))) {
				if (m->id == f->member)
					return l->flow;
				if (!hit)
					hit = l->flow;
				break;
			}
		}
	}
	if (hit)
		return hit;
	LIST_EACH(it, &ax->inside)
	{
		struct flow *in = LIST_OF(it, struct flow, peers);

		if (!in->closing && flow_has_name(in, server))
			return in;
	}
	return NULL;
}

static void
refuse(struct route *ret, uint16_t status, enum diag diag, enum access_counter why)
{
	ret->kind = ROUTE_REFUSE;
	ret->no = (struct hide_route){.where = HIDE_REFUSE, .status = status, .diag = diag};
	ret->why = why;
}

static void
to_next_hop(struct flow *f, const struct sip_msg *m, const struct hide_route *h, struct route *ret)
{
	struct access *ax = f->ax;
	struct str server = h->server;
	struct nexthop_link *l;

	if (m->method == SIP_REGISTER && !server.n)
		server = homes_find(&ax->homes, m->to.uri, ax->now_ms);
	if (server.n) {
		ret->to = inside_by_name(ax, f, server);
		if (ret->to) {
			ret->kind = ROUTE_FLOW;
			return;
		}
	}
	switch (nexthop_pick(&ax->nexthop, f->cid, &f->member, ax->now_ms, &l)) {
	case NEXTHOP_USE:
		ret->kind = ROUTE_FLOW;
		ret->to = l->flow;
		return;
	case NEXTHOP_WAIT:
		if (!f->held_since_ms || ax->now_ms - f->held_since_ms < ENGINE_HOLD_MS) {
			ret->kind = ROUTE_HOLD;
			return;
		}
		break;
	case NEXTHOP_NONE:
		break;
	}
	refuse(ret, 504, DIAG_CANNOT_ROUTE_NOW, CNT_DROP_NO_NEXT_HOP);
}

static void
to_client(struct flow *f, const struct sip_msg *m, uint64_t cid, struct route *ret)
{
	struct access *ax = f->ax;
	unsigned slot = FLOW_CID_SLOT(cid);

	ret->to = flow_find(&ax->flows, cid);
	if (ret->to && flow_is_external(ret->to)) {
		ret->kind = ROUTE_FLOW;
		return;
	}
	if (!ret->to && slot != ax->slot && f->kind != FLOW_SIBLING) {
		ret->kind = ROUTE_SIBLING;
		ret->slot = slot;
		return;
	}
	/* The vanished hop is the client's registration path when the FE asks out of any dialog. */
	ret->kind = ROUTE_REFUSE;
	ret->no = (struct hide_route){.where = HIDE_REFUSE};
	hide_gone(m, m->to.tag.n == 0, &ret->no);
	ret->why = CNT_DROP_FLOW_GONE;
}

static void
refused_target(struct route *ret, const struct policy_target *t)
{
	refuse(ret, t->status, t->diag, CNT_DROP_UNKNOWN_DOMAIN);
	ret->reason = policy_why_name(t->why);
	ret->event_id = t->why == POLICY_WHY_BLOCKED_DOMAIN ? "FED-3004"
			: t->why == POLICY_WHY_NOT_FOR_US   ? "ACC-2005"
							    : "FED-3003";
	ret->event = t->why == POLICY_WHY_BLOCKED_DOMAIN ? "partner_blocked"
		     : t->why == POLICY_WHY_NOT_FOR_US   ? "domain_not_served"
							 : "partner_not_allowed";
}

/* ;domain="fabrikam.com";tls-target="sip.fabrikam.com": for the inside only. */
static struct str
diag_more(struct access *ax, struct str domain, const struct partner *p)
{
	const char *host = p->n_hosts ? p->hosts[p->n_hosts - 1].name : NULL;
	struct text t = text_start(&ax->arena, 600);

	text_put(&t, STR(";domain=\""));
	text_put(&t, str_first(domain, 255));
	if (p->by_srv && (p->diag == DIAG_SRV_UNRESOLVED || p->diag == DIAG_SRV_CONFLICT))
		text_put(&t, STR("\";dns-srv-result=\"NegativeResult"));
	else if (host) {
		text_put(&t, STR("\";tls-target=\""));
		text_put(&t, str_of(host));
	}
	text_put(&t, STR("\""));
	return text_done(&t);
}

/* One dialog keeps to one link while the links stand. */
static uint64_t
spread_of(const struct access *ax, const struct sip_msg *m)
{
	return hash_bytes(&ax->hash_key, m->call_id.p, m->call_id.n);
}

static void
to_partner(struct flow *f, const struct sip_msg *m, const struct hide_route *h, struct route *ret)
{
	struct access *ax = f->ax;
	struct policy_target t;

	policy_target(ax->view, h->domain, h->edge_route, h->where == HIDE_TO_DOMAIN, &t);
	if (t.kind == POLICY_TARGET_REFUSED) {
		refused_target(ret, &t);
		return;
	}
	if (!policy_is_federated(m->method)) {
		refuse(ret, 403, DIAG_REQUEST_KIND, CNT_DROP_POLICY);
		return;
	}
	ret->traffic = t.traffic;
	ret->shared_space = t.shared_space;
	switch (partner_pick(ax, &t, h->domain, spread_of(ax, m), &ret->partner, &ret->to)) {
	case PARTNER_USE:
		ret->kind = ROUTE_FLOW;
		return;
	case PARTNER_WAIT:
		ret->kind = ROUTE_PARK;
		return;
	case PARTNER_NO:
		break;
	}
	if (!ret->partner) {
		refuse(ret, 503, DIAG_CANNOT_ROUTE_NOW, CNT_PARTNER_PARK_FULL);
		return;
	}
	refuse(ret, 504, ret->partner->diag, CNT_DROP_NO_PARTNER);
	ret->more = diag_more(ax, h->domain, ret->partner);
}

void
route_choose(struct flow *f, const struct facts *facts, const struct sip_msg *m,
    const struct hide_route *h, struct route *ret)
{
	switch (h->where) {
	case HIDE_TO_NEXT_HOP:
		to_next_hop(f, m, h, ret);
		return;
	case HIDE_TO_CID:
		to_client(f, m, h->cid, ret);
		return;
	case HIDE_TO_DOMAIN:
	case HIDE_TO_EDGE_ROUTE:
	case HIDE_TO_URI:
		to_partner(f, m, h, ret);
		return;
	case HIDE_REFUSE:
		break;
	}
	ret->kind = ROUTE_REFUSE;
	ret->no = *h;
	ret->why = h->foreign ? CNT_DROP_FOREIGN_ROUTE : CNT_DROP_POLICY;
}

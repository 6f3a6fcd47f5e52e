/* SPDX-License-Identifier: MIT */
#include "access/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/core.h"
#include "access/engine.h"
#include "svc/log.h"
#include "svc/svc.h"

#define SESSION_LEN 512u
#define FILTER_LEN  128u
#define CID_LEN     18u /* 64 bits in hex, and one more than that is none */

static const char *const kinds[] = {"client", "partner", "inside", "next_hop", "sibling"};

struct listing {
	struct svc_ctl_reply *reply;
	const char *filter; /* what a line must hold; "" for all */
	uint64_t now_ms;
	bool first;
	uint32_t left_out;
};

static void
session(const struct flow *f, void *arg)
{
	struct listing *l = arg;
	char a[ADDR_STR_LEN], line[SESSION_LEN];

	if (!f->cid)
		return;
	snprintf(line, sizeof(line),
	    "{\"flow\":\"%llx\",\"kind\":\"%s\",\"peer\":\"%s\",\"signed_in\":%s,"
	    "\"anonymous\":%s,\"transactions\":%u,\"age_s\":%llu,\"idle_s\":%llu}",
	    (unsigned long long)f->cid, kinds[f->kind], addr_str(&f->peer, a),
	    f->signed_in ? "true" : "false", f->anonymous ? "true" : "false", f->n_txns,
	    (unsigned long long)(l->now_ms - f->born_ms) / 1000,
	    (unsigned long long)(l->now_ms - f->last_in_ms) / 1000);
	if (!strstr(line, l->filter))
		return;
	if (!svc_reply_has_room(l->reply, SESSION_LEN)) {
		l->left_out++;
		return;
	}
	svc_reply(l->reply, "%s%s", l->first ? "" : ",", line);
	l->first = false;
}

static void
sessions(struct access *ax, struct str filter, struct svc_ctl_reply *reply)
{
	char text[FILTER_LEN];
	struct listing l = {
	    .reply = reply, .filter = text, .now_ms = ax->ops->now_ms(ax->net), .first = true};

	snprintf(text, sizeof(text), STR_FMT, STR_ARG(filter));
	svc_reply(reply, "{\"sessions\":[");
	access_each_flow(ax, session, &l);
	svc_reply(reply, "],\"left_out\":%u}", l.left_out);
}

/*
 * End one connection from outside by the id that `sessions` shows. Who is on it may come again: a
 * lasting no is a matter of the inside (the user), federation.blocked (a partner) or the firewall.
 */
static void
kick(struct access *ax, struct str arg, struct svc_ctl_reply *reply)
{
	char id[CID_LEN], *end, a[ADDR_STR_LEN];
	struct flow *f = NULL;
	uint64_t cid;

	snprintf(id, sizeof(id), STR_FMT, STR_ARG(arg));
	cid = strtoull(id, &end, 16);
	if (arg.n > 0 && arg.n < sizeof(id) && *end == '\0')
		f = flow_find(&ax->flows, cid);
	if (f && flow_is_external(f)) {
		log_notice(AREA_SIP, "", "session_kicked", "flow=%llx peer=%s kind=%s",
		    (unsigned long long)f->cid, addr_str(&f->peer, a), kinds[f->kind]);
		engine_close(f, ACCESS_END_DONE);
	}
	svc_reply(reply, "{\"kicked\":%s}", f && flow_is_external(f) ? "true" : "false");
}

static void
trace(struct access *ax, struct str arg, struct svc_ctl_reply *reply)
{
	uint64_t now_ms = ax->ops->now_ms(ax->net);

	if (str_starts_nocase(arg, STR("on "))) {
		trace_free(ax->trace);
		ax->trace = trace_new(str_trim(str_from(arg, 3)), now_ms);
		log_notice(AREA_SIP, "", "trace_started", "on=%s", ax->trace ? "yes" : "no");
	} else if (str_eq(arg, STR("off"))) {
		ax->trace = trace_free(ax->trace);
	} else if (str_eq(arg, STR("read")) && ax->trace) {
		trace_read(ax->trace, now_ms, reply);
		return;
	}
	svc_reply(reply, "{\"tracing\":%s}", ax->trace ? "true" : "false");
}

static void
member(const struct nexthop_member *m, uint64_t now_ms, bool first, struct svc_ctl_reply *reply)
{
	char a[ADDR_STR_LEN];
	const char *state = m->failed                      ? "failed"
			    : m->n_up == 0                 ? "connecting"
			    : m->shunned_until_ms > now_ms ? "refusing"
							   : "up";

	svc_reply(reply, "%s{\"host\":\"%s\",\"address\":\"%s\",\"state\":\"%s\",\"links\":%u",
	    first ? "" : ",", m->host, addr_str(&m->addr, a), state, m->n_up);
	if (m->failed)
		svc_reply(reply, ",\"down_s\":%llu",
		    (unsigned long long)(now_ms - m->failed_since_ms) / 1000);
	svc_reply(reply, "}");
}

static void
next_hop(struct access *ax, struct svc_ctl_reply *reply)
{
	const struct nexthop *nh = access_nexthop(ax);

	svc_reply(reply, "{\"members\":[");
	for (unsigned i = 0; i < nh->n_members; i++)
		member(nh->members[i], ax->ops->now_ms(ax->net), i == 0, reply);
	svc_reply(reply, "]}");
}

static void
status(struct access *ax, struct svc_ctl_reply *reply)
{
	struct access_state s;

	access_get_state(ax, &s);
	svc_reply(reply,
	    "{\"slot\":%u,\"connections\":%u,\"clients\":%u,\"signed_in\":%u,"
	    "\"transactions\":%u,\"held\":%u,\"remote_access\":\"%s\",\"draining\":%s,"
	    "\"next_hop\":",
	    ax->slot, s.flows, s.clients, s.signed_in, s.transactions, s.held,
	    ax->view->allow_outside_users ? "on" : "off",
	    access_is_draining(ax) ? "true" : "false");
	next_hop(ax, reply);
	svc_reply(reply, "}");
}

void
control_answer(struct access *ax, struct str verb, struct str arg, struct svc_ctl_reply *reply)
{
	if (str_eq(verb, STR("sessions")))
		sessions(ax, arg, reply);
	else if (str_eq(verb, STR("kick")))
		kick(ax, arg, reply);
	else if (str_eq(verb, STR("trace")))
		trace(ax, arg, reply);
	else if (str_eq(verb, STR("nexthop")))
		next_hop(ax, reply);
	else if (str_eq(verb, STR("partners")))
		control_partners(ax, reply);
	else if (str_eq(verb, STR("release")))
		control_release(ax, arg, reply);
	else if (str_eq(verb, STR("status")))
		status(ax, reply);
	/* Anything else is for another service: no answer. */
}

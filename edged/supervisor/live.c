/* SPDX-License-Identifier: MIT
 *
 * supervisor/live.c: asks for the names (net/resolve.h) and hands the answers to the rules.
 */
#include "supervisor/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "net/loop.h"

static void
want(struct live *lv, bool srv, const char *prefix, const char *name)
{
	char full[300];

	if (!*name)
		return;
	snprintf(full, sizeof(full), "%s%s", prefix, name);
	if (live_find(lv, full, srv))
		return;
	if (lv->n == LIVE_NAMES_MAX) {
		lv->cut = true;
		return;
	}
	snprintf(lv->v[lv->n].name, sizeof(lv->v[0].name), "%s", full);
	lv->v[lv->n].answered = false;
	lv->v[lv->n++].srv = srv;
}

struct live_name *
live_find(const struct live *lv, const char *name, bool srv)
{
	for (size_t i = 0; i < lv->n; i++)
		if (lv->v[i].srv == srv && str_eq_nocase(str_of(lv->v[i].name), str_of(name)))
			return &lv->v[i];
	return NULL;
}

void
live_plan(struct live *lv, const struct conf *c)
{
	if (c->access.next_hop.members.n == 0)
		want(lv, false, "", c->access.next_hop.fqdn);
	want(lv, false, "", c->edge.fqdn);
	want(lv, false, "", c->edge.pool_fqdn);
	want(lv, false, "", c->external.access.fqdn);
	if (c->external.webconf.addresses.n > 0)
		want(lv, false, "", c->external.webconf.fqdn);
	if (c->external.av.address.n > 0)
		want(lv, false, "", c->external.av.fqdn);
	for (uint32_t i = 0; i < c->edge.sip_domains.n; i++) {
		want(lv, true, "_sip._tls.", c->edge.sip_domains.v[i]);
		if (c->access.allow_federated_users)
			want(lv, true, "_sipfederationtls._tcp.", c->edge.sip_domains.v[i]);
		want(lv, false, "lyncdiscover.", c->edge.sip_domains.v[i]);
	}
	for (uint32_t i = 0; c->access.allow_federated_users && i < c->federation.n_allowed; i++)
		if (!*c->federation.allowed[i].proxy_fqdn)
			want(lv, true, "_sipfederationtls._tcp.", c->federation.allowed[i].domain);
}

struct asking {
	struct loop *loop;
	struct resolve *resolve;
	struct timer deadline;
	size_t left;
};

struct question {
	struct asking *as;
	struct live_name *name;
};

static void
on_answer(void *arg, const struct resolve_answer *ans)
{
	struct question *q = arg;

	q->name->ans = *ans;
	q->name->answered = ans->err != ED_SYS;
	if (--q->as->left == 0)
		loop_stop(q->as->loop);
}

static void
on_deadline(struct timer *t, uint64_t now_ms)
{
	struct asking *as = LIST_OF(t, struct asking, deadline);

	loop_stop(as->loop);
}

static int
ask_one(struct asking *as, struct question *q)
{
	struct str name = str_of(q->name->name);

	return q->name->srv ? resolve_srv(as->resolve, name, on_answer, q)
			    : resolve_host(as->resolve, name, on_answer, q);
}

/* Nobody's answer is a fact too: what stays unanswered is found by LIVE. */
static int
ask(struct live *lv, const struct conf *c)
{
	struct resolve_conf rc = {.servers = c->dns.servers.n ? c->dns.servers.v : NULL,
	    .n_servers = (uint8_t)(c->dns.servers.n > 255 ? 255 : c->dns.servers.n)};
	struct asking as = {.loop = loop_new()};
	struct question *q = calloc(lv->n ? lv->n : 1, sizeof(*q));
	int r = ED_NOMEM;

	as.resolve = as.loop ? resolve_new(as.loop, &rc) : NULL;
	if (!q || !as.resolve)
		goto out;
	as.left = lv->n + 1; /* one for the asker, so that an early answer stops nothing */
	for (size_t i = 0; i < lv->n; i++) {
		q[i] = (struct question){&as, &lv->v[i]};
		if (ask_one(&as, &q[i]) < 0)
			as.left--;
	}
	timer_init(&as.deadline, on_deadline);
	timer_set(as.loop, &as.deadline, loop_now_ms(as.loop) + LIVE_WAIT_MS);
	r = --as.left > 0 ? loop_run(as.loop) : ED_OK;
	timer_cancel(&as.deadline);
	for (size_t i = 0; i < lv->n; i++)
		resolve_cancel(as.resolve, &q[i]);
out:
	resolve_free(as.resolve);
	loop_free(as.loop);
	free(q);
	return r;
}

void
live_run_over(struct check *ck)
{
	for (size_t i = 0; i < live_n_rules; i++) {
		ck->rule = &live_rules[i];
		ck->rule->run(ck);
	}
}

void
live_check(const struct conf *c, struct conf_report *report)
{
	struct live lv = {.v = calloc(LIVE_NAMES_MAX, sizeof(struct live_name))};
	struct host_facts *host = NULL;
	struct check ck = {.conf = c, .mode = CHECK_FILE, .report = report, .live = &lv};

	if (lv.v)
		live_plan(&lv, c);
	if (!lv.v || host_read(&host) < 0 || ask(&lv, c) < 0) {
		conf_report_add(report, c, CONF_ERROR, "CHECK", NULL, NULL,
		    "names could not be asked for: out of memory or descriptors");
	} else {
		ck.host = host;
		live_run_over(&ck);
	}
	host_free(host);
	free(lv.v);
}

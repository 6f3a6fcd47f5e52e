/* SPDX-License-Identifier: MIT
 *
 * access/decide.c: see decide.h. One function for each step; it leaves the verdict alone and
 * returns true, or fills it and returns false.
 */
#include "access/decide.h"

#include <string.h>

#include "access/names.h"
#include "conf/conf.h"

/* RFC 2606: never anybody's domain; anonymous.invalid is how our own guests call themselves. */
#define NOBODYS STR("invalid")

struct decision {
	const struct decide_facts *d;
	const struct view *view;
	const struct facts *f;
	struct policy_verdict *v;
};

/* ---- ways to say no ---- */

struct no {
	enum policy_why why;
	uint16_t status;
	enum diag diag;
	const char *event, *event_name, *rule;
};

static bool
refuse(struct decision *j, const struct no *no, struct str fact)
{
	j->v->kind = POLICY_REPLY;
	j->v->why = no->why;
	j->v->status = no->status;
	j->v->reason = no->status == 504 ? "Server time-out" : "Forbidden";
	j->v->diag = no->diag;
	j->v->event = no->event;
	j->v->event_name = no->event_name;
	j->v->rule = no->rule;
	j->v->fact = fact;
	return false;
}

/* ---- small questions ---- */

/* Wildcards prove nothing (11.3): not as a name of the certificate, not as a target. */
static bool
names_hold(const struct facts *f, struct str name)
{
	if (!name.n || str_find(name, '*') >= 0)
		return false;
	for (uint32_t i = 0; i < f->n_names; i++)
		if (str_eq_nocase(f->names[i], name))
			return true;
	return false;
}

bool
decide_is_blocked(const struct view *v, struct str domain, struct str *ret_entry)
{
	const struct conf_list *l = &v->conf->federation.blocked;

	for (uint32_t i = 0; i < l->n; i++)
		if (names_is_within(domain, str_of(l->v[i]))) {
			*ret_entry = str_of(l->v[i]);
			return true;
		}
	return false;
}

const struct conf_allowed_domain *
decide_allowed(const struct view *v, struct str domain)
{
	const struct conf_allowed_domain *wide = NULL;

	for (uint32_t i = 0; i < v->conf->federation.n_allowed; i++) {
		const struct conf_allowed_domain *a = &v->conf->federation.allowed[i];
		struct str d = str_of(a->domain);

		if (str_eq_nocase(domain, d))
			return a;
		/* Of two that cover it, the nearer one speaks. */
		if (a->subdomains && names_is_within(domain, d) &&
		    (!wide || d.n > strlen(wide->domain)))
			wide = a;
	}
	return wide;
}

bool
decide_provider_lists(const struct conf_provider *p, struct str domain)
{
	for (uint32_t i = 0; i < p->domains.n; i++)
		if (str_eq_nocase(domain, str_of(p->domains.v[i])))
			return true;
	return false;
}

static bool
holds_proxy_of(const struct decision *j, const struct conf_provider *p)
{
	return p->enabled && names_hold(j->f, str_of(p->proxy_fqdn));
}

/* The provider on this connection that may speak for domain (step 3). */
static const struct conf_provider *
provider_of(const struct decision *j, struct str domain)
{
	const struct view *v = j->view;

	for (uint32_t i = 0; i < v->conf->federation.n_providers; i++) {
		const struct conf_provider *p = &v->conf->federation.providers[i];

		if (!holds_proxy_of(j, p))
			continue;
		if (p->domains.n ? decide_provider_lists(p, domain) : !decide_allowed(v, domain))
			return p;
	}
	return NULL;
}

static bool
is_provider(const struct decision *j)
{
	for (uint32_t i = 0; i < j->view->conf->federation.n_providers; i++)
		if (holds_proxy_of(j, &j->view->conf->federation.providers[i]))
			return true;
	return false;
}

/* A provider that shares our address space may send From our own domains (3.5). */
static const struct conf_provider *
shared_provider(const struct decision *j)
{
	for (uint32_t i = 0; i < j->view->conf->federation.n_providers; i++) {
		const struct conf_provider *p = &j->view->conf->federation.providers[i];

		if (p->shared_address_space && holds_proxy_of(j, p))
			return p;
	}
	return NULL;
}

static const struct facts_srv *
srv_of(const struct facts *f, struct str domain)
{
	for (uint32_t i = 0; i < f->n_srv; i++)
		if (str_eq_nocase(f->srv[i].domain, domain))
			return &f->srv[i];
	return NULL;
}

/* 11.5; what a message says counts only under UseSourceVerification, and silence is a no. */
static void
set_level(struct decision *j, const char *level, bool default_verified)
{
	struct policy_verdict *v = j->v;

	if (!level || !level[0]) {
		v->verified = default_verified;
		v->use_source = !default_verified;
	} else {
		v->verified = strcmp(level, "always_verifiable") == 0;
		v->use_source = strcmp(level, "use_source") == 0;
	}
	if (v->use_source)
		v->verified = j->d->said_verified;
}

/* ---- the steps ---- */

static bool
step_connection(struct decision *j)
{
	static const struct no off = {POLICY_WHY_FEDERATION_OFF, 403, DIAG_NOT_FEDERATED,
	    "FED-3003", "partner_not_allowed", "FED-06"};
	static const struct no chain = {POLICY_WHY_CHAIN, 403, DIAG_TLS_TRUST, "FED-3006",
	    "certificate_mismatch", "3.2-accept"};

	if (!j->view->allow_federated_users)
		return refuse(j, &off, STR("access.allow_federated_users"));
	if (j->f->peer != FACTS_SERVER || j->f->chain != FACTS_CHAIN_GOOD)
		return refuse(j, &chain, STR("chain"));
	return true;
}

static bool
take_provider(struct decision *j, const struct conf_provider *p)
{
	j->v->traffic = p->is_public ? TRAFFIC_PUBLIC_CLOUD : TRAFFIC_AUTHORIZED_SERVER;
	j->v->remote_fqdn = str_of(p->proxy_fqdn);
	j->v->shared_space = p->shared_address_space;
	set_level(j, p->verification, true);
	return true;
}

/* Anything that is ours or inside: a partner that speaks for it lies, whatever it can prove. */
static bool
is_ours(const struct names *n, const struct decide_party *who)
{
	return names_bits(n, who->host) != 0 || names_is_inside(n, who->host, true);
}

/* Steps 1 and 2. *ret_done: a provider with shared address space speaks for our domain. */
static bool
step_early(struct decision *j, const struct decide_party *who, bool *ret_done)
{
	static const struct no spoof = {POLICY_WHY_SPOOFED_DOMAIN, 403, DIAG_SPLIT_DOMAIN,
	    "FED-3007", "sender_domain_mismatch", "3.2-1"};
	static const struct no blocked = {
	    POLICY_WHY_BLOCKED_DOMAIN, 403, DIAG_BLOCKED, "FED-3004", "partner_blocked", "3.2-2"};
	static const struct no nobody = {POLICY_WHY_NOT_ALLOWED, 403, DIAG_NOT_FEDERATED,
	    "FED-3007", "sender_domain_mismatch", "3.2-1"};
	const struct conf_provider *p = shared_provider(j);
	struct str entry;

	*ret_done = false;
	if (p && !who->is_address && names_is_sip_domain(j->view->names, who->host)) {
		*ret_done = true;
		return take_provider(j, p);
	}
	if (is_ours(j->view->names, who))
		return refuse(j, &spoof, STR("edge.sip_domains"));
	if (who->is_address || names_is_within(who->host, NOBODYS))
		return refuse(j, &nobody, STR("not a domain"));
	if (decide_is_blocked(j->view, who->host, &entry))
		return refuse(j, &blocked, entry);
	return true;
}

/* Step 7: no relaying between outsiders. */
static bool
step_for_us(struct decision *j)
{
	static const struct no relay = {
	    POLICY_WHY_NOT_FOR_US, 403, DIAG_NO_ROUTE, "ACC-2005", "domain_not_served", "3.2-7"};

	if (j->d->to_edge) {
		j->v->kind = POLICY_REPLY;
		j->v->why = POLICY_WHY_OPTIONS_HERE;
		j->v->status = 200;
		j->v->reason = "OK";
		return false;
	}
	if (j->d->for_us || j->d->own_route)
		return true;
	return refuse(j, &relay, STR("uri or to"));
}

static bool
step_srv(struct decision *j, struct str domain)
{
	static const struct no failed = {POLICY_WHY_SRV_FAILED, 504, DIAG_SRV_UNRESOLVED,
	    "FED-3005", "srv_lookup_failed", "3.2-6"};
	static const struct no none = {
	    POLICY_WHY_NO_SRV, 504, DIAG_SRV_UNRESOLVED, "FED-3005", "no_srv_record", "3.2-6"};
	static const struct no outside = {POLICY_WHY_SRV_OUTSIDE, 504, DIAG_SRV_CONFLICT,
	    "FED-3005", "srv_outside_domain", "3.2-6"};
	static const struct no mismatch = {POLICY_WHY_SRV_MISMATCH, 504, DIAG_SRV_CONFLICT,
	    "FED-3007", "sender_domain_mismatch", "3.2-6"};
	const struct facts_srv *s = srv_of(j->f, domain);
	struct str inside = STR_NONE;

	if (!s || s->state == FACTS_SRV_UNKNOWN) {
		j->v->kind = POLICY_LOOKUP;
		j->v->lookup_domain = domain;
		return false;
	}
	if (s->state == FACTS_SRV_FAILED)
		return refuse(j, &failed, STR("no answer"));
	if (s->state != FACTS_SRV_FOUND || s->n_targets == 0)
		return refuse(j, &none, STR("no record"));
	for (uint32_t i = 0; i < s->n_targets; i++) {
		if (!names_is_within(s->targets[i], domain))
			continue;
		if (names_hold(j->f, s->targets[i]))
			return true;
		if (!inside.n)
			inside = s->targets[i];
	}
	if (!inside.n)
		return refuse(j, &outside, s->targets[0]);
	return refuse(j, &mismatch, inside);
}

/* Steps 3 to 6: may this connection speak for domain? */
static bool
step_domain(struct decision *j, struct str domain)
{
	static const struct no unlisted = {POLICY_WHY_NOT_ALLOWED, 403, DIAG_NOT_FEDERATED,
	    "FED-3003", "partner_not_allowed", "3.2-5"};
	static const struct no other = {POLICY_WHY_NAME_MISMATCH, 403, DIAG_TLS_TRUST, "FED-3006",
	    "certificate_mismatch", "3.2-4"};
	const struct conf_allowed_domain *a = decide_allowed(j->view, domain);
	const struct conf_provider *p = provider_of(j, domain);

	if (p)
		return take_provider(j, p);
	if (!a && !j->view->partner_discovery)
		return refuse(j, &unlisted, STR("access.enable_partner_discovery"));
	if (a && a->proxy_fqdn && a->proxy_fqdn[0]) {
		if (!names_hold(j->f, str_of(a->proxy_fqdn)))
			return refuse(j, &other, str_of(a->proxy_fqdn));
		j->v->traffic = TRAFFIC_DIRECT_PARTNER;
	} else {
		if (!step_srv(j, domain))
			return false;
		j->v->traffic = TRAFFIC_AUTO_FEDERATION;
		j->v->discovered = !a;
	}
	set_level(j, a ? a->verification : NULL, false);
	return true;
}

/* Who else the request says it comes from must pass the same steps. A number names no domain. */
static bool
step_identities(struct decision *j)
{
	static const struct no identity = {POLICY_WHY_IDENTITY, 403, DIAG_NONE, "FED-3007",
	    "sender_domain_mismatch", "9.2-identity"};
	struct policy_verdict as_from = *j->v;

	if (j->d->ids_unreadable)
		return refuse(j, &identity, STR("P-Asserted-Identity"));
	for (uint32_t i = 0; i < j->d->n_ids; i++) {
		const struct decide_party *id = &j->d->ids[i];
		bool done;

		if (id->is_tel)
			continue;
		if (!id->is_sip)
			return refuse(j, &identity, STR("P-Asserted-Identity"));
		if (str_eq_nocase(id->host, j->d->from.host))
			continue;
		if (!step_early(j, id, &done) || (!done && !step_domain(j, id->host)))
			return false;
	}
	*j->v = as_from;
	return true;
}

static void
decide(struct decision *j)
{
	static const struct no faceless = {POLICY_WHY_NOT_ALLOWED, 403, DIAG_NOT_FEDERATED,
	    "FED-3007", "sender_domain_mismatch", "3.2-1"};
	const struct decide_party *from = &j->d->from;
	bool done;

	if (!step_connection(j))
		return;
	if (!from->is_sip || !from->host.n) {
		refuse(j, &faceless, STR("From is no SIP URI"));
		return;
	}
	j->v->domain = from->host;
	/* 1, 2 and 7 before any question to the DNS. */
	if (!step_early(j, from, &done) || !step_for_us(j))
		return;
	if ((!done && !step_domain(j, from->host)) || !step_identities(j))
		return;
	j->v->kind = POLICY_FORWARD;
}

void
decide_partner(const struct decide_facts *d, struct policy_verdict *ret)
{
	struct decision j = {.d = d, .view = d->view, .f = d->f, .v = ret};

	*ret = (struct policy_verdict){.kind = POLICY_REPLY, .traffic = TRAFFIC_AUTO_FEDERATION};
	decide(&j);
	if (ret->kind == POLICY_REPLY)
		ret->of_provider = d->f->chain == FACTS_CHAIN_GOOD && is_provider(&j);
}

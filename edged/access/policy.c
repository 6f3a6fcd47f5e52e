/* SPDX-License-Identifier: MIT
 *
 * access/policy.c: see policy.h. One function for each rule; each either leaves the verdict alone
 * and returns true, or fills it and returns false. policy_judge only lists them in order.
 */
#include "access/policy.h"

#include <string.h>

#include "access/decide.h"
#include "access/entry.h"
#include "access/headers.h"
#include "access/names.h"
#include "access/text.h"
#include "conf/conf.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

#define ANONYMOUS_HOST STR("anonymous.invalid")
#define FOCUS_OPAQUE   STR("app:conf:focus:id:")

#define BIT(m) (1u << (m))
#define FEDERATED_METHODS                                                                          \
	(BIT(SIP_SUBSCRIBE) | BIT(SIP_NOTIFY) | BIT(SIP_BENOTIFY) | BIT(SIP_INVITE) |              \
	    BIT(SIP_ACK) | BIT(SIP_BYE) | BIT(SIP_CANCEL) | BIT(SIP_MESSAGE) | BIT(SIP_INFO) |     \
	    BIT(SIP_OPTIONS) | BIT(SIP_REFER) | BIT(SIP_UPDATE) | BIT(SIP_PRACK))
#define CLIENT_METHODS                                                                             \
	((FEDERATED_METHODS & ~BIT(SIP_BENOTIFY)) | BIT(SIP_REGISTER) | BIT(SIP_SERVICE) |         \
	    BIT(SIP_PUBLISH))
#define ANONYMOUS_METHODS (FEDERATED_METHODS & ~BIT(SIP_BENOTIFY))

struct judge {
	const struct work *w;
	const struct view *view;
	const struct facts *f;
	const struct sip_msg *m;
	struct policy_verdict *v;
	struct sip_uri from, uri;
	bool from_ok, uri_ok; /* a SIP or SIPS URI that could be read */
};

const char *
policy_why_name(enum policy_why why)
{
	static const char *const names[POLICY_WHY__N] = {
	    [POLICY_WHY_NONE] = "none",
	    [POLICY_WHY_METHOD_UNKNOWN] = "method_unknown",
	    [POLICY_WHY_METHOD_CLASS] = "method_class",
	    [POLICY_WHY_NEGOTIATE] = "negotiate",
	    [POLICY_WHY_OPTIONS_HERE] = "options_here",
	    [POLICY_WHY_MAX_FORWARDS] = "max_forwards",
	    [POLICY_WHY_OUTSIDE_USERS_OFF] = "outside_users_off",
	    [POLICY_WHY_ANONYMOUS_OFF] = "anonymous_off",
	    [POLICY_WHY_NTLM] = "ntlm",
	    [POLICY_WHY_FEDERATION_OFF] = "federation_off",
	    [POLICY_WHY_DOMAIN_NOT_SERVED] = "domain_not_served",
	    [POLICY_WHY_REGISTER_FIRST] = "register_first",
	    [POLICY_WHY_NOT_A_FOCUS] = "not_a_focus",
	    [POLICY_WHY_SPOOFED_DOMAIN] = "spoofed_domain",
	    [POLICY_WHY_BLOCKED_DOMAIN] = "blocked_domain",
	    [POLICY_WHY_NOT_ALLOWED] = "not_allowed",
	    [POLICY_WHY_NAME_MISMATCH] = "name_mismatch",
	    [POLICY_WHY_NO_SRV] = "no_srv",
	    [POLICY_WHY_SRV_FAILED] = "srv_failed",
	    [POLICY_WHY_SRV_OUTSIDE] = "srv_outside_domain",
	    [POLICY_WHY_SRV_MISMATCH] = "srv_mismatch",
	    [POLICY_WHY_NOT_FOR_US] = "not_for_us",
	    [POLICY_WHY_IDENTITY] = "identity",
	    [POLICY_WHY_PROXY_REQUIRE] = "proxy_require",
	    [POLICY_WHY_SCHEME] = "scheme",
	    [POLICY_WHY_CHAIN] = "chain",
	    [POLICY_WHY_TWO_READINGS] = "two_readings",
	};

	return (unsigned)why < POLICY_WHY__N ? names[why] : "unknown";
}

bool
policy_is_federated(enum sip_method method)
{
	return (FEDERATED_METHODS & BIT(method)) != 0;
}

struct str
policy_allow_line(enum facts_peer peer)
{
	if (peer == FACTS_SERVER)
		return STR("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, "
			   "BENOTIFY, INFO, REFER, UPDATE, PRACK\r\n");
	return STR("Allow: REGISTER, INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, SUBSCRIBE, "
		   "NOTIFY, BENOTIFY, INFO, REFER, UPDATE, PRACK, PUBLISH, SERVICE\r\n");
}

/* ---- ways to say no ---- */

/* Requests that never get a response are dropped, whatever the verdict would be. */
static bool
is_silent(const struct sip_msg *m)
{
	return m->method == SIP_ACK || m->method == SIP_BENOTIFY;
}

static bool
refuse(struct judge *j, enum policy_why why, uint16_t status, const char *reason)
{
	j->v->kind = is_silent(j->m) ? POLICY_DROP : POLICY_REPLY;
	j->v->why = why;
	j->v->status = status;
	j->v->reason = reason;
	return false;
}

static void
event(struct judge *j, const char *id, const char *name)
{
	j->v->event = id;
	j->v->event_name = name;
}

/* 405 and what is possible instead. */
static bool
refuse_method(struct judge *j, enum policy_why why)
{
	refuse(j, why, 405, "Method Not Allowed");
	j->v->lines = policy_allow_line(j->f->peer);
	return false;
}

/* ---- rules for everyone ---- */

static bool
rule_methods(struct judge *j)
{
	static const unsigned masks[] = {
	    [FACTS_CLIENT] = CLIENT_METHODS,
	    [FACTS_SERVER] = FEDERATED_METHODS,
	};
	enum sip_method m = j->m->method;

	if (m == SIP_NEGOTIATE)
		return refuse_method(j, POLICY_WHY_NEGOTIATE); /* 8.2: no compression here */
	if (j->f->peer == FACTS_INTERNAL)
		return true;
	if (m == SIP_METHOD_OTHER) {
		refuse_method(j, POLICY_WHY_METHOD_UNKNOWN);
	} else if (masks[j->f->peer] & BIT(m)) {
		return true;
	} else {
		refuse(j, POLICY_WHY_METHOD_CLASS, 403, "Forbidden");
	}
	if (j->f->peer == FACTS_SERVER)
		j->v->diag = DIAG_REQUEST_KIND;
	return false;
}

static bool
is_tel(const struct judge *j)
{
	return j->m->ruri.scheme == SIP_SCHEME_OTHER &&
	       str_eq_nocase(j->m->ruri.scheme_text, STR("tel"));
}

/* Telephone numbers are resolved inside; partners have no business with our number plan. */
static bool
rule_uris(struct judge *j)
{
	j->from = j->m->from.addr;
	j->uri = j->m->ruri;
	j->from_ok = j->from.scheme != SIP_SCHEME_OTHER;
	j->uri_ok = j->uri.scheme != SIP_SCHEME_OTHER;
	if (!j->uri_ok && (j->f->peer == FACTS_SERVER || !is_tel(j)))
		return refuse(j, POLICY_WHY_SCHEME, 416, "Unsupported URI Scheme");
	return true;
}

/* RFC 3261 16.3 item 5; ACK and CANCEL are never refused for it. */
static bool
rule_proxy_require(struct judge *j)
{
	struct sip_values it;
	struct sip_value val;
	struct text t;

	if (j->m->first[SIP_HDR_PROXY_REQUIRE] == SIP_NO_LINE || j->m->method == SIP_ACK ||
	    j->m->method == SIP_CANCEL)
		return true;
	refuse(j, POLICY_WHY_PROXY_REQUIRE, 420, "Bad Extension");
	t = text_start(j->w->arena, 1024);
	text_put(&t, STR("Unsupported: "));
	sip_values_init(&it, j->m, SIP_HDR_PROXY_REQUIRE);
	for (unsigned i = 0; i < 16 && sip_values_next(&it, &val) == 1; i++) {
		if (val.text.n > 48)
			continue;
		text_put(&t, i ? STR(", ") : STR(""));
		text_put(&t, val.text);
	}
	text_put(&t, STR("\r\n"));
	j->v->lines = text_done(&t);
	return false;
}

static bool
answer_options(struct judge *j)
{
	refuse(j, POLICY_WHY_OPTIONS_HERE, 200, "OK");
	j->v->lines = policy_allow_line(j->f->peer);
	return false;
}

static bool
rule_max_forwards(struct judge *j)
{
	if (j->m->max_forwards != 0)
		return true;
	/* RFC 3261 16.3 item 3: zero means 483, but an OPTIONS may be answered here instead. */
	if (j->m->method == SIP_OPTIONS)
		return answer_options(j);
	return refuse(j, POLICY_WHY_MAX_FORWARDS, 483, "Too Many Hops");
}

/* An OPTIONS that names this edge itself (a probe) is for us. */
static bool
rule_options_for_us(struct judge *j)
{
	const struct names *n = j->view->names;

	if (j->m->method != SIP_OPTIONS || !j->uri_ok || j->uri.user.p)
		return true;
	if (j->f->peer == FACTS_INTERNAL ? !names_is_self_inside(n, j->uri.host)
					 : !str_eq_nocase(j->uri.host, j->view->external_fqdn))
		return true;
	return answer_options(j);
}

/* ---- clients ---- */

static bool
is_focus_uri(const struct view *v, const struct sip_uri *u)
{
	struct sip_param opaque;

	return u->scheme != SIP_SCHEME_OTHER && u->user.n &&
	       names_is_sip_domain(v->names, u->host) &&
	       sip_param_find(u->params, STR("gruu"), NULL) &&
	       sip_param_find(u->params, STR("opaque"), &opaque) &&
	       str_starts_nocase(opaque.value, FOCUS_OPAQUE) && opaque.value.n > FOCUS_OPAQUE.n;
}

static bool
is_hex32(struct str s)
{
	if (s.n != 32)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

static bool
refuse_not_outside(struct judge *j, enum policy_why why, const char *text)
{
	refuse(j, why, 403, "Forbidden");
	j->v->diag = DIAG_NOT_OUTSIDE;
	j->v->diag_text = text;
	return false;
}

/* 3.3 row "anonymous"; in-dialog requests must also bring our Route entry (hide.c asks for it). */
static bool
rule_anonymous(struct judge *j)
{
	enum sip_method m = j->m->method;
	bool opening = m == SIP_INVITE || m == SIP_CANCEL;

	j->v->traffic = TRAFFIC_ANONYMOUS;
	if (!j->view->allow_anonymous_users) {
		event(j, "ACC-2004", "anonymous_users_disabled");
		return refuse_not_outside(j, POLICY_WHY_ANONYMOUS_OFF,
		    "Anonymous participants are not admitted by this Edge (allow_anonymous_users "
		    "is false)");
	}
	if (!(ANONYMOUS_METHODS & BIT(m)) || !is_hex32(j->from.user))
		return refuse_not_outside(j, POLICY_WHY_METHOD_CLASS, NULL);
	if (j->m->to.tag.n)
		return true;
	if (!opening || !is_focus_uri(j->view, &j->m->ruri) ||
	    !is_focus_uri(j->view, &j->m->to.addr))
		return refuse_not_outside(
		    j, POLICY_WHY_NOT_A_FOCUS, "Anonymous participants may only join a conference");
	return true;
}

static bool
refuse_domain(struct judge *j, struct str domain)
{
	j->v->domain = domain;
	if (j->f->federation_port)
		event(j, "FED-3006", "partner_without_certificate");
	else
		event(j, "ACC-2005", "domain_not_served");
	return refuse_not_outside(
	    j, POLICY_WHY_DOMAIN_NOT_SERVED, "The SIP domain is not served by this Edge");
}

/* A REGISTER must be for a domain of ours in all three places. */
static bool
rule_register(struct judge *j)
{
	const struct names *n = j->view->names;
	const struct sip_uri *to = &j->m->to.addr;

	if (!j->uri_ok || !names_is_sip_domain(n, j->uri.host))
		return refuse_domain(j, j->uri_ok ? j->uri.host : STR(""));
	if (to->scheme == SIP_SCHEME_OTHER || !names_is_sip_domain(n, to->host))
		return refuse_domain(j, STR(""));
	return true;
}

static bool
rule_remote_user(struct judge *j)
{
	enum sip_method m = j->m->method;

	j->v->traffic = TRAFFIC_REMOTE_USER;
	if (m == SIP_REGISTER)
		return rule_register(j);
	if (m == SIP_OPTIONS || j->f->registered || !j->view->require_registration)
		return true;
	return refuse_not_outside(
	    j, POLICY_WHY_REGISTER_FIRST, "Sign in (REGISTER) on this connection first");
}

/* EXT-09. An ACK or CANCEL is not answered, and signs nobody in. */
static bool
rule_ntlm(struct judge *j)
{
	if (!j->view->block_ntlm || !headers_use_ntlm(j->m))
		return true;
	event(j, "", "ntlm_refused");
	return refuse_not_outside(
	    j, POLICY_WHY_NTLM, "NTLM is not admitted from outside (block_ntlm is true)");
}

static bool
rule_client(struct judge *j)
{
	j->v->traffic = TRAFFIC_REMOTE_USER;
	if (!j->view->allow_outside_users) {
		event(j, "ACC-2003", "remote_users_disabled");
		return refuse_not_outside(j, POLICY_WHY_OUTSIDE_USERS_OFF,
		    "Access from outside is switched off at this Edge (allow_outside_users is "
		    "false)");
	}
	if (!j->from_ok)
		return refuse_domain(j, STR(""));
	if (!rule_ntlm(j))
		return false;
	j->v->domain = j->from.host;
	if (str_eq_nocase(j->from.host, ANONYMOUS_HOST))
		return rule_anonymous(j);
	if (!names_is_sip_domain(j->view->names, j->from.host))
		return refuse_domain(j, j->from.host);
	return rule_remote_user(j);
}

/* ---- partners ---- */

/* Does the top Route hold an entry of ours for this dialog whose domain is the sender's? */
static bool
has_own_route(struct judge *j)
{
	struct sip_values it;
	struct sip_value val;
	struct sip_nameaddr na;
	struct entry e;
	struct str sealed;

	if (!j->m->to.tag.n)
		return false;
	sip_values_init(&it, j->m, SIP_HDR_ROUTE);
	if (sip_values_next(&it, &val) != 1 || sip_nameaddr_parse(val.text, &na, NULL) < 0 ||
	    entry_read(j->w, na.uri_text, false, &e, NULL) < 0)
		return false;
	if (e.dest != ENTRY_DOMAIN || !str_eq_nocase(e.domain, j->from.host))
		return false;
	if (e.sealed.n)
		return entry_open(j->w, &e, j->m->call_id, &sealed) == ED_OK;
	return entry_verify(j->w, &e, j->m->call_id, false) == ED_OK;
}

static struct decide_party
party(const struct sip_uri *u)
{
	return (struct decide_party){
	    .is_sip = u->scheme != SIP_SCHEME_OTHER,
	    .is_tel = u->scheme == SIP_SCHEME_OTHER && str_eq_nocase(u->scheme_text, STR("tel")),
	    .is_address = u->host_is_v4 || u->host_is_v6,
	    .host = u->host,
	};
}

/* Whom else the request says it is from; false: that cannot be read, or names too many. */
static bool
identities(const struct sip_msg *m, struct decide_party ids[DECIDE_IDS_MAX], uint32_t *ret_n)
{
	struct sip_values it;
	struct sip_value val;
	uint32_t n = 0;
	int r;

	sip_values_init(&it, m, SIP_HDR_P_ASSERTED_IDENTITY);
	while ((r = sip_values_next(&it, &val)) == 1) {
		struct sip_nameaddr na;
		struct sip_uri u;

		if (n == DECIDE_IDS_MAX || sip_nameaddr_parse(val.text, &na, NULL) < 0 ||
		    sip_uri_parse(na.uri_text, &u, NULL) < 0)
			return false;
		ids[n++] = party(&u);
	}
	*ret_n = n;
	return r == 0;
}

static bool
is_ours(const struct judge *j, const struct sip_uri *u)
{
	return u->scheme != SIP_SCHEME_OTHER && names_is_sip_domain(j->view->names, u->host);
}

static bool
is_to_edge(const struct judge *j)
{
	return j->m->method == SIP_OPTIONS && j->uri_ok && !j->uri.user.p &&
	       str_eq_nocase(j->uri.host, j->view->external_fqdn);
}

static bool
rule_server(struct judge *j)
{
	struct decide_party ids[DECIDE_IDS_MAX];
	struct decide_facts d = {.view = j->view, .f = j->f, .from = party(&j->from), .ids = ids};
	struct str said = sip_msg_value(j->m, SIP_HDR_MS_ASSERTED_VERIFICATION_LEVEL);

	d.ids_unreadable = !identities(j->m, ids, &d.n_ids);
	d.for_us = is_ours(j, &j->uri) && is_ours(j, &j->m->to.addr);
	d.own_route = !d.for_us && has_own_route(j);
	d.to_edge = is_to_edge(j);
	d.said_verified = j->m->count[SIP_HDR_MS_ASSERTED_VERIFICATION_LEVEL] == 1 &&
			  str_eq_nocase(said, STR("ms-source-verified-user=verified"));
	decide_partner(&d, j->v);
	if (j->v->kind == POLICY_REPLY && is_silent(j->m))
		j->v->kind = POLICY_DROP;
	if (j->v->why == POLICY_WHY_OPTIONS_HERE)
		j->v->lines = policy_allow_line(FACTS_SERVER);
	return j->v->kind == POLICY_FORWARD;
}

/*
 * What starts something from outside is rare, and its URIs decide who it is and where it goes: they
 * are read a second time, by libosip2, whose relatives stand behind us in many a product.
 */
static bool
rule_second_reading(struct judge *j)
{
	const unsigned starts =
	    BIT(SIP_INVITE) | BIT(SIP_REGISTER) | BIT(SIP_SUBSCRIBE) | BIT(SIP_REFER);

	if (j->f->peer == FACTS_INTERNAL || j->m->to.tag.n || !(starts & BIT(j->m->method)))
		return true;
	if (sip_uri_agrees_osip(&j->m->ruri) == ED_OK &&
	    sip_uri_agrees_osip(&j->m->from.addr) == ED_OK &&
	    sip_uri_agrees_osip(&j->m->to.addr) == ED_OK)
		return true;
	return refuse(j, POLICY_WHY_TWO_READINGS, 400, "Bad Request");
}

/* ---- the whole ---- */

static bool
rule_peer(struct judge *j)
{
	switch (j->f->peer) {
	case FACTS_CLIENT:
		return rule_client(j) && rule_options_for_us(j);
	case FACTS_SERVER:
		return rule_server(j);
	case FACTS_INTERNAL:
		j->v->traffic = TRAFFIC_INTERNAL;
		return rule_options_for_us(j);
	}
	return refuse(j, POLICY_WHY_NOT_ALLOWED, 403, "Forbidden");
}

void
policy_judge(const struct work *w, const struct facts *f, const struct sip_msg *m,
    struct policy_verdict *ret_verdict)
{
	struct judge j = {.w = w, .view = w->view, .f = f, .m = m, .v = ret_verdict};

	*ret_verdict = (struct policy_verdict){.kind = POLICY_FORWARD};
	if (rule_methods(&j) && rule_uris(&j) && rule_peer(&j) && rule_max_forwards(&j) &&
	    rule_proxy_require(&j))
		(void)rule_second_reading(&j);
}

/* ---- 11.1: where a request of the inside may go ---- */

static void
target_refused(struct policy_target *t, enum policy_why why, uint16_t status, enum diag diag)
{
	*t = (struct policy_target){
	    .kind = POLICY_TARGET_REFUSED, .why = why, .status = status, .diag = diag};
}

static void
target_proxy(struct policy_target *t, const char *fqdn, enum traffic traffic)
{
	*t = (struct policy_target){
	    .kind = POLICY_TARGET_PROXY, .fqdn = str_of(fqdn), .traffic = traffic};
}

static void
target_provider(struct policy_target *t, const struct conf_provider *p)
{
	target_proxy(
	    t, p->proxy_fqdn, p->is_public ? TRAFFIC_PUBLIC_CLOUD : TRAFFIC_AUTHORIZED_SERVER);
	t->shared_space = p->shared_address_space;
}

/* ms-edge-route: the host must be the proxy of an enabled entry. */
static void
target_by_route(const struct view *v, struct str host, struct policy_target *ret)
{
	for (uint32_t i = 0; i < v->conf->federation.n_allowed; i++) {
		const struct conf_allowed_domain *a = &v->conf->federation.allowed[i];

		if (a->proxy_fqdn && a->proxy_fqdn[0] &&
		    str_eq_nocase(host, str_of(a->proxy_fqdn))) {
			target_proxy(ret, a->proxy_fqdn, TRAFFIC_DIRECT_PARTNER);
			return;
		}
	}
	for (uint32_t i = 0; i < v->conf->federation.n_providers; i++) {
		const struct conf_provider *p = &v->conf->federation.providers[i];

		if (p->enabled && str_eq_nocase(host, str_of(p->proxy_fqdn))) {
			target_provider(ret, p);
			return;
		}
	}
	target_refused(ret, POLICY_WHY_NOT_ALLOWED, 403, DIAG_NO_ROUTE);
}

static const struct conf_provider *
provider_owning(const struct view *v, struct str domain)
{
	for (uint32_t i = 0; i < v->conf->federation.n_providers; i++) {
		const struct conf_provider *p = &v->conf->federation.providers[i];

		if (p->enabled && decide_provider_lists(p, domain))
			return p;
	}
	return NULL;
}

/* 3.5: users of one domain on both sides. */
static void
target_of_ours(
    const struct view *v, struct str edge_route, bool by_entry, struct policy_target *ret)
{
	target_refused(ret, POLICY_WHY_NOT_FOR_US, 404, DIAG_NO_ROUTE);
	for (uint32_t i = 0; i < v->conf->federation.n_providers; i++) {
		const struct conf_provider *p = &v->conf->federation.providers[i];
		bool meant =
		    edge_route.n ? str_eq_nocase(edge_route, str_of(p->proxy_fqdn)) : by_entry;

		if (p->enabled && p->shared_address_space && meant) {
			target_provider(ret, p);
			return;
		}
	}
}

void
policy_target(const struct view *v, struct str domain, struct str edge_route, bool by_entry,
    struct policy_target *ret)
{
	const struct conf_allowed_domain *a = decide_allowed(v, domain);
	const struct conf_provider *p = provider_owning(v, domain);
	struct str entry;

	if (!v->allow_federated_users)
		target_refused(ret, POLICY_WHY_FEDERATION_OFF, 403, DIAG_NOT_FEDERATED);
	else if (names_is_sip_domain(v->names, domain))
		target_of_ours(v, edge_route, by_entry, ret);
	else if (decide_is_blocked(v, domain, &entry))
		target_refused(ret, POLICY_WHY_BLOCKED_DOMAIN, 403, DIAG_NOT_FEDERATED);
	else if (edge_route.n)
		target_by_route(v, edge_route, ret);
	else if (a && a->proxy_fqdn && a->proxy_fqdn[0])
		target_proxy(ret, a->proxy_fqdn, TRAFFIC_DIRECT_PARTNER);
	else if (p)
		target_provider(ret, p);
	else if (a || v->partner_discovery)
		*ret = (struct policy_target){
		    .kind = POLICY_TARGET_SRV, .traffic = TRAFFIC_AUTO_FEDERATION};
	else
		target_refused(ret, POLICY_WHY_NOT_ALLOWED, 504, DIAG_NO_ROUTE);
}

/* SPDX-License-Identifier: MIT
 *
 * The decision procedure of access-edge-sip 3.2 for connections of servers: each branch as rows of
 * facts and verdict, and the property that nothing unproven reaches the inside, over random facts
 * and against a second statement of the rules that shares no code with the first.
 */
#include "access/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access_cast.h"

static struct cast cast;

/* ---- the table ---- */

/* Which configuration. */
#define FED       1u
#define DISCOVERY 2u
#define BY_NAME   4u  /* fabrikam.com is allowed without proxy */
#define BY_PROXY  8u  /* fabrikam.com is allowed with proxy sip.fabrikam.com */
#define SUBDOMAIN 16u /* ... and covers what is below */
#define PROVIDERS 32u /* cloud (public, any), hosted (hosted.example, shared), off (disabled) */
#define UNVERIF   64u /* fabrikam.com: always_unverifiable */
#define ON        (FED | BY_NAME)
#define ALL       (FED | DISCOVERY | BY_NAME | PROVIDERS)

/* Which message. */
#define US   1u  /* Request-URI and To are ours */
#define OWN  2u  /* a valid Route entry of ours */
#define EDGE 4u  /* OPTIONS for us */
#define SAID 8u  /* says that it verified its user */
#define TEL  16u /* From is a telephone number */
#define IP   32u /* From's host is an address */

#define GOOD FACTS_CHAIN_GOOD
#define BAD  FACTS_CHAIN_BAD
#define NONE FACTS_CHAIN_NONE

static const struct decide_row {
	const char *what;
	unsigned with;
	enum facts_chain chain;
	const char *names; /* of the certificate, "a b" */
	unsigned msg;
	const char *from;
	const char *ids; /* hosts of P-Asserted-Identity; "tel", "im", "?" (unreadable) */
	const char *srv; /* "domain=target,target" separated by blanks; "domain!" failed,
			    "domain-" none */
	enum policy_kind kind;
	enum policy_why why;
	enum traffic traffic;
	const char *rule;
} rows[] = {
#include "decide_rows.inc"
};

static bool
put_world(unsigned with)
{
	static const char *const hosted[] = {"hosted.example", "Hosted2.example"};
	struct conf *c = &cast.conf;

	c->access.allow_federated_users = with & FED;
	c->access.enable_partner_discovery = with & DISCOVERY;
	c->federation.n_allowed = 0;
	c->federation.allowed = cast.allowed;
	if (with & (BY_NAME | BY_PROXY))
		cast.allowed[c->federation.n_allowed++] =
		    (struct conf_allowed_domain){.domain = "fabrikam.com",
			.proxy_fqdn = with & BY_PROXY ? "sip.fabrikam.com" : "",
			.verification = with & UNVERIF ? "always_unverifiable" : "",
			.subdomains = with & SUBDOMAIN};
	c->federation.providers = cast.providers;
	c->federation.n_providers = with & PROVIDERS ? 3 : 0;
	cast.providers[0] = (struct conf_provider){.name = "cloud",
	    .proxy_fqdn = "proxy.cloud.example",
	    .is_public = true,
	    .enabled = true};
	cast.providers[1] = (struct conf_provider){.name = "hosted",
	    .proxy_fqdn = "sipfed.hosted.example",
	    .domains = {(const char **)(uintptr_t)hosted, 2},
	    .enabled = true,
	    .shared_address_space = true};
	cast.providers[2] = (struct conf_provider){
	    .name = "off", .proxy_fqdn = "proxy.off.example", .shared_address_space = true};
	cast_view(&cast);
	return true;
}

/* Words of text, one after another; an empty one ends. */
static struct str
word(const char **at, char sep)
{
	const char *p = *at, *e;

	e = strchr(p, sep);
	if (!e)
		e = p + strlen(p);
	*at = *e ? e + 1 : e;
	return (struct str){p, (size_t)(e - p)};
}

struct world {
	struct str names[8], targets[8][8];
	struct facts_srv srv[8];
	struct facts f;
	struct decide_party ids[DECIDE_IDS_MAX];
	struct decide_facts d;
};

static struct decide_party
someone(struct str host)
{
	return (struct decide_party){.is_sip = true, .host = host};
}

static void
read_srv(struct world *w, struct str text)
{
	struct facts_srv *s = &w->srv[w->f.n_srv];
	ptrdiff_t eq = str_find(text, '=');

	if (eq < 0) {
		s->domain = str_first(text, text.n - 1);
		s->state = text.p[text.n - 1] == '!' ? FACTS_SRV_FAILED : FACTS_SRV_NONE;
	} else {
		const char *at = text.p + eq + 1, *end = text.p + text.n;

		s->domain = str_first(text, (size_t)eq);
		s->state = FACTS_SRV_FOUND;
		s->targets = w->targets[w->f.n_srv];
		while (at < end) {
			const char *e = memchr(at, ',', (size_t)(end - at));

			e = e ? e : end;
			w->targets[w->f.n_srv][s->n_targets++] = (struct str){at, (size_t)(e - at)};
			at = e + 1;
		}
	}
	w->f.n_srv++;
}

static void
read_row(struct world *w, const struct decide_row *r)
{
	const char *at;

	memset(w, 0, sizeof(*w));
	w->f.peer = FACTS_SERVER;
	w->f.chain = r->chain;
	w->f.names = w->names;
	w->f.srv = w->srv;
	for (at = r->names; *at;)
		w->names[w->f.n_names++] = word(&at, ' ');
	for (at = r->srv; *at;)
		read_srv(w, word(&at, ' '));
	w->d = (struct decide_facts){.view = cast.view,
	    .f = &w->f,
	    .from = someone(str_of(r->from)),
	    .ids = w->ids,
	    .for_us = r->msg & US,
	    .own_route = r->msg & OWN,
	    .to_edge = r->msg & EDGE,
	    .said_verified = r->msg & SAID};
	w->d.from.is_address = r->msg & IP;
	if (r->msg & TEL)
		w->d.from = (struct decide_party){.is_tel = true};
	for (at = r->ids; *at;) {
		struct str s = word(&at, ' ');

		if (str_eq(s, STR("?")))
			w->d.ids_unreadable = true;
		else if (str_eq(s, STR("tel")))
			w->ids[w->d.n_ids++] = (struct decide_party){.is_tel = true};
		else if (str_eq(s, STR("im")))
			w->ids[w->d.n_ids++] = (struct decide_party){0};
		else
			w->ids[w->d.n_ids++] = someone(s);
	}
}

/* Does the certificate of that row prove an enabled provider? */
static bool
of_provider(const struct decide_row *r)
{
	const char *at = r->names;

	while (*at) {
		struct str s = word(&at, ' ');

		if (str_eq_nocase(s, STR(C)) || str_eq_nocase(s, STR(H)))
			return (r->with & PROVIDERS) && r->chain == GOOD;
	}
	return false;
}

static void
each_row_gets_its_verdict(void **state)
{
	static struct world w;
	unsigned n = sizeof(rows) / sizeof(rows[0]), bad = 0;

	assert_true(n >= 150);
	for (unsigned i = 0; i < n; i++) {
		const struct decide_row *r = &rows[i];
		struct policy_verdict v;

		put_world(r->with);
		read_row(&w, r);
		decide_partner(&w.d, &v);
		if (v.kind != r->kind || v.why != r->why ||
		    (r->kind == POLICY_FORWARD && v.traffic != r->traffic) ||
		    strcmp(v.rule ? v.rule : "", r->rule) != 0) {
			print_message("row %u \"%s\": kind %d why %s traffic %s rule %s\n", i,
			    r->what, v.kind, policy_why_name(v.why), traffic_name(v.traffic),
			    v.rule ? v.rule : "-");
			bad++;
		}
		/* A refusal names its rule, its fact and its event; only OPTIONS are a 200. */
		if (v.kind == POLICY_REPLY && v.status != 200) {
			assert_non_null(v.rule);
			assert_true(v.fact.n > 0);
			assert_non_null(v.event_name);
			assert_true(v.status == 403 || v.status == 504);
			assert_int_equal(v.of_provider, of_provider(r));
		}
	}
	print_message("%u rows\n", n);
	assert_int_equal(bad, 0);
}

static void
levels(void **state)
{
	static struct world w;
	static const struct {
		unsigned with, msg;
		const char *names, *from;
		bool verified, use_source;
	} cases[] = {
	    {FED | BY_PROXY, US, "sip.fabrikam.com", "fabrikam.com", false, true},
	    {FED | BY_PROXY, US | SAID, "sip.fabrikam.com", "fabrikam.com", true, true},
	    {FED | BY_PROXY | UNVERIF, US | SAID, "sip.fabrikam.com", "fabrikam.com", false, false},
	    {FED | PROVIDERS, US, "proxy.cloud.example", "x.example", true, false},
	    {FED | PROVIDERS, US, "sipfed.hosted.example", "hosted.example", true, false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decide_row r = {.chain = GOOD,
		    .names = cases[i].names,
		    .msg = cases[i].msg,
		    .from = cases[i].from,
		    .ids = "",
		    .srv = ""};
		struct policy_verdict v;

		put_world(cases[i].with);
		read_row(&w, &r);
		decide_partner(&w.d, &v);
		assert_int_equal(v.kind, POLICY_FORWARD);
		assert_int_equal(v.verified, cases[i].verified);
		assert_int_equal(v.use_source, cases[i].use_source);
	}
}

/* ---- the property ---- */

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t
roll(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

/* Hosts and domains that look alike, stand below each other, or are ours. */
static const char *const domains[] = {"fabrikam.com", "FABRIKAM.COM", "sales.fabrikam.com",
    "xfabrikam.com", "fabrikam.com.evil.example", "evil.example", "mail.evil.example",
    "contoso.com", "Contoso.COM", "northwind.example", "x.contoso.com", "int.contoso.com",
    "fe01.contoso.net", "hosted.example", "cloud.example", "tailspin.example", "anonymous.invalid",
    "sip.contoso.com", "edge.int.contoso.com", "com"};
static const char *const hosts[] = {"sip.fabrikam.com", "SIP.Fabrikam.com", "fabrikam.com",
    "sip.sales.fabrikam.com", "sip.xfabrikam.com", "sip.evil.example", "sip.mail.evil.example",
    "proxy.cloud.example", "sipfed.hosted.example", "sip.tailspin.example", "sip.contoso.com",
    "*.fabrikam.com", "sip.fabrikam.com.evil.example", "sip.com", "*.evil.example"};

#define PICK(list) list[roll(sizeof(list) / sizeof(list[0]))]

static void
random_rows(void)
{
	static const char *lists[8][4];
	static const char *blocked[4];
	struct conf *c = &cast.conf;

	c->access.allow_federated_users = roll(8) != 0;
	c->access.enable_partner_discovery = roll(2);
	c->federation.allowed = cast.allowed;
	c->federation.n_allowed = roll(5);
	for (uint32_t i = 0; i < c->federation.n_allowed; i++)
		cast.allowed[i] = (struct conf_allowed_domain){.domain = PICK(domains),
		    .proxy_fqdn = roll(2)   ? PICK(hosts)
				  : roll(2) ? ""
					    : NULL,
		    .subdomains = roll(2)};
	c->federation.providers = cast.providers;
	c->federation.n_providers = roll(5);
	for (uint32_t i = 0; i < c->federation.n_providers; i++) {
		uint32_t n = roll(4);

		for (uint32_t k = 0; k < n; k++)
			lists[i][k] = PICK(domains);
		cast.providers[i] = (struct conf_provider){.proxy_fqdn = PICK(hosts),
		    .domains = {lists[i], n},
		    .is_public = roll(2),
		    .enabled = roll(4) != 0,
		    .shared_address_space = roll(3) == 0};
	}
	c->federation.blocked.n = roll(3);
	c->federation.blocked.v = blocked;
	for (uint32_t i = 0; i < c->federation.blocked.n; i++)
		blocked[i] = PICK(domains);
	cast_view(&cast);
}

static void
random_facts(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->f.peer = roll(16) ? FACTS_SERVER : (enum facts_peer)roll(3);
	w->f.chain = roll(8) ? FACTS_CHAIN_GOOD : (enum facts_chain)roll(3);
	w->f.names = w->names;
	w->f.srv = w->srv;
	w->f.n_names = roll(4);
	for (uint32_t i = 0; i < w->f.n_names; i++)
		w->names[i] = str_of(PICK(hosts));
	w->f.n_srv = roll(7);
	for (uint32_t i = 0; i < w->f.n_srv; i++) {
		struct facts_srv *s = &w->srv[i];

		s->domain = str_of(PICK(domains));
		s->state = (enum facts_srv_state)roll(4);
		if (roll(3))
			s->state = FACTS_SRV_FOUND;
		s->targets = w->targets[i];
		s->n_targets = roll(4);
		for (uint32_t k = 0; k < s->n_targets; k++)
			w->targets[i][k] = str_of(PICK(hosts));
	}
	w->d = (struct decide_facts){.view = cast.view,
	    .f = &w->f,
	    .from = someone(str_of(PICK(domains))),
	    .ids = w->ids,
	    .for_us = roll(4) != 0,
	    .own_route = roll(8) == 0,
	    .to_edge = roll(32) == 0,
	    .ids_unreadable = roll(32) == 0,
	    .said_verified = roll(2)};
	if (roll(32) == 0)
		w->d.from.is_address = true;
	if (roll(32) == 0)
		w->d.from = (struct decide_party){.is_tel = roll(2)};
	w->d.n_ids = roll(4) ? 0 : roll(DECIDE_IDS_MAX);
	for (uint32_t i = 0; i < w->d.n_ids; i++) {
		w->ids[i] = roll(3) ? w->d.from : someone(str_of(PICK(domains)));
		if (roll(16) == 0)
			w->ids[i] = (struct decide_party){.is_tel = roll(2)};
	}
}

/* The second statement of the rules, over C strings and in other words. */

static void
lower(struct str s, char out[64])
{
	size_t n = s.n < 63 ? s.n : 63;

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
	out[n] = '\0';
}

static bool
same(const char *a, struct str b)
{
	char x[64], y[64];

	lower(str_of(a ? a : ""), x);
	lower(b, y);
	return strcmp(x, y) == 0;
}

static bool
below(const char *host, const char *domain, bool or_equal)
{
	size_t h = strlen(host), d = strlen(domain);

	if (h == d)
		return or_equal && strcasecmp(host, domain) == 0;
	return h > d && host[h - d - 1] == '.' && strcasecmp(host + h - d, domain) == 0;
}

static bool
certificate_has(const struct world *w, const char *name)
{
	for (uint32_t i = 0; name && name[0] && !strchr(name, '*') && i < w->f.n_names; i++)
		if (same(name, w->names[i]))
			return true;
	return false;
}

static bool
ours(const char *host)
{
	static const char *const list[] = {"contoso.com", "northwind.example", "sip.contoso.com",
	    "sip.northwind.example", "fe01.contoso.net", "edge.int.contoso.com", "int.contoso.com"};

	for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strcasecmp(host, list[i]) == 0)
			return true;
	return false;
}

static bool
sip_domain(const char *host)
{
	return strcasecmp(host, "contoso.com") == 0 || strcasecmp(host, "northwind.example") == 0;
}

/* The entry of the allow list for a host: exact, else the longest that covers it. */
static const struct conf_allowed_domain *
entry_for(const char *host)
{
	const struct conf_allowed_domain *best = NULL;

	for (uint32_t i = cast.conf.federation.n_allowed; i-- > 0;) {
		const struct conf_allowed_domain *a = &cast.allowed[i];
		bool hit = strcasecmp(a->domain, host) == 0 ||
			   (a->subdomains && below(host, a->domain, false));

		if (hit && (!best || strlen(a->domain) >= strlen(best->domain)))
			best = a;
	}
	return best;
}

static bool
srv_proves(const struct world *w, const char *host)
{
	for (uint32_t i = 0; i < w->f.n_srv; i++) {
		const struct facts_srv *s = &w->srv[i];

		if (!same(host, s->domain))
			continue;
		for (uint32_t k = 0; s->state == FACTS_SRV_FOUND && k < s->n_targets; k++) {
			char t[64];

			lower(s->targets[k], t);
			if (below(t, host, true) && certificate_has(w, t))
				return true;
		}
		return false; /* the first answer for a domain is its answer */
	}
	return false;
}

/* May this connection speak for that host? */
static bool
proven(const struct world *w, const struct decide_party *who)
{
	const struct conf_allowed_domain *a;
	char host[64];

	if (!who->is_sip || who->is_address)
		return false;
	lower(who->host, host);
	for (uint32_t i = 0; i < cast.conf.federation.n_providers; i++)
		if (cast.providers[i].enabled && cast.providers[i].shared_address_space &&
		    certificate_has(w, cast.providers[i].proxy_fqdn) && sip_domain(host))
			return true;
	if (ours(host) || below(host, "invalid", true))
		return false;
	for (uint32_t i = 0; i < cast.conf.federation.blocked.n; i++)
		if (below(host, cast.conf.federation.blocked.v[i], true))
			return false;
	a = entry_for(host);
	for (uint32_t i = 0; i < cast.conf.federation.n_providers; i++) {
		const struct conf_provider *p = &cast.providers[i];
		bool speaks = p->domains.n == 0 && !a;

		for (uint32_t k = 0; k < p->domains.n; k++)
			speaks |= strcasecmp(p->domains.v[k], host) == 0;
		if (p->enabled && speaks && certificate_has(w, p->proxy_fqdn))
			return true;
	}
	if (!a)
		return cast.conf.access.enable_partner_discovery && srv_proves(w, host);
	if (a->proxy_fqdn && a->proxy_fqdn[0])
		return certificate_has(w, a->proxy_fqdn);
	return srv_proves(w, host);
}

static bool
may_pass(const struct world *w)
{
	if (!cast.conf.access.allow_federated_users || w->f.peer != FACTS_SERVER ||
	    w->f.chain != FACTS_CHAIN_GOOD || w->d.to_edge || w->d.ids_unreadable ||
	    !(w->d.for_us || w->d.own_route) || !proven(w, &w->d.from))
		return false;
	for (uint32_t i = 0; i < w->d.n_ids; i++)
		if (!w->ids[i].is_tel && !proven(w, &w->ids[i]))
			return false;
	return true;
}

/* An answer that is not at hand yet must be asked for, not guessed. */
static bool
asks_rightly(const struct world *w, const struct policy_verdict *v)
{
	for (uint32_t i = 0; i < w->f.n_srv; i++)
		if (str_eq_nocase(w->srv[i].domain, v->lookup_domain))
			return w->srv[i].state == FACTS_SRV_UNKNOWN;
	return v->lookup_domain.n > 0;
}

#define WORLDS 512u
#define FACTS  4096u

static void
nothing_unproven_passes(void **state)
{
	static struct world w;
	uint64_t passed = 0, asked = 0, refused = 0;

	for (unsigned i = 0; i < WORLDS; i++) {
		random_rows();
		for (unsigned k = 0; k < FACTS; k++) {
			struct policy_verdict v;
			bool may;

			random_facts(&w);
			decide_partner(&w.d, &v);
			may = may_pass(&w);
			passed += v.kind == POLICY_FORWARD;
			asked += v.kind == POLICY_LOOKUP;
			refused += v.kind == POLICY_REPLY;
			if ((v.kind == POLICY_FORWARD) != may ||
			    (v.kind == POLICY_LOOKUP && !asks_rightly(&w, &v)))
				print_message(
				    "world %u facts %u: kind %d why %s rule %s from " STR_FMT "\n",
				    i, k, v.kind, policy_why_name(v.why), v.rule ? v.rule : "-",
				    STR_ARG(w.d.from.host));
			assert_int_equal(v.kind == POLICY_FORWARD, may);
			assert_true(v.kind != POLICY_LOOKUP || asks_rightly(&w, &v));
		}
	}
	print_message("%u fact sets: %llu passed, %llu asked the DNS, %llu refused\n",
	    WORLDS * FACTS, (unsigned long long)passed, (unsigned long long)asked,
	    (unsigned long long)refused);
	/* The property would hold of a procedure that refuses all. */
	assert_true(WORLDS * FACTS >= 1000000);
	assert_true(passed > 20000 && asked > 20000 && refused > 100000);
}

static int
setup(void **state)
{
	cast_init(&cast);
	return 0;
}

static int
teardown(void **state)
{
	cast_done(&cast);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(each_row_gets_its_verdict, setup, teardown),
	    cmocka_unit_test_setup_teardown(levels, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_unproven_passes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

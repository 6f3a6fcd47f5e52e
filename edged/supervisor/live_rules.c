/* SPDX-License-Identifier: MIT
 *
 * supervisor/live_rules.c: the rules over answers of the DNS; the table stands at the end.
 */
#include <stdio.h>
#include <string.h>

#include "conf/check_rules.h"
#include "conf/conf.h"
#include "supervisor/live.h"

/* Nothing answered, so nothing can be said: one finding for all names instead of one each. */
static void
live_silent(struct check *ck)
{
	const struct live *lv = ck->live;
	size_t silent = 0;
	const char *first = NULL;

	for (size_t i = 0; i < lv->n; i++)
		if (!lv->v[i].answered) {
			silent++;
			first = first ? first : lv->v[i].name;
		}
	if (silent > 0)
		check_found(ck, "dns.servers",
		    "%zu of %zu names were not answered, the first is %s", silent, lv->n, first);
	if (lv->cut)
		check_found(
		    ck, NULL, "more than %u names: the rest was not asked for", LIVE_NAMES_MAX);
}

/* The answer, when there is one that says something; ret_none: the name does not exist. */
static const struct resolve_answer *
answer(const struct check *ck, const char *prefix, const char *name, bool srv, bool *ret_none)
{
	char full[300];
	const struct live_name *q;

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	q = live_find(ck->live, full, srv);
	*ret_none = q && q->answered && (srv ? q->ans.n_srv == 0 : q->ans.n_addrs == 0);
	return q && q->answered && !*ret_none ? &q->ans : NULL;
}

static void
dns_03(struct check *ck)
{
	const char *name = ck->conf->access.next_hop.fqdn, *in = ck->conf->internal.interface;
	const struct resolve_answer *ans;
	char text[ADDR_STR_LEN];
	bool none;

	if (ck->conf->access.next_hop.members.n > 0)
		return;
	ans = answer(ck, "", name, false, &none);
	if (none)
		check_found(ck, "access.next_hop.fqdn", "%s has no address", name);
	for (uint8_t i = 0; *in && ans && i < ans->n_addrs; i++) {
		const char *via = host_route_of(ck->host, &ans->addrs[i]);

		if (strcmp(via, in) != 0)
			check_found(ck, "access.next_hop.fqdn",
			    "%s is %s, reached over %s, not over %s", name,
			    addr_ip_str(&ans->addrs[i], text), *via ? via : "no interface", in);
	}
}

static bool
is_listed(const struct conf_list *l, const struct addr *a)
{
	struct addr own;

	for (uint32_t i = 0; i < l->n; i++)
		if (addr_parse_ip(&own, str_of(l->v[i])) == ED_OK && addr_ip_eq(&own, a))
			return true;
	return false;
}

static void
dns_04(struct check *ck)
{
	const struct conf *c = ck->conf;
	const struct {
		const char *key, *name;
	} rows[] = {{"edge.fqdn", c->edge.fqdn}, {"edge.pool_fqdn", c->edge.pool_fqdn}};
	char text[ADDR_STR_LEN];
	bool none;

	for (size_t k = 0; k < 2; k++) {
		const struct resolve_answer *ans = answer(ck, "", rows[k].name, false, &none);

		for (uint8_t i = 0; ans && i < ans->n_addrs; i++)
			if (!check_is_private(&ans->addrs[i]) &&
			    !addr_is_loopback(&ans->addrs[i]) &&
			    !is_listed(&c->internal.addresses, &ans->addrs[i]))
				check_found(ck, rows[k].key, "%s is the public address %s",
				    rows[k].name, addr_ip_str(&ans->addrs[i], text));
	}
}

static bool
has_private(const struct conf_list *l)
{
	struct addr a;

	for (uint32_t i = 0; i < l->n; i++)
		if (addr_parse_ip(&a, str_of(l->v[i])) == ED_OK && check_is_private(&a))
			return true;
	return false;
}

static void
dns_05_one(struct check *ck, const char *key, const char *name, const struct conf_list *own)
{
	const struct resolve_answer *ans;
	char text[ADDR_STR_LEN];
	bool none;

	if (!*name || own->n == 0)
		return;
	ans = answer(ck, "", name, false, &none);
	if (none)
		check_found(ck, key, "%s has no address record", name);
	/* Behind a NAT only the administrator knows what it should be. */
	for (uint8_t i = 0; ans && !has_private(own) && i < ans->n_addrs; i++)
		if (!is_listed(own, &ans->addrs[i]))
			check_found(ck, key, "%s is %s, the file says %s", name,
			    addr_ip_str(&ans->addrs[i], text), own->v[0]);
}

static void
dns_05(struct check *ck)
{
	const struct conf *c = ck->conf;

	dns_05_one(
	    ck, "external.access.fqdn", c->external.access.fqdn, &c->external.access.addresses);
	dns_05_one(
	    ck, "external.webconf.fqdn", c->external.webconf.fqdn, &c->external.webconf.addresses);
	dns_05_one(ck, "external.av.fqdn", c->external.av.fqdn,
	    c->external.av.public_address.n ? &c->external.av.public_address
					    : &c->external.av.address);
}

static void
srv_of_domain(struct check *ck, const char *prefix, const char *domain, uint16_t port)
{
	const struct resolve_answer *ans;
	bool none;

	ans = answer(ck, prefix, domain, true, &none);
	if (none)
		check_found(ck, "edge.sip_domains",
		    "%s%s has no SRV record; needed: %s%s. IN SRV 0 0 %u %s.", prefix, domain,
		    prefix, domain, port, ck->conf->external.access.fqdn);
	for (uint8_t i = 0; ans && i < ans->n_srv; i++)
		if (ans->srv[i].port != port)
			check_found(ck, "edge.sip_domains", "%s%s says port %u, the file %u",
			    prefix, domain, ans->srv[i].port, port);
}

static void
dns_06(struct check *ck)
{
	for (uint32_t i = 0; i < ck->conf->edge.sip_domains.n; i++)
		srv_of_domain(ck, "_sip._tls.", ck->conf->edge.sip_domains.v[i],
		    ck->conf->external.access.client_port);
}

static void
dns_07(struct check *ck)
{
	for (uint32_t i = 0;
	     ck->conf->access.allow_federated_users && i < ck->conf->edge.sip_domains.n; i++)
		srv_of_domain(ck, "_sipfederationtls._tcp.", ck->conf->edge.sip_domains.v[i],
		    ck->conf->external.access.federation_port);
}

static bool
is_below(const char *name, const char *domain)
{
	struct str n = str_of(name), d = str_of(domain);

	return str_eq_nocase(n, d) ||
	       (n.n > d.n && n.p[n.n - d.n - 1] == '.' && str_ends_nocase(n, d));
}

static void
dns_09(struct check *ck)
{
	for (uint32_t i = 0; i < ck->conf->edge.sip_domains.n; i++) {
		const char *domain = ck->conf->edge.sip_domains.v[i];
		const struct resolve_answer *ans;
		bool none;

		ans = answer(ck, "_sip._tls.", domain, true, &none);
		for (uint8_t k = 0; ans && k < ans->n_srv; k++)
			if (!is_below(ans->srv[k].target, domain))
				check_found(ck, "edge.sip_domains",
				    "_sip._tls.%s leads to %s, outside the domain; clients want "
				    "sip.%s",
				    domain, ans->srv[k].target, domain);
	}
}

static void
dns_13(struct check *ck)
{
	for (uint32_t i = 0; i < ck->conf->edge.sip_domains.n; i++) {
		const char *domain = ck->conf->edge.sip_domains.v[i];
		const struct resolve_answer *ans;
		char text[ADDR_STR_LEN];
		bool none;

		ans = answer(ck, "lyncdiscover.", domain, false, &none);
		for (uint8_t k = 0; ans && k < ans->n_addrs; k++)
			if (is_listed(&ck->conf->external.access.addresses, &ans->addrs[k]))
				check_found(ck, "edge.sip_domains",
				    "lyncdiscover.%s is %s, the Access Edge's address", domain,
				    addr_ip_str(&ans->addrs[k], text));
	}
}

static void
fed_07(struct check *ck)
{
	const struct conf *c = ck->conf;

	for (uint32_t i = 0; c->access.allow_federated_users && i < c->federation.n_allowed; i++) {
		char key[80];
		bool none;

		if (*c->federation.allowed[i].proxy_fqdn)
			continue;
		snprintf(key, sizeof(key), "federation.allowed[%u]", i);
		(void)answer(
		    ck, "_sipfederationtls._tcp.", c->federation.allowed[i].domain, true, &none);
		if (none)
			check_found(ck, key,
			    "%s has no proxy_fqdn and no _sipfederationtls._tcp SRV record",
			    c->federation.allowed[i].domain);
	}
}

const struct check_rule live_rules[] = {
    {"DNS-01", CONF_WARNING, CHECK_DNS, false, live_silent,
	"name resolvers that this host reaches in dns.servers or /etc/resolv.conf"},
    {"DNS-03", CONF_ERROR, CHECK_DNS, true, dns_03,
	"write its address, one line per member, into /etc/hosts"},
    {"DNS-04", CONF_WARNING, CHECK_DNS, false, dns_04, "the name inside has no place outside"},
    {"DNS-05", CONF_WARNING, CHECK_DNS, false, dns_05, "correct the record (edged --dns)"},
    {"DNS-06", CONF_WARNING, CHECK_DNS, false, dns_06, "publish it (edged --dns)"},
    {"DNS-07", CONF_WARNING, CHECK_DNS, false, dns_07, "publish it (edged --dns)"},
    {"DNS-09", CONF_WARNING, CHECK_DNS, false, dns_09,
	"phones refuse it and desktops ask: point it to a name of the domain"},
    {"DNS-13", CONF_WARNING, CHECK_DNS, false, dns_13,
	"it belongs to the reverse proxy: clients will not find the web services"},
    {"FED-07", CONF_WARNING, CHECK_DNS, false, fed_07,
	"the partner is unreachable: ask for the record or set proxy_fqdn"},
};
const size_t live_n_rules = sizeof(live_rules) / sizeof(live_rules[0]);

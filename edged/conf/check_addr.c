/* SPDX-License-Identifier: MIT
 *
 * conf/check_addr.c: the file itself, ADR, DNS and PORT rules that need no question.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/check_rules.h"
#include "conf/conf.h"

void
conf_required(struct check *ck)
{
	const struct conf *c = ck->conf;
	const struct {
		const char *key;
		bool missing;
	} rows[] = {
	    {"edge.fqdn", !*c->edge.fqdn},
	    {"edge.sip_domains", c->edge.sip_domains.n == 0},
	    {"external.access.address", c->external.access.addresses.n == 0},
	    {"external.access.fqdn", !*c->external.access.fqdn},
	    {"internal.address", c->internal.addresses.n == 0},
	    {"internal.trusted_servers", c->internal.trusted_servers.n == 0},
	    {"access.next_hop.fqdn", !*c->access.next_hop.fqdn},
	    {"certificates.external.chain", !*c->certificates.external.chain},
	    {"certificates.external.key", !*c->certificates.external.key},
	    {"certificates.internal.chain", !*c->certificates.internal.chain},
	    {"certificates.internal.key", !*c->certificates.internal.key},
	    {"certificates.internal_trust", !*c->certificates.internal_trust},
	    {"external.webconf.fqdn",
		c->external.webconf.addresses.n > 0 && !*c->external.webconf.fqdn},
	    {"av.realm", c->external.av.address.n > 0 && !*c->av.realm},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].missing)
			check_found(ck, rows[i].key, "is not set");
}

/* What keyd would refuse (keyd/relay.c), said before a start or a reload; never the secret itself.
 */
void
conf_users(struct check *ck)
{
	for (uint32_t i = 0; i < ck->conf->av.n_users; i++) {
		const struct conf_turn_user *u = &ck->conf->av.users[i];
		const char *why = NULL;

		if (!*u->name)
			why = "has no name";
		else if (!*u->key && !*u->password)
			why = "has neither password nor key";
		else if (*u->key &&
			 (strlen(u->key) != 32 || strspn(u->key, "0123456789abcdefABCDEF") != 32))
			why = "has a key that is not 32 hex digits";
		if (why)
			check_found(ck, "av.users", "number %u %s", i + 1, why);
	}
}

/* Stricter than the reference, which lets it be internal: the supervisor answers there, and hears
 * no network. */
void
cnt_03(struct check *ck)
{
	const char *at = ck->conf->metrics.listen;
	struct addr a;

	if (!*at || strncmp(at, "unix:/", 6) == 0)
		return;
	if (addr_parse(&a, str_of(at)) < 0 || a.port == 0)
		check_found(
		    ck, "metrics.listen", "\"%s\" is neither address and port nor a socket", at);
	else if (!addr_is_loopback(&a))
		check_found(ck, "metrics.listen", "\"%s\" is no loopback address", at);
}

void
conf_addresses(struct check *ck)
{
	struct check_addr_key keys[CHECK_ADDR_KEYS];
	struct addr a;
	struct addr_net net;

	check_addr_keys(ck->conf, keys);
	for (size_t k = 0; k < CHECK_ADDR_KEYS; k++)
		for (uint32_t i = 0; i < keys[k].list->n; i++)
			if (addr_parse_ip(&a, str_of(keys[k].list->v[i])) < 0)
				check_found(
				    ck, keys[k].key, "\"%s\" is no IP address", keys[k].list->v[i]);
	for (uint32_t i = 0; i < ck->conf->external.av.public_address.n; i++)
		if (addr_parse_ip(&a, str_of(ck->conf->external.av.public_address.v[i])) < 0)
			check_found(ck, "external.av.public_address", "\"%s\" is no IP address",
			    ck->conf->external.av.public_address.v[i]);
	for (uint32_t i = 0; i < ck->conf->internal.networks.n; i++)
		if (addr_net_parse(&net, str_of(ck->conf->internal.networks.v[i])) < 0)
			check_found(ck, "internal.networks",
			    "\"%s\" is no network such as 10.0.0.0/8",
			    ck->conf->internal.networks.v[i]);
}

static bool
specs_clash(const struct listen_spec *a, const struct listen_spec *b)
{
	return a->udp == b->udp && addr_eq(&a->addr, &b->addr);
}

void
adr_03(struct check *ck)
{
	const struct conf *c = ck->conf;

	/* One address for several services: the TCP ports must differ. PORT-01 names the pair. */
	for (uint32_t i = 0; i < c->external.webconf.addresses.n; i++)
		for (uint32_t k = 0; k < c->external.access.addresses.n; k++)
			if (strcmp(c->external.webconf.addresses.v[i],
				c->external.access.addresses.v[k]) == 0 &&
			    c->external.webconf.port == c->external.access.client_port)
				check_found(ck, "external.webconf.port",
				    "%u is the Access Edge's client port on the same address",
				    c->external.webconf.port);
	for (uint32_t i = 0; i < c->external.av.address.n; i++)
		for (uint32_t k = 0; k < c->external.access.addresses.n; k++)
			if (strcmp(c->external.av.address.v[i],
				c->external.access.addresses.v[k]) == 0 &&
			    c->external.av.tcp_port == c->external.access.client_port)
				check_found(ck, "external.av.tcp_port",
				    "%u is the Access Edge's client port on the same address",
				    c->external.av.tcp_port);
}

void
adr_04(struct check *ck)
{
	struct check_addr_key keys[CHECK_ADDR_KEYS];
	const char *private_one = NULL, *public_one = NULL, *public_key = NULL;
	struct addr a;

	check_addr_keys(ck->conf, keys);
	for (size_t k = 0; k < CHECK_ADDR_KEYS; k++)
		for (uint32_t i = 0; keys[k].outside && i < keys[k].list->n; i++) {
			if (addr_parse_ip(&a, str_of(keys[k].list->v[i])) < 0)
				continue;
			if (check_is_private(&a)) {
				private_one = keys[k].list->v[i];
			} else {
				public_one = keys[k].list->v[i];
				public_key = keys[k].key;
			}
		}
	if (private_one && public_one)
		check_found(
		    ck, public_key, "%s is public and %s is private", public_one, private_one);
}

void
adr_05(struct check *ck)
{
	const struct conf *c = ck->conf;
	struct addr a;

	if (c->external.av.public_address.n > 0)
		return;
	for (uint32_t i = 0; i < c->external.av.address.n; i++)
		if (addr_parse_ip(&a, str_of(c->external.av.address.v[i])) == ED_OK &&
		    check_is_private(&a))
			check_found(ck, "external.av.public_address",
			    "is not set, and external.av.address %s is private",
			    c->external.av.address.v[i]);
}

void
adr_13(struct check *ck)
{
	const struct conf *c = ck->conf;
	unsigned have[2] = {0}, need[2] = {0};
	struct addr a;

	for (uint32_t i = 0; i < c->external.av.public_address.n; i++)
		if (addr_parse_ip(&a, str_of(c->external.av.public_address.v[i])) == ED_OK)
			have[a.family == 6]++;
	for (uint32_t i = 0; i < c->external.av.address.n; i++)
		if (addr_parse_ip(&a, str_of(c->external.av.address.v[i])) == ED_OK)
			need[a.family == 6]++;
	for (int f = 0; f < 2 && c->external.av.public_address.n > 0; f++)
		if (need[f] > 0 && have[f] == 0)
			check_found(ck, "external.av.public_address", "has none for %s",
			    f ? "IPv6" : "IPv4");
}

void
adr_14(struct check *ck)
{
	struct check_addr_key keys[CHECK_ADDR_KEYS];
	struct addr a;

	if (ck->mode == CHECK_START)
		return; /* opening waits for it */
	check_addr_keys(ck->conf, keys);
	for (size_t k = 0; k < CHECK_ADDR_KEYS; k++)
		for (uint32_t i = 0; i < keys[k].list->n; i++) {
			const char *want =
			    keys[k].outside ? ck->conf->external.interface : ck->conf->internal.interface;
			const char *on;

			if (addr_parse_ip(&a, str_of(keys[k].list->v[i])) < 0 ||
			    addr_is_loopback(&a))
				continue;
			on = check_interface_of(ck->host, &a);
			if (!on)
				check_found(
				    ck, keys[k].key, "%s is on no interface", keys[k].list->v[i]);
			else if (*want && strcmp(on, want) != 0)
				check_found(ck, keys[k].key, "%s is on %s, not on %s",
				    keys[k].list->v[i], on, want);
		}
}

void
port_01(struct check *ck)
{
	char text[ADDR_STR_LEN];

	for (size_t i = 0; i < ck->n_specs; i++)
		for (size_t k = i + 1; k < ck->n_specs; k++)
			if (specs_clash(&ck->specs[i], &ck->specs[k]))
				check_found(ck, ck->specs[k].key, "%s and %s both want %s %s",
				    ck->specs[i].name, ck->specs[k].name,
				    ck->specs[i].udp ? "UDP" : "TCP",
				    addr_str(&ck->specs[i].addr, text));
}

static bool
is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, a->family == 6 ? 16 : 4) == 0;
}

void
port_03(struct check *ck)
{
	char text[ADDR_STR_LEN], owner[96];

	if (ck->mode == CHECK_RELOAD)
		return;
	for (size_t i = 0; i < ck->n_specs; i++)
		for (size_t k = 0; k < ck->host->n_listeners; k++) {
			const struct addr *at = &ck->host->listeners[k].at;
			const struct listen_spec *s = &ck->specs[i];

			if (ck->host->listeners[k].udp != s->udp || at->port != s->addr.port)
				continue;
			if (!is_any(at) && !addr_ip_eq(at, &s->addr))
				continue;
			host_owner(ck->host->listeners[k].inode, owner, sizeof(owner));
			if (strncmp(owner, "edged", 5) == 0) /* we are checked while we run */
				continue;
			check_found(ck, s->key, "%s %s for %s is taken by %s",
			    s->udp ? "UDP" : "TCP", addr_str(&s->addr, text), s->name, owner);
		}
}

void
port_07(struct check *ck)
{
	const struct conf *c = ck->conf;
	unsigned min = c->external.av.relay_port_min, max = c->external.av.relay_port_max;

	if (!role_is_wanted(c, ROLE_AV))
		return;
	if (min > max)
		check_found_as(ck, CONF_ERROR, "external.av.relay_port_max",
		    "%u is below the first one, %u", max, min);
	else if (max - min + 1 < 1000)
		check_found(ck, "external.av.relay_port_max", "only %u relay ports", max - min + 1);
}

/* One address and name for both services is permitted; who sits behind a strict firewall pays. */
void
adr_02(struct check *ck)
{
	const struct conf *c = ck->conf;

	for (uint32_t i = 0; i < c->external.webconf.addresses.n; i++)
		for (uint32_t k = 0; k < c->external.access.addresses.n; k++)
			if (strcmp(c->external.webconf.addresses.v[i],
				c->external.access.addresses.v[k]) == 0)
				check_found(ck, "external.webconf.address",
				    "%s is the Access Edge's too: one of them is not on 443",
				    c->external.webconf.addresses.v[i]);
}

static void
dns_02_one(struct check *ck, const char *key, const struct addr *a)
{
	char text[ADDR_STR_LEN];
	struct addr_net net;

	for (uint32_t n = 0; n < ck->conf->internal.networks.n; n++)
		if (!addr_is_loopback(a) &&
		    addr_net_parse(&net, str_of(ck->conf->internal.networks.v[n])) == ED_OK &&
		    addr_net_has(&net, a))
			check_found(ck, key, "resolver %s lies in %s of internal.networks",
			    addr_ip_str(a, text), ck->conf->internal.networks.v[n]);
}

void
dns_02(struct check *ck)
{
	const struct conf_list *own = &ck->conf->dns.servers;
	struct addr a;

	for (uint32_t i = 0; i < own->n; i++)
		if (addr_parse(&a, str_of(own->v[i])) == ED_OK ||
		    addr_parse_ip(&a, str_of(own->v[i])) == ED_OK)
			dns_02_one(ck, "dns.servers", &a);
	for (size_t i = 0; own->n == 0 && i < ck->host->n_resolvers; i++)
		dns_02_one(ck, "dns.servers", &ck->host->resolvers[i]);
}

void
dns_10(struct check *ck)
{
	const char *name = ck->conf->external.access.fqdn;

	for (uint32_t i = 0; *name && i < ck->conf->edge.sip_domains.n; i++) {
		char sip[300], outer[300];

		snprintf(sip, sizeof(sip), "sip.%s", ck->conf->edge.sip_domains.v[i]);
		snprintf(outer, sizeof(outer), "sipexternal.%s", ck->conf->edge.sip_domains.v[i]);
		if (str_eq_nocase(str_of(name), str_of(sip)) ||
		    str_eq_nocase(str_of(name), str_of(outer)))
			return;
	}
	if (*name && ck->conf->edge.sip_domains.n > 0)
		check_found(ck, "external.access.fqdn",
		    "%s is none of the names that clients try without SRV records (sip.DOMAIN, "
		    "sipexternal.DOMAIN)",
		    name);
}

void
port_02(struct check *ck)
{
	const struct conf *c = ck->conf;

	if (!role_is_wanted(c, ROLE_AV))
		return;
	if (c->external.av.udp_port != 3478)
		check_found(ck, "external.av.udp_port", "is %u", c->external.av.udp_port);
	if (c->external.av.tcp_port != 443)
		check_found(ck, "external.av.tcp_port", "is %u", c->external.av.tcp_port);
}

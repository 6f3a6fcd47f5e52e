/* SPDX-License-Identifier: MIT
 *
 * conf/check_host.c: TOP rules: interfaces, routes, kernel settings, names.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/check_rules.h"
#include "conf/conf.h"

void
top_01(struct check *ck)
{
	const char *out = ck->conf->external.interface, *in = ck->conf->internal.interface;

	if (!*out || !*in) {
		check_found(ck, *out ? "internal.interface" : "external.interface",
		    "no interface is named: listeners are bound to their address only");
		return;
	}
	if (strcmp(out, in) == 0)
		check_found(ck, "internal.interface", "%s is the external interface too", in);
	if (!check_has_interface(ck->host, out))
		check_found(
		    ck, "external.interface", "there is no interface %s with an address", out);
	if (!check_has_interface(ck->host, in))
		check_found(
		    ck, "internal.interface", "there is no interface %s with an address", in);
}

void
top_02(struct check *ck)
{
	const struct host_facts *h = ck->host;
	const char *out = ck->conf->external.interface, *in = ck->conf->internal.interface;
	char a[ADDR_STR_LEN], b[ADDR_STR_LEN];

	if (!*out || !*in || strcmp(out, in) == 0)
		return;
	for (size_t i = 0; i < h->n_addrs; i++)
		for (size_t k = 0; k < h->n_addrs; k++) {
			const struct addr *one = &h->addrs[i].net.base,
					  *two = &h->addrs[k].net.base;

			if (strcmp(h->addrs[i].interface, out) != 0 ||
			    strcmp(h->addrs[k].interface, in) != 0 || one->family != two->family)
				continue;
			/* every IPv6 interface has fe80::/64 */
			if (one->family == 6 && one->ip[0] == 0xfe && (one->ip[1] & 0xc0) == 0x80)
				continue;
			if (addr_net_has(&h->addrs[i].net, two))
				check_found(ck, "internal.interface",
				    "%s on %s and %s on %s are in one subnet", addr_ip_str(one, a),
				    out, addr_ip_str(two, b), in);
		}
}

void
top_03(struct check *ck)
{
	const struct host_facts *h = ck->host;
	const char *out = ck->conf->external.interface;
	unsigned n4 = 0;

	for (size_t i = 0; i < h->n_default_routes; i++) {
		const char *via = h->default_routes[i].interface;

		n4 += !h->default_routes[i].v6;
		if (*out && strcmp(via, out) != 0)
			check_found(ck, "external.interface",
			    "a default route leads over %s, not %s", via, out);
	}
	if (n4 != 1)
		check_found(ck, "external.interface", "%u IPv4 default routes", n4);
}

void
top_05(struct check *ck)
{
	if (ck->host->forwards_v4)
		check_found(ck, NULL, "net.ipv4.ip_forward is 1");
	if (ck->host->forwards_v6)
		check_found(ck, NULL, "net.ipv6.conf.all.forwarding is 1");
}

void
top_07(struct check *ck)
{
	if (!*ck->conf->external.interface || !*ck->conf->internal.interface)
		check_found(ck,
		    *ck->conf->external.interface ? "internal.interface" : "external.interface",
		    "listeners are not bound to an interface: packets for them are taken from any");
}

/* "a-b,c" has all of [min, max]; pieces may come in any order but one piece must cover it whole. */
static bool
range_is_reserved(const char *list, unsigned min, unsigned max)
{
	struct str left = str_of(list);

	while (left.n) {
		ptrdiff_t comma = str_find(left, ',');
		struct str one = comma < 0 ? left : str_first(left, (size_t)comma);
		ptrdiff_t dash = str_find(one, '-');
		uint32_t from, to;

		if (str_to_u32(dash < 0 ? one : str_first(one, (size_t)dash), 65535, &from) &&
		    str_to_u32(dash < 0 ? one : str_from(one, (size_t)dash + 1), 65535, &to) &&
		    from <= min && to >= max)
			return true;
		left = str_from(left, one.n + 1);
	}
	return false;
}

void
top_10(struct check *ck)
{
	const struct conf *c = ck->conf;
	const struct host_facts *h = ck->host;
	unsigned min = c->external.av.relay_port_min, max = c->external.av.relay_port_max;

	if (!role_is_wanted(c, ROLE_AV) || h->local_port_max < min || h->local_port_min > max)
		return;
	if (!range_is_reserved(h->reserved_ports, min, max))
		check_found(ck, "external.av.relay_port_min",
		    "the kernel hands out %u-%u to anybody; needed: sysctl "
		    "net.ipv4.ip_local_reserved_ports=%u-%u",
		    h->local_port_min, h->local_port_max, min, max);
}

void
top_13(struct check *ck)
{
	if (!str_eq_nocase(str_of(ck->host->name), str_of(ck->conf->edge.fqdn)))
		check_found(ck, "edge.fqdn", "is \"%s\", the host calls itself \"%s\"",
		    ck->conf->edge.fqdn, ck->host->name);
}

static void
one_name(struct check *ck, const char *key, const char *name)
{
	if (*name && !check_is_host_name(str_of(name)))
		check_found(ck, key, "\"%s\" is no host name", name);
}

void
top_14(struct check *ck)
{
	const struct conf *c = ck->conf;
	const struct {
		const char *key;
		const struct conf_list *list;
	} lists[] = {{"edge.sip_domains", &c->edge.sip_domains},
	    {"internal.trusted_servers", &c->internal.trusted_servers},
	    {"internal.domains", &c->internal.domains},
	    {"federation.blocked", &c->federation.blocked}};
	char key[80];

	one_name(ck, "edge.fqdn", c->edge.fqdn);
	one_name(ck, "edge.pool_fqdn", c->edge.pool_fqdn);
	one_name(ck, "external.access.fqdn", c->external.access.fqdn);
	one_name(ck, "external.webconf.fqdn", c->external.webconf.fqdn);
	one_name(ck, "external.av.fqdn", c->external.av.fqdn);
	one_name(ck, "access.next_hop.fqdn", c->access.next_hop.fqdn);
	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
		for (uint32_t i = 0; i < lists[k].list->n; i++)
			one_name(ck, lists[k].key, lists[k].list->v[i]);
	for (uint32_t i = 0; i < c->federation.n_allowed; i++) {
		snprintf(key, sizeof(key), "federation.allowed[%u].domain", i);
		one_name(ck, key, c->federation.allowed[i].domain);
		snprintf(key, sizeof(key), "federation.allowed[%u].proxy_fqdn", i);
		one_name(ck, key, c->federation.allowed[i].proxy_fqdn);
	}
	for (uint32_t i = 0; i < c->federation.n_providers; i++) {
		snprintf(key, sizeof(key), "federation.providers[%u].proxy_fqdn", i);
		one_name(ck, key, c->federation.providers[i].proxy_fqdn);
	}
}

/* Where the kernel would send packets for one of the networks, members or trusted servers inside.
 */
static void
route_inside(struct check *ck, const char *key, const char *text, const struct addr *a)
{
	const char *via = host_route_of(ck->host, a);

	if (strcmp(via, ck->conf->internal.interface) != 0)
		check_found(ck, key, "%s is reached over %s, not over %s", text,
		    *via ? via : "no interface", ck->conf->internal.interface);
}

void
top_04(struct check *ck)
{
	const struct conf *c = ck->conf;
	struct addr_net net;
	struct addr a;

	if (!*c->internal.interface)
		return;
	for (uint32_t i = 0; i < c->internal.networks.n; i++)
		if (addr_net_parse(&net, str_of(c->internal.networks.v[i])) == ED_OK)
			route_inside(ck, "internal.networks", c->internal.networks.v[i], &net.base);
	for (uint32_t i = 0; i < c->access.next_hop.members.n; i++) {
		struct str m = str_of(c->access.next_hop.members.v[i]);
		ptrdiff_t colon = str_find(m, ':');

		if (addr_parse_ip(&a, colon < 0 ? m : str_first(m, (size_t)colon)) == ED_OK)
			route_inside(
			    ck, "access.next_hop.members", c->access.next_hop.members.v[i], &a);
	}
}

/* The part that the file tells: an outer address among the networks of the inside. */
void
top_06(struct check *ck)
{
	struct check_addr_key keys[CHECK_ADDR_KEYS];
	struct addr_net net;
	struct addr a;

	check_addr_keys(ck->conf, keys);
	for (uint32_t n = 0; n < ck->conf->internal.networks.n; n++) {
		if (addr_net_parse(&net, str_of(ck->conf->internal.networks.v[n])) < 0)
			continue;
		for (size_t k = 0; k < CHECK_ADDR_KEYS; k++)
			for (uint32_t i = 0; keys[k].outside && i < keys[k].list->n; i++)
				if (addr_parse_ip(&a, str_of(keys[k].list->v[i])) == ED_OK &&
				    addr_net_has(&net, &a))
					check_found(ck, keys[k].key,
					    "%s lies in %s of internal.networks",
					    keys[k].list->v[i], ck->conf->internal.networks.v[n]);
	}
}

void
top_09(struct check *ck)
{
	const struct host_facts *h = ck->host;
	const char *out = ck->conf->external.interface, *in = ck->conf->internal.interface;

	for (size_t i = 0; i < h->n_cards; i++) {
		const char *name = h->cards[i].name;
		bool inner = strcmp(name, in) == 0;

		if (!inner && strcmp(name, out) != 0)
			continue;
		if (h->cards[i].arp_ignore == 0)
			check_found(ck, inner ? "internal.interface" : "external.interface",
			    "net.ipv4.conf.%s.arp_ignore is 0: the host answers on %s for the "
			    "addresses of its other interface; 1 keeps them apart",
			    name, name);
		if (h->cards[i].arp_announce == 0)
			check_found(ck, inner ? "internal.interface" : "external.interface",
			    "net.ipv4.conf.%s.arp_announce is 0: requests on %s may carry an "
			    "address of the other interface; 2 keeps them apart",
			    name, name);
		if (h->cards[i].rp_filter > 2)
			check_found(ck, inner ? "internal.interface" : "external.interface",
			    "net.ipv4.conf.%s.rp_filter is %d", name, h->cards[i].rp_filter);
	}
}

void
top_12(struct check *ck)
{
	if (ck->host->has_keytab)
		check_found(ck, NULL, "/etc/krb5.keytab exists: the host is a member of a domain");
}

void
top_15(struct check *ck)
{
	if (ck->host->clock_unsynced)
		check_found(ck, NULL, "the kernel says that its clock is not synchronised");
}

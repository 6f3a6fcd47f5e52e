/* SPDX-License-Identifier: MIT
 *
 * conf/check_rules.c: one function per rule of the administrator reference, and the table of them.
 * A function is named after its rule and finds, or does not; words and severities stand in the
 * table.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/conf.h"

/* ---- helpers ---- */

static bool
is_private(const struct addr *a)
{
	static const char *const nets[] = {
	    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"};

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		struct addr_net net;

		if (addr_net_parse(&net, str_of(nets[i])) == ED_OK && addr_net_has(&net, a))
			return true;
	}
	return false;
}

static bool
is_host_name(struct str s)
{
	size_t label = 0;

	if (s.n == 0 || s.n > 253)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (c == '.') {
			if (label == 0 || s.p[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!alnum && (c != '-' || label == 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && s.p[s.n - 1] != '-';
}

/* The interface that has this address; NULL when none has. */
static const char *
interface_of(const struct host_facts *h, const struct addr *a)
{
	for (size_t i = 0; i < h->n_addrs; i++)
		if (addr_ip_eq(&h->addrs[i].net.base, a))
			return h->addrs[i].interface;
	return NULL;
}

static bool
has_interface(const struct host_facts *h, const char *name)
{
	for (size_t i = 0; i < h->n_addrs; i++)
		if (strcmp(h->addrs[i].interface, name) == 0)
			return true;
	return false;
}

/* Each configured address, with the key it stands under. */
struct each_addr {
	const struct conf_list *list;
	const char *key;
	bool outside;
};
#define N_ADDR_KEYS 4u

static void
addr_keys(const struct conf *c, struct each_addr ret[N_ADDR_KEYS])
{
	ret[0] = (struct each_addr){&c->external.access.addresses, "external.access.address", true};
	ret[1] =
	    (struct each_addr){&c->external.webconf.addresses, "external.webconf.address", true};
	ret[2] = (struct each_addr){&c->external.av.address, "external.av.address", true};
	ret[3] = (struct each_addr){&c->internal.addresses, "internal.address", false};
}

/* ---- the file itself ---- */

static void
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

static void
conf_addresses(struct check *ck)
{
	struct each_addr keys[N_ADDR_KEYS];
	struct addr a;
	struct addr_net net;

	addr_keys(ck->conf, keys);
	for (size_t k = 0; k < N_ADDR_KEYS; k++)
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

/* ---- topology ---- */

static void
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
	if (!has_interface(ck->host, out))
		check_found(
		    ck, "external.interface", "there is no interface %s with an address", out);
	if (!has_interface(ck->host, in))
		check_found(
		    ck, "internal.interface", "there is no interface %s with an address", in);
}

static void
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

static void
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

static void
top_05(struct check *ck)
{
	if (ck->host->forwards_v4)
		check_found(ck, NULL, "net.ipv4.ip_forward is 1");
	if (ck->host->forwards_v6)
		check_found(ck, NULL, "net.ipv6.conf.all.forwarding is 1");
}

static void
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

static void
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

static void
top_13(struct check *ck)
{
	if (!str_eq_nocase(str_of(ck->host->name), str_of(ck->conf->edge.fqdn)))
		check_found(ck, "edge.fqdn", "is \"%s\", the host calls itself \"%s\"",
		    ck->conf->edge.fqdn, ck->host->name);
}

static void
one_name(struct check *ck, const char *key, const char *name)
{
	if (*name && !is_host_name(str_of(name)))
		check_found(ck, key, "\"%s\" is no host name", name);
}

static void
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

/* ---- addresses and ports ---- */

static bool
specs_clash(const struct listen_spec *a, const struct listen_spec *b)
{
	return a->udp == b->udp && addr_eq(&a->addr, &b->addr);
}

static void
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

static void
adr_04(struct check *ck)
{
	struct each_addr keys[N_ADDR_KEYS];
	const char *private_one = NULL, *public_one = NULL, *public_key = NULL;
	struct addr a;

	addr_keys(ck->conf, keys);
	for (size_t k = 0; k < N_ADDR_KEYS; k++)
		for (uint32_t i = 0; keys[k].outside && i < keys[k].list->n; i++) {
			if (addr_parse_ip(&a, str_of(keys[k].list->v[i])) < 0)
				continue;
			if (is_private(&a)) {
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

static void
adr_05(struct check *ck)
{
	const struct conf *c = ck->conf;
	struct addr a;

	if (c->external.av.public_address.n > 0)
		return;
	for (uint32_t i = 0; i < c->external.av.address.n; i++)
		if (addr_parse_ip(&a, str_of(c->external.av.address.v[i])) == ED_OK &&
		    is_private(&a))
			check_found(ck, "external.av.public_address",
			    "is not set, and external.av.address %s is private",
			    c->external.av.address.v[i]);
}

static void
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

static void
adr_14(struct check *ck)
{
	struct each_addr keys[N_ADDR_KEYS];
	struct addr a;

	if (ck->mode == CHECK_START)
		return; /* opening waits for it */
	addr_keys(ck->conf, keys);
	for (size_t k = 0; k < N_ADDR_KEYS; k++)
		for (uint32_t i = 0; i < keys[k].list->n; i++) {
			const char *want =
			    keys[k].outside ? ck->conf->external.interface : ck->conf->internal.interface;
			const char *on;

			if (addr_parse_ip(&a, str_of(keys[k].list->v[i])) < 0 ||
			    addr_is_loopback(&a))
				continue;
			on = interface_of(ck->host, &a);
			if (!on)
				check_found(
				    ck, keys[k].key, "%s is on no interface", keys[k].list->v[i]);
			else if (*want && strcmp(on, want) != 0)
				check_found(ck, keys[k].key, "%s is on %s, not on %s",
				    keys[k].list->v[i], on, want);
		}
}

static void
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

static void
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

static void
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

/* ---- certificates ---- */

static void found_cert(struct check *ck, enum conf_binding b, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
found_cert(struct check *ck, enum conf_binding b, const char *fmt, ...)
{
	char key[64], text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(key, sizeof(key), "certificates.%s.chain", conf_binding_name(b));
	check_found(ck, key, "%s", text);
}

#define EACH_CERT(ck, b)                                                                           \
	for (enum conf_binding b = 0; b < BINDING__N; b++)                                         \
		if ((ck)->certs[b].parsed)

static void
cert_int_01(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];
	const char *name =
	    *ck->conf->edge.pool_fqdn ? ck->conf->edge.pool_fqdn : ck->conf->edge.fqdn;

	if (!f->parsed || str_eq_nocase(str_of(f->cn), str_of(name)))
		return;
	if (f->cn[0] == '*' && f->cn[1] == '.') {
		const char *dot = strchr(name, '.');

		if (dot && str_eq_nocase(str_of(f->cn + 1), str_of(dot))) {
			check_found_as(ck, CONF_WARNING, "certificates.internal.chain",
			    "subject is the wildcard %s, not %s", f->cn, name);
			return;
		}
	}
	found_cert(ck, BINDING_INTERNAL, "subject CN is \"%s\", not %s", f->cn, name);
}

static void
cert_int_02(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];

	if (f->parsed && f->n_names > 0)
		found_cert(ck, BINDING_INTERNAL, "carries subject alternative names (%s%s)",
		    f->names[0], f->n_names > 1 ? ", ..." : "");
}

static void
cert_int_07(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];

	if (!f->parsed)
		return;
	if (!f->eku_server)
		found_cert(ck, BINDING_INTERNAL, "extended key usage lacks server authentication");
	if (!f->eku_client)
		check_found_as(ck, CONF_WARNING, "certificates.internal.chain",
		    "extended key usage lacks client authentication: a next hop that insists "
		    "refuses us");
}

static void
cert_not_same(struct check *ck)
{
	const struct check_cert_facts *in = &ck->certs[BINDING_INTERNAL];
	const struct check_cert_facts *out = &ck->certs[BINDING_EXTERNAL];

	if (in->parsed && out->parsed && strcmp(in->fingerprint, out->fingerprint) == 0)
		found_cert(ck,
		    strcmp(ck->rule->id, "CERT-INT-08") == 0 ? BINDING_INTERNAL : BINDING_EXTERNAL,
		    "internal and external certificate are the same (serial %s)", in->serial);
}

static void
cert_ext_01(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	if (f->parsed && !str_eq_nocase(str_of(f->cn), str_of(ck->conf->external.access.fqdn)))
		found_cert(ck, BINDING_EXTERNAL, "subject CN is \"%s\", the Access Edge is %s",
		    f->cn, ck->conf->external.access.fqdn);
}

static void
cert_ext_02(struct check *ck)
{
	static const enum conf_binding both[] = {BINDING_EXTERNAL, BINDING_EXTERNAL_ECDSA};
	const char *name = ck->conf->external.access.fqdn;

	for (size_t i = 0; i < 2; i++)
		if (*name && ck->certs[both[i]].parsed &&
		    !cert_facts_has_name(&ck->certs[both[i]], str_of(name), false))
			found_cert(
			    ck, both[i], "%s is not among the subject alternative names", name);
}

static void
cert_ext_04(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];
	const char *name = ck->conf->external.webconf.fqdn;

	if (f->parsed && *name && ck->conf->external.webconf.addresses.n > 0 &&
	    !cert_facts_has_name(f, str_of(name), false))
		found_cert(
		    ck, BINDING_EXTERNAL, "%s is not among the subject alternative names", name);
}

/* Nobody verifies that name unless the relay does TLS. */
static void
cert_ext_av(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];
	const char *name = ck->conf->external.av.fqdn;

	if (f->parsed && *name && ck->conf->external.av.address.n > 0 &&
	    ck->conf->external.av.tls_port && !cert_facts_has_name(f, str_of(name), false))
		found_cert(ck, BINDING_EXTERNAL,
		    "%s is not among the subject alternative names: turns: will not be trusted",
		    name);
}

static void
cert_ext_05(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	for (uint32_t i = 0; f->parsed && i < ck->conf->edge.sip_domains.n; i++) {
		char name[300];

		snprintf(name, sizeof(name), "sip.%s", ck->conf->edge.sip_domains.v[i]);
		if (!cert_facts_has_name(f, str_of(name), false))
			found_cert(ck, BINDING_EXTERNAL,
			    "%s is not among the subject alternative names", name);
	}
}

static bool
is_inside_name(const struct conf *c, struct str name)
{
	if (str_find(name, '.') < 0)
		return true;
	for (uint32_t i = 0; i < c->internal.domains.n; i++) {
		struct str d = str_of(c->internal.domains.v[i]);

		if (str_eq_nocase(name, d) ||
		    (name.n > d.n && name.p[name.n - d.n - 1] == '.' && str_ends_nocase(name, d)))
			return true;
	}
	return false;
}

static void
cert_ext_09(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	for (unsigned i = 0; f->parsed && i < f->n_names; i++)
		if (is_inside_name(ck->conf, str_of(f->names[i])))
			found_cert(ck, BINDING_EXTERNAL, "carries the inside name %s", f->names[i]);
}

static void
cert_ext_12(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	if (f->parsed && f->cn[0] == '*')
		found_cert(ck, BINDING_EXTERNAL, "subject CN is the wildcard %s", f->cn);
}

static void
cert_ext_14(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	if (!f->parsed)
		return;
	if (!f->eku_server)
		check_found_as(ck, CONF_ERROR, "certificates.external.chain",
		    "extended key usage lacks server authentication");
	else if (!f->eku_client && ck->conf->access.allow_federated_users)
		found_cert(ck, BINDING_EXTERNAL,
		    "extended key usage lacks client authentication: some partners refuse us");
}

static void
cert_av_01(struct check *ck)
{
	if (role_is_wanted(ck->conf, ROLE_AV) && !ck->certs[BINDING_AV_AUTH].present)
		check_found(ck, "certificates.av_auth.chain", "is not set, and the A/V Edge is on");
}

static void
cert_av_03(struct check *ck)
{
	static const enum conf_binding both[] = {BINDING_AV_AUTH, BINDING_AV_AUTH_NEXT};

	for (size_t i = 0; i < 2; i++)
		if (ck->certs[both[i]].parsed && !ck->certs[both[i]].rsa)
			found_cert(
			    ck, both[i], "key is %s, tokens need RSA", ck->certs[both[i]].key_type);
}

static void
cert_av_08(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_AV_AUTH];
	int64_t left = f->not_after - ck->now_s;

	if (f->parsed && !ck->certs[BINDING_AV_AUTH_NEXT].present && left > 0 &&
	    left < (int64_t)ck->conf->av.token_lifetime_s)
		found_cert(ck, BINDING_AV_AUTH, "ends in %lld s, a token lives %u s",
		    (long long)left, ck->conf->av.token_lifetime_s);
}

static void
cert_all_01(struct check *ck)
{
	for (enum conf_binding b = 0; b < BINDING__N; b++) {
		const struct check_cert_facts *f = &ck->certs[b];

		if (f->present && !f->parsed)
			found_cert(ck, b, "holds no certificate in PEM form");
		else if (f->parsed && f->key_read && !f->key_matches)
			found_cert(ck, b,
			    "the private key %s does not belong to the certificate with serial %s",
			    conf_binding_cert(ck->conf, b)->key, f->serial);
	}
}

static void
cert_all_02(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		const struct check_cert_facts *f = &ck->certs[b];
		int64_t days = (f->not_after - ck->now_s) / 86400;

		if (f->not_before > ck->now_s)
			found_cert(ck, b, "is not yet valid (serial %s)", f->serial);
		else if (f->not_after <= ck->now_s)
			found_cert(ck, b, "has expired (serial %s)", f->serial);
		else if (days <= 30)
			check_found_as(ck, CONF_WARNING, NULL,
			    "%s certificate ends in %lld days (serial %s)", conf_binding_name(b),
			    (long long)days, f->serial);
	}
}

static void
cert_all_05(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		if (!ck->certs[b].chain_in_order)
			found_cert(ck, b,
			    "the certificates of the file are not in order, each issued by the "
			    "next");
		else if (!ck->certs[b].chain_complete)
			found_cert(ck, b, "the issuer of its last certificate is missing (\"%s\")",
			    ck->certs[b].issuer);
	}
}

static void
cert_all_11(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		if (ck->certs[b].rsa && ck->certs[b].key_bits < 2048)
			found_cert(ck, b, "key has %u bits", ck->certs[b].key_bits);
	}
}

static void
cert_all_12(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		if (ck->certs[b].signature == CERT_SIG_MD5)
			check_found_as(ck, CONF_ERROR, NULL, "%s certificate is signed with MD5",
			    conf_binding_name(b));
		else if (ck->certs[b].signature == CERT_SIG_SHA1)
			found_cert(ck, b, "is signed with SHA-1");
		else if (ck->certs[b].signature == CERT_SIG_PSS && b == BINDING_INTERNAL)
			found_cert(ck, b, "is signed with RSASSA-PSS");
	}
}

/* ---- federation ---- */

/* An entry that is no plain name matches nothing: on the block list that would let everybody pass.
 */
static void
fed_01_name(struct check *ck, const char *list, uint32_t i, const char *name)
{
	char key[80];

	snprintf(key, sizeof(key), "federation.%s[%u]", list, i);
	if (!is_host_name(str_of(name)))
		check_found(ck, key,
		    "\"%s\" is not a domain name: no wildcard, no dot in front or behind; what "
		    "lies below a blocked domain is blocked with it",
		    name);
}

static void
fed_01_names(struct check *ck)
{
	const struct conf *c = ck->conf;

	for (uint32_t i = 0; i < c->federation.blocked.n; i++)
		fed_01_name(ck, "blocked", i, c->federation.blocked.v[i]);
	for (uint32_t i = 0; i < c->federation.n_allowed; i++)
		if (c->federation.allowed[i].domain[0])
			fed_01_name(ck, "allowed", i, c->federation.allowed[i].domain);
	for (uint32_t i = 0; i < c->federation.n_providers; i++)
		for (uint32_t k = 0; k < c->federation.providers[i].domains.n; k++)
			fed_01_name(ck, "providers", i, c->federation.providers[i].domains.v[k]);
}

static void
fed_01(struct check *ck)
{
	const struct conf *c = ck->conf;
	char key[80];

	fed_01_names(ck);
	for (uint32_t i = 0; i < c->federation.n_allowed; i++) {
		struct str d = str_of(c->federation.allowed[i].domain);

		snprintf(key, sizeof(key), "federation.allowed[%u]", i);
		if (d.n == 0 || d.n > 256)
			check_found(
			    ck, key, "domain has %zu characters, allowed are 1 to 256", d.n);
		for (uint32_t k = 0; k < i; k++)
			if (str_eq_nocase(d, str_of(c->federation.allowed[k].domain)))
				check_found(
				    ck, key, STR_FMT " stands in the allow list twice", STR_ARG(d));
		for (uint32_t k = 0; k < c->federation.blocked.n; k++)
			if (str_eq_nocase(d, str_of(c->federation.blocked.v[k])))
				check_found(ck, key, STR_FMT " is allowed and blocked", STR_ARG(d));
	}
}

static void
fed_02(struct check *ck)
{
	const struct conf *c = ck->conf;
	char key[80];

	for (uint32_t i = 0; i < c->federation.n_allowed; i++)
		for (uint32_t k = 0; k < c->federation.n_providers; k++) {
			const char *fqdn = c->federation.allowed[i].proxy_fqdn;

			if (!*fqdn || !str_eq_nocase(str_of(fqdn),
					  str_of(c->federation.providers[k].proxy_fqdn)))
				continue;
			snprintf(key, sizeof(key), "federation.allowed[%u].proxy_fqdn", i);
			check_found(ck, key, "%s is the server of partner %s and of provider %s",
			    fqdn, c->federation.allowed[i].domain, c->federation.providers[k].name);
		}
}

static void
fed_03(struct check *ck)
{
	const struct conf *c = ck->conf;
	char key[80];

	for (uint32_t i = 0; i < c->federation.n_providers; i++) {
		const struct conf_provider *p = &c->federation.providers[i];

		snprintf(key, sizeof(key), "federation.providers[%u]", i);
		if (!*p->name || !*p->proxy_fqdn)
			check_found(ck, key, "a provider needs a name and a proxy_fqdn");
		for (uint32_t k = 0; k < i; k++) {
			const struct conf_provider *o = &c->federation.providers[k];

			if (str_eq_nocase(str_of(p->name), str_of(o->name)))
				check_found(ck, key, "name %s stands twice", p->name);
			if (str_eq_nocase(str_of(p->proxy_fqdn), str_of(o->proxy_fqdn)))
				check_found(ck, key, "proxy_fqdn %s stands twice", p->proxy_fqdn);
		}
	}
}

static void
fed_06(struct check *ck)
{
	const struct conf *c = ck->conf;

	if (c->access.allow_federated_users)
		return;
	if (c->access.enable_partner_discovery)
		check_found(ck, "access.enable_partner_discovery",
		    "is on while access.allow_federated_users is off");
	if (c->federation.n_allowed > 0)
		check_found(ck, "federation.allowed",
		    "has %u entries while access.allow_federated_users is off",
		    c->federation.n_allowed);
}

/* ---- the table ---- */

const struct check_rule check_rules[] = {
    {"CONF-01", CONF_ERROR, CHECK_STATIC, false, conf_required, "set it"},
    {"CONF-02", CONF_ERROR, CHECK_STATIC, false, conf_addresses,
	"write it as 192.0.2.1 or 2001:db8::1"},
    {"TOP-01", CONF_ERROR, CHECK_HOST, true, top_01,
	"an edge has two interfaces: set external.interface and internal.interface"},
    {"TOP-02", CONF_ERROR, CHECK_HOST, true, top_02,
	"give the two interfaces addresses of different subnets"},
    {"TOP-03", CONF_ERROR, CHECK_HOST, true, top_03,
	"have exactly one default route, over the external interface"},
    {"TOP-05", CONF_ERROR, CHECK_HOST, true, top_05, "set it to 0: an edge does not route"},
    {"TOP-07", CONF_WARNING, CHECK_STATIC, false, top_07, "name the interfaces"},
    {"TOP-10", CONF_ERROR, CHECK_HOST, true, top_10, "reserve the relay range"},
    {"TOP-13", CONF_ERROR, CHECK_HOST, true, top_13,
	"make the host's full name and edge.fqdn equal (hostnamectl, /etc/hosts)"},
    {"TOP-14", CONF_ERROR, CHECK_STATIC, false, top_14,
	"names consist of letters, digits, hyphens and dots"},
    {"ADR-03", CONF_ERROR, CHECK_STATIC, false, adr_03,
	"with one address give each service its own port, commonly 5061, 444 and 443"},
    {"ADR-04", CONF_ERROR, CHECK_STATIC, false, adr_04,
	"behind a NAT all external addresses are private, without one none is"},
    {"ADR-05", CONF_ERROR, CHECK_STATIC, false, adr_05,
	"set it to the address that the NAT shows to the world"},
    {"ADR-13", CONF_WARNING, CHECK_STATIC, false, adr_13, "add one per address family"},
    {"ADR-14", CONF_ERROR, CHECK_HOST, false, adr_14, "configure it there, or correct the address"},
    {"PORT-01", CONF_ERROR, CHECK_STATIC, false, port_01,
	"give one of them another address or port"},
    {"PORT-03", CONF_ERROR, CHECK_HOST, false, port_03, "stop it or bind it to another address"},
    {"PORT-07", CONF_WARNING, CHECK_STATIC, false, port_07,
	"one port per allocation: widen the range"},
    {"CERT-INT-01", CONF_ERROR, CHECK_CERT, false, cert_int_01,
	"have it issued for the name of this edge (or its pool)"},
    {"CERT-INT-02", CONF_WARNING, CHECK_CERT, true, cert_int_02,
	"harmless for most servers; issue it without if one refuses"},
    {"CERT-INT-07", CONF_ERROR, CHECK_CERT, false, cert_int_07,
	"have it issued with server and client authentication"},
    {"CERT-INT-08", CONF_ERROR, CHECK_CERT, false, cert_not_same, "use two certificates"},
    {"CERT-EXT-01", CONF_WARNING, CHECK_CERT, false, cert_ext_01,
	"older partners look at the CN: have it issued for the Access Edge's name"},
    {"CERT-EXT-02", CONF_ERROR, CHECK_CERT, false, cert_ext_02, "have it issued with that name"},
    {"CERT-EXT-04", CONF_ERROR, CHECK_CERT, false, cert_ext_04, "have it issued with that name"},
    {"CERT-EXT-02", CONF_WARNING, CHECK_CERT, false, cert_ext_av, "have it issued with that name"},
    {"CERT-EXT-05", CONF_WARNING, CHECK_CERT, false, cert_ext_05,
	"needed for automatic sign-in in that domain"},
    {"CERT-EXT-09", CONF_WARNING, CHECK_CERT, false, cert_ext_09,
	"inside names have no place outside"},
    {"CERT-EXT-11", CONF_ERROR, CHECK_CERT, false, cert_not_same, "use two certificates"},
    {"CERT-EXT-12", CONF_ERROR, CHECK_CERT, false, cert_ext_12,
	"clients and partners refuse it: have it issued for the full name"},
    {"CERT-EXT-14", CONF_WARNING, CHECK_CERT, false, cert_ext_14,
	"public authorities drop that usage; ask the partner to accept"},
    {"CERT-AV-01", CONF_ERROR, CHECK_CERT, false, cert_av_01,
	"set certificates.av_auth (any RSA certificate; names do not matter)"},
    {"CERT-AV-03", CONF_ERROR, CHECK_CERT, false, cert_av_03, "use an RSA key"},
    {"CERT-AV-08", CONF_ERROR, CHECK_CERT, true, cert_av_08,
	"stage its successor as certificates.av_auth_next"},
    {"CERT-ALL-01", CONF_ERROR, CHECK_CERT, false, cert_all_01,
	"put certificate and key of one request there"},
    {"CERT-ALL-02", CONF_ERROR, CHECK_CERT, false, cert_all_02, "renew it; a reload is enough"},
    {"CERT-ALL-05", CONF_WARNING, CHECK_CERT, false, cert_all_05,
	"put the leaf first, then every intermediate"},
    {"CERT-ALL-11", CONF_WARNING, CHECK_CERT, false, cert_all_11, "use 2048 bits or more"},
    {"CERT-ALL-12", CONF_WARNING, CHECK_CERT, false, cert_all_12, "have it signed with SHA-256"},
    {"FED-01", CONF_ERROR, CHECK_STATIC, false, fed_01, "keep one entry per domain"},
    {"FED-02", CONF_ERROR, CHECK_STATIC, false, fed_02,
	"a server is a partner's or a provider's: take proxy_fqdn off the partner"},
    {"FED-03", CONF_ERROR, CHECK_STATIC, false, fed_03, "give each provider its own"},
    {"FED-06", CONF_WARNING, CHECK_STATIC, false, fed_06,
	"switch federation on, or take the entries out"},
};
const size_t check_n_rules = sizeof(check_rules) / sizeof(check_rules[0]);

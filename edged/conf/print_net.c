/* SPDX-License-Identifier: MIT
 *
 * conf/print_net.c: DNS records and firewall rules from a configuration.
 */
#include "conf/print_net.h"

#include "conf/conf.h"
#include "conf/listen.h"

static void
print_addresses(const char *name, const struct conf_list *addresses, FILE *out)
{
	struct addr a;

	for (uint32_t i = 0; i < addresses->n && *name; i++)
		if (addr_parse_ip(&a, str_of(addresses->v[i])) == ED_OK)
			fprintf(out, "%s. IN %s %s\n", name, a.family == 6 ? "AAAA" : "A",
			    addresses->v[i]);
}

void
conf_print_dns(const struct conf *c, FILE *out)
{
	const char *access = c->external.access.fqdn;
	const char *inside = *c->edge.pool_fqdn ? c->edge.pool_fqdn : c->edge.fqdn;
	const struct conf_list *av = c->external.av.public_address.n
					 ? &c->external.av.public_address
					 : &c->external.av.address;

	fputs(
	    "; public zone. Behind a NAT publish the addresses that it shows to the world.\n", out);
	print_addresses(access, &c->external.access.addresses, out);
	if (strcmp(c->external.webconf.fqdn, access) != 0)
		print_addresses(c->external.webconf.fqdn, &c->external.webconf.addresses, out);
	print_addresses(c->external.av.fqdn, av, out);
	for (uint32_t i = 0; i < c->edge.sip_domains.n; i++) {
		const char *d = c->edge.sip_domains.v[i];
		char sip[300];

		fprintf(out,
		    "; automatic sign-in for %s (DNS-06; phones want the target in the domain, "
		    "DNS-09)\n",
		    d);
		snprintf(sip, sizeof(sip), "sip.%s", d);
		if (strcmp(sip, access) != 0)
			print_addresses(sip, &c->external.access.addresses, out);
		fprintf(out, "_sip._tls.%s. IN SRV 0 0 %u %s.\n", d, c->external.access.client_port,
		    sip);
		fprintf(out, "; federation by discovery and push notifications (DNS-07)\n");
		fprintf(out, "_sipfederationtls._tcp.%s. IN SRV 0 0 %u %s.\n", d,
		    c->external.access.federation_port, sip);
	}
	fputs("; internal zone (or the hosts files of Front Ends); never in public DNS (DNS-04)\n",
	    out);
	print_addresses(inside, &c->internal.addresses, out);
	fprintf(out, "; this host must resolve %s to addresses inside (DNS-03)\n",
	    c->access.next_hop.fqdn);
}

struct fw {
	FILE *out;
	const struct conf *c;
};

static void
print_family(FILE *out, const struct addr *a, const char *side)
{
	char text[ADDR_STR_LEN];

	fprintf(out, "%s %s %s", a->family == 6 ? "ip6" : "ip", side, addr_ip_str(a, text));
}

static void
print_in(FILE *out, const struct listen_spec *s)
{
	bool inside = strncmp(s->key, "internal.", 9) == 0;

	fputs("        ", out);
	if (*s->device)
		fprintf(out, "iifname \"%s\" ", s->device);
	print_family(out, &s->addr, "daddr");
	fprintf(out, " %s dport %u accept comment \"%s <- %s\"\n", s->udp ? "udp" : "tcp",
	    s->addr.port, s->name, inside ? "inside" : "Internet");
}

static void
print_out(struct fw *f, const struct conf_list *from, const char *match, const char *purpose)
{
	struct addr a;

	for (uint32_t i = 0; i < from->n; i++) {
		if (addr_parse_ip(&a, str_of(from->v[i])) < 0)
			continue;
		fputs("        ", f->out);
		print_family(f->out, &a, "saddr");
		fprintf(f->out, " %s accept comment \"%s\"\n", match, purpose);
	}
}

static void
print_outgoing(struct fw *f)
{
	const struct conf *c = f->c;
	char match[64];

	snprintf(match, sizeof(match), "tcp dport %u", c->access.next_hop.port);
	print_out(f, &c->internal.addresses, match, "Access Edge -> next hop");
	if (c->access.allow_federated_users)
		print_out(f, &c->external.access.addresses, "tcp dport 5061",
		    "Access Edge -> partners (a discovered one may name another port)");
	print_out(f, &c->external.access.addresses, "udp dport 53", "DNS");
	print_out(f, &c->external.access.addresses, "tcp dport 53", "DNS");
	print_out(f, &c->external.access.addresses, "tcp dport 80", "CRL download");
	if (!role_is_wanted(c, ROLE_AV))
		return;
	snprintf(match, sizeof(match), "udp sport %u-%u", c->external.av.relay_port_min,
	    c->external.av.relay_port_max);
	print_out(f, &c->external.av.address, match, "A/V relay -> peers");
	snprintf(match, sizeof(match), "tcp sport %u-%u", c->external.av.relay_port_min,
	    c->external.av.relay_port_max);
	print_out(f, &c->external.av.address, match, "A/V relay -> peers");
}

void
conf_print_firewall(const struct conf *c, FILE *out)
{
	struct listen_spec specs[LISTEN_SPECS_MAX];
	size_t n = listen_plan(c, specs, LISTEN_SPECS_MAX);
	struct fw f = {.out = out, .c = c};
	char match[64];

	fprintf(
	    out, "# nftables rules for %s; administration (ssh) is not in here.\n", c->edge.fqdn);
	fputs("table inet edged {\n    chain input {\n"
	      "        type filter hook input priority filter; policy drop;\n"
	      "        iif lo accept\n"
	      "        ct state established,related accept\n"
	      "        meta l4proto { icmp, ipv6-icmp } accept\n",
	    out);
	for (size_t i = 0; i < n; i++)
		print_in(out, &specs[i]);
	if (role_is_wanted(c, ROLE_AV)) {
		snprintf(match, sizeof(match), "%u-%u", c->external.av.relay_port_min,
		    c->external.av.relay_port_max);
		fprintf(out,
		    "        # udp dport %s, tcp dport %s: open them only for partners with OCS "
		    "2007 "
		    "(PORT-06); browsers' calls need UDP\n",
		    match, match);
		for (uint32_t i = 0; i < c->external.av.address.n; i++) {
			struct addr a;

			if (addr_parse_ip(&a, str_of(c->external.av.address.v[i])) < 0)
				continue;
			fputs("        ", out);
			print_family(out, &a, "daddr");
			fprintf(
			    out, " udp dport %s accept comment \"A/V relay <- peers\"\n", match);
		}
	}
	fputs("    }\n    chain forward {\n"
	      "        type filter hook forward priority filter; policy drop;\n"
	      "    }\n    chain output {\n"
	      "        type filter hook output priority filter; policy drop;\n"
	      "        oif lo accept\n"
	      "        ct state established,related accept\n"
	      "        meta l4proto { icmp, ipv6-icmp } accept\n",
	    out);
	print_outgoing(&f);
	fputs("    }\n}\n", out);
}

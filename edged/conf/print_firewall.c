/* SPDX-License-Identifier: MIT
 *
 * conf/print_firewall.c: the firewall rules that a configuration needs, as an nftables ruleset that
 * replaces its own table (PORT-10). Each rule has a comment: who opens the connection, what for,
 * and its row in the port tables of the administrator reference.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "conf/listen.h"
#include "conf/print_net.h"

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

/* ---- in ---- */

static const char *
row_of(const struct listen_spec *s)
{
	static const struct {
		const char *key, *row;
	} rows[] = {{"external.access.client_port", "PX-01"},
	    {"external.access.federation_port", "PX-02"}, {"external.webconf.port", "PX-04"},
	    {"external.av.udp_port", "PX-05"}, {"external.av.tcp_port", "PX-07"},
	    {"external.av.standard_tcp_port", "RFC 8656"}, {"external.av.tls_port", "RFC 8656"},
	    {"internal.sip_port", "PI-01"}, {"internal.mras_port", "PI-03"},
	    {"internal.webconf_port", "PI-04"}, {"internal.av_udp_port", "PI-05"},
	    {"internal.av_tcp_port", "PI-06"}, {"internal.xmpp_port", "PI-08"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].key, s->key) == 0)
			return rows[i].row;
	return s->key; /* an XMPP listener outside, say */
}

static void
print_in(FILE *out, const struct listen_spec *s)
{
	bool inside = strncmp(s->key, "internal.", 9) == 0;

	fputs("        ", out);
	if (*s->device)
		fprintf(out, "iifname \"%s\" ", s->device);
	print_family(out, &s->addr, "daddr");
	fprintf(out, " %s dport %u accept comment \"%s <- %s (%s)\"\n", s->udp ? "udp" : "tcp",
	    s->addr.port, s->name, inside ? "inside" : "Internet", row_of(s));
}

/*
 * PX-11, PORT-06. Edges of others are reached through 3478 and 443, and what a relayed address has
 * sent to may answer. Only peers that speak first need more: those of standard TURN clients (a
 * permission guards each), and OCS 2007.
 */
static void
print_relay_in(const struct fw *f)
{
	const struct conf *c = f->c;
	bool standard = c->av.n_users > 0 || *c->av.shared_secret;
	struct addr a;

	for (uint32_t i = 0; i < c->external.av.address.n; i++)
		for (int tcp = 0; tcp < 2; tcp++) {
			if (addr_parse_ip(&a, str_of(c->external.av.address.v[i])) < 0)
				continue;
			fputs(standard && !tcp ? "        " : "        # ", f->out);
			print_family(f->out, &a, "daddr");
			fprintf(f->out,
			    " %s dport %u-%u accept comment \"A/V relay <- %s (PX-11)\"\n",
			    tcp ? "tcp" : "udp", c->external.av.relay_port_min,
			    c->external.av.relay_port_max,
			    standard && !tcp ? "peers of standard TURN clients"
					     : "partners with OCS 2007");
		}
}

/* ---- out ---- */

static void
print_out(const struct fw *f, const struct conf_list *from, const char *to, const char *match,
    const char *purpose)
{
	struct addr a, dst;
	bool have_dst = to && addr_parse_ip(&dst, str_of(to)) == ED_OK;

	for (uint32_t i = 0; i < from->n; i++) {
		if (addr_parse_ip(&a, str_of(from->v[i])) < 0 ||
		    (have_dst && dst.family != a.family))
			continue;
		fputs("        ", f->out);
		print_family(f->out, &a, "saddr");
		if (have_dst) {
			fputc(' ', f->out);
			print_family(f->out, &dst, "daddr");
		}
		fprintf(f->out, " %s accept comment \"%s\"\n", match, purpose);
	}
}

/* "host:port" or "[address]:port" to its parts; false when there is no port. */
static bool
split_port(const char *text, char *ret_host, size_t room, unsigned *ret_port)
{
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
	bool v6 = text[0] == '[' && bracket;

	if (!colon || (bracket && colon < bracket) || (!v6 && strchr(text, ':') != colon))
		return false;
	*ret_port = (unsigned)strtoul(colon + 1, NULL, 10);
	snprintf(ret_host, room, "%.*s", (int)(v6 ? bracket - text - 1 : colon - text), text + v6);
	return *ret_port > 0 && *ret_port < 65536;
}

static void
print_next_hop(const struct fw *f)
{
	const struct conf *c = f->c;
	char match[64], host[256];
	unsigned port;

	if (c->access.next_hop.members.n == 0) {
		snprintf(match, sizeof(match), "tcp dport %u", c->access.next_hop.port);
		print_out(
		    f, &c->internal.addresses, NULL, match, "Access Edge -> next hop (PI-02)");
	}
	for (uint32_t i = 0; i < c->access.next_hop.members.n; i++) {
		const char *m = c->access.next_hop.members.v[i];

		if (!split_port(m, host, sizeof(host), &port)) {
			port = c->access.next_hop.port;
			snprintf(host, sizeof(host), "%s", m);
		}
		snprintf(match, sizeof(match), "tcp dport %u", port);
		print_out(f, &c->internal.addresses, host, match,
		    "Access Edge -> member of the next hop (PI-02)");
	}
}

static void
print_dns_out(const struct fw *f)
{
	const struct conf *c = f->c;
	static const char *const protos[] = {"udp", "tcp"};
	uint32_t n = c->dns.servers.n ? c->dns.servers.n : 1;

	for (uint32_t i = 0; i < n; i++)
		for (int p = 0; p < 2; p++) {
			char match[64], host[256] = "";
			unsigned port = 53;

			if (c->dns.servers.n &&
			    !split_port(c->dns.servers.v[i], host, sizeof(host), &port)) {
				port = 53;
				snprintf(host, sizeof(host), "%s", c->dns.servers.v[i]);
			}
			snprintf(match, sizeof(match), "%s dport %u", protos[p], port);
			print_out(f, &c->external.access.addresses, host, match,
			    "Access Edge -> resolvers (PX-15)");
		}
}

static void
print_webconf_out(const struct fw *f)
{
	const struct conf *c = f->c;
	char match[64], host[256];
	unsigned port;

	if (!role_is_wanted(c, ROLE_WEBCONF) || strcmp(c->webconf.inside.mode, "dial") != 0)
		return;
	for (uint32_t i = 0; i < c->webconf.inside.n_servers; i++) {
		if (!split_port(c->webconf.inside.servers[i].address, host, sizeof(host), &port))
			continue;
		snprintf(match, sizeof(match), "tcp dport %u", port);
		print_out(f, &c->internal.addresses, host, match,
		    "Web Conferencing Edge -> conferencing server (webconf.inside.mode = dial)");
	}
}

static void
print_outgoing(const struct fw *f)
{
	const struct conf *c = f->c;
	char match[64];

	print_next_hop(f);
	print_webconf_out(f);
	if (c->access.allow_federated_users)
		print_out(f, &c->external.access.addresses, NULL, "tcp dport 5061",
		    "Access Edge -> partners, a discovered one may name another port (PX-03)");
	if (role_is_wanted(c, ROLE_XMPP))
		print_out(f, &c->external.access.addresses, NULL, "tcp dport 5269",
		    "XMPP -> partners (PX-13)");
	print_dns_out(f);
	if (c->access.allow_federated_users && c->federation.crl_fetch &&
	    strcmp(c->federation.crl_check, "off") != 0)
		print_out(f, &c->external.access.addresses, NULL, "tcp dport 80",
		    "CRL download -> any (PX-14)");
	for (int tcp = 0; tcp < 2 && role_is_wanted(c, ROLE_AV); tcp++) {
		snprintf(match, sizeof(match), "%s sport %u-%u", tcp ? "tcp" : "udp",
		    c->external.av.relay_port_min, c->external.av.relay_port_max);
		print_out(f, &c->external.av.address, NULL, match,
		    tcp ? "A/V relay -> any, mostly 443 (PX-08, PX-09)"
			: "A/V relay -> any, mostly 3478 (PX-06, PX-10)");
	}
}

static void
print_chain(FILE *out, const char *name, const char *lo)
{
	fprintf(out,
	    "    chain %s {\n"
	    "        type filter hook %s priority filter; policy drop;\n",
	    name, name);
	if (lo)
		fprintf(out,
		    "        %s lo accept\n"
		    "        ct state established,related accept\n"
		    "        meta l4proto { 1, 58 } accept comment \"ICMP, and neighbour discovery "
		    "of IPv6\"\n",
		    lo);
}

void
conf_print_firewall(const struct conf *c, FILE *out)
{
	struct listen_spec specs[LISTEN_SPECS_MAX];
	size_t n = listen_plan(c, specs, LISTEN_SPECS_MAX);
	struct fw f = {.out = out, .c = c};

	fprintf(out,
	    "# nftables rules for %s, made by `edged --firewall`; load them with `nft -f FILE`.\n"
	    "# What is not named is dropped. Administration, time and updates are yours to add: "
	    "see "
	    "the comments.\n"
	    "table inet edged\n"
	    "delete table inet edged\n"
	    "table inet edged {\n",
	    c->edge.fqdn);
	print_chain(out, "input", "iifname");
	fprintf(out, "        # iifname \"%s\" tcp dport 22 accept comment \"administration\"\n",
	    *c->internal.interface ? c->internal.interface : "INSIDE");
	for (size_t i = 0; i < n; i++)
		print_in(out, &specs[i]);
	if (role_is_wanted(c, ROLE_AV))
		print_relay_in(&f);
	fputs("    }\n", out);
	print_chain(out, "forward", NULL);
	fputs("    }\n", out);
	print_chain(out, "output", "oifname");
	fputs("        # udp dport 123 accept comment \"time (TOP-15)\"\n"
	      "        # tcp dport { 80, 443 } accept comment \"updates of this machine\"\n",
	    out);
	print_outgoing(&f);
	fputs("    }\n}\n", out);
}

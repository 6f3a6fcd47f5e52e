/* SPDX-License-Identifier: MIT
 *
 * conf/print_dns.c: the DNS records that a configuration needs, as a zone file with comments. A
 * record that is not for everybody to publish as it stands is a comment itself.
 */
#include <stdio.h>

#include "conf/conf.h"
#include "conf/listen.h"
#include "conf/print_net.h"

static bool
is_private(const struct addr *a)
{
	static const char *const nets[] = {
	    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"};
	struct addr_net net;

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
		if (addr_net_parse(&net, str_of(nets[i])) == ED_OK && addr_net_has(&net, a))
			return true;
	return false;
}

/* Behind a NAT only the A/V Edge knows its public address. */
static void
print_addresses(FILE *out, const char *name, const struct conf_list *addresses, bool is_public)
{
	struct addr a;

	for (uint32_t i = 0; *name && i < addresses->n; i++) {
		const char *type;

		if (addr_parse_ip(&a, str_of(addresses->v[i])) < 0)
			continue;
		type = a.family == 6 ? "AAAA" : "A";
		if (is_public && is_private(&a))
			fprintf(out, "; %s. IN %s (what the NAT shows for %s)\n", name, type,
			    addresses->v[i]);
		else
			fprintf(out, "%s. IN %s %s\n", name, type, addresses->v[i]);
	}
}

static bool
is_below(const char *name, const char *domain)
{
	struct str n = str_of(name), d = str_of(domain);

	return str_eq_nocase(n, d) ||
	       (n.n > d.n && n.p[n.n - d.n - 1] == '.' && str_ends_nocase(n, d));
}

static void
print_sip_domain(FILE *out, const struct conf *c, const char *domain)
{
	const char *access = c->external.access.fqdn;
	char sip[300];

	/* DNS-09: clients want the target of the record in its own domain. */
	snprintf(sip, sizeof(sip), "sip.%s", domain);
	if (is_below(access, domain))
		snprintf(sip, sizeof(sip), "%s", access);
	else
		print_addresses(out, sip, &c->external.access.addresses, true);
	fprintf(out, "; automatic sign-in (DNS-06); %s stands on the external certificate\n", sip);
	fprintf(
	    out, "_sip._tls.%s. IN SRV 0 0 %u %s.\n", domain, c->external.access.client_port, sip);
	/* DNS-17: partners follow it to the Access Edge's own name. */
	fprintf(out, "; federation by discovery, and push notifications (DNS-07)%s\n",
	    c->access.allow_federated_users ? "" : ": when federation is on");
	fprintf(out, "%s_sipfederationtls._tcp.%s. IN SRV 0 0 %u %s.\n",
	    c->access.allow_federated_users ? "" : "; ", domain, c->external.access.federation_port,
	    access);
	if (role_is_wanted(c, ROLE_XMPP))
		fprintf(out, "_xmpp-server._tcp.%s. IN SRV 0 0 5269 %s.\n", domain, access);
	fprintf(
	    out, "; lyncdiscover.%s belongs to the reverse proxy, never here (DNS-13)\n", domain);
}

static void
print_webconf(FILE *out, const struct conf *c)
{
	char wildcard[300];

	if (!role_is_wanted(c, ROLE_WEBCONF))
		return;
	if (strcmp(c->external.webconf.fqdn, c->external.access.fqdn) != 0)
		print_addresses(
		    out, c->external.webconf.fqdn, &c->external.webconf.addresses, true);
	if (strcmp(c->webconf.admission, "sni-ticket") != 0)
		return;
	snprintf(wildcard, sizeof(wildcard), "*.%s",
	    *c->webconf.ticket_suffix ? c->webconf.ticket_suffix : c->external.webconf.fqdn);
	print_addresses(out, wildcard, &c->external.webconf.addresses, true);
}

static void
print_turn_srv(
    FILE *out, const struct conf *c, const char *service, uint16_t port, const char *target)
{
	if (port)
		fprintf(out, "%s.%s. IN SRV 0 0 %u %s.\n", service, c->av.realm, port, target);
}

static void
print_av(FILE *out, const struct conf *c)
{
	const char *name = c->external.av.fqdn;

	if (!role_is_wanted(c, ROLE_AV))
		return;
	print_addresses(out, name,
	    c->external.av.public_address.n ? &c->external.av.public_address
					    : &c->external.av.address,
	    true);
	if (!*name || (c->av.n_users == 0 && !*c->av.shared_secret))
		return;
	fputs("; standard TURN clients (RFC 5928)\n", out);
	print_turn_srv(out, c, "_turn._udp", c->external.av.udp_port, name);
	print_turn_srv(out, c, "_turn._tcp", c->external.av.standard_tcp_port, name);
	/* It presents the external certificate, so it is asked for by that name. */
	print_turn_srv(out, c, "_turns._tcp", c->external.av.tls_port, c->external.access.fqdn);
}

void
conf_print_dns(const struct conf *c, FILE *out)
{
	bool pool = *c->edge.pool_fqdn;

	fputs("; public zone\n", out);
	print_addresses(out, c->external.access.fqdn, &c->external.access.addresses, true);
	print_webconf(out, c);
	print_av(out, c);
	for (uint32_t i = 0; i < c->edge.sip_domains.n; i++)
		print_sip_domain(out, c, c->edge.sip_domains.v[i]);
	fputs("; internal zone, or the hosts files of Front Ends; never in public DNS (DNS-04)\n",
	    out);
	print_addresses(
	    out, pool ? c->edge.pool_fqdn : c->edge.fqdn, &c->internal.addresses, false);
	if (pool)
		fputs("; ... one such record for each member of the pool\n", out);
	fprintf(out,
	    "; this host resolves %s, by /etc/hosts or a resolver, to addresses inside "
	    "(DNS-03)\n",
	    c->access.next_hop.fqdn);
}

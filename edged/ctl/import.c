/* SPDX-License-Identifier: MIT
 *
 * ctl/import.c: from a topology to edged.conf. Names, addresses and ports are printed only when
 * they are such, so no text of the file gets between our quotes.
 */
#include "ctl/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "proto/topology/topology.h"

struct import {
	FILE *out, *err;
	const struct topology *t;
	const struct topology_service *edge;
	const struct topology_cluster *pool;
	const struct topology_machine *machine;
};

/* ---- what may stand between quotes ---- */

static bool
is_name(const char *s)
{
	return *s &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
		   strlen(s);
}

static bool
is_address(const char *s)
{
	struct addr a;

	/* 0.0.0.0: any address, which an edge must not listen on */
	return addr_parse_ip(&a, str_of(s)) == ED_OK && strcmp(s, "0.0.0.0") != 0 &&
	       strcmp(s, "::") != 0;
}

static unsigned
port_of(const char *s)
{
	uint32_t v;

	return str_to_u32(str_of(s), 65535, &v) ? v : 0;
}

/* Foreign text in a comment: printable, no line of its own. */
static void
put_foreign(FILE *out, const char *s)
{
	for (size_t i = 0; s[i] && i < 80; i++)
		fputc(s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?', out);
}

/* ---- finding ---- */

static const char *
machine_name(const struct import *im)
{
	return *im->machine->fqdn ? im->machine->fqdn : im->pool->fqdn;
}

static const struct topology_port *
port(const struct import *im, const char *owner, const char *usage, const char *side,
    const char *protocol)
{
	for (const struct topology_port *p = im->edge->ports; p; p = p->next)
		if (strcmp(p->owner, owner) == 0 && strcmp(p->usage, usage) == 0 &&
		    strcmp(p->side, side) == 0 && (!protocol || strcmp(p->protocol, protocol) == 0))
			return p;
	return NULL;
}

/* The interface of our machine that a port is on. */
static const struct topology_interface *
interface_of(const struct import *im, const struct topology_port *p)
{
	for (const struct topology_interface *i = im->machine->interfaces; p && i; i = i->next)
		if (strcmp(i->side, p->side) == 0 && strcmp(i->number, p->number) == 0)
			return i;
	return NULL;
}

/* An interface of that side when no port names one. */
static const struct topology_interface *
interface_on(const struct import *im, const char *side)
{
	for (const struct topology_interface *i = im->machine->interfaces; i; i = i->next)
		if (strcmp(i->side, side) == 0)
			return i;
	return NULL;
}

/* ---- printing ---- */

static void
left_out(struct import *im, const char *key, const char *why, const char *value)
{
	fprintf(im->out, "# left out: %s: %s", key, why);
	if (value && *value) {
		fputs(" (", im->out);
		put_foreign(im->out, value);
		fputc(')', im->out);
	}
	fputc('\n', im->out);
}

/* "external.access.fqdn": the last word, as deep as the dots are many. */
static void
put_key(struct import *im, const char *key)
{
	for (const char *dot; (dot = strchr(key, '.')); key = dot + 1)
		fputs("    ", im->out);
	fprintf(im->out, "%s = ", key);
}

static void
put_name(struct import *im, const char *key, const char *value)
{
	if (is_name(value)) {
		put_key(im, key);
		fprintf(im->out, "\"%s\";\n", value);
	} else {
		left_out(im, key, *value ? "no host name" : "not in the topology", value);
	}
}

static void
put_address(struct import *im, const char *key, const struct topology_interface *i)
{
	if (i && is_address(i->address)) {
		put_key(im, key);
		fprintf(im->out, "\"%s\";\n", i->address);
	} else {
		left_out(im, key, i ? "no address to listen on" : "not in the topology",
		    i ? i->address : NULL);
	}
}

static void
put_port(struct import *im, const char *key, const struct topology_port *p)
{
	unsigned v = p ? port_of(p->port) : 0;

	if (v) {
		put_key(im, key);
		fprintf(im->out, "%u;\n", v);
	} else {
		left_out(im, key, p ? "no port" : "not in the topology", p ? p->port : NULL);
	}
}

static void
print_edge(struct import *im)
{
	const struct topology *t = im->t;
	bool pool = im->pool->machines->next != NULL, first = true;

	fputs("edge: {\n", im->out);
	put_name(im, "edge.fqdn", machine_name(im));
	if (pool)
		put_name(im, "edge.pool_fqdn", im->pool->fqdn);
	fputs("    sip_domains = [", im->out);
	for (const struct topology_name *d = t->domains; d; d = d->next) {
		if (!is_name(d->name))
			continue;
		fprintf(im->out, "%s \"%s\"", first ? "" : ",", d->name);
		first = false;
	}
	fputs(" ];\n", im->out);
	for (const struct topology_name *d = t->domains; d; d = d->next)
		if (!is_name(d->name))
			left_out(im, "edge.sip_domains", "no domain", d->name);
	if (pool)
		fputs("    # pool_secret: make one file for all members: openssl rand -hex 32\n",
		    im->out);
	fputs("};\n", im->out);
}

static void
print_relay_range(struct import *im)
{
	const struct topology_port *p =
	    port(im, "MediaRelayEdge", "MediaCommunication", "External", NULL);
	unsigned from = p ? port_of(p->port) : 0, n = p ? port_of(p->range) : 0;

	if (from && n && from + n - 1 <= 65535)
		fprintf(im->out, "        relay_port_min = %u;\n        relay_port_max = %u;\n",
		    from, from + n - 1);
	else
		left_out(
		    im, "external.av.relay_port_min", "no range of ports", p ? p->range : NULL);
}

static void
print_external(struct import *im)
{
	const struct topology_port *client = port(im, "AccessEdge", "SipClient", "External", NULL);
	const struct topology_port *data = port(im, "DataEdge", "PsomClient", "External", NULL);
	const struct topology_port *udp =
	    port(im, "MediaRelayEdge", "TURNServer", "External", "Udp");
	const struct topology_port *tcp =
	    port(im, "MediaRelayEdge", "TURNServer", "External", "Tcp");
	const struct topology_interface *av = interface_of(im, udp ? udp : tcp);

	fputs("external: {\n    # interface = \"eth0\";   fill in: the outer one\n    access: {\n",
	    im->out);
	put_address(im, "external.access.address", interface_of(im, client));
	put_name(im, "external.access.fqdn", client ? client->fqdn : "");
	put_port(im, "external.access.client_port", client);
	put_port(im, "external.access.federation_port",
	    port(im, "AccessEdge", "SipServer", "External", NULL));
	fputs("    };\n", im->out);
	if (data) {
		fputs("    webconf: {\n", im->out);
		put_address(im, "external.webconf.address", interface_of(im, data));
		put_name(im, "external.webconf.fqdn", data->fqdn);
		put_port(im, "external.webconf.port", data);
		fputs("    };\n", im->out);
	}
	if (udp || tcp) {
		fputs("    av: {\n", im->out);
		put_address(im, "external.av.address", av);
		if (av && is_address(av->configured))
			fprintf(im->out, "        public_address = \"%s\";\n", av->configured);
		put_name(im, "external.av.fqdn", udp ? udp->fqdn : tcp->fqdn);
		put_port(im, "external.av.udp_port", udp);
		put_port(im, "external.av.tcp_port", tcp);
		print_relay_range(im);
		fputs("    };\n", im->out);
	}
	fputs("};\n", im->out);
}

/* Clusters that speak to this edge: its next hop, and whoever depends on it. */
static bool
speaks_to_us(const struct import *im, const struct topology_service *s)
{
	if (strcmp(s->role, "Registrar") != 0 && strcmp(s->role, "MediationServer") != 0)
		return false;
	for (const struct topology_name *d = s->depends_on; d; d = d->next)
		if (*d->name && strcmp(d->name, im->edge->id) == 0)
			return true;
	for (const struct topology_name *d = im->edge->depends_on; d; d = d->next)
		if (*d->name && strcmp(d->name, s->id) == 0)
			return true;
	return false;
}

static void
print_trusted(struct import *im)
{
	const struct topology_cluster *done[64];
	size_t n_done = 0;
	bool first = true;

	fputs("    trusted_servers = [", im->out);
	for (const struct topology_service *s = im->t->services; s; s = s->next) {
		const struct topology_cluster *c = topology_cluster_of(im->t, s->cluster);
		bool again = false;

		for (size_t i = 0; i < n_done; i++)
			again |= done[i] == c;
		if (!c || again || n_done == sizeof(done) / sizeof(done[0]) || !speaks_to_us(im, s))
			continue;
		done[n_done++] = c;
		if (is_name(c->fqdn)) {
			fprintf(im->out, "%s \"%s\"", first ? "" : ",", c->fqdn);
			first = false;
		}
		for (const struct topology_machine *m = c->machines; m; m = m->next)
			if (is_name(m->fqdn) && strcasecmp(m->fqdn, c->fqdn) != 0) {
				fprintf(im->out, "%s \"%s\"", first ? "" : ",", m->fqdn);
				first = false;
			}
	}
	fputs(" ];\n", im->out);
}

static bool
is_sip_domain(const struct topology *t, const char *name)
{
	for (const struct topology_name *d = t->domains; d; d = d->next)
		if (strcasecmp(d->name, name) == 0)
			return true;
	return false;
}

static void
print_internal(struct import *im)
{
	const struct topology_port *sip = port(im, "AccessEdge", "SipServer", "Internal", NULL);
	const char *domain = strchr(machine_name(im), '.');

	fputs("internal: {\n    # interface = \"eth1\";   fill in: the inner one\n", im->out);
	put_address(
	    im, "internal.address", sip ? interface_of(im, sip) : interface_on(im, "Internal"));
	put_port(im, "internal.sip_port", sip);
	put_port(im, "internal.mras_port",
	    port(im, "MediaRelayAuthenticationEdge", "SipServer", "Internal", NULL));
	put_port(im, "internal.webconf_port", port(im, "DataEdge", "PsomServer", "Internal", NULL));
	put_port(im, "internal.av_udp_port",
	    port(im, "MediaRelayEdge", "TURNServer", "Internal", "Udp"));
	put_port(im, "internal.av_tcp_port",
	    port(im, "MediaRelayEdge", "TURNServer", "Internal", "Tcp"));
	fputs("    # networks = [ \"10.0.0.0/8\" ];   fill in: what lies inside\n", im->out);
	print_trusted(im);
	/* Names of a SIP domain are known outside: not to be hidden. */
	if (domain && is_sip_domain(im->t, domain + 1))
		fputs("    # domains = [ ];   fill in: names to hide; that of this edge is a SIP "
		      "domain\n",
		    im->out);
	else if (domain && is_name(domain + 1))
		fprintf(im->out, "    domains = [ \"%s\" ];   # from the name of this edge\n",
		    domain + 1);
	fputs("};\n", im->out);
}

static void
print_next_hop(struct import *im)
{
	for (const struct topology_name *d = im->edge->depends_on; d; d = d->next) {
		const struct topology_service *s = topology_service_of(im->t, d->name);
		const struct topology_cluster *c =
		    s ? topology_cluster_of(im->t, s->cluster) : NULL;

		if (!c || strcmp(s->role, "Registrar") != 0)
			continue;
		fputs("access: {\n    next_hop: {\n", im->out);
		put_name(im, "access.next_hop.fqdn", c->fqdn);
		for (const struct topology_port *p = s->ports; p; p = p->next)
			if (strcmp(p->owner, "Registrar") == 0 &&
			    strcmp(p->usage, "SipServer") == 0) {
				put_port(im, "access.next_hop.port", p);
				break;
			}
		fputs("        lync_front_end = true;\n    };\n};\n", im->out);
		return;
	}
	left_out(im, "access.next_hop", "the edge depends on no Registrar", NULL);
}

static bool
is_taken(const struct topology_port *p)
{
	static const char *const taken[] = {
	    "AccessEdge", "DataEdge", "MediaRelayEdge", "MediaRelayAuthenticationEdge"};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(p->owner, taken[i]) == 0)
			return true;
	return false;
}

static void
print_rest(struct import *im)
{
	unsigned n_other = 0;

	for (const struct topology_port *p = im->edge->ports; p; p = p->next)
		if (!is_taken(p)) {
			fputs("# left out: port ", im->out);
			put_foreign(im->out, p->port);
			fputs(" of ", im->out);
			put_foreign(im->out, p->owner);
			fputs(": no such service here\n", im->out);
		}
	for (const struct topology_service *s = im->t->services; s; s = s->next)
		n_other += s != im->edge;
	fprintf(im->out,
	    "# left out: %u other services of %u clusters, which are no part of an edge\n", n_other,
	    im->t->n_clusters);
	if (im->t->n_others)
		fprintf(
		    im->out, "# left out: %u further topologies in the file\n", im->t->n_others);
	fputs("# Not in a topology, fill in: certificates; internal.networks; access.allow_* and\n"
	      "# federation (Get-CsAccessEdgeConfiguration, Get-CsAllowedDomain, "
	      "Get-CsBlockedDomain,\n"
	      "# Get-CsHostingProvider, Get-CsPublicProvider); see the administrator's guide.\n",
	    im->out);
}

static void
print_all(struct import *im)
{
	fprintf(im->out, "# Made by `edgectl import-topology`. Look through it, fill in what is "
			 "missing, then: edged -n -c FILE\n");
	print_edge(im);
	print_external(im);
	print_internal(im);
	print_next_hop(im);
	if (im->t->domains && is_name(im->t->domains->name))
		fprintf(im->out, "av: { realm = \"%s\"; };\n", im->t->domains->name);
	print_rest(im);
}

/* ---- which edge ---- */

static bool
try_machine(struct import *im, const struct topology_machine *m, const char *name)
{
	const char *own = *m->fqdn ? m->fqdn : im->pool->fqdn;

	if (name && strcasecmp(name, own) != 0)
		return false;
	im->machine = m;
	return true;
}

static unsigned
choose(struct import *im, const char *name)
{
	struct import found = {0};
	unsigned n = 0;

	for (const struct topology_service *s = im->t->services; s; s = s->next) {
		if (strcmp(s->role, "EdgeServer") != 0)
			continue;
		im->edge = s;
		im->pool = topology_cluster_of(im->t, s->cluster);
		for (const struct topology_machine *m = im->pool ? im->pool->machines : NULL; m;
		     m = m->next)
			if (try_machine(im, m, name)) {
				if (n++ == 0)
					found = *im;
			}
	}
	*im = n ? found : *im;
	return n;
}

static void
list_edges(const struct import *im)
{
	for (const struct topology_service *s = im->t->services; s; s = s->next) {
		const struct topology_cluster *c = topology_cluster_of(im->t, s->cluster);

		if (strcmp(s->role, "EdgeServer") != 0 || !c)
			continue;
		for (const struct topology_machine *m = c->machines; m; m = m->next) {
			fputs("  ", im->err);
			put_foreign(im->err, *m->fqdn ? m->fqdn : c->fqdn);
			fputs("  of ", im->err);
			put_foreign(im->err, c->fqdn);
			fputc('\n', im->err);
		}
	}
}

static int
import(struct import *im, const char *path, const char *name)
{
	unsigned n = choose(im, name);

	if (n == 1) {
		print_all(im);
		return 0;
	}
	fprintf(im->err, "edgectl: %s: %s\n", path,
	    n == 0 && name ? "there is no edge of that name; there are:"
	    : n == 0       ? "there is no edge in this topology"
			   : "there are several edges; name one:");
	list_edges(im);
	return 1;
}

/* ---- the file ---- */

static char *
read_file(const char *path, size_t *ret_n)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *p = f ? malloc(TOPOLOGY_BYTES_MAX + 1u) : NULL;
	bool bad;

	if (!p) {
		if (f && f != stdin)
			fclose(f);
		return NULL;
	}
	*ret_n = fread(p, 1, TOPOLOGY_BYTES_MAX + 1u, f);
	bad = ferror(f);
	if (f != stdin)
		fclose(f);
	if (!bad)
		return p;
	free(p);
	return NULL;
}

int
import_topology(const char *path, const char *name, FILE *out, FILE *err)
{
	struct topology t;
	struct import im = {.out = out, .err = err, .t = &t};
	struct arena arena;
	const char *why;
	uint32_t line;
	size_t n = 0;
	char *p = read_file(path, &n);
	int r;

	if (!p) {
		fprintf(err, "edgectl: %s: cannot be read\n", path);
		return 1;
	}
	arena_init(&arena, NULL, 0, TOPOLOGY_ARENA_CAP);
	r = topology_read((struct str){p, n}, &arena, &t, &line, &why);
	if (r < 0) {
		fprintf(err, "edgectl: %s:%u: %s\n", path, line, why);
		if (n >= 2 && p[0] == 'P' && p[1] == 'K')
			fputs(
			    "edgectl: this is a zip archive: take DocItemSet.xml out of it\n", err);
		r = 1;
	} else {
		r = import(&im, path, name);
	}
	arena_done(&arena);
	free(p);
	return r;
}

/* SPDX-License-Identifier: MIT */
#include "proto/topology/topology.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

/* Namespaces that the parts of a topology come from; the year behind them differs by part. */
#define NS_DEPLOY "urn:schema:Microsoft.Rtc.Management.Deploy."
#define SEPARATOR '\n'

struct reader {
	XML_Parser xml;
	struct arena *arena;
	struct topology *t;
	const char *why;
	int error;
	uint32_t depth, n_items;
	uint32_t topology_at; /* depth of the topology that is read; 0: outside of one */
	bool seen;            /* one was read */
	/* What is open, with the depth it was opened at; 0: none. */
	struct topology_cluster *cluster;
	struct topology_machine *machine;
	struct topology_service *service;
	struct topology_name *dependency;
	uint32_t cluster_at, machine_at, service_at, dependency_at;
	const char *default_domain;
	/* Ends of the lists. */
	struct topology_name **domains_end, **depends_end;
	struct topology_cluster **clusters_end;
	struct topology_machine **machines_end;
	struct topology_interface **interfaces_end;
	struct topology_service **services_end;
	struct topology_port **ports_end;
};

static void
give_up(struct reader *r, int error, const char *why)
{
	if (r->error == ED_OK) {
		r->error = error;
		r->why = why;
	}
	XML_StopParser(r->xml, XML_FALSE);
}

static void *
new_item(struct reader *r, size_t size)
{
	void *p;

	if (++r->n_items > TOPOLOGY_ITEMS_MAX) {
		give_up(r, ED_LIMIT, "too many clusters, machines, services and ports");
		return NULL;
	}
	p = arena_calloc(r->arena, 1, size);
	if (!p)
		give_up(r, ED_NOMEM, "out of memory");
	return p;
}

static const char *
keep(struct reader *r, const char *text)
{
	size_t n = strlen(text);
	char *p;

	if (n > TOPOLOGY_TEXT_MAX) {
		give_up(r, ED_LIMIT, "an attribute is longer than 255 octets");
		return "";
	}
	p = arena_alloc(r->arena, n + 1);
	if (!p) {
		give_up(r, ED_NOMEM, "out of memory");
		return "";
	}
	memcpy(p, text, n + 1);
	return p;
}

/* Value of an attribute, kept; "" when it is not there. */
static const char *
attr(struct reader *r, const char **attrs, const char *name)
{
	for (; *attrs; attrs += 2)
		if (strcmp(attrs[0], name) == 0)
			return keep(r, attrs[1]);
	return "";
}

/* "Site:Number" and the like: ids of the published form are made of parts. */
static const char *
joined(struct reader *r, const char *a, const char *b, const char *c)
{
	struct str s = arena_fmt(r->arena, "%s:%s:%s", a, b, c);
	char *p = arena_alloc(r->arena, s.n + 1);

	if (!s.p || !p) {
		give_up(r, ED_NOMEM, "out of memory");
		return "";
	}
	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

/* ---- elements ---- */

static void
open_domain(struct reader *r, const char **attrs)
{
	struct topology_name *d = new_item(r, sizeof(*d));

	if (!d)
		return;
	d->name = attr(r, attrs, "Name");
	r->t->n_domains++;
	if (r->default_domain && strcasecmp(d->name, r->default_domain) == 0) {
		d->next = r->t->domains;
		r->t->domains = d;
		if (!d->next)
			r->domains_end = &d->next;
		return;
	}
	*r->domains_end = d;
	r->domains_end = &d->next;
}

static void
open_cluster(struct reader *r, const char **attrs)
{
	struct topology_cluster *c = new_item(r, sizeof(*c));

	if (!c)
		return;
	c->id = attr(r, attrs, "UniqueId");
	c->fqdn = attr(r, attrs, "Fqdn");
	*r->clusters_end = c;
	r->clusters_end = &c->next;
	r->machines_end = &c->machines;
	r->cluster = c;
	r->cluster_at = r->depth;
	r->t->n_clusters++;
}

static void
open_cluster_id(struct reader *r, const char **attrs)
{
	const char *id = joined(r, attr(r, attrs, "SiteId"), attr(r, attrs, "Number"), "");

	if (r->service && !r->dependency && !*r->service->cluster)
		r->service->cluster = id;
	else if (r->cluster && !r->service && !*r->cluster->id)
		r->cluster->id = id;
}

static void
open_machine(struct reader *r, const char **attrs)
{
	struct topology_machine *m = r->cluster ? new_item(r, sizeof(*m)) : NULL;

	if (!m)
		return;
	m->fqdn = attr(r, attrs, "Fqdn");
	*r->machines_end = m;
	r->machines_end = &m->next;
	r->interfaces_end = &m->interfaces;
	r->machine = m;
	r->machine_at = r->depth;
}

static void
open_interface(struct reader *r, const char **attrs)
{
	struct topology_interface *i = r->machine ? new_item(r, sizeof(*i)) : NULL;

	if (!i)
		return;
	i->side = attr(r, attrs, "InterfaceSide");
	i->number = attr(r, attrs, "InterfaceNumber");
	i->address = attr(r, attrs, "IPAddress");
	i->configured = attr(r, attrs, "ConfiguredIPAddress");
	*r->interfaces_end = i;
	r->interfaces_end = &i->next;
}

static void
open_service(struct reader *r, const char **attrs)
{
	struct topology_service *s = new_item(r, sizeof(*s));

	if (!s)
		return;
	s->id = attr(r, attrs, "UniqueId");
	s->role = attr(r, attrs, "RoleName");
	s->cluster = attr(r, attrs, "InstalledOn");
	*r->services_end = s;
	r->services_end = &s->next;
	r->depends_end = &s->depends_on;
	r->ports_end = &s->ports;
	r->service = s;
	r->service_at = r->depth;
	r->t->n_services++;
}

static void
open_service_id(struct reader *r, const char **attrs)
{
	const char *role = attr(r, attrs, "RoleName");
	const char *id = joined(r, attr(r, attrs, "SiteId"), role, attr(r, attrs, "Instance"));

	if (r->dependency) {
		r->dependency->name = id;
	} else if (r->service && !*r->service->id) {
		r->service->id = id;
		r->service->role = role;
	}
}

static void
open_dependency(struct reader *r, const char **attrs)
{
	struct topology_name *d = r->service ? new_item(r, sizeof(*d)) : NULL;

	if (!d)
		return;
	d->name = attr(r, attrs, "ServiceUniqueId");
	*r->depends_end = d;
	r->depends_end = &d->next;
	r->dependency = d;
	r->dependency_at = r->depth;
}

static void
open_port(struct reader *r, const char **attrs)
{
	static const char component[] = "urn:component:";
	struct topology_port *p = r->service ? new_item(r, sizeof(*p)) : NULL;

	if (!p)
		return;
	p->owner = attr(r, attrs, "Owner");
	if (strncmp(p->owner, component, sizeof(component) - 1) == 0)
		p->owner += sizeof(component) - 1;
	p->usage = attr(r, attrs, "Usage");
	p->side = attr(r, attrs, "InterfaceSide");
	p->number = attr(r, attrs, "InterfaceNumber");
	p->port = attr(r, attrs, "Port");
	p->protocol = attr(r, attrs, "Protocol");
	p->range = attr(r, attrs, "Range");
	p->fqdn = attr(r, attrs, "ConfiguredFqdn");
	*r->ports_end = p;
	r->ports_end = &p->next;
}

static void
open_domains(struct reader *r, const char **attrs)
{
	r->default_domain = attr(r, attrs, "DefaultDomain");
}

static const struct {
	const char *name;
	void (*open)(struct reader *r, const char **attrs);
} elements[] = {{"InternalDomains", open_domains}, {"InternalDomain", open_domain},
    {"Cluster", open_cluster}, {"ClusterId", open_cluster_id}, {"Machine", open_machine},
    {"NetInterface", open_interface}, {"Service", open_service}, {"ServiceId", open_service_id},
    {"Dependency", open_dependency}, {"Port", open_port}};

/* ---- expat ---- */

static void
on_start(void *arg, const char *name, const char **attrs)
{
	struct reader *r = arg;
	const char *local = strchr(name, SEPARATOR);

	if (++r->depth > TOPOLOGY_DEPTH_MAX) {
		give_up(r, ED_LIMIT, "elements stand in one another more than 64 deep");
		return;
	}
	if (!local || strncmp(name, NS_DEPLOY, sizeof(NS_DEPLOY) - 1) != 0)
		return;
	local++;
	if (r->topology_at == 0) {
		if (strcmp(local, "Topology") != 0 && strcmp(local, "PartialTopology") != 0)
			return;
		if (r->seen) {
			r->t->n_others++;
			return;
		}
		r->seen = true;
		r->topology_at = r->depth;
		return;
	}
	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (strcmp(elements[i].name, local) == 0)
			elements[i].open(r, attrs);
}

static void
on_end(void *arg, const char *name)
{
	struct reader *r = arg;

	if (r->depth == r->dependency_at) {
		r->dependency = NULL;
		r->dependency_at = 0;
	} else if (r->depth == r->service_at) {
		r->service = NULL;
		r->service_at = 0;
	} else if (r->depth == r->machine_at) {
		r->machine = NULL;
		r->machine_at = 0;
	} else if (r->depth == r->cluster_at) {
		r->cluster = NULL;
		r->cluster_at = 0;
	} else if (r->depth == r->topology_at) {
		r->topology_at = 0;
	}
	r->depth--;
}

static void
on_doctype(void *arg, const char *name, const char *sysid, const char *pubid, int has_internal)
{
	give_up(arg, ED_UNSUPPORTED, "a document type declaration has no place here");
}

/* What PowerShell redirects to a file is UTF-16, whatever the declaration in it says. */
static bool
is_utf16(struct str s)
{
	return s.n >= 2 && (memcmp(s.p, "\xff\xfe", 2) == 0 || memcmp(s.p, "\xfe\xff", 2) == 0);
}

static int
finish(struct reader *r, enum XML_Status status)
{
	if (r->error == ED_OK && status != XML_STATUS_OK) {
		r->error =
		    XML_GetErrorCode(r->xml) == XML_ERROR_NO_MEMORY ? ED_NOMEM : ED_MALFORMED;
		r->why = XML_ErrorString(XML_GetErrorCode(r->xml));
	}
	if (r->error == ED_OK && !r->seen) {
		r->error = ED_MALFORMED;
		r->why = "there is no topology in it";
	}
	return r->error;
}

int
topology_read(struct str bytes, struct arena *arena, struct topology *ret, uint32_t *ret_line,
    const char **ret_why)
{
	struct topology t = {0};
	struct reader r = {.arena = arena,
	    .t = &t,
	    .domains_end = &t.domains,
	    .clusters_end = &t.clusters,
	    .services_end = &t.services,
	    .why = ""};
	int error;

	*ret_line = 0;
	if (bytes.n > TOPOLOGY_BYTES_MAX) {
		*ret_why = "larger than 16 MiB";
		return ED_LIMIT;
	}
	r.xml = XML_ParserCreateNS(is_utf16(bytes) ? "UTF-16" : NULL, SEPARATOR);
	if (!r.xml) {
		*ret_why = "out of memory";
		return ED_NOMEM;
	}
	XML_SetUserData(r.xml, &r);
	XML_SetElementHandler(r.xml, on_start, on_end);
	XML_SetStartDoctypeDeclHandler(r.xml, on_doctype);
	error = finish(&r, XML_Parse(r.xml, bytes.p, (int)bytes.n, 1));
	*ret_line = (uint32_t)XML_GetCurrentLineNumber(r.xml);
	*ret_why = r.why;
	XML_ParserFree(r.xml);
	if (error == ED_OK)
		*ret = t;
	return error;
}

const struct topology_cluster *
topology_cluster_of(const struct topology *t, const char *id)
{
	for (const struct topology_cluster *c = t->clusters; c; c = c->next)
		if (*id && strcmp(c->id, id) == 0)
			return c;
	return NULL;
}

const struct topology_service *
topology_service_of(const struct topology *t, const char *id)
{
	for (const struct topology_service *s = t->services; s; s = s->next)
		if (*id && strcmp(s->id, id) == 0)
			return s;
	return NULL;
}

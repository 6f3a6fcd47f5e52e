/* SPDX-License-Identifier: MIT
 *
 * conf/listen.c: roles to listeners.
 */
#include "conf/listen.h"

#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"

bool
role_is_wanted(const struct conf *c, enum role role)
{
	switch (role) {
	case ROLE_KEYD:
		return true;
	case ROLE_ACCESS:
		return c->external.access.addresses.n > 0;
	case ROLE_WEBCONF:
		return c->external.webconf.addresses.n > 0;
	case ROLE_AV:
	case ROLE_AVAUTH:
		return c->external.av.address.n > 0;
	default:
		return false;
	}
}

unsigned
role_workers(const struct conf *c, enum role role)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = 1;

	if (role == ROLE_ACCESS)
		n = c->access.workers;
	else if (role == ROLE_AV)
		n = c->av.workers;
	if (n == 0)
		n = cores > 0 ? (unsigned)cores : 1;
	return n < 64 ? n : 64;
}

struct plan {
	const struct conf *c;
	struct listen_spec *v;
	size_t n, room;
};

struct wish { /* what a listener is, apart from where */
	enum role role;
	enum svc_listener_kind kind;
	bool udp;
	const char *key, *name;
};

static void
add_port(struct plan *p, const struct wish *w, const struct conf_list *addresses,
    const char *device, uint16_t port)
{
	for (uint32_t i = 0; i < addresses->n && port > 0 && p->n < p->room; i++) {
		struct listen_spec *s = &p->v[p->n];

		*s = (struct listen_spec){.role = w->role,
		    .kind = w->kind,
		    .udp = w->udp,
		    .key = w->key,
		    .name = w->name};
		if (addr_parse_ip(&s->addr, str_of(addresses->v[i])) < 0)
			continue;
		s->addr.port = port;
		snprintf(s->device, sizeof(s->device), "%s", device);
		p->n++;
	}
}

static void
plan_access(struct plan *p)
{
	const struct conf *c = p->c;
	const char *out = c->external.interface;
	/* One port for both: then it is the federation listener, which asks for a certificate. */
	bool one = c->external.access.client_port == c->external.access.federation_port;

	if (!one)
		add_port(p,
		    &(struct wish){ROLE_ACCESS, SVC_LISTEN_ACCESS_CLIENT, false,
			"external.access.client_port", "Access Edge, clients"},
		    &c->external.access.addresses, out, c->external.access.client_port);
	add_port(p,
	    &(struct wish){ROLE_ACCESS, SVC_LISTEN_ACCESS_FEDERATION, false,
		"external.access.federation_port", "Access Edge, federation"},
	    &c->external.access.addresses, out, c->external.access.federation_port);
	add_port(p,
	    &(struct wish){ROLE_ACCESS, SVC_LISTEN_ACCESS_INTERNAL, false, "internal.sip_port",
		"Access Edge, inside"},
	    &c->internal.addresses, c->internal.interface, c->internal.sip_port);
}

static void
plan_webconf(struct plan *p)
{
	const struct conf *c = p->c;

	add_port(p,
	    &(struct wish){ROLE_WEBCONF, SVC_LISTEN_WEBCONF_CLIENT, false, "external.webconf.port",
		"Web Conferencing Edge, clients"},
	    &c->external.webconf.addresses, c->external.interface, c->external.webconf.port);
	add_port(p,
	    &(struct wish){ROLE_WEBCONF, SVC_LISTEN_WEBCONF_INTERNAL, false,
		"internal.webconf_port", "Web Conferencing Edge, inside"},
	    &c->internal.addresses, c->internal.interface, c->internal.webconf_port);
}

static void
plan_av(struct plan *p)
{
	const struct conf *c = p->c;
	const struct {
		struct wish w;
		bool outside;
		uint16_t port;
	} rows[] = {
	    {{ROLE_AV, SVC_LISTEN_AV_UDP_EXTERNAL, true, "external.av.udp_port", "A/V Edge, UDP"},
		true, c->external.av.udp_port},
	    {{ROLE_AV, SVC_LISTEN_AV_TCP_EXTERNAL, false, "external.av.tcp_port", "A/V Edge, TCP"},
		true, c->external.av.tcp_port},
	    {{ROLE_AV, SVC_LISTEN_AV_STANDARD_TCP, false, "external.av.standard_tcp_port",
		 "A/V Edge, standard TCP"},
		true, c->external.av.standard_tcp_port},
	    {{ROLE_AV, SVC_LISTEN_AV_TLS, false, "external.av.tls_port", "A/V Edge, TLS"}, true,
		c->external.av.tls_port},
	    {{ROLE_AV, SVC_LISTEN_AV_UDP_INTERNAL, true, "internal.av_udp_port",
		 "A/V Edge, UDP inside"},
		false, c->internal.av_udp_port},
	    {{ROLE_AV, SVC_LISTEN_AV_TCP_INTERNAL, false, "internal.av_tcp_port",
		 "A/V Edge, TCP inside"},
		false, c->internal.av_tcp_port},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		add_port(p, &rows[i].w,
		    rows[i].outside ? &c->external.av.address : &c->internal.addresses,
		    rows[i].outside ? c->external.interface : c->internal.interface, rows[i].port);
}

size_t
listen_plan(const struct conf *c, struct listen_spec *ret, size_t room)
{
	struct plan p = {.c = c, .v = ret, .room = room};

	if (role_is_wanted(c, ROLE_ACCESS))
		plan_access(&p);
	if (role_is_wanted(c, ROLE_WEBCONF))
		plan_webconf(&p);
	if (role_is_wanted(c, ROLE_AV))
		plan_av(&p);
	if (role_is_wanted(c, ROLE_AVAUTH))
		add_port(&p,
		    &(struct wish){ROLE_AVAUTH, SVC_LISTEN_MRAS, false, "internal.mras_port",
			"A/V Authentication"},
		    &c->internal.addresses, c->internal.interface, c->internal.mras_port);
	return p.n;
}

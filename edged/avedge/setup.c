/* SPDX-License-Identifier: MIT
 *
 * avedge/setup.c: the options as proto/turn wants them.
 */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "avedge/internal.h"
#include "conf/conf.h"
#include "net/tls.h"
#include "svc/log.h"

static int
family_slot(const struct addr *a)
{
	return a->family == 6;
}

/* One address per family; public ones take the place of those they belong to. */
static int
relay_addresses(const struct conf *conf, struct turn_policy *p, const char **ret_why)
{
	struct addr a;

	for (uint32_t i = 0; i < conf->external.av.address.n; i++) {
		if (addr_parse_ip(&a, str_of(conf->external.av.address.v[i])) < 0) {
			*ret_why = "external.av.address: not an address";
			return ED_MALFORMED;
		}
		p->relay_bind[family_slot(&a)] = p->relay_public[family_slot(&a)] = a;
	}
	for (uint32_t i = 0; i < conf->external.av.public_address.n; i++) {
		if (!conf->external.av.public_address.v[i][0])
			continue;
		if (addr_parse_ip(&a, str_of(conf->external.av.public_address.v[i])) < 0) {
			*ret_why = "external.av.public_address: not an address";
			return ED_MALFORMED;
		}
		p->relay_public[family_slot(&a)] = a;
	}
	return ED_OK;
}

static int
nets(const struct conf_list *list, struct addr_net *v, uint32_t *ret_n, const char *what,
    const char **ret_why)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (*ret_n >= TURN_POLICY_NETS ||
		    addr_net_parse(&v[*ret_n], str_of(list->v[i])) < 0) {
			*ret_why = what;
			return ED_MALFORMED;
		}
		(*ret_n)++;
	}
	return ED_OK;
}

static void
add_own(struct turn_policy *p, const char *text)
{
	struct addr a;

	if (text && text[0] && p->n_own < TURN_POLICY_OWN &&
	    addr_parse_ip(&a, str_of(text)) == ED_OK)
		p->own[p->n_own++] = a;
}

/* Every other address of this machine: what listens there was not meant for our clients either. */
static void
add_machine(const struct avedge *av, struct turn_policy *p)
{
	for (uint32_t i = 0; i < av->n_own && p->n_own < TURN_POLICY_OWN; i++) {
		const struct addr *a = &av->own[i], *bind = &p->relay_bind[family_slot(a)];

		if (!addr_ip_eq(a, bind) && !addr_ip_eq(a, &p->relay_public[family_slot(a)]))
			p->own[p->n_own++] = *a;
	}
}

void
avedge_read_machine(struct avedge *av)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0) {
		log_warning(AREA_TURN, "", "addresses_unknown",
		    "lost=\"refusal of addresses of this machine that are not configured\"");
		return;
	}
	for (struct ifaddrs *i = all; i && av->n_own < TURN_POLICY_OWN; i = i->ifa_next) {
		socklen_t len = i->ifa_addr && i->ifa_addr->sa_family == AF_INET6
				    ? sizeof(struct sockaddr_in6)
				    : sizeof(struct sockaddr_in);

		if (i->ifa_addr && !(i->ifa_flags & IFF_LOOPBACK) &&
		    addr_from_sockaddr(&av->own[av->n_own], i->ifa_addr, len) == ED_OK)
			av->n_own++;
	}
	freeifaddrs(all);
}

static int
policy(
    const struct avedge *av, const struct conf *conf, struct turn_policy *p, const char **ret_why)
{
	const char *inside = conf->av.inside_peers;
	int r = relay_addresses(conf, p, ret_why);

	if (r == ED_OK)
		r = nets(&conf->internal.networks, p->inside, &p->n_inside,
		    "internal.networks: not a network, or too many", ret_why);
	if (r == ED_OK)
		r = nets(&conf->av.allowed_peers, p->allowed, &p->n_allowed,
		    "av.allowed_peers: not a network, or too many", ret_why);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < conf->external.access.addresses.n; i++)
		add_own(p, conf->external.access.addresses.v[i]);
	for (uint32_t i = 0; i < conf->external.webconf.addresses.n; i++)
		add_own(p, conf->external.webconf.addresses.v[i]);
	for (uint32_t i = 0; i < conf->internal.addresses.n; i++)
		add_own(p, conf->internal.addresses.v[i]);
	add_machine(av, p);
	p->relay_port_min = conf->external.av.relay_port_min;
	p->relay_port_max = conf->external.av.relay_port_max;
	p->inside_from_internal = inside && strcmp(inside, "none") != 0;
	p->inside_from_external = inside && strcmp(inside, "all") == 0;
	p->loopback = conf->av.loopback_peers && conf->edge.lab;
	return ED_OK;
}

static void
limits(const struct conf *conf, struct turn_limits *lim)
{
	uint32_t per_s = conf->av.limits.challenges_per_s;

	*lim = turn_limits_default;
	/* Each port four times: UDP and TCP, IPv4 and IPv6. Before that the ports run out, and the
	 * log says who holds them. */
	lim->allocations = 4u * ((uint32_t)conf->external.av.relay_port_max -
				    conf->external.av.relay_port_min + 1);
	lim->allocations_per_user = conf->av.limits.allocations_per_user;
	lim->allocations_per_address = conf->av.limits.allocations_per_address;
	lim->kbit_per_port = conf->av.limits.kbit_per_port;
	lim->kbit_per_user = conf->av.limits.kbit_per_user;
	lim->challenge = (struct turn_rate){per_s, per_s * 5};
	lim->binding = (struct turn_rate){per_s * 5, per_s * 10};
	lim->lifetime_s = conf->av.limits.lifetime_s;
	lim->refresh_grace_s = conf->av.limits.refresh_grace_s;
	if (per_s == 0) /* nothing of a source is bounded then: measurements */
		lim->keys_waiting_per_address = lim->keys_waiting;
}

int
avedge_turn_conf(
    struct avedge *av, const struct conf *conf, struct turn_conf *ret, const char **ret_why)
{
	struct turn_conf c = {.random = svc_random, .hash_key = *svc_hash_key(av->svc)};
	size_t n = strlen(conf->av.realm);
	int r;

	if (n == 0 || n > TURN_REALM_MAX) {
		*ret_why = "av.realm: 1 to 128 characters";
		return ED_MALFORMED;
	}
	memcpy(c.realm, conf->av.realm, n + 1);
	limits(conf, &c.limits);
	c.mtu = av->mtu;
	c.tcp_allocations = conf->av.tcp_allocations;
	r = policy(av, conf, &c.policy, ret_why);
	if (r < 0)
		return r;
	c.n_listeners = av->n_listeners;
	memcpy(c.listeners, av->listen_at, sizeof(c.listeners));
	for (uint8_t i = 0; i < c.n_listeners; i++) {
		struct addr *reach = &c.listeners[i].reach;
		uint16_t port = reach->port;

		/* ms-turn 5.10: what this client can reach; the inside is never translated */
		if (c.listeners[i].leg == TURN_LEG_EXTERNAL) {
			*reach = c.policy.relay_public[family_slot(reach)];
			reach->port = port;
		}
	}
	*ret = c;
	return ED_OK;
}

static void
add_identity(struct avedge *av, struct tls_server_conf *sc, struct tls_identity *ids,
    const struct conf_cert *cert)
{
	if (cert->chain_pem && cert->chain_pem[0])
		ids[sc->n_ids++] = (struct tls_identity){.chain_pem = str_of(cert->chain_pem),
		    .keys = svc_keys(av->svc),
		    .slot = (uint16_t)cert->slot};
}

int
avedge_tls_new(
    struct avedge *av, const struct conf *conf, struct tls_ctx **ret, const char **ret_why)
{
	struct tls_identity ids[2];
	struct tls_server_conf sc = {.ids = ids, .peer = TLS_PEER_NONE};
	struct ed_fault fault = {.what = "certificates.external"};
	int r;

	*ret = NULL;
	if (conf->external.av.tls_port == 0)
		return ED_OK;
	add_identity(av, &sc, ids, &conf->certificates.external);
	add_identity(av, &sc, ids, &conf->certificates.external_ecdsa);
	if (sc.n_ids == 0) {
		*ret_why = "external.av.tls_port needs certificates.external";
		return ED_STATE;
	}
	r = tls_server_new(&sc, ret, &fault);
	if (r < 0)
		*ret_why = fault.what;
	return r;
}

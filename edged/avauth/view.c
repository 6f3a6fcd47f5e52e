/* SPDX-License-Identifier: MIT */
#include "avauth/view.h"

#include <stdlib.h>

#include "base/addr.h"
#include "conf/conf.h"
#include "net/tls.h"
#include "sipparse/uri.h"

#define VIEW_MEMORY (1u << 20)

static struct str
keep(struct view *v, const char *z)
{
	return z && *z ? arena_str(&v->arena, str_of(z)) : STR_NONE;
}

static int
keep_list(struct view *v, const struct conf_list *l, struct str **ret, uint32_t *ret_n)
{
	*ret = arena_calloc(&v->arena, l->n, sizeof(**ret));
	if (!*ret)
		return ED_NOMEM;
	for (uint32_t i = 0; i < l->n; i++)
		(*ret)[i] = keep(v, l->v[i]);
	*ret_n = l->n;
	return ED_OK;
}

static void
add_relay(struct view *v, enum mras_location where, bool is_address, const char *host, uint16_t udp,
    uint16_t tcp)
{
	if (!host || !*host || v->n_relays >= VIEW_RELAYS_MAX)
		return;
	v->relays[v->n_relays++] = (struct mras_relay){.location = where,
	    .is_address = is_address,
	    .host = keep(v, host),
	    .udp_port = udp,
	    .tcp_port = tcp};
}

/* mras.md 7: intranet first, then internet; names for everybody, addresses for those that must pin
 * one relay. */
static void
read_relays(struct view *v, const struct conf *c)
{
	const struct conf_list *outside = &c->external.av.public_address;
	uint16_t udp = c->external.av.udp_port, tcp = c->external.av.tcp_port;

	if (outside->n == 0 || !outside->v[0][0])
		outside = &c->external.av.address;
	add_relay(v, MRAS_INTRANET, false,
	    c->edge.pool_fqdn && *c->edge.pool_fqdn ? c->edge.pool_fqdn : c->edge.fqdn,
	    c->internal.av_udp_port, c->internal.av_tcp_port);
	for (uint32_t i = 0; i < c->internal.addresses.n; i++)
		add_relay(v, MRAS_INTRANET, true, c->internal.addresses.v[i],
		    c->internal.av_udp_port, c->internal.av_tcp_port);
	add_relay(v, MRAS_INTERNET, false, c->external.av.fqdn, udp, tcp);
	/* Without a name an address stands in its place: hostName may be a literal (5). */
	if ((!c->external.av.fqdn || !*c->external.av.fqdn) && outside->n)
		add_relay(v, MRAS_INTERNET, false, outside->v[0], udp, tcp);
	for (uint32_t i = 0; i < outside->n; i++)
		add_relay(v, MRAS_INTERNET, true, outside->v[i], udp, tcp);
}

static int
make_tls(struct view *v, const struct conf *c, struct keycall *keys, const char **ret_why)
{
	struct ed_fault fault = {.what = "certificates.internal is missing"};
	struct tls_identity id = {.chain_pem = str_of(c->certificates.internal.chain_pem),
	    .keys = keys,
	    .slot = (uint16_t)c->certificates.internal.slot};
	struct tls_server_conf sc = {.ids = &id,
	    .n_ids = 1,
	    .peer = TLS_PEER_REQUIRED,
	    .trust_pem = str_of(c->certificates.internal_trust_pem)};
	int r = id.chain_pem.n ? tls_server_new(&sc, &v->tls, &fault) : ED_STATE;

	if (r < 0)
		*ret_why = fault.what;
	return r;
}

int
view_new(const struct conf *c, struct keycall *keys, struct view **ret, const char **ret_why)
{
	struct view *v = calloc(1, sizeof(*v));
	int r = ED_NOMEM;

	*ret_why = "out of memory";
	if (!v)
		return ED_NOMEM;
	v->refs = 1;
	arena_init(&v->arena, NULL, 0, VIEW_MEMORY);
	r = keep_list(v, &c->internal.trusted_servers, &v->trusted, &v->n_trusted);
	if (r == ED_OK)
		r = keep_list(v, &c->edge.sip_domains, &v->domains, &v->n_domains);
	if (r < 0)
		goto out;
	v->names[0] = keep(v, c->edge.fqdn);
	v->names[1] = keep(v, c->edge.pool_fqdn);
	v->realm = keep(v, c->av.realm);
	v->has_key = c->certificates.av_auth.chain_pem && *c->certificates.av_auth.chain_pem;
	read_relays(v, c);
	if (keys)
		r = make_tls(v, c, keys, ret_why);
	if (r < 0)
		goto out;
	*ret = v;
	v = NULL;
out:
	view_unref(v);
	return r;
}

struct view *
view_ref(struct view *v)
{
	v->refs++;
	return v;
}

struct view *
view_unref(struct view *v)
{
	if (!v || --v->refs > 0)
		return NULL;
	if (v->tls)
		tls_ctx_unref(v->tls);
	arena_done(&v->arena);
	free(v);
	return NULL;
}

bool
view_trusts(const struct view *v, const struct tls_facts *facts)
{
	for (uint32_t i = 0; i < v->n_trusted; i++)
		if (tls_facts_match(facts, v->trusted[i], true))
			return true;
	return false;
}

static bool
is_domain(const struct view *v, struct str host)
{
	for (uint32_t i = 0; i < v->n_domains; i++)
		if (str_eq_nocase(v->domains[i], host))
			return true;
	return false;
}

bool
view_has_domain(const struct view *v, struct str text)
{
	struct sip_uri uri;
	struct ed_fault fault;

	return sip_uri_parse(text, &uri, &fault) == ED_OK && uri.scheme != SIP_SCHEME_OTHER &&
	       is_domain(v, uri.host);
}

bool
view_is_target(const struct view *v, struct str text)
{
	struct sip_uri uri;
	struct ed_fault fault;

	if (sip_uri_parse(text, &uri, &fault) < 0 || uri.scheme == SIP_SCHEME_OTHER)
		return false;
	return uri.host_is_v4 || uri.host_is_v6 || str_eq_nocase(uri.host, v->names[0]) ||
	       (v->names[1].n && str_eq_nocase(uri.host, v->names[1])) || is_domain(v, uri.host);
}

bool
view_has_relays(const struct view *v, bool directip, enum mras_location location)
{
	for (uint32_t i = 0; i < v->n_relays; i++)
		if (v->relays[i].is_address == directip &&
		    (location == MRAS_ANYWHERE || v->relays[i].location == location))
			return true;
	return false;
}

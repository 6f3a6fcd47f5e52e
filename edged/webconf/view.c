/* SPDX-License-Identifier: MIT */
#include "webconf/view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/wipe.h"
#include "net/keycall.h"
#include "net/keyproto.h"
#include "net/tls.h"

static struct str
keep(struct view *v, const char *text)
{
	return arena_str(&v->arena, str_of(text ? text : ""));
}

static int
read_choices(struct view *v, const struct conf *conf, const char **ret_why)
{
	struct ed_fault fault;
	struct str adm = str_of(conf->webconf.admission);
	struct str proxy = str_of(conf->webconf.inside.proxy_protocol);

	v->lim = conf->webconf.limits;
	v->admission = str_eq(adm, STR("none"))         ? ADMISSION_NONE
		       : str_eq(adm, STR("sni-ticket")) ? ADMISSION_SNI_TICKET
							: ADMISSION_PREFACE;
	v->dials = str_eq(str_of(conf->webconf.inside.mode), STR("dial"));
	v->proxy = str_eq(proxy, STR("before_tls"))   ? PROXY_BEFORE_TLS
		   : str_eq(proxy, STR("inside_tls")) ? PROXY_INSIDE_TLS
						      : PROXY_NONE;
	if (psom_framing_read(str_of(conf->webconf.framing), &v->framing, &v->framed, &fault) < 0) {
		*ret_why = fault.what;
		return ED_MALFORMED;
	}
	if (v->lim.buffer_low_mb > v->lim.buffer_high_mb) {
		*ret_why = "webconf.limits.buffer_low_mb is above buffer_high_mb";
		return ED_MALFORMED;
	}
	v->ticket_suffix = keep(v, conf->webconf.ticket_suffix && *conf->webconf.ticket_suffix
				       ? conf->webconf.ticket_suffix
				       : conf->external.webconf.fqdn);
	v->default_server = keep(v, conf->webconf.default_server);
	if (v->admission == ADMISSION_SNI_TICKET && v->ticket_suffix.n == 0) {
		*ret_why = "sni-ticket needs webconf.ticket_suffix or external.webconf.fqdn";
		return ED_MALFORMED;
	}
	return ED_OK;
}

static int
read_trusted(struct view *v, const struct conf *conf)
{
	const struct conf_list *l = &conf->internal.trusted_servers;

	v->trusted = arena_calloc(&v->arena, l->n, sizeof(*v->trusted));
	if (!v->trusted)
		return ED_NOMEM;
	for (uint32_t i = 0; i < l->n; i++)
		v->trusted[i] = keep(v, l->v[i]);
	v->n_trusted = l->n;
	return ED_OK;
}

static struct tls_identity
identity(const struct conf_cert *c, struct keycall *keys)
{
	return (struct tls_identity){
	    .chain_pem = str_of(c->chain_pem), .keys = keys, .slot = (uint16_t)c->slot};
}

static bool
has_cert(const struct conf_cert *c)
{
	return c->chain_pem && *c->chain_pem;
}

static uint32_t
ticket_period(void)
{
	return (uint32_t)(time(NULL) / KEYPROTO_TICKET_PERIOD_S);
}

static int
make_external(struct view *v, const struct conf *conf, struct keycall *keys, struct ed_fault *fault)
{
	struct tls_identity ids[2];
	struct tls_server_conf sc = {.ids = ids, .peer = TLS_PEER_NONE};
	uint32_t period = ticket_period();
	int r;

	if (!has_cert(&conf->certificates.external))
		return ed_fail(fault, ED_STATE, 0, "certificates.external is missing");
	ids[sc.n_ids++] = identity(&conf->certificates.external, keys);
	if (has_cert(&conf->certificates.external_ecdsa))
		ids[sc.n_ids++] = identity(&conf->certificates.external_ecdsa, keys);
	/* A name that is a ticket is used once: there is nothing to resume, and TLS 1.2 would bring
	 * the name of the first handshake. */
	sc.tickets = v->admission != ADMISSION_SNI_TICKET;
	sc.have_ticket_keys =
	    sc.tickets && keycall_ticket_keys(keys, period, sc.ticket_key) == ED_OK;
	r = tls_server_new(&sc, &v->external, fault);
	v->ticket_period = sc.have_ticket_keys ? period : 0;
	wipe(sc.ticket_key, sizeof(sc.ticket_key));
	return r;
}

int
view_renew_tickets(struct view *v, const struct conf *conf, struct keycall *keys)
{
	struct tls_ctx *old = v->external;
	struct ed_fault fault;
	uint32_t was;
	int r;

	if (v->admission == ADMISSION_SNI_TICKET || v->ticket_period == ticket_period())
		return ED_OK;
	was = v->ticket_period;
	r = make_external(v, conf, keys, &fault);
	if (r == ED_OK && v->ticket_period) {
		tls_ctx_unref(old);
		return ED_OK;
	}
	if (r == ED_OK)
		tls_ctx_unref(v->external);
	v->external = old;
	v->ticket_period = was;
	return ED_GONE;
}

static int
make_internal(struct view *v, const struct conf *conf, struct keycall *keys, struct ed_fault *fault)
{
	struct tls_identity id = identity(&conf->certificates.internal, keys);
	struct tls_server_conf sc = {.ids = &id,
	    .n_ids = 1,
	    .peer = TLS_PEER_REQUIRED,
	    .trust_pem = str_of(conf->certificates.internal_trust_pem),
	    .alpn = STR(LINK_ALPN)};

	if (!has_cert(&conf->certificates.internal))
		return ed_fail(fault, ED_STATE, 0, "certificates.internal is missing");
	return tls_server_new(&sc, &v->internal, fault);
}

static int
make_dial(struct view *v, const struct conf *conf, struct keycall *keys, struct ed_fault *fault)
{
	struct tls_identity id = identity(&conf->certificates.internal, keys);
	struct tls_client_conf cc = {.trust_pem = str_of(conf->certificates.internal_trust_pem),
	    .n_expect = 1,
	    .cn_fallback = true};
	int r;

	cc.id = has_cert(&conf->certificates.internal) ? &id : NULL;
	v->servers = arena_calloc(&v->arena, conf->webconf.inside.n_servers, sizeof(*v->servers));
	if (!v->servers)
		return ed_fail(fault, ED_NOMEM, 0, "out of memory");
	for (uint32_t i = 0; i < conf->webconf.inside.n_servers; i++) {
		const struct conf_webconf_server *s = &conf->webconf.inside.servers[i];
		struct dial_server *d = &v->servers[i];

		d->id = keep(v, s->id);
		d->name = keep(v, s->name);
		d->fqdn = keep(v, s->fqdn);
		if (d->id.n == 0 || d->fqdn.n == 0 || addr_parse(&d->addr, str_of(s->address)) < 0)
			return ed_fail(fault, ED_MALFORMED, 0,
			    "webconf.inside.servers: id, fqdn and address (with port) are needed");
		cc.expect = &d->fqdn;
		r = tls_client_new(&cc, &d->tls, fault);
		if (r < 0)
			return r;
		v->n_servers = i + 1;
	}
	v->device = arena_str(
	    &v->arena, (struct str){conf->internal.interface ? conf->internal.interface : "",
			   conf->internal.interface ? strlen(conf->internal.interface) + 1 : 1})
			.p;
	if (!v->device)
		return ed_fail(fault, ED_NOMEM, 0, "out of memory");
	if (conf->internal.address && *conf->internal.address &&
	    addr_parse_ip(&v->bind, str_of(conf->internal.address)) < 0)
		return ed_fail(fault, ED_MALFORMED, 0, "internal.address is no address");
	return ED_OK;
}

struct view *
view_new(const struct conf *conf, struct keycall *keys, const char **ret_why)
{
	struct view *v = calloc(1, sizeof(*v));
	struct ed_fault fault = {.what = "out of memory"};
	int r;

	if (!v) {
		*ret_why = "out of memory";
		return NULL;
	}
	arena_init(&v->arena, NULL, 0, 1u << 20);
	r = read_choices(v, conf, &fault.what);
	if (r == ED_OK)
		r = read_trusted(v, conf);
	if (r == ED_OK)
		r = make_external(v, conf, keys, &fault);
	if (r == ED_OK && v->dials)
		r = make_dial(v, conf, keys, &fault);
	if (r == ED_OK && !v->dials)
		r = make_internal(v, conf, keys, &fault);
	if (r < 0) {
		*ret_why = fault.what;
		return view_free(v);
	}
	return v;
}

struct view *
view_free(struct view *v)
{
	if (!v)
		return NULL;
	for (uint32_t i = 0; i < v->n_servers; i++)
		tls_ctx_unref(v->servers[i].tls);
	tls_ctx_unref(v->external);
	tls_ctx_unref(v->internal);
	arena_done(&v->arena);
	free(v);
	return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "access/room_tls.h"

#include <string.h>

#include "base/addr.h"
#include "base/wipe.h"
#include "conf/conf.h"
#include "net/keycall.h"
#include "net/tls.h"

#define EXPECT_MAX 256

static struct tls_identity
identity(const struct conf_cert *c, struct keycall *keys)
{
	return (struct tls_identity){
	    .chain_pem = str_of(c->chain_pem), .keys = keys, .slot = (uint16_t)c->slot};
}

static bool
is_set(const struct conf_cert *c)
{
	return c->chain_pem && c->chain_pem[0];
}

static int
external_new(const struct conf *c, struct keycall *keys, const uint8_t tickets[3][48],
    struct room_tls *ret, const char **ret_why)
{
	struct tls_identity ids[2];
	struct tls_server_conf s = {.ids = ids, .tickets = true};
	struct ed_fault fault = {0};
	int r;

	ids[s.n_ids++] = identity(&c->certificates.external, keys);
	if (is_set(&c->certificates.external_ecdsa))
		ids[s.n_ids++] = identity(&c->certificates.external_ecdsa, keys);
	s.only_tls13 = strcmp(c->access.min_tls, "1.3") == 0;
	s.have_ticket_keys = tickets != NULL;
	if (tickets)
		memcpy(s.ticket_key, tickets, sizeof(s.ticket_key));
	s.peer = c->external.access.client_port == c->external.access.federation_port
		     ? TLS_PEER_OPTIONAL
		     : TLS_PEER_NONE;
	s.trust_pem = str_of(c->certificates.external_trust_pem);
	s.peer_server_eku_ok = s.peer == TLS_PEER_OPTIONAL && !c->federation.require_client_usage;
	r = tls_server_new(&s, &ret->client, &fault);
	if (r == ED_OK) {
		/* CERT-EXT-14: on the partners' port only, and unless told otherwise. */
		s.peer = TLS_PEER_OPTIONAL;
		s.peer_server_eku_ok = !c->federation.require_client_usage;
		r = tls_server_new(&s, &ret->federation, &fault);
	}
	wipe(s.ticket_key, sizeof(s.ticket_key));
	if (r < 0)
		*ret_why = fault.what ? fault.what : "certificates.external";
	return r;
}

/* Any of the names that may be a next hop will do: members may be pool machines with names of their
 * own. */
static uint16_t
expected(const struct conf *c, struct str *names)
{
	uint16_t n = 0;
	struct addr a;

	names[n++] = str_of(c->access.next_hop.fqdn);
	for (uint32_t i = 0; i < c->access.next_hop.members.n && n < EXPECT_MAX; i++) {
		struct str host = str_of(c->access.next_hop.members.v[i]);
		ptrdiff_t colon = str_find(host, ':');

		if (colon > 0)
			host = str_first(host, (size_t)colon);
		if (host.n && addr_parse_ip(&a, host) < 0)
			names[n++] = host;
	}
	for (uint32_t i = 0; i < c->internal.trusted_servers.n && n < EXPECT_MAX; i++)
		names[n++] = str_of(c->internal.trusted_servers.v[i]);
	return n;
}

static int
internal_new(const struct conf *c, struct keycall *keys, struct room_tls *ret, const char **ret_why)
{
	struct tls_identity id = identity(&c->certificates.internal, keys);
	struct str names[EXPECT_MAX];
	/* Front Ends dial us with certificates made for servers (CERT-EXT-14 holds inside too). */
	struct tls_server_conf s = {
	    .ids = &id, .n_ids = 1, .peer = TLS_PEER_REQUIRED, .peer_server_eku_ok = true};
	struct tls_client_conf k = {.id = &id, .expect = names, .cn_fallback = true};
	struct ed_fault fault = {0};
	int r;

	s.trust_pem = k.trust_pem = str_of(c->certificates.internal_trust_pem);
	k.n_expect = expected(c, names);
	r = tls_server_new(&s, &ret->internal, &fault);
	if (r == ED_OK)
		r = tls_client_new(&k, &ret->link, &fault);
	if (r < 0)
		*ret_why = fault.what ? fault.what : "certificates.internal";
	return r;
}

int
room_tls_new(const struct conf *c, struct keycall *keys, uint32_t ticket_period,
    struct room_tls *ret, const char **ret_why)
{
	struct room_tls t = {.ticket_period = ticket_period};
	uint8_t tickets[3][48];
	bool have = keycall_ticket_keys(keys, ticket_period, tickets) == ED_OK;
	int r = external_new(c, keys, have ? (const uint8_t(*)[48])tickets : NULL, &t, ret_why);

	wipe(tickets, sizeof(tickets));
	if (r == ED_OK)
		r = internal_new(c, keys, &t, ret_why);
	if (r < 0) {
		room_tls_done(&t);
		return r;
	}
	*ret = t;
	return ED_OK;
}

int
room_tls_partner(const struct conf *c, struct keycall *keys, struct str host, struct tls_ctx **ret,
    const char **ret_why)
{
	struct tls_identity id = identity(&c->certificates.external, keys);
	struct tls_client_conf k = {.id = &id,
	    .trust_pem = str_of(c->certificates.external_trust_pem),
	    .expect = &host,
	    .n_expect = 1,
	    .cn_fallback = c->federation.accept_common_name,
	    .only_tls13 = strcmp(c->access.min_tls, "1.3") == 0};
	struct ed_fault fault = {0};
	int r = tls_client_new(&k, ret, &fault);

	if (r < 0)
		*ret_why = fault.what ? fault.what : "certificates.external_trust";
	return r;
}

void
room_tls_done(struct room_tls *t)
{
	tls_ctx_unref(t->client);
	tls_ctx_unref(t->federation);
	tls_ctx_unref(t->internal);
	tls_ctx_unref(t->link);
	memset(t, 0, sizeof(*t));
}

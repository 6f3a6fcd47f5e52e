/* SPDX-License-Identifier: MIT
 *
 * access/view.c: see view.h.
 */
#include "access/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/names.h"
#include "conf/conf.h"

#define DEFAULT_KEEP_ALIVE_S 300u

static struct str
or_empty(const char *z)
{
	return z ? str_of(z) : STR("");
}

static enum hide_mode
hide_mode_of(const char *z)
{
	if (z && strcmp(z, "none") == 0)
		return HIDE_NONE;
	if (z && strcmp(z, "partners") == 0)
		return HIDE_PARTNERS;
	return HIDE_ALL; /* an unknown word must not show the inside */
}

static void
fill_flags(struct view *v, const struct conf *c)
{
	v->hide = hide_mode_of(c->access.hide_topology);
	v->rr_single = c->access.rr_mode && strcmp(c->access.rr_mode, "single") == 0;
	v->allow_outside_users = c->access.allow_outside_users;
	v->allow_anonymous_users = c->access.allow_anonymous_users;
	v->block_ntlm = c->access.block_ntlm;
	v->allow_federated_users = c->access.allow_federated_users;
	v->partner_discovery = c->access.enable_partner_discovery;
	v->require_registration = c->access.require_registration;
	v->next_hop_path = c->access.next_hop_path;
	v->offer_keep_alive = c->access.next_hop.lync_front_end;
	v->keep_alive_s = c->access.limits.keep_alive_s;
	if (v->keep_alive_s == 0)
		v->keep_alive_s = DEFAULT_KEEP_ALIVE_S;
	v->inside_port = c->internal.sip_port;
	v->client_port = c->external.access.client_port;
	v->federation_port = c->external.access.federation_port;
	v->edge_fqdn = or_empty(c->edge.fqdn);
	v->external_fqdn = or_empty(c->external.access.fqdn);
	v->inside_host = v->edge_fqdn;
	v->ms_fe = STR("");
	if (c->edge.pool_fqdn && c->edge.pool_fqdn[0]) {
		v->inside_host = str_of(c->edge.pool_fqdn);
		v->ms_fe = v->edge_fqdn;
	}
	v->sip_domain = c->edge.sip_domains.n ? str_of(c->edge.sip_domains.v[0]) : STR("");
}

static int
fill_texts(struct view *v, const struct conf *c)
{
	const char *user = c->access.trust_internet_user;
	bool unverified = user && strcmp(user, "unverified") == 0;
	int n1, n2;
	size_t room = 2 * (v->edge_fqdn.n + 160);

	v->texts = malloc(room);
	if (!v->texts)
		return ED_NOMEM;
	n1 = snprintf(v->texts, room,
	    "ms-edge-proxy-message-trust: ms-source-type=InternetUser;ms-ep-fqdn=" STR_FMT
	    ";ms-source-verified-user=%s\r\n",
	    STR_ARG(v->edge_fqdn), unverified ? "unverified" : "verified");
	n2 = snprintf(v->texts + n1, room - (size_t)n1,
	    "ms-edge-proxy-message-trust: ms-source-type=EdgeProxyGenerated;ms-ep-fqdn=" STR_FMT
	    ";ms-source-verified-user=verified\r\n",
	    STR_ARG(v->edge_fqdn));
	v->trust_internet_user = (struct str){v->texts, (size_t)n1};
	v->trust_edge_generated = (struct str){v->texts + n1, (size_t)n2};
	return ED_OK;
}

int
view_new(const struct conf *c, const struct hash_key *key, struct view **ret_view)
{
	struct view *v = calloc(1, sizeof(*v));
	int r = ED_NOMEM;

	if (!v)
		goto out;
	v->conf = c;
	fill_flags(v, c);
	r = fill_texts(v, c);
	if (r < 0)
		goto out;
	r = names_new(c, key, &v->names);
	if (r < 0)
		goto out;
	*ret_view = v;
	v = NULL;
out:
	view_free(v);
	return r;
}

struct view *
view_free(struct view *v)
{
	if (v) {
		names_free(v->names);
		free(v->texts);
		free(v);
	}
	return NULL;
}

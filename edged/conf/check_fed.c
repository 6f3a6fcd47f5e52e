/* SPDX-License-Identifier: MIT
 *
 * conf/check_fed.c: FED, EXT and POOL rules.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/check_rules.h"
#include "conf/conf.h"

/* An entry that is no plain name matches nothing: on the block list that would let everybody pass.
 */
static void
fed_01_name(struct check *ck, const char *list, uint32_t i, const char *name)
{
	char key[80];

	snprintf(key, sizeof(key), "federation.%s[%u]", list, i);
	if (!check_is_host_name(str_of(name)))
		check_found(ck, key,
		    "\"%s\" is not a domain name: no wildcard, no dot in front or behind; what "
		    "lies below a blocked domain is blocked with it",
		    name);
}

static void
fed_01_names(struct check *ck)
{
	const struct conf *c = ck->conf;

	for (uint32_t i = 0; i < c->federation.blocked.n; i++)
		fed_01_name(ck, "blocked", i, c->federation.blocked.v[i]);
	for (uint32_t i = 0; i < c->federation.n_allowed; i++)
		if (c->federation.allowed[i].domain[0])
			fed_01_name(ck, "allowed", i, c->federation.allowed[i].domain);
	for (uint32_t i = 0; i < c->federation.n_providers; i++)
		for (uint32_t k = 0; k < c->federation.providers[i].domains.n; k++)
			fed_01_name(ck, "providers", i, c->federation.providers[i].domains.v[k]);
}

void
fed_01(struct check *ck)
{
	const struct conf *c = ck->conf;
	char key[80];

	fed_01_names(ck);
	for (uint32_t i = 0; i < c->federation.n_allowed; i++) {
		struct str d = str_of(c->federation.allowed[i].domain);

		snprintf(key, sizeof(key), "federation.allowed[%u]", i);
		if (d.n == 0 || d.n > 256)
			check_found(
			    ck, key, "domain has %zu characters, allowed are 1 to 256", d.n);
		for (uint32_t k = 0; k < i; k++)
			if (str_eq_nocase(d, str_of(c->federation.allowed[k].domain)))
				check_found(
				    ck, key, STR_FMT " stands in the allow list twice", STR_ARG(d));
		for (uint32_t k = 0; k < c->federation.blocked.n; k++)
			if (str_eq_nocase(d, str_of(c->federation.blocked.v[k])))
				check_found(ck, key, STR_FMT " is allowed and blocked", STR_ARG(d));
	}
}

void
fed_02(struct check *ck)
{
	const struct conf *c = ck->conf;
	char key[80];

	for (uint32_t i = 0; i < c->federation.n_allowed; i++)
		for (uint32_t k = 0; k < c->federation.n_providers; k++) {
			const char *fqdn = c->federation.allowed[i].proxy_fqdn;

			if (!*fqdn || !str_eq_nocase(str_of(fqdn),
					  str_of(c->federation.providers[k].proxy_fqdn)))
				continue;
			snprintf(key, sizeof(key), "federation.allowed[%u].proxy_fqdn", i);
			check_found(ck, key, "%s is the server of partner %s and of provider %s",
			    fqdn, c->federation.allowed[i].domain, c->federation.providers[k].name);
		}
}

void
fed_03(struct check *ck)
{
	const struct conf *c = ck->conf;
	char key[80];

	for (uint32_t i = 0; i < c->federation.n_providers; i++) {
		const struct conf_provider *p = &c->federation.providers[i];

		snprintf(key, sizeof(key), "federation.providers[%u]", i);
		if (!*p->name || !*p->proxy_fqdn)
			check_found(ck, key, "a provider needs a name and a proxy_fqdn");
		for (uint32_t k = 0; k < i; k++) {
			const struct conf_provider *o = &c->federation.providers[k];

			if (str_eq_nocase(str_of(p->name), str_of(o->name)))
				check_found(ck, key, "name %s stands twice", p->name);
			if (str_eq_nocase(str_of(p->proxy_fqdn), str_of(o->proxy_fqdn)))
				check_found(ck, key, "proxy_fqdn %s stands twice", p->proxy_fqdn);
		}
	}
}

void
fed_06(struct check *ck)
{
	const struct conf *c = ck->conf;

	if (c->access.allow_federated_users)
		return;
	if (c->access.enable_partner_discovery)
		check_found(ck, "access.enable_partner_discovery",
		    "is on while access.allow_federated_users is off");
	if (c->federation.n_allowed > 0)
		check_found(ck, "federation.allowed",
		    "has %u entries while access.allow_federated_users is off",
		    c->federation.n_allowed);
}

/* Push notifications: the clearing house is the provider's, the domain has no server of its own. */
void
fed_09(struct check *ck)
{
	const struct conf *c = ck->conf;
	char key[80];

	for (uint32_t i = 0; i < c->federation.n_allowed; i++) {
		const struct conf_allowed_domain *d = &c->federation.allowed[i];

		snprintf(key, sizeof(key), "federation.allowed[%u].proxy_fqdn", i);
		if (str_eq_nocase(str_of(d->domain), STR("push.lync.com")) && *d->proxy_fqdn)
			check_found(ck, key, "push.lync.com has the proxy_fqdn %s", d->proxy_fqdn);
	}
}

void
pool_09(struct check *ck)
{
	if (*ck->conf->edge.pool_fqdn && !*ck->conf->edge.pool_secret)
		check_found(ck, "edge.pool_secret", "is not set, and this is a member of pool %s",
		    ck->conf->edge.pool_fqdn);
}

void
ext_04(struct check *ck)
{
	const struct conf *c = ck->conf;

	if (!c->access.allow_anonymous_users)
		return;
	if (!c->access.allow_outside_users)
		check_found(ck, "access.allow_anonymous_users",
		    "is on while access.allow_outside_users, the master switch, is off");
	if (!role_is_wanted(c, ROLE_AV))
		check_found(ck, "access.allow_anonymous_users",
		    "is on without an A/V Edge: no sharing and no sound for those who join");
}

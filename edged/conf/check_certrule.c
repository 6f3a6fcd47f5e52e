/* SPDX-License-Identifier: MIT
 *
 * conf/check_certrule.c: CERT rules, over the facts of conf/check_cert.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/check_rules.h"
#include "conf/conf.h"

static void found_cert(struct check *ck, enum conf_binding b, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
found_cert(struct check *ck, enum conf_binding b, const char *fmt, ...)
{
	char key[64], text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(key, sizeof(key), "certificates.%s.chain", conf_binding_name(b));
	check_found(ck, key, "%s", text);
}

#define EACH_CERT(ck, b)                                                                           \
	for (enum conf_binding b = 0; b < BINDING__N; b++)                                         \
		if ((ck)->certs[b].parsed)

void
cert_int_01(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];
	const char *name =
	    *ck->conf->edge.pool_fqdn ? ck->conf->edge.pool_fqdn : ck->conf->edge.fqdn;

	if (!f->parsed || str_eq_nocase(str_of(f->cn), str_of(name)))
		return;
	if (f->cn[0] == '*' && f->cn[1] == '.') {
		const char *dot = strchr(name, '.');

		if (dot && str_eq_nocase(str_of(f->cn + 1), str_of(dot))) {
			check_found_as(ck, CONF_WARNING, "certificates.internal.chain",
			    "subject is the wildcard %s, not %s", f->cn, name);
			return;
		}
	}
	found_cert(ck, BINDING_INTERNAL, "subject CN is \"%s\", not %s", f->cn, name);
}

void
cert_int_02(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];

	if (f->parsed && f->n_names > 0)
		found_cert(ck, BINDING_INTERNAL, "carries subject alternative names (%s%s)",
		    f->names[0], f->n_names > 1 ? ", ..." : "");
}

void
cert_int_07(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];

	if (!f->parsed)
		return;
	if (!f->eku_server)
		found_cert(ck, BINDING_INTERNAL, "extended key usage lacks server authentication");
	if (!f->eku_client)
		check_found_as(ck, CONF_WARNING, "certificates.internal.chain",
		    "extended key usage lacks client authentication: a next hop that insists "
		    "refuses us");
}

void
cert_not_same(struct check *ck)
{
	const struct check_cert_facts *in = &ck->certs[BINDING_INTERNAL];
	const struct check_cert_facts *out = &ck->certs[BINDING_EXTERNAL];

	if (in->parsed && out->parsed && strcmp(in->fingerprint, out->fingerprint) == 0)
		found_cert(ck,
		    strcmp(ck->rule->id, "CERT-INT-08") == 0 ? BINDING_INTERNAL : BINDING_EXTERNAL,
		    "internal and external certificate are the same (serial %s)", in->serial);
}

void
cert_ext_01(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	if (f->parsed && !str_eq_nocase(str_of(f->cn), str_of(ck->conf->external.access.fqdn)))
		found_cert(ck, BINDING_EXTERNAL, "subject CN is \"%s\", the Access Edge is %s",
		    f->cn, ck->conf->external.access.fqdn);
}

void
cert_ext_02(struct check *ck)
{
	static const enum conf_binding both[] = {BINDING_EXTERNAL, BINDING_EXTERNAL_ECDSA};
	const char *name = ck->conf->external.access.fqdn;

	for (size_t i = 0; i < 2; i++)
		if (*name && ck->certs[both[i]].parsed &&
		    !cert_facts_has_name(&ck->certs[both[i]], str_of(name), false))
			found_cert(
			    ck, both[i], "%s is not among the subject alternative names", name);
}

void
cert_ext_04(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];
	const char *name = ck->conf->external.webconf.fqdn;

	if (f->parsed && *name && ck->conf->external.webconf.addresses.n > 0 &&
	    !cert_facts_has_name(f, str_of(name), false))
		found_cert(
		    ck, BINDING_EXTERNAL, "%s is not among the subject alternative names", name);
}

/* Nobody verifies that name unless the relay does TLS. */
void
cert_ext_av(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];
	const char *name = ck->conf->external.av.fqdn;

	if (f->parsed && *name && ck->conf->external.av.address.n > 0 &&
	    ck->conf->external.av.tls_port && !cert_facts_has_name(f, str_of(name), false))
		found_cert(ck, BINDING_EXTERNAL,
		    "%s is not among the subject alternative names: turns: will not be trusted",
		    name);
}

void
cert_ext_05(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	for (uint32_t i = 0; f->parsed && i < ck->conf->edge.sip_domains.n; i++) {
		char name[300];

		snprintf(name, sizeof(name), "sip.%s", ck->conf->edge.sip_domains.v[i]);
		if (!cert_facts_has_name(f, str_of(name), false))
			found_cert(ck, BINDING_EXTERNAL,
			    "%s is not among the subject alternative names", name);
	}
}

static bool
is_inside_name(const struct conf *c, struct str name)
{
	if (str_find(name, '.') < 0)
		return true;
	for (uint32_t i = 0; i < c->internal.domains.n; i++) {
		struct str d = str_of(c->internal.domains.v[i]);

		if (str_eq_nocase(name, d) ||
		    (name.n > d.n && name.p[name.n - d.n - 1] == '.' && str_ends_nocase(name, d)))
			return true;
	}
	return false;
}

void
cert_ext_09(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	for (unsigned i = 0; f->parsed && i < f->n_names; i++)
		if (is_inside_name(ck->conf, str_of(f->names[i])))
			found_cert(ck, BINDING_EXTERNAL, "carries the inside name %s", f->names[i]);
}

/* Meetings by name (webconf.admission = "sni-ticket") live on such a name. */
static bool
is_ticket_wildcard(const struct conf *c, const char *name)
{
	const char *below =
	    *c->webconf.ticket_suffix ? c->webconf.ticket_suffix : c->external.webconf.fqdn;

	return strcmp(c->webconf.admission, "sni-ticket") == 0 && *below && name[1] == '.' &&
	       str_eq_nocase(str_of(name + 2), str_of(below));
}

void
cert_ext_12(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	if (f->parsed && f->cn[0] == '*')
		found_cert(ck, BINDING_EXTERNAL, "subject CN is the wildcard %s", f->cn);
	for (unsigned i = 0; f->parsed && i < f->n_names; i++)
		if (f->names[i][0] == '*' && !is_ticket_wildcard(ck->conf, f->names[i]))
			check_found_as(ck, CONF_WARNING, "certificates.external.chain",
			    "alternative name %s is a wildcard", f->names[i]);
}

void
cert_ext_14(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	if (!f->parsed)
		return;
	if (!f->eku_server)
		check_found_as(ck, CONF_ERROR, "certificates.external.chain",
		    "extended key usage lacks server authentication");
	else if (!f->eku_client && ck->conf->access.allow_federated_users)
		found_cert(ck, BINDING_EXTERNAL,
		    "extended key usage lacks client authentication: some partners refuse us");
}

void
cert_av_01(struct check *ck)
{
	if (role_is_wanted(ck->conf, ROLE_AV) && !ck->certs[BINDING_AV_AUTH].present)
		check_found(ck, "certificates.av_auth.chain", "is not set, and the A/V Edge is on");
}

void
cert_av_03(struct check *ck)
{
	static const enum conf_binding both[] = {BINDING_AV_AUTH, BINDING_AV_AUTH_NEXT};

	for (size_t i = 0; i < 2; i++)
		if (ck->certs[both[i]].parsed && !ck->certs[both[i]].rsa)
			found_cert(
			    ck, both[i], "key is %s, tokens need RSA", ck->certs[both[i]].key_type);
}

void
cert_av_08(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_AV_AUTH];
	int64_t left = f->not_after - ck->now_s;

	if (f->parsed && !ck->certs[BINDING_AV_AUTH_NEXT].present && left > 0 &&
	    left < (int64_t)ck->conf->av.token_lifetime_s)
		found_cert(ck, BINDING_AV_AUTH, "ends in %lld s, a token lives %u s",
		    (long long)left, ck->conf->av.token_lifetime_s);
}

void
cert_all_01(struct check *ck)
{
	for (enum conf_binding b = 0; b < BINDING__N; b++) {
		const struct check_cert_facts *f = &ck->certs[b];

		if (f->present && !f->parsed)
			found_cert(ck, b, "holds no certificate in PEM form");
		else if (f->parsed && f->key_read && !f->key_matches)
			found_cert(ck, b,
			    "the private key %s does not belong to the certificate with serial %s",
			    conf_binding_cert(ck->conf, b)->key, f->serial);
	}
}

void
cert_all_02(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		const struct check_cert_facts *f = &ck->certs[b];
		int64_t days = (f->not_after - ck->now_s) / 86400;

		if (f->not_before > ck->now_s)
			found_cert(ck, b, "is not yet valid (serial %s)", f->serial);
		else if (f->not_after <= ck->now_s)
			found_cert(ck, b, "has expired (serial %s)", f->serial);
		else if (days <= 30)
			check_found_as(ck, CONF_WARNING, NULL,
			    "%s certificate ends in %lld days (serial %s)", conf_binding_name(b),
			    (long long)days, f->serial);
	}
}

/* The certificates of A/V Authentication are shown to nobody (CERT-AV-05). */
void
cert_all_05(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		if (b == BINDING_AV_AUTH || b == BINDING_AV_AUTH_NEXT)
			continue;
		if (!ck->certs[b].chain_in_order)
			found_cert(ck, b,
			    "the certificates of the file are not in order, each issued by the "
			    "next");
		else if (!ck->certs[b].chain_complete)
			found_cert(ck, b, "the issuer of its last certificate is missing (\"%s\")",
			    ck->certs[b].issuer);
	}
}

void
cert_all_11(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		if (ck->certs[b].rsa && ck->certs[b].key_bits < 2048)
			found_cert(ck, b, "key has %u bits", ck->certs[b].key_bits);
	}
}

void
cert_all_12(struct check *ck)
{
	EACH_CERT(ck, b)
	{
		if (ck->certs[b].signature == CERT_SIG_MD5)
			check_found_as(ck, CONF_ERROR, NULL, "%s certificate is signed with MD5",
			    conf_binding_name(b));
		else if (ck->certs[b].signature == CERT_SIG_SHA1)
			found_cert(ck, b, "is signed with SHA-1");
		else if (ck->certs[b].signature == CERT_SIG_PSS && b == BINDING_INTERNAL)
			found_cert(ck, b, "is signed with RSASSA-PSS");
	}
}

void
cert_int_03(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];

	if (f->parsed && *ck->conf->edge.pool_fqdn &&
	    !str_eq_nocase(str_of(ck->conf->edge.pool_fqdn), str_of(ck->conf->edge.fqdn)) &&
	    cert_facts_has_name(f, str_of(ck->conf->edge.fqdn), false))
		found_cert(
		    ck, BINDING_INTERNAL, "carries the member's own name %s", ck->conf->edge.fqdn);
}

void
cert_int_09(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_INTERNAL];
	const char *const names[] = {
	    ck->conf->external.access.fqdn, ck->conf->external.webconf.fqdn};

	for (size_t i = 0; f->parsed && i < 2; i++)
		if (*names[i] && (str_eq_nocase(str_of(f->cn), str_of(names[i])) ||
				     cert_facts_has_name(f, str_of(names[i]), false)))
			found_cert(ck, BINDING_INTERNAL, "carries the public name %s", names[i]);
}

void
cert_ext_03(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];
	const char *name = ck->conf->external.access.fqdn;

	if (f->parsed && cert_facts_has_name(f, str_of(name), false) &&
	    !str_eq_nocase(str_of(f->names[0]), str_of(name)))
		found_cert(ck, BINDING_EXTERNAL, "the first alternative name is %s, not %s",
		    f->names[0], name);
}

void
cert_ext_07(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];
	const char *name = ck->conf->external.av.fqdn;

	if (f->parsed && *name && !ck->conf->external.av.tls_port &&
	    cert_facts_has_name(f, str_of(name), false))
		found_cert(ck, BINDING_EXTERNAL, "carries the A/V Edge's name %s", name);
}

static void
found_names_like(
    struct check *ck, const struct check_cert_facts *f, const char *const *likes, const char *what)
{
	for (unsigned i = 0; f->parsed && i < f->n_names; i++)
		for (size_t k = 0; likes[k]; k++)
			if (str_starts_nocase(str_of(f->names[i]), str_of(likes[k])))
				found_cert(
				    ck, BINDING_EXTERNAL, "carries %s, %s", f->names[i], what);
}

void
cert_ext_08(struct check *ck)
{
	static const char *const likes[] = {"lyncdiscover.", "lyncdiscoverinternal.", NULL};

	found_names_like(ck, &ck->certs[BINDING_EXTERNAL], likes, "a name of the reverse proxy");
}

void
cert_ext_16(struct check *ck)
{
	static const char *const likes[] = {
	    "mail.", "smtp.", "imap.", "owa.", "autodiscover.", "mx.", NULL};

	found_names_like(ck, &ck->certs[BINDING_EXTERNAL], likes, "a name of the mail system");
}

void
cert_ext_10(struct check *ck)
{
	const struct check_cert_facts *f = &ck->certs[BINDING_EXTERNAL];

	if (f->parsed && f->self_signed)
		found_cert(ck, BINDING_EXTERNAL, "is signed by itself");
	else if (f->parsed && f->private_ca)
		found_cert(ck, BINDING_EXTERNAL,
		    "is issued by an authority of certificates.internal_trust (\"%s\")", f->issuer);
}

/* "2027-01-01T00:00:00Z"; -1 when it is no time. */
static int64_t
time_of_text(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	return end && *end == '\0' ? (int64_t)timegm(&tm) : -1;
}

void
cert_av_07(struct check *ck)
{
	const struct check_cert_facts *now = &ck->certs[BINDING_AV_AUTH];
	const char *text = ck->conf->certificates.av_auth_next.effective;
	int64_t from = time_of_text(text);

	if (!ck->certs[BINDING_AV_AUTH_NEXT].parsed || !now->parsed)
		return;
	if (from < 0)
		check_found_as(ck, CONF_ERROR, "certificates.av_auth_next.effective",
		    "\"%s\" is no time such as 2027-01-01T00:00:00Z", text);
	else if (from + (int64_t)ck->conf->av.token_lifetime_s > now->not_after)
		check_found(ck, "certificates.av_auth_next.effective",
		    "%s is less than a token's life (%u s) before the old certificate ends", text,
		    ck->conf->av.token_lifetime_s);
}

void
cert_all_08(struct check *ck)
{
	static const enum conf_binding shown[] = {
	    BINDING_EXTERNAL, BINDING_EXTERNAL_ECDSA, BINDING_INTERNAL};

	for (size_t i = 0; i < 3; i++)
		if (ck->certs[shown[i]].parsed && !ck->certs[shown[i]].has_crl_place)
			found_cert(ck, shown[i], "names no place of a revocation list");
}

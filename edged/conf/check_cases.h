/* SPDX-License-Identifier: MIT
 *
 * conf/check_cases.h: for each rule a change that breaks it and one (or none at all) that it lets
 * pass though the rule applies. Part of check_test.c.
 */
#ifndef EDGED_CONF_CHECK_CASES_H
#define EDGED_CONF_CHECK_CASES_H

struct check_case {
	const char *rule;
	enum conf_severity severity;     /* of a bad case */
	const char *from, *to;           /* change of the file */
	void (*change)(struct facts *f); /* change of the facts */
};

static void
one_default_route_inside(struct facts *f)
{
	snprintf(f->host.default_routes[0].interface, 16, "eth1");
}
static void
two_default_routes(struct facts *f)
{
	f->host.default_routes[1] = f->host.default_routes[0];
	f->host.n_default_routes = 2;
}
static void
same_subnet(struct facts *f)
{
	add_addr(&f->host, "eth1", "203.0.113.99", 24);
}
static void
forwarding(struct facts *f)
{
	f->host.forwards_v4 = true;
}
static void
forwarding_v6(struct facts *f)
{
	f->host.forwards_v6 = true;
}
static void
nothing_reserved(struct facts *f)
{
	snprintf(f->host.reserved_ports, sizeof(f->host.reserved_ports), "50000-50010");
}
static void
short_host_name(struct facts *f)
{
	snprintf(f->host.name, sizeof(f->host.name), "edge");
}
static void
foreign_web_server(struct facts *f)
{
	f->host.listeners[0].at = (struct addr){.family = 4, .port = 443};
	f->host.n_listeners = 1;
}
static void
san_inside(struct facts *f)
{
	f->certs[BINDING_INTERNAL].names[0] = name_inside;
	f->certs[BINDING_INTERNAL].n_names = 1;
}
static void
wrong_cn_inside(struct facts *f)
{
	snprintf(f->certs[BINDING_INTERNAL].cn, 64, "edge");
}
static void
wildcard_cn_inside(struct facts *f)
{
	snprintf(f->certs[BINDING_INTERNAL].cn, 64, "*.contoso.net");
}
static void
no_server_usage_inside(struct facts *f)
{
	f->certs[BINDING_INTERNAL].eku_server = false;
}
static void
no_client_usage_outside(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].eku_client = false;
}
static void
one_certificate(struct facts *f)
{
	snprintf(f->certs[BINDING_INTERNAL].fingerprint, 65, "aa");
}
static void
other_cn_outside(struct facts *f)
{
	snprintf(f->certs[BINDING_EXTERNAL].cn, 64, "other.example");
}
static void
no_access_name(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].names[0] = name_other;
}
static void
no_webconf_name(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].names[1] = name_other;
}
static void
inside_name_outside(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].names[2] = name_inside;
	f->certs[BINDING_EXTERNAL].n_names = 3;
}
static void
wildcard_cn_outside(struct facts *f)
{
	snprintf(f->certs[BINDING_EXTERNAL].cn, 64, "*.contoso.com");
}
static void
no_av_cert(struct facts *f)
{
	f->certs[BINDING_AV_AUTH] = (struct check_cert_facts){0};
}
static void
ec_av_cert(struct facts *f)
{
	f->certs[BINDING_AV_AUTH].rsa = false;
}
static void
av_cert_ends(struct facts *f)
{
	f->certs[BINDING_AV_AUTH].not_after = NOW + 3600;
}
static void
foreign_key(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].key_matches = false;
}
static void
no_pem(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].parsed = false;
}
static void
expired(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].not_after = NOW - 1;
}
static void
not_yet(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].not_before = NOW + 1;
}
static void
chain_cut(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].chain_complete = false;
}
static void
small_key(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].key_bits = 1024;
}
static void
pss_inside(struct facts *f)
{
	f->certs[BINDING_INTERNAL].signature = CERT_SIG_PSS;
}
static void
md5_outside(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].signature = CERT_SIG_MD5;
}
static void
default_over_card_inside(struct facts *f)
{
	snprintf(f->host.routes[1].interface, 16, "eth0");
}
static void
no_route_inside(struct facts *f)
{
	f->host.n_routes = 0;
}
static void
narrow_route_inside(struct facts *f)
{
	add_route(&f->host, "eth1", "10.0.0.0/24");
}
static void
answers_for_all(struct facts *f)
{
	f->host.cards[1].arp_ignore = 0;
}
static void
announces_all(struct facts *f)
{
	f->host.cards[0].arp_announce = 0;
}
static void
strict_paths(struct facts *f)
{
	f->host.cards[0].rp_filter = f->host.cards[1].rp_filter = 1;
}
static void
keytab(struct facts *f)
{
	f->host.has_keytab = true;
}
static void
clock_runs_free(struct facts *f)
{
	f->host.clock_unsynced = true;
}
static void
resolver_inside(struct facts *f)
{
	assert_int_equal(addr_parse_ip(&f->host.resolvers[0], STR("10.1.2.3")), ED_OK);
}
static void
resolver_here(struct facts *f)
{
	assert_int_equal(addr_parse_ip(&f->host.resolvers[0], STR("127.0.0.53")), ED_OK);
}
static void
own_name_inside(struct facts *f)
{
	static char name[] = "edge.contoso.net";

	f->certs[BINDING_INTERNAL].names[0] = name;
	f->certs[BINDING_INTERNAL].n_names = 1;
}
static void
pool_name_inside(struct facts *f)
{
	static char name[] = "pool.contoso.net";

	f->certs[BINDING_INTERNAL].names[0] = name;
	f->certs[BINDING_INTERNAL].n_names = 1;
}
static void
public_name_inside(struct facts *f)
{
	snprintf(f->certs[BINDING_INTERNAL].cn, 64, "webconf.contoso.com");
}
static void
access_name_second(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].names[0] = name_webconf;
	f->certs[BINDING_EXTERNAL].names[1] = name_sip;
}
static void
third_name(struct facts *f, char *name)
{
	f->certs[BINDING_EXTERNAL].names[2] = name;
	f->certs[BINDING_EXTERNAL].n_names = 3;
}
static void
av_name_outside(struct facts *f)
{
	static char name[] = "av.contoso.com";

	third_name(f, name);
}
static void
lyncdiscover_outside(struct facts *f)
{
	static char name[] = "lyncdiscover.contoso.com";

	third_name(f, name);
}
static void
mail_outside(struct facts *f)
{
	static char name[] = "mail.contoso.com";

	third_name(f, name);
}
static void
sip_of_second_domain(struct facts *f)
{
	static char name[] = "sip.b.com";

	third_name(f, name);
}
static void
wildcard_outside(struct facts *f)
{
	static char name[] = "*.contoso.com";

	third_name(f, name);
}
static void
ticket_wildcard_outside(struct facts *f)
{
	static char name[] = "*.webconf.contoso.com";

	third_name(f, name);
}
static void
private_ca_outside(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].private_ca = true;
}
static void
self_signed_outside(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].self_signed = true;
}
static void
successor(struct facts *f)
{
	good_cert(&f->certs[BINDING_AV_AUTH_NEXT], "next", "dd");
}
static void
successor_and_end(struct facts *f)
{
	successor(f);
	av_cert_ends(f);
}
static void
no_list_place(struct facts *f)
{
	f->certs[BINDING_INTERNAL].has_crl_place = false;
}
static void
av_has_no_list_place(struct facts *f)
{
	f->certs[BINDING_AV_AUTH].has_crl_place = false;
}
static void
loopback_web_server(struct facts *f)
{
	f->host.listeners[0].at = (struct addr){.family = 4, .port = 443, .ip = {127, 0, 0, 1}};
	f->host.n_listeners = 1;
}
static void
no_ephemeral_overlap(struct facts *f)
{
	nothing_reserved(f);
	f->host.local_port_max = 49999;
}
static void
ec_outside(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].rsa = false;
	f->certs[BINDING_EXTERNAL].key_bits = 256;
}
static void
pss_outside(struct facts *f)
{
	f->certs[BINDING_EXTERNAL].signature = CERT_SIG_PSS;
}
static void
cn_in_capitals(struct facts *f)
{
	snprintf(f->certs[BINDING_INTERNAL].cn, 64, "EDGE.contoso.NET");
}
static void
server_usage_only_inside(struct facts *f)
{
	f->certs[BINDING_INTERNAL].has_eku = false;
}

static const struct check_case bad_cases[] = {
    {"CONF-01", CONF_ERROR, "fqdn = \"edge.contoso.net\";", "", NULL},
    {"CONF-01", CONF_ERROR, "av: { realm = \"contoso.com\"; };", "", NULL},
    {"CONF-02", CONF_ERROR, "\"203.0.113.10\"", "\"203.0.113\"", NULL},
    {"CONF-02", CONF_ERROR, "\"10.0.0.0/8\"", "\"10.0.0.0/33\"", NULL},
    {"CONF-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"av: { realm = \"contoso.com\"; users = ( { name = \"a\"; key = \"0123\"; } );", NULL},
    {"CONF-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"av: { realm = \"contoso.com\"; users = ( { name = \"a\"; } );", NULL},
    {"CONF-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"av: { realm = \"contoso.com\"; users = ( { password = \"x\"; } );", NULL},
    {"CNT-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"metrics: { listen = \"0.0.0.0:9464\"; }; av: { realm = \"contoso.com\";", NULL},
    {"CNT-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"metrics: { listen = \"10.0.0.10:9464\"; }; av: { realm = \"contoso.com\";", NULL},
    {"CNT-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"metrics: { listen = \"localhost\"; }; av: { realm = \"contoso.com\";", NULL},
    {"TOP-01", CONF_ERROR, "interface = \"eth1\"", "interface = \"eth0\"", NULL},
    {"TOP-01", CONF_ERROR, "interface = \"eth1\"", "interface = \"\"", NULL},
    {"TOP-01", CONF_ERROR, "interface = \"eth1\"", "interface = \"eth7\"", NULL},
    {"TOP-02", CONF_ERROR, NULL, NULL, same_subnet},
    {"TOP-03", CONF_ERROR, NULL, NULL, one_default_route_inside},
    {"TOP-03", CONF_ERROR, NULL, NULL, two_default_routes},
    {"TOP-05", CONF_ERROR, NULL, NULL, forwarding},
    {"TOP-05", CONF_ERROR, NULL, NULL, forwarding_v6},
    {"TOP-07", CONF_WARNING, "interface = \"eth0\"", "interface = \"\"", NULL},
    {"TOP-10", CONF_ERROR, NULL, NULL, nothing_reserved},
    {"TOP-13", CONF_ERROR, NULL, NULL, short_host_name},
    {"TOP-14", CONF_ERROR, "\"fe.contoso.net\" ]", "\"fe_1.contoso.net\" ]", NULL},
    {"TOP-14", CONF_ERROR, "\"contoso.com\" ]", "\"contoso..com\" ]", NULL},
    {"ADR-03", CONF_ERROR, "\"203.0.113.11\"", "\"203.0.113.10\"", NULL},
    {"ADR-04", CONF_ERROR, "\"203.0.113.11\"", "\"192.168.0.11\"", NULL},
    {"ADR-05", CONF_ERROR, "\"203.0.113.12\"", "\"192.168.0.12\"", NULL},
    {"ADR-13", CONF_WARNING, "address = \"203.0.113.12\"",
	"address = [ \"203.0.113.12\", \"2001:db8::1\" ]; public_address = \"198.51.100.1\"", NULL},
    {"ADR-14", CONF_ERROR, "\"203.0.113.11\"", "\"203.0.113.77\"", NULL},
    {"ADR-14", CONF_ERROR, "\"10.0.0.10\"", "\"203.0.113.11\"", NULL},
    {"PORT-01", CONF_ERROR, "\"203.0.113.11\"", "\"203.0.113.12\"", NULL},
    {"PORT-03", CONF_ERROR, NULL, NULL, foreign_web_server},
    {"PORT-07", CONF_WARNING, "relay_port_max = 59999", "relay_port_max = 50100", NULL},
    {"PORT-07", CONF_ERROR, "relay_port_max = 59999", "relay_port_max = 49999", NULL},
    {"CERT-INT-01", CONF_ERROR, NULL, NULL, wrong_cn_inside},
    {"CERT-INT-01", CONF_WARNING, NULL, NULL, wildcard_cn_inside},
    {"CERT-INT-02", CONF_WARNING, NULL, NULL, san_inside},
    {"CERT-INT-07", CONF_ERROR, NULL, NULL, no_server_usage_inside},
    {"CERT-INT-08", CONF_ERROR, NULL, NULL, one_certificate},
    {"CERT-EXT-01", CONF_WARNING, NULL, NULL, other_cn_outside},
    {"CERT-EXT-02", CONF_ERROR, NULL, NULL, no_access_name},
    {"CERT-EXT-04", CONF_ERROR, NULL, NULL, no_webconf_name},
    {"CERT-EXT-05", CONF_WARNING, "\"contoso.com\" ]", "\"contoso.com\", \"b.com\" ]", NULL},
    {"CERT-EXT-09", CONF_WARNING, NULL, NULL, inside_name_outside},
    {"CERT-EXT-11", CONF_ERROR, NULL, NULL, one_certificate},
    {"CERT-EXT-12", CONF_ERROR, NULL, NULL, wildcard_cn_outside},
    {"CERT-EXT-14", CONF_WARNING, NULL, NULL, no_client_usage_outside},
    {"CERT-AV-01", CONF_ERROR, NULL, NULL, no_av_cert},
    {"CERT-AV-03", CONF_ERROR, NULL, NULL, ec_av_cert},
    {"CERT-AV-08", CONF_ERROR, NULL, NULL, av_cert_ends},
    {"CERT-ALL-01", CONF_ERROR, NULL, NULL, foreign_key},
    {"CERT-ALL-01", CONF_ERROR, NULL, NULL, no_pem},
    {"CERT-ALL-02", CONF_ERROR, NULL, NULL, expired},
    {"CERT-ALL-02", CONF_ERROR, NULL, NULL, not_yet},
    {"CERT-ALL-05", CONF_WARNING, NULL, NULL, chain_cut},
    {"CERT-ALL-11", CONF_WARNING, NULL, NULL, small_key},
    {"CERT-ALL-12", CONF_WARNING, NULL, NULL, pss_inside},
    {"CERT-ALL-12", CONF_ERROR, NULL, NULL, md5_outside},
    {"FED-01", CONF_ERROR, "\"bad.example\"", "\"FABRIKAM.com\"", NULL},
    {"FED-01", CONF_ERROR, "allowed = (", "allowed = ( { domain = \"fabrikam.com\"; },", NULL},
    {"FED-01", CONF_ERROR, "\"bad.example\"", "\"*.bad.example\"", NULL},
    {"FED-01", CONF_ERROR, "\"bad.example\"", "\".bad.example\"", NULL},
    {"FED-01", CONF_ERROR, "\"bad.example\"", "\"bad.example.\"", NULL},
    {"FED-01", CONF_ERROR, "\"bad.example\"", "\"bad example\"", NULL},
    {"FED-01", CONF_ERROR, "\"bad.example\"", "\"\"", NULL},
    {"FED-02", CONF_ERROR, "\"p1.example\"", "\"sip.fabrikam.com\"", NULL},
    {"FED-03", CONF_ERROR, "\"p2.example\"", "\"p1.example\"", NULL},
    {"FED-06", CONF_WARNING, "allow_federated_users = true", "allow_federated_users = false", NULL},
    {"TOP-04", CONF_WARNING, NULL, NULL, default_over_card_inside},
    {"TOP-04", CONF_WARNING, NULL, NULL, no_route_inside},
    {"TOP-04", CONF_WARNING, "fqdn = \"fe.contoso.net\";",
	"fqdn = \"fe.contoso.net\"; members = [ \"192.168.1.1:5061\" ];", NULL},
    {"TOP-06", CONF_WARNING, "\"10.0.0.0/8\"", "\"203.0.113.0/24\"", NULL},
    {"TOP-09", CONF_WARNING, NULL, NULL, answers_for_all},
    {"TOP-09", CONF_WARNING, NULL, NULL, announces_all},
    {"TOP-12", CONF_WARNING, NULL, NULL, keytab},
    {"TOP-15", CONF_WARNING, NULL, NULL, clock_runs_free},
    {"ADR-02", CONF_INFO, "\"203.0.113.11\"", "\"203.0.113.10\"", NULL},
    {"DNS-02", CONF_WARNING, NULL, NULL, resolver_inside},
    {"DNS-02", CONF_WARNING, "av: { realm",
	"dns: { servers = [ \"10.0.0.53:53\" ]; };\nav: { realm", NULL},
    {"DNS-10", CONF_INFO, "fqdn = \"sip.contoso.com\"", "fqdn = \"edge.contoso.com\"", NULL},
    {"PORT-02", CONF_WARNING, "tcp_port = 443", "tcp_port = 444", NULL},
    {"CERT-INT-03", CONF_WARNING, "fqdn = \"edge.contoso.net\";",
	"fqdn = \"edge.contoso.net\"; pool_fqdn = \"pool.contoso.net\";", own_name_inside},
    {"CERT-INT-09", CONF_WARNING, NULL, NULL, public_name_inside},
    {"CERT-EXT-03", CONF_INFO, NULL, NULL, access_name_second},
    {"CERT-EXT-07", CONF_INFO, "tcp_port = 443", "tcp_port = 443; fqdn = \"av.contoso.com\"",
	av_name_outside},
    {"CERT-EXT-08", CONF_INFO, NULL, NULL, lyncdiscover_outside},
    {"CERT-EXT-10", CONF_WARNING, NULL, NULL, private_ca_outside},
    {"CERT-EXT-10", CONF_WARNING, NULL, NULL, self_signed_outside},
    {"CERT-EXT-12", CONF_WARNING, NULL, NULL, wildcard_outside},
    {"CERT-EXT-16", CONF_WARNING, NULL, NULL, mail_outside},
    {"CERT-AV-07", CONF_WARNING, "internal_trust",
	"av_auth_next = { chain = \"x\"; key = \"x\"; effective = \"2027-01-15T08:30:00Z\"; }; "
	"internal_trust",
	successor_and_end},
    {"CERT-AV-07", CONF_ERROR, "internal_trust",
	"av_auth_next = { chain = \"x\"; key = \"x\"; effective = \"soon\"; }; internal_trust",
	successor},
    {"CERT-ALL-08", CONF_WARNING, NULL, NULL, no_list_place},
    {"FED-09", CONF_WARNING, "allowed = (",
	"allowed = ( { domain = \"push.lync.com\"; proxy_fqdn = \"p9.example\"; },", NULL},
    {"POOL-09", CONF_WARNING, "fqdn = \"edge.contoso.net\";",
	"fqdn = \"edge.contoso.net\"; pool_fqdn = \"pool.contoso.net\";", NULL},
    {"EXT-04", CONF_WARNING, "allow_federated_users = true;",
	"allow_anonymous_users = true; allow_outside_users = false;", NULL},
};

static const struct check_case good_cases[] = {
    {"CONF-01", CONF_ERROR, NULL, NULL, NULL},
    {"CONF-02", CONF_ERROR, "\"203.0.113.10\"", "\"2001:db8::10\"", NULL},
    {"CONF-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"av: { realm = \"contoso.com\"; users = ( { name = \"a\"; password = \"x\"; }, "
	"{ name = \"b\"; key = \"0123456789abcdefABCDEF0123456789\"; } );",
	NULL},
    {"CNT-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"metrics: { listen = \"[::1]:9464\"; }; av: { realm = \"contoso.com\";", NULL},
    {"CNT-03", CONF_ERROR, "av: { realm = \"contoso.com\";",
	"metrics: { listen = \"unix:/run/edged/metrics\"; }; av: { realm = \"contoso.com\";", NULL},
    {"TOP-01", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-02", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-03", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-04", CONF_ERROR, NULL, NULL, narrow_route_inside},
    {"TOP-04", CONF_ERROR, "fqdn = \"fe.contoso.net\";",
	"fqdn = \"fe.contoso.net\"; members = [ \"10.9.1.1:5061\" ];", NULL},
    {"TOP-05", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-06", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-07", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-09", CONF_ERROR, NULL, NULL, strict_paths},
    {"TOP-10", CONF_ERROR, NULL, NULL, no_ephemeral_overlap},
    {"TOP-12", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-13", CONF_ERROR, NULL, NULL, NULL},
    {"TOP-14", CONF_ERROR, "\"fe.contoso.net\" ]", "\"fe-1.contoso.net\" ]", NULL},
    {"TOP-15", CONF_ERROR, NULL, NULL, NULL},
    {"ADR-02", CONF_ERROR, NULL, NULL, NULL},
    {"ADR-03", CONF_ERROR, "address = \"203.0.113.11\"; fqdn = \"webconf.contoso.com\"; port = 443",
	"address = \"203.0.113.10\"; fqdn = \"webconf.contoso.com\"; port = 444", NULL},
    {"ADR-04", CONF_ERROR, NULL, NULL, NULL},
    {"ADR-05", CONF_ERROR, "address = \"203.0.113.12\"",
	"address = \"192.168.0.12\"; public_address = \"198.51.100.1\"", NULL},
    {"ADR-13", CONF_ERROR, "address = \"203.0.113.12\"",
	"address = [ \"203.0.113.12\", \"2001:db8::1\" ]; public_address = [ \"198.51.100.1\", "
	"\"2001:db8::2\" ]",
	NULL},
    {"ADR-14", CONF_ERROR, NULL, NULL, NULL},
    {"DNS-02", CONF_ERROR, NULL, NULL, resolver_here},
    {"DNS-10", CONF_ERROR, "fqdn = \"sip.contoso.com\"", "fqdn = \"sipexternal.contoso.com\"",
	NULL},
    {"PORT-01", CONF_ERROR, "\"203.0.113.11\"; fqdn = \"webconf.contoso.com\"; port = 443",
	"\"203.0.113.12\"; fqdn = \"webconf.contoso.com\"; port = 444", NULL},
    {"PORT-02", CONF_ERROR, NULL, NULL, NULL},
    {"PORT-03", CONF_ERROR, NULL, NULL, loopback_web_server},
    {"PORT-07", CONF_ERROR, "relay_port_max = 59999", "relay_port_max = 50999", NULL},
    {"CERT-INT-01", CONF_ERROR, NULL, NULL, cn_in_capitals},
    {"CERT-INT-02", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-INT-03", CONF_ERROR, "fqdn = \"edge.contoso.net\";",
	"fqdn = \"edge.contoso.net\"; pool_fqdn = \"pool.contoso.net\";", pool_name_inside},
    {"CERT-INT-07", CONF_ERROR, NULL, NULL, server_usage_only_inside},
    {"CERT-INT-08", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-INT-09", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-EXT-01", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-EXT-02", CONF_ERROR, NULL, NULL, access_name_second},
    {"CERT-EXT-03", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-EXT-04", CONF_ERROR, NULL, NULL, access_name_second},
    {"CERT-EXT-05", CONF_ERROR, "\"contoso.com\" ]", "\"contoso.com\", \"b.com\" ]",
	sip_of_second_domain},
    {"CERT-EXT-07", CONF_ERROR, "tcp_port = 443",
	"tcp_port = 443; tls_port = 5349; fqdn = \"av.contoso.com\"", av_name_outside},
    {"CERT-EXT-08", CONF_ERROR, NULL, NULL, av_name_outside},
    {"CERT-EXT-09", CONF_ERROR, NULL, NULL, av_name_outside},
    {"CERT-EXT-10", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-EXT-11", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-EXT-12", CONF_ERROR, "av: { realm",
	"webconf: { admission = \"sni-ticket\"; };\nav: { realm", ticket_wildcard_outside},
    {"CERT-EXT-14", CONF_ERROR, "allow_federated_users = true", "allow_federated_users = false",
	no_client_usage_outside},
    {"CERT-EXT-16", CONF_ERROR, NULL, NULL, av_name_outside},
    {"CERT-AV-01", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-AV-03", CONF_ERROR, NULL, NULL, ec_outside},
    {"CERT-AV-07", CONF_ERROR, "internal_trust",
	"av_auth_next = { chain = \"x\"; key = \"x\"; effective = \"2027-01-16T00:00:00Z\"; }; "
	"internal_trust",
	successor},
    {"CERT-AV-08", CONF_ERROR, NULL, NULL, successor_and_end},
    {"CERT-ALL-01", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-ALL-02", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-ALL-05", CONF_ERROR, NULL, NULL, NULL},
    {"CERT-ALL-08", CONF_ERROR, NULL, NULL, av_has_no_list_place},
    {"CERT-ALL-11", CONF_ERROR, NULL, NULL, ec_outside},
    {"CERT-ALL-12", CONF_ERROR, NULL, NULL, pss_outside},
    {"FED-01", CONF_ERROR, NULL, NULL, NULL},
    {"FED-02", CONF_ERROR, NULL, NULL, NULL},
    {"FED-03", CONF_ERROR, NULL, NULL, NULL},
    {"FED-06", CONF_ERROR, "allow_federated_users = true",
	"allow_federated_users = true; enable_partner_discovery = true", NULL},
    {"FED-09", CONF_ERROR, "allowed = (", "allowed = ( { domain = \"push.lync.com\"; },", NULL},
    {"POOL-09", CONF_ERROR, "fqdn = \"edge.contoso.net\";",
	"fqdn = \"edge.contoso.net\"; pool_fqdn = \"pool.contoso.net\"; pool_secret = \"x\";",
	NULL},
    {"EXT-04", CONF_ERROR, "allow_federated_users = true", "allow_anonymous_users = true", NULL},
};

#endif

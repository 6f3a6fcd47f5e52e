/* SPDX-License-Identifier: MIT
 *
 * check_test.c: each rule has a file or a fact that breaks it; the file at the top breaks none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/load.h"

#define NOW 1800000000

static const char good_file[] =
    "edge: { fqdn = \"edge.contoso.net\"; sip_domains = [ \"contoso.com\" ]; lab = false; };\n"
    "external: { interface = \"eth0\";\n"
    "  access = { address = \"203.0.113.10\"; fqdn = \"sip.contoso.com\"; client_port = 443; };\n"
    "  webconf = { address = \"203.0.113.11\"; fqdn = \"webconf.contoso.com\"; port = 443; };\n"
    "  av = { address = \"203.0.113.12\"; tcp_port = 443; relay_port_min = 50000; relay_port_max = "
    "59999; }; };\n"
    "internal: { interface = \"eth1\"; address = \"10.0.0.10\"; networks = [ \"10.0.0.0/8\" ];\n"
    "  trusted_servers = [ \"fe.contoso.net\" ]; domains = [ \"contoso.net\" ]; };\n"
    "certificates: { external = { chain = \"x\"; key = \"x\"; }; internal = { chain = \"x\"; key = "
    "\"x\"; };\n"
    "  av_auth = { chain = \"x\"; key = \"x\"; }; internal_trust = \"x\"; };\n"
    "access: { next_hop = { fqdn = \"fe.contoso.net\"; }; allow_federated_users = true; };\n"
    "federation: { allowed = ( { domain = \"fabrikam.com\"; proxy_fqdn = \"sip.fabrikam.com\"; } "
    ");\n"
    "  blocked = [ \"bad.example\" ];\n"
    "  providers = ( { name = \"one\"; proxy_fqdn = \"p1.example\"; }, { name = \"two\"; "
    "proxy_fqdn = "
    "\"p2.example\"; } ); };\n"
    "av: { realm = \"contoso.com\"; };\n";

struct facts {
	struct host_facts host;
	struct check_cert_facts certs[BINDING__N];
};

static char name_sip[] = "sip.contoso.com", name_webconf[] = "webconf.contoso.com",
	    name_inside[] = "fe.contoso.net", name_other[] = "other.example";

static void
add_addr(struct host_facts *h, const char *interface, const char *ip, uint8_t bits)
{
	snprintf(h->addrs[h->n_addrs].interface, sizeof(h->addrs[0].interface), "%s", interface);
	assert_int_equal(addr_parse_ip(&h->addrs[h->n_addrs].net.base, str_of(ip)), ED_OK);
	h->addrs[h->n_addrs++].net.bits = bits;
}

static void
good_cert(struct check_cert_facts *f, const char *cn, const char *print)
{
	*f = (struct check_cert_facts){.present = true,
	    .parsed = true,
	    .key_read = true,
	    .key_matches = true,
	    .rsa = true,
	    .key_bits = 2048,
	    .not_before = NOW - 86400,
	    .not_after = NOW + 90 * 86400,
	    .has_eku = true,
	    .eku_server = true,
	    .eku_client = true,
	    .n_chain = 1,
	    .chain_in_order = true,
	    .chain_complete = true};
	snprintf(f->cn, sizeof(f->cn), "%s", cn);
	snprintf(f->fingerprint, sizeof(f->fingerprint), "%s", print);
}

static struct facts *
good_facts(void)
{
	struct facts *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->host.name, sizeof(f->host.name), "edge.contoso.net");
	add_addr(&f->host, "lo", "127.0.0.1", 8);
	add_addr(&f->host, "eth0", "203.0.113.10", 24);
	add_addr(&f->host, "eth0", "203.0.113.11", 24);
	add_addr(&f->host, "eth0", "203.0.113.12", 24);
	add_addr(&f->host, "eth0", "fe80::1", 64);
	add_addr(&f->host, "eth1", "10.0.0.10", 24);
	add_addr(&f->host, "eth1", "fe80::2", 64);
	snprintf(f->host.default_routes[0].interface, 16, "eth0");
	f->host.n_default_routes = 1;
	f->host.local_port_min = 32768;
	f->host.local_port_max = 60999;
	snprintf(f->host.reserved_ports, sizeof(f->host.reserved_ports), "8080,50000-59999");
	good_cert(&f->certs[BINDING_EXTERNAL], "sip.contoso.com", "aa");
	f->certs[BINDING_EXTERNAL].names[0] = name_sip;
	f->certs[BINDING_EXTERNAL].names[1] = name_webconf;
	f->certs[BINDING_EXTERNAL].n_names = 2;
	good_cert(&f->certs[BINDING_INTERNAL], "edge.contoso.net", "bb");
	good_cert(&f->certs[BINDING_AV_AUTH], "whatever", "cc");
	return f;
}

/* The file with `from` replaced by `to`. */
static struct conf *
load_with(const char *from, const char *to)
{
	struct conf_report rep = {0};
	struct conf *c = NULL;
	char path[64];
	const char *at = from ? strstr(good_file, from) : NULL;
	int fd = memfd_create("conf", 0);

	assert_true(fd >= 0);
	if (from) {
		assert_non_null(at);
		dprintf(fd, "%.*s%s%s", (int)(at - good_file), good_file, to, at + strlen(from));
	} else {
		dprintf(fd, "%s", good_file);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(conf_load(path, &c, &rep), ED_OK);
	conf_report_print(&rep, stderr);
	assert_int_equal(rep.n_errors, 0);
	conf_report_done(&rep);
	close(fd);
	return c;
}

static void
run_over(const struct conf *c, const struct facts *f, struct conf_report *rep)
{
	struct check ck = {.conf = c,
	    .mode = CHECK_FILE,
	    .host = &f->host,
	    .certs = f->certs,
	    .now_s = NOW,
	    .report = rep};

	ck.n_specs = listen_plan(c, ck.specs, LISTEN_SPECS_MAX);
	check_run_over(&ck);
}

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

static const struct {
	const char *rule;
	enum conf_severity severity;
	const char *from, *to;           /* change of the file */
	void (*change)(struct facts *f); /* change of the facts */
} bad_cases[] = {
    {"CONF-01", CONF_ERROR, "fqdn = \"edge.contoso.net\";", "", NULL},
    {"CONF-01", CONF_ERROR, "av: { realm = \"contoso.com\"; };", "", NULL},
    {"CONF-02", CONF_ERROR, "\"203.0.113.10\"", "\"203.0.113\"", NULL},
    {"CONF-02", CONF_ERROR, "\"10.0.0.0/8\"", "\"10.0.0.0/33\"", NULL},
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
};

static void
the_good_file_breaks_no_rule(void **state)
{
	struct conf *c = load_with(NULL, NULL);
	struct facts *f = good_facts();
	struct conf_report rep = {0};

	run_over(c, f, &rep);
	conf_report_print(&rep, stderr);
	assert_int_equal(rep.n, 0);
	free(f);
	conf_free(c);
}

static void
each_rule_finds_its_case(void **state)
{
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		struct conf *c = load_with(bad_cases[i].from, bad_cases[i].to);
		struct facts *f = good_facts();
		struct conf_report rep = {0};
		bool hit = false;

		if (bad_cases[i].change)
			bad_cases[i].change(f);
		run_over(c, f, &rep);
		for (size_t k = 0; k < rep.n; k++)
			hit |= strcmp(rep.v[k].rule, bad_cases[i].rule) == 0 &&
			       rep.v[k].severity == bad_cases[i].severity;
		if (!hit) {
			conf_report_print(&rep, stderr);
			fail_msg("case %zu: %s was not found", i, bad_cases[i].rule);
		}
		conf_report_done(&rep);
		free(f);
		conf_free(c);
	}
}

static void
each_rule_has_a_case(void **state)
{
	for (size_t i = 0; i < check_n_rules; i++) {
		bool hit = false;

		for (size_t k = 0; k < sizeof(bad_cases) / sizeof(bad_cases[0]); k++)
			hit |= strcmp(bad_cases[k].rule, check_rules[i].id) == 0;
		if (!hit)
			fail_msg("%s has no case", check_rules[i].id);
	}
}

static void
laboratory_lowers_host_rules_only(void **state)
{
	struct conf *c = load_with("lab = false", "lab = true");
	struct facts *f = good_facts();
	struct conf_report rep = {0};

	forwarding(f);
	short_host_name(f);
	foreign_key(f);
	run_over(c, f, &rep);
	assert_int_equal(rep.n, 3);
	for (size_t i = 0; i < rep.n; i++) {
		bool host = strncmp(rep.v[i].rule, "TOP-", 4) == 0;

		assert_int_equal(rep.v[i].severity, host ? CONF_WARNING : CONF_ERROR);
		assert_int_equal(rep.v[i].lowered, host);
	}
	conf_report_done(&rep);
	free(f);
	conf_free(c);
}

static void
a_finding_names_its_place(void **state)
{
	struct conf *c = load_with("\"203.0.113.11\"", "\"203.0.113.77\"");
	struct facts *f = good_facts();
	struct conf_report rep = {0};

	run_over(c, f, &rep);
	assert_int_equal(rep.n, 1);
	assert_string_equal(rep.v[0].key, "external.webconf.address");
	assert_int_equal(rep.v[0].line, 4);
	assert_non_null(strstr(rep.v[0].text, "203.0.113.77"));
	conf_report_done(&rep);
	free(f);
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_good_file_breaks_no_rule),
	    cmocka_unit_test(each_rule_finds_its_case),
	    cmocka_unit_test(each_rule_has_a_case),
	    cmocka_unit_test(laboratory_lowers_host_rules_only),
	    cmocka_unit_test(a_finding_names_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

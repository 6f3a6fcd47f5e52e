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
	    .chain_complete = true,
	    .has_crl_place = true};
	snprintf(f->cn, sizeof(f->cn), "%s", cn);
	snprintf(f->fingerprint, sizeof(f->fingerprint), "%s", print);
}

static void
add_route(struct host_facts *h, const char *interface, const char *net)
{
	snprintf(h->routes[h->n_routes].interface, sizeof(h->routes[0].interface), "%s", interface);
	assert_int_equal(addr_net_parse(&h->routes[h->n_routes++].net, str_of(net)), ED_OK);
}

static void
add_card(struct host_facts *h, const char *name)
{
	snprintf(h->cards[h->n_cards].name, sizeof(h->cards[0].name), "%s", name);
	h->cards[h->n_cards].rp_filter = 2;
	h->cards[h->n_cards].arp_ignore = 1;
	h->cards[h->n_cards++].arp_announce = 2;
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
	add_route(&f->host, "eth0", "0.0.0.0/0");
	add_route(&f->host, "eth1", "10.0.0.0/8");
	add_card(&f->host, "eth0");
	add_card(&f->host, "eth1");
	assert_int_equal(addr_parse_ip(&f->host.resolvers[0], STR("192.0.2.53")), ED_OK);
	f->host.n_resolvers = 1;
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

#include "conf/check_cases.h"

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

static bool
has_finding(const struct conf_report *rep, const char *rule)
{
	for (size_t k = 0; k < rep->n; k++)
		if (strcmp(rep->v[k].rule, rule) == 0)
			return true;
	return false;
}

static struct conf_report
run_case(const struct check_case *cc)
{
	struct conf *c = load_with(cc->from, cc->to);
	struct facts *f = good_facts();
	struct conf_report rep = {0};

	if (cc->change)
		cc->change(f);
	run_over(c, f, &rep);
	free(f);
	conf_free(c);
	return rep;
}

static void
each_rule_finds_its_case(void **state)
{
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		struct conf_report rep = run_case(&bad_cases[i]);
		bool hit = false;

		for (size_t k = 0; k < rep.n; k++)
			hit |= strcmp(rep.v[k].rule, bad_cases[i].rule) == 0 &&
			       rep.v[k].severity == bad_cases[i].severity;
		if (!hit) {
			conf_report_print(&rep, stderr);
			fail_msg("case %zu: %s was not found", i, bad_cases[i].rule);
		}
		conf_report_done(&rep);
	}
}

static void
each_rule_lets_its_good_case_pass(void **state)
{
	for (size_t i = 0; i < sizeof(good_cases) / sizeof(good_cases[0]); i++) {
		struct conf_report rep = run_case(&good_cases[i]);

		if (has_finding(&rep, good_cases[i].rule)) {
			conf_report_print(&rep, stderr);
			fail_msg("case %zu: %s was found", i, good_cases[i].rule);
		}
		conf_report_done(&rep);
	}
}

static bool
has_case(const struct check_case *cases, size_t n, const char *rule)
{
	for (size_t k = 0; k < n; k++)
		if (strcmp(cases[k].rule, rule) == 0)
			return true;
	return false;
}

static void
each_rule_has_a_pair(void **state)
{
	for (size_t i = 0; i < check_n_rules; i++) {
		const char *id = check_rules[i].id;

		if (!has_case(bad_cases, sizeof(bad_cases) / sizeof(bad_cases[0]), id))
			fail_msg("%s has no bad case", id);
		if (!has_case(good_cases, sizeof(good_cases) / sizeof(good_cases[0]), id))
			fail_msg("%s has no good case", id);
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
	    cmocka_unit_test(each_rule_lets_its_good_case_pass),
	    cmocka_unit_test(each_rule_has_a_pair),
	    cmocka_unit_test(laboratory_lowers_host_rules_only),
	    cmocka_unit_test(a_finding_names_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

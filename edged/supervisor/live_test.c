/* SPDX-License-Identifier: MIT
 *
 * live_test.c: each rule over the DNS has answers that break it and answers that it lets pass.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/load.h"
#include "supervisor/live.h"

static const char file[] =
    "edge: { fqdn = \"edge.contoso.net\"; pool_fqdn = \"pool.contoso.net\"; sip_domains = [ "
    "\"contoso.com\", \"adatum.com\" ]; };\n"
    "external: { interface = \"eth0\"; access = { address = \"203.0.113.10\"; fqdn = "
    "\"sip.contoso.com\"; };\n"
    "  webconf = { address = \"203.0.113.11\"; fqdn = \"webconf.contoso.com\"; };\n"
    "  av = { address = \"203.0.113.12\"; fqdn = \"av.contoso.com\"; }; };\n"
    "internal: { interface = \"eth1\"; address = \"10.0.0.10\"; };\n"
    "access: { next_hop = { fqdn = \"fe.contoso.net\"; }; allow_federated_users = true; };\n"
    "federation: { allowed = ( { domain = \"fabrikam.com\"; } ); };\n";

struct world {
	struct conf *conf;
	struct live live;
	struct host_facts host;
	struct conf_report rep;
};

static struct resolve_answer *
says(struct world *w, const char *name, bool srv)
{
	struct live_name *q = live_find(&w->live, name, srv);

	if (!q)
		fail_msg("nobody asks for %s", name);
	q->answered = true;
	memset(&q->ans, 0, sizeof(q->ans));
	return &q->ans;
}

static void
is_at(struct world *w, const char *name, const char *ip)
{
	struct resolve_answer *a = says(w, name, false);

	assert_int_equal(addr_parse_ip(&a->addrs[0], str_of(ip)), ED_OK);
	a->n_addrs = 1;
}

static void
leads_to(struct world *w, const char *name, const char *target, uint16_t port)
{
	struct resolve_answer *a = says(w, name, true);

	snprintf(a->srv[0].target, sizeof(a->srv[0].target), "%s", target);
	a->srv[0].port = port;
	a->n_srv = 1;
}

static void
is_nowhere(struct world *w, const char *name, bool srv)
{
	says(w, name, srv)->err = ED_GONE;
}

static void
add_route(struct host_facts *h, const char *interface, const char *net)
{
	snprintf(h->routes[h->n_routes].interface, sizeof(h->routes[0].interface), "%s", interface);
	assert_int_equal(addr_net_parse(&h->routes[h->n_routes++].net, str_of(net)), ED_OK);
}

static struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[64];
	int fd = memfd_create("conf", 0);

	assert_non_null(w);
	assert_true(fd >= 0 && write(fd, file, strlen(file)) == (ssize_t)strlen(file));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(conf_load(path, &w->conf, &w->rep), ED_OK);
	close(fd);
	assert_int_equal(w->rep.n_errors, 0);
	w->live.v = calloc(LIVE_NAMES_MAX, sizeof(*w->live.v));
	assert_non_null(w->live.v);
	live_plan(&w->live, w->conf);
	add_route(&w->host, "eth0", "0.0.0.0/0");
	add_route(&w->host, "eth1", "10.0.0.0/8");
	is_at(w, "fe.contoso.net", "10.1.2.3");
	is_at(w, "edge.contoso.net", "10.0.0.10");
	is_nowhere(w, "pool.contoso.net", false);
	is_at(w, "sip.contoso.com", "203.0.113.10");
	is_at(w, "webconf.contoso.com", "203.0.113.11");
	is_at(w, "av.contoso.com", "203.0.113.12");
	leads_to(w, "_sip._tls.contoso.com", "sip.contoso.com", 443);
	leads_to(w, "_sip._tls.adatum.com", "sip.adatum.com", 443);
	leads_to(w, "_sipfederationtls._tcp.contoso.com", "sip.contoso.com", 5061);
	leads_to(w, "_sipfederationtls._tcp.adatum.com", "sip.contoso.com", 5061);
	leads_to(w, "_sipfederationtls._tcp.fabrikam.com", "sip.fabrikam.com", 5061);
	is_at(w, "lyncdiscover.contoso.com", "203.0.113.40");
	is_nowhere(w, "lyncdiscover.adatum.com", false);
	return w;
}

static void
world_free(struct world *w)
{
	conf_report_done(&w->rep);
	conf_free(w->conf);
	free(w->live.v);
	free(w);
}

static void
silent(struct world *w)
{
	live_find(&w->live, "sip.contoso.com", false)->answered = false;
}
static void
next_hop_nowhere(struct world *w)
{
	is_nowhere(w, "fe.contoso.net", false);
}
static void
next_hop_outside(struct world *w)
{
	is_at(w, "fe.contoso.net", "198.51.100.7");
}
static void
edge_name_public(struct world *w)
{
	is_at(w, "edge.contoso.net", "198.51.100.7");
}
static void
access_elsewhere(struct world *w)
{
	is_at(w, "sip.contoso.com", "198.51.100.7");
}
static void
av_nowhere(struct world *w)
{
	is_nowhere(w, "av.contoso.com", false);
}
static void
no_sign_in_record(struct world *w)
{
	is_nowhere(w, "_sip._tls.adatum.com", true);
}
static void
wrong_port(struct world *w)
{
	leads_to(w, "_sip._tls.contoso.com", "sip.contoso.com", 5061);
}
static void
no_federation_record(struct world *w)
{
	is_nowhere(w, "_sipfederationtls._tcp.contoso.com", true);
}
static void
other_domain(struct world *w)
{
	leads_to(w, "_sip._tls.adatum.com", "sip.contoso.com", 443);
}
static void
lookalike_domain(struct world *w)
{
	leads_to(w, "_sip._tls.adatum.com", "sip.notadatum.com", 443);
}
static void
lyncdiscover_here(struct world *w)
{
	is_at(w, "lyncdiscover.contoso.com", "203.0.113.10");
}
static void
partner_without_record(struct world *w)
{
	is_nowhere(w, "_sipfederationtls._tcp.fabrikam.com", true);
}

static const struct {
	const char *rule;
	enum conf_severity severity;
	void (*change)(struct world *w);
} bad_cases[] = {
    {"DNS-01", CONF_WARNING, silent},
    {"DNS-03", CONF_ERROR, next_hop_nowhere},
    {"DNS-03", CONF_ERROR, next_hop_outside},
    {"DNS-04", CONF_WARNING, edge_name_public},
    {"DNS-05", CONF_WARNING, access_elsewhere},
    {"DNS-05", CONF_WARNING, av_nowhere},
    {"DNS-06", CONF_WARNING, no_sign_in_record},
    {"DNS-06", CONF_WARNING, wrong_port},
    {"DNS-07", CONF_WARNING, no_federation_record},
    {"DNS-09", CONF_WARNING, other_domain},
    {"DNS-09", CONF_WARNING, lookalike_domain},
    {"DNS-13", CONF_WARNING, lyncdiscover_here},
    {"FED-07", CONF_WARNING, partner_without_record},
};

static void
run(struct world *w)
{
	struct check ck = {.conf = w->conf, .host = &w->host, .live = &w->live, .report = &w->rep};

	live_run_over(&ck);
}

/* The good answers of world_new make every rule judge something. */
static void
good_answers_break_no_rule(void **state)
{
	struct world *w = world_new();

	run(w);
	conf_report_print(&w->rep, stderr);
	assert_int_equal(w->rep.n, 0);
	world_free(w);
}

static void
each_rule_finds_its_case(void **state)
{
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		struct world *w = world_new();
		bool hit = false;

		bad_cases[i].change(w);
		run(w);
		for (size_t k = 0; k < w->rep.n; k++)
			hit |= strcmp(w->rep.v[k].rule, bad_cases[i].rule) == 0 &&
			       w->rep.v[k].severity == bad_cases[i].severity;
		if (!hit)
			fail_msg("case %zu: %s was not found", i, bad_cases[i].rule);
		assert_int_equal(w->rep.n, 1); /* and no other rule minds */
		world_free(w);
	}
}

static void
each_rule_has_a_case(void **state)
{
	for (size_t i = 0; i < live_n_rules; i++) {
		bool hit = false;

		for (size_t k = 0; k < sizeof(bad_cases) / sizeof(bad_cases[0]); k++)
			hit |= strcmp(bad_cases[k].rule, live_rules[i].id) == 0;
		if (!hit)
			fail_msg("%s has no case", live_rules[i].id);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_answers_break_no_rule),
	    cmocka_unit_test(each_rule_finds_its_case),
	    cmocka_unit_test(each_rule_has_a_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

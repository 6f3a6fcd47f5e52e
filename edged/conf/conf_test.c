/* SPDX-License-Identifier: MIT
 *
 * conf_test.c: loading files good and bad, slices there and back, differences.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/diff.h"
#include "conf/load.h"
#include "conf/options.h"
#include "conf/slice.h"
#include "net/ipc.h"
#include "svc/roles.h"

static char dir[] = "/tmp/edged-conf-XXXXXX";

static const char *
write_file(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static struct conf *
load_good(const char *text)
{
	struct conf_report rep = {0};
	struct conf *c = NULL;

	assert_int_equal(conf_load(write_file("t.conf", text), &c, &rep), ED_OK);
	conf_report_print(&rep, stderr);
	assert_int_equal(rep.n_errors, 0);
	conf_report_done(&rep);
	return c;
}

static void
defaults_are_those_of_the_table(void **state)
{
	struct conf *c = load_good("");

	assert_int_equal(c->external.access.client_port, 443);
	assert_int_equal(c->access.limits.connections, 15000);
	assert_string_equal(c->access.hide_topology, "all");
	assert_true(c->access.require_registration);
	assert_string_equal(c->edge.fqdn, "");
	assert_int_equal(c->edge.sip_domains.n, 0);
	conf_free(c);
}

static const char *const full =
    "edge: { fqdn = \"edge.contoso.net\"; sip_domains = [ \"contoso.com\", \"b.contoso.com\" ]; "
    "lab = true; };\n"
    "external: { interface = \"eth0\"; access = { address = \"203.0.113.10\"; };\n"
    "  av = { address = [ \"203.0.113.12\", \"2001:db8::12\" ]; }; };\n"
    "certificates: { external = { chain = \"a\"; key = \"b\"; }; };\n"
    "federation: { allowed = ( { domain = \"fabrikam.com\"; }, { domain = \"x.org\"; proxy_fqdn = "
    "\"sip.x.org\"; subdomains = true; } );\n"
    "  providers = ( { name = \"eo\"; proxy_fqdn = \"p.example\"; domains = [ \"d.example\" ]; "
    "public = true; } ); };\n"
    "av: { users = ( { name = \"u\"; password = \"geheim\"; } ); };\n";

static void
values_arrive(void **state)
{
	struct conf *c = load_good(full);
	const struct conf_place *p;

	assert_string_equal(c->edge.sip_domains.v[1], "b.contoso.com");
	assert_string_equal(c->external.access.address, "203.0.113.10");
	assert_int_equal(c->external.access.addresses.n, 1);
	assert_int_equal(c->external.av.address.n, 2);
	assert_int_equal(c->federation.n_allowed, 2);
	assert_string_equal(c->federation.allowed[0].verification, "use_source");
	assert_true(c->federation.allowed[1].subdomains);
	assert_true(c->federation.providers[0].is_public);
	assert_true(c->federation.providers[0].enabled);
	p = conf_place_of(c, "federation.allowed[1].proxy_fqdn");
	assert_non_null(p);
	assert_int_equal(p->line, 5);
	assert_null(conf_place_of(c, "log.level"));
	conf_free(c);
}

static const struct {
	const char *name, *text, *says;
	unsigned line;
} bad_files[] = {
    {"unknown key", "edge: {\n fqnd = \"a\"; };", "did you mean edge.fqdn?", 2},
    {"unknown group", "egde: { fqdn = \"a\"; };", "is not known", 1},
    {"right word, wrong group", "\n\nedge: { hide_topology = \"all\"; };",
	"did you mean access.hide_topology?", 3},
    {"number as text", "access: { workers = \"2\"; };", "wants a number", 1},
    {"text as number", "edge: { fqdn = 5; };", "wants a text", 1},
    {"bool as number", "edge: { lab = 1; };", "wants true or false", 1},
    {"port too large", "internal: { sip_port = 65536; };", "allowed are 0 to 65535", 1},
    {"negative", "internal: { sip_port = -1; };", "allowed are 0 to 65535", 1},
    {"below the bound", "access: { limits = { client_body_kb = 63; }; };", "allowed are 64 to 256",
	1},
    {"not a choice", "log: { level = \"loud\"; };", "allowed are error|warning", 1},
    {"list as text", "edge: { sip_domains = \"a\"; };", "wants a list", 1},
    {"list of numbers", "edge: { sip_domains = [ 1 ]; };", "is not a text", 1},
    {"group as text", "edge = \"x\";", "wants a group", 1},
    {"text as group", "edge: { fqdn = { a = 1; }; };", "wants a text", 1},
    {"rows as text", "federation: { allowed = \"x\"; };", "wants a list of groups", 1},
    {"row that is no group", "federation: { allowed = ( \"x\" ); };", "wants a group", 1},
    {"unknown row member", "federation: { allowed = ( { domian = \"x\"; } ); };", "is not known",
	1},
    {"filled key", "certificates: { external = { slot = 3; }; };", "is not known", 1},
    {"grammar", "edge: {\n\n fqdn \"a\"; };", "syntax error", 3},
    {"twice", "edge: { lab = true;\n lab = false; };", "duplicate", 2},
};

static void
bad_files_are_told_with_line(void **state)
{
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		struct conf_report rep = {0};
		struct conf *c = NULL;
		int r = conf_load(write_file("t.conf", bad_files[i].text), &c, &rep);

		if (rep.n_errors != 1 || !strstr(rep.v[0].text, bad_files[i].says) ||
		    rep.v[0].line != bad_files[i].line) {
			conf_report_print(&rep, stderr);
			fail_msg("%s: result %d", bad_files[i].name, r);
		}
		conf_free(c);
		conf_report_done(&rep);
	}
}

static void
include_is_looked_up_beside_the_file(void **state)
{
	struct conf_report rep = {0};
	struct conf *c = NULL;

	write_file("part.conf", "edge: {\n fqdn = \"from-part\";\n nonsense = 1; };\n");
	assert_int_equal(
	    conf_load(write_file("t.conf", "@include \"part.conf\"\n"), &c, &rep), ED_OK);
	assert_string_equal(c->edge.fqdn, "from-part");
	assert_int_equal(rep.n_errors, 1);
	assert_non_null(strstr(rep.v[0].file, "part.conf"));
	assert_int_equal(rep.v[0].line, 3);
	conf_free(c);
	conf_report_done(&rep);
}

static void
missing_file_is_told(void **state)
{
	struct conf_report rep = {0};
	struct conf *c = NULL;

	assert_int_equal(conf_load("/nonexistent/edged.conf", &c, &rep), ED_MALFORMED);
	assert_int_equal(rep.n_errors, 1);
	conf_report_done(&rep);
}

static void
slice_holds_the_rows_of_its_role_only(void **state)
{
	struct conf *c = load_good(full), *s = NULL;

	for (enum role r = ROLE_KEYD; r < ROLE__N; r++) {
		struct ipc_writer one = {0};
		uint8_t buf[8192];

		one.p = buf;
		one.room = sizeof(buf);
		conf_slice_put(&one, c, ROLE_BIT(r));
		assert_int_equal(one.err, 0);
		/* passwords go to keyd in the key plan and nowhere else */
		assert_null(memmem(buf, one.n, "geheim", 6));
		assert_int_equal(
		    conf_slice_get((struct str){(char *)buf, one.n}, ROLE_BIT(r), &s), ED_OK);
		for (size_t i = 0; i < conf_n_opts; i++) {
			char a[512], b[512];

			if (conf_opts[i].slice & ROLE_BIT(r))
				assert_string_equal(conf_opt_text(&conf_opts[i], c, a, sizeof(a)),
				    conf_opt_text(&conf_opts[i], s, b, sizeof(b)));
		}
		s = conf_free(s);
		/* every shorter one is refused */
		for (size_t n = 0; n < one.n; n++)
			assert_int_not_equal(
			    conf_slice_get((struct str){(char *)buf, n}, ROLE_BIT(r), &s), ED_OK);
	}
	conf_free(c);
}

static void
diff_names_what_changed(void **state)
{
	struct conf *a = load_good("log: { level = \"info\"; }; edge: { fqdn = \"a\"; };");
	struct conf *b = load_good("log: { level = \"debug\"; }; edge: { fqdn = \"b\"; };");

	assert_int_equal(conf_diff(a, a, NULL, NULL), 0);
	assert_int_equal(conf_diff(a, b, NULL, NULL), 2);
	assert_int_equal(conf_keep_restart_rows(a, b, NULL, NULL), ED_OK);
	assert_string_equal(b->edge.fqdn, "a");
	assert_string_equal(b->log.level, "debug");
	assert_int_equal(conf_diff(a, b, NULL, NULL), 1);
	conf_free(a);
	conf_free(b);
}

static void
sample_loads(void **state)
{
	struct conf_report rep = {0};
	struct conf *c = NULL;
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sample.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	conf_print_sample(f);
	fclose(f);
	assert_int_equal(conf_load(path, &c, &rep), ED_OK);
	conf_report_print(&rep, stderr);
	assert_int_equal(rep.n_errors, 0);
	assert_string_equal(c->external.access.address, "203.0.113.10");
	conf_report_done(&rep);
	conf_free(c);
}

static int
make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int
drop_dir(void **state)
{
	static const char *const names[] = {"t.conf", "part.conf", "sample.conf"};
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_are_those_of_the_table),
	    cmocka_unit_test(values_arrive),
	    cmocka_unit_test(bad_files_are_told_with_line),
	    cmocka_unit_test(include_is_looked_up_beside_the_file),
	    cmocka_unit_test(missing_file_is_told),
	    cmocka_unit_test(slice_holds_the_rows_of_its_role_only),
	    cmocka_unit_test(diff_names_what_changed),
	    cmocka_unit_test(sample_loads),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}

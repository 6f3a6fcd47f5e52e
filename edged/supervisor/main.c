/* SPDX-License-Identifier: MIT
 *
 * supervisor/main.c: the command line of edged.
 *
 * Exit status: 0 done; 1 the answer is no (-n found an error); 2 usage; 78 will not start with this
 * configuration.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/mac.h"
#include "conf/check.h"
#include "conf/load.h"
#include "conf/options.h"
#include "conf/print_net.h"
#include "supervisor/live.h"
#include "supervisor/supervisor.h"

#define DEFAULT_FILE "/etc/edged/edged.conf"

enum { EXIT_NO = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78 };

static void
print_help(FILE *out)
{
	fputs("usage: edged [-c FILE]            run in the foreground\n"
	      "       edged -n [-c FILE] [--json] [--live] [--as-reload]\n"
	      "                                  check FILE and exit: 0 no error, 1 errors; "
	      "--live: the\n"
	      "                                  DNS too; --as-reload: while edged runs with it\n"
	      "       edged --options=sample|man|json|roles\n"
	      "                                  print the option table, or the privilege plan\n"
	      "       edged --dns [-c FILE]      print the DNS records that FILE needs\n"
	      "       edged --firewall [-c FILE] print the firewall rules that FILE needs\n"
	      "       edged --version | --help\n"
	      "FILE is " DEFAULT_FILE " unless given.\n",
	    out);
}

static int
print_options(const char *form)
{
	if (strcmp(form, "sample") == 0)
		conf_print_sample(stdout);
	else if (strcmp(form, "man") == 0)
		conf_print_man(stdout);
	else if (strcmp(form, "json") == 0)
		conf_print_json(stdout);
	else if (strcmp(form, "roles") == 0)
		roles_print_markdown(stdout);
	else {
		fputs("edged: --options=sample|man|json|roles\n", stderr);
		return EXIT_USAGE;
	}
	return fflush(stdout) == 0 ? 0 : EXIT_NO;
}

/* Loads path and the certificate files it names; runs the rules. The caller frees *ret_conf. */
static void
load_and_check(const char *path, enum check_mode mode, struct conf **ret_conf,
    struct conf_keys *keys, struct conf_report *rep)
{
	*ret_conf = NULL;
	memset(keys, 0, sizeof(*keys));
	if (conf_load(path, ret_conf, rep) < 0)
		return;
	if (conf_certs_read(*ret_conf, rep) < 0 || conf_keys_read(*ret_conf, keys, rep) < 0) {
		conf_report_add(rep, *ret_conf, CONF_ERROR, "CHECK", NULL, NULL, "out of memory");
		return;
	}
	check_run(*ret_conf, keys, mode, rep);
	if (privilege_to_lock_in())
		check_users(*ret_conf, rep);
	if (mode == CHECK_FILE)
		check_readable(*ret_conf, path, rep);
}

struct check_how {
	bool check, json, live;
	bool as_reload; /* the daemon runs: its listeners are not in the way */
};

static int
check_file(const char *path, const struct check_how *how)
{
	struct conf_report rep = {0};
	struct conf_keys keys;
	struct conf *c;
	size_t n_errors;

	load_and_check(path, how->as_reload ? CHECK_RELOAD : CHECK_FILE, &c, &keys, &rep);
	if (c && how->live)
		live_check(c, &rep);
	n_errors = rep.n_errors;
	if (how->json) {
		char *certs = c ? check_certs_json(c) : NULL;

		conf_report_print_json(&rep, certs ? certs : "", stdout);
		free(certs);
	} else {
		conf_report_print(&rep, stdout);
		if (c)
			check_certs_print(c, stdout);
	}
	if (!how->json)
		printf("%s: %zu error%s, %zu warning%s\n", path, n_errors, n_errors == 1 ? "" : "s",
		    rep.n_warnings, rep.n_warnings == 1 ? "" : "s");
	conf_keys_done(&keys);
	conf_free(c);
	conf_report_done(&rep);
	return n_errors ? EXIT_NO : 0;
}

static int
print_from_file(const char *path, void (*print)(const struct conf *c, FILE *out))
{
	struct conf_report rep = {0};
	struct conf *c = NULL;
	int r = conf_load(path, &c, &rep);

	if (r == ED_OK && rep.n_errors == 0)
		print(c, stdout);
	else
		conf_report_print(&rep, stderr);
	conf_free(c);
	r = r < 0 || rep.n_errors ? EXIT_NO : 0;
	conf_report_done(&rep);
	return r;
}

/* Where the programs of the services are: beside this one, or in ../libexec/edged. */
static void
find_libexec(char *ret, size_t room)
{
	const char *given = getenv("EDGED_LIBEXEC");
	char self[256], probe[320];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (given) {
		snprintf(ret, room, "%s", given);
		return;
	}
	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	snprintf(ret, room, "%s", self);
	snprintf(probe, sizeof(probe), "%s/edged-keyd", self);
	if (access(probe, X_OK) < 0)
		snprintf(ret, room, "%s/../libexec/edged", self);
}

static int
run(const char *path)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	struct conf_keys keys;
	int code = EXIT_CONFIG;

	if (!s)
		return EXIT_NO;
	s->path = path;
	find_libexec(s->libexec, sizeof(s->libexec));
	load_and_check(path, CHECK_START, &s->conf, &keys, &s->report);
	if (s->report.n_errors == 0 && keys_load_secret(s, &s->report) == ED_OK &&
	    keys_assign(s, s->conf, &keys, s->keys) == ED_OK) {
		conf_keys_done(&keys);
		conf_report_print(&s->report, stderr);
		code = supervisor_run(s);
	} else {
		conf_report_print(&s->report, stderr);
		fprintf(stderr, "edged: will not start with %s\n", path);
		if (s->conf) {
			supervisor_open_log(s);
			findings_log(&s->report, true);
		}
	}
	conf_keys_done(&keys);
	secret_done(&s->pool_secret);
	conf_report_done(&s->report);
	conf_free(s->conf);
	free(s);
	return code;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {{"options", required_argument, NULL, 'o'},
	    {"dns", no_argument, NULL, 'd'}, {"firewall", no_argument, NULL, 'f'},
	    {"json", no_argument, NULL, 'j'}, {"live", no_argument, NULL, 'l'},
	    {"as-reload", no_argument, NULL, 'r'}, {"version", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *path = DEFAULT_FILE, *options = NULL;
	struct check_how how = {0};
	bool dns = false, firewall = false;
	int o;

	while ((o = getopt_long(argc, argv, "c:nh", longs, NULL)) != -1) {
		switch (o) {
		case 'c':
			path = optarg;
			break;
		case 'n':
			how.check = true;
			break;
		case 'o':
			options = optarg;
			break;
		case 'd':
			dns = true;
			break;
		case 'f':
			firewall = true;
			break;
		case 'j':
			how.json = true;
			break;
		case 'l':
			how.live = true;
			break;
		case 'r':
			how.as_reload = true;
			break;
		case 'v':
			printf("edged %s\n", EDGED_VERSION);
			return 0;
		case 'h':
			print_help(stdout);
			return 0;
		default:
			print_help(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (mac_setup() < 0 || digest_setup() < 0) {
		fputs("edged: libcrypto lacks an algorithm\n", stderr);
		return EXIT_NO;
	}
	if (options)
		return print_options(options);
	if (dns)
		return print_from_file(path, conf_print_dns);
	if (firewall)
		return print_from_file(path, conf_print_firewall);
	if (how.check)
		return check_file(path, &how);
	return run(path);
}

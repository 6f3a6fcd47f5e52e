/* SPDX-License-Identifier: MIT
 *
 * conf/check_print.c: the certificates of a configuration, for people and for programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/conf.h"

static void
print_one(const char *binding, const struct check_cert_facts *f, FILE *out)
{
	time_t end = (time_t)f->not_after;
	char day[32];
	struct tm tm;

	gmtime_r(&end, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "certificate %s: subject %s, names", binding, f->subject);
	for (unsigned i = 0; i < f->n_names; i++)
		fprintf(out, " %s", f->names[i]);
	fprintf(out, "%s, issuer %s, serial %s, sha256 %s, not after %s, key %s\n",
	    f->n_names ? "" : " none", f->issuer, f->serial, f->fingerprint, day, f->key_type);
}

static void
print_one_json(const char *binding, const struct check_cert_facts *f, bool first, FILE *out)
{
	fprintf(out, "%s{\"not_after\":%lld", first ? "" : ",", (long long)f->not_after);
	conf_report_print_json_text(out, "binding", binding);
	conf_report_print_json_text(out, "subject", f->subject);
	conf_report_print_json_text(out, "issuer", f->issuer);
	conf_report_print_json_text(out, "serial", f->serial);
	conf_report_print_json_text(out, "sha256", f->fingerprint);
	conf_report_print_json_text(out, "key", f->key_type);
	fputs(",\"names\":[", out);
	for (unsigned i = 0; i < f->n_names; i++) {
		fputs(i ? "," : "", out);
		conf_report_print_json_string(out, f->names[i]);
	}
	fputs("]}", out);
}

void
check_certs_print(const struct conf *c, FILE *out)
{
	struct check_cert_facts *f = check_certs_read(c, NULL);

	for (int b = 0; f && b < BINDING__N; b++)
		if (f[b].parsed)
			print_one(conf_binding_name((enum conf_binding)b), &f[b], out);
	check_certs_free(f);
}

char *
check_certs_json(const struct conf *c)
{
	struct check_cert_facts *f = check_certs_read(c, NULL);
	bool first = true;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (out) {
		fputs(",\"certificates\":[", out);
		for (int b = 0; f && b < BINDING__N; b++)
			if (f[b].parsed) {
				print_one_json(
				    conf_binding_name((enum conf_binding)b), &f[b], first, out);
				first = false;
			}
		fputc(']', out);
		fclose(out);
	}
	check_certs_free(f);
	return text;
}

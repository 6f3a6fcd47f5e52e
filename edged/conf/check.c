/* SPDX-License-Identifier: MIT
 *
 * conf/check.c: runs the table of rules (conf/check_rules.c) over a configuration and its facts.
 */
#include "conf/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "conf/check_cert.h"
#include "conf/conf.h"

static void found(struct check *ck, enum conf_severity severity, const char *key, const char *fmt,
    va_list ap) __attribute__((format(printf, 4, 0)));

static void
found(struct check *ck, enum conf_severity severity, const char *key, const char *fmt, va_list ap)
{
	bool lowered = false;
	char text[1024];

	if (severity == CONF_ERROR && ck->conf->edge.lab && ck->rule->lab_lowers) {
		severity = CONF_WARNING;
		lowered = true;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	conf_report_add(
	    ck->report, ck->conf, severity, ck->rule->id, key, ck->rule->todo, "%s", text);
	if (lowered && ck->report->n > 0)
		ck->report->v[ck->report->n - 1].lowered = true;
}

void
check_found(struct check *ck, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	found(ck, ck->rule->severity, key, fmt, ap);
	va_end(ap);
}

void
check_found_as(struct check *ck, enum conf_severity severity, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	found(ck, severity, key, fmt, ap);
	va_end(ap);
}

void
check_run_over(struct check *ck)
{
	for (size_t i = 0; i < check_n_rules; i++) {
		ck->rule = &check_rules[i];
		ck->rule->run(ck);
	}
}

void
check_run(const struct conf *c, const struct conf_keys *keys, enum check_mode mode,
    struct conf_report *report)
{
	struct host_facts *host = NULL;
	struct check_cert_facts *certs = check_certs_read(c, keys);
	struct check ck = {.conf = c, .mode = mode, .certs = certs, .report = report};

	if (!certs || host_read(&host) < 0) {
		conf_report_add(report, c, CONF_ERROR, "CHECK", NULL, NULL, "out of memory");
		goto out;
	}
	if (mode == CHECK_FILE)
		host_read_clock(host);
	ck.host = host;
	ck.now_s = (int64_t)time(NULL);
	ck.n_specs = listen_plan(c, ck.specs, LISTEN_SPECS_MAX);
	check_run_over(&ck);
out:
	host_free(host);
	check_certs_free(certs);
}

void
check_each_replaced(
    const struct conf *old, const struct conf *next, check_replaced_cb *each, void *arg)
{
	for (int b = 0; b < BINDING__N; b++) {
		const char *was = conf_binding_cert(old, (enum conf_binding)b)->chain_pem;
		const char *is = conf_binding_cert(next, (enum conf_binding)b)->chain_pem;
		struct check_cert_facts before, after;

		if (strcmp(was, is) == 0)
			continue;
		cert_facts_read(&before, was, NULL, STR_NONE);
		cert_facts_read(&after, is, NULL, STR_NONE);
		each(arg, (enum conf_binding)b, before.serial, after.serial);
		cert_facts_done(&before);
		cert_facts_done(&after);
	}
}

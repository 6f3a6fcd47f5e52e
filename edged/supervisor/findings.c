/* SPDX-License-Identifier: MIT
 *
 * supervisor/findings.c: what the check found, as events (SYS-1005, CRT-1104): who watches syslog
 * learns it without running `edged -n`.
 */
#include <string.h>

#include "conf/report.h"
#include "supervisor/supervisor.h"
#include "svc/log.h"

#define FINDING "rule=%s option=%s place=%s:%u found=%s hint=%s"

static void
log_finding(const struct conf_finding *f)
{
	bool cert = strncmp(f->rule, "CERT-", 5) == 0, error = f->severity == CONF_ERROR;
	char text[LOG_QUOTE_LEN], todo[LOG_QUOTE_LEN];
	const char *option = f->key ? f->key : "-", *file = f->file ? f->file : "-";

	log_quote(str_of(f->text ? f->text : ""), text);
	log_quote(str_of(f->todo ? f->todo : ""), todo);
	if (cert && error)
		log_error(AREA_CERT, "CRT-1104", "certificate_rule_violated", FINDING, f->rule,
		    option, file, f->line, text, todo);
	else if (cert)
		log_warning(AREA_CERT, "CRT-1104", "certificate_rule_violated", FINDING, f->rule,
		    option, file, f->line, text, todo);
	else if (error)
		log_error(AREA_SYS, "SYS-1005", "rule_violated", FINDING, f->rule, option, file,
		    f->line, text, todo);
	else
		log_warning(AREA_SYS, "SYS-1005", "rule_violated", FINDING, f->rule, option, file,
		    f->line, text, todo);
}

void
findings_log(const struct conf_report *r, bool only_errors)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].severity == CONF_ERROR ||
		    (r->v[i].severity == CONF_WARNING && !only_errors))
			log_finding(&r->v[i]);
}

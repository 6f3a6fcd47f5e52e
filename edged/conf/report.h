/* SPDX-License-Identifier: MIT
 *
 * conf/report.h: what a check found: severity, rule id, place in the file, value found, what to do.
 * Filled by conf/load.c and conf/check.c, shown by `edged -n`, `edgectl check` and the reload.
 */
#ifndef EDGED_CONF_REPORT_H
#define EDGED_CONF_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct conf;

enum conf_severity { CONF_ERROR, CONF_WARNING, CONF_INFO };

struct conf_finding {
	enum conf_severity severity;
	bool lowered;     /* an error that edge.lab made a warning */
	const char *rule; /* static: "TOP-01"; "CONF" for the file itself */
	const char *key;  /* owned; may be NULL */
	const char *file; /* owned; may be NULL */
	unsigned line;
	const char *text; /* owned: what was found, with the value */
	const char *todo; /* static or owned by the table: what to do; may be NULL */
};

struct conf_report {
	struct conf_finding *v;
	size_t n, room;
	size_t n_errors, n_warnings;
};

void conf_report_done(struct conf_report *r);
/* Place is looked up from key in c (may be NULL); a missing place is left out. */
void conf_report_add(struct conf_report *r, const struct conf *c, enum conf_severity severity,
    const char *rule, const char *key, const char *todo, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));
void conf_report_add_at(struct conf_report *r, enum conf_severity severity, const char *rule,
    const char *file, unsigned line, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));
const char *conf_severity_name(enum conf_severity s);
/* One line per finding: "error TOP-01 edged.conf:12 external.interface: text. todo". */
void conf_report_print(const struct conf_report *r, FILE *out);
/* more: members put behind the findings, with a comma in front; "" for none. */
void conf_report_print_json(const struct conf_report *r, const char *more, FILE *out);
/* "TEXT", and ,"NAME":"TEXT" */
void conf_report_print_json_string(FILE *out, const char *text);
void conf_report_print_json_text(FILE *out, const char *name, const char *text);

#endif

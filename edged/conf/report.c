/* SPDX-License-Identifier: MIT
 *
 * conf/report.c: findings, kept in order, shown as lines or JSON. Without memory a finding is
 * counted all the same, so a check never passes because of it.
 */
#include "conf/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "conf/load.h"

static char *
copy_text(const char *text)
{
	return text ? strdup(text) : NULL;
}

static struct conf_finding *
next_slot(struct conf_report *r, enum conf_severity severity)
{
	if (severity == CONF_ERROR)
		r->n_errors++;
	else if (severity == CONF_WARNING)
		r->n_warnings++;
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct conf_finding *v = realloc(r->v, room * sizeof(*v));

		if (!v)
			return NULL;
		r->v = v;
		r->room = room;
	}
	memset(&r->v[r->n], 0, sizeof(r->v[0]));
	return &r->v[r->n++];
}

static void add(struct conf_report *r, enum conf_severity severity, const char *rule,
    const char *file, unsigned line, const char *key, const char *todo, const char *fmt, va_list ap)
    __attribute__((format(printf, 8, 0)));

static void
add(struct conf_report *r, enum conf_severity severity, const char *rule, const char *file,
    unsigned line, const char *key, const char *todo, const char *fmt, va_list ap)
{
	struct conf_finding *f = next_slot(r, severity);
	char *text = NULL;

	if (!f)
		return;
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	f->severity = severity;
	f->rule = rule;
	f->file = copy_text(file);
	f->line = line;
	f->key = copy_text(key);
	f->todo = todo;
	f->text = text;
}

void
conf_report_add(struct conf_report *r, const struct conf *c, enum conf_severity severity,
    const char *rule, const char *key, const char *todo, const char *fmt, ...)
{
	const struct conf_place *p = c && key ? conf_place_of(c, key) : NULL;
	va_list ap;

	va_start(ap, fmt);
	add(r, severity, rule, p ? p->file : NULL, p ? p->line : 0, key, todo, fmt, ap);
	va_end(ap);
}

void
conf_report_add_at(struct conf_report *r, enum conf_severity severity, const char *rule,
    const char *file, unsigned line, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, severity, rule, file, line, key, NULL, fmt, ap);
	va_end(ap);
}

void
conf_report_done(struct conf_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free((char *)(uintptr_t)r->v[i].file);
		free((char *)(uintptr_t)r->v[i].key);
		free((char *)(uintptr_t)r->v[i].text);
	}
	free(r->v);
	memset(r, 0, sizeof(*r));
}

const char *
conf_severity_name(enum conf_severity s)
{
	static const char *const names[] = {"error", "warning", "info"};

	return names[s];
}

void
conf_report_print(const struct conf_report *r, FILE *out)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct conf_finding *f = &r->v[i];

		fprintf(out, "%s %s", conf_severity_name(f->severity), f->rule);
		if (f->file)
			fprintf(out, " %s:%u", f->file, f->line);
		if (f->key)
			fprintf(out, " %s", f->key);
		fprintf(out, ": %s", f->text ? f->text : "(out of memory)");
		if (f->todo)
			fprintf(out, "; %s", f->todo);
		fputs(f->lowered ? " [edge.lab: error made a warning]\n" : "\n", out);
	}
}

void
conf_report_print_json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const char *p = text ? text : ""; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if ((unsigned char)*p < 0x20)
			fprintf(out, "\\u%04x", (unsigned char)*p);
		else
			fputc(*p, out);
	}
	fputc('"', out);
}

void
conf_report_print_json_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, ",\"%s\":", name);
	conf_report_print_json_string(out, text);
}

void
conf_report_print_json(const struct conf_report *r, const char *more, FILE *out)
{
	fprintf(out, "{\"errors\":%zu,\"warnings\":%zu,\"findings\":[", r->n_errors, r->n_warnings);
	for (size_t i = 0; i < r->n; i++) {
		const struct conf_finding *f = &r->v[i];

		fprintf(
		    out, "%s{\"severity\":\"%s\"", i ? "," : "", conf_severity_name(f->severity));
		conf_report_print_json_text(out, "rule", f->rule);
		conf_report_print_json_text(out, "key", f->key);
		conf_report_print_json_text(out, "file", f->file);
		fprintf(out, ",\"line\":%u,\"lowered\":%s", f->line, f->lowered ? "true" : "false");
		conf_report_print_json_text(out, "text", f->text);
		conf_report_print_json_text(out, "todo", f->todo);
		fputc('}', out);
	}
	fprintf(out, "]%s}\n", more);
}

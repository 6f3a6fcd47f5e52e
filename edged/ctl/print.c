/* SPDX-License-Identifier: MIT
 *
 * ctl/print.c: answers as text. What a service says of its sessions and partners is shown as a
 * table made from the members it has: rooms grow new ones without a change here.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/value.h"

#define COLUMNS_MAX 24u
#define TEXT_LEN    256u

/* The answer is no: say why. */
static int
print_no(struct json_value v)
{
	char why[1024];

	json_plain(json_get(v, "why"), why, sizeof(why));
	fprintf(stderr, "edgectl: %s\n", *why ? why : "the answer cannot be read");
	return 1;
}

static void
print_span(FILE *out, long long s)
{
	if (s >= 86400)
		fprintf(out, "%lldd %lldh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		fprintf(out, "%lldh %lldm", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		fprintf(out, "%lldm %llds", s / 60, s % 60);
	else
		fprintf(out, "%llds", s);
}

static void
print_service(struct json_value s, FILE *out)
{
	struct str it = json_get(s, "warnings").raw;
	char role[TEXT_LEN], state[TEXT_LEN], why[TEXT_LEN];
	struct json_value w;

	fprintf(out, "  %-10s %-3lld %-9s pid %-8lld up ", text_of(s, "role", role, TEXT_LEN),
	    number_of(s, "worker"), text_of(s, "state", state, TEXT_LEN), number_of(s, "pid"));
	print_span(out, number_of(s, "uptime_s"));
	if (number_of(s, "restarts") > 0)
		fprintf(out, ", restarts %lld", number_of(s, "restarts"));
	text_of(s, "why", why, TEXT_LEN);
	fprintf(out, "%s%s\n", *why ? ", " : "", why);
	while (json_element(&it, &w)) {
		char text[TEXT_LEN];

		fprintf(out, "             ! %s\n", json_plain(w, text, sizeof(text)));
	}
}

static void
print_finding(struct json_value f, FILE *out)
{
	char sev[TEXT_LEN], rule[TEXT_LEN], key[TEXT_LEN], file[TEXT_LEN], text[1024], todo[512];

	json_plain(json_get(f, "text"), text, sizeof(text));
	json_plain(json_get(f, "todo"), todo, sizeof(todo));
	fprintf(out, "  %-8s %-12s", text_of(f, "severity", sev, TEXT_LEN),
	    text_of(f, "rule", rule, TEXT_LEN));
	if (*text_of(f, "file", file, TEXT_LEN))
		fprintf(out, " %s:%lld", file, number_of(f, "line"));
	if (*text_of(f, "key", key, TEXT_LEN))
		fprintf(out, " %s", key);
	fprintf(out, " %s%s%s%s\n", text, *todo ? "; " : "", todo,
	    is_true(f, "lowered") ? " [edge.lab]" : "");
}

int
print_status(struct json_value v, FILE *out)
{
	char a[TEXT_LEN], b[TEXT_LEN], c[TEXT_LEN], d[TEXT_LEN];
	struct json_value one, last = json_get(v, "last_reload");
	struct str it;
	int code = 0;

	if (!is_true(v, "ok"))
		return print_no(v);
	fprintf(out, "edged %s, %s, %s, up ", text_of(v, "version", a, TEXT_LEN),
	    text_of(v, "fqdn", b, TEXT_LEN), text_of(v, "state", c, TEXT_LEN));
	print_span(out, number_of(v, "uptime_s"));
	fprintf(out, "\nconfiguration %s (%s), %lld reloads", text_of(v, "file", a, TEXT_LEN),
	    text_of(v, "config", d, TEXT_LEN), number_of(v, "reloads"));
	if (number_of(last, "at") && !is_true(last, "ok"))
		fprintf(out, ", the last one refused: %s", text_of(last, "why", b, TEXT_LEN));
	fputs("\n", out);
	if (is_true(v, "lab"))
		fputs("LABORATORY MODE: host rules are warnings\n", out);
	fputs("services\n", out);
	it = json_get(v, "services").raw;
	while (json_element(&it, &one)) {
		print_service(one, out);
		if (!str_eq(json_get(one, "state").raw, STR("ready")))
			code = 1;
	}
	fputs("listeners\n", out);
	it = json_get(v, "listeners").raw;
	while (json_element(&it, &one))
		fprintf(out, "  %-4s %-24s %-8s %s\n", text_of(one, "proto", a, TEXT_LEN),
		    text_of(one, "address", b, TEXT_LEN), text_of(one, "interface", c, TEXT_LEN),
		    text_of(one, "service", d, TEXT_LEN));
	it = json_get(v, "findings").raw;
	if (it.n > 2)
		fputs("findings\n", out);
	while (json_element(&it, &one))
		print_finding(one, out);
	return code;
}

int
print_certs(struct json_value v, FILE *out)
{
	struct str it = json_get(v, "certificates").raw;
	struct json_value c, n;

	if (!is_true(v, "ok"))
		return print_no(v);
	while (json_element(&it, &c)) {
		char a[TEXT_LEN], day[32];
		time_t end = (time_t)number_of(c, "not_after");
		struct str names = json_get(c, "names").raw;
		struct tm tm;

		gmtime_r(&end, &tm);
		strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%SZ", &tm);
		fprintf(out, "%s\n", text_of(c, "binding", a, TEXT_LEN));
		fprintf(out, "  subject    %s\n", text_of(c, "subject", a, TEXT_LEN));
		fputs("  names     ", out);
		while (json_element(&names, &n))
			fprintf(out, " %s", json_plain(n, a, sizeof(a)));
		fprintf(out, "\n  issuer     %s\n", text_of(c, "issuer", a, TEXT_LEN));
		fprintf(out, "  serial     %s\n", text_of(c, "serial", a, TEXT_LEN));
		fprintf(out, "  sha256     %s\n", text_of(c, "sha256", a, TEXT_LEN));
		fprintf(out, "  key        %s, chain of %lld\n", text_of(c, "key", a, TEXT_LEN),
		    number_of(c, "chain"));
		fprintf(out, "  not after  %s (%lld days left)\n", day, number_of(c, "days_left"));
	}
	it = json_get(v, "connections").raw;
	while (json_element(&it, &c)) {
		char serial[TEXT_LEN], binding[TEXT_LEN];

		text_of(c, "binding", binding, TEXT_LEN);
		fprintf(out, "%lld connections live under %s, %s\n", number_of(c, "connections"),
		    text_of(c, "serial", serial, TEXT_LEN),
		    *binding ? binding : "which was replaced");
	}
	return 0;
}

int
print_stats(struct json_value v, FILE *out)
{
	struct str it = json_get(v, "stats").raw;
	struct json_value r;

	if (!is_true(v, "ok"))
		return print_no(v);
	while (json_element(&it, &r)) {
		char name[TEXT_LEN], value[TEXT_LEN];

		json_plain(json_get(r, "name"), name, sizeof(name));
		fprintf(out, "%-64s %s\n", name,
		    json_plain(json_get(r, "value"), value, sizeof(value)));
	}
	return 0;
}

int
print_check(struct json_value v, FILE *out)
{
	struct str it = json_get(v, "findings").raw;
	struct json_value f;

	if (json_get(v, "errors").kind != JSON_NUMBER)
		return print_no(v);
	while (json_element(&it, &f))
		print_finding(f, out);
	fprintf(
	    out, "%lld errors, %lld warnings\n", number_of(v, "errors"), number_of(v, "warnings"));
	return number_of(v, "errors") > 0;
}

static void
print_keys(struct json_value v, const char *key, const char *head, FILE *out)
{
	struct str it = json_get(v, key).raw;
	struct json_value k;
	char a[TEXT_LEN];

	if (it.n <= 2)
		return;
	fprintf(out, "%s\n", head);
	while (json_element(&it, &k))
		fprintf(out, "  %s\n", json_plain(k, a, sizeof(a)));
}

int
print_reload(struct json_value v, FILE *out)
{
	if (!is_true(v, "ok")) {
		print_no(v);
		fputs("edgectl: the running configuration stays\n", stderr);
		return 1;
	}
	fputs("reloaded\n", out);
	print_keys(v, "changed", "changed:", out);
	print_keys(
	    v, "needs_restart", "left as they were, since only a restart changes them:", out);
	return 0;
}

int
print_done(struct json_value v, FILE *out)
{
	return is_true(v, "ok") ? 0 : print_no(v);
}

struct columns {
	char name[COLUMNS_MAX][48];
	size_t width[COLUMNS_MAX];
	size_t n;
};

static void
measure_row(struct columns *c, struct json_value row)
{
	struct str it = row.raw, key;
	struct json_value v;
	char text[TEXT_LEN];

	while (json_member(&it, &key, &v)) {
		size_t i = 0, w;

		while (i < c->n && !str_eq(str_of(c->name[i]), key))
			i++;
		if (i == COLUMNS_MAX)
			continue;
		if (i == c->n) {
			snprintf(c->name[i], sizeof(c->name[i]), STR_FMT, STR_ARG(key));
			c->width[i] = strlen(c->name[i]);
			c->n++;
		}
		w = strlen(json_plain(v, text, sizeof(text)));
		if (w > c->width[i])
			c->width[i] = w;
	}
}

static void
print_table(struct json_value rows, FILE *out)
{
	struct columns c = {.n = 0};
	struct str it = rows.raw;
	struct json_value row;
	char text[TEXT_LEN];

	while (json_element(&it, &row))
		if (row.kind == JSON_OBJECT)
			measure_row(&c, row);
	for (size_t i = 0; i < c.n; i++)
		fprintf(out, "%s%-*s", i ? "  " : "    ", (int)c.width[i], c.name[i]);
	fputs(c.n ? "\n" : "    (none)\n", out);
	it = rows.raw;
	while (json_element(&it, &row)) {
		if (row.kind != JSON_OBJECT)
			continue;
		for (size_t i = 0; i < c.n; i++) {
			json_plain(json_get(row, c.name[i]), text, sizeof(text));
			fprintf(out, "%s%-*s", i ? "  " : "    ", (int)c.width[i], text);
		}
		fputs("\n", out);
	}
}

/* Members of an answer: lists become tables, the rest lines. */
static void
print_answer(struct json_value v, FILE *out)
{
	struct str it = v.raw, key;
	struct json_value m;
	char text[TEXT_LEN];

	if (v.kind == JSON_LIST)
		print_table(v, out);
	while (v.kind == JSON_OBJECT && json_member(&it, &key, &m)) {
		if (m.kind == JSON_LIST) {
			fprintf(out, "  " STR_FMT "\n", STR_ARG(key));
			print_table(m, out);
		} else {
			fprintf(out, "  " STR_FMT ": %s\n", STR_ARG(key),
			    json_plain(m, text, sizeof(text)));
		}
	}
}

int
print_services(struct json_value v, FILE *out)
{
	struct str it = json_get(v, "services").raw;
	struct json_value s;
	char text[TEXT_LEN];

	if (!is_true(v, "ok"))
		return print_no(v);
	while (json_element(&it, &s)) {
		fprintf(
		    out, "%s %lld\n", text_of(s, "role", text, TEXT_LEN), number_of(s, "worker"));
		print_answer(json_get(s, "answer"), out);
	}
	it = json_get(v, "silent").raw;
	while (json_element(&it, &s))
		fprintf(out, "%s did not answer\n", json_plain(s, text, sizeof(text)));
	return 0;
}

int
print_kick(struct json_value v, FILE *out)
{
	struct str it = json_get(v, "services").raw;
	struct json_value s;
	char role[TEXT_LEN];

	if (!is_true(v, "ok"))
		return print_no(v);
	while (json_element(&it, &s))
		if (is_true(json_get(s, "answer"), "kicked")) {
			fprintf(out, "ended, at %s %lld\n", text_of(s, "role", role, TEXT_LEN),
			    number_of(s, "worker"));
			return 0;
		}
	fputs(
	    "edgectl: no session from outside has that id; edgectl sessions lists them\n", stderr);
	return 1;
}

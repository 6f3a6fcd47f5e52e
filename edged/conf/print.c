/* SPDX-License-Identifier: MIT
 *
 * conf/print.c: the option table as sample file, as the options part of edged.conf(5), and as JSON.
 * config/edged.conf and docs/man/edged.conf.5 are this output; test/drift compares.
 */
#include "conf/options.h"

#include "svc/roles.h"

#define SAMPLE_WIDTH 100u

static void
indent(FILE *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		fputs("    ", out);
}

/* text as comment lines "# ..." that end before SAMPLE_WIDTH. */
static void
print_comment(FILE *out, unsigned depth, const char *text)
{
	size_t room = SAMPLE_WIDTH - 4 * depth - 2;

	while (*text) {
		size_t n = strlen(text);

		if (n > room) {
			n = room;
			while (n > 0 && text[n] != ' ')
				n--;
			if (n == 0)
				n = room;
		}
		indent(out, depth);
		fprintf(out, "# %.*s\n", (int)n, text);
		text += n;
		while (*text == ' ')
			text++;
	}
}

static void
print_value(FILE *out, const struct conf_opt *o, const char *v)
{
	struct str left = str_of(v);

	switch (o->type) {
	case CONF_BOOL:
	case CONF_U32:
	case CONF_PORT:
		fputs(v, out);
		return;
	case CONF_TEXT:
	case CONF_ADDRS:
		fprintf(out, "\"%s\"", v);
		return;
	case CONF_ROWS:
		fputs("( )", out);
		return;
	case CONF_LIST:
		break;
	}
	fputs("[ ", out);
	while (left.n) {
		ptrdiff_t comma = str_find(left, ',');
		struct str one = comma < 0 ? left : str_first(left, (size_t)comma);

		fprintf(out, "\"" STR_FMT "\"", STR_ARG(one));
		left = str_from(left, one.n + 1);
		fputs(left.n ? ", " : " ", out);
	}
	fputs("]", out);
}

/* Number of dots, and length up to and with the last one. */
static unsigned
depth_of(struct str key, size_t *ret_prefix)
{
	unsigned n = 0;

	*ret_prefix = 0;
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] == '.') {
			n++;
			*ret_prefix = i + 1;
		}
	return n;
}

/* Close the groups of `from` that `to` is not in, open those of `to` that are not open. */
static void
change_group(FILE *out, struct str from, struct str to)
{
	size_t common = 0, prefix;
	unsigned depth;

	for (size_t i = 0; i < from.n && i < to.n && from.p[i] == to.p[i]; i++)
		if (from.p[i] == '.')
			common = i + 1;
	depth = depth_of(from, &prefix);
	for (size_t i = from.n; i > common; i--)
		if (from.p[i - 1] == '.') {
			indent(out, --depth);
			fputs("};\n", out);
		}
	if (to.n > common)
		fputc('\n', out);
	depth = depth_of(str_first(to, common), &prefix);
	for (size_t i = common; i < to.n; i++)
		if (to.p[i] == '.') {
			indent(out, depth++);
			fprintf(out, STR_FMT ": {\n", (int)(i - common), to.p + common);
			common = i + 1;
		}
}

static void
print_sample_row(FILE *out, const struct conf_opt *o, const char *name, unsigned depth)
{
	print_comment(out, depth, o->doc);
	if (o->choices) {
		indent(out, depth);
		fprintf(out, "# One of %s.\n", o->choices);
	}
	indent(out, depth);
	fprintf(out, "%s%s = ", o->example ? "" : "# ", name);
	print_value(out, o, o->example ? o->example : o->def ? o->def : "");
	fputs(";\n", out);
}

void
conf_print_sample(FILE *out)
{
	struct str open = STR_NONE;

	fputs("# edged.conf: sample, made by `edged --options=sample`; see edged.conf(5).\n"
	      "# A key that is commented out stands at its default. `edged -n` checks this file.\n",
	    out);
	for (size_t i = 0; i < conf_n_opts; i++) {
		const struct conf_opt *o = &conf_opts[i];
		struct str key = str_of(o->key);
		size_t prefix;
		unsigned depth = depth_of(key, &prefix);

		if (o->filled)
			continue;
		if (!str_eq(open, str_first(key, prefix))) {
			change_group(out, open, str_first(key, prefix));
			open = str_first(key, prefix);
		}
		print_sample_row(out, o, o->key + prefix, depth);
	}
	change_group(out, open, STR_NONE);
}

/* Text for troff: a backslash, a leading dot or quote would be read as a request. */
static void
print_roff(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p == '\\')
			fputs("\\e", out);
		else if (*p == '-')
			fputs("\\-", out);
		else if ((*p == '.' || *p == '\'') && p == text)
			fprintf(out, "\\&%c", *p);
		else
			fputc(*p, out);
	}
}

static const char *
type_name(enum conf_type t)
{
	static const char *const names[] = {"boolean", "number", "port", "text", "list of texts",
	    "address or list", "list of groups"};

	return names[t];
}

static void
print_man_row(FILE *out, const struct conf_opt *o)
{
	fputs(".TP\n.B ", out);
	print_roff(out, o->key);
	fprintf(out, "\n(%s", type_name(o->type));
	if (o->def && *o->def) {
		fputs(", default ", out);
		print_roff(out, o->def);
	}
	if (o->max)
		fprintf(out, ", %u to %u", o->min, o->max);
	if (o->choices) {
		fputs(", one of ", out);
		print_roff(out, o->choices);
	}
	fputs(")\n", out);
	print_roff(out, o->doc);
	fprintf(out, "\nA reload shows %s.\n", o->key[0] ? conf_takes_text(o->takes) : "");
	if (o->rule) {
		fputs("Rules: ", out);
		print_roff(out, o->rule);
		fputs(".\n", out);
	}
	for (size_t k = 0; k < o->n_rows; k++) {
		fputs(".IP \"\" 4\n.I ", out);
		print_roff(out, o->rows[k].key);
		fprintf(out, "\n(%s", type_name(o->rows[k].type));
		if (o->rows[k].choices) {
			fputs(", one of ", out);
			print_roff(out, o->rows[k].choices);
		}
		if (*o->rows[k].def) {
			fputs(", default ", out);
			print_roff(out, o->rows[k].def);
		}
		fputs(")\n", out);
		print_roff(out, o->rows[k].doc);
		fputc('\n', out);
	}
}

void
conf_print_man(FILE *out)
{
	fputs(
	    ".\\\" Made by `edged --options=man` from the option table; do not edit.\n"
	    ".TH EDGED.CONF 5 \"\" \"edged " EDGED_VERSION "\" \"File formats\"\n"
	    ".SH NAME\nedged.conf \\- configuration of the Edge server\n"
	    ".SH DESCRIPTION\n"
	    "The file is read by\n.BR edged (8)\nat start and at each reload. It is written in the "
	    "format of libconfig: groups in braces, texts in double quotes, comments after #, and\n"
	    ".B @include \\(dqfile\\(dq\nwith names beside this file. Keys are named below by "
	    "their path. A key that is not known is an error.\n"
	    ".PP\n.B edged \\-n\nchecks a file and quotes the rules it breaks.\n"
	    ".SH OPTIONS\n",
	    out);
	for (size_t i = 0; i < conf_n_opts; i++)
		if (!conf_opts[i].filled)
			print_man_row(out, &conf_opts[i]);
	fputs(".SH FILES\n.I /etc/edged/edged.conf\n"
	      ".SH SEE ALSO\n.BR edged (8),\n.BR edgectl (8)\n",
	    out);
}

static void
print_json_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, ",\"%s\":\"", name);
	for (const char *p = text ? text : ""; *p; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', out);
		fputc(*p, out);
	}
	fputc('"', out);
}

static void
print_json_row(FILE *out, const struct conf_opt *o)
{
	fprintf(out, "{\"key\":\"%s\"", o->key);
	print_json_text(out, "type", type_name(o->type));
	print_json_text(out, "default", o->def);
	print_json_text(out, "choices", o->choices);
	print_json_text(out, "rule", o->rule);
	print_json_text(out, "takes", conf_takes_text(o->takes));
	print_json_text(out, "doc", o->doc);
	fprintf(out, ",\"min\":%u,\"max\":%u,\"roles\":[", o->min, o->max);
	for (unsigned r = 0, first = 1; r < ROLE__N; r++)
		if (o->slice & ROLE_BIT(r)) {
			fprintf(out, "%s\"%s\"", first ? "" : ",", role_name((enum role)r));
			first = 0;
		}
	fputs("],\"members\":[", out);
	for (size_t k = 0; k < o->n_rows; k++) {
		fputs(k ? "," : "", out);
		print_json_row(out, &o->rows[k]);
	}
	fputs("]}", out);
}

void
conf_print_json(FILE *out)
{
	fputs("[", out);
	for (size_t i = 0, first = 1; i < conf_n_opts; i++) {
		if (conf_opts[i].filled)
			continue;
		fputs(first ? "\n" : ",\n", out);
		print_json_row(out, &conf_opts[i]);
		first = 0;
	}
	fputs("\n]\n", out);
}

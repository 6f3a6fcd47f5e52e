/* SPDX-License-Identifier: MIT
 *
 * conf/load.c: from libconfig's tree to a struct conf, row by row of the option table.
 *
 * The tree is walked once: each leaf must be a known key of the right type. Includes are looked up
 * beside the file that is loaded. The place of each key is kept for later messages.
 */
#include "conf/load.h"

#include <errno.h>
#include <libconfig.h>
#include <limits.h>
#include <stdlib.h>

#include "conf/options.h"

#ifdef EDGED_SANITIZE
/* libconfig 1.5 loses one small buffer when a file has a syntax error. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}
#endif

struct load {
	struct conf *conf;
	struct conf_report *report;
	const char *path; /* of the file; libconfig has no name for it */
};

static const char *
file_of(const struct load *l, const config_setting_t *s)
{
	const char *f = config_setting_source_file(s);

	return f ? f : l->path;
}

/* Finding about s, which stands for key. */
#define complain(l, s, key, ...)                                                                   \
	conf_report_add_at((l)->report, CONF_ERROR, "ACC-01", file_of((l), (s)),                   \
	    config_setting_source_line(s), (key), __VA_ARGS__)

static int
keep_text(struct load *l, const char *text, const char **ret)
{
	size_t n = strlen(text);
	char *p = arena_alloc(&l->conf->arena, n + 1);

	if (!p)
		return ED_NOMEM;
	memcpy(p, text, n + 1);
	*ret = p;
	return ED_OK;
}

static int
keep_place(struct load *l, const config_setting_t *s, const char *key)
{
	struct conf_place *p = arena_calloc(&l->conf->arena, 1, sizeof(*p));

	if (!p || keep_text(l, key, &p->key) < 0 || keep_text(l, file_of(l, s), &p->file) < 0)
		return ED_NOMEM;
	p->line = config_setting_source_line(s);
	p->next = l->conf->places;
	l->conf->places = p;
	return ED_OK;
}

const struct conf_place *
conf_place_of(const struct conf *c, const char *key)
{
	for (const struct conf_place *p = c->places; p; p = p->next)
		if (strcmp(p->key, key) == 0)
			return p;
	return NULL;
}

static bool
choice_ok(const char *choices, const char *text)
{
	struct str left = str_of(choices);

	while (left.n) {
		ptrdiff_t bar = str_find(left, '|');
		struct str one = bar < 0 ? left : str_first(left, (size_t)bar);

		if (str_eq(one, str_of(text)))
			return true;
		left = str_from(left, one.n + 1);
	}
	return false;
}

static int
load_number(
    struct load *l, const config_setting_t *s, const struct conf_opt *o, const char *key, void *f)
{
	uint32_t max = o->type == CONF_PORT ? 65535 : o->max ? o->max : UINT32_MAX;
	int type = config_setting_type(s);
	long long v;

	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
		complain(l, s, key, "wants a number");
		return ED_OK;
	}
	v = type == CONFIG_TYPE_INT ? config_setting_get_int(s) : config_setting_get_int64(s);
	if (v < (long long)o->min || v > (long long)max)
		complain(l, s, key, "is %lld, allowed are %u to %u", v, o->min, max);
	else if (o->type == CONF_PORT)
		*(uint16_t *)f = (uint16_t)v;
	else
		*(uint32_t *)f = (uint32_t)v;
	return ED_OK;
}

static int
load_text(
    struct load *l, const config_setting_t *s, const struct conf_opt *o, const char *key, void *f)
{
	const char *text;

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		complain(l, s, key, "wants a text in double quotes");
		return ED_OK;
	}
	text = config_setting_get_string(s);
	if (o->choices && !choice_ok(o->choices, text)) {
		complain(l, s, key, "is \"%s\", allowed are %s", text, o->choices);
		return ED_OK;
	}
	return keep_text(l, text, f);
}

static int
load_list(
    struct load *l, config_setting_t *s, const struct conf_opt *o, const char *key, void *base)
{
	struct conf_list *f = conf_at(base, o->at);
	bool one = o->type == CONF_ADDRS && config_setting_type(s) == CONFIG_TYPE_STRING;
	int n = one ? 1 : config_setting_length(s);
	const char **v;

	if (!one && !config_setting_is_array(s) && !config_setting_is_list(s)) {
		complain(l, s, key, "wants a list of texts: [ \"a\", \"b\" ]");
		return ED_OK;
	}
	if (one && !*config_setting_get_string(s))
		n = 0;
	v = arena_calloc(&l->conf->arena, (size_t)n, sizeof(*v));
	if (!v)
		return ED_NOMEM;
	for (int i = 0; i < n; i++) {
		config_setting_t *e = one ? s : config_setting_get_elem(s, (unsigned)i);

		if (config_setting_type(e) != CONFIG_TYPE_STRING) {
			complain(l, e, key, "element %d is not a text", i);
			return ED_OK;
		}
		if (keep_text(l, config_setting_get_string(e), &v[i]) < 0)
			return ED_NOMEM;
	}
	f->v = v;
	f->n = (uint32_t)n;
	if (o->at_first)
		*(const char **)conf_at(base, o->at_first) = n ? v[0] : "";
	return ED_OK;
}

static int load_leaf(
    struct load *l, config_setting_t *s, const struct conf_opt *o, const char *key, void *base);

/* One group of a list: every member must be a row of o. */
static int
load_row(struct load *l, config_setting_t *s, const struct conf_opt *o, const char *key, void *row)
{
	if (!config_setting_is_group(s)) {
		complain(l, s, key, "wants a group: { ... }");
		return ED_OK;
	}
	for (size_t k = 0; k < o->n_rows; k++)
		if (conf_opt_default(&o->rows[k], &l->conf->arena, row) < 0)
			return ED_NOMEM;
	for (int i = 0; i < config_setting_length(s); i++) {
		config_setting_t *e = config_setting_get_elem(s, (unsigned)i);
		const char *name = config_setting_name(e);
		const struct conf_opt *hit = NULL;
		char path[256];

		snprintf(path, sizeof(path), "%s.%s", key, name);
		for (size_t k = 0; k < o->n_rows; k++)
			if (strcmp(o->rows[k].key, name) == 0)
				hit = &o->rows[k];
		if (!hit)
			complain(l, e, path, "is not known here");
		else if (load_leaf(l, e, hit, path, row) < 0)
			return ED_NOMEM;
	}
	return ED_OK;
}

static int
load_rows(
    struct load *l, config_setting_t *s, const struct conf_opt *o, const char *key, void *base)
{
	int n = config_setting_length(s);
	char *v;

	if (!config_setting_is_list(s)) {
		complain(l, s, key, "wants a list of groups: ( { ... }, { ... } )");
		return ED_OK;
	}
	v = arena_calloc(&l->conf->arena, (size_t)n, o->row_size);
	if (!v)
		return ED_NOMEM;
	for (int i = 0; i < n; i++) {
		config_setting_t *e = config_setting_get_elem(s, (unsigned)i);
		char path[200];

		snprintf(path, sizeof(path), "%s[%d]", key, i);
		if (keep_place(l, e, path) < 0 ||
		    load_row(l, e, o, path, v + (size_t)i * o->row_size) < 0)
			return ED_NOMEM;
	}
	*(char **)conf_at(base, o->at) = v;
	*(uint32_t *)conf_at(base, o->at_n) = (uint32_t)n;
	return ED_OK;
}

static int
load_leaf(
    struct load *l, config_setting_t *s, const struct conf_opt *o, const char *key, void *base)
{
	void *f = conf_at(base, o->at);
	int r = keep_place(l, s, key);

	if (r < 0)
		return r;
	switch (o->type) {
	case CONF_BOOL:
		if (config_setting_type(s) != CONFIG_TYPE_BOOL)
			complain(l, s, key, "wants true or false");
		else
			*(bool *)f = config_setting_get_bool(s);
		return ED_OK;
	case CONF_U32:
	case CONF_PORT:
		return load_number(l, s, o, key, f);
	case CONF_TEXT:
		return load_text(l, s, o, key, f);
	case CONF_LIST:
	case CONF_ADDRS:
		return load_list(l, s, o, key, base);
	case CONF_ROWS:
		return load_rows(l, s, o, key, base);
	}
	return ED_OK;
}

static void
complain_unknown(struct load *l, const config_setting_t *s, const char *key)
{
	const char *guess = NULL;
	char group[128];

	if (!config_setting_is_group(s))
		guess = conf_opt_guess(str_of(key));
	else if (conf_opt_guess_group(str_of(key), group, sizeof(group)))
		guess = group;
	if (guess)
		complain(l, s, key, "is not known; did you mean %s?", guess);
	else
		complain(l, s, key, "is not known");
}

static int
load_group(struct load *l, config_setting_t *group, const char *prefix)
{
	int r = ED_OK;

	for (int i = 0; r == ED_OK && i < config_setting_length(group); i++) {
		config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
		const struct conf_opt *o;
		char key[200];

		snprintf(
		    key, sizeof(key), "%s%s%s", prefix, *prefix ? "." : "", config_setting_name(s));
		o = conf_opt_find(str_of(key));
		if (o && !o->filled)
			r = load_leaf(l, s, o, key, l->conf);
		else if (!conf_opt_is_group(str_of(key)))
			complain_unknown(l, s, key);
		else if (!config_setting_is_group(s))
			complain(l, s, key, "wants a group: { ... }");
		else
			r = load_group(l, s, key);
	}
	return r;
}

static void
set_include_dir(config_t *cfg, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (!slash || (size_t)(slash - path) >= sizeof(dir))
		return;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	config_set_include_dir(cfg, dir[0] ? dir : "/");
}

int
conf_load(const char *path, struct conf **ret_conf, struct conf_report *report)
{
	struct load l = {.report = report, .path = path};
	config_t cfg;
	int r = ED_NOMEM;

	config_init(&cfg);
	set_include_dir(&cfg, path);
	l.conf = conf_new();
	if (!l.conf)
		goto out;
	errno = 0;
	if (config_read_file(&cfg, path) != CONFIG_TRUE) {
		bool io = config_error_type(&cfg) == CONFIG_ERR_FILE_IO;
		const char *f = config_error_file(&cfg);

		conf_report_add_at(report, CONF_ERROR, "ACC-01", f ? f : path,
		    io ? 0 : (unsigned)config_error_line(&cfg), NULL, "%s",
		    io && errno ? strerror(errno) : config_error_text(&cfg));
		r = ED_MALFORMED;
		goto out;
	}
	r = load_group(&l, config_root_setting(&cfg), "");
	if (r < 0)
		goto out;
	*ret_conf = l.conf;
	l.conf = NULL;
out:
	conf_free(l.conf);
	config_destroy(&cfg);
	return r;
}

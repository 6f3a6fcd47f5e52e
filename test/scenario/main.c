/* SPDX-License-Identifier: MIT
 *
 * scenario/main.c: reads *.scn, which look like ladder diagrams (README here), and plays them
 * against the real core of the Access Edge. One process per file; exit status 1 and the ladder so
 * far when a line does not hold.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/counters.h"
#include "conf/conf.h"
#include "svc/log.h"
#include "world.h"

struct script {
	const char *path;
	FILE *in;
	unsigned line;
	struct world w;
	char internal[24]; /* name that "internal" stands for: who got something last */
	bool started;
	bool loose; /* unread messages at the end are no fault */
};

static char *
expand(struct script *s, const char *text)
{
	struct buf out = {0};

	buf_add(&out, "", 0);
	while (*text) {
		const char *end;
		char name[64];
		const char *v;

		if (text[0] != '$' || text[1] != '{' || !(end = strchr(text, '}'))) {
			buf_add(&out, text++, 1);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(end - text - 2), text + 2);
		v = world_var(&s->w, name);
		if (!v)
			world_fail(&s->w, "no variable %s", name);
		else
			buf_add(&out, v, strlen(v));
		text = end + 1;
	}
	return out.p;
}

/* The lines up to a lone ".", with variables filled in. */
static char *
here_text(struct script *s)
{
	struct buf b = {0};
	char *line = NULL, *out;
	size_t room = 0;

	buf_add(&b, "", 0);
	while (getline(&line, &room, s->in) > 0) {
		char *at = line;

		s->line++;
		while (*at == '\t')
			at++;
		if (strcmp(at, ".\n") == 0)
			break;
		buf_add(&b, at, strlen(at));
	}
	free(line);
	out = expand(s, b.p);
	buf_free(&b);
	return out;
}

static void
ladder(struct script *s, const char *who, const char *arrow, const char *what)
{
	buf_fmt(&s->w.log, "%8llu ms  %-8s %s %s\n", (unsigned long long)(s->w.now_ms - 1000000),
	    who, arrow, what);
}

static struct peer *
who(struct script *s, const char *name)
{
	struct peer *p;

	if (strcmp(name, "internal") == 0)
		name = s->internal[0] ? s->internal : "L1";
	p = world_find(&s->w, name);
	if (!p)
		world_fail(&s->w, "nobody is called %s", name);
	return p;
}

/* ---- statements ---- */

static void
do_host(struct script *s, const char *rest)
{
	char addr[64], mood[16], cert[128] = "fe01.int.contoso.com";
	struct addr a;
	unsigned i;

	if (sscanf(rest, "%63s %15s cert=%127s", addr, mood, cert) < 2 ||
	    addr_parse(&a, str_of(addr)) < 0) {
		world_fail(&s->w, "host: cannot read");
		return;
	}
	for (i = 0; i < s->w.n_hosts; i++)
		if (addr_eq(&s->w.hosts[i].addr, &a))
			break;
	if (i == s->w.n_hosts)
		s->w.n_hosts++;
	s->w.hosts[i].addr = a;
	s->w.hosts[i].mood = strcmp(mood, "up") == 0        ? HOST_UP
			     : strcmp(mood, "refused") == 0 ? HOST_REFUSED
							    : HOST_SILENT;
	snprintf(s->w.hosts[i].cert, sizeof(s->w.hosts[i].cert), "%s", cert);
}

/* Addresses, or the targets of an SRV record; "later" and "fails" are the name servers' moods. */
static void
do_dns(struct script *s, const char *rest)
{
	struct world_dns *d = &s->w.dns[s->w.n_dns];
	char words[4][128];
	int n = sscanf(rest, "%299s = %127s %127s %127s %127s", d->name, words[0], words[1],
	    words[2], words[3]);

	if (s->w.n_dns == sizeof(s->w.dns) / sizeof(s->w.dns[0]) || n < 1) {
		world_fail(&s->w, "dns: cannot read");
		return;
	}
	for (int k = 0; k < n - 1; k++) {
		d->later |= strcmp(words[k], "later") == 0;
		d->fails |= strcmp(words[k], "fails") == 0;
		if (addr_parse_ip(&d->addrs[d->n], str_of(words[k])) == ED_OK)
			d->n++;
		else
			snprintf(d->targets[d->n_targets++], sizeof(d->targets[0]), "%s", words[k]);
	}
	s->w.n_dns++;
	if (s->w.n_nodes)
		world_answer_dns(&s->w);
}

static void
do_conf(struct script *s, const char *rest)
{
	char key[128], value[1024] = "";

	if (sscanf(rest, "%127s = %1023[^\n]", key, value) < 1)
		world_fail(&s->w, "conf: cannot read");
	else
		world_conf(&s->w, key, value);
}

/* The value behind "key=" in rest, in the arena of the configuration; "" when it is not there. */
static const char *
word_of(struct script *s, const char *rest, const char *key)
{
	char value[256] = "";
	const char *at = strstr(rest, key);

	if (at)
		sscanf(at + strlen(key), "%255s", value);
	return arena_str(&s->w.conf->arena, (struct str){value, strlen(value) + 1}).p;
}

/* "allow DOMAIN [proxy=FQDN] [level=use_source]": a row of federation.allowed. */
static void
do_allow(struct script *s, const char *rest)
{
	struct conf *c = s->w.conf;
	struct conf_allowed_domain *a = &s->w.allowed[c->federation.n_allowed];
	char domain[128] = "";

	sscanf(rest, "%127s", domain);
	if (c->federation.n_allowed++ == WORLD_ROWS_MAX)
		abort();
	a->domain = arena_str(&c->arena, (struct str){domain, strlen(domain) + 1}).p;
	a->proxy_fqdn = word_of(s, rest, "proxy=");
	a->verification = word_of(s, rest, "level=");
	c->federation.allowed = s->w.allowed;
}

/* "provider FQDN [public] [shared]": an enabled row of federation.providers without domains. */
static void
do_provider(struct script *s, const char *rest)
{
	struct conf *c = s->w.conf;
	struct conf_provider *p = &s->w.providers[c->federation.n_providers];
	char fqdn[128] = "";

	sscanf(rest, "%127s", fqdn);
	if (c->federation.n_providers++ == WORLD_ROWS_MAX)
		abort();
	p->name = p->proxy_fqdn = arena_str(&c->arena, (struct str){fqdn, strlen(fqdn) + 1}).p;
	p->verification = word_of(s, rest, "level=");
	p->enabled = true;
	p->is_public = strstr(rest, " public") != NULL;
	p->shared_address_space = strstr(rest, " shared") != NULL;
	c->federation.providers = s->w.providers;
}

static void
do_opens(struct script *s, bool external, const char *rest)
{
	char name[24], addr[64];
	const char *names = strstr(rest, "names=");
	const char *worker = strstr(rest, "worker=");
	char cert[256] = "";
	struct addr a;

	if (sscanf(rest, "%23s from %63s", name, addr) != 2 || addr_parse(&a, str_of(addr)) < 0) {
		world_fail(&s->w, "opens: cannot read");
		return;
	}
	if (names)
		sscanf(names, "names=%255s", cert);
	world_open(&s->w, name, external, worker ? (unsigned)atoi(worker + 7) : 0, &a, cert,
	    strstr(rest, "federation") != NULL);
	ladder(s, name, "opens", addr);
}

static void
do_sends(struct script *s, struct peer *p, const char *rest)
{
	struct buf wire = {0};
	char *text;

	if (strncmp(rest, "raw ", 4) == 0) {
		char *at = expand(s, rest + 4);

		for (char *c = at; *c; c++) {
			char ch = *c;

			if (ch == '\\' && c[1]) {
				c++;
				ch = *c == 'r' ? '\r' : *c == 'n' ? '\n' : *c;
			}
			buf_add(&wire, &ch, 1);
		}
		free(at);
	} else {
		text = here_text(s);
		text_to_wire(text, &wire);
		free(text);
	}
	text = strndup(wire.p, strcspn(wire.p, "\r"));
	ladder(s, p->name, "->", text);
	free(text);
	world_send(p, wire.p, wire.n);
	buf_free(&wire);
}

static void
do_answers(struct script *s, struct peer *p, const char *rest)
{
	char reason[128] = "", method[32] = "", words[256];
	const char *to = strstr(rest, " to ");
	bool more = strstr(rest, "<<") != NULL;
	struct text_msg *m = p->request[0];
	struct buf wire = {0};
	char *lines = more ? here_text(s) : strdup("");
	int status = 0, at = 0;

	snprintf(words, sizeof(words), "%.*s", (int)(to ? (size_t)(to - rest) : strcspn(rest, "<")),
	    rest);
	sscanf(words, "%d %n", &status, &at);
	snprintf(reason, sizeof(reason), "%s", words + at);
	while (reason[0] && reason[strlen(reason) - 1] == ' ')
		reason[strlen(reason) - 1] = '\0';
	if (to && sscanf(to, " to %31s", method) == 1)
		for (unsigned i = 0; i < 16 && p->request[i]; i++)
			if (strcmp(p->request[i]->method, method) == 0) {
				m = p->request[i];
				break;
			}
	if (!m) {
		world_fail(&s->w, "%s has no request to answer", p->name);
	} else {
		text_answer(m, status, reason[0] ? reason : "Fine", lines, ++s->w.tag, &wire);
		snprintf(words, sizeof(words), "%d %s (%s)", status, reason, m->method);
		ladder(s, p->name, "->", words);
		world_send(p, wire.p, wire.n);
	}
	free(lines);
	buf_free(&wire);
}

static bool
is_wanted(const struct text_msg *m, const char *what)
{
	char first[32] = "", second[32] = "";

	sscanf(what, "%31s %31s", first, second);
	if (isdigit((unsigned char)first[0]))
		return !m->is_request && m->status == atoi(first) &&
		       (!second[0] || strcmp(m->method, second) == 0);
	return m->is_request && strcmp(m->method, first) == 0;
}

/* Parts are separated by "; ": values may hold semicolons. */
static char *
next_part(char **at, char *text)
{
	char *part = text ? text : *at, *end;

	if (!part || !*part)
		return NULL;
	end = strstr(part, "; ");
	*at = end ? end + 2 : NULL;
	if (end)
		*end = '\0';
	return part;
}

static void
do_gets(struct script *s, struct peer *p, const char *rest)
{
	struct text_msg *m = world_get(p);
	char *all, *save = NULL, *what;

	if (strncmp(rest, "nothing", 7) == 0) {
		if (m)
			world_fail(&s->w, "%s got:\n%s", p->name, m->raw);
		text_free(m);
		return;
	}
	if (!m) {
		world_fail(&s->w, "%s got nothing", p->name);
		return;
	}
	ladder(s, p->name, "<-", m->start);
	check_invariants(&s->w, p, m);
	all = expand(s, rest);
	what = next_part(&save, all);
	if (!is_wanted(m, what))
		world_fail(&s->w, "%s expected %s and got:\n%s", p->name, what, m->raw);
	while ((what = next_part(&save, NULL)) != NULL && !s->w.failure[0])
		check_assert(&s->w, m, what);
	free(all);
	text_free(m);
}

/* "internal gets": whichever server inside has a message waiting. */
static struct peer *
someone_inside(struct script *s)
{
	for (unsigned i = 0; i < s->w.n_peers; i++)
		if (!s->w.peers[i]->external && s->w.peers[i]->rx.n) {
			snprintf(s->internal, sizeof(s->internal), "%s", s->w.peers[i]->name);
			return s->w.peers[i];
		}
	for (unsigned i = s->w.n_peers; i-- > 0;)
		if (!s->w.peers[i]->external && s->w.peers[i]->up)
			return s->w.peers[i];
	world_fail(&s->w, "nobody inside is connected");
	return NULL;
}

/* "fill NAME N": a variable of N octets. */
static void
do_fill(struct script *s, const char *rest)
{
	char name[64], *text;
	unsigned n;

	if (sscanf(rest, "%63s %u", name, &n) != 2 || n > 10000000) {
		world_fail(&s->w, "fill: cannot read");
		return;
	}
	text = malloc(n + 1);
	memset(text, 'x', n);
	text[n] = '\0';
	world_set(&s->w, name, text);
	free(text);
}

struct counter {
	char name[128];
	unsigned long long value;
	bool found;
};

static void
is_counter(const struct stats_row *row, void *arg)
{
	struct counter *c = arg;

	if (strcmp(row->name, c->name) != 0)
		return;
	c->value = row->value;
	c->found = true;
}

static void
do_counter(struct script *s, const char *rest)
{
	struct counter c = {.found = false};
	unsigned long long n;

	if (sscanf(rest, "%127s %llu", c.name, &n) != 2) {
		world_fail(&s->w, "counter: cannot read");
		return;
	}
	stats_each(is_counter, &c);
	if (!c.found)
		world_fail(&s->w, "no counter %s", c.name);
	else if (c.value != n)
		world_fail(&s->w, "%s is %llu, not %llu", c.name, c.value, n);
}

static void
nothing_is_left(struct script *s)
{
	for (unsigned i = 0; i < s->w.n_nodes; i++) {
		struct access_state st;

		access_get_state(s->w.nodes[i].ax, &st);
		if (st.transactions || st.held)
			world_fail(&s->w, "worker %u: %u transactions, %u held", i, st.transactions,
			    st.held);
	}
	for (unsigned i = 0; i < s->w.n_peers && !s->loose; i++) {
		struct text_msg *m = world_get(s->w.peers[i]);

		if (m)
			world_fail(&s->w, "%s also got:\n%s", s->w.peers[i]->name, m->raw);
		text_free(m);
	}
}

static void
do_transactions(struct script *s, const char *rest)
{
	struct access_state st;

	access_get_state(s->w.nodes[0].ax, &st);
	if (st.transactions != (uint32_t)atoi(rest))
		world_fail(&s->w, "%u transactions", st.transactions);
}

static void
do_is(struct script *s, struct peer *p, const char *rest)
{
	char state[16] = "", why[32] = "";

	sscanf(rest, "%15s %31s", state, why);
	if (strcmp(state, "open") == 0 && !p->f)
		world_fail(&s->w, "%s is closed (%s)", p->name, p->end);
	if (strcmp(state, "closed") == 0 && (p->f || (why[0] && strcmp(why, p->end) != 0)))
		world_fail(&s->w, "%s is %s (%s)", p->name, p->f ? "open" : "closed", p->end);
}

static void
peer_does(struct script *s, const char *name, const char *verb, const char *rest)
{
	bool gets = strcmp(verb, "gets") == 0;
	struct peer *p = gets && strcmp(name, "internal") == 0 ? someone_inside(s) : who(s, name);

	if (!p)
		return;
	if (gets)
		do_gets(s, p, rest);
	else if (strcmp(verb, "sends") == 0)
		do_sends(s, p, rest);
	else if (strcmp(verb, "answers") == 0)
		do_answers(s, p, rest);
	else if (strcmp(verb, "closes") == 0)
		world_close(p, "peer");
	else if (strcmp(verb, "stops") == 0)
		p->deaf = true;
	else if (strcmp(verb, "is") == 0)
		do_is(s, p, rest);
	else
		world_fail(&s->w, "%s: unknown verb %s", name, verb);
}

static void do_include(struct script *s, const char *name);

static void
statement(struct script *s, const char *line)
{
	char first[32] = "", second[32] = "";
	int at = 0, at2 = 0;

	sscanf(line, "%31s %n%31s %n", first, &at, second, &at2);
	if (strcmp(first, "at") == 0) {
		char unit[8] = "ms";
		unsigned long long t;

		if (sscanf(line, "at %llu%7s %n", &t, unit, &at) < 1)
			world_fail(&s->w, "at: cannot read");
		world_advance(&s->w, 1000000 + t * (unit[0] == 's' ? 1000 : 1));
		if (line[at])
			statement(s, line + at);
		return;
	}
	if (strcmp(first, "include") == 0)
		do_include(s, line + at);
	else if (strcmp(first, "conf") == 0)
		do_conf(s, line + at);
	else if (strcmp(first, "host") == 0)
		do_host(s, line + at);
	else if (strcmp(first, "dns") == 0)
		do_dns(s, line + at);
	else if (strcmp(first, "allow") == 0)
		do_allow(s, line + at);
	else if (strcmp(first, "provider") == 0)
		do_provider(s, line + at);
	else if (strcmp(first, "start") == 0)
		world_start(&s->w, strstr(line, "workers") ? 2 : 1);
	else if (strcmp(first, "reload") == 0)
		world_reload(&s->w);
	else if (strcmp(first, "drain") == 0)
		access_drain(s->w.nodes[0].ax);
	else if (strcmp(first, "fill") == 0)
		do_fill(s, line + at);
	else if (strcmp(first, "counter") == 0)
		do_counter(s, line + at);
	else if (strcmp(first, "transactions") == 0)
		do_transactions(s, line + at);
	else if (strcmp(first, "nothing") == 0)
		nothing_is_left(s);
	else if (strcmp(first, "ignore") == 0)
		s->loose = true;
	else if (strcmp(second, "opens") == 0)
		do_opens(s, strcmp(first, "external") == 0, line + at2);
	else
		peer_does(s, first, second, line + at2);
	if (s->w.n_nodes)
		world_settle(&s->w);
}

static void
run(struct script *s)
{
	char *line = NULL;
	size_t room = 0;

	while (!s->w.failure[0] && getline(&line, &room, s->in) > 0) {
		char *at = line + strspn(line, " \t");

		s->line++;
		at[strcspn(at, "\n")] = '\0';
		if (*at && *at != '#')
			statement(s, at);
	}
	free(line);
}

/* "include FILE": beside the script that says so. */
static void
do_include(struct script *s, const char *name)
{
	struct script outer = *s;
	const char *slash = strrchr(s->path, '/');
	char path[512];

	snprintf(
	    path, sizeof(path), "%.*s%s", slash ? (int)(slash - s->path + 1) : 0, s->path, name);
	s->in = fopen(path, "r");
	if (!s->in) {
		s->in = outer.in;
		world_fail(&s->w, "include: cannot open %s", path);
		return;
	}
	s->line = 0;
	run(s);
	fclose(s->in);
	s->in = outer.in;
	if (!s->w.failure[0])
		s->line = outer.line;
}

static int
play(const char *path)
{
	struct script *s = calloc(1, sizeof(*s));
	int status = 0;

	s->path = path;
	s->in = fopen(path, "r");
	if (!s->in) {
		perror(path);
		free(s);
		return 2;
	}
	world_init(&s->w);
	run(s);
	if (!s->w.failure[0])
		nothing_is_left(s);
	if (s->w.failure[0]) {
		printf("%s%s:%u: %s\n", s->w.log.p ? s->w.log.p : "", path, s->line, s->w.failure);
		status = 1;
	}
	fclose(s->in);
	world_done(&s->w);
	free(s);
	return status;
}

int
main(int argc, char **argv)
{
	int status = argc > 1 ? 0 : 2;

	log_set_level(getenv("SCENARIO_LOG") ? LOG_DEBUG_L : LOG_ERROR_L);
	counters_register();
	for (int i = 1; i < argc && status == 0; i++)
		status = play(argv[i]);
	return status;
}

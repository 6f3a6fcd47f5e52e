/* SPDX-License-Identifier: MIT
 *
 * Both forms of a topology, and what a hostile document gets: a refusal with a line, a cap, never
 * an entity.
 */
#include "proto/topology/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BUILDER   "test/corpus/topology/builder.tbxml"
#define PUBLISHED "test/corpus/topology/published.xml"

struct doc {
	struct arena arena;
	struct topology t;
	uint32_t line;
	const char *why;
};

static int
read_text(struct doc *d, struct str text, size_t cap)
{
	memset(d, 0, sizeof(*d));
	arena_init(&d->arena, NULL, 0, cap);
	return topology_read(text, &d->arena, &d->t, &d->line, &d->why);
}

static struct str
load(const char *path)
{
	FILE *f = fopen(path, "re");
	char *p = malloc(1 << 20);
	struct str s;

	assert_non_null(f);
	assert_non_null(p);
	s = (struct str){p, fread(p, 1, 1 << 20, f)};
	fclose(f);
	return s;
}

static const struct topology_service *
edge_of(const struct topology *t)
{
	for (const struct topology_service *s = t->services; s; s = s->next)
		if (strcmp(s->role, "EdgeServer") == 0)
			return s;
	return NULL;
}

static void
test_both_forms_say_the_same_things(void **state)
{
	static const char *const files[] = {BUILDER, PUBLISHED};
	static const unsigned machines[] = {2, 1};

	for (size_t i = 0; i < 2; i++) {
		struct str text = load(files[i]);
		const struct topology_service *edge, *hop;
		const struct topology_cluster *pool;
		unsigned n = 0;
		struct doc d;

		assert_int_equal(read_text(&d, text, TOPOLOGY_ARENA_CAP), ED_OK);
		assert_string_equal(d.t.domains->name, "contoso.com"); /* the default one first */
		edge = edge_of(&d.t);
		assert_non_null(edge);
		pool = topology_cluster_of(&d.t, edge->cluster);
		assert_non_null(pool);
		for (const struct topology_machine *m = pool->machines; m; m = m->next)
			n++;
		assert_int_equal(n, machines[i]);
		hop = topology_service_of(&d.t, edge->depends_on->name);
		assert_non_null(hop);
		assert_string_equal(hop->role, "Registrar");
		assert_non_null(topology_cluster_of(&d.t, hop->cluster));
		assert_string_equal(edge->ports->owner, "AccessEdge");
		assert_string_equal(edge->ports->port, "5061");
		assert_string_equal(pool->machines->interfaces->side, "Internal");
		assert_string_equal(pool->machines->interfaces->address, "10.30.0.5");
		arena_done(&d.arena);
		free((char *)(uintptr_t)text.p);
	}
}

/* Each document that is cut short is refused; each memory that is too small is an error, no crash.
 */
static void
test_cut_and_starved(void **state)
{
	struct str text = load(PUBLISHED);
	struct doc d;

	while (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	for (size_t n = 0; n < text.n; n += 7) {
		assert_int_equal(
		    read_text(&d, str_first(text, n), TOPOLOGY_ARENA_CAP), ED_MALFORMED);
		arena_done(&d.arena);
	}
	for (size_t cap = 0;; cap += 64) {
		int r = read_text(&d, text, cap);

		arena_done(&d.arena);
		if (r == ED_OK)
			break;
		assert_int_equal(r, ED_NOMEM);
		assert_true(cap < TOPOLOGY_ARENA_CAP);
	}
	free((char *)(uintptr_t)text.p);
}

#define T     "urn:schema:Microsoft.Rtc.Management.Deploy.Topology.2008"
#define OPEN  "<Topology xmlns='" T "'>"
#define CLOSE "</Topology>"

static const struct {
	const char *name, *text;
	int want;
} refused[] = {
    {"empty", "", ED_MALFORMED},
    {"no XML", "PK\003\004", ED_MALFORMED},
    {"no topology", "<a xmlns='" T "'/>", ED_MALFORMED},
    {"foreign namespace", "<Topology xmlns='urn:other'/>", ED_MALFORMED},
    {"no namespace", "<Topology/>", ED_MALFORMED},
    {"entity", "<!DOCTYPE Topology [<!ENTITY a 'aaaa'>]>" OPEN "&a;" CLOSE, ED_UNSUPPORTED},
    {"external entity", "<!DOCTYPE Topology SYSTEM 'file:///etc/passwd'>" OPEN CLOSE,
	ED_UNSUPPORTED},
    {"unknown entity", OPEN "&a;" CLOSE, ED_MALFORMED},
    {"same attribute twice", OPEN "<Cluster Fqdn='a' Fqdn='b'/>" CLOSE, ED_MALFORMED},
};

static void
test_refused(void **state)
{
	struct doc d;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int r = read_text(&d, str_of(refused[i].text), TOPOLOGY_ARENA_CAP);

		if (r != refused[i].want)
			fail_msg("%s: %d, not %d", refused[i].name, r, refused[i].want);
		assert_non_null(d.why);
		assert_true(*d.why);
		arena_done(&d.arena);
	}
}

/* head, then body n times, then tail n times. */
static struct str
repeated(const char *head, const char *body, size_t n, const char *tail)
{
	size_t room = strlen(head) + n * (strlen(body) + strlen(tail)) + sizeof(CLOSE);
	char *p = malloc(room), *at = p;

	assert_non_null(p);
	at = stpcpy(at, head);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, body);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, tail);
	at = stpcpy(at, CLOSE);
	return (struct str){p, (size_t)(at - p)};
}

static void
test_caps(void **state)
{
	struct str deep = repeated(OPEN, "<a>", TOPOLOGY_DEPTH_MAX - 1, "</a>");
	struct str deeper = repeated(OPEN, "<a>", TOPOLOGY_DEPTH_MAX, "</a>");
	struct str many = repeated(OPEN, "<Cluster/>", TOPOLOGY_ITEMS_MAX, "");
	struct str more = repeated(OPEN, "<Cluster/>", TOPOLOGY_ITEMS_MAX + 1, "");
	struct str wide = repeated(OPEN "<Cluster Fqdn='", "x", TOPOLOGY_TEXT_MAX, "");
	struct str all[] = {deep, deeper, many, more};
	static const int want[] = {ED_OK, ED_LIMIT, ED_OK, ED_LIMIT};
	char *text = malloc(1024);
	struct doc d;

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(read_text(&d, all[i], TOPOLOGY_ARENA_CAP), want[i]);
		arena_done(&d.arena);
		free((char *)(uintptr_t)all[i].p);
	}
	assert_non_null(text);
	for (size_t over = 0; over < 2; over++) {
		int n = snprintf(text, 1024, "%.*s%s'/>" CLOSE, (int)(wide.n - sizeof(CLOSE) + 1),
		    wide.p, over ? "x" : "");

		assert_int_equal(read_text(&d, (struct str){text, (size_t)n}, TOPOLOGY_ARENA_CAP),
		    over ? ED_LIMIT : ED_OK);
		arena_done(&d.arena);
	}
	free((char *)(uintptr_t)wide.p);
	free(text);
}

/* Parts out of their place are passed over: no machine outside a cluster, no port outside a
 * service. */
static void
test_out_of_place(void **state)
{
	struct doc d;

	assert_int_equal(
	    read_text(&d,
		STR(OPEN "<Machine Fqdn='a'><NetInterface IPAddress='b'/></Machine>"
			 "<Port Port='1'/><Dependency><ServiceId SiteId='1'/></Dependency>"
			 "<ClusterId SiteId='1'/><ServiceId SiteId='2'/>" CLOSE),
		TOPOLOGY_ARENA_CAP),
	    ED_OK);
	assert_null(d.t.clusters);
	assert_null(d.t.services);
	arena_done(&d.arena);
	assert_int_equal(read_text(&d,
			     STR("<x xmlns:t='" T "'><t:Topology><t:Cluster Fqdn='a'/></t:Topology>"
				 "<t:Topology><t:Cluster Fqdn='b'/></t:Topology></x>"),
			     TOPOLOGY_ARENA_CAP),
	    ED_OK);
	assert_int_equal(d.t.n_clusters, 1);
	assert_int_equal(d.t.n_others, 1);
	assert_string_equal(d.t.clusters->fqdn, "a");
	arena_done(&d.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_forms_say_the_same_things),
	    cmocka_unit_test(test_cut_and_starved),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_caps),
	    cmocka_unit_test(test_out_of_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

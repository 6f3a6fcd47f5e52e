/* SPDX-License-Identifier: MIT
 *
 * What is fetched and what not: addresses that certificates name come from outside. What happens on
 * the wire is tried with real servers in test/e2e/test_federation_certs.py.
 */
#include "net/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "net/loop.h"
#include "net/resolve.h"

struct seen {
	int n, err;
	unsigned asked;
	char why[128];
	struct loop *loop;
};

static bool
may_connect(void *arg, const struct addr *a)
{
	struct seen *s = arg;

	s->asked++;
	return !addr_is_loopback(a);
}

static void
came(void *arg, int err, const char *why, struct str body)
{
	struct seen *s = arg;

	s->n++;
	s->err = err;
	snprintf(s->why, sizeof(s->why), "%s", why);
	loop_stop(s->loop);
}

static struct loop *loop;
static struct resolve *resolve;
static struct fetch *fetch;
static struct seen seen;

static int
setup(void **state)
{
	static const char *const nobody[] = {"127.0.0.1:1"};
	struct resolve_conf rc = {.servers = nobody, .n_servers = 1};
	struct fetch_conf fc = {.may_connect = may_connect, .arg = &seen};

	memset(&seen, 0, sizeof(seen));
	seen.loop = loop = loop_new();
	resolve = resolve_new(loop, &rc);
	fc.loop = loop;
	fc.resolve = resolve;
	fetch = fetch_new(&fc);
	return loop && resolve && fetch ? 0 : -1;
}

static int
teardown(void **state)
{
	fetch_free(fetch);
	resolve_free(resolve);
	loop_free(loop);
	return 0;
}

static void
only_plain_addresses(void **state)
{
	static const char *const bad[] = {"", "http", "http://", "http:///x", "http://host",
	    "ftp://h/x", "https://h/x", "file:///etc/passwd", "HTTP:/h/x", "http://user@h/x",
	    "http://h:81/x", "http://h:5061/x", "http://h:80", "http://h:080/x", "http://h\\@x/y",
	    "http://h /x", "http://h/x y", "http://h/x\r\nHost: y", "http://h/\x7f",
	    "http://h/\x80", "http://h?x", "http://h#x", "ldap://h/x", " http://h/x"};
	char longer[FETCH_URL_MAX + 16] = "http://h/";

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		print_message("%s\n", bad[i]);
		assert_int_equal(fetch_start(fetch, bad[i], 100, 1000, came, &seen), ED_MALFORMED);
	}
	memset(longer + 9, 'x', sizeof(longer) - 10);
	assert_int_equal(fetch_start(fetch, longer, 100, 1000, came, &seen), ED_MALFORMED);
	assert_int_equal(seen.n, 0);
}

/* Where it may not go it makes no socket, whatever form the address has. */
static void
no_socket_inward(void **state)
{
	static const char *const inward[] = {
	    "http://127.0.0.1/x", "http://127.0.0.1:80/x", "HTTP://127.9.9.9/x"};

	for (unsigned i = 0; i < sizeof(inward) / sizeof(inward[0]); i++) {
		memset(&seen, 0, sizeof(seen));
		seen.loop = loop;
		assert_int_equal(fetch_start(fetch, inward[i], 100, 5000, came, &seen), ED_OK);
		assert_int_equal(loop_run(loop), ED_OK);
		assert_int_equal(seen.n, 1);
		assert_int_equal(seen.err, ED_DENIED);
		assert_true(seen.asked > 0);
	}
}

static void
so_many_at_a_time(void **state)
{
	char url[64];

	for (unsigned i = 0; i < FETCH_MAX; i++) {
		assert_true(fetch_has_room(fetch));
		snprintf(url, sizeof(url), "http://name-%u.example/x", i);
		assert_int_equal(fetch_start(fetch, url, 100, 5000, came, &seen), ED_OK);
	}
	assert_false(fetch_has_room(fetch));
	assert_int_equal(
	    fetch_start(fetch, "http://one-more.example/x", 100, 5000, came, &seen), ED_LIMIT);
	/* They end with their owner: teardown, under the leak check. */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(only_plain_addresses, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_socket_inward, setup, teardown),
	    cmocka_unit_test_setup_teardown(so_many_at_a_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

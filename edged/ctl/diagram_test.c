/* SPDX-License-Identifier: MIT
 *
 * diagram_test.c: what the picture says of an edge that is well, of one that is not, and of texts
 * that would break it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/diagram.h"

#define LISTENERS                                                                                  \
	"\"listeners\":[{\"service\":\"Access Edge, clients\",\"proto\":\"tcp\","                  \
	"\"address\":\"203.0.113.10:443\",\"interface\":\"ext0\",\"side\":\"external\"},"          \
	"{\"service\":\"Access Edge, inside\",\"proto\":\"tcp\",\"address\":\"10.30.0.5:5061\","   \
	"\"interface\":\"int0\",\"side\":\"internal\"},"                                           \
	"{\"service\":\"A/V Edge, UDP\",\"proto\":\"udp\",\"address\":\"203.0.113.12:3478\","      \
	"\"interface\":\"ext0\",\"side\":\"external\"}]"
#define OUTGOING                                                                                   \
	"\"outgoing\":{\"next_hop\":\"fe01.contoso.net\",\"next_hop_port\":5061,\"partners\":"     \
	"true,"                                                                                    \
	"\"relay_port_min\":50000,\"relay_port_max\":59999}"

static char *
draw(const char *status, const char *certs, const char *next_hop)
{
	const char *texts[3] = {status, certs, next_hop};
	struct json_value v[3];
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	for (int i = 0; i < 3; i++) {
		struct str left = str_of(texts[i]);

		v[i] = json_take(&left);
	}
	assert_non_null(f);
	diagram_print(&(struct diagram_input){v[0], v[1], v[2]}, f);
	fclose(f);
	assert_true(strncmp(out, "<svg ", 5) == 0);
	assert_string_equal(out + n - 7, "</svg>\n");
	return out;
}

static void
test_well(void **state)
{
	char *out =
	    draw("{\"fqdn\":\"edge.int.contoso.net\",\"state\":\"serving\",\"services\":["
		 "{\"role\":\"access\",\"worker\":0,\"state\":\"ready\",\"restarts\":0},"
		 "{\"role\":\"access\",\"worker\":1,\"state\":\"ready\",\"restarts\":0},"
		 "{\"role\":\"av\",\"worker\":0,\"state\":\"ready\",\"restarts\":0}]," LISTENERS
		 "," OUTGOING "}",
		"{\"certificates\":[{\"binding\":\"external\",\"days_left\":59}]}",
		"{\"services\":[{\"role\":\"access\",\"answer\":{\"members\":["
		"{\"address\":\"10.20.0.11:5061\",\"state\":\"up\"}]}}]}");
	static const char *const holds[] = {"edge.int.contoso.net", "TCP 203.0.113.10:443",
	    "TCP 10.30.0.5:5061", "UDP 203.0.113.12:3478", "UDP, TCP 50000-59999",
	    "TCP 5061 \302\267 SIP to partners", ">ext0<", ">int0<", "2 of 2 ready",
	    "class=\"ok\">certificate external: 59 days left", "class=\"ok\">10.20.0.11:5061 up",
	    ">fe01.contoso.net<"};

	for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++)
		if (!strstr(out, holds[i]))
			fail_msg("missing: %s", holds[i]);
	assert_null(strstr(out, "Web Conferencing"));
	assert_null(strstr(out, "LABORATORY"));
	assert_null(strstr(out, "class=\"bad\""));
	free(out);
}

static void
test_ill(void **state)
{
	char *out = draw(
	    "{\"fqdn\":\"e\",\"lab\":true,\"services\":["
	    "{\"role\":\"access\",\"worker\":0,\"state\":\"waiting\",\"restarts\":3}]," LISTENERS
	    "," OUTGOING "}",
	    "{\"certificates\":[{\"binding\":\"external\",\"days_left\":-1},"
	    "{\"binding\":\"internal\",\"days_left\":20}]}",
	    "{\"services\":[{\"role\":\"access\",\"answer\":{\"members\":["
	    "{\"address\":\"10.20.0.11:5061\",\"state\":\"failed\"}]}}]}");
	static const char *const holds[] = {"LABORATORY MODE", "class=\"svc down\"",
	    "class=\"bad\">0 of 1 ready, restarted", "class=\"bad\">certificate external: expired",
	    "class=\"warn\">certificate internal: 20 days left",
	    "class=\"bad\">10.20.0.11:5061 failed"};

	for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++)
		if (!strstr(out, holds[i]))
			fail_msg("missing: %s", holds[i]);
	free(out);
}

/* Nothing an answer holds becomes markup, and nothing it lacks stops the picture. */
static void
test_texts_stay_texts(void **state)
{
	char *out = draw("{\"fqdn\":\"<script>&\\u0001\"}", "null", "[]");

	assert_null(strstr(out, "<script>"));
	assert_non_null(strstr(out, "&lt;script&gt;&amp;"));
	free(out);
	free(draw("", "{\"certificates\":7}", "{\"services\":[1,{}]}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_well),
	    cmocka_unit_test(test_ill),
	    cmocka_unit_test(test_texts_stay_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * log_test.c: what reaches the target: RFC 5424, folding, foreign text made safe.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "svc/log.h"

static int ours;

static const char *
next_line(void)
{
	static char buf[8192];
	ssize_t n = recv(ours, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? buf : NULL;
}

static int
open_target(void **state)
{
	struct log_conf c = {.target = "syslog",
	    .facility = "local3",
	    .level = "info",
	    .program = "edged-test",
	    .worker = 7};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
		return -1;
	(void)log_open(&c); /* there need be no log daemon here */
	log_set_socket(pair[0]);
	ours = pair[1];
	return 0;
}

static void
line_is_rfc5424(void **state)
{
	const char *line;

	log_notice(AREA_SIP, "ACC-2005", "domain_not_served", "flow=%x domain=%s text=%s", 17,
	    "a]b", "\"x \\\"y\"");
	line = next_line();
	assert_non_null(line);
	/* local3 is 19: 19 * 8 + 5 */
	assert_int_equal(strncmp(line, "<157>1 20", 9), 0);
	assert_non_null(strstr(line, " edged-test "));
	assert_non_null(strstr(line, " domain_not_served [edged@32473 id=\"ACC-2005\" worker=\"7\" "
				     "flow=\"11\" domain=\"a\\]b\""));
	assert_non_null(strstr(line, "] ACC-2005 domain_not_served flow=11 domain=a]b"));
}

static void
level_decides(void **state)
{
	log_debug(AREA_SYS, "", "too_low", "x=%d", 1);
	assert_null(next_line());
	log_set_level(LOG_DEBUG_L);
	log_debug(AREA_SYS, "", "now_loud", "x=%d", 1);
	assert_non_null(next_line());
	log_set_level(LOG_INFO_L);
}

static void
repeats_are_folded_by_source(void **state)
{
	unsigned n = 0;

	for (int i = 0; i < 1000; i++) {
		log_notice(AREA_SIP, "ACC-2002", "tls_failed", "peer=198.51.100.7:%d why=x", i);
		n += next_line() != NULL;
	}
	assert_int_equal(n, LOG_BURST);
	/* another source is not its fault */
	log_notice(AREA_SIP, "ACC-2002", "tls_failed", "peer=198.51.100.8:%d why=x", 1);
	assert_non_null(next_line());
}

static void
control_characters_do_not_pass(void **state)
{
	const char *line;

	log_notice(AREA_SIP, "", "odd", "text=a\nb%cc", 27);
	line = next_line();
	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	assert_null(strchr(line, 27));
}

static void
quote_escapes_and_cuts(void **state)
{
	char buf[LOG_QUOTE_LEN], big[400];

	assert_string_equal(
	    log_quote(STR("a\"b\\c\r\n\x80"), buf), "\"a\\\"b\\\\c\\x0d\\x0a\\x80\"");
	memset(big, '\n', sizeof(big));
	log_quote((struct str){big, sizeof(big)}, buf);
	assert_true(strlen(buf) < LOG_QUOTE_LEN);
	assert_string_equal(buf + strlen(buf) - 4, "...\"");
	assert_string_equal(log_quote(STR_NONE, buf), "\"\"");
}

static void
loss_is_noticed_once(void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	log_set_socket(pair[0]);
	close(pair[1]);
	assert_false(log_was_lost());
	log_info(AREA_SYS, "", "into_the_void", "x=%d", 1);
	assert_true(log_was_lost());
	assert_false(log_was_lost());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(line_is_rfc5424),
	    cmocka_unit_test(level_decides),
	    cmocka_unit_test(repeats_are_folded_by_source),
	    cmocka_unit_test(control_characters_do_not_pass),
	    cmocka_unit_test(quote_escapes_and_cuts),
	    cmocka_unit_test(loss_is_noticed_once),
	};

	return cmocka_run_group_tests(tests, open_target, NULL);
}

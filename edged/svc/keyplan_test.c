/* SPDX-License-Identifier: MIT
 *
 * keyplan_test.c: a plan there and back; each shorter one is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/ipc.h"
#include "svc/keyplan.h"
#include "svc/wire.h"

static void
there_and_back(void **state)
{
	static struct keyplan in, out;
	static uint8_t buf[4096];
	struct ipc_writer w = {.p = buf, .room = sizeof(buf)};
	char secret[KEYPLAN_SECRET_LEN];

	memset(secret, 7, sizeof(secret));
	in.pool_secret = (struct str){secret, sizeof(secret)};
	in.n_slots = 2;
	in.slots[1] = (struct keyplan_slot){.slot = 513,
	    .binding = STR("av_auth_next"),
	    .key_pem = STR("key"),
	    .cert_pem = STR("cert"),
	    .effective = 1798761600};
	in.roles[ROLE_ACCESS].ops = KEYD_OP_BIT(KEYD_OP_SIGN);
	in.roles[ROLE_ACCESS].bindings = STR("external internal");
	in.n_turn_users = 1;
	in.turn_users[0].name = STR("webrtc");
	in.token_lifetime_s = 28800;
	keyplan_put(&w, &in);
	assert_int_equal(w.err, 0);
	assert_int_equal(keyplan_get((struct str){(char *)buf, w.n}, &out), ED_OK);
	assert_int_equal(out.n_slots, 2);
	assert_int_equal(out.slots[1].slot, 513);
	assert_true(str_eq(out.slots[1].binding, STR("av_auth_next")));
	assert_int_equal(out.slots[1].effective, 1798761600);
	assert_int_equal(out.roles[ROLE_ACCESS].ops, 2);
	assert_true(str_eq(out.turn_users[0].name, STR("webrtc")));
	assert_int_equal(out.token_lifetime_s, 28800);
	for (size_t n = 0; n < w.n; n++)
		assert_int_not_equal(keyplan_get((struct str){(char *)buf, n}, &out), ED_OK);
}

static void
blobs_are_sealed_and_bounded(void **state)
{
	char *p;
	size_t n;
	int fd;

	assert_int_equal(wire_blob_new("hello", 5, &fd), ED_OK);
	assert_int_equal(wire_blob_read(fd, 5, &p, &n), ED_OK);
	assert_int_equal(n, 5);
	assert_memory_equal(p, "hello", 5);
	free(p);
	assert_int_equal(wire_blob_new("hello", 5, &fd), ED_OK);
	assert_int_equal(wire_blob_read(fd, 4, &p, &n), ED_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(blobs_are_sealed_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

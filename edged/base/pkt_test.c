/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pkt.h"

static void
headroom_and_tailroom_are_checked(void **state)
{
	struct pkt_pool *pool = pkt_pool_new(100, 2);
	struct pkt *p = pkt_get(pool);

	(void)state;
	assert_non_null(pkt_put(p, 100 + PKT_TAILROOM));
	assert_null(pkt_put(p, 1));
	assert_non_null(pkt_push(p, PKT_HEADROOM));
	assert_null(pkt_push(p, 1));
	assert_int_equal(p->len, 100 + PKT_TAILROOM + PKT_HEADROOM);
	assert_int_equal(pkt_keep(p, 60, 100), ED_OK);
	assert_int_equal(pkt_keep(p, 1, 100), ED_MALFORMED);
	assert_int_equal(pkt_keep(p, UINT32_MAX, 2), ED_MALFORMED);
	assert_int_equal(pkt_pull(p, 101), ED_MALFORMED);
	assert_int_equal(pkt_pull(p, 100), ED_OK);
	assert_int_equal(p->len, 0);
	pkt_unref(p);
	pkt_pool_free(pool);
}

static void
a_pool_stops_at_its_cap_and_reuses(void **state)
{
	struct pkt_pool *pool = pkt_pool_new(100, 2);
	struct pkt *a = pkt_get(pool), *b = pkt_get(pool);

	(void)state;
	assert_non_null(b);
	assert_null(pkt_get(pool));
	pkt_ref(a);
	pkt_unref(a);
	assert_null(pkt_get(pool));
	pkt_unref(a);
	assert_ptr_equal(pkt_get(pool), a);
	assert_int_equal(pkt_pool_in_use(pool), 2);
	pkt_unref(a);
	pkt_unref(b);
	assert_int_equal(pkt_pool_in_use(pool), 0);
	pkt_pool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headroom_and_tailroom_are_checked),
	    cmocka_unit_test(a_pool_stops_at_its_cap_and_reuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

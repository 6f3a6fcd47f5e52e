/* SPDX-License-Identifier: MIT
 *
 * The next hop pool: who is used, who is tried, and when. Links are opened by a made-up network
 * that does what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "access/flow.h"
#include "access/nexthop.h"

#define LINKS_MAX 64

static struct {
	struct nexthop nh;
	struct nexthop_link *opened[LINKS_MAX];
	unsigned n_opened, n_probes, n_closed;
	uint64_t now;
} w;

static int
op_open(void *arg, struct nexthop_link *l)
{
	l->flow = flow_new(FLOW_LINK);
	w.opened[w.n_opened++ % LINKS_MAX] = l;
	return ED_OK;
}

static void
down(struct nexthop_link *l, const char *why)
{
	struct flow *f = l->flow;

	nexthop_link_down(l, w.now, why);
	free(f);
}

static void
op_close(void *arg, struct nexthop_link *l)
{
	w.n_closed++;
	down(l, "silent");
}

static void
op_probe(void *arg, struct nexthop_link *l)
{
	w.n_probes++;
	if (!l->flow->waiting_since_ms)
		l->flow->waiting_since_ms = w.now;
}

static int
op_resolve(void *arg, const char *host, uint32_t source)
{
	return ED_OK; /* the test answers */
}

static const struct nexthop_ops ops = {op_open, op_close, op_probe, op_resolve};

static void
begin(const char *const *hosts, uint32_t n, uint32_t links)
{
	memset(&w, 0, sizeof(w));
	w.now = 1000;
	nexthop_init(&w.nh, &ops, NULL);
	assert_int_equal(nexthop_configure(&w.nh, hosts, n, 5061, links, 10000, w.now), ED_OK);
}

static void
end(void)
{
	for (unsigned i = 0; i < w.nh.n_members; i++)
		for (unsigned k = 0; k < w.nh.n_links; k++)
			free(w.nh.members[i]->links[k].flow);
	nexthop_done(&w.nh);
}

static enum nexthop_verdict
pick(uint64_t cid, uint16_t *member, struct nexthop_link **l)
{
	return nexthop_pick(&w.nh, cid, member, w.now, l);
}

static void
run_until(uint64_t ms)
{
	while (w.now < ms) {
		w.now += 100;
		nexthop_tick(&w.nh, w.now);
	}
}

static const char *const two[] = {"10.0.0.1:5061", "10.0.0.2"};

static void
test_waits_then_uses(void **state)
{
	struct nexthop_link *l;
	uint16_t member = 0;

	begin(two, 1, 4);
	assert_int_equal(w.n_opened, 1); /* one knocks; the others follow when it stands */
	assert_int_equal(pick(0x100, &member, &l), NEXTHOP_WAIT);
	nexthop_link_up(w.opened[0], w.now);
	assert_int_equal(w.n_opened, 4);
	assert_int_equal(pick(0x100, &member, &l), NEXTHOP_USE);
	assert_ptr_equal(l, w.opened[0]);
	end();
}

static void
test_refused_is_not_tried_per_message(void **state)
{
	struct nexthop_link *l;
	uint16_t member = 0;
	unsigned before;

	begin(two, 1, 1);
	down(w.opened[0], "refused");
	before = w.n_opened;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(pick(i << 8, &member, &l), NEXTHOP_NONE);
	assert_int_equal(w.n_opened, before);
	run_until(w.now + 400);
	assert_int_equal(w.n_opened, before + 1); /* after 200 ms, by itself */
	nexthop_link_up(w.opened[before], w.now);
	assert_int_equal(pick(0x100, &member, &l), NEXTHOP_USE);
	end();
}

static void
test_failover_and_stickiness(void **state)
{
	struct nexthop_link *l, *other;
	uint16_t member = 0, again;

	begin(two, 2, 1);
	nexthop_link_up(w.opened[0], w.now);
	nexthop_link_up(w.opened[1], w.now);
	assert_int_equal(pick(0x100, &member, &l), NEXTHOP_USE);
	again = member;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(pick(i << 8, &again, &other), NEXTHOP_USE);
		assert_ptr_equal(other, l); /* keeps to its member whatever the id */
	}
	l->member->failed = true;
	down(l, "reset");
	assert_int_equal(pick(0x100, &member, &other), NEXTHOP_USE);
	assert_ptr_not_equal(other->member, l->member);
	assert_int_not_equal(member, again);
	end();
}

static void
test_black_hole(void **state)
{
	struct nexthop_link *l;
	uint16_t member = 0;
	uint64_t sent;

	begin(two, 1, 2);
	nexthop_link_up(w.opened[0], w.now);
	nexthop_link_up(w.opened[1], w.now);
	sent = w.now;
	w.opened[0]->flow->waiting_since_ms = sent;
	run_until(sent + NEXTHOP_PROBE_MS + 100);
	assert_int_equal(w.n_probes, 1);
	assert_int_equal(w.n_closed, 0);
	run_until(sent + 3000);
	assert_true(w.n_closed >= 2); /* its sister is as deaf */
	assert_int_equal(pick(0x100, &member, &l), NEXTHOP_NONE);
	end();
}

static void
test_probes_when_idle(void **state)
{
	begin(two, 1, 1);
	nexthop_link_up(w.opened[0], w.now);
	for (unsigned i = 0; i < 3; i++) {
		run_until(w.now + 10100);
		w.opened[0]->flow->waiting_since_ms = 0; /* it answered */
	}
	assert_int_equal(w.n_probes, 3);
	assert_int_equal(w.n_closed, 0);
	end();
}

static void
test_503_shuns(void **state)
{
	struct nexthop_link *l, *other;
	uint16_t member = 0, fresh = 0;

	begin(two, 2, 1);
	nexthop_link_up(w.opened[0], w.now);
	nexthop_link_up(w.opened[1], w.now);
	assert_int_equal(pick(0x100, &member, &l), NEXTHOP_USE);
	nexthop_refused(l, 10, w.now);
	assert_int_equal(pick(0x100, &fresh, &other), NEXTHOP_USE);
	assert_ptr_not_equal(other->member, l->member);
	nexthop_refused(other, 10, w.now); /* all refuse: better one of them than nobody */
	fresh = 0;
	assert_int_equal(pick(0x100, &fresh, &other), NEXTHOP_USE);
	end();
}

static void
test_resolved(void **state)
{
	static const char *const name[] = {"pool.int.contoso.com"};
	struct nexthop_link *l;
	struct addr a[2];
	uint16_t member = 0;

	begin(name, 1, 1);
	assert_int_equal(pick(0x100, &member, &l), NEXTHOP_WAIT);
	assert_int_equal(addr_parse_ip(&a[0], STR("10.0.0.1")), ED_OK);
	assert_int_equal(addr_parse_ip(&a[1], STR("10.0.0.2")), ED_OK);
	nexthop_resolved(&w.nh, 0, a, 2, 30, w.now);
	assert_int_equal(w.nh.n_members, 2);
	assert_int_equal(w.n_opened, 2);
	nexthop_link_up(w.opened[0], w.now);
	nexthop_link_up(w.opened[1], w.now);
	nexthop_resolved(&w.nh, 0, &a[1], 1, 30, w.now); /* one left the DNS */
	run_until(w.now + 200);
	assert_int_equal(w.nh.n_members, 1);
	assert_int_equal(w.n_closed, 1);
	nexthop_resolved(&w.nh, 0, NULL, 0, 0, w.now); /* no answer takes nobody away */
	run_until(w.now + 200);
	assert_int_equal(w.nh.n_members, 1);
	end();
}

static void
test_configure_refuses(void **state)
{
	static const char *const bad[] = {"host:0", "host:99999", ":5061", ""};
	struct nexthop nh;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		nexthop_init(&nh, &ops, NULL);
		assert_true(nexthop_configure(&nh, &bad[i], 1, 5061, 1, 0, 0) < 0);
		nexthop_done(&nh);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_waits_then_uses),
	    cmocka_unit_test(test_refused_is_not_tried_per_message),
	    cmocka_unit_test(test_failover_and_stickiness),
	    cmocka_unit_test(test_black_hole),
	    cmocka_unit_test(test_probes_when_idle),
	    cmocka_unit_test(test_503_shuns),
	    cmocka_unit_test(test_resolved),
	    cmocka_unit_test(test_configure_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

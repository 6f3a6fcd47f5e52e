/* SPDX-License-Identifier: MIT
 *
 * The small tables of an allocation, filled to their limits, emptied by time, filled again.
 */
#include "proto/turn/world.h"

static struct addr
peer_n(unsigned n, bool is6)
{
	struct addr a = {.family = is6 ? 6 : 4, .port = (uint16_t)(1000 + n)};

	a.ip[0] = is6 ? 0x26 : 8;
	a.ip[2] = (uint8_t)(n >> 8);
	a.ip[is6 ? 15 : 3] = (uint8_t)n;
	return a;
}

static void
permissions_fill_and_expire(void **state)
{
	struct turn_permissions t = {0};
	struct addr a;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		uint64_t now = round * 1000;

		for (unsigned i = 0; i < 64; i++) {
			a = peer_n(round * 64 + i, i & 1);
			assert_false(turn_permission_is_live(&t, &a, now));
			assert_int_equal(
			    turn_permission_install(&t, &a, now + 900, 64, now), ED_OK);
			assert_int_equal(
			    turn_permission_install(&t, &a, now + 900, 64, now), ED_OK);
		}
		a = peer_n(9999, false);
		assert_int_equal(turn_permission_install(&t, &a, now + 900, 64, now), ED_LIMIT);
		for (unsigned i = 0; i < 64; i++) {
			a = peer_n(round * 64 + i, i & 1);
			a.port++;
			assert_true(turn_permission_is_live(&t, &a, now + 899));
			assert_false(turn_permission_is_live(&t, &a, now + 900));
		}
	}
	turn_permissions_done(&t);
}

static void
a_permission_is_never_shortened(void **state)
{
	struct turn_permissions t = {0};
	struct addr a = peer_n(1, false);

	(void)state;
	assert_int_equal(turn_permission_install(&t, &a, UINT64_MAX, 64, 0), ED_OK);
	assert_int_equal(turn_permission_install(&t, &a, 10, 64, 0), ED_OK);
	assert_true(turn_permission_is_live(&t, &a, 11));
	turn_permissions_done(&t);
}

static void
channels_fill_rest_and_return(void **state)
{
	struct turn_channels t = {0};
	struct addr a;
	uint64_t now = 1000000;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		a = peer_n(i, i & 1);
		assert_int_equal(
		    turn_channel_bind(&t, (uint16_t)(0x4000 + i * 37), &a, &a, 64, now), ED_OK);
	}
	a = peer_n(64, false);
	assert_int_equal(turn_channel_bind(&t, 0x4fff, &a, &a, 64, now), ED_LIMIT);
	for (unsigned i = 0; i < 64; i++) {
		const struct turn_channel *c;

		a = peer_n(i, i & 1);
		c = turn_channel_by_number(&t, (uint16_t)(0x4000 + i * 37), now);
		assert_non_null(c);
		assert_true(addr_eq(&c->peer, &a));
		assert_ptr_equal(turn_channel_by_peer(&t, &a, now), c);
		a.port++;
		assert_null(turn_channel_by_peer(&t, &a, now));
	}
	/* expired: not usable, its number not yet for another, its own peer may renew it */
	now += TURN_CHANNEL_LIFETIME_MS;
	assert_null(turn_channel_by_number(&t, 0x4000, now));
	a = peer_n(70, false);
	assert_int_equal(turn_channel_bind(&t, 0x4000, &a, &a, 64, now), ED_MALFORMED);
	a = peer_n(0, false);
	assert_int_equal(turn_channel_bind(&t, 0x4000, &a, &a, 64, now), ED_OK);
	assert_non_null(turn_channel_by_number(&t, 0x4000, now));
	/* a peer whose channel ended takes a new number, and its old one is free at once */
	a = peer_n(1, true);
	assert_int_equal(turn_channel_bind(&t, 0x4abc, &a, &a, 64, now), ED_OK);
	assert_int_equal(turn_channel_by_peer(&t, &a, now)->number, 0x4abc);
	/* rested: numbers and room are back */
	now += TURN_CHANNEL_REST_MS;
	a = peer_n(71, false);
	assert_int_equal(turn_channel_bind(&t, 0x4000 + 2 * 37, &a, &a, 64, now), ED_OK);
	turn_channels_done(&t);
}

static void
nonces_are_bound_to_their_sender(void **state)
{
	struct mac_ctx *key = mac_ctx_new((const uint8_t *)"0123456789abcdef0123456789abcdef", 32);
	struct mac_ctx *other =
	    mac_ctx_new((const uint8_t *)"0123456789abcdef0123456789abcdeF", 32);
	struct turn_flow f = {.client = at("8.8.8.8:1000")}, g;
	char nonce[TURN_NONCE_LEN];
	struct str n = {nonce, sizeof(nonce)};
	uint64_t now = 1000000000;

	(void)state;
	assert_int_equal(turn_nonce_make(key, &f, now, nonce), ED_OK);
	assert_true(turn_nonce_holds(key, &f, now, n));
	assert_true(turn_nonce_holds(key, &f, now + 3600000, n));
	assert_false(turn_nonce_holds(key, &f, now + 3660001, n));
	assert_false(turn_nonce_holds(key, &f, now - 60000, n)); /* from the future */
	assert_false(turn_nonce_holds(other, &f, now, n));
	g = f;
	g.client.port++;
	assert_false(turn_nonce_holds(key, &g, now, n));
	g = f;
	g.client.ip[3]++;
	assert_false(turn_nonce_holds(key, &g, now, n));
	g = f;
	g.transport = TURN_TCP;
	assert_false(turn_nonce_holds(key, &g, now, n));
	g = f;
	g.listener = 1;
	assert_false(turn_nonce_holds(key, &g, now, n));
	for (size_t i = 0; i < sizeof(nonce); i++) {
		nonce[i] ^= 1;
		assert_false(turn_nonce_holds(key, &f, now, n));
		nonce[i] ^= 1;
	}
	n.n--;
	assert_false(turn_nonce_holds(key, &f, now, n));
	mac_ctx_free(key);
	mac_ctx_free(other);
}

static void
buckets_fill_with_time(void **state)
{
	struct turn_bucket b = {0};
	uint64_t now = 5000;
	int passed = 0;

	(void)state;
	assert_true(turn_bucket_take(&b, 0, UINT32_MAX, now)); /* no limit */
	for (int i = 0; i < 100; i++)
		passed += turn_bucket_take(&b, 80, 1000, now);
	assert_int_equal(passed, 10);
	assert_false(turn_bucket_take(&b, 80, 1000, now + 99));
	assert_true(turn_bucket_take(&b, 80, 1000, now + 100));
	assert_false(
	    turn_bucket_take(&b, 80, 10001, now + 100000)); /* one second's worth at most */
	assert_true(turn_bucket_take(&b, 80, 10000, now + 100000));
	/* 4294967296 kbit/s is legal (edge-reference AV-02) */
	b = (struct turn_bucket){0};
	assert_true(turn_bucket_take(&b, 4294967296, UINT32_MAX, now));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(permissions_fill_and_expire),
	    cmocka_unit_test(a_permission_is_never_shortened),
	    cmocka_unit_test(channels_fill_rest_and_return),
	    cmocka_unit_test(nonces_are_bound_to_their_sender),
	    cmocka_unit_test(buckets_fill_with_time),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* SipHash-1-3, key 00 01 .. 0f, input 00 01 .. (n-1): first value of the published table. */
static void
test_vector(void **state)
{
	const struct hash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
	uint8_t in[64];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	assert_true(hash_bytes(&key, in, 0) == 0xabac0158050fc4dcu);
	for (size_t n = 1; n < sizeof(in); n++)
		assert_true(hash_bytes(&key, in, n) != hash_bytes(&key, in, n - 1));
}

struct thing {
	struct hash_node node;
	unsigned number;
};

static struct thing *
find(const struct hash_table *t, uint64_t hash, unsigned number)
{
	for (struct hash_node *n = hash_first(t, hash); n; n = hash_next(n))
		if (((struct thing *)n)->number == number)
			return (struct thing *)n;
	return NULL;
}

static void
test_table(void **state)
{
	enum { N = 1000 };
	struct thing *things = calloc(N, sizeof(*things));
	struct hash_table t;

	assert_int_equal(hash_init(&t, 3), ED_OK);
	for (unsigned i = 0; i < N; i++) {
		things[i].number = i;
		hash_insert(&t, &things[i].node, i / 3); /* three share one hash */
	}
	assert_int_equal(t.n, N);
	assert_true(t.n_buckets >= N);
	for (unsigned i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i / 3, i), &things[i]);
	assert_null(find(&t, 7, 5000));
	for (unsigned i = 0; i < N; i += 2)
		hash_remove(&t, &things[i].node);
	assert_int_equal(t.n, N / 2);
	hash_remove(&t, &things[0].node); /* no harm */
	assert_int_equal(t.n, N / 2);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(find(&t, i / 3, i) != NULL, i % 2);
	hash_done(&t);
	free(things);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vector),
	    cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

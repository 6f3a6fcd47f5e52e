/* SPDX-License-Identifier: MIT */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/digest.h"
#include "base/mac.h"
#include "hex.h"
#include "keyd/relay.h"
#include "svc/keyplan.h"

static char pem_a[4096], pem_b[4096], pem_ec[4096];

static void
make_key(char *ret, size_t room, bool rsa)
{
	EVP_PKEY *k = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, k, NULL, NULL, 0, NULL, NULL), 1);
	n = BIO_read(bio, ret, (int)room - 1);
	assert_true(n > 0);
	ret[n] = 0;
	BIO_free(bio);
	EVP_PKEY_free(k);
}

static void
counter(void *p, size_t n)
{
	static uint32_t next;

	next++;
	memcpy(p, &next, n);
}

static void
plan_init(struct keyplan *p)
{
	memset(p, 0, sizeof(*p));
	p->turn_realm = STR("edge.example.com");
	p->token_lifetime_s = 8 * 3600;
	p->turn_users[0].name = STR("webrtc");
	p->turn_users[0].password = STR("secret");
	p->turn_users[1].name = STR("hashed");
	p->turn_users[1].key = STR("407341d053837dd1ad3089e84c98a8a8");
	p->n_turn_users = 2;
	p->turn_shared_secret = STR("north-star old-star");
}

static void
add_slot(struct keyplan *p, const char *binding, const char *pem, int64_t effective)
{
	p->slots[p->n_slots] = (struct keyplan_slot){.slot = (uint16_t)(p->n_slots + 1),
	    .binding = str_of(binding),
	    .key_pem = str_of(pem),
	    .effective = effective};
	p->n_slots++;
}

static void
names_of_every_kind(void **state)
{
	static struct keyplan plan;
	struct relay *r;
	struct relay_key k, other;
	const char *why;
	uint8_t want[16];

	(void)state;
	plan_init(&plan);
	assert_int_equal(relay_new(&plan, &r, &why), ED_OK);
	/* users of the file, by password and by key */
	assert_int_equal(relay_turn_key(r, STR("webrtc"), 1000, &k), ED_OK);
	assert_int_equal(k.n_keys, 1);
	assert_true(k.remaining_s == UINT64_MAX);
	assert_int_equal(relay_turn_key(r, STR("hashed"), 1000, &other), ED_OK);
	assert_memory_not_equal(k.user, other.user, 16);
	hex_bytes("407341d053837dd1ad3089e84c98a8a8", want, 16);
	assert_memory_equal(other.key[0], want, 16);
	assert_int_equal(relay_turn_key(r, STR("nobody"), 1000, &k), ED_DENIED);
	assert_int_equal(relay_turn_key(r, STR(""), 1000, &k), ED_DENIED);
	/* ms-turn V12, with the secret before it still good */
	assert_int_equal(relay_turn_key(r, STR("1893456000:alice"), 1893455999, &k), ED_OK);
	assert_int_equal(k.n_keys, 2);
	assert_true(k.remaining_s == 1);
	assert_memory_equal(k.key[0], want, 16);
	assert_memory_not_equal(k.key[1], want, 16);
	assert_int_equal(relay_turn_key(r, STR("1893456000:alice"), 1893456000, &k), ED_GONE);
	/* the same user with another end is the same user */
	assert_int_equal(relay_turn_key(r, STR("1893456001:alice"), 1893455999, &other), ED_OK);
	assert_int_equal(relay_turn_key(r, STR("1893456000:alice"), 1893455999, &k), ED_OK);
	assert_memory_equal(k.user, other.user, 16);
	assert_int_equal(relay_turn_key(r, STR("1893456000:alice"), 1500000000, &k), ED_DENIED);
	assert_int_equal(relay_turn_key(r, STR("+893456000:alice"), 1000, &k), ED_DENIED);
	assert_int_equal(relay_turn_key(r, STR("99999999999"), 1000, &k), ED_DENIED);
	relay_free(r);
	plan.turn_shared_secret = STR("");
	assert_int_equal(relay_new(&plan, &r, &why), ED_OK);
	assert_int_equal(relay_turn_key(r, STR("1893456000:alice"), 1893455999, &k), ED_DENIED);
	relay_free(r);
}

/* Issued here, good on another Edge with the same key, not on one with another, nor after its end.
 */
static void
tokens_work_where_the_key_is(void **state)
{
	static struct keyplan plan, same, other;
	struct relay *a, *b, *c;
	struct relay_token t;
	struct relay_key k, k2;
	struct str u = {(const char *)t.token.username, sizeof(t.token.username)};
	const char *why;
	uint8_t want[16];
	struct str parts[5] = {u, STR(":"), STR("edge.example.com"), STR(":"),
	    {(const char *)t.token.password, sizeof(t.token.password)}};

	(void)state;
	plan_init(&plan);
	assert_int_equal(relay_new(&plan, &a, &why), ED_OK);
	assert_int_equal(relay_issue(a, STR("sip:a@b"), 480, 1, 1000, counter, &t), ED_UNSUPPORTED);
	relay_free(a);
	add_slot(&plan, "av_auth", pem_a, 0);
	plan_init(&same);
	add_slot(&same, "external", pem_b, 0);
	add_slot(&same, "av_auth", pem_a, 0);
	plan_init(&other);
	add_slot(&other, "av_auth", pem_b, 0);
	assert_int_equal(relay_new(&plan, &a, &why), ED_OK);
	assert_int_equal(relay_new(&same, &b, &why), ED_OK);
	assert_int_equal(relay_new(&other, &c, &why), ED_OK);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(relay_issue(a, STR("sip:a@b"), 480, 1, 1000, counter, &t), ED_OK);
		assert_true(t.token.password[19] != 0 && t.token.password[19] != '"' &&
			    t.token.password[0] != '"');
		assert_true(t.token.username[55] != 0 && t.token.username[55] != '"');
	}
	assert_int_equal(t.duration_min, 480);
	assert_int_equal(relay_turn_key(b, u, 1000, &k), ED_OK);
	assert_true(k.remaining_s == 480 * 60);
	assert_int_equal(digest_md5(parts, 5, want), ED_OK);
	assert_memory_equal(k.key[0], want, 16);
	assert_int_equal(relay_turn_key(c, u, 1000, &k2), ED_DENIED);
	assert_int_equal(relay_turn_key(b, u, 1000 + 480 * 60 + 61, &k2), ED_GONE);
	/* cut to the longest; nothing named gives the longest */
	assert_int_equal(relay_issue(a, STR("sip:a@b"), 100000, 1, 1000, counter, &t), ED_OK);
	assert_int_equal(t.duration_min, 480);
	assert_int_equal(relay_issue(a, STR("sip:a@b"), 0, 1, 1000, counter, &t), ED_OK);
	assert_int_equal(t.duration_min, 480);
	relay_free(a);
	relay_free(b);
	relay_free(c);
}

/* CERT-AV-06: from its time on the staged key issues; what the old one issued goes on. */
static void
a_key_is_rolled(void **state)
{
	static struct keyplan before, staged, after;
	struct relay *b, *s, *a;
	struct relay_token old, fresh;
	struct relay_key k;
	const char *why;

	(void)state;
	plan_init(&before);
	add_slot(&before, "av_auth", pem_a, 0);
	plan_init(&staged);
	add_slot(&staged, "av_auth", pem_a, 0);
	add_slot(&staged, "av_auth_next", pem_b, 5000);
	plan_init(&after);
	add_slot(&after, "av_auth", pem_b, 0);
	assert_int_equal(relay_new(&before, &b, &why), ED_OK);
	assert_int_equal(relay_new(&staged, &s, &why), ED_OK);
	assert_int_equal(relay_new(&after, &a, &why), ED_OK);
	assert_int_equal(relay_issue(s, STR("sip:a@b"), 480, 1, 4999, counter, &old), ED_OK);
	assert_int_equal(relay_issue(s, STR("sip:a@b"), 480, 1, 5000, counter, &fresh), ED_OK);
#define NAME(t) ((struct str){(const char *)(t).token.username, MRAS_USERNAME_LEN})
	assert_int_equal(relay_turn_key(b, NAME(old), 5000, &k), ED_OK);
	assert_int_equal(relay_turn_key(s, NAME(old), 5000, &k), ED_OK);
	assert_int_equal(relay_turn_key(a, NAME(old), 5000, &k), ED_DENIED);
	assert_int_equal(relay_turn_key(b, NAME(fresh), 5000, &k), ED_DENIED);
	assert_int_equal(relay_turn_key(s, NAME(fresh), 5000, &k), ED_OK);
	assert_int_equal(relay_turn_key(a, NAME(fresh), 5000, &k), ED_OK);
	relay_free(b);
	relay_free(s);
	relay_free(a);
}

static void
bad_plans_say_why(void **state)
{
	static struct keyplan plan;
	struct relay *r = NULL;
	const char *why;

	(void)state;
	plan_init(&plan);
	add_slot(&plan, "av_auth", pem_ec, 0);
	assert_int_equal(relay_new(&plan, &r, &why), ED_MALFORMED);
	plan_init(&plan);
	plan.turn_users[1].key = STR("407341d053837dd1ad3089e84c98a8ag");
	assert_int_equal(relay_new(&plan, &r, &why), ED_MALFORMED);
	plan.turn_users[1].key = STR("");
	assert_int_equal(relay_new(&plan, &r, &why), ED_MALFORMED);
	assert_null(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_every_kind),
	    cmocka_unit_test(tokens_work_where_the_key_is),
	    cmocka_unit_test(a_key_is_rolled),
	    cmocka_unit_test(bad_plans_say_why),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	make_key(pem_a, sizeof(pem_a), true);
	make_key(pem_b, sizeof(pem_b), true);
	make_key(pem_ec, sizeof(pem_ec), false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Every row of ms-turn 4.6 and its counterpart of RFC 8489 9.2.4: what is missing or wrong, and the
 * answer; also that no wrong one makes an allocation.
 */
#include "proto/turn/world.h"

enum flaw {
	NO_INTEGRITY = 1,
	NO_REALM = 2,
	NO_NONCE = 4,
	NO_USERNAME = 8,
	STALE_NONCE = 16,
	OTHERS_NONCE = 32,
	OTHER_REALM = 64,
	QUOTED_REALM = 128,
	WRONG_KEY = 256,
	SHA256_LENGTH = 512,
	UNKNOWN_ATTRIBUTE = 1024,
	UNKNOWN_USER = 2048,
	EXPIRED_USER = 4096,
	KEYD_IS_GONE = 8192,
	LONG_USERNAME = 16384,
};

static const struct {
	const char *name;
	unsigned flaws;
	int standard, ms;
	bool tells_nonce, is_signed;
} rows[] = {
    {"nothing wrong", 0, 0, 0, false, true},
    {"no Message Integrity", NO_INTEGRITY, 401, 401, true, false},
    {"no Realm", NO_REALM, 400, 434, true, false},
    {"no Nonce", NO_NONCE, 400, 435, true, false},
    {"no Username", NO_USERNAME, 400, 432, true, false},
    {"no Realm, no Username: Realm first", NO_REALM | NO_USERNAME, 400, 434, true, false},
    {"Username longer than STUN allows", LONG_USERNAME, 400, 432, true, false},
    {"Nonce too old", STALE_NONCE, 438, 438, true, false},
    {"Nonce of another sender", OTHERS_NONCE, 438, 438, true, false},
    {"Nonce too old and user unknown: keyd is not asked", STALE_NONCE | UNKNOWN_USER, 438, 438,
	true, false},
    {"Realm of somebody else", OTHER_REALM, 401, 401, true, false},
    {"Realm in quotes", QUOTED_REALM, 0, 0, false, true},
    {"Username unknown", UNKNOWN_USER, 401, 436, true, false},
    {"credentials expired", EXPIRED_USER, 401, 436, true, false},
    {"keyd does not answer: no answer either", KEYD_IS_GONE, -1, -1, false, false},
    {"Integrity wrong", WRONG_KEY, 401, 431, true, false},
    {"Integrity of 32 bytes", SHA256_LENGTH, 401, 431, true, false},
    {"unknown mandatory attribute", UNKNOWN_ATTRIBUTE, 420, 420, false, true},
    {"unknown attribute and wrong Integrity", UNKNOWN_ATTRIBUTE | WRONG_KEY, 401, 431, true, false},
};

static void
send_flawed(struct client *c, unsigned flaws)
{
	static const char long_name[513] = "x";
	uint8_t buf[2048], key[16];
	struct stun_writer w;

	client_start(c, &w, buf, STUN_ALLOCATE);
	if (c->d == MS)
		stun_write_u32(&w, STUN_MS_VERSION, 1);
	else
		stun_write_u32(&w, STUN_REQUESTED_TRANSPORT, 17u << 24);
	if (flaws & UNKNOWN_ATTRIBUTE) { /* 0x7f00, empty */
		memcpy(buf + w.n, "\x7f\x00\x00\x00", 4);
		w.n += 4;
	}
	if (!(flaws & NO_USERNAME))
		stun_write_bytes(&w, STUN_USERNAME,
		    flaws & LONG_USERNAME ? (struct str){long_name, 513} : c->user);
	if (!(flaws & NO_REALM))
		stun_write_bytes(&w, STUN_REALM,
		    flaws & OTHER_REALM    ? STR("other.example.com")
		    : flaws & QUOTED_REALM ? STR("\"" REALM "\"")
					   : STR(REALM));
	if (!(flaws & NO_NONCE))
		stun_write_bytes(&w, STUN_NONCE, (struct str){c->nonce, c->nonce_len});
	memcpy(key, c->key, 16);
	key[0] ^= (flaws & WRONG_KEY) != 0;
	if (flaws & SHA256_LENGTH)
		stun_write_bytes(
		    &w, STUN_MESSAGE_INTEGRITY, STR("0123456789abcdef0123456789abcdef"));
	else if (!(flaws & NO_INTEGRITY))
		stun_write_integrity(&w, (struct str){(char *)key, 16});
	client_send(c, &w, false);
}

static void
check_row(const struct stun_dialect *d, size_t i)
{
	int code, want = d == MS ? rows[i].ms : rows[i].standard;
	struct world w;
	struct client c;
	struct stun_msg m;

	print_message("  %s: %s\n", d->name, rows[i].name);
	world_init(&w);
	client_init(&c, &w, d, "198.18.9.9:61000");
	client_challenge(&c);
	if (rows[i].flaws & STALE_NONCE)
		w.now_ms += 61u * 60000u;
	if (rows[i].flaws & OTHERS_NONCE)
		c.flow.client.port++;
	if (rows[i].flaws & UNKNOWN_USER)
		w.key.verdict = ED_DENIED;
	if (rows[i].flaws & EXPIRED_USER)
		w.key.verdict = ED_GONE;
	if (rows[i].flaws & KEYD_IS_GONE)
		w.key.verdict = ED_SYS;
	send_flawed(&c, rows[i].flaws);
	code = client_code(&c, &m);
	assert_int_equal(code, want);
	assert_int_equal(turn_server_allocations(w.s), code == 0);
	if (code > 0) {
		/* RFC 8489: 400 and 420 do not repeat the challenge */
		assert_int_equal(stun_has(&m, STUN_NONCE), rows[i].tells_nonce && code != 400);
		assert_int_equal(client_signed(&c, &m), rows[i].is_signed);
		assert_int_equal(stun_has(&m, STUN_UNKNOWN_ATTRIBUTES), code == 420);
	}
	if (rows[i].flaws & STALE_NONCE)
		assert_int_equal(w.n_asked, 0);
	world_done(&w);
}

static void
every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(STD, i);
		check_row(MS, i);
	}
}

/* 441: the five-tuple belongs to another user; the answer is signed with the sender's own key. */
static void
another_user_on_the_five_tuple(void **state)
{
	static const struct stun_dialect *const dialects[] = {STD, MS};
	struct world w;
	struct client c;
	struct stun_msg m;
	uint8_t owners_key[16];
	struct addr peer = at("8.8.8.8:53");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		world_init(&w);
		client_init(&c, &w, dialects[i], "198.18.9.9:61000");
		assert_int_equal(client_allocate(&c, &m), 0);
		memcpy(owners_key, c.key, 16);
		c.user = STR("mallory");
		assert_int_equal(stun_key(c.user, STR(REALM), STR("own"), c.key), ED_OK);
		memcpy(w.key.key[0], c.key, 16);
		assert_int_equal(client_allocate(&c, &m), 441);
		assert_true(client_signed(&c, &m));
		if (i == 0) {
			assert_int_equal(
			    client_peer_request(&c, STUN_CREATE_PERMISSION, &peer, 0, &m), 441);
		} else {
			client_send_data(&c, &peer, 1, STR("x"));
			assert_int_equal(w.n_to_peer, 0);
		}
		/* signed with the owner's key but mallory's name, too */
		memcpy(c.key, owners_key, 16);
		assert_int_equal(client_allocate(&c, &m), i ? 431 : 401);
		world_done(&w);
	}
}

/* Refreshes repeat the first nonce for as long as the allocation lives (libnice does). */
static void
a_nonce_lives_as_long_as_its_allocation(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;

	(void)state;
	world_init(&w);
	client_init(&c, &w, MS, "198.18.9.9:61000");
	assert_int_equal(client_allocate(&c, &m), 0);
	for (int i = 0; i < 20; i++) {
		world_pass(&w, 540000);
		assert_int_equal(client_allocate(&c, &m), 0);
	}
	assert_int_equal(w.n_open, 1);
	c.flow.client.port++;
	assert_int_equal(client_allocate(&c, &m), 438);
	world_done(&w);
}

/* After a burst of wrong signatures a source meets silence, right ones included; then it may again.
 */
static void
guessing_is_slowed(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;
	unsigned answers = 0;

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	client_challenge(&c);
	for (int i = 0; i < 100; i++) {
		send_flawed(&c, WRONG_KEY);
		answers += w.n_to_client;
	}
	assert_int_equal(answers, 50);
	assert_int_equal(client_allocate(&c, &m), -1);
	world_pass(&w, 10000); /* ms-turn 7.7 */
	assert_int_equal(client_allocate(&c, &m), -1);
	world_pass(&w, 500);
	assert_int_equal(client_allocate(&c, &m), 0);
	world_done(&w);
}

/* A shared secret is rolled: the old one's password still opens, and stays with its allocation. */
static void
either_key_may_hold(void **state)
{
	struct world w;
	struct client c;
	struct stun_msg m;

	(void)state;
	world_init(&w);
	client_init(&c, &w, STD, "198.18.9.9:61000");
	memcpy(w.key.key[1], c.key, 16);
	memset(w.key.key[0], 1, 16);
	w.key.n_keys = 2;
	assert_int_equal(client_allocate(&c, &m), 0);
	assert_true(client_signed(&c, &m));
	assert_memory_equal(w.a->key, c.key, 16);
	c.key[0] ^= 1;
	c.flow.client.port++;
	c.nonce_len = 0;
	assert_int_equal(client_allocate(&c, &m), 401);
	world_done(&w);
}

/* What an Allocate asks for and cannot have. */
static const struct {
	const char *name;
	enum stun_attr what;
	const char *value;
	size_t n;
	int want;
} asks[] = {
    {"TCP relaying, not offered", STUN_REQUESTED_TRANSPORT, "\6\0\0\0", 4, 442},
    {"transport of two bytes", STUN_REQUESTED_TRANSPORT, "\x11\0", 2, 400},
    {"IPv6", STUN_REQUESTED_ADDRESS_FAMILY, "\2\0\0\0", 4, 0},
    {"a family unknown", STUN_REQUESTED_ADDRESS_FAMILY, "\3\0\0\0", 4, 440},
    {"both families", STUN_ADDITIONAL_ADDRESS_FAMILY, "\2\0\0\0", 4, 0},
    {"IPv4 on top", STUN_ADDITIONAL_ADDRESS_FAMILY, "\1\0\0\0", 4, 400},
    {"even port", STUN_EVEN_PORT, "\0", 1, 0},
    {"even port and the one above", STUN_EVEN_PORT, "\x80", 1, 0},
    {"somebody's reservation", STUN_RESERVATION_TOKEN, "01234567", 8, 508},
    {"lifetime of two bytes", STUN_LIFETIME, "\0\1", 2, 400},
};

static void
what_cannot_be_had(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct world w;
		struct client c;
		struct stun_msg m;
		struct stun_writer wr;
		uint8_t buf[2048];

		print_message("  %s\n", asks[i].name);
		world_init(&w);
		client_init(&c, &w, STD, "198.18.9.9:61000");
		client_challenge(&c);
		client_start(&c, &wr, buf, STUN_ALLOCATE);
		stun_write_bytes(&wr, asks[i].what, (struct str){asks[i].value, asks[i].n});
		if (asks[i].what != STUN_REQUESTED_TRANSPORT)
			stun_write_u32(&wr, STUN_REQUESTED_TRANSPORT, 17u << 24);
		client_credentials(&c, &wr);
		client_send(&c, &wr, true);
		assert_int_equal(client_code(&c, &m), asks[i].want);
		assert_true(client_signed(&c, &m));
		if (asks[i].what == STUN_ADDITIONAL_ADDRESS_FAMILY && asks[i].want == 0)
			assert_int_equal(w.n_open, 2);
		world_done(&w);
	}
}

/* ms-turn 5.2, families by version. */
static void
ms_families(void **state)
{
	static const struct {
		uint32_t version;
		uint8_t family; /* 0: not named */
		int want;
		unsigned relays;
	} cases[] = {
	    {1, 0, 0, 1}, {3, 2, 0, 1}, {4, 1, 0, 1}, {4, 2, 0, 1}, {4, 0, 0, 2}, {6, 0, 0, 2}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		struct client c;
		struct stun_msg m;
		struct stun_writer wr;
		uint8_t buf[2048];
		struct addr a;
		uint32_t v;

		world_init(&w);
		client_init(&c, &w, MS, "198.18.9.9:61000");
		client_challenge(&c);
		client_start(&c, &wr, buf, STUN_ALLOCATE);
		stun_write_u32(&wr, STUN_MS_VERSION, cases[i].version);
		if (cases[i].family)
			stun_write_u32(
			    &wr, STUN_REQUESTED_ADDRESS_FAMILY, (uint32_t)cases[i].family << 24);
		client_credentials(&c, &wr);
		client_send(&c, &wr, true);
		assert_int_equal(client_code(&c, &m), cases[i].want);
		assert_int_equal(w.n_open, cases[i].relays);
		assert_int_equal(stun_get_u32(&m, STUN_MS_VERSION, &v), ED_OK);
		assert_int_equal(v, cases[i].version < 2 ? cases[i].version : 2);
		assert_int_equal(stun_get_addr(&m, STUN_RELAYED_ADDRESS, &a), ED_OK);
		assert_int_equal(a.family, cases[i].version >= 4 && cases[i].family == 2 ? 6 : 4);
		assert_int_equal(
		    stun_has(&m, STUN_MS_ALTERNATE_MAPPED_ADDRESS), cases[i].relays == 2);
		world_done(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row),
	    cmocka_unit_test(another_user_on_the_five_tuple),
	    cmocka_unit_test(a_nonce_lives_as_long_as_its_allocation),
	    cmocka_unit_test(guessing_is_slowed),
	    cmocka_unit_test(either_key_may_hold),
	    cmocka_unit_test(what_cannot_be_had),
	    cmocka_unit_test(ms_families),
	};

	if (digest_setup() != ED_OK || mac_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

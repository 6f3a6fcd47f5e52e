/* SPDX-License-Identifier: MIT
 *
 * Transactions: which request belongs to which (RFC 3261 17.2.3 and its RFC 2543 rule), how long
 * each stays, and that a full table refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "access/flow.h"
#include "access/txn.h"

static const struct hash_key key = {{3, 4}};

static char block[32768];
static struct arena arena;

static struct txn_key
key_of(struct txn_table *t, const char *text, uint64_t cid, enum sip_method *ret_method)
{
	struct sip_limits lim = SIP_LIMITS_CLIENT;
	struct ed_fault fault;
	struct sip_msg *m;
	struct txn_key k;

	arena_init(&arena, block, sizeof(block), 1u << 20);
	assert_int_equal(sip_msg_parse(&arena, str_of(text), &lim, &m, &fault), ED_OK);
	txn_key_of(t, m, cid, &k);
	*ret_method = m->method;
	return k;
}

#define REQUEST(method, via, totag, cseq)                                                          \
	method " sip:bob@contoso.com SIP/2.0\r\n"                                                  \
	       "Via: SIP/2.0/TLS 192.168.1.50:51001" via "\r\n"                                    \
	       "From: <sip:alice@contoso.com>;tag=a\r\n"                                           \
	       "To: <sip:bob@contoso.com>" totag "\r\n"                                            \
	       "Call-ID: c1\r\nCSeq: " cseq " " method "\r\nMax-Forwards: 70\r\n"                  \
	       "Content-Length: 0\r\n\r\n"

#define COOKIE ";branch=z9hG4bKabc"

static const struct {
	const char *name;
	const char *text;
	uint64_t cid;
	uint16_t answered; /* status sent back before; 0: none */
	bool known;
} belongs[] = {
    {"the same again", REQUEST("INVITE", COOKIE, "", "1"), 0x100, 0, true},
    {"another connection", REQUEST("INVITE", COOKIE, "", "1"), 0x200, 0, false},
    {"another branch", REQUEST("INVITE", ";branch=z9hG4bKabd", "", "1"), 0x100, 0, false},
    {"its CANCEL", REQUEST("CANCEL", COOKIE, "", "1"), 0x100, 0, true},
    {"its ACK", REQUEST("ACK", COOKIE, ";tag=b", "1"), 0x100, 486, true},
    {"another method", REQUEST("MESSAGE", COOKIE, "", "1"), 0x100, 0, false},
};

static const struct {
	const char *name;
	const char *text;
	uint16_t answered;
	bool known;
} belongs_2543[] = {
    {"the same again", REQUEST("INVITE", "", "", "1"), 0, true},
    {"next CSeq", REQUEST("INVITE", "", "", "2"), 0, false},
    {"other Via parameters", REQUEST("INVITE", ";x", "", "1"), 0, false},
    {"its CANCEL", REQUEST("CANCEL", "", "", "1"), 0, true},
    {"ACK with the tag we sent back", REQUEST("ACK", "", ";tag=b", "1"), 486, true},
    {"ACK with another tag", REQUEST("ACK", "", ";tag=z", "1"), 486, false},
    {"CANCEL with a To tag", REQUEST("CANCEL", "", ";tag=b", "1"), 0, false},
};

static void
check_one(const char *first, const char *text, uint64_t cid, uint16_t answered, bool known,
    const char *name)
{
	struct txn_table t;
	enum sip_method method;
	struct txn_key k;
	struct txn *x;

	assert_int_equal(txn_table_init(&t, &key, 8), ED_OK);
	k = key_of(&t, first, 0x100, &method);
	assert_int_equal(txn_open(&t, &k, method, 77, 0, &x), ED_OK);
	if (answered)
		txn_finish(&t, x, answered, STR("b"), 0);
	k = key_of(&t, text, cid, &method);
	if ((txn_of_request(&t, &k, method) != NULL) != known)
		fail_msg("%s", name);
	txn_table_done(&t);
}

static void
test_belongs(void **state)
{
	for (size_t i = 0; i < sizeof(belongs) / sizeof(belongs[0]); i++)
		check_one(REQUEST("INVITE", COOKIE, "", "1"), belongs[i].text, belongs[i].cid,
		    belongs[i].answered, belongs[i].known, belongs[i].name);
	for (size_t i = 0; i < sizeof(belongs_2543) / sizeof(belongs_2543[0]); i++)
		check_one(REQUEST("INVITE", "", "", "1"), belongs_2543[i].text, 0x100,
		    belongs_2543[i].answered, belongs_2543[i].known, belongs_2543[i].name);
}

static void
test_times(void **state)
{
	struct txn_key k = {.hash = 1, .check = 1, .cookie = true};
	struct txn_table t;
	struct txn *x;

	assert_int_equal(txn_table_init(&t, &key, 8), ED_OK);

	/* Timer F. */
	assert_int_equal(txn_open(&t, &k, SIP_MESSAGE, 1, 1000, &x), ED_OK);
	assert_null(txn_due(&t, 1000 + TXN_B_MS - 1));
	assert_ptr_equal(txn_due(&t, 1000 + TXN_B_MS), x);
	txn_free(&t, x);

	/* Timer B becomes C with a provisional response, and each one starts it again. */
	assert_int_equal(txn_open(&t, &k, SIP_INVITE, 2, 1000, &x), ED_OK);
	txn_proceed(&t, x, 2000);
	assert_null(txn_due(&t, 1000 + TXN_B_MS));
	txn_proceed(&t, x, 5000);
	assert_null(txn_due(&t, 2000 + TXN_C_MS));
	assert_ptr_equal(txn_due(&t, 5000 + TXN_C_MS), x);
	txn_free(&t, x);

	/* Anything but INVITE is gone with its final response; INVITE stays for 32 s. */
	assert_int_equal(txn_open(&t, &k, SIP_BYE, 3, 0, &x), ED_OK);
	assert_null(txn_finish(&t, x, 200, STR("b"), 10));
	assert_int_equal(t.n, 0);
	assert_int_equal(txn_open(&t, &k, SIP_INVITE, 4, 0, &x), ED_OK);
	assert_ptr_equal(txn_finish(&t, x, 200, STR("b"), 10), x);
	assert_int_equal(x->state, TXN_ACCEPTED);
	assert_ptr_equal(txn_of_id(&t, 4), x);
	assert_null(txn_due(&t, 10 + TXN_B_MS - 1));
	assert_ptr_equal(txn_due(&t, 10 + TXN_B_MS), x);
	txn_free(&t, x);
	txn_table_done(&t);
}

static void
test_full(void **state)
{
	struct txn_key k = {.hash = 1, .check = 1, .cookie = true};
	struct txn_table t;
	struct txn *x;

	assert_int_equal(txn_table_init(&t, &key, 2), ED_OK);
	assert_int_equal(txn_open(&t, &k, SIP_MESSAGE, 1, 0, &x), ED_OK);
	assert_int_equal(txn_open(&t, &k, SIP_MESSAGE, 2, 0, &x), ED_OK);
	assert_int_equal(txn_open(&t, &k, SIP_MESSAGE, 3, 0, &x), ED_LIMIT);
	txn_free(&t, txn_of_id(&t, 1));
	assert_int_equal(txn_open(&t, &k, SIP_INVITE, 4, 0, &x), ED_OK);
	assert_null(txn_spare(&t)); /* all are waiting for an answer */
	txn_finish(&t, txn_of_id(&t, 4), 200, STR("b"), 0);
	assert_ptr_equal(txn_spare(&t), txn_of_id(&t, 4));
	txn_table_done(&t); /* and drops what is left */
}

static void
test_texts(void **state)
{
	static const size_t sizes[] = {1, 256, 257, 2048, 2049, 100000};
	struct slab_texts s;
	struct slab_text t[6];

	slab_texts_init(&s);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(slab_text_take(&s, &t[i], sizes[i]), ED_OK);
		memset(t[i].p, 'x', sizes[i]);
	}
	for (unsigned i = 0; i < 6; i++) {
		slab_text_give(&s, &t[i]);
		assert_null(t[i].p);
	}
	for (unsigned i = 0; i < SLAB_TEXT_SIZES; i++)
		assert_int_equal(s.of[i].n_live, 0);
	slab_texts_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_belongs),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

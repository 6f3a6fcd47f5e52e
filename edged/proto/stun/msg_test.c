/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/digest.h"
#include "hex.h"
#include "proto/stun/classify.h"
#include "proto/stun/integrity.h"
#include "proto/stun/types.h"
#include "proto/stun/vectors.h"

#define STD &stun_dialect_standard
#define MS  &stun_dialect_ms

static struct str
bytes_of(const char *hex, uint8_t *buf)
{
	return (struct str){(char *)buf, hex_bytes(hex, buf, 256)};
}

static const struct {
	const char *name, *bytes;
	const struct stun_dialect *d;
	const char *key_hex, *password; /* one of the two */
	enum stun_class class;
	int want; /* of stun_integrity_check */
} vectors[] = {
    {"RFC 5769 2.1", RFC5769_REQUEST, STD, NULL, "VOkJxbRl1RmTxUk/WvJxBt", STUN_CLASS_STANDARD,
	ED_OK},
    {"RFC 5769 2.2", RFC5769_IPV4_RESPONSE, STD, NULL, "VOkJxbRl1RmTxUk/WvJxBt",
	STUN_CLASS_STANDARD, ED_OK},
    {"RFC 5769 2.3", RFC5769_IPV6_RESPONSE, STD, NULL, "VOkJxbRl1RmTxUk/WvJxBt",
	STUN_CLASS_STANDARD, ED_OK},
    {"RFC 5769 2.1, other password", RFC5769_REQUEST, STD, NULL, "VOkJxbRl1RmTxUk/WvJxBu",
	STUN_CLASS_STANDARD, ED_DENIED},
    {"V1", MS_V1, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_STATE},
    {"V2", MS_V2, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_STATE},
    {"V3", MS_V3, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_OK},
    {"V4", MS_V4, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_OK},
    {"V5, 145 bytes hashed", MS_V5, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_OK},
    {"V5b", MS_V5B, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_OK},
    {"V6, 128 bytes hashed: nothing to fill", MS_V6, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_OK},
    {"V7", MS_V7, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_STATE},
    {"V8", MS_V8, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_OK},
    {"V9", MS_V9, MS, MS_KEY, NULL, STUN_CLASS_MS, ED_OK},
    {"V12", STD_V12, STD, STD_V12_KEY, NULL, STUN_CLASS_STANDARD, ED_OK},
};

static void
vectors_verify(void **state)
{
	uint8_t buf[256], key_buf[64];
	struct stun_msg m;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct str b = bytes_of(vectors[i].bytes, buf), key;

		key = vectors[i].password ? str_of(vectors[i].password)
					  : bytes_of(vectors[i].key_hex, key_buf);
		print_message("  %s\n", vectors[i].name);
		assert_int_equal(stun_classify(b), vectors[i].class);
		assert_int_equal(stun_msg_parse(&m, vectors[i].d, b), ED_OK);
		assert_int_equal(stun_integrity_check(&m, key), vectors[i].want);
		assert_true(stun_fingerprint_holds(&m));
	}
}

/* Any bit of an authenticated message that changes is noticed, or the message no longer parses. */
static void
every_changed_bit_is_noticed(void **state)
{
	uint8_t buf[256], key_buf[16];
	struct str b = bytes_of(MS_V5, buf), key = bytes_of(MS_KEY, key_buf);
	struct stun_msg m;

	(void)state;
	for (size_t bit = 0; bit < b.n * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (stun_msg_parse(&m, MS, b) == ED_OK)
			assert_int_not_equal(stun_integrity_check(&m, key), ED_OK);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	b = bytes_of(RFC5769_REQUEST, buf);
	/* up to the FINGERPRINT, which a stranger may leave out */
	for (size_t bit = 0; bit < (b.n - 8) * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (stun_msg_parse(&m, STD, b) == ED_OK)
			assert_false(
			    stun_fingerprint_holds(&m) &&
			    stun_integrity_check(&m, STR("VOkJxbRl1RmTxUk/WvJxBt")) == ED_OK);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
keys_agree_with_their_documents(void **state)
{
	uint8_t user[64], password[64], want[16], key[16];
	struct str u = bytes_of(MS_USERNAME, user), p = bytes_of(MS_PASSWORD, password);

	(void)state;
	assert_int_equal(stun_key(u, STR("edge.example.com"), p, key), ED_OK);
	hex_bytes(MS_KEY, want, sizeof(want));
	assert_memory_equal(key, want, 16);
	assert_int_equal(stun_key(STR("1893456000:alice"), STR("edge.example.com"),
			     STR("UKP1ix+dLmjTIo+Ue2lWfaFGegw="), key),
	    ED_OK);
	hex_bytes(STD_V12_KEY, want, sizeof(want));
	assert_memory_equal(key, want, 16);
}

/* RFC 5769 2.4 with its key made here, and written again byte for byte. */
static void
rfc5769_long_term_is_reproduced(void **state)
{
	uint8_t buf[256], out[256], key[16];
	struct str b = bytes_of(RFC5769_LONG_TERM, buf), k = {(char *)key, sizeof(key)};
	struct stun_msg m;
	struct stun_writer w;

	(void)state;
	assert_int_equal(stun_msg_parse(&m, STD, b), ED_OK);
	assert_int_equal(
	    stun_key(m.attr[STUN_USERNAME], m.attr[STUN_REALM], STR("TheMatrIX"), key), ED_OK);
	assert_int_equal(stun_integrity_check(&m, k), ED_OK);
	memset(out, 0xee, sizeof(out));
	stun_write_start(&w, STD, out, sizeof(out), m.type, m.id);
	stun_write_bytes(&w, STUN_USERNAME, m.attr[STUN_USERNAME]);
	stun_write_bytes(&w, STUN_NONCE, m.attr[STUN_NONCE]);
	stun_write_bytes(&w, STUN_REALM, m.attr[STUN_REALM]);
	stun_write_integrity(&w, k);
	assert_int_equal(stun_write_end(&w), (int64_t)b.n);
	assert_memory_equal(out, b.p, b.n);
}

/* One attribute of a vector, from what the parser understood of it; raw where it has no meaning
 * here (SOFTWARE, PRIORITY, ICE-...). Fill bytes are free (RFC 8489 14) and taken over. */
static void
write_again(struct stun_writer *w, const struct stun_msg *m, const uint8_t *raw, struct str key)
{
	uint16_t number = stun_u16(raw), n = stun_u16(raw + 2);
	const uint8_t *table = number & 0x8000 ? m->dialect->high : m->dialect->low;
	size_t size = number & 0x8000 ? STUN_HIGH_ATTRS : STUN_LOW_ATTRS, before = w->n;
	size_t fill = m->dialect->padded ? -(size_t)n & 3 : 0;
	uint8_t what = (number & 0x7fff) < size ? table[number & 0x7fff] : 0;
	struct addr a;
	uint32_t v;

	if (what == STUN_MS_COOKIE) /* stun_write_start has written it */
		return;
	if (what == STUN_MESSAGE_INTEGRITY)
		stun_write_integrity(w, key);
	else if (what == STUN_FINGERPRINT)
		stun_write_fingerprint(w);
	else if (what == STUN_ERROR_CODE)
		stun_write_error(
		    w, raw[6] * 100u + raw[7], (struct str){(const char *)raw + 8, n - 4u});
	else if (what && stun_get_addr(m, what, &a) == ED_OK && (n == 8 || n == 20))
		stun_write_addr(w, what, &a);
	else if (what && stun_get_u32(m, what, &v) == ED_OK)
		stun_write_u32(w, what, v);
	else if (what && what != STUN_IGNORED)
		stun_write_bytes(w, what, m->attr[what]);
	else {
		memcpy(w->p + w->n, raw, 4u + n + fill);
		w->n += 4u + n + fill;
	}
	assert_int_equal(w->n - before, 4u + n + fill);
	memcpy(w->p + w->n - fill, raw + 4 + n, fill);
}

/* Every vector, read and written again: byte for byte the same. */
static void
every_vector_is_reproduced(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t buf[256], out[256], key_buf[64];
		struct str b = bytes_of(vectors[i].bytes, buf), key;
		struct stun_writer w;
		struct stun_msg m;

		if (vectors[i].want == ED_DENIED)
			continue;
		key = vectors[i].password ? str_of(vectors[i].password)
					  : bytes_of(vectors[i].key_hex, key_buf);
		print_message("  %s\n", vectors[i].name);
		assert_int_equal(stun_msg_parse(&m, vectors[i].d, b), ED_OK);
		memset(out, 0xee, sizeof(out));
		stun_write_start(&w, vectors[i].d, out, sizeof(out), m.type, m.id);
		for (size_t at = STUN_HEADER_LEN; at < b.n;) {
			size_t n = 4u + stun_u16(buf + at + 2);

			write_again(&w, &m, buf + at, key);
			at += vectors[i].d->padded ? (n + 3) & ~(size_t)3 : n;
		}
		assert_int_equal(stun_write_end(&w), (int64_t)b.n);
		assert_memory_equal(out, b.p, b.n);
	}
}

/* What the server writes of ms-turn 6.3: V2, V4, V7, V8. */
static void
ms_vectors_are_reproduced(void **state)
{
	uint8_t buf[256], out[256], key_buf[16], id[16], seq[24];
	struct str key = bytes_of(MS_KEY, key_buf), b;
	struct addr relay, client, peer, server;
	struct stun_writer w;
	struct stun_msg m;

	(void)state;
	assert_int_equal(addr_parse(&relay, STR("192.0.2.20:55001")), ED_OK);
	assert_int_equal(addr_parse(&server, STR("192.0.2.20:3478")), ED_OK);
	assert_int_equal(addr_parse(&client, STR("203.0.113.9:61000")), ED_OK);
	assert_int_equal(addr_parse(&peer, STR("198.51.100.7:40000")), ED_OK);

	b = bytes_of(MS_V2, buf);
	assert_int_equal(stun_msg_parse(&m, MS, b), ED_OK);
	stun_write_start(&w, MS, out, sizeof(out), STUN_ALLOCATE + STUN_ERROR, m.id);
	stun_write_u32(&w, STUN_MS_VERSION, 1);
	stun_write_error(&w, 401, STR("Unauthorized"));
	stun_write_bytes(&w, STUN_REALM, STR("edge.example.com"));
	stun_write_bytes(&w, STUN_NONCE, STR("0011223344556677"));
	stun_write_addr(&w, STUN_ALTERNATE_SERVER, &server);
	assert_int_equal(stun_write_end(&w), (int64_t)b.n);
	assert_memory_equal(out, b.p, b.n);

	b = bytes_of(MS_V4, buf);
	assert_int_equal(stun_msg_parse(&m, MS, b), ED_OK);
	stun_write_start(&w, MS, out, sizeof(out), STUN_ALLOCATE + STUN_SUCCESS, m.id);
	stun_write_u32(&w, STUN_MS_VERSION, 1);
	stun_write_addr(&w, STUN_RELAYED_ADDRESS, &relay);
	stun_write_addr(&w, STUN_XOR_MAPPED_ADDRESS, &client);
	stun_write_u32(&w, STUN_LIFETIME, 600);
	stun_write_u32(&w, STUN_BANDWIDTH, 3000);
	hex_bytes(MS_CONN_ID "00000000", seq, sizeof(seq));
	stun_write_bytes(&w, STUN_MS_SEQUENCE_NUMBER, (struct str){(char *)seq, sizeof(seq)});
	stun_write_integrity(&w, key);
	assert_int_equal(stun_write_end(&w), (int64_t)b.n);
	assert_memory_equal(out, b.p, b.n);

	b = bytes_of(MS_V7, buf);
	hex_bytes("e0e1e2e3e4e5e6e7e8e9eaebecedeeef", id, sizeof(id));
	assert_int_equal(stun_data_head(MS, out, id, &peer, 5), b.n - 5);
	assert_memory_equal(out, b.p, b.n - 5);

	b = bytes_of(MS_V8, buf);
	assert_int_equal(stun_msg_parse(&m, MS, b), ED_OK);
	stun_write_start(
	    &w, MS, out, sizeof(out), STUN_MS_SET_ACTIVE_DESTINATION + STUN_SUCCESS, m.id);
	stun_write_integrity(&w, key);
	assert_int_equal(stun_write_end(&w), (int64_t)b.n);
	assert_memory_equal(out, b.p, b.n);
}

/* ms-turn V10 and RFC 5769 2.2, 2.3: masks of both dialects, both families, read and written. */
static void
addresses_are_masked(void **state)
{
	static const struct {
		const struct stun_dialect *d;
		const char *id, *addr, *attr;
	} rows[] = {
	    {MS, "0102030405060708090a0b0c0d0e0f10", "[2001:db8::9]:61000",
		"8020 0014 0002 ef4a 21030ebc05060708090a0b0c0d0e0f19"},
	    {STD, "2112a442b7e7a701bc34d686fa87dfae", "192.0.2.1:32853",
		"0020 0008 0001 a147 e112a643"},
	    {STD, "2112a442b7e7a701bc34d686fa87dfae",
		"[2001:db8:1234:5678:11:2233:4455:6677]:32853",
		"0020 0014 0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9"},
	};
	uint8_t out[128], want[64], id[16];
	struct stun_writer w;
	struct stun_msg m;
	struct addr a, back;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = hex_bytes(rows[i].attr, want, sizeof(want));
		int64_t total;

		hex_bytes(rows[i].id, id, sizeof(id));
		assert_int_equal(addr_parse(&a, str_of(rows[i].addr)), ED_OK);
		stun_write_start(&w, rows[i].d, out, sizeof(out), 0x0101, id);
		stun_write_addr(&w, STUN_XOR_MAPPED_ADDRESS, &a);
		total = stun_write_end(&w);
		assert_true(total > 0);
		assert_memory_equal(out + total - n, want, n);
		assert_int_equal(
		    stun_msg_parse(&m, rows[i].d, (struct str){(char *)out, (size_t)total}), ED_OK);
		assert_int_equal(stun_get_addr(&m, STUN_XOR_MAPPED_ADDRESS, &back), ED_OK);
		assert_true(addr_eq(&a, &back));
	}
}

#define ID "2112a442 000000000000000000000000"
static const struct {
	const char *name, *bytes;
	const struct stun_dialect *d;
	int want, n_unknown;
} parse_cases[] = {
    {"shortest", "0001 0000" ID, STD, ED_OK, 0},
    {"one byte short", "0001 0000 2112a442 0000000000000000000000", STD, ED_MALFORMED, 0},
    {"top bit set", "8001 0000" ID, STD, ED_MALFORMED, 0},
    {"length beyond the end", "0001 0004" ID, STD, ED_MALFORMED, 0},
    {"length short of the end", "0001 0000" ID "00060000", STD, ED_MALFORMED, 0},
    {"length not a multiple of four", "0001 0005" ID "0006000061", STD, ED_MALFORMED, 0},
    {"no cookie word", "0001 0000 2112a443 000000000000000000000000", STD, ED_MALFORMED, 0},
    {"attribute overruns", "0001 0004" ID "0006 0001", STD, ED_MALFORMED, 0},
    {"attribute of 65535 bytes", "0001 0004" ID "0006 ffff", STD, ED_MALFORMED, 0},
    {"half an attribute header", "0003 000a" ID MS_COOKIE "0006", MS, ED_MALFORMED, 0},
    {"unknown mandatory, twice the same", "0001 000c" ID "7fff0000 7fff0000 00300000", STD, ED_OK,
	2},
    {"unknown optional", "0001 0008" ID "ffff0000 80ee0000", STD, ED_OK, 0},
    {"padding is not content", "0001 0008" ID "0006 0001 61 eeeeee", STD, ED_OK, 0},
    {"no padding in the other dialect", "0003 0011" ID MS_COOKIE "0006 0001 61 0013 0000", MS,
	ED_OK, 0},
    {"cookie attribute second", "0003 0010" ID "80080004 00000001" MS_COOKIE, MS, ED_MALFORMED, 0},
    {"behind integrity: not seen",
	"0001 001c" ID "0008 0014 0000000000000000000000000000000000000000 7fff0000", STD, ED_OK,
	0},
};

static void
parse_table(void **state)
{
	uint8_t buf[256];

	(void)state;
	for (size_t i = 0; i < sizeof(parse_cases) / sizeof(parse_cases[0]); i++) {
		struct str b = bytes_of(parse_cases[i].bytes, buf);
		struct stun_msg m = {0};
		/* an exact copy on the heap, so that a sanitizer sees a read behind its end */
		char *copy = malloc(b.n);

		print_message("  %s\n", parse_cases[i].name);
		memcpy(copy, b.p, b.n);
		assert_int_equal(stun_msg_parse(&m, parse_cases[i].d, (struct str){copy, b.n}),
		    parse_cases[i].want);
		assert_int_equal(m.n_unknown, parse_cases[i].n_unknown);
		for (size_t n = 0; n < b.n && parse_cases[i].want == ED_OK;
		     n++) /* every truncation is refused, none reads on */
			assert_int_equal(
			    stun_msg_parse(&m, parse_cases[i].d, (struct str){copy, n}),
			    ED_MALFORMED);
		free(copy);
	}
}

static const struct {
	const char *name, *bytes;
	enum stun_class want;
} class_cases[] = {
    {"empty", "", STUN_CLASS_OTHER},
    {"RTP", "8000 0001 00000000 00000000", STUN_CLASS_OTHER},
    {"DTLS", "16fe ff00 0000 0000 0000 0000 0000 0000 0000 0000 0000", STUN_CLASS_OTHER},
    {"channel data", "4000 0004 01020304", STUN_CLASS_CHANNEL},
    {"last channel byte", "7ffe 0000", STUN_CLASS_CHANNEL},
    {"above the channels", "8000 0000", STUN_CLASS_OTHER},
    {"multiplexed", "ff10 000d 0102030405060708 68656c6c6f", STUN_CLASS_MULTIPLEX},
    {"first Allocate of Lync", MS_V1, STUN_CLASS_MS},
    {"the same with a wrong length",
	"0003 0011 101112131415161718191a1b1c1d1e1f" MS_COOKIE "8008 0004 00000001",
	STUN_CLASS_OTHER},
    {"its id begins with the other cookie", "0003 0008 2112a442 161718191a1b1c1d1e1f2021" MS_COOKIE,
	STUN_CLASS_MS},
    {"RFC 3489 Binding", "0001 0000 00112233445566778899aabbccddeeff", STUN_CLASS_RFC3489},
    {"not a Binding", "0002 0000 00112233445566778899aabbccddeeff", STUN_CLASS_OTHER},
};

static void
class_table(void **state)
{
	uint8_t buf[256];

	(void)state;
	for (size_t i = 0; i < sizeof(class_cases) / sizeof(class_cases[0]); i++) {
		print_message("  %s\n", class_cases[i].name);
		assert_int_equal(
		    stun_classify(bytes_of(class_cases[i].bytes, buf)), class_cases[i].want);
	}
}

static void
a_writer_that_is_full_says_so(void **state)
{
	uint8_t out[64], id[16] = {0};
	struct stun_writer w;

	(void)state;
	for (size_t room = 0; room < 52; room++) {
		stun_write_start(&w, STD, out, room, 0x0113, id);
		stun_write_error(&w, 401, STR("12345"));
		stun_write_bytes(&w, STUN_NONCE, STR("0123456789ab"));
		assert_int_equal(stun_write_end(&w), ED_LIMIT);
	}
	stun_write_start(&w, STD, out, 52, 0x0113, id);
	stun_write_error(&w, 401, STR("12345"));
	stun_write_bytes(&w, STUN_NONCE, STR("0123456789ab"));
	assert_int_equal(stun_write_end(&w), 52);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_verify),
	    cmocka_unit_test(every_changed_bit_is_noticed),
	    cmocka_unit_test(keys_agree_with_their_documents),
	    cmocka_unit_test(rfc5769_long_term_is_reproduced),
	    cmocka_unit_test(every_vector_is_reproduced),
	    cmocka_unit_test(ms_vectors_are_reproduced),
	    cmocka_unit_test(addresses_are_masked),
	    cmocka_unit_test(parse_table),
	    cmocka_unit_test(class_table),
	    cmocka_unit_test(a_writer_that_is_full_says_so),
	};

	if (digest_setup() != ED_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * access/token.c: see token.h.
 */
#include "access/token.h"

#include <stdlib.h>
#include <string.h>

#include "access/text.h"
#include "base/hash.h"
#include "base/wipe.h"

#define DAY_S      86400
#define RING_SLOTS 64u
#define BIND_MAX   4096u
#define MARK_PARTS 8u

/*
 * What held once holds until its key goes: the entries of a dialog come back with each of its
 * messages. A memo is 128 bits of keyed hash over all that was proven, under keys that nobody
 * outside can know, so finding one by guessing is as hard as guessing the proof. Direct-mapped; a
 * miss costs the full proof.
 */
#define MEMO_SIGS  1024u
#define MEMO_OPENS 256u
#define MEMO_PLAIN 200u

struct memo {
	uint64_t h[2];
};

struct memo_open {
	struct memo memo;
	uint16_t n;
	char plain[MEMO_PLAIN];
};

struct slot {
	bool set;
	uint16_t day;
	struct mac_ctx *sign;
	struct seal_ctx *seal;
	struct hash_key mark; /* derived from the signing key */
	struct hash_key memo[2];
};

struct token_ring {
	struct slot slots[RING_SLOTS];
	struct memo sigs[MEMO_SIGS];
	struct memo_open opens[MEMO_OPENS];
};

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int
digit_value(char c)
{
	const char *hit = c ? strchr(digits, c) : NULL;

	return hit ? (int)(hit - digits) : -1;
}

struct token_ring *
token_ring_new(void)
{
	return calloc(1, sizeof(struct token_ring));
}

static void
slot_done(struct slot *s)
{
	mac_ctx_free(s->sign);
	seal_ctx_free(s->seal);
	wipe(s, sizeof(*s));
}

struct token_ring *
token_ring_free(struct token_ring *r)
{
	if (r) {
		for (unsigned i = 0; i < RING_SLOTS; i++)
			slot_done(&r->slots[i]);
		wipe(r->opens, sizeof(r->opens));
		free(r);
	}
	return NULL;
}

int
token_ring_set(struct token_ring *r, uint32_t day, const uint8_t sign[TOKEN_KEY_LEN],
    const uint8_t seal[TOKEN_KEY_LEN])
{
	struct slot *s = &r->slots[day % RING_SLOTS];
	struct slot made = {.set = true, .day = (uint16_t)day};
	uint8_t mac[MAC_LEN];
	int e = ED_NOMEM;

	made.sign = mac_ctx_new(sign, TOKEN_KEY_LEN);
	made.seal = seal_ctx_new(seal);
	if (!made.sign || !made.seal)
		goto out;
	e = mac_hmac(made.sign, STR("edged branch mark"), mac);
	if (e < 0)
		goto out;
	memcpy(&made.mark, mac, sizeof(made.mark));
	e = mac_hmac(made.sign, STR("edged memo"), mac);
	if (e < 0)
		goto out;
	memcpy(made.memo, mac, sizeof(made.memo));
	slot_done(s);
	*s = made;
	made = (struct slot){0};
out:
	slot_done(&made);
	wipe(mac, sizeof(mac));
	return e;
}

static uint16_t
day_of(int64_t now_s)
{
	return (uint16_t)(now_s / DAY_S);
}

static struct slot *
slot_of_day(struct token_ring *r, uint16_t day)
{
	struct slot *s = &r->slots[day % RING_SLOTS];

	return s->set && s->day == day ? s : NULL;
}

uint8_t
token_ring_days(int64_t now_s, uint32_t *ret_first)
{
	*ret_first = (uint32_t)(now_s / DAY_S) - TOKEN_DAYS_GOOD;
	return TOKEN_DAYS_GOOD + 2;
}

bool
token_ring_is_stale(const struct token_ring *r, int64_t now_s)
{
	uint16_t day = (uint16_t)(day_of(now_s) - TOKEN_DAYS_GOOD);

	for (unsigned i = 0; i < TOKEN_DAYS_GOOD + 2; i++, day++) {
		const struct slot *s = &r->slots[day % RING_SLOTS];

		if (!s->set || s->day != day)
			return true;
	}
	return false;
}

/* The slot that kid names, if its values are good now. */
static int
slot_of_kid(struct token_ring *r, int64_t now_s, char kid, struct slot **ret_slot)
{
	int i = digit_value(kid);
	struct slot *s;
	int16_t age;

	if (i < 0)
		return ED_DENIED;
	s = &r->slots[i];
	if (!s->set)
		return ED_GONE;
	age = (int16_t)(uint16_t)(day_of(now_s) - s->day);
	if (age < -1 || age > (int16_t)TOKEN_DAYS_GOOD)
		return ED_GONE;
	if (age == -1 && now_s % DAY_S < DAY_S - TOKEN_EARLY_S)
		return ED_GONE;
	*ret_slot = s;
	return ED_OK;
}

/* LABEL NUL part NUL part ...; the parts hold no NUL, as no SIP message does. */
static struct str
bind_text(const struct token_bind *b, char *buf, size_t room)
{
	static const char *const labels[] = {"RR1", "RP1", "RT1", "CT1"};
	struct text t = text_over(buf, room);
	struct str nul = {"", 1};

	text_put(&t, (struct str){labels[b->label], 3});
	if (b->label != TOKEN_CT1) {
		text_put(&t, nul);
		text_put(&t, b->call_id);
	}
	text_put(&t, nul);
	text_put_lower(&t, b->host);
	if (b->label != TOKEN_CT1) {
		text_put(&t, nul);
		text_put_lower(&t, b->ms_fe);
		text_put(&t, nul);
		text_put(&t, b->opaque);
	}
	return text_done(&t);
}

/* The memo of `proof` for what bind_text made of b; false when it does not fit. */
static bool
make_memo(const struct slot *s, struct str bind, struct str proof, struct memo *ret)
{
	char buf[BIND_MAX + TOKEN_SEALED_MAX + 1];
	struct text t = text_over(buf, sizeof(buf));

	text_put(&t, bind);
	text_put(&t, (struct str){"", 1});
	text_put(&t, proof);
	if (t.bad)
		return false;
	ret->h[0] = hash_bytes(&s->memo[0], t.p, t.n);
	ret->h[1] = hash_bytes(&s->memo[1], t.p, t.n);
	return true;
}

static bool
memo_eq(const struct memo *a, const struct memo *b)
{
	return ((a->h[0] ^ b->h[0]) | (a->h[1] ^ b->h[1])) == 0;
}

static int
slot_sign(struct slot *s, struct str bind, char ret[TOKEN_SIG_LEN])
{
	char b64[(MAC_LEN * 4 + 2) / 3];
	uint8_t mac[MAC_LEN];
	int e;

	if (!bind.p)
		return ED_LIMIT;
	e = mac_hmac(s->sign, bind, mac);
	if (e < 0)
		return e;
	b64url_encode(mac, sizeof(mac), b64);
	ret[0] = digits[s->day % RING_SLOTS];
	memcpy(ret + 1, b64, TOKEN_SIG_LEN - 1);
	return ED_OK;
}

int
token_sign(struct token_ring *r, int64_t now_s, const struct token_bind *b, char ret[TOKEN_SIG_LEN])
{
	struct slot *s = slot_of_day(r, day_of(now_s));
	char buf[BIND_MAX];

	return s ? slot_sign(s, bind_text(b, buf, sizeof(buf)), ret) : ED_STATE;
}

int
token_verify(struct token_ring *r, int64_t now_s, const struct token_bind *b, struct str sig)
{
	char buf[BIND_MAX], want[TOKEN_SIG_LEN];
	struct memo memo, *known;
	struct slot *s = NULL;
	struct str bind;
	int e;

	if (sig.n != TOKEN_SIG_LEN)
		return ED_DENIED;
	e = slot_of_kid(r, now_s, sig.p[0], &s);
	if (e < 0)
		return e;
	bind = bind_text(b, buf, sizeof(buf));
	if (!bind.p || !make_memo(s, bind, sig, &memo))
		return ED_DENIED;
	known = &r->sigs[memo.h[0] % MEMO_SIGS];
	if (memo_eq(known, &memo))
		return ED_OK;
	e = slot_sign(s, bind, want);
	if (e < 0)
		return e;
	if (!mac_equal(want, sig.p, TOKEN_SIG_LEN))
		return ED_DENIED;
	*known = memo;
	return ED_OK;
}

size_t
token_sealed_len(size_t n)
{
	return 1 + ((n + SEAL_IV_LEN + SEAL_TAG_LEN) * 4 + 2) / 3;
}

int
token_seal(struct token_ring *r, int64_t now_s, const struct token_bind *b,
    const uint8_t iv[SEAL_IV_LEN], struct str plain, struct arena *a, struct str *ret_text)
{
	struct slot *s = slot_of_day(r, day_of(now_s));
	char buf[BIND_MAX];
	struct str aad = bind_text(b, buf, sizeof(buf));
	size_t n_box = plain.n + SEAL_IV_LEN + SEAL_TAG_LEN;
	uint8_t *box;
	char *text;
	int e;

	if (!s)
		return ED_STATE;
	if (!aad.p || plain.n > TOKEN_SEALED_MAX)
		return ED_LIMIT;
	box = arena_alloc(a, n_box);
	text = arena_alloc(a, token_sealed_len(plain.n));
	if (!box || !text)
		return ED_NOMEM;
	e = seal_close(s->seal, iv, aad, plain, box);
	if (e < 0)
		return e;
	text[0] = digits[s->day % RING_SLOTS];
	*ret_text = (struct str){text, 1 + b64url_encode(box, n_box, text + 1)};
	return ED_OK;
}

static int
slot_open(struct slot *s, struct str bind, struct str text, struct arena *a, struct str *ret_plain)
{
	uint8_t *box = arena_alloc(a, text.n), *plain;
	int64_t n_box;
	int e;

	if (!box)
		return ED_NOMEM;
	n_box = b64url_decode(str_from(text, 1), box);
	if (n_box < (int64_t)(SEAL_IV_LEN + SEAL_TAG_LEN))
		return ED_DENIED;
	plain = arena_alloc(a, (size_t)n_box);
	if (!plain)
		return ED_NOMEM;
	e = seal_open(s->seal, bind, (struct str){(const char *)box, (size_t)n_box}, plain);
	if (e < 0)
		return e;
	*ret_plain = (struct str){(const char *)plain, (size_t)n_box - SEAL_IV_LEN - SEAL_TAG_LEN};
	return ED_OK;
}

int
token_open(struct token_ring *r, int64_t now_s, const struct token_bind *b, struct str text,
    struct arena *a, struct str *ret_plain)
{
	char buf[BIND_MAX];
	struct str bind = bind_text(b, buf, sizeof(buf)), plain;
	struct memo_open *known;
	struct slot *s = NULL;
	struct memo memo;
	int e;

	if (text.n > TOKEN_SEALED_MAX)
		return ED_LIMIT;
	if (text.n < token_sealed_len(0) || !bind.p)
		return ED_DENIED;
	e = slot_of_kid(r, now_s, text.p[0], &s);
	if (e < 0)
		return e;
	if (!make_memo(s, bind, text, &memo))
		return ED_DENIED;
	known = &r->opens[memo.h[0] % MEMO_OPENS];
	if (memo_eq(&known->memo, &memo)) {
		plain = arena_str(a, (struct str){known->plain, known->n});
		if (!plain.p)
			return ED_NOMEM;
		*ret_plain = plain;
		return ED_OK;
	}
	e = slot_open(s, bind, text, a, &plain);
	if (e < 0)
		return e;
	if (plain.n <= MEMO_PLAIN) {
		known->memo = memo;
		known->n = (uint16_t)plain.n;
		if (plain.n)
			memcpy(known->plain, plain.p, plain.n);
	}
	*ret_plain = plain;
	return ED_OK;
}

int
token_mark(struct token_ring *r, int64_t now_s, unsigned days_back, const struct str *parts,
    size_t n_parts, uint32_t *ret_mark)
{
	struct slot *s = slot_of_day(r, (uint16_t)(day_of(now_s) - days_back));
	uint64_t sums[MARK_PARTS];

	if (!s || n_parts > MARK_PARTS)
		return ED_STATE;
	for (size_t i = 0; i < n_parts; i++)
		sums[i] = hash_bytes(&s->mark, parts[i].p, parts[i].n);
	*ret_mark = (uint32_t)hash_bytes(&s->mark, sums, n_parts * sizeof(sums[0]));
	return ED_OK;
}

/* SPDX-License-Identifier: MIT
 *
 * Hostile Route entries and tokens: whatever comes back to us as ours. First octet: which reader;
 * the rest: the URI or token text. Nothing may be accepted that stays acceptable after one
 * character of its proof has changed.
 */
#include <stdint.h>

#include "access/entry.h"
#include "access_cast.h"

static struct cast cast;

#define CALL_ID STR("3C0Dg11B4a7A2Bi")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
accept_text(unsigned how, struct str text, struct str *ret_plain)
{
	struct token_bind b = {.label = (enum token_label)(how % 4),
	    .call_id = CALL_ID,
	    .host = STR("sip.contoso.com"),
	    .ms_fe = STR(""),
	    .opaque = STR("state:F:Ci.R2b00")};
	struct entry e;
	int r;

	*ret_plain = STR("");
	switch (how / 4 % 5) {
	case 0:
		return token_verify(cast.ring, CAST_NOW_S, &b, text);
	case 1:
		return token_open(cast.ring, CAST_NOW_S, &b, text, &cast.arena, ret_plain);
	case 2:
		return entry_contact_open(&cast.work, text, ret_plain);
	default:
		r = entry_read(&cast.work, text, how & 1, &e, NULL);
		if (r < 0)
			return r;
		if (e.sealed.n)
			return entry_open(&cast.work, &e, CALL_ID, ret_plain);
		return entry_verify(&cast.work, &e, CALL_ID, how & 1);
	}
}

/* Where the proof stands: in the first of our parameters, or the text is the proof; its length. */
static size_t
find_proof(unsigned how, const char *text, size_t n, size_t *ret_at)
{
	const char *from = strrchr(text, '@'); /* a user part may hold anything */
	static const char *const names[] = {";ms-edged=", ";ms-route-sig="};

	*ret_at = 0;
	if (how / 4 % 5 < 2)
		return n;
	for (unsigned i = 0; i < 2; i++) {
		const char *hit = strcasestr(from ? from : text, names[i]);

		if (hit) {
			*ret_at = (size_t)(hit - text) + strlen(names[i]);
			return strcspn(text + *ret_at, ";?");
		}
	}
	return 0;
}

/* kid stays: that another day has the other digit is no forgery. */
static void
check_tight(unsigned how, struct str text)
{
	char *copy = arena_alloc(&cast.arena, text.n + 1);
	struct str plain;
	size_t at, n;

	if (!copy)
		return;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (strlen(copy) != text.n)
		return;
	n = find_proof(how, copy, text.n, &at);
	if (n < 2)
		return;
	at += 1 + (how >> 4) % (n - 1);
	copy[at] = copy[at] == 'A' ? 'B' : 'A';
	if (accept_text(how, (struct str){copy, text.n}, &plain) == ED_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str plain, text;

	if (!cast.ring)
		cast_init(&cast);
	if (size < 2)
		return 0;
	cast_begin(&cast);
	text = (struct str){(const char *)data + 1, size - 1};
	if (accept_text(data[0], text, &plain) == ED_OK)
		check_tight(data[0], text);
	return 0;
}

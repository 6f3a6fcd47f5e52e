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

/* Where the proof stands: behind the last '=' of a URI, or the text itself. */
static void
check_tight(unsigned how, struct str text)
{
	char *copy = (char *)(uintptr_t)arena_str(&cast.arena, text).p;
	struct str plain, again;
	const char *eq = memrchr(text.p, '=', text.n);
	size_t at = eq ? (size_t)(eq - text.p) + 1 : 0;

	if (!copy || at + 1 >= text.n)
		return;
	at += 1 + (how >> 4) % 20; /* not kid: another day may have the same digit only by luck */
	if (at >= text.n || copy[at] == ';' || copy[at] == '?')
		return;
	copy[at] = copy[at] == 'A' ? 'B' : 'A';
	if (accept_text(how, text, &plain) == ED_OK &&
	    accept_text(how, (struct str){copy, text.n}, &again) == ED_OK && !str_eq(plain, again))
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

/* SPDX-License-Identifier: MIT
 *
 * Hostile Route entries and tokens: whatever comes back to us as ours. First octet: which reader;
 * the rest: the URI or token text. Nothing may be accepted that stays acceptable after one
 * character of its proof has changed.
 */
#include <stdint.h>

#include "access/entry.h"
#include "access_cast.h"
#include "sipparse/uri.h"

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

/* Where the proof stands: in our parameter of the URI, or the text is the proof; its length. */
static size_t
find_proof(unsigned how, struct str text, size_t *ret_at)
{
	struct sip_param p;
	struct sip_uri u;

	*ret_at = 0;
	if (how / 4 % 5 < 2)
		return text.n;
	if (sip_uri_parse(text, &u, NULL) < 0 ||
	    (!sip_param_find(u.params, STR("ms-edged"), &p) &&
		!sip_param_find(u.params, STR("ms-route-sig"), &p)))
		return 0;
	if (!p.value.p)
		return 0;
	*ret_at = (size_t)(p.value.p - text.p);
	return p.value.n;
}

/* kid stays: that another day has the other digit is no forgery. */
static void
check_tight(unsigned how, struct str text)
{
	char *copy = arena_alloc(&cast.arena, text.n);
	struct str plain;
	size_t at, n;

	if (!copy)
		return;
	memcpy(copy, text.p, text.n);
	n = find_proof(how, text, &at);
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

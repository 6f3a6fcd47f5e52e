/* SPDX-License-Identifier: MIT */
#include "access/home.h"

#include <string.h>

#define NEIGHBOURS 8u

void
homes_init(struct homes *h, const struct hash_key *key)
{
	memset(h, 0, sizeof(*h));
	h->key = *key;
}

/* Users are told apart without case, as names of users inside are. */
static uint64_t
key_of(const struct homes *h, struct str aor)
{
	char lower[256];
	size_t n = aor.n < sizeof(lower) ? aor.n : sizeof(lower);

	for (size_t i = 0; i < n; i++)
		lower[i] = (char)ascii_lower((unsigned char)aor.p[i]);
	return hash_bytes(&h->key, lower, n);
}

void
homes_learn(struct homes *h, struct str aor, struct str host, uint64_t now_ms)
{
	uint64_t who = key_of(h, aor);
	struct home_row *row = &h->rows[who % HOME_ROWS];

	if (host.n > HOME_HOST_LEN)
		return;
	for (unsigned i = 0; i < NEIGHBOURS && row->who != who; i++) {
		struct home_row *at = &h->rows[(who + i) % HOME_ROWS];

		if (at->who == who || at->until_ms < row->until_ms)
			row = at;
	}
	row->who = who;
	row->until_ms = now_ms + HOME_LIFE_MS;
	row->n = (uint8_t)host.n;
	memcpy(row->host, host.p, host.n);
}

struct str
homes_find(const struct homes *h, struct str aor, uint64_t now_ms)
{
	uint64_t who = key_of(h, aor);

	for (unsigned i = 0; i < NEIGHBOURS; i++) {
		const struct home_row *at = &h->rows[(who + i) % HOME_ROWS];

		if (at->who == who && at->until_ms > now_ms)
			return (struct str){at->host, at->n};
	}
	return STR_NONE;
}

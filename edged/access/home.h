/* SPDX-License-Identifier: MIT
 *
 * access/home.h: which server inside is the home of a user, learnt from a redirect that could not
 * be followed (access-edge-sip 6.5): the next sign-in goes straight there. A table of fixed size,
 * by keyed hash of the address of record; the oldest entry gives way. Pure: the clock comes in.
 */
#ifndef EDGED_ACCESS_HOME_H
#define EDGED_ACCESS_HOME_H

#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"

#define HOME_ROWS     256u
#define HOME_HOST_LEN 112u
#define HOME_LIFE_MS  (8u * 3600u * 1000u)

struct home_row {
	uint64_t who;
	uint64_t until_ms;
	uint8_t n;
	char host[HOME_HOST_LEN];
};

struct homes {
	struct hash_key key;
	struct home_row rows[HOME_ROWS];
};

void homes_init(struct homes *h, const struct hash_key *key);
/* A host longer than HOME_HOST_LEN is not remembered. */
void homes_learn(struct homes *h, struct str aor, struct str host, uint64_t now_ms);
/* Empty when nothing is known. */
struct str homes_find(const struct homes *h, struct str aor, uint64_t now_ms);

#endif

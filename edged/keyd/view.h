/* SPDX-License-Identifier: MIT
 *
 * keyd/view.h: what one key plan became: keys ready to sign, the pool secret, a row for each role.
 * Only keyd's own files include it.
 */
#ifndef EDGED_KEYD_VIEW_H
#define EDGED_KEYD_VIEW_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/wipe.h"
#include "net/keyproto.h"
#include "svc/keyplan.h"

struct keyd_slot {
	uint16_t number;
	bool ec;
	EVP_PKEY *key;
	EVP_PKEY_CTX
	*sign[KEYPROTO_ALG__N]; /* set up when first used: a fetch costs as much as ECDSA */
};

struct keyd_view {
	struct keyd_slot slots[KEYPLAN_SLOTS_MAX];
	unsigned n_slots;
	/* Owned: the view whose slots were others. Handshakes begun before a reload still sign with
	 * it. */
	struct keyd_view *before;
	struct secret pool;  /* KEYPLAN_SECRET_LEN */
	struct relay *relay; /* keyd/relay.h */
	struct {
		uint32_t ops;   /* KEYD_OP_BIT */
		uint64_t slots; /* by index into slots */
	} rows[ROLE__N];
};

/* why: text of KEYD_WHY_LEN for the supervisor's log. */
#define KEYD_WHY_LEN 160
int keyd_view_new(struct str plan, struct keyd_view **ret, char *why) ED_MUST_CHECK;
struct keyd_view *keyd_view_free(struct keyd_view *v);

#endif

/* SPDX-License-Identifier: MIT
 *
 * svc/keyplan.c: the key plan on its way from the supervisor to keyd.
 *
 * Order on the wire: secret; slots; roles; TURN realm, secret, users; token lifetime. Counts come
 * before what they count and are checked against the room in struct keyplan.
 */
#include "svc/keyplan.h"

#include <string.h>

#include "net/ipc.h"

static void
put_slot(struct ipc_writer *w, const struct keyplan_slot *s)
{
	ipc_put_u16(w, s->slot);
	ipc_put_str(w, s->binding);
	ipc_put_str(w, s->key_pem);
	ipc_put_str(w, s->cert_pem);
	ipc_put_u64(w, (uint64_t)s->effective);
}

void
keyplan_put(struct ipc_writer *w, const struct keyplan *plan)
{
	ipc_put_str(w, plan->pool_secret);
	ipc_put_u16(w, plan->n_slots);
	for (uint16_t i = 0; i < plan->n_slots; i++)
		put_slot(w, &plan->slots[i]);
	for (int r = 0; r < ROLE__N; r++) {
		ipc_put_u32(w, plan->roles[r].ops);
		ipc_put_str(w, plan->roles[r].bindings);
	}
	ipc_put_str(w, plan->turn_realm);
	ipc_put_str(w, plan->turn_shared_secret);
	ipc_put_u16(w, plan->n_turn_users);
	for (uint16_t i = 0; i < plan->n_turn_users; i++) {
		ipc_put_str(w, plan->turn_users[i].name);
		ipc_put_str(w, plan->turn_users[i].password);
		ipc_put_str(w, plan->turn_users[i].key);
	}
	ipc_put_u32(w, plan->token_lifetime_s);
}

static void
get_slot(struct ipc_reader *r, struct keyplan_slot *s)
{
	s->slot = ipc_get_u16(r);
	s->binding = ipc_get_str(r);
	s->key_pem = ipc_get_str(r);
	s->cert_pem = ipc_get_str(r);
	s->effective = (int64_t)ipc_get_u64(r);
}

int
keyplan_get(struct str bytes, struct keyplan *ret)
{
	struct ipc_reader r = {.left = bytes};

	memset(ret, 0, sizeof(*ret));
	ret->pool_secret = ipc_get_str(&r);
	ret->n_slots = ipc_get_u16(&r);
	if (r.err < 0 || ret->pool_secret.n != KEYPLAN_SECRET_LEN)
		return ED_MALFORMED;
	if (ret->n_slots > KEYPLAN_SLOTS_MAX)
		return ED_LIMIT;
	for (uint16_t i = 0; i < ret->n_slots; i++)
		get_slot(&r, &ret->slots[i]);
	for (int i = 0; i < ROLE__N; i++) {
		ret->roles[i].ops = ipc_get_u32(&r);
		ret->roles[i].bindings = ipc_get_str(&r);
	}
	ret->turn_realm = ipc_get_str(&r);
	ret->turn_shared_secret = ipc_get_str(&r);
	ret->n_turn_users = ipc_get_u16(&r);
	if (ret->n_turn_users > KEYPLAN_TURN_USERS_MAX)
		return ED_LIMIT;
	for (uint16_t i = 0; i < ret->n_turn_users; i++) {
		ret->turn_users[i].name = ipc_get_str(&r);
		ret->turn_users[i].password = ipc_get_str(&r);
		ret->turn_users[i].key = ipc_get_str(&r);
	}
	ret->token_lifetime_s = ipc_get_u32(&r);
	return ipc_get_end(&r);
}

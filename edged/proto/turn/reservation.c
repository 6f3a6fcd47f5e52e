/* SPDX-License-Identifier: MIT
 *
 * proto/turn/reservation.c: a relayed transport address kept for a second Allocate of the same user
 * (the port above an even one, for RTCP).
 *
 * Life: EVEN-PORT with R makes the room bind a pair; turn_server_reserved hands over the upper one;
 * the answer carries its token. Within 30 s an Allocate with RESERVATION-TOKEN takes it, or it is
 * closed.
 *
 * Spec: RFC 8656 7.2, 18.6, 18.9.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/turn/internal.h"

void
turn_server_reserved(
    struct turn_server *s, struct turn_allocation *a, void *relay, uint8_t family, uint64_t now_ms)
{
	struct turn_reservation *r = calloc(1, sizeof(*r));

	if (!r)
		return; /* turn_server_relay_opened finds no token: 508 */
	s->conf.random(r->token, sizeof(r->token));
	r->relay = relay;
	r->is_ipv6 = family == 6;
	memcpy(r->user, a->user->key, sizeof(r->user));
	r->deadline_ms = now_ms + TURN_RESERVATION_MS;
	list_push_back(&s->reservations, &r->link);
	s->n_reservations++;
	memcpy(a->token, r->token, sizeof(a->token));
	a->has_token = true;
}

void
turn_reservation_free(struct turn_server *s, struct turn_reservation *r)
{
	list_remove(&r->link);
	s->n_reservations--;
	free(r);
}

struct turn_reservation *
turn_reservation_find(struct turn_server *s, struct str token)
{
	LIST_EACH(it, &s->reservations)
	{
		struct turn_reservation *r = LIST_OF(it, struct turn_reservation, link);

		if (token.n == sizeof(r->token) && mac_equal(token.p, r->token, token.n))
			return r;
	}
	return NULL;
}

bool
turn_reservations_tick(struct turn_server *s, uint64_t now_ms, struct turn_acts *acts)
{
	struct turn_reservation *r;

	if (list_is_empty(&s->reservations))
		return false;
	r = LIST_OF(s->reservations.next, struct turn_reservation, link);
	if (r->deadline_ms > now_ms)
		return false;
	turn_act_add(acts, TURN_ACT_CLOSE_RELAY)->relay = r->relay;
	turn_reservation_free(s, r);
	return true;
}

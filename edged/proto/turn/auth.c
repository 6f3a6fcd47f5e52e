/* SPDX-License-Identifier: MIT
 *
 * proto/turn/auth.c: long-term credentials, in the order of ms-turn 4.6. The nonce stands before
 * the user: it is the cheap check and proves the source address, so a flood from forged addresses
 * never reaches keyd.
 *
 * Spec: RFC 8489 9.2.4; ms-turn 4.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/stun/types.h"
#include "proto/turn/internal.h"
#include "proto/turn/nonce.h"

#define USERNAME_MAX 512u

/* What a dialect answers. */
struct codes {
	unsigned no_realm, no_nonce, no_username, unknown_user, integrity;
};
static const struct codes standard_codes = {400, 400, 400, 401, 401};
static const struct codes ms_codes = {434, 435, 432, 436, 431};

/* One pair of quotes may stand around a realm of the MS dialect (ms-turn 3.6). */
static struct str
unquoted(struct str s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return (struct str){s.p + 1, s.n - 2};
	return s;
}

static bool
nonce_is_good(const struct turn_request *q)
{
	struct str nonce = q->m->attr[STUN_NONCE];

	/* An allocation keeps the nonce that it was made with: libnice repeats that for ever. */
	if (q->a && nonce.n == TURN_NONCE_LEN && mac_equal(nonce.p, q->a->nonce, TURN_NONCE_LEN))
		return true;
	return turn_nonce_holds(q->s->nonce_key, q->flow, q->now_ms, nonce);
}

static bool
is_waiting(const struct turn_pending *p, const struct turn_request *q)
{
	return p->flow.conn == q->flow->conn && addr_eq(&p->flow.client, &q->flow->client) &&
	       p->len == q->m->bytes.n && memcmp(p->bytes, q->m->bytes.p, p->len) == 0;
}

/* Sets the request aside until turn_server_key_ready. A retransmission finds itself and goes. */
static void
ask_key(struct turn_request *q)
{
	struct turn_server *s = q->s;
	struct turn_pending *p;
	struct turn_act *act;
	uint32_t of_address = 0;

	LIST_EACH(it, &s->pending)
	{
		p = LIST_OF(it, struct turn_pending, link);
		if (is_waiting(p, q))
			return;
		of_address += addr_ip_eq(&p->flow.client, &q->flow->client);
	}
	if (s->n_pending >= s->conf.limits.keys_waiting ||
	    of_address >= s->conf.limits.keys_waiting_per_address ||
	    q->m->bytes.n > TURN_PENDING_BYTES || !(p = malloc(sizeof(*p) + q->m->bytes.n))) {
		turn_drop(s, TURN_COUNT_DROP_KEYS_WAITING, q->flow);
		return;
	}
	p->ticket = ++s->next_ticket;
	p->since_ms = q->now_ms;
	p->flow = *q->flow;
	p->frame = q->frame;
	p->len = (uint16_t)q->m->bytes.n;
	memcpy(p->bytes, q->m->bytes.p, p->len);
	list_push_back(&s->pending, &p->link);
	s->n_pending++;
	act = turn_act_add(q->acts, TURN_ACT_NEED_KEY);
	act->ticket = p->ticket;
	act->flow = p->flow;
	act->bytes = q->m->attr[STUN_USERNAME];
	/* the view must outlive the packet it came in */
	act->bytes.p = (const char *)p->bytes + (act->bytes.p - q->m->bytes.p);
}

static void
auth_failed(struct turn_request *q, const char *why)
{
	turn_count_by_transport(q->s, TURN_COUNT_AUTH_FAILURES, q->flow);
	turn_note(q->acts, TURN_NOTE_AUTH_FAILED, why, q->a, &q->flow->client);
}

/* The key by which the sender must have signed; false: answered or waiting. */
static bool
find_key(struct turn_request *q, const struct codes *codes, struct str *ret_key)
{
	if (q->a && str_eq(q->a->username, q->m->attr[STUN_USERNAME])) {
		*ret_key = (struct str){(const char *)q->a->key, sizeof(q->a->key)};
		return true;
	}
	if (!q->fresh) {
		ask_key(q);
		return false;
	}
	if (q->fresh->verdict == ED_OK) {
		*ret_key = (struct str){(const char *)q->fresh->key[0], sizeof(q->fresh->key[0])};
		return true;
	}
	if (q->fresh->verdict == ED_DENIED || q->fresh->verdict == ED_GONE) {
		auth_failed(q, q->fresh->verdict == ED_GONE ? "expired" : "unknown_user");
		turn_reply_challenge(q, codes->unknown_user);
	} else {
		turn_drop(q->s, TURN_COUNT_DROP_KEYS_WAITING, q->flow);
	}
	return false;
}

static bool
check_integrity(struct turn_request *q, const struct codes *codes, struct str *key)
{
	struct turn_server *s = q->s;
	const struct turn_rate *rate = &s->conf.limits.integrity;
	const struct addr *from = &q->flow->client;

	if (!turn_source_has(s->sources, TURN_SOURCE_INTEGRITY, rate, from, q->now_ms)) {
		turn_drop(s, TURN_COUNT_DROP_INTEGRITY, q->flow);
		return false;
	}
	if (stun_integrity_check(q->m, *key) == ED_OK)
		return true;
	if (q->fresh && q->fresh->n_keys > 1 && key->p == (const char *)q->fresh->key[0]) {
		key->p = (const char *)q->fresh->key[1];
		if (stun_integrity_check(q->m, *key) == ED_OK)
			return true;
	}
	/* ms-turn 7.7: the last one that was allowed is followed by silence. */
	if (turn_source_take(s->sources, TURN_SOURCE_INTEGRITY, rate, from, q->now_ms) &&
	    !turn_source_has(s->sources, TURN_SOURCE_INTEGRITY, rate, from, q->now_ms))
		turn_source_silence(s->sources, TURN_SOURCE_INTEGRITY, rate, from, TURN_SILENCE_MS);
	auth_failed(q, "integrity");
	turn_reply_challenge(q, codes->integrity);
	return false;
}

/* What must be there, and a fresh nonce. Over an MS allocation Send and Set Active Destination come
 * without realm and nonce (ms-turn 3.5). */
static unsigned
missing(const struct turn_request *q, const struct codes *codes, bool is_light)
{
	const struct stun_msg *m = q->m;

	if (!m->integrity_at)
		return 401;
	if (!is_light && !stun_has(m, STUN_REALM))
		return codes->no_realm;
	if (!is_light && !stun_has(m, STUN_NONCE))
		return codes->no_nonce;
	if (!stun_has(m, STUN_USERNAME) || m->attr[STUN_USERNAME].n == 0 ||
	    m->attr[STUN_USERNAME].n > USERNAME_MAX)
		return codes->no_username;
	if (!is_light && !nonce_is_good(q))
		return 438;
	if (stun_has(m, STUN_REALM) &&
	    !str_eq(unquoted(m->attr[STUN_REALM]), str_of(q->s->conf.realm)))
		return 401;
	return 0;
}

bool
turn_authenticate(struct turn_request *q)
{
	const struct codes *codes = q->d->cookie_attribute ? &ms_codes : &standard_codes;
	bool is_light = q->d->cookie_attribute && q->type != STUN_ALLOCATE;
	unsigned code = missing(q, codes, is_light);
	struct str key;

	if (code) {
		turn_reply_challenge(q, code);
		return false;
	}
	if (q->m->attr[STUN_MESSAGE_INTEGRITY].n != STUN_INTEGRITY_LEN) {
		q->s->count[TURN_COUNT_INTEGRITY_NOT_SHA1]++;
		turn_reply_challenge(q, codes->integrity);
		return false;
	}
	if (!find_key(q, codes, &key) || !check_integrity(q, codes, &key))
		return false;
	q->key = key;
	if (q->m->n_unknown) {
		turn_reply_error(q, 420);
		return false;
	}
	if (q->a && !str_eq(q->a->username, q->m->attr[STUN_USERNAME])) {
		turn_reply_error(q, 441);
		return false;
	}
	return true;
}

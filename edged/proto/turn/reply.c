/* SPDX-License-Identifier: MIT
 *
 * proto/turn/reply.c: answers to the client, and how much an unknown one may draw.
 *
 * Spec: RFC 8489 6.3, 9.2; ms-turn 4.6, 7.7.
 */
#include "proto/stun/types.h"
#include "proto/turn/internal.h"
#include "proto/turn/nonce.h"

void
turn_reply_start(struct turn_request *q, struct stun_writer *w, unsigned kind)
{
	struct turn_acts *acts = q->acts;

	stun_write_start(w, q->d, acts->out + acts->out_used, sizeof(acts->out) - acts->out_used,
	    (uint16_t)(q->type + kind), q->id);
}

/* The answer as bytes; len <= 0 when it did not fit our own buffer. */
static void
send_out(struct turn_request *q, int64_t len, size_t may_draw)
{
	struct turn_acts *acts = q->acts;
	struct turn_act *act;

	if (len <= 0 || (q->flow->transport == TURN_UDP && may_draw && (size_t)len > may_draw)) {
		turn_drop(q->s, TURN_COUNT_DROP_AMPLIFICATION, q->flow);
		return;
	}
	act = turn_act_add(acts, TURN_ACT_TO_CLIENT);
	act->flow = *q->flow;
	act->a = q->a;
	act->bytes = (struct str){(const char *)acts->out + acts->out_used, (size_t)len};
	acts->out_used += (size_t)len;
}

void
turn_reply_end(struct turn_request *q, struct stun_writer *w)
{
	if (q->key.n)
		stun_write_integrity(w, q->key);
	if (q->fingerprint)
		stun_write_fingerprint(w);
	send_out(q, stun_write_end(w), 0);
}

static uint32_t
version_to_say(const struct turn_request *q)
{
	uint32_t v;

	/* 3 and more promise HMAC-SHA-256, whose key is not public (ms-turn 4.3). */
	if (!q->m || stun_get_u32(q->m, STUN_MS_VERSION, &v) != ED_OK)
		return 0;
	return v < 2 ? v : 2;
}

void
turn_reply_error(struct turn_request *q, unsigned code)
{
	struct stun_writer w;

	turn_reply_start(q, &w, STUN_ERROR);
	stun_write_error(&w, code, STR(""));
	if (code == 420)
		stun_write_unknown(&w, q->m);
	turn_reply_end(q, &w);
}

/* Datagram for datagram with headers: n bytes may draw 2n + 28. */
static size_t
may_draw(const struct turn_request *q)
{
	return TURN_AMPLIFICATION * (q->len + TURN_UDP_HEADERS) - TURN_UDP_HEADERS;
}

static int64_t
write_challenge(struct turn_request *q, unsigned code, bool with_server, struct stun_writer *w)
{
	const struct turn_conf *c = &q->s->conf;
	const struct addr *reach = &c->listeners[q->flow->listener].reach;
	char nonce[TURN_NONCE_LEN];
	bool tells = code != 400 && code != 420 && code != 437; /* how to authenticate */

	turn_reply_start(q, w, STUN_ERROR);
	if (tells && version_to_say(q))
		stun_write_u32(w, STUN_MS_VERSION, version_to_say(q));
	stun_write_error(w, code, STR(""));
	if (code == 420)
		stun_write_unknown(w, q->m);
	if (tells) {
		if (turn_nonce_make(q->s->nonce_key, q->flow, q->now_ms, nonce) < 0)
			return ED_SYS;
		stun_write_bytes(w, STUN_REALM, str_of(c->realm));
		stun_write_bytes(w, STUN_NONCE, (struct str){nonce, sizeof(nonce)});
		if (with_server && q->d->cookie_attribute && reach->family)
			stun_write_addr(w, STUN_ALTERNATE_SERVER, reach);
	}
	if (q->fingerprint)
		stun_write_fingerprint(w);
	return stun_write_end(w);
}

void
turn_reply_challenge(struct turn_request *q, unsigned code)
{
	struct turn_server *s = q->s;
	struct stun_writer w;
	int64_t len;

	if (!turn_source_take(s->sources, TURN_SOURCE_CHALLENGE, &s->conf.limits.challenge,
		&q->flow->client, q->now_ms)) {
		turn_drop(s, TURN_COUNT_DROP_RATE, q->flow);
		turn_note(q->acts, TURN_NOTE_RATE_LIMITED, "challenge", NULL, &q->flow->client);
		return;
	}
	s->count[TURN_COUNT_CHALLENGES]++;
	len = write_challenge(q, code, true, &w);
	if (q->flow->transport == TURN_UDP && len > (int64_t)may_draw(q))
		len = write_challenge(q, code, false, &w);
	send_out(q, len, may_draw(q));
}

void
turn_reply_binding(struct turn_request *q, bool rfc3489)
{
	struct turn_server *s = q->s;
	struct stun_writer w;

	if (q->m->n_unknown) {
		turn_reply_challenge(q, 420);
		return;
	}
	if (!turn_source_take(s->sources, TURN_SOURCE_BINDING, &s->conf.limits.binding,
		&q->flow->client, q->now_ms)) {
		turn_drop(s, TURN_COUNT_DROP_RATE, q->flow);
		turn_note(q->acts, TURN_NOTE_RATE_LIMITED, "binding", NULL, &q->flow->client);
		return;
	}
	s->count[TURN_COUNT_BINDINGS]++;
	turn_reply_start(q, &w, STUN_SUCCESS);
	stun_write_addr(
	    &w, rfc3489 ? STUN_MAPPED_ADDRESS : STUN_XOR_MAPPED_ADDRESS, &q->flow->client);
	if (q->fingerprint)
		stun_write_fingerprint(&w);
	send_out(q, stun_write_end(&w), may_draw(q));
}

/* SPDX-License-Identifier: MIT
 *
 * proto/turn/ms.c: the Lync dialect: Allocate (also refresh and release), Send, Set Active
 * Destination, bare data.
 *
 * Spec: docs/spec/ms-turn.md; ms-turn 4.5, 5.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/stun/types.h"
#include "proto/turn/internal.h"

#define SEQUENCE_LEN   24u
#define WINDOW         64u
#define BANDWIDTH_KBIT 3000u /* what we grant when nothing is limited (product default) */

void
turn_ms_done(struct turn_ms *ms)
{
	if (!ms)
		return;
	free(ms->sent);
	free(ms);
}

void
turn_ms_heard(struct turn_ms *ms, const struct addr *from)
{
	const uint32_t room = sizeof(ms->heard) / sizeof(ms->heard[0]);
	uint32_t n = ms->n_heard < room ? ms->n_heard : room;

	for (uint32_t i = 0; i < n; i++)
		if (addr_eq(&ms->heard[i], from))
			return;
	ms->heard[ms->n_heard++ % room] = *from;
	if (ms->n_heard == 2 * room) /* keeps the phase, never wraps */
		ms->n_heard = room;
}

static bool
note_sent(struct turn_ms *ms, const struct addr *to)
{
	uint32_t n = ms->n_sent < ms->room_sent ? ms->n_sent : ms->room_sent;

	for (uint32_t i = 0; i < n; i++)
		if (addr_eq(&ms->sent[i], to))
			return true;
	if (ms->n_sent >= ms->room_sent && ms->room_sent < TURN_PERMISSIONS_MAX) {
		uint32_t room = ms->room_sent ? ms->room_sent * 2 : 2;
		struct addr *v = realloc(ms->sent, room * sizeof(v[0]));

		if (!v)
			return false;
		ms->sent = v;
		ms->room_sent = room;
	}
	ms->sent[ms->n_sent++ % ms->room_sent] = *to;
	if (ms->n_sent == 2 * TURN_PERMISSIONS_MAX)
		ms->n_sent = TURN_PERMISSIONS_MAX;
	return true;
}

static bool
is_external_tuple(const struct turn_ms *ms, const struct addr *peer)
{
	for (uint32_t i = 0; i < ms->room_sent && i < ms->n_sent; i++)
		if (addr_eq(&ms->sent[i], peer))
			return true;
	for (uint32_t i = 0; i < sizeof(ms->heard) / sizeof(ms->heard[0]) && i < ms->n_heard; i++)
		if (addr_eq(&ms->heard[i], peer))
			return true;
	return false;
}

static uint32_t
bandwidth(const struct turn_request *q)
{
	uint64_t cap = q->s->conf.limits.kbit_per_port;
	uint32_t asked;

	if (cap == 0 || cap > UINT32_MAX)
		cap = cap ? UINT32_MAX : BANDWIDTH_KBIT;
	if (stun_get_u32(q->m, STUN_BANDWIDTH, &asked) == ED_OK && asked && asked < cap)
		return asked;
	return (uint32_t)cap;
}

static void
write_sequence(struct stun_writer *w, const struct turn_ms *ms)
{
	uint8_t v[SEQUENCE_LEN];

	memcpy(v, ms->connection_id, sizeof(ms->connection_id));
	v[20] = (uint8_t)(ms->sequence >> 24);
	v[21] = (uint8_t)(ms->sequence >> 16);
	v[22] = (uint8_t)(ms->sequence >> 8);
	v[23] = (uint8_t)ms->sequence;
	stun_write_bytes(w, STUN_MS_SEQUENCE_NUMBER, (struct str){(const char *)v, sizeof(v)});
}

void
turn_ms_allocated(struct turn_request *q, uint32_t lifetime_s)
{
	const struct turn_allocation *a = q->a;
	const struct addr *mapped = &a->relayed[a->relayed[0].family ? 0 : 1];
	struct stun_writer w;

	turn_reply_start(q, &w, STUN_SUCCESS);
	if (a->ms->version)
		stun_write_u32(&w, STUN_MS_VERSION, a->ms->version < 2 ? a->ms->version : 2);
	stun_write_addr(&w, STUN_RELAYED_ADDRESS, mapped);
	if (a->relayed[0].family && a->relayed[1].family)
		stun_write_addr(&w, STUN_MS_ALTERNATE_MAPPED_ADDRESS, &a->relayed[1]);
	stun_write_addr(&w, STUN_XOR_MAPPED_ADDRESS, &q->flow->client);
	stun_write_u32(&w, STUN_LIFETIME, lifetime_s);
	stun_write_u32(&w, STUN_BANDWIDTH, a->ms->bandwidth);
	write_sequence(&w, a->ms);
	turn_reply_end(q, &w);
}

/* ms-turn 5.2: which families, by what the client can read. False: 440. */
static bool
wanted_families(const struct turn_request *q, uint32_t version, bool ret_wants[2])
{
	const struct turn_policy *p = &q->s->conf.policy;
	struct str family = q->m->attr[STUN_REQUESTED_ADDRESS_FAMILY];
	uint8_t asked = version >= 4 && family.n == 4 ? (uint8_t)family.p[0] : 0;

	ret_wants[0] = asked != 2 && p->relay_bind[0].family;
	ret_wants[1] = version >= 4 && asked != 1 && p->relay_bind[1].family;
	return ret_wants[0] || (asked != 1 && version >= 4 && ret_wants[1]);
}

/* May be lowered, not raised (ms-turn 5.4). */
static int
wanted_lifetime(const struct turn_request *q, uint32_t *ret)
{
	const struct turn_limits *lim = &q->s->conf.limits;
	uint32_t asked = lim->lifetime_s;

	if (stun_get_u32(q->m, STUN_LIFETIME, &asked) == ED_MALFORMED)
		return ED_MALFORMED;
	*ret = asked > lim->lifetime_max_s ? lim->lifetime_max_s : asked;
	return ED_OK;
}

static void
allocate_new(struct turn_request *q, uint32_t lifetime_s)
{
	struct turn_allocation *a;
	bool wants[2];
	uint32_t version = 0;
	const char *which;

	if (lifetime_s == 0) {
		turn_reply_error(q, 437); /* a release of nothing */
		return;
	}
	if (stun_get_u32(q->m, STUN_MS_VERSION, &version) < 0)
		version = 0;
	if (!wanted_families(q, version, wants)) {
		turn_reply_error(q, 440);
		return;
	}
	if (turn_allocation_new(
		q, q->flow->transport == TURN_TCP ? TURN_TCP_IDLE_S : lifetime_s, &a, &which) < 0) {
		turn_count_by_transport(q->s, TURN_COUNT_USER_LIMIT, q->flow);
		turn_note(q->acts, TURN_NOTE_USER_LIMIT, which, NULL, &q->flow->client);
		turn_reply_error(q, 500);
		return;
	}
	a->lifetime_s = lifetime_s;
	a->ms->version = version;
	a->ms->bandwidth = bandwidth(q);
	memcpy(a->wants, wants, sizeof(wants));
	turn_open_relay(q->s, a, TURN_PORT_ANY, q->acts);
}

static void
allocate(struct turn_request *q)
{
	uint32_t lifetime_s;

	if (q->a && q->a->state == TURN_RELEASED) {
		turn_ms_allocated(q, 0); /* its release once more */
		return;
	}
	if (wanted_lifetime(q, &lifetime_s) < 0) {
		turn_reply_error(q, 400);
		return;
	}
	if (!q->a) {
		allocate_new(q, lifetime_s);
		return;
	}
	if (lifetime_s == 0) {
		turn_release(q);
	} else if (q->flow->transport == TURN_UDP &&
		   memcmp(q->a->first_id, q->id, sizeof(q->a->first_id)) != 0) {
		q->a->lifetime_s = lifetime_s;
		q->a->ms->bandwidth = bandwidth(q);
		turn_set_expiry(q->s, q->a, lifetime_s, q->now_ms);
		lifetime_s = (uint32_t)((q->a->expires_ms - q->now_ms) / 1000);
	}
	turn_ms_allocated(q, lifetime_s);
}

/* ms-turn 4.5: a window of 64 over datagrams, strictly rising over a stream. Marks it as seen. */
static bool
sequence_is_new(struct turn_request *q)
{
	struct turn_ms *ms = q->a->ms;
	struct str v = q->m->attr[STUN_MS_SEQUENCE_NUMBER];
	uint32_t number, back;

	if (v.n != SEQUENCE_LEN || memcmp(v.p, ms->connection_id, sizeof(ms->connection_id)) != 0)
		return false;
	number = stun_u32(v.p + 20);
	if (number == 0)
		return false;
	if (number > ms->sequence) {
		uint32_t ahead = number - ms->sequence;

		ms->window = ahead < WINDOW ? ms->window << ahead | 1 : 1;
		ms->sequence = number;
		return true;
	}
	back = ms->sequence - number;
	if (q->flow->transport == TURN_TCP || back >= WINDOW || (ms->window >> back & 1))
		return false;
	ms->window |= (uint64_t)1 << back;
	return true;
}

static bool
has_relay(const struct turn_request *q, const struct addr *peer)
{
	return q->a->relayed[peer->family == 6].family != 0;
}

/* Never answered (ms-turn 5.5). */
static void
send_request(struct turn_request *q)
{
	struct str data = q->m->attr[STUN_DATA];
	struct addr peer;

	if (!q->a || q->a->state != TURN_LIVE || !q->pkt || !q->m->integrity_at ||
	    !str_eq(q->a->username, q->m->attr[STUN_USERNAME])) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_ALLOCATION, q->flow);
		return;
	}
	if (stun_integrity_check(q->m, (struct str){(const char *)q->a->key, sizeof(q->a->key)}) !=
	    ED_OK) {
		turn_drop(q->s, TURN_COUNT_DROP_INTEGRITY, q->flow);
		return;
	}
	if (!sequence_is_new(q)) {
		turn_drop(q->s, TURN_COUNT_DROP_REPLAY, q->flow);
		return;
	}
	if (q->m->n_unknown || !data.p || stun_get_addr(q->m, STUN_PEER_ADDRESS, &peer) < 0 ||
	    !has_relay(q, &peer)) {
		turn_drop(q->s, TURN_COUNT_DROP_MALFORMED, q->flow);
		return;
	}
	if (turn_judge(q, &peer, true) != TURN_RULE_ALLOWED)
		return;
	if (turn_permission_install(&q->a->permissions, &peer, UINT64_MAX,
		q->s->conf.limits.permissions, q->now_ms) < 0 ||
	    !note_sent(q->a->ms, &peer)) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_PERMISSION, q->flow);
		return;
	}
	if (data.n == 0 ||
	    pkt_keep(q->pkt, (uint32_t)(data.p - q->m->bytes.p), (uint32_t)data.n) < 0)
		return;
	turn_peer_to_wire(&q->s->conf.policy, &peer);
	/* Its integrity is checked in each packet: never by headers alone. */
	turn_relay(q, &peer, (struct turn_fast){.kind = TURN_FAST_NONE});
}

static void
active_set(struct turn_request *q)
{
	struct stun_writer w;

	turn_reply_start(q, &w, STUN_SUCCESS);
	turn_reply_end(q, &w);
}

/* 0: set; else the error code, and nothing has changed. */
static unsigned
set_active(struct turn_request *q)
{
	struct turn_ms *ms = q->a->ms;
	struct addr peer;

	if (stun_get_addr(q->m, STUN_PEER_ADDRESS, &peer) < 0)
		return 400;
	if (!has_relay(q, &peer) || turn_judge(q, &peer, true) != TURN_RULE_ALLOWED)
		return 400;
	if (ms->active.family && addr_eq(&ms->active, &peer))
		return 0;
	if (!is_external_tuple(ms, &peer))
		return 440;
	if (ms->active.family && q->flow->transport == TURN_TCP)
		return 400; /* a stream keeps its peer */
	ms->active = ms->active_wire = peer;
	turn_peer_to_wire(&q->s->conf.policy, &ms->active_wire);
	return 0;
}

static void
set_active_destination(struct turn_request *q)
{
	struct turn_ms *ms;
	unsigned code;

	if (!q->a || q->a->state != TURN_LIVE) {
		turn_reply_challenge(q, 437);
		return;
	}
	if (!turn_authenticate(q))
		return;
	ms = q->a->ms;
	/* libnice repeats it byte for byte; that is no replay. */
	if (ms->set_answered && memcmp(ms->set_id, q->id, sizeof(ms->set_id)) == 0) {
		active_set(q);
		return;
	}
	if (!sequence_is_new(q)) {
		turn_drop(q->s, TURN_COUNT_DROP_REPLAY, q->flow);
		return;
	}
	code = set_active(q);
	if (code) {
		turn_reply_error(q, code);
		return;
	}
	memcpy(ms->set_id, q->id, sizeof(ms->set_id));
	ms->set_answered = true;
	active_set(q);
}

void
turn_ms_data(struct turn_request *q)
{
	if (q->a->state != TURN_LIVE || !q->a->ms->active.family || q->pkt->len == 0) {
		turn_drop(q->s, TURN_COUNT_DROP_OTHER, q->flow);
		return;
	}
	turn_relay(q, &q->a->ms->active_wire, turn_fast_of(q->a, TURN_FAST_BARE, UINT64_MAX));
}

void
turn_ms_request(struct turn_request *q)
{
	if (q->a && !q->a->ms) { /* that five-tuple speaks the other dialect */
		turn_drop(q->s, TURN_COUNT_DROP_OTHER, q->flow);
		return;
	}
	switch (q->type) {
	case STUN_ALLOCATE:
		if (turn_authenticate(q))
			allocate(q);
		break;
	case STUN_MS_SEND:
		send_request(q);
		break;
	case STUN_MS_SET_ACTIVE_DESTINATION:
		set_active_destination(q);
		break;
	default:
		turn_drop(q->s, TURN_COUNT_DROP_OTHER, q->flow);
	}
}

void
turn_server_peer_closed(struct turn_server *s, struct turn_allocation *a, const struct addr *wire,
    uint64_t now_ms, struct turn_acts *acts)
{
	struct addr peer = *wire;

	acts->n = 0;
	acts->note = TURN_NOTE_NONE;
	turn_reap(s);
	turn_peer_from_wire(&s->conf.policy, &peer);
	if (!a->ms || !addr_eq(&a->ms->active, &peer))
		return;
	turn_act_add(acts, TURN_ACT_CLOSE_CLIENT)->flow = a->flow;
	turn_end(s, a, "peer_closed", acts);
}

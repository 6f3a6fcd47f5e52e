/* SPDX-License-Identifier: MIT
 *
 * proto/turn/standard.c: the requests of RFC 8656 and the Binding of RFC 8489.
 *
 * Spec: docs/spec/rfc8656.md; ms-turn 7.
 */
#include <string.h>

#include "proto/stun/types.h"
#include "proto/turn/internal.h"

#define TRANSPORT_TCP 6u
#define TRANSPORT_UDP 17u
#define FAMILY_IPV4   0x01
#define FAMILY_IPV6   0x02

void
turn_standard_allocated(struct turn_request *q, uint32_t lifetime_s)
{
	struct stun_writer w;

	turn_reply_start(q, &w, STUN_SUCCESS);
	for (int i = 0; i < 2; i++)
		if (q->a->relayed[i].family)
			stun_write_addr(&w, STUN_RELAYED_ADDRESS, &q->a->relayed[i]);
	stun_write_u32(&w, STUN_LIFETIME, lifetime_s);
	stun_write_addr(&w, STUN_XOR_MAPPED_ADDRESS, &q->flow->client);
	turn_reply_end(q, &w);
}

/* RFC 8656 7.2: at least the default, at most the maximum. 0 asks for a release (Refresh). */
static int
wanted_lifetime(const struct turn_request *q, uint32_t *ret)
{
	const struct turn_limits *lim = &q->s->conf.limits;
	uint32_t asked = lim->lifetime_s;
	int r = stun_get_u32(q->m, STUN_LIFETIME, &asked);

	if (r == ED_MALFORMED)
		return r;
	if (asked != 0 && asked < lim->lifetime_s)
		asked = lim->lifetime_s;
	*ret = asked > lim->lifetime_max_s ? lim->lifetime_max_s : asked;
	return ED_OK;
}

/* 0: as asked; else the error code. */
static unsigned
wanted_families(const struct turn_request *q, bool ret_wants[2])
{
	const struct turn_policy *p = &q->s->conf.policy;
	struct str one = q->m->attr[STUN_REQUESTED_ADDRESS_FAMILY];
	struct str more = q->m->attr[STUN_ADDITIONAL_ADDRESS_FAMILY];
	uint8_t family = FAMILY_IPV4;

	if ((one.p && one.n != 4) || (more.p && more.n != 4) || (one.p && more.p))
		return 400;
	if (more.p && more.p[0] != FAMILY_IPV6)
		return 400;
	if (one.p)
		family = (uint8_t)one.p[0];
	if (family != FAMILY_IPV4 && family != FAMILY_IPV6)
		return 440;
	if (!p->relay_bind[family == FAMILY_IPV6].family)
		return 440;
	ret_wants[0] = family == FAMILY_IPV4;
	ret_wants[1] = family == FAMILY_IPV6 || (more.p && p->relay_bind[1].family);
	return 0;
}

static unsigned
check_allocate(const struct turn_request *q, bool ret_wants[2], bool *ret_even,
    enum turn_transport *ret_transport)
{
	const struct stun_msg *m = q->m;
	struct str transport = m->attr[STUN_REQUESTED_TRANSPORT], even = m->attr[STUN_EVEN_PORT];

	if (transport.n != 4)
		return 400;
	*ret_transport = (uint8_t)transport.p[0] == TRANSPORT_TCP ? TURN_TCP : TURN_UDP;
	if ((uint8_t)transport.p[0] != TRANSPORT_UDP &&
	    ((uint8_t)transport.p[0] != TRANSPORT_TCP || !q->s->conf.tcp_allocations))
		return 442;
	/* RFC 6062 5.1 */
	if (*ret_transport == TURN_TCP &&
	    (q->flow->transport != TURN_TCP || even.p || stun_has(m, STUN_RESERVATION_TOKEN) ||
		stun_has(m, STUN_DONT_FRAGMENT)))
		return 400;
	if (even.p && (even.n != 1 || stun_has(m, STUN_RESERVATION_TOKEN)))
		return 400;
	/* Reservations are not offered: none can be asked for, no token is known. */
	if ((even.p && (even.p[0] & 0x80)) || stun_has(m, STUN_RESERVATION_TOKEN))
		return 508;
	*ret_even = even.p != NULL;
	return wanted_families(q, ret_wants);
}

static void
allocate(struct turn_request *q)
{
	struct turn_allocation *a;
	bool wants[2] = {false, false}, even = false;
	enum turn_transport transport = TURN_UDP;
	const char *which;
	uint32_t lifetime_s;
	unsigned code;

	if (q->a) {
		if (memcmp(q->a->first_id, q->id, sizeof(q->a->first_id)) == 0)
			turn_standard_allocated(q, q->a->lifetime_s);
		else
			turn_reply_error(q, 437);
		return;
	}
	code = check_allocate(q, wants, &even, &transport);
	if (!code && wanted_lifetime(q, &lifetime_s) < 0)
		code = 400;
	if (!code && lifetime_s == 0)
		lifetime_s = q->s->conf.limits.lifetime_s;
	if (!code && turn_allocation_new(q, lifetime_s, &a, &which) < 0) {
		q->s->count[TURN_COUNT_USER_LIMIT]++;
		turn_note(q->acts, TURN_NOTE_USER_LIMIT, which, NULL, &q->flow->client);
		code = which[0] == 'u' ? 486 : 508;
	}
	if (code) {
		turn_reply_error(q, code);
		return;
	}
	memcpy(a->wants, wants, sizeof(wants));
	a->transport = transport;
	turn_open_relay(q->s, a, even, q->acts);
}

static void
refresh(struct turn_request *q)
{
	struct turn_allocation *a = q->a;
	struct str family = q->m->attr[STUN_REQUESTED_ADDRESS_FAMILY];
	struct stun_writer w;
	uint32_t lifetime_s;

	if (wanted_lifetime(q, &lifetime_s) < 0 || (family.p && family.n != 4)) {
		turn_reply_error(q, 400);
		return;
	}
	if (family.p && !a->relayed[family.p[0] == FAMILY_IPV6].family) {
		turn_reply_error(q, 443);
		return;
	}
	if (lifetime_s == 0) {
		turn_release(q);
	} else {
		turn_set_expiry(q->s, a, lifetime_s, q->now_ms);
		a->lifetime_s = lifetime_s;
		lifetime_s = (uint32_t)((a->expires_ms - q->now_ms) / 1000);
	}
	turn_reply_start(q, &w, STUN_SUCCESS);
	stun_write_u32(&w, STUN_LIFETIME, lifetime_s);
	turn_reply_end(q, &w);
}

unsigned
turn_check_peer(struct turn_request *q, struct str value, bool has_port, struct addr *ret)
{
	int r = stun_addr_of(q->m, STUN_PEER_ADDRESS, value, ret);

	if (r == ED_UNSUPPORTED)
		return 440;
	if (r < 0)
		return 400;
	if (!q->a->relayed[ret->family == 6].family)
		return 443;
	return turn_judge(q, ret, has_port) == TURN_RULE_ALLOWED ? 0 : 403;
}

static int
install(struct turn_request *q, const struct addr *peer)
{
	return turn_permission_install(&q->a->permissions, peer,
	    q->now_ms + TURN_PERMISSION_LIFETIME_MS, q->s->conf.limits.permissions, q->now_ms);
}

/* All of the addresses or none (RFC 8656 10.2). */
static void
create_permission(struct turn_request *q)
{
	struct stun_writer w;
	struct addr peer;
	struct str value;
	uint32_t at = 0, n = 0;
	unsigned code = 0;

	while (!code && stun_next(q->m, STUN_PEER_ADDRESS, &at, &value)) {
		code = turn_check_peer(q, value, false, &peer);
		n++;
	}
	if (!code && n == 0)
		code = 400;
	at = 0;
	while (!code && stun_next(q->m, STUN_PEER_ADDRESS, &at, &value))
		if (stun_addr_of(q->m, STUN_PEER_ADDRESS, value, &peer) < 0 ||
		    install(q, &peer) < 0)
			code = 508;
	if (code) {
		turn_reply_error(q, code);
		return;
	}
	turn_reply_start(q, &w, STUN_SUCCESS);
	turn_reply_end(q, &w);
}

static unsigned
bind_channel(struct turn_request *q)
{
	const struct turn_limits *lim = &q->s->conf.limits;
	struct str channel = q->m->attr[STUN_CHANNEL_NUMBER];
	struct addr peer, wire;
	uint16_t number;
	unsigned code;
	int r;

	if (q->a->transport == TURN_TCP) /* RFC 6062 4.4 */
		return 403;
	if (channel.n != 4 || !stun_has(q->m, STUN_PEER_ADDRESS))
		return 400;
	number = stun_u16(channel.p);
	if (number < TURN_CHANNEL_FIRST || number > TURN_CHANNEL_LAST)
		return 400;
	code = turn_check_peer(q, q->m->attr[STUN_PEER_ADDRESS], true, &peer);
	if (code)
		return code;
	wire = peer;
	turn_peer_to_wire(&q->s->conf.policy, &wire);
	if (install(q, &peer) < 0)
		return 508;
	r = turn_channel_bind(&q->a->channels, number, &peer, &wire, lim->channels, q->now_ms);
	return r == ED_OK ? 0 : r == ED_MALFORMED ? 400 : 508;
}

static void
channel_bind(struct turn_request *q)
{
	struct stun_writer w;
	unsigned code = bind_channel(q);

	if (code) {
		turn_reply_error(q, code);
		return;
	}
	turn_reply_start(q, &w, STUN_SUCCESS);
	turn_reply_end(q, &w);
}

/* Never answered. */
static void
send_indication(struct turn_request *q)
{
	struct str data = q->m->attr[STUN_DATA];
	struct addr peer;

	if (!q->a || q->a->state != TURN_LIVE || !q->pkt || q->a->transport == TURN_TCP) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_ALLOCATION);
		return;
	}
	if (q->m->n_unknown || !data.p || stun_get_addr(q->m, STUN_PEER_ADDRESS, &peer) < 0 ||
	    pkt_keep(q->pkt, (uint32_t)(data.p - q->m->bytes.p), (uint32_t)data.n) < 0) {
		turn_drop(q->s, TURN_COUNT_DROP_MALFORMED);
		return;
	}
	if (!turn_permission_is_live(&q->a->permissions, &peer, q->now_ms)) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_PERMISSION);
		return;
	}
	if (turn_judge(q, &peer, true) != TURN_RULE_ALLOWED)
		return;
	turn_peer_to_wire(&q->s->conf.policy, &peer);
	turn_relay(q, &peer);
}

void
turn_standard_channel_data(struct turn_request *q)
{
	const uint8_t *p = q->pkt->data;
	const struct turn_channel *c;
	uint32_t n;

	if (q->pkt->len < 4 || (n = stun_u16(p + 2)) > q->pkt->len - 4) {
		turn_drop(q->s, TURN_COUNT_DROP_MALFORMED);
		return;
	}
	c = turn_channel_by_number(&q->a->channels, stun_u16(p), q->now_ms);
	if (!c || q->a->state != TURN_LIVE) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_PERMISSION);
		return;
	}
	if (pkt_keep(q->pkt, 4, n) == ED_OK)
		turn_relay(q, &c->wire);
}

/* Requests that need an allocation of ours. */
static void
allocated_request(struct turn_request *q)
{
	if (!turn_authenticate(q))
		return;
	if (q->a && q->a->state == TURN_RELEASED) {
		struct stun_writer w;

		if (q->type != STUN_REFRESH || memcmp(q->a->first_id, q->id, 16) != 0) {
			turn_reply_error(q, 437);
			return;
		}
		turn_reply_start(q, &w, STUN_SUCCESS);
		stun_write_u32(&w, STUN_LIFETIME, 0);
		turn_reply_end(q, &w);
		return;
	}
	if (!q->a)
		turn_reply_error(q, 437);
	else if (q->type == STUN_REFRESH)
		refresh(q);
	else if (q->type == STUN_CREATE_PERMISSION)
		create_permission(q);
	else if (q->type == STUN_CONNECT)
		turn_connect(q);
	else
		channel_bind(q);
}

void
turn_standard_request(struct turn_request *q)
{
	switch (q->type) {
	case STUN_BINDING:
		turn_reply_binding(q, false);
		break;
	case STUN_BINDING_INDICATION: /* a keep-alive */
		break;
	case STUN_ALLOCATE:
		if (turn_authenticate(q))
			allocate(q);
		break;
	case STUN_REFRESH:
	case STUN_CREATE_PERMISSION:
	case STUN_CHANNEL_BIND:
	case STUN_CONNECT:
		allocated_request(q);
		break;
	case STUN_CONNECTION_BIND:
		turn_connection_bind(q);
		break;
	case STUN_SEND_INDICATION:
		send_indication(q);
		break;
	default: /* RFC 8489 6.3: an unknown method is discarded */
		turn_drop(q->s, TURN_COUNT_DROP_OTHER);
	}
}

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

/* What an Allocate asks for. */
struct wanted {
	bool family[2];
	bool no_ipv6; /* asked for in addition and not offered */
	enum turn_port port;
	enum turn_transport transport;
	struct turn_reservation *reservation;
};

/* RFC 8656 18.12 */
static void
write_address_error(struct stun_writer *w, int is_ipv6, unsigned code)
{
	const char v[4] = {
	    is_ipv6 ? FAMILY_IPV6 : FAMILY_IPV4, 0, (char)(code / 100), (char)(code % 100)};

	stun_write_bytes(w, STUN_ADDRESS_ERROR_CODE, (struct str){v, sizeof(v)});
}

void
turn_standard_allocated(struct turn_request *q, uint32_t lifetime_s)
{
	struct stun_writer w;

	turn_reply_start(q, &w, STUN_SUCCESS);
	for (int i = 0; i < 2; i++)
		if (q->a->relayed[i].family)
			stun_write_addr(&w, STUN_RELAYED_ADDRESS, &q->a->relayed[i]);
	for (int i = 0; i < 2; i++)
		if (q->a->address_error[i])
			write_address_error(&w, i, q->a->address_error[i]);
	stun_write_u32(&w, STUN_LIFETIME, lifetime_s);
	stun_write_addr(&w, STUN_XOR_MAPPED_ADDRESS, &q->flow->client);
	if (q->a->has_token)
		stun_write_bytes(&w, STUN_RESERVATION_TOKEN,
		    (struct str){(const char *)q->a->token, sizeof(q->a->token)});
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
wanted_families(const struct turn_request *q, struct wanted *ret)
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
	ret->family[0] = family == FAMILY_IPV4;
	ret->family[1] = family == FAMILY_IPV6 || (more.p && p->relay_bind[1].family);
	ret->no_ipv6 = more.p && !p->relay_bind[1].family;
	return 0;
}

/* The reservation that an Allocate names; 0, or the error code. */
static unsigned
wanted_reservation(const struct turn_request *q, struct wanted *ret)
{
	const struct stun_msg *m = q->m;
	struct turn_reservation *r;

	if (stun_has(m, STUN_EVEN_PORT) || stun_has(m, STUN_REQUESTED_ADDRESS_FAMILY) ||
	    stun_has(m, STUN_ADDITIONAL_ADDRESS_FAMILY) ||
	    m->attr[STUN_RESERVATION_TOKEN].n != TURN_TOKEN_LEN)
		return 400;
	r = turn_reservation_find(q->s, m->attr[STUN_RESERVATION_TOKEN]);
	/* Another user's is none: whose it is was learnt at the first Allocate. */
	if (!r || memcmp(r->user + 1, q->fresh->user, sizeof(q->fresh->user)) != 0)
		return 508;
	ret->reservation = r;
	ret->family[r->is_ipv6] = true;
	return 0;
}

static unsigned
wanted_port(const struct turn_request *q, struct wanted *ret)
{
	struct str even = q->m->attr[STUN_EVEN_PORT];

	if (!even.p)
		return 0;
	if (even.n != 1)
		return 400;
	ret->port = even.p[0] & 0x80 ? TURN_PORT_PAIR : TURN_PORT_EVEN;
	if (ret->port != TURN_PORT_PAIR)
		return 0;
	/* One address of one family has a port above it. */
	if (stun_has(q->m, STUN_ADDITIONAL_ADDRESS_FAMILY))
		return 400;
	return q->s->n_reservations < TURN_RESERVATIONS ? 0 : 508;
}

static unsigned
check_allocate(const struct turn_request *q, struct wanted *ret)
{
	const struct stun_msg *m = q->m;
	struct str transport = m->attr[STUN_REQUESTED_TRANSPORT];
	bool is_tcp;
	unsigned code;

	if (transport.n != 4)
		return 400;
	is_tcp = (uint8_t)transport.p[0] == TRANSPORT_TCP;
	if (is_tcp ? !q->s->conf.tcp_allocations : (uint8_t)transport.p[0] != TRANSPORT_UDP)
		return 442;
	ret->transport = is_tcp ? TURN_TCP : TURN_UDP;
	/* RFC 6062 5.1 */
	if (is_tcp && (q->flow->transport != TURN_TCP || stun_has(m, STUN_EVEN_PORT) ||
			  stun_has(m, STUN_RESERVATION_TOKEN) || stun_has(m, STUN_DONT_FRAGMENT)))
		return 400;
	if (stun_has(m, STUN_RESERVATION_TOKEN))
		return wanted_reservation(q, ret);
	code = wanted_port(q, ret);
	return code ? code : wanted_families(q, ret);
}

/* True when the request is answered: that five-tuple has an allocation. */
static bool
allocate_again(struct turn_request *q)
{
	if (!q->a)
		return false;
	if (memcmp(q->a->first_id, q->id, sizeof(q->a->first_id)) == 0)
		turn_standard_allocated(q, q->a->lifetime_s);
	else
		turn_reply_error(q, 437);
	return true;
}

static void
begin_allocation(struct turn_request *q, struct turn_allocation *a, const struct wanted *wanted)
{
	memcpy(a->wants, wanted->family, sizeof(a->wants));
	a->transport = (uint8_t)wanted->transport;
	a->pair = wanted->port == TURN_PORT_PAIR;
	a->address_error[1] = wanted->no_ipv6 ? 440 : 0;
	turn_open_relay(q->s, a, wanted->port, q->acts);
	if (wanted->reservation) {
		q->acts->v[q->acts->n - 1].relay = wanted->reservation->relay;
		turn_reservation_free(q->s, wanted->reservation);
	}
}

static void
allocate(struct turn_request *q)
{
	struct wanted wanted = {.transport = TURN_UDP};
	struct turn_allocation *a;
	const char *which;
	uint32_t lifetime_s;
	unsigned code;

	if (allocate_again(q))
		return;
	code = check_allocate(q, &wanted);
	if (!code && wanted_lifetime(q, &lifetime_s) < 0)
		code = 400;
	if (!code && lifetime_s == 0)
		lifetime_s = q->s->conf.limits.lifetime_s;
	if (!code && turn_allocation_new(q, lifetime_s, &a, &which) < 0) {
		turn_count_by_transport(q->s, TURN_COUNT_USER_LIMIT, q->flow);
		turn_note(q->acts, TURN_NOTE_USER_LIMIT, which, NULL, &q->flow->client);
		code = which[0] == 'u' ? 486 : 508;
	}
	if (code)
		turn_reply_error(q, code);
	else
		begin_allocation(q, a, &wanted);
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

/* RFC 8656 18.8: what fits leaves with DF set anyway (the kernel looks for the way's MTU); what
 * does not would be cut up, and must not be. */
static bool
is_too_long(const struct turn_request *q, size_t n)
{
	return q->s->conf.mtu && n + (q->a && q->a->relayed[0].family ? 28 : 48) > q->s->conf.mtu;
}

/* Never answered. */
static void
send_indication(struct turn_request *q)
{
	struct str data = q->m->attr[STUN_DATA];
	bool is_cut = stun_has(q->m, STUN_DONT_FRAGMENT) && is_too_long(q, data.n);
	struct addr peer;
	uint64_t until_ms;

	if (!q->a || q->a->state != TURN_LIVE || !q->pkt || q->a->transport == TURN_TCP) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_ALLOCATION, q->flow);
		return;
	}
	if (q->m->n_unknown || !data.p || stun_get_addr(q->m, STUN_PEER_ADDRESS, &peer) < 0 ||
	    pkt_keep(q->pkt, (uint32_t)(data.p - q->m->bytes.p), (uint32_t)data.n) < 0) {
		turn_drop(q->s, TURN_COUNT_DROP_MALFORMED, q->flow);
		return;
	}
	until_ms = turn_permission_until(&q->a->permissions, &peer);
	if (until_ms <= q->now_ms) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_PERMISSION, q->flow);
		return;
	}
	if (turn_judge(q, &peer, true) != TURN_RULE_ALLOWED)
		return;
	if (is_cut) {
		turn_drop(q->s, TURN_COUNT_DROP_TOO_LONG, q->flow);
		return;
	}
	turn_peer_to_wire(&q->s->conf.policy, &peer);
	turn_relay(q, &peer, turn_fast_of(q->a, TURN_FAST_INDICATION, until_ms));
}

void
turn_standard_channel_data(struct turn_request *q)
{
	const uint8_t *p = q->pkt->data;
	const struct turn_channel *c;
	struct turn_fast fast;
	uint32_t n;

	if (q->pkt->len < 4 || (n = stun_u16(p + 2)) > q->pkt->len - 4) {
		turn_drop(q->s, TURN_COUNT_DROP_MALFORMED, q->flow);
		return;
	}
	c = turn_channel_by_number(&q->a->channels, stun_u16(p), q->now_ms);
	if (!c || q->a->state != TURN_LIVE) {
		turn_drop(q->s, TURN_COUNT_DROP_NO_PERMISSION, q->flow);
		return;
	}
	fast = turn_fast_of(q->a, TURN_FAST_CHANNEL, c->expires_ms);
	fast.channel = c->number;
	if (pkt_keep(q->pkt, 4, n) == ED_OK)
		turn_relay(q, &c->wire, fast);
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
		turn_drop(q->s, TURN_COUNT_DROP_OTHER, q->flow);
	}
}

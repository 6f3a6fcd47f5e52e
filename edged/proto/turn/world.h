/* SPDX-License-Identifier: MIT
 *
 * proto/turn/world.h: a made-up network around a turn_server, for tests only: a keyd that answers
 * when told, relay sockets that are numbers, a clock that jumps, and clients that sign what they
 * send.
 */
#ifndef EDGED_PROTO_TURN_WORLD_H
#define EDGED_PROTO_TURN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/digest.h"
#include "proto/msframe/frame.h"
#include "proto/stun/integrity.h"
#include "proto/stun/types.h"
#include "proto/turn/allocation.h"
#include "proto/turn/nonce.h"
#include "proto/turn/server.h"

#define STD   (&stun_dialect_standard)
#define MS    (&stun_dialect_ms)
#define REALM "edge.example.com"

struct world {
	struct turn_server *s;
	struct pkt_pool *pool;
	struct turn_conf conf;
	struct turn_acts acts;
	uint64_t now_ms;
	/* what keyd says, and when */
	struct turn_key key;
	bool hold_keys;
	uint32_t ticket; /* last asked */
	unsigned n_asked;
	/* sockets */
	bool no_ports, no_pair;
	uint16_t next_port;
	unsigned n_open, n_closed;
	struct turn_allocation *a; /* of the last relay opened */
	/* what came out of the last call */
	unsigned n_to_client, n_to_peer, n_close_client, n_connect, n_join, n_close_peer;
	uint32_t connection; /* RFC 6062: of the last act that named one */
	uint8_t to_client[2048], to_peer[2048];
	size_t to_client_len, to_peer_len;
	bool is_data;
	struct addr peer;
	enum turn_note note;
	const char *detail;
};

/* A client: its five-tuple and what it has learnt. */
struct client {
	struct world *w;
	const struct stun_dialect *d;
	struct turn_flow flow;
	struct str user;
	uint8_t key[16];
	char nonce[64];
	size_t nonce_len;
	uint8_t id;
	uint8_t connection_id[20];
	uint32_t sequence;
	struct addr relayed;
};

static inline struct addr
at(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, str_of(text)), ED_OK);
	return a;
}

static inline void
world_random(void *p, size_t n)
{
	static uint8_t next;

	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = next++;
}

static inline void
world_init(struct world *w)
{
	*w = (struct world){.now_ms = 10000000, .next_port = 50000};
	w->conf.limits = turn_limits_default;
	w->conf.random = world_random;
	memcpy(w->conf.realm, REALM, sizeof(REALM));
	w->conf.listeners[0] = (struct turn_listener){TURN_LEG_EXTERNAL, at("192.0.2.20:3478")};
	w->conf.listeners[1] = (struct turn_listener){TURN_LEG_INTERNAL, at("10.0.0.10:3478")};
	w->conf.n_listeners = 2;
	w->conf.policy.relay_bind[0] = at("172.16.5.5:0");
	w->conf.policy.relay_public[0] = at("192.0.2.20:0");
	w->conf.policy.relay_bind[1] = w->conf.policy.relay_public[1] = at("[2606:4700::20]:0");
	w->conf.policy.relay_port_min = 50000;
	w->conf.policy.relay_port_max = 59999;
	w->conf.policy.inside_from_internal = true;
	assert_int_equal(addr_net_parse(&w->conf.policy.inside[0], STR("10.0.0.0/8")), ED_OK);
	w->conf.policy.n_inside = 1;
	w->conf.policy.own[0] = at("10.0.0.10:0");
	w->conf.policy.own[1] = at("192.0.2.10:0");
	w->conf.policy.n_own = 2;
	w->key.remaining_s = 8 * 3600;
	w->pool = pkt_pool_new(4096, 4);
	assert_int_equal(turn_server_new(&w->conf, &w->s), ED_OK);
}

static inline void
world_done(struct world *w)
{
	turn_server_free(w->s);
	pkt_pool_free(w->pool);
}

static inline void
world_run(struct world *w)
{
	struct turn_acts acts = w->acts; /* the next call overwrites them */

	if (acts.note) {
		w->note = acts.note;
		w->detail = acts.detail;
	}
	for (uint8_t i = 0; i < acts.n; i++) {
		struct turn_act *act = &acts.v[i];
		struct str b = act->bytes;
		struct addr bound = {.family = act->family, .port = w->next_port};

		switch (act->kind) {
		case TURN_ACT_TO_CLIENT:
			if (act->pkt)
				b = pkt_str(act->pkt);
			else /* the view is into the acts we copied */
				b.p = (const char *)acts.out + (b.p - (const char *)w->acts.out);
			w->n_to_client++;
			memcpy(w->to_client, b.p, b.n);
			w->to_client_len = b.n;
			w->is_data = act->is_data;
			break;
		case TURN_ACT_TO_PEER:
			w->n_to_peer++;
			memcpy(w->to_peer, act->pkt->data, act->pkt->len);
			w->to_peer_len = act->pkt->len;
			w->peer = act->peer;
			break;
		case TURN_ACT_OPEN_RELAY:
			w->n_open += !w->no_ports;
			w->a = act->a;
			if (act->relay)
				bound.port = (uint16_t)(uintptr_t)act->relay;
			if (act->even)
				bound.port = w->next_port += w->next_port % 2;
			if (act->pair && !w->no_pair)
				turn_server_reserved(w->s, act->a,
				    (void *)(uintptr_t)++w->next_port, act->family, w->now_ms);
			turn_server_relay_opened(w->s, act->a, w->no_ports ? NULL : &bound,
			    (void *)(uintptr_t)w->next_port, w->now_ms, &w->acts);
			w->next_port++;
			world_run(w);
			break;
		case TURN_ACT_CLOSE_RELAY:
			w->n_closed++;
			break;
		case TURN_ACT_NEED_KEY:
			w->ticket = act->ticket;
			w->n_asked++;
			if (w->hold_keys)
				break;
			turn_server_key_ready(w->s, act->ticket, &w->key, w->now_ms, &w->acts);
			world_run(w);
			break;
		case TURN_ACT_CLOSE_CLIENT:
			w->n_close_client++;
			break;
		case TURN_ACT_CONNECT:
			w->n_connect++;
			w->connection = act->ticket;
			w->peer = act->peer;
			break;
		case TURN_ACT_JOIN:
			assert_int_equal(w->n_to_client, 1); /* the answer goes first */
			w->n_join++;
			w->connection = act->ticket;
			break;
		case TURN_ACT_CLOSE_PEER:
			w->n_close_peer++;
			w->connection = act->ticket;
			break;
		}
	}
}

static inline void
world_clear(struct world *w)
{
	w->n_to_client = w->n_to_peer = w->n_close_client = 0;
	w->n_connect = w->n_join = w->n_close_peer = 0;
	w->to_client_len = w->to_peer_len = 0;
	w->note = TURN_NOTE_NONE;
	w->detail = "";
}

/* What a stream carries arrives byte by byte: the framers ask for more until the unit is whole, and
 * give exactly what was put in. */
static inline struct str
world_by_bytes(enum turn_frame frame, struct str bytes, uint8_t *stream)
{
	size_t n = 0;
	struct msframe f = {0};

	if (frame != TURN_FRAME_NONE) {
		msframe_header(
		    stream, frame == TURN_FRAME_DATA ? MSFRAME_DATA : MSFRAME_CONTROL, bytes.n);
		n = MSFRAME_HEADER_LEN;
	}
	memcpy(stream + n, bytes.p, bytes.n);
	n += bytes.n;
	for (size_t k = 0; k <= n; k++) {
		struct str part = {(const char *)stream, k};
		int64_t used = frame == TURN_FRAME_NONE ? msframe_next_standard(part, 4096, &f)
							: msframe_next(part, 4096, &f);

		if (k == n && used <= 0 && frame == TURN_FRAME_NONE)
			return bytes; /* no unit at all: the test means it so */
		assert_int_equal(used, k < n ? 0 : (int64_t)n);
	}
	return f.body;
}

static inline void
world_input(struct world *w, const struct turn_flow *flow, enum turn_frame frame, struct str whole)
{
	uint8_t stream[4096 + MSFRAME_HEADER_LEN];
	struct str bytes = flow->transport == TURN_TCP && whole.n <= 4000
			       ? world_by_bytes(frame, whole, stream)
			       : whole;
	struct pkt *p = pkt_get(w->pool);
	struct turn_input in = {.flow = flow, .pkt = p, .frame = frame, .now_ms = w->now_ms};

	assert_non_null(p);
	memcpy(pkt_put(p, (uint32_t)bytes.n), bytes.p, bytes.n);
	world_clear(w);
	turn_server_input(w->s, &in, &w->acts);
	world_run(w);
	pkt_unref(p);
}

static inline void
world_from_peer(struct world *w, struct turn_allocation *a, const char *from, struct str bytes)
{
	struct pkt *p = pkt_get(w->pool);
	struct addr peer = at(from);

	memcpy(pkt_put(p, (uint32_t)bytes.n), bytes.p, bytes.n);
	world_clear(w);
	turn_server_peer_input(w->s, a, &peer, p, w->now_ms, &w->acts);
	world_run(w);
	pkt_unref(p);
}

static inline void
world_pass(struct world *w, uint64_t ms)
{
	w->now_ms += ms;
	world_clear(w);
	while (turn_server_tick(w->s, w->now_ms, &w->acts))
		world_run(w);
}

static inline void
client_init(struct client *c, struct world *w, const struct stun_dialect *d, const char *from)
{
	*c = (struct client){.w = w, .d = d, .user = STR("alice")};
	c->flow.client = at(from);
	assert_int_equal(stun_key(c->user, STR(REALM), STR("secret"), c->key), ED_OK);
	memcpy(w->key.key[0], c->key, 16);
	w->key.n_keys = 1;
}

static inline void
client_start(struct client *c, struct stun_writer *w, uint8_t *buf, unsigned type)
{
	uint8_t id[16] = {0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ++c->id};

	stun_write_start(w, c->d, buf, 2048, (uint16_t)type, id);
}

/* Username, realm, nonce as far as they are known. */
static inline void
client_credentials(struct client *c, struct stun_writer *w)
{
	stun_write_bytes(w, STUN_USERNAME, c->user);
	stun_write_bytes(w, STUN_REALM, STR(REALM));
	stun_write_bytes(w, STUN_NONCE, (struct str){c->nonce, c->nonce_len});
}

static inline void
client_sequence(struct client *c, struct stun_writer *w, uint32_t number)
{
	uint8_t v[24] = {0};

	memcpy(v, c->connection_id, 20);
	v[20] = (uint8_t)(number >> 24);
	v[21] = (uint8_t)(number >> 16);
	v[22] = (uint8_t)(number >> 8);
	v[23] = (uint8_t)number;
	stun_write_bytes(w, STUN_MS_SEQUENCE_NUMBER, (struct str){(char *)v, 24});
}

static inline void
client_frame(struct client *c, enum turn_frame frame, struct str bytes)
{
	world_input(c->w, &c->flow, frame, bytes);
}

static inline void
client_send(struct client *c, struct stun_writer *w, bool sign)
{
	int64_t n;

	if (sign)
		stun_write_integrity(w, (struct str){(char *)c->key, 16});
	n = stun_write_end(w);
	assert_true(n > 0);
	client_frame(c,
	    c->d == MS && c->flow.transport == TURN_TCP ? TURN_FRAME_CONTROL : TURN_FRAME_NONE,
	    (struct str){(char *)w->p, (size_t)n});
}

/* Error code of the last answer; 0: success; -1: there was none. */
static inline int
client_code(struct client *c, struct stun_msg *ret)
{
	if (c->w->n_to_client == 0)
		return -1;
	assert_int_equal(c->w->n_to_client, 1); /* never more than one datagram for one */
	assert_int_equal(
	    stun_msg_parse(ret, c->d, (struct str){(char *)c->w->to_client, c->w->to_client_len}),
	    ED_OK);
	if ((ret->type & 0x0110) == 0x0110)
		return ret->attr[STUN_ERROR_CODE].p[2] * 100 + ret->attr[STUN_ERROR_CODE].p[3];
	return 0;
}

static inline bool
client_signed(struct client *c, const struct stun_msg *m)
{
	return stun_integrity_check(m, (struct str){(char *)c->key, 16}) == ED_OK;
}

static inline void
client_challenge(struct client *c)
{
	uint8_t buf[2048];
	struct stun_writer w;
	struct stun_msg m;

	client_start(c, &w, buf, STUN_ALLOCATE);
	if (c->d == MS)
		stun_write_u32(&w, STUN_MS_VERSION, 1);
	else
		stun_write_u32(&w, STUN_REQUESTED_TRANSPORT, 17u << 24);
	client_send(c, &w, false);
	assert_int_equal(client_code(c, &m), 401);
	c->nonce_len = m.attr[STUN_NONCE].n;
	memcpy(c->nonce, m.attr[STUN_NONCE].p, c->nonce_len);
}

static inline int
client_allocate(struct client *c, struct stun_msg *ret)
{
	uint8_t buf[2048];
	struct stun_writer w;
	int code;

	if (c->nonce_len == 0)
		client_challenge(c);
	client_start(c, &w, buf, STUN_ALLOCATE);
	if (c->d == MS)
		stun_write_u32(&w, STUN_MS_VERSION, 1);
	else
		stun_write_u32(&w, STUN_REQUESTED_TRANSPORT, 17u << 24);
	client_credentials(c, &w);
	client_send(c, &w, true);
	code = client_code(c, ret);
	if (code == 0) {
		assert_int_equal(stun_get_addr(ret, STUN_RELAYED_ADDRESS, &c->relayed), ED_OK);
		if (ret->attr[STUN_MS_SEQUENCE_NUMBER].n == 24)
			memcpy(c->connection_id, ret->attr[STUN_MS_SEQUENCE_NUMBER].p, 20);
	}
	return code;
}

/* One request with a peer address (and more by the type), signed. */
static inline int
client_peer_request(struct client *c, unsigned type, const struct addr *peer, uint16_t channel,
    struct stun_msg *ret)
{
	uint8_t buf[2048];
	struct stun_writer w;

	client_start(c, &w, buf, type);
	if (channel)
		stun_write_u32(&w, STUN_CHANNEL_NUMBER, (uint32_t)channel << 16);
	stun_write_addr(&w, STUN_PEER_ADDRESS, peer);
	if (c->d == MS) {
		stun_write_bytes(&w, STUN_USERNAME, c->user);
		client_sequence(c, &w, ++c->sequence);
	} else {
		client_credentials(c, &w);
	}
	client_send(c, &w, true);
	return client_code(c, ret);
}

/* Send request (MS) or Send indication. */
static inline void
client_send_data(struct client *c, const struct addr *peer, uint32_t sequence, struct str data)
{
	uint8_t buf[2048];
	struct stun_writer w;

	client_start(c, &w, buf, c->d == MS ? STUN_MS_SEND : STUN_SEND_INDICATION);
	if (c->d == MS) {
		stun_write_bytes(&w, STUN_USERNAME, c->user);
		client_sequence(c, &w, sequence);
	}
	stun_write_addr(&w, STUN_PEER_ADDRESS, peer);
	stun_write_bytes(&w, STUN_DATA, data);
	client_send(c, &w, c->d == MS);
}

#endif

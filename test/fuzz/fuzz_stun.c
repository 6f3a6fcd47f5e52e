/* SPDX-License-Identifier: MIT
 *
 * fuzz_stun: a TURN server under a sequence of events: raw datagrams and frames, messages whose
 * attributes are the fuzzer's but whose name, nonce and integrity are right (else nothing behind
 * the signature would ever be reached), datagrams from peers, time, keys that come late or never.
 * Both dialects.
 *
 * Each event: a byte what, a byte of detail, two bytes of length, that many bytes. Besides memory
 * faults it checks: an unauthenticated answer is at most twice its question with headers; nothing
 * leaves to a peer that the policy refuses; one answer at most for one message; the stream framers
 * agree with themselves when cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mac.h"
#include "proto/msframe/frame.h"
#include "proto/msframe/hello.h"
#include "proto/stun/integrity.h"
#include "proto/stun/types.h"
#include "proto/turn/allocation.h"
#include "proto/turn/internal.h"
#include "proto/turn/nonce.h"
#include "proto/turn/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static const uint8_t user_key[16] = "0123456789abcde";

struct world {
	struct turn_server *s;
	struct turn_conf conf;
	struct pkt_pool *pool;
	struct turn_acts acts;
	struct turn_allocation *a[8]; /* by flow */
	struct turn_flow flows[8];
	uint64_t now_ms;
	uint32_t ticket, connection;
	uint16_t port;
	unsigned n_answers;
	size_t asked; /* length of the message under way */
};

static void
fixed_random(void *p, size_t n)
{
	memset(p, 0x5a, n);
}

static unsigned
flow_index(const struct world *w, const struct turn_flow *f)
{
	for (unsigned i = 0; i < 8; i++)
		if (w->flows[i].client.port == f->client.port)
			return i;
	abort();
}

static void
run(struct world *w)
{
	struct turn_acts acts = w->acts;

	must(acts.n <= TURN_ACTS_MAX);
	for (uint8_t i = 0; i < acts.n; i++) {
		const struct turn_act *act = &acts.v[i];
		struct addr bound = {.family = act->family, .port = w->port};

		switch (act->kind) {
		case TURN_ACT_TO_CLIENT:
			w->n_answers++;
			if (!act->pkt && !act->a && act->flow.transport == TURN_UDP && w->asked)
				must(act->bytes.n + 28 <= 2 * (w->asked + 28));
			break;
		case TURN_ACT_TO_PEER: {
			struct addr peer = act->peer;

			turn_peer_from_wire(&w->conf.policy, &peer);
			must(turn_peer_judge(&w->conf.policy,
				 w->conf.listeners[act->a->flow.listener].leg, &peer,
				 true) == TURN_RULE_ALLOWED);
			must(act->pkt->len <= 4096);
			break;
		}
		case TURN_ACT_OPEN_RELAY:
			w->a[flow_index(w, &act->a->flow)] = act->a;
			w->port++;
			if (act->pair && w->port % 5)
				turn_server_reserved(w->s, act->a, (void *)(uintptr_t)++w->port,
				    act->family, w->now_ms);
			turn_server_relay_opened(w->s, act->a, w->port % 7 ? &bound : NULL,
			    (void *)(uintptr_t)w->port, w->now_ms, &w->acts);
			run(w);
			break;
		case TURN_ACT_NEED_KEY:
			w->ticket = act->ticket;
			break;
		case TURN_ACT_CONNECT: {
			struct addr peer = act->peer;

			turn_peer_from_wire(&w->conf.policy, &peer);
			must(turn_peer_judge(&w->conf.policy,
				 w->conf.listeners[act->a->flow.listener].leg, &peer,
				 true) == TURN_RULE_ALLOWED);
			w->connection = act->ticket;
			break;
		}
		case TURN_ACT_JOIN:
		case TURN_ACT_CLOSE_RELAY:
		case TURN_ACT_CLOSE_CLIENT:
		case TURN_ACT_CLOSE_PEER:
			break;
		}
	}
	/* what ended is not ours to name any more */
	for (unsigned i = 0; i < 8; i++)
		w->a[i] = turn_find(w->s, &w->flows[i]);
}

static void
client(struct world *w, uint8_t detail, const uint8_t *p, size_t n)
{
	const struct turn_flow *f = &w->flows[detail & 7];
	struct pkt *pkt = pkt_get(w->pool);
	struct turn_input in = {.flow = f, .pkt = pkt, .now_ms = w->now_ms};

	if (f->transport == TURN_TCP)
		in.frame = (enum turn_frame)(detail >> 6 & 3) % 3;
	memcpy(pkt_put(pkt, (uint32_t)n), p, n);
	w->asked = n;
	w->n_answers = 0;
	turn_server_input(w->s, &in, &w->acts);
	run(w);
	must(w->n_answers <= 1);
	w->asked = 0;
	pkt_unref(pkt);
}

/* First byte: type; the rest: attributes as they are. */
static void
signed_message(struct world *w, uint8_t detail, const uint8_t *p, size_t n)
{
	const struct turn_flow *f = &w->flows[detail & 7];
	const struct stun_dialect *d = detail & 8 ? &stun_dialect_ms : &stun_dialect_standard;
	static const uint16_t types[] = {3, 4, 6, 8, 9, 0x16, 0xa, 0xb};
	uint8_t buf[2048], id[16] = {0x21, 0x12, 0xa4, 0x42};
	char nonce[TURN_NONCE_LEN];
	struct stun_writer sw;
	struct turn_allocation *a = w->a[detail & 7];
	int64_t len;

	if (n < 2 || n > 1200)
		return;
	id[15] = p[1];
	must(turn_nonce_make(w->s->nonce_key, f, w->now_ms, nonce) == ED_OK);
	stun_write_start(&sw, d, buf, sizeof(buf), types[p[0] & 7], id);
	memcpy(buf + sw.n, p + 2, n - 2);
	sw.n += n - 2;
	if (d->padded)
		while (sw.n % 4)
			buf[sw.n++] = 0;
	if (a && a->ms && d == &stun_dialect_ms) {
		uint8_t seq[24] = {0};

		memcpy(seq, a->ms->connection_id, 20);
		seq[22] = p[0];
		seq[23] = p[1];
		stun_write_bytes(&sw, STUN_MS_SEQUENCE_NUMBER, (struct str){(char *)seq, 24});
	}
	stun_write_bytes(&sw, STUN_USERNAME, p[0] & 0x80 ? STR("mallory") : STR("alice"));
	stun_write_bytes(&sw, STUN_REALM, str_of(w->conf.realm));
	stun_write_bytes(&sw, STUN_NONCE, (struct str){nonce, sizeof(nonce)});
	if (types[p[0] & 7] != 0x16)
		stun_write_integrity(&sw, (struct str){(const char *)user_key, 16});
	len = stun_write_end(&sw);
	if (len > 0)
		client(w, (uint8_t)((detail & 7) | 0x40), buf, (size_t)len);
}

static void
peer(struct world *w, uint8_t detail, const uint8_t *p, size_t n)
{
	struct turn_allocation *a = w->a[detail & 7];
	struct addr from = {.family = 4,
	    .port = (uint16_t)(40000 + (detail >> 6)),
	    .ip = {8, 8, 8, (uint8_t)(detail >> 3 & 3)}};
	struct pkt *pkt;

	if (!a)
		return;
	pkt = pkt_get(w->pool);
	memcpy(pkt_put(pkt, (uint32_t)n), p, n);
	turn_server_peer_input(w->s, a, &from, pkt, w->now_ms, &w->acts);
	run(w);
	pkt_unref(pkt);
}

static void
frames(const uint8_t *p, size_t n)
{
	struct str all = {(const char *)p, n};

	(void)msframe_first(all);
	for (int standard = 0; standard < 2; standard++) {
		size_t at = 0;

		while (at < n) {
			struct msframe f = {0}, g = {0};
			struct str left = str_from(all, at);
			int64_t used = standard ? msframe_next_standard(left, 1500, &f)
						: msframe_next(left, 1500, &f);

			if (used <= 0)
				break;
			must((size_t)used <= left.n && f.body.n <= (size_t)used);
			/* one byte less asks for more */
			must((standard ? msframe_next_standard(
					     str_first(left, (size_t)used - 1), 1500, &g)
				       : msframe_next(
					     str_first(left, (size_t)used - 1), 1500, &g)) == 0);
			at += (size_t)used;
		}
	}
}

/* RFC 6062: what the room tells of connections with peers. */
static void
connection(struct world *w, uint8_t detail)
{
	struct turn_allocation *a = w->a[detail & 7];
	struct addr from = {.family = 4, .port = 40000, .ip = {8, 8, 8, 8}};
	const char *tell;

	switch (detail >> 3 & 3) {
	case 0:
	case 1:
		turn_server_connected(w->s, w->connection, detail >> 3 & 1, w->now_ms, &w->acts);
		run(w);
		break;
	case 2:
		if (!a || a->ms || a->transport != TURN_TCP)
			return;
		w->connection = turn_server_attempt(w->s, a, &from, w->now_ms, &w->acts);
		run(w);
		break;
	default:
		turn_server_carried(w->s, w->connection, detail >> 5 & 1, 100, w->now_ms);
		if (a)
			must(turn_server_stream_wait(w->s, a, w->now_ms, &tell) <= 1000);
		turn_server_connection_closed(w->s, w->connection);
	}
}

static void
event(struct world *w, uint8_t what, uint8_t detail, const uint8_t *p, size_t n)
{
	struct turn_key key = {.n_keys = 1, .remaining_s = 3600};

	switch (what % 7) {
	case 0:
		client(w, detail, p, n);
		break;
	case 1:
	case 2:
		signed_message(w, detail, p, n);
		break;
	case 3:
		peer(w, detail, p, n);
		break;
	case 4:
		w->now_ms += (uint64_t)detail * 5000;
		while (turn_server_tick(w->s, w->now_ms, &w->acts))
			run(w);
		run(w);
		break;
	case 5:
		memcpy(key.key[0], user_key, 16);
		key.verdict = detail < 200   ? ED_OK
			      : detail < 220 ? ED_DENIED
			      : detail < 240 ? ED_GONE
					     : ED_SYS;
		turn_server_key_ready(w->s, w->ticket, &key, w->now_ms, &w->acts);
		run(w);
		break;
	default:
		if (detail < 0x80)
			frames(p, n);
		else
			connection(w, detail);
	}
}

static void
setup(struct world *w)
{
	*w = (struct world){.now_ms = 10000000, .port = 50000};
	w->conf = (struct turn_conf){.realm = "edge.example.com",
	    .n_listeners = 2,
	    .random = fixed_random,
	    .tcp_allocations = true};
	w->conf.limits = turn_limits_default;
	w->conf.limits.challenge.per_s = w->conf.limits.binding.per_s = 0;
	w->conf.limits.integrity.per_s = 0;
	w->conf.listeners[1].leg = TURN_LEG_INTERNAL;
	must(addr_parse(&w->conf.policy.relay_bind[0], STR("172.16.5.5:0")) == ED_OK);
	must(addr_parse(&w->conf.policy.relay_public[0], STR("192.0.2.20:0")) == ED_OK);
	w->conf.policy.relay_port_min = 50000;
	w->conf.policy.relay_port_max = 59999;
	for (unsigned i = 0; i < 8; i++) {
		w->flows[i].client =
		    (struct addr){.family = 4, .port = (uint16_t)(1000 + i), .ip = {9, 9, 9, 9}};
		w->flows[i].listener = i & 1;
		w->flows[i].transport = i >= 4 ? TURN_TCP : TURN_UDP;
		w->flows[i].conn = i >= 4 ? i : 0;
	}
	w->pool = pkt_pool_new(4096, 4);
	must(w->pool && turn_server_new(&w->conf, &w->s) == ED_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;

	if (digest_setup() < 0 || mac_setup() < 0)
		return 0;
	setup(&w);
	while (size >= 4) {
		size_t n = ((size_t)data[2] << 8 | data[3]) & 0xfff;

		if (n > size - 4)
			n = size - 4;
		event(&w, data[0], data[1], data + 4, n);
		data += 4 + n;
		size -= 4 + n;
	}
	turn_server_free(w.s);
	pkt_pool_free(w.pool);
	return 0;
}

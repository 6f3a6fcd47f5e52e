/* SPDX-License-Identifier: MIT
 *
 * avedge/client.c: clients over TCP and TLS: what their first bytes are, the hello that looks like
 * TLS, frames of the MS dialect or plain messages, and the end.
 *
 * Spec: ms-turn 1.3 to 1.7, 5.9, 7.7; RFC 8656 12.5.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "avedge/internal.h"
#include "avedge/wire.h"
#include "conf/conf.h"
#include "net/admit.h"
#include "proto/msframe/frame.h"
#include "proto/msframe/hello.h"
#include "proto/turn/allocation.h"
#include "svc/log.h"

#define FRAME_MAX        (65535u + MSFRAME_HEADER_LEN)
#define FRAME_MAX_EARLY  1500u /* before an allocation: strangers must not make us hold 64 KiB */
#define BIG_PACKETS      16u
#define FIRST_BYTES_MS   10000u
#define NO_ALLOCATION_MS 30000u
#define WITHOUT_MAX      2000u
#define PER_ADDRESS_MORE 300u /* that try, beside those that may have an allocation */
#define OUTPUT_MAX       (512u * 1024u)
#define OUTPUT_PAUSE     (128u * 1024u) /* peers' streams wait beyond */

enum mode { MODE_FIRST, MODE_FRAMES, MODE_STANDARD, MODE_RAW };

struct client {
	struct list link; /* avedge.clients, oldest first */
	struct avedge *av;
	struct wire *wire;
	struct loop_task bury;
	struct turn_flow flow;
	struct av_relay *relay; /* MS over TCP: whose peers wait for our output */
	struct joint *joint;    /* MODE_RAW */
	uint64_t since_ms;
	uint8_t mode;
	uint32_t n_waits; /* peers that do not take what it sends */
	bool throttled;
	bool has_allocation, spoke, dying;
};

int
client_pools_new(struct avedge *av)
{
	const struct admit_limits lim = {.total = UINT32_MAX,
	    .per_address = svc_conf(av->svc)->av.limits.allocations_per_address + PER_ADDRESS_MORE,
	    .half_open = UINT32_MAX};

	av->big = pkt_pool_new(FRAME_MAX, BIG_PACKETS);
	av->admit = admit_new(&lim, svc_hash_key(av->svc));
	return av->big && av->admit ? ED_OK : ED_NOMEM;
}

void
client_pools_free(struct avedge *av)
{
	free(av->by_number);
	admit_free(av->admit);
	pkt_pool_free(av->big);
}

/* ---- numbers ---- */

static struct client *
find(struct avedge *av, uint32_t conn)
{
	return conn && conn <= av->room_clients ? av->by_number[conn - 1] : NULL;
}

static bool
number(struct avedge *av, struct client *c)
{
	uint32_t i = 0;

	if (av->n_clients == av->room_clients) {
		uint32_t room = av->room_clients ? av->room_clients * 2 : 64;
		struct client **v = realloc(av->by_number, room * sizeof(v[0]));

		if (!v)
			return false;
		memset(v + av->room_clients, 0, (room - av->room_clients) * sizeof(v[0]));
		i = av->room_clients;
		av->by_number = v;
		av->room_clients = room;
	}
	/* From a moving place on, so that a number rests before it comes again. */
	for (i = av->next_client;; i++) {
		i %= av->room_clients;
		if (!av->by_number[i])
			break;
	}
	av->next_client = i + 1;
	av->by_number[i] = c;
	av->n_clients++;
	c->flow.conn = i + 1;
	return true;
}

/* ---- the end ---- */

/* At the end of the round: nobody on the stack holds the client any more. */
static void
bury(struct loop_task *t)
{
	struct client *c = LIST_OF(t, struct client, bury);
	struct avedge *av = c->av;

	if (c->joint)
		joint_client_gone(c->joint);
	turn_server_flow_closed(av->server, &c->flow, loop_now_ms(av->loop), &av->acts);
	egress_run(av);
	wire_finish(c->wire);
	admit_drop(av->admit, &c->flow.client, true);
	av->by_number[c->flow.conn - 1] = NULL;
	av->n_clients--;
	av->n_without -= !c->has_allocation;
	list_remove(&c->link);
	free(c);
}

static void
end(struct client *c)
{
	if (c->dying)
		return;
	c->dying = true;
	loop_defer(c->av->loop, &c->bury);
}

void
client_close(struct avedge *av, uint32_t conn)
{
	struct client *c = find(av, conn);

	if (c)
		end(c);
}

void
client_close_all(struct avedge *av)
{
	while (!list_is_empty(&av->clients)) {
		struct client *c = LIST_OF(av->clients.next, struct client, link);

		loop_defer_cancel(&c->bury);
		bury(&c->bury);
	}
}

void
client_tick(struct avedge *av, uint64_t now_ms)
{
	LIST_EACH(it, &av->clients)
	{
		struct client *c = LIST_OF(it, struct client, link);
		uint64_t age = now_ms - c->since_ms;

		if (age <= FIRST_BYTES_MS)
			break; /* younger ones follow */
		if (!c->has_allocation && (age > NO_ALLOCATION_MS || !c->spoke))
			end(c);
	}
}

/* ---- out ---- */

void
client_send(struct avedge *av, uint32_t conn, struct str bytes, bool is_data)
{
	struct client *c = find(av, conn);
	uint8_t head[MSFRAME_HEADER_LEN];
	struct str h = {(const char *)head, 0};

	if (!c || c->dying)
		return;
	if (c->mode == MODE_FRAMES) {
		msframe_header(head, is_data ? MSFRAME_DATA : MSFRAME_CONTROL, bytes.n);
		h.n = sizeof(head);
	}
	if (wire_send(c->wire, h, bytes) < 0) {
		/* Datagrams are lost, as on a wire; a stream's bytes must not be. */
		if (c->mode == MODE_FRAMES)
			end(c);
		else
			av->stream_dropped++;
	}
}

bool
client_is_full(struct avedge *av, uint32_t conn, struct av_relay *r)
{
	struct client *c = find(av, conn);

	if (!c || c->dying || wire_pending(c->wire) < OUTPUT_PAUSE)
		return false;
	c->relay = r;
	return true;
}

void
client_pause(struct avedge *av, uint32_t conn, bool pause)
{
	struct client *c = find(av, conn);

	if (!c || c->dying)
		return;
	if (pause)
		c->n_waits++;
	else if (c->n_waits) /* else it was another connection that such a peer held up */
		c->n_waits--;
	wire_pause(c->wire, c->n_waits || c->throttled);
}

void
client_throttle(struct avedge *av, uint32_t conn, bool on)
{
	struct client *c = find(av, conn);

	if (!c || c->dying)
		return;
	c->throttled = on;
	wire_pause(c->wire, c->n_waits || c->throttled);
}

void
client_forget_relay(struct avedge *av, uint32_t conn)
{
	struct client *c = find(av, conn);

	if (c)
		c->relay = NULL;
}

static void
on_drained(void *arg)
{
	struct client *c = arg;

	if (c->relay)
		peer_resume(c->relay);
	if (c->joint)
		joint_client_drained(c->joint);
}

bool
client_join(struct avedge *av, uint32_t conn, struct joint *j)
{
	struct client *c = find(av, conn);

	if (!c || (j && c->dying))
		return false;
	c->joint = j;
	c->mode = MODE_RAW;
	client_has_allocation(av, conn);
	return true;
}

bool
client_send_raw(struct avedge *av, uint32_t conn, struct str bytes, bool *ret_full)
{
	struct client *c = find(av, conn);

	if (!c || c->dying || wire_send(c->wire, STR_NONE, bytes) < 0)
		return false;
	*ret_full = wire_pending(c->wire) >= OUTPUT_PAUSE;
	return true;
}

/* ---- in ---- */

void
client_has_allocation(struct avedge *av, uint32_t conn)
{
	struct client *c = find(av, conn);

	if (!c || c->has_allocation)
		return;
	c->has_allocation = true;
	av->n_without--;
}

static bool
hello(struct client *c)
{
	uint8_t random[MSFRAME_HELLO_RANDOM_LEN], answer[MSFRAME_SERVER_HELLO_LEN];

	svc_random(random, sizeof(random));
	msframe_server_hello(answer, (uint32_t)time(NULL), random);
	return wire_send(c->wire, STR_NONE, (struct str){(const char *)answer, sizeof(answer)}) ==
	       ED_OK;
}

/* Bytes used by what stands first; 0: more are wanted; < 0: the connection is refused. */
static ptrdiff_t
first(struct client *c, struct str bytes)
{
	enum msframe_first what = msframe_first(bytes);

	/* Whoever can do TLS speaks RFC 8656 in it; the Lync dialect has its own look of TLS. */
	if (wire_is_tls(c->wire) && what != MSFRAME_FIRST_STANDARD && what != MSFRAME_FIRST_MORE)
		what = MSFRAME_FIRST_CLOSE;
	switch (what) {
	case MSFRAME_FIRST_MORE:
		return 0;
	case MSFRAME_FIRST_HELLO:
		c->mode = MODE_FRAMES;
		return hello(c) ? (ptrdiff_t)MSFRAME_CLIENT_HELLO_LEN : ED_NOMEM;
	case MSFRAME_FIRST_FRAMES:
		c->mode = MODE_FRAMES;
		return 0;
	case MSFRAME_FIRST_STANDARD:
		c->mode = MODE_STANDARD;
		return 0;
	default:
		log_info(AREA_TURN, "", "client_refused", "why=%s",
		    what == MSFRAME_FIRST_TLS      ? "tls_not_offered"
		    : what == MSFRAME_FIRST_GOOGLE ? "google_hello"
						   : "not_turn");
		return ED_DENIED;
	}
}

static void
one_unit(struct client *c, const struct msframe *f)
{
	struct avedge *av = c->av;
	struct pkt_pool *pool =
	    f->body.n <= pkt_pool_content(udp_pool(av->udp)) ? udp_pool(av->udp) : av->big;
	struct pkt *p = pkt_get(pool);
	struct turn_input in = {.flow = &c->flow,
	    .pkt = p,
	    .frame = f->kind == MSFRAME_CONTROL ? TURN_FRAME_CONTROL
		     : f->kind == MSFRAME_DATA  ? TURN_FRAME_DATA
						: TURN_FRAME_NONE,
	    .now_ms = loop_now_ms(av->loop)};
	uint8_t *at = p ? pkt_put(p, (uint32_t)f->body.n) : NULL;

	if (!at) { /* a datagram may be lost; a stream's piece may not */
		pkt_unref(p);
		if (c->mode == MODE_FRAMES)
			end(c);
		return;
	}
	if (f->body.n)
		memcpy(at, f->body.p, f->body.n);
	turn_server_input(av->server, &in, &av->acts);
	egress_run(av);
	pkt_unref(p);
}

static ptrdiff_t
on_bytes(void *arg, struct str bytes)
{
	struct client *c = arg;
	size_t used = 0;

	c->spoke = true;
	while (!c->dying && used < bytes.n) {
		struct str left = str_from(bytes, used);
		size_t max = c->has_allocation ? FRAME_MAX : FRAME_MAX_EARLY;
		struct msframe f;
		int64_t n;

		if (c->mode == MODE_FIRST) {
			n = first(c, left);
			if (n == 0 && c->mode != MODE_FIRST)
				continue;
		} else if (c->mode == MODE_RAW) {
			n = c->joint && joint_from_client(c->joint, left) ? (int64_t)left.n
									  : ED_GONE;
		} else {
			n = c->mode == MODE_FRAMES ? msframe_next(left, max, &f)
						   : msframe_next_standard(left, max, &f);
			if (n > 0)
				one_unit(c, &f);
		}
		if (n < 0)
			end(c);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	return c->dying ? (ptrdiff_t)bytes.n : (ptrdiff_t)used;
}

static void
on_down(void *arg, const char *why)
{
	struct client *c = arg;
	char from[ADDR_STR_LEN];

	log_debug(AREA_TURN, "", "client_ended", "client=%s why=%s",
	    addr_str(&c->flow.client, from), why);
	end(c);
}

static void
make_room(struct avedge *av)
{
	LIST_EACH(it, &av->clients)
	{
		struct client *c = LIST_OF(it, struct client, link);

		if (c->has_allocation || c->dying)
			continue;
		end(c);
		return;
	}
}

void
client_on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	static const struct wire_ops ops = {
	    .on_bytes = on_bytes, .on_drained = on_drained, .on_down = on_down};
	struct av_listener *l = arg;
	struct avedge *av = l->av;
	struct wire_conf conf = {.tls = l->tls == AV_TLS_NEVER ? NULL : av->tls,
	    .tls_only = l->tls == AV_TLS_ONLY,
	    .input = FRAME_MAX,
	    .output = OUTPUT_MAX};
	struct client *c;

	if (av->draining || (l->tls == AV_TLS_ONLY && !av->tls) ||
	    admit_take(av->admit, peer, loop_now_ms(av->loop)) != ADMIT_OK) {
		close(fd);
		return;
	}
	if (av->n_without >= WITHOUT_MAX)
		make_room(av);
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		goto fail;
	}
	c->av = av;
	c->bury.run = bury;
	c->since_ms = loop_now_ms(av->loop);
	c->flow = (struct turn_flow){.client = *peer, .listener = l->index, .transport = TURN_TCP};
	c->wire = wire_accept(av->loop, fd, peer, local, &conf, &ops, c);
	if (!c->wire)
		goto fail;
	if (!number(av, c))
		goto fail;
	admit_up(av->admit, peer);
	av->n_without++;
	list_push_back(&av->clients, &c->link);
	return;
fail:
	if (c)
		wire_finish(c->wire);
	free(c);
	admit_drop(av->admit, peer, false);
}

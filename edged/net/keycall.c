/* SPDX-License-Identifier: MIT
 *
 * net/keycall.c: the channel to keyd and the calls under way on it.
 *
 * A call lies on the stack of who made it: inside an async job that is the job's own stack, which
 * lives until the call is done, because whoever drops a handshake first lets its job run out
 * (keycall_abandon). The table maps numbers to calls; an answer to an unknown number is late and is
 * dropped.
 */
#include "net/keycall.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/async.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/wipe.h"
#include "net/ipc.h"
#include "net/keycall_in.h"
#include "net/keyproto.h"
#include "net/loop.h"

/* More handshakes than this wait for a job instead of a signature; each job has a stack of 32 KB.
 */
#define JOBS_MAX        128
#define ANSWERS_A_ROUND 64
#define ANSWER_ROOM     (KEYPROTO_RESULT_MAX + 64u)

static const char why_gone[] = "key daemon is gone";
static const char why_late[] = "key daemon did not answer in time";
static const char why_full[] = "key daemon is overloaded";
static const char why_no[] = "key daemon refused the signature";
static const char why_dropped[] = "handshake was given up";

struct keycall {
	struct loop *loop;
	int fd; /* -1: keyd is away */
	struct event *ev;
	struct hash_table calls;
	uint32_t next;
	uint32_t deadline_ms;
	bool closing; /* nobody is told any more */
};

struct keycall_call {
	struct hash_node node; /* hash: the number, which is ours */
	struct keycall *k;
	struct keycall_wait *wait; /* NULL: somebody blocks */
	struct timer deadline;
	bool done;
	int err;
	size_t n;
	/* The call lies on the heap and nobody waits in place: told the end, frees it. */
	void (*finish)(struct keycall_call *call);
	uint8_t result[KEYPROTO_RESULT_MAX];
};

static struct keycall_wait *entered;

void
keycall_enter(struct keycall_wait *w)
{
	entered = w;
}

void
keycall_leave(void)
{
	entered = NULL;
}

static void
call_done(struct keycall_call *call, int err, const char *why)
{
	struct keycall_wait *w = call->wait;

	hash_remove(&call->k->calls, &call->node);
	timer_cancel(&call->deadline);
	call->done = true;
	call->err = err;
	if (call->finish) {
		call->finish(call);
		return;
	}
	if (!w)
		return;
	w->call = NULL;
	w->why = why;
	call->wait = NULL;
	w->wake(w);
}

static void
on_deadline(struct timer *t, uint64_t now_ms)
{
	call_done(LIST_OF(t, struct keycall_call, deadline), ED_GONE, why_late);
}

void
keycall_abandon(struct keycall_wait *w)
{
	struct keycall_call *call = w->call;

	if (!call)
		return;
	call->wait = NULL;
	w->call = NULL;
	w->why = why_dropped;
	call_done(call, ED_GONE, why_dropped);
}

static void
channel_lost(struct keycall *k)
{
	if (k->ev)
		event_free(k->ev);
	k->ev = NULL;
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	for (size_t i = 0; i < k->calls.n_buckets; i++)
		while (k->calls.buckets[i])
			call_done(LIST_OF(k->calls.buckets[i], struct keycall_call, node), ED_GONE,
			    why_gone);
}

static void
take_answer(struct keycall *k, uint32_t number, uint8_t verdict, struct str result)
{
	struct hash_node *node = hash_first(&k->calls, number);
	struct keycall_call *call;

	if (!node)
		return;
	call = LIST_OF(node, struct keycall_call, node);
	if (verdict != KEYPROTO_OK || result.n > sizeof(call->result)) {
		call_done(call, ED_DENIED, why_no);
		return;
	}
	if (result.n)
		memcpy(call->result, result.p, result.n);
	call->n = result.n;
	call_done(call, ED_OK, NULL);
}

/* ED_OK, ED_STATE (nothing there), or the channel is lost. */
static int
read_answers(struct keycall *k)
{
	uint8_t buf[ANSWER_ROOM];
	struct ipc_reader r = {0};
	size_t n;
	int err = ipc_recv(k->fd, buf, sizeof(buf), &n, NULL, 0, NULL);

	if (err == ED_OK)
		r.left = (struct str){(const char *)buf, n};
	while (err == ED_OK && r.left.n) {
		uint32_t number = ipc_get_u32(&r);
		uint8_t verdict = ipc_get_u8(&r);
		struct str result = ipc_get_str(&r);

		if (r.err < 0)
			err = r.err; /* not the keyd we know */
		else
			take_answer(k, number, verdict, result);
	}
	wipe(buf, sizeof(buf));
	if (err < 0 && err != ED_STATE)
		channel_lost(k);
	return err;
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct keycall *k = arg;

	for (int i = 0; i < ANSWERS_A_ROUND && k->fd >= 0; i++)
		if (read_answers(k) < 0)
			return;
}

static int
bind_channel(struct keycall *k, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	k->fd = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return ED_SYS;
	k->ev = event_new(loop_base(k->loop), fd, EV_READ | EV_PERSIST, on_ready, k);
	if (!k->ev || event_add(k->ev, NULL) < 0)
		return ED_SYS;
	return ED_OK;
}

struct keycall *
keycall_new(struct loop *l, int fd)
{
	static bool jobs_ready;
	struct keycall *k = calloc(1, sizeof(*k));

	if (!k) {
		close(fd);
		return NULL;
	}
	k->loop = l;
	k->fd = fd;
	k->deadline_ms = KEYCALL_DEADLINE_MS;
	if (hash_init(&k->calls, 64) < 0 || keyprov_setup() < 0 || bind_channel(k, fd) < 0)
		return keycall_free(k);
	if (!jobs_ready) /* a second pool would only replace, and lose, the first */
		jobs_ready = ASYNC_init_thread(JOBS_MAX, 0) == 1;
	return k;
}

void
keycall_set_deadline(struct keycall *k, uint32_t ms)
{
	k->deadline_ms = ms;
}

struct keycall *
keycall_free(struct keycall *k)
{
	if (!k)
		return NULL;
	k->closing = true;
	channel_lost(k);
	hash_done(&k->calls);
	free(k);
	return NULL;
}

void
keycall_rebind(struct keycall *k, int fd)
{
	channel_lost(k);
	if (bind_channel(k, fd) < 0)
		channel_lost(k);
}

/* The request whose fields stand in w behind room for number and operation. */
struct request {
	struct ipc_writer w;
	uint8_t buf[KEYPROTO_REQUEST_MAX];
};

static void
request_begin(struct request *q, struct keycall *k, enum keyd_op op, uint32_t *ret_number)
{
	q->w = (struct ipc_writer){.p = q->buf, .room = sizeof(q->buf)};
	*ret_number = ++k->next;
	ipc_put_u32(&q->w, *ret_number);
	ipc_put_u8(&q->w, (uint8_t)op);
}

static const char *
send_request(struct keycall *k, const struct request *q)
{
	int r;

	if (k->fd < 0)
		return why_gone;
	r = ipc_send(k->fd, (struct str){(const char *)q->buf, q->w.n}, NULL, 0);
	if (r == ED_OK)
		return NULL;
	if (r == ED_STATE)
		return why_full;
	channel_lost(k);
	return why_gone;
}

static uint64_t
real_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts); /* the loop's clock stands still while we block */
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Outside of a job: other answers that come meanwhile only wake their handshakes. */
static void
block(struct keycall_call *call)
{
	uint64_t end = real_now_ms() + call->k->deadline_ms;

	while (!call->done) {
		struct pollfd p = {.fd = call->k->fd, .events = POLLIN};
		uint64_t now = real_now_ms();

		if (now >= end) {
			call_done(call, ED_GONE, why_late);
			return;
		}
		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR) {
			call_done(call, ED_SYS, why_gone);
			return;
		}
		while (!call->done && read_answers(call->k) == ED_OK)
			;
	}
}

static void
run(struct keycall *k, const struct request *q, uint32_t number, struct keycall_call *call)
{
	struct keycall_wait *w = ASYNC_get_current_job() ? entered : NULL;
	const char *why;

	call->k = k;
	call->done = false;
	call->finish = NULL;
	call->err = ED_GONE;
	call->wait = w;
	call->n = 0;
	timer_init(&call->deadline, on_deadline);
	why = q->w.err < 0 ? why_no : send_request(k, q);
	if (why) {
		if (w)
			w->why = why;
		return;
	}
	hash_insert(&k->calls, &call->node, number);
	if (!w) {
		block(call);
		return;
	}
	w->call = call;
	w->why = NULL;
	timer_set(k->loop, &call->deadline, loop_now_ms(k->loop) + k->deadline_ms);
	while (!call->done)
		ASYNC_pause_job();
}

int
keycall_sign(struct keycall *k, uint16_t slot, uint8_t alg, struct str digest, uint8_t *ret,
    size_t room, size_t *ret_n)
{
	struct keycall_call call;
	struct request q;
	uint32_t number;

	request_begin(&q, k, KEYD_OP_SIGN, &number);
	ipc_put_u16(&q.w, slot);
	ipc_put_u8(&q.w, alg);
	ipc_put_str(&q.w, digest);
	run(k, &q, number, &call);
	if (call.err < 0)
		return call.err;
	if (call.n > room)
		return ED_LIMIT;
	memcpy(ret, call.result, call.n);
	*ret_n = call.n;
	return ED_OK;
}

int
keycall_day_keys(struct keycall *k, uint32_t first_day, uint8_t n, struct keycall_day_key *ret)
{
	struct keycall_call call;
	struct request q;
	uint32_t number;
	int r;

	if (n > KEYPROTO_DAYS_MAX)
		return ED_LIMIT;
	request_begin(&q, k, KEYD_OP_DAY_KEYS, &number);
	ipc_put_u32(&q.w, first_day);
	ipc_put_u8(&q.w, n);
	run(k, &q, number, &call);
	r = call.err;
	if (r == ED_OK && call.n != n * KEYPROTO_DAY_KEY_LEN)
		r = ED_MALFORMED;
	for (uint8_t i = 0; r == ED_OK && i < n; i++) {
		ret[i].day = (uint16_t)(first_day + i);
		memcpy(ret[i].sign, call.result + i * KEYPROTO_DAY_KEY_LEN, 32);
		memcpy(ret[i].seal, call.result + i * KEYPROTO_DAY_KEY_LEN + 32, 32);
	}
	wipe(call.result, sizeof(call.result));
	return r;
}

int
keycall_ticket_keys(struct keycall *k, uint32_t period, uint8_t ret[3][48])
{
	struct keycall_call call;
	struct request q;
	uint32_t number;
	int r;

	request_begin(&q, k, KEYD_OP_TICKET_KEYS, &number);
	ipc_put_u32(&q.w, period);
	run(k, &q, number, &call);
	r = call.err;
	if (r == ED_OK && call.n != 3 * 48)
		r = ED_MALFORMED;
	if (r == ED_OK)
		memcpy(ret, call.result, 3 * 48);
	wipe(call.result, sizeof(call.result));
	return r;
}

/* ---- calls that nobody blocks for ---- */

struct relay_call {
	struct keycall_call call;
	uint32_t tag;
	keycall_turn_cb *on_turn; /* one of the two */
	keycall_token_cb *on_token;
	void *arg;
};

static bool
get_fixed(struct ipc_reader *r, uint8_t *ret, size_t n)
{
	struct str s = ipc_get_str(r);

	if (s.n != n)
		return false;
	memcpy(ret, s.p, n);
	return true;
}

static bool
read_turn(struct str result, struct keycall_turn *ret)
{
	struct ipc_reader r = {.left = result};
	uint8_t outcome = ipc_get_u8(&r);

	ret->verdict = outcome == KEYPROTO_NAME_GOOD      ? ED_OK
		       : outcome == KEYPROTO_NAME_EXPIRED ? ED_GONE
							  : ED_DENIED;
	if (outcome != KEYPROTO_NAME_GOOD)
		return ipc_get_end(&r) == ED_OK;
	ret->remaining_s = ipc_get_u64(&r);
	if (!get_fixed(&r, ret->user, sizeof(ret->user)))
		return false;
	ret->n_keys = ipc_get_u8(&r);
	if (ret->n_keys == 0 || ret->n_keys > KEYCALL_TURN_KEYS)
		return false;
	for (uint8_t i = 0; i < ret->n_keys; i++)
		if (!get_fixed(&r, ret->key[i], sizeof(ret->key[i])))
			return false;
	return ipc_get_end(&r) == ED_OK;
}

static bool
read_token(struct str result, struct keycall_token *ret)
{
	struct ipc_reader r = {.left = result};

	ret->verdict = ipc_get_u8(&r) == 0 ? ED_OK : ED_UNSUPPORTED;
	if (ret->verdict < 0)
		return ipc_get_end(&r) == ED_OK;
	ret->duration_min = ipc_get_u32(&r);
	return get_fixed(&r, ret->username, sizeof(ret->username)) &&
	       get_fixed(&r, ret->password, sizeof(ret->password)) && ipc_get_end(&r) == ED_OK;
}

static void
relay_finish(struct keycall_call *call)
{
	struct relay_call *c = LIST_OF(call, struct relay_call, call);
	struct str result = {(const char *)call->result, call->n};
	union {
		struct keycall_turn turn;
		struct keycall_token token;
	} answer = {0};
	bool good = call->err == ED_OK;

	if (call->k->closing)
		; /* the room that asked may be gone */
	else if (c->on_turn)
		c->on_turn(
		    c->arg, c->tag, good && read_turn(result, &answer.turn) ? &answer.turn : NULL);
	else
		c->on_token(c->arg, c->tag,
		    good && read_token(result, &answer.token) ? &answer.token : NULL);
	wipe(&answer, sizeof(answer));
	wipe(call->result, sizeof(call->result));
	free(c);
}

static int
relay_start(
    struct keycall *k, const struct request *q, uint32_t number, const struct relay_call *proto)
{
	struct relay_call *c;

	if (q->w.err < 0)
		return q->w.err;
	c = malloc(sizeof(*c));
	if (!c)
		return ED_NOMEM;
	*c = *proto;
	c->call.k = k;
	c->call.finish = relay_finish;
	timer_init(&c->call.deadline, on_deadline);
	if (send_request(k, q)) {
		free(c);
		return ED_GONE;
	}
	hash_insert(&k->calls, &c->call.node, number);
	timer_set(k->loop, &c->call.deadline, loop_now_ms(k->loop) + k->deadline_ms);
	return ED_OK;
}

int
keycall_turn_key(
    struct keycall *k, struct str username, uint32_t tag, keycall_turn_cb *cb, void *arg)
{
	struct relay_call c = {.tag = tag, .on_turn = cb, .arg = arg};
	struct request q;
	uint32_t number;

	request_begin(&q, k, KEYD_OP_TURN_KEY, &number);
	ipc_put_str(&q.w, username);
	return relay_start(k, &q, number, &c);
}

int
keycall_issue_token(struct keycall *k, struct str identity, uint32_t duration_min, uint8_t flags,
    uint32_t tag, keycall_token_cb *cb, void *arg)
{
	struct relay_call c = {.tag = tag, .on_token = cb, .arg = arg};
	struct request q;
	uint32_t number;

	request_begin(&q, k, KEYD_OP_ISSUE_TOKEN, &number);
	ipc_put_str(&q.w, identity);
	ipc_put_u32(&q.w, duration_min);
	ipc_put_u8(&q.w, flags);
	return relay_start(k, &q, number, &c);
}

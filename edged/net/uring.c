/* SPDX-License-Identifier: MIT
 *
 * net/uring.c: see uring.h.
 *
 * With IORING_SETUP_DEFER_TASKRUN nothing completes, and the ring's descriptor does not become
 * readable, until we enter the kernel; what is told is an eventfd, when there is work. That is the
 * one event libevent sees for all datagram sockets. It is edge-triggered and never read, and is
 * silent from the moment it has woken us until a round ends with nothing left to do.
 *
 * Sends carry MSG_DONTWAIT: the kernel does them while it takes the submission, so when
 * uring_submit returns their packets are free again; only a failure leaves a completion.
 */
#include "net/uring.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/udp_in.h"

#define SQ_ENTRIES 1024u
#define CQ_ENTRIES 16384u
#define BUFFERS                                                                                    \
	128u /* a power of two; few, since the kernel takes them in turn: all stay in cache */
#define GROUP        1
#define ROUND_MAX    1024u /* completions handled before others have their turn */
#define SUBMIT_TRIES 64
#define NAME_LEN     sizeof(struct sockaddr_in6)
#define CONTROL_LEN  CMSG_SPACE(sizeof(int))
#define HEAD_LEN     (sizeof(struct io_uring_recvmsg_out) + NAME_LEN + CONTROL_LEN)

enum tag { TAG_RECEIVE, TAG_SEND, TAG_CANCEL };

/* A socket's place; kept after the socket is gone until the kernel's last word about it. */
struct uring_slot {
	struct uring *r;
	struct udp_socket *s; /* NULL: closed */
	struct list rearm;
	bool armed;
};

struct uring {
	struct udp *u;
	struct io_uring ring;
	struct event event;
	struct io_uring_buf_ring *buffers;
	struct pkt_pool *pool;
	struct pkt *pkt[BUFFERS]; /* in the kernel's hands; NULL: none was to be had */
	uint16_t missing[BUFFERS];
	unsigned n_missing, n_fresh;
	struct list rearm;
	struct loop_task again;
	struct msghdr shape; /* of what is received */
	int event_fd;
	bool is_init, has_event;
};

/* Low bits of a pointer to a slot say what completed. */
static uint64_t
tagged(const struct uring_slot *slot, enum tag tag)
{
	return (uint64_t)(uintptr_t)slot | (uint64_t)tag;
}

/* ---- setting up ---- */

static int
ring_register(struct uring *r, unsigned op, const void *arg, unsigned n)
{
	/* liburing 2.3's shared library does not export these two. */
	return (int)syscall(__NR_io_uring_register, r->ring.ring_fd, op, arg, n);
}

static int
restrict_ring(struct uring *r)
{
	struct io_uring_restriction v[5];

	memset(v, 0, sizeof(v));
	v[0].opcode = v[1].opcode = v[2].opcode = IORING_RESTRICTION_SQE_OP;
	v[0].sqe_op = IORING_OP_RECVMSG;
	v[1].sqe_op = IORING_OP_SENDMSG;
	v[2].sqe_op = IORING_OP_ASYNC_CANCEL;
	v[3].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	v[3].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
	return ring_register(r, IORING_REGISTER_RESTRICTIONS, v, 4);
}

static void
give_buffer(struct uring *r, uint16_t id)
{
	struct pkt *p = pkt_get(r->pool);

	r->pkt[id] = p;
	if (!p) {
		r->missing[r->n_missing++] = id;
		return;
	}
	io_uring_buf_ring_add(
	    r->buffers, p->data, pkt_pool_content(r->pool), id, BUFFERS - 1, (int)r->n_fresh++);
}

static void
show_buffers(struct uring *r)
{
	unsigned n = r->n_missing;

	r->n_missing = 0;
	for (unsigned i = 0; i < n; i++)
		give_buffer(r, r->missing[i]);
	io_uring_buf_ring_advance(r->buffers, (int)r->n_fresh);
	r->n_fresh = 0;
}

static int
buffers_new(struct uring *r)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .bgid = GROUP};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	r->pool = pkt_pool_new(HEAD_LEN + UDP_WHOLE_MAX, BUFFERS + UDP_QUEUE_MAX + 1);
	r->buffers =
	    aligned_alloc(page, (BUFFERS * sizeof(struct io_uring_buf) + page - 1) / page * page);
	if (!r->pool || !r->buffers)
		return ED_NOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)r->buffers;
	if (io_uring_register_buf_ring(&r->ring, &reg, 0) < 0)
		return ED_SYS;
	io_uring_buf_ring_init(r->buffers);
	for (unsigned i = 0; i < BUFFERS; i++)
		give_buffer(r, (uint16_t)i);
	show_buffers(r);
	return ED_OK;
}

static void on_ready(evutil_socket_t fd, short what, void *arg);
static void run_again(struct loop_task *t);
static void drain(struct uring *r);

static int
set_up(struct uring *r, const char **ret_why)
{
	struct io_uring_params p = {.cq_entries = CQ_ENTRIES};

	p.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
		  IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
		  IORING_SETUP_CQSIZE;
	*ret_why = "no ring (kernel before 6.1, kernel.io_uring_disabled, or RLIMIT_MEMLOCK)";
	if (io_uring_queue_init_params(SQ_ENTRIES, &r->ring, &p) < 0)
		return ED_SYS;
	r->is_init = true;
	*ret_why = "no buffer ring (RLIMIT_MEMLOCK)";
	if (buffers_new(r) < 0)
		return ED_SYS;
	*ret_why = "no eventfd";
	r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->event_fd < 0 || io_uring_register_eventfd(&r->ring, r->event_fd) < 0)
		return ED_SYS;
	*ret_why = "the ring was not restricted";
	if (restrict_ring(r) < 0)
		return ED_SYS;
	*ret_why = "the ring was not enabled";
	if (ring_register(r, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return ED_SYS;
	*ret_why = "the loop does not take the ring";
	if (event_assign(&r->event, loop_base(r->u->loop), r->event_fd,
		EV_READ | EV_ET | EV_PERSIST, on_ready, r) < 0 ||
	    event_add(&r->event, NULL) < 0)
		return ED_SYS;
	r->has_event = true;
	return ED_OK;
}

int
uring_new(struct udp *u, struct uring **ret, const char **ret_why)
{
	struct uring *r = calloc(1, sizeof(*r));
	int err;

	*ret_why = "out of memory";
	if (!r)
		return ED_NOMEM;
	r->u = u;
	r->event_fd = -1;
	list_init(&r->rearm);
	r->again.run = run_again;
	r->shape.msg_namelen = NAME_LEN;
	r->shape.msg_controllen = CONTROL_LEN;
	err = set_up(r, ret_why);
	if (err < 0) {
		uring_free(r);
		return err;
	}
	*ret = r;
	return ED_OK;
}

struct uring *
uring_free(struct uring *r)
{
	if (!r)
		return NULL;
	loop_defer_cancel(&r->again);
	if (r->has_event)
		event_del(&r->event);
	if (r->is_init) {
		drain(r);
		io_uring_queue_exit(&r->ring);
	}
	if (r->event_fd >= 0)
		close(r->event_fd);
	for (unsigned i = 0; i < BUFFERS; i++)
		pkt_unref(r->pkt[i]);
	pkt_pool_free(r->pool);
	free(r->buffers);
	free(r);
	return NULL;
}

/* ---- submitting ---- */

static struct io_uring_sqe *
next_sqe(struct uring *r)
{
	struct io_uring_sqe *q = io_uring_get_sqe(&r->ring);

	if (!q) {
		uring_submit(r);
		q = io_uring_get_sqe(&r->ring);
	}
	return q;
}

/* What the kernel would not take must not be taken later, when its memory says something else: an
 * operation that the ring refuses takes its place. */
static void
spoil_rest(struct uring *r)
{
	struct io_uring_sq *sq = &r->ring.sq;

	for (unsigned at = *sq->khead; at != sq->sqe_tail; at++) {
		struct io_uring_sqe *q = &sq->sqes[at & *sq->kring_mask];

		if (q->opcode == IORING_OP_SENDMSG)
			q->opcode = IORING_OP_NOP;
	}
}

void
uring_submit(struct uring *r)
{
	for (int i = 0; i < SUBMIT_TRIES && io_uring_sq_ready(&r->ring); i++) {
		r->u->stats.send_calls++;
		/* What has come meanwhile is taken along. */
		if (io_uring_submit_and_get_events(&r->ring) < 0)
			io_uring_get_events(&r->ring); /* an overflowing queue gets room so */
	}
	if (io_uring_sq_ready(&r->ring))
		spoil_rest(r);
}

void
uring_send(struct uring *r, int fd, const struct msghdr *h)
{
	struct io_uring_sqe *q = next_sqe(r);

	if (!q) {
		r->u->stats.send_dropped++;
		return;
	}
	io_uring_prep_sendmsg(q, fd, h, MSG_DONTWAIT);
	q->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(q, TAG_SEND);
	r->u->stats.sent++; /* a failure takes it back */
}

static bool
arm(struct uring_slot *slot)
{
	struct uring *r = slot->r;
	struct io_uring_sqe *q = next_sqe(r);

	if (!q)
		return false;
	io_uring_prep_recvmsg_multishot(q, slot->s->fd, &r->shape, 0);
	q->flags |= IOSQE_BUFFER_SELECT;
	q->buf_group = GROUP;
	io_uring_sqe_set_data64(q, tagged(slot, TAG_RECEIVE));
	slot->armed = true;
	return true;
}

struct uring_slot *
uring_open(struct uring *r, struct udp_socket *s)
{
	struct uring_slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->r = r;
	slot->s = s;
	if (!arm(slot)) {
		free(slot);
		return NULL;
	}
	loop_defer(r->u->loop, &r->again); /* given to the kernel in this round */
	return slot;
}

void
uring_close(struct uring *r, struct uring_slot *slot)
{
	struct io_uring_sqe *q;

	slot->s = NULL;
	list_remove(&slot->rearm);
	if (!slot->armed) {
		free(slot);
		return;
	}
	q = next_sqe(r);
	if (q) {
		io_uring_prep_cancel64(q, tagged(slot, TAG_RECEIVE), 0);
		q->flags |= IOSQE_CQE_SKIP_SUCCESS;
		io_uring_sqe_set_data64(q, TAG_CANCEL);
	}
	uring_submit(r);
	/* The receive ends, and lets go of the socket, when its last word is put down. */
	io_uring_get_events(&r->ring);
}

/* ---- completions ---- */

static void
received(struct uring *r, struct uring_slot *slot, int res, uint16_t id)
{
	struct pkt *p = r->pkt[id];
	struct io_uring_recvmsg_out *o = io_uring_recvmsg_validate(p->data, res, &r->shape);
	struct msghdr h = {.msg_controllen = 0};
	uint32_t name_len;
	uint8_t *name;

	r->pkt[id] = NULL;
	give_buffer(r, id);
	if (!slot->s || !o || (o->flags & MSG_TRUNC)) {
		r->u->stats.cut += slot->s != NULL;
		pkt_unref(p);
		return;
	}
	name = (uint8_t *)io_uring_recvmsg_name(o);
	name_len = o->namelen < NAME_LEN ? o->namelen : (uint32_t)NAME_LEN;
	h.msg_control = name + NAME_LEN;
	h.msg_controllen = o->controllen < CONTROL_LEN ? o->controllen : CONTROL_LEN;
	p->len = io_uring_recvmsg_payload_length(o, res, &r->shape);
	p->data = io_uring_recvmsg_payload(o, &r->shape);
	udp_deliver(slot->s, p, NULL, p->len, udp_segment_of(&h), (struct sockaddr *)name,
	    (socklen_t)name_len);
}

static void
receive_completed(struct uring *r, struct uring_slot *slot, int res, unsigned flags)
{
	/* An error of the socket (a peer's port is closed) costs nothing but this completion. */
	if (res >= 0 && (flags & IORING_CQE_F_BUFFER))
		received(r, slot, res, (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT));
	if (flags & IORING_CQE_F_MORE)
		return;
	/* Only now, since the callback may have closed it. */
	slot->armed = false;
	if (slot->s)
		list_push_back(&r->rearm, &slot->rearm);
	else
		free(slot);
}

static void
completed(struct uring *r, uint64_t data, int res, unsigned flags)
{
	switch ((enum tag)(data & 3)) {
	case TAG_RECEIVE:
		receive_completed(
		    r, (struct uring_slot *)(uintptr_t)(data & ~(uint64_t)3), res, flags);
		break;
	case TAG_SEND:
		r->u->stats.sent--;
		r->u->stats.send_dropped++;
		break;
	case TAG_CANCEL: /* nothing was left to cancel */
		break;
	}
}

/* Those whose receive has ended go on with the buffers that there are now. */
static void
rearm(struct uring *r)
{
	struct list now;

	list_init(&now);
	while (!list_is_empty(&r->rearm)) {
		struct list *it = r->rearm.next;

		list_remove(it);
		list_push_back(&now, it);
	}
	while (!list_is_empty(&now)) {
		struct uring_slot *slot = LIST_OF(now.next, struct uring_slot, rearm);

		list_remove(&slot->rearm);
		if (!arm(slot))
			list_push_back(&r->rearm, &slot->rearm);
	}
}

static void
handle(struct uring *r)
{
	struct io_uring_cqe *c;

	for (unsigned n = 0; n < ROUND_MAX && io_uring_peek_cqe(&r->ring, &c) == 0; n++) {
		uint64_t data = c->user_data;
		unsigned flags = c->flags;
		int res = c->res;

		/* Seen first: what completes may close a socket, which reads on. */
		io_uring_cqe_seen(&r->ring, c);
		completed(r, data, res, flags);
	}
}

static bool
has_work(const struct uring *r)
{
	return IO_URING_READ_ONCE(*r->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

/* The last words of closed sockets. */
static void
drain(struct uring *r)
{
	if (!r->has_event) /* was never enabled */
		return;
	io_uring_get_events(&r->ring);
	handle(r);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct uring *r = arg;

	(void)fd;
	(void)what;
	io_uring_cq_eventfd_toggle(&r->ring, false);
	udp_wait_for_more(r->u);
	if (!io_uring_cq_ready(&r->ring) || has_work(r)) {
		io_uring_get_events(&r->ring);
		r->u->stats.receive_calls++;
	}
	handle(r);
	show_buffers(r);
	r->u->reading = NULL;
	if (!list_is_empty(&r->rearm))
		rearm(r);
	/* Whatever has been prepared leaves with the sends of this round. */
	loop_defer(r->u->loop, &r->again);
}

/* The end of a round: more at once, or sleep. */
static void
run_again(struct loop_task *t)
{
	struct uring *r = LIST_OF(t, struct uring, again);

	uring_submit(r);
	if (!io_uring_cq_ready(&r->ring) && !has_work(r)) {
		io_uring_cq_eventfd_toggle(&r->ring, true);
		io_uring_smp_mb(); /* what came before this was not told: look once more */
		if (!io_uring_cq_ready(&r->ring) && !has_work(r))
			return;
	}
	event_active(&r->event, EV_READ, 0);
}

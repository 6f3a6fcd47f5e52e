/* SPDX-License-Identifier: MIT */
#include "proto/h2/h2.h"

#include <stdio.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "base/list.h"

#define LINK_WINDOW INT32_MAX /* 2^31-1: only the streams' own windows hold anybody back */

struct h2 {
	nghttp2_session *ng;
	struct h2_conf conf;
	struct h2_out out;
	const struct h2_ops *ops;
	void *arg;
	struct list streams;
	struct list ready;   /* streams whose on_writable is due */
	struct list no_room; /* streams that stopped because the output was full */
	size_t n_streams;
	bool busy;    /* inside nghttp2: it must not be entered again */
	bool telling; /* inside h2_tell_ready */
	bool sent_goaway;
	uint32_t goaway_code;
	uint32_t n_controls; /* since h2_controls_refill */
	char fault[96];
};

struct h2_stream {
	struct h2 *h;
	struct list link;
	struct list due; /* in h->ready or h->no_room */
	const struct h2_stream_ops *ops;
	void *arg;
	int32_t id;
	bool taken;
	bool ending, ended; /* h2_end was called; END_STREAM is on its way */
	bool blocked;       /* h2_write took not all */
	struct str view;    /* what h2_write offers just now */
	struct request_text *rq;
};

/* A request while its header block comes in. The list is bounded by SETTINGS and again here. */
struct request_text {
	struct h2_request r;
	size_t n;
	char text[H2_HEADER_LIST_MAX];
};

static void
stream_gone(struct h2_stream *s, uint32_t code)
{
	const struct h2_stream_ops *ops = s->ops;

	list_remove(&s->link);
	list_remove(&s->due);
	s->h->n_streams--;
	s->ops = NULL;
	if (ops && ops->on_gone)
		ops->on_gone(s, s->arg, code);
	free(s->rq);
	free(s);
}

static struct h2_stream *
stream_new(struct h2 *h)
{
	struct h2_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->h = h;
	list_push_back(&h->streams, &s->link);
	h->n_streams++;
	return s;
}

static void
stream_due(struct h2_stream *s, struct list *where)
{
	list_remove(&s->due);
	list_push_back(where, &s->due);
}

/* Output. */

static ssize_t
on_send(nghttp2_session *ng, const uint8_t *data, size_t n, int flags, void *user)
{
	struct h2 *h = user;
	char *p = h->out.reserve(h->out.arg, n);

	if (!p)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(p, data, n);
	h->out.commit(h->out.arg, n);
	return (ssize_t)n;
}

/* Asked by nghttp2 when window and turn allow a DATA frame of this stream. */
static ssize_t
on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
    nghttp2_data_source *source, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s = source->ptr;

	if (h->out.pending(h->out.arg) >= h->conf.out_high && (s->view.n || s->blocked)) {
		stream_due(s, &h->no_room);
		return NGHTTP2_ERR_DEFERRED;
	}
	if (s->view.n) {
		if (n > s->view.n)
			n = s->view.n;
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
		return (ssize_t)n;
	}
	if (s->blocked) {
		stream_due(s, &h->ready);
		return NGHTTP2_ERR_DEFERRED;
	}
	if (!s->ending)
		return NGHTTP2_ERR_DEFERRED;
	s->ended = true;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return 0;
}

/* Follows on_read within the same call, so the view is still the caller's. */
static int
on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t n,
    nghttp2_data_source *source, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s = source->ptr;
	char *p = h->out.reserve(h->out.arg, 9 + n);

	if (!p || s->view.n < n)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	memcpy(p, head, 9);
	memcpy(p + 9, s->view.p, n);
	h->out.commit(h->out.arg, 9 + n);
	s->view = str_from(s->view, n);
	return 0;
}

static int
fatal(struct h2 *h, int ng)
{
	if (ng == NGHTTP2_ERR_NOMEM)
		return ED_NOMEM;
	if (!h->fault[0])
		snprintf(h->fault, sizeof(h->fault), "%s", nghttp2_strerror(ng));
	if (ng == NGHTTP2_ERR_FLOODED || ng == NGHTTP2_ERR_TOO_MANY_SETTINGS)
		return ED_LIMIT;
	return ng == NGHTTP2_ERR_CALLBACK_FAILURE ? ED_LIMIT : ED_MALFORMED;
}

static int
send_all(struct h2 *h)
{
	int ng;

	h->busy = true;
	ng = nghttp2_session_send(h->ng);
	h->busy = false;
	if (ng)
		return fatal(h, ng);
	if (nghttp2_session_want_read(h->ng) || nghttp2_session_want_write(h->ng))
		return ED_OK;
	/* The library sent GOAWAY and takes no more: the other end broke a rule, or both are done.
	 */
	if (h->goaway_code == NGHTTP2_ENHANCE_YOUR_CALM)
		return ED_LIMIT;
	return h->goaway_code ? ED_MALFORMED : ED_GONE;
}

/* Tell streams that they may write again, outside nghttp2. */
static int
tell_ready(struct h2 *h)
{
	int r = ED_OK;

	if (h->telling)
		return ED_OK;
	h->telling = true;
	while (!list_is_empty(&h->ready)) {
		struct h2_stream *s = LIST_OF(h->ready.next, struct h2_stream, due);

		/* The output is full again: the rest keeps its places, ahead of who just wrote. */
		if (h->out.pending(h->out.arg) >= h->conf.out_high) {
			s = LIST_OF(h->ready.prev, struct h2_stream, due);
			list_remove(&s->due);
			list_push_front(&h->no_room, &s->due);
			continue;
		}
		list_remove(&s->due);
		s->blocked = false;
		if (s->ops && s->ops->on_writable)
			s->ops->on_writable(s, s->arg);
	}
	h->telling = false;
	r = send_all(h);
	return r;
}

static int
flush(struct h2 *h)
{
	int r = send_all(h);

	return r < 0 ? r : tell_ready(h);
}

/* Queued frames leave now, unless nghttp2 is on the stack: whoever entered it flushes then. */
static void
flush_soon(struct h2 *h)
{
	if (!h->busy)
		(void)send_all(h);
}

/* Input. */

static struct h2_stream *
stream_of(struct h2 *h, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h->ng, id);
}

static int
on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s;

	if (h->conf.side != H2_ANSWERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = stream_new(h);
	if (!s)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	s->id = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(ng, s->id, s);
	s->rq = calloc(1, sizeof(*s->rq));
	return s->rq ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static bool
value_ok(struct str v)
{
	if (v.n > H2_VALUE_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 0x21 || v.p[i] > 0x7e)
			return false;
	return true;
}

static struct str
text_keep(struct request_text *rq, struct str s)
{
	char *to = rq->text + rq->n;

	if (s.n)
		memcpy(to, s.p, s.n);
	rq->n += s.n;
	return (struct str){to, s.n};
}

/* False: over a bound or not visible ASCII. */
static bool
request_head(struct request_text *rq, struct str name, struct str value)
{
	struct h2_request *r = &rq->r;

	if (!value_ok(value) || rq->n + name.n + value.n > sizeof(rq->text))
		return false;
	if (str_eq(name, STR(":method")))
		r->method = text_keep(rq, value);
	else if (str_eq(name, STR(":path")))
		r->path = text_keep(rq, value);
	else if (str_eq(name, STR(":authority")))
		r->authority = text_keep(rq, value);
	else if (str_starts_nocase(name, STR("edged-"))) {
		if (r->n_heads == H2_HEADS_MAX)
			return false;
		r->heads[r->n_heads].name = text_keep(rq, name);
		r->heads[r->n_heads++].value = text_keep(rq, value);
	}
	return true;
}

static int
on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
    const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
	struct h2_stream *s = stream_of(user, frame->hd.stream_id);
	struct str k = {(const char *)name, n_name}, v = {(const char *)value, n_value};
	uint32_t status;

	if (!s)
		return 0;
	if (s->rq)
		return request_head(s->rq, k, v) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (str_eq(k, STR(":status")) && str_to_u32(v, 999, &status) && status >= 200 && s->ops &&
	    s->ops->on_answer)
		s->ops->on_answer(s, s->arg, status);
	return 0;
}

static void
request_done(struct h2 *h, struct h2_stream *s, bool ended)
{
	struct request_text *rq = s->rq;

	s->rq = NULL;
	rq->r.ended = ended;
	if (h->ops->on_request)
		h->ops->on_request(h, h->arg, s, &rq->r);
	if (!s->taken)
		nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_REFUSED_STREAM);
	free(rq);
}

static uint64_t
token_read(const uint8_t p[8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static int
control_came(struct h2 *h)
{
	if (++h->n_controls <= H2_CONTROLS_MAX)
		return 0;
	snprintf(
	    h->fault, sizeof(h->fault), "more than %u PING and SETTINGS frames", H2_CONTROLS_MAX);
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s = NULL;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	switch (frame->hd.type) {
	case NGHTTP2_GOAWAY:
		if (h->ops->on_goaway)
			h->ops->on_goaway(h, h->arg);
		return 0;
	case NGHTTP2_PING:
		if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
			return control_came(h);
		if (h->ops->on_ping_ack)
			h->ops->on_ping_ack(h, h->arg, token_read(frame->ping.opaque_data));
		return 0;
	case NGHTTP2_SETTINGS:
		return frame->hd.flags & NGHTTP2_FLAG_ACK ? 0 : control_came(h);
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		s = stream_of(h, frame->hd.stream_id);
		break;
	default:
		return 0;
	}
	if (s && s->rq)
		request_done(h, s, end);
	if (s && end && s->ops && s->ops->on_end)
		s->ops->on_end(s, s->arg);
	return 0;
}

static int
on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *user)
{
	struct h2_stream *s = stream_of(user, id);

	nghttp2_session_consume_connection(ng, n);
	if (s && s->ops && s->ops->on_bytes)
		s->ops->on_bytes(s, s->arg, (struct str){(const char *)data, n});
	else
		nghttp2_session_consume_stream(ng, id, n);
	return 0;
}

static int
on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
	struct h2_stream *s = stream_of(user, id);

	if (s) {
		nghttp2_session_set_stream_user_data(ng, id, NULL);
		stream_gone(s, code);
	}
	return 0;
}

/* A frame of ours that could not go: a request after GOAWAY among them. Its stream ends. */
static int
on_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user)
{
	struct h2_stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	s = stream_of(user, frame->hd.stream_id);
	if (s) {
		nghttp2_session_set_stream_user_data(ng, s->id, NULL);
		stream_gone(s, NGHTTP2_REFUSED_STREAM);
	}
	return 0;
}

static int
on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2 *h = user;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		h->goaway_code = frame->goaway.error_code;
	return 0;
}

static int
on_error_text(nghttp2_session *ng, int code, const char *msg, size_t n, void *user)
{
	struct h2 *h = user;

	snprintf(h->fault, sizeof(h->fault), "%.*s", (int)n, msg);
	return 0;
}

/* Life. */

static int
session_make(struct h2 *h)
{
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *opt = NULL;
	int r = NGHTTP2_ERR_NOMEM;

	if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&opt))
		goto out;
	nghttp2_session_callbacks_set_send_callback(cb, on_send);
	nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_not_sent);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_error_callback2(cb, on_error_text);
	nghttp2_option_set_no_auto_window_update(opt, 1);
	nghttp2_option_set_no_closed_streams(opt, 1);
	if (h->conf.resets_burst)
		nghttp2_option_set_stream_reset_rate_limit(
		    opt, h->conf.resets_burst, h->conf.resets_per_s);
	r = h->conf.side == H2_OPENS ? nghttp2_session_client_new2(&h->ng, cb, h, opt)
				     : nghttp2_session_server_new2(&h->ng, cb, h, opt);
out:
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	return r;
}

struct h2 *
h2_new(const struct h2_conf *conf, const struct h2_out *out, const struct h2_ops *ops, void *arg)
{
	struct h2 *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->conf = *conf;
	h->out = *out;
	h->ops = ops;
	h->arg = arg;
	list_init(&h->streams);
	list_init(&h->ready);
	list_init(&h->no_room);
	if (session_make(h)) {
		free(h);
		return NULL;
	}
	return h;
}

struct h2 *
h2_free(struct h2 *h)
{
	if (!h)
		return NULL;
	h->busy = true; /* whatever a callback below writes goes nowhere */
	LIST_EACH_SAFE(it, &h->streams)
	{
		struct h2_stream *s = LIST_OF(it, struct h2_stream, link);

		nghttp2_session_set_stream_user_data(h->ng, s->id, NULL);
		stream_gone(s, H2_CANCEL);
	}
	nghttp2_session_del(h->ng);
	free(h);
	return NULL;
}

int
h2_start(struct h2 *h)
{
	const nghttp2_settings_entry iv[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h->conf.max_streams},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h->conf.window},
	    {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16384},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEADER_LIST_MAX},
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};
	/* RFC 9113 6.5.2: a server does not send ENABLE_PUSH other than 0; the last row is for
	 * clients. */
	size_t n = sizeof(iv) / sizeof(iv[0]) - (h->conf.side == H2_ANSWERS);

	if (nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, iv, n) ||
	    nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0, LINK_WINDOW))
		return ED_NOMEM;
	return flush(h);
}

int
h2_input(struct h2 *h, struct str bytes)
{
	ssize_t used;
	int r;

	h->fault[0] = 0;
	h->busy = true;
	used = nghttp2_session_mem_recv(h->ng, (const uint8_t *)bytes.p, bytes.n);
	h->busy = false;
	if (used < 0) {
		r = fatal(h, (int)used);
		(void)nghttp2_session_terminate_session(
		    h->ng, r == ED_LIMIT ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
		(void)send_all(h);
		return r;
	}
	return flush(h);
}

int
h2_drained(struct h2 *h)
{
	if (list_is_empty(&h->no_room) || h->out.pending(h->out.arg) > h->conf.out_high / 2)
		return ED_OK;
	while (!list_is_empty(&h->no_room))
		stream_due(LIST_OF(h->no_room.next, struct h2_stream, due), &h->ready);
	return tell_ready(h);
}

void
h2_controls_refill(struct h2 *h)
{
	h->n_controls = 0;
}

int
h2_ping(struct h2 *h, uint64_t token)
{
	uint8_t p[8];

	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(token >> (56 - 8 * i));
	if (nghttp2_submit_ping(h->ng, NGHTTP2_FLAG_NONE, p))
		return ED_NOMEM;
	flush_soon(h);
	return ED_OK;
}

int
h2_goaway(struct h2 *h, enum h2_code code)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(h->ng);

	h->sent_goaway = true;
	if (nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last, code, NULL, 0))
		return ED_NOMEM;
	flush_soon(h);
	return ED_OK;
}

size_t
h2_streams(const struct h2 *h)
{
	return h->n_streams;
}

bool
h2_has_room(const struct h2 *h)
{
	return h->n_streams <
	       nghttp2_session_get_remote_settings(h->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

const char *
h2_fault(const struct h2 *h)
{
	return h->fault;
}

/* Streams. */

struct h2_stream *
h2_open(struct h2 *h, const struct h2_head *heads, size_t n_heads, bool body,
    const struct h2_stream_ops *ops, void *arg)
{
	nghttp2_nv nv[H2_HEADS_MAX + 4];
	nghttp2_data_provider data = {.read_callback = on_read};
	struct h2_stream *s;

	if (n_heads > sizeof(nv) / sizeof(nv[0]) || h->sent_goaway ||
	    !nghttp2_session_check_request_allowed(h->ng))
		return NULL;
	s = stream_new(h);
	if (!s)
		return NULL;
	for (size_t i = 0; i < n_heads; i++)
		nv[i] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)heads[i].name.p,
		    .namelen = heads[i].name.n,
		    .value = (uint8_t *)(uintptr_t)heads[i].value.p,
		    .valuelen = heads[i].value.n};
	data.source.ptr = s;
	s->ops = ops;
	s->arg = arg;
	s->taken = true;
	s->id = nghttp2_submit_request(h->ng, NULL, nv, n_heads, body ? &data : NULL, s);
	if (s->id < 0) {
		s->ops = NULL;
		stream_gone(s, H2_INTERNAL);
		return NULL;
	}
	flush_soon(h);
	return s;
}

void
h2_stream_take(struct h2_stream *s, const struct h2_stream_ops *ops, void *arg)
{
	s->ops = ops;
	s->arg = arg;
	s->taken = true;
}

int
h2_answer(struct h2_stream *s, unsigned status, bool body)
{
	char text[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
	    (char)('0' + status % 10), 0};
	char name[] = ":status";
	nghttp2_nv nv = {
	    (uint8_t *)name, (uint8_t *)text, sizeof(name) - 1, 3, NGHTTP2_NV_FLAG_NONE};
	nghttp2_data_provider data = {.source.ptr = s, .read_callback = on_read};

	if (nghttp2_submit_response(s->h->ng, s->id, &nv, 1, body ? &data : NULL))
		return ED_NOMEM;
	flush_soon(s->h);
	return ED_OK;
}

size_t
h2_write(struct h2_stream *s, struct str bytes)
{
	struct h2 *h = s->h;
	size_t left;

	if (s->ending || bytes.n == 0)
		return 0;
	if (h->busy) {
		s->blocked = true;
		stream_due(s, &h->ready);
		return 0;
	}
	/* Who waits for room in the output goes first; our turn comes when it drained. */
	if (list_is_linked(&s->due))
		return 0;
	if (!h->telling && !list_is_empty(&h->no_room)) {
		s->blocked = true;
		stream_due(s, &h->no_room);
		return 0;
	}
	s->view = bytes;
	(void)nghttp2_session_resume_data(h->ng, s->id);
	(void)send_all(h);
	left = s->view.n;
	s->view = STR_NONE;
	s->blocked = left > 0;
	(void)tell_ready(h);
	return bytes.n - left;
}

void
h2_end(struct h2_stream *s)
{
	s->ending = true;
	(void)nghttp2_session_resume_data(s->h->ng, s->id);
	flush_soon(s->h);
}

void
h2_reset(struct h2_stream *s, enum h2_code code)
{
	struct h2 *h = s->h;

	s->ops = NULL;
	s->view = STR_NONE;
	s->blocked = false;
	s->ending = true;
	list_remove(&s->due);
	(void)nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, s->id, code);
	flush_soon(h);
}

void
h2_passed(struct h2_stream *s, size_t n)
{
	(void)nghttp2_session_consume_stream(s->h->ng, s->id, n);
	flush_soon(s->h);
}

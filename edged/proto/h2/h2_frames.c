/* SPDX-License-Identifier: MIT
 *
 * proto/h2/h2_frames.c: what nghttp2 tells about the frames of the other side, checked once more.
 */
#include <stdio.h>

#include "proto/h2/h2_in.h"

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
	s = h2_stream_new(h);
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
		h2_stream_gone(s, code);
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
		h2_stream_gone(s, NGHTTP2_REFUSED_STREAM);
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

int
h2_session_make(struct h2 *h)
{
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *opt = NULL;
	int r = NGHTTP2_ERR_NOMEM;

	if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&opt))
		goto out;
	h2_output_callbacks(cb);
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

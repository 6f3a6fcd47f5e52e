/* SPDX-License-Identifier: MIT */

#include "proto/h2/h2.h"

#include <stdlib.h>

#include "proto/h2/h2_in.h"

void
h2_stream_gone(struct h2_stream *s, uint32_t code)
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

struct h2_stream *
h2_stream_new(struct h2 *h)
{
	struct h2_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->h = h;
	list_push_back(&h->streams, &s->link);
	h->n_streams++;
	return s;
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
	if (h2_session_make(h)) {
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
		h2_stream_gone(s, H2_CANCEL);
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
	return h2_flush(h);
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
		r = h2_fatal(h, (int)used);
		(void)nghttp2_session_terminate_session(
		    h->ng, r == ED_LIMIT ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
		(void)h2_send_all(h);
		return r;
	}
	return h2_flush(h);
}

int
h2_drained(struct h2 *h)
{
	if (list_is_empty(&h->no_room) || h->out.pending(h->out.arg) > h->conf.out_high / 2)
		return ED_OK;
	while (!list_is_empty(&h->no_room))
		h2_stream_due(LIST_OF(h->no_room.next, struct h2_stream, due), &h->ready);
	return h2_tell_ready(h);
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
	h2_flush_soon(h);
	return ED_OK;
}

int
h2_goaway(struct h2 *h, enum h2_code code)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(h->ng);

	h->sent_goaway = true;
	if (nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last, code, NULL, 0))
		return ED_NOMEM;
	h2_flush_soon(h);
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
	nghttp2_data_provider data = {.read_callback = h2_on_read};
	struct h2_stream *s;

	if (n_heads > sizeof(nv) / sizeof(nv[0]) || h->sent_goaway ||
	    !nghttp2_session_check_request_allowed(h->ng))
		return NULL;
	s = h2_stream_new(h);
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
		h2_stream_gone(s, H2_INTERNAL);
		return NULL;
	}
	h2_flush_soon(h);
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
	nghttp2_data_provider data = {.source.ptr = s, .read_callback = h2_on_read};

	if (nghttp2_submit_response(s->h->ng, s->id, &nv, 1, body ? &data : NULL))
		return ED_NOMEM;
	h2_flush_soon(s->h);
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
		h2_stream_due(s, &h->ready);
		return 0;
	}
	/* Who waits for room in the output goes first; our turn comes when it drained. */
	if (list_is_linked(&s->due))
		return 0;
	if (!h->telling && !list_is_empty(&h->no_room)) {
		s->blocked = true;
		h2_stream_due(s, &h->no_room);
		return 0;
	}
	s->view = bytes;
	(void)nghttp2_session_resume_data(h->ng, s->id);
	(void)h2_send_all(h);
	left = s->view.n;
	s->view = STR_NONE;
	s->blocked = left > 0;
	(void)h2_tell_ready(h);
	return bytes.n - left;
}

void
h2_end(struct h2_stream *s)
{
	s->ending = true;
	(void)nghttp2_session_resume_data(s->h->ng, s->id);
	h2_flush_soon(s->h);
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
	h2_flush_soon(h);
}

void
h2_passed(struct h2_stream *s, size_t n)
{
	(void)nghttp2_session_consume_stream(s->h->ng, s->id, n);
	h2_flush_soon(s->h);
}

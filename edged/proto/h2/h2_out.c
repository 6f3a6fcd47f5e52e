/* SPDX-License-Identifier: MIT
 *
 * proto/h2/h2_out.c: frames on their way out, and whose turn it is to write.
 */
#include <stdio.h>

#include "proto/h2/h2_in.h"

void
h2_stream_due(struct h2_stream *s, struct list *where)
{
	list_remove(&s->due);
	list_push_back(where, &s->due);
}

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

ssize_t
h2_on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
    nghttp2_data_source *source, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s = source->ptr;

	if (h->out.pending(h->out.arg) >= h->conf.out_high && (s->view.n || s->blocked)) {
		h2_stream_due(s, &h->no_room);
		return NGHTTP2_ERR_DEFERRED;
	}
	if (s->view.n) {
		if (n > s->view.n)
			n = s->view.n;
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
		return (ssize_t)n;
	}
	if (s->blocked) {
		h2_stream_due(s, &h->ready);
		return NGHTTP2_ERR_DEFERRED;
	}
	if (!s->ending)
		return NGHTTP2_ERR_DEFERRED;
	s->ended = true;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return 0;
}

/* Follows h2_on_read within the same call, so the view is still the caller's. */
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

int
h2_fatal(struct h2 *h, int ng)
{
	if (ng == NGHTTP2_ERR_NOMEM)
		return ED_NOMEM;
	if (!h->fault[0])
		snprintf(h->fault, sizeof(h->fault), "%s", nghttp2_strerror(ng));
	if (ng == NGHTTP2_ERR_FLOODED || ng == NGHTTP2_ERR_TOO_MANY_SETTINGS)
		return ED_LIMIT;
	return ng == NGHTTP2_ERR_CALLBACK_FAILURE ? ED_LIMIT : ED_MALFORMED;
}

int
h2_send_all(struct h2 *h)
{
	int ng;

	h->busy = true;
	ng = nghttp2_session_send(h->ng);
	h->busy = false;
	if (ng)
		return h2_fatal(h, ng);
	if (nghttp2_session_want_read(h->ng) || nghttp2_session_want_write(h->ng))
		return ED_OK;
	/* The library sent GOAWAY and takes no more: the other end broke a rule, or both are done.
	 */
	if (h->goaway_code == NGHTTP2_ENHANCE_YOUR_CALM)
		return ED_LIMIT;
	return h->goaway_code ? ED_MALFORMED : ED_GONE;
}

int
h2_tell_ready(struct h2 *h)
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
	r = h2_send_all(h);
	return r;
}

int
h2_flush(struct h2 *h)
{
	int r = h2_send_all(h);

	return r < 0 ? r : h2_tell_ready(h);
}

void
h2_flush_soon(struct h2 *h)
{
	if (!h->busy)
		(void)h2_send_all(h);
}

void
h2_output_callbacks(nghttp2_session_callbacks *cb)
{
	nghttp2_session_callbacks_set_send_callback(cb, on_send);
	nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
}

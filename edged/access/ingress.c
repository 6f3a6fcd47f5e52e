/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "access/engine.h"
#include "conf/conf.h"
#include "svc/log.h"

#define SHOWN_MAX 128u /* of a message that is none */

void
ingress_deadline(struct flow *f, enum access_counter why, const char *what)
{
	char a[ADDR_STR_LEN];

	count(why);
	log_notice(AREA_SIP, "", "too_slow", "flow=%llx peer=%s waited_for=%s",
	    (unsigned long long)f->cid, addr_str(&f->peer, a), what);
	engine_close(f, ACCESS_END_DEADLINE);
}

/* The open message is incomplete: its header block has 30 s, its body 60 s. */
static void
watch_partial(struct flow *f)
{
	struct access *ax = f->ax;
	bool in_body = f->framer.header_len != 0;

	if (timeq_is_set(&f->partial) && f->in_body == in_body)
		return;
	f->in_body = in_body;
	timeq_set(in_body ? &ax->body : &ax->header, &f->partial, ax->now_ms);
}

static void
first_message_came(struct flow *f)
{
	struct access *ax = f->ax;

	f->had_message = true;
	if (!timeq_is_set(&f->setup))
		return;
	if (f->kind == FLOW_CLIENT && ax->view->require_registration)
		timeq_set_at(&ax->sign_in, &f->setup, f->born_ms + ax->sign_in.ahead_ms);
	else
		timeq_cancel(&f->setup);
}

/* edge-reference 16: somebody pointed a browser (or lyncdiscover) at the SIP port. */
static bool
is_http(struct str bytes)
{
	static const char *const starts[] = {"GET ", "POST ", "HEAD ", "PUT ", "CONNECT "};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (str_starts_nocase(bytes, str_of(starts[i])))
			return memmem(bytes.p, bytes.n, " HTTP/1.", 8) != NULL;
	return false;
}

static struct str
http_host(struct str bytes)
{
	const char *h = memmem(bytes.p, bytes.n, "\nHost:", 6);
	struct str v;

	if (!h)
		return STR_NONE;
	v = str_from(bytes, (size_t)(h - bytes.p) + 6);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\r' || v.p[i] == '\n')
			return str_trim(str_first(v, i));
	return str_trim(v);
}

/* "METHOD uri SIP/2.0" or "SIP/2.0 200 OK", in whatever version. */
static bool
is_start_line(struct str line)
{
	return str_starts_nocase(line, STR("SIP/")) ||
	       (line.n > 8 && memcmp(line.p + line.n - 8, " SIP/", 5) == 0);
}

/*
 * What a log may show of bytes that are no message: a start line as it is; of anything else the
 * shape only, since it can be the rest of a body whose Content-Length was too short, or a line of
 * credentials.
 */
static struct str
shown_of(struct str bytes, char buf[SHOWN_MAX])
{
	struct str line = str_first(bytes, SHOWN_MAX);
	size_t n = 0;

	while (n < line.n && line.p[n] != '\r' && line.p[n] != '\n')
		n++;
	line.n = n;
	if (is_start_line(line))
		return line;
	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		buf[i] = letter ? 'x' : c >= '0' && c <= '9' ? '0' : c;
	}
	return (struct str){buf, line.n};
}

static void
say_malformed(struct flow *f, struct str bytes, const struct ed_fault *fault)
{
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN], shown[SHOWN_MAX];

	log_notice(AREA_SIP, "ACC-2008", "malformed_message",
	    "flow=%llx peer=%s reason=\"%s\" at=%u bytes=%s", (unsigned long long)f->cid,
	    addr_str(&f->peer, a), fault->what ? fault->what : "?", fault->at,
	    log_quote(shown_of(bytes, shown), q));
}

/* A message that framing could cut out but parsing refused; the connection stays usable. */
static void
answer_malformed(struct flow *f, struct sip_msg *m, int r, const struct ed_fault *fault)
{
	struct reply_spec s = {.status = 400, .reason = fault->what};
	struct facts facts;

	if (r == ED_LIMIT)
		s = (struct reply_spec){.status = 513};
	else if (r == ED_UNSUPPORTED)
		s = (struct reply_spec){.status = 505};
	else if (r == ED_NOMEM)
		s = (struct reply_spec){.status = 500};
	if (!m || !m->is_request) {
		count(m ? CNT_DROP_RES_MALFORMED : CNT_DROP_MALFORMED);
		if (!m && flow_is_external(f))
			engine_close(f, ACCESS_END_BROKEN);
		return;
	}
	count(CNT_DROP_MALFORMED);
	if (!sip_msg_is_answerable(m)) { /* whoever sent that would wait for ever */
		if (flow_is_external(f))
			engine_close(f, ACCESS_END_BROKEN);
		return;
	}
	engine_facts(f, &facts);
	egress_answer(f, &facts, m, &s);
}

/* Framing is lost: say so if that can be said, then close. */
static void
refuse_stream(struct flow *f, struct str bytes, int r, const struct ed_fault *fault)
{
	struct access *ax = f->ax;
	const char *end = memmem(bytes.p, bytes.n, "\r\n\r\n", 4);
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];
	struct ed_fault again = {0};
	struct sip_msg *m = NULL;

	if (is_http(bytes)) {
		count(CNT_HTTP_CLIENTS);
		log_notice(AREA_SIP, "", "http_client_on_sip_port",
		    "flow=%llx peer=%s host=%s "
		    "hint=\"lyncdiscover and web services live on the reverse proxy\"",
		    (unsigned long long)f->cid, addr_str(&f->peer, a),
		    log_quote(http_host(bytes), q));
		return;
	}
	if (r == ED_LIMIT)
		log_warning(AREA_SIP, "ACC-2009", "message_too_large",
		    "flow=%llx peer=%s reason=\"%s\"", (unsigned long long)f->cid,
		    addr_str(&f->peer, a), fault->what);
	else
		say_malformed(f, bytes, fault);
	if (!end) {
		count(CNT_DROP_MALFORMED);
		return;
	}
	/* Only the header block is looked at, for an answer's Via, From, To, Call-ID and CSeq. */
	arena_reset(&ax->arena);
	if (sip_msg_parse(&ax->arena, str_first(bytes, (size_t)(end - bytes.p) + 4),
		&ax->from_server, &m, &again) == ED_NOMEM)
		m = NULL;
	answer_malformed(f, m, r, fault);
}

/* Requests of a client that has not signed in are slowed down, not dropped (11.6). */
static bool
must_wait(struct flow *f)
{
	struct access *ax = f->ax;
	uint32_t ms;

	if (f->kind != FLOW_CLIENT || f->signed_in || f->counted)
		return false;
	ms = limits_request(f, engine_conf(ax)->access.limits.unsigned_requests_per_s, ax->now_ms);
	if (ms == 0) {
		f->counted = true;
		return false;
	}
	count(CNT_RATE_REQUESTS);
	engine_nap(f, ms);
	return true;
}

/* One whole message. ED_STATE: hold it. */
static int
take_message(struct flow *f, struct str bytes)
{
	struct access *ax = f->ax;
	struct ed_fault fault = {0};
	struct sip_msg *m = NULL;
	bool external = flow_is_external(f);
	int r;

	arena_reset(&ax->arena);
	r = sip_msg_parse(&ax->arena, bytes,
	    f->kind == FLOW_CLIENT ? &ax->from_client : &ax->from_server, &m, &fault);
	if (r < 0) {
		say_malformed(f, bytes, &fault);
		answer_malformed(f, m, r, &fault);
		return ED_OK;
	}
	if (!m->is_request) {
		count_message(false, external, MESSAGE_RESPONSE);
		response_take(f, m);
		return ED_OK;
	}
	r = request_take(f, m);
	if (r != ED_STATE)
		count_message(false, external, m->method);
	return r;
}

/* How long a message that had to wait took: to a tick of the clock, which is enough for those. */
static void
measure_waited(const struct access *ax, uint64_t since_ms)
{
	histogram_add(&access_processing, (ax->now_ms - since_ms) * 1000u, 1);
}

/* The others, which were read together, took at most as long as all of them: one reading of the
 * clock. */
static void
measure_read(struct access *ax)
{
	if (ax->n_dealt_with)
		histogram_add(&access_processing, ax->ops->spent_us(ax->net), ax->n_dealt_with);
	ax->n_dealt_with = 0;
}

int
ingress_show_again(struct flow *f, struct parked *x)
{
	struct access *ax = f->ax;
	struct ed_fault fault = {0};
	struct sip_msg *m = NULL;
	uint32_t parked = ax->park.n;
	int r = ED_OK;

	arena_reset(&ax->arena);
	ax->showing = x;
	ax->in_message = true;
	if (sip_msg_parse(&ax->arena, x->bytes, &ax->from_server, &m, &fault) == ED_OK)
		r = request_take(f, m);
	else
		count(CNT_DROP_MALFORMED);
	ax->in_message = false;
	ax->showing = NULL;
	if (r != ED_STATE && ax->park.n <= parked)
		measure_waited(ax, x->since_ms);
	return r;
}

static void
hold(struct flow *f)
{
	struct access *ax = f->ax;

	if (!f->held_since_ms) {
		f->held_since_ms = ax->now_ms;
		ax->n_held++;
		count(CNT_HELD);
	}
	engine_nap(f, f->hold_ms ? f->hold_ms : ENGINE_HOLD_MS / 5);
	f->hold_ms = 0;
}

/* The message that may have been held is done with. n_parked: as it was before. */
static void
dealt_with(struct flow *f, uint32_t n_parked)
{
	struct access *ax = f->ax;
	bool is_parked = ax->park.n > n_parked; /* measured when it is shown again */

	f->counted = false;
	if (!f->held_since_ms) {
		ax->n_dealt_with += !is_parked;
		return;
	}
	if (!is_parked)
		measure_waited(ax, f->held_since_ms);
	f->held_since_ms = 0;
	ax->n_held--;
}

/* > 0 bytes of one frame dealt with, 0 wait for more (or for our own nap to end), < 0 close. */
static int64_t
take_frame(struct flow *f, struct str bytes)
{
	struct access *ax = f->ax;
	struct ed_fault fault = {0};
	struct sip_frame frame;
	uint32_t n_parked = ax->park.n;
	int64_t n;

	n = sip_frame_next(&f->framer, bytes,
	    f->kind == FLOW_CLIENT ? &ax->from_client : &ax->from_server, &frame, &fault);
	if (n < 0) {
		refuse_stream(f, bytes, (int)n, &fault);
		return n;
	}
	if (n == 0) {
		watch_partial(f);
		return 0;
	}
	if (frame.kind == SIP_FRAME_KEEPALIVE) {
		count(CNT_KEEPALIVES);
		return n;
	}
	if (timeq_is_set(&f->partial))
		timeq_cancel(&f->partial);
	if (must_wait(f))
		return 0;
	if (!f->had_message)
		first_message_came(f);
	/* What a sibling handed over was shown where it came in; what is held, the first time. */
	if (__builtin_expect(ax->trace != NULL, 0) && f->kind != FLOW_SIBLING && !f->held_since_ms)
		trace_show(ax->trace, f, true, str_first(bytes, (size_t)n), ax->now_ms);
	if (take_message(f, str_first(bytes, (size_t)n)) == ED_STATE) {
		hold(f);
		return 0;
	}
	dealt_with(f, n_parked);
	return n;
}

ptrdiff_t
access_flow_bytes(struct flow *f, struct str bytes)
{
	struct access *ax = f->ax;
	size_t used = 0;
	int64_t n = 1;

	ax->now_ms = ax->ops->now_ms(ax->net);
	f->last_in_ms = ax->now_ms;
	f->waiting_since_ms = 0;
	ax->in_message = true;
	while (used < bytes.n && n > 0 && !f->closing && !f->napping) {
		n = take_frame(f, str_from(bytes, used));
		if (n > 0)
			used += (size_t)n;
	}
	ax->in_message = false;
	measure_read(ax);
	if (n < 0)
		return (ptrdiff_t)n;
	if (ax->wake_waiting)
		federate_wake(ax);
	partners_flush(ax);
	if (f->closing) /* whatever came behind is not looked at any more */
		return (ptrdiff_t)bytes.n;
	return (ptrdiff_t)used;
}

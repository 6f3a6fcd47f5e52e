/* SPDX-License-Identifier: MIT */
#include "avauth/answer.h"

#include "avauth/view.h"
#include "proto/mras/doc.h"

#define ALLOW "Allow: SERVICE, OPTIONS\r\n"

static bool
is_mras_type(const struct sip_msg *m)
{
	const struct sip_line *l = sip_msg_find(m, STR("Content-Type"));
	struct str v;
	ptrdiff_t semicolon;

	if (!l)
		return false;
	v = sip_line_value(m, l);
	semicolon = str_find(v, ';');
	if (semicolon >= 0)
		v = str_first(v, (size_t)semicolon);
	return str_eq_nocase(str_trim(v), STR(MRAS_CONTENT_TYPE));
}

static struct answer
plain(unsigned code, const char *reason, struct str headers)
{
	return (struct answer){.code = code, .reason = reason, .headers = headers};
}

struct answer
answer_judge(const struct view *v, const struct sip_msg *m, struct arena *a)
{
	struct str require = sip_msg_value(m, SIP_HDR_REQUIRE);

	if (!m->is_request || m->method == SIP_ACK)
		return plain(0, "", STR_NONE);
	if (m->method == SIP_CANCEL)
		return plain(481, "Call/Transaction Does Not Exist", STR_NONE);
	if (m->method != SIP_SERVICE && m->method != SIP_OPTIONS)
		return plain(405, "Method Not Allowed", STR(ALLOW));
	if (!view_is_target(v, m->uri))
		return plain(404, "Not Found", STR_NONE);
	if (require.p)
		return plain(420, "Bad Extension",
		    arena_fmt(a, "Unsupported: " STR_FMT "\r\n", STR_ARG(require)));
	if (m->method == SIP_OPTIONS)
		return plain(200, "OK", STR(ALLOW));
	if (m->body.n && !is_mras_type(m))
		return plain(
		    415, "Unsupported Media Type", STR("Accept: " MRAS_CONTENT_TYPE "\r\n"));
	return (struct answer){.code = 200,
	    .is_mras = true,
	    .reason = "OK",
	    .headers = STR("Content-Type: " MRAS_CONTENT_TYPE "\r\n")};
}

struct out {
	char *p; /* NULL: counting */
	size_t n;
};

static void
put(struct out *o, struct str s)
{
	if (o->p && s.n)
		memcpy(o->p + o->n, s.p, s.n);
	o->n += s.n;
}

/* Copied as they came: Via, Record-Route, From, Call-ID, CSeq; To gets our tag. */
static void
copy_lines(struct out *o, const struct sip_msg *m, struct str tag)
{
	for (uint16_t i = 0; i < m->n_lines; i++) {
		const struct sip_line *l = &m->lines[i];
		struct str line = {m->bytes.p + l->at, l->len};

		switch (l->id) {
		case SIP_HDR_VIA:
		case SIP_HDR_RECORD_ROUTE:
		case SIP_HDR_FROM:
		case SIP_HDR_CALL_ID:
		case SIP_HDR_CSEQ:
			put(o, line);
			break;
		case SIP_HDR_TO:
			put(o, STR("To: "));
			put(o, sip_line_value(m, l));
			if (m->to.tag.n == 0) {
				put(o, STR(";tag="));
				put(o, tag);
			}
			put(o, STR("\r\n"));
			break;
		default:
			break;
		}
	}
}

struct str
answer_write(struct arena *a, const struct sip_msg *m, const struct answer *answer, struct str tag,
    struct str body)
{
	struct str status = arena_fmt(a, "SIP/2.0 %u %s\r\n", answer->code, answer->reason);
	struct str tail =
	    arena_fmt(a, "Server: edged/%s\r\nContent-Length: %zu\r\n\r\n", EDGED_VERSION, body.n);
	struct out o = {0};

	if (!status.p || !tail.p)
		return STR_NONE;
	for (int pass = 0; pass < 2; pass++) {
		put(&o, status);
		copy_lines(&o, m, tag);
		put(&o, answer->headers);
		put(&o, tail);
		put(&o, body);
		if (pass == 0) {
			o.p = arena_alloc(a, o.n);
			if (!o.p)
				return STR_NONE;
			o.n = 0;
		}
	}
	return (struct str){o.p, o.n};
}

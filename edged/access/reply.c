/* SPDX-License-Identifier: MIT
 *
 * access/reply.c: see reply.h.
 */
#include "access/reply.h"

#include <string.h>

#include "access/headers.h"
#include "access/text.h"
#include "access/via.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

#define FIXED_MAX  512u /* start line, our own lines and the ends */
#define ROUTES_MAX 64u
#define NO_BODY    STR("Content-Length: 0\r\n\r\n")

const char *
reply_reason(uint16_t status)
{
	static const struct {
		uint16_t status;
		const char *reason;
	} rows[] = {
	    {100, "Trying"},
	    {200, "OK"},
	    {400, "Bad Request"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {413, "Request Entity Too Large"},
	    {416, "Unsupported URI Scheme"},
	    {420, "Bad Extension"},
	    {430, "Flow Failed"},
	    {480, "Temporarily Unavailable"},
	    {481, "Call/Transaction Does Not Exist"},
	    {482, "Loop Detected"},
	    {483, "Too Many Hops"},
	    {487, "Request Terminated"},
	    {500, "Server Internal Error"},
	    {501, "Not Implemented"},
	    {503, "Service Unavailable"},
	    {504, "Server time-out"},
	    {505, "Version Not Supported"},
	    {513, "Message Too Large"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return status < 200 ? "Progress" : status < 300 ? "OK" : "Refused";
}

/* ---- pieces ---- */

/* Name: value CRLF; a fold of the original becomes a blank, since we never fold. */
static void
put_line(struct text *t, const char *name, struct str value)
{
	text_put(t, str_of(name));
	text_put(t, STR(": "));
	while (value.n) {
		const char *cr = memchr(value.p, '\r', value.n);
		size_t n = cr ? (size_t)(cr - value.p) : value.n;

		text_put(t, str_first(value, n));
		if (!cr)
			break;
		text_put(t, STR(" "));
		value = str_from(value, n + 2);
		while (value.n && (value.p[0] == ' ' || value.p[0] == '\t'))
			value = str_from(value, 1);
	}
	text_put(t, STR("\r\n"));
}

static void
put_all(struct text *t, const struct sip_msg *m, enum sip_hdr id)
{
	for (uint16_t i = m->first[id]; i != SIP_NO_LINE; i = m->lines[i].next)
		put_line(t, sip_hdr_name(id), sip_line_value(m, &m->lines[i]));
}

/* All Vias, the first one as given (p NULL: as it stands). */
static void
put_vias(struct text *t, const struct sip_msg *m, struct str top)
{
	struct sip_values it;
	struct sip_value val;
	uint16_t line;

	if (!top.p) {
		put_all(t, m, SIP_HDR_VIA);
		return;
	}
	put_line(t, "Via", top);
	sip_values_init(&it, m, SIP_HDR_VIA);
	if (sip_values_next(&it, &val) != 1)
		return;
	line = val.line;
	if (!val.last) { /* more values on the same line */
		const struct sip_line *l = &m->lines[line];
		uint32_t end = l->value_at + l->value_len, at = val.at + (uint32_t)val.text.n;
		struct str rest = str_trim((struct str){m->bytes.p + at, end - at});

		put_line(t, "Via", str_trim(str_from(rest, 1)));
	}
	for (uint16_t i = m->lines[line].next; i != SIP_NO_LINE; i = m->lines[i].next)
		put_line(t, "Via", sip_line_value(m, &m->lines[i]));
}

static size_t
room_of(const struct sip_msg *m, enum sip_hdr id)
{
	size_t room = 0;

	for (uint16_t i = m->first[id]; i != SIP_NO_LINE; i = m->lines[i].next)
		room += m->lines[i].len + 16u;
	return room;
}

static size_t
room_of_request(const struct sip_msg *m)
{
	return FIXED_MAX + room_of(m, SIP_HDR_VIA) + room_of(m, SIP_HDR_FROM) +
	       room_of(m, SIP_HDR_TO) + room_of(m, SIP_HDR_CALL_ID) + room_of(m, SIP_HDR_CSEQ);
}

static void
put_from(struct text *t, const struct sip_msg *m)
{
	if (m->first[SIP_HDR_FROM] != SIP_NO_LINE)
		put_line(t, "From", sip_msg_value(m, SIP_HDR_FROM));
}

static void
put_to(struct text *t, const struct sip_msg *m, uint64_t tag)
{
	if (m->first[SIP_HDR_TO] == SIP_NO_LINE)
		return;
	put_line(t, "To", sip_msg_value(m, SIP_HDR_TO));
	if (!tag || m->to.tag.n || t->bad)
		return;
	t->n -= 2;
	text_put(t, STR(";tag="));
	text_put_hex(t, tag, 16, true);
	text_put(t, STR("\r\n"));
}

static void
put_call(struct text *t, const struct sip_msg *m)
{
	if (m->first[SIP_HDR_CALL_ID] != SIP_NO_LINE)
		put_line(t, "Call-ID", sip_msg_value(m, SIP_HDR_CALL_ID));
	if (m->first[SIP_HDR_CSEQ] != SIP_NO_LINE)
		put_line(t, "CSeq", sip_msg_value(m, SIP_HDR_CSEQ));
}

/* ---- answers ---- */

static struct str
make(const struct work *w, const struct facts *f, const struct sip_msg *m, struct str top_via,
    const struct reply_spec *s)
{
	const char *reason = s->reason ? s->reason : reply_reason(s->status);
	struct str why = s->diag_text ? str_of(s->diag_text) : STR_NONE;
	struct str diag = diag_line(w, f->peer, s->diag, why, s->diag_more);
	const struct sip_line *stamp = NULL;
	struct text t;

	if (!diag.p)
		return STR_NONE;
	if (s->status == 100) /* RFC 3261 8.2.6.1 */
		stamp = sip_msg_find(m, STR("Timestamp"));
	t = text_start(w->arena, room_of_request(m) + strlen(reason) + top_via.n + s->lines.n +
				     diag.n + w->view->trust_edge_generated.n +
				     (stamp ? stamp->len : 0));
	text_put(&t, STR("SIP/2.0 "));
	text_put_u32(&t, s->status);
	text_put(&t, STR(" "));
	text_put(&t, str_of(reason));
	text_put(&t, STR("\r\n"));
	if (s->logon_data && f->peer == FACTS_CLIENT)
		text_put(&t, STR("ms-user-logon-data: RemoteUser\r\n"));
	put_vias(&t, m, top_via);
	put_from(&t, m);
	put_to(&t, m, s->status == 100 ? 0 : s->to_tag);
	put_call(&t, m);
	if (stamp)
		put_line(&t, "Timestamp", sip_line_value(m, stamp));
	text_put(&t, s->lines);
	text_put(&t, diag);
	if (f->peer == FACTS_INTERNAL)
		text_put(&t, w->view->trust_edge_generated);
	text_put(&t, NO_BODY);
	return text_done(&t);
}

struct str
reply_make(const struct work *w, const struct facts *f, const struct sip_msg *m,
    const struct reply_spec *s)
{
	return make(w, f, m, via_marked(w, f, m), s);
}

/* ---- requests ---- */

static void
start_request(struct text *t, const char *method, struct str uri, struct str via)
{
	text_put(t, str_of(method));
	text_put(t, STR(" "));
	text_put(t, uri);
	text_put(t, STR(" SIP/2.0\r\n"));
	text_put(t, via);
	text_put(t, STR("Max-Forwards: 70\r\n"));
}

/* From, To, Call-ID as m has them; CSeq with another method. */
static void
end_request(struct text *t, const struct sip_msg *m, uint32_t cseq, const char *method)
{
	put_from(t, m);
	put_to(t, m, 0);
	put_line(t, "Call-ID", sip_msg_value(m, SIP_HDR_CALL_ID));
	text_put(t, STR("CSeq: "));
	text_put_u32(t, cseq);
	text_put(t, STR(" "));
	text_put(t, str_of(method));
	text_put(t, STR("\r\n"));
	text_put(t, NO_BODY);
}

static struct str
from_keep(
    const struct work *w, const struct hide_keep *k, const struct sip_msg *m, const char *method)
{
	struct text t = text_start(w->arena, room_of_request(m) + k->size);

	start_request(&t, method, hide_keep_uri(k), hide_keep_via(k));
	text_put(&t, hide_keep_routes(k));
	end_request(&t, m, m->cseq, method);
	return text_done(&t);
}

struct str
reply_ack(const struct work *w, const struct hide_keep *k, const struct sip_msg *response)
{
	return from_keep(w, k, response, "ACK");
}

struct str
reply_cancel_own(const struct work *w, const struct hide_keep *k, const struct sip_msg *invite)
{
	return from_keep(w, k, invite, "CANCEL");
}

static enum headers_way
cancel_way(const struct hide_keep *k, enum facts_peer from)
{
	if (from == FACTS_INTERNAL)
		return k->partner ? HEADERS_TO_PARTNER : HEADERS_TO_CLIENT;
	return from == FACTS_SERVER ? HEADERS_FROM_PARTNER : HEADERS_FROM_CLIENT;
}

struct str
reply_cancel(const struct work *w, const struct hide_keep *k, enum facts_peer from,
    struct str remote_fqdn, const struct sip_msg *m)
{
	struct headers_opts o = {.traffic = (enum traffic)k->traffic,
	    .verified = k->verified,
	    .remote_fqdn = remote_fqdn,
	    .uri_written = true};
	struct sip_edits e;
	int64_t n;
	char *out;

	sip_edits_init(&e, w->arena, m);
	sip_edit_replace_uri(&e, hide_keep_uri(k));
	sip_edit_insert_first(&e, hide_keep_via(k));
	if (hide_keep_routes(k).n)
		sip_edit_insert_first(&e, hide_keep_routes(k));
	sip_edit_delete_all(&e, SIP_HDR_VIA);
	sip_edit_delete_all(&e, SIP_HDR_ROUTE);
	sip_edit_delete_all(&e, SIP_HDR_RECORD_ROUTE);
	sip_edit_delete_all(
	    &e, SIP_HDR_CONTACT); /* has no meaning in a CANCEL (RFC 3261 table 2) */
	sip_edit_delete_all(&e, SIP_HDR_REFER_TO);
	sip_edit_delete_all(&e, SIP_HDR_REPLY_TO);
	if (headers_apply(w, cancel_way(k, from), &o, m, &e) < 0)
		return STR_NONE;
	n = sip_edits_size(&e);
	if (n < 0)
		return STR_NONE;
	out = arena_alloc(w->arena, (size_t)n);
	if (!out)
		return STR_NONE;
	return (struct str){out, sip_edits_write(&e, out)};
}

/* ---- ACK and BYE for a call that the outside never gets to see ---- */

struct route_set {
	struct str uris[ROUTES_MAX]; /* f1 first */
	unsigned n;
	struct str target;
};

/* The inside's servers are the Record-Route values above our pair, read from the bottom. */
static bool
read_route_set(const struct work *w, const struct sip_msg *m, struct route_set *s)
{
	struct str above[ROUTES_MAX];
	struct sip_values it;
	struct sip_value val;
	struct sip_nameaddr na;
	struct entry e;
	unsigned n = 0, ours = ROUTES_MAX;

	sip_values_init(&it, m, SIP_HDR_CONTACT);
	if (sip_values_next(&it, &val) != 1 || sip_nameaddr_parse(val.text, &na, NULL) < 0)
		return false;
	s->target = na.uri_text;
	sip_values_init(&it, m, SIP_HDR_RECORD_ROUTE);
	while (n < ROUTES_MAX && sip_values_next(&it, &val) == 1) {
		if (sip_nameaddr_parse(val.text, &na, NULL) < 0)
			return false;
		if (entry_read(w, na.uri_text, true, &e, NULL) == ED_OK && e.face == ENTRY_INSIDE &&
		    entry_verify(w, &e, m->call_id, false) == ED_OK)
			ours = n;
		above[n++] = na.uri_text;
	}
	s->n = ours < n ? ours : n;
	for (unsigned i = 0; i < s->n; i++)
		s->uris[i] = above[s->n - 1 - i];
	return true;
}

static void
put_in_dialog(struct text *t, const struct sip_msg *m, const struct route_set *s,
    const char *method, struct str via, uint32_t cseq)
{
	struct sip_uri u;
	bool loose = s->n == 0 || (sip_uri_parse(s->uris[0], &u, NULL) == ED_OK &&
				      sip_param_find(u.params, STR("lr"), NULL));
	unsigned first = loose ? 0 : 1;

	/* RFC 3261 12.2.1.1: a strict router gets its own URI as target, ours goes last. */
	start_request(t, method, loose ? s->target : s->uris[0], via);
	for (unsigned i = first; i < s->n + first; i++) {
		text_put(t, STR("Route: <"));
		text_put(t, i < s->n ? s->uris[i] : s->target);
		text_put(t, STR(">\r\n"));
	}
	end_request(t, m, cseq, method);
}

struct str
reply_ack_bye(const struct work *w, const struct hide_keep *k, const struct sip_msg *response,
    struct str via_ack, struct str via_bye)
{
	struct route_set s;
	struct text t;
	size_t room;

	if (!read_route_set(w, response, &s))
		return STR_NONE;
	room = room_of_request(response) + room_of(response, SIP_HDR_CONTACT) +
	       room_of(response, SIP_HDR_RECORD_ROUTE) + ROUTES_MAX * 16 + k->size;
	t = text_start(w->arena, 2 * room + via_ack.n + via_bye.n);
	put_in_dialog(&t, response, &s, "ACK", via_ack, response->cseq);
	put_in_dialog(&t, response, &s, "BYE", via_bye, response->cseq + 1);
	return text_done(&t);
}

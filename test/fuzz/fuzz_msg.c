/* SPDX-License-Identifier: MIT
 *
 * fuzz_msg.c: one message through sip_msg_parse, all its readers, and edits.
 *
 * What must hold for any input: views lie inside it; the lines tile the header block; a message
 * that is accepted is framed as the framer frames it; written without edits it is the same octets;
 * written with edits the size is the size promised and octets outside the edits are those that
 * came.
 *
 * The edits are made from a sum over the input.
 */
#include <stdint.h>
#include <stdlib.h>

#include "sipparse/edit.h"
#include "sipparse/msg.h"

#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

static const struct sip_limits limits = {.start_line = 512,
    .header_line = 512,
    .header_block = 1536,
    .body = 256,
    .n_lines = 60,
    .n_vias = 8,
    .uri = 300};

static unsigned seed;

static unsigned
rnd(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return n ? (seed >> 16) % n : 0;
}

static void
must_lie_in(struct str part, struct str all)
{
	if (part.n)
		MUST(part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static void
walk_params(struct str params, struct str all)
{
	struct sip_param one;
	uint32_t pos = 0, last = 0, n = 0;

	must_lie_in(params, all);
	while (sip_param_next(params, &pos, &one) == 1) {
		must_lie_in(one.name, params);
		must_lie_in(one.value, params);
		MUST(one.name.n > 0 && one.at >= last && one.at + one.len <= params.n);
		MUST(params.p[one.at] == ';' && pos <= params.n);
		if (n++ < 3) /* it walks from the start each time */
			MUST(sip_param_find(params, one.name, NULL));
		last = one.at + one.len;
	}
}

static void
walk_uri(struct str text)
{
	struct sip_uri u;

	if (sip_uri_parse(text, &u, NULL) < 0)
		return;
	must_lie_in(u.user, text);
	must_lie_in(u.host, text);
	must_lie_in(u.headers, text);
	walk_params(u.params, text);
	if (u.scheme != SIP_SCHEME_OTHER) {
		MUST(u.host.n > 0 && u.host_at + u.hostport_n <= text.n);
		MUST(u.host.p == text.p + u.host_at + u.host_is_v6);
		MUST(!(u.host_is_v4 && u.host_is_v6));
	}
}

static void
walk_value(struct str text)
{
	struct sip_nameaddr na;
	struct sip_via via;

	walk_uri(text);
	walk_params(text, text);
	if (sip_nameaddr_parse(text, &na, NULL) == ED_OK) {
		must_lie_in(na.display, text);
		MUST(na.uri_text.n > 0 && na.uri_text.p == text.p + na.uri_at);
		MUST(na.params.p == text.p + na.params_at);
		walk_uri(na.uri_text);
		walk_params(na.params, text);
	}
	if (sip_via_parse(text, &via, NULL) == ED_OK) {
		MUST(via.host.n > 0 && via.transport.n > 0);
		must_lie_in(via.sent_by, text);
		must_lie_in(via.branch, via.params);
		must_lie_in(via.received, via.params);
		must_lie_in(via.rport, via.params);
		walk_params(via.params, text);
		(void)sip_via_has_cookie(&via);
	}
}

static void
walk_index(const struct sip_msg *m)
{
	uint32_t at = m->start_line_len;

	for (uint16_t i = 0; i < m->n_lines; i++) {
		const struct sip_line *l = &m->lines[i];

		MUST(l->at >= at && l->id < SIP_HDR__N);
		MUST(l->value_at > l->at + l->name_len);
		MUST(l->value_at + l->value_len + 2 <= l->at + l->len);
		MUST(sip_hdr_of(sip_line_name(m, l)) == (enum sip_hdr)l->id);
		MUST(*sip_hdr_name((enum sip_hdr)l->id));
		at = l->at + l->len;
		if (l->id == SIP_HDR_OTHER ||
		    i % 8 == 0) /* the others come below, value by value */
			walk_value(sip_line_value(m, l));
	}
	MUST(at <= m->bytes.n);
	for (int id = 1; id < SIP_HDR__N; id++) {
		struct sip_values it;
		struct sip_value v;
		uint16_t n = 0;
		uint32_t end = 0;

		for (uint16_t i = m->first[id]; i != SIP_NO_LINE; i = m->lines[i].next, n++)
			MUST(i < m->n_lines && m->lines[i].id == id);
		MUST(n == m->count[id]);
		sip_values_init(&it, m, (enum sip_hdr)id);
		while (sip_values_next(&it, &v) == 1) {
			MUST(v.text.n > 0 && v.text.p == m->bytes.p + v.at && v.at >= end);
			MUST(m->lines[v.line].id == id);
			end = v.at + (uint32_t)v.text.n;
			walk_value(v.text);
		}
	}
	(void)sip_msg_find(m, STR("Content-Type"));
	(void)sip_msg_find(m, STR("Via"));
	(void)sip_msg_has_token(m, SIP_HDR_SUPPORTED, STR("timer"));
}

/* What nobody may read in another way: the rules of msg.h on what was accepted. */
static void
must_be_strict(const struct sip_msg *m)
{
	struct sip_framer f;
	struct sip_frame frame;
	uint32_t at = m->start_line_len;

	MUST(m->header_len + m->body.n == m->bytes.n && m->content_length == m->body.n);
	for (uint32_t i = 0; i < m->header_len; i++) {
		unsigned char c = (unsigned char)m->bytes.p[i];

		MUST(c >= 0x20 || c == '\t' || c == '\r' || c == '\n');
		MUST(c != 0x7f);
		MUST((c == '\r') == (i + 1 < m->header_len && m->bytes.p[i + 1] == '\n'));
	}
	for (uint16_t i = 0; i < m->n_lines; i++) {
		MUST(m->lines[i].at == at);
		at += m->lines[i].len;
		MUST(!(m->lines[i].folded && sip_hdr_is_routing((enum sip_hdr)m->lines[i].id)));
		MUST(m->bytes.p[m->lines[i].at + m->lines[i].name_len] == ':');
	}
	MUST(at + 2 == m->header_len);
	MUST(m->count[SIP_HDR_FROM] == 1 && m->count[SIP_HDR_TO] == 1);
	MUST(m->count[SIP_HDR_CSEQ] == 1 && m->count[SIP_HDR_CALL_ID] == 1);
	MUST(m->count[SIP_HDR_VIA] >= 1 && m->via.host.n > 0);
	MUST(m->cseq <= INT32_MAX && m->cseq_method.n > 0 && m->method_name.n > 0);
	MUST(m->from.uri.n > 0 && m->to.uri.n > 0 && m->call_id.n > 0);
	if (m->is_request)
		MUST(m->uri.n > 0 && str_eq(m->cseq_method, m->method_name));
	else
		MUST(m->status >= 100 && m->status <= 699);
	sip_framer_init(&f);
	if (m->count[SIP_HDR_CONTENT_LENGTH]) {
		MUST(sip_frame_next(&f, m->bytes, &limits, &frame, NULL) == (int64_t)m->bytes.n);
		MUST(frame.header_len == m->header_len && frame.body_len == m->body.n);
	}
}

/* Writes what e holds; octets outside the cuts must be in it in order. */
static void
must_write(struct sip_edits *e, bool *touched)
{
	int64_t n = sip_edits_size(e);
	struct str in = e->m->bytes;
	size_t k = 0;
	char *out;

	MUST(n >= 0);
	out = malloc(n ? (size_t)n : 1);
	MUST(sip_edits_write(e, out) == (size_t)n);
	if (!touched) {
		MUST((size_t)n == in.n && memcmp(out, in.p, in.n) == 0);
	} else {
		/* Inserted text is all '#', which is skipped; so is a '#' that came. */
		for (size_t i = 0; i < in.n; i++) {
			if (touched[i] || in.p[i] == '#')
				continue;
			while (k < (size_t)n && out[k] == '#')
				k++;
			MUST(k < (size_t)n && out[k] == in.p[i]);
			k++;
		}
		while (k < (size_t)n && out[k] == '#')
			k++;
		MUST(k == (size_t)n);
	}
	free(out);
}

static void
mark(bool *touched, uint32_t at, uint32_t n)
{
	memset(touched + at, 1, n);
}

/* One edit for some of the lines: none of them overlap but a deletion and what it swallows. */
static void
edit_lines(struct sip_edits *e, bool *touched)
{
	const struct sip_msg *m = e->m;

	for (uint16_t i = 0; i < m->n_lines; i++) {
		const struct sip_line *l = &m->lines[i];

		switch (rnd(8)) {
		case 0:
			sip_edit_delete_line(e, l);
			mark(touched, l->at, l->len);
			if (rnd(2)) /* swallowed */
				sip_edit_replace_value(e, l, STR("###"));
			break;
		case 1:
			sip_edit_replace_value(e, l, STR("###"));
			mark(touched, l->value_at, l->value_len);
			break;
		case 2:
			sip_edit_insert_before(e, l, STR("#####"));
			break;
		case 3:
			sip_edit_splice(e, l->at, l->name_len, STR("##"));
			mark(touched, l->at, l->name_len);
			break;
		default:
			break;
		}
	}
	sip_edit_insert_first(e, STR("#"));
	sip_edit_insert_last(e, STR("#"));
	if (m->is_request && rnd(2)) {
		sip_edit_replace_uri(e, STR("#"));
		mark(touched, (uint32_t)(m->uri.p - m->bytes.p), (uint32_t)m->uri.n);
	}
}

/* Whole headers off, by number: none is left. */
static void
edit_headers(struct arena *a, const struct sip_msg *m)
{
	static const enum sip_hdr ids[] = {
	    SIP_HDR_ROUTE, SIP_HDR_RECORD_ROUTE, SIP_HDR_MS_EDGE_OTHER};
	struct sip_msg *again = NULL;
	struct sip_edits e;
	struct ed_fault fault;
	struct str out;

	sip_edits_init(&e, a, m);
	for (size_t i = 0; i < 3; i++)
		sip_edit_delete_all(&e, ids[i]);
	MUST(sip_edits_size(&e) > 0);
	out.n = (size_t)sip_edits_size(&e);
	out.p = malloc(out.n);
	MUST(sip_edits_write(&e, (char *)(uintptr_t)out.p) == out.n);
	if (m->count[SIP_HDR_CONTENT_LENGTH])
		MUST(sip_msg_parse(a, out, &limits, &again, &fault) == ED_OK);
	for (size_t i = 0; again && i < 3; i++)
		MUST(!sip_msg_value(again, ids[i]).p && !again->count[ids[i]]);
	free((void *)(uintptr_t)out.p);
}

/* Less memory: the same answer, or ED_NOMEM. */
static void
must_bear_want(struct str in, int answer)
{
	char *wall = malloc(2048);
	struct sip_msg *m = NULL;
	struct ed_fault fault;
	struct arena a;
	int r;

	arena_init(&a, wall, 2048, rnd(5000));
	r = sip_msg_parse(&a, in, &limits, &m, &fault);
	MUST(r == answer || (r == ED_NOMEM && fault.code == ED_NOMEM));
	arena_done(&a);
	free(wall);
}

/* Take single values off the lists; each line that is left must still be readable. */
static void
edit_values(struct arena *a, const struct sip_msg *m)
{
	enum sip_hdr id = (enum sip_hdr)(1 + rnd(SIP_HDR__N - 1));
	struct sip_values it;
	struct sip_value v;
	struct sip_edits e;
	struct sip_msg *again = NULL;
	unsigned left = 0, found = 0;
	struct ed_fault fault;
	struct str out;
	int r;

	sip_edits_init(&e, a, m);
	sip_values_init(&it, m, id);
	while ((r = sip_values_next(&it, &v)) == 1) {
		if (rnd(2))
			sip_edit_delete_value(&e, &v);
		else
			left++;
	}
	if (r < 0 || sip_edits_size(&e) < 0)
		return;
	out.n = (size_t)sip_edits_size(&e);
	out.p = malloc(out.n ? out.n : 1);
	MUST(sip_edits_write(&e, (char *)(uintptr_t)out.p) == out.n);
	(void)!sip_msg_parse(a, out, &limits, &again, &fault);
	MUST(again);
	sip_values_init(&it, again, id);
	while ((r = sip_values_next(&it, &v)) == 1)
		found++;
	MUST(r == 0 && found == left);
	free((void *)(uintptr_t)out.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sip_msg *m = NULL;
	struct sip_edits e;
	struct ed_fault fault = {.code = ED_OK};
	struct arena a;
	struct str in;
	bool *touched;
	int r;

	if (n > 16384)
		return 0;
	seed = 2166136261u;
	for (size_t i = 0; i < n; i++)
		seed = (seed ^ data[i]) * 16777619u;
	in = (struct str){(const char *)data, n};
	arena_init(&a, NULL, 0, 1024 * 1024);
	r = sip_msg_parse(&a, in, &limits, &m, &fault);
	MUST(r == ED_OK || (fault.code == r && fault.what && fault.at <= in.n));
	must_bear_want(in, r);
	if (!m)
		goto out;
	walk_index(m);
	MUST(m->method == SIP_METHOD_OTHER ||
	     str_eq(m->method_name, str_of(sip_method_name(m->method))));
	(void)sip_msg_is_answerable(m);
	if (r != ED_OK)
		goto out;
	must_be_strict(m);

	sip_edits_init(&e, &a, m);
	must_write(&e, NULL);
	touched = calloc(in.n + 1, sizeof(*touched));
	edit_lines(&e, touched);
	must_write(&e, touched);
	free(touched);
	edit_values(&a, m);
	edit_headers(&a, m);
out:
	arena_done(&a);
	return 0;
}

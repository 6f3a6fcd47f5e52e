/* SPDX-License-Identifier: MIT */
#include "check.h"

#include "chars.h"
#include "host.h"
#include "sipparse/uri.h"
#include "sipparse/via.h"

int
parse_fail(struct sip_parse *ps, enum ed_err code, const char *at, const char *what)
{
	if (ps->fault.code == ED_OK || code == ED_NOMEM)
		ps->fault = (struct ed_fault){code, (uint32_t)(at - ps->m->bytes.p), what};
	return code;
}

/* A fault of a reader that was given text alone: its offset becomes one of the message. */
static void
fail_inside(struct sip_parse *ps, const char *base, const struct ed_fault *fault)
{
	parse_fail(ps, fault->code, base + fault->at, fault->what);
}

void
check_request_uri(struct sip_parse *ps)
{
	struct sip_msg *m = ps->m;
	struct ed_fault fault;

	if (m->uri.n > ps->lim->uri) {
		parse_fail(ps, ED_LIMIT, m->uri.p, "Request-URI too long");
		return;
	}
	if (uri_parse(m->uri, ps->safe, &m->ruri, &fault) < 0) {
		fail_inside(ps, m->uri.p, &fault);
		return;
	}
	/* RFC 3261 19.1.1, table 1: no headers in a Request-URI; they would become lines elsewhere.
	 */
	if (m->ruri.headers.n)
		parse_fail(ps, ED_MALFORMED, m->uri.p, "Request-URI with headers");
	if (m->ruri.escaped_name)
		parse_fail(ps, ED_MALFORMED, m->uri.p, "Request-URI: escape in a parameter name");
}

/* The only line of id; NULL when there is none. A second one is a fault. */
static const struct sip_line *
single_line(struct sip_parse *ps, enum sip_hdr id)
{
	struct sip_msg *m = ps->m;

	if (m->count[id] == 0)
		return NULL;
	if (m->count[id] > 1)
		parse_fail(ps, ED_MALFORMED, m->bytes.p + m->lines[m->last[id]].at,
		    "more than one of a header that stands once");
	return &m->lines[m->first[id]];
}

/* The same for one that must be there. */
static const struct sip_line *
needed_line(struct sip_parse *ps, enum sip_hdr id)
{
	const struct sip_line *l = single_line(ps, id);

	if (!l)
		parse_fail(
		    ps, ED_MALFORMED, ps->m->bytes.p, "Via, From, To, Call-ID or CSeq missing");
	return l;
}

/* One name-addr with the URI in it and its header parameters; the tag if it has one. */
static int
check_nameaddr(struct sip_parse *ps, struct str value, struct sip_nameaddr *ret_na,
    struct sip_uri *ret_uri, struct sip_param *ret_tag)
{
	struct ed_fault fault;
	int r;

	r = nameaddr_parse(value, ps->safe, ret_na, &fault);
	if (r < 0) { /* '*', too, is no address here */
		fault.code = ED_MALFORMED;
		fail_inside(ps, value.p, &fault);
		return r;
	}
	if (ret_na->uri_text.n > ps->lim->uri)
		return parse_fail(ps, ED_LIMIT, ret_na->uri_text.p, "URI too long");
	r = uri_parse(ret_na->uri_text, ps->safe, ret_uri, &fault);
	if (r < 0) {
		fail_inside(ps, ret_na->uri_text.p, &fault);
		return r;
	}
	if (params_check(ret_na->params, ps->safe, STR("tag"), ret_tag) < 0)
		return parse_fail(
		    ps, ED_MALFORMED, ret_na->params.p, "header parameter: bad or repeated");
	return ED_OK;
}

static void
check_party(struct sip_parse *ps, enum sip_hdr id, struct sip_party *ret)
{
	const struct sip_line *l = needed_line(ps, id);
	struct sip_nameaddr na;
	struct sip_param tag;

	if (!l)
		return;
	ret->value = sip_line_value(ps->m, l);
	if (check_nameaddr(ps, ret->value, &na, &ret->addr, &tag) < 0)
		return;
	ret->uri = na.uri_text;
	ret->display = na.display;
	ret->params = na.params;
	if (tag.name.n) {
		if (!tag.value.p || scan_token(tag.value.p, tag.value.p + tag.value.n, ps->safe) !=
					tag.value.p + tag.value.n)
			parse_fail(ps, ED_MALFORMED, na.params.p, "tag is not a token");
		ret->tag = tag.value;
	}
}

static void
check_call_id(struct sip_parse *ps)
{
	const struct sip_line *l = needed_line(ps, SIP_HDR_CALL_ID);
	const char *p, *end, *at;
	struct str v;

	if (!l)
		return;
	v = sip_line_value(ps->m, l);
	ps->m->call_id = v;
	p = v.p;
	end = p + v.n;
	at = scan_word(p, end, ps->safe);
	if (at == p ||
	    (at < end && (*at != '@' || at + 1 == end || scan_word(at + 1, end, ps->safe) != end)))
		parse_fail(ps, ED_MALFORMED, p, "Call-ID is not word or word@word");
}

static void
check_cseq(struct sip_parse *ps)
{
	const struct sip_line *l = needed_line(ps, SIP_HDR_CSEQ);
	struct sip_msg *m = ps->m;
	const char *p, *end;
	struct str v;

	if (!l)
		return;
	v = sip_line_value(m, l);
	p = v.p;
	end = p + v.n;
	while (p < end && ch_digit(*p))
		p++;
	/* RFC 3261 8.1.1.5: less than 2^31. */
	if (!str_to_u32((struct str){v.p, (size_t)(p - v.p)}, INT32_MAX, &m->cseq)) {
		parse_fail(ps, ED_MALFORMED, v.p, "CSeq: number");
		return;
	}
	if (p == end || !ch_blank(*p)) {
		parse_fail(ps, ED_MALFORMED, p, "CSeq: no method");
		return;
	}
	p = scan_blanks(p, end);
	m->cseq_method = (struct str){p, (size_t)(end - p)};
	if (p == end || scan_token(p, end, ps->safe) != end)
		parse_fail(ps, ED_MALFORMED, p, "CSeq: method is not a token");
	if (m->is_request) {
		if (!str_eq(m->method_name, m->cseq_method))
			parse_fail(ps, ED_MALFORMED, p, "CSeq: method differs from the request's");
	} else {
		m->method_name = m->cseq_method;
		m->method = sip_method_of(m->cseq_method);
	}
}

static void
check_numbers(struct sip_parse *ps)
{
	const struct sip_line *l = single_line(ps, SIP_HDR_MAX_FORWARDS);
	struct sip_msg *m = ps->m;
	struct str v;
	uint32_t n;

	if (l) {
		v = sip_line_value(m, l);
		if (str_to_u32(v, 255, &n))
			m->max_forwards = (int32_t)n;
		else
			parse_fail(ps, ED_MALFORMED, v.p, "Max-Forwards is not a number to 255");
	}
	/* Not read here, but signed (access-edge-sip 7.2): two of them would be two messages. */
	(void)single_line(ps, SIP_HDR_EXPIRES);
	m->content_length = (uint32_t)m->body.n;
	l = single_line(ps, SIP_HDR_CONTENT_LENGTH);
	if (l) {
		v = sip_line_value(m, l);
		if (!str_to_u32(v, UINT32_MAX, &n) || (v.n > 1 && v.p[0] == '0'))
			parse_fail(ps, ED_MALFORMED, v.p, "Content-Length is not a plain number");
		else if (n != m->body.n)
			parse_fail(ps, ED_MALFORMED, v.p, "Content-Length is not that of the body");
	}
}

static void
check_vias(struct sip_parse *ps)
{
	struct sip_msg *m = ps->m;
	struct ed_fault fault;
	struct sip_values it;
	struct sip_value v;
	struct sip_via via;
	int r;

	if (m->count[SIP_HDR_VIA] == 0)
		parse_fail(ps, ED_MALFORMED, m->bytes.p, "Via, From, To, Call-ID or CSeq missing");
	sip_values_init(&it, m, SIP_HDR_VIA);
	while ((r = sip_values_next(&it, &v)) == 1) {
		if (it.index > ps->lim->n_vias) {
			parse_fail(ps, ED_LIMIT, v.text.p, "too many Vias");
			return;
		}
		if (via_parse(v.text, ps->safe, it.index == 1 ? &m->via : &via, &fault) < 0)
			fail_inside(ps, v.text.p, &fault);
	}
	if (r < 0)
		parse_fail(ps, ED_MALFORMED, m->bytes.p + m->lines[it.line].at,
		    "Via: empty value or open quote");
}

/* Route and Record-Route hold name-addrs only, and no '*'. */
static void
check_routes(struct sip_parse *ps, enum sip_hdr id)
{
	struct sip_msg *m = ps->m;
	struct sip_nameaddr na;
	struct sip_values it;
	struct sip_param tag;
	struct sip_value v;
	struct sip_uri uri;
	int r;

	if (m->count[id] == 0)
		return;
	sip_values_init(&it, m, id);
	while ((r = sip_values_next(&it, &v)) == 1) {
		if (it.index > ps->lim->n_vias) {
			parse_fail(ps, ED_LIMIT, v.text.p, "too many Routes or Record-Routes");
			return;
		}
		if (check_nameaddr(ps, v.text, &na, &uri, &tag) < 0)
			continue;
		if (!na.bracketed)
			parse_fail(ps, ED_MALFORMED, v.text.p, "Route: < > missing");
		if (uri.headers.n || uri.escaped_name)
			parse_fail(ps, ED_MALFORMED, v.text.p,
			    "Route: headers or an escaped name in the URI");
	}
	if (r < 0)
		parse_fail(ps, ED_MALFORMED, m->bytes.p + m->lines[it.line].at,
		    "Route: empty value or open quote");
}

static void
check_contacts(struct sip_parse *ps)
{
	struct sip_msg *m = ps->m;
	struct sip_nameaddr na;
	struct sip_values it;
	struct sip_param tag;
	struct sip_value v;
	struct sip_uri uri;
	int r;

	if (m->count[SIP_HDR_CONTACT] == 0)
		return;
	sip_values_init(&it, m, SIP_HDR_CONTACT);
	while ((r = sip_values_next(&it, &v)) == 1) {
		if (str_eq(v.text, STR("*"))) {
			if (!v.only || m->count[SIP_HDR_CONTACT] > 1)
				parse_fail(ps, ED_MALFORMED, v.text.p, "Contact: * beside others");
		} else if (it.index == 1) {
			if (check_nameaddr(ps, v.text, &m->contact_addr, &m->contact, &tag) < 0)
				m->contact.text = STR_NONE;
		} else {
			(void)!check_nameaddr(ps, v.text, &na, &uri, &tag);
		}
	}
	if (r < 0)
		parse_fail(ps, ED_MALFORMED, m->bytes.p + m->lines[it.line].at,
		    "Contact: empty value or open quote");
}

static void
check_tokens(struct sip_parse *ps, enum sip_hdr id)
{
	struct sip_msg *m = ps->m;
	struct sip_values it;
	struct sip_value v;
	int r;

	if (m->count[id] == 0)
		return;
	sip_values_init(&it, m, id);
	while ((r = sip_values_next(&it, &v)) == 1)
		if (scan_token(v.text.p, v.text.p + v.text.n, ps->safe) != v.text.p + v.text.n)
			parse_fail(ps, ED_MALFORMED, v.text.p, "option tag is not a token");
	if (r < 0)
		parse_fail(ps, ED_MALFORMED, m->bytes.p + m->lines[it.line].at, "empty option tag");
}

void
check_values(struct sip_parse *ps)
{
	check_vias(ps);
	check_party(ps, SIP_HDR_FROM, &ps->m->from);
	check_party(ps, SIP_HDR_TO, &ps->m->to);
	check_call_id(ps);
	check_cseq(ps);
	check_numbers(ps);
	check_routes(ps, SIP_HDR_ROUTE);
	check_routes(ps, SIP_HDR_RECORD_ROUTE);
	check_contacts(ps);
	check_tokens(ps, SIP_HDR_REQUIRE);
	check_tokens(ps, SIP_HDR_PROXY_REQUIRE);
}

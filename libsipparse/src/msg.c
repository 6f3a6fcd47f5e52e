/* SPDX-License-Identifier: MIT */
#include "sipparse/msg.h"

#include "check.h"

#define LINES_FIRST 48u /* room for most messages; doubles up to the limit */

static int
parse_line_slot(struct sip_parse *ps, struct sip_line **ret_line)
{
	struct sip_msg *m = ps->m;
	struct sip_line *grown;

	if (m->n_lines == ps->room) {
		uint32_t room = ps->room ? ps->room * 2 : LINES_FIRST;

		grown = arena_alloc(ps->arena, room * sizeof(*grown));
		if (!grown)
			return ED_NOMEM;
		if (m->n_lines)
			memcpy(grown, m->lines, m->n_lines * sizeof(*grown));
		m->lines = grown;
		ps->room = room;
	}
	*ret_line = &m->lines[m->n_lines];
	return ED_OK;
}

static void
parse_link(struct sip_msg *m, struct sip_line *l)
{
	uint16_t i = m->n_lines++;

	l->next = SIP_NO_LINE;
	if (l->id != SIP_HDR_OTHER) {
		if (m->count[l->id] == 0)
			m->first[l->id] = i;
		else
			m->lines[m->last[l->id]].next = i;
		m->last[l->id] = i;
	}
	m->count[l->id]++;
}

/* The CR of the next CRLF from p on, or end; other controls on the way are a fault. */
static inline const char *
parse_next_cr(struct sip_parse *ps, const char *p, const char *end)
{
	for (;;) {
		const char *hit = ctl_scan_next(&ps->ctls);

		if (hit == end)
			return end;
		if (hit < p) /* the LF of the line before */
			continue;
		if (*hit == '\r' && hit + 1 < end && hit[1] == '\n') {
			ctl_scan_skip(&ps->ctls, hit + 1);
			return hit;
		}
		parse_fail(ps, ED_MALFORMED, hit, "control character, bare CR or bare LF");
		ps->dirty = true;
	}
}

/*
 * The end of the logical line that starts at p: behind its last CRLF, or NULL when the block ends
 * before. *ret_folded tells of continuation lines; *ret_stop is the CR of the last one.
 */
static const char *
parse_line_end(
    struct sip_parse *ps, const char *p, const char *end, bool *ret_folded, const char **ret_stop)
{
	*ret_folded = false;
	for (;;) {
		const char *cr = parse_next_cr(ps, p, end);

		*ret_stop = cr;
		if (cr == end)
			return NULL;
		if (*ret_folded && scan_blanks(p, cr) == cr)
			parse_fail(ps, ED_MALFORMED, p, "continuation line of blanks only");
		p = cr + 2;
		if (p == end || !ch_blank(*p))
			return p;
		*ret_folded = true;
	}
}

/* The id says not all of the name. */
static bool
hdr_name_is_open(enum sip_hdr id)
{
	return id == SIP_HDR_OTHER || id == SIP_HDR_MS_EDGE_OTHER ||
	       id == SIP_HDR_MS_VERIFICATION_LEVEL;
}

/* One header line from p on; *ret_next is the start of the one behind it, NULL at a broken end. */
static int
parse_line(struct sip_parse *ps, const char *p, const char *end, const char **ret_next)
{
	const char *base = ps->m->bytes.p, *colon, *v, *stop, *next;
	struct sip_line *l;
	bool folded;
	int r;

	ps->dirty = false;
	next = parse_line_end(ps, p, end, &folded, &stop);
	*ret_next = next;
	if (!next)
		return parse_fail(ps, ED_MALFORMED, p, "header block without an end"), ED_OK;
	if (ps->dirty) /* refused; nothing of it may come back in a reply */
		return ED_OK;
	if ((size_t)(stop - p) > ps->lim->header_line)
		return parse_fail(ps, ED_LIMIT, p, "header line too long");
	if (ps->m->n_lines >= ps->lim->n_lines || ps->m->n_lines == SIP_NO_LINE - 1)
		return parse_fail(ps, ED_LIMIT, p, "too many header lines");
	colon = scan_to(p, stop, ps->safe, ':');
	if (colon == stop || colon == p || colon - p > UINT16_MAX) {
		parse_fail(ps, ED_MALFORMED, p, "header line without a name");
		return ED_OK;
	}
	r = parse_line_slot(ps, &l);
	if (r < 0)
		return parse_fail(ps, ED_NOMEM, p, "no memory for header lines");
	l->id = (uint8_t)sip_hdr_of((struct str){p, (size_t)(colon - p)});
	/* The name of a header with a number is a token by itself. */
	if (hdr_name_is_open((enum sip_hdr)l->id) && scan_token(p, colon, ps->safe) != colon) {
		parse_fail(ps, ED_MALFORMED, p, "header name is not a token");
		return ED_OK;
	}
	v = colon + 1;
	if (v < stop && *v == ' ') /* as nearly all have it */
		v++;
	while (v < stop && ch_lws(*v))
		v++;
	while (stop > v && ch_blank(stop[-1]))
		stop--;
	l->at = (uint32_t)(p - base);
	l->len = (uint32_t)(next - p);
	l->value_at = (uint32_t)(v - base);
	l->value_len = (uint32_t)(stop - v);
	l->name_len = (uint16_t)(colon - p);
	l->folded = folded;
	if (folded && sip_hdr_is_routing((enum sip_hdr)l->id))
		parse_fail(ps, ED_MALFORMED, p, "folded line in a header that is routed by");
	parse_link(ps->m, l);
	return ED_OK;
}

/* Start line to the empty line. Only limits and memory end the walk; other faults are noted. */
static int
parse_lines(struct sip_parse *ps, const char *p)
{
	struct sip_msg *m = ps->m;
	const char *end = m->bytes.p + m->bytes.n;
	int r;

	if (p < end && ch_blank(*p))
		parse_fail(ps, ED_MALFORMED, p, "blank in front of the first header");
	while (p && p < end && *p != '\r') {
		r = parse_line(ps, p, end, &p);
		if (r < 0)
			return r;
	}
	if (!p || end - p < 2 || p[1] != '\n') {
		parse_fail(ps, ED_MALFORMED, p ? p : end, "no empty line behind the headers");
		p = end;
	} else {
		p += 2;
	}
	m->header_len = (uint32_t)(p - m->bytes.p);
	m->body = (struct str){p, (size_t)(end - p)};
	if (m->header_len > ps->lim->header_block)
		return parse_fail(ps, ED_LIMIT, p, "header block too long");
	if (m->body.n > ps->lim->body)
		return parse_fail(ps, ED_LIMIT, p, "body too large");
	return ED_OK;
}

static void
parse_version(struct sip_parse *ps, struct str v)
{
	const char *p = v.p + 4, *end = v.p + v.n;

	if (v.n == 7 && memcmp(v.p, "SIP/2.0", 7) == 0)
		return;
	if (v.n > 6 && memcmp(v.p, "SIP/", 4) == 0 && ch_digit(*p)) {
		while (p < end && ch_digit(*p))
			p++;
		if (p + 1 < end && *p == '.' && ch_digit(p[1])) {
			p++;
			while (p < end && ch_digit(*p))
				p++;
			if (p == end) {
				parse_fail(ps, ED_UNSUPPORTED, v.p, "SIP version is not 2.0");
				return;
			}
		}
	}
	parse_fail(ps, ED_MALFORMED, v.p, "start line: version is not SIP/2.0");
}

static void
parse_request_line(struct sip_parse *ps, const char *p, const char *end)
{
	struct sip_msg *m = ps->m;
	const char *sp = scan_token(p, end, ps->safe);

	m->is_request = true;
	m->method_name = (struct str){p, (size_t)(sp - p)};
	m->method = sip_method_of(m->method_name);
	if (sp == p || sp == end || *sp != ' ') {
		parse_fail(ps, ED_MALFORMED, p, "start line: method is not a token and a space");
		return;
	}
	p = sp + 1;
	sp = scan_to(p, end, ps->safe, ' ');
	m->uri = (struct str){p, (size_t)(sp - p)};
	if (sp == end) {
		parse_fail(ps, ED_MALFORMED, p, "start line: no version");
		return;
	}
	parse_version(ps, (struct str){sp + 1, (size_t)(end - sp - 1)});
	check_request_uri(ps);
}

static void
parse_status_line(struct sip_parse *ps, const char *p, const char *end)
{
	struct sip_msg *m = ps->m;

	/* "SIP/2.0 200 OK"; the second space stays even when the reason phrase is empty. */
	if (end - p < 12 || memcmp(p, "SIP/2.0 ", 8) != 0 || !ch_digit(p[8]) || !ch_digit(p[9]) ||
	    !ch_digit(p[10]) || p[11] != ' ') {
		parse_fail(ps, ED_MALFORMED, p, "bad status line");
		return;
	}
	m->status = (uint16_t)((p[8] - '0') * 100 + (p[9] - '0') * 10 + (p[10] - '0'));
	m->reason = (struct str){p + 12, (size_t)(end - p - 12)};
	if (m->status < 100 || m->status > 699)
		parse_fail(ps, ED_MALFORMED, p + 8, "status code out of range");
}

/* The start line; *ret_next is the first header line. */
static int
parse_start(struct sip_parse *ps, const char **ret_next)
{
	struct sip_msg *m = ps->m;
	const char *p = m->bytes.p, *end = p + m->bytes.n;
	const char *cr;

	ctl_scan_init(&ps->ctls, p, end);
	cr = parse_next_cr(ps, p, end);
	if ((size_t)(cr - p) > ps->lim->start_line)
		return parse_fail(ps, ED_LIMIT, p, "start line too long");
	if (cr == end)
		return parse_fail(ps, ED_MALFORMED, p, "start line without an end");
	m->start_line_len = (uint32_t)(cr - p) + 2;
	if (cr - p >= 4 && name_is(p, "sip/", 4))
		parse_status_line(ps, p, cr);
	else
		parse_request_line(ps, p, cr);
	*ret_next = cr + 2;
	return ED_OK;
}

int
sip_msg_parse(struct arena *a, struct str bytes, const struct sip_limits *lim,
    struct sip_msg **ret_msg, struct ed_fault *fault)
{
	struct sip_parse ps = {.arena = a, .lim = lim, .fault = {.code = ED_OK}};
	const char *lines = NULL;

	if (ret_msg)
		*ret_msg = NULL;
	if (bytes.n == 0)
		return ed_fail(fault, ED_MALFORMED, 0, "no message");
	if (bytes.n > (uint64_t)lim->header_block + lim->body || bytes.n > UINT32_MAX / 2)
		return ed_fail(fault, ED_LIMIT, 0, "message too large");
	ps.m = arena_calloc(a, 1, sizeof(*ps.m));
	if (!ps.m)
		return ed_fail(fault, ED_NOMEM, 0, "no memory for the message");
	memset(ps.m->first, 0xff, sizeof(ps.m->first));
	memset(ps.m->last, 0xff, sizeof(ps.m->last));
	ps.m->bytes = bytes;
	ps.safe = bytes.p + bytes.n;
	ps.m->max_forwards = -1;

	if (parse_start(&ps, &lines) == ED_OK && parse_lines(&ps, lines) == ED_OK)
		check_values(&ps);
	if (ps.fault.code == ED_NOMEM)
		return ed_fail(fault, ED_NOMEM, ps.fault.at, ps.fault.what);
	if (ret_msg)
		*ret_msg = ps.m;
	if (ps.fault.code != ED_OK && fault)
		*fault = ps.fault;
	return ps.fault.code;
}

bool
sip_msg_is_answerable(const struct sip_msg *m)
{
	static const uint8_t needed[] = {
	    SIP_HDR_VIA, SIP_HDR_FROM, SIP_HDR_TO, SIP_HDR_CALL_ID, SIP_HDR_CSEQ};

	if (!m || !m->is_request || m->method == SIP_ACK || m->method == SIP_BENOTIFY)
		return false;
	for (size_t i = 0; i < sizeof(needed); i++)
		if (m->first[needed[i]] == SIP_NO_LINE ||
		    m->lines[m->first[needed[i]]].value_len == 0)
			return false;
	return true;
}

struct str
sip_line_name(const struct sip_msg *m, const struct sip_line *l)
{
	return (struct str){m->bytes.p + l->at, l->name_len};
}

struct str
sip_line_value(const struct sip_msg *m, const struct sip_line *l)
{
	return (struct str){m->bytes.p + l->value_at, l->value_len};
}

struct str
sip_msg_value(const struct sip_msg *m, enum sip_hdr id)
{
	if (m->first[id] == SIP_NO_LINE)
		return STR_NONE;
	return sip_line_value(m, &m->lines[m->first[id]]);
}

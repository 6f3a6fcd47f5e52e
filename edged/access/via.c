/* SPDX-License-Identifier: MIT
 *
 * access/via.c: see via.h.
 */
#include "access/via.h"

#include <string.h>

#include "access/names.h"
#include "access/text.h"
#include "access/token.h"
#include "base/addr.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"
#include "sipparse/via.h"

#define COOKIE       STR("z9hG4bK")
#define VIA_TEXT_MAX 512u /* sent-by (255) and the rest of our line */

/* ---- marking what came ---- */

static bool
is_ours_to_write(struct str name)
{
	return str_eq_nocase(name, STR("received")) ||
	       str_eq_nocase(name, STR("ms-received-port")) ||
	       str_eq_nocase(name, STR("ms-received-cid"));
}

/* Takes off what only we may say; fills in an empty rport (RFC 3581 4). */
static int
clean_params(const struct work *w, const struct sip_via *v, uint32_t params_at, uint16_t port,
    struct sip_edits *e)
{
	struct sip_param p;
	uint32_t pos = 0;
	int r;

	while ((r = sip_param_next(v->params, &pos, &p)) == 1) {
		if (is_ours_to_write(p.name)) {
			sip_edit_splice(e, params_at + p.at, p.len, STR(""));
		} else if (str_eq_nocase(p.name, STR("rport"))) {
			struct text t = text_start(w->arena, 16);

			text_put(&t, STR(";rport="));
			text_put_u32(&t, port);
			text_splice(e, params_at + p.at, p.len, &t);
		}
	}
	return r;
}

/* The top Via: read already when the message was, but for one that could not be read. */
static int
top_via(const struct sip_msg *m, struct sip_via *ret_via, uint32_t *ret_at)
{
	struct sip_values it;
	struct sip_value val;

	if (m->via.text.p) {
		*ret_via = m->via;
		*ret_at = (uint32_t)(m->via.text.p - m->bytes.p);
		return ED_OK;
	}
	sip_values_init(&it, m, SIP_HDR_VIA);
	if (sip_values_next(&it, &val) != 1 || sip_via_parse(val.text, ret_via, NULL) < 0)
		return ED_MALFORMED;
	*ret_at = val.at;
	return ED_OK;
}

static bool
sent_by_is(const struct sip_via *v, const struct addr *remote)
{
	struct addr ip;

	return addr_parse_ip(&ip, v->host) == ED_OK && addr_ip_eq(&ip, remote);
}

int
via_mark(const struct work *w, const struct facts *f, const struct sip_msg *m, struct sip_edits *e)
{
	struct sip_via v;
	char ip[ADDR_STR_LEN];
	struct text t;
	uint32_t at;

	if (top_via(m, &v, &at) < 0)
		return ED_MALFORMED;
	if (clean_params(w, &v, at + v.params_at, f->remote.port, e) < 0)
		return ED_MALFORMED;

	t = text_start(w->arena, 128);
	if (v.has_rport || !sent_by_is(&v, &f->remote)) {
		text_put(&t, STR(";received="));
		text_put(&t, str_of(addr_ip_str(&f->remote, ip)));
	}
	text_put(&t, STR(";ms-received-port="));
	text_put_u32(&t, f->remote.port);
	text_put(&t, STR(";ms-received-cid="));
	text_put_hex(&t, f->cid, 1, true);
	text_splice(e, at + (uint32_t)v.text.n, 0, &t);
	return text_done(&t).p ? ED_OK : ED_NOMEM;
}

struct str
via_marked(const struct work *w, const struct facts *f, const struct sip_msg *m)
{
	struct sip_values it;
	struct sip_value val;
	struct sip_edits e;
	struct text t;
	uint32_t at;

	sip_values_init(&it, m, SIP_HDR_VIA);
	if (sip_values_next(&it, &val) != 1)
		return STR_NONE;
	sip_edits_init(&e, w->arena, m);
	if (via_mark(w, f, m, &e) < 0 || e.err)
		return val.text;
	t = text_start(w->arena, val.text.n + 160);
	at = val.at;
	for (uint32_t i = 0; i < e.n; i++) { /* via_mark asks in ascending order */
		const struct sip_splice *s = &e.splices[i];

		text_put(&t, (struct str){m->bytes.p + at, s->at - at});
		text_put(&t, s->text);
		at = s->at + s->cut;
	}
	text_put(&t, (struct str){m->bytes.p + at, val.at + (uint32_t)val.text.n - at});
	return text_done(&t);
}

/* ---- our own ---- */

/* Keyed sum over what must differ for the same call to come by again legally (5.5). */
static int
loop_sum(const struct work *w, const struct sip_msg *m, unsigned days_back, uint32_t *ret_sum)
{
	struct str route = STR("");
	struct str parts[4];

	if (m->first[SIP_HDR_ROUTE] != SIP_NO_LINE) {
		/* From the first Route line to the last; other lines between them do no harm. */
		const struct sip_line *a = &m->lines[m->first[SIP_HDR_ROUTE]];
		const struct sip_line *b = &m->lines[m->last[SIP_HDR_ROUTE]];

		route = (struct str){
		    m->bytes.p + a->value_at, b->value_at + b->value_len - a->value_at};
	}
	parts[0] = m->uri;
	parts[1] = route;
	parts[2] = m->to.tag;
	parts[3] = m->call_id;
	return token_mark(w->ring, w->now_s, days_back, parts, 4, ret_sum);
}

/* The 8 hex of a branch: the sum, bound to the transaction's number. */
static int
loop_mark(const struct work *w, uint32_t sum, uint64_t id, unsigned days_back, uint32_t *ret_mark)
{
	struct str parts[2] = {
	    {(const char *)&sum, sizeof(sum)},
	    {(const char *)&id, sizeof(id)},
	};

	return token_mark(w->ring, w->now_s, days_back, parts, 2, ret_mark);
}

int
via_branch(
    const struct work *w, const struct sip_msg *m, uint64_t id, char ret_branch[VIA_BRANCH_LEN])
{
	struct text t = text_over(ret_branch, VIA_BRANCH_LEN);
	uint32_t sum, mark;
	int r;

	r = loop_sum(w, m, 0, &sum);
	if (r < 0)
		return r;
	r = loop_mark(w, sum, id, 0, &mark);
	if (r < 0)
		return r;
	text_put(&t, COOKIE);
	text_put_hex(&t, mark, 8, true);
	text_put(&t, STR("."));
	text_put_hex(&t, id, 16, true);
	return t.bad ? ED_LIMIT : ED_OK;
}

struct str
via_line(const struct work *w, enum facts_peer to, const struct addr *local,
    const char branch[VIA_BRANCH_LEN])
{
	struct text t = text_start(w->arena, VIA_TEXT_MAX);
	char buf[ADDR_STR_LEN];

	text_put(&t, STR("Via: SIP/2.0/TLS "));
	if (to == FACTS_INTERNAL) {
		text_put(&t, str_of(addr_str(local, buf)));
	} else {
		text_put(&t, w->view->external_fqdn);
		text_put(&t, STR(":"));
		text_put_u32(
		    &t, to == FACTS_CLIENT ? w->view->client_port : w->view->federation_port);
	}
	text_put(&t, STR(";branch="));
	text_put(&t, (struct str){branch, VIA_BRANCH_LEN});
	text_put(&t, STR(";branched=FALSE\r\n"));
	return text_done(&t);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)ascii_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex(struct str s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		int d = hex_value(s.p[i]);

		if (d < 0)
			return false;
		v = v << 4 | (uint64_t)d;
	}
	*ret = v;
	return true;
}

static bool
read_branch(struct str branch, uint64_t *ret_mark, uint64_t *ret_id)
{
	return branch.n == VIA_BRANCH_LEN && str_starts_nocase(branch, COOKIE) &&
	       branch.p[15] == '.' && read_hex((struct str){branch.p + 7, 8}, ret_mark) &&
	       read_hex((struct str){branch.p + 16, 16}, ret_id);
}

bool
via_branch_id(struct str branch, uint64_t *ret_id)
{
	uint64_t mark;

	return read_branch(branch, &mark, ret_id);
}

static bool
sent_by_us(const struct work *w, const struct sip_via *v)
{
	return names_bits(w->view->names, v->host) & (NAMES_EXTERNAL | NAMES_SELF_INSIDE);
}

int
via_own(const struct work *w, const struct sip_msg *m, uint64_t *ret_id)
{
	struct sip_via v;
	uint32_t at;

	if (top_via(m, &v, &at) < 0)
		return ED_DENIED;
	if (!sent_by_us(w, &v) || !via_branch_id(v.branch, ret_id))
		return ED_DENIED;
	return ED_OK;
}

/* The sums are made once, when the first Via of ours is met: the work stays linear in the message.
 */
struct loop_check {
	bool made, have[2];
	uint32_t sum[2]; /* today's, yesterday's */
};

static bool
is_loop_mark(
    const struct work *w, const struct sip_msg *m, struct loop_check *c, uint32_t mark, uint64_t id)
{
	for (unsigned back = 0; back < 2 && !c->made; back++)
		c->have[back] = loop_sum(w, m, back, &c->sum[back]) == ED_OK;
	c->made = true;
	for (unsigned back = 0; back < 2; back++) {
		uint32_t want;

		if (c->have[back] && loop_mark(w, c->sum[back], id, back, &want) == ED_OK &&
		    want == mark)
			return true;
	}
	return false;
}

/* Our branches have a dot where nobody else's has one; others pass Vias on as they are. */
static bool
may_be_ours(struct str via)
{
	const char *hit = memmem(via.p, via.n, "z9hG4bK", 7);

	return hit && (size_t)(via.p + via.n - hit) >= VIA_BRANCH_LEN && hit[15] == '.';
}

bool
via_is_loop(const struct work *w, const struct sip_msg *m)
{
	struct loop_check check = {0};
	struct sip_values it;
	struct sip_value val;

	sip_values_init(&it, m, SIP_HDR_VIA);
	while (sip_values_next(&it, &val) == 1) {
		struct sip_via v;
		uint64_t mark, id;

		if (!may_be_ours(val.text))
			continue;
		if (val.text.p == m->via.text.p)
			v = m->via;
		else if (sip_via_parse(val.text, &v, NULL) < 0)
			continue;
		if (!read_branch(v.branch, &mark, &id) || !sent_by_us(w, &v))
			continue;
		if (is_loop_mark(w, m, &check, (uint32_t)mark, id))
			return true;
	}
	return false;
}

unsigned
via_count(const struct sip_msg *m, unsigned most)
{
	struct sip_values it;
	struct sip_value val;
	unsigned n = 0;

	sip_values_init(&it, m, SIP_HDR_VIA);
	while (n < most && sip_values_next(&it, &val) == 1)
		n++;
	return n;
}

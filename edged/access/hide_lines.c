/* SPDX-License-Identifier: MIT
 *
 * access/hide_lines.c: header lines that hiding writes.
 */
#include "access/hide_in.h"

#include "access/text.h"

struct str
hide_lines_of(const struct job *j, enum sip_hdr id)
{
	struct str name = str_of(sip_hdr_name(id));
	struct text t;
	size_t room = 0;

	if (j->m->first[id] == SIP_NO_LINE)
		return STR("");
	for (uint16_t i = j->m->first[id]; i != SIP_NO_LINE; i = j->m->lines[i].next)
		room += name.n + 4 + j->m->lines[i].value_len;
	t = text_start(j->w->arena, room);
	for (uint16_t i = j->m->first[id]; i != SIP_NO_LINE; i = j->m->lines[i].next) {
		text_put(&t, name);
		text_put(&t, STR(": "));
		text_put(&t, sip_line_value(j->m, &j->m->lines[i]));
		text_put(&t, STR("\r\n"));
	}
	return text_done(&t);
}

struct str
hide_rr_lines(const struct work *w, struct str upper, struct str lower)
{
	struct text t = text_start(w->arena, upper.n + lower.n + 2 * 24);

	if (upper.n) {
		text_put(&t, RECORD_ROUTE);
		text_put(&t, upper);
		text_put(&t, LINE_END);
	}
	if (lower.n) {
		text_put(&t, RECORD_ROUTE);
		text_put(&t, lower);
		text_put(&t, LINE_END);
	}
	return text_done(&t);
}

struct str
hide_inside_pair(const struct job *j, const struct parts *p, bool o_on_top)
{
	if (j->single || !p->o.n)
		return hide_rr_lines(j->w, p->i, STR(""));
	return o_on_top ? hide_rr_lines(j->w, p->o, p->i) : hide_rr_lines(j->w, p->i, p->o);
}

void
hide_insert_first(const struct job *j, struct str text)
{
	if (!text.p)
		j->e->err = ED_NOMEM;
	else if (text.n)
		sip_edit_insert_first(j->e, text);
}

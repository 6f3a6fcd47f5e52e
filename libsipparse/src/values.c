/* SPDX-License-Identifier: MIT */
#include "sipparse/msg.h"

#include "chars.h"

void
sip_values_init(struct sip_values *it, const struct sip_msg *m, enum sip_hdr id)
{
	*it = (struct sip_values){.m = m, .id = id, .line = SIP_NO_LINE, .next_line = m->first[id]};
}

/* From p to the comma that ends this value, or end; NULL on an open quote or bracket. */
static const char *
value_end(const char *p, const char *end, const char *safe)
{
	bool open = false;

	for (;;) {
		p = scan_list(p, end, safe);
		if (p == end || (*p == ',' && !open))
			break;
		if (*p == '"') {
			if (open) /* no URI holds a quote; readers disagree on what it would hide */
				return NULL;
			p = scan_quoted(p, end, safe);
			if (!p)
				return NULL;
			continue;
		}
		if (*p == '<' || *p == '>') {
			if (open == (*p == '<'))
				return NULL;
			open = !open;
		}
		p++;
	}
	return open ? NULL : p;
}

/* Opens the next line that has anything in it. 1, 0 at the end, ED_MALFORMED. */
static int
values_open_line(struct sip_values *it)
{
	while (it->next_line != SIP_NO_LINE) {
		const struct sip_line *l = &it->m->lines[it->next_line];

		it->line = it->next_line;
		it->next_line = l->next;
		it->at = 0;
		if (l->value_len)
			return 1;
		/* RFC 3261 20: an empty Supported is legal. */
		if (it->id != SIP_HDR_SUPPORTED)
			return ED_MALFORMED;
	}
	return 0;
}

int
sip_values_next(struct sip_values *it, struct sip_value *ret_value)
{
	const struct sip_line *l;
	const char *base, *p, *end, *stop;
	int r;

	if (it->line == SIP_NO_LINE || it->at >= it->m->lines[it->line].value_len) {
		r = values_open_line(it);
		if (r <= 0)
			return r;
	}
	l = &it->m->lines[it->line];
	base = it->m->bytes.p + l->value_at;
	end = base + l->value_len;
	p = base + it->at;
	stop = value_end(p, end, it->m->bytes.p + it->m->bytes.n);
	if (!stop)
		return ED_MALFORMED;
	ret_value->first = it->at == 0;
	ret_value->last = stop == end;
	ret_value->only = ret_value->first && ret_value->last;
	ret_value->line = it->line;
	it->at = (uint32_t)(stop - base) + 1;
	if (!ret_value->last && stop + 1 == end)
		return ED_MALFORMED; /* nothing behind the last comma */
	while (p < stop && ch_lws(*p))
		p++;
	while (stop > p && ch_lws(stop[-1]))
		stop--;
	if (p == stop)
		return ED_MALFORMED;
	ret_value->text = (struct str){p, (size_t)(stop - p)};
	ret_value->at = (uint32_t)(p - it->m->bytes.p);
	it->index++;
	return 1;
}

bool
sip_msg_has_token(const struct sip_msg *m, enum sip_hdr id, struct str token)
{
	struct sip_values it;
	struct sip_value v;

	sip_values_init(&it, m, id);
	while (sip_values_next(&it, &v) == 1)
		if (str_eq_nocase(v.text, token))
			return true;
	return false;
}

/* SPDX-License-Identifier: MIT */
#include "sipparse/edit.h"

#include <assert.h>

#include "chars.h"

#define SPLICES_FIRST 16u

void
sip_edits_init(struct sip_edits *e, struct arena *a, const struct sip_msg *m)
{
	*e = (struct sip_edits){.m = m, .arena = a, .sorted = true};
}

static struct sip_splice *
edits_push(struct sip_edits *e, uint32_t at, uint32_t cut, struct str text)
{
	struct sip_splice *s;

	if (at > e->m->bytes.n ||
	    cut > e->m->bytes.n - at) { /* our own mistake; costs this message */
		assert(false);
		e->err = ED_STATE;
		return NULL;
	}
	if (e->n == e->room) {
		uint32_t room = e->room ? e->room * 2 : SPLICES_FIRST;

		s = arena_alloc(e->arena, room * sizeof(*s));
		if (!s) {
			e->err = ED_NOMEM;
			return NULL;
		}
		if (e->n)
			memcpy(s, e->splices, e->n * sizeof(*s));
		e->splices = s;
		e->room = room;
	}
	if (e->n && e->splices[e->n - 1].at > at)
		e->sorted = false;
	s = &e->splices[e->n];
	*s = (struct sip_splice){.at = at, .cut = cut, .text = text, .seq = e->n};
	e->n++;
	return s;
}

void
sip_edit_splice(struct sip_edits *e, uint32_t at, uint32_t cut, struct str text)
{
	(void)edits_push(e, at, cut, text);
}

void
sip_edit_insert_before(struct sip_edits *e, const struct sip_line *l, struct str text)
{
	(void)edits_push(e, l->at, 0, text);
}

void
sip_edit_insert_first(struct sip_edits *e, struct str text)
{
	(void)edits_push(e, e->m->start_line_len, 0, text);
}

void
sip_edit_insert_last(struct sip_edits *e, struct str text)
{
	(void)edits_push(e, e->m->header_len - 2, 0, text);
}

void
sip_edit_delete_line(struct sip_edits *e, const struct sip_line *l)
{
	struct sip_splice *s = edits_push(e, l->at, l->len, STR_NONE);

	if (s)
		s->whole_line = true;
}

void
sip_edit_delete_all(struct sip_edits *e, enum sip_hdr id)
{
	for (uint16_t i = e->m->first[id]; i != SIP_NO_LINE; i = e->m->lines[i].next)
		sip_edit_delete_line(e, &e->m->lines[i]);
}

void
sip_edit_replace_value(struct sip_edits *e, const struct sip_line *l, struct str value)
{
	(void)edits_push(e, l->value_at, l->value_len, value);
}

void
sip_edit_replace_uri(struct sip_edits *e, struct str uri)
{
	(void)edits_push(e, (uint32_t)(e->m->uri.p - e->m->bytes.p), (uint32_t)e->m->uri.n, uri);
}

/* A deletion of the values right in front of `at`, asked for before, is taken back and joined. */
static uint32_t
edits_join_cuts(struct sip_edits *e, uint32_t at)
{
	for (uint32_t i = e->n; i-- > 0;) {
		struct sip_splice *s = &e->splices[i];

		if (s->value && s->at + s->cut == at) {
			at = s->at;
			s->cut = 0;
			s->value = false;
		}
	}
	return at;
}

void
sip_edit_delete_value(struct sip_edits *e, const struct sip_value *v)
{
	const struct sip_line *l = &e->m->lines[v->line];
	const char *bytes = e->m->bytes.p;
	uint32_t at = v->at, end = v->at + (uint32_t)v->text.n;
	uint32_t value_end = l->value_at + l->value_len;
	struct sip_splice *s;

	if (v->last) {
		at = edits_join_cuts(e, at);
		if (at == l->value_at) {
			sip_edit_delete_line(e, l);
			return;
		}
		/* The comma that stood behind the value in front goes, too. */
		while (at > l->value_at && ch_lws(bytes[at - 1]))
			at--;
		at--;
		while (at > l->value_at && ch_lws(bytes[at - 1]))
			at--;
	} else {
		while (end < value_end && bytes[end] != ',')
			end++;
		end++;
		while (end < value_end && ch_lws(bytes[end]))
			end++;
	}
	s = edits_push(e, at, end - at, STR_NONE);
	if (s)
		s->value = true;
}

/* By place; edits of one place in the order of asking. The list is short and nearly in order. */
static void
edits_sort(struct sip_edits *e)
{
	for (uint32_t i = 1; i < e->n; i++) {
		struct sip_splice s = e->splices[i];
		uint32_t j = i;

		while (j > 0 && e->splices[j - 1].at > s.at) {
			e->splices[j] = e->splices[j - 1];
			j--;
		}
		e->splices[j] = s;
	}
	e->sorted = true;
}

/*
 * Walk the list with the message: out NULL only counts. An edit inside a deleted line is swallowed;
 * any other overlap is our own mistake, and yet reads nothing outside the message.
 */
static size_t
edits_walk(const struct sip_edits *e, char *out)
{
	const char *bytes = e->m->bytes.p;
	uint32_t at = 0;        /* what lies in front has been dealt with */
	uint32_t cut_at = 0;    /* where the last cut began */
	uint32_t whole_end = 0; /* and ended, if it was a whole line */
	size_t n = 0;

	for (uint32_t i = 0; i < e->n; i++) {
		const struct sip_splice *s = &e->splices[i];

		if (s->at < at && s->at < whole_end && (s->at > cut_at || s->cut))
			continue;
		if (s->cut == 0 && s->text.n == 0) /* nothing left to do here */
			continue;
		assert(s->at >= at || (s->at == cut_at && s->cut == 0));
		if (s->at > at) {
			if (out)
				memcpy(out + n, bytes + at, s->at - at);
			n += s->at - at;
			at = s->at;
		}
		if (s->text.n) {
			if (out)
				memcpy(out + n, s->text.p, s->text.n);
			n += s->text.n;
		}
		if (s->at + s->cut > at) {
			at = s->at + s->cut;
			cut_at = s->at;
			whole_end = s->whole_line ? at : 0;
		}
	}
	if (out)
		memcpy(out + n, bytes + at, e->m->bytes.n - at);
	return n + (e->m->bytes.n - at);
}

int64_t
sip_edits_size(struct sip_edits *e)
{
	if (e->err < 0)
		return e->err;
	if (!e->sorted)
		edits_sort(e);
	return (int64_t)edits_walk(e, NULL);
}

size_t
sip_edits_write(const struct sip_edits *e, char *out)
{
	return edits_walk(e, out);
}

/* SPDX-License-Identifier: MIT
 *
 * access/hide_response.c: responses (hide.h, second half): route sets restored, sealed and cut.
 *
 * Short names as in access-edge-sip 6.3: I, O our entries facing inside and outside; O* is O with
 * the inside's route set sealed into it; f entries of inside servers, p those of the outside's
 * proxies.
 */
#include "access/hide_in.h"

#include "access/names.h"
#include "access/text.h"
#include "access/via.h"
#include "base/addr.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

/* Does a response of that kind carry a route set (6.3)? */
static bool
carries_route_set(const struct sip_msg *m)
{
	return m->status > 100 && m->status < 300 && m->to.tag.n > 0;
}

static bool
is_our_sig(struct str uri, struct str ours)
{
	struct sip_uri a, b;
	struct sip_param pa, pb;

	if (!ours.n)
		return false;
	if (str_eq(uri, ours))
		return true;
	/* Some stacks reorder parameters; the signature stays what it is. */
	return sip_uri_parse(uri, &a, NULL) == ED_OK && sip_uri_parse(ours, &b, NULL) == ED_OK &&
	       sip_param_find(a.params, STR("ms-route-sig"), &pa) &&
	       sip_param_find(b.params, STR("ms-route-sig"), &pb) && pa.value.n &&
	       str_eq(pa.value, pb.value);
}

/* The Record-Route values of a response, read once. */
#define RR_MAX 64u
struct rr_list {
	struct sip_value values[RR_MAX];
	struct str uris[RR_MAX];
	unsigned n;
};

static int
read_rrs(const struct job *j, struct rr_list *l)
{
	struct sip_values it;
	struct sip_nameaddr na;
	int r = 0;

	l->n = 0;
	if (j->m->first[SIP_HDR_RECORD_ROUTE] == SIP_NO_LINE)
		return ED_OK;
	sip_values_init(&it, j->m, SIP_HDR_RECORD_ROUTE);
	while (l->n < RR_MAX && (r = sip_values_next(&it, &l->values[l->n])) == 1) {
		if (sip_nameaddr_parse(l->values[l->n].text, &na, NULL) < 0)
			return ED_DENIED;
		l->uris[l->n++] = na.uri_text;
	}
	return l->n < RR_MAX && r < 0 ? ED_DENIED : ED_OK;
}

/* Values [from, to) under full names, one a line. */
static void
put_values(struct text *t, const struct rr_list *l, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		text_put(t, STR("Record-Route: "));
		text_put(t, l->values[i].text);
		text_put(t, STR("\r\n"));
	}
}

/* Room for all values of the message on lines of their own. */
static size_t
rr_room(const struct sip_msg *m)
{
	size_t room = 64 + RR_MAX * 16;

	for (uint16_t i = m->first[SIP_HDR_RECORD_ROUTE]; i != SIP_NO_LINE; i = m->lines[i].next)
		room += m->lines[i].len;
	return room;
}

/* All Record-Route lines of the message become text. */
static void
replace_rrs(const struct job *j, const struct text *t)
{
	uint16_t first = j->m->first[SIP_HDR_RECORD_ROUTE];

	if (t->bad)
		j->e->err = ED_NOMEM;
	else if (t->n && first == SIP_NO_LINE)
		sip_edit_insert_first(j->e, text_done(t));
	else if (t->n)
		sip_edit_insert_before(j->e, &j->m->lines[first], text_done(t));
	sip_edit_delete_all(j->e, SIP_HDR_RECORD_ROUTE);
}

/* ---- a response from outside: p above our entry stay, ours and all below come from the
 * transaction ---- */

/* Where our own entry stands: the lowest one, as everything above was added after us. */
static unsigned
find_own(const struct job *j, const struct rr_list *l, struct str o_uri)
{
	struct entry ours, e;

	if (entry_read(j->w, o_uri, false, &ours, NULL) < 0)
		return l->n;
	for (unsigned i = l->n; i-- > 0;)
		if (entry_read(j->w, l->uris[i], false, &e, NULL) == ED_OK &&
		    str_eq(e.opaque, ours.opaque))
			return i;
	return l->n;
}

static int
restore_rrs(const struct job *j, const struct parts *p, const struct hide_keep *k)
{
	struct rr_list l;
	struct str pair;
	struct text t;
	unsigned at;
	int r;

	r = read_rrs(j, &l);
	if (r < 0)
		return r;
	at = find_own(j, &l, p->o);
	if (!k->hidden && !j->single && l.n > 0)
		return ED_OK;
	if (at == l.n && !carries_route_set(j->m))
		return ED_OK;
	pair = hide_inside_pair(j, p, true);
	t = text_start(j->w->arena, rr_room(j->m) + pair.n + p->rrs.n);
	put_values(&t, &l, 0, at);
	if (!pair.p)
		t.bad = true;
	text_put(&t, pair);
	text_put(&t, p->rrs);
	replace_rrs(j, &t);
	return ED_OK;
}

static int
response_enters(const struct job *j, const struct parts *p, const struct hide_keep *k)
{
	uint16_t via = j->m->first[SIP_HDR_VIA];

	if (via_count(j->m, 2) != 1)
		return ED_DENIED;
	if (p->vias.n)
		sip_edit_insert_before(j->e, &j->m->lines[via], p->vias);
	sip_edit_delete_line(j->e, &j->m->lines[via]);
	return k->has_rr ? restore_rrs(j, p, k) : ED_OK;
}

/* ---- a response from inside: f go into the token, what is below our pair stays ---- */

static struct entry_spec
outer_spec(const struct hide_keep *k, const struct parts *p)
{
	return (struct entry_spec){
	    .face = k->partner ? ENTRY_PARTNER : ENTRY_CLIENT,
	    .role = (char)k->role,
	    .dest = k->partner ? ENTRY_DOMAIN : ENTRY_CID,
	    .cid = k->cid,
	    .domain = p->domain,
	};
}

/* Lowest place of our pair; *ret_n its length, 0 when it is missing. */
static unsigned
find_pair(const struct job *j, const struct parts *p, const struct rr_list *l, unsigned *ret_n)
{
	bool single = j->single;

	*ret_n = 0;
	for (unsigned i = l->n; i-- > 0;) {
		if (!is_our_sig(l->uris[i], p->i))
			continue;
		if (!single && (i + 1 >= l->n || !is_our_sig(l->uris[i + 1], p->o)))
			continue;
		*ret_n = single ? 1 : 2;
		return i;
	}
	return 0;
}

static int
seal_rrs(const struct job *j, const struct parts *p, const struct hide_keep *k)
{
	struct entry_spec spec = outer_spec(k, p);
	struct rr_list l;
	struct str o_star;
	struct text f, t;
	unsigned at, n;
	int r;

	r = read_rrs(j, &l);
	if (r < 0)
		return r;
	at = find_pair(j, p, &l, &n);
	f = text_start(j->w->arena, rr_room(j->m));
	for (unsigned i = n ? at : 0; i-- > 0;) { /* bottom line first is f1 */
		text_put(&f, l.uris[i]);
		text_put(&f, STR("\n"));
	}
	if (f.bad)
		return ED_NOMEM;
	r = entry_make_sealed(j->w, &spec, j->m->call_id, text_done(&f), &o_star);
	if (r < 0)
		return r;
	t = text_start(j->w->arena, rr_room(j->m) + o_star.n + p->rrs.n);
	text_put(&t, RECORD_ROUTE);
	text_put(&t, o_star);
	text_put(&t, LINE_END);
	if (n)
		put_values(&t, &l, at + n, l.n);
	else
		text_put(&t, p->rrs);
	replace_rrs(j, &t);
	return ED_OK;
}

/* Nothing is hidden: only the single entry has another face outside. */
static int
show_rrs(const struct job *j, const struct parts *p)
{
	struct rr_list l;
	struct text t;
	unsigned at, n;
	int r;

	if (!j->single)
		return ED_OK;
	r = read_rrs(j, &l);
	if (r < 0)
		return r;
	at = find_pair(j, p, &l, &n);
	if (!n)
		return ED_OK;
	t = text_start(j->w->arena, rr_room(j->m) + p->o.n);
	put_values(&t, &l, 0, at);
	text_put(&t, RECORD_ROUTE);
	text_put(&t, p->o);
	text_put(&t, LINE_END);
	put_values(&t, &l, at + n, l.n);
	replace_rrs(j, &t);
	return ED_OK;
}

/* Vias below ours are the asker's own; an inside server that left its name there is cut. */
static int
cut_inside_vias(const struct job *j)
{
	struct sip_values it;
	struct sip_value val;
	size_t at, len;
	unsigned left = 0;

	sip_values_init(&it, j->m, SIP_HDR_VIA);
	for (bool first = true; sip_values_next(&it, &val) == 1; first = false)
		if (first ||
		    (j->hides && names_scan(j->w->view->names, val.text, false, &at, &len)))
			sip_edit_delete_value(j->e, &val);
		else
			left++;
	/* RFC 3261 16.7 step 3: without a Via below ours it is a response to nobody. */
	return left ? ED_OK : ED_DENIED;
}

static int
response_leaves(const struct job *j, const struct parts *p, const struct hide_keep *k)
{
	bool dialog = k->has_rr && p->o.n > 0 && carries_route_set(j->m);
	int r = cut_inside_vias(j);

	if (r < 0)
		return r;
	if (dialog && j->hides)
		r = seal_rrs(j, p, k);
	else if (dialog)
		r = show_rrs(j, p);
	else if (j->hides || !p->o.n)
		sip_edit_delete_all(j->e, SIP_HDR_RECORD_ROUTE);
	if (r < 0)
		return r;
	return hide_seal_all(j, p->contacts);
}

int
hide_response(
    const struct work *w, const struct hide_keep *k, const struct sip_msg *m, struct sip_edits *e)
{
	struct job j = {.w = w,
	    .m = m,
	    .e = e,
	    .hides = view_hides_from(w->view, k->partner),
	    .single = k->single};
	struct parts p;
	int r;

	hide_keep_read(k, &p);
	sip_edit_delete_all(
	    e, SIP_HDR_ROUTE); /* means nothing in a response, and may name the inside */
	r = k->leaving ? response_enters(&j, &p, k) : response_leaves(&j, &p, k);
	return r < 0 ? r : e->err;
}

/* SPDX-License-Identifier: MIT
 *
 * access/hide.c: requests (hide.h, second half): what of the inside leaves, what comes back.
 *
 * Short names as in access-edge-sip 6.3: I, O our entries facing inside and outside; O* is O with
 * the inside's route set sealed into it; f entries of inside servers, p those of the outside's
 * proxies.
 */
#include "access/hide_in.h"

#include <string.h>

#include "access/headers.h"
#include "access/text.h"
#include "base/addr.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

/* 6.2: what sets up a route set, and REGISTER, whose entry serves as a path. */
static bool
makes_route_set(const struct sip_msg *m)
{
	switch (m->method) {
	case SIP_INVITE:
	case SIP_SUBSCRIBE:
	case SIP_REFER:
	case SIP_NOTIFY:
	case SIP_BENOTIFY:
		return m->to.tag.n == 0;
	default:
		return false;
	}
}

static bool
gets_responses(const struct sip_msg *m)
{
	return m->method != SIP_ACK && m->method != SIP_BENOTIFY;
}

/* Route lines and Request-URI as hide_route decided. */
static void
write_route(const struct job *j, const struct hide_route *r, bool leaving, struct parts *p)
{
	p->uri = j->m->uri;
	if (r->uri.n) {
		p->uri = leaving && j->hides ? headers_without_names(j->w, r->uri, false) : r->uri;
		if (!p->uri.p)
			j->e->err = ED_NOMEM;
		sip_edit_replace_uri(j->e, p->uri);
	} else if (leaving && j->hides) {
		p->uri = headers_without_names(j->w, j->m->uri, false); /* as headers.c writes it */
	}
	if (!r->rewritten) {
		if (j->m->method == SIP_INVITE)
			p->routes = hide_lines_of(j, SIP_HDR_ROUTE);
		return;
	}
	if (j->m->method == SIP_INVITE)
		p->routes = r->routes;
	if (j->m->first[SIP_HDR_ROUTE] == SIP_NO_LINE) {
		hide_insert_first(j, r->routes);
		return;
	}
	if (r->routes.n)
		sip_edit_insert_before(j->e, &j->m->lines[j->m->first[SIP_HDR_ROUTE]], r->routes);
	sip_edit_delete_all(j->e, SIP_HDR_ROUTE);
}

/* O of 6.2 for that party; I beside it. REGISTER has the single entry instead, in *ret_i. */
static int
make_entries(const struct job *j, const struct hide_far *far, bool leaving,
    struct entry_spec *ret_o, struct parts *p)
{
	struct entry_spec o = {
	    .face = far->is_partner ? ENTRY_PARTNER : ENTRY_CLIENT,
	    .role = leaving ? 'T' : 'F',
	    .dest = far->is_partner ? ENTRY_DOMAIN : ENTRY_CID,
	    .cid = far->cid,
	    .domain = far->domain,
	};
	struct entry_spec i = {.face = ENTRY_INSIDE, .role = leaving ? 'F' : 'T'};
	bool path = j->m->method == SIP_REGISTER;
	int r = ED_OK;

	*ret_o = o;
	if (path || j->single) {
		i = o;
		i.face = ENTRY_INSIDE;
	}
	r = entry_make(j->w, &i, path ? STR("") : j->m->call_id, &p->i);
	if (r == ED_OK && !path)
		r = entry_make(j->w, &o, j->m->call_id, &p->o);
	return r;
}

/* RFC 3327, for registrars that ignore Record-Route on REGISTER. */
static void
add_path(const struct job *j, const struct parts *p)
{
	struct text t;

	if (!j->w->view->next_hop_path || j->m->method != SIP_REGISTER)
		return;
	t = text_start(j->w->arena, p->i.n + 48);
	text_put(&t, STR("Path: <"));
	text_put(&t, p->i);
	text_put(&t, LINE_END);
	if (!sip_msg_has_token(j->m, SIP_HDR_SUPPORTED, STR("path")))
		text_put(&t, STR("Supported: path\r\n"));
	hide_insert_first(j, text_done(&t));
}

/* host[:port] of the Contacts as they will arrive inside; a replaced one is the peer's address. */
static struct str
contact_hosts(const struct job *j, const struct facts *f)
{
	struct sip_values it;
	struct sip_value val;
	char buf[ADDR_STR_LEN];
	struct text t;
	size_t room = 0;

	if (j->m->method != SIP_REGISTER || j->m->first[SIP_HDR_CONTACT] == SIP_NO_LINE)
		return STR("");
	for (uint16_t i = j->m->first[SIP_HDR_CONTACT]; i != SIP_NO_LINE; i = j->m->lines[i].next)
		room += j->m->lines[i].value_len + 1;
	t = text_start(j->w->arena, room + ADDR_STR_LEN);
	text_put(&t, str_of(addr_str(&f->remote, buf)));
	text_put(&t, STR("\n"));
	sip_values_init(&it, j->m, SIP_HDR_CONTACT);
	while (sip_values_next(&it, &val) == 1) {
		struct sip_nameaddr na;
		struct sip_uri u;

		if (sip_nameaddr_parse(val.text, &na, NULL) < 0 ||
		    sip_uri_parse(na.uri_text, &u, NULL) < 0 || u.scheme == SIP_SCHEME_OTHER)
			continue;
		text_put(&t, (struct str){u.text.p + u.host_at, u.hostport_n});
		text_put(&t, STR("\n"));
	}
	return text_done(&t);
}

static int
request_enters(
    const struct job *j, const struct facts *f, const struct hide_far *far, struct parts *p)
{
	struct entry_spec o;
	bool rr = makes_route_set(j->m);
	int r;

	if (rr || j->m->method == SIP_REGISTER) {
		r = make_entries(j, far, false, &o, p);
		if (r < 0)
			return r;
		hide_insert_first(j, hide_inside_pair(j, p, false));
		add_path(j, p);
		p->rrs = hide_lines_of(j, SIP_HDR_RECORD_ROUTE);
		p->contacts = contact_hosts(j, f);
	}
	hide_insert_first(j, p->via);
	return hide_open_all(j);
}

/* The URIs of all Record-Route values in order, each with LF: what O* seals (6.3). */
static int
route_uris(const struct job *j, struct str *ret)
{
	struct sip_values it;
	struct sip_value val;
	struct text t;
	size_t room = 1;
	int r;

	for (uint16_t i = j->m->first[SIP_HDR_RECORD_ROUTE]; i != SIP_NO_LINE;
	     i = j->m->lines[i].next)
		room += j->m->lines[i].value_len + 1;
	t = text_start(j->w->arena, room);
	sip_values_init(&it, j->m, SIP_HDR_RECORD_ROUTE);
	while ((r = sip_values_next(&it, &val)) == 1) {
		struct sip_nameaddr na;

		if (sip_nameaddr_parse(val.text, &na, NULL) < 0)
			return ED_MALFORMED;
		text_put(&t, na.uri_text);
		text_put(&t, STR("\n"));
	}
	if (r < 0)
		return ED_MALFORMED;
	if (t.bad)
		return ED_NOMEM;
	*ret = text_done(&t);
	return ED_OK;
}

static int
request_leaves(const struct job *j, const struct hide_far *far, struct parts *p)
{
	struct entry_spec o;
	struct str seen, sealed;
	bool rr = makes_route_set(j->m);
	int r;

	if (rr) {
		r = make_entries(j, far, true, &o, p);
		if (r < 0)
			return r;
		p->rrs = hide_lines_of(j, SIP_HDR_RECORD_ROUTE);
		seen = p->o;
		if (j->hides) {
			r = route_uris(j, &sealed);
			if (r == ED_OK)
				r = entry_make_sealed(j->w, &o, j->m->call_id, sealed, &seen);
			if (r < 0)
				return r;
		}
		hide_insert_first(j, j->hides || j->single ? hide_rr_lines(j->w, seen, STR(""))
							   : hide_rr_lines(j->w, p->o, p->i));
	}
	if (j->hides)
		sip_edit_delete_all(j->e, SIP_HDR_RECORD_ROUTE);
	if (gets_responses(j->m))
		p->vias = hide_lines_of(j, SIP_HDR_VIA);
	hide_insert_first(j, p->via);
	sip_edit_delete_all(j->e, SIP_HDR_VIA);
	return hide_seal_all(j, STR(""));
}

int
hide_request(const struct work *w, const struct facts *f, const struct hide_far *far,
    const struct hide_route *r, const struct sip_msg *m, struct str via, struct sip_edits *e,
    struct hide_keep **ret_keep)
{
	bool leaving = f->peer == FACTS_INTERNAL;
	struct job j = {.w = w,
	    .m = m,
	    .e = e,
	    .hides = view_hides_from(w->view, far->is_partner),
	    .single = w->view->rr_single};
	struct parts p = {.via = via, .domain = far->is_partner ? far->domain : STR("")};
	struct hide_keep *k = NULL;
	int err;

	err = leaving ? request_leaves(&j, far, &p) : request_enters(&j, f, far, &p);
	if (err < 0)
		return err;
	write_route(&j, r, leaving, &p);
	if (e->err)
		return e->err;
	if (!p.rrs.p && p.rrs.n == 0)
		p.rrs = STR("");
	if (gets_responses(m)) {
		err = hide_keep_make(&p, &k);
		if (err < 0)
			return err;
		k->leaving = leaving;
		k->has_rr = p.i.n > 0;
		k->hidden = j.hides;
		k->role = leaving ? 'T' : 'F';
		k->partner = far->is_partner;
		k->single = j.single;
		k->cid = far->cid;
	}
	*ret_keep = k;
	return ED_OK;
}

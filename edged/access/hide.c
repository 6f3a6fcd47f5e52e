/* SPDX-License-Identifier: MIT
 *
 * access/hide.c: what of the inside leaves, what comes back (hide.h, second half).
 *
 * Short names as in access-edge-sip 6.3: I, O our entries facing inside and outside; O* is O with
 * the inside's route set sealed into it; f entries of inside servers, p those of the outside's
 * proxies.
 */
#include "access/hide.h"

#include <stdlib.h>
#include <string.h>

#include "access/headers.h"
#include "access/names.h"
#include "access/text.h"
#include "access/via.h"
#include "base/addr.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

#define RECORD_ROUTE STR("Record-Route: <")
#define LINE_END     STR(">\r\n")

/* One message in hand. */
struct job {
	const struct work *w;
	const struct sip_msg *m;
	struct sip_edits *e;
	bool hides;  /* toward this party the inside is hidden */
	bool single; /* rr_mode when the request passed: a reload changes no transaction */
};

/* What a request leaves in its transaction, before it is put into one block. */
struct parts {
	struct str uri, via, i, o, domain, routes, vias, rrs, contacts;
};

/* ---- the block ---- */

static int
keep_make(const struct parts *p, struct hide_keep **ret)
{
	const struct str *in_order[] = {&p->uri, &p->via, &p->i, &p->o, &p->domain, &p->routes,
	    &p->vias, &p->rrs, &p->contacts};
	size_t n = sizeof(struct hide_keep);
	struct hide_keep *k;
	char *at;

	for (unsigned i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++)
		n += in_order[i]->n;
	if (p->uri.n > UINT16_MAX || p->via.n > UINT16_MAX)
		return ED_LIMIT;
	k = malloc(n);
	if (!k)
		return ED_NOMEM;
	*k = (struct hide_keep){
	    .size = (uint32_t)n,
	    .uri_n = (uint16_t)p->uri.n,
	    .via_n = (uint16_t)p->via.n,
	    .i_n = (uint16_t)p->i.n,
	    .o_n = (uint16_t)p->o.n,
	    .domain_n = (uint16_t)p->domain.n,
	    .routes_n = (uint32_t)p->routes.n,
	    .vias_n = (uint32_t)p->vias.n,
	    .rrs_n = (uint32_t)p->rrs.n,
	    .contacts_n = (uint32_t)p->contacts.n,
	};
	at = k->bytes;
	for (unsigned i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
		if (in_order[i]->n)
			memcpy(at, in_order[i]->p, in_order[i]->n);
		at += in_order[i]->n;
	}
	*ret = k;
	return ED_OK;
}

/* Views into a block, in the order of keep_make. */
static void
keep_read(const struct hide_keep *k, struct parts *ret)
{
	const char *at = k->bytes;

#define TAKE(field)                                                                                \
	ret->field = (struct str){at, k->field##_n};                                               \
	at += k->field##_n
	TAKE(uri);
	TAKE(via);
	TAKE(i);
	TAKE(o);
	TAKE(domain);
	TAKE(routes);
	TAKE(vias);
	TAKE(rrs);
	TAKE(contacts);
#undef TAKE
}

struct str
hide_keep_uri(const struct hide_keep *k)
{
	struct parts p;

	keep_read(k, &p);
	return p.uri;
}

struct str
hide_keep_via(const struct hide_keep *k)
{
	struct parts p;

	keep_read(k, &p);
	return p.via;
}

struct str
hide_keep_routes(const struct hide_keep *k)
{
	struct parts p;

	keep_read(k, &p);
	return p.routes;
}

/* ---- small pieces ---- */

static bool
view_hides_from(const struct view *v, bool partner)
{
	return v->hide >= (partner ? HIDE_PARTNERS : HIDE_ALL);
}

/* All lines of one id under their full name, one below the other; p NULL without memory. */
static struct str
lines_of(const struct job *j, enum sip_hdr id)
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

/* A Record-Route line for each URI that is there. */
static struct str
rr_lines(const struct work *w, struct str upper, struct str lower)
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

static void
insert_first(const struct job *j, struct str text)
{
	if (!text.p)
		j->e->err = ED_NOMEM;
	else if (text.n)
		sip_edit_insert_first(j->e, text);
}

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

/* ---- Contact, Refer-To, Reply-To ---- */

/* sip:<server-fqdn>@<domain>;gruu;opaque=srvr:...: goes out as it is (6.3). */
static bool
is_server_gruu(const struct work *w, const struct sip_uri *u)
{
	struct sip_param opaque;

	return names_is_sip_domain(w->view->names, u->host) &&
	       sip_param_find(u->params, STR("gruu"), NULL) &&
	       sip_param_find(u->params, STR("opaque"), &opaque) &&
	       str_starts_nocase(opaque.value, STR("srvr:")) &&
	       !names_is_inside(w->view->names, u->host, false);
}

/* Was this address in a Contact of the REGISTER that is being answered? */
static bool
is_own_contact(const struct sip_uri *u, struct str contacts)
{
	struct str want = {u->text.p + u->host_at, u->hostport_n};

	while (contacts.n) {
		ptrdiff_t lf = str_find(contacts, '\n');

		if (lf < 0)
			break;
		if (str_eq_nocase(want, str_first(contacts, (size_t)lf)))
			return true;
		contacts = str_from(contacts, (size_t)lf + 1);
	}
	return false;
}

static void
clean_span(const struct job *j, uint32_t at, uint32_t n)
{
	struct str span = {j->m->bytes.p + at, n};
	size_t hit, len;

	while (names_scan(j->w->view->names, span, true, &hit, &len)) {
		sip_edit_splice(j->e, at + (uint32_t)hit, (uint32_t)len, j->w->view->external_fqdn);
		at += (uint32_t)(hit + len);
		span = str_from(span, hit + len);
	}
}

/* URI parameters after '?' stay readable (Replaces for the transferee), but for inside names. */
static struct str
clean_uri_headers(const struct job *j, struct str headers)
{
	struct text t = text_start(j->w->arena, 2 * headers.n + 1);
	bool first = true;

	while (headers.n) {
		ptrdiff_t amp = str_find(headers, '&');
		struct str one = amp < 0 ? headers : str_first(headers, (size_t)amp);
		size_t at, len;
		bool repeats_call_id = str_starts_nocase(one, STR("Replaces=")) ||
				       str_starts_nocase(one, STR("Join=")) ||
				       str_starts_nocase(one, STR("Target-Dialog="));

		headers = amp < 0 ? STR("") : str_from(headers, (size_t)amp + 1);
		if (!repeats_call_id && names_scan(j->w->view->names, one, true, &at, &len))
			continue;
		text_put(&t, first ? STR("?") : STR("&"));
		text_put(&t, one);
		first = false;
	}
	return text_done(&t);
}

/* The URI of one value becomes a token. */
static int
seal_uri(
    const struct job *j, const struct sip_nameaddr *na, const struct sip_uri *u, uint32_t uri_at)
{
	struct str inner = u->text, token, tail = STR("");
	struct text t;
	int r;

	if (u->headers.n) {
		inner = str_first(inner, (size_t)(u->headers.p - 1 - u->text.p));
		tail = clean_uri_headers(j, u->headers);
		if (!tail.p)
			return ED_NOMEM;
	}
	r = entry_contact_seal(j->w, inner, &token);
	if (r < 0)
		return r;
	t = text_start(j->w->arena, token.n + tail.n + 2);
	text_put(&t, na->bracketed ? STR("") : STR("<"));
	text_put(&t, token);
	text_put(&t, tail);
	text_put(&t, na->bracketed ? STR("") : STR(">"));
	text_splice(j->e, uri_at, (uint32_t)na->uri_text.n, &t);
	return ED_OK;
}

static int
seal_value(const struct job *j, const struct sip_value *val, struct str own)
{
	const struct names *names = j->w->view->names;
	struct sip_nameaddr na;
	struct sip_uri u;
	size_t at, len;
	bool addresses = true;
	int r;

	if (!names_scan(names, val->text, true, &at, &len))
		return ED_OK;
	r = sip_nameaddr_parse(val->text, &na, NULL);
	if (r < 0 || sip_uri_parse(na.uri_text, &u, NULL) < 0) {
		clean_span(j, val->at, (uint32_t)val->text.n);
		return ED_OK;
	}
	clean_span(j, val->at, na.uri_at);
	clean_span(j, val->at + na.params_at, (uint32_t)(val->text.n - na.params_at));
	if (u.scheme == SIP_SCHEME_OTHER) {
		clean_span(j, val->at + na.uri_at, (uint32_t)na.uri_text.n);
		return ED_OK;
	}
	if (is_server_gruu(j->w, &u))
		return ED_OK;
	if (own.n && is_own_contact(&u, own))
		addresses = false;
	if (!names_scan(names, na.uri_text, addresses, &at, &len))
		return ED_OK;
	return seal_uri(j, &na, &u, val->at + na.uri_at);
}

/* Everything of these three that the inside wrote. own: hosts of the client's own REGISTER. */
static int
seal_all(const struct job *j, struct str own)
{
	static const enum sip_hdr ids[] = {SIP_HDR_CONTACT, SIP_HDR_REFER_TO, SIP_HDR_REPLY_TO};

	if (!j->hides)
		return ED_OK;
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct sip_values it;
		struct sip_value val;
		int r;

		if (j->m->first[ids[i]] == SIP_NO_LINE)
			continue;
		sip_values_init(&it, j->m, ids[i]);
		while ((r = sip_values_next(&it, &val)) == 1) {
			r = seal_value(j, &val, own);
			if (r < 0)
				return r;
		}
		if (r < 0) /* not a list: no value of it is known to be clean */
			sip_edit_delete_all(j->e, ids[i]);
	}
	return ED_OK;
}

/* From outside: a token as Refer-To or Reply-To is opened and put back. */
static int
open_all(const struct job *j)
{
	static const enum sip_hdr ids[] = {SIP_HDR_REFER_TO, SIP_HDR_REPLY_TO};

	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct sip_values it;
		struct sip_value val;

		if (j->m->first[ids[i]] == SIP_NO_LINE)
			continue;
		sip_values_init(&it, j->m, ids[i]);
		while (sip_values_next(&it, &val) == 1) {
			struct sip_nameaddr na;
			struct str uri;
			int r;

			if (!memmem(val.text.p, val.text.n, "ms-edged=", 9) ||
			    sip_nameaddr_parse(val.text, &na, NULL) < 0)
				continue;
			r = entry_contact_open(j->w, na.uri_text, &uri);
			if (r == ED_NOMEM)
				return r;
			if (r == ED_OK)
				sip_edit_splice(
				    j->e, val.at + na.uri_at, (uint32_t)na.uri_text.n, uri);
		}
	}
	return ED_OK;
}

/* ---- requests ---- */

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
			p->routes = lines_of(j, SIP_HDR_ROUTE);
		return;
	}
	if (j->m->method == SIP_INVITE)
		p->routes = r->routes;
	if (j->m->first[SIP_HDR_ROUTE] == SIP_NO_LINE) {
		insert_first(j, r->routes);
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

/* What the inside sees of a pair: both lines, or the single one. `upper` is the side it leaves by.
 */
static struct str
inside_pair(const struct job *j, const struct parts *p, bool o_on_top)
{
	if (j->single || !p->o.n)
		return rr_lines(j->w, p->i, STR(""));
	return o_on_top ? rr_lines(j->w, p->o, p->i) : rr_lines(j->w, p->i, p->o);
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
	insert_first(j, text_done(&t));
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
		insert_first(j, inside_pair(j, p, false));
		add_path(j, p);
		p->rrs = lines_of(j, SIP_HDR_RECORD_ROUTE);
		p->contacts = contact_hosts(j, f);
	}
	insert_first(j, p->via);
	return open_all(j);
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
		p->rrs = lines_of(j, SIP_HDR_RECORD_ROUTE);
		seen = p->o;
		if (j->hides) {
			r = route_uris(j, &sealed);
			if (r == ED_OK)
				r = entry_make_sealed(j->w, &o, j->m->call_id, sealed, &seen);
			if (r < 0)
				return r;
		}
		insert_first(j, j->hides || j->single ? rr_lines(j->w, seen, STR(""))
						      : rr_lines(j->w, p->o, p->i));
	}
	if (j->hides)
		sip_edit_delete_all(j->e, SIP_HDR_RECORD_ROUTE);
	if (gets_responses(j->m))
		p->vias = lines_of(j, SIP_HDR_VIA);
	insert_first(j, p->via);
	sip_edit_delete_all(j->e, SIP_HDR_VIA);
	return seal_all(j, STR(""));
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
		err = keep_make(&p, &k);
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

/* ---- responses ---- */

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
	pair = inside_pair(j, p, true);
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
	return seal_all(j, p->contacts);
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

	keep_read(k, &p);
	sip_edit_delete_all(
	    e, SIP_HDR_ROUTE); /* means nothing in a response, and may name the inside */
	r = k->leaving ? response_enters(&j, &p, k) : response_leaves(&j, &p, k);
	return r < 0 ? r : e->err;
}

/* SPDX-License-Identifier: MIT
 *
 * access/hide_route.c: where a request goes by its Route set and Request-URI (hide.h, first half).
 *
 * Spec: access-edge-sip 6.3 (in-dialog), 6.4; RFC 3261 16.4, 16.6 step 6.
 */
#include <string.h>

#include "access/hide.h"
#include "access/names.h"
#include "access/text.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

#define ROUTES_MAX     64u
#define ANONYMOUS_HOST STR("anonymous.invalid")

/* The Route set while it is being read: what came, then what is left of it. */
struct reading {
	const struct work *w;
	const struct facts *f;
	const struct sip_msg *m;
	struct hide_route *r;
	struct sip_nameaddr routes[ROUTES_MAX];
	struct str texts[ROUTES_MAX]; /* the values as they came */
	unsigned at, n;               /* [at, n) are left */
	bool opened;                  /* the rest came out of a token */
};

static void
refuse(struct hide_route *r, uint16_t status, const char *reason, enum diag diag)
{
	r->where = HIDE_REFUSE;
	r->status = status;
	r->reason = reason;
	r->diag = diag;
}

/* 6.4: neither ours nor nobody's. */
static void
refuse_foreign(struct reading *d)
{
	d->r->foreign = true;
	if (d->f->peer == FACTS_CLIENT)
		refuse(d->r, 403, "Forbidden", DIAG_CLIENT_ROUTING);
	else
		refuse(d->r, 504, "Server time-out", DIAG_NO_ROUTE);
}

void
hide_gone(const struct sip_msg *m, bool own_path, struct hide_route *ret)
{
	if (!sip_msg_has_token(m, SIP_HDR_SUPPORTED, STR("Ms-Dialog-Route-Set-Update"))) {
		refuse(ret, 481, "Call/Transaction Does Not Exist", DIAG_ROUTE_SET);
		return;
	}
	refuse(ret, 430, "Flow Failed", DIAG_ROUTE_SET);
	ret->lines = own_path ? STR("P-Dialog-Recovery-Action: Registration-Route-Set-Update, "
				    "Dialog-Route-Set-Update\r\n")
			      : STR("P-Dialog-Recovery-Action: Dialog-Route-Set-Update\r\n");
}

/* A key whose time is over or a value that does not hold: two different stories. */
static void
refuse_entry(struct reading *d, int r)
{
	if (r == ED_NOMEM || r == ED_SYS)
		refuse(d->r, 500, "Server Internal Error", DIAG_NONE);
	else if (r == ED_GONE || d->f->peer == FACTS_INTERNAL)
		hide_gone(d->m, false, d->r);
	else
		refuse_foreign(d);
}

static int
read_routes(struct reading *d)
{
	struct sip_values it;
	struct sip_value val;
	int r;

	if (d->m->first[SIP_HDR_ROUTE] == SIP_NO_LINE)
		return ED_OK;
	sip_values_init(&it, d->m, SIP_HDR_ROUTE);
	while ((r = sip_values_next(&it, &val)) == 1) {
		if (d->n == ROUTES_MAX)
			return ED_LIMIT;
		r = sip_nameaddr_parse(val.text, &d->routes[d->n], NULL);
		if (r < 0)
			return ED_MALFORMED;
		d->texts[d->n++] = val.text;
	}
	return r;
}

/* The URIs of an opened token, each followed by LF, become the Route set; nothing after it counts.
 */
static int
take_sealed(struct reading *d, struct str sealed)
{
	d->at = d->n = 0;
	d->opened = true;
	while (sealed.n) {
		ptrdiff_t lf = str_find(sealed, '\n');

		if (lf <= 0 || d->n == ROUTES_MAX)
			return ED_DENIED;
		d->texts[d->n] = (struct str){sealed.p, (size_t)lf};
		d->routes[d->n] =
		    (struct sip_nameaddr){.uri_text = d->texts[d->n], .bracketed = true};
		d->n++;
		sealed = str_from(sealed, (size_t)lf + 1);
	}
	return ED_OK;
}

/* What is left becomes text when it differs from what came. */
static void
write_routes(struct reading *d, bool hide_names)
{
	struct text t;
	size_t room = 1;

	for (unsigned i = d->at; i < d->n; i++)
		room += d->texts[i].n + 12;
	t = text_start(d->w->arena, room);
	for (unsigned i = d->at; i < d->n; i++) {
		size_t at, len;

		/* A way inside is no business of the outside, whatever the inside meant by it. */
		if (hide_names && names_scan(d->w->view->names, d->texts[i], true, &at, &len))
			continue;
		text_put(&t, STR("Route: "));
		text_put(&t, d->opened ? STR("<") : STR(""));
		text_put(&t, d->texts[i]);
		text_put(&t, d->opened ? STR(">\r\n") : STR("\r\n"));
	}
	if (t.bad)
		refuse(d->r, 500, "Server Internal Error", DIAG_NONE);
	d->r->routes = text_done(&t);
}

static bool
is_loose(struct str uri)
{
	struct sip_uri u;

	return sip_uri_parse(uri, &u, NULL) == ED_OK && sip_param_find(u.params, STR("lr"), NULL);
}

/* RFC 3261 16.6 step 6: a strict router next gets its own URI as Request-URI, ours goes last. */
static void
suit_strict_router(struct reading *d)
{
	struct str target = d->r->uri.n ? d->r->uri : d->m->uri;

	if (d->at == d->n || is_loose(d->routes[d->at].uri_text) || d->n == ROUTES_MAX)
		return;
	d->r->uri = d->routes[d->at].uri_text;
	d->at++;
	d->opened = true;
	for (unsigned i = d->at; i < d->n; i++)
		d->texts[i] = d->routes[i].uri_text;
	d->texts[d->n] = target;
	d->routes[d->n++] = (struct sip_nameaddr){.uri_text = target, .bracketed = true};
}

/* 4 a): the server that the next Route names, its ms-fe first, if it is one of ours. */
static struct str
named_server(struct reading *d)
{
	struct sip_uri u;
	struct sip_param fe;
	struct str next = d->at < d->n ? d->routes[d->at].uri_text : STR_NONE;

	if (!next.p || sip_uri_parse(next, &u, NULL) < 0)
		return STR("");
	if (sip_param_find(u.params, STR("ms-fe"), &fe) && fe.value.n &&
	    names_is_trusted(d->w->view->names, fe.value))
		return fe.value;
	return names_is_trusted(d->w->view->names, u.host) ? u.host : STR("");
}

/*
 * RFC 3261 16.4: a strict router before us put our entry into the Request-URI; the last Route is
 * where it was meant to go. The entry then stands where the top Route would.
 */
static int
undo_strict_router(struct reading *d)
{
	bool inside = d->f->peer == FACTS_INTERNAL;
	struct entry e;

	/* Nearly every Request-URI has a user part and is none of ours. */
	if (str_find(d->m->uri, '@') >= 0)
		return ED_OK;
	if (entry_read(d->w, d->m->uri, inside, &e, NULL) < 0)
		return ED_OK;
	if (d->n == 0)
		return ED_DENIED;
	d->r->uri = d->routes[d->n - 1].uri_text;
	memmove(d->routes + 1, d->routes, (d->n - 1) * sizeof(d->routes[0]));
	memmove(d->texts + 1, d->texts, (d->n - 1) * sizeof(d->texts[0]));
	d->routes[0] = (struct sip_nameaddr){.uri_text = d->m->uri, .bracketed = true};
	d->r->rewritten = true;
	return ED_OK;
}

/* ---- from outside ---- */

/* The entry must name the connection or the domain that it came from. */
static bool
is_senders_entry(const struct reading *d, const struct entry *e)
{
	if (d->f->peer == FACTS_CLIENT)
		return e->dest == ENTRY_CID && e->cid == d->f->cid;
	return e->dest == ENTRY_DOMAIN && str_eq_nocase(d->m->from.addr.host, e->domain);
}

/* Takes off the top entry, known to be ours by its form, and what belongs to it. */
static bool
pop_from_outside(struct reading *d, const struct entry *e)
{
	struct entry second;
	struct str sealed;
	int r;

	if (e->face == ENTRY_INSIDE) {
		refuse_foreign(d);
		return false;
	}
	r = e->sealed.n ? entry_open(d->w, e, d->m->call_id, &sealed)
			: entry_verify(d->w, e, d->m->call_id, false);
	if (r < 0) {
		refuse_entry(d, r);
		return false;
	}
	if (!is_senders_entry(d, e)) {
		/* Ours, for another connection: a client that came back after its old one broke. */
		if (d->f->peer == FACTS_CLIENT && e->dest == ENTRY_CID)
			hide_gone(d->m, true, d->r);
		else
			refuse_foreign(d);
		return false;
	}
	d->r->n_popped = 1;
	if (e->sealed.n) {
		r = take_sealed(d, sealed);
		if (r < 0)
			refuse_entry(d, r);
		return r == ED_OK;
	}
	d->at++;
	if (d->at < d->n &&
	    entry_read(d->w, d->routes[d->at].uri_text, true, &second, NULL) == ED_OK &&
	    second.face == ENTRY_INSIDE &&
	    entry_verify(d->w, &second, d->m->call_id, false) == ED_OK) {
		d->at++;
		d->r->n_popped = 2;
	}
	return true;
}

static bool
is_anonymous(const struct reading *d)
{
	return d->f->peer == FACTS_CLIENT && str_eq_nocase(d->m->from.addr.host, ANONYMOUS_HOST);
}

/* 6.4: no Route at all, or only a static one. */
static bool
without_own_route(struct reading *d)
{
	if (!d->m->to.tag.n)
		return true;
	if (d->f->peer == FACTS_SERVER) {
		refuse(d->r, 481, "Call/Transaction Does Not Exist", DIAG_ROUTE_SET);
		return false;
	}
	if (is_anonymous(d)) {
		refuse_foreign(d);
		return false;
	}
	return true;
}

static bool
route_from_outside(struct reading *d)
{
	struct entry e;
	bool is_static;
	int r;

	if (d->at == d->n)
		return without_own_route(d);
	r = entry_read(d->w, d->routes[d->at].uri_text, false, &e, &is_static);
	if (r == ED_OK)
		return pop_from_outside(d, &e);
	if (r == ED_NOMEM) {
		refuse_entry(d, r);
		return false;
	}
	if (is_static && !d->m->to.tag.n && d->n - d->at == 1) {
		d->at++;
		d->r->n_popped = 1;
		return true;
	}
	refuse_foreign(d);
	return false;
}

/* Request-URI that is a Contact token of ours: the Contact comes back (6.3). */
static bool
open_target(struct reading *d)
{
	struct str uri = d->r->uri.n ? d->r->uri : d->m->uri;
	int r;

	if (!memmem(uri.p, uri.n, "ms-edged=", 9))
		return true;
	r = entry_contact_open(d->w, uri, &d->r->uri);
	if (r == ED_OK || r == ED_UNSUPPORTED)
		return true;
	if (r == ED_GONE)
		hide_gone(d->m, false, d->r);
	else if (r == ED_DENIED || r == ED_LIMIT)
		refuse(d->r, 404, "Not Found", DIAG_NONE);
	else
		refuse_entry(d, r);
	return false;
}

static void
decide_outside(struct reading *d)
{
	bool came_with = d->n > 0;

	if (!open_target(d) || !route_from_outside(d))
		return;
	d->r->where = HIDE_TO_NEXT_HOP;
	d->r->server = named_server(d);
	if (d->r->n_popped)
		suit_strict_router(d);
	if (!came_with && !d->opened)
		return;
	d->r->rewritten |= d->opened || d->r->n_popped > 0;
	if (d->r->rewritten)
		write_routes(d, false);
}

/* ---- from inside ---- */

static void
go_where_entry_says(struct reading *d, const struct entry *e)
{
	if (e->dest == ENTRY_CID) {
		d->r->where = HIDE_TO_CID;
		d->r->cid = e->cid;
	} else {
		d->r->where = HIDE_TO_DOMAIN;
		d->r->domain = e->domain;
	}
}

/* I then O, or one entry that names its destination itself (REGISTER path, rr_single). */
static bool
pop_from_inside(struct reading *d, const struct entry *first)
{
	struct entry e = *first;
	int r = entry_verify(d->w, &e, d->m->call_id, true);

	if (r < 0) {
		refuse_entry(d, r);
		return false;
	}
	d->at++;
	d->r->n_popped = 1;
	if (e.dest == ENTRY_NOWHERE) {
		if (d->at == d->n ||
		    entry_read(d->w, d->routes[d->at].uri_text, true, &e, NULL) < 0 ||
		    e.dest == ENTRY_NOWHERE) {
			hide_gone(d->m, false, d->r);
			return false;
		}
		r = entry_verify(d->w, &e, d->m->call_id, true);
		if (r < 0) {
			refuse_entry(d, r);
			return false;
		}
		d->at++;
		d->r->n_popped = 2;
	}
	go_where_entry_says(d, &e);
	suit_strict_router(d);
	return true;
}

/* Open question 11: a Front End that keeps the connection in the Contact instead of the path. */
static bool
cid_in_target(struct reading *d, const struct sip_uri *u)
{
	struct sip_param p;
	uint64_t cid = 0;

	if (d->m->count[SIP_HDR_ROUTE] != 0 ||
	    !sip_param_find(u->params, STR("ms-received-cid"), &p) || p.value.n == 0 ||
	    p.value.n > 16)
		return false;
	for (size_t i = 0; i < p.value.n; i++) {
		unsigned char c = ascii_lower((unsigned char)p.value.p[i]);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		cid = cid << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	d->r->where = HIDE_TO_CID;
	d->r->cid = cid;
	return true;
}

/* No entry of ours: the Request-URI decides, or the host that the inside ordered. */
static void
route_by_target(struct reading *d)
{
	struct sip_uri u, route;

	if (sip_uri_parse(d->r->uri.n ? d->r->uri : d->m->uri, &u, NULL) < 0 ||
	    u.scheme == SIP_SCHEME_OTHER) {
		refuse(d->r, 416, "Unsupported URI Scheme", DIAG_NO_ROUTE);
		return;
	}
	if (cid_in_target(d, &u))
		return;
	d->r->where = HIDE_TO_URI;
	d->r->domain = u.host;
	if (d->at < d->n && sip_param_find(d->routes[d->at].params, STR("ms-edge-route"), NULL) &&
	    sip_uri_parse(d->routes[d->at].uri_text, &route, NULL) == ED_OK) {
		d->r->where = HIDE_TO_EDGE_ROUTE;
		d->r->edge_route = route.host;
		d->r->n_popped++;
		d->at++;
	}
}

static void
decide_inside(struct reading *d)
{
	bool hides = d->w->view->hide != HIDE_NONE, is_static = false;
	struct entry e;
	int r = ED_DENIED;

	if (d->at < d->n)
		r = entry_read(d->w, d->routes[d->at].uri_text, true, &e, &is_static);
	if (r == ED_OK) {
		if (!pop_from_inside(d, &e))
			return;
	} else if (r == ED_NOMEM) {
		refuse_entry(d, r);
		return;
	} else {
		if (is_static) {
			d->at++;
			d->r->n_popped++;
		}
		route_by_target(d);
	}
	if (d->r->where == HIDE_REFUSE)
		return;
	d->r->rewritten |= d->r->n_popped > 0 || (hides && d->n > 0);
	if (d->r->rewritten)
		write_routes(d, hides);
}

void
hide_route(
    const struct work *w, const struct facts *f, const struct sip_msg *m, struct hide_route *ret)
{
	struct reading d;
	int r;

	*ret = (struct hide_route){.where = HIDE_TO_NEXT_HOP, .routes = STR(""), .uri = STR("")};
	d.w = w;
	d.f = f;
	d.m = m;
	d.r = ret;
	d.at = d.n = 0;
	d.opened = false;
	r = read_routes(&d);
	if (r == ED_OK)
		r = undo_strict_router(&d);
	if (r == ED_DENIED)
		refuse_foreign(&d);
	else if (r < 0)
		refuse(ret, 400, "Bad Request (Route)", DIAG_NONE);
	else if (f->peer == FACTS_INTERNAL)
		decide_inside(&d);
	else
		decide_outside(&d);
}

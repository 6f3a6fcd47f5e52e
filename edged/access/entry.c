/* SPDX-License-Identifier: MIT
 *
 * access/entry.c: see entry.h.
 */
#include "access/entry.h"

#include "access/names.h"
#include "access/text.h"
#include "access/token.h"
#include "base/mac.h"
#include "sipparse/uri.h"

#define STATE      STR("state:")
#define OPAQUE_MAX 512u /* state:T:Cd. and a domain of 255 in base64url */
#define DOMAIN_MAX 255u
#define FIXED_MAX  128u /* sip: :65535;transport=tls;ms-fe=;opaque=;lr;ms-route-sig=... */

/* ---- making ---- */

static struct str
face_host(const struct view *v, enum entry_face face)
{
	return face == ENTRY_INSIDE ? v->inside_host : v->external_fqdn;
}

static uint16_t
face_port(const struct view *v, enum entry_face face)
{
	switch (face) {
	case ENTRY_INSIDE:
		return v->inside_port;
	case ENTRY_CLIENT:
		return v->client_port;
	case ENTRY_PARTNER:
		break;
	}
	return v->federation_port;
}

static int
make_opaque(const struct entry_spec *s, char buf[OPAQUE_MAX], struct str *ret)
{
	struct text t = text_over(buf, OPAQUE_MAX);
	char lower[DOMAIN_MAX], b64[DOMAIN_MAX * 4 / 3 + 4];

	text_put(&t, STATE);
	text_put(&t, s->role == 'T' ? STR("T") : STR("F"));
	if (s->dest == ENTRY_CID) {
		text_put(&t, STR(":Ci.R"));
		text_put_hex(&t, s->cid, 1, false);
	} else if (s->dest == ENTRY_DOMAIN) {
		struct text d = text_over(lower, sizeof(lower));

		text_put_lower(&d, s->domain);
		if (d.bad)
			return ED_LIMIT;
		text_put(&t, STR(":Cd."));
		text_put(&t, (struct str){b64, b64url_encode((const uint8_t *)lower, d.n, b64)});
	}
	if (t.bad)
		return ED_LIMIT;
	*ret = text_done(&t);
	return ED_OK;
}

/* Everything up to the last parameter's value. */
static struct text
start_uri(const struct work *w, const struct entry_spec *s, struct str opaque, struct str ms_fe,
    struct str last, size_t n_last)
{
	struct str host = face_host(w->view, s->face);
	struct text t = text_start(w->arena, FIXED_MAX + host.n + ms_fe.n + opaque.n + n_last);

	text_put(&t, STR("sip:"));
	text_put(&t, host);
	text_put(&t, STR(":"));
	text_put_u32(&t, face_port(w->view, s->face));
	text_put(&t, STR(";transport=tls"));
	if (ms_fe.n) {
		text_put(&t, STR(";ms-fe="));
		text_put(&t, ms_fe);
	}
	text_put(&t, STR(";opaque="));
	text_put(&t, opaque);
	text_put(&t, STR(";lr;"));
	text_put(&t, last);
	text_put(&t, STR("="));
	return t;
}

static void
fill_bind(const struct work *w, const struct entry_spec *s, struct str call_id, struct str opaque,
    struct token_bind *b)
{
	*b = (struct token_bind){
	    .label = call_id.n ? TOKEN_RR1 : TOKEN_RP1,
	    .call_id = call_id,
	    .host = face_host(w->view, s->face),
	    .ms_fe = s->face == ENTRY_INSIDE ? w->view->ms_fe : STR(""),
	    .opaque = opaque,
	};
}

int
entry_make(
    const struct work *w, const struct entry_spec *s, struct str call_id, struct str *ret_uri)
{
	char buf[OPAQUE_MAX], sig[TOKEN_SIG_LEN];
	struct token_bind b;
	struct str opaque;
	struct text t;
	int r;

	r = make_opaque(s, buf, &opaque);
	if (r < 0)
		return r;
	fill_bind(w, s, call_id, opaque, &b);
	r = token_sign(w->ring, w->now_s, &b, sig);
	if (r < 0)
		return r;
	t = start_uri(w, s, opaque, b.ms_fe, STR("ms-route-sig"), sizeof(sig));
	text_put(&t, (struct str){sig, sizeof(sig)});
	if (t.bad)
		return ED_NOMEM;
	*ret_uri = text_done(&t);
	return ED_OK;
}

int
entry_make_sealed(const struct work *w, const struct entry_spec *s, struct str call_id,
    struct str sealed, struct str *ret_uri)
{
	char buf[OPAQUE_MAX];
	uint8_t iv[SEAL_IV_LEN];
	struct token_bind b;
	struct str opaque, token;
	struct text t;
	int r;

	r = make_opaque(s, buf, &opaque);
	if (r < 0)
		return r;
	if (token_sealed_len(sealed.n) > ENTRY_URI_MAX)
		return ED_LIMIT;
	fill_bind(w, s, call_id, opaque, &b);
	b.label = TOKEN_RT1;
	w->random(w->random_ctx, iv, sizeof(iv));
	r = token_seal(w->ring, w->now_s, &b, iv, sealed, w->arena, &token);
	if (r < 0)
		return r;
	t = start_uri(w, s, opaque, b.ms_fe, STR("ms-edged"), token.n);
	text_put(&t, token);
	if (t.bad)
		return ED_NOMEM;
	if (t.n > ENTRY_URI_MAX)
		return ED_LIMIT;
	*ret_uri = text_done(&t);
	return ED_OK;
}

/* ---- reading ---- */

static bool
read_cid(struct str hex, uint64_t *ret)
{
	uint64_t v = 0;

	if (hex.n == 0 || hex.n > 16)
		return false;
	for (size_t i = 0; i < hex.n; i++) {
		unsigned char c = ascii_lower((unsigned char)hex.p[i]);

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

static int
read_domain(const struct work *w, struct str b64, struct str *ret)
{
	uint8_t *p;
	int64_t n;

	if (b64.n > DOMAIN_MAX * 4 / 3 + 4)
		return ED_MALFORMED;
	p = arena_alloc(w->arena, b64.n + 1);
	if (!p)
		return ED_NOMEM;
	n = b64url_decode(b64, p);
	if (n <= 0)
		return ED_MALFORMED;
	*ret = (struct str){(const char *)p, (size_t)n};
	return ED_OK;
}

/* What follows "state:". */
static int
read_state(const struct work *w, struct str state, struct entry *e)
{
	struct str rest = str_from(state, 1);

	if (!state.n || (state.p[0] != 'T' && state.p[0] != 'F'))
		return ED_MALFORMED;
	e->role = state.p[0];
	e->dest = ENTRY_NOWHERE;
	if (rest.n == 0)
		return ED_OK;
	if (str_starts_nocase(rest, STR(":Ci.R"))) {
		e->dest = ENTRY_CID;
		return read_cid(str_from(rest, 5), &e->cid) ? ED_OK : ED_MALFORMED;
	}
	if (str_starts_nocase(rest, STR(":Cd."))) {
		e->dest = ENTRY_DOMAIN;
		return read_domain(w, str_from(rest, 4), &e->domain);
	}
	return ED_MALFORMED;
}

/* One walk over the parameters for the four that matter; the first of each counts. */
static int
read_params(struct str params, struct entry *e)
{
	struct sip_param p;
	uint32_t pos = 0;
	int r;

	while ((r = sip_param_next(params, &pos, &p)) == 1) {
		if (!p.value.p)
			continue;
		if (!e->opaque.p && str_eq_nocase(p.name, STR("opaque")))
			e->opaque = p.value;
		else if (!e->ms_fe.p && str_eq_nocase(p.name, STR("ms-fe")))
			e->ms_fe = p.value;
		else if (!e->sig.p && str_eq_nocase(p.name, STR("ms-route-sig")))
			e->sig = p.value;
		else if (!e->sealed.p && str_eq_nocase(p.name, STR("ms-edged")))
			e->sealed = p.value;
	}
	return r;
}

int
entry_read(
    const struct work *w, struct str uri, bool from_inside, struct entry *ret, bool *ret_static)
{
	struct entry e = {0};
	struct sip_uri u;
	unsigned bits;
	bool inside, outside;
	int r;

	if (ret_static)
		*ret_static = false;
	if (sip_uri_parse(uri, &u, NULL) < 0)
		return ED_MALFORMED;
	if (u.scheme == SIP_SCHEME_OTHER || (u.user.p && u.user.n))
		return ED_DENIED;
	bits = names_bits(w->view->names, u.host);
	inside = bits & NAMES_SELF_INSIDE;
	outside = bits & NAMES_EXTERNAL;
	if (!inside && !outside)
		return ED_DENIED;
	if (read_params(u.params, &e) < 0)
		return ED_MALFORMED;
	if (!e.opaque.p || !str_starts_nocase(e.opaque, STATE)) {
		if (ret_static)
			*ret_static = from_inside ? inside : outside;
		return ED_DENIED;
	}
	r = read_state(w, str_from(e.opaque, STATE.n), &e);
	if (r < 0)
		return r;
	e.host = u.host;
	e.face = inside ? ENTRY_INSIDE : e.dest == ENTRY_DOMAIN ? ENTRY_PARTNER : ENTRY_CLIENT;
	*ret = e;
	return ED_OK;
}

int
entry_verify(const struct work *w, const struct entry *e, struct str call_id, bool from_inside)
{
	struct token_bind b = {.label = TOKEN_RR1,
	    .call_id = call_id,
	    .host = e->host,
	    .ms_fe = e->ms_fe,
	    .opaque = e->opaque};
	int r = token_verify(w->ring, w->now_s, &b, e->sig);

	if (r != ED_DENIED || !from_inside || e->face != ENTRY_INSIDE || e->dest != ENTRY_CID)
		return r;
	b.label = TOKEN_RP1; /* the path of a REGISTER, used for any dialog */
	b.call_id = STR("");
	return token_verify(w->ring, w->now_s, &b, e->sig);
}

int
entry_open(const struct work *w, const struct entry *e, struct str call_id, struct str *ret_sealed)
{
	struct token_bind b = {.label = TOKEN_RT1,
	    .call_id = call_id,
	    .host = e->host,
	    .ms_fe = e->ms_fe,
	    .opaque = e->opaque};

	return token_open(w->ring, w->now_s, &b, e->sealed, w->arena, ret_sealed);
}

/* ---- Contact tokens ---- */

int
entry_contact_seal(const struct work *w, struct str uri, struct str *ret_uri)
{
	struct token_bind b = {.label = TOKEN_CT1, .host = w->view->sip_domain};
	uint8_t iv[SEAL_IV_LEN];
	struct str token;
	struct text t;
	int r;

	if (token_sealed_len(uri.n) > ENTRY_URI_MAX)
		return ED_LIMIT;
	w->random(w->random_ctx, iv, sizeof(iv));
	r = token_seal(w->ring, w->now_s, &b, iv, uri, w->arena, &token);
	if (r < 0)
		return r;
	t = text_start(w->arena, FIXED_MAX + b.host.n + token.n);
	text_put(&t, STR("sip:c@"));
	text_put(&t, b.host);
	text_put(&t, STR(";transport=tls;ms-edged="));
	text_put(&t, token);
	if (t.bad)
		return ED_NOMEM;
	if (t.n > ENTRY_URI_MAX)
		return ED_LIMIT;
	*ret_uri = text_done(&t);
	return ED_OK;
}

int
entry_contact_open(const struct work *w, struct str uri, struct str *ret_uri)
{
	struct token_bind b = {.label = TOKEN_CT1};
	struct sip_param sealed;
	struct sip_uri u;
	struct str plain;
	struct text t;
	int r;

	if (sip_uri_parse(uri, &u, NULL) < 0 || u.scheme == SIP_SCHEME_OTHER ||
	    !names_is_sip_domain(w->view->names, u.host) ||
	    !sip_param_find(u.params, STR("ms-edged"), &sealed) || !sealed.value.p)
		return ED_UNSUPPORTED;
	b.host = u.host;
	r = token_open(w->ring, w->now_s, &b, sealed.value, w->arena, &plain);
	if (r < 0)
		return r;
	if (!u.headers.n) {
		*ret_uri = plain;
		return ED_OK;
	}
	t = text_start(w->arena, plain.n + 1 + u.headers.n);
	text_put(&t, plain);
	text_put(&t, STR("?"));
	text_put(&t, u.headers);
	if (t.bad)
		return ED_NOMEM;
	*ret_uri = text_done(&t);
	return ED_OK;
}

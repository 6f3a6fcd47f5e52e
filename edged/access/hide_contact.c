/* SPDX-License-Identifier: MIT
 *
 * access/hide_contact.c: Contact, Refer-To, Reply-To: sealed on their way out, opened on their way
 * in.
 */
#include "access/hide_in.h"

#include <string.h>

#include "access/names.h"
#include "access/text.h"
#include "base/addr.h"
#include "sipparse/uri.h"

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
int
hide_seal_all(const struct job *j, struct str own)
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
int
hide_open_all(const struct job *j)
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

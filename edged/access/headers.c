/* SPDX-License-Identifier: MIT
 *
 * access/headers.c: see headers.h. The table below is the only place that says what passes.
 */
#include "access/headers.h"

#include "access/names.h"
#include "access/text.h"
#include "conf/conf.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

enum act {
	SCAN, /* passes; on the way out inside names in it are replaced. Zero: the rule for the rest
	       */
	PASS, /* byte for byte */
	STRIP,
	STRIP_REQUEST, /* strip on requests, pass on responses */
	DROP_INSIDE,   /* the line goes when it holds an inside name */
	KEEP_SIGNED,   /* passes only beside credentials that sign it (7.3) */
	KEEP_PROVEN,   /* policy has judged it on requests; on responses only of who was asked */
	KEEP_430,      /* passes only on a 430 */
	KEEP_SHARED,   /* passes only for a provider with shared address space (3.5) */
	KEEP_LEVEL,    /* passes only under UseSourceVerification (11.5) */
	KEEP_NTLM,     /* a challenge: passes, but not for NTLM under block_ntlm (EXT-09) */
	CUT_COOKIE,    /* loses its parameter ms-identity-cookie */
	COUNT_DOWN,    /* Max-Forwards */
};

/*
 * access-edge-sip 9.2. Columns: from client, from partner, to client, to partner. What is not named
 * here (and every header without a number) is SCAN everywhere. Via, Route, Record-Route, Contact,
 * Refer-To and Reply-To are PASS because hide.c and contact.c write them.
 */
static const uint8_t table[SIP_HDR__N][HEADERS__N] = {
    [SIP_HDR_VIA] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_ROUTE] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_RECORD_ROUTE] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_CONTACT] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_REFER_TO] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_REPLY_TO] = {PASS, PASS, PASS, PASS},
    /* Signed fields (7.2) and what repeats a Call-ID. */
    [SIP_HDR_CALL_ID] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_CSEQ] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_FROM] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_TO] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_EXPIRES] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_CONTENT_LENGTH] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_REPLACES] = {PASS, PASS, PASS, PASS},
    [SIP_HDR_P_ASSERTED_IDENTITY] = {KEEP_SIGNED, KEEP_PROVEN, PASS, PASS},
    [SIP_HDR_P_PREFERRED_IDENTITY] = {PASS, STRIP, PASS, STRIP},

    [SIP_HDR_MAX_FORWARDS] = {COUNT_DOWN, COUNT_DOWN, COUNT_DOWN, COUNT_DOWN},
    [SIP_HDR_MS_EDGE_PROXY_MESSAGE_TRUST] = {STRIP, STRIP, SCAN, STRIP},
    [SIP_HDR_MS_EDGE_OTHER] = {STRIP, STRIP, SCAN, STRIP},
    [SIP_HDR_MS_USER_LOGON_DATA] = {STRIP, STRIP, STRIP, STRIP},
    [SIP_HDR_MS_USER_DATA] = {STRIP, STRIP, STRIP, STRIP},
    [SIP_HDR_MS_APPLICATION_VIA] = {STRIP, STRIP, STRIP, STRIP},
    [SIP_HDR_MS_SPLIT_DOMAIN_INFO] = {STRIP, KEEP_SHARED, STRIP, KEEP_SHARED},
    [SIP_HDR_MS_ASSERTED_VERIFICATION_LEVEL] = {STRIP, KEEP_LEVEL, STRIP, SCAN},
    [SIP_HDR_MS_VERIFICATION_LEVEL] = {STRIP, KEEP_LEVEL, STRIP, SCAN},
    [SIP_HDR_MS_DIAGNOSTICS] = {STRIP, STRIP, SCAN, STRIP},
    [SIP_HDR_MS_DIAGNOSTICS_PUBLIC] = {STRIP_REQUEST, STRIP_REQUEST, SCAN, SCAN},
    [SIP_HDR_MS_ENDPOINT_LOCATION_DATA] = {PASS, STRIP, SCAN, STRIP},
    [SIP_HDR_MS_SUBNET] = {PASS, STRIP, SCAN, STRIP},
    [SIP_HDR_MS_KEEP_ALIVE] = {STRIP, STRIP, STRIP, STRIP},
    [SIP_HDR_REMOTE_PARTY_ID] = {STRIP, STRIP, SCAN, STRIP},
    [SIP_HDR_AUTHORIZATION] = {PASS, STRIP, STRIP, STRIP},
    [SIP_HDR_PROXY_AUTHORIZATION] = {PASS, STRIP, STRIP, STRIP},
    [SIP_HDR_WWW_AUTHENTICATE] = {STRIP, STRIP, KEEP_NTLM, STRIP},
    [SIP_HDR_PROXY_AUTHENTICATE] = {STRIP, STRIP, KEEP_NTLM, STRIP},
    [SIP_HDR_AUTHENTICATION_INFO] = {STRIP, STRIP, PASS, STRIP},
    [SIP_HDR_PROXY_AUTHENTICATION_INFO] = {STRIP, STRIP, PASS, STRIP},
    [SIP_HDR_REFERRED_BY] = {CUT_COOKIE, CUT_COOKIE, CUT_COOKIE, CUT_COOKIE},
    [SIP_HDR_PATH] = {STRIP, STRIP, STRIP, STRIP},
    [SIP_HDR_SERVICE_ROUTE] = {STRIP, STRIP, STRIP, STRIP},
    [SIP_HDR_P_DIALOG_RECOVERY_ACTION] = {STRIP, KEEP_430, SCAN, SCAN},
    [SIP_HDR_HISTORY_INFO] = {PASS, STRIP, SCAN, STRIP},
    [SIP_HDR_DIVERSION] = {PASS, STRIP, SCAN, STRIP},
    [SIP_HDR_ALERT_INFO] = {PASS, PASS, DROP_INSIDE, DROP_INSIDE},
    [SIP_HDR_CALL_INFO] = {PASS, PASS, DROP_INSIDE, DROP_INSIDE},
    [SIP_HDR_ERROR_INFO] = {PASS, PASS, DROP_INSIDE, DROP_INSIDE},
};

/* Headers without a number that must leave as they are: they repeat a Call-ID or describe the body.
 */
static const struct str untouched[] = {
    {"In-Reply-To", 11},
    {"Target-Dialog", 13},
    {"Join", 4},
    {"Content-Type", 12},
    {"c", 1},
    {"Content-ID", 10},
};

struct walk {
	const struct work *w;
	const struct headers_opts *o;
	const struct sip_msg *m;
	struct sip_edits *e;
	enum headers_way way;
	bool out;   /* toward the outside */
	bool hides; /* and inside names must go */
	bool credentials;
};

/* Inside names between `at` and at + n of the message become the external name. */
static void
scan_names(const struct walk *k, uint32_t at, uint32_t n)
{
	const struct names *names = k->w->view->names;
	struct str rest = {k->m->bytes.p + at, n};
	size_t hit, len;

	while (names_scan(names, rest, true, &hit, &len)) {
		sip_edit_splice(k->e, at + (uint32_t)hit, (uint32_t)len, k->w->view->external_fqdn);
		at += (uint32_t)(hit + len);
		rest = str_from(rest, hit + len);
	}
}

static bool
is_untouched(struct str name)
{
	for (unsigned i = 0; i < sizeof(untouched) / sizeof(untouched[0]); i++)
		if (str_eq_nocase(name, untouched[i]))
			return true;
	return false;
}

static bool
holds_inside(const struct walk *k, struct str text)
{
	size_t at, len;

	return names_scan(k->w->view->names, text, true, &at, &len);
}

static void
scan_line(const struct walk *k, const struct sip_line *l)
{
	struct str text = {k->m->bytes.p + l->at, l->len};
	size_t at, len;

	if (!names_scan(k->w->view->names, text, true, &at, &len))
		return;
	if (l->id == SIP_HDR_OTHER && is_untouched(sip_line_name(k->m, l)))
		return;
	if (l->at + at < l->value_at) /* in the header's own name, or across its colon */
		sip_edit_delete_line(k->e, l);
	else
		scan_names(k, l->value_at, l->value_len);
}

/*
 * ms-identity-cookie stands among the header parameters of Referred-By ([MS-SIPAE] 2.2.5), perhaps
 * twice. A value whose form we cannot read goes as a whole: it might hide one.
 */
static void
cut_cookie(const struct walk *k, const struct sip_line *l)
{
	struct str value = sip_line_value(k->m, l);
	struct sip_nameaddr na;
	struct sip_param p;
	uint32_t pos = 0, params_at;
	int r;

	if (l->folded || sip_nameaddr_parse(value, &na, NULL) < 0) {
		sip_edit_delete_line(k->e, l);
		return;
	}
	params_at = l->value_at + na.params_at;
	while ((r = sip_param_next(na.params, &pos, &p)) == 1) {
		if (str_eq_nocase(p.name, STR("ms-identity-cookie")))
			sip_edit_splice(k->e, params_at + p.at, p.len, STR(""));
		else if (k->hides)
			scan_names(k, params_at + p.at, p.len);
	}
	if (r < 0)
		sip_edit_delete_line(k->e, l);
	else if (k->hides)
		scan_names(k, l->value_at, na.params_at);
}

static void
count_down(const struct walk *k, const struct sip_line *l)
{
	struct text t;

	if (!k->m->is_request || k->m->max_forwards <= 0)
		return;
	t = text_start(k->w->arena, 16);
	text_put_u32(&t, (uint32_t)k->m->max_forwards - 1);
	text_splice(k->e, l->value_at, l->value_len, &t);
}

/* Every identity that the answer asserts is of the domain that was asked, or a number. */
static bool
is_of_answerer(const struct walk *k)
{
	struct sip_values it;
	struct sip_value val;
	int r;

	sip_values_init(&it, k->m, SIP_HDR_P_ASSERTED_IDENTITY);
	while ((r = sip_values_next(&it, &val)) == 1) {
		struct sip_nameaddr na;
		struct sip_uri u;

		if (sip_nameaddr_parse(val.text, &na, NULL) < 0 ||
		    sip_uri_parse(na.uri_text, &u, NULL) < 0)
			return false;
		if (u.scheme == SIP_SCHEME_OTHER && str_eq_nocase(u.scheme_text, STR("tel")))
			continue;
		if (u.scheme == SIP_SCHEME_OTHER || !k->o->answerer.n ||
		    !str_eq_nocase(u.host, k->o->answerer))
			return false;
	}
	return r == 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n'; /* a folded line's, too */
}

static bool
is_ntlm(struct str value)
{
	static const struct str scheme = {"NTLM", 4};

	while (value.n && is_blank(value.p[0]))
		value = str_from(value, 1);
	return str_starts_nocase(value, scheme) &&
	       (value.n == scheme.n || is_blank(value.p[scheme.n]));
}

bool
headers_use_ntlm(const struct sip_msg *m)
{
	for (uint16_t i = 0; i < m->n_lines; i++) {
		const struct sip_line *l = &m->lines[i];

		if ((l->id == SIP_HDR_AUTHORIZATION || l->id == SIP_HDR_PROXY_AUTHORIZATION) &&
		    is_ntlm(sip_line_value(m, l)))
			return true;
	}
	return false;
}

static bool
act_strips(const struct walk *k, enum act a, const struct sip_line *l)
{
	switch (a) {
	case STRIP:
		return true;
	case STRIP_REQUEST:
		return k->m->is_request;
	case KEEP_SIGNED:
		return !k->credentials;
	case KEEP_PROVEN:
		return !k->m->is_request && !is_of_answerer(k);
	case KEEP_430:
		return k->m->is_request || k->m->status != 430;
	case KEEP_SHARED:
		return !k->o->shared_space;
	case KEEP_LEVEL:
		return !k->o->keep_level;
	case KEEP_NTLM:
		return k->w->view->block_ntlm && is_ntlm(sip_line_value(k->m, l));
	case DROP_INSIDE:
		return k->hides && holds_inside(k, sip_line_value(k->m, l));
	default:
		return false;
	}
}

static void
walk_line(const struct walk *k, const struct sip_line *l)
{
	enum act a = table[l->id][k->way];

	if (a == PASS)
		return;
	if (act_strips(k, a, l)) {
		sip_edit_delete_line(k->e, l);
		return;
	}
	if (a == KEEP_NTLM)
		return; /* signed names of the inside stand in it (6.3) */
	if (a == CUT_COOKIE)
		cut_cookie(k, l);
	else if (a == COUNT_DOWN)
		count_down(k, l);
	else if (k->hides)
		scan_line(k, l);
}

struct str
headers_trust_line(const struct work *w, const struct headers_opts *o)
{
	static const struct str types[TRAFFIC__N] = {
	    [TRAFFIC_DIRECT_PARTNER] = {"DirectPartner", 13},
	    [TRAFFIC_AUTO_FEDERATION] = {"AutoFederation", 14},
	    [TRAFFIC_AUTHORIZED_SERVER] = {"AuthorizedServer", 16},
	    [TRAFFIC_PUBLIC_CLOUD] = {"AuthorizedServer", 16},
	};
	bool cloud = o->traffic == TRAFFIC_PUBLIC_CLOUD;
	struct text t;

	if (!traffic_is_partner(o->traffic))
		return w->view->trust_internet_user;
	t = text_start(w->arena, 256 + w->view->edge_fqdn.n + o->remote_fqdn.n);
	text_put(&t, STR("ms-edge-proxy-message-trust: ms-source-type="));
	text_put(&t, types[o->traffic]);
	text_put(&t, STR(";ms-ep-fqdn="));
	text_put(&t, w->view->edge_fqdn);
	text_put(&t, STR(";ms-source-verified-user="));
	text_put(&t, o->verified ? STR("verified") : STR("unverified"));
	text_put(&t, STR(";ms-source-network="));
	text_put(&t, cloud ? STR("publiccloud") : STR("federation"));
	if (cloud) {
		text_put(&t, STR(";ms-remote-fqdn="));
		text_put(&t, o->remote_fqdn);
	}
	text_put(&t, STR("\r\n"));
	return text_done(&t);
}

/* Below the Vias, where the product puts it; at the top when there are none. */
static void
add_trust(const struct walk *k)
{
	struct str line = headers_trust_line(k->w, k->o);
	uint16_t via = k->m->last[SIP_HDR_VIA];

	if (!line.p)
		k->e->err = ED_NOMEM;
	else if (via == SIP_NO_LINE)
		sip_edit_insert_first(k->e, line);
	else
		sip_edit_splice(k->e, k->m->lines[via].at + k->m->lines[via].len, 0, line);
}

/* Start line: a reason phrase or Request-URI that the inside wrote. Addresses stay in a
 * Request-URI: it is the Contact that the outside party gave us (6.3). */
static void
scan_start_line(const struct walk *k)
{
	struct str text = k->m->is_request ? k->m->uri : k->m->reason;
	uint32_t at = (uint32_t)(text.p - k->m->bytes.p);
	size_t hit, len;

	if (!text.p)
		return;
	while (names_scan(k->w->view->names, text, !k->m->is_request, &hit, &len)) {
		sip_edit_splice(k->e, at + (uint32_t)hit, (uint32_t)len, k->w->view->external_fqdn);
		at += (uint32_t)(hit + len);
		text = str_from(text, hit + len);
	}
}

/* 11.5, MarkSourceVerifiableOnOutgoingMessages: silence would count as unverified there. */
static bool
marks_source(const struct walk *k)
{
	return k->way == HEADERS_TO_PARTNER && k->m->is_request &&
	       k->w->view->conf->federation.mark_source_verifiable &&
	       k->m->first[SIP_HDR_MS_ASSERTED_VERIFICATION_LEVEL] == SIP_NO_LINE;
}

int
headers_apply(const struct work *w, enum headers_way way, const struct headers_opts *o,
    const struct sip_msg *m, struct sip_edits *e)
{
	bool out = way == HEADERS_TO_CLIENT || way == HEADERS_TO_PARTNER;
	enum hide_mode least = way == HEADERS_TO_CLIENT ? HIDE_ALL : HIDE_PARTNERS;
	struct walk k = {
	    .w = w,
	    .o = o,
	    .m = m,
	    .e = e,
	    .way = way,
	    .out = out,
	    .hides = out && w->view->hide >= least,
	    .credentials = m->is_request && (m->count[SIP_HDR_AUTHORIZATION] ||
						m->count[SIP_HDR_PROXY_AUTHORIZATION]),
	};

	if (way == HEADERS_TO_CLIENT && !m->is_request && o->logon_data)
		sip_edit_insert_first(e, STR("ms-user-logon-data: RemoteUser\r\n"));
	for (uint16_t i = 0; i < m->n_lines; i++)
		walk_line(&k, &m->lines[i]);
	if (k.hides && !o->uri_written)
		scan_start_line(&k);
	if (m->is_request && m->max_forwards < 0)
		sip_edit_insert_last(e, STR("Max-Forwards: 70\r\n"));
	if (!out && m->is_request)
		add_trust(&k);
	if (marks_source(&k))
		sip_edit_insert_last(e, STR("ms-asserted-verification-level: "
					    "ms-source-verified-user=verified\r\n"));
	return e->err;
}

struct str
headers_without_names(const struct work *w, struct str text, bool with_addresses)
{
	struct str by = w->view->external_fqdn, rest = text;
	size_t hit, len, n = 0;
	struct text t;

	while (names_scan(w->view->names, rest, with_addresses, &hit, &len)) {
		rest = str_from(rest, hit + len);
		n++;
	}
	if (n == 0)
		return text;
	t = text_start(w->arena, text.n + n * by.n);
	while (names_scan(w->view->names, text, with_addresses, &hit, &len)) {
		text_put(&t, str_first(text, hit));
		text_put(&t, by);
		text = str_from(text, hit + len);
	}
	text_put(&t, text);
	return text_done(&t);
}

bool
headers_is_stripped(enum headers_way way, unsigned hdr_id, bool is_request)
{
	enum act a = hdr_id < SIP_HDR__N ? (enum act)table[hdr_id][way] : SCAN;

	return a == STRIP || (a == STRIP_REQUEST && is_request);
}

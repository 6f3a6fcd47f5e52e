/* SPDX-License-Identifier: MIT
 *
 * Any message through the edge, in each direction: no crash, what comes out can be read again, its
 * size is bounded, and no inside name is in the header block of what leaves (access-edge-sip 6.3;
 * the exceptions are those of 6.3). First octet: from whom to whom.
 */
#include <stdint.h>

#include "access/names.h"
#include "access/reply.h"
#include "access/via.h"
#include "access_hop.h"

static struct cast cast;
static struct hide_keep *keep_in, *keep_out; /* of an INVITE that entered, that left */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANNED(uri, from, to, rr)                                                                  \
	"INVITE " uri " SIP/2.0\r\nVia: SIP/2.0/TLS 10.1.1.1\r\nFrom: <sip:" from ">;tag=1\r\n"    \
	"To: <sip:" to ">\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n"                                     \
	"Record-Route: <sip:" rr ";lr>\r\nContent-Length: 0\r\n\r\n"

static void
start(void)
{
	struct hop h;

	cast_init(&cast);
	cast.conf.access.allow_anonymous_users = true;
	cast.conf.access.allow_federated_users = true;
	cast.allowed[0] = (struct conf_allowed_domain){
	    .domain = "fabrikam.com", .proxy_fqdn = "sip.fabrikam.com"};
	cast.conf.federation.allowed = cast.allowed;
	cast.conf.federation.n_allowed = 1;
	cast_view(&cast);
	if (hop_request(&cast, &cast.client, FACTS_INTERNAL,
		STR(CANNED(
		    "sip:bob@contoso.com", "alice@contoso.com", "bob@contoso.com", "p.example")),
		&h) < 0)
		abort();
	keep_in = h.keep;
	free(h.text);
	if (hop_request(&cast, &cast.internal, FACTS_CLIENT,
		STR(CANNED(
		    "sip:a@192.0.2.1", "bob@contoso.com", "alice@contoso.com", "fe01.contoso.net")),
		&h) < 0)
		abort();
	keep_out = h.keep;
	free(h.text);
}

static bool
may_hold_names(const struct sip_msg *m, const struct sip_line *l)
{
	static const struct str others[] = {
	    {"In-Reply-To", 11},
	    {"Target-Dialog", 13},
	    {"Join", 4},
	    {"Content-Type", 12},
	    {"c", 1},
	    {"Content-ID", 10},
	};
	struct str v = sip_line_value(m, l);

	switch (l->id) {
	case SIP_HDR_CALL_ID:
	case SIP_HDR_CSEQ:
	case SIP_HDR_FROM:
	case SIP_HDR_TO:
	case SIP_HDR_EXPIRES:
	case SIP_HDR_REPLACES:
	case SIP_HDR_P_ASSERTED_IDENTITY:
	case SIP_HDR_P_PREFERRED_IDENTITY:
	case SIP_HDR_WWW_AUTHENTICATE:
	case SIP_HDR_PROXY_AUTHENTICATE:
	case SIP_HDR_AUTHENTICATION_INFO:
	case SIP_HDR_PROXY_AUTHENTICATION_INFO:
		return true;
	case SIP_HDR_CONTACT:
	case SIP_HDR_REFER_TO:
	case SIP_HDR_REPLY_TO:
		return strcasestr(v.p, "srvr:") || strcasestr(v.p, "Replaces=") ||
		       strcasestr(v.p, "Join=") || strcasestr(v.p, "Target-Dialog=");
	case SIP_HDR_OTHER:
		for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			if (str_eq_nocase(sip_line_name(m, l), others[i]))
				return true;
		return false;
	default:
		return false;
	}
}

static void
check_clean(const struct sip_msg *m)
{
	size_t at, len;

	for (uint16_t i = 0; i < m->n_lines; i++) {
		const struct sip_line *l = &m->lines[i];
		struct str text = {m->bytes.p + l->at, l->len};

		if (may_hold_names(m, l))
			continue;
		if (names_scan(cast.view->names, text, l->id != SIP_HDR_VIA, &at, &len)) {
			fprintf(stderr, "left: " STR_FMT, STR_ARG(text));
			abort();
		}
	}
	if (names_scan(cast.view->names, m->is_request ? m->uri : m->reason, false, &at, &len))
		abort();
}

static void
check_out(struct sip_edits *e, size_t size, bool leaving)
{
	struct sip_limits wide = {.start_line = 1 << 20,
	    .header_line = 1 << 20,
	    .header_block = 1 << 20,
	    .body = 1 << 20,
	    .n_lines = 1024,
	    .n_vias = 1024,
	    .uri = 1 << 20};
	struct ed_fault fault;
	struct sip_msg *m;
	struct str out;

	if (sip_edits_size(e) < 0)
		return;
	/* Each octet of an inside name may become a whole name of ours; the rest is ours to add. */
	if ((size_t)sip_edits_size(e) > 8 * size + 16384)
		abort();
	out = cast_print(&cast, e);
	if (sip_msg_parse(&cast.arena, out, &wide, &m, &fault) < 0)
		abort();
	if (leaving)
		check_clean(m);
}

static void
take_request(const struct facts *from, enum facts_peer to, const struct sip_msg *m)
{
	struct pass_to pt = hop_to(&cast, to);
	struct policy_verdict v;
	struct hide_route r;
	struct pass_request p;
	struct pass_sent sent = {0};
	struct sip_edits e;
	struct reply_spec s = {.status = 403, .to_tag = 1};

	if (!reply_make(&cast.work, from, m, &s).p)
		return;
	policy_judge(&cast.work, from, m, &v);
	if (v.kind != POLICY_FORWARD || via_is_loop(&cast.work, m))
		return;
	hide_route(&cast.work, from, m, &r);
	if (r.where == HIDE_REFUSE)
		return;
	p = (struct pass_request){.from = from, .verdict = &v, .route = &r, .to = &pt, .txn_id = 1};
	sip_edits_init(&e, &cast.arena, m);
	if (pass_request(&cast.work, &p, m, &e, &sent) == ED_OK)
		check_out(&e, m->bytes.n, from->peer == FACTS_INTERNAL);
	free(sent.keep);
}

static void
take_response(const struct facts *from, enum facts_peer to, const struct sip_msg *m)
{
	bool leaving = from->peer == FACTS_INTERNAL;
	struct pass_response p = {.from = from,
	    .to = to,
	    .traffic = TRAFFIC_REMOTE_USER,
	    .keep = leaving ? keep_in : keep_out,
	    .keepalive_answer = true};
	struct sip_edits e;
	uint64_t id;

	if (via_own(&cast.work, m, &id) < 0)
		return;
	reply_ack(&cast.work, p.keep, m);
	if (leaving)
		reply_ack_bye(&cast.work, p.keep, m, STR("Via: a\r\n"), STR("Via: b\r\n"));
	sip_edits_init(&e, &cast.arena, m);
	if (pass_response(&cast.work, &p, m, &e) == ED_OK)
		check_out(&e, m->bytes.n, leaving);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sip_limits lim = SIP_LIMITS_CLIENT;
	const struct facts *from;
	enum facts_peer to = FACTS_INTERNAL;
	struct ed_fault fault;
	struct sip_msg *m;
	struct str text;

	if (!cast.ring)
		start();
	if (size < 2)
		return 0;
	cast_begin(&cast);
	text = arena_str(&cast.arena, (struct str){(const char *)data + 1, size - 1});
	if (sip_msg_parse(&cast.arena, text, &lim, &m, &fault) < 0)
		return 0;
	switch (data[0] % 4) {
	case 0:
		from = &cast.client;
		break;
	case 1:
		from = &cast.partner;
		break;
	default:
		from = &cast.internal;
		to = data[0] % 4 == 2 ? FACTS_CLIENT : FACTS_SERVER;
		break;
	}
	if (m->is_request)
		take_request(from, to, m);
	else
		take_response(from, to == FACTS_SERVER ? FACTS_CLIENT : to, m);
	return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * What must hold for any message: signed fields stay (access-edge-sip 7.2, 7.3), inside names do
 * not leave (6.3), trust headers of strangers do not pass (9.2), and what was hidden is back (5.3).
 */
#include "access/pass.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access/names.h"
#include "access_hop.h"
#include "sipparse/uri.h"

static struct cast cast;
static uint32_t dice_state;

static uint32_t
dice(uint32_t n)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 17;
	dice_state ^= dice_state << 5;
	return dice_state % n;
}

static int
setup(void **state)
{
	cast_init(&cast);
	dice_state = 20250101;
	return 0;
}

static int
teardown(void **state)
{
	cast_done(&cast);
	return 0;
}

/* ---- a growing text ---- */

static char page[131072];
static size_t page_n;

static void
put(const char *f, ...)
{
	va_list ap;

	va_start(ap, f);
	page_n += (size_t)vsnprintf(page + page_n, sizeof(page) - page_n, f, ap);
	va_end(ap);
	assert_true(page_n < sizeof(page));
}

/* ---- the signed string of 7.2, read from a message without the code under test ---- */

static void
auth_param(const char *value, const char *name, char *ret)
{
	const char *at = value;
	size_t n = strlen(name), k = 0;

	while ((at = strcasestr(at, name)) != NULL) {
		if (at[n] == '=' && (at == value || at[-1] == ' ' || at[-1] == ','))
			break;
		at++;
	}
	if (at) {
		at += n + 1;
		if (*at == '"')
			for (at++; at[k] && at[k] != '"'; k++)
				ret[k] = at[k];
		else
			for (; at[k] && at[k] != ',' && at[k] != '\r'; k++)
				ret[k] = at[k];
	}
	ret[k] = '\0';
}

static void
copy_str(char *to, struct str s)
{
	memcpy(to, s.p ? s.p : "", s.n);
	to[s.n] = '\0';
}

static void
identity_uri(const struct sip_msg *m, const char *scheme, char *ret)
{
	struct str v = sip_msg_value(m, SIP_HDR_P_ASSERTED_IDENTITY);
	const char *at;
	size_t n = 0;

	*ret = '\0';
	if (!v.p)
		v = sip_msg_value(m, SIP_HDR_P_PREFERRED_IDENTITY);
	if (!v.p)
		return;
	at = memmem(v.p, v.n, scheme, strlen(scheme));
	if (!at)
		return;
	while (at + n < v.p + v.n && at[n] != '>')
		n++;
	copy_str(ret, (struct str){at, n});
}

static void
signed_string(const char *text, enum sip_hdr auth_id, char *ret)
{
	static char v[8192], f[5][4096], id[2][4096];
	struct sip_msg *m;
	struct str auth, expires;
	char status[16] = "";

	cast_begin(&cast);
	m = cast_parse(&cast, str_of(text));
	auth = sip_msg_value(m, auth_id);
	copy_str(v, auth);
	auth_param(v, auth_id == SIP_HDR_AUTHORIZATION ? "crand" : "srand", f[0]);
	auth_param(v, auth_id == SIP_HDR_AUTHORIZATION ? "cnum" : "snum", f[1]);
	auth_param(v, "realm", f[2]);
	auth_param(v, "targetname", f[3]);
	identity_uri(m, "sip:", id[0]);
	identity_uri(m, "tel:", id[1]);
	expires = sip_msg_value(m, SIP_HDR_EXPIRES);
	if (!m->is_request)
		snprintf(status, sizeof(status), "<%u>", m->status);
	v[strcspn(v, " ")] = '\0';
	sprintf(ret,
	    "<%s><%s><%s><%s><%s><" STR_FMT "><%u><" STR_FMT "><" STR_FMT "><" STR_FMT "><" STR_FMT
	    "><" STR_FMT "><%s><%s><" STR_FMT ">%s",
	    v, f[0], f[1], f[2], f[3], STR_ARG(m->call_id), m->cseq, STR_ARG(m->cseq_method),
	    STR_ARG(m->from.uri), STR_ARG(m->from.tag), STR_ARG(m->to.uri), STR_ARG(m->to.tag),
	    id[0], id[1], STR_ARG(expires), status);
}

#define CLIENT_AUTH                                                                                \
	"Authorization: NTLM qop=\"auth\", opaque=\"8C2A01F7\", realm=\"SIP Communications "       \
	"Service\", targetname=\"fe01.contoso.net\", crand=\"1b6d47a1\", cnum=\"11\", "            \
	"response=\"0100000030\"\r\n"
#define SERVER_AUTH                                                                                \
	"Authentication-Info: NTLM qop=\"auth\", opaque=\"8C2A01F7\", srand=\"2E7A11B0\", "        \
	"snum=\"12\", rspauth=\"0100\", targetname=\"fe01.contoso.net\", realm=\"SIP "             \
	"Communications Service\", version=4\r\n"
#define DIALOG_LINES                                                                               \
	"From: \"Alice \\\"A\\\" \xc3\xa4\" "                                                      \
	"<SIP:Alice@Contoso.COM>;epid=5a3b7c9d01ef;tag=33.02\r\n"                                  \
	"To: <sip:bob@contoso.com;x=Y>;tag=7Aee\r\n"                                               \
	"Call-ID: 3C0Dg11B4a7A2Bi@10.1.2.3\r\n"                                                    \
	"CSeq: 17 MESSAGE\r\n"                                                                     \
	"P-Asserted-Identity: \"Bob\" <sip:bob@contoso.com>, <tel:+4912345>\r\n"                   \
	"Expires:  0600\r\n"

static const char client_request[] =
    "MESSAGE sip:bob@contoso.com SIP/2.0\r\n"
    "Via: SIP/2.0/tls 192.168.1.50:51001\r\n" DIALOG_LINES CLIENT_AUTH "Max-Forwards: 70\r\n"
    "Content-Length: 0\r\n\r\n";
static const char server_request[] =
    "MESSAGE sip:198.51.100.23:51001;transport=tls;ms-received-cid=2B00 SIP/2.0\r\n"
    "Via: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKabc\r\n" DIALOG_LINES SERVER_AUTH
    "Server: RTC/5.0 fe01.contoso.net\r\n"
    "Content-Length: 0\r\n\r\n";
static const char server_response[] =
    "SIP/2.0 202 Accepted\r\n"
    "Via: SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK00000000.77D0C4E19B2A5F01\r\n"
    "Via: SIP/2.0/tls 192.168.1.50:51001\r\n" DIALOG_LINES SERVER_AUTH
    "Contact: <sip:bob@10.20.0.50>\r\n"
    "Content-Length: 0\r\n\r\n";

static void
assert_same_signature(const char *before, const char *after, enum sip_hdr auth)
{
	static char a[65536], b[65536];

	signed_string(before, auth, a);
	signed_string(after, auth, b);
	assert_string_equal(a, b);
}

static void
signed_fields_stay(void **state)
{
	struct hop up, down;
	char *out;

	assert_int_equal(
	    hop_request(&cast, &cast.client, FACTS_INTERNAL, str_of(client_request), &up), ED_OK);
	assert_same_signature(client_request, up.text, SIP_HDR_AUTHORIZATION);
	assert_int_equal(
	    hop_response(&cast, &cast.internal, FACTS_CLIENT, &up, str_of(server_response), &out),
	    ED_OK);
	assert_same_signature(server_response, out, SIP_HDR_AUTHENTICATION_INFO);
	free(out);
	assert_int_equal(
	    hop_request(&cast, &cast.internal, FACTS_CLIENT, str_of(server_request), &down), ED_OK);
	assert_int_equal(down.route.where, HIDE_TO_CID);
	assert_same_signature(server_request, down.text, SIP_HDR_AUTHENTICATION_INFO);
	hop_done(&up);
	hop_done(&down);
}

/* The comparison itself must see every octet of every signed field. */
static void
one_changed_octet_is_seen(void **state)
{
	static const char *const fields[] = {"1b6d47a1", "cnum=\"11", "SIP Communications Service",
	    "fe01.contoso.net", "3C0Dg11B4a7A2Bi@10.1.2.3", "17 MESSAGE", "SIP:Alice@Contoso.COM",
	    "33.02", "sip:bob@contoso.com;x=Y", "7Aee", "sip:bob@contoso.com>,", "tel:+4912345",
	    "0600", "NTLM"};
	static char a[65536], b[65536], text[sizeof(client_request)];
	unsigned seen = 0;

	signed_string(client_request, SIP_HDR_AUTHORIZATION, a);
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *at = strstr(client_request, fields[i]);

		assert_non_null(at);
		for (size_t k = 0; fields[i][k]; k++) {
			if (!isalnum((unsigned char)fields[i][k]))
				continue;
			if (strncmp(fields[i], "cnum", 4) == 0 && k < 6)
				continue;
			if (strstr(fields[i], ">,") == NULL && i == 5 && k > 2)
				continue; /* the method: CSeq and start line must agree */
			memcpy(text, client_request, sizeof(text));
			at = client_request + (strstr(client_request, fields[i]) - client_request);
			text[at - client_request + (ptrdiff_t)k] =
			    (char)(isdigit((unsigned char)fields[i][k])
				       ? '0' + (fields[i][k] - '0' + 1) % 10
				       : fields[i][k] ^ 0x20);
			signed_string(text, SIP_HDR_AUTHORIZATION, b);
			if (strcmp(a, b) == 0)
				fprintf(stderr, "field %s octet %zu\n", fields[i], k);
			assert_string_not_equal(a, b);
			seen++;
		}
	}
	assert_true(seen > 100);
}

/* ---- no inside name leaves ---- */

static const char *const inside_hosts[] = {"fe01.contoso.net", "POOL01.Contoso.Net",
    "edge.int.contoso.com", "anything.contoso.net", "10.20.0.50", "10.255.1.2", "fd00::12",
    "registrar", "a.b.int.contoso.com"};
#define N_INSIDE (sizeof(inside_hosts) / sizeof(inside_hosts[0]))

static const char *
inside(void)
{
	return inside_hosts[dice(N_INSIDE)];
}

/* A host in a URI: IPv6 stands in brackets. */
static const char *
inside_uri_host(void)
{
	static char buf[4][64];
	static unsigned at;
	const char *h = inside();

	if (!strchr(h, ':'))
		return h;
	at = (at + 1) % 4;
	snprintf(buf[at], sizeof(buf[at]), "[%s]", h);
	return buf[at];
}

static void
put_random_lines(bool is_request)
{
	static const char *const plain[] = {"Server", "User-Agent", "X-Unknown", "Subject",
	    "Reason", "Warning", "ms-telemetry-id", "Organization", "P-Charging-Vector",
	    "Allow-Events", "History-Info", "Diversion", "Alert-Info", "Call-Info", "Error-Info",
	    "Service-Route", "Path", "ms-diagnostics-public", "ms-user-data", "ms-application-via",
	    "Remote-Party-ID", "Supported", "Accept", "ms-asserted-verification-level",
	    "Geolocation", "P-Dialog-Recovery-Action", "ms-edge-something",
	    "ms-client-diagnostics"};
	unsigned n = 4 + dice(20);

	for (unsigned i = 0; i < n; i++)
		switch (dice(12)) {
		case 0:
			put("Contact: \"%s\" <sip:u%u@%s:5061;transport=tls>;x=%s\r\n", inside(), i,
			    inside_uri_host(), inside());
			break;
		case 1:
			put("Contact: sip:u%u@%s;expires=60\r\n", i, inside_uri_host());
			break;
		case 2:
			put("m: <sip:u@contoso.com;maddr=%s>, <sip:v@%s>\r\n", inside_uri_host(),
			    inside_uri_host());
			break;
		case 3:
			put("Refer-To: <sip:x@%s?Replaces=abc%%40fe01&Subject=%s>\r\n",
			    inside_uri_host(), inside());
			break;
		case 4:
			put("Reply-To: <sip:%s@example.org;y=%s>\r\n", inside(), inside());
			break;
		case 5:
			put("Referred-By: <sip:bob@contoso.com>;ms-identity-cookie=\"%s\";"
			    "ms-referee-uri=\"sip:x@%s\"\r\n",
			    inside(), inside());
			break;
		case 6:
			put("ms-diagnostics: 1003;reason=\"no\";source=\"%s\"\r\n", inside());
			break;
		case 7:
			put("X-%s: 1\r\n",
			    strchr(inside_hosts[i % 4], ':') ? "a" : inside_hosts[i % 4]);
			break;
		case 8:
			put("ms-edge-proxy-message-trust: "
			    "ms-source-type=InternetUser;ms-ep-fqdn=%s\r\n",
			    inside());
			break;
		default:
			put("%s: a %s,(%s) /%s\r\n\t%s folded %s:5061\r\n",
			    plain[dice(sizeof(plain) / sizeof(plain[0]))], inside(), inside(),
			    inside(), inside(), inside());
		}
	if (is_request && dice(2))
		for (unsigned i = 0; i < 3; i++)
			put("Record-Route: <sip:%s;lr>\r\n", inside_uri_host());
	if (!is_request)
		for (unsigned i = dice(3); i < 3; i++)
			put("Record-Route: <sip:%s;lr>, <sip:%s;lr>\r\n", inside_uri_host(),
			    inside_uri_host());
}

#define SCAN_COMMON                                                                                \
	"From: <sip:bob@contoso.com>;tag=1\r\nTo: <sip:alice@contoso.com>;tag=2\r\nCall-ID: "      \
	"x@fe01.contoso.net\r\n"

/* Looks for the names as plain text, so that the code under test is not its own witness. */
static void
assert_clean(const char *text)
{
	char lower[sizeof(page)];
	const char *end = strstr(text, "\r\n\r\n"), *line = text;

	assert_non_null(end);
	while (line < end) {
		size_t n = strcspn(line, "\r"), k;

		for (k = 0; k < n; k++)
			lower[k] = (char)tolower((unsigned char)line[k]);
		lower[n] = '\0';
		line += n + 2;
		if (strncmp(lower, "call-id:", 8) == 0)
			continue;
		for (unsigned i = 0; i < N_INSIDE; i++) {
			char name[64];

			for (k = 0; inside_hosts[i][k]; k++)
				name[k] = (char)tolower((unsigned char)inside_hosts[i][k]);
			name[k] = '\0';
			if (strstr(lower, name)) {
				fprintf(stderr, "%s left in: %s\n---\n%s\n", name, lower, page);
				fail();
			}
		}
	}
}

static void
nothing_of_the_inside_leaves_in_requests(void **state)
{
	static const char *const methods[] = {"INVITE", "MESSAGE", "BENOTIFY", "NOTIFY", "REFER"};

	for (unsigned round = 0; round < 3000; round++) {
		enum facts_peer to = dice(2) ? FACTS_CLIENT : FACTS_SERVER;
		const char *method = methods[dice(5)];
		struct hop h;
		int r;

		page_n = 0;
		put("%s sip:alice@%s;x=%s SIP/2.0\r\n", method,
		    dice(2) ? "192.0.2.1" : "example.org", dice(2) ? "fe01.contoso.net" : "y");
		for (unsigned i = dice(4) + 1; i > 0; i--)
			put("%s: SIP/2.0/TLS %s:5061;branch=z9hG4bK%u\r\n", dice(2) ? "v" : "Via",
			    inside_uri_host(), i);
		put(SCAN_COMMON "CSeq: 1 %s\r\n", method);
		if (dice(2))
			put("Route: <sip:%s;lr>\r\n", inside_uri_host());
		put_random_lines(true);
		put("Content-Length: 0\r\n\r\n");
		r = hop_request(&cast, &cast.internal, to, (struct str){page, page_n}, &h);
		if (r == ED_OK)
			assert_clean(h.text);
		else
			assert_true(h.sent.status == 513 || r == ED_STATE);
		hop_done(&h);
	}
}

static void
nothing_of_the_inside_leaves_in_responses(void **state)
{
	for (unsigned round = 0; round < 3000; round++) {
		static const unsigned statuses[] = {100, 180, 183, 200, 202, 302, 404, 430, 500};
		struct hop h;
		char *out;
		int r;

		assert_int_equal(hop_request(&cast, &cast.client, FACTS_INTERNAL,
				     dice(2) ? STR("INVITE sip:bob@contoso.com SIP/2.0\r\n"
						   "Via: SIP/2.0/tls 192.168.1.50:51001\r\n"
						   "From: <sip:alice@contoso.com>;tag=1\r\n"
						   "To: <sip:bob@contoso.com>\r\nCall-ID: a\r\n"
						   "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
					     : str_of(client_request),
				     &h),
		    ED_OK);
		page_n = 0;
		put("SIP/2.0 %u Gone to fe01.contoso.net\r\n", statuses[dice(9)]);
		put("Via: SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK00000000.77D0C4E19B2A5F01\r\n");
		put("Via: SIP/2.0/tls 192.168.1.50:51001\r\n" SCAN_COMMON "CSeq: 1 INVITE\r\n");
		put_random_lines(false);
		put("Content-Length: 0\r\n\r\n");
		r = hop_response(
		    &cast, &cast.internal, FACTS_CLIENT, &h, (struct str){page, page_n}, &out);
		if (r == ED_OK)
			assert_clean(out);
		else
			assert_int_equal(r, ED_LIMIT);
		free(out);
		hop_done(&h);
	}
}

/* ---- trust headers of strangers ---- */

static void
spoofed_trust_headers_do_not_pass(void **state)
{
	static const char *const lines[] = {
	    "ms-edge-proxy-message-trust: ms-source-type=DirectPartner\r\n",
	    "MS-EDGE-PROXY-MESSAGE-TRUST: ms-source-type=DirectPartner\r\n",
	    "Ms-Edge-Proxy-Message-Trust:ms-source-type=DirectPartner\r\n",
	    "ms-edge-proxy-message-trust:\r\n ms-source-type=DirectPartner\r\n",
	    "ms-edge-proxy-message-trust2: ms-source-type=DirectPartner\r\n",
	    "ms-edge-: ms-source-type=DirectPartner\r\n",
	    "ms-edge-x: ms-source-type=DirectPartner\r\n",
	    "ms-user-logon-data: DirectPartner\r\n",
	    "MS-User-Logon-Data:\r\n DirectPartner\r\n",
	    "ms-user-data: ms-publiccloud=DirectPartner\r\n",
	    "ms-application-via: DirectPartner\r\n",
	    "ms-asserted-verification-level: ms-source-verified-user=DirectPartner\r\n",
	    "ms-verification-level: DirectPartner\r\n",
	    "ms-source-verification-level-x: DirectPartner\r\n",
	    "ms-split-domain-info: ms-traffic-type=DirectPartner\r\n",
	    "ms-diagnostics: 1000;reason=\"DirectPartner\"\r\n",
	    "Authentication-Info: NTLM DirectPartner\r\n",
	    "WWW-Authenticate: NTLM DirectPartner\r\n",
	    "Path: <sip:DirectPartner;lr>\r\n",
	    "Service-Route: <sip:DirectPartner;lr>\r\n",
	    "P-Asserted-Identity: <sip:DirectPartner@contoso.com>\r\n",
	    "Remote-Party-ID: <sip:DirectPartner@contoso.com>\r\n",
	    "Referred-By: <sip:a@contoso.com>;ms-identity-cookie=DirectPartner\r\n",
	    "b: <sip:a@contoso.com>;x=1;MS-Identity-Cookie=\"DirectPartner\";y\r\n",
	};

	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		for (unsigned twice = 1; twice <= 2; twice++) {
			struct hop h;

			page_n = 0;
			put("MESSAGE sip:bob@contoso.com SIP/2.0\r\n"
			    "Via: SIP/2.0/tls 192.168.1.50:51001\r\n"
			    "From: <sip:alice@contoso.com>;tag=1\r\nTo: <sip:bob@contoso.com>\r\n"
			    "Call-ID: a\r\nCSeq: 1 MESSAGE\r\n");
			for (unsigned k = 0; k < twice; k++)
				put("%s", lines[i]);
			put("Content-Length: 0\r\n\r\n");
			assert_int_equal(hop_request(&cast, &cast.client, FACTS_INTERNAL,
					     (struct str){page, page_n}, &h),
			    ED_OK);
			if (strstr(h.text, "DirectPartner"))
				fprintf(stderr, "passed: %s", lines[i]);
			assert_null(strstr(h.text, "DirectPartner"));
			hop_done(&h);
		}
}

/* ---- what was cut comes back ---- */

static char *
values_of(const char *text, enum sip_hdr id, unsigned skip)
{
	static char buf[2][sizeof(page)];
	static unsigned at;
	struct sip_values it;
	struct sip_value v;
	struct sip_msg *m;
	size_t n = 0;

	at ^= 1;
	cast_begin(&cast);
	m = cast_parse(&cast, str_of(text));
	sip_values_init(&it, m, id);
	for (unsigned i = 0; sip_values_next(&it, &v) == 1; i++)
		if (i >= skip)
			n += (size_t)sprintf(buf[at] + n, STR_FMT "\n", STR_ARG(v.text));
	buf[at][n] = '\0';
	return buf[at];
}

static void
leaving_and_coming_back_restores(void **state)
{
	for (unsigned round = 0; round < 1000; round++) {
		unsigned n_via = 1 + dice(6), n_rr = dice(6);
		static char request[sizeof(page)];
		struct hop h;
		char *o_star = NULL, *out;

		page_n = 0;
		put("SUBSCRIBE sip:alice@198.51.100.23:51001;ms-received-cid=2b00 SIP/2.0\r\n");
		for (unsigned i = 0; i < n_via; i++) {
			put("%s: SIP/2.0/TLS 10.20.0.%u:5061;branch=z9hG4bK%u;x=\"a,b\"",
			    dice(2) ? "VIA" : "v", i, dice(1000));
			if (dice(3) == 0)
				put(" , SIP/2.0/TLS fe%02u.contoso.net ;branch=z9hG4bKq", i);
			put("\r\n");
			if (dice(3) == 0)
				put("X-Between: %u\r\n", i);
		}
		put(SCAN_COMMON "CSeq: 1 SUBSCRIBE\r\n");
		for (unsigned i = 0; i < n_rr; i++)
			put("Record-Route: <sip:fe%02u.contoso.net;lr;ms-fe=x>;tag=\"1,2\"%s\r\n",
			    i, dice(3) ? "" : ", <sip:10.1.1.1;lr>");
		put("Content-Length: 0\r\n\r\n");
		/* A To tag would make it in-dialog. */
		memcpy(strstr(page, ";tag=2"), ";txx=2", 6);
		strcpy(request, page);
		assert_int_equal(
		    hop_request(&cast, &cast.internal, FACTS_CLIENT, str_of(request), &h), ED_OK);
		assert_string_equal(values_of(h.text, SIP_HDR_VIA, 1), "");
		o_star = strdup(values_of(h.text, SIP_HDR_RECORD_ROUTE, 0));
		assert_ptr_equal(strchr(o_star, '\n'), o_star + strlen(o_star) - 1);
		o_star[strlen(o_star) - 1] = '\0';

		page_n = 0;
		put("SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS sip.contoso.com:443;branch=%.32s\r\n",
		    h.sent.branch);
		if (dice(4))
			put("Record-Route: %s\r\n", o_star);
		put(SCAN_COMMON "CSeq: 1 SUBSCRIBE\r\nContent-Length: 0\r\n\r\n");
		assert_int_equal(hop_response(&cast, &cast.client, FACTS_INTERNAL, &h,
				     (struct str){page, page_n}, &out),
		    ED_OK);
		assert_string_equal(
		    values_of(out, SIP_HDR_VIA, 0), values_of(request, SIP_HDR_VIA, 0));
		/* O and I stand above what the inside sent. */
		assert_string_equal(values_of(out, SIP_HDR_RECORD_ROUTE, 2),
		    values_of(request, SIP_HDR_RECORD_ROUTE, 0));
		free(o_star);
		free(out);
		hop_done(&h);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(signed_fields_stay, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_changed_octet_is_seen, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		nothing_of_the_inside_leaves_in_requests, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		nothing_of_the_inside_leaves_in_responses, setup, teardown),
	    cmocka_unit_test_setup_teardown(spoofed_trust_headers_do_not_pass, setup, teardown),
	    cmocka_unit_test_setup_teardown(leaving_and_coming_back_restores, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

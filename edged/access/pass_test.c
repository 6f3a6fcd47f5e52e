/* SPDX-License-Identifier: MIT
 *
 * Whole passes: the worked examples of access-edge-sip 14 and 6.3, octet by octet.
 */
#include "access/pass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access_hop.h"

static struct cast cast;

static int
request(const struct facts *from, enum facts_peer peer, const char *lines, struct hop *h)
{
	char *text = cast_crlf(lines);
	int r = hop_request(&cast, from, peer, str_of(text), h);

	free(text);
	return r;
}

static int
response(const struct facts *from, enum facts_peer to, const struct hop *req, const char *lines,
    char **ret_text)
{
	char *text = cast_crlf(lines);
	int r = hop_response(&cast, from, to, req, str_of(text), ret_text);

	free(text);
	return r;
}

/* '*' in want stands for a run of token characters: signatures, sealed text, branch marks. */
static bool
is_like(const char *got, const char *want)
{
	while (*want) {
		if (*want == '*') {
			size_t n =
			    strspn(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-_");

			if (n == 0)
				return false;
			got += n;
			want++;
		} else if (*got++ != *want++) {
			return false;
		}
	}
	return *got == '\0';
}

static void
assert_text(const char *got, const char *want_lines)
{
	char *want = cast_crlf(want_lines);

	assert_non_null(got);
	if (!is_like(got, want))
		fprintf(stderr, "--- got\n%s--- want\n%s---\n", got, want);
	assert_true(is_like(got, want));
	free(want);
}

/* The text between the nth `before` and the next `after`, on the heap. */
static char *
cut_out(const char *text, const char *before, unsigned nth, char after)
{
	const char *at = text, *end;

	for (unsigned i = 0; i <= nth; i++) {
		at = strstr(i ? at + 1 : at, before);
		assert_non_null(at);
	}
	at += strlen(before);
	end = strchr(at, after);
	assert_non_null(end);
	return strndup(at, (size_t)(end - at));
}

static char *
fmt(const char *f, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, f);
	if (vasprintf(&s, f, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

static int
setup(void **state)
{
	cast_init(&cast);
	return 0;
}

static int
teardown(void **state)
{
	cast_done(&cast);
	return 0;
}

/* ---- 14.1, 14.2 ---- */

#define REGISTER_1                                                                                 \
	"REGISTER sip:contoso.com SIP/2.0\n"                                                       \
	"Via: SIP/2.0/tls 192.168.1.50:51001;branch=z9hG4bK6E3C11F0A4D2B7985C01\n"                 \
	"From: <sip:alice@contoso.com>;tag=1466378910;epid=5a3b7c9d01ef\n"                         \
	"To: <sip:alice@contoso.com>\n"                                                            \
	"Max-Forwards: 70\n"                                                                       \
	"CSeq: 1 REGISTER\n"                                                                       \
	"User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)\n"                   \
	"Call-ID: B0F3gE6A1a4D4Ei7C01mA2B9t5C3Db0D11x9F42\n"                                       \
	"Contact: <sip:192.168.1.50:51001;transport=tls;ms-opaque=d3470f2e1d>;methods=\"INVITE, "  \
	"MESSAGE, INFO, SUBSCRIBE, OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, "                     \
	"BENOTIFY\";proxy=replace;+sip.instance=\"<urn:uuid:7D2C1A90-4C0E-5B1F-9A77-"              \
	"0A1B2C3D4E5F>\"\n"                                                                        \
	"Supported: gruu-10, adhoclist, msrtc-event-categories, com.microsoft.msrtc.presence\n"    \
	"Event: registration\n"                                                                    \
	"Allow-Events: presence\n"                                                                 \
	"ms-keep-alive: UAC;hop-hop=yes\n"                                                         \
	"Content-Length: 0\n\n"

static void
register_goes_in_as_14_1_shows(void **state)
{
	struct hop h;

	assert_int_equal(request(&cast.client, FACTS_INTERNAL, REGISTER_1, &h), ED_OK);
	assert_text(h.text,
	    "REGISTER sip:contoso.com SIP/2.0\n"
	    "Record-Route: "
	    "<sip:edge.int.contoso.com:5061;transport=tls;opaque=state:F:Ci.R2b00;lr;ms-route-sig="
	    "*>\n"
	    "Via: SIP/2.0/TLS "
	    "10.30.0.5:49310;branch=z9hG4bK*.77D0C4E19B2A5F01;branched=FALSE\n"
	    "Via: SIP/2.0/tls "
	    "192.168.1.50:51001;branch=z9hG4bK6E3C11F0A4D2B7985C01;received=198.51.100.23;ms-"
	    "received-port=51001;ms-received-cid=2B00\n"
	    "ms-edge-proxy-message-trust: "
	    "ms-source-type=InternetUser;ms-ep-fqdn=edge.int.contoso.com;ms-source-verified-user="
	    "verified\n"
	    "From: <sip:alice@contoso.com>;tag=1466378910;epid=5a3b7c9d01ef\n"
	    "To: <sip:alice@contoso.com>\n"
	    "Max-Forwards: 69\n"
	    "CSeq: 1 REGISTER\n"
	    "User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)\n"
	    "Call-ID: B0F3gE6A1a4D4Ei7C01mA2B9t5C3Db0D11x9F42\n"
	    "Contact: "
	    "<sip:198.51.100.23:51001;transport=tls;ms-opaque=d3470f2e1d;ms-received-cid=2B00>;"
	    "methods=\"INVITE, MESSAGE, INFO, SUBSCRIBE, OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, "
	    "BENOTIFY\";+sip.instance=\"<urn:uuid:7D2C1A90-4C0E-5B1F-9A77-0A1B2C3D4E5F>\"\n"
	    "Supported: gruu-10, adhoclist, msrtc-event-categories, com.microsoft.msrtc.presence\n"
	    "Event: registration\n"
	    "Allow-Events: presence\n"
	    "Content-Length: 0\n\n");
	assert_true(h.sent.keepalive_offered);
	hop_done(&h);
}

#define RESPONSE_HEAD(status, cseq, via)                                                           \
	"SIP/2.0 " status "\n" via                                                                 \
	"From: <sip:alice@contoso.com>;tag=1466378910;epid=5a3b7c9d01ef\n"                         \
	"To: <sip:alice@contoso.com>;tag=9C1F20A57BE044D1A0F3\n"                                   \
	"Call-ID: B0F3gE6A1a4D4Ei7C01mA2B9t5C3Db0D11x9F42\n"                                       \
	"CSeq: " cseq " REGISTER\n"
#define OUR_VIA                                                                                    \
	"Via: SIP/2.0/TLS "                                                                        \
	"10.30.0.5:49310;branch=z9hG4bK00000000.77D0C4E19B2A5F01;branched=FALSE\n"
#define ALICE_VIA                                                                                  \
	"Via: SIP/2.0/tls "                                                                        \
	"192.168.1.50:51001;branch=z9hG4bK6E3C11F0A4D2B7985C01;received=198.51.100.23;"            \
	"ms-received-port=51001;ms-received-cid=2B00\n"

static void
challenge_goes_out_as_14_1_shows(void **state)
{
	struct hop h;
	char *out;

	assert_int_equal(request(&cast.client, FACTS_INTERNAL, REGISTER_1, &h), ED_OK);
	assert_int_equal(
	    response(&cast.internal, FACTS_CLIENT, &h,
		RESPONSE_HEAD("401 Unauthorized", "1",
		    OUR_VIA
			ALICE_VIA) "ms-user-logon-data: RemoteUser\n"
				   "Date: Wed, 01 Jan 2025 09:00:00 GMT\n"
				   "WWW-Authenticate: NTLM realm=\"SIP Communications Service\", "
				   "targetname=\"fe01.contoso.net\", version=4\n"
				   "Content-Length: 0\n\n",
		&out),
	    ED_OK);
	assert_text(out, "SIP/2.0 401 Unauthorized\n"
			 "ms-user-logon-data: RemoteUser\n" ALICE_VIA
			 "From: <sip:alice@contoso.com>;tag=1466378910;epid=5a3b7c9d01ef\n"
			 "To: <sip:alice@contoso.com>;tag=9C1F20A57BE044D1A0F3\n"
			 "Call-ID: B0F3gE6A1a4D4Ei7C01mA2B9t5C3Db0D11x9F42\n"
			 "CSeq: 1 REGISTER\n"
			 "Date: Wed, 01 Jan 2025 09:00:00 GMT\n"
			 "WWW-Authenticate: NTLM realm=\"SIP Communications Service\", "
			 "targetname=\"fe01.contoso.net\", version=4\n"
			 "Content-Length: 0\n\n");
	free(out);
	hop_done(&h);
}

static void
final_200_goes_out_as_14_2_shows(void **state)
{
	static const char contact[] =
	    "Contact: <sip:198.51.100.23:51001;transport=tls;ms-opaque=d3470f2e1d;ms-received-cid="
	    "2B00>;expires=600;gruu=\"sip:alice@contoso.com;opaque=user:epid:"
	    "kBosfQ5MH1uadwobLD1OXwAA;"
	    "gruu\"\n";
	struct hop h;
	char *out, *in;

	assert_int_equal(request(&cast.client, FACTS_INTERNAL, REGISTER_1, &h), ED_OK);
	in = fmt(RESPONSE_HEAD("200 OK", "3", OUR_VIA ALICE_VIA) "Record-Route: <%s>\n"
								 "%sExpires: 600\n"
								 "Server: RTC/5.0\n"
								 "Path: <sip:fe01.contoso.net>\n"
								 "Content-Length: 0\n\n",
	    "sip:fe01.contoso.net:5061;lr", contact);
	assert_int_equal(response(&cast.internal, FACTS_CLIENT, &h, in, &out), ED_OK);
	free(in);
	in = fmt("SIP/2.0 200 OK\n"
		 "ms-user-logon-data: RemoteUser\n"
		 "ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300\n" ALICE_VIA
		 "From: <sip:alice@contoso.com>;tag=1466378910;epid=5a3b7c9d01ef\n"
		 "To: <sip:alice@contoso.com>;tag=9C1F20A57BE044D1A0F3\n"
		 "Call-ID: B0F3gE6A1a4D4Ei7C01mA2B9t5C3Db0D11x9F42\n"
		 "CSeq: 3 REGISTER\n"
		 "%s"
		 "Expires: 600\n"
		 "Server: RTC/5.0\n"
		 "Content-Length: 0\n\n",
	    contact);
	assert_text(out, in);
	free(in);
	free(out);
	hop_done(&h);
}

/* 6.5: for registrars that ignore Record-Route on REGISTER; strict ones want to see "path". */
static void
register_carries_a_path_on_request(void **state)
{
	char *rr, *path;
	struct hop h;

	cast.conf.access.next_hop_path = true;
	cast_view(&cast);
	assert_int_equal(request(&cast.client, FACTS_INTERNAL, REGISTER_1, &h), ED_OK);
	rr = cut_out(h.text, "Record-Route: <", 0, '>');
	path = cut_out(h.text, "Path: <", 0, '>');
	assert_string_equal(rr, path);
	assert_non_null(strstr(h.text, "\r\nSupported: path\r\n"));
	free(rr);
	free(path);
	hop_done(&h);
}

/* ---- 6.3 example 1: alice, outside, calls bob, inside; 14.3 with the sets sealed ---- */

#define F1 "sip:pool01.contoso.net:5061;transport=tls;ms-fe=fe01.contoso.net;lr"
#define F2 "sip:fe02.contoso.net:5061;transport=tls;lr"

static const char invite_1[] =
    "INVITE sip:bob@contoso.com SIP/2.0\n"
    "Via: SIP/2.0/tls 192.168.1.50:51001\n"
    "From: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
    "To: <sip:bob@contoso.com>\n"
    "Max-Forwards: 70\n"
    "CSeq: 1 INVITE\n"
    "Call-ID: 3C0Dg11B4a7A2Bi\n"
    "Contact: <sip:alice@contoso.com;opaque=user:epid:kBosfQ5MH1uadwobLD1OXwAA;gruu>\n"
    "Content-Length: 0\n\n";

static const char invite_1_inside[] =
    "INVITE sip:bob@contoso.com SIP/2.0\n"
    "Record-Route: "
    "<sip:edge.int.contoso.com:5061;transport=tls;opaque=state:T;lr;ms-route-sig=*>\n"
    "Record-Route: "
    "<sip:sip.contoso.com:443;transport=tls;opaque=state:F:Ci.R2b00;lr;ms-route-sig=*>\n"
    "Via: SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK*.77D0C4E19B2A5F01;branched=FALSE\n"
    "Via: SIP/2.0/tls "
    "192.168.1.50:51001;received=198.51.100.23;ms-received-port=51001;ms-received-cid=2B00\n"
    "ms-edge-proxy-message-trust: "
    "ms-source-type=InternetUser;ms-ep-fqdn=edge.int.contoso.com;ms-source-verified-user=verified\n"
    "From: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
    "To: <sip:bob@contoso.com>\n"
    "Max-Forwards: 69\n"
    "CSeq: 1 INVITE\n"
    "Call-ID: 3C0Dg11B4a7A2Bi\n"
    "Contact: <sip:alice@contoso.com;opaque=user:epid:kBosfQ5MH1uadwobLD1OXwAA;gruu>\n"
    "Content-Length: 0\n\n";

/* The inside's 200; i and o are what the request brought there. */
static char *
answer_of_bob(const char *i, const char *o)
{
	return fmt("SIP/2.0 200 OK\n" OUR_VIA "Via: SIP/2.0/tls "
		   "192.168.1.50:51001;received=198.51.100.23;ms-received-port=51001;"
		   "ms-received-cid=2B00\n"
		   "Record-Route: <" F2 ">;tag=0C3A\n"
		   "Record-Route: <" F1 ">\n"
		   "Record-Route: <%s>\n"
		   "Record-Route: <%s>\n"
		   "From: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
		   "To: <sip:bob@contoso.com>;tag=7aee15546a\n"
		   "CSeq: 1 INVITE\n"
		   "Call-ID: 3C0Dg11B4a7A2Bi\n"
		   "Contact: <sip:bob@10.20.0.50:5061;transport=tls>\n"
		   "Content-Length: 0\n\n",
	    i, o);
}

static void
example_1_of_6_3(void **state)
{
	struct hop invite, bye, back;
	char *i, *o, *o_star, *contact, *in, *out;

	assert_int_equal(request(&cast.client, FACTS_INTERNAL, invite_1, &invite), ED_OK);
	assert_text(invite.text, invite_1_inside);
	i = cut_out(invite.text, "Record-Route: <", 0, '>');
	o = cut_out(invite.text, "Record-Route: <", 1, '>');

	in = answer_of_bob(i, o);
	assert_int_equal(response(&cast.internal, FACTS_CLIENT, &invite, in, &out), ED_OK);
	free(in);
	assert_text(out,
	    "SIP/2.0 200 OK\n"
	    "ms-user-logon-data: RemoteUser\n"
	    "Via: SIP/2.0/tls "
	    "192.168.1.50:51001;received=198.51.100.23;ms-received-port=51001;ms-received-cid="
	    "2B00\n"
	    "Record-Route: "
	    "<sip:sip.contoso.com:443;transport=tls;opaque=state:F:Ci.R2b00;lr;ms-edged=*>\n"
	    "From: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
	    "To: <sip:bob@contoso.com>;tag=7aee15546a\n"
	    "CSeq: 1 INVITE\n"
	    "Call-ID: 3C0Dg11B4a7A2Bi\n"
	    "Contact: <sip:c@contoso.com;transport=tls;ms-edged=*>\n"
	    "Content-Length: 0\n\n");
	o_star = cut_out(out, "Record-Route: <", 0, '>');
	contact = cut_out(out, "Contact: <", 0, '>');
	free(out);

	in = fmt("BYE %s SIP/2.0\n"
		 "Via: SIP/2.0/tls 192.168.1.50:51001\n"
		 "From: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
		 "To: <sip:bob@contoso.com>;tag=7aee15546a\n"
		 "Max-Forwards: 70\n"
		 "CSeq: 2 BYE\n"
		 "Call-ID: 3C0Dg11B4a7A2Bi\n"
		 "Route: <%s>\n"
		 "Content-Length: 0\n\n",
	    contact, o_star);
	assert_int_equal(request(&cast.client, FACTS_INTERNAL, in, &bye), ED_OK);
	free(in);
	assert_text(bye.text,
	    "BYE sip:bob@10.20.0.50:5061;transport=tls SIP/2.0\n"
	    "Via: SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK*.77D0C4E19B2A5F01;branched=FALSE\n"
	    "Via: SIP/2.0/tls "
	    "192.168.1.50:51001;received=198.51.100.23;ms-received-port=51001;ms-received-cid="
	    "2B00\n"
	    "ms-edge-proxy-message-trust: "
	    "ms-source-type=InternetUser;ms-ep-fqdn=edge.int.contoso.com;ms-source-verified-user="
	    "verified\n"
	    "From: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
	    "To: <sip:bob@contoso.com>;tag=7aee15546a\n"
	    "Max-Forwards: 69\n"
	    "CSeq: 2 BYE\n"
	    "Call-ID: 3C0Dg11B4a7A2Bi\n"
	    "Route: <" F1 ">\n"
	    "Route: <" F2 ">\n"
	    "Content-Length: 0\n\n");
	assert_int_equal(bye.route.where, HIDE_TO_NEXT_HOP);

	/* bob hangs up */
	in =
	    fmt("BYE sip:alice@contoso.com;opaque=user:epid:kBosfQ5MH1uadwobLD1OXwAA;gruu SIP/2.0\n"
		"Via: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKabc\n"
		"Via: SIP/2.0/TLS 10.20.0.50:5061;branch=z9hG4bKdef\n"
		"From: <sip:bob@contoso.com>;tag=7aee15546a\n"
		"To: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
		"Max-Forwards: 69\n"
		"CSeq: 1 BYE\n"
		"Call-ID: 3C0Dg11B4a7A2Bi\n"
		"Route: <%s>\n"
		"Route: <%s>\n"
		"Content-Length: 0\n\n",
		i, o);
	assert_int_equal(request(&cast.internal, FACTS_CLIENT, in, &back), ED_OK);
	free(in);
	assert_int_equal(back.route.where, HIDE_TO_CID);
	assert_int_equal(back.route.cid, CAST_CID);
	assert_text(back.text,
	    "BYE sip:alice@contoso.com;opaque=user:epid:kBosfQ5MH1uadwobLD1OXwAA;gruu SIP/2.0\n"
	    "Via: SIP/2.0/TLS sip.contoso.com:443;branch=z9hG4bK*.77D0C4E19B2A5F01;branched=FALSE\n"
	    "From: <sip:bob@contoso.com>;tag=7aee15546a\n"
	    "To: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
	    "Max-Forwards: 68\n"
	    "CSeq: 1 BYE\n"
	    "Call-ID: 3C0Dg11B4a7A2Bi\n"
	    "Content-Length: 0\n\n");
	assert_int_equal(
	    response(&cast.client, FACTS_INTERNAL, &back,
		"SIP/2.0 200 OK\n"
		"Via: SIP/2.0/TLS "
		"sip.contoso.com:443;branch=z9hG4bK00000000.77D0C4E19B2A5F01;branched=FALSE\n"
		"From: <sip:bob@contoso.com>;tag=7aee15546a\n"
		"To: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
		"CSeq: 1 BYE\n"
		"Call-ID: 3C0Dg11B4a7A2Bi\n"
		"Content-Length: 0\n\n",
		&out),
	    ED_OK);
	assert_text(out, "SIP/2.0 200 OK\n"
			 "Via: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKabc\n"
			 "Via: SIP/2.0/TLS 10.20.0.50:5061;branch=z9hG4bKdef\n"
			 "From: <sip:bob@contoso.com>;tag=7aee15546a\n"
			 "To: <sip:alice@contoso.com>;tag=3302117764;epid=5a3b7c9d01ef\n"
			 "CSeq: 1 BYE\n"
			 "Call-ID: 3C0Dg11B4a7A2Bi\n"
			 "Content-Length: 0\n\n");
	free(out);
	free(i);
	free(o);
	free(o_star);
	free(contact);
	hop_done(&invite);
	hop_done(&bye);
	hop_done(&back);
}

/* ---- 6.3 example 2: bob, inside, calls carol at a partner ---- */

static void
example_2_of_6_3(void **state)
{
	struct hop invite, ack, bye;
	char *o_star, *contact, *i, *o, *in, *out;

	cast.conf.access.allow_federated_users = true;
	cast.allowed[0] = (struct conf_allowed_domain){
	    .domain = "fabrikam.com", .proxy_fqdn = "sip.fabrikam.com"};
	cast.conf.federation.allowed = cast.allowed;
	cast.conf.federation.n_allowed = 1;
	cast_view(&cast);

	assert_int_equal(request(&cast.internal, FACTS_SERVER,
			     "INVITE sip:carol@fabrikam.com SIP/2.0\n"
			     "Record-Route: <" F1 ">;tag=0C3A\n"
			     "Record-Route: <" F2 ">\n"
			     "Via: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKabc\n"
			     "Via: SIP/2.0/TLS 10.20.0.50:5061;branch=z9hG4bKdef\n"
			     "Max-Forwards: 69\n"
			     "From: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
			     "To: <sip:carol@fabrikam.com>\n"
			     "Call-ID: 9f4ce2d1b8a04c6f\n"
			     "CSeq: 1 INVITE\n"
			     "Contact: <sip:bob@10.20.0.50:5061;transport=tls>\n"
			     "ms-user-data: ms-publiccloud=FALSE;ms-federation=TRUE\n"
			     "ms-application-via: SIP;ms-server=fe01.contoso.net\n"
			     "Authorization: NTLM qop=\"auth\"\n"
			     "Content-Length: 0\n\n",
			     &invite),
	    ED_OK);
	assert_int_equal(invite.route.where, HIDE_TO_URI);
	assert_text(invite.text,
	    "INVITE sip:carol@fabrikam.com SIP/2.0\n"
	    "Record-Route: "
	    "<sip:sip.contoso.com:5061;transport=tls;opaque=state:T:Cd.ZmFicmlrYW0uY29t;lr;ms-"
	    "edged="
	    "*>\n"
	    "Via: SIP/2.0/TLS "
	    "sip.contoso.com:5061;branch=z9hG4bK*.77D0C4E19B2A5F01;branched=FALSE\n"
	    "Max-Forwards: 68\n"
	    "From: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
	    "To: <sip:carol@fabrikam.com>\n"
	    "Call-ID: 9f4ce2d1b8a04c6f\n"
	    "CSeq: 1 INVITE\n"
	    "Contact: <sip:c@contoso.com;transport=tls;ms-edged=*>\n"
	    "Content-Length: 0\n\n");
	o_star = cut_out(invite.text, "Record-Route: <", 0, '>');
	contact = cut_out(invite.text, "Contact: <", 0, '>');

	in = fmt("SIP/2.0 200 OK\n"
		 "Via: SIP/2.0/TLS "
		 "sip.contoso.com:5061;branch=z9hG4bK00000000.77D0C4E19B2A5F01;branched=FALSE\n"
		 "Record-Route: <sip:p1.fabrikam.com;lr>\n"
		 "Record-Route: <%s>\n"
		 "From: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
		 "To: <sip:carol@fabrikam.com>;tag=55\n"
		 "Call-ID: 9f4ce2d1b8a04c6f\n"
		 "CSeq: 1 INVITE\n"
		 "Contact: <sip:carol@192.0.2.99:5061;transport=tls>\n"
		 "Content-Length: 0\n\n",
	    o_star);
	assert_int_equal(response(&cast.partner, FACTS_INTERNAL, &invite, in, &out), ED_OK);
	free(in);
	assert_text(out,
	    "SIP/2.0 200 OK\n"
	    "Via: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKabc\n"
	    "Via: SIP/2.0/TLS 10.20.0.50:5061;branch=z9hG4bKdef\n"
	    "Record-Route: <sip:p1.fabrikam.com;lr>\n"
	    "Record-Route: "
	    "<sip:sip.contoso.com:5061;transport=tls;opaque=state:T:Cd.ZmFicmlrYW0uY29t;lr;"
	    "ms-route-sig=*>\n"
	    "Record-Route: "
	    "<sip:edge.int.contoso.com:5061;transport=tls;opaque=state:F;lr;ms-route-sig=*>\n"
	    "Record-Route: <" F1 ">;tag=0C3A\n"
	    "Record-Route: <" F2 ">\n"
	    "From: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
	    "To: <sip:carol@fabrikam.com>;tag=55\n"
	    "Call-ID: 9f4ce2d1b8a04c6f\n"
	    "CSeq: 1 INVITE\n"
	    "Contact: <sip:carol@192.0.2.99:5061;transport=tls>\n"
	    "Content-Length: 0\n\n");
	o = cut_out(out, "Record-Route: <", 1, '>');
	i = cut_out(out, "Record-Route: <", 2, '>');
	free(out);

	in = fmt("ACK sip:carol@192.0.2.99:5061;transport=tls SIP/2.0\n"
		 "Via: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKack\n"
		 "Max-Forwards: 69\n"
		 "From: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
		 "To: <sip:carol@fabrikam.com>;tag=55\n"
		 "Call-ID: 9f4ce2d1b8a04c6f\n"
		 "CSeq: 1 ACK\n"
		 "Route: <%s>\n"
		 "Route: <%s>\n"
		 "Route: <sip:p1.fabrikam.com;lr>\n"
		 "Content-Length: 0\n\n",
	    i, o);
	assert_int_equal(request(&cast.internal, FACTS_SERVER, in, &ack), ED_OK);
	free(in);
	assert_null(ack.keep);
	assert_int_equal(ack.route.where, HIDE_TO_DOMAIN);
	assert_text(ack.text,
	    "ACK sip:carol@192.0.2.99:5061;transport=tls SIP/2.0\n"
	    "Via: SIP/2.0/TLS "
	    "sip.contoso.com:5061;branch=z9hG4bK*.77D0C4E19B2A5F01;branched=FALSE\n"
	    "Max-Forwards: 68\n"
	    "From: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
	    "To: <sip:carol@fabrikam.com>;tag=55\n"
	    "Call-ID: 9f4ce2d1b8a04c6f\n"
	    "CSeq: 1 ACK\n"
	    "Route: <sip:p1.fabrikam.com;lr>\n"
	    "Content-Length: 0\n\n");

	in = fmt("BYE %s SIP/2.0\n"
		 "Via: SIP/2.0/TLS sip.fabrikam.com;branch=z9hG4bKbye\n"
		 "Max-Forwards: 69\n"
		 "From: <sip:carol@fabrikam.com>;tag=55\n"
		 "To: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
		 "Call-ID: 9f4ce2d1b8a04c6f\n"
		 "CSeq: 1 BYE\n"
		 "Route: <%s>\n"
		 "Content-Length: 0\n\n",
	    contact, o_star);
	assert_int_equal(request(&cast.partner, FACTS_INTERNAL, in, &bye), ED_OK);
	free(in);
	assert_text(bye.text,
	    "BYE sip:bob@10.20.0.50:5061;transport=tls SIP/2.0\n"
	    "Via: SIP/2.0/TLS 10.30.0.5:49310;branch=z9hG4bK*.77D0C4E19B2A5F01;branched=FALSE\n"
	    "Via: SIP/2.0/TLS "
	    "sip.fabrikam.com;branch=z9hG4bKbye;received=192.0.2.40;ms-received-port=40112;"
	    "ms-received-cid=7700\n"
	    "ms-edge-proxy-message-trust: "
	    "ms-source-type=DirectPartner;ms-ep-fqdn=edge.int.contoso.com;ms-source-verified-user="
	    "unverified;ms-source-network=federation\n"
	    "Max-Forwards: 68\n"
	    "From: <sip:carol@fabrikam.com>;tag=55\n"
	    "To: <sip:bob@contoso.com>;tag=8d2e41b0a7\n"
	    "Call-ID: 9f4ce2d1b8a04c6f\n"
	    "CSeq: 1 BYE\n"
	    "Route: <" F1 ">\n"
	    "Route: <" F2 ">\n"
	    "Content-Length: 0\n\n");
	assert_true(str_eq(bye.route.server, STR("fe01.contoso.net")));
	free(i);
	free(o);
	free(o_star);
	free(contact);
	hop_done(&invite);
	hop_done(&ack);
	hop_done(&bye);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(register_goes_in_as_14_1_shows, setup, teardown),
	    cmocka_unit_test_setup_teardown(challenge_goes_out_as_14_1_shows, setup, teardown),
	    cmocka_unit_test_setup_teardown(final_200_goes_out_as_14_2_shows, setup, teardown),
	    cmocka_unit_test_setup_teardown(register_carries_a_path_on_request, setup, teardown),
	    cmocka_unit_test_setup_teardown(example_1_of_6_3, setup, teardown),
	    cmocka_unit_test_setup_teardown(example_2_of_6_3, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

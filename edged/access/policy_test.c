/* SPDX-License-Identifier: MIT
 *
 * The decision procedure of access-edge-sip 3.2 and 3.3 as a table; a new case is a new line.
 */
#include "access/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access_cast.h"

static struct cast cast;

enum who {
	CLIENT,   /* has registered */
	STRANGER, /* has not */
	INSIDE,
	FABRIKAM, /* certificate sip.fabrikam.com */
	CLOUD,    /* certificate proxy.cloud.example: public provider, no list of domains */
	HOSTED,   /* certificate sipfed.hosted.example: provider of hosted.example, shared space */
};

/* Switches of one row, beside allow_outside_users and require_registration, which are on. */
#define ANON       1u
#define FED        2u
#define DISCOVERY  4u
#define NO_OUTSIDE 8u
#define NO_REG     16u
#define SRV                                                                                        \
	32u /* _sipfederationtls._tcp.fabrikam.com and .tailspin.example -> sip.fabrikam.com       \
	     */
#define BY_ENTRY 128u /* policy_target: a Route entry of ours named the domain */
#define PROXY    64u  /* fabrikam.com is allowed with its proxy, else by name only */

#define ANON_FROM "sip:0123456789abcdef0123456789ABCDEF@anonymous.invalid"
#define FOCUS     "sip:org@contoso.com;gruu;opaque=app:conf:focus:id:ABC"

static const struct {
	const char *name;
	enum who who;
	unsigned with;
	const char *method, *uri, *from, *to, *more;
	enum policy_kind kind;
	unsigned status;
	enum policy_why why;
	enum traffic traffic;
} rows[] = {
    /* ---- clients ---- */
    {"first REGISTER", STRANGER, 0, "REGISTER", "sip:contoso.com", "sip:a@contoso.com",
	"<sip:a@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_REMOTE_USER},
    {"second SIP domain", STRANGER, 0, "REGISTER", "sip:northwind.example",
	"sip:a@Northwind.Example", "<sip:a@northwind.example>", "", POLICY_FORWARD, 0,
	POLICY_WHY_NONE, TRAFFIC_REMOTE_USER},
    {"REGISTER first", STRANGER, 0, "MESSAGE", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_REGISTER_FIRST,
	TRAFFIC_REMOTE_USER},
    {"REGISTER first, ACK is dropped", STRANGER, 0, "ACK", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>;tag=1", "", POLICY_DROP, 403, POLICY_WHY_REGISTER_FIRST,
	TRAFFIC_REMOTE_USER},
    {"OPTIONS before REGISTER", STRANGER, 0, "OPTIONS", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_REMOTE_USER},
    {"registration is not asked for", STRANGER, NO_REG, "MESSAGE", "sip:b@contoso.com",
	"sip:a@contoso.com", "<sip:b@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_REMOTE_USER},
    {"signed in", CLIENT, 0, "MESSAGE", "sip:carol@fabrikam.com", "sip:a@contoso.com",
	"<sip:carol@fabrikam.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_REMOTE_USER},
    {"SERVICE", CLIENT, 0, "SERVICE", "sip:a@contoso.com", "sip:a@contoso.com",
	"<sip:a@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_REMOTE_USER},
    {"BENOTIFY comes from servers only", CLIENT, 0, "BENOTIFY", "sip:a@contoso.com",
	"sip:a@contoso.com", "<sip:a@contoso.com>", "", POLICY_DROP, 403, POLICY_WHY_METHOD_CLASS,
	TRAFFIC_REMOTE_USER},
    {"unknown method", CLIENT, 0, "FOO", "sip:a@contoso.com", "sip:a@contoso.com",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 405, POLICY_WHY_METHOD_UNKNOWN,
	TRAFFIC_REMOTE_USER},
    {"NEGOTIATE", STRANGER, 0, "NEGOTIATE", "sip:203.0.113.10:443", "sip:a@contoso.com",
	"<sip:a@contoso.com>", "Max-Forwards: 0\r\n", POLICY_REPLY, 405, POLICY_WHY_NEGOTIATE,
	TRAFFIC_REMOTE_USER},
    {"domain not served", STRANGER, 0, "REGISTER", "sip:contoso.com", "sip:a@fabrikam.com",
	"<sip:a@fabrikam.com>", "", POLICY_REPLY, 403, POLICY_WHY_DOMAIN_NOT_SERVED,
	TRAFFIC_REMOTE_USER},
    {"REGISTER elsewhere", STRANGER, 0, "REGISTER", "sip:fabrikam.com", "sip:a@contoso.com",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_DOMAIN_NOT_SERVED,
	TRAFFIC_REMOTE_USER},
    {"REGISTER of a foreign address", STRANGER, 0, "REGISTER", "sip:contoso.com",
	"sip:a@contoso.com", "<sip:a@fabrikam.com>", "", POLICY_REPLY, 403,
	POLICY_WHY_DOMAIN_NOT_SERVED, TRAFFIC_REMOTE_USER},
    {"sub-domain is not ours", STRANGER, 0, "REGISTER", "sip:contoso.com", "sip:a@x.contoso.com",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_DOMAIN_NOT_SERVED,
	TRAFFIC_REMOTE_USER},
    {"From without host", STRANGER, 0, "REGISTER", "sip:contoso.com", "tel:+1",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_DOMAIN_NOT_SERVED,
	TRAFFIC_REMOTE_USER},
    {"outside is off", STRANGER, NO_OUTSIDE, "REGISTER", "sip:contoso.com", "sip:a@contoso.com",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_OUTSIDE_USERS_OFF,
	TRAFFIC_REMOTE_USER},
    {"outside is off for anonymous, too", STRANGER, NO_OUTSIDE | ANON, "INVITE", FOCUS, ANON_FROM,
	"<" FOCUS ">", "", POLICY_REPLY, 403, POLICY_WHY_OUTSIDE_USERS_OFF, TRAFFIC_REMOTE_USER},
    {"tel URI goes in", CLIENT, 0, "INVITE", "tel:+4912345", "sip:a@contoso.com", "<tel:+4912345>",
	"", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_REMOTE_USER},
    {"other schemes do not", CLIENT, 0, "INVITE", "http://x", "sip:a@contoso.com", "<tel:+4912345>",
	"", POLICY_REPLY, 416, POLICY_WHY_SCHEME, TRAFFIC_REMOTE_USER},
    {"libosip2 finds no user where we do", CLIENT, 0, "INVITE", "sip:b@contoso.com",
	"sip:a:@contoso.com", "<sip:b@contoso.com>", "", POLICY_REPLY, 400, POLICY_WHY_TWO_READINGS,
	TRAFFIC_REMOTE_USER},
    {"it is not asked about what starts nothing", CLIENT, 0, "MESSAGE", "sip:b@contoso.com",
	"sip:a:@contoso.com", "<sip:b@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_REMOTE_USER},
    {"hops used up", CLIENT, 0, "MESSAGE", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>", "Max-Forwards: 0\r\n", POLICY_REPLY, 483, POLICY_WHY_MAX_FORWARDS,
	TRAFFIC_REMOTE_USER},
    {"OPTIONS with hops used up", CLIENT, 0, "OPTIONS", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>", "Max-Forwards: 0\r\n", POLICY_REPLY, 200, POLICY_WHY_OPTIONS_HERE,
	TRAFFIC_REMOTE_USER},
    {"OPTIONS to the edge", STRANGER, 0, "OPTIONS", "sip:sip.contoso.com", "sip:a@contoso.com",
	"<sip:sip.contoso.com>", "", POLICY_REPLY, 200, POLICY_WHY_OPTIONS_HERE,
	TRAFFIC_REMOTE_USER},
    {"Proxy-Require", CLIENT, 0, "MESSAGE", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>", "Proxy-Require: privacy, x\r\n", POLICY_REPLY, 420,
	POLICY_WHY_PROXY_REQUIRE, TRAFFIC_REMOTE_USER},
    {"Require is for the far end", CLIENT, 0, "MESSAGE", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>", "Require: x\r\n", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_REMOTE_USER},
    {"ACK with Proxy-Require", CLIENT, 0, "ACK", "sip:b@contoso.com", "sip:a@contoso.com",
	"<sip:b@contoso.com>;tag=1", "Proxy-Require: x\r\n", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_REMOTE_USER},
    /* ---- anonymous ---- */
    {"anonymous is off", STRANGER, 0, "INVITE", FOCUS, ANON_FROM, "<" FOCUS ">", "", POLICY_REPLY,
	403, POLICY_WHY_ANONYMOUS_OFF, TRAFFIC_ANONYMOUS},
    {"anonymous joins", STRANGER, ANON, "INVITE", FOCUS, ANON_FROM, "<" FOCUS ">", "",
	POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_ANONYMOUS},
    {"anonymous cancels", STRANGER, ANON, "CANCEL", FOCUS, ANON_FROM, "<" FOCUS ">", "",
	POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_ANONYMOUS},
    {"anonymous calls a person", STRANGER, ANON, "INVITE", "sip:b@contoso.com", ANON_FROM,
	"<sip:b@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_NOT_A_FOCUS, TRAFFIC_ANONYMOUS},
    {"anonymous, To is a person", STRANGER, ANON, "INVITE", FOCUS, ANON_FROM, "<sip:b@contoso.com>",
	"", POLICY_REPLY, 403, POLICY_WHY_NOT_A_FOCUS, TRAFFIC_ANONYMOUS},
    {"anonymous, Request-URI is a person", STRANGER, ANON, "INVITE", "sip:b@contoso.com", ANON_FROM,
	"<" FOCUS ">", "", POLICY_REPLY, 403, POLICY_WHY_NOT_A_FOCUS, TRAFFIC_ANONYMOUS},
    {"anonymous, focus elsewhere", STRANGER, ANON, "INVITE",
	"sip:o@fabrikam.com;gruu;opaque=app:conf:focus:id:A", ANON_FROM, "<" FOCUS ">", "",
	POLICY_REPLY, 403, POLICY_WHY_NOT_A_FOCUS, TRAFFIC_ANONYMOUS},
    {"anonymous, empty focus id", STRANGER, ANON, "INVITE",
	"sip:o@contoso.com;gruu;opaque=app:conf:focus:id:", ANON_FROM, "<" FOCUS ">", "",
	POLICY_REPLY, 403, POLICY_WHY_NOT_A_FOCUS, TRAFFIC_ANONYMOUS},
    {"anonymous, other opaque", STRANGER, ANON, "INVITE",
	"sip:o@contoso.com;gruu;opaque=app:voicemail", ANON_FROM, "<" FOCUS ">", "", POLICY_REPLY,
	403, POLICY_WHY_NOT_A_FOCUS, TRAFFIC_ANONYMOUS},
    {"anonymous, 31 hex", STRANGER, ANON, "INVITE", FOCUS,
	"sip:123456789abcdef0123456789abcdef@anonymous.invalid", "<" FOCUS ">", "", POLICY_REPLY,
	403, POLICY_WHY_METHOD_CLASS, TRAFFIC_ANONYMOUS},
    {"anonymous, not hex", STRANGER, ANON, "INVITE", FOCUS,
	"sip:g123456789abcdef0123456789abcdef@anonymous.invalid", "<" FOCUS ">", "", POLICY_REPLY,
	403, POLICY_WHY_METHOD_CLASS, TRAFFIC_ANONYMOUS},
    {"anonymous REGISTER", STRANGER, ANON, "REGISTER", "sip:contoso.com", ANON_FROM,
	"<sip:b@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_METHOD_CLASS, TRAFFIC_ANONYMOUS},
    {"anonymous MESSAGE", STRANGER, ANON, "MESSAGE", FOCUS, ANON_FROM, "<" FOCUS ">", "",
	POLICY_REPLY, 403, POLICY_WHY_NOT_A_FOCUS, TRAFFIC_ANONYMOUS},
    {"anonymous in a dialog", STRANGER, ANON, "INFO", FOCUS, ANON_FROM, "<" FOCUS ">;tag=1", "",
	POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_ANONYMOUS},
    /* ---- inside ---- */
    {"inside to anyone", INSIDE, 0, "INVITE", "sip:x@fabrikam.com", "sip:a@contoso.com",
	"<sip:x@fabrikam.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_INTERNAL},
    {"inside with a new method", INSIDE, 0, "FOO", "sip:x@fabrikam.com", "sip:a@contoso.com",
	"<sip:x@fabrikam.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_INTERNAL},
    {"inside NEGOTIATE", INSIDE, 0, "NEGOTIATE", "sip:10.30.0.5", "sip:a@contoso.com",
	"<sip:x@contoso.com>", "", POLICY_REPLY, 405, POLICY_WHY_NEGOTIATE, TRAFFIC_INTERNAL},
    {"inside probes us", INSIDE, 0, "OPTIONS", "sip:edge.int.contoso.com:5061", "sip:a@contoso.com",
	"<sip:edge.int.contoso.com>", "", POLICY_REPLY, 200, POLICY_WHY_OPTIONS_HERE,
	TRAFFIC_INTERNAL},
    /* ---- partners ---- */
    {"federation is off", FABRIKAM, PROXY, "INVITE", "sip:a@contoso.com", "sip:c@fabrikam.com",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_FEDERATION_OFF,
	TRAFFIC_AUTO_FEDERATION},
    {"direct partner", FABRIKAM, FED | PROXY, "INVITE", "sip:a@contoso.com", "sip:c@fabrikam.com",
	"<sip:a@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE, TRAFFIC_DIRECT_PARTNER},
    {"direct partner, other certificate", CLOUD, FED | PROXY, "INVITE", "sip:a@contoso.com",
	"sip:c@fabrikam.com", "<sip:a@contoso.com>", "", POLICY_REPLY, 403,
	POLICY_WHY_NAME_MISMATCH, TRAFFIC_AUTO_FEDERATION},
    {"partner speaks for us", FABRIKAM, FED | PROXY, "INVITE", "sip:a@contoso.com",
	"sip:b@contoso.com", "<sip:a@contoso.com>", "", POLICY_REPLY, 403,
	POLICY_WHY_SPOOFED_DOMAIN, TRAFFIC_AUTO_FEDERATION},
    {"blocked", FABRIKAM, FED | DISCOVERY, "INVITE", "sip:a@contoso.com", "sip:b@sub.evil.example",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_BLOCKED_DOMAIN,
	TRAFFIC_AUTO_FEDERATION},
    {"not listed, discovery off", FABRIKAM, FED, "INVITE", "sip:a@contoso.com",
	"sip:b@tailspin.example", "<sip:a@contoso.com>", "", POLICY_REPLY, 403,
	POLICY_WHY_NOT_ALLOWED, TRAFFIC_AUTO_FEDERATION},
    {"listed by name: DNS first", FABRIKAM, FED, "INVITE", "sip:a@contoso.com",
	"sip:c@fabrikam.com", "<sip:a@contoso.com>", "", POLICY_LOOKUP, 0, POLICY_WHY_NONE,
	TRAFFIC_AUTO_FEDERATION},
    {"listed by name, DNS agrees", FABRIKAM, FED | SRV, "INVITE", "sip:a@contoso.com",
	"sip:c@fabrikam.com", "<sip:a@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_AUTO_FEDERATION},
    {"SRV target outside the domain", FABRIKAM, FED | SRV | DISCOVERY, "INVITE",
	"sip:a@contoso.com", "sip:c@tailspin.example", "<sip:a@contoso.com>", "", POLICY_REPLY, 504,
	POLICY_WHY_SRV_OUTSIDE, TRAFFIC_AUTO_FEDERATION},
    {"SRV target not in the certificate", HOSTED, FED | SRV, "INVITE", "sip:a@contoso.com",
	"sip:c@fabrikam.com", "<sip:a@contoso.com>", "", POLICY_REPLY, 504, POLICY_WHY_SRV_MISMATCH,
	TRAFFIC_AUTO_FEDERATION},
    {"no relaying, before any DNS", FABRIKAM, FED | DISCOVERY, "INVITE", "sip:x@litware.example",
	"sip:c@fabrikam.com", "<sip:x@litware.example>", "", POLICY_REPLY, 403,
	POLICY_WHY_NOT_FOR_US, TRAFFIC_AUTO_FEDERATION},
    {"To elsewhere", FABRIKAM, FED | PROXY, "INVITE", "sip:a@contoso.com", "sip:c@fabrikam.com",
	"<sip:x@litware.example>", "", POLICY_REPLY, 403, POLICY_WHY_NOT_FOR_US,
	TRAFFIC_AUTO_FEDERATION},
    {"partner REGISTER", FABRIKAM, FED | PROXY, "REGISTER", "sip:contoso.com", "sip:c@fabrikam.com",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_METHOD_CLASS, TRAFFIC_REMOTE_USER},
    {"partner SERVICE", FABRIKAM, FED | PROXY, "SERVICE", "sip:a@contoso.com", "sip:c@fabrikam.com",
	"<sip:a@contoso.com>", "", POLICY_REPLY, 403, POLICY_WHY_METHOD_CLASS, TRAFFIC_REMOTE_USER},
    {"partner BENOTIFY refused in silence", FABRIKAM, FED, "BENOTIFY", "sip:a@contoso.com",
	"sip:b@tailspin.example", "<sip:a@contoso.com>", "", POLICY_DROP, 403,
	POLICY_WHY_NOT_ALLOWED, TRAFFIC_AUTO_FEDERATION},
    {"public provider, any domain without entry", CLOUD, FED, "MESSAGE", "sip:a@contoso.com",
	"sip:x@whoever.example", "<sip:a@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_PUBLIC_CLOUD},
    {"hosting provider, its domain", HOSTED, FED, "MESSAGE", "sip:a@contoso.com",
	"sip:x@hosted.example", "<sip:a@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_AUTHORIZED_SERVER},
    {"hosting provider, our own domain shared", HOSTED, FED, "MESSAGE", "sip:a@contoso.com",
	"sip:x@contoso.com", "<sip:a@contoso.com>", "", POLICY_FORWARD, 0, POLICY_WHY_NONE,
	TRAFFIC_AUTHORIZED_SERVER},
    {"asserted identity of the same domain", FABRIKAM, FED | PROXY, "INVITE", "sip:a@contoso.com",
	"sip:c@fabrikam.com", "<sip:a@contoso.com>",
	"P-Asserted-Identity: <sip:c@fabrikam.com>, <tel:+1>\r\n", POLICY_FORWARD, 0,
	POLICY_WHY_NONE, TRAFFIC_DIRECT_PARTNER},
    {"asserted identity of ours", FABRIKAM, FED | PROXY, "INVITE", "sip:a@contoso.com",
	"sip:c@fabrikam.com", "<sip:a@contoso.com>", "P-Asserted-Identity: <sip:c@contoso.com>\r\n",
	POLICY_REPLY, 403, POLICY_WHY_SPOOFED_DOMAIN, TRAFFIC_DIRECT_PARTNER},
    {"asserted identity unreadable", FABRIKAM, FED | PROXY, "INVITE", "sip:a@contoso.com",
	"sip:c@fabrikam.com", "<sip:a@contoso.com>", "P-Asserted-Identity: <sip:c@\r\n",
	POLICY_REPLY, 403, POLICY_WHY_IDENTITY, TRAFFIC_DIRECT_PARTNER},
};

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

static void
set_switches(unsigned with)
{
	static const char *const hosted[] = {"hosted.example"};
	struct conf *c = &cast.conf;

	c->access.allow_outside_users = !(with & NO_OUTSIDE);
	c->access.allow_anonymous_users = with & ANON;
	c->access.allow_federated_users = with & FED;
	c->access.enable_partner_discovery = with & DISCOVERY;
	c->access.require_registration = !(with & NO_REG);
	cast.allowed[0] = (struct conf_allowed_domain){
	    .domain = "fabrikam.com", .proxy_fqdn = with & PROXY ? "sip.fabrikam.com" : ""};
	c->federation.allowed = cast.allowed;
	c->federation.n_allowed = 1;
	cast.providers[0] = (struct conf_provider){.name = "cloud",
	    .proxy_fqdn = "proxy.cloud.example",
	    .is_public = true,
	    .enabled = true};
	cast.providers[1] = (struct conf_provider){.name = "hosted",
	    .proxy_fqdn = "sipfed.hosted.example",
	    .domains = {(const char **)(uintptr_t)hosted, 1},
	    .enabled = true,
	    .shared_address_space = true};
	c->federation.providers = cast.providers;
	c->federation.n_providers = 2;
	cast_view(&cast);
}

static void
fill_facts(enum who who, unsigned with, struct facts *f)
{
	static const struct str names[] = {
	    {"sip.fabrikam.com", 16}, {"proxy.cloud.example", 19}, {"sipfed.hosted.example", 21}};
	static const struct facts_srv srv[] = {
	    {{"fabrikam.com", 12}, FACTS_SRV_FOUND, names, 1},
	    {{"tailspin.example", 16}, FACTS_SRV_FOUND, names, 1},
	};

	*f = who == INSIDE ? cast.internal : who >= FABRIKAM ? cast.partner : cast.client;
	f->registered = who == CLIENT;
	if (who >= FABRIKAM)
		f->names = &names[who - FABRIKAM];
	if (with & SRV) {
		f->srv = srv;
		f->n_srv = 2;
	}
}

static void
each_row_gets_its_verdict(void **state)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_verdict v;
		struct facts f;
		char text[4096];

		snprintf(text, sizeof(text),
		    "%s %s SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: <%s>;tag=1\r\nTo: %s\r\n"
		    "Call-ID: a\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
		    rows[i].method, rows[i].uri, rows[i].from, rows[i].to, rows[i].method,
		    rows[i].more);
		cast_begin(&cast);
		set_switches(rows[i].with);
		fill_facts(rows[i].who, rows[i].with, &f);
		policy_judge(&cast.work, &f, cast_parse(&cast, str_of(text)), &v);
		print_message(
		    "%s: %d %u %s\n", rows[i].name, v.kind, v.status, policy_why_name(v.why));
		assert_int_equal(v.kind, rows[i].kind);
		assert_int_equal(v.status, rows[i].status);
		assert_int_equal(v.why, rows[i].why);
		if (v.kind == POLICY_FORWARD)
			assert_int_equal(v.traffic, rows[i].traffic);
		if (v.kind == POLICY_REPLY && v.status != 200)
			assert_non_null(v.reason);
		if (v.status == 405 || v.status == 200)
			assert_non_null(memmem(v.lines.p, v.lines.n, "Allow: ", 7));
	}
}

/* edge-reference EXT-03: an administrator must see it from the answer and find it in the log. */
static void
switches_name_themselves(void **state)
{
	struct policy_verdict v;
	struct sip_msg *m;

	m = cast_parse(
	    &cast, STR("INVITE " FOCUS " SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: <" ANON_FROM
		       ">;tag=1\r\nTo: <" FOCUS ">\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n"
		       "Content-Length: 0\r\n\r\n"));
	set_switches(0);
	policy_judge(&cast.work, &cast.client, m, &v);
	assert_string_equal(v.event, "ACC-2004");
	assert_int_equal(v.diag, DIAG_NOT_OUTSIDE);
	assert_non_null(strstr(v.diag_text, "allow_anonymous_users"));
	set_switches(NO_OUTSIDE);
	policy_judge(&cast.work, &cast.client, m, &v);
	assert_string_equal(v.event, "ACC-2003");
	assert_non_null(strstr(v.diag_text, "allow_outside_users"));
}

/* EXT-09: whatever the spelling, and only NTLM. */
static void
ntlm_stays_inside(void **state)
{
	static const struct {
		const char *line;
		bool refused;
	} creds[] = {
	    {"Authorization: NTLM qop=\"auth\", gssapi-data=\"\"\r\n", true},
	    {"Proxy-Authorization: ntlm response=\"01\"\r\n", true},
	    {"Authorization:\tNtLm\r\n", true},
	    {"Authorization: Kerberos x=\"NTLM\"\r\nAuthorization: NTLM\tx=\"y\"\r\n", true},
	    {"Authorization: TLS-DSK qop=\"auth\"\r\n", false},
	    {"Authorization: NTLMv9 x=\"y\"\r\n", false},
	    {"Subject: NTLM\r\n", false},
	};

	for (unsigned i = 0; i < sizeof(creds) / sizeof(creds[0]); i++)
		for (int block = 0; block < 2; block++) {
			char text[600];
			struct policy_verdict v;
			struct sip_msg *m;

			snprintf(text, sizeof(text),
			    "REGISTER sip:contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS x\r\n"
			    "From: <sip:a@contoso.com>;tag=1\r\nTo: <sip:a@contoso.com>\r\n"
			    "Call-ID: a\r\nCSeq: 1 REGISTER\r\n%sContent-Length: 0\r\n\r\n",
			    creds[i].line);
			m = cast_parse(&cast, str_of(text));
			cast.conf.access.block_ntlm = block;
			set_switches(0);
			policy_judge(&cast.work, &cast.client, m, &v);
			print_message("%s", creds[i].line);
			if (block && creds[i].refused) {
				assert_int_equal(v.why, POLICY_WHY_NTLM);
				assert_int_equal(v.status, 403);
				assert_string_equal(v.event_name, "ntlm_refused");
			} else {
				assert_int_not_equal(v.why, POLICY_WHY_NTLM);
			}
		}
	cast.conf.access.block_ntlm = false;
}

static void
unknown_extensions_are_named(void **state)
{
	struct policy_verdict v;
	struct sip_msg *m;

	m = cast_parse(&cast, STR("MESSAGE sip:b@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS x\r\n"
				  "From: <sip:a@contoso.com>;tag=1\r\nTo: <sip:b@contoso.com>\r\n"
				  "Call-ID: a\r\nCSeq: 1 MESSAGE\r\nProxy-Require: one, two\r\n"
				  "Content-Length: 0\r\n\r\n"));
	policy_judge(&cast.work, &cast.client, m, &v);
	assert_true(str_eq(v.lines, STR("Unsupported: one, two\r\n")));
}

/* 11.1 */
static void
targets_of_the_inside(void **state)
{
	static const struct {
		const char *domain, *edge_route;
		unsigned with;
		enum policy_target_kind kind;
		const char *fqdn;
		unsigned status;
	} targets[] = {
	    {"fabrikam.com", "", PROXY, POLICY_TARGET_REFUSED, "", 403},
	    {"fabrikam.com", "", FED | PROXY, POLICY_TARGET_PROXY, "sip.fabrikam.com", 0},
	    {"fabrikam.com", "", FED, POLICY_TARGET_SRV, "", 0},
	    {"contoso.com", "", FED, POLICY_TARGET_REFUSED, "", 404},
	    {"x.evil.example", "", FED | DISCOVERY, POLICY_TARGET_REFUSED, "", 403},
	    {"hosted.example", "", FED, POLICY_TARGET_PROXY, "sipfed.hosted.example", 0},
	    {"unknown.example", "", FED, POLICY_TARGET_REFUSED, "", 504},
	    {"unknown.example", "", FED | DISCOVERY, POLICY_TARGET_SRV, "", 0},
	    {"unknown.example", "sip.fabrikam.com", FED | PROXY, POLICY_TARGET_PROXY,
		"sip.fabrikam.com", 0},
	    {"unknown.example", "proxy.cloud.example", FED, POLICY_TARGET_PROXY,
		"proxy.cloud.example", 0},
	    {"fabrikam.com", "evil.example", FED | PROXY, POLICY_TARGET_REFUSED, "", 403},
	    /* 3.5: our own domain goes out to the provider that shares it, and only so. */
	    {"contoso.com", "sipfed.hosted.example", FED, POLICY_TARGET_PROXY,
		"sipfed.hosted.example", 0},
	    {"contoso.com", "", FED | BY_ENTRY, POLICY_TARGET_PROXY, "sipfed.hosted.example", 0},
	    {"contoso.com", "proxy.cloud.example", FED, POLICY_TARGET_REFUSED, "", 404},
	    {"contoso.com", "sip.fabrikam.com", FED | PROXY, POLICY_TARGET_REFUSED, "", 404},
	    {"contoso.com", "sipfed.hosted.example", 0, POLICY_TARGET_REFUSED, "", 403},
	};

	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct policy_target t;

		set_switches(targets[i].with);
		policy_target(cast.view, str_of(targets[i].domain), str_of(targets[i].edge_route),
		    targets[i].with & BY_ENTRY, &t);
		print_message("%s\n", targets[i].domain);
		assert_int_equal(t.kind, targets[i].kind);
		assert_int_equal(t.status, targets[i].status);
		assert_true(str_eq(t.fqdn, str_of(targets[i].fqdn)));
	}
}

/* 11.5 */
static void
levels_of_verification(void **state)
{
	static const struct {
		const char *level, *said;
		bool verified;
	} levels[] = {
	    {"always_verifiable", "", true},
	    {"always_unverifiable",
		"ms-asserted-verification-level: ms-source-verified-user=verified\r\n", false},
	    {"use_source", "", false},
	    {"use_source", "ms-asserted-verification-level: ms-source-verified-user=verified\r\n",
		true},
	    {"use_source", "ms-asserted-verification-level: ms-source-verified-user=unverified\r\n",
		false},
	};

	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct policy_verdict v;
		char text[2048];

		set_switches(FED | PROXY);
		cast.allowed[0].verification = levels[i].level;
		snprintf(text, sizeof(text),
		    "MESSAGE sip:b@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: "
		    "<sip:c@fabrikam.com>;tag=1\r\nTo: <sip:b@contoso.com>\r\nCall-ID: a\r\n"
		    "CSeq: 1 MESSAGE\r\n%sContent-Length: 0\r\n\r\n",
		    levels[i].said);
		policy_judge(&cast.work, &cast.partner, cast_parse(&cast, str_of(text)), &v);
		assert_int_equal(v.kind, POLICY_FORWARD);
		assert_int_equal(v.verified, levels[i].verified);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(each_row_gets_its_verdict, setup, teardown),
	    cmocka_unit_test_setup_teardown(switches_name_themselves, setup, teardown),
	    cmocka_unit_test_setup_teardown(ntlm_stays_inside, setup, teardown),
	    cmocka_unit_test_setup_teardown(unknown_extensions_are_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(targets_of_the_inside, setup, teardown),
	    cmocka_unit_test_setup_teardown(levels_of_verification, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

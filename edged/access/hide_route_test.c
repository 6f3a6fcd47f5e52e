/* SPDX-License-Identifier: MIT
 *
 * Where a request goes by its Route set: access-edge-sip 6.3 and 6.4 as a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access/entry.h"
#include "access_hop.h"

static struct cast cast;

#define CALL_ID "3C0Dg11B4a7A2Bi"

/* Entries by letter; a row's Route is made of them. */
enum {
	O,         /* ours, facing alice's connection */
	O_OTHER,   /* ours, facing another connection */
	O_STAR,    /* O with f1, f2 sealed */
	O_STRICT,  /* O with a strict router and f2 sealed */
	O_PARTNER, /* facing fabrikam.com */
	I,
	PATH,      /* of a REGISTER */
	FORGED,    /* O with another signature */
	STATIC,    /* names us, nothing more */
	STATIC_IN, /* names us inside */
	F1,
	P1,
	EDGE_ROUTE,
	N_ENTRIES
};
#define NONE (-1)

static struct str entries[N_ENTRIES];
static struct str token_contact;

#define F1_URI "sip:pool01.contoso.net:5061;ms-fe=fe02.contoso.net;lr"
#define F2_URI "sip:fe01.contoso.net;lr"

static struct str
lasting(struct str s)
{
	return (struct str){strndup(s.p, s.n), s.n};
}

static void
make_entries(void)
{
	struct str cid = STR(CALL_ID), u;
	struct entry_spec o = {
	    .face = ENTRY_CLIENT, .role = 'F', .dest = ENTRY_CID, .cid = CAST_CID};
	struct entry_spec other = o, partner = {.face = ENTRY_PARTNER,
					 .role = 'T',
					 .dest = ENTRY_DOMAIN,
					 .domain = STR("Fabrikam.com")};
	struct entry_spec i = {.face = ENTRY_INSIDE, .role = 'T'}, path = o;
	char *forged;

	other.cid = 0x2c00;
	path.face = ENTRY_INSIDE;
	assert_int_equal(entry_make(&cast.work, &o, cid, &u), ED_OK);
	entries[O] = lasting(u);
	forged = strdup(entries[O].p);
	forged[entries[O].n - 3] ^= 1;
	entries[FORGED] = str_of(forged);
	assert_int_equal(entry_make(&cast.work, &other, cid, &u), ED_OK);
	entries[O_OTHER] = lasting(u);
	assert_int_equal(
	    entry_make_sealed(&cast.work, &o, cid, STR(F1_URI "\n" F2_URI "\n"), &u), ED_OK);
	entries[O_STAR] = lasting(u);
	assert_int_equal(
	    entry_make_sealed(&cast.work, &o, cid, STR("sip:strict.contoso.net\n" F2_URI "\n"), &u),
	    ED_OK);
	entries[O_STRICT] = lasting(u);
	assert_int_equal(entry_make(&cast.work, &partner, cid, &u), ED_OK);
	entries[O_PARTNER] = lasting(u);
	assert_int_equal(entry_make(&cast.work, &i, cid, &u), ED_OK);
	entries[I] = lasting(u);
	assert_int_equal(entry_make(&cast.work, &path, STR(""), &u), ED_OK);
	entries[PATH] = lasting(u);
	entries[STATIC] = lasting(STR("sip:sip.contoso.com:5061;lr"));
	entries[STATIC_IN] = lasting(STR("sip:10.30.0.5:5061;lr"));
	entries[F1] = lasting(STR(F1_URI));
	entries[P1] = lasting(STR("sip:p1.fabrikam.com;lr"));
	entries[EDGE_ROUTE] = lasting(STR("sip:edge.fabrikam.com;lr"));
	assert_int_equal(entry_contact_seal(&cast.work, STR("sip:bob@10.20.0.50"), &u), ED_OK);
	token_contact = lasting(u);
}

static int
setup(void **state)
{
	cast_init(&cast);
	make_entries();
	return 0;
}

static int
teardown(void **state)
{
	for (unsigned i = 0; i < N_ENTRIES; i++)
		free((char *)(uintptr_t)entries[i].p);
	free((char *)(uintptr_t)token_contact.p);
	cast_done(&cast);
	return 0;
}

enum from { CLIENT, PARTNER, INSIDE };
#define TAG  ";tag=9"
#define TEXT "sip:bob@contoso.com"

static const struct {
	const char *name;
	enum from from;
	const char *uri, *to_tag;
	int route[4]; /* NONE ends */
	enum hide_where where;
	unsigned status;
	bool foreign;
	const char *server, *routes, *new_uri;
} rows[] = {
    /* ---- from a client ---- */
    {"no Route", CLIENT, TEXT, "", {NONE}, HIDE_TO_NEXT_HOP, 0, false, "", "", ""},
    {"in-dialog without Route", CLIENT, TEXT, TAG, {NONE}, HIDE_TO_NEXT_HOP, 0, false, "", "", ""},
    {"O*", CLIENT, TEXT, TAG, {O_STAR, NONE}, HIDE_TO_NEXT_HOP, 0, false, "fe02.contoso.net",
	"Route: <" F1_URI ">\r\nRoute: <" F2_URI ">\r\n", ""},
    {"nothing after O* counts", CLIENT, TEXT, TAG, {O_STAR, P1, NONE}, HIDE_TO_NEXT_HOP, 0, false,
	"fe02.contoso.net", "Route: <" F1_URI ">\r\nRoute: <" F2_URI ">\r\n", ""},
    {"O* with a token as target", CLIENT, "", TAG, {O_STAR, NONE}, HIDE_TO_NEXT_HOP, 0, false,
	"fe02.contoso.net", "Route: <" F1_URI ">\r\nRoute: <" F2_URI ">\r\n", "sip:bob@10.20.0.50"},
    {"f1 is a strict router", CLIENT, TEXT, TAG, {O_STRICT, NONE}, HIDE_TO_NEXT_HOP, 0, false, "",
	"Route: <" F2_URI ">\r\nRoute: <" TEXT ">\r\n", "sip:strict.contoso.net"},
    {"O, I and f in clear", CLIENT, TEXT, TAG, {O, I, F1, NONE}, HIDE_TO_NEXT_HOP, 0, false,
	"fe02.contoso.net", "Route: <" F1_URI ">\r\n", ""},
    {"O alone", CLIENT, TEXT, TAG, {O, NONE}, HIDE_TO_NEXT_HOP, 0, false, "", "", ""},
    {"signature does not hold", CLIENT, TEXT, TAG, {FORGED, NONE}, HIDE_REFUSE, 403, true, "", "",
	""},
    {"another connection's", CLIENT, TEXT, TAG, {O_OTHER, NONE}, HIDE_REFUSE, 481, false, "", "",
	""},
    {"a partner's", CLIENT, TEXT, TAG, {O_PARTNER, NONE}, HIDE_REFUSE, 403, true, "", "", ""},
    {"foreign", CLIENT, TEXT, TAG, {P1, NONE}, HIDE_REFUSE, 403, true, "", "", ""},
    {"the inside's own", CLIENT, TEXT, "", {F1, NONE}, HIDE_REFUSE, 403, true, "", "", ""},
    {"entry that faces inside", CLIENT, TEXT, TAG, {I, O, NONE}, HIDE_REFUSE, 403, true, "", "",
	""},
    {"a REGISTER path", CLIENT, TEXT, TAG, {PATH, NONE}, HIDE_REFUSE, 403, true, "", "", ""},
    {"static route", CLIENT, TEXT, "", {STATIC, NONE}, HIDE_TO_NEXT_HOP, 0, false, "", "", ""},
    {"a second behind the static one", CLIENT, TEXT, "", {STATIC, F1, NONE}, HIDE_REFUSE, 403, true,
	"", "", ""},
    {"static route in a dialog", CLIENT, TEXT, TAG, {STATIC, NONE}, HIDE_REFUSE, 403, true, "", "",
	""},
    {"our inside name from outside", CLIENT, TEXT, "", {STATIC_IN, NONE}, HIDE_REFUSE, 403, true,
	"", "", ""},
    /* ---- from a partner ---- */
    {"partner, no Route", PARTNER, TEXT, "", {NONE}, HIDE_TO_NEXT_HOP, 0, false, "", "", ""},
    {"partner, in-dialog without Route", PARTNER, TEXT, TAG, {NONE}, HIDE_REFUSE, 481, false, "",
	"", ""},
    {"partner's own", PARTNER, TEXT, TAG, {O_PARTNER, I, NONE}, HIDE_TO_NEXT_HOP, 0, false, "", "",
	""},
    {"partner with a client's", PARTNER, TEXT, TAG, {O_STAR, NONE}, HIDE_REFUSE, 504, true, "", "",
	""},
    {"partner, foreign", PARTNER, TEXT, TAG, {F1, NONE}, HIDE_REFUSE, 504, true, "", "", ""},
    /* ---- from inside ---- */
    {"inside, I and O", INSIDE, TEXT, TAG, {I, O, NONE}, HIDE_TO_CID, 0, false, "", "", ""},
    {"inside, I, O and p", INSIDE, TEXT, TAG, {I, O_PARTNER, P1, NONE}, HIDE_TO_DOMAIN, 0, false,
	"", "Route: <sip:p1.fabrikam.com;lr>\r\n", ""},
    {"inside, f behind our pair is cut", INSIDE, TEXT, TAG, {I, O, F1, NONE}, HIDE_TO_CID, 0, false,
	"", "", ""},
    {"inside, REGISTER path", INSIDE, TEXT, "", {PATH, NONE}, HIDE_TO_CID, 0, false, "", "", ""},
    {"inside, I alone", INSIDE, TEXT, TAG, {I, NONE}, HIDE_REFUSE, 481, false, "", "", ""},
    {"inside, O forged", INSIDE, TEXT, TAG, {I, FORGED, NONE}, HIDE_REFUSE, 481, false, "", "", ""},
    {"inside, static", INSIDE, "sip:c@fabrikam.com", "", {STATIC_IN, NONE}, HIDE_TO_URI, 0, false,
	"", "", ""},
    {"inside, no Route", INSIDE, "sip:c@fabrikam.com", "", {NONE}, HIDE_TO_URI, 0, false, "", "",
	""},
    {"inside, cid in the target", INSIDE, "sip:198.51.100.23;ms-received-cid=2B00", "", {NONE},
	HIDE_TO_CID, 0, false, "", "", ""},
    {"inside, ms-edge-route", INSIDE, "sip:c@fabrikam.com", "", {EDGE_ROUTE, NONE},
	HIDE_TO_EDGE_ROUTE, 0, false, "", "", ""},
    {"inside, tel", INSIDE, "tel:+1", "", {NONE}, HIDE_REFUSE, 416, false, "", "", ""},
};

static void
each_row_goes_its_way(void **state)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char *const from[] = {
		    "alice@contoso.com", "carol@fabrikam.com", "bob@contoso.com"};
		const struct facts *f[] = {&cast.client, &cast.partner, &cast.internal};
		struct hide_route r;
		static char text[16384];
		size_t n;

		n = (size_t)snprintf(text, sizeof(text),
		    "INFO " STR_FMT " SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: <sip:%s>;tag=1\r\n"
		    "To: <sip:bob@contoso.com>%s\r\nCall-ID: " CALL_ID "\r\nCSeq: 1 INFO\r\n",
		    STR_ARG(rows[i].uri[0] ? str_of(rows[i].uri) : token_contact),
		    from[rows[i].from], rows[i].to_tag);
		for (unsigned k = 0; rows[i].route[k] != NONE; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "Route: <" STR_FMT ">%s\r\n", STR_ARG(entries[rows[i].route[k]]),
			    rows[i].route[k] == EDGE_ROUTE ? ";ms-edge-route" : "");
		snprintf(text + n, sizeof(text) - n, "Content-Length: 0\r\n\r\n");
		cast_begin(&cast);
		print_message("%s\n", rows[i].name);
		hide_route(&cast.work, f[rows[i].from], cast_parse(&cast, str_of(text)), &r);
		assert_int_equal(r.where, rows[i].where);
		assert_int_equal(r.status, rows[i].status);
		assert_int_equal(r.foreign, rows[i].foreign);
		if (r.where == HIDE_REFUSE)
			continue;
		assert_true(
		    str_eq(r.server, str_of(rows[i].server)) || r.where != HIDE_TO_NEXT_HOP);
		assert_true(str_eq(r.routes, str_of(rows[i].routes)));
		assert_true(str_eq(r.uri, str_of(rows[i].new_uri)));
		if (r.where == HIDE_TO_CID)
			assert_int_equal(r.cid, CAST_CID);
		if (r.where == HIDE_TO_DOMAIN)
			assert_true(str_eq(r.domain, STR("fabrikam.com")));
		if (r.where == HIDE_TO_EDGE_ROUTE)
			assert_true(str_eq(r.edge_route, STR("edge.fabrikam.com")));
	}
}

/* RFC 3261 16.4: our entry stands in the Request-URI, its target is the last Route. */
static void
strict_router_before_us_is_undone(void **state)
{
	struct hide_route r;
	char text[8192];

	snprintf(text, sizeof(text),
	    "BYE " STR_FMT
	    " SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: <sip:alice@contoso.com>;tag=1\r\n"
	    "To: <sip:bob@contoso.com>;tag=2\r\nCall-ID: " CALL_ID "\r\nCSeq: 1 BYE\r\n"
	    "Route: <" STR_FMT ">\r\nContent-Length: 0\r\n\r\n",
	    STR_ARG(entries[O_STAR]), STR_ARG(token_contact));
	hide_route(&cast.work, &cast.client, cast_parse(&cast, str_of(text)), &r);
	assert_int_equal(r.where, HIDE_TO_NEXT_HOP);
	assert_true(str_eq(r.uri, STR("sip:bob@10.20.0.50")));
	assert_true(str_eq(r.routes, STR("Route: <" F1_URI ">\r\nRoute: <" F2_URI ">\r\n")));
}

static void
what_is_gone_says_how_to_recover(void **state)
{
	struct hide_route r = {0};
	struct sip_msg *m;

	m = cast_parse(
	    &cast, STR("INFO sip:a SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: <sip:a@b>;tag=1\r\n"
		       "To: <sip:a@b>;tag=2\r\nCall-ID: a\r\nCSeq: 1 INFO\r\n"
		       "Supported: x, ms-dialog-route-set-update\r\nContent-Length: 0\r\n\r\n"));
	hide_gone(m, true, &r);
	assert_int_equal(r.status, 430);
	assert_true(str_eq(r.lines, STR("P-Dialog-Recovery-Action: Registration-Route-Set-Update, "
					"Dialog-Route-Set-Update\r\n")));
	hide_gone(m, false, &r);
	assert_true(str_eq(r.lines, STR("P-Dialog-Recovery-Action: Dialog-Route-Set-Update\r\n")));
}

static void
old_keys_mean_gone(void **state)
{
	struct hide_route r;
	char text[8192];

	snprintf(text, sizeof(text),
	    "BYE sip:b@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: "
	    "<sip:alice@contoso.com>;tag=1\r\nTo: <sip:bob@contoso.com>;tag=2\r\nCall-ID: " CALL_ID
	    "\r\nCSeq: 1 BYE\r\nRoute: <" STR_FMT ">\r\nContent-Length: 0\r\n\r\n",
	    STR_ARG(entries[O_STAR]));
	cast.work.now_s += 9 * 86400;
	hide_route(&cast.work, &cast.client, cast_parse(&cast, str_of(text)), &r);
	assert_int_equal(r.where, HIDE_REFUSE);
	assert_int_equal(r.status, 481);
	assert_false(r.foreign);
}

/* An anonymous participant proves its dialog by our entry, or has none. */
static void
anonymous_needs_a_route(void **state)
{
	struct hide_route r;

	hide_route(&cast.work, &cast.client,
	    cast_parse(
		&cast, STR("INFO sip:b@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: "
			   "<sip:0123456789abcdef0123456789abcdef@anonymous.invalid>;tag=1\r\n"
			   "To: <sip:b@contoso.com>;tag=2\r\nCall-ID: a\r\nCSeq: 1 INFO\r\n"
			   "Content-Length: 0\r\n\r\n")),
	    &r);
	assert_int_equal(r.status, 403);
	assert_true(r.foreign);
}

/* rr_mode single: one entry faces the inside, its own token says where to; outside nothing changes.
 */
static void
single_mode_keeps_one_entry_inside(void **state)
{
	struct hop h, back;
	char *out, *entry, text[4096];

	cast.conf.access.rr_mode = "single";
	cast_view(&cast);
	assert_int_equal(
	    hop_request(&cast, &cast.client, FACTS_INTERNAL,
		STR("INVITE sip:bob@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS a\r\nFrom: "
		    "<sip:alice@contoso.com>;tag=1\r\nTo: <sip:bob@contoso.com>\r\n"
		    "Call-ID: " CALL_ID "\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"),
		&h),
	    ED_OK);
	entry = strstr(h.text, "Record-Route: <");
	assert_non_null(entry);
	assert_null(strstr(entry + 1, "Record-Route: <"));
	entry = strndup(entry + 15, strcspn(entry + 15, ">"));
	assert_non_null(
	    strstr(entry, "edge.int.contoso.com:5061;transport=tls;opaque=state:F:Ci.R2b00"));
	snprintf(text, sizeof(text),
	    "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 10.30.0.5;branch=%.32s\r\nVia: SIP/2.0/TLS a\r\n"
	    "Record-Route: <sip:fe01.contoso.net;lr>\r\nRecord-Route: <%s>\r\n"
	    "From: <sip:alice@contoso.com>;tag=1\r\nTo: <sip:bob@contoso.com>;tag=2\r\n"
	    "Call-ID: " CALL_ID "\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n",
	    h.sent.branch, entry);
	assert_int_equal(
	    hop_response(&cast, &cast.internal, FACTS_CLIENT, &h, str_of(text), &out), ED_OK);
	assert_non_null(strstr(out, "sip.contoso.com:443;transport=tls;opaque=state:F:Ci.R2b00;lr;"
				    "ms-edged="));
	assert_null(strstr(out, "contoso.net"));
	snprintf(text, sizeof(text),
	    "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS x\r\nFrom: <sip:bob@contoso.com>;tag=2\r\n"
	    "To: <sip:alice@contoso.com>;tag=1\r\nCall-ID: " CALL_ID "\r\nCSeq: 1 BYE\r\n"
	    "Route: <%s>\r\nContent-Length: 0\r\n\r\n",
	    entry);
	assert_int_equal(
	    hop_request(&cast, &cast.internal, FACTS_CLIENT, str_of(text), &back), ED_OK);
	assert_int_equal(back.route.where, HIDE_TO_CID);
	assert_int_equal(back.route.cid, CAST_CID);
	free(entry);
	free(out);
	hop_done(&h);
	hop_done(&back);
}

/* hide_topology = none: the entries of 6.2 go out as they stand. */
static void
nothing_is_hidden_on_request(void **state)
{
	struct hop h;

	cast.conf.access.hide_topology = "none";
	cast_view(&cast);
	assert_int_equal(
	    hop_request(&cast, &cast.internal, FACTS_CLIENT,
		STR("INVITE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TLS 10.20.0.11\r\n"
		    "Record-Route: <sip:fe01.contoso.net;lr>\r\n"
		    "From: <sip:bob@contoso.com>;tag=1\r\nTo: <sip:alice@contoso.com>\r\n"
		    "Call-ID: abc\r\nCSeq: 7 INVITE\r\n"
		    "Contact: <sip:bob@10.20.0.50>\r\nContent-Length: 0\r\n\r\n"),
		&h),
	    ED_OK);
	assert_non_null(strstr(h.text, "Record-Route: <sip:fe01.contoso.net;lr>\r\n"));
	assert_non_null(strstr(h.text, "Contact: <sip:bob@10.20.0.50>\r\n"));
	assert_non_null(
	    strstr(h.text, "sip.contoso.com:443;transport=tls;opaque=state:T:Ci.R2b00;lr;"
			   "ms-route-sig="));
	assert_null(strstr(h.text, "10.20.0.11")); /* Vias are cut all the same (5.3) */
	hop_done(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(each_row_goes_its_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(strict_router_before_us_is_undone, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_gone_says_how_to_recover, setup, teardown),
	    cmocka_unit_test_setup_teardown(old_keys_mean_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(anonymous_needs_a_route, setup, teardown),
	    cmocka_unit_test_setup_teardown(single_mode_keeps_one_entry_inside, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_is_hidden_on_request, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

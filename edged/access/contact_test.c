/* SPDX-License-Identifier: MIT */
#include "access/contact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "access_cast.h"

static struct cast cast;

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

#define FORM                                                                                       \
	"REGISTER sip:contoso.com SIP/2.0\r\n%sVia: SIP/2.0/tls a\r\nFrom: <sip:alice@contoso."    \
	"com>;tag=1\r\nTo: <sip:bob@contoso.com>\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n"            \
	"Contact: %s\r\nContent-Length: 0\r\n\r\n"
#define SECOND_VIA "Via: SIP/2.0/TLS b\r\n"

static const struct {
	const char *name, *via, *in;
	const char *want; /* NULL: refused */
} rows[] = {
    {"address is replaced", "",
	"<sip:192.168.1.50:51001;transport=tls;ms-opaque=d3>;proxy=replace;x=1",
	"<sip:198.51.100.23:51001;transport=tls;ms-opaque=d3;ms-received-cid=2B00>;x=1"},
    {"a name gets maddr", "", "<sip:alice@pc1:5;transport=tls>;proxy=replace",
	"<sip:alice@pc1:5;transport=tls;maddr=198.51.100.23;ms-received-cid=2B00>"},
    {"maddr is set", "", "<sip:alice:51001;maddr=192.168.1.50;transport=tls>;proxy=replace",
	"<sip:alice:51001;maddr=198.51.100.23;transport=tls;ms-received-cid=2B00>"},
    {"maddr goes before the host", "", "<sip:1.2.3.4;maddr=192.168.1.50>;proxy=Replace",
	"<sip:1.2.3.4;maddr=198.51.100.23;ms-received-cid=2B00>"},
    {"no brackets", "", "sip:a@1.2.3.4;proxy=replace",
	"<sip:a@198.51.100.23:51001;ms-received-cid=2B00>"},
    {"headers stay behind the parameters", "", "<sip:a@1.2.3.4?x=y>;proxy=replace",
	"<sip:a@198.51.100.23:51001;ms-received-cid=2B00?x=y>"},
    {"IPv6 address is replaced", "", "<sip:a@[2001:db8::1]:77>;proxy=replace",
	"<sip:a@198.51.100.23:51001;ms-received-cid=2B00>"},
    {"old cid goes", "", "<sip:1.2.3.4;ms-received-cid=99>;proxy=replace",
	"<sip:198.51.100.23:51001;ms-received-cid=2B00>"},
    {"a claimed cid goes without proxy, too", "", "<sip:a@1.2.3.4;ms-received-cid=99;x>",
	"<sip:a@1.2.3.4;x>"},
    {"two values", "", "<sip:a@1.2.3.4>;q=1, <sip:a@pc1>;proxy=replace",
	"<sip:a@1.2.3.4>;q=1, <sip:a@pc1;maddr=198.51.100.23;ms-received-cid=2B00>"},
    {"not asked for", "", "<sip:alice@contoso.com;opaque=user:epid:x;gruu>",
	"<sip:alice@contoso.com;opaque=user:epid:x;gruu>"},
    {"star", "", "*", "*"},
    {"beyond the first hop", SECOND_VIA, "<sip:a@1.2.3.4>;proxy=replace", NULL},
    {"beyond the first hop, not asked for", SECOND_VIA, "<sip:a@1.2.3.4>", "<sip:a@1.2.3.4>"},
    {"unknown value", "", "<sip:a@1.2.3.4>;proxy=remove", NULL},
    {"no value", "", "<sip:a@1.2.3.4>;proxy", NULL},
    {"other transport", "", "<sip:a@1.2.3.4;transport=tcp>;proxy=replace", NULL},
    {"other scheme", "", "<tel:+1>;proxy=replace", NULL},
};

static void
contacts_are_replaced(void **state)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2048], want[2048];
		const char *why = NULL;
		struct sip_edits e;
		struct sip_msg *m;
		int r;

		snprintf(text, sizeof(text), FORM, rows[i].via, rows[i].in);
		cast_begin(&cast);
		m = cast_parse(&cast, str_of(text));
		sip_edits_init(&e, &cast.arena, m);
		r = contact_replace(&cast.work, &cast.client, m, &e, &why);
		print_message("%s\n", rows[i].name);
		assert_int_equal(r, rows[i].want ? ED_OK : ED_DENIED);
		if (!rows[i].want) {
			assert_non_null(why);
			continue;
		}
		snprintf(want, sizeof(want), FORM, rows[i].via, rows[i].want);
		assert_string_equal(cast_print(&cast, &e).p, want);
	}
}

static void
ipv6_peer_stands_in_brackets(void **state)
{
	struct facts f = cast.client;
	char text[1024], want[1024];
	const char *why;
	struct sip_edits e;
	struct sip_msg *m;

	cast_addr(&f.remote, "[2001:db8::9]:4000");
	snprintf(
	    text, sizeof(text), FORM, "", "<sip:1.2.3.4>;proxy=replace, <sip:pc>;proxy=replace");
	snprintf(want, sizeof(want), FORM, "",
	    "<sip:[2001:db8::9]:4000;ms-received-cid=2B00>, "
	    "<sip:pc;maddr=[2001:db8::9];ms-received-cid=2B00>");
	m = cast_parse(&cast, str_of(text));
	sip_edits_init(&e, &cast.arena, m);
	assert_int_equal(contact_replace(&cast.work, &f, m, &e, &why), ED_OK);
	assert_string_equal(cast_print(&cast, &e).p, want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(contacts_are_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(ipv6_peer_stands_in_brackets, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

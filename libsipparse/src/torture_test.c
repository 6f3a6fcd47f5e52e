/* SPDX-License-Identifier: MIT
 *
 * torture_test.c: the 49 messages of RFC 4475 and the 12 of RFC 5118, with what a perimeter proxy
 * on a TLS stream makes of each. "Accept" means that the message reaches the room, whose own rules
 * come next (483, 420, 416, unknown domain ...); everything else ends here and never reaches a next
 * hop.
 */
#include "table.h"

#include <stdio.h>

#ifndef TORTURE_DIR
#define TORTURE_DIR "../test/corpus/torture"
#endif

/* What sip_frame_next says on the whole file. */
enum cut {
	WHOLE,   /* the file is one frame */
	FIRST,   /* a frame, and octets behind it */
	WAITS,   /* more is wanted; the deadline for headers or body closes */
	NO_FRAME /* refused, closed */
};

static const struct {
	const char *file;
	enum cut cut;
	int want; /* of sip_msg_parse on the frame, or on the whole file when there is none */
	bool answerable;
	const char *why; /* where we refuse what the RFC calls valid, or the frame says otherwise */
} cases[] = {
    /* RFC 4475 3.1.1: valid messages */
    {"rfc4475/wsinv.dat", NO_FRAME, ED_MALFORMED, false,
	"blanks before colons and folding in To, CSeq, Via, Route: headers we route and frame by"},
    {"rfc4475/intmeth.dat", NO_FRAME, ED_MALFORMED, false,
	"NUL, BEL and DEL behind backslashes: no control passes a perimeter"},
    {"rfc4475/esc01.dat", WHOLE, ED_MALFORMED, true, "folded Contact"},
    {"rfc4475/escnull.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/esc02.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/lwsdisp.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/longreq.dat", WHOLE, ED_MALFORMED, true, "blank before the colon of a Via; 34 Vias"},
    {"rfc4475/dblreq.dat", FIRST, ED_OK, true,
	"on a stream the octets behind the body are the next message"},
    {"rfc4475/semiuri.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/transports.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/mpart01.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/unreason.dat", WHOLE, ED_OK, false, NULL},
    {"rfc4475/noreason.dat", WHOLE, ED_OK, false, NULL},

    /* 3.1.2: invalid messages */
    {"rfc4475/badinv01.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/clerr.dat", WAITS, ED_MALFORMED, true,
	"the length says 9999: a stream waits for the rest of the body"},
    {"rfc4475/ncl.dat", NO_FRAME, ED_MALFORMED, true, NULL},
    {"rfc4475/scalar02.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/scalarlg.dat", WHOLE, ED_MALFORMED, false, NULL},
    {"rfc4475/quotbal.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/ltgtruri.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/lwsruri.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/lwsstart.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/trws.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/escruri.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/baddate.dat", WHOLE, ED_OK, true, "Date is nothing a proxy decides on"},
    {"rfc4475/regbadct.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/badaspec.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/baddn.dat", WAITS, ED_MALFORMED, true, "the file lacks the empty line"},
    {"rfc4475/badvers.dat", WHOLE, ED_UNSUPPORTED, true, NULL},
    {"rfc4475/mismatch01.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/mismatch02.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/bigcode.dat", WHOLE, ED_MALFORMED, false, NULL},

    /* 3.2, 3.3: transaction and application layer; a parser takes them */
    {"rfc4475/badbranch.dat", WHOLE, ED_OK, true,
	"sip_via_has_cookie says no: matched as RFC 2543"},
    {"rfc4475/insuf.dat", WHOLE, ED_MALFORMED, false, NULL},
    {"rfc4475/unkscm.dat", WHOLE, ED_OK, true, "416 by the room"},
    {"rfc4475/novelsc.dat", WHOLE, ED_OK, true, "416 by the room"},
    {"rfc4475/unksm2.dat", WHOLE, ED_OK, true, "400 by the registrar"},
    {"rfc4475/bext01.dat", WHOLE, ED_OK, true, "420 by the room: Proxy-Require"},
    {"rfc4475/invut.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/regaut01.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/multi01.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc4475/mcl01.dat", NO_FRAME, ED_MALFORMED, true, NULL},
    {"rfc4475/bcast.dat", WHOLE, ED_OK, false, NULL},
    {"rfc4475/zeromf.dat", WHOLE, ED_OK, true, "483 by the room, or the answer to OPTIONS"},
    {"rfc4475/cparam01.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/cparam02.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/regescrt.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/sdp01.dat", WHOLE, ED_OK, true, NULL},
    {"rfc4475/inv2543.dat", NO_FRAME, ED_OK, true,
	"no Content-Length: fine in a datagram, never on a stream (RFC 3261 18.3)"},

    /* RFC 5118 */
    {"rfc5118/ipv6-good.dat", WHOLE, ED_OK, true, NULL},
    {"rfc5118/ipv6-bad.dat", WHOLE, ED_MALFORMED, true, NULL},
    {"rfc5118/port-ambiguous.dat", WHOLE, ED_OK, true, NULL},
    {"rfc5118/port-unambiguous.dat", WHOLE, ED_OK, true, NULL},
    {"rfc5118/via-received-param-with-delim.dat", WHOLE, ED_OK, true, NULL},
    {"rfc5118/via-received-param-no-delim.dat", WHOLE, ED_OK, true, NULL},
    {"rfc5118/ipv6-in-sdp.dat", WAITS, ED_MALFORMED, true,
	"printed length 268, body 251: a stream waits; see test_right_length"},
    {"rfc5118/mult-ip-in-header.dat", WHOLE, ED_OK, true, NULL},
    {"rfc5118/mult-ip-in-sdp.dat", FIRST, ED_OK, true,
	"printed length 181, body 189: eight octets are the next message, and refused as that"},
    {"rfc5118/ipv4-mapped-ipv6.dat", FIRST, ED_OK, true,
	"printed length 236, body 245: nine octets are the next message, and refused as that"},
    {"rfc5118/ipv6-bug-abnf-3-colons.dat", WHOLE, ED_MALFORMED, true,
	"three colons are no IPv6 address since RFC 4291; readers differ, so nothing is guessed"},
    {"rfc5118/ipv6-correct-abnf-2-colons.dat", WHOLE, ED_OK, true, NULL},
};

static struct str
load(const char *file)
{
	static char buf[16384];
	char path[512];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", TORTURE_DIR, file);
	f = fopen(path, "rb");
	if (!f)
		print_error("%s: not there\n", path);
	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	assert_true(n > 0 && n < sizeof(buf));
	return (struct str){buf, n};
}

static enum cut
cut_of(int64_t r, size_t n)
{
	return r < 0 ? NO_FRAME : r == 0 ? WAITS : (size_t)r == n ? WHOLE : FIRST;
}

static void
check_verdict(const char *file, struct str in, int want, bool answerable)
{
	struct sip_limits lim = SIP_LIMITS_CLIENT;
	struct ed_fault fault = {.what = ""};
	struct sip_msg *m = NULL;
	struct arena a;
	int r;

	arena_init(&a, NULL, 0, 64 * 1024);
	r = sip_msg_parse(&a, in, &lim, &m, &fault);
	if (r != want || sip_msg_is_answerable(m) != answerable)
		print_error("%s: got %d (%s), answerable %d\n", file, r, fault.what,
		    sip_msg_is_answerable(m));
	assert_int_equal(r, want);
	assert_true(sip_msg_is_answerable(m) == answerable);
	arena_done(&a);
	assert_int_equal(msg_growing_caps(in, &lim), want);
}

static void
test_torture(void **state)
{
	assert_int_equal(N_OF(cases), 49 + 12);
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct flush f = flush_of(load(cases[i].file));
		struct sip_limits lim = SIP_LIMITS_CLIENT;
		struct ed_fault fault = {.what = ""};
		struct sip_frame frame;
		int64_t r = frame_whole(f.text, &lim, &frame, &fault);

		if (cut_of(r, f.text.n) != cases[i].cut)
			print_error("%s: frame %d (%s)\n", cases[i].file, (int)r, fault.what);
		assert_int_equal(cut_of(r, f.text.n), cases[i].cut);
		assert_int_equal(frame_dripped(f.text, &lim, &frame, &fault), r);
		check_verdict(cases[i].file, r > 0 ? str_first(f.text, (size_t)r) : f.text,
		    cases[i].want, cases[i].answerable);
		flush_done(&f);
	}
}

/* Octets behind the first frame of a file are refused, or a message on their own (dblreq). */
static void
test_what_follows(void **state)
{
	static const struct {
		const char *file;
		size_t from;
		enum cut cut;
	} rows[] = {
	    {"rfc4475/dblreq.dat", 302, FIRST}, /* an INVITE, and a bit */
	    {"rfc5118/mult-ip-in-sdp.dat", 522, NO_FRAME},
	    {"rfc5118/ipv4-mapped-ipv6.dat", 648, NO_FRAME},
	};
	static const char more[] = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n";

	for (size_t i = 0; i < N_OF(rows); i++) {
		struct str rest = str_from(load(rows[i].file), rows[i].from);
		struct sip_limits lim = SIP_LIMITS_CLIENT;
		struct ed_fault fault;
		struct sip_frame frame;
		char buf[2048];
		int64_t r;

		if (rows[i].cut == NO_FRAME) { /* what would come next on such a connection */
			memcpy(buf, rest.p, rest.n);
			memcpy(buf + rest.n, more, sizeof(more) - 1);
			rest = (struct str){buf, rest.n + sizeof(more) - 1};
		}
		r = frame_whole(rest, &lim, &frame, &fault);
		if (rows[i].cut == NO_FRAME && r > 0) {
			check_verdict(rows[i].file, rest, ED_MALFORMED, false);
			continue;
		}
		if (cut_of(r, rest.n) != rows[i].cut)
			print_error("%s: rest gives %d\n", rows[i].file, (int)r);
		assert_int_equal(cut_of(r, rest.n), rows[i].cut);
	}
}

/* RFC 5118 prints three lengths that are not those of the bodies; with the right one they pass. */
static void
test_right_length(void **state)
{
	static const char *const files[] = {"rfc5118/ipv6-in-sdp.dat", "rfc5118/mult-ip-in-sdp.dat",
	    "rfc5118/ipv4-mapped-ipv6.dat"};

	for (size_t i = 0; i < N_OF(files); i++) {
		struct str in = load(files[i]);
		struct sip_limits lim = SIP_LIMITS_CLIENT;
		struct ed_fault fault;
		struct sip_frame frame;
		const char *length = memmem(in.p, in.n, "Content-Length: ", 16);
		const char *body = memmem(in.p, in.n, "\r\n\r\n", 4);
		char buf[2048];
		int n;

		assert_true(length && body);
		n = snprintf(buf, sizeof(buf), "%.*sContent-Length: %zu%.*s", (int)(length - in.p),
		    in.p, in.n - (size_t)(body + 4 - in.p),
		    (int)(in.n - (size_t)(length + 19 - in.p)), length + 19);
		in = (struct str){buf, (size_t)n};
		assert_int_equal(frame_whole(in, &lim, &frame, &fault), n);
		check_verdict(files[i], in, ED_OK, true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_torture),
	    cmocka_unit_test(test_what_follows),
	    cmocka_unit_test(test_right_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

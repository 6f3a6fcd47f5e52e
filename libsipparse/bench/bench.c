/* SPDX-License-Identifier: MIT
 *
 * bench.c: what one MESSAGE (915 octets, as Skype for Business sends it) costs: framing, index with
 * all checks, a proxy's edits; beside libosip2, which parses and prints the same message.
 *
 * Medians of nine rounds, CPU time. Figures: docs/benchmarks-sipparse.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <osipparser2/osip_parser.h>

#include "sipparse/edit.h"

#define ROUNDS 9

static const char message[] =
    "MESSAGE sip:bob@contoso.test SIP/2.0\r\n"
    "Via: SIP/2.0/TLS 127.0.1.3:40123;branch=z9hG4bK0badcafe0000001700000042;rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: \"Alice Example\" <sip:alice23@contoso.test>;tag=7d1b54cb00;epid=9d1c2ab311\r\n"
    "To: <sip:bob@contoso.test>\r\n"
    "Call-ID: 0badcaf0c1b94d8e8f2a17c600000042\r\n"
    "CSeq: 66 MESSAGE\r\n"
    "Contact: <sip:alice23@127.0.1.3:40123;transport=tls;ms-opaque=d3470f2e1d>;proxy=replace;"
    "+sip.instance=\"<urn:uuid:5D2C7B11-42B8-5AC1-A2C0-000000000017>\"\r\n"
    "User-Agent: UCCAPI/16.0.4266.1001 OC/16.0.4266.1001 (Skype for Business)\r\n"
    "Supported: ms-dialog-route-set-update, timer\r\n"
    "Proxy-Authorization: TLS-DSK qop=\"auth\", realm=\"SIP Communications Service\", "
    "opaque=\"6D2F91A0\", targetname=\"pool01.contoso.test\", crand=\"0f8a3c11\", cnum=\"12\", "
    "response=\"602a32b4c7ff7c1ad01c7f9e80b0a1f3e5f90c24\"\r\n"
    "Content-Type: text/plain; charset=UTF-8; msgr=WAAtAE0ATQBTAC0ASQBNAC0\r\n"
    "Content-Length: 32\r\n\r\n"
    "Hello Bob, are you free for a qu";

static const struct str in = {message, sizeof(message) - 1};
static struct sip_limits limits;
static char lent[8192], out[4096];
static volatile size_t sink;

static void
die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void
do_frame(void)
{
	struct sip_framer f;
	struct sip_frame frame;

	sip_framer_init(&f);
	if (sip_frame_next(&f, in, &limits, &frame, NULL) != (int64_t)in.n)
		die("frame");
	sink += frame.header_len;
}

static struct sip_msg *
parse(struct arena *a)
{
	struct sip_msg *m;

	arena_init(a, lent, sizeof(lent), sizeof(lent));
	if (sip_msg_parse(a, in, &limits, &m, NULL) < 0)
		die("parse");
	return m;
}

static void
do_parse(void)
{
	struct arena a;

	sink += parse(&a)->n_lines;
	arena_done(&a);
}

/* The edits of floor and peers: a Via, a Record-Route, Max-Forwards; then those of an Access Edge.
 */
static void
edit(struct arena *a, struct sip_msg *m, bool edge)
{
	const struct sip_line *via = &m->lines[m->first[SIP_HDR_VIA]];
	const struct sip_line *mf = &m->lines[m->first[SIP_HDR_MAX_FORWARDS]];
	const struct sip_line *contact = &m->lines[m->first[SIP_HDR_CONTACT]];
	struct sip_edits e;
	struct sip_param p;

	sip_edits_init(&e, a, m);
	sip_edit_insert_first(
	    &e, STR("Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK3F0A91C2.77D0C4E19B2A5F01\r\n"
		    "Record-Route: <sip:127.0.0.1:5061;transport=tls;lr>\r\n"));
	sip_edit_replace_value(&e, mf, STR("69"));
	if (edge) {
		struct sip_nameaddr na;
		uint32_t at;

		if (sip_nameaddr_parse(sip_line_value(m, contact), &na, NULL) < 0 ||
		    !sip_param_find(na.params, STR("proxy"), &p))
			die("contact");
		at = contact->value_at + na.params_at + p.at;
		sip_edit_splice(&e, via->value_at + via->value_len, 0,
		    STR(";received=198.51.100.23;ms-received-port=40123;ms-received-cid=2B00"));
		sip_edit_splice(&e, at, p.len, STR_NONE);
		sip_edit_splice(
		    &e, contact->value_at + na.uri_at + 12, 15, STR("198.51.100.23:40123"));
		sip_edit_insert_first(
		    &e, STR("ms-edge-proxy-message-trust: ms-source-type=InternetUser\r\n"));
		sip_edit_delete_all(&e, SIP_HDR_MS_KEEP_ALIVE);
	}
	if (sip_edits_size(&e) > (int64_t)sizeof(out))
		die("edit");
	sink += sip_edits_write(&e, out);
}

static void
do_parse_edit(void)
{
	struct arena a;

	edit(&a, parse(&a), false);
	arena_done(&a);
}

static void
do_parse_edge_edit(void)
{
	struct arena a;

	edit(&a, parse(&a), true);
	arena_done(&a);
}

static void
do_all(void)
{
	do_frame();
	do_parse_edge_edit();
}

static void
osip(bool print, bool clone)
{
	osip_message_t *m, *copy;
	size_t n;
	char *z;

	if (osip_message_init(&m) || osip_message_parse(m, in.p, in.n))
		die("libosip2");
	if (clone) {
		osip_message_clone(m, &copy);
		osip_message_free(copy);
	}
	if (print) {
		osip_message_force_update(m);
		if (osip_message_to_str(m, &z, &n))
			die("libosip2 print");
		sink += n;
		osip_free(z);
	}
	osip_message_free(m);
}

static void
do_osip_parse(void)
{
	osip(false, false);
}

static void
do_osip_print(void)
{
	osip(true, false);
}

static void
do_osip_clone(void)
{
	osip(true, true);
}

static void
do_memcpy(void)
{
	memcpy(out, in.p, in.n);
	sink += (size_t)out[sink & 511];
}

static int
compare(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1
						       : *(const double *)a > *(const double *)b;
}

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
run(const char *name, int n, void (*what)(void))
{
	double r[ROUNDS];

	for (int q = 0; q < ROUNDS; q++) {
		double start = now_ns();

		for (int i = 0; i < n; i++)
			what();
		r[q] = (now_ns() - start) / n;
	}
	qsort(r, ROUNDS, sizeof(*r), compare);
	printf("%-34s median_ns=%8.1f min_ns=%8.1f max_ns=%8.1f\n", name, r[ROUNDS / 2], r[0],
	    r[ROUNDS - 1]);
}

int
main(int argc, char **argv)
{
	bool ours_only = argc > 1 && strcmp(argv[1], "--ours") == 0; /* for profilers */

	limits = SIP_LIMITS_CLIENT;
	parser_init();
	printf("message_octets=%zu\n", in.n);
	run("frame", 100000, do_frame);
	run("index_and_checks", 100000, do_parse);
	run("index_checks_edits", 100000, do_parse_edit);
	run("index_checks_edge_edits", 100000, do_parse_edge_edit);
	run("frame_index_checks_edge_edits", 100000, do_all);
	if (ours_only)
		return 0;
	run("memcpy", 1000000, do_memcpy);
	run("libosip2_parse", 10000, do_osip_parse);
	run("libosip2_parse_print", 10000, do_osip_print);
	run("libosip2_parse_clone_print", 10000, do_osip_clone);
	return 0;
}

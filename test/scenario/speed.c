/* SPDX-License-Identifier: MIT
 *
 * scenario/speed.c: CPU time of the core alone for one MESSAGE transaction (request and response,
 * both forwarded) over a network that costs nothing: what is left when TLS and the kernel are taken
 * away.
 *
 *   scenario-speed [TRANSACTIONS [dialog]]     dialog: INVITE, 200, ACK, BYE, 200 instead
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/core.h"
#include "access/token.h"
#include "access/view.h"
#include "base/mac.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "net/tls.h"
#include "svc/log.h"

struct side {
	struct flow *f;
	char out[65536];
	size_t n, n_total;
};
static struct side client, hop;
static uint64_t random_state = 88172645463325252u;
static uint64_t now_ms = 1000;
static char requests[1u << 20], responses[1u << 20];

static char *
op_reserve(void *net, struct flow *f, size_t n)
{
	struct side *s = f->conn;

	if (s->n + n > sizeof(s->out))
		s->n = 0;
	return s->out + s->n;
}

static void
op_commit(void *net, struct flow *f, size_t n)
{
	struct side *s = f->conn;

	s->n += n;
	s->n_total += n;
}

static void
op_close(void *net, struct flow *f, enum access_end why)
{
	fprintf(stderr, "closed\n");
	exit(1);
}

static void
op_pause(void *net, struct flow *f, bool pause)
{
}

static size_t
op_pending(void *net, const struct flow *f)
{
	return 0;
}

static void
op_set_idle(void *net, struct flow *f, uint32_t idle_ms)
{
}

static int
op_open(void *net, struct flow *f, const struct addr *addr, const char *host)
{
	hop.f = f;
	f->conn = &hop;
	return ED_OK;
}

static int
op_resolve(void *net, const char *host, uint32_t source)
{
	return ED_SYS;
}

static int
op_name(void *net, const char *name)
{
	return ED_LIMIT;
}

static int
op_srv(void *net, const char *name, bool for_outsider)
{
	return ED_LIMIT;
}

static int
op_to_sibling(void *net, unsigned slot, struct str bytes)
{
	return ED_GONE;
}

static void
op_random(void *net, void *out, size_t n)
{
	unsigned char *at = out;

	while (n--) {
		random_state ^= random_state << 13;
		random_state ^= random_state >> 7;
		random_state ^= random_state << 17;
		*at++ = (unsigned char)(random_state >> 24);
	}
}

static uint64_t
op_now_ms(void *net)
{
	return now_ms;
}

static uint64_t
op_clock_s(void *net)
{
	return 1767225600u;
}

static uint64_t
op_spent_us(void *net)
{
	return 0;
}

/* By name: a new operation of the core must not shift the others. No partner is asked for here. */
static const struct access_ops ops = {
    .reserve = op_reserve,
    .commit = op_commit,
    .close = op_close,
    .pause = op_pause,
    .pending = op_pending,
    .set_idle = op_set_idle,
    .open = op_open,
    .resolve = op_resolve,
    .open_partner = op_open,
    .srv = op_srv,
    .host = op_name,
    .to_sibling = op_to_sibling,
    .random = op_random,
    .now_ms = op_now_ms,
    .clock_s = op_clock_s,
    .spent_us = op_spent_us,
};

static void
set(struct conf *c, const char *key, const char *value)
{
	struct conf_opt o = *conf_opt_find(str_of(key));

	o.def = value;
	if (conf_opt_default(&o, &c->arena, c) < 0)
		abort();
}

static struct conf *
configuration(void)
{
	struct conf *c = conf_new();

	set(c, "edge.fqdn", "edge.int.contoso.com");
	set(c, "edge.sip_domains", "contoso.com");
	set(c, "external.access.address", "203.0.113.10");
	set(c, "external.access.fqdn", "sip.contoso.com");
	set(c, "internal.address", "10.30.0.5");
	set(c, "internal.trusted_servers", "fe01.int.contoso.com");
	set(c, "access.next_hop.fqdn", "fe01.int.contoso.com");
	set(c, "access.next_hop.members", "10.20.0.11:5061");
	set(c, "access.next_hop.links", "1");
	set(c, "access.require_registration", "false");
	set(c, "access.limits.unsigned_requests_per_s", "0");
	return c;
}

/* What the next hop would answer: the Vias, From, To, Call-ID and CSeq of the request. */
static size_t
answer(const char *m, size_t n, char *out)
{
	const char *at = m, *end = m + n;
	size_t o = (size_t)sprintf(out, "SIP/2.0 200 OK\r\n");

	while (at < end && *at != '\r') {
		const char *eol = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;

		if (strncmp(at, "Via", 3) == 0 || strncmp(at, "Record-Route", 12) == 0 ||
		    strncmp(at, "From", 4) == 0 || strncmp(at, "To", 2) == 0 ||
		    strncmp(at, "Call-ID", 7) == 0 || strncmp(at, "CSeq", 4) == 0) {
			bool tagless = at[0] == 'T' && !memmem(at, (size_t)(eol - at), ";tag=", 5);

			memcpy(out + o, at, (size_t)(eol - at));
			o += (size_t)(eol - at);
			if (tagless)
				o += (size_t)sprintf(out + o - 2, ";tag=b1\r\n") - 2;
		}
		at = eol;
	}
	if (strncmp(m, "INVITE", 6) == 0)
		o += (size_t)sprintf(
		    out + o, "Contact: <sip:bob@10.20.0.50:5061;transport=tls>\r\n");
	return o + (size_t)sprintf(out + o, "Server: inside\r\nContent-Length: 0\r\n\r\n");
}

static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define BATCH 16

static struct access *ax;

static size_t
one_request(char *out, const char *method, const char *uri, const char *route, const char *to_tag,
    unsigned call, unsigned cseq)
{
	return (size_t)sprintf(out,
	    "%s %s SIP/2.0\r\n"
	    "Via: SIP/2.0/TLS 198.51.100.7:50001;branch=z9hG4bK%08x%c;rport\r\n"
	    "%s"
	    "Max-Forwards: 70\r\n"
	    "From: \"Alice\" <sip:alice@contoso.com>;tag=1466378910;epid=5a3b7c9d01ef\r\n"
	    "To: <sip:bob@contoso.com>%s\r\n"
	    "Call-ID: 6f2f0c0a9c1c4b55%08x\r\n"
	    "CSeq: %u %s\r\n"
	    "User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)\r\n"
	    "Contact: <sip:alice@contoso.com;opaque=user:epid:kBosfQ5MH1uadwob;gruu>\r\n"
	    "Supported: ms-sender\r\n"
	    "Content-Type: text/plain; charset=UTF-8\r\n"
	    "Content-Length: 300\r\n\r\n%0300u",
	    method, uri, call, method[0], route, to_tag, call, cseq, method, call);
}

/* Everything that lies in `from` is answered by the next hop; ACK is not. */
static void
next_hop_answers(void)
{
	size_t at = 0, r = 0;

	while (at < hop.n) {
		const char *m = hop.out + at;
		const char *body = memmem(m, hop.n - at, "\r\n\r\n", 4);

		at = (size_t)(body + 4 - hop.out) + 300;
		if (strncmp(m, "ACK", 3) != 0)
			r += answer(m, (size_t)(body + 4 - m), responses + r);
	}
	hop.n = 0;
	if (access_flow_bytes(hop.f, (struct str){responses, r}) != (ptrdiff_t)r)
		abort();
}

static void
client_sends(size_t n)
{
	if (access_flow_bytes(client.f, (struct str){requests, n}) != (ptrdiff_t)n)
		abort();
}

/* Text of the last response between two marks. */
static void
cut(char *ret, const char *from, const char *to, const char *before)
{
	const char *m = memmem(client.out, client.n, "SIP/2.0 200", 11);
	const char *a = m ? strstr(m, from) : NULL;
	const char *b = a ? strstr(a + strlen(from), to) : NULL;

	if (!b)
		abort();
	sprintf(ret, "%s%.*s", before, (int)(b - a - (ptrdiff_t)strlen(from)), a + strlen(from));
}

static void
messages(unsigned done)
{
	size_t n = 0;

	for (unsigned i = 0; i < BATCH; i++)
		n += one_request(
		    requests + n, "MESSAGE", "sip:bob@contoso.com", "", "", done + i, 1);
	client_sends(n);
	next_hop_answers();
}

static void
dialog(unsigned call)
{
	static char uri[4096], route[4096];
	size_t n = one_request(requests, "INVITE", "sip:bob@contoso.com", "", "", call, 1);

	client_sends(n);
	next_hop_answers();
	client.out[client.n] = '\0';
	cut(uri, "Contact: <", ">", "");
	cut(route, "Record-Route: ", "\r\n", "Route: ");
	strcat(route, "\r\n");
	n = one_request(requests, "ACK", uri, route, ";tag=b1", call, 1);
	n += one_request(requests + n, "BYE", uri, route, ";tag=b1", call, 2);
	client.n = 0;
	client_sends(n);
	next_hop_answers();
}

int
main(int argc, char **argv)
{
	unsigned total = argc > 1 ? (unsigned)atoi(argv[1]) : 200000, done = 0;
	struct hash_key key = {{1, 2}};
	struct access_params p = {.ops = &ops, .counter_base = 1, .hash_key = key};
	struct tls_facts facts = {.version = "TLSv1.3"};
	struct addr peer, local;
	const char *why;
	uint32_t first;
	bool dialogs = argc > 2;
	double t;

	log_set_level(LOG_ERROR_L);
	p.ring = token_ring_new();
	if (mac_setup() < 0 || view_new(configuration(), &key, &p.view) < 0)
		abort();
	for (uint8_t i = 0, n = token_ring_days(1767225600, &first); i < n; i++) {
		uint8_t k[32] = {i};

		if (token_ring_set(p.ring, first + i, k, k) < 0)
			abort();
	}
	ax = access_new(&p, &why);
	if (!ax || access_start(ax, &why) < 0 || !hop.f)
		abort();
	if (addr_parse(&hop.f->local, STR("10.30.0.5:49310")) < 0 ||
	    access_flow_up(hop.f, &facts) < 0 || addr_parse(&peer, STR("198.51.100.7:50001")) < 0 ||
	    addr_parse(&local, STR("203.0.113.10:443")) < 0)
		abort();
	client.f = access_flow_new(ax, FLOW_CLIENT, &client, &peer, &local, false);
	if (access_flow_up(client.f, &facts) < 0)
		abort();
	t = cpu_s();
	while (done < total) {
		hop.n = client.n = 0;
		if (dialogs)
			for (unsigned i = 0; i < BATCH; i++, client.n = 0)
				dialog(done + i);
		else
			messages(done);
		done += BATCH;
		if (client.n_total == 0)
			abort();
		if (done % 1024 == 0) {
			now_ms += 100;
			access_tick(ax);
		}
	}
	t = cpu_s() - t;
	printf("%u transactions, %.3f us CPU each, %.0f octets back\n", done, t * 1e6 / done,
	    (double)client.n_total / done);
	return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * ctl/trace_write.c
 */
#include "ctl/trace_write.h"

#include <string.h>
#include <time.h>

#define LINKTYPE_RAW 101u
#define IPV4_HEAD    20u
#define IPV6_HEAD    40u
#define UDP_HEAD     8u
#define PROTO_UDP    17u

void
trace_write_text(const struct trace_message *m, FILE *out)
{
	char from[ADDR_STR_LEN], to[ADDR_STR_LEN], day[32];
	time_t s = (time_t)(m->at_ms / 1000);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "---- %s.%03dZ %s %s -> %s %s flow=%s\n", day, (int)(m->at_ms % 1000),
	    m->in ? "in " : "out", addr_str(&m->from, from), addr_str(&m->to, to), m->side,
	    m->flow);
	fwrite(m->octets.p, 1, m->octets.n, out);
	fputs("\n", out);
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t
sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (n & 1)
		sum += (uint32_t)(p[n - 1] << 8);
	return sum;
}

static unsigned
fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* File heads are in the order of this machine; a reader tells by the magic number. */
void
trace_write_capture_head(FILE *out)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, longest, link;
	} head = {0xa1b2c3d4u, 2, 4, 0, 0, 262144, LINKTYPE_RAW};

	fwrite(&head, sizeof(head), 1, out);
}

static size_t
ip_head(const struct trace_message *m, size_t udp_len, uint8_t *p)
{
	memset(p, 0, IPV6_HEAD);
	if (m->from.family == 6) {
		p[0] = 0x60;
		put16(p + 4, (unsigned)udp_len);
		p[6] = PROTO_UDP;
		p[7] = 64;
		memcpy(p + 8, m->from.ip, 16);
		memcpy(p + 24, m->to.ip, 16);
		return IPV6_HEAD;
	}
	p[0] = 0x45;
	put16(p + 2, (unsigned)(IPV4_HEAD + udp_len));
	p[8] = 64;
	p[9] = PROTO_UDP;
	memcpy(p + 12, m->from.ip, 4);
	memcpy(p + 16, m->to.ip, 4);
	put16(p + 10, fold(sum16(0, p, IPV4_HEAD)));
	return IPV4_HEAD;
}

/* Over addresses, protocol and length as well (RFC 768, RFC 8200 8.1). */
static unsigned
udp_sum(const struct trace_message *m, const uint8_t *udp, struct str octets)
{
	size_t addr_len = m->from.family == 6 ? 16 : 4;
	uint32_t sum = PROTO_UDP + (uint32_t)(UDP_HEAD + octets.n);
	unsigned r;

	sum = sum16(sum, m->from.ip, addr_len);
	sum = sum16(sum, m->to.ip, addr_len);
	sum = sum16(sum, udp, UDP_HEAD);
	r = fold(sum16(sum, (const uint8_t *)octets.p, octets.n));
	return r ? r : 0xffff;
}

void
trace_write_capture(const struct trace_message *m, FILE *out)
{
	struct str o = str_first(
	    m->octets, m->octets.n < TRACE_DATAGRAM_MAX ? m->octets.n : TRACE_DATAGRAM_MAX);
	uint8_t ip[IPV6_HEAD], udp[UDP_HEAD] = {0};
	size_t ip_len = ip_head(m, UDP_HEAD + o.n, ip);
	uint32_t len = (uint32_t)(ip_len + UDP_HEAD + o.n);
	const uint32_t rec[4] = {
	    (uint32_t)(m->at_ms / 1000), (uint32_t)(m->at_ms % 1000) * 1000, len, len};

	put16(udp, m->from.port);
	put16(udp + 2, m->to.port);
	put16(udp + 4, (unsigned)(UDP_HEAD + o.n));
	put16(udp + 6, udp_sum(m, udp, o));
	fwrite(rec, sizeof(rec), 1, out);
	fwrite(ip, ip_len, 1, out);
	fwrite(udp, UDP_HEAD, 1, out);
	fwrite(o.p, 1, o.n, out);
}

/* SPDX-License-Identifier: MIT
 *
 * The relay in the kernel, fed with packets by BPF_PROG_TEST_RUN: what leaves, octet by octet and
 * with its checksums, and what is left to user space. Needs the right to load it; says so when
 * there is none.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/krelay.h"

#define RELAY    50010
#define LISTENER 3478
#define CHANNEL  0x4001
#define FRAME    2200u
#define HEADERS  54u

static struct krelay_maps *k;
static int flows_fd, accounts_fd;
static uint32_t lo;

static const uint8_t ours[2][16] = {{192, 0, 2, 12}, {0x20, 1, 0xd, 0xb8, [15] = 12}};
static const uint8_t client[2][16] = {{198, 51, 100, 7}, {0x20, 1, 0xd, 0xb8, 1, [15] = 7}};
static const uint8_t peer[2][16] = {{198, 51, 100, 99}, {0x20, 1, 0xd, 0xb8, 2, [15] = 99}};

struct packet {
	uint8_t v[FRAME];
	uint32_t n;
};

/* ---- packets ---- */

static uint32_t
sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static size_t
l4_of(bool six)
{
	return 14 + (six ? 40 : 20);
}

static uint16_t
udp_sum(const struct packet *p, bool six)
{
	size_t at = l4_of(six), n = p->n - at;
	const uint8_t *ip = p->v + 14;
	uint32_t sum = sum16(six ? ip + 8 : ip + 12, six ? 32 : 8, (uint32_t)n + 17);

	return fold(sum16(p->v + at, n, sum));
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void
finish(struct packet *p, bool six)
{
	size_t at = l4_of(six);
	uint16_t sum;

	put16(p->v + at + 6, 0);
	sum = (uint16_t)~udp_sum(p, six);
	put16(p->v + at + 6, sum ? sum : 0xffff);
}

static void
build(struct packet *p, bool six, const uint8_t *src, uint16_t sport, const uint8_t *dst,
    uint16_t dport, const uint8_t *body, size_t n)
{
	size_t at = l4_of(six);
	uint8_t *ip = p->v + 14;

	memset(p->v, 0, at + 8);
	put16(p->v + 12, six ? 0x86dd : 0x0800);
	if (six) {
		put16(ip, 0x6ab1);
		put16(ip + 4, (uint32_t)n + 8);
		ip[6] = 17;
		ip[7] = 55;
		memcpy(ip + 8, src, 16);
		memcpy(ip + 24, dst, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = 0xb8;
		put16(ip + 2, (uint32_t)n + 28);
		ip[8] = 55;
		ip[9] = 17;
		memcpy(ip + 12, src, 4);
		memcpy(ip + 16, dst, 4);
		put16(ip + 10, (uint16_t)~fold(sum16(ip, 20, 0)));
	}
	put16(p->v + at, sport);
	put16(p->v + at + 2, dport);
	put16(p->v + at + 4, (uint32_t)n + 8);
	memcpy(p->v + at + 8, body, n);
	p->n = (uint32_t)(at + 8 + n);
	finish(p, six);
}

/* TC_ACT_...; what left is in *out. */
static int
run(const struct packet *in, struct packet *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->v, .data_size_in = in->n,
	    .data_out = out->v, .data_size_out = sizeof(out->v), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(krelay_program_fd(k), &opts), 0);
	out->n = opts.data_size_out;
	return (int)opts.retval;
}

/* Addresses, ports, lengths and both checksums of what left; returns its content. */
static const uint8_t *
check_out(
    const struct packet *p, bool six, uint16_t sport, const uint8_t *dst, uint16_t dport, size_t n)
{
	size_t at = l4_of(six), len = six ? 16 : 4;
	const uint8_t *ip = p->v + 14;

	assert_int_equal(p->n, at + 8 + n);
	assert_memory_equal(six ? ip + 8 : ip + 12, ours[six], len);
	assert_memory_equal(six ? ip + 24 : ip + 16, dst, len);
	assert_int_equal(six ? ip[7] : ip[8], 64);
	assert_int_equal(get16(p->v + at), sport);
	assert_int_equal(get16(p->v + at + 2), dport);
	assert_int_equal(get16(p->v + at + 4), n + 8);
	if (six) {
		assert_int_equal(get16(ip + 4), n + 8);
		assert_int_equal(get16(ip), 0x6ab0); /* class kept, label gone */
	} else {
		assert_int_equal(get16(ip + 2), n + 28);
		assert_int_equal(ip[1], 0xb8);
		assert_int_equal(fold(sum16(ip, 20, 0)), 0xffff);
	}
	if (get16(p->v + at + 6))
		assert_int_equal(udp_sum(p, six), 0xffff);
	return p->v + at + 8;
}

/* ---- flows ---- */

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* From the client to the peer. */
static struct krelay_key
key_of(bool six, enum krelay_kind kind)
{
	struct krelay_key key = {.src_port = htons(4000),
	    .dst_port = htons(LISTENER),
	    .leg = six,
	    .kind = (uint8_t)kind};

	memcpy(key.src, client[six], 16);
	if (kind == KRELAY_CHANNEL)
		key.sel_port = htons(CHANNEL);
	if (kind == KRELAY_SEND) {
		memcpy(key.sel, peer[0], 16);
		key.sel_port = htons(6000);
	}
	if (kind == KRELAY_PEER) {
		memcpy(key.src, peer[six], 16);
		key.src_port = htons(6000);
		key.dst_port = htons(RELAY);
	}
	return key;
}

static struct krelay_flow
flow_of(bool six, enum krelay_kind kind)
{
	struct krelay_flow f = {.until_ns = now_ns() + 5000000000u, .leg = six};

	memcpy(f.dst, kind == KRELAY_PEER ? client[six] : peer[six], 16);
	f.dst_port = htons(kind == KRELAY_PEER ? 4000 : 6000);
	f.src_port = htons(RELAY);
	return f;
}

static void
enter(const struct krelay_key *key, const struct krelay_flow *f)
{
	assert_int_equal(bpf_map_update_elem(flows_fd, key, f, BPF_ANY), 0);
}

static void
enter_channel(bool six)
{
	struct krelay_key key = key_of(six, KRELAY_CHANNEL);
	struct krelay_flow f = flow_of(six, KRELAY_CHANNEL);

	enter(&key, &f);
}

static void
enter_peer(bool six, const uint8_t *head, uint8_t n, bool padded)
{
	struct krelay_key key = key_of(six, KRELAY_PEER);
	struct krelay_flow f = flow_of(six, KRELAY_PEER);

	if (n)
		memcpy(f.push, head, n);
	f.push_n = n;
	f.padded = padded;
	enter(&key, &f);
}

static void
from_client(struct packet *p, bool six, const uint8_t *body, size_t n)
{
	build(p, six, client[six], 4000, ours[six], LISTENER, body, n);
}

static void
from_peer(struct packet *p, bool six, const uint8_t *body, size_t n)
{
	build(p, six, peer[six], 6000, ours[six], RELAY, body, n);
}

static uint8_t content[1500];

static size_t
channel_data(uint8_t *ret, size_t n)
{
	put16(ret, CHANNEL);
	put16(ret + 2, (uint32_t)n);
	memcpy(ret + 4, content, n);
	return n + 4;
}

/* ---- tests ---- */

static const size_t lengths[] = {1, 2, 3, 4, 5, 7, 20, 171, 172, 173, 1200, 1224};
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void
channel_to_peer(void **st)
{
	struct packet in, out;
	uint8_t body[1500];

	for (int six = 0; six < 2; six++) {
		enter_channel(six);
		for (size_t i = 0; i < N_LENGTHS; i++) {
			size_t n = lengths[i];

			from_client(&in, six, body, channel_data(body, n));
			assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
			assert_memory_equal(
			    check_out(&out, six, RELAY, peer[six], 6000, n), content, n);
		}
	}
}

static void
peer_to_channel(void **st)
{
	static const uint8_t head[] = {CHANNEL >> 8, CHANNEL & 0xff, 0, 0};
	struct packet in, out;

	for (int six = 0; six < 2; six++) {
		enter_peer(six, head, 4, false);
		for (size_t i = 0; i < N_LENGTHS; i++) {
			size_t n = lengths[i];
			const uint8_t *v;

			from_peer(&in, six, content, n);
			assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
			v = check_out(&out, six, LISTENER, client[six], 4000, n + 4);
			assert_int_equal(get16(v), CHANNEL);
			assert_int_equal(get16(v + 2), n);
			assert_memory_equal(v + 4, content, n);
		}
	}
}

static void
bare_both_ways(void **st)
{
	struct krelay_key key;
	struct krelay_flow f;
	struct packet in, out;

	for (int six = 0; six < 2; six++) {
		key = key_of(six, KRELAY_BARE);
		f = flow_of(six, KRELAY_BARE);
		enter(&key, &f);
		enter_peer(six, NULL, 0, false);
		for (size_t i = 0; i < N_LENGTHS; i++) {
			size_t n = lengths[i];

			from_client(&in, six, content, n < 4 ? 4 : n);
			assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
			check_out(&out, six, RELAY, peer[six], 6000, n < 4 ? 4 : n);
			from_peer(&in, six, content, n);
			assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
			assert_memory_equal(
			    check_out(&out, six, LISTENER, client[six], 4000, n), content, n);
		}
	}
	/* what could be a control message is looked at above */
	content[0] = 0;
	from_client(&in, false, content, 172);
	assert_int_equal(run(&in, &out), TC_ACT_OK);
	content[0] = 0x80;
}

/* Header, XOR-PEER-ADDRESS, DATA. */
static size_t
send_indication(uint8_t *ret, size_t n)
{
	static const uint8_t cookie[] = {0x21, 0x12, 0xa4, 0x42};
	size_t padded = (n + 3) & ~(size_t)3;

	memset(ret, 0, 36 + padded);
	put16(ret, 0x16);
	put16(ret + 2, (uint32_t)(16 + padded));
	memcpy(ret + 4, cookie, 4);
	memset(ret + 8, 0xa5, 12);
	put16(ret + 20, 0x12);
	put16(ret + 22, 8);
	ret[25] = 1;
	put16(ret + 26, 6000 ^ 0x2112);
	for (int i = 0; i < 4; i++)
		ret[28 + i] = peer[0][i] ^ cookie[i];
	put16(ret + 32, 0x13);
	put16(ret + 34, (uint32_t)n);
	memcpy(ret + 36, content, n);
	return 36 + padded;
}

static void
send_to_peer(void **st)
{
	struct krelay_key key = key_of(false, KRELAY_SEND);
	struct krelay_flow f = flow_of(false, KRELAY_SEND);
	struct packet in, out;
	uint8_t body[1500];

	enter(&key, &f);
	for (size_t i = 0; i < N_LENGTHS; i++) {
		size_t n = lengths[i], all = send_indication(body, n);

		from_client(&in, false, body, all);
		assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
		assert_memory_equal(check_out(&out, false, RELAY, peer[0], 6000, n), content, n);
		if (all > 36 + n) { /* padding that is not zeros would spoil the checksum */
			body[all - 1] = 1;
			from_client(&in, false, body, all);
			assert_int_equal(run(&in, &out), TC_ACT_OK);
		}
	}
	/* another attribute, another order, another peer: above */
	for (size_t at = 0; at < 36; at++) {
		size_t all = send_indication(body, 172);

		if (at >= 8 && at < 20) /* its transaction id is its own */
			continue;
		if (at == 24) /* reserved octet: looked at in user space only */
			continue;
		body[at] ^= 0x01;
		from_client(&in, false, body, all);
		assert_int_equal(run(&in, &out), TC_ACT_OK);
	}
}

static void
peer_to_indication(void **st)
{
	static const uint8_t lens[] = {36, 44};
	struct packet in, out;
	uint8_t head[44];

	for (int ms = 0; ms < 2; ms++) {
		for (size_t i = 0; i < sizeof(head); i++)
			head[i] = (uint8_t)(i + 1);
		enter_peer(false, head, lens[ms], !ms);
		for (size_t i = 0; i < N_LENGTHS; i++) {
			size_t n = lengths[i], held = ms ? n : (n + 3) & ~(size_t)3;
			const uint8_t *v;

			from_peer(&in, false, content, n);
			assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
			v = check_out(&out, false, LISTENER, client[0], 4000, lens[ms] + held);
			assert_int_equal(get16(v + 2), lens[ms] - 20 + held);
			assert_int_equal(get16(v + lens[ms] - 2), n);
			assert_memory_equal(v + 4, head + 4, 8);
			assert_memory_equal(v + 16, head + 16, lens[ms] - 18u);
			assert_memory_equal(v + lens[ms], content, n);
			for (size_t z = n; z < held; z++)
				assert_int_equal(v[lens[ms] + z], 0);
		}
	}
}

static void
no_checksum_stays_none(void **st)
{
	struct packet in, out;
	uint8_t body[200];

	enter_channel(false);
	from_client(&in, false, body, channel_data(body, 172));
	put16(in.v + l4_of(false) + 6, 0);
	assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
	assert_int_equal(get16(out.v + l4_of(false) + 6), 0);
}

/* Each one change to a packet that would be relayed. */
static void
left_to_user_space(void **st)
{
	struct packet good, in, out;
	uint8_t body[200];
	static const struct {
		size_t at;
		uint8_t xor ;
	} changes[] = {
	    {12, 0x01},      /* another protocol than IP */
	    {14, 0x03},      /* with options */
	    {14 + 2, 0x01},  /* lengths that do not agree */
	    {14 + 6, 0x20},  /* a fragment: more follow */
	    {14 + 7, 0x01},  /* a fragment: offset */
	    {14 + 9, 0x01},  /* not UDP */
	    {14 + 12, 0x01}, /* another client */
	    {14 + 19, 0x01}, /* not our address */
	    {34, 0x01},      /* another port of the client */
	    {34 + 3, 0x01},  /* not our port */
	    {34 + 5, 0x01},  /* UDP length */
	    {42, 0x80},      /* not a channel */
	    {42 + 1, 0x01},  /* another channel */
	    {42 + 3, 0x01},  /* ChannelData's length */
	};

	enter_channel(false);
	from_client(&good, false, body, channel_data(body, 172));
	assert_int_equal(run(&good, &out), TC_ACT_REDIRECT);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		in = good;
		in.v[changes[i].at] ^= changes[i].xor ;
		assert_int_equal(run(&in, &out), TC_ACT_OK);
		assert_int_equal(out.n, in.n);
		assert_memory_equal(out.v, in.v, in.n);
	}
	in = good; /* octets behind the datagram */
	in.v[in.n++] = 0;
	assert_int_equal(run(&in, &out), TC_ACT_OK);
}

static void
entries_end(void **st)
{
	struct krelay_key key = key_of(false, KRELAY_CHANNEL);
	struct krelay_flow f = flow_of(false, KRELAY_CHANNEL), g;
	struct packet in, out;
	uint8_t body[200];

	from_client(&in, false, body, channel_data(body, 172));
	g = f;
	g.until_ns = now_ns() - 1;
	enter(&key, &g);
	assert_int_equal(run(&in, &out), TC_ACT_OK);
	g = f;
	g.worker = 3;
	g.epoch = krelay_epoch(k, 3);
	enter(&key, &g);
	assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
	krelay_end_epoch(k, 3); /* that worker has died */
	assert_int_equal(run(&in, &out), TC_ACT_OK);
	g = f;
	g.epoch = 77;
	enter(&key, &g);
	assert_int_equal(run(&in, &out), TC_ACT_OK);
	g = f;
	g.worker = 5000;
	enter(&key, &g);
	assert_int_equal(run(&in, &out), TC_ACT_OK);
}

/* A worker that was taken over enters what it likes: nothing leaves from what is not ours to relay.
 */
static void
entries_are_not_trusted(void **st)
{
	struct krelay_key key = key_of(false, KRELAY_CHANNEL);
	struct krelay_flow f = flow_of(false, KRELAY_CHANNEL), g;
	static const uint16_t ports[] = {0, 53, LISTENER, RELAY - 11, 50021, 65535};
	struct packet in, out;
	uint8_t body[200];

	from_client(&in, false, body, channel_data(body, 172));
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		g = f;
		g.src_port = htons(ports[i]);
		enter(&key, &g);
		assert_int_equal(run(&in, &out), TC_ACT_OK);
	}
	for (unsigned leg = 1; leg < 256; leg++) { /* of the other family, or none */
		g = f;
		g.leg = (uint8_t)leg;
		enter(&key, &g);
		assert_int_equal(run(&in, &out), TC_ACT_OK);
	}
}

static void
dropped_is_counted(const struct krelay_key *key, unsigned passed, unsigned dropped)
{
	struct krelay_flow seen;

	assert_int_equal(bpf_map_lookup_elem(flows_fd, key, &seen), 0);
	assert_int_equal(seen.packets, passed);
	assert_int_equal(seen.bytes, passed * 1024u);
	assert_int_equal(seen.over_limit, dropped);
	assert_int_equal(seen.failed, 0);
}

static void
too_long_for_the_way_out(void **st)
{
	static const uint8_t head[] = {CHANNEL >> 8, CHANNEL & 0xff, 0, 0};
	struct packet in, out;

	enter_peer(false, head, 4, false);
	from_peer(&in, false, content, 1500 - 28 - 4);
	assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
	from_peer(&in, false, content, 1500 - 28 - 3);
	assert_int_equal(run(&in, &out), TC_ACT_OK);
	assert_memory_equal(out.v, in.v, in.n);
	/* IPv6: routers cut nothing, so what every path takes */
	enter_peer(true, head, 4, false);
	from_peer(&in, true, content, 1280 - 48 - 4);
	assert_int_equal(run(&in, &out), TC_ACT_REDIRECT);
	from_peer(&in, true, content, 1280 - 48 - 3);
	assert_int_equal(run(&in, &out), TC_ACT_OK);
}

static void
bandwidth(void **st)
{
	struct krelay_key key = key_of(false, KRELAY_CHANNEL);
	struct krelay_flow f = flow_of(false, KRELAY_CHANNEL);
	struct krelay_account a = {.paid_ns = 0};
	struct packet in, out;
	uint64_t id = 42;
	uint8_t body[1100];
	unsigned passed = 0, dropped = 0;

	f.account[1] = id;
	f.ns_per_kbyte[1] = 128000000; /* 64 kbit/s: 8,000 octets a second */
	enter(&key, &f);
	from_client(&in, false, body, channel_data(body, 1024));
	assert_int_equal(run(&in, &out), TC_ACT_OK); /* no account: user space opens it again */
	assert_int_equal(bpf_map_update_elem(accounts_fd, &id, &a, BPF_ANY), 0);
	for (int i = 0; i < 100; i++) {
		int verdict = run(&in, &out);

		passed += verdict == TC_ACT_REDIRECT;
		dropped += verdict == TC_ACT_SHOT;
	}
	assert_int_equal(passed + dropped, 100);
	assert_true(passed >= 7); /* one second's worth, and what time has passed meanwhile */
	assert_true(passed < 100);
	dropped_is_counted(&key, passed, dropped);
}

/* Whatever comes: it stays as it is, or it leaves as a whole datagram with the right sums. */
static void
anything(void **st)
{
	static const uint8_t head[] = {CHANNEL >> 8, CHANNEL & 0xff, 0, 0};
	struct packet in, out;
	uint8_t body[1500];
	unsigned left = 0;

	enter_channel(false);
	enter_channel(true);
	enter_peer(false, head, 4, false);
	enter_peer(true, head, 4, false);
	srand(7);
	for (int i = 0; i < 40000; i++) {
		bool six = rand() & 1, up = rand() & 1;
		size_t n = (size_t)rand() % 300 + 1, at;
		int verdict;

		if (up)
			from_client(&in, six, body, channel_data(body, n));
		else
			from_peer(&in, six, content, n);
		for (int j = rand() % 3; j > 0; j--)
			in.v[14 + (size_t)rand() % (in.n - 14)] ^= (uint8_t)(1u << (rand() & 7));
		if (in.n > HEADERS && rand() % 8 == 0)
			in.n = HEADERS + (uint32_t)rand() % (in.n - HEADERS);
		else if (rand() % 2)
			finish(&in, six);
		verdict = run(&in, &out);
		if (verdict == TC_ACT_OK) {
			assert_int_equal(in.n, out.n);
			assert_memory_equal(in.v, out.v, in.n);
			continue;
		}
		assert_int_equal(verdict, TC_ACT_REDIRECT);
		left++;
		at = l4_of(six);
		assert_int_equal(out.n, up ? in.n - 4 : in.n + 4);
		assert_int_equal(get16(out.v + at + 4), out.n - at);
		/* a sum that was right is right, one that was wrong stays wrong */
		if (get16(in.v + at + 6) && udp_sum(&in, six) == 0xffff)
			assert_int_equal(udp_sum(&out, six), 0xffff);
		assert_memory_equal(out.v + at + (up ? 8 : 12), in.v + at + (up ? 12 : 8),
		    (up ? out.n : in.n) - at - 8);
	}
	assert_true(left > 5000);
}

static int
load(void **st)
{
	struct krelay_conf conf = {.relay_min = 50000, .relay_max = 50020};
	const char *why;

	lo = if_nametoindex("lo");
	for (int six = 0; six < 2; six++) {
		struct krelay_leg *l = &conf.leg[six];

		memcpy(l->addr, ours[six], 16);
		l->ifindex = lo;
		l->mtu = 1500;
		l->listener = htons(LISTENER);
		l->family = six ? 6 : 4;
		l->is_relay = 1;
	}
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(0x80 + i * 7);
	content[0] = 0x80;
	if (krelay_open(&conf, &k, &why) < 0) {
		printf("not tested: %s\n", why);
		exit(0);
	}
	flows_fd = krelay_map_fd(k, "krelay_flows");
	accounts_fd = krelay_map_fd(k, "krelay_accounts");
	return 0;
}

static int
unload(void **st)
{
	k = krelay_close(k);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(channel_to_peer),
	    cmocka_unit_test(peer_to_channel),
	    cmocka_unit_test(bare_both_ways),
	    cmocka_unit_test(send_to_peer),
	    cmocka_unit_test(peer_to_indication),
	    cmocka_unit_test(no_checksum_stays_none),
	    cmocka_unit_test(left_to_user_space),
	    cmocka_unit_test(entries_end),
	    cmocka_unit_test(entries_are_not_trusted),
	    cmocka_unit_test(too_long_for_the_way_out),
	    cmocka_unit_test(bandwidth),
	    cmocka_unit_test(anything),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

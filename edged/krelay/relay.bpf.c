/* SPDX-License-Identifier: MIT
 *
 * krelay/relay.bpf.c: the relay in the kernel. Runs for each packet that comes in by an interface
 * of ours, before any socket: a datagram of a flow that user space has relayed before, and entered
 * in the map, gets its new addresses and head and leaves; everything else goes on to the sockets.
 *
 * What it does not know it does not touch: fragments, options, merged packets, other lengths than
 * expected, flows whose time is up or whose worker has died.
 *
 * Content is moved, headers stay: a packet whose checksum is still to be computed
 * (CHECKSUM_PARTIAL, of local senders) remembers where its UDP header is.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "krelay/layout.h"
#include "proto/stun/types.h"

#define STUN_HEAD   20u
#define COOKIE      0x2112a442u
#define SECOND_NS   1000000000ull
#define SEND_HEAD   36u /* header, XOR-PEER-ADDRESS of IPv4, head of DATA */
#define TTL         64u
#define IPV6_PATH   1280u   /* every path takes that; longer ones are for user space */
#define IP_FRAGMENT 0x3fffu /* more fragments, offset */
#define PULL        (ETH_HLEN + 40u + 8u + SEND_HEAD)

const volatile struct krelay_conf conf;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KRELAY_FLOWS);
	__type(key, struct krelay_key);
	__type(value, struct krelay_flow);
} krelay_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KRELAY_ACCOUNTS);
	__type(key, __u64);
	__type(value, struct krelay_account);
} krelay_accounts SEC(".maps");

/* Epoch of each worker. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRELAY_WORKERS);
	__type(key, __u32);
	__type(value, __u32);
} krelay_epochs SEC(".maps");

/* One datagram on its way. Offsets from the start of the frame, lengths in octets. */
struct way {
	struct krelay_key key;
	__u8 dst[16]; /* that it came to */
	__u32 l4, at; /* UDP header; what it holds */
	__u32 n;      /* octets it holds */
	__u32 strip;  /* head that is taken off */
	__u32 keep;   /* content */
	__u32 len;    /* of the frame */
	__u16 dst_port, udp_len, check;
	__u8 family, tos;
	__u32 flow_label;             /* IPv6: its first word */
	__u8 head[KRELAY_HEAD];       /* that it gets */
	__u8 content[KRELAY_CONTENT]; /* while it is moved */
};

/* More than the stack holds. A packet is done with before the next one of its core is looked at. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct way);
} krelay_way SEC(".maps");

static __always_inline void
read_udp(const struct udphdr *udp, struct way *w)
{
	w->key.src_port = udp->source;
	w->dst_port = udp->dest;
	w->udp_len = bpf_ntohs(udp->len);
	w->check = udp->check;
}

static __always_inline bool
read_ipv4(struct __sk_buff *skb, struct way *w)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
	    (ip->frag_off & bpf_htons(IP_FRAGMENT)))
		return false;
	__builtin_memcpy(w->key.src, &ip->saddr, 4);
	__builtin_memcpy(w->dst, &ip->daddr, 4);
	w->tos = ip->tos;
	w->l4 = ETH_HLEN + sizeof(*ip);
	read_udp(udp, w);
	w->family = 4;
	return bpf_ntohs(ip->tot_len) == sizeof(*ip) + w->udp_len;
}

static __always_inline bool
read_ipv6(struct __sk_buff *skb, struct way *w)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip = data + ETH_HLEN;
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || ip->nexthdr != IPPROTO_UDP)
		return false;
	__builtin_memcpy(w->key.src, &ip->saddr, 16);
	__builtin_memcpy(w->dst, &ip->daddr, 16);
	__builtin_memcpy(&w->flow_label, ip, 4);
	w->l4 = ETH_HLEN + sizeof(*ip);
	read_udp(udp, w);
	w->family = 6;
	return bpf_ntohs(ip->payload_len) == w->udp_len && w->check != 0;
}

static __always_inline bool
read_headers(struct __sk_buff *skb, struct way *w)
{
	w->len = skb->len;
	/* Only what is meant for this machine and this interface, not what a sniffer makes it see.
	 */
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return false;
	if (skb->gso_segs > 1 || skb->gso_size || w->len > KRELAY_CONTENT)
		return false;
	if (skb->data_end - skb->data < (PULL < w->len ? PULL : w->len) &&
	    bpf_skb_pull_data(skb, PULL < w->len ? PULL : w->len))
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!read_ipv4(skb, w))
			return false;
	} else if (skb->protocol != bpf_htons(ETH_P_IPV6) || !read_ipv6(skb, w)) {
		return false;
	}
	w->at = w->l4 + sizeof(struct udphdr);
	w->n = w->udp_len - sizeof(struct udphdr);
	return w->udp_len > sizeof(struct udphdr) && w->at + w->n == w->len;
}

static __always_inline bool
same_addr(const volatile __u8 *a, const __u8 *b)
{
	for (int i = 0; i < 4; i++)
		if (((const volatile __u32 *)a)[i] != ((const __u32 *)b)[i])
			return false;
	return true;
}

/* The leg it came to; KRELAY_LEGS: none. */
static __always_inline __u32
leg_of(struct __sk_buff *skb, const struct way *w)
{
	for (__u32 i = 0; i < KRELAY_LEGS; i++) {
		const volatile struct krelay_leg *l = &conf.leg[i];

		if (l->ifindex == skb->ifindex && l->family == w->family &&
		    same_addr(l->addr, w->dst))
			return i;
	}
	return KRELAY_LEGS;
}

/* What the datagram holds, n octets of it; NULL: it is shorter. */
static __always_inline const void *
held_by(struct __sk_buff *skb, const struct way *w, __u32 n)
{
	void *p = (void *)(long)skb->data + ETH_HLEN + sizeof(struct udphdr);

	/* Constants, so that the verifier follows. */
	p += w->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	return p + n <= (void *)(long)skb->data_end ? p : NULL;
}

/* Header, XOR-PEER-ADDRESS of IPv4, DATA, zeros: this order and nothing else. */
static __always_inline bool
read_send(struct __sk_buff *skb, struct way *w)
{
	const __u16 *p = held_by(skb, w, SEND_HEAD);
	__u32 pad, last = 0, addr;

	if (!p)
		return false;
	w->keep = bpf_ntohs(p[17]);
	pad = -w->keep & 3;
	if (p[0] != bpf_htons(STUN_SEND_INDICATION) || bpf_ntohs(p[1]) + STUN_HEAD != w->n ||
	    p[2] != bpf_htons(COOKIE >> 16) || p[3] != bpf_htons(COOKIE & 0xffff) ||
	    p[10] != bpf_htons(0x0012) || p[11] != bpf_htons(8) || p[12] != bpf_htons(1) ||
	    p[16] != bpf_htons(0x0013) || SEND_HEAD + w->keep + pad != w->n)
		return false;
	w->key.sel_port = p[13] ^ bpf_htons(COOKIE >> 16);
	addr = ((__u32)p[15] << 16 | p[14]) ^ bpf_htonl(COOKIE);
	__builtin_memcpy(w->key.sel, &addr, 4);
	if (bpf_skb_load_bytes(skb, w->len - 4, &last, 4))
		return false;
	w->strip = SEND_HEAD;
	return (bpf_ntohl(last) & ((1u << (8 * pad)) - 1)) == 0;
}

static __always_inline bool
read_client(struct __sk_buff *skb, struct way *w)
{
	const __u8 *p = held_by(skb, w, 4);

	if (!p)
		return false;
	switch (p[0] & 0xc0) {
	case 0x40:
		w->key.kind = KRELAY_CHANNEL;
		__builtin_memcpy(&w->key.sel_port, p, 2);
		w->strip = 4;
		w->keep = (__u32)p[2] << 8 | p[3];
		return w->keep + 4 == w->n;
	case 0x80: /* RTP, RTCP; what could be a message is looked at in user space */
		w->key.kind = KRELAY_BARE;
		w->keep = w->n;
		return true;
	case 0x00:
		w->key.kind = KRELAY_SEND;
		return read_send(skb, w);
	default:
		return false;
	}
}

/* 0: it may pass; the account is charged. As turn_shared_pay. */
static __always_inline int
pay(const struct krelay_flow *f, __u32 i, __u32 n, __u64 now)
{
	__u64 id = f->account[i];
	struct krelay_account *a;
	__u64 old, from, cost;

	if (!id)
		return 0;
	a = bpf_map_lookup_elem(&krelay_accounts, &id);
	if (!a)
		return -1; /* user space enters it again */
	cost = n * f->ns_per_kbyte[i] >> 10;
	old = a->paid_ns;
	from = old + SECOND_NS < now ? now - SECOND_NS : old;
	if (from + cost > now)
		return 1;
	/* One of two that pay at once may go free; the next ones see the sum. */
	__sync_val_compare_and_swap(&a->paid_ns, old, from + cost);
	return 0;
}

/* Head in front of the content: its lengths, and a fresh transaction id. */
static __always_inline void
make_head(const struct krelay_flow *f, struct way *w)
{
	__u32 total = f->push_n - STUN_HEAD + w->keep;
	__u32 fresh = bpf_get_prandom_u32();
	__u8 *head = w->head;

	__builtin_memcpy(head, f->push, KRELAY_HEAD);
	if (f->push_n == 4) {
		head[2] = w->keep >> 8;
		head[3] = w->keep;
		return;
	}
	if (f->padded)
		total = (total + 3) & ~3u;
	head[2] = total >> 8;
	head[3] = total;
	__builtin_memcpy(head + 12, &fresh, 4);
	if (f->push_n == 36) {
		head[34] = w->keep >> 8;
		head[35] = w->keep;
	} else {
		head[42] = w->keep >> 8;
		head[43] = w->keep;
	}
}

/* The checksum of UDP by what changes: addresses and length in the pseudo header, ports, length and
 * heads in the datagram. Content moves by a multiple of four; padding is zeros. */
static __always_inline int
fix_checksum(struct __sk_buff *skb, struct way *w, const struct krelay_flow *f,
    const volatile struct krelay_leg *out, __u16 src_port, __u32 udp_len)
{
	struct {
		__u32 ports, len;
		__u8 head[KRELAY_HEAD];
	} a = {0}, b = {0};
	struct {
		__u8 src[16], dst[16];
		__u32 len;
	} c, d;
	__u64 flags = w->family == 4 ? BPF_F_MARK_MANGLED_0 : 0;
	__s64 plain, pseudo;

	if (w->family == 4 && w->check == 0)
		return 0;
	__builtin_memset(&c, 0, sizeof(c));
	__builtin_memset(&d, 0, sizeof(d));
	__builtin_memcpy(c.src, w->key.src, 16);
	__builtin_memcpy(c.dst, w->dst, 16);
	c.len = bpf_htonl(w->udp_len);
	for (int i = 0; i < 16; i++)
		d.src[i] = out->addr[i];
	__builtin_memcpy(d.dst, f->dst, 16);
	d.len = bpf_htonl(udp_len);
	a.ports = (__u32)w->dst_port << 16 | w->key.src_port;
	a.len = bpf_htonl(w->udp_len);
	if (w->strip == 4) {
		if (bpf_skb_load_bytes(skb, w->at, a.head, 4))
			return -1;
	} else if (w->strip == SEND_HEAD) {
		if (bpf_skb_load_bytes(skb, w->at, a.head, SEND_HEAD))
			return -1;
	}
	b.ports = (__u32)f->dst_port << 16 | src_port;
	b.len = bpf_htonl(udp_len);
	if (f->push_n)
		__builtin_memcpy(b.head, w->head, sizeof(b.head));
	plain = bpf_csum_diff((__be32 *)&a, sizeof(a), (__be32 *)&b, sizeof(b), 0);
	pseudo = bpf_csum_diff((__be32 *)&c, sizeof(c), (__be32 *)&d, sizeof(d), 0);
	if (plain < 0 || pseudo < 0 ||
	    bpf_l4_csum_replace(skb, w->l4 + 6, 0, (__u64)plain, flags) ||
	    bpf_l4_csum_replace(skb, w->l4 + 6, 0, (__u64)pseudo, flags | BPF_F_PSEUDO_HDR))
		return -1;
	return 0;
}

/* Content to its new place, the head in front of it, zeros behind it. */
static __always_inline int
move(struct __sk_buff *skb, struct way *w, const struct krelay_flow *f, __u32 held)
{
	__u32 zero = 0, n = w->keep, push = f->push_n;
	__u32 pad = held - push - n;

	if (n == 0 || n >= KRELAY_CONTENT)
		return -1;
	if (push != w->strip) {
		if (bpf_skb_load_bytes(skb, w->at + w->strip, w->content, n))
			return -1;
		if (held > w->n && bpf_skb_change_tail(skb, w->at + held, 0))
			return -1;
		if (bpf_skb_store_bytes(skb, w->at + push, w->content, n, 0))
			return -1;
	}
	if (pad && pad < 4 && bpf_skb_store_bytes(skb, w->at + push + n, &zero, pad, 0))
		return -1;
	if (held < w->n && bpf_skb_change_tail(skb, w->at + held, 0))
		return -1;
	if (push == 4)
		return (int)bpf_skb_store_bytes(skb, w->at, w->head, 4, 0);
	if (push == 36)
		return (int)bpf_skb_store_bytes(skb, w->at, w->head, 36, 0);
	if (push == 44)
		return (int)bpf_skb_store_bytes(skb, w->at, w->head, 44, 0);
	return 0;
}

/* Without DF: nobody here learns of a narrower path, so a router may cut what is too long for it.
 */
static __always_inline int
write_ipv4(struct __sk_buff *skb, const struct way *w, const struct krelay_flow *f,
    const volatile struct krelay_leg *out, __u32 udp_len)
{
	struct iphdr ip = {.version = 4,
	    .ihl = 5,
	    .tos = w->tos,
	    .id = (__u16)bpf_get_prandom_u32(),
	    .ttl = TTL,
	    .protocol = IPPROTO_UDP};
	__s64 sum;

	ip.tot_len = bpf_htons((__u16)(sizeof(ip) + udp_len));
	for (int i = 0; i < 4; i++)
		((__u8 *)&ip.saddr)[i] = out->addr[i];
	__builtin_memcpy(&ip.daddr, f->dst, 4);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0);
	if (sum < 0)
		return -1;
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	ip.check = (__u16)~sum;
	return (int)bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

static __always_inline int
write_ipv6(struct __sk_buff *skb, const struct way *w, const struct krelay_flow *f,
    const volatile struct krelay_leg *out, __u32 udp_len)
{
	struct ipv6hdr ip = {0};

	__builtin_memcpy(&ip, &w->flow_label, 4);
	/* A label is the sender's between two addresses; ours are others. Traffic class stays. */
	ip.flow_lbl[0] &= 0xf0;
	ip.flow_lbl[1] = ip.flow_lbl[2] = 0;
	ip.payload_len = bpf_htons((__u16)udp_len);
	ip.nexthdr = IPPROTO_UDP;
	ip.hop_limit = TTL;
	for (int i = 0; i < 16; i++)
		((__u8 *)&ip.saddr)[i] = out->addr[i];
	__builtin_memcpy(&ip.daddr, f->dst, 16);
	return (int)bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

static __always_inline int
write_udp(struct __sk_buff *skb, const struct way *w, const struct krelay_flow *f, __u16 src_port,
    __u32 udp_len)
{
	struct {
		__u16 source, dest, len;
	} h = {src_port, f->dst_port, bpf_htons((__u16)udp_len)};

	return (int)bpf_skb_store_bytes(skb, w->l4, &h, sizeof(h), 0);
}

/* From here on the packet is ours: a failure loses it, as a full queue would. */
static __always_inline int
leave(struct __sk_buff *skb, struct way *w, struct krelay_flow *f,
    const volatile struct krelay_leg *out, __u16 src_port)
{
	__u32 held = f->push_n + w->keep, udp_len;
	__u32 ifindex = out->ifindex;

	if (f->padded)
		held = (held + 3) & ~3u;
	udp_len = held + sizeof(struct udphdr);
	if (w->l4 - ETH_HLEN + udp_len > (w->family == 6 ? IPV6_PATH : out->mtu))
		return TC_ACT_OK;
	if (f->push_n)
		make_head(f, w);
	if (fix_checksum(skb, w, f, out, src_port, udp_len) || move(skb, w, f, held) ||
	    write_udp(skb, w, f, src_port, udp_len) ||
	    (w->family == 4 ? write_ipv4(skb, w, f, out, udp_len)
			    : write_ipv6(skb, w, f, out, udp_len))) {
		__sync_fetch_and_add(&f->failed, 1);
		return TC_ACT_SHOT;
	}
	__sync_fetch_and_add(&f->packets, 1);
	__sync_fetch_and_add(&f->bytes, w->keep);
	return (int)bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

static __always_inline bool
is_relayed_port(__u16 port)
{
	port = bpf_ntohs(port);
	return port >= conf.relay_min && port <= conf.relay_max;
}

SEC("tc")
int
krelay(struct __sk_buff *skb)
{
	struct way *w;
	const volatile struct krelay_leg *out;
	struct krelay_flow *f;
	__u64 now;
	__u32 leg, worker, *epoch, zero = 0;
	bool is_peer;
	int paid;

	w = bpf_map_lookup_elem(&krelay_way, &zero);
	if (!w)
		return TC_ACT_OK;
	__builtin_memset(&w->key, 0, sizeof(w->key));
	__builtin_memset(w->dst, 0, sizeof(w->dst));
	w->strip = 0;
	if (!read_headers(skb, w))
		return TC_ACT_OK;
	leg = leg_of(skb, w);
	if (leg >= KRELAY_LEGS)
		return TC_ACT_OK;
	is_peer = conf.leg[leg].is_relay && is_relayed_port(w->dst_port);
	if (is_peer) {
		w->key.kind = KRELAY_PEER;
		w->keep = w->n;
	} else if (w->dst_port != conf.leg[leg].listener || !read_client(skb, w)) {
		return TC_ACT_OK;
	}
	w->key.leg = (__u8)leg;
	w->key.dst_port = w->dst_port;
	f = bpf_map_lookup_elem(&krelay_flows, &w->key);
	if (!f)
		return TC_ACT_OK;
	now = bpf_ktime_get_ns();
	worker = f->worker;
	epoch = bpf_map_lookup_elem(&krelay_epochs, &worker);
	if (!epoch || *epoch != f->epoch || f->until_ns <= now || f->leg >= KRELAY_LEGS)
		return TC_ACT_OK;
	/* What a worker enters may name no other source than ours. */
	out = &conf.leg[f->leg & (KRELAY_LEGS - 1)];
	if (!out->ifindex || out->family != w->family ||
	    (is_peer ? !out->listener : !out->is_relay || !is_relayed_port(f->src_port)))
		return TC_ACT_OK;
	paid = pay(f, 0, w->keep, now);
	if (!paid)
		paid = pay(f, 1, w->keep, now);
	if (paid > 0)
		__sync_fetch_and_add(&f->over_limit, 1);
	if (paid)
		return paid > 0 ? TC_ACT_SHOT : TC_ACT_OK;
	return leave(skb, w, f, out, is_peer ? out->listener : f->src_port);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

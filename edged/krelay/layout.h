/* SPDX-License-Identifier: MIT
 *
 * krelay/layout.h: what the relay in the kernel (relay.bpf.c) and user space share: the values of
 * its maps and its configuration. Addresses are 16 octets, IPv4 in the first four and zeros behind;
 * ports and channel numbers are in network order. No padding: keys are compared octet by octet.
 *
 * Spec: docs/decisions/0008-kernel-relay.md.
 */
#ifndef EDGED_KRELAY_LAYOUT_H
#define EDGED_KRELAY_LAYOUT_H

#include <linux/types.h>

#define KRELAY_LEGS     8u
#define KRELAY_WORKERS  64u
#define KRELAY_FLOWS    65536u /* the least used goes first; user space relays what is not there */
#define KRELAY_ACCOUNTS 65536u
#define KRELAY_HEAD     48u   /* room for one; the longest is an MS Data Indication's, 44 */
#define KRELAY_CONTENT  2048u /* longer ones are user space's */

/* One of our addresses on one interface. */
struct krelay_leg {
	__u8 addr[16];
	__u32 ifindex; /* 0: no such leg */
	__u16 mtu;
	__u16 listener; /* UDP port that clients speak to, network order; 0: none */
	__u8 family;    /* 4, 6 */
	__u8 is_relay;  /* relayed addresses are on this one */
	__u8 zero[6];
};

/* Written once, before the program is loaded. */
struct krelay_conf {
	struct krelay_leg leg[KRELAY_LEGS];
	__u16 relay_min, relay_max; /* host order */
};

/* What a datagram is, seen from where it came in. */
enum krelay_kind {
	KRELAY_CHANNEL = 1, /* from a client: ChannelData; sel_port is the number */
	KRELAY_SEND,        /* from a client: a Send indication; sel, sel_port are the peer */
	KRELAY_BARE,        /* from a client: content alone (MS, active destination) */
	KRELAY_PEER,        /* from a peer to a relayed address */
};

struct krelay_key {
	__u8 src[16];
	__u8 sel[16];
	__u16 src_port, sel_port;
	__u16 dst_port; /* the leg's listener, or the relayed port */
	__u8 leg;       /* that it came to */
	__u8 kind;
};

struct krelay_flow {
	__u64 until_ns; /* CLOCK_MONOTONIC; behind it user space looks again */
	__u64 packets, bytes;
	__u32 over_limit, failed; /* dropped: bandwidth; the kernel could not change the packet */
	__u64 account[2];         /* of the port, of the user; 0: not bounded */
	__u64 ns_per_kbyte[2];    /* of each: what 1,024 octets cost */
	__u32 epoch;              /* of that worker: it is void when the worker has died */
	__u16 worker;
	__u16 src_port; /* of what leaves: the relayed port. To a client it is the leg's listener */
	__u8 dst[16];
	__u16 dst_port;
	__u8 leg;    /* that it leaves by */
	__u8 push_n; /* octets of head put in front: 0, 4, 36, 44 */
	__u8 padded; /* RFC 8489: content up to a multiple of four */
	__u8 zero[3];
	__u8 push[KRELAY_HEAD]; /* lengths and part of the transaction id are filled in */
};

/* Bandwidth: up to when it is spent, at most a second behind now. */
struct krelay_account {
	__u64 paid_ns;
};

#endif

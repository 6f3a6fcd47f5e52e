/* SPDX-License-Identifier: MIT
 *
 * proto/stun/classify.h: what the bytes of one datagram look like. What they are depends on the
 * state of their five-tuple too (proto/turn/server.c): an ICE check of a client that has set its
 * active destination looks like STUN and is data.
 *
 * Pure. Spec: ms-turn 2.3, RFC 7983.
 */
#ifndef EDGED_PROTO_STUN_CLASSIFY_H
#define EDGED_PROTO_STUN_CLASSIFY_H

#include "base/str.h"

enum stun_class {
	STUN_CLASS_OTHER,
	STUN_CLASS_MS,        /* MS Magic Cookie attribute first, length fits the datagram */
	STUN_CLASS_STANDARD,  /* first byte 00-3f, cookie word at 4 */
	STUN_CLASS_RFC3489,   /* type 0x0001, length fits, no cookie word */
	STUN_CLASS_CHANNEL,   /* first byte 40-7f: RFC 5766's range, see turn/channel.h */
	STUN_CLASS_MULTIPLEX, /* ff 10: multiplexed TURN, not offered */
};

enum stun_class stun_classify(struct str bytes);

#endif

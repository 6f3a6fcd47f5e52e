/* SPDX-License-Identifier: MIT
 *
 * proto/turn/channel.h: channel numbers of one allocation and the peers they stand for.
 *
 * Pure. Looked up by number for every ChannelData from the client and by peer for every datagram
 * from a peer: one probe each.
 *
 * Spec: RFC 8656 12.
 */
#ifndef EDGED_PROTO_TURN_CHANNEL_H
#define EDGED_PROTO_TURN_CHANNEL_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

#define TURN_CHANNEL_LIFETIME_MS 600000u
#define TURN_CHANNEL_REST_MS     300000u /* an expired number is not given to another peer so long */
#define TURN_CHANNELS_MAX        64u
#define TURN_CHANNEL_FIRST       0x4000u
/* RFC 8656 ends at 0x4fff for the sake of sockets that carry DTLS and RTP too, which ours do not;
 * clients of RFC 5766 (turnutils_uclient for one) use all of its range. */
#define TURN_CHANNEL_LAST 0x7ffeu

struct turn_channel {
	struct addr peer; /* as the client named it */
	struct addr wire; /* where its datagrams go */
	uint64_t expires_ms;
	uint16_t number;
};

struct turn_channels {          /* zeroed: empty */
	struct turn_channel *v; /* room of them, then twice 2 * room bytes of index: number, peer */
	uint8_t n, room;
};

/* ED_OK; ED_MALFORMED: number or peer is bound to another; ED_LIMIT; ED_NOMEM. */
int turn_channel_bind(struct turn_channels *t, uint16_t number, const struct addr *peer,
    const struct addr *wire, uint32_t max, uint64_t now_ms) ED_MUST_CHECK;
/* Live ones only; NULL if none. */
const struct turn_channel *turn_channel_by_number(
    const struct turn_channels *t, uint16_t number, uint64_t now_ms);
const struct turn_channel *turn_channel_by_peer(
    const struct turn_channels *t, const struct addr *peer, uint64_t now_ms);
void turn_channels_done(struct turn_channels *t);

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/msframe/frame.h: where a unit ends in the byte stream of a TCP client: the four-byte frames
 * of the MS dialect, and the bare messages and padded ChannelData of RFC 8656.
 *
 * Pure. Spec: ms-turn 1.6, 1.7; RFC 8656 12.5.
 */
#ifndef EDGED_PROTO_MSFRAME_FRAME_H
#define EDGED_PROTO_MSFRAME_FRAME_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define MSFRAME_HEADER_LEN 4u

enum msframe_kind {
	MSFRAME_CONTROL = 2,
	MSFRAME_DATA = 3,
	MSFRAME_MESSAGE,      /* standard: one STUN message */
	MSFRAME_CHANNEL_DATA, /* standard: header and content, padding left out of body */
};

struct msframe {
	enum msframe_kind kind;
	struct str body; /* what a datagram would have carried */
};

/*
 * max: longest unit taken, header included. > 0 bytes used, 0 more are wanted, ED_MALFORMED: the
 * stream is broken, ED_LIMIT: longer than max (decided from the header, nothing is waited for).
 */
int64_t msframe_next(struct str bytes, size_t max, struct msframe *ret) ED_MUST_CHECK;
int64_t msframe_next_standard(struct str bytes, size_t max, struct msframe *ret) ED_MUST_CHECK;

static inline void
msframe_header(uint8_t ret[MSFRAME_HEADER_LEN], enum msframe_kind kind, size_t n)
{
	ret[0] = (uint8_t)kind;
	ret[1] = 0;
	ret[2] = (uint8_t)(n >> 8);
	ret[3] = (uint8_t)n;
}

#endif

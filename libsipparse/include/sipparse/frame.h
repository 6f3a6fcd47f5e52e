/* SPDX-License-Identifier: MIT
 *
 * sipparse/frame.h: finds where a SIP message ends in a byte stream (RFC 3261 18.3, 7.5).
 *
 * Pure: no I/O, no memory of its own beyond the small resumable state. It does not understand the
 * message; msg.h does. Its whole duty is that no other reader could cut the stream elsewhere: a
 * bare CR or LF, NUL, other controls in the header block, blank before a colon, a missing, repeated
 * or overlong Content-Length are refused here, and the caller closes, since framing is lost.
 *
 * Life: sip_framer_init once per stream; sip_frame_next on all unconsumed bytes each time more have
 * come; the scan resumes where it stopped, so a dripping peer costs O(1) per byte.
 */
#ifndef SIPPARSE_FRAME_H
#define SIPPARSE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "sipparse/err.h"
#include "sipparse/limits.h"
#include "sipparse/str.h"

struct sip_framer {
	uint32_t scanned;    /* bytes of the open message looked at already */
	uint32_t header_len; /* 0 while the header block is open */
	uint32_t body_len;
	uint32_t line_at; /* where the line being scanned starts */
	uint16_t n_lines;
	uint8_t seen_length; /* Content-Length met */
	uint8_t state;
};

enum sip_frame_kind {
	SIP_FRAME_MESSAGE,
	SIP_FRAME_KEEPALIVE, /* one or more CRLF between messages (RFC 5626 3.5.1); consumed as one
				frame */
};

struct sip_frame {
	enum sip_frame_kind kind;
	uint32_t header_len; /* start line to the empty line, both included */
	uint32_t body_len;
};

void sip_framer_init(struct sip_framer *f);

/*
 * bytes   all bytes not consumed yet, from the start of a message; borrowed. Bytes seen in an
 * earlier call that returned 0 must still be there unchanged.
 *
 * > 0  bytes that the frame uses; *ret_frame is filled; the framer is ready for the next message
 *   0  more bytes are wanted. f->header_len tells whether the header block is complete (deadlines
 *      differ for header and body).
 * < 0  ED_MALFORMED (400 then close) or ED_LIMIT (513 then close); fault says where. The framer
 * must not be used again.
 *
 * A message on a stream without Content-Length is malformed (RFC 3261 18.3), as our peers must send
 * it.
 */
int64_t sip_frame_next(struct sip_framer *f, struct str bytes, const struct sip_limits *lim,
    struct sip_frame *ret_frame, struct ed_fault *fault) ED_MUST_CHECK;

#endif

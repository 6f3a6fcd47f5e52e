/* SPDX-License-Identifier: MIT
 *
 * ctl/trace_write.h: traced messages as text, or as a capture file for the usual viewers.
 *
 * Pure but for the stream. A capture holds each message as one UDP datagram over IP (link type 101,
 * no link header): TLS and TCP are gone by then, and viewers read SIP in a datagram without help.
 */
#ifndef EDGED_CTL_TRACE_WRITE_H
#define EDGED_CTL_TRACE_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/str.h"

struct trace_message {
	int64_t at_ms; /* since 1970 */
	struct addr from, to;
	const char *flow, *side;
	bool in;
	struct str octets;
};

#define TRACE_DATAGRAM_MAX 65000u

void trace_write_text(const struct trace_message *m, FILE *out);
void trace_write_capture_head(FILE *out);
void trace_write_capture(const struct trace_message *m, FILE *out);

#endif

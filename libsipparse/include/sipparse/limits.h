/* SPDX-License-Identifier: MIT
 *
 * sipparse/limits.h: how much of everything a SIP message may hold. Numbers: docs/spec/limits.md.
 */
#ifndef SIPPARSE_LIMITS_H
#define SIPPARSE_LIMITS_H

#include <stdint.h>

/* All in bytes, but n_* which count. */
struct sip_limits {
	uint32_t start_line;   /* without CRLF */
	uint32_t header_line;  /* one logical line with its folds, without the last CRLF */
	uint32_t header_block; /* start line to the empty line, both included */
	uint32_t body;
	uint32_t n_lines; /* header lines */
	uint32_t
	    n_vias; /* values, over all lines; the same number for Route and Record-Route each */
	uint32_t uri;
};

/* Access Edge defaults toward clients; servers get a larger body (access-edge-sip 13). */
#define SIP_LIMITS_CLIENT                                                                          \
	((struct sip_limits){.start_line = 4096,                                                   \
	    .header_line = 16384,                                                                  \
	    .header_block = 65536,                                                                 \
	    .body = 128 * 1024,                                                                    \
	    .n_lines = 256,                                                                        \
	    .n_vias = 32,                                                                          \
	    .uri = 3072})

#endif

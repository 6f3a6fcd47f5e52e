/* SPDX-License-Identifier: MIT
 *
 * access/keepalive.h: ms-keep-alive, negotiated hop by hop ([MS-CONMGMT] 2.2.1;
 * access-edge-sip 8.1). The header itself is consumed and made by headers.c / pass.c; this reads
 * and writes its value. Pure.
 */
#ifndef EDGED_ACCESS_KEEPALIVE_H
#define EDGED_ACCESS_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "access/view.h"
#include "base/str.h"

struct sip_msg;

struct keepalive {
	bool is_uas;        /* an answer; else an offer (UAC) */
	bool hop_hop;       /* hop-hop=yes */
	uint32_t timeout_s; /* 0 when not stated */
};

/* True when m holds exactly one readable ms-keep-alive. */
bool keepalive_read(const struct sip_msg *m, struct keepalive *ret);

/* Answer line with CRLF for a 2xx to a request that offered hop-hop=yes. */
struct str keepalive_answer(const struct work *w);
/* Offer line toward a Lync Front End. */
struct str keepalive_offer(void);
/* Idle limit of a client connection that was given our answer. */
uint32_t keepalive_idle_s(const struct view *v);

#endif

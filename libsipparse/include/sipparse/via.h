/* SPDX-License-Identifier: MIT
 *
 * sipparse/via.h: one Via value (RFC 3261 20.42, RFC 3581, [MS-SIPRE] 2.2.1). Pure, views only.
 */
#ifndef SIPPARSE_VIA_H
#define SIPPARSE_VIA_H

#include <stdbool.h>
#include <stdint.h>

#include "sipparse/err.h"
#include "sipparse/str.h"

struct sip_via {
	struct str text;      /* the whole value */
	struct str transport; /* as sent: "TLS", "tls" */
	struct str host;      /* sent-by, IPv6 without brackets */
	bool host_is_v6;
	uint16_t port;      /* 0 when absent */
	struct str sent_by; /* host[:port] as sent */
	struct str branch;  /* empty when absent (RFC 2543 client) */
	bool has_rport;     /* with or without a value */
	struct str rport;
	struct str received;
	struct str params;  /* from the first ';' on */
	uint32_t params_at; /* its offset in text */
};

/* ED_OK or ED_MALFORMED. A repeated branch, received, rport, maddr or ttl is malformed. */
int sip_via_parse(struct str value, struct sip_via *ret_via, struct ed_fault *fault) ED_MUST_CHECK;

/* RFC 3261 8.1.1.7: the branch starts with the magic cookie (compared without case) and goes on. */
bool sip_via_has_cookie(const struct sip_via *v);

#endif

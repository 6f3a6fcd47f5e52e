/* SPDX-License-Identifier: MIT
 *
 * host.h: host[:port] and parameter lists, shared by URIs and Vias (RFC 3261 25.1).
 *
 * Inside libsipparse only.
 */
#ifndef SIPPARSE_HOST_H
#define SIPPARSE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "sipparse/str.h"

struct hostport {
	struct str text; /* all of it */
	struct str host; /* IPv6 without its brackets */
	uint16_t port;   /* 0 when absent */
	bool is_v6, is_v4;
};

/* The octet behind host[:port], or NULL when there is no valid one. */
const char *hostport_parse(const char *p, const char *end, struct hostport *ret);

struct params_seen {
	uint32_t n;
	bool escaped_name; /* some name holds a '%' */
};

/* Walks a whole list: ED_MALFORMED for bad text, a name twice or too many; else 0 with *ret filled.
 */
int params_check(struct str params, struct params_seen *ret);

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/names.h: which host names and addresses are the inside's, which are ours, which domains we
 * serve. Compiled from the conf once; each question is one hash and at most a walk over the labels.
 *
 * Names are compared without case and without a trailing dot. Wildcards are not known.
 *
 * Spec: access-edge-sip 6.3 "Inside name", 3.2.
 */
#ifndef EDGED_ACCESS_NAMES_H
#define EDGED_ACCESS_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

struct addr;
struct conf;
struct names;

enum names_bit {
	NAMES_SIP_DOMAIN = 1,     /* edge.sip_domains */
	NAMES_EXTERNAL = 2,       /* external.access.fqdn, sip.<SIP domain> */
	NAMES_SELF_INSIDE = 4,    /* edge.fqdn, edge.pool_fqdn */
	NAMES_TRUSTED = 8,        /* internal.trusted_servers, the next hop and its members */
	NAMES_INSIDE_DOMAIN = 16, /* internal.domains: the domain itself or below it */
};

int names_new(
    const struct conf *c, const struct hash_key *key, struct names **ret_names) ED_MUST_CHECK;
struct names *names_free(struct names *n);

/* All names_bit that hold for host (a name or an address text, IPv6 without brackets). */
unsigned names_bits(const struct names *n, struct str host);

bool names_is_sip_domain(const struct names *n, struct str host);
/* Our name or address on the external interface. */
bool names_is_external(const struct names *n, struct str host);
/* Our name or address on the internal interface. */
bool names_is_self_inside(const struct names *n, struct str host);
/* A server that may be a next hop inside; by name or, for members given so, by address text. */
bool names_is_trusted(const struct names *n, struct str host);
/* 6.3: must not leave. Addresses of internal.networks count when with_addresses. */
bool names_is_inside(const struct names *n, struct str host, bool with_addresses);
/*
 * Not an address outside: loopback, link-local, multicast, of the inside, or our own. What an
 * outsider's record or certificate names must not send us there.
 */
bool names_is_inward(const struct names *n, const struct addr *a);
/* host is below domain or equal to it. */
bool names_is_within(struct str host, struct str domain);

/*
 * First inside name in any text (a header value, a URI, a reason phrase), as a whole host:
 * "xfe01.b" does not hold "fe01.b". True with its place. Linear in the text.
 */
bool names_scan(
    const struct names *n, struct str text, bool with_addresses, size_t *ret_at, size_t *ret_len);

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/resolve_parse.h: what a DNS server answered to an SRV question, read by ourselves because
 * c-ares drops the TTL. Pure; the bytes are a stranger's.
 *
 * Spec: RFC 1035 section 4, RFC 2782; order after DNS-14 (edge-reference 2.2).
 */
#ifndef EDGED_NET_RESOLVE_PARSE_H
#define EDGED_NET_RESOLVE_PARSE_H

#include "net/resolve.h"

/*
 * Fills ret's srv, n_srv and ttl_s. ED_OK; ED_GONE: answered, but nothing of use (no SRV, or only
 * the root as target: the service is decidedly not there); ED_MALFORMED.
 */
int resolve_parse_srv(
    const unsigned char *msg, size_t len, struct resolve_answer *ret) ED_MUST_CHECK;

/* Lower case, no trailing dot, into ret (256). ED_MALFORMED: not a DNS name. */
int resolve_name(struct str name, char *ret, size_t *ret_n) ED_MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/psom/proxy2.h: writes a PROXY protocol version 2 header, by which a server behind us learns
 * the client's address and the host name it asked for.
 *
 * Pure. Written by webconf/dial.c in front of the octets of a client, when the site switched it on.
 *
 * Spec: "The PROXY protocol", HAProxy project, version 2.2 sections 2.2 and 2.2.2
 * (PP2_TYPE_AUTHORITY).
 */
#ifndef EDGED_PROTO_PSOM_PROXY2_H
#define EDGED_PROTO_PSOM_PROXY2_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

#define PSOM_PROXY2_AUTHORITY_MAX 255u
#define PSOM_PROXY2_MAX           (16u + 36u + 3u + PSOM_PROXY2_AUTHORITY_MAX)

/*
 * Into ret of PSOM_PROXY2_MAX; octets written. authority may be empty. Addresses of two families
 * are both written as IPv6 (v4-mapped). ED_LIMIT: authority too long; ED_UNSUPPORTED: an address of
 * neither.
 */
int psom_proxy2_write(const struct addr *client, const struct addr *ours, struct str authority,
    uint8_t *ret) ED_MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/resolve_source.h: from which of our addresses a name server is asked. Only resolve.c uses it.
 *
 * A server that the kernel reaches through the interface we were given is asked from the address we
 * were given, since firewalls know that one (TOP-08, PX-15); any other one, on this machine or
 * inside, from where the kernel says: our outer address would not be answered there.
 */
#ifndef EDGED_NET_RESOLVE_SOURCE_H
#define EDGED_NET_RESOLVE_SOURCE_H

#include <ares.h>

#include "base/addr.h"

#define RESOLVE_SOURCE_ADDRS 64u

struct resolve_source {
	struct addr from[2];                         /* IPv4, IPv6; family 0: none */
	struct addr on_device[RESOLVE_SOURCE_ADDRS]; /* as they were at the start */
	unsigned n_on_device;
};

/* Reads the addresses of device (NULL or "": of none, the kernel decides always). */
void resolve_source_init(struct resolve_source *s, const char *device, const struct addr from[2]);
/* s stays borrowed until the channel has gone. */
void resolve_source_use(struct resolve_source *s, ares_channel channel);

#endif

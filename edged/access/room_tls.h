/* SPDX-License-Identifier: MIT
 *
 * access/room_tls.h: the four TLS contexts of the Access Edge, made from one configuration: what is
 * shown and asked for on the client port, the federation port, the internal port, and toward the
 * next hop. A connection keeps the context it was born with.
 */
#ifndef EDGED_ACCESS_ROOM_TLS_H
#define EDGED_ACCESS_ROOM_TLS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct conf;
struct keycall;
struct tls_ctx;

#define ROOM_TICKET_PERIOD_S 43200

struct room_tls {
	struct tls_ctx *client, *federation, *internal, *link;
	uint32_t ticket_period; /* the keys in it */
};

/* *ret_why: static text that names the certificate or file. On error nothing is held. */
int room_tls_new(const struct conf *c, struct keycall *keys, uint32_t ticket_period,
    struct room_tls *ret, const char **ret_why) ED_MUST_CHECK;
/* For one connection to a partner: its certificate must carry host, no other name and no CN will do
 * (11.3). */
int room_tls_partner(const struct conf *c, struct keycall *keys, struct str host,
    struct tls_ctx **ret, const char **ret_why) ED_MUST_CHECK;
void room_tls_done(struct room_tls *t);

#endif

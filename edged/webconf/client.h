/* SPDX-License-Identifier: MIT
 *
 * webconf/client.h: one participant outside: TLS, ticket, server, relay, end. The states of
 * psom-webconf 9.1, the timers of 9.2, the ends of 9.3.
 *
 * Life: client_accept; the connection's events drive it; client_end at any time, once, with a
 * reason; freed when its connection is down. client_far_* come from the inside it opened.
 */
#ifndef EDGED_WEBCONF_CLIENT_H
#define EDGED_WEBCONF_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/str.h"
#include "proto/h2/h2.h"
#include "webconf/counters.h"

struct list;
struct client;
struct webconf;

/* fd is taken over. */
void client_accept(struct webconf *w, int fd, const struct addr *peer, const struct addr *local);
void client_end(struct client *c, enum client_end why);

/* What `edgectl sessions` shows of one. */
struct client_facts {
	uint64_t id;
	struct addr peer;
	const char *state;
	uint64_t age_s, in, out;
};
/* link: a member of webconf.clients. */
struct client *client_at(struct list *link, struct client_facts *ret);
/* Read nobody, or everybody again: webconf holds too much. */
void client_throttle(struct client *c, bool on);

/* From the inside. */
void client_far_up(struct client *c);
void client_far_refused(struct client *c, unsigned status);
void client_far_bytes(struct client *c, struct str bytes);
void client_far_writable(struct client *c);
void client_far_ended(struct client *c);
void client_far_gone(struct client *c, uint32_t code); /* the handle is invalid from now on */
/* Gone because its link is: the connection ends after_ms later, so that not all come back at once.
 */
void client_far_lost(struct client *c, uint32_t after_ms);

#endif

/* SPDX-License-Identifier: MIT
 *
 * webconf/link.h: an inside link: a connector dialled us on 8057, and over it we open one HTTP/2
 * stream for each client. It announces its servers and the tickets that lead to them.
 *
 * Life: link_accept; mutual TLS with a trusted name and the ALPN of our own, else it is refused;
 * the announcements stream opens; streams for clients until a GOAWAY, silence, a fault or its end
 * takes it down. Then each of its clients is told, spread over five seconds.
 *
 * Spec: docs/spec/psom-webconf.md, "The inside link".
 */
#ifndef EDGED_WEBCONF_LINK_H
#define EDGED_WEBCONF_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct addr;
struct client;
struct inside;
struct inside_want;
struct svc_ctl_reply;
struct webconf;

/* fd is taken over. */
void link_accept(struct webconf *w, int fd, const struct addr *peer, const struct addr *local);
int link_open_stream(struct webconf *w, struct client *c, const struct inside_want *want,
    struct inside **ret) ED_MUST_CHECK;
struct str link_server_by_name(struct webconf *w, struct str name);
/*
 * Stop / go on reading every link. While webconf.throttling is set, a link that goes on is read
 * once and stops again: windows, PING and GOAWAY travel on it as well as octets.
 */
void links_pause(struct webconf *w, bool on);
/* GOAWAY on every link: we are draining. */
void links_goaway(struct webconf *w);
/* Links whose output is full; for the gauge. */
uint32_t links_throttled(const struct webconf *w);
/* JSON list for edgectl. */
void links_print(struct webconf *w, struct svc_ctl_reply *reply);
/* The process ends: drop them all. */
void links_close(struct webconf *w);

#endif

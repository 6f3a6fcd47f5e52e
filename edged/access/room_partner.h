/* SPDX-License-Identifier: MIT
 *
 * access/room_partner.h: what the room does for partners beside moving bytes: their DNS questions,
 * the TLS context of each host that is dialled, and whether the certificate they showed has been
 * revoked (net/crl.h) before the core hears of them.
 */
#ifndef EDGED_ACCESS_ROOM_PARTNER_H
#define EDGED_ACCESS_ROOM_PARTNER_H

#include <stdbool.h>

#include "base/err.h"

struct access;
struct access_list; /* access/core.h */
struct flow;
struct resolve;
struct room_partner;
struct svc;
struct tls_ctx;
struct view;

/* Before the sandbox closes; view and resolve are borrowed. NULL: no memory. */
struct room_partner *room_partner_new(
    struct svc *svc, struct resolve *resolve, const struct view *view);
void room_partner_set_core(struct room_partner *p, struct access *ax);
/* After a reload: contexts are made anew, lists are read again. */
void room_partner_set_view(struct room_partner *p, const struct view *view);
/* About every second. */
void room_partner_tick(struct room_partner *p);

int room_partner_srv(struct room_partner *p, const char *domain, bool for_outsider);
int room_partner_host(struct room_partner *p, const char *host);
/* For a connection to that host; NULL when it cannot be made (said). */
struct tls_ctx *room_partner_tls(struct room_partner *p, const char *host);

/*
 * The handshake of f is done, and its peer showed a certificate. True: go on. False: f is being
 * closed (said), or it waits for a list and access_flow_up is called here later.
 */
bool room_partner_judge(struct room_partner *p, struct flow *f);
void room_partner_forget(struct room_partner *p, struct flow *f);
/* One log line for a certificate that the handshake refused; false: detail is about something else.
 */
bool room_partner_say_refused(const struct flow *f, const char *detail);

void room_partner_each_list(
    const struct room_partner *p, void (*each)(const struct access_list *l, void *arg), void *arg);

#endif

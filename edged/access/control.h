/* SPDX-License-Identifier: MIT
 *
 * access/control.h: what `edgectl` may ask a worker of the Access Edge: sessions, the next hop
 * pool, the state of the proxy. Answers are JSON; no user names, no addresses of record.
 */
#ifndef EDGED_ACCESS_CONTROL_H
#define EDGED_ACCESS_CONTROL_H

#include "base/str.h"

struct access;
struct svc_ctl_reply;

/* verb: sessions, nexthop, partners, release, status. Unknown verbs get an error object. */
void control_answer(
    struct access *ax, struct str verb, struct str arg, struct svc_ctl_reply *reply);

/* control_partners.c */
void control_partners(struct access *ax, struct svc_ctl_reply *reply);
void control_release(struct access *ax, struct str domain, struct svc_ctl_reply *reply);

#endif

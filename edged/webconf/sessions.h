/* SPDX-License-Identifier: MIT
 *
 * webconf/sessions.h: what `edgectl sessions` and `edgectl kick` ask of the Web Conferencing Edge.
 */
#ifndef EDGED_WEBCONF_SESSIONS_H
#define EDGED_WEBCONF_SESSIONS_H

#include "base/str.h"

struct svc_ctl_reply;
struct webconf;

/* Clients whose line holds filter; those that one answer has no room for are counted. */
void sessions_write(struct webconf *w, struct str filter, struct svc_ctl_reply *reply);
/* id: the flow that sessions_write showed, in hex. */
void sessions_kick(struct webconf *w, struct str id, struct svc_ctl_reply *reply);

#endif

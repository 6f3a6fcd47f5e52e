/* SPDX-License-Identifier: MIT
 *
 * webconf/dial.h: the inside without a connector (webconf.inside.mode = dial): one TLS connection
 * of ours for each client, to a server of the list. No retry: the client joins again.
 *
 * Spec: docs/spec/psom-webconf.md, "Option A".
 */
#ifndef EDGED_WEBCONF_DIAL_H
#define EDGED_WEBCONF_DIAL_H

#include "base/err.h"
#include "base/str.h"

struct client;
struct inside;
struct inside_want;
struct webconf;

int dial_open(struct webconf *w, struct client *c, const struct inside_want *want,
    struct inside **ret) ED_MUST_CHECK;
struct str dial_server_by_name(struct webconf *w, struct str name);

#endif

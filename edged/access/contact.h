/* SPDX-License-Identifier: MIT
 *
 * access/contact.h: proxy=replace in the Contact of a client: the first hop writes the address it
 * sees and takes the parameter off ([MS-SIPRE] 3.4.5; access-edge-sip 6.5). Pure.
 */
#ifndef EDGED_ACCESS_CONTACT_H
#define EDGED_ACCESS_CONTACT_H

#include "access/facts.h"
#include "access/view.h"
#include "base/err.h"

struct sip_edits;
struct sip_msg;

/*
 * For every message of a client, requests and responses. ED_OK (also when nothing is asked for);
 * ED_DENIED: a request gets 400 with *ret_why as its reason, a response is dropped.
 */
int contact_replace(const struct work *w, const struct facts *f, const struct sip_msg *m,
    struct sip_edits *e, const char **ret_why) ED_MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/via.h: the Via side of a hop: mark what came, put ours on top, know it again, find loops.
 *
 * Our branch: "z9hG4bK" 8 hex "." 16 hex. The 16 are the transaction's number (random, made by the
 * caller); the 8 are a keyed mark over Request-URI, Route, To tag and Call-ID as received and that
 * number, so a request that comes back unchanged is known as a loop (482) and a spiral is not.
 *
 * Pure. Spec: access-edge-sip 5; RFC 3261 16.6 step 8, 18.2.1; RFC 3581.
 */
#ifndef EDGED_ACCESS_VIA_H
#define EDGED_ACCESS_VIA_H

#include <stdbool.h>
#include <stdint.h>

#include "access/facts.h"
#include "access/view.h"
#include "base/err.h"
#include "base/str.h"

struct sip_edits;
struct sip_msg;

#define VIA_BRANCH_LEN 32u /* 7 + 8 + 1 + 16 */

/*
 * Edit the top Via of a request that came in: received, ms-received-port, ms-received-cid go; ours
 * are added (received only where it differs from sent-by or beside rport). ED_MALFORMED without a
 * readable top Via.
 */
int via_mark(const struct work *w, const struct facts *f, const struct sip_msg *m,
    struct sip_edits *e) ED_MUST_CHECK;

/* The same as text: the marked top Via value alone, for answers of our own; p NULL when there is
 * none. */
struct str via_marked(const struct work *w, const struct facts *f, const struct sip_msg *m);

/* Branch of a request we are about to send under transaction number id. */
int via_branch(const struct work *w, const struct sip_msg *m, uint64_t id,
    char ret_branch[VIA_BRANCH_LEN]) ED_MUST_CHECK;

/*
 * Our Via line with CRLF: sent-by is our external FQDN and port toward the outside, our own address
 * and port (local) toward the inside.
 */
struct str via_line(const struct work *w, enum facts_peer to, const struct addr *local,
    const char branch[VIA_BRANCH_LEN]);

/*
 * Is the top Via of this response one that we wrote? ED_OK with the transaction number; ED_DENIED
 * for anything else (drop the response). sent-by is checked against our names, the branch by its
 * form.
 */
int via_own(const struct work *w, const struct sip_msg *m, uint64_t *ret_id) ED_MUST_CHECK;
/* The same for a branch text (ACK and CANCEL of inside servers echo theirs, not ours). */
bool via_branch_id(struct str branch, uint64_t *ret_id);

/* True when one of the Vias is ours with the mark that this very request would get: answer 482. */
bool via_is_loop(const struct work *w, const struct sip_msg *m);

/* Number of Via values, counted up to `most`; proxy=replace wants exactly one. */
unsigned via_count(const struct sip_msg *m, unsigned most);

#endif

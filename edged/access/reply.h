/* SPDX-License-Identifier: MIT
 *
 * access/reply.h: messages that the edge makes itself: answers, ACK of a non-2xx, CANCEL, and ACK +
 * BYE inward for a call that cannot be shown outside. Everything strict readers need: three-part
 * status line, full header names, Content-Length always.
 *
 * Pure; texts in the arena; p NULL without memory.
 * Spec: RFC 3261 8.2.6, 9.1, 17.1.1.3; access-edge-sip 2, 5.4, 9.2, 12.
 */
#ifndef EDGED_ACCESS_REPLY_H
#define EDGED_ACCESS_REPLY_H

#include <stdint.h>

#include "access/diag.h"
#include "access/facts.h"
#include "access/hide.h"
#include "access/view.h"
#include "base/str.h"

struct sip_msg;

struct reply_spec {
	uint16_t status;
	const char *reason; /* NULL: reply_reason(status) */
	struct str lines;   /* extra header lines with CRLF */
	enum diag diag;
	const char *diag_text; /* NULL: the table's */
	struct str diag_more;  /* for the inside only, see diag_line */
	uint64_t to_tag; /* random; used when the request has no To tag; 0: none (100 Trying) */
	bool logon_data; /* remote user: ms-user-logon-data first */
};

const char *reply_reason(uint16_t status);

/*
 * The answer to request m that came with facts f (its top Via is marked as 5.1 says). Toward the
 * inside it carries ms-edge-proxy-message-trust: EdgeProxyGenerated. m may come from a failed parse
 * when sip_msg_is_answerable.
 */
struct str reply_make(const struct work *w, const struct facts *f, const struct sip_msg *m,
    const struct reply_spec *s);

/* ACK of the non-2xx `response` to the INVITE that left as k says (response as received). */
struct str reply_ack(
    const struct work *w, const struct hide_keep *k, const struct sip_msg *response);

/* remote_fqdn: of a public provider, for the trust header. CANCEL to send on for the received
 * CANCEL m of the INVITE that left as k says. */
struct str reply_cancel(const struct work *w, const struct hide_keep *k, enum facts_peer from,
    struct str remote_fqdn, const struct sip_msg *m);
/* CANCEL that we make ourselves (timer C, the caller's connection is gone); invite is that request
 * or what the transaction still has of its From, To, Call-ID and CSeq. */
struct str reply_cancel_own(
    const struct work *w, const struct hide_keep *k, const struct sip_msg *invite);

/*
 * ACK, then BYE, toward the inside for the 2xx `response` to INVITE that could not be shown
 * outside; via_ack and via_bye are our Via lines.
 */
struct str reply_ack_bye(const struct work *w, const struct hide_keep *k,
    const struct sip_msg *response, struct str via_ack, struct str via_bye);

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/diag.h: ms-diagnostics of answers that we make ourselves (access-edge-sip 12): ids, texts,
 * and who may see which form: the inside ms-diagnostics with source, clients and partners at most
 * ms-diagnostics-public without it, and only for 1004, 1012, 1027.
 */
#ifndef EDGED_ACCESS_DIAG_H
#define EDGED_ACCESS_DIAG_H

#include "access/facts.h"
#include "access/view.h"
#include "base/str.h"

enum diag {
	DIAG_NONE = 0,
	DIAG_NOT_FEDERATED = 1002,
	DIAG_ROUTE_SET = 1004,
	DIAG_NO_ROUTE = 1005,
	DIAG_CLIENT_ROUTING = 1006,
	DIAG_CANNOT_ROUTE_NOW = 1007,
	DIAG_SRV_UNRESOLVED = 1008,
	DIAG_SRV_CONFLICT = 1009,
	DIAG_TLS_TRUST = 1010,
	DIAG_PREVIOUS_HOP = 1011,
	DIAG_NOT_OUTSIDE = 1012,
	DIAG_A_UNRESOLVED = 1014,
	DIAG_SPLIT_DOMAIN = 1017,
	DIAG_REQUEST_KIND = 1027,
	DIAG_BLOCKED = 1032,
	DIAG_PREVIOUS_PARTNER = 1034,
	DIAG_CONNECT_SERVER = 1038,
	DIAG_CONNECT_PARTNER = 1046,
	DIAG_TLS_PARTNER = 1047,
};

const char *diag_text(enum diag id); /* its reason text; "" for DIAG_NONE */

/*
 * Whole header line with CRLF for `to`, or empty when that peer may not see it. text overrides the
 * reason of the table (p NULL: the table's). more is extra parameters, each with its leading ';'
 * (domain="fabrikam.com"), shown to the inside only. p is NULL without memory.
 */
struct str diag_line(
    const struct work *w, enum facts_peer to, enum diag id, struct str text, struct str more);

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/headers.h: which headers pass, go or lose a parameter, for each way through the edge: the
 * policy table of access-edge-sip 9.2 as one table (headers.c), applied in one walk over the index.
 *
 * Also here: Max-Forwards is counted down (or added), the trust header and ms-user-logon-data are
 * set, and on the way out every inside name that is left in a header we may change is replaced by
 * the external one (6.3). Via, Route, Record-Route, Contact, Refer-To, Reply-To are not touched
 * here.
 *
 * Pure.
 */
#ifndef EDGED_ACCESS_HEADERS_H
#define EDGED_ACCESS_HEADERS_H

#include <stdbool.h>

#include "access/facts.h"
#include "access/view.h"
#include "base/err.h"
#include "base/str.h"

struct sip_edits;
struct sip_msg;

enum headers_way {
	HEADERS_FROM_CLIENT,
	HEADERS_FROM_PARTNER,
	HEADERS_TO_CLIENT,
	HEADERS_TO_PARTNER,
	HEADERS__N
};

struct headers_opts {
	enum traffic traffic; /* of the outside party */
	bool verified;        /* partners, 11.5 */
	bool keep_level;      /* UseSourceVerification: ms-asserted-verification-level stays */
	bool shared_space;    /* partner is a provider with shared address space: split-domain-info
				 stays */
	struct str answerer;  /* HEADERS_FROM_PARTNER response: the domain that was asked */
	struct str remote_fqdn; /* public provider's proxy */
	bool uri_written;       /* the Request-URI is replaced elsewhere: leave it alone */
	bool logon_data; /* HEADERS_TO_CLIENT response for a remote user: set ms-user-logon-data */
};

/* Edits for one message. ED_OK, ED_NOMEM. */
int headers_apply(const struct work *w, enum headers_way way, const struct headers_opts *o,
    const struct sip_msg *m, struct sip_edits *e) ED_MUST_CHECK;

/* ms-edge-proxy-message-trust line (CRLF) that goes inward for this traffic. */
struct str headers_trust_line(const struct work *w, const struct headers_opts *o);

/* text with every inside name replaced by the external one; p NULL without memory. */
struct str headers_without_names(const struct work *w, struct str text, bool with_addresses);

/* Credentials of a request are NTLM's ([MS-SIPAE]). */
bool headers_use_ntlm(const struct sip_msg *m);

/* True when the table lets no line of that id pass on that way, whatever it holds. */
bool headers_is_stripped(enum headers_way way, unsigned hdr_id, bool is_request);

#endif

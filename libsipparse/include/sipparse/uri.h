/* SPDX-License-Identifier: MIT
 *
 * sipparse/uri.h: SIP and SIPS URIs and name-addrs (RFC 3261 19.1, 20.10, 25), and walking ;params.
 *
 * Pure: views into the text given. Strict where the proxy decides (scheme, host, port, parameter
 * boundaries), opaque elsewhere (user part, values are left as sent).
 */
#ifndef SIPPARSE_URI_H
#define SIPPARSE_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "sipparse/arena.h"
#include "sipparse/err.h"
#include "sipparse/str.h"

enum sip_scheme {
	SIP_SCHEME_OTHER, /* tel:, im:, ...: only `scheme` and `rest` are filled */
	SIP_SCHEME_SIP,
	SIP_SCHEME_SIPS,
};

struct sip_uri {
	struct str text; /* all of it */
	enum sip_scheme scheme;
	struct str scheme_text;
	struct str user;     /* with password if any; p NULL when there is no '@' */
	struct str host;     /* IPv6 without its brackets */
	bool host_is_v6;     /* stood in brackets */
	bool host_is_v4;     /* dotted quad */
	uint16_t port;       /* 0 when absent */
	struct str params;   /* from the first ';' on, up to '?'; empty if none */
	struct str headers;  /* after '?'; empty if none */
	uint32_t host_at;    /* offset of the host (with its bracket) in text */
	uint32_t hostport_n; /* length of host[:port] there */
	bool escaped_name;   /* a parameter name holds '%': %6Cr is lr to some readers */
};

/* Whole text must be a URI. ED_OK, ED_MALFORMED. Unknown schemes are ED_OK with SIP_SCHEME_OTHER.
 */
int sip_uri_parse(struct str text, struct sip_uri *ret_uri, struct ed_fault *fault) ED_MUST_CHECK;

struct sip_nameaddr {
	struct str display;  /* as written with quotes; empty if none */
	struct str uri_text; /* inside < >, or the bare addr-spec */
	bool bracketed;
	struct str params; /* header parameters, from the first ';' after the URI on */
	uint32_t uri_at;   /* offset of uri_text in the value given */
	uint32_t params_at;
};

/* One value of From, To, Contact, Route, Record-Route, Refer-To, ... "*" is ED_UNSUPPORTED. */
int sip_nameaddr_parse(
    struct str value, struct sip_nameaddr *ret, struct ed_fault *fault) ED_MUST_CHECK;

/* Walks ";name=value;name" text. value.p is NULL for a parameter without '='. */
struct sip_param {
	struct str name;
	struct str value; /* quotes kept */
	uint32_t at;      /* offset of the ';' in the params text */
	uint32_t len;     /* from the ';' to the end of the value */
};
/* *pos starts at 0. 1 with *ret, 0 at the end, ED_MALFORMED. */
int sip_param_next(struct str params, uint32_t *pos, struct sip_param *ret) ED_MUST_CHECK;
/* True and *ret filled (may be NULL) when the parameter is there; name without case. */
bool sip_param_find(struct str params, struct str name, struct sip_param *ret);

/* The same check by libosip2's grammar; allocates, about a microsecond. ED_OK, ED_MALFORMED,
 * ED_NOMEM. */
int sip_uri_check_osip(struct str text) ED_MUST_CHECK;
/*
 * Does libosip2 read u->text as we did: same scheme, host and port, a user part or none? For where
 * a second reader behind us would decide on it and one wrong reading opens a door. u is one that
 * sip_uri_parse filled; of other schemes only the scheme is compared. ED_OK; ED_MALFORMED when it
 * reads otherwise or not at all; ED_NOMEM.
 */
int sip_uri_agrees_osip(const struct sip_uri *u) ED_MUST_CHECK;

#endif

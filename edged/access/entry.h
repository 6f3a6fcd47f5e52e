/* SPDX-License-Identifier: MIT
 *
 * access/entry.h: our own Record-Route entries: made when a request passes, recognised when they
 * come back as Route (or, from a strict router, as Request-URI).
 *
 *   <sip:HOST:PORT;transport=tls[;ms-fe=FQDN];opaque=state:X;lr;ms-route-sig=SIG>
 *   X = F | T, then nothing, :Ci.R<cid> or :Cd.<base64url domain>
 *
 * Pure. Spec: access-edge-sip 6.1, 6.2, 6.4.
 */
#ifndef EDGED_ACCESS_ENTRY_H
#define EDGED_ACCESS_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "access/view.h"
#include "base/err.h"
#include "base/str.h"

enum entry_face {
	ENTRY_INSIDE,
	ENTRY_CLIENT,  /* external host, client port */
	ENTRY_PARTNER, /* external host, federation port */
};

enum entry_dest {
	ENTRY_NOWHERE,
	ENTRY_CID,    /* Ci.R: a connection */
	ENTRY_DOMAIN, /* Cd.: a partner's domain */
};

struct entry_spec {
	enum entry_face face;
	char role; /* 'F' when that side is the UAC's, 'T' when it is the UAS's */
	enum entry_dest dest;
	uint64_t cid;
	struct str domain;
};

struct entry {
	enum entry_face
	    face; /* ENTRY_CLIENT also for a partner's: by dest and port they are one host */
	char role;
	enum entry_dest dest;
	uint64_t cid;
	struct str domain; /* decoded, lower case, in the arena */
	struct str host, ms_fe, opaque;
	struct str sig;    /* ms-route-sig, empty if none */
	struct str sealed; /* ms-edged, empty if none */
};

/* URI text (no < >) with ms-route-sig, label RR1, or RP1 when call_id is empty. */
int entry_make(const struct work *w, const struct entry_spec *s, struct str call_id,
    struct str *ret_uri) ED_MUST_CHECK;
/*
 * O*: as entry_make, but with the route set `sealed` (URIs, each followed by LF) in ms-edged.
 * ED_LIMIT when the URI would pass ENTRY_URI_MAX.
 */
int entry_make_sealed(const struct work *w, const struct entry_spec *s, struct str call_id,
    struct str sealed, struct str *ret_uri) ED_MUST_CHECK;
#define ENTRY_URI_MAX 2048u

/*
 * Does this URI name us by its form: a host of ours and opaque=state:? ED_OK with *ret; ED_DENIED
 * when it is someone else's; ED_MALFORMED when it is no URI or a state token we cannot read.
 * Nothing about its signature is known yet. *ret_static (may be NULL) is true for ED_DENIED on a
 * URI that names this side of us without opaque=state (a peer's static route).
 */
int entry_read(const struct work *w, struct str uri, bool from_inside, struct entry *ret,
    bool *ret_static) ED_MUST_CHECK;

/* Holds ms-route-sig under this Call-ID? from_inside also admits the REGISTER path form. */
int entry_verify(const struct work *w, const struct entry *e, struct str call_id,
    bool from_inside) ED_MUST_CHECK;
/* Opens ms-edged; *ret_sealed holds URIs, each followed by LF. */
int entry_open(const struct work *w, const struct entry *e, struct str call_id,
    struct str *ret_sealed) ED_MUST_CHECK;

/* sip:c@SIPDOMAIN;transport=tls;ms-edged=...: seals a Contact URI / opens one. */
int entry_contact_seal(const struct work *w, struct str uri, struct str *ret_uri) ED_MUST_CHECK;
/* ED_OK; ED_UNSUPPORTED when uri is no token of ours; ED_DENIED, ED_GONE, ED_LIMIT. The original
 * without its headers; what stood after '?' in uri is appended. */
int entry_contact_open(const struct work *w, struct str uri, struct str *ret_uri) ED_MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/decide.h: may this connection of a server say that? The decision procedure of
 * access-edge-sip 3.2, "on request from SERVER", as one pure function: facts in (what the
 * certificate carries, whether its chain held, the configured rows, what the DNS said, who the
 * message names), verdict out. It reads no message, asks nobody and keeps nothing.
 *
 * Fails closed: what no step admits is refused, and a fact that is missing counts as a no. Called
 * by access/policy, which gathers the facts from the message; the table and the property that no
 * unproven domain passes are in decide_test.c.
 *
 * The verdict names the step that spoke (`rule`) and the fact that decided (`fact`), for the log;
 * a partner is told neither (11.7).
 */
#ifndef EDGED_ACCESS_DECIDE_H
#define EDGED_ACCESS_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "access/facts.h"
#include "access/policy.h"
#include "access/view.h"
#include "base/str.h"

struct conf_allowed_domain;
struct conf_provider;

#define DECIDE_IDS_MAX 8u /* identities that one request may assert */

struct decide_party {    /* somebody that the message names */
	bool is_sip;     /* a SIP or SIPS URI that could be read; host is set */
	bool is_tel;     /* a telephone number: names no domain */
	bool is_address; /* the host is an IP address */
	struct str host;
};

struct decide_facts {
	const struct view *view; /* our names and the configured rows */
	const struct facts *f;   /* chain, names of the certificate, SRV answers */
	struct decide_party from;
	const struct decide_party *ids; /* P-Asserted-Identity */
	uint32_t n_ids;
	bool ids_unreadable; /* one of them could not be read, or there are too many */
	bool for_us;         /* Request-URI and To are in our SIP domains */
	bool own_route; /* To tag, and the top Route is a valid entry of ours for From's domain */
	bool to_edge;   /* OPTIONS for this edge itself */
	bool said_verified; /* ms-asserted-verification-level says so, once */
};

/* POLICY_FORWARD, POLICY_REPLY with status, or POLICY_LOOKUP; fields of ret as policy.h says. */
void decide_partner(const struct decide_facts *d, struct policy_verdict *ret);

/* ---- the rows, asked by policy_target too ---- */

/* The block list covers a domain and all below it. */
bool decide_is_blocked(const struct view *v, struct str domain, struct str *ret_entry);
/* The entry of federation.allowed that speaks for domain; NULL if none. */
const struct conf_allowed_domain *decide_allowed(const struct view *v, struct str domain);
bool decide_provider_lists(const struct conf_provider *p, struct str domain);

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/policy.h: may this request pass, as what, and if not, what is the answer? Facts and
 * message in, verdict out. Does not route and changes nothing. Fails closed: what no rule admits is
 * refused.
 *
 * Order: sanity and methods, traffic class with its switches and domains, what that class may do,
 * Max-Forwards, Proxy-Require. DNS before a verdict is asked for by POLICY_LOOKUP: the caller puts
 * the answer into facts.srv and asks again.
 *
 * Spec: access-edge-sip 3.2, 3.3, 4, 7.3; edge-reference EXT-03.
 */
#ifndef EDGED_ACCESS_POLICY_H
#define EDGED_ACCESS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "access/diag.h"
#include "access/facts.h"
#include "access/view.h"
#include "base/str.h"
#include "sipparse/msg.h"

enum policy_kind {
	POLICY_FORWARD,
	POLICY_REPLY, /* with status, reason, lines, diag; then close if close_after */
	POLICY_DROP,  /* no answer is allowed (ACK, BENOTIFY) */
	POLICY_CLOSE,
	POLICY_LOOKUP, /* want facts.srv for lookup_domain */
};

/* One counter each; the room maps them onto svc/stats.h. */
enum policy_why {
	POLICY_WHY_NONE,
	POLICY_WHY_METHOD_UNKNOWN,
	POLICY_WHY_METHOD_CLASS,
	POLICY_WHY_NEGOTIATE,
	POLICY_WHY_OPTIONS_HERE,
	POLICY_WHY_MAX_FORWARDS,
	POLICY_WHY_OUTSIDE_USERS_OFF,
	POLICY_WHY_ANONYMOUS_OFF,
	POLICY_WHY_NTLM,
	POLICY_WHY_FEDERATION_OFF,
	POLICY_WHY_DOMAIN_NOT_SERVED,
	POLICY_WHY_REGISTER_FIRST,
	POLICY_WHY_NOT_A_FOCUS,
	POLICY_WHY_SPOOFED_DOMAIN,
	POLICY_WHY_BLOCKED_DOMAIN,
	POLICY_WHY_NOT_ALLOWED,
	POLICY_WHY_NAME_MISMATCH,
	POLICY_WHY_NO_SRV,
	POLICY_WHY_SRV_FAILED,   /* the DNS gave no answer */
	POLICY_WHY_SRV_OUTSIDE,  /* targets, but none in the sender's own domain (11.3) */
	POLICY_WHY_SRV_MISMATCH, /* targets in the domain, none of them in the certificate */
	POLICY_WHY_NOT_FOR_US,
	POLICY_WHY_IDENTITY,
	POLICY_WHY_PROXY_REQUIRE,
	POLICY_WHY_SCHEME,
	POLICY_WHY_CHAIN,        /* the peer's certificate did not hold */
	POLICY_WHY_TWO_READINGS, /* libosip2 reads a URI otherwise than we do */
	POLICY_WHY__N
};
const char *policy_why_name(enum policy_why why); /* "register_first", ...: log and counter label */

struct policy_verdict {
	enum policy_kind kind;
	enum policy_why why;
	enum traffic traffic; /* valid for POLICY_FORWARD; best known otherwise */
	bool verified;        /* ms-source-verified-user for partners (11.5) */
	bool use_source;      /* level UseSourceVerification: the statement of the message stays */
	bool shared_space;    /* provider with shared address space */
	bool discovered;      /* partner by DNS without an allowed entry: 11.6 holds */
	bool of_provider;     /* refused, and the connection proved to be a provider's */
	struct str
	    remote_fqdn; /* POLICY_FORWARD of TRAFFIC_PUBLIC_CLOUD: the provider's proxy_fqdn */
	uint16_t status;
	const char *reason;
	struct str
	    lines; /* extra header lines with CRLF: Allow, Unsupported, ...; views and arena */
	enum diag diag;
	const char *diag_text; /* NULL: the table's */
	const char *event;     /* "ACC-2003"; NULL when only a counter is due */
	const char *event_name;
	const char *rule;  /* partners: the step that spoke, "3.2-6"; NULL: none of decide.c */
	struct str fact;   /* partners: what decided; for the log */
	struct str domain; /* the one that decided; for the log */
	struct str lookup_domain;
	bool close_after;
};

/* m is a request. Never fails: without memory the verdict is 500. */
void policy_judge(const struct work *w, const struct facts *f, const struct sip_msg *m,
    struct policy_verdict *ret_verdict);

/* May that method cross to or from a partner (3.3)? */
bool policy_is_federated(enum sip_method method);

/* Our Allow header line for that side. */
struct str policy_allow_line(enum facts_peer peer);

/*
 * Federated side of a request that the inside sends to `domain` (11.1, names only). Which entry of
 * the configuration owns it; where to connect follows from that.
 */
enum policy_target_kind {
	POLICY_TARGET_PROXY, /* connect to fqdn; certificate must carry it */
	POLICY_TARGET_SRV,   /* SRV of domain */
	POLICY_TARGET_REFUSED,
};
struct policy_target {
	enum policy_target_kind kind;
	struct str fqdn;
	enum traffic traffic;
	bool shared_space;   /* a provider with shared address space (3.5) */
	enum policy_why why; /* refused */
	enum diag diag;
	uint16_t status;
};
/*
 * edge_route is the host of a Route with ms-edge-route, empty if none; by_entry: a Route entry that
 * we signed named the domain. A domain of ours leads outside by these two only, and only to a
 * provider that shares our address space (3.5).
 */
void policy_target(const struct view *v, struct str domain, struct str edge_route, bool by_entry,
    struct policy_target *ret);

#endif

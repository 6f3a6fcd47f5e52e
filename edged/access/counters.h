/* SPDX-License-Identifier: MIT
 *
 * access/counters.h: what the Access Edge counts, one row each (edge-reference 14). Every refusal
 * has exactly one; labels are part of the name and bounded by this table.
 */
#ifndef EDGED_ACCESS_COUNTERS_H
#define EDGED_ACCESS_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "net/tls.h"
#include "sipparse/msg.h"
#include "svc/stats.h"

enum access_counter {
	CNT_CONNS_CLIENT, /* gauges, in the order of enum flow_kind */
	CNT_CONNS_PARTNER,
	CNT_CONNS_INSIDE,
	CNT_CONNS_LINK,
	CNT_CONNS_SIBLING,
	CNT_CONNS_SLOWED, /* not read just now, whatever their kind */
	CNT_REFUSED_TOTAL,
	CNT_REFUSED_PER_ADDRESS,
	CNT_REFUSED_HALF_OPEN,
	CNT_REFUSED_RATE,
	CNT_REFUSED_DRAIN,
	CNT_REFUSED_NAME,
	CNT_TLS_EXTERNAL, /* handshakes that failed: timeout, closed, then by enum tls_end */
	CNT_TLS_INTERNAL = CNT_TLS_EXTERNAL + 2 + TLS_END__N,
	CNT_KEEPALIVES = CNT_TLS_INTERNAL + 2 + TLS_END__N,
	CNT_DROP_MALFORMED, /* requests dropped, by reason */
	CNT_DROP_POLICY,
	CNT_DROP_FOREIGN_ROUTE,
	CNT_DROP_FLOW_GONE,
	CNT_DROP_NO_NEXT_HOP,
	CNT_DROP_NO_PARTNER,
	CNT_DROP_MAX_FORWARDS,
	CNT_DROP_BENOTIFY,
	CNT_DROP_ACK,
	CNT_DROP_OUTPUT_FULL,
	CNT_DROP_UNKNOWN_DOMAIN, /* of edged_sip_dropped_total */
	CNT_DROP_PROVIDER_DOMAIN,
	CNT_DROP_INCOMPATIBLE_DOMAIN,
	CNT_DROP_RES_NO_TXN,
	CNT_DROP_RES_WRONG_FLOW,
	CNT_DROP_RES_VIAS,
	CNT_DROP_RES_CLIENT_GONE,
	CNT_DROP_RES_MALFORMED,
	CNT_DROP_RES_LATE,
	CNT_ANSWERED_400,
	CNT_ANSWERED_403,
	CNT_ANSWERED_405,
	CNT_ANSWERED_430,
	CNT_ANSWERED_481,
	CNT_ANSWERED_482,
	CNT_ANSWERED_483,
	CNT_ANSWERED_500,
	CNT_ANSWERED_503,
	CNT_ANSWERED_504,
	CNT_ANSWERED_513,
	CNT_ANSWERED_OTHER,
	CNT_RETRANSMITS,
	CNT_TIMER_B,
	CNT_TIMER_C,
	CNT_TXN_FULL,
	CNT_HELD,
	CNT_HOLD_FULL,
	CNT_RATE_REQUESTS,
	CNT_RATE_REGISTERS,
	CNT_TARPITS,
	CNT_AUTH_FAILURES,
	CNT_SOFT_LOCKS,
	CNT_SOFT_LOCKED,
	CNT_DEADLINE_HEADER,
	CNT_DEADLINE_BODY,
	CNT_DEADLINE_FIRST,
	CNT_DEADLINE_SIGN_IN,
	CNT_DEADLINE_IDLE,
	CNT_OUTPUT_FULL,
	CNT_HTTP_CLIENTS,
	CNT_LOOPS,
	CNT_REDIRECTS,
	CNT_PROBES,
	CNT_LINK_DEATHS,
	CNT_INFLIGHT_LOST,
	CNT_SIBLING_OUT,
	CNT_SIBLING_IN,
	CNT_SIBLING_FAILED,
	CNT_PARTNER_FAILED,
	CNT_PARTNER_LINKS_LOST,
	CNT_PARTNER_LOOKUPS,
	CNT_PARTNER_PARKED,
	CNT_PARTNER_PARK_FULL,
	CNT_PARTNER_REFUSED,
	CNT_PARTNER_THROTTLED,
	CNT_PARTNER_SUSPICIOUS,
	CNT_PARTNER_CONTACTS,
	CNT_PARTNER_REVOKED,
	CNT_PARTNER_UNCHECKED,
	CNT_CRL_FAILED,
	CNT_PARTNER_WATCHED,
	CNT_PARTNERS_UP, /* gauges, by state */
	CNT_PARTNERS_CONNECTING,
	CNT_PARTNERS_FAILED,
	CNT_PARTNERS_IDLE, /* gauge */
	CNT_TRANSACTIONS,  /* gauge */
	CNT_SIGNED_IN,     /* gauge */
	CNT__N
};

extern struct stats_row access_counters[CNT__N];

/*
 * Messages by direction, side and method: the methods that we have a number for, SIP_METHOD_OTHER
 * for those we have not (CNT-01), and one row for responses, whatever they answer.
 */
enum { MESSAGE_RESPONSE = SIP_METHOD__N, MESSAGE__N };
extern struct stats_row access_messages[2][2][MESSAGE__N]; /* [is out][is internal] */

/* From the round in which a message was read until it has been dealt with, waits included. */
extern struct histogram access_processing;

/* Once in a process, before it answers for its counters. */
void counters_register(void);

static inline void
count(enum access_counter c)
{
	access_counters[c].value++;
}

static inline void
count_down(enum access_counter c)
{
	access_counters[c].value--;
}

/* method: enum sip_method, or MESSAGE_RESPONSE. */
static inline void
count_message(bool out, bool external, unsigned method)
{
	access_messages[out][!external][method].value++;
}

/* The row for a response that we made ourselves. */
enum access_counter counter_of_status(unsigned status);

#endif

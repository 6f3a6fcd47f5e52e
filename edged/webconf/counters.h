/* SPDX-License-Identifier: MIT
 *
 * webconf/counters.h: what the Web Conferencing Edge counts (edge-reference 14): names as operators
 * of the original know them, one row each.
 */
#ifndef EDGED_WEBCONF_COUNTERS_H
#define EDGED_WEBCONF_COUNTERS_H

#include <stdint.h>

/* Why a client's connection ended. Counted once each; the name stands in the log. */
enum client_end {
	CLIENT_UNDER_WAY,
	CLIENT_CLOSED, /* in order, both directions */
	CLIENT_RESET,
	CLIENT_TLS_FAILED,
	CLIENT_HANDSHAKE_TIMEOUT,
	CLIENT_TICKET_UNKNOWN,
	CLIENT_TICKET_EXPIRED,
	CLIENT_TICKET_USED,
	CLIENT_TICKET_REVOKED,
	CLIENT_SNI_UNKNOWN,
	CLIENT_PREFACE_BAD,
	CLIENT_ADMIT_TIMEOUT,
	CLIENT_NO_SERVER,
	CLIENT_LINKS_FULL,
	CLIENT_SERVER_REFUSED,
	CLIENT_OPEN_TIMEOUT,
	CLIENT_FIRST_FLIGHT,
	CLIENT_FIRST_OCTET_TIMEOUT,
	CLIENT_FRAMING,
	CLIENT_IDLE,
	CLIENT_HALF_OPEN,
	CLIENT_SLOW,
	CLIENT_LIFETIME,
	CLIENT_INSIDE_RESET,
	CLIENT_LINK_LOST,
	CLIENT_DRAINED,
	CLIENT_KICKED,
	CLIENT_NO_MEMORY,
	CLIENT_END__N
};
const char *client_end_name(enum client_end e);

enum count {
	COUNT_CLIENTS, /* gauges */
	COUNT_LINKS,
	COUNT_LINKS_THROTTLED,
	COUNT_THROTTLING,
	COUNT_QUEUED,
	COUNT_TICKETS,
	COUNT_ACCEPTED, /* counters */
	COUNT_ADMITTED,
	COUNT_REFUSED_DATA,
	COUNT_REFUSED_TIME,
	COUNT_CONN_TOTAL,
	COUNT_CONN_PER_ADDRESS,
	COUNT_CONN_HALF_OPEN,
	COUNT_CONN_RATE,
	COUNT_CONN_PENALTY,
	COUNT_CONN_DRAINING,
	COUNT_OCTETS_IN,
	COUNT_OCTETS_OUT,
	COUNT_STREAMS,
	COUNT_RESET_CANCEL,
	COUNT_RESET_REFUSED,
	COUNT_RESET_CALM,
	COUNT_RESET_OTHER,
	COUNT_TICKETS_FULL,
	COUNT_TICKETS_LATE,
	COUNT_LINES_UNKNOWN,
	COUNT_LINES_MALFORMED,
	COUNT_UNKNOWN_PEERS,
	COUNT_LINKS_FAULTY,
	COUNT__N
};

void counters_register(void);
void count_add(enum count c, uint64_t n);
void count_set(enum count c, uint64_t value);
void count_end(enum client_end e);

static inline void
count_one(enum count c)
{
	count_add(c, 1);
}

#endif

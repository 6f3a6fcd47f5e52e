/* SPDX-License-Identifier: MIT */
#include "access/counters.h"

struct stats_row access_counters[CNT__N] = {
    [CNT_CONNS_CLIENT] = {"edged_sip_connections{side=\"external\",kind=\"client\"}", STATS_GAUGE,
	"SIP connections open", 0},
    [CNT_CONNS_PARTNER] = {"edged_sip_connections{side=\"external\",kind=\"partner\"}", STATS_GAUGE,
	"SIP connections open", 0},
    [CNT_CONNS_INSIDE] = {"edged_sip_connections{side=\"internal\",kind=\"accepted\"}", STATS_GAUGE,
	"SIP connections open", 0},
    [CNT_CONNS_LINK] = {"edged_sip_connections{side=\"internal\",kind=\"next_hop\"}", STATS_GAUGE,
	"SIP connections open", 0},
    [CNT_CONNS_SIBLING] = {"edged_sip_connections{side=\"internal\",kind=\"sibling\"}", STATS_GAUGE,
	"SIP connections open", 0},
    [CNT_CONNS_SLOWED] = {"edged_sip_flow_controlled_connections", STATS_GAUGE,
	"SIP connections that are not read for a while: a limit, or a next hop that is awaited", 0},
    [CNT_REFUSED_TOTAL] = {"edged_sip_connections_refused_total{reason=\"total\"}", STATS_COUNTER,
	"Connections refused before a message was read", 0},
    [CNT_REFUSED_PER_ADDRESS] = {"edged_sip_connections_refused_total{reason=\"per_address\"}",
	STATS_COUNTER, "Connections refused before a message was read", 0},
    [CNT_REFUSED_HALF_OPEN] = {"edged_sip_connections_refused_total{reason=\"half_open\"}",
	STATS_COUNTER, "Connections refused before a message was read", 0},
    [CNT_REFUSED_RATE] = {"edged_sip_connections_refused_total{reason=\"rate\"}", STATS_COUNTER,
	"Connections refused before a message was read", 0},
    [CNT_REFUSED_DRAIN] = {"edged_sip_connections_refused_total{reason=\"drain\"}", STATS_COUNTER,
	"Connections refused before a message was read", 0},
    [CNT_REFUSED_NAME] = {"edged_sip_connections_refused_total{reason=\"name_not_trusted\"}",
	STATS_COUNTER, "Connections refused before a message was read", 0},
#define TLS(count, side, why)                                                                      \
	[count] = {"edged_tls_handshake_failures_total{side=\"" side "\",reason=\"" why "\"}",     \
	    STATS_COUNTER, "TLS handshakes that failed, accepted and opened by us", 0}
#define TLS_SIDE(first, side)                                                                      \
	TLS(first, side, "timeout"), TLS((first) + 1, side, "closed"),                             \
	    TLS((first) + 2 + TLS_END_OTHER, side, "other"),                                       \
	    TLS((first) + 2 + TLS_END_CERTIFICATE, side, "certificate"),                           \
	    TLS((first) + 2 + TLS_END_ALERT, side, "alert"),                                       \
	    TLS((first) + 2 + TLS_END_NOT_TLS, side, "not_tls"),                                   \
	    TLS((first) + 2 + TLS_END_PARAMETERS, side, "parameters"),                             \
	    TLS((first) + 2 + TLS_END_KEY, side, "key")
    TLS_SIDE(CNT_TLS_EXTERNAL, "external"),
    TLS_SIDE(CNT_TLS_INTERNAL, "internal"),
    [CNT_KEEPALIVES] = {"edged_sip_keepalives_total", STATS_COUNTER, "CRLF keep-alives received",
	0},
    [CNT_DROP_MALFORMED] = {"edged_sip_requests_dropped_total{reason=\"malformed\"}", STATS_COUNTER,
	"Requests that went no further", 0},
    [CNT_DROP_POLICY] = {"edged_sip_requests_dropped_total{reason=\"policy\"}", STATS_COUNTER,
	"Requests that went no further", 0},
    [CNT_DROP_FOREIGN_ROUTE] = {"edged_sip_requests_dropped_total{reason=\"foreign_route\"}",
	STATS_COUNTER, "Requests that went no further", 0},
    [CNT_DROP_FLOW_GONE] = {"edged_sip_requests_dropped_total{reason=\"flow_gone\"}", STATS_COUNTER,
	"Requests that went no further", 0},
    [CNT_DROP_NO_NEXT_HOP] = {"edged_sip_requests_dropped_total{reason=\"no_next_hop\"}",
	STATS_COUNTER, "Requests that went no further", 0},
    [CNT_DROP_NO_PARTNER] = {"edged_sip_requests_dropped_total{reason=\"no_partner\"}",
	STATS_COUNTER, "Requests that went no further", 0},
    [CNT_DROP_MAX_FORWARDS] = {"edged_sip_requests_dropped_total{reason=\"max_forwards\"}",
	STATS_COUNTER, "Requests that went no further", 0},
    [CNT_DROP_BENOTIFY] = {"edged_sip_requests_dropped_total{reason=\"benotify\"}", STATS_COUNTER,
	"Requests that went no further", 0},
    [CNT_DROP_ACK] = {"edged_sip_requests_dropped_total{reason=\"ack\"}", STATS_COUNTER,
	"Requests that went no further", 0},
    [CNT_DROP_OUTPUT_FULL] = {"edged_sip_requests_dropped_total{reason=\"output_full\"}",
	STATS_COUNTER, "Requests that went no further", 0},
    [CNT_DROP_UNKNOWN_DOMAIN] = {"edged_sip_dropped_total{reason=\"unknown_domain\"}",
	STATS_COUNTER, "Messages refused because of their domain", 0},
    [CNT_DROP_PROVIDER_DOMAIN] =
	{"edged_sip_dropped_total{reason=\"unauthorized_provider_domain\"}", STATS_COUNTER,
	    "Messages refused because of their domain", 0},
    [CNT_DROP_INCOMPATIBLE_DOMAIN] = {"edged_sip_dropped_total{reason=\"incompatible_domain\"}",
	STATS_COUNTER, "Messages refused because of their domain", 0},
    [CNT_DROP_RES_NO_TXN] = {"edged_sip_responses_dropped_total{reason=\"no_txn\"}", STATS_COUNTER,
	"Responses that went no further", 0},
    [CNT_DROP_RES_WRONG_FLOW] = {"edged_sip_responses_dropped_total{reason=\"wrong_flow\"}",
	STATS_COUNTER, "Responses that went no further", 0},
    [CNT_DROP_RES_VIAS] = {"edged_sip_responses_dropped_total{reason=\"vias\"}", STATS_COUNTER,
	"Responses that went no further", 0},
    [CNT_DROP_RES_CLIENT_GONE] = {"edged_sip_responses_dropped_total{reason=\"client_gone\"}",
	STATS_COUNTER, "Responses that went no further", 0},
    [CNT_DROP_RES_MALFORMED] = {"edged_sip_responses_dropped_total{reason=\"malformed\"}",
	STATS_COUNTER, "Responses that went no further", 0},
    [CNT_DROP_RES_LATE] = {"edged_sip_responses_dropped_total{reason=\"late\"}", STATS_COUNTER,
	"Responses that went no further", 0},
    [CNT_ANSWERED_400] = {"edged_sip_responses_total{code=\"400\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_403] = {"edged_sip_responses_total{code=\"403\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_405] = {"edged_sip_responses_total{code=\"405\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_430] = {"edged_sip_responses_total{code=\"430\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_481] = {"edged_sip_responses_total{code=\"481\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_482] = {"edged_sip_responses_total{code=\"482\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_483] = {"edged_sip_responses_total{code=\"483\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_500] = {"edged_sip_responses_total{code=\"500\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_503] = {"edged_sip_responses_total{code=\"503\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_504] = {"edged_sip_responses_total{code=\"504\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_513] = {"edged_sip_responses_total{code=\"513\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_ANSWERED_OTHER] = {"edged_sip_responses_total{code=\"other\"}", STATS_COUNTER,
	"Responses made by the edge itself", 0},
    [CNT_RETRANSMITS] = {"edged_sip_retransmits_total", STATS_COUNTER, "Repeated requests absorbed",
	0},
    [CNT_TIMER_B] = {"edged_sip_transaction_timeouts_total{timer=\"b_f\"}", STATS_COUNTER,
	"Transactions that got no final response in time", 0},
    [CNT_TIMER_C] = {"edged_sip_transaction_timeouts_total{timer=\"c\"}", STATS_COUNTER,
	"Transactions that got no final response in time", 0},
    [CNT_TXN_FULL] = {"edged_sip_transactions_refused_total", STATS_COUNTER,
	"Requests refused because the transaction table is full", 0},
    [CNT_HELD] = {"edged_sip_requests_held_total", STATS_COUNTER,
	"Requests that waited for the first next hop link", 0},
    [CNT_HOLD_FULL] = {"edged_sip_hold_refused_total", STATS_COUNTER,
	"Requests refused because too many wait for the next hop", 0},
    [CNT_RATE_REQUESTS] = {"edged_sip_throttled_total{reason=\"requests_before_sign_in\"}",
	STATS_COUNTER, "Times a source was slowed down", 0},
    [CNT_RATE_REGISTERS] = {"edged_sip_throttled_total{reason=\"registers_per_address\"}",
	STATS_COUNTER, "Times a source was slowed down", 0},
    [CNT_TARPITS] = {"edged_sip_throttled_total{reason=\"failed_authentication\"}", STATS_COUNTER,
	"Times a source was slowed down", 0},
    [CNT_SOFT_LOCKS] = {"edged_sip_soft_locks_total", STATS_COUNTER,
	"Accounts locked at the Edge for wrong passwords", 0},
    [CNT_SOFT_LOCKED] = {"edged_sip_requests_dropped_total{reason=\"soft_locked\"}", STATS_COUNTER,
	"Requests dropped or refused", 0},
    [CNT_AUTH_FAILURES] = {"edged_sip_authentication_failures_total", STATS_COUNTER,
	"401 and 407 after credentials", 0},
    [CNT_DEADLINE_HEADER] = {"edged_sip_deadlines_total{reason=\"header\"}", STATS_COUNTER,
	"Connections closed because something took too long", 0},
    [CNT_DEADLINE_BODY] = {"edged_sip_deadlines_total{reason=\"body\"}", STATS_COUNTER,
	"Connections closed because something took too long", 0},
    [CNT_DEADLINE_FIRST] = {"edged_sip_deadlines_total{reason=\"first_message\"}", STATS_COUNTER,
	"Connections closed because something took too long", 0},
    [CNT_DEADLINE_SIGN_IN] = {"edged_sip_deadlines_total{reason=\"sign_in\"}", STATS_COUNTER,
	"Connections closed because something took too long", 0},
    [CNT_DEADLINE_IDLE] = {"edged_sip_deadlines_total{reason=\"idle\"}", STATS_COUNTER,
	"Connections closed because something took too long", 0},
    [CNT_OUTPUT_FULL] = {"edged_sip_sends_timed_out_total", STATS_COUNTER,
	"Connections closed because the peer did not read", 0},
    [CNT_HTTP_CLIENTS] = {"edged_sip_http_clients_total", STATS_COUNTER,
	"HTTP requests on the SIP port", 0},
    [CNT_LOOPS] = {"edged_sip_loops_total", STATS_COUNTER,
	"Requests that came round to us unchanged", 0},
    [CNT_REDIRECTS] = {"edged_sip_register_redirects_total", STATS_COUNTER,
	"301 or 302 for REGISTER from inside, turned into 504", 0},
    [CNT_PROBES] = {"edged_next_hop_probes_total", STATS_COUNTER,
	"OPTIONS sent to members of the next hop", 0},
    [CNT_LINK_DEATHS] = {"edged_next_hop_links_lost_total", STATS_COUNTER, "Next hop links lost",
	0},
    [CNT_INFLIGHT_LOST] = {"edged_next_hop_requests_lost_total", STATS_COUNTER,
	"Requests answered 504 because their link died", 0},
    [CNT_SIBLING_OUT] = {"edged_sip_sibling_total{dir=\"out\"}", STATS_COUNTER,
	"Messages handed to sibling workers", 0},
    [CNT_SIBLING_IN] = {"edged_sip_sibling_total{dir=\"in\"}", STATS_COUNTER,
	"Messages taken from sibling workers", 0},
    [CNT_SIBLING_FAILED] = {"edged_sip_sibling_failed_total", STATS_COUNTER,
	"Messages that could not be handed to a sibling", 0},
    [CNT_PARTNER_FAILED] = {"edged_federation_attempts_failed_total", STATS_COUNTER,
	"Attempts to reach a partner that ended without a link", 0},
    [CNT_PARTNER_LINKS_LOST] = {"edged_federation_links_lost_total", STATS_COUNTER,
	"Links to partners lost", 0},
    [CNT_PARTNER_LOOKUPS] = {"edged_federation_lookups_total", STATS_COUNTER,
	"SRV records asked for to judge who may speak for a domain", 0},
    [CNT_PARTNER_PARKED] = {"edged_federation_requests_parked_total", STATS_COUNTER,
	"Requests that waited for the DNS or for the first link to a partner", 0},
    [CNT_PARTNER_PARK_FULL] = {"edged_federation_park_full_total", STATS_COUNTER,
	"Requests that found no room to wait", 0},
    [CNT_PARTNER_REFUSED] = {"edged_federation_requests_refused_total", STATS_COUNTER,
	"Requests of partners refused by a rule", 0},
    [CNT_PARTNER_THROTTLED] = {"edged_federation_throttled_total{reason=\"rate\"}", STATS_COUNTER,
	"Times a discovered partner was slowed down or held back", 0},
    [CNT_PARTNER_SUSPICIOUS] = {"edged_federation_throttled_total{reason=\"suspicious\"}",
	STATS_COUNTER, "Times a discovered partner was slowed down or held back", 0},
    [CNT_PARTNER_CONTACTS] = {"edged_federation_throttled_total{reason=\"contacts\"}",
	STATS_COUNTER, "Times a discovered partner was slowed down or held back", 0},
    [CNT_PARTNER_REVOKED] = {"edged_federation_certificates_total{reason=\"refused\"}",
	STATS_COUNTER, "Partner certificates by what revocation lists said", 0},
    [CNT_PARTNER_UNCHECKED] = {"edged_federation_certificates_total{reason=\"unchecked\"}",
	STATS_COUNTER, "Partner certificates by what revocation lists said", 0},
    [CNT_CRL_FAILED] = {"edged_revocation_lists_failed_total", STATS_COUNTER,
	"Revocation lists that could not be had, once for each address and hour", 0},
    [CNT_PARTNER_WATCHED] = {"edged_federation_watchlisted", STATS_GAUGE,
	"Discovered partners on the watch list", 0},
#define PARTNERS(count, state)                                                                     \
	[count] = {"edged_federation_partners{state=\"" state "\"}", STATS_GAUGE,                  \
	    "Partners known just now; each worker has its own links", 0}
    PARTNERS(CNT_PARTNERS_UP, "up"),
    PARTNERS(CNT_PARTNERS_CONNECTING, "connecting"),
    PARTNERS(CNT_PARTNERS_FAILED, "failed"),
    PARTNERS(CNT_PARTNERS_IDLE, "idle"),
    [CNT_TRANSACTIONS] = {"edged_sip_transactions", STATS_GAUGE, "Transactions open", 0},
    [CNT_SIGNED_IN] = {"edged_sip_signed_in", STATS_GAUGE, "Client connections that have signed in",
	0},
};

#define MESSAGE(n, dir, side, method)                                                              \
	[n] = {"edged_sip_messages_total{dir=\"" dir "\",side=\"" side "\",method=\"" method       \
	       "\"}",                                                                              \
	    STATS_COUNTER, "SIP messages", 0}
#define MESSAGES(dir, side)                                                                        \
	{                                                                                          \
		MESSAGE(SIP_METHOD_OTHER, dir, side, "other"),                                     \
		    MESSAGE(SIP_INVITE, dir, side, "INVITE"), MESSAGE(SIP_ACK, dir, side, "ACK"),  \
		    MESSAGE(SIP_BYE, dir, side, "BYE"), MESSAGE(SIP_CANCEL, dir, side, "CANCEL"),  \
		    MESSAGE(SIP_REGISTER, dir, side, "REGISTER"),                                  \
		    MESSAGE(SIP_OPTIONS, dir, side, "OPTIONS"),                                    \
		    MESSAGE(SIP_MESSAGE, dir, side, "MESSAGE"),                                    \
		    MESSAGE(SIP_SUBSCRIBE, dir, side, "SUBSCRIBE"),                                \
		    MESSAGE(SIP_NOTIFY, dir, side, "NOTIFY"),                                      \
		    MESSAGE(SIP_BENOTIFY, dir, side, "BENOTIFY"),                                  \
		    MESSAGE(SIP_INFO, dir, side, "INFO"), MESSAGE(SIP_REFER, dir, side, "REFER"),  \
		    MESSAGE(SIP_UPDATE, dir, side, "UPDATE"),                                      \
		    MESSAGE(SIP_PRACK, dir, side, "PRACK"),                                        \
		    MESSAGE(SIP_PUBLISH, dir, side, "PUBLISH"),                                    \
		    MESSAGE(SIP_SERVICE, dir, side, "SERVICE"),                                    \
		    MESSAGE(SIP_NEGOTIATE, dir, side, "NEGOTIATE"),                                \
		    MESSAGE(MESSAGE_RESPONSE, dir, side, "response"),                              \
	}
struct stats_row access_messages[2][2][MESSAGE__N] = {
    {MESSAGES("in", "external"), MESSAGES("in", "internal")},
    {MESSAGES("out", "external"), MESSAGES("out", "internal")},
};

struct histogram access_processing;

void
counters_register(void)
{
	stats_register(access_counters, CNT__N);
	stats_register(access_messages[0][0], sizeof(access_messages) / sizeof(struct stats_row));
	stats_register_histogram("edged_sip_processing_seconds",
	    "From reading a SIP message until it has been dealt with, waits included",
	    &access_processing);
}

enum access_counter
counter_of_status(unsigned status)
{
	switch (status) {
	case 400:
		return CNT_ANSWERED_400;
	case 403:
		return CNT_ANSWERED_403;
	case 405:
		return CNT_ANSWERED_405;
	case 430:
		return CNT_ANSWERED_430;
	case 481:
		return CNT_ANSWERED_481;
	case 482:
		return CNT_ANSWERED_482;
	case 483:
		return CNT_ANSWERED_483;
	case 500:
		return CNT_ANSWERED_500;
	case 503:
		return CNT_ANSWERED_503;
	case 504:
		return CNT_ANSWERED_504;
	case 513:
		return CNT_ANSWERED_513;
	default:
		return CNT_ANSWERED_OTHER;
	}
}

/* SPDX-License-Identifier: MIT */
#include "webconf/counters.h"

#include "svc/stats.h"

#define C(name, text)                                                                              \
	{                                                                                          \
		"edged_psom_" name, STATS_COUNTER, text, 0                                         \
	}
#define G(name, text)                                                                              \
	{                                                                                          \
		"edged_psom_" name, STATS_GAUGE, text, 0                                           \
	}
#define REFUSED      "New connections closed before TLS, by reason"
#define RESETS       "Inside streams that the inside reset, by code"
#define DISCONNECTED "Clients disconnected, by reason"
#define D(reason)    C("clients_disconnected_total{reason=\"" reason "\"}", DISCONNECTED)

static struct stats_row rows[COUNT__N] = {
    [COUNT_CLIENTS] = G("clients", "Clients connected"),
    [COUNT_LINKS] = G("server_connections", "Inside links that are up"),
    [COUNT_LINKS_THROTTLED] =
	G("server_connections_throttled", "Inside links whose output is full"),
    [COUNT_THROTTLING] = G("throttling", "1 while nothing is read because too much is held"),
    [COUNT_QUEUED] = G("queued_octets", "Octets held for all clients"),
    [COUNT_TICKETS] = G("tickets", "Tickets held, dead ones included"),
    [COUNT_ACCEPTED] = C("connections_total", "Connections accepted"),
    [COUNT_ADMITTED] = C("clients_admitted_total", "Clients admitted"),
    [COUNT_REFUSED_DATA] =
	C("admissions_refused_total{kind=\"data\"}", "Admissions refused: invalid cookie data"),
    [COUNT_REFUSED_TIME] = C(
	"admissions_refused_total{kind=\"time\"}", "Admissions refused: invalid cookie time stamp"),
    [COUNT_CONN_TOTAL] = C("connections_refused_total{reason=\"total\"}", REFUSED),
    [COUNT_CONN_PER_ADDRESS] = C("connections_refused_total{reason=\"per_address\"}", REFUSED),
    [COUNT_CONN_HALF_OPEN] = C("connections_refused_total{reason=\"half_open\"}", REFUSED),
    [COUNT_CONN_RATE] = C("connections_refused_total{reason=\"rate\"}", REFUSED),
    [COUNT_CONN_PENALTY] = C("connections_refused_total{reason=\"failed_before\"}", REFUSED),
    [COUNT_CONN_DRAINING] = C("connections_refused_total{reason=\"draining\"}", REFUSED),
    [COUNT_OCTETS_IN] = C("octets_total{dir=\"in\"}", "Octets from clients and to them"),
    [COUNT_OCTETS_OUT] = C("octets_total{dir=\"out\"}", "Octets from clients and to them"),
    [COUNT_STREAMS] = C("streams_opened_total", "Streams opened towards servers"),
    [COUNT_RESET_CANCEL] = C("stream_resets_total{code=\"cancel\"}", RESETS),
    [COUNT_RESET_REFUSED] = C("stream_resets_total{code=\"refused\"}", RESETS),
    [COUNT_RESET_CALM] = C("stream_resets_total{code=\"calm\"}", RESETS),
    [COUNT_RESET_OTHER] = C("stream_resets_total{code=\"other\"}", RESETS),
    [COUNT_TICKETS_FULL] =
	C("tickets_refused_total{reason=\"full\"}", "Tickets that could not be kept"),
    [COUNT_TICKETS_LATE] =
	C("tickets_refused_total{reason=\"late\"}", "Tickets that could not be kept"),
    [COUNT_LINES_UNKNOWN] =
	C("announcements_ignored_total{reason=\"unknown\"}", "Announcement lines passed over"),
    [COUNT_LINES_MALFORMED] =
	C("announcements_ignored_total{reason=\"malformed\"}", "Announcement lines passed over"),
    [COUNT_UNKNOWN_PEERS] = C(
	"server_connections_refused_total{reason=\"unknown_peer\"}", "Inside connections refused"),
    [COUNT_LINKS_FAULTY] =
	C("server_connections_refused_total{reason=\"protocol\"}", "Inside connections refused"),
};

static struct stats_row ends[CLIENT_END__N] = {
    [CLIENT_CLOSED] = D("closed"),
    [CLIENT_RESET] = D("reset"),
    [CLIENT_TLS_FAILED] = D("tls_failed"),
    [CLIENT_HANDSHAKE_TIMEOUT] = D("handshake_timeout"),
    [CLIENT_TICKET_UNKNOWN] = D("ticket_unknown"),
    [CLIENT_TICKET_EXPIRED] = D("ticket_expired"),
    [CLIENT_TICKET_USED] = D("ticket_used"),
    [CLIENT_TICKET_REVOKED] = D("ticket_revoked"),
    [CLIENT_SNI_UNKNOWN] = D("sni_unknown"),
    [CLIENT_PREFACE_BAD] = D("preface_bad"),
    [CLIENT_ADMIT_TIMEOUT] = D("timeout"),
    [CLIENT_NO_SERVER] = D("no_server"),
    [CLIENT_LINKS_FULL] = D("links_full"),
    [CLIENT_SERVER_REFUSED] = D("server_refused"),
    [CLIENT_OPEN_TIMEOUT] = D("open_timeout"),
    [CLIENT_FIRST_FLIGHT] = D("first_flight"),
    [CLIENT_FIRST_OCTET_TIMEOUT] = D("first_octet_timeout"),
    [CLIENT_FRAMING] = D("framing"),
    [CLIENT_IDLE] = D("idle"),
    [CLIENT_HALF_OPEN] = D("half_open"),
    [CLIENT_SLOW] = D("slow"),
    [CLIENT_LIFETIME] = D("lifetime"),
    [CLIENT_INSIDE_RESET] = D("inside_reset"),
    [CLIENT_LINK_LOST] = D("link_lost"),
    [CLIENT_DRAINED] = D("drained"),
    [CLIENT_KICKED] = D("kicked"),
    [CLIENT_NO_MEMORY] = D("no_memory"),
};

static const char *const end_names[CLIENT_END__N] = {"under_way", "closed", "reset", "tls_failed",
    "handshake_timeout", "ticket_unknown", "ticket_expired", "ticket_used", "ticket_revoked",
    "sni_unknown", "preface_bad", "timeout", "no_server", "links_full", "server_refused",
    "open_timeout", "first_flight", "first_octet_timeout", "framing", "idle", "half_open", "slow",
    "lifetime", "inside_reset", "link_lost", "drained", "kicked", "no_memory"};

const char *
client_end_name(enum client_end e)
{
	return end_names[e];
}

void
counters_register(void)
{
	stats_register(rows, COUNT__N);
	stats_register(ends + 1, CLIENT_END__N - 1);
}

void
count_add(enum count c, uint64_t n)
{
	rows[c].value += n;
}

void
count_set(enum count c, uint64_t value)
{
	rows[c].value = value;
}

void
count_end(enum client_end e)
{
	ends[e].value++;
}

/* SPDX-License-Identifier: MIT
 *
 * avedge/notes.c: what operators see: log lines (docs/log-events.md, "av") and counters.
 */
#include <inttypes.h>
#include <string.h>

#include "avedge/internal.h"
#include "proto/turn/allocation.h"
#include "svc/log.h"
#include "svc/stats.h"

static struct stats_row counters[TURN_COUNT__N] = {
    [TURN_COUNT_FROM_CLIENT] = {"edged_av_packets_total{dir=\"from_client\"}", STATS_COUNTER,
	"Packets relayed", 0},
    [TURN_COUNT_FROM_PEER] = {"edged_av_packets_total{dir=\"from_peer\"}", STATS_COUNTER,
	"Packets relayed", 0},
#define BYTES(n, transport, dir, leg)                                                              \
	[TURN_COUNT_BYTES + (n)] = {"edged_av_bytes_total{transport=\"" transport "\",dir=\"" dir  \
				    "\",leg=\"" leg "\"}",                                         \
	    STATS_COUNTER, "Bytes of media relayed; transport and leg are the client's", 0}
    /* In the order of turn_count_bytes. */
    BYTES(0, "udp", "from_client", "external"),
    BYTES(1, "udp", "from_client", "internal"),
    BYTES(2, "tcp", "from_client", "external"),
    BYTES(3, "tcp", "from_client", "internal"),
    BYTES(4, "udp", "from_peer", "external"),
    BYTES(5, "udp", "from_peer", "internal"),
    BYTES(6, "tcp", "from_peer", "external"),
    BYTES(7, "tcp", "from_peer", "internal"),
    [TURN_COUNT_BINDINGS] = {"edged_av_bindings_total", STATS_COUNTER, "STUN Binding answers", 0},
    [TURN_COUNT_CHALLENGES] = {"edged_av_challenges_total", STATS_COUNTER,
	"Answers to unauthenticated requests", 0},
#define BY_TRANSPORT(count, name, text)                                                            \
	[count] = {name "{transport=\"udp\"}", STATS_COUNTER, text, 0},                            \
	[(count) + 1] = {name "{transport=\"tcp\"}", STATS_COUNTER, text, 0}
    BY_TRANSPORT(TURN_COUNT_ALLOCATED, "edged_av_allocations_total", "Allocations made"),
    BY_TRANSPORT(TURN_COUNT_ENDED, "edged_av_allocations_ended_total", "Allocations ended"),
    BY_TRANSPORT(TURN_COUNT_AUTH_FAILURES, "edged_av_authentication_failures_total",
	"Wrong or expired credentials"),
    [TURN_COUNT_INTEGRITY_NOT_SHA1] = {"edged_av_integrity_not_sha1_total", STATS_COUNTER,
	"Clients that insist on another Message Integrity than HMAC-SHA-1", 0},
    BY_TRANSPORT(TURN_COUNT_USER_LIMIT, "edged_av_port_limit_exceeded_total",
	"Allocations refused by a quota"),
    [TURN_COUNT_NOT_SHARED] = {"edged_av_not_shared_total", STATS_COUNTER,
	"Allocations counted by their worker alone: the shared table was full", 0},
    [TURN_COUNT_NO_PORT] = {"edged_av_no_port_total", STATS_COUNTER,
	"Allocations refused for want of a relay port", 0},
    [TURN_COUNT_THROTTLED] = {"edged_av_streams_throttled_total", STATS_COUNTER,
	"Times that the streams of an allocation began to wait for a ceiling of bandwidth", 0},
#define DROP_ROW(count, transport, reason)                                                         \
	[count] = {"edged_av_packets_dropped_total{transport=\"" transport "\",reason=\"" reason   \
		   "\"}",                                                                          \
	    STATS_COUNTER, "Packets dropped; transport is the client's", 0}
#define DROP(count, reason) DROP_ROW(count, "udp", reason), DROP_ROW((count) + 1, "tcp", reason)
    DROP(TURN_COUNT_DROP_MALFORMED, "malformed"),
    DROP(TURN_COUNT_DROP_NO_ALLOCATION, "no_allocation"),
    DROP(TURN_COUNT_DROP_RATE, "rate"),
    DROP(TURN_COUNT_DROP_AMPLIFICATION, "amplification"),
    DROP(TURN_COUNT_DROP_KEYS_WAITING, "keys_waiting"),
    DROP(TURN_COUNT_DROP_INTEGRITY, "integrity"),
    DROP(TURN_COUNT_DROP_REPLAY, "replay"),
    DROP(TURN_COUNT_DROP_PEER_POLICY, "peer_policy"),
    DROP(TURN_COUNT_DROP_NO_PERMISSION, "no_permission"),
    DROP(TURN_COUNT_DROP_BANDWIDTH, "bandwidth"),
    DROP(TURN_COUNT_DROP_MULTIPLEX, "multiplex"),
    DROP(TURN_COUNT_DROP_TOO_LONG, "too_long"),
    DROP(TURN_COUNT_DROP_OTHER, "other"),
};

enum {
	GAUGE_ALLOCATIONS_UDP,
	GAUGE_ALLOCATIONS_TCP,
	GAUGE_PORTS,
	GAUGE_PORTS_FREE,
	GAUGE_TCP,
	GAUGE_SEND_DROPPED,
	GAUGE_SEND_DROPPED_TCP,
	GAUGE_OVER_PEAK,
	GAUGE_OVER_AVERAGE,
	GAUGE_KERNEL_FLOWS,
	GAUGE_KERNEL_FROM_CLIENT,
	GAUGE_KERNEL_FROM_PEER,
	GAUGE_KERNEL_REFUSED,
	GAUGE__N
};
static struct stats_row gauges[GAUGE__N] = {
    [GAUGE_ALLOCATIONS_UDP] = {"edged_av_allocations{transport=\"udp\"}", STATS_GAUGE,
	"Allocations now", 0},
    [GAUGE_ALLOCATIONS_TCP] = {"edged_av_allocations{transport=\"tcp\"}", STATS_GAUGE,
	"Allocations now", 0},
    [GAUGE_PORTS] = {"edged_av_ports_in_use", STATS_GAUGE, "Relay ports of this worker", 0},
    [GAUGE_PORTS_FREE] = {"edged_av_ports_free", STATS_GAUGE,
	"Ports of the range that this worker does not hold", 0},
    [GAUGE_TCP] = {"edged_av_tcp_clients", STATS_GAUGE, "TCP connections of clients", 0},
    DROP(GAUGE_SEND_DROPPED, "send"),
    [GAUGE_OVER_PEAK] = {"edged_av_sessions_over_peak_bandwidth", STATS_GAUGE,
	"Allocations that lost datagrams to a ceiling of av.limits, or waited, in the last 10 s",
	0},
    [GAUGE_OVER_AVERAGE] = {"edged_av_sessions_over_average_bandwidth", STATS_GAUGE,
	"Those of them of which that has been true for a minute and more", 0},
    [GAUGE_KERNEL_FLOWS] = {"edged_av_kernel_flows", STATS_GAUGE,
	"Directions of flows that the kernel relays by itself", 0},
    [GAUGE_KERNEL_FROM_CLIENT] = {"edged_av_kernel_packets_total{dir=\"from_client\"}",
	STATS_COUNTER, "Those of the packets relayed that the kernel relayed by itself", 0},
    [GAUGE_KERNEL_FROM_PEER] = {"edged_av_kernel_packets_total{dir=\"from_peer\"}", STATS_COUNTER,
	"Those of the packets relayed that the kernel relayed by itself", 0},
    [GAUGE_KERNEL_REFUSED] = {"edged_av_kernel_refused_total", STATS_COUNTER,
	"Flows that could not be entered into the kernel's map", 0},
};

void
notes_register(void)
{
	stats_register(counters, TURN_COUNT__N);
	stats_register(gauges, GAUGE__N);
}

void
notes_collect(struct avedge *av)
{
	uint32_t used = ports_in_use(av->ports);
	struct turn_over over = turn_server_over(av->server, loop_now_ms(av->loop));

	for (int i = 0; i < TURN_COUNT__N; i++)
		counters[i].value = turn_server_count(av->server, (enum turn_count)i);
	for (int i = 0; i < 2; i++)
		gauges[GAUGE_ALLOCATIONS_UDP + i].value =
		    counters[TURN_COUNT_ALLOCATED + i].value - counters[TURN_COUNT_ENDED + i].value;
	gauges[GAUGE_PORTS].value = used;
	gauges[GAUGE_PORTS_FREE].value =
	    ports_total(av->ports) - (used < ports_total(av->ports) ? used : 0);
	gauges[GAUGE_TCP].value = av->n_clients;
	gauges[GAUGE_KERNEL_FLOWS].value = av->n_kernel;
	gauges[GAUGE_KERNEL_FROM_CLIENT].value = av->kernel_packets[0];
	gauges[GAUGE_KERNEL_FROM_PEER].value = av->kernel_packets[1];
	gauges[GAUGE_KERNEL_REFUSED].value = av->kernel_refused;
	gauges[GAUGE_SEND_DROPPED].value = udp_stats(av->udp)->send_dropped;
	gauges[GAUGE_SEND_DROPPED_TCP].value = av->stream_dropped;
	gauges[GAUGE_OVER_PEAK].value = over.peak;
	gauges[GAUGE_OVER_AVERAGE].value = over.average;
}

static void
note_created(const struct turn_allocation *a)
{
	char client[ADDR_STR_LEN], relayed[ADDR_STR_LEN];

	log_info(AREA_TURN, "", "allocation_created",
	    "alloc=%u client=%s transport=%s relayed=%s dialect=%s lifetime_s=%u", a->id,
	    addr_str(&a->flow.client, client), a->flow.transport == TURN_TCP ? "tcp" : "udp",
	    addr_str(&a->relayed[a->relayed[0].family ? 0 : 1], relayed), a->dialect->name,
	    a->lifetime_s);
}

static void
note_ended(const struct turn_allocation *a, const char *why)
{
	char client[ADDR_STR_LEN];

	/* With the client, so that one client's flood of them hides nobody else's. */
	log_info(AREA_TURN, "", "allocation_ended",
	    "alloc=%u client=%s why=%s packets_from_client=%" PRIu64 " packets_from_peer=%" PRIu64
	    " bytes_from_client=%" PRIu64 " bytes_from_peer=%" PRIu64,
	    a->id, addr_str(&a->flow.client, client), why, a->packets[0], a->packets[1],
	    a->bytes[0], a->bytes[1]);
}

void
note_throttled(struct avedge *av, const struct turn_allocation *a, const char *scope)
{
	const struct turn_limits *lim = &av->conf.limits;
	bool is_user = strcmp(scope, "user") == 0;
	char client[ADDR_STR_LEN];

	log_notice(AREA_TURN, "AVR-5004", "stream_throttled",
	    "alloc=%u client=%s scope=%s kbit=%" PRIu64, a->id, addr_str(&a->flow.client, client),
	    scope, is_user ? lim->kbit_per_user : lim->kbit_per_port);
}

/* Other workers hold ports of the range too: edgectl sessions shows all of them. */
static void
note_no_port(struct avedge *av, const struct addr *client)
{
	char peer[ADDR_STR_LEN], user[TURN_USER_STR_LEN];
	uint32_t held = turn_server_most(av->server, user);

	log_warning(AREA_TURN, "AVR-5002", "no_relay_port",
	    "range=%u-%u in_use=%u peer=%s most=%s held=%u", av->conf.policy.relay_port_min,
	    av->conf.policy.relay_port_max, ports_in_use(av->ports), addr_ip_str(client, peer),
	    held ? user : "-", held);
}

void
notes_write(struct avedge *av, const struct turn_acts *acts)
{
	const struct turn_allocation *a = acts->note_allocation;
	char peer[ADDR_STR_LEN];

	switch (acts->note) {
	case TURN_NOTE_CREATED:
		note_created(a);
		break;
	case TURN_NOTE_ENDED:
		note_ended(a, acts->detail);
		break;
	case TURN_NOTE_AUTH_FAILED:
		log_notice(AREA_TURN, "AVR-5001", "allocation_refused", "peer=%s reason=%s",
		    addr_ip_str(&acts->note_peer, peer), acts->detail);
		break;
	case TURN_NOTE_NO_PORT:
		note_no_port(av, &acts->note_peer);
		break;
	case TURN_NOTE_USER_LIMIT:
		log_notice(AREA_TURN, "AVR-5003", "port_limit", "limit=%s peer=%s", acts->detail,
		    addr_ip_str(&acts->note_peer, peer));
		break;
	case TURN_NOTE_PEER_REFUSED:
		log_warning(AREA_TURN, "AVR-5005", "peer_refused", "alloc=%u rule=%s peer=%s",
		    a ? a->id : 0, acts->detail, addr_str(&acts->note_peer, peer));
		break;
	case TURN_NOTE_RATE_LIMITED:
		log_warning(AREA_TURN, "AVR-5006", "rate_limited", "kind=%s source=%s",
		    acts->detail, addr_ip_str(&acts->note_peer, peer));
		break;
	case TURN_NOTE_NONE:
	case TURN_NOTE__N:
		break;
	}
}

/* SPDX-License-Identifier: MIT
 *
 * avauth/counters.c: what `edgectl stats` shows of A/V Authentication.
 */
#include "avauth/service.h"
#include "svc/stats.h"

#define RESULT(reason)                                                                             \
	{                                                                                          \
		"edged_mras_requests_total{result=\"" reason "\"}", STATS_COUNTER,                 \
		    "Credential requests", 0                                                       \
	}
static struct stats_row results[MRAS_REASON__N] = {
    [MRAS_OK] = RESULT("ok"),
    [MRAS_REQUEST_MALFORMED] = RESULT("malformed"),
    [MRAS_REQUEST_TOO_LARGE] = RESULT("too_large"),
    [MRAS_NOT_SUPPORTED] = RESULT("not_supported"),
    [MRAS_SERVER_BUSY] = RESULT("busy"),
    [MRAS_TIME_OUT] = RESULT("time_out"),
    [MRAS_FORBIDDEN] = RESULT("forbidden"),
    [MRAS_INTERNAL_SERVER_ERROR] = RESULT("internal_error"),
    [MRAS_OTHER_FAILURE] = RESULT("other"),
    [MRAS_VERSION_MISMATCH] = RESULT("version"),
};
static struct stats_row others[] = {
    {"edged_mras_credentials_total", STATS_COUNTER, "Credentials issued", 0},
    {"edged_mras_connections_refused_total{reason=\"not_trusted\"}", STATS_COUNTER,
	"Connections closed after the handshake", 0},
};

void
counters_register(void)
{
	stats_register(results, MRAS_REASON__N);
	stats_register(others, sizeof(others) / sizeof(others[0]));
}

void
counters_request(enum mras_reason r)
{
	results[r].value++;
}

void
counters_issued(uint32_t n)
{
	others[0].value += n;
}

void
counters_refused_peer(void)
{
	others[1].value++;
}

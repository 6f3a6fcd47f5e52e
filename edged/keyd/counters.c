/* SPDX-License-Identifier: MIT
 *
 * keyd/counters.c: what `edgectl stats` shows of keyd.
 */
#include "keyd/room.h"
#include "net/keyproto.h"
#include "svc/stats.h"

static struct stats_row by_op[] = {
    {"edged_keyd_operations_total{op=\"other\"}", STATS_COUNTER, "Requests answered.", 0},
    {"edged_keyd_operations_total{op=\"sign\"}", STATS_COUNTER, "Requests answered.", 0},
    {"edged_keyd_operations_total{op=\"day_keys\"}", STATS_COUNTER, "Requests answered.", 0},
    {"edged_keyd_operations_total{op=\"ticket_keys\"}", STATS_COUNTER, "Requests answered.", 0},
    {"edged_keyd_operations_total{op=\"turn_key\"}", STATS_COUNTER, "Requests answered.", 0},
    {"edged_keyd_operations_total{op=\"issue_token\"}", STATS_COUNTER, "Requests answered.", 0},
};
static struct stats_row refused[] = {
    {"edged_keyd_refused_total{reason=\"malformed\"}", STATS_COUNTER, "Requests refused.", 0},
    {"edged_keyd_refused_total{reason=\"denied\"}", STATS_COUNTER, "Requests refused.", 0},
    {"edged_keyd_refused_total{reason=\"no_slot\"}", STATS_COUNTER, "Requests refused.", 0},
    {"edged_keyd_refused_total{reason=\"unsupported\"}", STATS_COUNTER, "Requests refused.", 0},
    {"edged_keyd_refused_total{reason=\"failed\"}", STATS_COUNTER, "Requests refused.", 0},
};

void
keyd_counters_register(void)
{
	stats_register(by_op, sizeof(by_op) / sizeof(by_op[0]));
	stats_register(refused, sizeof(refused) / sizeof(refused[0]));
}

void
keyd_count(unsigned op, unsigned verdict)
{
	by_op[op < sizeof(by_op) / sizeof(by_op[0]) ? op : 0].value++;
	if (verdict > KEYPROTO_OK && verdict <= KEYPROTO_FAILED)
		refused[verdict - 1].value++;
}

/* SPDX-License-Identifier: MIT
 *
 * svc/stats.h: counters and gauges of one process: fixed at compile time, named as in the metrics
 * (edge-reference 14), shown by `edgectl stats`. Plain increments: one thread per process.
 *
 * A room declares its own with STATS_COUNTER in a table and registers the table at start; labels
 * are part of the name: "edged_sip_dropped_total{reason=\"unknown_domain\"}".
 */
#ifndef EDGED_SVC_STATS_H
#define EDGED_SVC_STATS_H

#include <stddef.h>
#include <stdint.h>

enum stats_kind { STATS_COUNTER, STATS_GAUGE };

struct stats_row {
	const char *name;
	enum stats_kind kind;
	const char *help;
	uint64_t value;
};

/* rows are borrowed for the life of the process. */
void stats_register(struct stats_row *rows, size_t n);
/* Calls each(row, arg) over all registered rows in order. */
void stats_each(void (*each)(const struct stats_row *row, void *arg), void *arg);

#endif

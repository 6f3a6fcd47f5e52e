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

struct histogram; /* base/histogram.h */

enum stats_kind {
	STATS_COUNTER,
	STATS_GAUGE,
	STATS_BUCKET, /* of a histogram: NAME_bucket{le="..."}, cumulative, and NAME_count */
	STATS_TIME,   /* of a histogram: NAME_sum; the value is in us and shown in seconds */
	STATS_KIND__N
};

struct stats_row {
	const char *name;
	enum stats_kind kind;
	const char *help;
	uint64_t value;
};

/* rows are borrowed for the life of the process. */
void stats_register(struct stats_row *rows, size_t n);
/* name ends in _seconds and has no labels; all three are borrowed for the life of the process. */
void stats_register_histogram(const char *name, const char *help, const struct histogram *h);
/* Calls each(row, arg) over all registered rows in order, those of histograms last; row is valid
 * inside. */
void stats_each(void (*each)(const struct stats_row *row, void *arg), void *arg);

#endif

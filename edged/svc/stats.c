/* SPDX-License-Identifier: MIT
 *
 * svc/stats.c: the tables that this process registered.
 */
#include "svc/stats.h"

#include <assert.h>
#include <stdio.h>

#include "base/histogram.h"

#define TABLES_MAX     32u
#define HISTOGRAMS_MAX 8u
#define NAME_MAX_LEN   96u

static struct {
	struct stats_row *rows;
	size_t n;
} tables[TABLES_MAX];
static size_t n_tables;

static struct timing {
	const char *name, *help;
	const struct histogram *h;
} timings[HISTOGRAMS_MAX];
static size_t n_timings;

void
stats_register(struct stats_row *rows, size_t n)
{
	assert(n_tables < TABLES_MAX);
	tables[n_tables].rows = rows;
	tables[n_tables++].n = n;
}

void
stats_register_histogram(const char *name, const char *help, const struct histogram *h)
{
	assert(n_timings < HISTOGRAMS_MAX);
	timings[n_timings++] = (struct timing){name, help, h};
}

/* Buckets count what took at most so long, as Prometheus wants them. */
static void
each_bucket(const struct timing *t, void (*each)(const struct stats_row *row, void *arg), void *arg)
{
	char name[NAME_MAX_LEN];
	struct stats_row row = {.name = name, .kind = STATS_BUCKET, .help = t->help};

	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		row.value += t->h->n[i];
		if (i < HISTOGRAM_BOUNDS)
			snprintf(name, sizeof(name), "%s_bucket{le=\"%g\"}", t->name,
			    histogram_bounds_us[i] / 1e6);
		else
			snprintf(name, sizeof(name), "%s_bucket{le=\"+Inf\"}", t->name);
		each(&row, arg);
	}
	snprintf(name, sizeof(name), "%s_count", t->name);
	each(&row, arg);
	snprintf(name, sizeof(name), "%s_sum", t->name);
	row.kind = STATS_TIME;
	row.value = t->h->sum_us;
	each(&row, arg);
}

void
stats_each(void (*each)(const struct stats_row *row, void *arg), void *arg)
{
	for (size_t t = 0; t < n_tables; t++)
		for (size_t i = 0; i < tables[t].n; i++)
			each(&tables[t].rows[i], arg);
	for (size_t i = 0; i < n_timings; i++)
		each_bucket(&timings[i], each, arg);
}

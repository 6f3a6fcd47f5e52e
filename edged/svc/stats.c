/* SPDX-License-Identifier: MIT
 *
 * svc/stats.c: the tables that this process registered.
 */
#include "svc/stats.h"

#include <assert.h>

#define TABLES_MAX 32u

static struct {
	struct stats_row *rows;
	size_t n;
} tables[TABLES_MAX];
static size_t n_tables;

void
stats_register(struct stats_row *rows, size_t n)
{
	assert(n_tables < TABLES_MAX);
	tables[n_tables].rows = rows;
	tables[n_tables++].n = n;
}

void
stats_each(void (*each)(const struct stats_row *row, void *arg), void *arg)
{
	for (size_t t = 0; t < n_tables; t++)
		for (size_t i = 0; i < tables[t].n; i++)
			each(&tables[t].rows[i], arg);
}

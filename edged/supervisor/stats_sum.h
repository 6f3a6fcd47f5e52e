/* SPDX-License-Identifier: MIT
 *
 * supervisor/stats_sum.h: counters of several processes added up by name. Pure but for the heap;
 * bounded, since the names come from services.
 */
#ifndef EDGED_SUPERVISOR_STATS_SUM_H
#define EDGED_SUPERVISOR_STATS_SUM_H

#include <stdint.h>

#include "base/str.h"
#include "svc/stats.h"

struct json;
struct stats_sum;

#define STATS_SUM_MAX 2048u

struct stats_sum *stats_sum_new(void);
struct stats_sum *stats_sum_free(struct stats_sum *s);
void stats_sum_add(
    struct stats_sum *s, struct str name, enum stats_kind kind, struct str help, uint64_t value);
/* [{"name":...,"kind":"counter","help":...,"value":N}] in the order of first sight; kind is
 * counter, gauge or histogram, N has decimals for the sum of a histogram only. */
void stats_sum_json(const struct stats_sum *s, struct json *j);
/* Prometheus text: rows of one metric together (of a histogram all its parts), HELP and TYPE before
 * them. */
void stats_sum_prometheus(const struct stats_sum *s, struct json *j);

#endif

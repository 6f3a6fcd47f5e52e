/* SPDX-License-Identifier: MIT
 *
 * ctl/top.h: what `edgectl top` shows: figures made of two answers to `stats`, as rows of one
 * table.
 *
 * Pure: answers and the time between them in, numbers out; ctl/top_screen.c draws them.
 */
#ifndef EDGED_CTL_TOP_H
#define EDGED_CTL_TOP_H

#include <stdint.h>
#include <stdio.h>

#include "svc/json.h"

struct top_row {
	const char *role;  /* shown when such a service runs */
	const char *key;   /* in --json */
	const char *title; /* on the screen, with its unit */
	const char *metric,
	    *label;    /* summed over the series whose labels hold `label`; NULL: all */
	bool rate;     /* growth a second; else the value now */
	double factor; /* into the unit of the title; 0: 1 */
};
extern const struct top_row top_rows[];
extern const size_t top_n_rows;

/* Sum of metric's series in an answer to `stats` whose labels hold `label`. */
double top_sum(struct json_value stats, const char *metric, const char *label);

/* A figure; a counter that went back (its process was started again) counts from 0. */
double top_value(
    const struct top_row *row, struct json_value before, struct json_value now, double interval_s);

/* True when `status` lists a service of that role. */
bool top_has_role(struct json_value status, const char *role);

/* {"ok":true,"interval_s":1.0,"figures":{"access":{"clients":3,...},...}} */
void top_json(struct json_value status, struct json_value before, struct json_value now,
    double interval_s, FILE *out);

/* One line of figures as on the screen: "12", "3.4", "0". */
const char *top_number(double v, char *buf, size_t room);

#endif

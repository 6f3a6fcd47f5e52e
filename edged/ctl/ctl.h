/* SPDX-License-Identifier: MIT
 *
 * ctl/ctl.h: how edgectl shows the supervisor's answers to people. Each command has one printer;
 * with
 * --json the answer is printed as it came.
 */
#ifndef EDGED_CTL_CTL_H
#define EDGED_CTL_CTL_H

#include <stdio.h>

#include "svc/json.h"

/* Each returns the exit status: 0, or 1 when the answer is no. */
int print_status(struct json_value v, FILE *out);
int print_certs(struct json_value v, FILE *out);
int print_stats(struct json_value v, FILE *out);
int print_check(struct json_value v, FILE *out);
int print_reload(struct json_value v, FILE *out);
int print_done(struct json_value v, FILE *out);
int print_services(struct json_value v, FILE *out);

#endif

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

enum { CTL_DONE = 0, CTL_NO = 1, CTL_USAGE = 2, CTL_UNREACHED = 3 }; /* exit status */

/*
 * One question to the supervisor, its whole answer. line: without its end. CTL_DONE and *ret_answer
 * (json_done it), or CTL_UNREACHED after saying why on stderr.
 */
int ctl_ask(const char *socket_path, const char *line, struct json *ret_answer);

/* Ask for state, certificates and next hop, and draw them (ctl/diagram.h); json: the answers. */
int ctl_diagram(const char *socket_path, bool json, FILE *out);

/* The live view (ctl/top.h) until q; json: one sample over a second. */
int ctl_top(const char *socket_path, bool json, FILE *out);

/* Messages of one call, user or connection into a file or onto the terminal (ctl/trace.c). */
int ctl_trace(const char *socket_path, bool json, int n_words, char **words);

/* Each returns the exit status: 0, or 1 when the answer is no. */
int print_status(struct json_value v, FILE *out);
int print_certs(struct json_value v, FILE *out);
int print_stats(struct json_value v, FILE *out);
int print_check(struct json_value v, FILE *out);
int print_reload(struct json_value v, FILE *out);
int print_done(struct json_value v, FILE *out);
int print_kick(struct json_value v, FILE *out);
int print_services(struct json_value v, FILE *out);

#endif

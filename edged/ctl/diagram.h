/* SPDX-License-Identifier: MIT
 *
 * ctl/diagram.h: the edge as administrators draw it on a whiteboard, as SVG: the Internet on the
 * left, the inside on the right, between them the host with its two interfaces and a row for each
 * service: ports with direction, state, certificate with days left; next hop with its state.
 *
 * Pure: answers of the supervisor in, text out. What an answer lacks is left out of the picture.
 */
#ifndef EDGED_CTL_DIAGRAM_H
#define EDGED_CTL_DIAGRAM_H

#include <stdio.h>

#include "svc/json.h"

struct diagram_input {
	struct json_value status, certs, next_hop; /* answers to `status`, `certs`, `nexthop` */
};

void diagram_print(const struct diagram_input *in, FILE *out);

#endif

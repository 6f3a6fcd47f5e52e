/* SPDX-License-Identifier: MIT
 *
 * check.h: between the index (msg.c) and the strict readers of single values (check.c).
 *
 * Inside libsipparse only. The first fault is kept and the work goes on, so that a refused request
 * still yields what a 400 has to copy.
 */
#ifndef SIPPARSE_CHECK_H
#define SIPPARSE_CHECK_H

#include "chars.h"
#include "sipparse/msg.h"

struct sip_parse {
	struct arena *arena;
	const struct sip_limits *lim;
	struct sip_msg *m;
	const char *safe;     /* end of m->bytes, see chars.h */
	struct ctl_scan ctls; /* where the next CR, or what must not be there, stands */
	uint32_t room;        /* of m->lines */
	bool dirty;           /* a control stood in the line being read */
	struct ed_fault fault;
};

/* Note a fault unless one is noted already (memory counts always). Returns code. */
int parse_fail(struct sip_parse *ps, enum ed_err code, const char *at, const char *what);

void check_request_uri(struct sip_parse *ps);

/* All that sip_msg_parse reads beyond the index: mandatory and single headers, typed values. */
void check_values(struct sip_parse *ps);

#endif

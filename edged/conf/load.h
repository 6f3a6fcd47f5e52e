/* SPDX-License-Identifier: MIT
 *
 * conf/load.h: reads the file into a struct conf. The only place that knows libconfig.
 *
 * An unknown key, a wrong type or a value out of bounds is an error with file and line; all of them
 * are reported, not only the first. Rules that look at more than one key are in conf/check.h.
 */
#ifndef EDGED_CONF_LOAD_H
#define EDGED_CONF_LOAD_H

#include "base/err.h"
#include "conf/conf.h"
#include "conf/report.h"

struct conf_place {
	struct conf_place *next;
	const char *key; /* "federation.allowed[2].domain" */
	const char *file;
	unsigned line;
};

/* ED_OK with *ret_conf also when there were findings (see report->n_errors); ED_MALFORMED when the
 * file could not be read or parsed at all; ED_NOMEM. */
int conf_load(const char *path, struct conf **ret_conf, struct conf_report *report) ED_MUST_CHECK;

/* Where key was set; NULL when it is at its default. */
const struct conf_place *conf_place_of(const struct conf *c, const char *key);

#endif

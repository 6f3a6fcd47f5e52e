/* SPDX-License-Identifier: MIT
 *
 * conf/diff.h: what changes between the configuration in force and the next one (walk C, step 3).
 */
#ifndef EDGED_CONF_DIFF_H
#define EDGED_CONF_DIFF_H

#include <stdbool.h>

#include "conf/options.h"

/* Calls each for every row whose value differs. Returns the number of them. */
typedef void conf_diff_cb(void *arg, const struct conf_opt *o);
unsigned conf_diff(const struct conf *now, const struct conf *next, conf_diff_cb *each, void *arg);

/* Rows that only a restart can change get the value of `now` again. Calls each for those that
 * differed. */
int conf_keep_restart_rows(
    const struct conf *now, struct conf *next, conf_diff_cb *each, void *arg) ED_MUST_CHECK;

#endif

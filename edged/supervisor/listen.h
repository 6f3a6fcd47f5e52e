/* SPDX-License-Identifier: MIT
 *
 * supervisor/listen.h: opens the listeners: one per worker and spec, bound to address and device,
 * in a fixed order, kept open while the supervisor lives.
 */
#ifndef EDGED_SUPERVISOR_LISTEN_H
#define EDGED_SUPERVISOR_LISTEN_H

#include "base/err.h"
#include "conf/listen.h"

/* One socket. ED_SYS with errno. */
int listen_open(const struct listen_spec *spec, int *ret_fd) ED_MUST_CHECK;

#endif

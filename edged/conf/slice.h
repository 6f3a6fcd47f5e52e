/* SPDX-License-Identifier: MIT
 *
 * conf/slice.h: the rows that one role may know, as bytes between supervisor and service. What is
 * not in the slice stays at its default on the other side.
 */
#ifndef EDGED_CONF_SLICE_H
#define EDGED_CONF_SLICE_H

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

struct ipc_writer;

void conf_slice_put(struct ipc_writer *w, const struct conf *c, uint32_t role_bit);
/* ED_MALFORMED when the bytes are not a slice of this table; ED_NOMEM. */
int conf_slice_get(struct str bytes, uint32_t role_bit, struct conf **ret_conf) ED_MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/steer.h: which worker a packet or connection of a SO_REUSEPORT group goes to: by its source
 * address alone (IPv6 by /64), so that everything of one client address meets one worker.
 *
 * A classic BPF program of a few instructions, attached to the group by any of its sockets. The
 * group numbers its sockets in the order they were bound.
 */
#ifndef EDGED_NET_STEER_H
#define EDGED_NET_STEER_H

#include <stdint.h>

#include "base/err.h"

/* ED_OK, or ED_SYS: the kernel then spreads by the whole five-tuple. */
int steer_by_source(int fd, uint8_t family, uint32_t n_workers) ED_MUST_CHECK;

#endif

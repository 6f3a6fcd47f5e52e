/* SPDX-License-Identifier: MIT
 *
 * avedge/room.h: the A/V Edge: a STUN and TURN relay, one worker of it.
 *
 * What a packet means is decided in proto/turn; here are the sockets, the clock, the ports, the
 * keys from keyd, the counters and the log. Workers share the listening ports by SO_REUSEPORT; a
 * client address always meets the same one (net/steer.h).
 *
 * Spec: docs/spec/ms-turn.md, docs/spec/rfc8656.md.
 */
#ifndef EDGED_AVEDGE_ROOM_H
#define EDGED_AVEDGE_ROOM_H

#include "svc/svc.h"

extern const struct svc_room avedge_room;

#endif

/* SPDX-License-Identifier: MIT
 *
 * avauth/room.h: the A/V Authentication service: a small SIP user agent server on the internal side
 * that takes SERVICE requests from trusted servers and answers with relay credentials (keyd mints
 * them).
 *
 * Spec: [MS-AVEDGEA]; docs/spec/mras.md.
 */
#ifndef EDGED_AVAUTH_ROOM_H
#define EDGED_AVAUTH_ROOM_H

#include "svc/svc.h"

extern const struct svc_room avauth_room;

#endif

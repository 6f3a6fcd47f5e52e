/* SPDX-License-Identifier: MIT
 *
 * proto/turn/nonce.h: a nonce that needs no memory: minutes and a keyed hash over them and the
 * sender, 16 characters. It proves that the sender can hear us at its address.
 *
 * Pure. Spec: ms-turn 4.4.
 */
#ifndef EDGED_PROTO_TURN_NONCE_H
#define EDGED_PROTO_TURN_NONCE_H

#include "base/mac.h"
#include "proto/turn/allocation.h"

#define TURN_NONCE_MINUTES 60u

int turn_nonce_make(struct mac_ctx *key, const struct turn_flow *flow, uint64_t now_ms,
    char ret[TURN_NONCE_LEN]) ED_MUST_CHECK;
/* Ours, for this flow, not older than TURN_NONCE_MINUTES. */
bool turn_nonce_holds(
    struct mac_ctx *key, const struct turn_flow *flow, uint64_t now_ms, struct str nonce);

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/turn/permission.h: which peer addresses may reach a client through its allocation.
 *
 * Pure: no clock of its own; now_ms is monotonic. Written by the client's control messages, read
 * for every datagram from a peer: one probe of a small hash table.
 *
 * Spec: RFC 8656 9; for the Lync dialect ms-turn 5.5, 5.7 (there it lives as long as its
 * allocation).
 */
#ifndef EDGED_PROTO_TURN_PERMISSION_H
#define EDGED_PROTO_TURN_PERMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

#define TURN_PERMISSION_LIFETIME_MS 300000u /* RFC 8656 9 */
#define TURN_PERMISSIONS_MAX        64u

struct turn_permission {
	uint8_t ip[16];
	uint64_t expires_ms;
};

struct turn_permissions {          /* zeroed: empty */
	struct turn_permission *v; /* room of them, then 2 * room bytes of index */
	uint8_t n, room;
};

/*
 * Let datagrams from peer's IP address through until expires_ms; the port does not count. A live
 * one is refreshed (never shortened). ED_OK; ED_LIMIT when max live ones exist; ED_NOMEM. On error
 * nothing has changed.
 */
int turn_permission_install(struct turn_permissions *t, const struct addr *peer,
    uint64_t expires_ms, uint32_t max, uint64_t now_ms) ED_MUST_CHECK;
/* Its end; 0: there is none. */
uint64_t turn_permission_until(const struct turn_permissions *t, const struct addr *peer);
bool turn_permission_is_live(
    const struct turn_permissions *t, const struct addr *peer, uint64_t now_ms);
void turn_permissions_done(struct turn_permissions *t);

#endif

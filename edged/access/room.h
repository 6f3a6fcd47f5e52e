/* SPDX-License-Identifier: MIT
 *
 * access/room.h: binds the core to real connections, names, clocks and keys (net/), and to the life
 * of a service (svc/): start, reload in two steps, siblings, drain, control.
 */
#ifndef EDGED_ACCESS_ROOM_H
#define EDGED_ACCESS_ROOM_H

struct svc_room;

/* The table that main.c hands to svc_main. */
extern const struct svc_room access_room;

#endif

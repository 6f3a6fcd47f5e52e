/* SPDX-License-Identifier: MIT
 *
 * keyd/room.h: keyd as a service: channels, counters, log. main.c hands keyd_room to svc_main.
 */
#ifndef EDGED_KEYD_ROOM_H
#define EDGED_KEYD_ROOM_H

#include <stdint.h>

#include "svc/roles.h"

struct keyd;
struct loop;
struct svc_room;
struct keyd_channel;

extern const struct svc_room keyd_room;

/*
 * Serves k to whoever is at the other end of fd (taken over). on_gone, once, when the other end
 * closed or broke the protocol; the channel is freed when it returns. NULL without memory (fd
 * closed).
 */
struct keyd_channel *keyd_channel_new(struct loop *l, struct keyd *k, enum role role,
    unsigned worker, int fd, void (*on_gone)(struct keyd_channel *ch, void *arg), void *arg);
struct keyd_channel *keyd_channel_free(struct keyd_channel *ch);
enum role keyd_channel_role(const struct keyd_channel *ch);
unsigned keyd_channel_worker(const struct keyd_channel *ch);

/* Registers the counters below with svc/stats. */
void keyd_counters_register(void);
void keyd_count(unsigned op, unsigned verdict);

#endif

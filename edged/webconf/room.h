/* SPDX-License-Identifier: MIT
 *
 * webconf/room.h: the Web Conferencing Edge as one piece: what its parts share. Participants
 * outside come in as clients (client.h), are admitted by a ticket, and reach a meeting server
 * through the inside (inside.h). One process, one loop; memory is bounded by the limits of the view
 * and by high and low water over all.
 *
 * Spec: docs/spec/psom-webconf.md.
 */
#ifndef EDGED_WEBCONF_ROOM_H
#define EDGED_WEBCONF_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "net/loop.h"
#include "webconf/rate.h"

struct addr;
struct admit;
struct listener;
struct penalty;
struct psom_tickets;
struct str;
struct svc;
struct svc_ctl_reply;
struct svc_room;
struct view;

#define WEBCONF_LISTENERS_MAX 16u

struct webconf {
	struct svc *svc;
	struct loop *loop;
	struct view *view, *next; /* in force; prepared by a reload */
	struct listener *listeners[WEBCONF_LISTENERS_MAX];
	unsigned n_listeners;
	struct admit *admit;
	struct penalty *penalty;
	struct psom_tickets *tickets;
	struct rate accept_rate;
	struct list clients, links;
	uint32_t n_clients, n_links;
	uint64_t queued; /* octets held for all of them */
	uint64_t next_id;
	uint64_t no_link_since_ms; /* 0: there is one */
	uint64_t keys_at_ms;       /* when to look whether session ticket keys are of today */
	struct timer tick, trickle;
	bool throttling, draining, warned_many, warned_no_link;
};

extern const struct svc_room webconf_room;

/* Seconds since 1970, for tickets. */
uint64_t webconf_wall_s(void);
/* What one client or link holds changed from *reported to now. */
void webconf_account(struct webconf *w, uint64_t *reported, uint64_t now);
/* A link came up or went down. */
void webconf_links_changed(struct webconf *w);
/* `edgectl webconf ...`, webconf/control.c. */
void webconf_control(void *room, struct str verb, struct str arg, struct svc_ctl_reply *reply);

#endif

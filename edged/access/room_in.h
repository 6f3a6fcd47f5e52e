/* SPDX-License-Identifier: MIT
 *
 * access/room_in.h: the room of the Access Edge, for the files that make it up: room.c its life,
 * room_conn.c connections, room_net.c what the core asks for.
 */
#ifndef EDGED_ACCESS_ROOM_IN_H
#define EDGED_ACCESS_ROOM_IN_H

#include "access/core.h"
#include "access/nexthop.h"
#include "access/room_partner.h"
#include "access/room_tls.h"
#include "conf/conf.h"
#include "net/conn.h"
#include "net/ipc.h"
#include "net/listener.h"
#include "net/loop.h"
#include "svc/svc.h"

#define LISTENERS_MAX 64

struct room;

struct room_sibling {
	struct room *room;
	struct event *ev; /* NULL: no link */
	unsigned slot;
	int fd;
};

struct room_source { /* of the next hop: which question a DNS answer belongs to */
	struct room *room;
	uint32_t source;
};

struct room_listener {
	struct room *room;
	struct listener *ln;
	enum svc_listener_kind kind;
};

struct room_view { /* what a reload exchanges as one */
	const struct conf *conf;
	struct view *view;
	struct room_tls tls;
};

struct room {
	struct svc *svc;
	struct loop *loop;
	struct access *ax;
	struct room_view now, next;
	struct token_ring *ring;
	struct admit *admit;
	struct resolve *resolve;
	struct room_listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct room_source sources[NEXTHOP_SOURCES_MAX];
	struct room_sibling siblings[256];
	struct room_partner *partner;
	struct timer tick;
	uint64_t keys_at_ms;
	bool draining, drained;
	uint8_t inbox[IPC_MSG_MAX];
};

/* ---- room_net.c ---- */
extern const struct access_ops room_access_ops;
/* The supervisor brings a link to the worker of that slot, in place of the one before. */
void room_link_sibling(void *arg, unsigned slot, int fd);

/* ---- room_conn.c ---- */
extern const struct listener_ops room_listener_ops; /* arg: struct room_listener */
/* Our own address on that side, of the family of `like`. */
struct addr room_own_address(const struct conf_list *own, const struct addr *like);
/* To a member of the next hop, and to a partner: the acts of the core. */
int room_open(void *net, struct flow *f, const struct addr *addr, const char *host);
int room_open_partner(void *net, struct flow *f, const struct addr *addr, const char *host);

#endif

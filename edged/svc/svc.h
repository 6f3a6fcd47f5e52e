/* SPDX-License-Identifier: MIT
 *
 * svc/svc.h: the life of a service process, the same for all roles (style 12, "Start of a
 * service").
 *
 * main() is twenty lines: fill a struct svc_room and call svc_main. svc_main closes all but 0-3,
 * reads the slice and the sockets from the supervisor on fd 3, calls room->start, drops privileges,
 * enters the sandbox of the role's row, says READY and runs the loop until told to stop or the
 * supervisor is gone. Reload: room->prepare builds the new view beside the old, then commit or
 * rollback (walk C).
 */
#ifndef EDGED_SVC_SVC_H
#define EDGED_SVC_SVC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"
#include "svc/roles.h"

struct conf;
struct keycall;
struct krelay_grant; /* krelay/flows.h */
struct loop;
struct svc;

/* Sockets that the supervisor opened, by purpose. */
enum svc_listener_kind {
	SVC_LISTEN_ACCESS_CLIENT,     /* external client port */
	SVC_LISTEN_ACCESS_FEDERATION, /* external 5061 */
	SVC_LISTEN_ACCESS_INTERNAL,   /* internal 5061 */
	SVC_LISTEN_MRAS,
	SVC_LISTEN_WEBCONF_CLIENT,
	SVC_LISTEN_WEBCONF_INTERNAL,
	SVC_LISTEN_AV_UDP_EXTERNAL,
	SVC_LISTEN_AV_TCP_EXTERNAL,
	SVC_LISTEN_AV_STANDARD_TCP,
	SVC_LISTEN_AV_TLS,
	SVC_LISTEN_AV_UDP_INTERNAL,
	SVC_LISTEN_AV_TCP_INTERNAL,
	SVC_LISTEN_XMPP_EXTERNAL,
	SVC_LISTEN_XMPP_INTERNAL,
	SVC_LISTEN__N
};
struct svc_listener {
	enum svc_listener_kind kind;
	struct addr addr;
	int fd; /* the room takes it over */
};

struct svc_ctl_reply; /* text for edgectl, grown by svc_reply */

struct svc_room {
	enum role role;
	const char *program; /* "edged-access" */
	/* Build everything; listeners are handed over. A fault text goes back to the supervisor. */
	int (*start)(struct svc *s, void **ret_room, const char **ret_why);
	/* Reload: build the view of `next`; nothing visible changes yet. */
	int (*prepare)(void *room, const struct conf *next, const char **ret_why);
	void (*commit)(void *room);
	void (*rollback)(void *room);
	/* A new link to a sibling worker (fd taken over); slot is the sibling's. It replaces an
	 * older. */
	void (*sibling)(void *room, unsigned slot, int fd);
	/* POOL-11: accept nothing new; call svc_drained when idle. */
	void (*drain)(void *room);
	/* `edgectl VERB ARG`: what this process knows, as JSON. */
	void (*control)(void *room, struct str verb, struct str arg, struct svc_ctl_reply *reply);
	void (*stop)(void *room); /* last call; frees the room */
	/*
	 * keyd only. keys: a key plan (svc/keyplan.h), staged until commit or rollback; called
	 * right after start (then committed at once) and before each prepare. The bytes are wiped
	 * after the call. channel: a new channel from a service (fd taken over); it replaces an
	 * older one of the same role and worker.
	 */
	int (*keys)(void *room, struct str plan, const char **ret_why);
	void (*channel)(void *room, enum role role, unsigned worker, int fd);
};

int svc_main(const struct svc_room *room, int argc, char **argv);

struct loop *svc_loop(struct svc *s);
const struct conf *svc_conf(struct svc *s); /* view in force; valid until the next commit */
struct keycall *svc_keys(struct svc *s);   /* NULL in keyd; stays the same when keyd is restarted */
unsigned svc_worker(const struct svc *s);  /* 0..n-1 */
unsigned svc_workers(const struct svc *s); /* n */
uint64_t svc_counter_base(const struct svc *s); /* never used before for this slot (cid, 1.2) */
const struct hash_key *svc_hash_key(struct svc *s);
/* Memory that the workers of a role share, role_row.shared bytes; NULL: none. */
void *svc_shared(struct svc *s);
/* The A/V Edge's share of the relay in the kernel, once: the descriptors are the caller's then. */
bool svc_kernel_relay(struct svc *s, struct krelay_grant *ret);
const struct svc_listener *svc_listeners(struct svc *s, size_t *ret_n);
void svc_reply(struct svc_ctl_reply *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True when n more bytes fit: a room that lists many things stops in time and says so. */
bool svc_reply_has_room(const struct svc_ctl_reply *r, size_t n);
void svc_drained(struct svc *s);
/* getrandom; a process that cannot have random bytes does not go on. */
void svc_random(void *p, size_t n);

#endif

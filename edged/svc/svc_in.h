/* SPDX-License-Identifier: MIT
 *
 * svc/svc_in.h: what svc.c (birth, life, messages downward) and answer.c (what rooms ask, messages
 * upward, answers to edgectl) share. Nobody else includes it.
 */
#ifndef EDGED_SVC_SVC_IN_H
#define EDGED_SVC_SVC_IN_H

#include "krelay/flows.h"
#include "net/ipc.h"
#include "net/loop.h"
#include "svc/svc.h"
#include "svc/wire.h"

struct event;
struct sandbox_warnings; /* svc/sandbox.h */

#define SUPERVISOR_FD 3
#define LISTENERS_MAX 64u
#define SIBLINGS_MAX  64u
#define LOG_TICK_MS   5000u
#define LOST_RETRY_MS 1000u

struct svc {
	const struct svc_room *ops;
	void *room;
	struct loop *loop;
	struct event *from_supervisor;
	struct conf *conf;
	struct conf *next; /* between PREPARE and COMMIT */
	struct keycall *keys;
	int key_fd;
	void *shared;
	struct krelay_grant krelay;
	bool has_krelay, may_use_maps;
	struct svc_listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct {
		unsigned slot;
		int fd;
	} siblings[SIBLINGS_MAX]; /* that came before START */
	size_t n_siblings;
	char *plan; /* keyd: key plan that came before START */
	size_t plan_len;
	unsigned worker, workers;
	uint64_t counter_base;
	struct hash_key hash_key;
	char root[256];
	uint32_t uid, gid;
	bool lab, greeted, started, stopping;
	struct timer log_timer;
	uint64_t lost_at_ms;
	uint8_t buf[IPC_MSG_MAX];
};

struct svc_ctl_reply {
	char *p;
	size_t n, room;
	bool cut;
};

/* Upward; each says it once and does not wait. */
void say_short(enum wire_kind kind);
void say_number(enum wire_kind kind, uint32_t number);
void say_refused(const char *why);
void say_ready(const struct sandbox_warnings *warn);
void say_prepared(uint32_t number, bool ok, const char *why);

/* WIRE_CONTROL and WIRE_STATS, the kind taken off; ED_MALFORMED when the rest cannot be read. */
int on_control(struct svc *s, struct ipc_reader *r) ED_MUST_CHECK;
int on_stats(struct svc *s, struct ipc_reader *r) ED_MUST_CHECK;

#endif

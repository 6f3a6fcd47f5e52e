/* SPDX-License-Identifier: MIT
 *
 * keyd/room.c: see the header. One channel for each worker of each role; a new one replaces the
 * old.
 */
#include "keyd/room.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "keyd/keyd.h"
#include "svc/log.h"
#include "svc/svc.h"

#define CHANNELS_MAX 256u

struct room {
	struct svc *svc;
	struct keyd *k;
	struct keyd_channel *channels[CHANNELS_MAX];
};

static int
start(struct svc *s, void **ret_room, const char **ret_why)
{
	struct room *room = calloc(1, sizeof(*room));

	*ret_why = "no memory for the keys";
	if (!room)
		return ED_NOMEM;
	/* No core file, no ptrace by our own user; the sandbox sets limits besides. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	room->svc = s;
	room->k = keyd_new();
	if (!room->k) {
		free(room);
		return ED_NOMEM;
	}
	keyd_counters_register();
	*ret_room = room;
	return ED_OK;
}

static int
keys(void *arg, struct str plan, const char **ret_why)
{
	struct room *room = arg;

	return keyd_stage(room->k, plan, ret_why);
}

static int
prepare(void *arg, const struct conf *next, const char **ret_why)
{
	return ED_OK; /* the plan says it all */
}

static void
commit(void *arg)
{
	struct room *room = arg;

	keyd_commit(room->k);
	log_info(AREA_CERT, "", "key_plan_in_force", "slots=%u", keyd_slots(room->k));
}

static void
rollback(void *arg)
{
	struct room *room = arg;

	keyd_rollback(room->k);
}

static void
on_gone(struct keyd_channel *ch, void *arg)
{
	struct room *room = arg;

	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		if (room->channels[i] == ch)
			room->channels[i] = NULL;
}

static struct keyd_channel **
place_for(struct room *room, enum role role, unsigned worker)
{
	struct keyd_channel **empty = NULL;

	for (unsigned i = 0; i < CHANNELS_MAX; i++) {
		struct keyd_channel *ch = room->channels[i];

		if (ch && keyd_channel_role(ch) == role && keyd_channel_worker(ch) == worker)
			return &room->channels[i];
		if (!ch && !empty)
			empty = &room->channels[i];
	}
	return empty;
}

static void
channel(void *arg, enum role role, unsigned worker, int fd)
{
	struct room *room = arg;
	struct keyd_channel **at = place_for(room, role, worker);

	if (!at) {
		log_error(AREA_CERT, "", "key_channels_full", "role=%s worker=%u", role_name(role),
		    worker);
		close(fd);
		return;
	}
	keyd_channel_free(*at);
	*at = keyd_channel_new(svc_loop(room->svc), room->k, role, worker, fd, on_gone, room);
	if (!*at)
		log_error(AREA_CERT, "", "key_channel_failed", "role=%s worker=%u", role_name(role),
		    worker);
}

static void
drain(void *arg)
{
	struct room *room = arg;

	svc_drained(room->svc);
}

static void
control(void *arg, struct str verb, struct str text, struct svc_ctl_reply *reply)
{
	struct room *room = arg;
	unsigned n = 0;

	if (!str_eq(verb, STR("status")))
		return;
	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		n += room->channels[i] != NULL;
	svc_reply(reply, "{\"slots\":%u,\"channels\":%u}", keyd_slots(room->k), n);
}

static void
stop(void *arg)
{
	struct room *room = arg;

	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		keyd_channel_free(room->channels[i]);
	keyd_free(room->k);
	free(room);
}

const struct svc_room keyd_room = {
    .role = ROLE_KEYD,
    .program = "edged-keyd",
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .rollback = rollback,
    .drain = drain,
    .control = control,
    .stop = stop,
    .keys = keys,
    .channel = channel,
};

/* SPDX-License-Identifier: MIT
 *
 * svc/svc.c: the life of a service process.
 *
 * Birth: messages on fd 3 up to START fill a struct svc; the room is built; the sandbox closes;
 * READY. Life: one libevent watcher on fd 3 beside what the room does. End: STOP, or the supervisor
 * is gone.
 */
#include "svc/svc_in.h"

#include <event2/event.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mac.h"
#include "base/wipe.h"
#include "conf/conf.h"
#include "conf/slice.h"
#include "net/ipc.h"
#include "net/keycall.h"
#include "net/loop.h"
#include "svc/log.h"
#include "svc/priority.h"
#include "svc/sandbox.h"

/* ---- messages downward ---- */

static void
close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static int
on_hello(struct svc *s, struct ipc_reader *r)
{
	struct wire_hello h;

	wire_get_hello(r, &h);
	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	if (!str_eq(h.version, STR(EDGED_VERSION))) {
		say_refused("supervisor and service are of different versions");
		return ED_STATE;
	}
	if (h.role != s->ops->role || h.root.n >= sizeof(s->root))
		return ED_MALFORMED;
	s->worker = h.worker;
	s->workers = h.workers;
	s->counter_base = h.counter_base;
	s->hash_key.k[0] = h.hash_key[0];
	s->hash_key.k[1] = h.hash_key[1];
	if (h.root.n)
		memcpy(s->root, h.root.p, h.root.n);
	s->root[h.root.n] = '\0';
	s->uid = h.uid;
	s->gid = h.gid;
	s->lab = h.lab != 0;
	s->greeted = true;
	return ED_OK;
}

static int
read_slice(struct svc *s, int fd, struct conf **ret)
{
	char *p;
	size_t n;
	int r = wire_blob_read(fd, WIRE_SLICE_MAX, &p, &n);

	if (r < 0)
		return r;
	r = conf_slice_get((struct str){p, n}, ROLE_BIT(s->ops->role), ret);
	free(p);
	return r;
}

static int
on_listeners(struct svc *s, struct ipc_reader *r, const int *fds, size_t n_fds)
{
	uint16_t n = ipc_get_u16(r);

	if (r->err < 0 || n != n_fds || s->n_listeners + n > LISTENERS_MAX)
		goto bad;
	for (uint16_t i = 0; i < n; i++) {
		struct svc_listener *l = &s->listeners[s->n_listeners + i];

		l->kind = (enum svc_listener_kind)ipc_get_u8(r);
		if (l->kind >= SVC_LISTEN__N || wire_get_addr(r, &l->addr) < 0)
			goto bad;
		l->fd = fds[i];
	}
	if (ipc_get_end(r) < 0)
		goto bad;
	s->n_listeners += n;
	return ED_OK;
bad:
	close_all(fds, n_fds);
	return ED_MALFORMED;
}

static int
on_sibling(struct svc *s, struct ipc_reader *r, int fd)
{
	unsigned slot = ipc_get_u16(r);

	if (ipc_get_end(r) < 0 || (!s->started && s->n_siblings == SIBLINGS_MAX)) {
		close(fd);
		return ED_MALFORMED;
	}
	if (s->started) {
		if (s->ops->sibling)
			s->ops->sibling(s->room, slot, fd);
		else
			close(fd);
		return ED_OK;
	}
	s->siblings[s->n_siblings].slot = slot;
	s->siblings[s->n_siblings++].fd = fd;
	return ED_OK;
}

static int
on_key_channel(struct svc *s, int fd)
{
	if (s->keys) {
		keycall_rebind(s->keys, fd);
		return ED_OK;
	}
	if (s->key_fd >= 0)
		close(s->key_fd);
	s->key_fd = fd;
	return ED_OK;
}

static int
on_channel(struct svc *s, struct ipc_reader *r, int fd)
{
	unsigned role = ipc_get_u8(r), worker = ipc_get_u16(r);

	if (ipc_get_end(r) < 0 || role >= ROLE__N || !s->ops->channel) {
		close(fd);
		return ED_MALFORMED;
	}
	s->ops->channel(s->room, (enum role)role, worker, fd);
	return ED_OK;
}

static int
on_keys(struct svc *s, struct ipc_reader *r)
{
	struct str plan = ipc_get_str(r);

	if (ipc_get_end(r) < 0 || !s->ops->keys)
		return ED_MALFORMED;
	free(s->plan);
	s->plan = malloc(plan.n + 1);
	if (!s->plan)
		return ED_NOMEM;
	memcpy(s->plan, plan.p, plan.n);
	s->plan_len = plan.n;
	return ED_OK;
}

/* Hand a stored key plan to keyd and forget it. */
static int
stage_keys(struct svc *s, const char **ret_why)
{
	int r = ED_OK;

	if (!s->plan)
		return ED_OK;
	r = s->ops->keys(s->room, (struct str){s->plan, s->plan_len}, ret_why);
	wipe(s->plan, s->plan_len);
	free(s->plan);
	s->plan = NULL;
	return r;
}

static int
on_prepare(struct svc *s, struct ipc_reader *r, int fd)
{
	uint32_t number = ipc_get_u32(r);
	const char *why = "the slice cannot be read";
	int e;

	if (ipc_get_end(r) < 0) {
		close(fd);
		return ED_MALFORMED;
	}
	s->next = conf_free(s->next);
	e = read_slice(s, fd, &s->next);
	if (e == ED_OK)
		e = stage_keys(s, &why);
	if (e == ED_OK && s->ops->prepare)
		e = s->ops->prepare(s->room, s->next, &why);
	say_prepared(number, e == ED_OK, why);
	return ED_OK;
}

static void
on_commit(struct svc *s)
{
	struct conf *old = s->conf;
	enum log_level level;

	if (!s->next)
		return;
	s->conf = s->next;
	s->next = NULL;
	if (s->ops->commit)
		s->ops->commit(s->room);
	if (strcmp(old->log.level, s->conf->log.level) != 0 &&
	    log_level_from_name(s->conf->log.level, &level))
		log_set_level(level);
	conf_free(old);
}

static void
on_rollback(struct svc *s)
{
	if (!s->next)
		return;
	if (s->ops->rollback)
		s->ops->rollback(s->room);
	s->next = conf_free(s->next);
}

static int
on_number(struct svc *s, enum wire_kind kind, struct ipc_reader *r)
{
	uint32_t number = ipc_get_u32(r);

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	if (kind == WIRE_PING)
		say_number(WIRE_PONG, number);
	else if (kind == WIRE_COMMIT) {
		on_commit(s);
		say_number(WIRE_COMMITTED, number);
	} else
		on_rollback(s);
	return ED_OK;
}

static int
on_log_level(struct ipc_reader *r)
{
	unsigned level = ipc_get_u8(r);

	if (ipc_get_end(r) < 0 || level > LOG_DEBUG_L)
		return ED_MALFORMED;
	log_set_level((enum log_level)level);
	return ED_OK;
}

static void
stop_now(struct svc *s)
{
	s->stopping = true;
	if (s->loop)
		loop_stop(s->loop);
}

/* Kinds that carry one descriptor. */
static int
on_fd_message(struct svc *s, enum wire_kind kind, struct ipc_reader *r, int fd)
{
	switch (kind) {
	case WIRE_SLICE:
		return s->conf ? ED_STATE : read_slice(s, fd, &s->conf);
	case WIRE_KEY_CHANNEL:
		return on_key_channel(s, fd);
	case WIRE_SIBLING:
		return on_sibling(s, r, fd);
	case WIRE_CHANNEL:
		return on_channel(s, r, fd);
	case WIRE_SHARED:
		s->shared = wire_shared_map(fd, role_rows[s->ops->role].shared);
		return s->shared ? ED_OK : ED_MALFORMED;
	case WIRE_PREPARE:
		return on_prepare(s, r, fd);
	case WIRE_LOG_SOCKET:
		log_set_socket(fd);
		return ED_OK;
	default:
		close(fd);
		return ED_MALFORMED;
	}
}

static int
on_krelay(struct svc *s, struct ipc_reader *r, const int *fds, size_t n_fds)
{
	uint32_t epoch = ipc_get_u32(r);
	struct str conf = ipc_get_str(r);

	if (ipc_get_end(r) < 0 || n_fds != 2 || conf.n != sizeof(s->krelay.conf) || s->started ||
	    s->has_krelay) {
		close_all(fds, n_fds);
		return ED_MALFORMED;
	}
	s->krelay.epoch = epoch;
	s->krelay.flows_fd = fds[0];
	s->krelay.accounts_fd = fds[1];
	memcpy(&s->krelay.conf, conf.p, conf.n);
	s->has_krelay = s->may_use_maps = true;
	return ED_OK;
}

static int
on_message(struct svc *s, struct str msg, const int *fds, size_t n_fds)
{
	struct ipc_reader r = {.left = msg};
	enum wire_kind kind = (enum wire_kind)ipc_get_u8(&r);

	if (kind != WIRE_HELLO && !s->greeted) {
		close_all(fds, n_fds);
		return ED_STATE;
	}
	if (kind == WIRE_LISTENERS)
		return on_listeners(s, &r, fds, n_fds);
	if (kind == WIRE_KRELAY)
		return on_krelay(s, &r, fds, n_fds);
	if (n_fds == 1)
		return on_fd_message(s, kind, &r, fds[0]);
	close_all(fds, n_fds);
	if (n_fds > 1)
		return ED_MALFORMED;
	switch (kind) {
	case WIRE_HELLO:
		return on_hello(s, &r);
	case WIRE_KEYS:
		return on_keys(s, &r);
	case WIRE_START:
		return ED_OK; /* the reader of the birth phase looks for it */
	case WIRE_COMMIT:
	case WIRE_ROLLBACK:
	case WIRE_PING:
		return on_number(s, kind, &r);
	case WIRE_DRAIN:
		if (s->ops->drain)
			s->ops->drain(s->room);
		else
			svc_drained(s);
		return ED_OK;
	case WIRE_STOP:
		stop_now(s);
		return ED_OK;
	case WIRE_CONTROL:
		return on_control(s, &r);
	case WIRE_STATS:
		return on_stats(s, &r);
	case WIRE_LOG_LEVEL:
		return on_log_level(&r);
	default:
		return ED_MALFORMED;
	}
}

static int
receive(struct svc *s, enum wire_kind *ret_kind)
{
	int fds[IPC_FDS_MAX];
	size_t n, n_fds;
	int r = ipc_recv(SUPERVISOR_FD, s->buf, sizeof(s->buf), &n, fds, IPC_FDS_MAX, &n_fds);

	if (r < 0)
		return r;
	*ret_kind = n ? (enum wire_kind)s->buf[0] : 0;
	r = on_message(s, (struct str){(char *)s->buf, n}, fds, n_fds);
	if (*ret_kind == WIRE_KEYS)
		wipe(s->buf, n);
	/* ED_STATE means "nothing there" to the caller; here it is a message out of turn. */
	return r == ED_STATE ? ED_MALFORMED : r;
}

static void
on_supervisor(evutil_socket_t fd, short what, void *arg)
{
	struct svc *s = arg;
	enum wire_kind kind;
	int r;

	for (int i = 0; i < 32 && !s->stopping; i++) {
		r = receive(s, &kind);
		if (r == ED_STATE)
			return;
		if (r < 0) {
			if (r != ED_GONE)
				log_error(AREA_SYS, "", "supervisor_message_bad", "reason=%s",
				    ed_err_name(r));
			stop_now(s);
		}
	}
}

static void
on_log_timer(struct timer *t, uint64_t now_ms)
{
	struct svc *s = LIST_OF(t, struct svc, log_timer);

	log_tick();
	if (log_was_lost() && now_ms >= s->lost_at_ms + LOST_RETRY_MS) {
		s->lost_at_ms = now_ms;
		say_short(WIRE_LOG_LOST);
	}
	timer_set(s->loop, t, now_ms + LOG_TICK_MS);
}

/* ---- birth ---- */

static int
read_until_start(struct svc *s)
{
	enum wire_kind kind;
	int r;

	do {
		r = receive(s, &kind);
		if (r < 0)
			return r;
	} while (kind != WIRE_START && !s->stopping);
	return s->conf && !s->stopping ? ED_OK : ED_MALFORMED;
}

static int
build_room(struct svc *s, const char **ret_why)
{
	struct log_conf lc = {.target = s->conf->log.target,
	    .facility = s->conf->log.facility,
	    .level = s->conf->log.level,
	    .program = s->ops->program,
	    .worker = s->worker};
	int r;

	if (log_open(&lc) < 0)
		log_warning(AREA_SYS, "SYS-1010", "log_target_missing", "target=%s", lc.target);
	*ret_why = "no event loop";
	s->loop = loop_new();
	if (!s->loop)
		return ED_SYS;
	if (s->key_fd >= 0) {
		*ret_why = "no channel to keyd";
		s->keys = keycall_new(s->loop, s->key_fd);
		s->key_fd = -1;
		if (!s->keys)
			return ED_SYS;
	}
	*ret_why = "the room did not start";
	r = s->ops->start(s, &s->room, ret_why);
	if (r < 0)
		return r;
	s->started = true;
	r = stage_keys(s, ret_why);
	if (r < 0)
		return r;
	if (s->ops->keys && s->ops->commit)
		s->ops->commit(s->room);
	for (size_t i = 0; i < s->n_siblings; i++) {
		if (s->ops->sibling)
			s->ops->sibling(s->room, s->siblings[i].slot, s->siblings[i].fd);
		else
			close(s->siblings[i].fd);
	}
	s->n_siblings = 0;
	return ED_OK;
}

static int
enter_life(struct svc *s, const char **ret_why)
{
	struct sandbox sb = {.row = &role_rows[s->ops->role],
	    .root = s->root,
	    .uid = s->uid,
	    .gid = s->gid,
	    .lab = s->lab,
	    .maps = s->may_use_maps};
	struct sandbox_warnings warn = {.n = 0};
	int flags, r;

	*ret_why = "no event for the supervisor's messages";
	s->from_supervisor =
	    event_new(loop_base(s->loop), SUPERVISOR_FD, EV_READ | EV_PERSIST, on_supervisor, s);
	if (!s->from_supervisor || event_add(s->from_supervisor, NULL) < 0)
		return ED_SYS;
	flags = fcntl(SUPERVISOR_FD, F_GETFL);
	if (flags < 0 || fcntl(SUPERVISOR_FD, F_SETFL, flags | O_NONBLOCK) < 0)
		return ED_SYS;
	timer_init(&s->log_timer, on_log_timer);
	timer_set(s->loop, &s->log_timer, loop_now_ms(s->loop) + LOG_TICK_MS);
	/* timegm looks for /etc/localtime the first time, and no file opens from here on. */
	tzset();
	r = sandbox_enter(&sb, &warn, ret_why);
	if (r < 0)
		return r;
	say_ready(&warn);
	return ED_OK;
}

static struct svc *
svc_new(const struct svc_room *room)
{
	struct svc *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = room;
	s->key_fd = -1;
	s->uid = s->gid = SANDBOX_STAY;
	return s;
}

static void
svc_free(struct svc *s)
{
	if (s->started && s->ops->stop)
		s->ops->stop(s->room);
	if (s->from_supervisor)
		event_free(s->from_supervisor);
	keycall_free(s->keys);
	loop_free(s->loop);
	conf_free(s->next);
	conf_free(s->conf);
	free(s->plan);
	free(s);
}

static void
prepare_process(const struct role_row *row)
{
	close_range(SUPERVISOR_FD + 1, ~0u, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sandbox_limits(row);
	priority_prepare(row);
	/* Everything OpenSSL reads from disk, it reads now. */
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
}

static bool
is_started_by_supervisor(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(SUPERVISOR_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

int
svc_main(const struct svc_room *room, int argc, char **argv)
{
	const char *why = "the messages of the supervisor cannot be read";
	struct svc *s;
	int r;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("%s %s\n", room->program, EDGED_VERSION);
		return 0;
	}
	if (!is_started_by_supervisor()) {
		fprintf(stderr, "%s is started by edged only\n", room->program);
		return 2;
	}
	prepare_process(&role_rows[room->role]);
	s = svc_new(room);
	if (!s)
		return 1;
	r = mac_setup();
	if (r == ED_OK)
		r = read_until_start(s);
	if (r == ED_OK)
		r = build_room(s, &why);
	if (r == ED_OK)
		r = enter_life(s, &why);
	if (r < 0 && r != ED_GONE && !s->stopping) {
		log_error(AREA_SYS, "SYS-1011", "service_refused", "reason=%s why=\"%s\"",
		    ed_err_name(r), why);
		say_refused(why);
	}
	if (r == ED_OK)
		r = loop_run(s->loop);
	svc_free(s);
	return r == ED_OK ? 0 : 1;
}

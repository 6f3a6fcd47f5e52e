/* SPDX-License-Identifier: MIT
 *
 * supervisor/child.c: one service process: start, hand out, watch, start again.
 *
 * A child waits until keyd is ready (keyd itself does not), is forked and executed with nothing but
 * fd 3, gets its slice and sockets, and says READY. When it dies its listeners stay open here, it
 * is started again after 0, 100, 200 ... 10,000 ms, and gets new pairs to its siblings and to keyd
 * and a counter base that was never used.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/slice.h"
#include "net/ipc.h"
#include "supervisor/supervisor.h"
#include "svc/log.h"
#include "svc/sandbox.h"
#include "svc/svc.h"
#include "svc/wire.h"

#define BACKOFF_MAX_MS 10000u
#define SETTLED_MS     30000u /* a life this long forgets the back-off */
#define PING_MS        2000u
#define PONG_MS        10000u /* the watchdog */
#define START_MS       30000u
#define COUNTER_STEP   (1ull << 28) /* connections of one life; 40 bits in all */
#define COUNTER_MASK   ((1ull << 40) - 1)

static void on_timer(struct timer *t, uint64_t now_ms);

const char *
child_state_name(enum child_state st)
{
	static const char *const names[] = {"waiting", "starting", "ready", "drained", "stopping"};

	return names[st];
}

bool
child_is_alive(const struct child *c)
{
	return c->pid > 0 && c->fd >= 0;
}

void
child_init(struct child *c, struct supervisor *s, enum role role, unsigned worker)
{
	memset(c, 0, sizeof(*c));
	c->sup = s;
	c->role = role;
	c->worker = worker;
	c->workers = role_rows[role].many ? role_workers(s->conf, role) : 1;
	c->fd = -1;
	timer_init(&c->timer, on_timer);
	svc_random(&c->counter_base, sizeof(c->counter_base));
	c->counter_base &= COUNTER_MASK;
}

static void
drop_warnings(struct child *c)
{
	for (size_t i = 0; i < c->n_warnings; i++)
		free(c->warnings[i]);
	c->n_warnings = 0;
}

static void
drop_channel(struct child *c)
{
	if (c->ev)
		event_free(c->ev);
	c->ev = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
child_done(struct child *c)
{
	timer_cancel(&c->timer);
	drop_channel(c);
	drop_warnings(c);
	for (size_t i = 0; i < c->n_listeners; i++)
		close(c->listeners[i]);
	free(c->listeners);
	c->listeners = NULL;
	c->n_listeners = 0;
}

struct child *
child_of_pid(struct supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i].pid == pid)
			return &s->children[i];
	return NULL;
}

struct child *
child_keyd(struct supervisor *s)
{
	return &s->children[0];
}

void
child_kill(struct child *c, const char *why)
{
	if (c->pid <= 0)
		return;
	log_error(AREA_SYS, "SYS-1013", "service_killed", "role=%s worker=%u pid=%d why=\"%s\"",
	    role_name(c->role), c->worker, (int)c->pid, why);
	snprintf(c->why, sizeof(c->why), "%s", why);
	privilege_kill(c);
}

void
child_say(struct child *c, struct str msg, const int *fds, size_t n_fds)
{
	int r;

	if (c->fd < 0)
		return;
	r = ipc_send(c->fd, msg, fds, n_fds);
	if (r < 0 && r != ED_GONE)
		child_kill(c, "does not take our messages");
}

void
child_say_number(struct child *c, unsigned kind, uint32_t number)
{
	uint8_t b[8];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	ipc_put_u8(&w, (uint8_t)kind);
	ipc_put_u32(&w, number);
	child_say(c, (struct str){(char *)b, w.n}, NULL, 0);
}

/* ---- handing out ---- */

static void
say_hello(struct child *c)
{
	struct supervisor *s = c->sup;
	struct wire_hello h = {.version = STR(EDGED_VERSION),
	    .role = (uint8_t)c->role,
	    .worker = (uint16_t)c->worker,
	    .workers = (uint16_t)c->workers,
	    .counter_base = c->counter_base,
	    .hash_key = {s->hash_key.k[0], s->hash_key.k[1]},
	    .uid = SANDBOX_STAY,
	    .gid = SANDBOX_STAY,
	    .lab = s->conf->edge.lab};
	char root[256];
	uint8_t b[1024];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	/* Without a user of its own (checked at start: a laboratory only) the role stays as it is.
	 */
	if (privilege_to_lock_in() && role_user(s->conf, c->role, &h.uid, &h.gid) < 0)
		h.uid = h.gid = 65534;
	rundir_root(s, c->role, root, sizeof(root));
	h.root = str_of(root);
	ipc_put_u8(&w, WIRE_HELLO);
	wire_put_hello(&w, &h);
	child_say(c, (struct str){(char *)b, w.n}, NULL, 0);
}

static int
say_slice(struct child *c)
{
	uint8_t kind = WIRE_SLICE;
	struct ipc_writer w = {.room = WIRE_SLICE_MAX};
	int fd = -1, r = ED_NOMEM;

	w.p = malloc(w.room);
	if (!w.p)
		return r;
	conf_slice_put(&w, c->sup->conf, ROLE_BIT(c->role));
	r = w.err < 0 ? w.err : wire_blob_new(w.p, w.n, &fd);
	if (r == ED_OK) {
		child_say(c, (struct str){(char *)&kind, 1}, &fd, 1);
		close(fd);
	}
	free(w.p);
	return r;
}

static void
say_listeners(struct child *c)
{
	const struct supervisor *s = c->sup;
	uint8_t b[4096];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};
	size_t n = 0;

	if (c->n_listeners == 0)
		return;
	ipc_put_u8(&w, WIRE_LISTENERS);
	ipc_put_u16(&w, (uint16_t)c->n_listeners);
	for (size_t i = 0; i < s->n_specs && n < c->n_listeners; i++) {
		if (s->specs[i].role != c->role)
			continue;
		ipc_put_u8(&w, (uint8_t)s->specs[i].kind);
		wire_put_addr(&w, &s->specs[i].addr);
		n++;
	}
	child_say(c, (struct str){(char *)b, w.n}, c->listeners, c->n_listeners);
}

static void
hand_sibling(struct child *to, unsigned slot, int fd)
{
	uint8_t b[8];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	ipc_put_u8(&w, WIRE_SIBLING);
	ipc_put_u16(&w, (uint16_t)slot);
	child_say(to, (struct str){(char *)b, w.n}, &fd, 1);
}

/* A pair between c and every living worker of its role. */
static void
hand_siblings(struct child *c)
{
	struct supervisor *s = c->sup;

	for (size_t i = 0; i < s->n_children; i++) {
		struct child *o = &s->children[i];
		int pair[2];

		if (o == c || o->role != c->role || !child_is_alive(o))
			continue;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) <
		    0) {
			log_error(AREA_SYS, "SYS-1007", "no_descriptors", "for=sibling_pair");
			return;
		}
		hand_sibling(c, o->worker, pair[0]);
		hand_sibling(o, c->worker, pair[1]);
		close(pair[0]);
		close(pair[1]);
	}
}

/* A channel between c and keyd. */
void
child_hand_key_channel(struct child *c)
{
	struct child *keyd = child_keyd(c->sup);
	uint8_t b[8], kind = WIRE_KEY_CHANNEL;
	struct ipc_writer w = {.p = b, .room = sizeof(b)};
	int pair[2];

	if (role_rows[c->role].keyd_ops == 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_error(AREA_SYS, "SYS-1007", "no_descriptors", "for=key_channel");
		return;
	}
	ipc_put_u8(&w, WIRE_CHANNEL);
	ipc_put_u8(&w, (uint8_t)c->role);
	ipc_put_u16(&w, (uint16_t)c->worker);
	child_say(keyd, (struct str){(char *)b, w.n}, &pair[0], 1);
	child_say(c, (struct str){(char *)&kind, 1}, &pair[1], 1);
	close(pair[0]);
	close(pair[1]);
}

/* A key that no longer is the one in force does not fit its certificate: keyd goes without it. */
static void
drop_changed_keys(struct supervisor *s, struct conf_keys *keys)
{
	for (int b = 0; b < BINDING__N; b++) {
		if (keys->pem[b].n && keys_is_in_force(s, (enum conf_binding)b, &keys->pem[b]))
			continue;
		if (s->keys[b].slot)
			log_error(AREA_CERT, "CRT-1110", "key_not_in_force",
			    "binding=%s hint=\"the key file has changed: reload\"",
			    conf_binding_name((enum conf_binding)b));
		secret_done(&keys->pem[b]);
	}
}

/* Keys are not kept here: each start of keyd reads them from disk. */
static int
say_keys(struct child *keyd)
{
	struct supervisor *s = keyd->sup;
	struct conf_report rep = {0};
	struct conf_keys keys;
	int r = conf_keys_read(s->conf, &keys, &rep);

	if (r == ED_OK) {
		drop_changed_keys(s, &keys);
		r = keys_send(s, keyd, s->conf, &keys, s->keys);
	}
	conf_report_done(&rep);
	conf_keys_done(&keys);
	return r;
}

static int
hand_out(struct child *c)
{
	uint8_t start = WIRE_START, shared = WIRE_SHARED;
	int r = ED_OK;

	say_hello(c);
	if (c->role == ROLE_KEYD)
		r = say_keys(c);
	if (r == ED_OK)
		r = say_slice(c);
	if (r < 0)
		return r;
	say_listeners(c);
	if (c->role != ROLE_KEYD)
		child_hand_key_channel(c);
	if (role_rows[c->role].many)
		hand_siblings(c);
	if (c->sup->shared[c->role] > 0)
		child_say(c, (struct str){(char *)&shared, 1}, &c->sup->shared[c->role], 1);
	krelay_hand_out(c);
	child_say(c, (struct str){(char *)&start, 1}, NULL, 0);
	return ED_OK;
}

/* ---- starting ---- */

/* In the new process: fd 3 and the standard three, nothing else; then the program. */
static void
become(const struct child *c, int fd)
{
	static const char *const keep[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TZ"};
	char path[400], *env[8], text[4][512];
	char *argv[2];
	size_t n = 0;
	sigset_t none;
	int zero;

	snprintf(path, sizeof(path), "%s/%s", c->sup->libexec, role_rows[c->role].program);
	for (size_t i = 0; i < 4; i++) {
		const char *v = getenv(keep[i]);

		if (!v)
			continue;
		snprintf(text[i], sizeof(text[i]), "%s=%s", keep[i], v);
		env[n++] = text[i];
	}
	env[n] = NULL;
	argv[0] = path;
	argv[1] = NULL;
	setpgid(0, 0); /* ^C in a terminal is for the supervisor */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	zero = open("/dev/null", O_RDWR);
	if (zero >= 0)
		dup2(zero, STDIN_FILENO);
	if (dup2(fd, 3) < 0)
		_exit(127);
	if (fd == 3)
		fcntl(3, F_SETFD, 0);
	execve(path, argv, env);
	_exit(127);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t buf[IPC_MSG_MAX];
	struct child *c = arg;
	int fds[1];
	size_t n, n_fds;

	for (int i = 0; i < 64 && c->fd >= 0; i++) {
		int r = ipc_recv(c->fd, buf, sizeof(buf), &n, fds, 0, &n_fds);

		if (r == ED_STATE)
			return;
		if (r == ED_GONE) {
			/* SIGCHLD tells the rest. */
			event_del(c->ev);
			return;
		}
		if (r < 0) {
			child_kill(c, "sent what cannot be read");
			event_del(c->ev);
			return;
		}
		child_on_message(c, (struct str){(char *)buf, n});
	}
}

static int
spawn(struct child *c)
{
	struct supervisor *s = c->sup;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return ED_SYS;
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return ED_SYS;
	}
	if (pid == 0)
		become(c, pair[1]);
	close(pair[1]);
	c->pid = pid;
	c->fd = pair[0];
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
		return ED_SYS;
	c->ev = event_new(loop_base(s->loop), c->fd, EV_READ | EV_PERSIST, on_readable, c);
	if (!c->ev || event_add(c->ev, NULL) < 0)
		return ED_SYS;
	return ED_OK;
}

void
child_start(struct child *c)
{
	struct supervisor *s = c->sup;
	uint64_t now_ms = loop_now_ms(s->loop);
	int r;

	if (s->stopping || c->pid > 0 || (s->draining && c->role != ROLE_KEYD))
		return;
	c->state = CHILD_STARTING;
	c->started_ms = c->pong_ms = now_ms;
	c->prepared = 0;
	drop_warnings(c);
	r = spawn(c);
	if (r == ED_OK)
		r = hand_out(c);
	if (r < 0) {
		log_error(AREA_SYS, "SYS-1014", "service_not_started",
		    "role=%s worker=%u reason=%s", role_name(c->role), c->worker, ed_err_name(r));
		child_kill(c, "was not started wholly");
	}
	timer_set(s->loop, &c->timer, now_ms + PING_MS);
}

/* Waiting: start now. Alive: watchdog. */
static void
on_timer(struct timer *t, uint64_t now_ms)
{
	struct child *c = LIST_OF(t, struct child, timer);
	struct child *keyd = child_keyd(c->sup);

	if (c->sup->stopping)
		return;
	if (c->state == CHILD_WAITING) {
		if (c == keyd || keyd->state == CHILD_READY)
			child_start(c);
		return;
	}
	if (c->state == CHILD_STARTING && now_ms - c->started_ms > START_MS)
		child_kill(c, "did not become ready in 30 s");
	else if (c->state != CHILD_STARTING && now_ms - c->pong_ms > PONG_MS)
		child_kill(c, "watchdog: no answer for 10 s");
	else if (c->state != CHILD_STARTING)
		child_say_number(c, WIRE_PING, ++c->ping);
	timer_set(c->sup->loop, t, now_ms + PING_MS);
}

static uint32_t
next_backoff(const struct child *c, uint64_t lived_ms)
{
	if (lived_ms >= SETTLED_MS)
		return 0;
	if (c->backoff_ms == 0)
		return 100;
	return c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void
tell_death(struct child *c, int status, uint64_t lived_ms)
{
	if (WIFSIGNALED(status)) {
		log_error(AREA_SYS, "SYS-1015", "service_died",
		    "role=%s worker=%u pid=%d signal=%d restart_ms=%u lived_ms=%llu%s",
		    role_name(c->role), c->worker, (int)c->pid, WTERMSIG(status), c->backoff_ms,
		    (unsigned long long)lived_ms,
		    WTERMSIG(status) == SIGSYS ? " why=forbidden_system_call" : "");
		if (!c->why[0])
			snprintf(c->why, sizeof(c->why), "signal %d", WTERMSIG(status));
		return;
	}
	log_error(AREA_SYS, "SYS-1015", "service_died",
	    "role=%s worker=%u pid=%d status=%d restart_ms=%u lived_ms=%llu", role_name(c->role),
	    c->worker, (int)c->pid, WEXITSTATUS(status), c->backoff_ms,
	    (unsigned long long)lived_ms);
	if (!c->why[0])
		snprintf(c->why, sizeof(c->why),
		    WEXITSTATUS(status) == 127 ? "program not found" : "exit status %d",
		    WEXITSTATUS(status));
}

void
child_on_death(struct child *c, int status)
{
	struct supervisor *s = c->sup;
	uint64_t now_ms = loop_now_ms(s->loop);
	uint64_t lived_ms = now_ms - c->started_ms;
	bool first = c->restarts == 0 && lived_ms < SETTLED_MS && c->backoff_ms == 0;
	bool was_ready = c->state == CHILD_READY;

	/* What it said last still waits in the socket. */
	if (c->ev)
		on_readable(c->fd, EV_READ, c);
	drop_channel(c);
	krelay_on_death(c);
	if (s->stopping || c->state == CHILD_STOPPING) {
		c->pid = 0;
		c->state = CHILD_STOPPING;
		return;
	}
	c->backoff_ms = first && was_ready ? 0 : next_backoff(c, lived_ms);
	tell_death(c, status, lived_ms);
	c->pid = 0;
	c->state = CHILD_WAITING;
	c->restarts++;
	c->counter_base = (c->counter_base + COUNTER_STEP) & COUNTER_MASK;
	gather_on_death(c);
	reload_on_death(c);
	timer_set(s->loop, &c->timer, now_ms + c->backoff_ms);
	supervisor_on_child_state(s);
}

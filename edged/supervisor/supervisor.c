/* SPDX-License-Identifier: MIT
 *
 * supervisor/supervisor.c: start, signals and end of the supervisor.
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conf/options.h"
#include "net/steer.h"
#include "svc/log.h"
#include "svc/notify.h"
#include "svc/svc.h"
#include "svc/wire.h"

#define ADDRESS_WAIT_MS 30000u
#define ADDRESS_STEP_MS 200u
#define STOP_MS         5000u

uint64_t
supervisor_conf_hash(const struct conf *c)
{
	static const struct hash_key fixed = {{0x636f6e66, 0x68617368}};
	char *buf = malloc(1 << 20);
	uint64_t h = 0;

	if (!buf)
		return 0;
	for (size_t i = 0; i < conf_n_opts; i++) {
		const char *text = conf_opt_text(&conf_opts[i], c, buf, 1 << 20);

		h = (h << 1 | h >> 63) ^ hash_bytes(&fixed, text, strlen(text));
	}
	free(buf);
	return h;
}

/* ---- limits ---- */

static void
raise_file_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	if (rl.rlim_max < 262144)
		rl.rlim_max = 262144;
	rl.rlim_cur = rl.rlim_max < 16384 ? rl.rlim_max : 16384;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/* ---- listeners ---- */

static void
sleep_ms(unsigned ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

/* ADR-14: an address that is not there yet is waited for; network bring-up may be slower than we.
 */
static int
open_patiently(const struct listen_spec *spec, int *ret_fd)
{
	char text[ADDR_STR_LEN];
	unsigned waited = 0;
	int r;

	for (;;) {
		r = listen_open(spec, ret_fd);
		if (r == ED_OK)
			return ED_OK;
		if ((errno != EADDRNOTAVAIL && errno != ENODEV) || waited >= ADDRESS_WAIT_MS)
			break;
		if (waited == 0)
			log_warning(AREA_SYS, "SYS-1012", "address_missing",
			    "address=%s interface=%s hint=\"waiting up to 30 s\"",
			    addr_str(&spec->addr, text), *spec->device ? spec->device : "-");
		sleep_ms(ADDRESS_STEP_MS);
		waited += ADDRESS_STEP_MS;
	}
	log_error(AREA_SYS, "SYS-1004", "cannot_bind",
	    "address=%s proto=%s service=\"%s\" reason=\"%s\"", addr_str(&spec->addr, text),
	    spec->udp ? "udp" : "tcp", spec->name, strerror(errno));
	return r;
}

static bool
program_exists(const struct supervisor *s, enum role role)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", s->libexec, role_rows[role].program);
	return access(path, X_OK) == 0;
}

/* Before anybody reads from it: what waits in a socket's queue stays with that socket's worker. */
static void
steer(const struct listen_spec *spec, int fd, unsigned n_workers)
{
	if (n_workers > 1 && steer_by_source(fd, spec->addr.family, n_workers) < 0)
		log_warning(AREA_TURN, "", "not_steered",
		    "service=\"%s\" lost=\"one worker per client address\"", spec->name);
}

static int
add_children(struct supervisor *s, enum role role)
{
	unsigned n = role_rows[role].many ? role_workers(s->conf, role) : 1;

	/* Without it each worker counts for itself. */
	if (n > 1 && role_rows[role].shared &&
	    wire_shared_new(role_rows[role].shared, &s->shared[role]) < 0)
		log_warning(AREA_TURN, "", "counts_not_shared",
		    "reason=\"%s\" lost=\"quotas of a user over all workers\"", strerror(errno));
	for (unsigned w = 0; w < n; w++) {
		struct child *c;
		size_t k = 0;

		if (s->n_children == CHILDREN_MAX)
			return ED_LIMIT;
		c = &s->children[s->n_children++];
		child_init(c, s, role, w);
		for (size_t i = 0; i < s->n_specs; i++)
			k += s->specs[i].role == role;
		c->listeners = calloc(k + 1, sizeof(*c->listeners));
		if (!c->listeners)
			return ED_NOMEM;
		for (size_t i = 0; i < s->n_specs; i++) {
			if (s->specs[i].role != role)
				continue;
			if (open_patiently(&s->specs[i], &c->listeners[c->n_listeners]) < 0)
				return ED_SYS;
			if (role == ROLE_AV && w == 0) /* the program is the whole group's */
				steer(&s->specs[i], c->listeners[c->n_listeners], n);
			c->n_listeners++;
		}
	}
	return ED_OK;
}

static int
make_children(struct supervisor *s)
{
	int r = ED_OK;

	s->n_specs = listen_plan(s->conf, s->specs, LISTEN_SPECS_MAX);
	for (enum role role = ROLE_KEYD; r == ED_OK && role < ROLE__N; role++) {
		if (!role_is_wanted(s->conf, role))
			continue;
		if (!program_exists(s, role)) {
			log_warning(AREA_SYS, "SYS-1019", "service_not_installed",
			    "role=%s program=%s/%s", role_name(role), s->libexec,
			    role_rows[role].program);
			conf_report_add(&s->report, s->conf, CONF_WARNING, "INSTALL", NULL, NULL,
			    "%s is configured and not installed", role_rows[role].program);
			if (role == ROLE_KEYD || role == ROLE_ACCESS)
				return ED_GONE;
			continue;
		}
		r = add_children(s, role);
	}
	return r;
}

/* ---- signals ---- */

static void
on_child_signal(evutil_socket_t sig, short what, void *arg)
{
	struct supervisor *s = arg;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_of_pid(s, pid);

		if (c)
			child_on_death(c, status);
	}
	if (s->stopping)
		supervisor_on_child_state(s);
}

static void
on_reload_signal(evutil_socket_t sig, short what, void *arg)
{
	reload_begin(arg, RELOAD_ALL, NULL);
}

static void
on_stop_signal(evutil_socket_t sig, short what, void *arg)
{
	supervisor_stop(arg, 0);
}

static int
watch_signals(struct supervisor *s)
{
	static const struct {
		int sig;
		event_callback_fn run;
	} rows[] = {{SIGCHLD, on_child_signal}, {SIGHUP, on_reload_signal},
	    {SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < 4; i++) {
		s->signals[i] = evsignal_new(loop_base(s->loop), rows[i].sig, rows[i].run, s);
		if (!s->signals[i] || event_add(s->signals[i], NULL) < 0)
			return ED_SYS;
	}
	return ED_OK;
}

/* ---- the end ---- */

static void
say_stop(struct child *c)
{
	uint8_t kind = WIRE_STOP;

	c->state = CHILD_STOPPING;
	child_say(c, (struct str){(char *)&kind, 1}, NULL, 0);
}

static void
on_stop_deadline(struct timer *t, uint64_t now_ms)
{
	struct supervisor *s = LIST_OF(t, struct supervisor, stop_timer);

	for (size_t i = 0; i < s->n_children; i++)
		child_kill(&s->children[i], "did not stop in time");
	timer_set(s->loop, t, now_ms + 1000);
}

void
supervisor_stop(struct supervisor *s, int exit_code)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->exit_code = exit_code;
	notify_state("STOPPING=1");
	log_notice(AREA_SYS, "SYS-1009", "stopping", "exit=%d", exit_code);
	for (size_t i = 1; i < s->n_children; i++)
		say_stop(&s->children[i]);
	timer_set(s->loop, &s->stop_timer, loop_now_ms(s->loop) + STOP_MS);
	supervisor_on_child_state(s);
}

static void
end_drain(struct supervisor *s, const char *why)
{
	size_t left = 0;

	for (size_t i = 1; i < s->n_children; i++)
		left += s->children[i].state == CHILD_READY;
	log_notice(AREA_SYS, "SYS-1006", "drain_ended", "why=%s busy=%zu", why, left);
	supervisor_stop(s, 0);
}

static void
on_drain_deadline(struct timer *t, uint64_t now_ms)
{
	end_drain(LIST_OF(t, struct supervisor, drain_timer), "deadline");
}

void
supervisor_drain(struct supervisor *s, uint32_t deadline_s)
{
	uint8_t kind = WIRE_DRAIN;
	unsigned n = 0;

	s->draining = true;
	for (size_t i = 1; i < s->n_children; i++) {
		if (s->children[i].state != CHILD_READY)
			continue;
		child_say(&s->children[i], (struct str){(char *)&kind, 1}, NULL, 0);
		n++;
	}
	log_notice(AREA_SYS, "SYS-1006", "drain_begun", "services=%u deadline_s=%u", n, deadline_s);
	if (deadline_s)
		timer_set(s->loop, &s->drain_timer, loop_now_ms(s->loop) + deadline_s * 1000ull);
}

/* A service that dies while we drain is not needed any more. */
static void
go_on_draining(struct supervisor *s)
{
	for (size_t i = 1; i < s->n_children; i++)
		if (s->children[i].pid > 0 && s->children[i].state != CHILD_DRAINED)
			return;
	end_drain(s, "idle");
}

/* keyd ends last; then we. */
static void
go_on_stopping(struct supervisor *s)
{
	size_t alive = 0;

	for (size_t i = 1; i < s->n_children; i++)
		alive += s->children[i].pid > 0;
	if (alive > 0)
		return;
	if (child_keyd(s)->pid > 0) {
		if (child_keyd(s)->state != CHILD_STOPPING)
			say_stop(child_keyd(s));
		return;
	}
	loop_stop(s->loop);
}

static int64_t
clock_ms(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
look_at_clock(struct supervisor *s)
{
	int64_t step =
	    clockwatch_look(&s->clock, clock_ms(CLOCK_REALTIME), clock_ms(CLOCK_BOOTTIME));

	if (step)
		log_warning(AREA_SYS, "SYS-1008", "clock_stepped",
		    "offset_ms=%lld hint=\"credentials of the relay and certificates go by it: "
		    "check the clock daemon (TOP-15)\"",
		    (long long)step);
}

static void
on_notify(struct timer *t, uint64_t now_ms)
{
	struct supervisor *s = LIST_OF(t, struct supervisor, notify_timer);

	notify_state("WATCHDOG=1");
	log_tick();
	look_at_clock(s);
	timer_set(s->loop, t, now_ms + NOTIFY_MS);
}

static void
become_serving(struct supervisor *s)
{
	s->serving = true;
	certwatch_start(s);
	log_notice(AREA_SYS, "SYS-1001", "started", "version=%s config=%016llx services=%zu%s",
	    EDGED_VERSION, (unsigned long long)supervisor_conf_hash(s->conf), s->n_children,
	    s->conf->edge.lab ? " lab=true" : "");
	notify_state("READY=1");
}

void
supervisor_on_child_state(struct supervisor *s)
{
	size_t ready = 0;

	if (s->stopping) {
		go_on_stopping(s);
		return;
	}
	if (s->draining) {
		go_on_draining(s);
		return;
	}
	if (s->serving)
		return;
	for (size_t i = 0; i < s->n_children; i++) {
		const struct child *c = &s->children[i];

		/* Before anything served, a refusal means the configuration does not work. */
		if (c->restarts > 0) {
			fprintf(stderr, "edged: %s did not start: %s\n", role_rows[c->role].program,
			    c->why[0] ? c->why : "it died");
			supervisor_stop(s, 78);
			return;
		}
		ready += c->state == CHILD_READY;
	}
	if (ready == s->n_children)
		become_serving(s);
}

static int
start(struct supervisor *s, const char **ret_why)
{
	int r;

	*ret_why = "no event loop";
	s->loop = loop_new();
	if (!s->loop)
		return ED_SYS;
	s->started_ms = loop_now_ms(s->loop);
	s->started_at = (int64_t)time(NULL);
	svc_random(&s->hash_key, sizeof(s->hash_key));
	list_init(&s->gathers);
	reload_init(s);
	timer_init(&s->stop_timer, on_stop_deadline);
	timer_init(&s->drain_timer, on_drain_deadline);
	timer_init(&s->notify_timer, on_notify);
	timer_set(s->loop, &s->notify_timer, s->started_ms + NOTIFY_MS);
	r = rundir_make(s, ret_why);
	if (r < 0)
		return r;
	*ret_why = "a listener cannot be opened or a program is missing; see the log";
	r = make_children(s);
	if (r < 0)
		return r;
	r = control_open(s, ret_why);
	if (r < 0)
		return r;
	r = metrics_open(s, ret_why);
	if (r < 0)
		return r;
	*ret_why = "signals cannot be watched";
	r = watch_signals(s);
	if (r < 0)
		return r;
	krelay_load(s);
	privilege_drop(s->krelay != NULL);
	child_start(child_keyd(s));
	return ED_OK;
}

void
supervisor_open_log(const struct supervisor *s)
{
	struct log_conf lc = {.target = s->conf->log.target,
	    .facility = s->conf->log.facility,
	    .level = s->conf->log.level,
	    .program = "edged"};

	if (log_open(&lc) < 0)
		log_warning(AREA_SYS, "SYS-1010", "log_target_missing", "target=%s", lc.target);
}

int
supervisor_run(struct supervisor *s)
{
	const char *why = "";
	int r;

	raise_file_limit();
	supervisor_open_log(s);
	findings_log(&s->report, false);
	r = start(s, &why);
	if (r == ED_OK) {
		r = loop_run(s->loop);
	} else {
		fprintf(stderr, "edged: %s\n", why);
		s->exit_code = 78;
	}
	krelay_unload(s);
	control_close(s);
	metrics_close(s);
	certwatch_stop(s);
	for (size_t i = 0; i < s->n_children; i++)
		child_done(&s->children[i]);
	for (size_t i = 0; i < 4; i++)
		if (s->signals[i])
			event_free(s->signals[i]);
	s->loop = loop_free(s->loop);
	secret_done(&s->pool_secret);
	return r < 0 && s->exit_code == 0 ? 1 : s->exit_code;
}

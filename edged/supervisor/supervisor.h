/* SPDX-License-Identifier: MIT
 *
 * supervisor/supervisor.h: the one struct of the supervisor and what its files ask of one another.
 *
 * Life: main.c loads and checks; supervisor_run opens listeners, starts keyd and, when it is ready,
 * the services; then the loop: deaths (child.c), reloads (reload.c), questions of edgectl
 * (control.c), until SIGTERM. Nothing here reads a byte from the network or resolves a name.
 */
#ifndef EDGED_SUPERVISOR_SUPERVISOR_H
#define EDGED_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/wipe.h"
#include "conf/certs.h"
#include "conf/conf.h"
#include "conf/report.h"
#include "net/loop.h"
#include "supervisor/clockwatch.h"
#include "supervisor/listen.h"
#include "svc/keyplan.h"
#include "svc/roles.h"

struct event;
struct json;
struct krelay_maps; /* krelay.h */
struct control;
struct metrics;
struct reload;

#define CHILDREN_MAX 160u
#define WARNINGS_MAX 16u

enum child_state {
	CHILD_WAITING,  /* not running: keyd is not ready, or the back-off runs */
	CHILD_STARTING, /* told to start, has not said READY */
	CHILD_READY,
	CHILD_DRAINED,
	CHILD_STOPPING,
};

struct child {
	struct supervisor *sup;
	enum role role;
	unsigned worker, workers;
	enum child_state state;
	pid_t pid; /* 0: none */
	int fd;
	struct event *ev;
	int *listeners; /* one per spec of the role, kept while we live */
	size_t n_listeners;
	uint32_t restarts;
	uint32_t backoff_ms; /* before the next start */
	uint64_t started_ms, pong_ms;
	uint64_t counter_base;
	uint32_t ping;
	struct timer timer; /* start again, or the watchdog */
	char *warnings[WARNINGS_MAX];
	size_t n_warnings;
	char why[256];            /* of the last refusal or death */
	uint32_t asked, prepared; /* number of the reload it was asked for, and answered */
};

struct key_slot { /* what keyd holds, without the key itself */
	uint16_t slot;
	uint8_t digest[32]; /* of the key file */
};

struct supervisor {
	const char *path; /* of the configuration */
	char libexec[320];
	char run_dir[200];
	struct conf *conf;
	struct conf_report report; /* of the check at start: warnings stay visible */
	struct loop *loop;
	struct event *signals[4];
	struct child children[CHILDREN_MAX];
	size_t n_children;
	int shared[ROLE__N]; /* memory files, one per role whose workers share; 0: none */
	struct listen_spec specs[LISTEN_SPECS_MAX];
	size_t n_specs;
	struct hash_key hash_key;
	struct secret pool_secret;
	struct key_slot keys[BINDING__N]; /* in force */
	uint16_t next_slot;
	uint64_t started_ms;
	int64_t started_at; /* seconds since 1970 */
	bool serving;       /* all were READY once */
	bool stopping;
	int exit_code;
	struct timer stop_timer;
	struct reload *reload;     /* one at a time */
	struct list reload_askers; /* came meanwhile: the next one is for all of them */
	bool reload_again;         /* it is wanted, with or without askers */
	struct timer reload_timer; /* begins it */
	uint32_t reload_number, reloads;
	int64_t reloaded_at;
	bool reload_ok;
	char reload_why[512];
	struct krelay_maps *krelay; /* NULL: the kernel relays nothing */
	struct control *control;
	struct metrics *metrics;
	struct certwatch *certwatch;
	bool draining;
	struct timer drain_timer; /* its deadline */
	struct list gathers;      /* questions to services that are under way */
	uint32_t gather_number;
	struct timer notify_timer;
	struct clockwatch clock;
};

/* supervisor.c */
int supervisor_run(struct supervisor *s);
void supervisor_stop(struct supervisor *s, int exit_code);
/* POOL-11: accept nothing new, end when idle or after deadline_s (0: when idle only). */
void supervisor_drain(struct supervisor *s, uint32_t deadline_s);
/* All services that were to start are READY or gave up: tell systemd, log SYS-1001. */
void supervisor_on_child_state(struct supervisor *s);
uint64_t supervisor_conf_hash(const struct conf *c);
/* Opens the log's target as the configuration in force says. */
void supervisor_open_log(const struct supervisor *s);

/* findings.c: errors, and warnings unless only_errors, as events. */
void findings_log(const struct conf_report *r, bool only_errors);

/* child.c */
void child_init(struct child *c, struct supervisor *s, enum role role, unsigned worker);
void child_done(struct child *c);
void child_start(struct child *c);
void child_on_death(struct child *c, int status);
struct child *child_of_pid(struct supervisor *s, pid_t pid);
struct child *child_keyd(struct supervisor *s);
/* One message down; a child that cannot take it is killed. */
void child_say(struct child *c, struct str msg, const int *fds, size_t n_fds);
void child_say_number(struct child *c, unsigned kind, uint32_t number);
/* A channel between c and keyd. */
void child_hand_key_channel(struct child *c);
void child_kill(struct child *c, const char *why);
const char *child_state_name(enum child_state st);
bool child_is_alive(const struct child *c);

/* krelay.c: the relay in the kernel (av.kernel_relay). Without it user space relays. */
void krelay_load(struct supervisor *s);
void krelay_unload(struct supervisor *s);
void krelay_hand_out(struct child *c);
/* What c has entered is void. */
void krelay_on_death(const struct child *c);

/* message.c: what children say */
void child_on_message(struct child *c, struct str msg);

/* keys.c */
int keys_load_secret(struct supervisor *s, struct conf_report *report) ED_MUST_CHECK;
/* Gives each binding of next its slot; a changed key gets a fresh one in ret_slots. */
int keys_assign(struct supervisor *s, struct conf *next, const struct conf_keys *keys,
    struct key_slot ret_slots[BINDING__N]) ED_MUST_CHECK;
/* True when this is the key that the view in force uses. */
bool keys_is_in_force(const struct supervisor *s, enum conf_binding b, const struct secret *pem);
/* Sends the plan: keys of conf in slots. */
int keys_send(struct supervisor *s, struct child *keyd, const struct conf *conf,
    const struct conf_keys *keys, const struct key_slot slots[BINDING__N]) ED_MUST_CHECK;

/* rundir.c */
int rundir_make(struct supervisor *s, const char **ret_why) ED_MUST_CHECK;
/* Root directory of a role, "" in a laboratory that cannot have one. */
void rundir_root(const struct supervisor *s, enum role role, char *buf, size_t room);
/* Every wanted role has a user of its own, or this is a laboratory (USER-01). */
void check_users(const struct conf *c, struct conf_report *report);
/* The user that edged.service runs as can read the files (USER-02); only root can tell. */
void check_readable(const struct conf *c, const char *conf_path, struct conf_report *report);
/* User of a role: ED_OK; ED_STATE when there is none. */
int role_user(
    const struct conf *c, enum role role, uint32_t *ret_uid, uint32_t *ret_gid) ED_MUST_CHECK;

/* privilege.c: root, or an ordinary user with ambient capabilities (edged.service) */
/* True when services can be given users and roots of their own. */
bool privilege_to_lock_in(void);
/* For good: what a supervisor does not need. */
void privilege_drop(bool keep_net_admin);
/* SIGKILL, whatever user c runs as. */
void privilege_kill(const struct child *c);

/* reload.c */
struct reload_asker { /* part of who waits for the verdict; no longer: list_remove */
	struct list link;
	void (*done)(struct reload_asker *a, bool ok, const char *text);
};
enum reload_what { RELOAD_ALL, RELOAD_CERTIFICATES };
void reload_init(struct supervisor *s);
/* Now, or after the one that is under way; who: NULL when nobody waits for the verdict. */
void reload_begin(struct supervisor *s, enum reload_what what, struct reload_asker *who);
void reload_on_prepared(struct child *c, uint32_t number, bool ok, struct str why);
void reload_on_committed(struct child *c, uint32_t number);
void reload_on_death(struct child *c);

/* certwatch.c: files that change, certificates that end */
void certwatch_start(struct supervisor *s);
void certwatch_stop(struct supervisor *s);

/* control.c */
int control_open(struct supervisor *s, const char **ret_why) ED_MUST_CHECK;
void control_close(struct supervisor *s);

/* metrics.c */
int metrics_open(struct supervisor *s, const char **ret_why) ED_MUST_CHECK;
void metrics_close(struct supervisor *s);

/* gather.c: what children answer */
void gather_on_reply(struct child *c, uint32_t number, struct str json);
void gather_on_counts(struct child *c, uint32_t number, struct str rows);
void gather_on_death(struct child *c);

/* status.c */
void status_json(struct supervisor *s, struct json *j);
/* counts: list elements of gather.h's answers to "certs" */
void certs_json(struct supervisor *s, struct str counts, struct json *j);

#endif

/* SPDX-License-Identifier: MIT
 *
 * supervisor/reload.c: walk C. A new configuration is loaded and checked beside the one in force;
 * every living service builds its view of it and says yes or no; all yes: COMMIT to keyd and, when
 * it has switched, to the others; one no, death or ten seconds of silence: ROLLBACK. One at a time:
 * what is asked for meanwhile is one more reload after it, for all who asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "conf/check.h"
#include "conf/diff.h"
#include "conf/load.h"
#include "conf/slice.h"
#include "net/ipc.h"
#include "supervisor/supervisor.h"
#include "svc/json.h"
#include "svc/log.h"
#include "svc/notify.h"
#include "svc/wire.h"

#define PREPARE_MS 10000u

struct reload {
	struct supervisor *sup;
	uint32_t number;
	struct conf *next;
	struct key_slot slots[BINDING__N];
	struct timer deadline;
	unsigned waiting_for;
	bool committing;              /* keyd was told, the others not yet */
	struct list askers;           /* who waits for the verdict */
	struct json changed, restart; /* lists of keys */
	unsigned n_changed, n_restart;
};

static void
answer(struct list *askers, bool ok, const char *text)
{
	while (!list_is_empty(askers)) {
		struct reload_asker *who = LIST_OF(askers->next, struct reload_asker, link);

		list_remove(&who->link);
		who->done(who, ok, text);
	}
}

static void
finish(struct reload *rl, bool ok, const char *why)
{
	struct supervisor *s = rl->sup;
	struct json j = {0};
	char quoted[LOG_QUOTE_LEN];

	timer_cancel(&rl->deadline);
	s->reload = NULL;
	s->reload_ok = ok;
	s->reloaded_at = (int64_t)time(NULL);
	snprintf(s->reload_why, sizeof(s->reload_why), "%s", ok ? "" : why);
	if (ok)
		s->reloads++;
	json_fmt(&j, "{\"ok\":%s,\"why\":", ok ? "true" : "false");
	json_text(&j, str_of(ok ? "" : why));
	json_raw(&j, STR(",\"changed\":["));
	json_raw(&j, (struct str){rl->changed.p, rl->changed.n});
	json_raw(&j, STR("],\"needs_restart\":["));
	json_raw(&j, (struct str){rl->restart.p, rl->restart.n});
	json_raw(&j, STR("]}"));
	if (ok)
		log_notice(AREA_SYS, "SYS-1002", "reload_done", "changed=%u needs_restart=%u",
		    rl->n_changed, rl->n_restart);
	else
		log_error(AREA_SYS, "SYS-1003", "reload_refused",
		    "why=%s hint=\"running configuration kept\"", log_quote(str_of(why), quoted));
	answer(&rl->askers, ok, j.failed ? "{\"ok\":false}" : j.p);
	notify_state("READY=1");
	json_done(&j);
	json_done(&rl->changed);
	json_done(&rl->restart);
	conf_free(rl->next);
	free(rl);
	if (s->reload_again)
		timer_set(s->loop, &s->reload_timer, loop_now_ms(s->loop));
}

static void
list_key(struct json *j, const char *key)
{
	if (j->n)
		json_raw(j, STR(","));
	json_text(j, str_of(key));
}

static void
on_changed(void *arg, const struct conf_opt *o)
{
	struct reload *rl = arg;

	rl->n_changed++;
	list_key(&rl->changed, o->key);
}

static void
on_needs_restart(void *arg, const struct conf_opt *o)
{
	struct reload *rl = arg;

	rl->n_restart++;
	list_key(&rl->restart, o->key);
}

static bool
takes_part(const struct reload *rl, const struct child *c)
{
	return child_is_alive(c) && c->asked == rl->number;
}

static void
log_replaced(void *arg, enum conf_binding b, const char *old_serial, const char *new_serial)
{
	log_notice(AREA_CERT, "CRT-1103", "certificate_replaced",
	    "binding=%s old_serial=%s new_serial=%s", conf_binding_name(b),
	    *old_serial ? old_serial : "-", *new_serial ? new_serial : "-");
}

/* One that was being started has the old slice and was not asked: it starts once more. */
static void
restart_late_starters(struct reload *rl)
{
	struct supervisor *s = rl->sup;

	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i].state == CHILD_STARTING)
			child_kill(&s->children[i], "configuration changed while it started");
}

/*
 * All said yes: the next configuration is the one in force. keyd goes first and alone: a worker
 * that has switched asks for slots that keyd must know by then.
 */
static void
commit_keyd(struct reload *rl)
{
	struct supervisor *s = rl->sup;
	struct conf *old = s->conf;
	enum log_level level;

	rl->committing = true;
	check_each_replaced(old, rl->next, log_replaced, NULL);
	s->conf = rl->next;
	rl->next = old;
	memcpy(s->keys, rl->slots, sizeof(s->keys));
	if (log_level_from_name(s->conf->log.level, &level))
		log_set_level(level);
	child_say_number(child_keyd(s), WIRE_COMMIT, rl->number);
	timer_set(s->loop, &rl->deadline, loop_now_ms(s->loop) + PREPARE_MS);
}

/* keyd has switched, or is being started anew with the next configuration. */
static void
commit_others(struct reload *rl)
{
	struct supervisor *s = rl->sup;

	for (size_t i = 1; i < s->n_children; i++)
		if (takes_part(rl, &s->children[i]))
			child_say_number(&s->children[i], WIRE_COMMIT, rl->number);
	restart_late_starters(rl);
	finish(rl, true, "");
}

static void
rollback(struct reload *rl, const char *why)
{
	struct supervisor *s = rl->sup;

	for (size_t i = 0; i < s->n_children; i++)
		if (takes_part(rl, &s->children[i]))
			child_say_number(&s->children[i], WIRE_ROLLBACK, rl->number);
	finish(rl, false, why);
}

static void
decide(struct reload *rl)
{
	if (rl->waiting_for == 0)
		commit_keyd(rl);
}

static void
on_deadline(struct timer *t, uint64_t now_ms)
{
	struct reload *rl = LIST_OF(t, struct reload, deadline);

	if (rl->committing) {
		child_kill(child_keyd(rl->sup), "did not switch to the next configuration");
		commit_others(rl);
	} else {
		rollback(rl, "a service did not answer in 10 s");
	}
}

void
reload_on_committed(struct child *c, uint32_t number)
{
	struct reload *rl = c->sup->reload;

	if (rl && rl->committing && c == child_keyd(c->sup) && number == rl->number)
		commit_others(rl);
}

void
reload_on_prepared(struct child *c, uint32_t number, bool ok, struct str why)
{
	struct reload *rl = c->sup->reload;
	char text[400];

	if (!rl || number != rl->number || c->asked != number || c->prepared == number)
		return;
	c->prepared = number;
	if (!ok) {
		snprintf(text, sizeof(text), "%s worker %u refused: " STR_FMT, role_name(c->role),
		    c->worker, STR_ARG(str_first(why, 300)));
		rollback(rl, text);
		return;
	}
	rl->waiting_for--;
	decide(rl);
}

void
reload_on_death(struct child *c)
{
	struct reload *rl = c->sup->reload;
	char text[128];

	if (!rl || c->asked != rl->number)
		return;
	if (rl->committing) {
		/* It comes back with the next configuration. */
		if (c == child_keyd(c->sup))
			commit_others(rl);
		return;
	}
	snprintf(text, sizeof(text), "%s worker %u died meanwhile", role_name(c->role), c->worker);
	rollback(rl, text);
}

static int
ask(struct reload *rl, struct child *c)
{
	struct ipc_writer w = {.room = WIRE_SLICE_MAX};
	uint8_t b[8];
	struct ipc_writer head = {.p = b, .room = sizeof(b)};
	int fd = -1, r;

	w.p = malloc(w.room);
	if (!w.p)
		return ED_NOMEM;
	conf_slice_put(&w, rl->next, ROLE_BIT(c->role));
	r = w.err < 0 ? w.err : wire_blob_new(w.p, w.n, &fd);
	free(w.p);
	if (r < 0)
		return r;
	ipc_put_u8(&head, WIRE_PREPARE);
	ipc_put_u32(&head, rl->number);
	c->asked = rl->number;
	rl->waiting_for++;
	child_say(c, (struct str){(char *)b, head.n}, &fd, 1);
	close(fd);
	return ED_OK;
}

/* Findings of a refused file: the first error, with its place. */
static void
first_error(const struct conf_report *rep, char *buf, size_t room)
{
	for (size_t i = 0; i < rep->n; i++) {
		const struct conf_finding *f = &rep->v[i];

		if (f->severity != CONF_ERROR)
			continue;
		if (f->file)
			snprintf(buf, room, "%s %s:%u %s: %s", f->rule, f->file, f->line,
			    f->key ? f->key : "", f->text ? f->text : "");
		else
			snprintf(buf, room, "%s %s: %s", f->rule, f->key ? f->key : "",
			    f->text ? f->text : "");
		return;
	}
	snprintf(buf, room, "the configuration cannot be read");
}

/* The file, or, when only certificates changed, what is in force once more. */
static int
make_next(struct reload *rl, enum reload_what what, struct conf_report *rep)
{
	if (what == RELOAD_ALL)
		return conf_load(rl->sup->path, &rl->next, rep);
	rl->next = conf_copy(rl->sup->conf);
	return rl->next ? ED_OK : ED_NOMEM;
}

/* Steps 2 and 3: a new struct conf, checked, with what a restart would need put back. */
static int
load_next(
    struct reload *rl, enum reload_what what, struct conf_keys *keys, char *why, size_t why_room)
{
	struct supervisor *s = rl->sup;
	struct conf_report rep = {0};
	int r = make_next(rl, what, &rep);

	if (r == ED_OK)
		r = conf_certs_read(rl->next, &rep);
	if (r == ED_OK)
		r = conf_keys_read(rl->next, keys, &rep);
	if (r == ED_OK) {
		check_run(rl->next, keys, CHECK_RELOAD, &rep);
		if (privilege_to_lock_in())
			check_users(rl->next, &rep);
		r = conf_keep_restart_rows(s->conf, rl->next, on_needs_restart, rl);
	}
	if (r == ED_OK && rep.n_errors == 0)
		r = keys_assign(s, rl->next, keys, rl->slots);
	if (r == ED_OK && rep.n_errors > 0)
		r = ED_DENIED;
	/* Certificates are taken over by themselves, and their warnings told by day (certwatch.c).
	 */
	findings_log(&rep, what != RELOAD_ALL);
	if (r < 0) {
		first_error(&rep, why, why_room);
	} else {
		conf_diff(s->conf, rl->next, on_changed, rl);
		conf_report_done(&s->report);
		s->report = rep;
		return ED_OK;
	}
	conf_report_done(&rep);
	return r;
}

static void
prepare(struct reload *rl, const struct conf_keys *keys)
{
	struct supervisor *s = rl->sup;
	const char *ignored;
	int r;

	if (rundir_make(s, &ignored) < 0)
		log_warning(AREA_SYS, "SYS-1018", "run_dir_failed", "why=\"%s\"", ignored);
	if (!child_is_alive(child_keyd(s)) || child_keyd(s)->state != CHILD_READY) {
		finish(rl, false, "keyd is not ready");
		return;
	}
	r = keys_send(s, child_keyd(s), rl->next, keys, rl->slots);
	for (size_t i = 0; r == ED_OK && i < s->n_children; i++)
		if (s->children[i].state == CHILD_READY || s->children[i].state == CHILD_DRAINED)
			r = ask(rl, &s->children[i]);
	if (r < 0) {
		rollback(rl, "out of memory");
		return;
	}
	timer_set(s->loop, &rl->deadline, loop_now_ms(s->loop) + PREPARE_MS);
}

static void
begin(struct supervisor *s, enum reload_what what)
{
	struct reload *rl = calloc(1, sizeof(*rl));
	struct conf_keys keys = {0};
	char why[400], state[96];
	struct timespec ts;

	s->reload_again = false;
	timer_cancel(&s->reload_timer);
	if (!rl) {
		answer(&s->reload_askers, false, "{\"ok\":false,\"why\":\"out of memory\"}");
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	notify_state(state);
	rl->sup = s;
	rl->number = ++s->reload_number;
	list_init(&rl->askers);
	while (!list_is_empty(&s->reload_askers)) {
		struct list *who = s->reload_askers.next;

		list_remove(who);
		list_push_back(&rl->askers, who);
	}
	timer_init(&rl->deadline, on_deadline);
	s->reload = rl;
	if (load_next(rl, what, &keys, why, sizeof(why)) < 0)
		finish(rl, false, why);
	else
		prepare(rl, &keys);
	conf_keys_done(&keys);
}

static void
on_turn(struct timer *t, uint64_t now_ms)
{
	begin(LIST_OF(t, struct supervisor, reload_timer), RELOAD_ALL);
}

void
reload_init(struct supervisor *s)
{
	list_init(&s->reload_askers);
	timer_init(&s->reload_timer, on_turn);
}

void
reload_begin(struct supervisor *s, enum reload_what what, struct reload_asker *who)
{
	if (who)
		list_push_back(&s->reload_askers, &who->link);
	if (s->reload || s->reload_again)
		s->reload_again = true;
	else
		begin(s, what);
}

/* SPDX-License-Identifier: MIT
 *
 * supervisor/control.c: the socket of edgectl: mode 0600, one line in ("VERB ARGUMENT"), one JSON
 * document out, close.
 *
 * What the supervisor knows it answers at once; what services know is gathered: the question goes
 * to each, the answers come in any order, and after GATHER_MS those that are missing are named.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/check.h"
#include "conf/load.h"
#include "supervisor/gather.h"
#include "supervisor/live.h"
#include "svc/log.h"
#include "svc/wire.h"

#define LINE_LEN_MAX 4096u
#define CLIENTS_MAX  32u

struct client {
	struct control *ctl;
	struct bufferevent *bev; /* NULL: free slot */
	bool asked, answered;
	struct livecheck *live;
	struct reload_asker reload;
};

struct control {
	struct supervisor *sup;
	int fd;
	struct event *ev;
	struct client clients[CLIENTS_MAX];
};

static void
client_drop(struct client *cl)
{
	list_remove(&cl->reload.link); /* the reload goes on */
	gather_cancel(cl->ctl->sup, cl);
	cl->live = livecheck_free(cl->live);
	if (cl->bev)
		bufferevent_free(cl->bev);
	cl->bev = NULL;
	cl->asked = cl->answered = false;
}

static void
client_answer(struct client *cl, struct str text)
{
	cl->answered = true;
	bufferevent_write(cl->bev, text.p, text.n);
	bufferevent_write(cl->bev, "\n", 1);
	/* Dropped when all is written (on_written). */
	bufferevent_enable(cl->bev, EV_WRITE);
}

static void
client_error(struct client *cl, const char *why)
{
	struct json j = {0};

	json_raw(&j, STR("{\"ok\":false,\"why\":"));
	json_text(&j, str_of(why));
	json_raw(&j, STR("}"));
	client_answer(cl, (struct str){j.p, j.n});
	json_done(&j);
}

/* What services answered. */
static void
on_gathered(void *arg, struct gather *g)
{
	struct client *cl = arg;
	struct json j = {0};

	if (!g) {
		client_error(cl, "out of memory");
		return;
	}
	json_raw(&j, STR("{\"ok\":true"));
	if (g->sum) {
		json_key(&j, "stats");
		stats_sum_json(g->sum, &j);
	} else {
		json_key(&j, "services");
		json_raw(&j, STR("["));
		json_raw(&j, (struct str){g->answers.p, g->answers.n});
		json_raw(&j, STR("]"));
	}
	json_key(&j, "silent");
	gather_silent_json(g, &j);
	json_raw(&j, STR("}"));
	if (j.failed)
		client_error(cl, "out of memory");
	else
		client_answer(cl, (struct str){j.p, j.n});
	json_done(&j);
}

/* ---- verbs ---- */

static void
do_status(struct client *cl, struct str arg)
{
	struct json j = {0};

	status_json(cl->ctl->sup, &j);
	client_answer(cl, (struct str){j.p, j.n});
	json_done(&j);
}

static void
on_certs_counted(void *arg, struct gather *g)
{
	struct client *cl = arg;
	struct json j = {0}, list = {0};

	json_raw(&list, STR("["));
	if (g)
		json_raw(&list, (struct str){g->answers.p, g->answers.n});
	json_raw(&list, STR("]"));
	certs_json(cl->ctl->sup, list.failed ? STR_NONE : (struct str){list.p, list.n}, &j);
	if (j.failed)
		client_error(cl, "out of memory");
	else
		client_answer(cl, (struct str){j.p, j.n});
	json_done(&list);
	json_done(&j);
}

static void
do_certs(struct client *cl, struct str arg)
{
	gather_begin(cl->ctl->sup, STR("certs"), STR_NONE, on_certs_counted, cl);
}

static void
on_live_checked(void *arg, struct str json)
{
	struct client *cl = arg;

	if (json_is_valid(str_trim(json)))
		client_answer(cl, str_trim(json));
	else
		client_error(cl, "the helper that asks the DNS did not answer");
}

static void
do_check(struct client *cl, struct str arg)
{
	struct conf_report rep = {0};
	struct conf_keys keys = {0};
	struct conf *c = NULL;
	char *text = NULL;
	size_t n = 0;
	FILE *out;

	if (str_eq(arg, STR("live"))) {
		cl->live =
		    livecheck_start(cl->ctl->sup->loop, cl->ctl->sup->path, on_live_checked, cl);
		if (!cl->live)
			client_error(cl, "no process to ask the DNS with");
		return;
	}
	if (conf_load(cl->ctl->sup->path, &c, &rep) == ED_OK && conf_certs_read(c, &rep) == ED_OK &&
	    conf_keys_read(c, &keys, &rep) == ED_OK)
		check_run(c, &keys, CHECK_RELOAD, &rep);
	out = open_memstream(&text, &n);
	if (out) {
		char *certs = c ? check_certs_json(c) : NULL;

		conf_report_print_json(&rep, certs ? certs : "", out);
		free(certs);
		fclose(out);
	}
	client_answer(cl, text ? (struct str){text, n} : STR("{\"ok\":false}"));
	free(text);
	conf_keys_done(&keys);
	conf_free(c);
	conf_report_done(&rep);
}

static void
on_reload_done(struct reload_asker *a, bool ok, const char *text)
{
	client_answer(LIST_OF(a, struct client, reload), str_of(text));
}

static void
do_reload(struct client *cl, struct str arg)
{
	cl->reload.done = on_reload_done;
	reload_begin(cl->ctl->sup, RELOAD_ALL, &cl->reload);
}

static void
do_stats(struct client *cl, struct str arg)
{
	gather_begin(cl->ctl->sup, STR_NONE, STR_NONE, on_gathered, cl);
}

static void
do_log(struct client *cl, struct str arg)
{
	struct supervisor *s = cl->ctl->sup;
	enum log_level level;
	char name[16] = "";
	uint8_t b[2];

	if (arg.n < sizeof(name) && arg.n > 0)
		memcpy(name, arg.p, arg.n);
	if (!log_level_from_name(name, &level)) {
		client_error(cl, "levels are error, warning, notice, info, debug");
		return;
	}
	b[0] = WIRE_LOG_LEVEL;
	b[1] = (uint8_t)level;
	log_set_level(level);
	for (size_t i = 0; i < s->n_children; i++)
		child_say(&s->children[i], (struct str){(char *)b, 2}, NULL, 0);
	log_notice(AREA_SYS, "SYS-1020", "log_level_set", "level=%s until=reload", name);
	client_answer(cl, STR("{\"ok\":true}"));
}

static void
do_drain(struct client *cl, struct str arg)
{
	uint32_t deadline_s = 0;

	if (arg.n && !str_to_u32(arg, 86400, &deadline_s)) {
		client_error(cl, "drain takes seconds, at most 86400");
		return;
	}
	client_answer(cl, STR("{\"ok\":true}"));
	supervisor_drain(cl->ctl->sup, deadline_s);
}

static const struct {
	const char *verb;
	void (*run)(struct client *cl, struct str arg);
} verbs[] = {
    {"status", do_status},
    {"certs", do_certs},
    {"check", do_check},
    {"reload", do_reload},
    {"stats", do_stats},
    {"log", do_log},
    {"drain", do_drain},
};
static const char *const service_verbs[] = {
    "sessions", "partners", "trace", "webconf", "kick", "release", "nexthop", "connections"};

static void
run_line(struct client *cl, struct str line)
{
	ptrdiff_t sp = str_find(line, ' ');
	struct str verb = sp < 0 ? line : str_first(line, (size_t)sp);
	struct str arg = sp < 0 ? STR_NONE : str_trim(str_from(line, (size_t)sp + 1));

	cl->asked = true;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (str_eq(verb, str_of(verbs[i].verb))) {
			verbs[i].run(cl, arg);
			return;
		}
	for (size_t i = 0; i < sizeof(service_verbs) / sizeof(service_verbs[0]); i++)
		if (str_eq(verb, str_of(service_verbs[i]))) {
			gather_begin(cl->ctl->sup, verb, arg, on_gathered, cl);
			return;
		}
	client_error(cl, "no such command");
}

/* ---- the socket ---- */

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n;
	char *line;

	if (cl->asked) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	line = evbuffer_readln(in, &n, EVBUFFER_EOL_LF);
	if (line)
		run_line(cl, (struct str){line, n});
	else if (evbuffer_get_length(in) > LINE_LEN_MAX)
		client_drop(cl);
	free(line);
}

static void
on_written(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;

	if (cl->answered)
		client_drop(cl);
}

static void
on_end(struct bufferevent *bev, short what, void *arg)
{
	struct client *cl = arg;

	/* A half-closed asker still waits for the answer. */
	if ((what & BEV_EVENT_EOF) && cl->asked && !(what & BEV_EVENT_WRITING)) {
		bufferevent_disable(bev, EV_READ);
		return;
	}
	client_drop(cl);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct control *ctl = arg;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (s < 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *cl = &ctl->clients[i];

		if (cl->bev)
			continue;
		cl->bev =
		    bufferevent_socket_new(loop_base(ctl->sup->loop), s, BEV_OPT_CLOSE_ON_FREE);
		if (!cl->bev)
			break;
		bufferevent_setcb(cl->bev, on_read, on_written, on_end, cl);
		bufferevent_enable(cl->bev, EV_READ | EV_WRITE);
		return;
	}
	close(s);
}

static int
bind_socket(const char *path, const char **ret_why)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	mode_t before;
	int fd, r;

	*ret_why = "control.socket: path too long";
	if (strlen(path) >= sizeof(un.sun_path))
		return -1;
	memcpy(un.sun_path, path, strlen(path));
	*ret_why = "control.socket: another edged answers there";
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		goto fail;
	*ret_why = "control.socket: cannot be opened";
	unlink(path);
	before = umask(0177);
	r = bind(fd, (struct sockaddr *)&un, sizeof(un));
	umask(before);
	if (r < 0 || listen(fd, 16) < 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

int
control_open(struct supervisor *s, const char **ret_why)
{
	struct control *ctl;
	int fd = bind_socket(s->conf->control.socket, ret_why);

	if (fd < 0)
		return ED_SYS;
	*ret_why = "out of memory";
	ctl = calloc(1, sizeof(*ctl));
	if (!ctl) {
		close(fd);
		return ED_NOMEM;
	}
	ctl->sup = s;
	ctl->fd = fd;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		ctl->clients[i].ctl = ctl;
	s->control = ctl;
	ctl->ev = event_new(loop_base(s->loop), fd, EV_READ | EV_PERSIST, on_accept, ctl);
	return ctl->ev && event_add(ctl->ev, NULL) == 0 ? ED_OK : ED_SYS;
}

void
control_close(struct supervisor *s)
{
	struct control *ctl = s->control;

	if (!ctl)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		client_drop(&ctl->clients[i]);
	if (ctl->ev)
		event_free(ctl->ev);
	close(ctl->fd);
	unlink(s->conf->control.socket);
	free(ctl);
	s->control = NULL;
}

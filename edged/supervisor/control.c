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
#include "net/ipc.h"
#include "supervisor/stats_sum.h"
#include "supervisor/supervisor.h"
#include "svc/json.h"
#include "svc/log.h"
#include "svc/stats.h"
#include "svc/wire.h"

#define LINE_LEN_MAX 4096u
#define CLIENTS_MAX  32u
#define GATHER_MS    5000u

struct client {
	struct control *ctl;
	struct bufferevent *bev; /* NULL: free slot */
	bool asked, answered;
	uint32_t number; /* of the gathering */
	unsigned waiting_for;
	bool awaited[CHILDREN_MAX];
	struct timer deadline;
	struct json answers;
	struct stats_sum *sum; /* `stats` only */
};

struct control {
	struct supervisor *sup;
	int fd;
	struct event *ev;
	uint32_t number;
	struct client clients[CLIENTS_MAX];
};

static void
client_drop(struct client *cl)
{
	reload_cancel_cb(cl->ctl->sup, cl);
	timer_cancel(&cl->deadline);
	if (cl->bev)
		bufferevent_free(cl->bev);
	cl->bev = NULL;
	json_done(&cl->answers);
	cl->sum = stats_sum_free(cl->sum);
	cl->asked = cl->answered = false;
	cl->number = 0;
}

static void
client_answer(struct client *cl, struct str text)
{
	cl->answered = true;
	timer_cancel(&cl->deadline);
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

/* ---- gathering ---- */

static void
gather_finish(struct client *cl)
{
	struct control *ctl = cl->ctl;
	struct json j = {0};

	json_raw(&j, STR("{\"ok\":true"));
	if (cl->sum) {
		json_key(&j, "stats");
		stats_sum_json(cl->sum, &j);
	} else {
		json_key(&j, "services");
		json_fmt(&j, "[");
		json_raw(&j, (struct str){cl->answers.p, cl->answers.n});
		json_fmt(&j, "]");
	}
	json_key(&j, "silent");
	json_fmt(&j, "[");
	for (size_t i = 0; i < ctl->sup->n_children; i++)
		if (cl->awaited[i]) {
			json_next(&j);
			json_fmt(&j, "\"%s.%u\"", role_name(ctl->sup->children[i].role),
			    ctl->sup->children[i].worker);
		}
	json_fmt(&j, "]}");
	if (j.failed)
		client_error(cl, "out of memory");
	else
		client_answer(cl, (struct str){j.p, j.n});
	json_done(&j);
}

static void
on_gather_deadline(struct timer *t, uint64_t now_ms)
{
	struct client *cl = LIST_OF(t, struct client, deadline);

	gather_finish(cl);
}

static struct client *
client_of_number(struct control *ctl, const struct child *c, uint32_t number)
{
	size_t at = (size_t)(c - ctl->sup->children);

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *cl = &ctl->clients[i];

		if (cl->bev && !cl->answered && cl->number == number && number && cl->awaited[at]) {
			cl->awaited[at] = false;
			cl->waiting_for--;
			return cl;
		}
	}
	return NULL;
}

void
control_on_reply(struct child *c, uint32_t number, struct str json)
{
	struct client *cl = client_of_number(c->sup->control, c, number);

	if (!cl)
		return;
	if (!json_is_valid(json))
		json = STR("{\"error\":\"the service did not answer in JSON\"}");
	if (!str_eq(json, STR("null"))) {
		if (cl->answers.n)
			json_raw(&cl->answers, STR(","));
		json_fmt(&cl->answers,
		    "{\"role\":\"%s\",\"worker\":%u,\"answer\":", role_name(c->role), c->worker);
		json_raw(&cl->answers, json);
		json_raw(&cl->answers, STR("}"));
	}
	if (cl->waiting_for == 0)
		gather_finish(cl);
}

void
control_on_counts(struct child *c, uint32_t number, struct str rows)
{
	struct client *cl = client_of_number(c->sup->control, c, number);
	struct ipc_reader r = {.left = rows};
	uint16_t n;

	if (!cl || !cl->sum)
		return;
	n = ipc_get_u16(&r);
	for (uint16_t i = 0; i < n && r.err == 0; i++) {
		struct str name = ipc_get_str(&r);
		unsigned kind = ipc_get_u8(&r);
		struct str help = ipc_get_str(&r);
		uint64_t value = ipc_get_u64(&r);

		if (r.err == 0)
			stats_sum_add(cl->sum, name, kind == STATS_GAUGE, help, value);
	}
	if (cl->waiting_for == 0)
		gather_finish(cl);
}

void
control_on_death(struct child *c)
{
	struct control *ctl = c->sup->control;
	size_t at = (size_t)(c - c->sup->children);

	for (size_t i = 0; ctl && i < CLIENTS_MAX; i++) {
		struct client *cl = &ctl->clients[i];

		/* It stays in the list of the silent ones. */
		if (cl->bev && !cl->answered && cl->number && cl->awaited[at] &&
		    --cl->waiting_for == 0)
			gather_finish(cl);
	}
}

static void
gather(struct client *cl, struct str msg)
{
	struct supervisor *s = cl->ctl->sup;

	cl->waiting_for = 0;
	memset(cl->awaited, 0, sizeof(cl->awaited));
	for (size_t i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];

		if (c->state != CHILD_READY && c->state != CHILD_DRAINED)
			continue;
		cl->awaited[i] = true;
		cl->waiting_for++;
		child_say(c, msg, NULL, 0);
	}
	if (cl->waiting_for == 0)
		gather_finish(cl);
	else
		timer_set(s->loop, &cl->deadline, loop_now_ms(s->loop) + GATHER_MS);
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
do_certs(struct client *cl, struct str arg)
{
	struct json j = {0};

	certs_json(cl->ctl->sup, &j);
	client_answer(cl, (struct str){j.p, j.n});
	json_done(&j);
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

	if (conf_load(cl->ctl->sup->path, &c, &rep) == ED_OK && conf_certs_read(c, &rep) == ED_OK &&
	    conf_keys_read(c, &keys, &rep) == ED_OK)
		check_run(c, &keys, CHECK_RELOAD, &rep);
	out = open_memstream(&text, &n);
	if (out) {
		conf_report_print_json(&rep, out);
		fclose(out);
	}
	client_answer(cl, text ? (struct str){text, n} : STR("{\"ok\":false}"));
	free(text);
	conf_keys_done(&keys);
	conf_free(c);
	conf_report_done(&rep);
}

static void
on_reload_done(void *arg, bool ok, const char *text)
{
	client_answer(arg, str_of(text));
}

static void
do_reload(struct client *cl, struct str arg)
{
	reload_begin(cl->ctl->sup, on_reload_done, cl);
}

static void
do_stats(struct client *cl, struct str arg)
{
	uint8_t b[8];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	cl->sum = stats_sum_new();
	if (!cl->sum) {
		client_error(cl, "out of memory");
		return;
	}
	cl->number = ++cl->ctl->number;
	ipc_put_u8(&w, WIRE_STATS);
	ipc_put_u32(&w, cl->number);
	gather(cl, (struct str){(char *)b, w.n});
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
	struct supervisor *s = cl->ctl->sup;
	uint8_t kind = WIRE_DRAIN;
	unsigned n = 0;

	for (size_t i = 1; i < s->n_children; i++) {
		if (s->children[i].state != CHILD_READY)
			continue;
		child_say(&s->children[i], (struct str){(char *)&kind, 1}, NULL, 0);
		n++;
	}
	log_notice(AREA_SYS, "SYS-1006", "drain_begun", "services=%u", n);
	client_answer(cl, STR("{\"ok\":true}"));
}

/* Verbs that services answer. */
static void
do_ask_services(struct client *cl, struct str verb, struct str arg)
{
	uint8_t b[LINE_LEN_MAX + 64];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	cl->number = ++cl->ctl->number;
	ipc_put_u8(&w, WIRE_CONTROL);
	ipc_put_u32(&w, cl->number);
	ipc_put_str(&w, verb);
	ipc_put_str(&w, arg);
	gather(cl, (struct str){(char *)b, w.n});
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
			do_ask_services(cl, verb, arg);
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
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		ctl->clients[i].ctl = ctl;
		timer_init(&ctl->clients[i].deadline, on_gather_deadline);
	}
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

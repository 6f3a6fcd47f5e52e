/* SPDX-License-Identifier: MIT
 *
 * supervisor/metrics.c: counters as Prometheus text over HTTP, on a loopback address or a unix
 * socket (CNT-03).
 *
 * The request is not read but for its end: whatever is asked, the answer is the metrics. So no byte
 * of a request is interpreted in this process.
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
#include <time.h>
#include <unistd.h>

#include "conf/check_cert.h"
#include "supervisor/gather.h"
#include "svc/log.h"

#define ASKERS_MAX   16u
#define REQUEST_MAX  8192u
#define REQUEST_WAIT 10 /* seconds */

struct asker {
	struct metrics *m;
	struct bufferevent *bev; /* NULL: free slot */
	bool asked, answered;
};

struct metrics {
	struct supervisor *sup;
	int fd;
	struct event *ev;
	struct asker askers[ASKERS_MAX];
};

static void
asker_drop(struct asker *a)
{
	gather_cancel(a->m->sup, a);
	if (a->bev)
		bufferevent_free(a->bev);
	a->bev = NULL;
	a->asked = a->answered = false;
}

/* ---- the text ---- */

static void
put_head(struct json *j, const char *name, const char *kind, const char *help)
{
	json_fmt(j, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void
put_own(struct supervisor *s, struct json *j)
{
	put_head(j, "edged_build_info", "gauge", "version that runs");
	json_fmt(j, "edged_build_info{version=\"%s\"} 1\n", EDGED_VERSION);
	put_head(j, "edged_config_reload_success", "gauge", "1 when the last reload was taken");
	json_fmt(j, "edged_config_reload_success %d\n", s->reload_ok || !s->reloaded_at);
	put_head(j, "edged_config_reload_timestamp_seconds", "gauge", "time of the last reload");
	json_fmt(j, "edged_config_reload_timestamp_seconds %lld\n",
	    (long long)(s->reloaded_at ? s->reloaded_at : s->started_at));
	put_head(j, "edged_service_up", "gauge", "1 when the process is ready");
	for (size_t i = 0; i < s->n_children; i++)
		json_fmt(j, "edged_service_up{role=\"%s\",worker=\"%u\"} %d\n",
		    role_name(s->children[i].role), s->children[i].worker,
		    s->children[i].state == CHILD_READY);
	put_head(j, "edged_service_restarts_total", "counter", "deaths of the process");
	for (size_t i = 0; i < s->n_children; i++)
		json_fmt(j, "edged_service_restarts_total{role=\"%s\",worker=\"%u\"} %u\n",
		    role_name(s->children[i].role), s->children[i].worker, s->children[i].restarts);
}

static void
put_certificates(struct supervisor *s, struct json *j)
{
	struct check_cert_facts *f = check_certs_read(s->conf, NULL);

	put_head(j, "edged_certificate_not_after_seconds", "gauge", "end of a certificate in use");
	for (int b = 0; f && b < BINDING__N; b++)
		if (f[b].parsed)
			json_fmt(j,
			    "edged_certificate_not_after_seconds{binding=\"%s\",serial=\"%s\"} "
			    "%lld\n",
			    conf_binding_name((enum conf_binding)b), f[b].serial,
			    (long long)f[b].not_after);
	check_certs_free(f);
}

static void
on_gathered(void *arg, struct gather *g)
{
	struct asker *a = arg;
	struct json j = {0};
	char head[160];
	int n;

	if (!g) {
		asker_drop(a);
		return;
	}
	put_own(a->m->sup, &j);
	put_certificates(a->m->sup, &j);
	stats_sum_prometheus(g->sum, &j);
	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n",
	    j.n);
	a->answered = true;
	bufferevent_write(a->bev, head, (size_t)n);
	bufferevent_write(a->bev, j.p, j.n);
	json_done(&j);
}

/* ---- the socket ---- */

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct asker *a = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);

	if (a->asked || end.pos < 0) {
		if (evbuffer_get_length(in) > REQUEST_MAX)
			asker_drop(a);
		return;
	}
	a->asked = true;
	gather_begin(a->m->sup, STR_NONE, STR_NONE, on_gathered, a);
}

static void
on_written(struct bufferevent *bev, void *arg)
{
	struct asker *a = arg;

	if (a->answered)
		asker_drop(a);
}

static void
on_end(struct bufferevent *bev, short what, void *arg)
{
	asker_drop(arg);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval wait = {.tv_sec = REQUEST_WAIT};
	struct metrics *m = arg;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; s >= 0 && i < ASKERS_MAX; i++) {
		struct asker *a = &m->askers[i];

		if (a->bev)
			continue;
		a->bev = bufferevent_socket_new(loop_base(m->sup->loop), s, BEV_OPT_CLOSE_ON_FREE);
		if (!a->bev)
			break;
		bufferevent_setcb(a->bev, on_read, on_written, on_end, a);
		bufferevent_set_timeouts(a->bev, &wait, &wait);
		bufferevent_enable(a->bev, EV_READ | EV_WRITE);
		return;
	}
	if (s >= 0)
		close(s);
}

static int
open_unix(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	mode_t before;
	int fd, r;

	if (strlen(path) >= sizeof(un.sun_path))
		return -1;
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	unlink(path);
	before = umask(0117);
	r = bind(fd, (struct sockaddr *)&un, sizeof(un));
	umask(before);
	if (r < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
open_tcp(const char *text)
{
	struct sockaddr_storage ss;
	struct addr a;
	socklen_t len;
	int fd, one = 1;

	if (addr_parse(&a, str_of(text)) < 0)
		return -1;
	len = addr_to_sockaddr(&a, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&ss, len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
metrics_open(struct supervisor *s, const char **ret_why)
{
	const char *at = s->conf->metrics.listen;
	struct metrics *m;
	int fd;

	if (!*at)
		return ED_OK;
	*ret_why = "metrics.listen cannot be opened";
	fd = strncmp(at, "unix:", 5) == 0 ? open_unix(at + 5) : open_tcp(at);
	if (fd < 0 || listen(fd, 16) < 0) {
		if (fd >= 0)
			close(fd);
		return ED_SYS;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		close(fd);
		return ED_NOMEM;
	}
	m->sup = s;
	m->fd = fd;
	for (size_t i = 0; i < ASKERS_MAX; i++)
		m->askers[i].m = m;
	s->metrics = m;
	m->ev = event_new(loop_base(s->loop), fd, EV_READ | EV_PERSIST, on_accept, m);
	return m->ev && event_add(m->ev, NULL) == 0 ? ED_OK : ED_SYS;
}

void
metrics_close(struct supervisor *s)
{
	struct metrics *m = s->metrics;

	if (!m)
		return;
	for (size_t i = 0; i < ASKERS_MAX; i++)
		asker_drop(&m->askers[i]);
	if (m->ev)
		event_free(m->ev);
	close(m->fd);
	free(m);
	s->metrics = NULL;
}

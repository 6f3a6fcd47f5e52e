/* SPDX-License-Identifier: MIT
 *
 * net/fetch.c: see fetch.h. The usual way of libcurl's multi interface with somebody else's loop:
 * it says which sockets and which timeout it waits for, we say what happened.
 */
#include "net/fetch.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/resolve.h"

#define SOCKETS_MAX (4u * FETCH_MAX)
#define ADDRS_MAX   4u /* of one host that are tried */

struct job {
	struct fetch *f; /* NULL: free place */
	CURL *easy;
	struct curl_slist *resolve;
	char url[FETCH_URL_MAX + 1];
	char host[256];
	char *body;
	size_t n, max;
	uint64_t deadline_ms;
	fetch_cb *cb;
	void *arg;
	struct loop_task task; /* tells an end that came inside fetch_start */
	const char *why;
	int err;
	bool asked, ended, denied;
};

struct sock {
	struct fetch *f;
	struct event *ev; /* NULL: free place */
	curl_socket_t fd;
};

struct fetch {
	struct fetch_conf conf;
	CURLM *multi;
	struct timer timer;
	struct job jobs[FETCH_MAX];
	struct sock socks[SOCKETS_MAX];
};

/* ---- ends ---- */

static void
job_release(struct job *j)
{
	if (j->easy) {
		curl_multi_remove_handle(j->f->multi, j->easy);
		curl_easy_cleanup(j->easy);
	}
	curl_slist_free_all(j->resolve);
	loop_defer_cancel(&j->task);
	free(j->body);
	memset(j, 0, sizeof(*j));
}

static void
tell(struct loop_task *t)
{
	struct job *j = (struct job *)(void *)((char *)t - offsetof(struct job, task));
	struct job done = *j;

	j->body = NULL;
	job_release(j);
	done.cb(done.arg, done.err, done.why, (struct str){done.body, done.n});
	free(done.body);
}

static void
job_end(struct job *j, int err, const char *why)
{
	if (j->ended)
		return;
	j->ended = true;
	j->err = err;
	j->why = why;
	j->task.run = tell;
	loop_defer(j->f->conf.loop, &j->task);
}

static void
look_for_ends(struct fetch *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct job *j = NULL;
		long status = 0;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&j);
		curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		if (j->denied)
			job_end(j, ED_DENIED, "the address is not one outside");
		else if (m->data.result == CURLE_WRITE_ERROR)
			job_end(j, ED_LIMIT, "larger than a list may be");
		else if (m->data.result != CURLE_OK)
			job_end(j, ED_SYS, curl_easy_strerror(m->data.result));
		else if (status != 200)
			job_end(j, ED_SYS, "the server did not answer 200");
		else
			job_end(j, ED_OK, "");
	}
}

/* ---- libcurl and the loop ---- */

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct sock *s = arg;
	struct fetch *f = s->f;
	int running;

	curl_multi_socket_action(f->multi, fd,
	    (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0),
	    &running);
	look_for_ends(f);
}

static void
on_timer(struct timer *t, uint64_t now_ms)
{
	struct fetch *f = (struct fetch *)(void *)((char *)t - offsetof(struct fetch, timer));
	int running;

	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look_for_ends(f);
}

static int
want_timer(CURLM *multi, long ms, void *arg)
{
	struct fetch *f = arg;

	if (ms < 0)
		timer_cancel(&f->timer);
	else
		timer_set(f->conf.loop, &f->timer, loop_now_ms(f->conf.loop) + (uint64_t)ms);
	return 0;
}

static int
want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct fetch *f = arg;
	struct sock *s = mine;
	short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

	for (unsigned i = 0; !s && i < SOCKETS_MAX; i++)
		if (!f->socks[i].ev)
			s = &f->socks[i];
	if (!s)
		return -1;
	if (s->ev)
		event_free(s->ev);
	s->ev = NULL;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(f->multi, fd, NULL);
		return 0;
	}
	s->f = f;
	s->fd = fd;
	s->ev = event_new(loop_base(f->conf.loop), fd, events, on_socket, s);
	if (!s->ev || event_add(s->ev, NULL) < 0)
		return -1;
	curl_multi_assign(f->multi, fd, s);
	return 0;
}

/* Ours to make: from the right address, and only to where it may go. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct job *j = arg;
	const struct fetch_conf *c = &j->f->conf;
	const char *device = c->device ? c->device(c->arg) : "";
	struct sockaddr_storage ss;
	struct addr a, from;
	int fd;

	if (addr_from_sockaddr(&a, &to->addr, to->addrlen) < 0 || a.port != FETCH_PORT ||
	    !c->may_connect(c->arg, &a)) {
		j->denied = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	from = c->source ? c->source(c->arg, &a) : (struct addr){0};
	if ((device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
			      (socklen_t)strlen(device) + 1) < 0) ||
	    (from.family && bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&from, &ss)) < 0)) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	return fd;
}

static size_t
take_body(char *p, size_t one, size_t n, void *arg)
{
	struct job *j = arg;
	char *more;

	n *= one;
	if (n > j->max - j->n)
		return 0; /* CURLE_WRITE_ERROR */
	more = realloc(j->body, j->n + n + 1);
	if (!more)
		return 0;
	memcpy(more + j->n, p, n);
	j->body = more;
	j->n += n;
	return n;
}

/* ---- life of a job ---- */

static bool
set_all(struct job *j)
{
	CURL *e = j->easy;
	long ms = (long)(j->deadline_ms - loop_now_ms(j->f->conf.loop));

	return curl_easy_setopt(e, CURLOPT_URL, j->url) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PRIVATE, j) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms > 1 ? ms : 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)j->max) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_RESOLVE, j->resolve) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, j) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, j) == CURLE_OK;
}

static void
begin(struct job *j)
{
	j->easy = curl_easy_init();
	if (!j->easy || !set_all(j) || curl_multi_add_handle(j->f->multi, j->easy) != CURLM_OK)
		job_end(j, ED_NOMEM, "no memory");
}

/* host:port:address,address: so libcurl asks nobody. */
static bool
put_addresses(struct job *j, const struct resolve_answer *ans)
{
	char line[256 + 16 + ADDRS_MAX * ADDR_STR_LEN], a[ADDR_STR_LEN];
	size_t at = (size_t)snprintf(line, sizeof(line), "%s:%u:", j->host, FETCH_PORT);

	for (uint8_t i = 0; i < ans->n_addrs && i < ADDRS_MAX; i++) {
		bool v6 = ans->addrs[i].family == 6;

		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s%s%s", i ? "," : "",
		    v6 ? "[" : "", addr_ip_str(&ans->addrs[i], a), v6 ? "]" : "");
	}
	j->resolve = curl_slist_append(NULL, line);
	return j->resolve != NULL;
}

static void
on_host(void *arg, const struct resolve_answer *ans)
{
	struct job *j = arg;

	j->asked = false;
	if (ans->err != ED_OK || ans->n_addrs == 0)
		job_end(j, ED_GONE, "its host has no address");
	else if (loop_now_ms(j->f->conf.loop) >= j->deadline_ms)
		job_end(j, ED_SYS, "no answer in time");
	else if (!put_addresses(j, ans))
		job_end(j, ED_NOMEM, "no memory");
	else
		begin(j);
}

/* http://host[:80]/path of plain characters. */
static int
read_url(const char *url, char host[256])
{
	struct str s = str_of(url), h;
	size_t n = 0;

	if (s.n > FETCH_URL_MAX || !str_starts_nocase(s, STR("http://")))
		return ED_MALFORMED;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '@' || s.p[i] == '\\')
			return ED_MALFORMED;
	s = str_from(s, 7);
	while (n < s.n && s.p[n] != '/' && s.p[n] != ':' && s.p[n] != '?' && s.p[n] != '#')
		n++;
	h = str_first(s, n);
	s = str_from(s, n);
	if (str_starts_nocase(s, STR(":80/")))
		s = str_from(s, 3);
	if (h.n == 0 || h.n > 255 || s.n == 0 || s.p[0] != '/')
		return ED_MALFORMED;
	snprintf(host, 256, STR_FMT, STR_ARG(h));
	return ED_OK;
}

static struct job *
free_job(struct fetch *f)
{
	for (unsigned i = 0; i < FETCH_MAX; i++)
		if (!f->jobs[i].f)
			return &f->jobs[i];
	return NULL;
}

bool
fetch_has_room(const struct fetch *f)
{
	for (unsigned i = 0; i < FETCH_MAX; i++)
		if (!f->jobs[i].f)
			return true;
	return false;
}

int
fetch_start(
    struct fetch *f, const char *url, size_t max, uint32_t timeout_ms, fetch_cb *cb, void *arg)
{
	struct job *j = free_job(f);
	char host[256];
	int r = read_url(url, host);

	if (r < 0)
		return r;
	if (!j)
		return ED_LIMIT;
	j->f = f;
	snprintf(j->url, sizeof(j->url), "%s", url);
	memcpy(j->host, host, sizeof(j->host));
	j->max = max;
	j->deadline_ms = loop_now_ms(f->conf.loop) + timeout_ms;
	j->cb = cb;
	j->arg = arg;
	j->asked = true;
	r = resolve_host(f->conf.resolve, str_of(j->host), on_host, j);
	if (r < 0)
		job_release(j);
	return r;
}

struct fetch *
fetch_new(const struct fetch_conf *conf)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->conf = *conf;
	timer_init(&f->timer, on_timer);
	/* OpenSSL is ours to set up; nothing else is wanted. */
	if (curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK)
		f->multi = curl_multi_init();
	if (!f->multi ||
	    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, want_socket) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, want_timer) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f) != CURLM_OK)
		return fetch_free(f);
	return f;
}

struct fetch *
fetch_free(struct fetch *f)
{
	if (!f)
		return NULL;
	for (unsigned i = 0; i < FETCH_MAX; i++) {
		struct job *j = &f->jobs[i];

		if (!j->f)
			continue;
		if (j->asked)
			resolve_cancel(f->conf.resolve, j);
		job_release(j);
	}
	curl_multi_cleanup(f->multi);
	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		if (f->socks[i].ev)
			event_free(f->socks[i].ev);
	timer_cancel(&f->timer);
	curl_global_cleanup();
	free(f);
	return NULL;
}

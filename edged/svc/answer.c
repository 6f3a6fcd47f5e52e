/* SPDX-License-Identifier: MIT
 *
 * svc/answer.c: what rooms ask of their process, what it says to the supervisor, and its answers to
 * edgectl and to whoever sums up counters.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/tls_count.h"
#include "svc/log.h"
#include "svc/sandbox.h"
#include "svc/stats.h"
#include "svc/svc_in.h"

/* ---- what rooms ask ---- */

struct loop *
svc_loop(struct svc *s)
{
	return s->loop;
}

const struct conf *
svc_conf(struct svc *s)
{
	return s->conf;
}

struct keycall *
svc_keys(struct svc *s)
{
	return s->keys;
}

unsigned
svc_worker(const struct svc *s)
{
	return s->worker;
}

unsigned
svc_workers(const struct svc *s)
{
	return s->workers;
}

uint64_t
svc_counter_base(const struct svc *s)
{
	return s->counter_base;
}

const struct hash_key *
svc_hash_key(struct svc *s)
{
	return &s->hash_key;
}

bool
svc_kernel_relay(struct svc *s, struct krelay_grant *ret)
{
	bool had = s->has_krelay;

	if (had)
		*ret = s->krelay;
	s->has_krelay = false;
	return had;
}

void *
svc_shared(struct svc *s)
{
	return s->shared;
}

const struct svc_listener *
svc_listeners(struct svc *s, size_t *ret_n)
{
	*ret_n = s->n_listeners;
	return s->listeners;
}

void
svc_reply(struct svc_ctl_reply *r, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (r->cut)
		return;
	va_start(ap, fmt);
	n = vsnprintf(r->p + r->n, r->room - r->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= r->room - r->n)
		r->cut = true;
	else
		r->n += (size_t)n;
}

bool
svc_reply_has_room(const struct svc_ctl_reply *r, size_t n)
{
	return !r->cut && r->room - r->n > n;
}

/* ---- messages upward ---- */

static void
say(struct ipc_writer *w)
{
	/* The supervisor reads all the time; if it cannot be reached, fd 3 ends and so do we. */
	if (w->err < 0 || ipc_send(SUPERVISOR_FD, (struct str){(char *)w->p, w->n}, NULL, 0) < 0)
		log_warning(AREA_SYS, "", "supervisor_not_told", "kind=%u", w->n ? w->p[0] : 0);
}

void
say_short(enum wire_kind kind)
{
	uint8_t b[4];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	ipc_put_u8(&w, (uint8_t)kind);
	say(&w);
}

void
say_number(enum wire_kind kind, uint32_t number)
{
	uint8_t b[8];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	ipc_put_u8(&w, (uint8_t)kind);
	ipc_put_u32(&w, number);
	say(&w);
}

void
say_refused(const char *why)
{
	uint8_t b[512];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	ipc_put_u8(&w, WIRE_REFUSED);
	ipc_put_str(&w, str_first(str_of(why), 400));
	say(&w);
}

void
say_ready(const struct sandbox_warnings *warn)
{
	uint8_t b[4096];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	ipc_put_u8(&w, WIRE_READY);
	ipc_put_u16(&w, (uint16_t)warn->n);
	for (size_t i = 0; i < warn->n; i++)
		ipc_put_str(&w, str_of(warn->v[i]));
	say(&w);
}

void
say_prepared(uint32_t number, bool ok, const char *why)
{
	uint8_t b[512];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};

	ipc_put_u8(&w, WIRE_PREPARED);
	ipc_put_u32(&w, number);
	ipc_put_u8(&w, ok);
	ipc_put_str(&w, str_first(str_of(why ? why : ""), 400));
	say(&w);
}

void
svc_drained(struct svc *s)
{
	say_short(WIRE_DRAINED);
}

/* ---- answers ---- */

static void
certificate(void *arg, const char *serial, uint32_t conns)
{
	struct svc_ctl_reply *reply = arg;

	svc_reply(reply, "%s{\"serial\":\"%s\",\"connections\":%u}",
	    reply->p[reply->n - 1] == '[' ? "" : ",", serial, conns);
}

/* CERT-ALL-04: the same for every role that speaks TLS, so no room has to know it. */
static void
certificates(struct svc_ctl_reply *reply)
{
	svc_reply(reply, "{\"certificates\":[");
	tls_count_each(certificate, reply);
	svc_reply(reply, "]}");
}

int
on_control(struct svc *s, struct ipc_reader *r)
{
	uint32_t number = ipc_get_u32(r);
	struct str verb = ipc_get_str(r), arg = ipc_get_str(r);
	struct svc_ctl_reply reply = {.room = WIRE_REPLY_MAX};
	struct ipc_writer w = {.room = WIRE_REPLY_MAX + 64};

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	reply.p = malloc(reply.room);
	w.p = malloc(w.room);
	if (reply.p && w.p) {
		if (str_eq(verb, STR("certs")))
			certificates(&reply);
		else if (s->ops->control)
			s->ops->control(s->room, verb, arg, &reply);
		if (reply.cut || reply.n == 0) {
			const char *said =
			    reply.cut ? "{\"error\":\"the answer is too long\"}" : "null";

			reply.cut = false;
			reply.n = 0;
			svc_reply(&reply, "%s", said);
		}
		ipc_put_u8(&w, WIRE_REPLY);
		ipc_put_u32(&w, number);
		ipc_put_str(&w, (struct str){reply.p, reply.n});
		say(&w);
	}
	free(reply.p);
	free(w.p);
	return ED_OK;
}

struct count_walk {
	struct ipc_writer w;
	uint16_t n;
};

static void
count_row(const struct stats_row *row, void *arg)
{
	((struct count_walk *)arg)->n++;
}

static void
put_row(const struct stats_row *row, void *arg)
{
	struct count_walk *cw = arg;

	ipc_put_str(&cw->w, str_of(row->name));
	ipc_put_u8(&cw->w, row->kind);
	ipc_put_str(&cw->w, str_of(row->help));
	ipc_put_u64(&cw->w, row->value);
}

int
on_stats(struct svc *s, struct ipc_reader *r)
{
	uint32_t number = ipc_get_u32(r);
	struct count_walk cw = {.w = {.room = WIRE_REPLY_MAX}};

	if (ipc_get_end(r) < 0)
		return ED_MALFORMED;
	cw.w.p = malloc(cw.w.room);
	if (!cw.w.p)
		return ED_OK;
	stats_each(count_row, &cw);
	ipc_put_u8(&cw.w, WIRE_COUNTS);
	ipc_put_u32(&cw.w, number);
	ipc_put_u16(&cw.w, cw.n);
	stats_each(put_row, &cw);
	say(&cw.w);
	free(cw.w.p);
	return ED_OK;
}

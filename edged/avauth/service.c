/* SPDX-License-Identifier: MIT */
#include "avauth/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "avauth/answer.h"
#include "base/digest.h"
#include "base/wipe.h"
#include "net/admit.h"
#include "net/conn.h"
#include "net/keycall.h"
#include "net/loop.h"
#include "net/tls.h"
#include "sipparse/frame.h"
#include "svc/log.h"
#include "svc/svc.h"

#define REQUESTS_MAX  256u
#define BODY_MAX      (256u * 1024u) /* longer ones are not even read; 64 KiB is what is understood */
#define REQUEST_ARENA (1024u * 1024u)
#define IDENTITY_MAX  400u /* longer ones are named by their hash: identities only group quotas */
#define IDLE_MS       (30u * 60u * 1000u)

static const struct conn_limits conn_limits = {
    .handshake_ms = 10000, .idle_ms = IDLE_MS, .output = 1024 * 1024, .input = BODY_MAX + 65536};

struct link {
	struct list link;
	struct service *s;
	struct conn *conn;
	struct view *view; /* the one it was accepted under */
	struct sip_framer framer;
	struct addr peer;
	char name[128]; /* of the peer's certificate */
	bool up, trusted;
};

struct request {
	struct list link;
	struct service *s;
	struct link *from; /* NULL: it has left */
	struct view *view;
	struct arena arena;
	struct sip_msg *m;
	struct answer answer;
	struct mras_request q;
	struct mras_grant *grants;
	uint32_t done; /* asks that have their grant */
};

static struct sip_limits
sip_limits(void)
{
	struct sip_limits lim = SIP_LIMITS_CLIENT;

	lim.body = BODY_MAX;
	return lim;
}

/* ---- answering ---- */

static void
send_answer(struct link *l, struct arena *a, const struct sip_msg *m, const struct answer *answer,
    struct str body)
{
	uint8_t random[8];
	char tag[17];
	struct str bytes;

	svc_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(tag + 2 * i, 3, "%02x", random[i]);
	bytes = answer_write(a, m, answer, (struct str){tag, 16}, body);
	if (!bytes.p || conn_send(l->conn, bytes) < 0)
		conn_close(l->conn, CONN_END_NOMEM);
}

static struct request *
request_free(struct request *r)
{
	if (r->grants)
		wipe(r->grants, r->q.n_asks * sizeof(r->grants[0]));
	list_remove(&r->link);
	r->s->n_requests--;
	view_unref(r->view);
	arena_done(&r->arena);
	free(r);
	return NULL;
}

static void
finish(struct request *r, enum mras_reason reason)
{
	struct mras_answer doc = {.request = &r->q,
	    .reason = reason,
	    .realm = r->view->realm,
	    .grants = r->grants,
	    .relays = r->view->relays,
	    .n_relays = r->view->n_relays};
	struct str body = mras_answer_write(&r->arena, &doc);

	counters_request(reason);
	if (reason == MRAS_OK)
		counters_issued(r->q.n_asks);
	if (r->from) {
		log_info(AREA_MRAS, "", "credentials", "peer=%s reason=\"%s\" n=%u", r->from->name,
		    mras_reason_text(reason), r->q.n_asks);
		if (body.p) {
			send_answer(r->from, &r->arena, r->m, &r->answer, body);
		} else {
			r->answer = (struct answer){.code = 500, .reason = "Server Internal Error"};
			send_answer(r->from, &r->arena, r->m, &r->answer, STR_NONE);
		}
	}
	if (body.p)
		wipe((char *)body.p, body.n);
	request_free(r);
}

/* ---- one after another from keyd ---- */

static void ask_next(struct request *r);

static void
on_token(void *arg, uint32_t tag, const struct keycall_token *t)
{
	struct request *r = arg;
	struct mras_grant *g = &r->grants[tag];

	if (!t || t->verdict < 0) {
		finish(r, t ? MRAS_NOT_SUPPORTED : MRAS_INTERNAL_SERVER_ERROR);
		return;
	}
	memcpy(g->token.username, t->username, sizeof(g->token.username));
	memcpy(g->token.password, t->password, sizeof(g->token.password));
	g->duration_min = t->duration_min;
	r->done++;
	ask_next(r);
}

/* An identity that does not fit a request to keyd is represented by its hash. */
static struct str
fitting(struct str identity, char buf[72])
{
	uint8_t d[DIGEST_SHA256_LEN];

	if (identity.n <= IDENTITY_MAX || digest_sha256(&identity, 1, d) < 0)
		return str_first(identity, IDENTITY_MAX);
	memcpy(buf, "sha256:", 7);
	for (size_t i = 0; i < sizeof(d); i++)
		snprintf(buf + 7 + 2 * i, 3, "%02x", d[i]);
	return (struct str){buf, 71};
}

static void
ask_next(struct request *r)
{
	const struct mras_ask *ask = &r->q.asks[r->done];
	uint8_t flags = MRAS_FLAG_INTERNET | MRAS_FLAG_INTRANET;
	char buf[72];

	if (r->done == r->q.n_asks) {
		finish(r, MRAS_OK);
		return;
	}
	if (ask->location == MRAS_INTERNET)
		flags = MRAS_FLAG_INTERNET;
	else if (ask->location == MRAS_INTRANET)
		flags = MRAS_FLAG_INTRANET;
	if (keycall_issue_token(r->s->keys, fitting(ask->identity, buf), ask->duration_min, flags,
		r->done, on_token, r) < 0)
		finish(r, MRAS_INTERNAL_SERVER_ERROR);
}

/* mras.md 5.1, 5.2: the version before the policy. */
static enum mras_reason
judge(struct request *r)
{
	struct service *s = r->s;
	const struct mras_request *q = &r->q;
	uint64_t now_ms = loop_now_ms(s->loop);

	if (q->reason != MRAS_OK)
		return q->reason;
	if (!view_has_domain(r->view, q->from))
		return MRAS_FORBIDDEN;
	if (!r->view->has_key)
		return MRAS_NOT_SUPPORTED;
	for (uint32_t i = 0; i < q->n_asks; i++)
		if (!view_has_relays(r->view, q->directip, q->asks[i].location))
			return MRAS_NOT_SUPPORTED;
	if (!rate_take(s->by_peer, str_of(r->from->name), q->n_asks, now_ms))
		return MRAS_SERVER_BUSY;
	for (uint32_t i = 0; i < q->n_asks; i++)
		if (!rate_take(s->by_identity, q->asks[i].identity, 1, now_ms))
			return MRAS_SERVER_BUSY;
	return MRAS_OK;
}

/* The request with its own copy of the message: keyd's answers come later. */
static struct request *
request_new(struct link *l, struct str bytes)
{
	struct request *r = calloc(1, sizeof(*r));
	struct sip_limits lim = sip_limits();
	struct ed_fault fault;

	if (!r)
		return NULL;
	r->s = l->s;
	r->from = l;
	r->view = view_ref(l->view);
	arena_init(&r->arena, NULL, 0, REQUEST_ARENA);
	list_push_back(&l->s->requests, &r->link);
	l->s->n_requests++;
	bytes = arena_str(&r->arena, bytes);
	if (!bytes.p || sip_msg_parse(&r->arena, bytes, &lim, &r->m, &fault) < 0)
		return request_free(r);
	return r;
}

static void
serve(struct link *l, const struct sip_msg *m, const struct answer *answer, struct arena *a)
{
	struct request *r = NULL;
	enum mras_reason reason;

	if (l->s->n_requests < REQUESTS_MAX)
		r = request_new(l, m->bytes);
	if (!r) {
		struct answer busy = {.code = 503, .reason = "Service Unavailable"};

		send_answer(l, a, m, &busy, STR_NONE);
		return;
	}
	r->answer = *answer; /* its headers are static text */
	if (mras_request_read(&r->arena, r->m->body, &r->q) < 0) {
		r->q = (struct mras_request){.version = STR("3.0")};
		finish(r, MRAS_INTERNAL_SERVER_ERROR);
		return;
	}
	reason = judge(r);
	if (reason == MRAS_OK) {
		r->grants = arena_calloc(&r->arena, r->q.n_asks, sizeof(r->grants[0]));
		if (!r->grants)
			reason = MRAS_INTERNAL_SERVER_ERROR;
	}
	if (reason != MRAS_OK) {
		log_notice(AREA_MRAS, "AVA-4004", "credentials_refused", "peer=%s reason=\"%s\"",
		    l->name, mras_reason_text(reason));
		finish(r, reason);
		return;
	}
	ask_next(r);
}

/* ---- messages ---- */

static void
on_message(struct link *l, struct str bytes)
{
	struct sip_limits lim = sip_limits();
	struct ed_fault fault = {.what = ""};
	struct sip_msg *m = NULL;
	struct arena a;
	int r;

	arena_init(&a, NULL, 0, 256 * 1024);
	r = sip_msg_parse(&a, bytes, &lim, &m, &fault);
	if (r == ED_OK) {
		struct answer answer = answer_judge(l->view, m, &a);

		if (answer.is_mras)
			serve(l, m, &answer, &a);
		else if (answer.code)
			send_answer(l, &a, m, &answer, STR_NONE);
	} else if (sip_msg_is_answerable(m)) {
		struct answer bad = {.code = 400, .reason = "Bad Request"};

		send_answer(l, &a, m, &bad, STR_NONE);
	}
	arena_done(&a);
}

static ptrdiff_t
on_bytes(struct conn *c, void *arg, struct str bytes)
{
	struct link *l = arg;
	struct sip_limits lim = sip_limits();
	size_t used = 0;

	(void)c;
	if (!l->trusted)
		return ED_DENIED;
	while (used < bytes.n) {
		struct sip_frame frame;
		struct ed_fault fault = {.what = ""};
		int64_t n = sip_frame_next(&l->framer, str_from(bytes, used), &lim, &frame, &fault);

		if (n < 0) {
			log_notice(AREA_MRAS, "AVA-4005", "framing_lost",
			    "peer=%s at=%u what=\"%s\"", l->name, fault.at, fault.what);
			return (ptrdiff_t)n;
		}
		if (n == 0)
			break;
		if (frame.kind == SIP_FRAME_MESSAGE)
			on_message(l, str_first(str_from(bytes, used), (size_t)n));
		used += (size_t)n;
	}
	return (ptrdiff_t)used;
}

/* ---- connections ---- */

static void
on_up(struct conn *c, void *arg, const struct tls_facts *facts)
{
	struct link *l = arg;
	struct str name = facts->n_names ? facts->names[0] : facts->cn;
	char peer[ADDR_STR_LEN], quoted[LOG_QUOTE_LEN];

	l->up = true;
	admit_up(l->s->admit, &l->peer);
	snprintf(l->name, sizeof(l->name), STR_FMT, STR_ARG(str_first(name, sizeof(l->name) - 1)));
	l->trusted = view_trusts(l->view, facts);
	if (l->trusted)
		return;
	/* AV-03, mras.md 1.2: no SIP is read of anybody else */
	counters_refused_peer();
	log_error(AREA_MRAS, "AVA-4001", "peer_not_trusted", "peer=%s name=%s",
	    addr_ip_str(&l->peer, peer), log_quote(name, quoted));
	conn_close(c, CONN_END_LOCAL);
}

static void
on_down(struct conn *c, void *arg, enum conn_end why)
{
	struct link *l = arg;
	char peer[ADDR_STR_LEN];

	if (why == CONN_END_TLS_FAILED || why == CONN_END_HANDSHAKE_TIMEOUT)
		log_notice(AREA_MRAS, "AVA-4006", "tls_failed", "peer=%s reason=%s detail=\"%s\"",
		    addr_ip_str(&l->peer, peer), conn_end_name(why), conn_end_detail(c));
	LIST_EACH(it, &l->s->requests)
	{
		struct request *r = LIST_OF(it, struct request, link);

		if (r->from == l)
			r->from = NULL;
	}
	admit_drop(l->s->admit, &l->peer, l->up);
	view_unref(l->view);
	list_remove(&l->link);
	l->s->n_links--;
	free(l);
}

void
service_on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
	static const struct conn_ops ops = {
	    .on_up = on_up, .on_bytes = on_bytes, .on_down = on_down};
	struct service *s = arg;
	struct link *l;

	if (s->draining || admit_take(s->admit, peer, loop_now_ms(s->loop)) != ADMIT_OK) {
		close(fd);
		return;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		close(fd);
		admit_drop(s->admit, peer, false);
		return;
	}
	l->s = s;
	l->peer = *peer;
	l->view = view_ref(s->view);
	sip_framer_init(&l->framer);
	l->conn = conn_accept(s->loop, fd, peer, local, l->view->tls, &conn_limits, &ops, l);
	if (!l->conn) {
		admit_drop(s->admit, peer, false);
		view_unref(l->view);
		free(l);
		return;
	}
	list_push_back(&s->links, &l->link);
	s->n_links++;
}

void
service_forget(struct service *s)
{
	while (!list_is_empty(&s->requests))
		request_free(LIST_OF(s->requests.next, struct request, link));
}

void
service_close(struct service *s)
{
	LIST_EACH_SAFE(it, &s->links)
	conn_close(LIST_OF(it, struct link, link)->conn, CONN_END_SHUTDOWN);
}

/* SPDX-License-Identifier: MIT */
#include "access/room_partner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/cert_event.h"
#include "access/core.h"
#include "access/counters.h"
#include "access/names.h"
#include "access/room_in.h"
#include "access/room_tls.h"
#include "access/view.h"
#include "conf/conf.h"
#include "net/conn.h"
#include "net/crl.h"
#include "net/fetch.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "svc/log.h"
#include "svc/svc.h"

#define TLS_KEPT 64u

struct question { /* one to the DNS on behalf of federation */
	struct room_partner *p;
	char name[256]; /* domain or host */
};

struct kept_tls { /* contexts cost a reading of all authorities: the last ones are kept */
	char host[256];
	struct tls_ctx *tls;
	uint64_t used_ms;
};

struct room_partner {
	struct svc *svc;
	struct loop *loop;
	struct resolve *resolve;
	struct access *ax;
	const struct view *view;
	struct fetch *fetch;
	struct crl *crl;
	struct kept_tls kept[TLS_KEPT];
};

/* ---- questions to the DNS ---- */

static void
on_srv(void *arg, const struct resolve_answer *ans)
{
	struct question *q = arg;
	struct access_srv a = {.err = ans->err, .ttl_s = ans->ttl_s};

	for (uint8_t i = 0; ans->err == ED_OK && i < ans->n_srv && a.n < ACCESS_SRV_MAX; i++) {
		a.v[a.n].host = str_of(ans->srv[i].target);
		a.v[a.n++].port = ans->srv[i].port;
	}
	access_srv_answer(q->p->ax, q->name, &a);
	free(q);
}

static void
on_host(void *arg, const struct resolve_answer *ans)
{
	struct question *q = arg;

	access_host_answer(q->p->ax, q->name, ans->err, ans->addrs, ans->n_addrs);
	free(q);
}

static struct question *
question_new(struct room_partner *p, const char *name)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->p = p;
	snprintf(q->name, sizeof(q->name), "%s", name);
	return q;
}

int
room_partner_srv(struct room_partner *p, const char *domain, bool for_outsider)
{
	struct question *q = question_new(p, domain);
	char name[320];
	int r = ED_MALFORMED, n;

	if (!q)
		return ED_NOMEM;
	n = snprintf(name, sizeof(name), "_sipfederationtls._tcp.%s", domain);
	if (n < (int)sizeof(name))
		r = for_outsider ? resolve_srv_for_outsider(p->resolve, str_of(name), on_srv, q)
				 : resolve_srv(p->resolve, str_of(name), on_srv, q);
	if (r < 0)
		free(q);
	return r;
}

int
room_partner_host(struct room_partner *p, const char *host)
{
	struct question *q = question_new(p, host);
	int r = q ? resolve_host(p->resolve, str_of(host), on_host, q) : ED_NOMEM;

	if (r < 0)
		free(q);
	return r;
}

/* ---- contexts ---- */

static struct kept_tls *
place_for(struct room_partner *p, const char *host)
{
	struct kept_tls *best = &p->kept[0];

	for (unsigned i = 0; i < TLS_KEPT; i++) {
		struct kept_tls *at = &p->kept[i];

		if (at->tls && strcmp(at->host, host) == 0)
			return at;
		if (best->tls && (!at->tls || at->used_ms < best->used_ms))
			best = at;
	}
	return best;
}

struct tls_ctx *
room_partner_tls(struct room_partner *p, const char *host)
{
	struct kept_tls *k = place_for(p, host);
	const char *why = "";

	if (!k->tls || strcmp(k->host, host) != 0) {
		struct tls_ctx *fresh = NULL;

		if (room_tls_partner(p->view->conf, svc_keys(p->svc), str_of(host), &fresh, &why) <
		    0) {
			log_error(AREA_CERT, "", "partner_tls_failed", "host=%s reason=\"%s\"",
			    host, why);
			return NULL;
		}
		tls_ctx_unref(k->tls);
		k->tls = fresh;
		snprintf(k->host, sizeof(k->host), "%s", host);
	}
	k->used_ms = loop_now_ms(p->loop);
	return k->tls;
}

static void
contexts_forget(struct room_partner *p)
{
	for (unsigned i = 0; i < TLS_KEPT; i++)
		p->kept[i].tls = tls_ctx_unref(p->kept[i].tls);
}

/* ---- revocation ---- */

bool
room_partner_say_refused(const struct flow *f, const char *detail)
{
	const char *id, *name;
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];

	if (!cert_event(detail, &id, &name))
		return false;
	log_event(LOG_NOTICE_L, AREA_CERT, id, name, "peer=%s opened_by=%s reason=%s",
	    addr_str(&f->peer, a), f->by_us ? "us" : "partner", log_quote(str_of(detail), q));
	return true;
}

static void
refuse(struct flow *f, const char *what, const char *why)
{
	char detail[CRL_WHY_LEN + 32];

	snprintf(detail, sizeof(detail), "%s%s", what, why);
	count(CNT_PARTNER_REVOKED);
	room_partner_say_refused(f, detail);
	conn_refuse(f->conn, detail);
}

/* True: it may go on. */
static bool
decide(struct room_partner *p, struct flow *f, enum crl_verdict v, const char *why)
{
	bool hard = strcmp(p->view->conf->federation.crl_check, "hard") == 0;
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];

	if (v == CRL_GOOD)
		return true;
	if (v == CRL_REVOKED) {
		refuse(f, "", why);
		return false;
	}
	if (hard) {
		refuse(f, "revocation unknown: ", why);
		return false;
	}
	count(CNT_PARTNER_UNCHECKED);
	log_info(AREA_CERT, "CRT-1105", "revocation_not_checked", "peer=%s reason=%s",
	    addr_str(&f->peer, a), log_quote(str_of(why), q));
	return true;
}

static void
on_verdict(void *arg, enum crl_verdict v, const char *why)
{
	struct flow *f = arg;
	struct conn *c = f->conn;

	f->list_due = false;
	if (!decide(f->list_room, f, v, why))
		return;
	conn_pause(c, false);
	if (access_flow_up(f, conn_facts(c)) < 0)
		conn_close(c, CONN_END_LOCAL);
}

bool
room_partner_judge(struct room_partner *p, struct flow *f)
{
	char why[CRL_WHY_LEN];
	enum crl_verdict v;

	if (strcmp(p->view->conf->federation.crl_check, "off") == 0)
		return true;
	f->list_room = p;
	v = crl_judge(p->crl, f->conn, on_verdict, f, why);
	if (v == CRL_WAIT) {
		f->list_due = true;
		conn_pause(f->conn, true);
		return false;
	}
	return decide(p, f, v, why);
}

void
room_partner_forget(struct room_partner *p, struct flow *f)
{
	if (f->list_due)
		crl_forget(p->crl, f);
	f->list_due = false;
}

/* A newer list may name somebody who is connected. */
static void
look_again(const struct flow *f, void *arg)
{
	struct room_partner *p = arg;
	struct flow *mine = access_flow_find(p->ax, f->cid);
	char why[CRL_WHY_LEN];

	if (f->kind != FLOW_PARTNER || !mine || mine->closing)
		return;
	if (crl_judge(p->crl, mine->conn, NULL, NULL, why) == CRL_REVOKED)
		refuse(mine, "", why);
}

static void
on_news(void *arg)
{
	struct room_partner *p = arg;

	if (p->ax && strcmp(p->view->conf->federation.crl_check, "off") != 0)
		access_each_flow(p->ax, look_again, p);
}

static void
on_failed(void *arg, const char *url, const char *why)
{
	char q[LOG_QUOTE_LEN];

	count(CNT_CRL_FAILED);
	log_warning(AREA_CERT, "CRT-1105", "revocation_list_failed",
	    "url=%s reason=\"%s\" hint=\"federation.crl_check says what follows\"",
	    log_quote(str_of(url), q), why);
}

static bool
may_connect(void *arg, const struct addr *a)
{
	const struct room_partner *p = arg;

	return !names_is_inward(p->view->names, a);
}

static struct addr
source(void *arg, const struct addr *like)
{
	const struct room_partner *p = arg;

	return room_own_address(&p->view->conf->external.access.addresses, like);
}

static const char *
device(void *arg)
{
	const struct room_partner *p = arg;

	return p->view->conf->external.interface;
}

static void
configure(struct room_partner *p)
{
	const struct conf *c = p->view->conf;

	if (crl_configure(p->crl, c->federation.crl_fetch,
		str_of(c->certificates.external_crl_pem ? c->certificates.external_crl_pem : "")) <
	    0)
		log_error(AREA_CERT, "CRT-1105", "revocation_list_failed",
		    "url=%s reason=\"the file holds no revocation list\" hint=\"the lists of "
		    "before stay\"",
		    c->certificates.external_crl);
}

static void
list_shown(const struct crl_row *row, void *arg)
{
	struct {
		void (*each)(const struct access_list *l, void *arg);
		void *arg;
	} *to = arg;
	struct access_list l = {.url = row->url,
	    .state = row->state,
	    .why = row->why,
	    .next_update = row->next_update,
	    .entries = row->entries};

	to->each(&l, to->arg);
}

void
room_partner_each_list(
    const struct room_partner *p, void (*each)(const struct access_list *l, void *arg), void *arg)
{
	struct {
		void (*each)(const struct access_list *l, void *arg);
		void *arg;
	} to = {each, arg};

	crl_each(p->crl, list_shown, &to);
}

/* ---- life ---- */

struct room_partner *
room_partner_new(struct svc *svc, struct resolve *resolve, const struct view *view)
{
	struct room_partner *p = calloc(1, sizeof(*p));
	struct fetch_conf fc = {.loop = svc_loop(svc),
	    .resolve = resolve,
	    .may_connect = may_connect,
	    .source = source,
	    .device = device,
	    .arg = p};
	struct crl_conf cc = {
	    .loop = svc_loop(svc), .on_news = on_news, .on_failed = on_failed, .arg = p};

	if (!p)
		return NULL;
	p->svc = svc;
	p->loop = svc_loop(svc);
	p->resolve = resolve;
	p->view = view;
	p->fetch = cc.fetch = fetch_new(&fc);
	p->crl = p->fetch ? crl_new(&cc) : NULL;
	if (!p->crl) {
		fetch_free(p->fetch);
		free(p);
		return NULL;
	}
	configure(p);
	return p;
}

void
room_partner_set_core(struct room_partner *p, struct access *ax)
{
	p->ax = ax;
}

void
room_partner_set_view(struct room_partner *p, const struct view *view)
{
	p->view = view;
	contexts_forget(p);
	configure(p);
	on_news(p);
}

void
room_partner_tick(struct room_partner *p)
{
	if (strcmp(p->view->conf->federation.crl_check, "off") != 0)
		crl_tick(p->crl);
}

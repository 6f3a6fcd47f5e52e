/* SPDX-License-Identifier: MIT
 *
 * net/crl.c: see crl.h.
 *
 * The library judges: the chain that the handshake verified is walked once more, to the same
 * anchor, with all lists at hand. What it says of a list (missing, expired, not signed by that
 * issuer, another scope) makes the answer unknown; only "revoked" makes it a no. A list is looked
 * at by its own merits, so one that somebody on the way forged is as good as none.
 */
#include "net/crl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/list.h"
#include "net/conn_in.h"
#include "net/fetch.h"
#include "net/loop.h"

#define URLS_MAX 16u /* that one chain may name */
#define LOOKS    4u  /* verdicts in one round */

struct entry { /* a place for one list; url NULL: free */
	struct crl *k;
	char *url;
	X509_CRL *list; /* NULL: none came yet */
	size_t bytes;
	int64_t next_update;
	uint64_t fetched_ms, refresh_ms, retry_ms, used_ms, said_ms;
	uint32_t fails;
	bool busy;
	char why[CRL_WHY_LEN];
};

struct waiter {
	struct list link;
	STACK_OF(X509) * chain;
	crl_cb *cb;
	void *arg;
};

struct crl {
	struct crl_conf conf;
	bool fetches;
	STACK_OF(X509_CRL) * local;
	struct entry entries[CRL_LISTS];
	size_t bytes;
	struct list waiters;
	uint32_t n_waiters, n_look; /* the first n_look of them are to be looked at */
	struct loop_task look;
};

/* ---- what a certificate names ---- */

struct urls {
	const char *v[URLS_MAX];
	CRL_DIST_POINTS *points[8];
	unsigned n, n_points;
};

static void
point_urls(struct urls *u, const DIST_POINT *p)
{
	const GENERAL_NAMES *names;

	if (!p->distpoint || p->distpoint->type != 0)
		return;
	names = p->distpoint->name.fullname;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && u->n < URLS_MAX; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		const char *text;
		int n;

		if (g->type != GEN_URI)
			continue;
		text = (const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier);
		n = ASN1_STRING_length(g->d.uniformResourceIdentifier);
		if (n > 7 && n <= (int)FETCH_URL_MAX && strlen(text) == (size_t)n &&
		    strncasecmp(text, "http://", 7) == 0) {
			u->v[u->n++] = text;
			return; /* one address for each point; the others name the same list */
		}
	}
}

/* All but the anchor, which nobody revokes this way. */
static void
chain_urls(struct urls *u, const STACK_OF(X509) * chain)
{
	memset(u, 0, sizeof(*u));
	for (int i = 0; i + 1 < sk_X509_num(chain) && u->n_points < 8; i++) {
		CRL_DIST_POINTS *points = X509_get_ext_d2i(
		    sk_X509_value(chain, i), NID_crl_distribution_points, NULL, NULL);

		if (!points)
			continue;
		u->points[u->n_points++] = points;
		for (int k = 0; k < sk_DIST_POINT_num(points) && k < 4; k++)
			point_urls(u, sk_DIST_POINT_value(points, k));
	}
}

static void
urls_done(struct urls *u)
{
	for (unsigned i = 0; i < u->n_points; i++)
		CRL_DIST_POINTS_free(u->points[i]);
}

/* ---- the places ---- */

static void
entry_drop_list(struct entry *e)
{
	X509_CRL_free(e->list);
	e->list = NULL;
	e->k->bytes -= e->bytes;
	e->bytes = 0;
}

static void
entry_clear(struct entry *e)
{
	entry_drop_list(e);
	free(e->url);
	memset(e, 0, sizeof(*e));
}

static struct entry *
entry_longest_unused(struct crl *k, const struct entry *but)
{
	struct entry *oldest = NULL;

	for (unsigned i = 0; i < CRL_LISTS; i++) {
		struct entry *e = &k->entries[i];

		if (e->url && !e->busy && e != but && (!oldest || e->used_ms < oldest->used_ms))
			oldest = e;
	}
	return oldest;
}

static struct entry *
entry_get(struct crl *k, const char *url)
{
	struct entry *at = NULL;

	for (unsigned i = 0; i < CRL_LISTS; i++) {
		struct entry *e = &k->entries[i];

		if (e->url && strcmp(e->url, url) == 0)
			return e;
		if (!e->url && !at)
			at = e;
	}
	if (!at) {
		at = entry_longest_unused(k, NULL);
		if (!at)
			return NULL;
		entry_clear(at);
	}
	at->k = k;
	at->url = strdup(url);
	return at->url ? at : NULL;
}

static bool
is_expired(const struct entry *e)
{
	return e->next_update && e->next_update < (int64_t)time(NULL);
}

/* ---- judging ---- */

struct walk {
	int anchor; /* depth of it */
	bool unknown, revoked;
	char *why;
};

static bool
is_about_lists(int err)
{
	switch (err) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return true;
	default:
		return false;
	}
}

static void
say(struct walk *w, const char *what, X509 *cert)
{
	char issuer[100] = "";

	if (w->why[0])
		return;
	if (cert)
		X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof(issuer));
	snprintf(w->why, CRL_WHY_LEN, "%s (issuer %s)", what, issuer);
}

static int
on_step(int ok, X509_STORE_CTX *ctx)
{
	struct walk *w = X509_STORE_CTX_get_app_data(ctx);
	int err = X509_STORE_CTX_get_error(ctx);

	if (ok)
		return 1;
	if (err == X509_V_ERR_CERT_REVOKED) {
		w->revoked = true;
		w->why[0] = '\0';
		say(w, "certificate is revoked", X509_STORE_CTX_get_current_cert(ctx));
		return 0;
	}
	/* The anchor's own list, or an unread signature on it, is nobody's concern. */
	if (is_about_lists(err) && X509_STORE_CTX_get_error_depth(ctx) >= w->anchor)
		return 1;
	w->unknown = true;
	say(w, X509_verify_cert_error_string(err), X509_STORE_CTX_get_current_cert(ctx));
	return is_about_lists(err);
}

static STACK_OF(X509_CRL) * all_lists(const struct crl *k)
{
	STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();

	for (int i = 0; all && i < sk_X509_CRL_num(k->local); i++)
		sk_X509_CRL_push(all, sk_X509_CRL_value(k->local, i));
	for (unsigned i = 0; all && k->fetches && i < CRL_LISTS; i++)
		if (k->entries[i].list)
			sk_X509_CRL_push(all, k->entries[i].list);
	return all;
}

static enum crl_verdict
judge_chain(struct crl *k, STACK_OF(X509) * chain, char why[CRL_WHY_LEN])
{
	int n = sk_X509_num(chain);
	struct walk w = {.anchor = n - 1, .unknown = true, .why = why};
	STACK_OF(X509_CRL) *lists = all_lists(k);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	why[0] = '\0';
	if (!lists || !store || !ctx || n < 1 ||
	    X509_STORE_add_cert(store, sk_X509_value(chain, n - 1)) != 1 ||
	    X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0), chain) != 1) {
		snprintf(why, CRL_WHY_LEN, "no memory");
		goto out;
	}
	w.unknown = false;
	X509_STORE_CTX_set0_crls(ctx, lists);
	X509_STORE_CTX_set_flags(
	    ctx, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_PARTIAL_CHAIN);
	X509_STORE_CTX_set_app_data(ctx, &w);
	X509_STORE_CTX_set_verify_cb(ctx, on_step);
	if (X509_verify_cert(ctx) != 1 && !w.revoked)
		w.unknown = true;
	if (!w.unknown && !w.revoked)
		why[0] = '\0';
out:
	ERR_clear_error();
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_CRL_free(lists);
	return w.revoked ? CRL_REVOKED : w.unknown ? CRL_UNKNOWN : CRL_GOOD;
}

/* ---- fetching ---- */

static X509_CRL *
list_of(struct str body)
{
	const unsigned char *p = (const unsigned char *)body.p;
	X509_CRL *list = NULL;
	BIO *b;

	if (body.n && body.n <= CRL_BYTES)
		list = d2i_X509_CRL(NULL, &p, (long)body.n);
	if (!list && body.n && (b = BIO_new_mem_buf(body.p, (int)body.n))) {
		list = PEM_read_bio_X509_CRL(b, NULL, NULL, NULL);
		BIO_free(b);
	}
	ERR_clear_error();
	return list;
}

static int64_t
next_update_of(const X509_CRL *list)
{
	const ASN1_TIME *t = X509_CRL_get0_nextUpdate(list);
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void
failed(struct entry *e, const char *why)
{
	struct crl *k = e->k;
	uint64_t now = loop_now_ms(k->conf.loop);
	uint64_t pause = (uint64_t)CRL_RETRY_MS << (e->fails < 6 ? e->fails : 6);

	e->fails++;
	e->retry_ms = now + (pause < CRL_FRESH_MS ? pause : CRL_FRESH_MS);
	snprintf(e->why, sizeof(e->why), "%s", why);
	if (e->said_ms && now - e->said_ms < 3600000)
		return;
	e->said_ms = now;
	k->conf.on_failed(k->conf.arg, e->url, e->why);
}

static bool
make_room(struct crl *k, const struct entry *e, size_t bytes)
{
	while (k->bytes - e->bytes + bytes > CRL_BYTES_ALL) {
		struct entry *old = entry_longest_unused(k, e);

		if (!old)
			return false;
		entry_clear(old);
	}
	return true;
}

static void
came(struct entry *e, X509_CRL *list, size_t bytes)
{
	struct crl *k = e->k;
	uint64_t now = loop_now_ms(k->conf.loop);
	int64_t left_s;

	entry_drop_list(e);
	e->list = list;
	e->bytes = bytes;
	k->bytes += bytes;
	e->next_update = next_update_of(list);
	e->fails = 0;
	e->why[0] = '\0';
	e->fetched_ms = now;
	e->refresh_ms = now + CRL_FRESH_MS;
	left_s = e->next_update - (int64_t)time(NULL);
	if (e->next_update && left_s < (int64_t)(CRL_FRESH_MS / 1000))
		e->refresh_ms = now + (left_s > 60 ? (uint64_t)left_s * 1000 : CRL_RETRY_MS);
}

static void waiters_look(struct crl *k);

static void
on_fetched(void *arg, int err, const char *why, struct str body)
{
	struct entry *e = arg;
	struct crl *k = e->k;
	X509_CRL *list = err == ED_OK ? list_of(body) : NULL;
	bool news;

	e->busy = false;
	if (!list) {
		failed(e, err == ED_OK ? "what came is no revocation list" : why);
		waiters_look(k);
		return;
	}
	news = !e->list || X509_CRL_match(e->list, list) != 0;
	if (!make_room(k, e, body.n)) {
		X509_CRL_free(list);
		failed(e, "no room for it beside the others");
	} else {
		came(e, list, body.n);
	}
	waiters_look(k);
	if (news)
		k->conf.on_news(k->conf.arg);
}

static bool
is_due(const struct entry *e, uint64_t now)
{
	return !e->busy && now >= e->retry_ms &&
	       (!e->list || now >= e->refresh_ms || is_expired(e));
}

static void
entry_fetch(struct entry *e)
{
	struct crl *k = e->k;
	int r;

	if (!fetch_has_room(k->conf.fetch)) /* its turn comes with a tick */
		return;
	e->busy = true;
	r = fetch_start(k->conf.fetch, e->url, CRL_BYTES, CRL_FETCH_MS, on_fetched, e);
	if (r == ED_OK)
		return;
	e->busy = false;
	failed(e, r == ED_MALFORMED ? "not an HTTP address on port 80" : "no memory");
}

/* True while a list that this chain needs may still come. */
static bool
want_lists(struct crl *k, const STACK_OF(X509) * chain)
{
	uint64_t now = loop_now_ms(k->conf.loop);
	bool coming = false;
	struct urls u;

	if (!k->fetches || !k->conf.fetch)
		return false;
	chain_urls(&u, chain);
	for (unsigned i = 0; i < u.n; i++) {
		struct entry *e = entry_get(k, u.v[i]);

		if (!e)
			continue;
		e->used_ms = now;
		if (is_due(e, now))
			entry_fetch(e);
		/* Due and not begun: all places are taken for the moment. */
		coming |= (e->busy || is_due(e, now)) && (!e->list || is_expired(e));
	}
	urls_done(&u);
	return coming;
}

void
crl_tick(struct crl *k)
{
	uint64_t now = loop_now_ms(k->conf.loop);

	if (!k->fetches || !k->conf.fetch)
		return;
	for (unsigned i = 0; i < CRL_LISTS; i++) {
		struct entry *e = &k->entries[i];

		if (e->url && is_due(e, now) && now - e->used_ms < CRL_NEEDED_MS)
			entry_fetch(e);
	}
}

/* ---- questions ---- */

static void
waiter_free(struct crl *k, struct waiter *w)
{
	list_remove(&w->link);
	sk_X509_pop_free(w->chain, X509_free);
	free(w);
	k->n_waiters--;
}

/*
 * A few of those that wait, each round: a verdict costs the reading of a whole list. A callback may
 * ask, forget or close, so each waiter is taken out before it is told.
 */
static void
look(struct loop_task *t)
{
	struct crl *k = (struct crl *)(void *)((char *)t - offsetof(struct crl, look));
	unsigned judged = 0;

	while (k->n_look > 0 && !list_is_empty(&k->waiters) && judged < LOOKS) {
		struct waiter *w = LIST_OF(k->waiters.next, struct waiter, link);
		char why[CRL_WHY_LEN];
		crl_cb *cb = w->cb;
		void *arg = w->arg;
		enum crl_verdict v;

		k->n_look--;
		if (want_lists(k, w->chain)) {
			list_remove(&w->link);
			list_push_back(&k->waiters, &w->link);
			continue;
		}
		judged++;
		v = judge_chain(k, w->chain, why);
		waiter_free(k, w);
		cb(arg, v, why);
	}
	if (k->n_look > 0 && !list_is_empty(&k->waiters))
		loop_defer_late(k->conf.loop, &k->look);
}

static void
waiters_look(struct crl *k)
{
	k->n_look = k->n_waiters;
	if (k->n_look > 0)
		loop_defer_late(k->conf.loop, &k->look);
}

enum crl_verdict
crl_judge(struct crl *k, struct conn *c, crl_cb *cb, void *arg, char why[CRL_WHY_LEN])
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(c->ssl);
	enum crl_verdict v;
	struct waiter *w;
	bool coming;

	snprintf(why, CRL_WHY_LEN, "no verified chain");
	if (!chain || sk_X509_num(chain) == 0)
		return CRL_UNKNOWN;
	coming = want_lists(k, chain);
	v = judge_chain(k, chain, why);
	if (v != CRL_UNKNOWN || !coming || !cb || k->n_waiters >= CRL_WAITERS)
		return v;
	w = calloc(1, sizeof(*w));
	if (w)
		w->chain = X509_chain_up_ref(chain);
	if (!w || !w->chain) {
		free(w);
		return v;
	}
	w->cb = cb;
	w->arg = arg;
	list_push_back(&k->waiters, &w->link);
	k->n_waiters++;
	return CRL_WAIT;
}

void
crl_forget(struct crl *k, void *arg)
{
	LIST_EACH_SAFE(it, &k->waiters)
	{
		struct waiter *w = LIST_OF(it, struct waiter, link);

		if (w->arg == arg)
			waiter_free(k, w);
	}
}

/* ---- life ---- */

struct crl *
crl_new(const struct crl_conf *conf)
{
	struct crl *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->conf = *conf;
	list_init(&k->waiters);
	k->look.run = look;
	k->local = sk_X509_CRL_new_null();
	return k->local ? k : crl_free(k);
}

struct crl *
crl_free(struct crl *k)
{
	if (!k)
		return NULL;
	loop_defer_cancel(&k->look);
	while (!list_is_empty(&k->waiters))
		waiter_free(k, LIST_OF(k->waiters.next, struct waiter, link));
	for (unsigned i = 0; i < CRL_LISTS; i++)
		if (k->entries[i].url)
			entry_clear(&k->entries[i]);
	sk_X509_CRL_pop_free(k->local, X509_CRL_free);
	free(k);
	return NULL;
}

int
crl_configure(struct crl *k, bool fetch, struct str pem)
{
	STACK_OF(X509_CRL) *local = sk_X509_CRL_new_null();
	BIO *b = pem.n && pem.n < 0x7fffffff ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509_CRL *list;

	while (b && local && (list = PEM_read_bio_X509_CRL(b, NULL, NULL, NULL)))
		if (!sk_X509_CRL_push(local, list))
			X509_CRL_free(list);
	BIO_free(b);
	ERR_clear_error(); /* the end of a PEM file is an error there */
	if (!local || (pem.n && sk_X509_CRL_num(local) == 0)) {
		sk_X509_CRL_free(local);
		return local ? ED_MALFORMED : ED_NOMEM;
	}
	sk_X509_CRL_pop_free(k->local, X509_CRL_free);
	k->local = local;
	k->fetches = fetch;
	return ED_OK;
}

void
crl_each(const struct crl *k, void (*each)(const struct crl_row *row, void *arg), void *arg)
{
	uint64_t now = loop_now_ms(k->conf.loop);

	for (unsigned i = 0; i < CRL_LISTS; i++) {
		const struct entry *e = &k->entries[i];
		struct crl_row row = {.url = e->url, .why = e->why, .next_update = e->next_update};

		if (!e->url)
			continue;
		row.state = e->list   ? (is_expired(e) ? "expired" : "fresh")
			    : e->busy ? "fetching"
				      : "failed";
		if (e->list) {
			STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(e->list);

			row.entries = rows ? (uint32_t)sk_X509_REVOKED_num(rows) : 0;
			row.age_ms = now - e->fetched_ms;
		}
		each(&row, arg);
	}
}

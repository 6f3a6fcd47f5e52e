/* SPDX-License-Identifier: MIT */
#include "net/resolve.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/list.h"
#include "net/loop.h"

#define RESOLVE_NAME_MAX    253u
#define RESOLVE_RECORDS     3000u /* DnsCacheRecordCount */
#define RESOLVE_ASKING      256u  /* questions under way */
#define RESOLVE_WAITERS     4096u /* callers in all */
#define RESOLVE_TTL_FLOOR_S 30u   /* access-edge-sip 11.2 */
#define RESOLVE_TTL_CEIL_S  3600u
#define RESOLVE_TTL_NONE_S  60u
#define RESOLVE_TTL_FAILED_S                                                                       \
	5u /* a server that fails is not asked for each message, nor given up */
#define RESOLVE_TRY_MS 800
#define RESOLVE_TRIES  2

enum kind { KIND_HOST, KIND_SRV };

struct sock {
	struct list link;
	struct event *ev;
	ares_socket_t fd;
	struct resolve *r;
};

struct waiter {
	struct list link;
	resolve_cb *cb;
	void *arg;
};

/* One name: being asked (waiters not empty or asking set) or answered until expires_ms. */
struct record {
	struct hash_node node;
	struct list lru;
	struct list waiters;
	struct resolve *r;
	uint64_t expires_ms;
	bool asking;
	bool telling; /* its waiters are being called: must not go away */
	uint8_t kind;
	uint8_t name_len;
	char name[RESOLVE_NAME_MAX + 1];
	struct resolve_answer *ans;
};

struct resolve {
	struct loop *loop;
	ares_channel ares;
	bool have_ares, lib, closing;
	struct timer timer;
	struct list socks;
	struct hash_table records;
	struct hash_key key;
	struct list lru; /* most recently used first */
	uint32_t n_records, n_asking, n_waiters;
};

static void record_free(struct record *rec);

/* ---- c-ares and the loop ---- */

static void
timer_arm(struct resolve *r)
{
	struct timeval tv, *left = ares_timeout(r->ares, NULL, &tv);

	if (left)
		timer_set(r->loop, &r->timer,
		    loop_now_ms(r->loop) + (uint64_t)left->tv_sec * 1000 +
			(uint64_t)left->tv_usec / 1000 + 1);
	else
		timer_cancel(&r->timer);
}

static void
on_timer(struct timer *t, uint64_t now_ms)
{
	struct resolve *r = LIST_OF(t, struct resolve, timer);

	(void)now_ms;
	ares_process_fd(r->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	timer_arm(r);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct resolve *r = arg;

	ares_process_fd(
	    r->ares, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	timer_arm(r);
}

static void
sock_free(struct sock *s)
{
	list_remove(&s->link);
	event_free(s->ev);
	free(s);
}

static void
on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolve *r = arg;
	short want = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	struct sock *s;

	LIST_EACH_SAFE(it, &r->socks)
	{
		s = LIST_OF(it, struct sock, link);
		if (s->fd == fd)
			sock_free(s);
	}
	if (!want)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return; /* the question ends by its own timeout */
	s->fd = fd;
	s->r = r;
	s->ev = event_new(loop_base(r->loop), fd, (short)(want | EV_PERSIST), on_ready, r);
	if (!s->ev || event_add(s->ev, NULL) < 0) {
		if (s->ev)
			event_free(s->ev);
		free(s);
		return;
	}
	list_push_back(&r->socks, &s->link);
}

static int
set_servers(struct resolve *r, const struct resolve_conf *conf)
{
	char csv[1024];
	size_t n = 0;
	int w;

	for (uint8_t i = 0; i < conf->n_servers; i++) {
		w = snprintf(csv + n, sizeof(csv) - n, "%s%s", i ? "," : "", conf->servers[i]);
		if (w < 0 || (size_t)w >= sizeof(csv) - n)
			return ED_LIMIT;
		n += (size_t)w;
	}
	if (conf->n_servers && ares_set_servers_ports_csv(r->ares, csv) != ARES_SUCCESS)
		return ED_MALFORMED;
	return ED_OK;
}

/* TOP-08: questions leave from the address of the service that owns them. */
static void
set_source(struct resolve *r, const struct addr *bind)
{
	if (bind->family == 4)
		ares_set_local_ip4(r->ares, (uint32_t)bind->ip[0] << 24 |
						(uint32_t)bind->ip[1] << 16 |
						(uint32_t)bind->ip[2] << 8 | bind->ip[3]);
	else if (bind->family == 6)
		ares_set_local_ip6(r->ares, bind->ip);
}

struct resolve *
resolve_new(struct loop *l, const struct resolve_conf *conf)
{
	struct ares_options opt = {
	    .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
	    .timeout = RESOLVE_TRY_MS,
	    .tries = RESOLVE_TRIES,
	    .ednspsz = 1232,
	    .lookups = (char *)(uintptr_t) "fb", /* /etc/hosts first: DNS-03 */
	    .sock_state_cb = on_sock_state,
	};
	struct resolve *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->loop = l;
	list_init(&r->socks);
	list_init(&r->lru);
	timer_init(&r->timer, on_timer);
	opt.sock_state_cb_data = r;
	if (hash_init(&r->records, 64) < 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return resolve_free(r);
	r->lib = true;
	if (ares_init_options(&r->ares, &opt,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
		    ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
		return resolve_free(r);
	r->have_ares = true;
	/* Names asked for come from partners' domains: a table key that they cannot aim at. */
	if (getrandom(&r->key, sizeof(r->key), 0) != sizeof(r->key) || set_servers(r, conf) < 0)
		return resolve_free(r);
	set_source(r, &conf->bind);
	return r;
}

struct resolve *
resolve_free(struct resolve *r)
{
	if (!r)
		return NULL;
	r->closing = true; /* callers are told nothing more */
	if (r->have_ares)
		ares_destroy(r->ares);
	timer_cancel(&r->timer);
	while (!list_is_empty(&r->socks))
		sock_free(LIST_OF(r->socks.next, struct sock, link));
	while (!list_is_empty(&r->lru))
		record_free(LIST_OF(r->lru.next, struct record, lru));
	if (r->records.buckets)
		hash_done(&r->records);
	if (r->lib)
		ares_library_cleanup();
	free(r);
	return NULL;
}

/* ---- records ---- */

static void
record_free(struct record *rec)
{
	struct resolve *r = rec->r;

	while (!list_is_empty(&rec->waiters)) {
		struct waiter *w = LIST_OF(rec->waiters.next, struct waiter, link);

		list_remove(&w->link);
		free(w);
		r->n_waiters--;
	}
	hash_remove(&r->records, &rec->node);
	list_remove(&rec->lru);
	free(rec->ans);
	free(rec);
	r->n_records--;
}

static uint64_t
record_hash(const struct resolve *r, enum kind kind, const char *name, size_t n)
{
	return hash_bytes(&r->key, name, n) + (uint64_t)kind;
}

static struct record *
record_find(struct resolve *r, enum kind kind, const char *name, size_t n)
{
	uint64_t h = record_hash(r, kind, name, n);

	for (struct hash_node *at = hash_first(&r->records, h); at; at = hash_next(at)) {
		struct record *rec = LIST_OF(at, struct record, node);

		if (rec->kind == kind && rec->name_len == n && memcmp(rec->name, name, n) == 0)
			return rec;
	}
	return NULL;
}

/* Make room: the one longest unused that nobody waits for. */
static bool
records_trim(struct resolve *r)
{
	for (struct list *it = r->lru.prev; it != &r->lru; it = it->prev) {
		struct record *rec = LIST_OF(it, struct record, lru);

		if (!rec->asking && !rec->telling) {
			record_free(rec);
			return true;
		}
	}
	return false;
}

static struct record *
record_new(struct resolve *r, enum kind kind, const char *name, size_t n)
{
	struct record *rec;

	if (r->n_records >= RESOLVE_RECORDS && !records_trim(r))
		return NULL;
	rec = calloc(1, sizeof(*rec));
	if (!rec)
		return NULL;
	rec->ans = calloc(1, sizeof(*rec->ans));
	if (!rec->ans) {
		free(rec);
		return NULL;
	}
	rec->r = r;
	rec->kind = (uint8_t)kind;
	rec->name_len = (uint8_t)n;
	memcpy(rec->name, name, n);
	list_init(&rec->waiters);
	list_push_front(&r->lru, &rec->lru);
	hash_insert(&r->records, &rec->node, record_hash(r, kind, name, n));
	r->n_records++;
	return rec;
}

static int
err_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return ED_OK;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
		return ED_GONE;
	default:
		return ED_SYS;
	}
}

static void
record_done(struct record *rec, int status, uint32_t ttl_s)
{
	struct resolve *r = rec->r;
	struct resolve_answer ans;
	uint32_t ttl = ttl_s < RESOLVE_TTL_FLOOR_S  ? RESOLVE_TTL_FLOOR_S
		       : ttl_s > RESOLVE_TTL_CEIL_S ? RESOLVE_TTL_CEIL_S
						    : ttl_s;

	rec->asking = false;
	r->n_asking--;
	rec->ans->err = err_of(status);
	if (rec->ans->err != ED_OK)
		ttl = rec->ans->err == ED_GONE ? RESOLVE_TTL_NONE_S : RESOLVE_TTL_FAILED_S;
	rec->ans->ttl_s = ttl;
	rec->expires_ms = loop_now_ms(r->loop) + (uint64_t)ttl * 1000;
	/* A waiter may ask again (and is answered from here), cancel others, or ask for more names.
	 */
	ans = *rec->ans;
	rec->telling = true;
	while (!list_is_empty(&rec->waiters)) {
		struct waiter *w = LIST_OF(rec->waiters.next, struct waiter, link);
		resolve_cb *cb = w->cb;
		void *arg = w->arg;

		list_remove(&w->link);
		free(w);
		r->n_waiters--;
		cb(arg, &ans);
	}
	rec->telling = false;
}

/* ---- answers ---- */

static void
on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct record *rec = arg;
	uint32_t ttl = RESOLVE_TTL_CEIL_S;

	(void)timeouts;
	if (!rec->r->closing) {
		rec->ans->n_addrs = 0;
		for (struct ares_addrinfo_node *n = ai ? ai->nodes : NULL; n; n = n->ai_next) {
			struct addr *a = &rec->ans->addrs[rec->ans->n_addrs];

			if (rec->ans->n_addrs == RESOLVE_ADDRS_MAX)
				break;
			if (addr_from_sockaddr(a, n->ai_addr, n->ai_addrlen) < 0)
				continue;
			a->port = 0;
			rec->ans->n_addrs++;
			if (n->ai_ttl > 0 && (uint32_t)n->ai_ttl < ttl)
				ttl = (uint32_t)n->ai_ttl;
		}
		if (status == ARES_SUCCESS && rec->ans->n_addrs == 0)
			status = ARES_ENODATA;
		record_done(rec, status, ttl);
	}
	if (ai)
		ares_freeaddrinfo(ai);
}

/* DNS-14: lowest priority, then highest weight, then as received. The insertion keeps it stable. */
static void
srv_add(struct resolve_answer *ans, const struct ares_srv_reply *s)
{
	uint8_t at = ans->n_srv, len = (uint8_t)strnlen(s->host, 255);

	while (at > 0 && (s->priority < ans->srv[at - 1].priority ||
			     (s->priority == ans->srv[at - 1].priority &&
				 s->weight > ans->srv[at - 1].weight)))
		at--;
	if (at == RESOLVE_SRV_MAX)
		return;
	if (ans->n_srv == RESOLVE_SRV_MAX) /* keep the best */
		ans->n_srv--;
	memmove(&ans->srv[at + 1], &ans->srv[at], (size_t)(ans->n_srv - at) * sizeof(ans->srv[0]));
	ans->n_srv++;
	ans->srv[at].priority = s->priority;
	ans->srv[at].weight = s->weight;
	ans->srv[at].port = s->port;
	if (len && s->host[len - 1] == '.')
		len--;
	for (uint8_t i = 0; i < len; i++)
		ans->srv[at].target[i] = (char)ascii_lower((unsigned char)s->host[i]);
	ans->srv[at].target[len] = '\0';
}

/* The smallest TTL among the answers; c-ares' SRV reply does not carry it. */
static uint32_t
answer_ttl(const unsigned char *p, int n)
{
	uint32_t ttl = RESOLVE_TTL_CEIL_S;
	ns_msg msg;
	ns_rr rr;

	if (ns_initparse(p, n, &msg) < 0)
		return RESOLVE_TTL_FLOOR_S;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an) && i < 64; i++)
		if (ns_parserr(&msg, ns_s_an, i, &rr) == 0 && ns_rr_ttl(rr) < ttl)
			ttl = ns_rr_ttl(rr);
	return ttl;
}

static void
on_srv(void *arg, int status, int timeouts, unsigned char *p, int n)
{
	struct ares_srv_reply *all = NULL;
	struct record *rec = arg;

	(void)timeouts;
	if (rec->r->closing)
		return;
	rec->ans->n_srv = 0;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(p, n, &all);
	for (struct ares_srv_reply *s = all; s; s = s->next)
		srv_add(rec->ans, s);
	if (all)
		ares_free_data(all);
	if (status == ARES_SUCCESS && rec->ans->n_srv == 0)
		status = ARES_ENODATA;
	record_done(rec, status, status == ARES_SUCCESS ? answer_ttl(p, n) : 0);
}

/* ---- asking ---- */

/* Lower case, no trailing dot, letters digits '-' '_' and dots. 0 when it is no name. */
static size_t
name_canonical(struct str in, char out[RESOLVE_NAME_MAX + 1])
{
	if (in.n && in.p[in.n - 1] == '.')
		in.n--;
	if (in.n == 0 || in.n > RESOLVE_NAME_MAX)
		return 0;
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = ascii_lower((unsigned char)in.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			(c == '.' && i > 0 && out[i - 1] != '.')))
			return 0;
		out[i] = (char)c;
	}
	out[in.n] = '\0';
	return in.n;
}

static int
waiter_add(struct record *rec, resolve_cb *cb, void *arg)
{
	struct waiter *w;

	if (rec->r->n_waiters >= RESOLVE_WAITERS)
		return ED_LIMIT;
	w = calloc(1, sizeof(*w));
	if (!w)
		return ED_NOMEM;
	w->cb = cb;
	w->arg = arg;
	list_push_back(&rec->waiters, &w->link);
	rec->r->n_waiters++;
	return ED_OK;
}

static void
record_ask(struct record *rec)
{
	struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = ARES_AI_NOSORT,
	};
	struct resolve *r = rec->r;

	rec->asking = true;
	r->n_asking++;
	if (rec->kind == KIND_HOST)
		ares_getaddrinfo(r->ares, rec->name, NULL, &hints, on_addrinfo, rec);
	else
		ares_query(r->ares, rec->name, ns_c_in, ns_t_srv, on_srv, rec);
	timer_arm(r);
}

static int
resolve_name(struct resolve *r, enum kind kind, struct str text, resolve_cb *cb, void *arg)
{
	char name[RESOLVE_NAME_MAX + 1];
	size_t n = name_canonical(text, name);
	struct record *rec;
	int err;

	if (n == 0)
		return ED_MALFORMED;
	rec = record_find(r, kind, name, n);
	if (rec && !rec->asking && loop_now_ms(r->loop) < rec->expires_ms) {
		struct resolve_answer ans = *rec->ans;

		list_remove(&rec->lru);
		list_push_front(&r->lru, &rec->lru);
		cb(arg, &ans);
		return ED_OK;
	}
	if (!rec || !rec->asking) {
		if (r->n_asking >= RESOLVE_ASKING)
			return ED_LIMIT;
		if (!rec)
			rec = record_new(r, kind, name, n);
		if (!rec)
			return ED_NOMEM;
	}
	err = waiter_add(rec, cb, arg);
	if (err == ED_OK && !rec->asking)
		record_ask(rec);
	return err;
}

int
resolve_host(struct resolve *r, struct str name, resolve_cb *cb, void *arg)
{
	struct resolve_answer ans;
	struct addr a;

	if (addr_parse_ip(&a, name) == ED_OK) {
		memset(&ans, 0, sizeof(ans));
		ans.addrs[0] = a;
		ans.addrs[0].port = 0;
		ans.n_addrs = 1;
		ans.ttl_s = RESOLVE_TTL_CEIL_S;
		cb(arg, &ans);
		return ED_OK;
	}
	return resolve_name(r, KIND_HOST, name, cb, arg);
}

int
resolve_srv(struct resolve *r, struct str name, resolve_cb *cb, void *arg)
{
	return resolve_name(r, KIND_SRV, name, cb, arg);
}

void
resolve_cancel(struct resolve *r, void *arg)
{
	LIST_EACH(it, &r->lru)
	{
		struct record *rec = LIST_OF(it, struct record, lru);

		LIST_EACH_SAFE(wit, &rec->waiters)
		{
			struct waiter *w = LIST_OF(wit, struct waiter, link);

			if (w->arg == arg) {
				list_remove(&w->link);
				free(w);
				r->n_waiters--;
			}
		}
	}
}

/* SPDX-License-Identifier: MIT
 *
 * net/resolve.c: c-ares asks, we keep what it heard.
 *
 * A question has at most one query under way; who asks the same meanwhile waits with the first.
 * Cache rows are one block each, oldest use first out. Questions under way and waiters are bounded,
 * so a partner list full of dead domains costs a refusal, not memory.
 */
#include "net/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <netdb.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "net/loop.h"
#include "net/resolve_parse.h"
#include "net/resolve_source.h"

#define CACHE_MAX     3000u
#define QUERIES_MAX   256u
#define WAITERS_MAX   4096u
#define SOCKETS_MAX   64u
#define TTL_FLOOR_S   30u
#define TTL_CEILING_S 3600u
#define NEGATIVE_S    60u
#define TRY_MS        2000
#define TRIES         2
#define T_SRV_TYPE    33
#define C_IN_CLASS    1

enum kind { KIND_HOST = 'h', KIND_SRV = 's' };

struct row {
	struct hash_node node;
	struct list use; /* in resolve.used */
	uint64_t expires_ms;
	char name[257]; /* first the kind, then the name */
	int err;
	uint8_t n_addrs, n_srv;
	struct addr *addrs; /* behind the struct */
	struct srv *srv;
};

struct srv {
	uint16_t priority, weight, port;
	char target[256];
};

struct waiter {
	struct list link;
	resolve_cb *cb;
	void *arg;
};

struct query {
	struct resolve *r;
	struct list link; /* in resolve.queries until all were told */
	struct list waiters;
	char name[257]; /* as in row */
	bool answered;
};

struct resolve {
	struct loop *loop;
	ares_channel ares;
	bool up; /* ares is */
	bool ending;
	struct timer timer;
	struct hash_key key;
	struct hash_table cache;
	struct list used; /* oldest first */
	struct list queries;
	unsigned n_queries, n_waiters;
	struct event *events[SOCKETS_MAX];
	struct resolve_source source;
};

static void
rearm(struct resolve *r)
{
	struct timeval max = {.tv_sec = 60}, tv, *t = ares_timeout(r->ares, &max, &tv);

	if (list_is_empty(&r->queries))
		timer_cancel(&r->timer);
	else
		timer_set(r->loop, &r->timer,
		    loop_now_ms(r->loop) + (uint64_t)t->tv_sec * 1000u +
			(uint64_t)t->tv_usec / 1000u + 1);
}

static void
on_timer(struct timer *t, uint64_t now_ms)
{
	struct resolve *r = LIST_OF(t, struct resolve, timer);

	ares_process_fd(r->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm(r);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct resolve *r = arg;

	ares_process_fd(
	    r->ares, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	rearm(r);
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolve *r = arg;
	struct event **free_place = NULL;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	for (unsigned i = 0; i < SOCKETS_MAX; i++) {
		if (!r->events[i]) {
			free_place = free_place ? free_place : &r->events[i];
		} else if (event_get_fd(r->events[i]) == fd) {
			event_free(r->events[i]);
			r->events[i] = NULL;
			free_place = &r->events[i];
			break;
		}
	}
	/* Without a place the query runs into its timeout, which is told as ED_SYS. */
	if (!what || !free_place)
		return;
	*free_place = event_new(loop_base(r->loop), fd, (short)(what | EV_PERSIST), on_socket, r);
	if (*free_place)
		event_add(*free_place, NULL);
}

static int
set_servers(struct resolve *r, const struct resolve_conf *conf)
{
	char list[1024];
	size_t at = 0;

	if (!conf->servers || conf->n_servers == 0)
		return ED_OK;
	for (uint8_t i = 0; i < conf->n_servers; i++) {
		size_t n = strlen(conf->servers[i]);

		if (at + n + 2 > sizeof(list))
			return ED_LIMIT;
		if (i)
			list[at++] = ',';
		memcpy(list + at, conf->servers[i], n);
		at += n;
	}
	list[at] = 0;
	return ares_set_servers_ports_csv(r->ares, list) == ARES_SUCCESS ? ED_OK : ED_MALFORMED;
}

struct resolve *
resolve_new(struct loop *l, const struct resolve_conf *conf)
{
	struct ares_options opt = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
	    .timeout = TRY_MS,
	    .tries = TRIES,
	    .sock_state_cb = on_socket_state};
	char lookups[] = "fb"; /* /etc/hosts first: DNS-03 */
	struct resolve *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->loop = l;
	list_init(&r->used);
	list_init(&r->queries);
	timer_init(&r->timer, on_timer);
	opt.sock_state_cb_data = r;
	opt.lookups = lookups;
	if (RAND_bytes((unsigned char *)&r->key, sizeof(r->key)) != 1 ||
	    hash_init(&r->cache, 256) < 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
	    ares_init_options(&r->ares, &opt,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
		    ARES_OPT_LOOKUPS) != ARES_SUCCESS)
		return resolve_free(r);
	r->up = true;
	if (set_servers(r, conf) < 0)
		return resolve_free(r);
	resolve_source_init(&r->source, conf->device, conf->from);
	resolve_source_use(&r->source, r->ares);
	return r;
}

static void
query_free(struct query *q)
{
	while (!list_is_empty(&q->waiters)) {
		struct waiter *w = LIST_OF(q->waiters.next, struct waiter, link);

		list_remove(&w->link);
		q->r->n_waiters--;
		free(w);
	}
	list_remove(&q->link);
	q->r->n_queries--;
	free(q);
}

static void
row_free(struct resolve *r, struct row *row)
{
	hash_remove(&r->cache, &row->node);
	list_remove(&row->use);
	free(row);
}

struct resolve *
resolve_free(struct resolve *r)
{
	if (!r)
		return NULL;
	r->ending = true;
	if (r->up)
		ares_destroy(r->ares); /* calls back for each query: they are freed there */
	while (!list_is_empty(&r->used))
		row_free(r, LIST_OF(r->used.next, struct row, use));
	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		if (r->events[i])
			event_free(r->events[i]);
	hash_done(&r->cache);
	timer_cancel(&r->timer);
	free(r);
	return NULL;
}

/* --- cache --- */

static struct row *
row_find(struct resolve *r, const char *name)
{
	uint64_t hash = hash_bytes(&r->key, name, strlen(name));

	for (struct hash_node *n = hash_first(&r->cache, hash); n; n = hash_next(n)) {
		struct row *row = LIST_OF(n, struct row, node);

		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

static bool
answer_from_cache(struct resolve *r, const char *name, struct resolve_answer *ret)
{
	struct row *row = row_find(r, name);
	uint64_t now = loop_now_ms(r->loop);

	if (!row)
		return false;
	if (row->expires_ms <= now) {
		row_free(r, row);
		return false;
	}
	list_remove(&row->use);
	list_push_back(&r->used, &row->use);
	ret->err = row->err;
	ret->ttl_s = (uint32_t)((row->expires_ms - now) / 1000);
	ret->n_addrs = row->n_addrs;
	ret->n_srv = row->n_srv;
	if (row->n_addrs)
		memcpy(ret->addrs, row->addrs, row->n_addrs * sizeof(ret->addrs[0]));
	for (uint8_t i = 0; i < row->n_srv; i++) {
		ret->srv[i].priority = row->srv[i].priority;
		ret->srv[i].weight = row->srv[i].weight;
		ret->srv[i].port = row->srv[i].port;
		memcpy(ret->srv[i].target, row->srv[i].target, sizeof(ret->srv[i].target));
	}
	return true;
}

static void
keep(struct resolve *r, const char *name, struct resolve_answer *a)
{
	struct row *row;
	uint64_t hash = hash_bytes(&r->key, name, strlen(name));

	if (a->err == ED_GONE)
		a->ttl_s = NEGATIVE_S;
	if (a->ttl_s < TTL_FLOOR_S)
		a->ttl_s = TTL_FLOOR_S;
	if (a->ttl_s > TTL_CEILING_S)
		a->ttl_s = TTL_CEILING_S;
	if (a->err != ED_OK && a->err != ED_GONE) /* a server's failure is nobody's answer */
		return;
	row = row_find(r, name);
	if (row)
		row_free(r, row);
	if (r->cache.n >= CACHE_MAX)
		row_free(r, LIST_OF(r->used.next, struct row, use));
	row = calloc(
	    1, sizeof(*row) + a->n_addrs * sizeof(struct addr) + a->n_srv * sizeof(struct srv));
	if (!row)
		return;
	row->err = a->err;
	row->expires_ms = loop_now_ms(r->loop) + (uint64_t)a->ttl_s * 1000u;
	memcpy(row->name, name, strlen(name) + 1);
	row->n_addrs = a->n_addrs;
	row->n_srv = a->n_srv;
	row->addrs = (struct addr *)(void *)(row + 1);
	row->srv = (struct srv *)(void *)(row->addrs + a->n_addrs);
	if (a->n_addrs)
		memcpy(row->addrs, a->addrs, a->n_addrs * sizeof(struct addr));
	for (uint8_t i = 0; i < a->n_srv; i++) {
		row->srv[i].priority = a->srv[i].priority;
		row->srv[i].weight = a->srv[i].weight;
		row->srv[i].port = a->srv[i].port;
		memcpy(row->srv[i].target, a->srv[i].target, sizeof(row->srv[i].target));
	}
	hash_insert(&r->cache, &row->node, hash);
	list_push_back(&r->used, &row->use);
}

/* --- answers --- */

static void
tell(struct query *q, struct resolve_answer *a)
{
	struct resolve *r = q->r;

	q->answered = true; /* who asks the same from a callback finds the cache */
	keep(r, q->name, a);
	while (!list_is_empty(&q->waiters)) { /* a callback may cancel others of them */
		struct waiter *w = LIST_OF(q->waiters.next, struct waiter, link);
		resolve_cb *cb = w->cb;
		void *arg = w->arg;

		list_remove(&w->link);
		r->n_waiters--;
		free(w);
		cb(arg, a);
	}
	query_free(q);
}

static int
error_of(int status)
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
on_host(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct resolve_answer a = {.err = error_of(status), .ttl_s = UINT32_MAX};
	struct query *q = arg;

	if (q->r->ending) {
		query_free(q);
	} else {
		for (struct ares_addrinfo_node *n = res ? res->nodes : NULL; n; n = n->ai_next) {
			if (a.n_addrs == RESOLVE_ADDRS_MAX)
				break;
			if (addr_from_sockaddr(&a.addrs[a.n_addrs], n->ai_addr, n->ai_addrlen) < 0)
				continue;
			a.addrs[a.n_addrs++].port = 0;
			if (n->ai_ttl >= 0 && (uint32_t)n->ai_ttl < a.ttl_s)
				a.ttl_s = (uint32_t)n->ai_ttl;
		}
		if (a.err == ED_OK && a.n_addrs == 0)
			a.err = ED_GONE;
		tell(q, &a);
	}
	ares_freeaddrinfo(res);
}

static void
on_srv(void *arg, int status, int timeouts, unsigned char *buf, int len)
{
	struct resolve_answer a = {.err = error_of(status)};
	struct query *q = arg;

	if (q->r->ending) {
		query_free(q);
		return;
	}
	if (a.err == ED_OK) {
		a.err = resolve_parse_srv(buf, len > 0 ? (size_t)len : 0, &a);
		if (a.err == ED_MALFORMED)
			a.err = ED_SYS;
	}
	if (a.err != ED_OK)
		a.n_srv = 0;
	tell(q, &a);
}

/* --- questions --- */

static struct query *
query_find(struct resolve *r, const char *name)
{
	LIST_EACH(it, &r->queries)
	{
		struct query *q = LIST_OF(it, struct query, link);

		if (!q->answered && strcmp(q->name, name) == 0)
			return q;
	}
	return NULL;
}

static struct query *
query_new(struct resolve *r, const char *name)
{
	struct query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->r = r;
	list_init(&q->waiters);
	memcpy(q->name, name, strlen(name) + 1);
	list_push_back(&r->queries, &q->link);
	r->n_queries++;
	return q;
}

static void
send_query(struct resolve *r, struct query *q)
{
	struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};

	/* Either may answer at once; q is gone then. */
	if (q->name[0] == KIND_HOST)
		ares_getaddrinfo(r->ares, q->name + 1, NULL, &hints, on_host, q);
	else
		ares_query(r->ares, q->name + 1, C_IN_CLASS, T_SRV_TYPE, on_srv, q);
	rearm(r);
}

static int
ask(struct resolve *r, enum kind kind, struct str name, unsigned max, resolve_cb *cb, void *arg)
{
	char key[257];
	struct query *q;
	struct waiter *w;
	size_t n;
	bool fresh;

	key[0] = (char)kind;
	if (resolve_name(name, key + 1, &n) < 0)
		return ED_MALFORMED;
	{
		struct resolve_answer a = {0};

		if (answer_from_cache(r, key, &a)) {
			cb(arg, &a);
			return ED_OK;
		}
	}
	q = query_find(r, key);
	fresh = !q;
	if ((fresh && r->n_queries >= max) || r->n_waiters >= WAITERS_MAX)
		return ED_LIMIT;
	w = calloc(1, sizeof(*w));
	if (w && fresh)
		q = query_new(r, key);
	if (!w || !q) {
		free(w);
		return ED_NOMEM;
	}
	w->cb = cb;
	w->arg = arg;
	list_push_back(&q->waiters, &w->link);
	r->n_waiters++;
	if (fresh)
		send_query(r, q);
	return ED_OK;
}

int
resolve_host(struct resolve *r, struct str name, resolve_cb *cb, void *arg)
{
	struct resolve_answer a = {.ttl_s = TTL_CEILING_S, .n_addrs = 1};

	if (addr_parse_ip(&a.addrs[0], name) == ED_OK) {
		cb(arg, &a);
		return ED_OK;
	}
	return ask(r, KIND_HOST, name, QUERIES_MAX, cb, arg);
}

int
resolve_srv(struct resolve *r, struct str name, resolve_cb *cb, void *arg)
{
	return ask(r, KIND_SRV, name, QUERIES_MAX, cb, arg);
}

int
resolve_srv_for_outsider(struct resolve *r, struct str name, resolve_cb *cb, void *arg)
{
	return ask(r, KIND_SRV, name, QUERIES_MAX / 2, cb, arg);
}

void
resolve_cancel(struct resolve *r, void *arg)
{
	LIST_EACH(it, &r->queries)
	{
		struct query *q = LIST_OF(it, struct query, link);

		LIST_EACH_SAFE(at, &q->waiters)
		{
			struct waiter *w = LIST_OF(at, struct waiter, link);

			if (w->arg != arg)
				continue;
			list_remove(&w->link);
			r->n_waiters--;
			free(w);
		}
	}
}

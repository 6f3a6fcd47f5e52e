/* SPDX-License-Identifier: MIT */
#include "access/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define WATCH_DOMAIN_MAX   253u
#define WATCH_RATIO_MS     (5u * 60u * 1000u)  /* access-edge-sip 11.6: "in 5 min" */
#define WATCH_FORGIVE_MS   (15u * 60u * 1000u) /* below a quarter for so long */
#define WATCH_THROTTLED_MS (60u * 1000u)
#define WATCH_MILLI        1000u

struct partner {
	struct list lru; /* most recently seen first */
	struct hash_node node;
	uint64_t first_ms, last_ms, refill_ms, window_ms, ratio_ms, calm_since_ms, throttled_ms;
	uint64_t requests, refused, waited;
	uint32_t tokens; /* thousandths */
	uint32_t finals, failures;
	uint32_t n_contacts;
	uint64_t
	    *contacts; /* open addressing, 2 * limit slots; 0 is empty; made at the first one */
	bool suspicious, over_contacts, throttled;
	uint8_t domain_len;
	char domain[WATCH_DOMAIN_MAX];
};

struct watch {
	struct watch_limits lim;
	struct hash_key key;
	struct hash_table by_domain;
	struct list lru;
	uint32_t n, n_slots;
};

struct watch *
watch_new(const struct watch_limits *lim, const struct hash_key *key)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->lim = *lim;
	w->key = *key;
	list_init(&w->lru);
	/* A power of two at most half full, so a look-up always meets an empty slot. */
	for (w->n_slots = 2; w->n_slots < 2 * lim->contacts; w->n_slots *= 2)
		;
	if (hash_init(&w->by_domain, 256) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

static void
partner_free(struct watch *w, struct partner *p)
{
	hash_remove(&w->by_domain, &p->node);
	list_remove(&p->lru);
	free(p->contacts);
	free(p);
	w->n--;
}

struct watch *
watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	while (!list_is_empty(&w->lru))
		partner_free(w, LIST_OF(w->lru.next, struct partner, lru));
	hash_done(&w->by_domain);
	free(w);
	return NULL;
}

static struct partner *
partner_find(const struct watch *w, struct str domain)
{
	uint64_t h = hash_bytes(&w->key, domain.p, domain.n);

	for (struct hash_node *n = hash_first(&w->by_domain, h); n; n = hash_next(n)) {
		struct partner *p = LIST_OF(n, struct partner, node);

		if (str_eq((struct str){p->domain, p->domain_len}, domain))
			return p;
	}
	return NULL;
}

static struct partner *
partner_get(struct watch *w, struct str domain, uint64_t now_ms)
{
	struct partner *p = partner_find(w, domain);

	if (p) {
		list_remove(&p->lru);
		list_push_front(&w->lru, &p->lru);
		p->last_ms = now_ms;
		return p;
	}
	if (domain.n > WATCH_DOMAIN_MAX)
		return NULL;
	if (w->n >= w->lim.places)
		partner_free(w, LIST_OF(w->lru.prev, struct partner, lru));
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->domain, domain.p, domain.n);
	p->domain_len = (uint8_t)domain.n;
	p->first_ms = p->last_ms = p->refill_ms = p->window_ms = p->ratio_ms = now_ms;
	p->tokens = w->lim.burst * WATCH_MILLI;
	hash_insert(&w->by_domain, &p->node, hash_bytes(&w->key, domain.p, domain.n));
	list_push_front(&w->lru, &p->lru);
	w->n++;
	return p;
}

/* One thousandth of a token comes each millisecond at a rate of one a second. */
static void
partner_refill(const struct watch *w, struct partner *p, uint64_t now_ms)
{
	uint64_t rate = p->suspicious ? w->lim.slow_per_s : w->lim.rate_per_s;
	uint64_t full = (p->suspicious ? rate : w->lim.burst) * WATCH_MILLI;
	uint64_t got = p->tokens + (now_ms - p->refill_ms) * rate;

	p->tokens = (uint32_t)(got < full ? got : full);
	p->refill_ms = now_ms;
}

/* True if contact was known or there was room for it. */
static bool
partner_contact(const struct watch *w, struct partner *p, uint64_t contact, uint64_t now_ms)
{
	uint32_t i;

	if (w->lim.contacts == 0)
		return true;
	if (now_ms - p->window_ms >= w->lim.window_ms) {
		p->window_ms = now_ms;
		p->n_contacts = 0;
		p->over_contacts = false;
		if (p->contacts)
			memset(p->contacts, 0, w->n_slots * sizeof(*p->contacts));
	}
	if (!p->contacts) {
		p->contacts = calloc(w->n_slots, sizeof(*p->contacts));
		if (!p->contacts)
			return false; /* cannot count: fail closed */
	}
	contact += contact == 0; /* 0 marks an empty slot */
	for (i = (uint32_t)contact & (w->n_slots - 1); p->contacts[i];
	     i = (i + 1) & (w->n_slots - 1))
		if (p->contacts[i] == contact)
			return true;
	if (p->n_contacts >= w->lim.contacts)
		return false;
	p->contacts[i] = contact;
	p->n_contacts++;
	return true;
}

static void
partner_held(struct partner *p, uint64_t now_ms, enum watch_state *ret_entered)
{
	if (ret_entered && !p->throttled && !p->suspicious)
		*ret_entered = WATCH_THROTTLED;
	p->throttled = true;
	p->throttled_ms = now_ms;
	p->waited++;
}

void
watch_held(struct watch *w, struct str domain, uint64_t now_ms, enum watch_state *ret_entered)
{
	struct partner *p = partner_get(w, domain, now_ms);

	if (ret_entered)
		*ret_entered = WATCH_NORMAL;
	if (p)
		partner_held(p, now_ms, ret_entered);
}

enum watch_verdict
watch_request(struct watch *w, struct str domain, uint64_t contact, uint64_t now_ms,
    uint32_t *ret_wait_ms, enum watch_state *ret_entered)
{
	struct partner *p = partner_get(w, domain, now_ms);
	uint32_t rate;

	if (ret_entered)
		*ret_entered = WATCH_NORMAL;
	if (!p)
		return WATCH_REFUSE; /* no memory to watch it with: fail closed */
	partner_refill(w, p, now_ms);
	if (p->tokens < WATCH_MILLI) {
		partner_held(p, now_ms, ret_entered);
		rate = p->suspicious ? w->lim.slow_per_s : w->lim.rate_per_s;
		*ret_wait_ms = rate ? (WATCH_MILLI - p->tokens + rate - 1) / rate : 1000;
		return WATCH_WAIT;
	}
	if (p->throttled && now_ms - p->throttled_ms >= WATCH_THROTTLED_MS)
		p->throttled = false;
	p->tokens -= WATCH_MILLI;
	p->requests++;
	if (partner_contact(w, p, contact, now_ms))
		return WATCH_PASS;
	if (ret_entered && !p->over_contacts)
		*ret_entered = WATCH_CONTACTS;
	p->over_contacts = true;
	p->refused++;
	return WATCH_REFUSE;
}

/* access-edge-sip 11.6: these say that the user was wrong, not that the call was. */
static bool
status_is_failed_target(uint16_t status)
{
	return status == 404 || status == 403 || status == 481;
}

void
watch_response(struct watch *w, struct str domain, uint16_t status, uint64_t now_ms,
    enum watch_state *ret_entered)
{
	struct partner *p = partner_find(w, domain);

	if (ret_entered)
		*ret_entered = WATCH_NORMAL;
	if (!p || status < 200)
		return;
	if (now_ms - p->ratio_ms >= WATCH_RATIO_MS) {
		if (p->failures * 4 >= p->finals) /* the window that ends was a bad one */
			p->calm_since_ms = now_ms;
		p->ratio_ms = now_ms;
		p->finals = p->failures = 0;
	}
	p->finals++;
	p->failures += status_is_failed_target(status);
	if (!p->suspicious) {
		if (p->finals >= w->lim.suspect_after && p->failures * 2 > p->finals) {
			partner_refill(w, p, now_ms);
			p->suspicious = true;
			p->tokens = 0;
			p->calm_since_ms = now_ms;
			if (ret_entered)
				*ret_entered = WATCH_SUSPICIOUS;
		}
	} else if (p->failures * 4 >= p->finals) {
		p->calm_since_ms = now_ms;
	} else if (now_ms - p->calm_since_ms >= WATCH_FORGIVE_MS) {
		p->suspicious = false;
	}
}

bool
watch_release(struct watch *w, struct str domain)
{
	struct partner *p = partner_find(w, domain);

	if (!p)
		return false;
	partner_free(w, p);
	return true;
}

static enum watch_state
partner_state(const struct partner *p, uint64_t now_ms)
{
	if (p->over_contacts)
		return WATCH_CONTACTS;
	if (p->suspicious)
		return WATCH_SUSPICIOUS;
	if (p->throttled && now_ms - p->throttled_ms < WATCH_THROTTLED_MS)
		return WATCH_THROTTLED;
	return WATCH_NORMAL;
}

void
watch_each(const struct watch *w, uint64_t now_ms,
    void (*each)(const struct watch_row *row, void *arg), void *arg)
{
	LIST_EACH(it, &w->lru)
	{
		const struct partner *p = LIST_OF(it, struct partner, lru);
		struct watch_row row = {
		    .domain = {p->domain, p->domain_len},
		    .state = partner_state(p, now_ms),
		    .first_ms = p->first_ms,
		    .last_ms = p->last_ms,
		    .requests = p->requests,
		    .refused = p->refused,
		    .waited = p->waited,
		    .contacts = p->n_contacts,
		    .finals = p->finals,
		    .failures = p->failures,
		};

		each(&row, arg);
	}
}

const char *
watch_state_name(enum watch_state s)
{
	static const char *const names[] = {"normal", "throttled", "suspicious", "contacts"};

	return names[s];
}

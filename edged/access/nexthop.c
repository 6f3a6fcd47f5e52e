/* SPDX-License-Identifier: MIT */
#include "access/nexthop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/flow.h"
#include "svc/log.h"

void
nexthop_init(struct nexthop *nh, const struct nexthop_ops *ops, void *arg)
{
	memset(nh, 0, sizeof(*nh));
	nh->ops = ops;
	nh->arg = arg;
}

static void
member_free(struct nexthop_member *m)
{
	free(m->links);
	free(m);
}

void
nexthop_done(struct nexthop *nh)
{
	for (unsigned i = 0; i < nh->n_members; i++)
		member_free(nh->members[i]);
	nh->n_members = 0;
}

/* Members whose links are all closed and who have left the pool are forgotten. */
static void
sweep(struct nexthop *nh)
{
	for (unsigned i = 0; i < nh->n_members;) {
		struct nexthop_member *m = nh->members[i];
		bool idle = m->gone;

		for (unsigned k = 0; k < nh->n_links && idle; k++)
			idle = m->links[k].state == LINK_CLOSED;
		if (!idle) {
			i++;
			continue;
		}
		member_free(m);
		nh->members[i] = nh->members[--nh->n_members];
	}
}

static struct nexthop_member *
member_find(struct nexthop *nh, unsigned source, const struct addr *addr)
{
	for (unsigned i = 0; i < nh->n_members; i++)
		if (nh->members[i]->source == source && addr_eq(&nh->members[i]->addr, addr))
			return nh->members[i];
	return NULL;
}

static struct nexthop_member *
member_add(struct nexthop *nh, unsigned source, const struct addr *addr)
{
	struct nexthop_member *m;

	if (nh->n_members == NEXTHOP_MEMBERS_MAX)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->links = calloc(nh->n_links, sizeof(*m->links));
	if (!m->links) {
		free(m);
		return NULL;
	}
	m->nh = nh;
	m->addr = *addr;
	m->source = (uint8_t)source;
	m->id = ++nh->last_id ? nh->last_id : ++nh->last_id;
	memcpy(m->host, nh->sources[source].host, sizeof(m->host));
	for (unsigned k = 0; k < nh->n_links; k++)
		m->links[k].member = m;
	nh->members[nh->n_members++] = m;
	return m;
}

static int
source_parse(const char *text, uint16_t port, struct nexthop_source *ret)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = strchr(text, ']');
	size_t n = strlen(text);
	uint32_t v = port;

	if (colon && (!bracket || colon > bracket) && (bracket || strchr(text, ':') == colon)) {
		if (!str_to_u32(str_of(colon + 1), 65535, &v) || v == 0)
			return ED_MALFORMED;
		n = (size_t)(colon - text);
	}
	if (n == 0 || n >= sizeof(ret->host))
		return ED_LIMIT;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->host, text, n);
	ret->port = (uint16_t)v;
	ret->used = true;
	return ED_OK;
}

static int
source_slot(struct nexthop *nh, const struct nexthop_source *want)
{
	int free_slot = -1;

	for (int i = 0; i < NEXTHOP_SOURCES_MAX; i++) {
		struct nexthop_source *s = &nh->sources[i];

		if (s->host[0] && strcmp(s->host, want->host) == 0 && s->port == want->port)
			return i;
		if (!s->host[0] && free_slot < 0)
			free_slot = i;
	}
	return free_slot;
}

static bool
source_has_members(const struct nexthop *nh, unsigned source)
{
	for (unsigned i = 0; i < nh->n_members; i++)
		if (nh->members[i]->source == source)
			return true;
	return false;
}

int
nexthop_configure(struct nexthop *nh, const char *const *hosts, uint32_t n_hosts, uint16_t port,
    uint32_t n_links, uint32_t probe_interval_ms, uint64_t now_ms)
{
	struct nexthop_source want[NEXTHOP_SOURCES_MAX];
	int r;

	if (n_hosts == 0 || n_hosts > NEXTHOP_SOURCES_MAX)
		return ED_LIMIT;
	for (uint32_t i = 0; i < n_hosts; i++) {
		r = source_parse(hosts[i], port, &want[i]);
		if (r < 0)
			return r;
	}
	if (nh->n_links == 0) /* how many a member has is fixed with the first configuration */
		nh->n_links = (uint8_t)(n_links == 0                  ? 1
					: n_links > NEXTHOP_LINKS_MAX ? NEXTHOP_LINKS_MAX
								      : n_links);
	nh->probe_interval_ms = probe_interval_ms;
	for (unsigned i = 0; i < NEXTHOP_SOURCES_MAX; i++) {
		struct nexthop_source *s = &nh->sources[i];

		s->used = false;
		if (s->host[0] && !source_has_members(nh, i) && !s->asked)
			s->host[0] = '\0';
	}
	for (uint32_t i = 0; i < n_hosts; i++) {
		int at = source_slot(nh, &want[i]);

		if (at < 0)
			return ED_LIMIT;
		if (!nh->sources[at].host[0])
			nh->sources[at] = want[i];
		nh->sources[at].used = true;
	}
	for (unsigned i = 0; i < nh->n_members; i++)
		nh->members[i]->gone = !nh->sources[nh->members[i]->source].used;
	nexthop_tick(nh, now_ms);
	return ED_OK;
}

void
nexthop_resolved(struct nexthop *nh, uint32_t source, const struct addr *addrs, uint8_t n,
    uint32_t ttl_s, uint64_t now_ms)
{
	struct nexthop_source *s;

	if (source >= NEXTHOP_SOURCES_MAX || !nh->sources[source].host[0])
		return;
	s = &nh->sources[source];
	s->asked = false;
	if (n ==
	    0) { /* what we knew stays; a name server's bad moment must not take the pool down */
		s->ask_at_ms = now_ms + NEXTHOP_RESOLVE_MIN_MS;
		if (!source_has_members(nh, source))
			log_error(AREA_SIP, "ACC-2006", "next_hop_unreachable",
			    "fqdn=%s reason=\"no address\" hint=\"DNS or /etc/hosts\"", s->host);
		return;
	}
	s->ask_at_ms = now_ms + (uint64_t)(ttl_s < 30 ? 30 : ttl_s) * 1000;
	for (unsigned i = 0; i < nh->n_members; i++)
		if (nh->members[i]->source == source)
			nh->members[i]->gone = true;
	for (uint8_t i = 0; i < n; i++) {
		struct addr a = addrs[i];
		struct nexthop_member *m;

		a.port = s->port;
		m = member_find(nh, source, &a);
		if (!m)
			m = member_add(nh, source, &a);
		if (m)
			m->gone = !s->used;
	}
	nexthop_tick(nh, now_ms);
}

static void
source_tick(struct nexthop *nh, unsigned i, uint64_t now_ms)
{
	struct nexthop_source *s = &nh->sources[i];
	struct addr a;

	if (!s->used || s->asked || s->ask_at_ms > now_ms)
		return;
	s->asked = true;
	if (addr_parse_ip(&a, str_of(s->host)) == ED_OK) {
		nexthop_resolved(nh, i, &a, 1, 86400, now_ms);
		return;
	}
	if (nh->ops->resolve(nh->arg, s->host, i) < 0)
		nexthop_resolved(nh, i, NULL, 0, 0, now_ms);
}

static void
link_open(struct nexthop_link *l, uint64_t now_ms)
{
	struct nexthop_member *m = l->member;

	l->state = LINK_OPENING;
	l->probed_ms = now_ms;
	if (m->nh->ops->open(m->nh->arg, l) < 0)
		nexthop_link_down(l, now_ms, "no descriptor or memory");
}

/* A link that stands: probe it when its time has come, give it up when it fell silent. */
static void
link_watch(struct nexthop_link *l, uint64_t now_ms)
{
	struct nexthop *nh = l->member->nh;
	uint64_t since = l->flow->waiting_since_ms;

	if (since && now_ms - since >= NEXTHOP_SILENT_MS) {
		l->member->failed = true; /* before close: its other links are as deaf */
		nh->ops->close(nh->arg, l);
		return;
	}
	if (since && now_ms - since >= NEXTHOP_PROBE_MS && l->probed_ms <= since) {
		l->probed_ms = now_ms;
		nh->ops->probe(nh->arg, l);
		return;
	}
	if (nh->probe_interval_ms && now_ms - l->probed_ms >= nh->probe_interval_ms) {
		l->probed_ms = now_ms;
		nh->ops->probe(nh->arg, l);
	}
}

static void
member_tick(struct nexthop_member *m, uint64_t now_ms)
{
	for (unsigned k = 0; k < m->nh->n_links; k++) {
		struct nexthop_link *l = &m->links[k];

		if (m->gone) {
			if (l->state == LINK_UP && list_is_empty(&l->flow->sent) &&
			    list_is_empty(&l->flow->open))
				m->nh->ops->close(m->nh->arg, l);
			continue;
		}
		if (l->state == LINK_UP)
			link_watch(l, now_ms);
		else if (l->state == LINK_CLOSED && now_ms >= m->retry_at_ms &&
			 (k == 0 || m->n_up > 0))
			link_open(l, now_ms);
	}
	if (m->failed && m->n_up > 0) /* a silent link was given up: the others go with it */
		for (unsigned k = 0; k < m->nh->n_links; k++)
			if (m->links[k].state == LINK_UP)
				m->nh->ops->close(m->nh->arg, &m->links[k]);
}

void
nexthop_tick(struct nexthop *nh, uint64_t now_ms)
{
	for (unsigned i = 0; i < NEXTHOP_SOURCES_MAX; i++)
		source_tick(nh, i, now_ms);
	for (unsigned i = 0; i < nh->n_members; i++)
		member_tick(nh->members[i], now_ms);
	sweep(nh);
}

void
nexthop_link_up(struct nexthop_link *l, uint64_t now_ms)
{
	struct nexthop_member *m = l->member;
	char a[ADDR_STR_LEN];

	assert(l->state == LINK_OPENING);
	l->state = LINK_UP;
	l->probed_ms = now_ms;
	m->n_up++;
	m->retry_ms = 0;
	m->retry_at_ms = now_ms;
	if (m->failed)
		log_notice(AREA_SIP, "ACC-2007", "next_hop_recovered",
		    "fqdn=%s addr=%s outage_s=%u", m->host, addr_str(&m->addr, a),
		    (unsigned)((now_ms - m->failed_since_ms) / 1000));
	m->failed = false;
	m->failed_since_ms = 0;
	m->reached = true;
	for (unsigned k = 0; k < m->nh->n_links && !m->gone; k++)
		if (m->links[k].state == LINK_CLOSED)
			link_open(&m->links[k], now_ms);
}

void
nexthop_link_down(struct nexthop_link *l, uint64_t now_ms, const char *why)
{
	struct nexthop_member *m = l->member;
	bool was_up = l->state == LINK_UP;
	bool was_failed = m->failed && m->failed_since_ms;
	char a[ADDR_STR_LEN];

	l->state = LINK_CLOSED;
	l->flow = NULL;
	if (was_up)
		m->n_up--;
	if (m->gone || m->n_up > 0)
		return;
	if (was_up && !m->failed) { /* closed on us: dial at once, requests wait for it */
		m->retry_at_ms = now_ms;
		return;
	}
	m->retry_ms = m->retry_ms ? m->retry_ms * 2 : NEXTHOP_RETRY_MIN_MS;
	if (m->retry_ms > NEXTHOP_RETRY_MAX_MS)
		m->retry_ms = NEXTHOP_RETRY_MAX_MS;
	m->retry_at_ms = now_ms + m->retry_ms;
	m->failed = true;
	if (was_failed)
		return;
	m->failed_since_ms = now_ms;
	log_error(AREA_SIP, "ACC-2006", "next_hop_unreachable",
	    "fqdn=%s addr=%s reason=\"%s\" hint=\"route, firewall %u, name, certificate\"", m->host,
	    addr_str(&m->addr, a), why, m->addr.port);
}

void
nexthop_refused(struct nexthop_link *l, uint32_t retry_after_s, uint64_t now_ms)
{
	struct nexthop_member *m = l->member;
	uint64_t ms = retry_after_s ? (uint64_t)retry_after_s * 1000 : NEXTHOP_SHUN_MS;
	char a[ADDR_STR_LEN];

	if (ms > NEXTHOP_SHUN_MAX_MS)
		ms = NEXTHOP_SHUN_MAX_MS;
	if (m->shunned_until_ms <= now_ms)
		log_notice(AREA_SIP, "", "next_hop_refuses", "fqdn=%s addr=%s status=503 for_ms=%u",
		    m->host, addr_str(&m->addr, a), (unsigned)ms);
	m->shunned_until_ms = now_ms + ms;
}

static bool
member_is_usable(const struct nexthop_member *m, uint64_t now_ms, bool shunned_too)
{
	return !m->gone && !m->failed && m->n_up > 0 &&
	       (shunned_too || m->shunned_until_ms <= now_ms);
}

static uint64_t
spread(uint64_t cid)
{
	cid *= 0x9e3779b97f4a7c15u;
	return cid >> 33;
}

static struct nexthop_member *
member_pick(struct nexthop *nh, uint64_t cid, uint16_t kept, uint64_t now_ms)
{
	for (unsigned pass = 0; pass < 2; pass++) { /* shunned ones in the second */
		struct nexthop_member *usable[NEXTHOP_MEMBERS_MAX];
		unsigned n = 0;

		for (unsigned i = 0; i < nh->n_members; i++) {
			if (!member_is_usable(nh->members[i], now_ms, pass == 1))
				continue;
			if (nh->members[i]->id == kept)
				return nh->members[i];
			usable[n++] = nh->members[i];
		}
		if (n)
			return usable[spread(cid) % n];
	}
	return NULL;
}

enum nexthop_verdict
nexthop_pick(struct nexthop *nh, uint64_t cid, uint16_t *member, uint64_t now_ms,
    struct nexthop_link **ret_link)
{
	struct nexthop_member *m = member_pick(nh, cid, *member, now_ms);

	if (m) {
		unsigned at = (unsigned)(spread(cid) >> 8) % nh->n_links;

		while (m->links[at].state != LINK_UP)
			at = (at + 1) % nh->n_links;
		*member = m->id;
		*ret_link = &m->links[at];
		return NEXTHOP_USE;
	}
	for (unsigned i = 0; i < nh->n_members; i++)
		if (!nh->members[i]->gone && !nh->members[i]->failed)
			return NEXTHOP_WAIT;
	for (unsigned i = 0; i < NEXTHOP_SOURCES_MAX; i++)
		if (nh->sources[i].used && nh->sources[i].asked && !source_has_members(nh, i))
			return NEXTHOP_WAIT;
	return NEXTHOP_NONE;
}

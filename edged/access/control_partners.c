/* SPDX-License-Identifier: MIT
 *
 * access/control_partners.c: `edgectl partners` and `edgectl release`: the partners of this worker,
 * the connections with them and whose certificate each shows, and the watch list, each with its
 * reason and what an administrator can do (FED-25).
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/control.h"
#include "access/engine.h"
#include "svc/svc.h"

#define ROW_ROOM 1024u

struct rows {
	struct svc_ctl_reply *reply;
	uint64_t now_ms;
	bool first;
	uint32_t left_out;
};

/* Foreign text within quotes: what JSON or a terminal could mistake becomes a question mark. */
static const char *
safe(struct str s, char *buf, size_t room)
{
	size_t n = 0;

	for (; n < s.n && n + 1 < room; n++) {
		unsigned char c = (unsigned char)s.p[n];

		buf[n] = c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? '?' : (char)c;
	}
	buf[n] = '\0';
	return buf;
}

static bool
row_begin(struct rows *r)
{
	if (!svc_reply_has_room(r->reply, ROW_ROOM)) {
		r->left_out++;
		return false;
	}
	svc_reply(r->reply, "%s{", r->first ? "" : ",");
	r->first = false;
	return true;
}

static const char *
todo_of(const struct partner *p)
{
	if (!p->failed)
		return "";
	switch (p->diag) {
	case DIAG_SRV_UNRESOLVED:
		return "set proxy_fqdn in federation.allowed, or ask the partner for the record";
	case DIAG_SRV_CONFLICT:
		return "set proxy_fqdn in federation.allowed if that host is the partner's";
	case DIAG_TLS_TRUST:
	case DIAG_TLS_PARTNER:
		return "compare the certificate's names and authority "
		       "(certificates.external_trust)";
	case DIAG_A_UNRESOLVED:
		return "ask the partner for the host's address record";
	default:
		return "check route and firewall to port 5061";
	}
}

static void
partner_row(struct rows *r, const struct partner *p)
{
	char name[256], why[200], host[256];
	uint64_t wait_ms = p->failed && p->retry_at_ms > r->now_ms ? p->retry_at_ms - r->now_ms : 0;

	if (!row_begin(r))
		return;
	svc_reply(r->reply,
	    "\"partner\":\"%s\",\"found_by\":\"%s\",\"state\":\"%s\",\"links\":%u,\"host\":\"%s\","
	    "\"waiting\":%u,\"requests\":%llu,\"attempts\":%llu,\"failures\":%llu,\"retry_ms\":%"
	    "llu,"
	    "\"why\":\"%s\",\"todo\":\"%s\"}",
	    safe(str_of(p->name), name, sizeof(name)), p->by_srv ? "srv" : "proxy_fqdn",
	    partner_state_name(p), p->n_up,
	    safe(p->up_host ? str_of(p->up_host) : STR(""), host, sizeof(host)), p->queue.n,
	    (unsigned long long)p->requests, (unsigned long long)p->connects,
	    (unsigned long long)p->failures, (unsigned long long)wait_ms,
	    p->failed ? safe(str_of(p->why), why, sizeof(why)) : "", todo_of(p));
}

static const char *
names_of(const struct flow *f, char *buf, size_t room)
{
	char all[240];
	size_t at = 0;

	all[0] = '\0';
	for (uint16_t i = 0; f->names && i < f->names->n && at < sizeof(all); i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s" STR_FMT, i ? " " : "",
		    STR_ARG(f->names->v[i]));
	return safe(str_of(all), buf, room);
}

static void
connection_row(struct rows *r, const struct flow *f)
{
	static const struct flow_cert none;
	const struct flow_cert *c = f->cert ? f->cert : &none;
	time_t end = (time_t)c->not_after;
	char a[ADDR_STR_LEN], names[256], issuer[200], serial[80], day[32] = "";
	struct tm tm;

	if (!row_begin(r))
		return;
	if (gmtime_r(&end, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	svc_reply(r->reply,
	    "\"flow\":\"%llx\",\"opened_by\":\"%s\",\"peer\":\"%s\",\"certificate\":\"%s\","
	    "\"issuer\":\"%s\",\"serial\":\"%s\",\"not_after\":\"%s\",\"tls\":\"%s\","
	    "\"transactions\":%u,\"waiting\":%u,\"age_s\":%llu,\"idle_s\":%llu}",
	    (unsigned long long)f->cid, f->by_us ? "us" : "partner", addr_str(&f->peer, a),
	    names_of(f, names, sizeof(names)), safe(str_of(c->issuer), issuer, sizeof(issuer)),
	    safe(str_of(c->serial), serial, sizeof(serial)), day, c->version, f->n_txns,
	    f->n_parked, (unsigned long long)(r->now_ms - f->born_ms) / 1000,
	    (unsigned long long)(r->now_ms - f->last_in_ms) / 1000);
}

static const char *
watch_why(enum watch_state s)
{
	static const char *const why[] = {
	    [WATCH_NORMAL] = "",
	    [WATCH_THROTTLED] =
		"sent faster than federation.discovered_rate within the last minute",
	    [WATCH_SUSPICIOUS] = "most of its requests failed: one request a second",
	    [WATCH_CONTACTS] = "addressed more users than federation.discovered_contacts",
	};

	return why[s];
}

static const char *
watch_todo(enum watch_state s)
{
	switch (s) {
	case WATCH_NORMAL:
		return "";
	case WATCH_THROTTLED:
		return "an entry in federation.allowed lifts the limit";
	default:
		return "known: list it in federation.allowed, or edgectl release; unknown: "
		       "federation.blocked";
	}
}

static void
watch_row_show(const struct watch_row *w, void *arg)
{
	struct rows *r = arg;
	char domain[256];

	if (!row_begin(r))
		return;
	svc_reply(r->reply,
	    "\"domain\":\"%s\",\"state\":\"%s\",\"requests\":%llu,\"refused\":%llu,\"waited\":%llu,"
	    "\"contacts\":%u,\"finals\":%u,\"failures\":%u,\"first_s\":%llu,\"last_s\":%llu,"
	    "\"why\":\"%s\",\"todo\":\"%s\"}",
	    safe(w->domain, domain, sizeof(domain)), watch_state_name(w->state),
	    (unsigned long long)w->requests, (unsigned long long)w->refused,
	    (unsigned long long)w->waited, w->contacts, w->finals, w->failures,
	    (unsigned long long)(r->now_ms - w->first_ms) / 1000,
	    (unsigned long long)(r->now_ms - w->last_ms) / 1000, watch_why(w->state),
	    watch_todo(w->state));
}

static void
list_row(const struct access_list *l, void *arg)
{
	struct rows *r = arg;
	char url[300], why[200], day[32] = "";
	time_t end = (time_t)l->next_update;
	struct tm tm;

	if (!row_begin(r))
		return;
	if (end && gmtime_r(&end, &tm))
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
	svc_reply(r->reply,
	    "\"url\":\"%s\",\"state\":\"%s\",\"entries\":%u,\"next_update\":\"%s\",\"why\":\"%s\"}",
	    safe(str_of(l->url), url, sizeof(url)), l->state, l->entries, day,
	    safe(str_of(l->why), why, sizeof(why)));
}

void
control_partners(struct access *ax, struct svc_ctl_reply *reply)
{
	struct rows r = {.reply = reply, .now_ms = ax->ops->now_ms(ax->net), .first = true};

	svc_reply(reply, "{\"federation\":\"%s\",\"discovery\":\"%s\",\"partners\":[",
	    ax->view->allow_federated_users ? "on" : "off",
	    ax->view->partner_discovery ? "on" : "off");
	LIST_EACH(it, &ax->partners.lru)
	{
		partner_row(&r, LIST_OF(it, struct partner, lru));
	}
	svc_reply(reply, "],\"connections\":[");
	r.first = true;
	LIST_EACH(it, &ax->partner_flows)
	{
		connection_row(&r, LIST_OF(it, struct flow, peers));
	}
	svc_reply(reply, "],\"watch\":[");
	r.first = true;
	watch_each(ax->watch, r.now_ms, watch_row_show, &r);
	svc_reply(reply, "],\"revocation_lists\":[");
	r.first = true;
	if (ax->ops->each_list)
		ax->ops->each_list(ax->net, list_row, &r);
	svc_reply(reply, "],\"left_out\":%u}", r.left_out);
}

void
control_release(struct access *ax, struct str domain, struct svc_ctl_reply *reply)
{
	char low[320];
	size_t n = domain.n < sizeof(low) ? domain.n : sizeof(low);
	bool released;

	for (size_t i = 0; i < n; i++)
		low[i] = (char)ascii_lower((unsigned char)domain.p[i]);
	if (memchr(low, '@', n)) /* an account, not a partner */
		released = softlock_release(ax, (struct str){low, n});
	else
		released = watch_release(ax->watch, (struct str){low, n});
	svc_reply(reply, "{\"released\":%s}", released ? "true" : "false");
}

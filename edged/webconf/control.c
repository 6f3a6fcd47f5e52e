/* SPDX-License-Identifier: MIT
 *
 * webconf/control.c: what `edgectl webconf` asks: state, and tickets for signalling systems.
 */
#include "webconf/room.h"

#include <stdio.h>

#include "base/digest.h"
#include "base/wipe.h"
#include "proto/psom/line.h"
#include "proto/psom/preface.h"
#include "proto/psom/ticket.h"
#include "svc/svc.h"
#include "webconf/counters.h"
#include "webconf/link.h"
#include "webconf/sessions.h"
#include "webconf/view.h"

static void
print_status(struct webconf *w, struct svc_ctl_reply *reply)
{
	svc_reply(reply,
	    "{\"clients\":%u,\"links_up\":%u,\"queued\":%llu,\"throttling\":%s,\"tickets\":%zu,"
	    "\"links\":",
	    w->n_clients, w->n_links, (unsigned long long)w->queued,
	    w->throttling ? "true" : "false", psom_tickets_count(w->tickets));
	links_print(w, reply);
	svc_reply(reply, "}");
}

static void
hex(const uint8_t *p, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", p[i]);
}

static void
print_ticket(struct svc_ctl_reply *reply, const struct view *v, const struct psom_line *l,
    const uint8_t *handle)
{
	char text[2 * PSOM_HASH_LEN + 1], label[PSOM_LABEL_LEN];

	hex(l->hash, PSOM_HASH_LEN, text);
	svc_reply(reply, "{\"ticket\":\"%s\",\"not_after\":%llu,\"uses\":%u", text,
	    (unsigned long long)l->not_after_s, l->uses);
	if (handle) {
		psom_label_write(handle, label);
		hex(handle, PSOM_HANDLE_LEN, text);
		svc_reply(reply, ",\"handle\":\"%s\",\"host\":\"%.*s." STR_FMT "\"", text,
		    (int)sizeof(label), label, STR_ARG(v->ticket_suffix));
		wipe(text, sizeof(text));
		wipe(label, sizeof(label));
	}
	svc_reply(reply, "}");
}

/*
 * "server=ID [uses=N] [conference=REF] [not-after=S] [ticket=HASH]": the words of an announcement
 * line. Without a hash a handle is made here and printed; it is kept nowhere.
 */
static void
ticket_add(struct webconf *w, struct str words, struct svc_ctl_reply *reply)
{
	uint64_t now_s = webconf_wall_s();
	uint8_t handle[PSOM_HANDLE_LEN], hash[PSOM_HASH_LEN];
	struct str h = {(const char *)handle, sizeof(handle)};
	char line[PSOM_LINE_MAX], text[2 * PSOM_HASH_LEN + 1];
	struct psom_line l;
	bool own = !str_starts_nocase(words, STR("ticket="));
	ptrdiff_t sp = str_find(words, ' ');
	int n, r;

	svc_random(handle, sizeof(handle));
	if (digest_sha256(&h, 1, hash) < 0) {
		svc_reply(reply, "{\"error\":\"digest\"}");
		return;
	}
	hex(hash, sizeof(hash), text);
	if (!own) {
		struct str given = str_from(str_first(words, sp < 0 ? words.n : (size_t)sp), 7);

		words = sp < 0 ? STR_NONE : str_from(words, (size_t)sp + 1);
		snprintf(text, sizeof(text), STR_FMT, STR_ARG(given));
	}
	n = snprintf(line, sizeof(line), "ticket %s " STR_FMT, text, STR_ARG(words));
	if (n > 0 && (size_t)n < sizeof(line) && !strstr(line, "not-after="))
		n += snprintf(line + n, sizeof(line) - (size_t)n, " not-after=%llu",
		    (unsigned long long)(now_s + w->view->lim.ticket_life_s));
	r = n > 0 && (size_t)n < sizeof(line) ? psom_line_read((struct str){line, (size_t)n}, &l)
					      : ED_LIMIT;
	if (r == ED_OK)
		r = psom_tickets_put(w->tickets, &l, now_s);
	count_set(COUNT_TICKETS, psom_tickets_count(w->tickets));
	if (r == ED_OK)
		print_ticket(reply, w->view, &l, own ? handle : NULL);
	else
		svc_reply(reply, "{\"error\":\"%s\"}", ed_err_name(r));
	wipe(handle, sizeof(handle));
}

static void
ticket_revoke(struct webconf *w, struct str hash, struct svc_ctl_reply *reply)
{
	char line[PSOM_LINE_MAX];
	struct psom_line l;
	int n = snprintf(line, sizeof(line), "revoke " STR_FMT, STR_ARG(hash));
	int r = n > 0 && (size_t)n < sizeof(line)
		    ? psom_line_read((struct str){line, (size_t)n}, &l)
		    : ED_LIMIT;

	if (r == ED_OK)
		r = psom_tickets_revoke(w->tickets, l.hash);
	if (r == ED_OK)
		svc_reply(reply, "{\"revoked\":true}");
	else
		svc_reply(reply, "{\"error\":\"%s\"}", r == ED_GONE ? "unknown" : ed_err_name(r));
}

void
webconf_control(void *room, struct str verb, struct str arg, struct svc_ctl_reply *reply)
{
	static const struct str add = {"ticket add ", 11}, revoke = {"ticket revoke ", 14};
	struct webconf *w = room;

	if (str_eq(verb, STR("sessions"))) {
		sessions_write(w, arg, reply);
		return;
	}
	if (str_eq(verb, STR("kick"))) {
		sessions_kick(w, arg, reply);
		return;
	}
	if (!str_eq(verb, STR("webconf")) && !str_eq(verb, STR("status")))
		return;
	if (str_starts_nocase(arg, add))
		ticket_add(w, str_from(arg, add.n), reply);
	else if (str_starts_nocase(arg, revoke))
		ticket_revoke(w, str_from(arg, revoke.n), reply);
	else
		print_status(w, reply);
}

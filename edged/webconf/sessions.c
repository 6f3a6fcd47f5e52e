/* SPDX-License-Identifier: MIT
 *
 * webconf/sessions.c
 */
#include "webconf/sessions.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/list.h"
#include "svc/log.h"
#include "svc/svc.h"
#include "webconf/client.h"
#include "webconf/room.h"

#define LINE_LEN   320u
#define FILTER_LEN 128u
#define ID_LEN     20u

void
sessions_write(struct webconf *w, struct str filter, struct svc_ctl_reply *reply)
{
	char want[FILTER_LEN], line[LINE_LEN], a[ADDR_STR_LEN];
	struct client_facts f;
	unsigned n = 0, left_out = 0;

	snprintf(want, sizeof(want), STR_FMT, STR_ARG(filter));
	svc_reply(reply, "{\"sessions\":[");
	LIST_EACH(it, &w->clients)
	{
		client_at(it, &f);
		snprintf(line, sizeof(line),
		    "{\"flow\":\"%llx\",\"kind\":\"guest\",\"peer\":\"%s\",\"state\":\"%s\","
		    "\"age_s\":%llu,\"octets_in\":%llu,\"octets_out\":%llu}",
		    (unsigned long long)f.id, addr_str(&f.peer, a), f.state,
		    (unsigned long long)f.age_s, (unsigned long long)f.in,
		    (unsigned long long)f.out);
		if (!strstr(line, want))
			continue;
		if (!svc_reply_has_room(reply, LINE_LEN)) {
			left_out++;
			continue;
		}
		svc_reply(reply, "%s%s", n++ ? "," : "", line);
	}
	svc_reply(reply, "],\"left_out\":%u}", left_out);
}

void
sessions_kick(struct webconf *w, struct str id, struct svc_ctl_reply *reply)
{
	char text[ID_LEN], a[ADDR_STR_LEN], *end;
	struct client_facts f;
	unsigned long long want;

	snprintf(text, sizeof(text), STR_FMT, STR_ARG(id));
	want = strtoull(text, &end, 16);
	LIST_EACH_SAFE(it, &w->clients)
	{
		struct client *c = client_at(it, &f);

		if (id.n == 0 || id.n >= sizeof(text) || *end || f.id != want)
			continue;
		log_notice(AREA_WEBCONF, "", "guest_kicked", "flow=%llx peer=%s", want,
		    addr_str(&f.peer, a));
		client_end(c, CLIENT_KICKED);
		svc_reply(reply, "{\"kicked\":true}");
		return;
	}
	svc_reply(reply, "{\"kicked\":false}");
}

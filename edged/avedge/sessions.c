/* SPDX-License-Identifier: MIT
 *
 * avedge/sessions.c: `edgectl sessions`: who holds the relay ports.
 */
#include <inttypes.h>

#include "avedge/internal.h"
#include "proto/turn/allocation.h"
#include "svc/log.h"

#define LISTED_MAX 640u /* bytes of one allocation's entry */
struct listing {
	struct svc_ctl_reply *reply;
	uint64_t now_ms;
	unsigned n, left_out;
};

static void
list_one(const struct turn_allocation *a, void *arg)
{
	struct listing *l = arg;
	char client[ADDR_STR_LEN], relayed[2][ADDR_STR_LEN] = {"", ""};
	uint64_t left_ms = a->expires_ms > l->now_ms ? a->expires_ms - l->now_ms : 0;
	char user[TURN_USER_STR_LEN];

	if (a->state != TURN_LIVE) /* released: holds no port any more */
		return;
	if (!svc_reply_has_room(l->reply, LISTED_MAX)) {
		l->left_out++;
		return;
	}
	for (int i = 0; i < 2; i++)
		if (a->relayed[i].family)
			addr_str(&a->relayed[i], relayed[i]);
	svc_reply(l->reply,
	    "%s{\"alloc\":%u,\"user\":\"%s\",\"client\":\"%s\",\"transport\":\"%s\","
	    "\"relayed\":\"%s%s%s\",\"relays\":\"%s\",\"dialect\":\"%s\",\"age_s\":%" PRIu64
	    ",\"expires_s\":%" PRIu64 ",\"permissions\":%u,\"connections\":%u,"
	    "\"packets_from_client\":%" PRIu64 ",\"packets_from_peer\":%" PRIu64
	    ",\"bytes_from_client\":%" PRIu64 ",\"bytes_from_peer\":%" PRIu64 "}",
	    l->n++ ? "," : "", a->id, turn_user_str(a, user), addr_str(&a->flow.client, client),
	    a->flow.transport == TURN_TCP ? "tcp" : "udp", relayed[0],
	    relayed[0][0] && relayed[1][0] ? " " : "", relayed[1],
	    a->transport == TURN_TCP ? "tcp" : "udp", a->dialect->name,
	    (l->now_ms - a->born_ms) / 1000, left_ms / 1000, a->permissions.n, a->n_connections,
	    a->packets[0], a->packets[1], a->bytes[0], a->bytes[1]);
}

void
sessions_write(struct avedge *av, struct svc_ctl_reply *reply)
{
	struct listing l = {.reply = reply, .now_ms = loop_now_ms(av->loop)};

	svc_reply(reply,
	    "{\"datagrams\":\"%s\",\"kernel_flows\":%u,\"ports_in_use\":%u,\"ports\":%u,"
	    "\"allocations\":[",
	    av->has_ring ? "io_uring" : "recvmmsg", av->n_kernel, ports_in_use(av->ports),
	    ports_total(av->ports));
	turn_server_each(av->server, list_one, &l);
	svc_reply(reply, "],\"left_out\":%u}", l.left_out);
}

struct wanted {
	struct addr client;
	struct turn_allocation *found;
};

static void
find_one(const struct turn_allocation *a, void *arg)
{
	struct wanted *w = arg;

	if (a->state == TURN_LIVE && addr_eq(&a->flow.client, &w->client))
		w->found = (struct turn_allocation *)a;
}

/* By the client's address, since numbers of allocations are those of one worker each. */
void
sessions_kick(struct avedge *av, struct str client, struct svc_ctl_reply *reply)
{
	struct wanted w = {.found = NULL};

	if (addr_parse(&w.client, client) == ED_OK && w.client.port)
		turn_server_each(av->server, find_one, &w);
	if (w.found) {
		char text[ADDR_STR_LEN];

		log_notice(AREA_TURN, "", "session_kicked", "alloc=%u client=%s", w.found->id,
		    addr_str(&w.client, text));
		turn_server_end(av->server, w.found, "kicked", &av->acts);
		egress_run(av);
	}
	svc_reply(reply, "{\"kicked\":%s}", w.found ? "true" : "false");
}

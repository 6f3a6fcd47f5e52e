/* SPDX-License-Identifier: MIT
 *
 * avedge/joint.c: connections with peers of TCP allocations (RFC 6062), each joined to a connection
 * of the client's by ConnectionBind. Bytes pass unread; a side that does not read stops the other.
 *
 * Opened from the relayed transport address itself (RFC 6062 5.2), so that the listening socket and
 * every such connection share one port.
 */
#include <stdlib.h>
#include <unistd.h>

#include "avedge/internal.h"
#include "net/stream.h"
#include "proto/turn/allocation.h"

#define OUTPUT_MAX   (256u * 1024u)
#define CLIENT_PAUSE (128u * 1024u)

struct joint {
	struct list link; /* of its relay */
	struct av_relay *relay;
	struct stream *stream;
	uint32_t id;   /* CONNECTION-ID */
	uint32_t conn; /* of the client's connection for it; 0: not bound */
	bool up, opened, peer_waits, client_waits;
};

static void
joint_free(struct joint *j)
{
	if (j->conn)
		client_join(j->relay->av, j->conn, NULL);
	j->stream = stream_finish(j->stream);
	list_remove(&j->link);
	free(j);
}

/* The peer has gone, or could not be reached: the client's side goes with it. */
static void
joint_down(struct joint *j)
{
	struct avedge *av = j->relay->av;
	uint32_t id = j->id, conn = j->conn;
	bool failed = j->opened && !j->up;

	joint_free(j);
	if (conn)
		client_close(av, conn);
	if (failed) {
		turn_server_connected(av->server, id, false, loop_now_ms(av->loop), &av->acts);
		egress_run(av);
	} else {
		turn_server_connection_closed(av->server, id);
	}
}

/* The peer's side. */
static void
read_or_wait(struct joint *j)
{
	stream_pause(j->stream, !j->conn || j->peer_waits || throttle_is_on(j->relay));
}

static void
on_up(struct stream *s, void *arg)
{
	struct joint *j = arg;
	struct avedge *av = j->relay->av;

	(void)s;
	j->up = true;
	turn_server_connected(av->server, j->id, true, loop_now_ms(av->loop), &av->acts);
	egress_run(av);
}

static ptrdiff_t
on_bytes(struct stream *s, void *arg, struct str bytes)
{
	struct joint *j = arg;
	struct avedge *av = j->relay->av;

	(void)s;
	if (!j->conn)
		return 0; /* shown again when it is bound; reading has stopped */
	turn_server_carried(av->server, j->id, 1, (uint32_t)bytes.n, loop_now_ms(av->loop));
	if (!client_send_raw(av, j->conn, bytes, &j->peer_waits))
		return ED_LIMIT; /* ends it: on_down */
	throttle_look(j->relay);
	read_or_wait(j);
	return (ptrdiff_t)bytes.n;
}

static void
on_drained(struct stream *s, void *arg)
{
	struct joint *j = arg;

	(void)s;
	if (!j->client_waits)
		return;
	j->client_waits = false;
	client_pause(j->relay->av, j->conn, false);
}

static void
on_down(struct stream *s, void *arg)
{
	(void)s;
	joint_down(arg);
}

static const struct stream_ops ops = {
    .on_up = on_up, .on_bytes = on_bytes, .on_drained = on_drained, .on_down = on_down};
static const struct stream_limits lim = {.input = 65536, .output = OUTPUT_MAX};

static struct joint *
joint_new(struct av_relay *r, uint32_t id)
{
	struct joint *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->relay = r;
	j->id = id;
	list_push_back(&r->joints, &j->link);
	return j;
}

void
joint_connect(struct avedge *av, struct av_relay *r, uint32_t id, const struct addr *to)
{
	struct stream_target target = {
	    .to = *to, .bind = r->bound, .device = av->device, .share_port = true};
	struct joint *j = joint_new(r, id);

	if (j) {
		j->opened = true;
		j->stream = stream_connect(av->loop, &target, &lim, &ops, j);
		if (j->stream) {
			stream_pause(j->stream, true); /* until it is bound */
			return;
		}
		joint_free(j);
	}
	turn_server_connected(av->server, id, false, loop_now_ms(av->loop), &av->acts);
	egress_run(av);
}

void
joint_on_accept(struct av_relay *r, int fd, const struct addr *from)
{
	struct avedge *av = r->av;
	uint32_t id = turn_server_attempt(av->server, r->a, from, loop_now_ms(av->loop), &av->acts);
	struct joint *j = id ? joint_new(r, id) : NULL;

	if (!j) {
		close(fd);
		if (id)
			turn_server_connection_closed(av->server, id);
		return;
	}
	j->up = true;
	j->stream = stream_accept(av->loop, fd, &lim, &ops, j);
	if (!j->stream) {
		joint_down(j);
		return;
	}
	stream_pause(j->stream, true);
	egress_run(av);
}

static struct joint *
find(const struct turn_allocation *a, uint32_t id)
{
	for (int i = 0; i < 2; i++) {
		const struct av_relay *r = a->relay[i];

		if (!r)
			continue;
		LIST_EACH(it, &r->joints)
		if (LIST_OF(it, struct joint, link)->id == id)
			return LIST_OF(it, struct joint, link);
	}
	return NULL;
}

void
joint_bind(struct avedge *av, const struct turn_allocation *a, uint32_t id, uint32_t conn)
{
	struct joint *j = find(a, id);

	if (!j || !client_join(av, conn, j)) {
		client_close(av, conn);
		return;
	}
	j->conn = conn;
	read_or_wait(j);
	client_throttle(av, conn, throttle_is_on(j->relay));
}

void
joint_close(const struct turn_allocation *a, uint32_t id)
{
	struct joint *j = find(a, id);

	uint32_t conn = j ? j->conn : 0;
	struct avedge *av = j ? j->relay->av : NULL;

	if (j)
		joint_free(j);
	if (conn)
		client_close(av, conn);
}

bool
joint_from_client(struct joint *j, struct str bytes)
{
	struct avedge *av = j->relay->av;

	if (stream_send(j->stream, STR_NONE, bytes) < 0)
		return false;
	turn_server_carried(av->server, j->id, 0, (uint32_t)bytes.n, loop_now_ms(av->loop));
	throttle_look(j->relay);
	if (stream_pending(j->stream) > CLIENT_PAUSE && !j->client_waits) {
		j->client_waits = true;
		client_pause(av, j->conn, true);
	}
	return true;
}

void
joint_client_drained(struct joint *j)
{
	if (!j->peer_waits)
		return;
	j->peer_waits = false;
	read_or_wait(j);
}

void
joint_client_gone(struct joint *j)
{
	turn_server_connection_closed(j->relay->av->server, j->id);
	j->conn = 0;
	joint_free(j);
}

void
joint_read_all(struct av_relay *r)
{
	LIST_EACH(it, &r->joints)
	{
		struct joint *j = LIST_OF(it, struct joint, link);

		read_or_wait(j);
		if (j->conn)
			client_throttle(r->av, j->conn, throttle_is_on(r));
	}
}

void
joint_close_all(struct av_relay *r)
{
	while (!list_is_empty(&r->joints)) {
		struct joint *j = LIST_OF(r->joints.next, struct joint, link);
		uint32_t conn = j->conn;

		joint_free(j);
		if (conn)
			client_close(r->av, conn);
	}
}

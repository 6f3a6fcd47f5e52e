/* SPDX-License-Identifier: MIT
 *
 * avedge/relay.c: relayed transport addresses: bound at random in the relay range, closed and given
 * back.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "avedge/internal.h"
#include "proto/turn/allocation.h"

#define BIND_TRIES 64u /* other workers hold ports of the same range */

static unsigned
kind_of(uint8_t family, uint8_t transport)
{
	return (family == 6 ? 1u : 0u) | (transport == TURN_TCP ? 2u : 0u);
}

/* Without SO_REUSEPORT: a relayed address has one owner. */
static int
listen_alone(const struct addr *at, const char *device, int *ret_fd)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(at, &sa);
	int one = 1, saved, fd;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ED_SYS;
	if ((at->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    (device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
			      (socklen_t)strlen(device)) < 0) ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 16) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return ED_SYS;
	}
	*ret_fd = fd;
	return ED_OK;
}

static int
bind_one(struct avedge *av, const struct addr *at, uint8_t transport, int *ret_fd)
{
	return transport == TURN_UDP ? udp_bind(at, av->device, false, ret_fd)
				     : listen_alone(at, av->device, ret_fd);
}

static int
bind_any(struct avedge *av, struct av_relay *r, uint8_t family, bool even, int *ret_fd)
{
	r->bound = av->conf.policy.relay_bind[family == 6];
	if (!r->bound.family)
		return ED_UNSUPPORTED;
	for (unsigned i = 0; i < BIND_TRIES; i++) {
		uint16_t port = ports_take(av->ports, kind_of(family, r->transport), even);

		if (port == 0)
			return ED_LIMIT;
		r->bound.port = port;
		if (bind_one(av, &r->bound, r->transport, ret_fd) == ED_OK)
			return ED_OK;
		ports_give_back(av->ports, kind_of(family, r->transport), port);
		if (errno != EADDRINUSE)
			return ED_SYS;
	}
	return ED_LIMIT;
}

static struct av_relay *
relay_new(struct avedge *av, struct turn_allocation *a, uint8_t transport)
{
	struct av_relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->av = av;
	r->a = a;
	r->transport = transport;
	r->conn = a ? a->flow.conn : 0;
	list_init(&r->fast);
	peer_init(r);
	throttle_init(r);
	return r;
}

/* Takes fd over. */
static struct av_relay *
relay_listen(struct av_relay *r, int fd)
{
	static const struct listener_ops ops = {.on_accept = peer_on_accept};
	int one = 1;

	/* The port was bound alone; only now may connections of ours share it (RFC 6062 5.2). */
	if (r->transport == TURN_TCP && !r->a->ms)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (r->transport == TURN_UDP)
		r->udp = udp_open(r->av->udp, fd, ingress_on_peer, r);
	else
		r->listen = listener_new(r->av->loop, fd, &ops, r);
	return r->udp || r->listen ? r : av_relay_close(r);
}

struct av_relay *
av_relay_open(
    struct avedge *av, struct turn_allocation *a, uint8_t family, uint8_t transport, bool even)
{
	struct av_relay *r = relay_new(av, a, transport);
	int fd;

	if (!r)
		return NULL;
	if (bind_any(av, r, family, even, &fd) < 0) {
		free(r);
		return NULL;
	}
	return relay_listen(r, fd);
}

struct av_relay *
av_relay_open_above(const struct av_relay *lower)
{
	struct avedge *av = lower->av;
	unsigned kind = kind_of(lower->bound.family, lower->transport);
	struct av_relay *r = relay_new(av, NULL, lower->transport);
	int fd;

	if (!r)
		return NULL;
	r->bound = lower->bound;
	r->bound.port++;
	if (!ports_take_one(av->ports, kind, r->bound.port)) {
		free(r);
		return NULL;
	}
	if (bind_one(av, &r->bound, r->transport, &fd) < 0) {
		ports_give_back(av->ports, kind, r->bound.port);
		free(r);
		return NULL;
	}
	return relay_listen(r, fd);
}

struct av_relay *
av_relay_close(struct av_relay *r)
{
	if (!r)
		return NULL;
	kernel_forget(r);
	throttle_done(r);
	peer_close_all(r);
	udp_close(r->udp);
	listener_free(r->listen);
	ports_give_back(r->av->ports, kind_of(r->bound.family, r->transport), r->bound.port);
	free(r);
	return NULL;
}

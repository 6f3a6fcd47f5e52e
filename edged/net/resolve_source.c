/* SPDX-License-Identifier: MIT */
#include "net/resolve_source.h"

#include <ifaddrs.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static socklen_t
len_of(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void
resolve_source_init(struct resolve_source *s, const char *device, const struct addr from[2])
{
	struct ifaddrs *all;

	*s = (struct resolve_source){.from = {from[0], from[1]}};
	if (!device || !device[0] || getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *i = all; i && s->n_on_device < RESOLVE_SOURCE_ADDRS; i = i->ifa_next) {
		struct addr *a = &s->on_device[s->n_on_device];

		if (!i->ifa_addr || strcmp(i->ifa_name, device) != 0 ||
		    addr_from_sockaddr(a, i->ifa_addr, len_of(i->ifa_addr)) < 0)
			continue;
		a->scope = 0;
		s->n_on_device++;
	}
	freeifaddrs(all);
}

/* What the kernel would take, without a packet. */
static bool
kernels_choice(const struct sockaddr *to, socklen_t len, struct addr *ret)
{
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, to, len) == 0 &&
		  getsockname(fd, (struct sockaddr *)&ss, &ss_len) == 0 &&
		  addr_from_sockaddr(ret, (struct sockaddr *)&ss, ss_len) == ED_OK;

	if (fd >= 0)
		close(fd);
	ret->port = 0;
	ret->scope = 0;
	return ok;
}

static const struct addr *
source_for(const struct resolve_source *s, const struct sockaddr *to, socklen_t len)
{
	const struct addr *from = &s->from[to->sa_family == AF_INET6];
	struct addr kernels = {0};

	if (!from->family || !s->n_on_device || !kernels_choice(to, len, &kernels))
		return NULL;
	for (unsigned i = 0; i < s->n_on_device; i++)
		if (addr_eq(&s->on_device[i], &kernels))
			return from;
	return NULL;
}

/* ---- what c-ares calls instead of its own; it sets nothing on sockets that are not its own ----
 */

static ares_socket_t
open_socket(int family, int type, int protocol, void *arg)
{
	(void)arg;
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int
close_socket(ares_socket_t fd, void *arg)
{
	(void)arg;
	return close(fd);
}

static int
connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *arg)
{
	const struct addr *from = source_for(arg, to, len);
	struct sockaddr_storage ss;

	/* An address that has gone from this machine: asking from another one beats not asking. */
	if (from)
		(void)!bind(fd, (struct sockaddr *)&ss, addr_to_sockaddr(from, &ss));
	return connect(fd, to, len);
}

static ares_ssize_t
receive(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *from, ares_socklen_t *len,
    void *arg)
{
	(void)arg;
	return recvfrom(fd, p, n, flags, from, len);
}

static ares_ssize_t
send_all(ares_socket_t fd, const struct iovec *v, int n, void *arg)
{
	(void)arg;
	return writev(fd, v, n);
}

void
resolve_source_use(struct resolve_source *s, ares_channel channel)
{
	static const struct ares_socket_functions functions = {
	    .asocket = open_socket,
	    .aclose = close_socket,
	    .aconnect = connect_socket,
	    .arecvfrom = receive,
	    .asendv = send_all,
	};

	ares_set_socket_functions(channel, &functions, s);
}

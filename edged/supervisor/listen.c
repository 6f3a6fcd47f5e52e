/* SPDX-License-Identifier: MIT
 *
 * supervisor/listen.c: sockets for the listeners of conf/listen.c.
 */
#include "supervisor/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"

#define BACKLOG 4096

static int
open_udp(const struct listen_spec *spec, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&spec->addr, &ss);
	int one = 1;
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return ED_SYS;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		goto fail;
	if (ss.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		goto fail;
	if (*spec->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, spec->device,
				 (socklen_t)strlen(spec->device)) < 0)
		goto fail;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		goto fail;
	*ret_fd = fd;
	return ED_OK;
fail : {
	int e = errno;

	close(fd);
	errno = e;
	return ED_SYS;
}
}

int
listen_open(const struct listen_spec *spec, int *ret_fd)
{
	if (spec->udp)
		return open_udp(spec, ret_fd);
	return listener_bind(&spec->addr, spec->device, BACKLOG, ret_fd);
}

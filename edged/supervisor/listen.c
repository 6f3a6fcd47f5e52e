/* SPDX-License-Identifier: MIT
 *
 * supervisor/listen.c: sockets for the listeners of conf/listen.c.
 */
#include "supervisor/listen.h"

#include <errno.h>
#include <linux/filter.h>
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

/*
 * A classic BPF program at a reuseport group runs with the packet from its transport header on;
 * SKF_NET_OFF gives the network header. Which socket: a mix of the source address modulo n. IPv6
 * counts by /64, the unit that one host has.
 */
int
listen_steer(int fd, bool v6, unsigned n)
{
	struct sock_filter v4_code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 12)),
	    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 2654435761u),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
	    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
	    BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_filter v6_code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 8)),
	    BPF_STMT(BPF_MISC | BPF_TAX, 0),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 12)),
	    BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
	    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 2654435761u),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
	    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
	    BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = {
	    .len = v6 ? sizeof(v6_code) / sizeof(v6_code[0]) : sizeof(v4_code) / sizeof(v4_code[0]),
	    .filter = v6 ? v6_code : v4_code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) < 0)
		return ED_SYS;
	return ED_OK;
}

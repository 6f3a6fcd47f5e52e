/* SPDX-License-Identifier: MIT */
#include "net/nic.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool
ask(const char *device, unsigned long what, struct ifreq *ret)
{
	size_t n = strlen(device);
	int fd, r;

	*ret = (struct ifreq){.ifr_ifindex = 0};
	if (n == 0 || n >= sizeof(ret->ifr_name))
		return false;
	memcpy(ret->ifr_name, device, n);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	r = ioctl(fd, what, ret);
	close(fd);
	return r == 0;
}

uint32_t
nic_mtu(const char *device)
{
	struct ifreq req;

	return ask(device, SIOCGIFMTU, &req) && req.ifr_mtu > 0 ? (uint32_t)req.ifr_mtu : 0;
}

bool
nic_is_ethernet(const char *device)
{
	struct ifreq req;

	return ask(device, SIOCGIFHWADDR, &req) && (req.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
						       req.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK);
}

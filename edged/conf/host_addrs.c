/* SPDX-License-Identifier: MIT
 *
 * conf/host_addrs.c: the host's addresses, by ioctl and /proc. getifaddrs would want a netlink
 * socket, which edged.service leaves out.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/host.h"

static void
add(struct host_facts *h, const struct addr *a, unsigned bits, const char *interface)
{
	if (h->n_addrs == HOST_ADDRS_MAX)
		return;
	h->addrs[h->n_addrs].net.base = *a;
	h->addrs[h->n_addrs].net.bits = (uint8_t)bits;
	snprintf(h->addrs[h->n_addrs].interface, sizeof(h->addrs[0].interface), "%.15s", interface);
	h->n_addrs++;
}

/* Of the one address in r: the kernel compares label and address (devinet_ioctl). */
static unsigned
prefix_v4(int fd, struct ifreq r)
{
	struct sockaddr_in mask;
	uint32_t m;
	unsigned bits = 0;

	if (ioctl(fd, SIOCGIFNETMASK, &r) < 0)
		return 32;
	memcpy(&mask, &r.ifr_netmask, sizeof(mask));
	for (m = ntohl(mask.sin_addr.s_addr); m & 0x80000000u; m <<= 1)
		bits++;
	return bits;
}

static void
read_v4(struct host_facts *h)
{
	struct ifreq *all = calloc(HOST_ADDRS_MAX, sizeof(*all));
	struct ifconf conf = {.ifc_len = (int)(HOST_ADDRS_MAX * sizeof(*all)), .ifc_req = all};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!all || fd < 0 || ioctl(fd, SIOCGIFCONF, &conf) < 0)
		goto out;
	for (size_t i = 0; i < (size_t)conf.ifc_len / sizeof(*all); i++) {
		char name[IFNAMSIZ + 1] = "";
		struct addr a;

		if (addr_from_sockaddr(&a, &all[i].ifr_addr, sizeof(struct sockaddr_in)) < 0)
			continue;
		memcpy(name, all[i].ifr_name, IFNAMSIZ);
		name[strcspn(name, ":")] = '\0'; /* a label such as eth0:1 */
		add(h, &a, prefix_v4(fd, all[i]), name);
	}
out:
	if (fd >= 0)
		close(fd);
	free(all);
}

static void
read_v6(struct host_facts *h)
{
	FILE *f = fopen("/proc/net/if_inet6", "re");
	char line[256], hex[33], name[32];
	unsigned bits;

	while (f && fgets(line, sizeof(line), f)) {
		struct addr a = {.family = 6};

		if (sscanf(line, "%32[0-9a-f] %*x %x %*x %*x %31s", hex, &bits, name) != 3 ||
		    strlen(hex) != 32 || bits > 128)
			continue;
		for (size_t i = 0; i < 16; i++) {
			char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

			a.ip[i] = (uint8_t)strtoul(byte, NULL, 16);
		}
		add(h, &a, bits, name);
	}
	if (f)
		fclose(f);
}

void
host_read_addrs(struct host_facts *h)
{
	read_v4(h);
	read_v6(h);
}

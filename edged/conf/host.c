/* SPDX-License-Identifier: MIT
 *
 * conf/host.c: reads the host's facts: interfaces and /proc. No name is resolved: the full host
 * name comes from the kernel or from /etc/hosts.
 */
#include "conf/host.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
read_line(const char *path, char *buf, size_t room)
{
	FILE *f = fopen(path, "re");
	bool ok;

	buf[0] = '\0';
	if (!f)
		return false;
	ok = fgets(buf, (int)room, f) != NULL;
	fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

/* /etc/hosts: a line that has `alias` gives its first name with a dot. */
static void
full_name_from_hosts(const char *alias, char *ret, size_t room)
{
	char line[1024];
	FILE *f = fopen("/etc/hosts", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *save, *word, full[256] = "";
		bool hit = false;

		line[strcspn(line, "#\n")] = '\0';
		word = strtok_r(line, " \t", &save);
		while (word && (word = strtok_r(NULL, " \t", &save))) {
			hit |= strcmp(word, alias) == 0;
			if (!full[0] && strchr(word, '.'))
				snprintf(full, sizeof(full), "%s", word);
		}
		if (hit && full[0]) {
			snprintf(ret, room, "%s", full);
			break;
		}
	}
	if (f)
		fclose(f);
}

static void
read_name(struct host_facts *h)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) < 0)
		return;
	snprintf(h->name, sizeof(h->name), "%s", name);
	if (!strchr(name, '.'))
		full_name_from_hosts(name, h->name, sizeof(h->name));
}

static void
add_default_route(struct host_facts *h, const char *interface, bool v6)
{
	if (h->n_default_routes == HOST_ROUTES_MAX || strcmp(interface, "lo") == 0)
		return;
	snprintf(h->default_routes[h->n_default_routes].interface,
	    sizeof(h->default_routes[0].interface), "%s", interface);
	h->default_routes[h->n_default_routes++].v6 = v6;
}

static void
read_routes(struct host_facts *h)
{
	char line[512], interface[64];
	unsigned long dest, gw, mask, len;
	FILE *f = fopen("/proc/net/route", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %lx %lx %*s %*s %*s %*s %lx", interface, &dest, &gw,
			&mask) == 4 &&
		    dest == 0 && mask == 0)
			add_default_route(h, interface, false);
	if (f)
		fclose(f);
	f = fopen("/proc/net/ipv6_route", "re");
	while (f && fgets(line, sizeof(line), f)) {
		char to[40], flags[16];

		if (sscanf(line, "%39s %lx %*s %*s %*s %*s %*s %*s %15s %63s", to, &len, flags,
			interface) == 4 &&
		    len == 0 && strspn(to, "0") == 32 && !(strtoul(flags, NULL, 16) & 0x0200))
			add_default_route(h, interface, true);
	}
	if (f)
		fclose(f);
}

static bool
read_flag(const char *path)
{
	char buf[16];

	return read_line(path, buf, sizeof(buf)) && buf[0] == '1';
}

/* "0100007F" or 32 digits, each word in host order, and the port. */
static bool
parse_proc_addr(const char *text, struct addr *ret)
{
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) / 8 : 0;
	struct addr a = {.family = n == 1 ? 4 : 6};

	if (n != 1 && n != 4)
		return false;
	for (size_t i = 0; i < n; i++) {
		char word[9] = "";
		uint32_t v;

		memcpy(word, text + 8 * i, 8);
		v = (uint32_t)strtoul(word, NULL, 16);
		memcpy(a.ip + 4 * i, &v, 4);
	}
	a.port = (uint16_t)strtoul(colon + 1, NULL, 16);
	*ret = a;
	return true;
}

static void
read_sockets(struct host_facts *h, const char *path, bool udp)
{
	FILE *f = fopen(path, "re");
	char line[512], local[64];
	unsigned state;
	unsigned long inode;

	while (f && fgets(line, sizeof(line), f) && h->n_listeners < HOST_PORTS_MAX) {
		if (sscanf(line, " %*[0-9]: %63s %*s %x %*s %*s %*s %*s %*s %lu", local, &state,
			&inode) != 3)
			continue;
		/* TCP_LISTEN; a bound UDP socket is in TCP_CLOSE */
		if (state != (udp ? 7u : 10u) ||
		    !parse_proc_addr(local, &h->listeners[h->n_listeners].at))
			continue;
		h->listeners[h->n_listeners].udp = udp;
		h->listeners[h->n_listeners++].inode = inode;
	}
	if (f)
		fclose(f);
}

int
host_read(struct host_facts **ret)
{
	struct host_facts *h = calloc(1, sizeof(*h));
	char buf[64];

	if (!h)
		return ED_NOMEM;
	read_name(h);
	host_read_addrs(h);
	read_routes(h);
	h->forwards_v4 = read_flag("/proc/sys/net/ipv4/ip_forward");
	h->forwards_v6 = read_flag("/proc/sys/net/ipv6/conf/all/forwarding");
	if (read_line("/proc/sys/net/ipv4/ip_local_port_range", buf, sizeof(buf)) &&
	    sscanf(buf, "%u %u", &h->local_port_min, &h->local_port_max) != 2)
		h->local_port_min = h->local_port_max = 0;
	read_line("/proc/sys/net/ipv4/ip_local_reserved_ports", h->reserved_ports,
	    sizeof(h->reserved_ports));
	read_sockets(h, "/proc/net/tcp", false);
	read_sockets(h, "/proc/net/tcp6", false);
	read_sockets(h, "/proc/net/udp", true);
	read_sockets(h, "/proc/net/udp6", true);
	*ret = h;
	return ED_OK;
}

void
host_free(struct host_facts *h)
{
	free(h);
}

/* Does process pid hold the socket? */
static bool
holds(const char *pid, const char *wanted)
{
	char dir[300], path[600], target[64];
	struct dirent *e;
	bool hit = false;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%s/fd", pid);
	d = opendir(dir);
	while (d && !hit && (e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		hit = strcmp(target, wanted) == 0;
	}
	if (d)
		closedir(d);
	return hit;
}

const char *
host_owner(unsigned long inode, char *buf, size_t room)
{
	char wanted[64], path[300], name[64];
	DIR *proc = opendir("/proc");
	struct dirent *e;

	snprintf(buf, room, "another process");
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	while (proc && (e = readdir(proc))) {
		if (!isdigit((unsigned char)e->d_name[0]) || !holds(e->d_name, wanted))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		read_line(path, name, sizeof(name));
		snprintf(buf, room, "%s (pid %.10s)", name, e->d_name);
		break;
	}
	if (proc)
		closedir(proc);
	return buf;
}

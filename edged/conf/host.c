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
	host_read_net(h);
	h->has_keytab = access("/etc/krb5.keytab", F_OK) == 0;
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

/* SPDX-License-Identifier: MIT
 *
 * conf/host_net.c: routes, the filters of each interface, resolvers and the clock, from /proc and
 * /etc. What cannot be read stays empty.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#include "conf/host.h"

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
add_route(struct host_facts *h, const char *interface, const struct addr *base, unsigned bits)
{
	if (h->n_routes == HOST_NETS_MAX)
		return;
	snprintf(h->routes[h->n_routes].interface, sizeof(h->routes[0].interface), "%s", interface);
	h->routes[h->n_routes].net.base = *base;
	h->routes[h->n_routes++].net.bits = (uint8_t)bits;
	if (bits == 0)
		add_default_route(h, interface, base->family == 6);
}

/* Destination and mask are words in network order, printed as the host reads them. */
static void
read_routes_v4(struct host_facts *h)
{
	char line[512], interface[64];
	unsigned dest, mask, flags;
	FILE *f = fopen("/proc/net/route", "re");

	while (f && fgets(line, sizeof(line), f)) {
		struct addr a = {.family = 4};

		if (sscanf(line, "%63s %x %*x %x %*s %*s %*s %x", interface, &dest, &flags,
			&mask) != 4)
			continue;
		if (!(flags & 1u) || (flags & 0x200u)) /* not up, or a reject route */
			continue;
		memcpy(a.ip, &dest, 4);
		add_route(h, interface, &a, (unsigned)__builtin_popcount(mask));
	}
	if (f)
		fclose(f);
}

static void
read_routes_v6(struct host_facts *h)
{
	FILE *f = fopen("/proc/net/ipv6_route", "re");
	char line[512], interface[64];

	while (f && fgets(line, sizeof(line), f)) {
		struct addr a = {.family = 6};
		char to[40];
		unsigned bits, flags;

		if (sscanf(line, "%39s %x %*s %*s %*s %*s %*s %*s %x %63s", to, &bits, &flags,
			interface) != 4 ||
		    strlen(to) != 32 || bits > 128 || (flags & 0x0200u)) /* a reject route */
			continue;
		for (size_t i = 0; i < 16; i++) {
			char byte[3] = {to[2 * i], to[2 * i + 1], '\0'};

			a.ip[i] = (uint8_t)strtoul(byte, NULL, 16);
		}
		add_route(h, interface, &a, bits);
	}
	if (f)
		fclose(f);
}

const char *
host_route_of(const struct host_facts *h, const struct addr *a)
{
	const char *best = "";
	int bits = -1;

	for (size_t i = 0; i < h->n_routes; i++)
		if (h->routes[i].net.base.family == a->family &&
		    addr_net_has(&h->routes[i].net, a) && h->routes[i].net.bits > bits) {
			best = h->routes[i].interface;
			bits = h->routes[i].net.bits;
		}
	return best;
}

static int
read_filter(const char *interface, const char *what)
{
	const char *const names[] = {"all", interface};
	int most = 0;

	for (size_t i = 0; i < 2; i++) {
		char path[128];
		FILE *f;
		int v;

		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", names[i], what);
		f = fopen(path, "re");
		if (f && fscanf(f, "%d", &v) == 1 && v > most)
			most = v;
		if (f)
			fclose(f);
	}
	return most;
}

static void
read_card(struct host_facts *h, const char *interface)
{
	for (size_t i = 0; i < h->n_cards; i++)
		if (strcmp(h->cards[i].name, interface) == 0)
			return;
	if (h->n_cards == HOST_CARDS_MAX)
		return;
	snprintf(h->cards[h->n_cards].name, sizeof(h->cards[0].name), "%s", interface);
	h->cards[h->n_cards].rp_filter = read_filter(interface, "rp_filter");
	h->cards[h->n_cards].arp_ignore = read_filter(interface, "arp_ignore");
	h->cards[h->n_cards++].arp_announce = read_filter(interface, "arp_announce");
}

static void
read_resolvers(struct host_facts *h)
{
	FILE *f = fopen("/etc/resolv.conf", "re");
	char line[512], text[128];

	while (f && fgets(line, sizeof(line), f) && h->n_resolvers < HOST_DNS_MAX)
		if (sscanf(line, " nameserver %127s", text) == 1 &&
		    addr_parse_ip(&h->resolvers[h->n_resolvers], str_of(text)) == ED_OK)
			h->n_resolvers++;
	if (f)
		fclose(f);
}

void
host_read_net(struct host_facts *h)
{
	read_routes_v4(h);
	read_routes_v6(h);
	for (size_t i = 0; i < h->n_addrs; i++)
		read_card(h, h->addrs[i].interface);
	read_resolvers(h);
}

void
host_read_clock(struct host_facts *h)
{
	struct timex t = {.modes = 0};

	h->clock_unsynced = adjtimex(&t) >= 0 && (t.status & STA_UNSYNC) != 0;
}

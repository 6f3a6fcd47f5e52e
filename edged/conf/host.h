/* SPDX-License-Identifier: MIT
 *
 * conf/host.h: what the host looks like to the rules: interfaces, routes, sysctls, name, listeners
 * of others. Read from the kernel once per check.
 */
#ifndef EDGED_CONF_HOST_H
#define EDGED_CONF_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"

#define HOST_ADDRS_MAX  256u
#define HOST_ROUTES_MAX 16u
#define HOST_PORTS_MAX  4096u
#define HOST_NETS_MAX   512u
#define HOST_CARDS_MAX  64u
#define HOST_DNS_MAX    8u

struct host_facts {
	char name[256]; /* with domain, when /etc/hosts or the host name has one */
	struct {
		char interface[16];
		struct addr_net net; /* base is the address itself */
	} addrs[HOST_ADDRS_MAX];
	size_t n_addrs;
	struct {
		char interface[16];
		bool v6;
	} default_routes[HOST_ROUTES_MAX];
	size_t n_default_routes;
	struct {
		char interface[16];
		struct addr_net net;
	} routes[HOST_NETS_MAX]; /* all of them, the default ones too */
	size_t n_routes;
	struct {
		char name[16];
		int rp_filter, arp_ignore, arp_announce; /* in effect: the larger of all and NAME */
	} cards[HOST_CARDS_MAX];
	size_t n_cards;
	struct addr resolvers[HOST_DNS_MAX]; /* of resolv.conf */
	size_t n_resolvers;
	bool has_keytab;     /* /etc/krb5.keytab: the host is a member of a domain */
	bool clock_unsynced; /* only after host_read_clock */
	bool forwards_v4, forwards_v6;
	unsigned local_port_min, local_port_max; /* ephemeral range */
	char reserved_ports[1024];
	struct {
		struct addr at; /* ip all zero: any address */
		bool udp;
		unsigned long inode;
	} listeners[HOST_PORTS_MAX];
	size_t n_listeners;
};

/* ED_OK, or ED_NOMEM; what cannot be read stays empty. */
int host_read(struct host_facts **ret) ED_MUST_CHECK;
/* Adds the addresses of all interfaces (conf/host_addrs.c). */
void host_read_addrs(struct host_facts *h);
/* Asks the kernel whether its clock is disciplined: a call that edged.service may not make, so
 * `edged -n` only. */
void host_read_clock(struct host_facts *h);
/* The interface that the kernel would choose for a, "" when there is no route. */
const char *host_route_of(const struct host_facts *h, const struct addr *a);
/* Interfaces, their filters, routes (conf/host_net.c). */
void host_read_net(struct host_facts *h);
void host_free(struct host_facts *h);
/* "nginx (pid 812)" of the process that holds the socket, or "another process". */
const char *host_owner(unsigned long inode, char *buf, size_t room);

#endif

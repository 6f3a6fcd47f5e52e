/* SPDX-License-Identifier: MIT
 *
 * conf/check_help.c: what several rules ask (conf/check_rules.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/check.h"
#include "conf/check_cert.h"
#include "conf/check_rules.h"
#include "conf/conf.h"

bool
check_is_private(const struct addr *a)
{
	static const char *const nets[] = {
	    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"};

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		struct addr_net net;

		if (addr_net_parse(&net, str_of(nets[i])) == ED_OK && addr_net_has(&net, a))
			return true;
	}
	return false;
}

bool
check_is_host_name(struct str s)
{
	size_t label = 0;

	if (s.n == 0 || s.n > 253)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (c == '.') {
			if (label == 0 || s.p[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!alnum && (c != '-' || label == 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && s.p[s.n - 1] != '-';
}

/* The interface that has this address; NULL when none has. */
const char *
check_interface_of(const struct host_facts *h, const struct addr *a)
{
	for (size_t i = 0; i < h->n_addrs; i++)
		if (addr_ip_eq(&h->addrs[i].net.base, a))
			return h->addrs[i].interface;
	return NULL;
}

bool
check_has_interface(const struct host_facts *h, const char *name)
{
	for (size_t i = 0; i < h->n_addrs; i++)
		if (strcmp(h->addrs[i].interface, name) == 0)
			return true;
	return false;
}

void
check_addr_keys(const struct conf *c, struct check_addr_key ret[CHECK_ADDR_KEYS])
{
	ret[0] =
	    (struct check_addr_key){&c->external.access.addresses, "external.access.address", true};
	ret[1] = (struct check_addr_key){
	    &c->external.webconf.addresses, "external.webconf.address", true};
	ret[2] = (struct check_addr_key){&c->external.av.address, "external.av.address", true};
	ret[3] = (struct check_addr_key){&c->internal.addresses, "internal.address", false};
}

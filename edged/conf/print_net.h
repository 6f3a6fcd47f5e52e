/* SPDX-License-Identifier: MIT
 *
 * conf/print_net.h: what others have to set up for a configuration: DNS records of both zones
 * (DNS-19) and firewall rules with purpose (PORT-10).
 */
#ifndef EDGED_CONF_PRINT_NET_H
#define EDGED_CONF_PRINT_NET_H

#include <stdio.h>

struct conf;

void conf_print_dns(const struct conf *c, FILE *out);
/* An nftables table; each rule with its initiator and purpose as a comment. */
void conf_print_firewall(const struct conf *c, FILE *out);

#endif

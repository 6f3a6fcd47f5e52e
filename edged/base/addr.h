/* SPDX-License-Identifier: MIT
 *
 * base/addr.h: an IP address with port, v4 or v6, compared and printed in one way.
 *
 * Pure. A v4-mapped v6 address is made v4 on entry, so one host has one form.
 */
#ifndef EDGED_BASE_ADDR_H
#define EDGED_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

struct addr {
	uint8_t family; /* 0 none, 4, 6 */
	uint16_t port;  /* host order */
	uint32_t scope; /* v6 link-local only */
	uint8_t ip[16]; /* v4 in the first four */
};

#define ADDR_STR_LEN 64 /* "[v6%scope]:65535" and NUL */

int addr_from_sockaddr(struct addr *ret, const struct sockaddr *sa, socklen_t len) ED_MUST_CHECK;
/* Returns the length to hand to the kernel. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ret);
/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]"; no port. ED_MALFORMED otherwise. */
int addr_parse_ip(struct addr *ret, struct str text) ED_MUST_CHECK;
/* "192.0.2.1:5061", "[2001:db8::1]:5061". */
int addr_parse(struct addr *ret, struct str text) ED_MUST_CHECK;

bool addr_eq(const struct addr *a, const struct addr *b);    /* with port */
bool addr_ip_eq(const struct addr *a, const struct addr *b); /* without */
/* "192.0.2.1:5061" / "[2001:db8::1]:5061" into buf of ADDR_STR_LEN; returns buf. */
const char *addr_str(const struct addr *a, char *buf);
/* "192.0.2.1" / "2001:db8::1" */
const char *addr_ip_str(const struct addr *a, char *buf);

/* A block such as 10.0.0.0/8. */
struct addr_net {
	struct addr base;
	uint8_t bits;
};
int addr_net_parse(struct addr_net *ret, struct str text) ED_MUST_CHECK;
bool addr_net_has(const struct addr_net *net, const struct addr *a);
bool addr_is_loopback(const struct addr *a);

#endif

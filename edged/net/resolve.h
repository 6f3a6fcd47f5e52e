/* SPDX-License-Identifier: MIT
 *
 * net/resolve.h: names to addresses through c-ares: asynchronous, cached by TTL (floor 30 s,
 * ceiling 1 h, negative 60 s, at most 3000 records), /etc/hosts honoured (DNS-03), IP literals
 * answered at once.
 */
#ifndef EDGED_NET_RESOLVE_H
#define EDGED_NET_RESOLVE_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

struct loop;
struct resolve;

#define RESOLVE_ADDRS_MAX 16
#define RESOLVE_SRV_MAX   16

struct resolve_answer {
	int err; /* ED_OK, ED_GONE (no such name / no data), ED_SYS (server failure, timeout) */
	struct addr addrs[RESOLVE_ADDRS_MAX]; /* port 0; in the order received */
	uint8_t n_addrs;
	struct {
		uint16_t priority, weight, port;
		char target[256]; /* lower case, no trailing dot */
	} srv[RESOLVE_SRV_MAX];   /* in DNS-14 order: priority, then highest weight, then first */
	uint8_t n_srv;
	uint32_t ttl_s;
};

struct resolve_conf {
	const char *const *servers; /* "ip[:port]"; NULL: resolv.conf */
	uint8_t n_servers;
	/* Servers behind this interface are asked from these (IPv4, IPv6; family 0: none), others
	 * from where the kernel says. NULL: all. Read at resolve_new. */
	const char *device;
	struct addr from[2];
};
struct resolve *resolve_new(struct loop *l, const struct resolve_conf *conf);
struct resolve *resolve_free(struct resolve *r);

typedef void resolve_cb(void *arg, const struct resolve_answer *ans);
/* cb comes once, possibly before the call returns (cache, literal). cancel by arg. */
int resolve_host(struct resolve *r, struct str name, resolve_cb *cb, void *arg) ED_MUST_CHECK;
int resolve_srv(struct resolve *r, struct str name, resolve_cb *cb, void *arg) ED_MUST_CHECK;
void resolve_cancel(struct resolve *r, void *arg);
/* The same for an outsider's sake: only half of the questions under way may be of this kind. */
int resolve_srv_for_outsider(
    struct resolve *r, struct str name, resolve_cb *cb, void *arg) ED_MUST_CHECK;

#endif

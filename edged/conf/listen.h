/* SPDX-License-Identifier: MIT
 *
 * conf/listen.h: which sockets a configuration asks for: the table of listeners by role. Used to
 * open them (supervisor), to check them (conf/check.c) and to print firewall rules. Pure.
 */
#ifndef EDGED_CONF_LISTEN_H
#define EDGED_CONF_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "svc/roles.h"
#include "svc/svc.h"

struct conf;

#define LISTEN_SPECS_MAX 64u

struct listen_spec {
	enum role role;
	enum svc_listener_kind kind;
	struct addr addr;
	bool udp;
	char device[16];  /* a copy: specs outlive the configuration they came from */
	const char *key;  /* of the port */
	const char *name; /* "Access Edge, clients" */
};

/* True when the configuration asks for this role. */
bool role_is_wanted(const struct conf *c, enum role role);
unsigned role_workers(const struct conf *c, enum role role);
/* Listeners of all wanted roles. Returns how many; an address that is none is left out. */
size_t listen_plan(const struct conf *c, struct listen_spec *ret, size_t room);

#endif

/* SPDX-License-Identifier: MIT
 *
 * svc/roles.h: the roles of edged's processes and what each may do: the privilege plan as a table.
 */
#ifndef EDGED_SVC_ROLES_H
#define EDGED_SVC_ROLES_H

#include <stdbool.h>
#include <stdint.h>

enum role {
	ROLE_SUPERVISOR,
	ROLE_KEYD,
	ROLE_ACCESS,
	ROLE_WEBCONF,
	ROLE_AV,
	ROLE_AVAUTH,
	ROLE_XMPP,
	ROLE__N
};
#define ROLE_BIT(r) (1u << (r))

/* "access", "keyd", ...: also the ending of the system user and of the program. */
static inline const char *
role_name(enum role r)
{
	static const char *const names[ROLE__N] = {
	    "supervisor", "keyd", "access", "webconf", "av", "avauth", "xmpp"};

	return names[r];
}

#endif

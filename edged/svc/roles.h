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

#endif

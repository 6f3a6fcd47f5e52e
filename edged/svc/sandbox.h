/* SPDX-License-Identifier: MIT
 *
 * svc/sandbox.h: gives up what a role does not need (style 12, "Start of a service"): root
 * directory, groups and user, new privileges, files, system calls.
 *
 * Called once, after the room was built and before READY. What the kernel cannot do becomes a
 * warning that names the feature; what was asked for and failed is an error.
 */
#ifndef EDGED_SVC_SANDBOX_H
#define EDGED_SVC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "svc/roles.h"

#define SANDBOX_STAY UINT32_MAX

struct sandbox {
	const struct role_row *row;
	const char *root; /* "" : none */
	uint32_t uid, gid;
	bool maps; /* bpf(2): read, write and delete entries of the maps whose descriptors it has */
	bool lab;  /* a failure to change root or user is a warning */
};

struct sandbox_warnings {
	const char *v[16];
	size_t n;
};

/* Limits that come before the room is built: no core dumps, descriptors, no debugger. */
void sandbox_limits(const struct role_row *row);
/* ED_OK, or ED_SYS with *ret_why. Nothing can be undone. */
int sandbox_enter(const struct sandbox *sb, struct sandbox_warnings *ret_warnings,
    const char **ret_why) ED_MUST_CHECK;

#endif

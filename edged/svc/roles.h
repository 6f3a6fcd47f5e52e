/* SPDX-License-Identifier: MIT
 *
 * svc/roles.h: the roles of edged's processes and what each may do: the privilege plan as a table.
 */
#ifndef EDGED_SVC_ROLES_H
#define EDGED_SVC_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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

/* Groups of system calls (svc/sandbox.c lists them); what is in no group of a role kills it. */
enum seccomp_group {
	SECCOMP_BASE = 1,    /* memory, clock, the loop, open descriptors */
	SECCOMP_SOCKETS = 2, /* options, names and shutdown of sockets it has */
	SECCOMP_ACCEPT = 4,
	SECCOMP_CONNECT = 8,      /* socket (IPv4, IPv6 only), bind, connect */
	SECCOMP_RESOLVE = 16,     /* read /etc/hosts of its root */
	SECCOMP_RELAY = 32,       /* recvmmsg, sendmmsg, listen, a ring made before */
	SECCOMP_LOCK_MEMORY = 64, /* mlock */
};

/* One row of the privilege plan. */
struct role_row {
	enum role role;
	const char *program;
	bool many;          /* several workers */
	uint32_t listeners; /* bits 1 << enum svc_listener_kind */
	uint32_t seccomp;   /* enum seccomp_group */
	bool resolves;      /* its root holds etc/hosts and etc/resolv.conf */
	int nice;
	bool batch;           /* woken, it lets keyd end the signature under way (svc/priority.c) */
	uint32_t files;       /* RLIMIT_NOFILE */
	size_t shared;        /* bytes its workers share: numbers, trusted only to say no */
	uint32_t keyd_ops;    /* KEYD_OP_BIT (svc/keyplan.h) */
	const char *bindings; /* certificates whose keys it may use */
	/* The same in words, for docs/SECURITY.md. */
	const char *reads, *may, *holds, *talks_to, *never;
};
extern const struct role_row role_rows[ROLE__N];

void roles_print_markdown(FILE *out);

#endif

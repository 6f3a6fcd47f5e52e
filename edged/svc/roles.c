/* SPDX-License-Identifier: MIT
 *
 * svc/roles.c: the privilege plan. docs/SECURITY.md shows these rows; test/drift compares.
 */
#include "svc/roles.h"

#include "svc/keyplan.h"
#include "svc/svc.h"

#define L(kind) (1u << (kind))

const struct role_row role_rows[ROLE__N] = {
    [ROLE_SUPERVISOR] =
	{
	    .role = ROLE_SUPERVISOR,
	    .program = "edged",
	    .reads = "nothing",
	    .may = "configuration and key files, bind below 1024, start children, put the relay "
		   "into the kernel (`av.kernel_relay`); other capabilities dropped",
	    .holds = "listeners",
	    .talks_to = "all, over fd pairs",
	    .never = "parse network bytes, resolve names",
	},
    [ROLE_KEYD] =
	{
	    .role = ROLE_KEYD,
	    .program = "edged-keyd",
	    .seccomp = SECCOMP_BASE | SECCOMP_LOCK_MEMORY,
	    .nice = 5,
	    .files = 4096,
	    .reads = "nothing",
	    .may = "no files, no sockets after start",
	    .holds = "private keys, pool secret, TURN users' keys and shared secrets",
	    .talks_to = "each service on its own pair",
	    .never = "any network family, core dumps",
	},
    [ROLE_ACCESS] =
	{
	    .role = ROLE_ACCESS,
	    .program = "edged-access",
	    .many = true,
	    .listeners = L(SVC_LISTEN_ACCESS_CLIENT) | L(SVC_LISTEN_ACCESS_FEDERATION) |
			 L(SVC_LISTEN_ACCESS_INTERNAL),
	    .seccomp =
		SECCOMP_BASE | SECCOMP_SOCKETS | SECCOMP_ACCEPT | SECCOMP_CONNECT | SECCOMP_RESOLVE,
	    .resolves = true,
	    .batch = true,
	    .files = 131072,
	    .keyd_ops = KEYD_OP_BIT(KEYD_OP_SIGN) | KEYD_OP_BIT(KEYD_OP_DAY_KEYS) |
			KEYD_OP_BIT(KEYD_OP_TICKET_KEYS),
	    .bindings = "external external_ecdsa internal",
	    .reads = "SIP over TLS",
	    .may =
		"given listeners, connect to next hop and partners, DNS, HTTP for revocation lists",
	    .holds = "SIP state, route token keys of the day",
	    .talks_to = "supervisor, keyd, its siblings",
	    .never = "files, private keys",
	},
    [ROLE_WEBCONF] =
	{
	    .role = ROLE_WEBCONF,
	    .program = "edged-webconf",
	    .listeners = L(SVC_LISTEN_WEBCONF_CLIENT) | L(SVC_LISTEN_WEBCONF_INTERNAL),
	    .seccomp = SECCOMP_BASE | SECCOMP_SOCKETS | SECCOMP_ACCEPT | SECCOMP_CONNECT,
	    .batch = true,
	    .files = 65536,
	    .keyd_ops = KEYD_OP_BIT(KEYD_OP_SIGN) | KEYD_OP_BIT(KEYD_OP_TICKET_KEYS),
	    .bindings = "external external_ecdsa internal",
	    .reads = "PSOM over TLS",
	    .may = "given listeners on both sides; connect to the listed servers when "
		   "`webconf.inside.mode = dial`",
	    .holds = "PSOM flows",
	    .talks_to = "supervisor, keyd",
	    .never = "files, keys, DNS",
	},
    [ROLE_AV] =
	{
	    .role = ROLE_AV,
	    .program = "edged-av",
	    .many = true,
	    .listeners = L(SVC_LISTEN_AV_UDP_EXTERNAL) | L(SVC_LISTEN_AV_TCP_EXTERNAL) |
			 L(SVC_LISTEN_AV_STANDARD_TCP) | L(SVC_LISTEN_AV_TLS) |
			 L(SVC_LISTEN_AV_UDP_INTERNAL) | L(SVC_LISTEN_AV_TCP_INTERNAL),
	    .seccomp =
		SECCOMP_BASE | SECCOMP_SOCKETS | SECCOMP_ACCEPT | SECCOMP_CONNECT | SECCOMP_RELAY,
	    .files = 131072,
	    .keyd_ops = KEYD_OP_BIT(KEYD_OP_TURN_KEY) | KEYD_OP_BIT(KEYD_OP_SIGN) |
			KEYD_OP_BIT(KEYD_OP_TICKET_KEYS),
	    .bindings = "external external_ecdsa",
	    .shared = 16384u * 144u, /* proto/turn/shared.h */
	    .reads = "STUN / TURN",
	    .may = "given listeners, its relay port range, connect from it (TCP peers); entries of "
		   "the kernel's relay",
	    .holds =
		"allocations, their derived keys; with its siblings a table of counts per user",
	    .talks_to = "supervisor, keyd",
	    .never = "files, keys, DNS",
	},
    [ROLE_AVAUTH] =
	{
	    .role = ROLE_AVAUTH,
	    .program = "edged-avauth",
	    .listeners = L(SVC_LISTEN_MRAS),
	    .seccomp = SECCOMP_BASE | SECCOMP_SOCKETS | SECCOMP_ACCEPT,
	    .files = 4096,
	    .keyd_ops = KEYD_OP_BIT(KEYD_OP_SIGN) | KEYD_OP_BIT(KEYD_OP_ISSUE_TOKEN) |
			KEYD_OP_BIT(KEYD_OP_TICKET_KEYS),
	    .bindings = "internal",
	    .reads = "SIP from inside only",
	    .may = "given internal listener",
	    .holds = "nothing lasting",
	    .talks_to = "supervisor, keyd",
	    .never = "external interface, the secret itself",
	},
    [ROLE_XMPP] =
	{
	    .role = ROLE_XMPP,
	    .program = "edged-xmpp",
	    .listeners = L(SVC_LISTEN_XMPP_EXTERNAL) | L(SVC_LISTEN_XMPP_INTERNAL),
	    .seccomp =
		SECCOMP_BASE | SECCOMP_SOCKETS | SECCOMP_ACCEPT | SECCOMP_CONNECT | SECCOMP_RESOLVE,
	    .resolves = true,
	    .files = 16384,
	    .keyd_ops = KEYD_OP_BIT(KEYD_OP_SIGN) | KEYD_OP_BIT(KEYD_OP_TICKET_KEYS),
	    .bindings = "external external_ecdsa internal",
	    .reads = "XMPP streams",
	    .may = "given listeners on both sides, connect to partners, DNS",
	    .holds = "streams",
	    .talks_to = "supervisor, keyd",
	    .never = "files, keys",
	},
};

void
roles_print_markdown(FILE *out)
{
	fputs("| process | reads from outside | may touch | holds | talks to | may never |\n"
	      "|---|---|---|---|---|---|\n",
	    out);
	for (int r = 0; r < ROLE__N; r++)
		fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", role_name((enum role)r),
		    role_rows[r].reads, role_rows[r].may, role_rows[r].holds, role_rows[r].talks_to,
		    role_rows[r].never);
}

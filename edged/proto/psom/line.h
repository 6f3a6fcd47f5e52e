/* SPDX-License-Identifier: MIT
 *
 * proto/psom/line.h: announcement lines: what the inside connector reports to the Edge about
 * servers and tickets, one line each.
 *
 * Pure. psom_lines cuts the stream into lines (in whatever pieces it comes), psom_line_read
 * understands one, psom_line_write makes one. The Edge reads them from the link (webconf/link.c),
 * the connector writes them, and reads the same lines from its local control socket.
 *
 * Spec: docs/spec/psom-webconf.md, "Announcements".
 */
#ifndef EDGED_PROTO_PSOM_LINE_H
#define EDGED_PROTO_PSOM_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define PSOM_LINE_MAX       512u /* with its LF */
#define PSOM_SERVER_MAX     64u
#define PSOM_NAME_MAX       253u
#define PSOM_CONFERENCE_MAX 128u
#define PSOM_HASH_LEN       32u
#define PSOM_WEIGHT_MAX     1000u
#define PSOM_USES_MAX       1000u

enum psom_line_kind { PSOM_LINE_SERVER, PSOM_LINE_GONE, PSOM_LINE_TICKET, PSOM_LINE_REVOKE };

struct psom_line {
	enum psom_line_kind kind;
	struct str server;           /* id; SERVER, GONE, TICKET */
	struct str name;             /* SERVER: host name that routes to it; may be empty */
	uint32_t weight;             /* SERVER: 1 when not given */
	uint8_t hash[PSOM_HASH_LEN]; /* TICKET, REVOKE: SHA-256 of the handle */
	uint64_t not_after_s;        /* TICKET: seconds since 1970 */
	uint32_t uses;               /* TICKET: 1 when not given */
	struct str conference;       /* TICKET: reference for the server; may be empty */
};

/*
 * One line without its LF. Unknown keys are passed over, so that either side may be newer.
 *
 * Returns ED_OK with views into line; ED_MALFORMED (a value breaks its rule, a key is missing or
 * stands twice); ED_UNSUPPORTED for an unknown first word, which the caller counts and ignores.
 */
int psom_line_read(struct str line, struct psom_line *ret) ED_MUST_CHECK;

/* With LF, into ret of PSOM_LINE_MAX; octets written, or ED_LIMIT. The values must satisfy the
 * rules. */
int psom_line_write(const struct psom_line *l, char *ret) ED_MUST_CHECK;

/* Cuts a stream into lines; keeps only a line that is not whole yet. All zero is a good start. */
struct psom_lines {
	char held[PSOM_LINE_MAX];
	size_t n;
};
/*
 * Take the next line from *in, which moves on over what was used.
 *
 * Returns 1 with *ret_line (no LF; valid until the next call), 0 when *in is used up without a
 * whole line, ED_LIMIT when a line is longer than PSOM_LINE_MAX.
 */
int psom_lines_next(struct psom_lines *ls, struct str *in, struct str *ret_line) ED_MUST_CHECK;

#endif

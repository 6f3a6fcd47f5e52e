/* SPDX-License-Identifier: MIT
 *
 * sipparse/edit.h: a message leaves as the bytes that came plus a short list of splices. What is
 * not edited leaves exactly as it came; signatures over header fields depend on that
 * (access-edge-sip 7).
 *
 * Pure. Life: sip_edits_init for a parsed message, any calls of sip_edit_*, sip_edits_size, then
 * sip_edits_write once into memory of at least that size (usually a connection's output buffer), or
 * sip_edits_iov. Inserted text is borrowed until then; put what you build into the arena.
 *
 * Offsets are those of the message as received; edits do not shift each other. Two edits of the
 * same place keep the order in which they were asked for. Overlapping replacements or deletions are
 * our own mistake (assert); a deletion of a whole line swallows edits inside it.
 */
#ifndef SIPPARSE_EDIT_H
#define SIPPARSE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sipparse/arena.h"
#include "sipparse/err.h"
#include "sipparse/msg.h"
#include "sipparse/str.h"

struct sip_splice {
	uint32_t at;
	uint32_t cut;    /* bytes of the message dropped from `at` on */
	struct str text; /* put in their place */
	uint32_t seq;    /* order of asking */
	bool whole_line; /* a deleted line, which swallows edits inside it */
	bool value;      /* a deleted value, which may be joined with its neighbour */
};

struct sip_edits {
	const struct sip_msg *m;
	struct arena *arena;
	struct sip_splice *splices; /* grown in the arena */
	uint32_t n, room;
	bool sorted;
	int err; /* ED_NOMEM, ED_STATE; sip_edits_size reports it, so callers may check once */
};

void sip_edits_init(struct sip_edits *e, struct arena *a, const struct sip_msg *m);

/* Replace cut bytes at offset `at` by text. */
void sip_edit_splice(struct sip_edits *e, uint32_t at, uint32_t cut, struct str text);

/* text is one or more whole lines with their CRLFs. */
void sip_edit_insert_before(struct sip_edits *e, const struct sip_line *l, struct str text);
void sip_edit_insert_first(struct sip_edits *e, struct str text); /* right below the start line */
void sip_edit_insert_last(struct sip_edits *e, struct str text);  /* above the empty line */

void sip_edit_delete_line(struct sip_edits *e, const struct sip_line *l);
void sip_edit_delete_all(struct sip_edits *e, enum sip_hdr id);
void sip_edit_replace_value(struct sip_edits *e, const struct sip_line *l, struct str value);
/* One value of a comma list goes, with its comma; the line goes if it was the only one left. All
 * values to be taken off one line must be asked for from the first to the last. */
void sip_edit_delete_value(struct sip_edits *e, const struct sip_value *v);
/* The start line's Request-URI. */
void sip_edit_replace_uri(struct sip_edits *e, struct str uri);

/* Bytes that sip_edits_write will give; ED_NOMEM when an edit found no room, ED_STATE when one lay
 * outside the message. Sorts the list. */
int64_t sip_edits_size(struct sip_edits *e) ED_MUST_CHECK;

/* Write the edited message; `out` has at least sip_edits_size bytes. Returns the bytes written. */
size_t sip_edits_write(const struct sip_edits *e, char *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * access/hide_in.h: what hide.c (requests), hide_response.c, hide_contact.c and hide_keep.c share.
 * Nobody else includes it.
 */
#ifndef EDGED_ACCESS_HIDE_IN_H
#define EDGED_ACCESS_HIDE_IN_H

#include "access/hide.h"

#include "sipparse/edit.h"
#include "sipparse/msg.h"

#define RECORD_ROUTE STR("Record-Route: <")
#define LINE_END     STR(">\r\n")

/* One message in hand. */
struct job {
	const struct work *w;
	const struct sip_msg *m;
	struct sip_edits *e;
	bool hides;  /* toward this party the inside is hidden */
	bool single; /* rr_mode when the request passed: a reload changes no transaction */
};

/* What a request leaves in its transaction, before it is put into one block. */
struct parts {
	struct str uri, via, i, o, domain, routes, vias, rrs, contacts;
};

static inline bool
view_hides_from(const struct view *v, bool partner)
{
	return v->hide >= (partner ? HIDE_PARTNERS : HIDE_ALL);
}

/* hide_keep.c */
int hide_keep_make(const struct parts *p, struct hide_keep **ret) ED_MUST_CHECK;
/* Views into a block, in the order of hide_keep_make. */
void hide_keep_read(const struct hide_keep *k, struct parts *ret);

/* hide_lines.c */
/* All lines of one id under their full name, one below the other; p NULL without memory. */
struct str hide_lines_of(const struct job *j, enum sip_hdr id);
/* A Record-Route line for each URI that is there. */
struct str hide_rr_lines(const struct work *w, struct str upper, struct str lower);
/* What the inside sees of a pair: both lines, or the single one. `upper` is the side it leaves by.
 */
struct str hide_inside_pair(const struct job *j, const struct parts *p, bool o_on_top);
void hide_insert_first(const struct job *j, struct str text);

/* hide_contact.c: Contact, Refer-To, Reply-To */
/* own: contacts that are ours to keep as they are. */
int hide_seal_all(const struct job *j, struct str own) ED_MUST_CHECK;
int hide_open_all(const struct job *j) ED_MUST_CHECK;

#endif

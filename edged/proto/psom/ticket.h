/* SPDX-License-Identifier: MIT
 *
 * proto/psom/ticket.h: the tickets that are good now, kept as hashes.
 *
 * A ticket is a secret handle given to one client. The Edge knows only SHA-256 of it, which server
 * it leads to, until when and how often it may be used. Who reads this table cannot make a ticket.
 *
 * Pure but for memory. now_s is seconds since 1970, since announcements carry such times. A ticket
 * is announced (put), used (take) or revoked; one that was used up or whose time is over stays as a
 * memory of itself until the table wants its place, so that a second use is told from an invention.
 *
 * Spec: docs/spec/psom-webconf.md, "Tickets".
 */
#ifndef EDGED_PROTO_PSOM_TICKET_H
#define EDGED_PROTO_PSOM_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"
#include "proto/psom/line.h"

struct psom_tickets;

struct psom_ticket_facts { /* views into the table, until the next put or revoke */
	struct str server;
	struct str conference;
	uint32_t uses_left;
	uint64_t not_after_s;
};

enum psom_ticket_verdict {
	PSOM_TICKET_OK,
	PSOM_TICKET_UNKNOWN,
	PSOM_TICKET_EXPIRED,
	PSOM_TICKET_USED,
	PSOM_TICKET_REVOKED,
};

struct psom_tickets *psom_tickets_new(size_t max, const struct hash_key *key);
struct psom_tickets *psom_tickets_free(struct psom_tickets *t);

/*
 * l is a PSOM_LINE_TICKET. One that is known already stays as it is (a link that comes up again
 * announces all of its tickets, and must not bring a used one back to life).
 *
 * Returns ED_OK; ED_GONE when its time is over already; ED_LIMIT when the table is full of live
 * ones; ED_NOMEM.
 */
int psom_tickets_put(
    struct psom_tickets *t, const struct psom_line *l, uint64_t now_s) ED_MUST_CHECK;

/* Use the ticket once. *ret is written for PSOM_TICKET_OK only. */
enum psom_ticket_verdict psom_tickets_take(struct psom_tickets *t,
    const uint8_t hash[PSOM_HASH_LEN], uint64_t now_s, struct psom_ticket_facts *ret);

/* From now on it is refused. ED_GONE when there is none such. */
int psom_tickets_revoke(struct psom_tickets *t, const uint8_t hash[PSOM_HASH_LEN]);

/* Entries held, dead ones included. */
size_t psom_tickets_count(const struct psom_tickets *t);

/* Each ticket that can be used at now_s, in no order. l's views live until each returns. */
void psom_tickets_each_live(const struct psom_tickets *t, uint64_t now_s,
    void (*each)(const struct psom_line *l, void *arg), void *arg);

const char *psom_ticket_verdict_name(enum psom_ticket_verdict v);

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/crl.h: is the certificate of this peer revoked? Lists come from a file (PEM, given as text)
 * and from the HTTP addresses that the certificates themselves name (net/fetch.h); those are kept,
 * brought up to date while somebody needs them, and checked against the issuer's signature each
 * time they count.
 *
 * Asked once the handshake is done, before the room is told of the peer: the answer may take a
 * fetch (CRL_WAIT, then the callback). A list that changes while connections stand is told by
 * on_news; the room asks again for each of them.
 *
 * Fail mode (CERT-ALL-09) is the room's: CRL_UNKNOWN says that no list could be had, and why.
 *
 * Bounded: CRL_LISTS of CRL_BYTES each and CRL_BYTES_ALL together, CRL_WAITERS.
 */
#ifndef EDGED_NET_CRL_H
#define EDGED_NET_CRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct conn;
struct crl;
struct fetch;
struct loop;

#define CRL_LISTS     64u
#define CRL_BYTES     (2u * 1024u * 1024u)
#define CRL_BYTES_ALL (8u * 1024u * 1024u)
#define CRL_WAITERS   1024u
#define CRL_FETCH_MS  5000u
#define CRL_WHY_LEN   160u
#define CRL_FRESH_MS  3600000u  /* fetched again then, or at nextUpdate */
#define CRL_RETRY_MS  60000u    /* after a failure; doubles up to CRL_FRESH_MS */
#define CRL_NEEDED_MS 86400000u /* a list that nobody asked for so long is not renewed */

enum crl_verdict { CRL_GOOD, CRL_REVOKED, CRL_UNKNOWN, CRL_WAIT };

struct crl_conf {
	struct loop *loop;
	struct fetch *fetch; /* borrowed; NULL: nothing is fetched */
	/* A list came that says something else than before. */
	void (*on_news)(void *arg);
	/* A fetch failed: once for each address and hour. */
	void (*on_failed)(void *arg, const char *url, const char *why);
	void *arg;
};
struct crl *crl_new(const struct crl_conf *conf);
struct crl *crl_free(struct crl *k);

/* Takes effect for the next question. pem: lists from a file, may be empty. ED_MALFORMED: it holds
 * text, but no list; the old ones stay. */
int crl_configure(struct crl *k, bool fetch, struct str pem) ED_MUST_CHECK;

/* why: for the log, CRL_WHY_LEN; empty for CRL_GOOD. */
typedef void crl_cb(void *arg, enum crl_verdict v, const char *why);
/*
 * The peer of c, whose handshake is done. CRL_WAIT: cb comes later and once, with another verdict,
 * unless crl_forget comes first. With cb NULL nobody waits: what is at hand decides.
 */
enum crl_verdict crl_judge(
    struct crl *k, struct conn *c, crl_cb *cb, void *arg, char why[CRL_WHY_LEN]);
void crl_forget(struct crl *k, void *arg);
/* Renew what is due; call about every second. */
void crl_tick(struct crl *k);

struct crl_row { /* for edgectl */
	const char *url;
	const char *state; /* "fresh", "expired", "fetching", "failed" */
	const char *why;
	int64_t next_update; /* seconds since 1970; 0: none */
	uint32_t entries;
	uint64_t age_ms;
};
void crl_each(const struct crl *k, void (*each)(const struct crl_row *row, void *arg), void *arg);

#endif

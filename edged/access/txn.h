/* SPDX-License-Identifier: MIT
 *
 * access/txn.h: the transactions of the proxy: server side (the request as it came) and client side
 * (as we sent it on) in one record, since this proxy never forks (RFC 3261 16, 17; RFC 6026;
 * access-edge-sip 5.4).
 *
 * Life: txn_open when a request goes out; txn_of_response finds it by our branch; it ends with a
 * final response, or stays for 32 s after one to INVITE (COMPLETED waits for the ACK, ACCEPTED lets
 * 2xx of further forks pass), or ends by timer. Over TLS nothing is retransmitted, so timers A, E,
 * G, I, J and K are zero. The room carries out what a state change means; this file only keeps the
 * books.
 *
 * Keys a stranger picks are compared as 128 bits of keyed hash; the text is not kept.
 */
#ifndef EDGED_ACCESS_TXN_H
#define EDGED_ACCESS_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "access/slab.h"
#include "access/timeq.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/str.h"
#include "sipparse/msg.h"

struct flow;

#define TXN_B_MS 32000u  /* timers B, F, H and the stay in ACCEPTED (RFC 3261 17, RFC 6026 7) */
#define TXN_C_MS 180000u /* RFC 3261 16.6 step 11 */

enum txn_state {
	TXN_TRYING,     /* sent on, nothing came back */
	TXN_PROCEEDING, /* a provisional response came */
	TXN_COMPLETED,  /* INVITE: final response >= 300 sent back, the ACK may still come */
	TXN_ACCEPTED,   /* INVITE: 2xx sent back */
};

struct txn_key { /* of the request as it came, scoped by its connection */
	uint64_t hash;
	uint64_t check;
	uint64_t to_tag; /* RFC 2543 only; 0 with a magic cookie */
	bool cookie;
};

struct txn {
	struct hash_node by_id, by_key;
	struct timeq_node timer;
	struct list sent;    /* in to->sent, then to->open */
	uint64_t id;         /* transaction id in our branch; top 8 bits are our slot */
	uint64_t check;      /* second half of the server key */
	uint64_t req_to_tag; /* RFC 2543: hash of the request's To tag */
	uint64_t res_to_tag; /* RFC 2543: of the final response we sent back */
	uint64_t from_cid;   /* connection the request came on */
	struct flow *to;     /* connection it went out on; NULL when that is gone */
	uint64_t sent_ms;
	uint32_t mark; /* first part of our branch */
	uint32_t cseq;
	uint8_t method;    /* enum sip_method */
	uint8_t state;     /* enum txn_state */
	uint16_t member;   /* next hop member it came from, 0: none */
	uint8_t traffic;   /* enum traffic of its outside party */
	bool answered : 1; /* something final went back to where it came from */
	bool verified : 1;
	bool shared_space : 1; /* the outside party is a provider with shared address space */
	bool outward : 1;      /* the request left toward an external peer */
	bool cookie : 1;
	bool keep_alive : 1;  /* it asked for ms-keep-alive */
	bool with_auth : 1;   /* it carried credentials */
	bool cancel_came : 1; /* a CANCEL was answered */
	bool cancel_sent : 1;
	bool discovered : 1;      /* it came from a discovered partner */
	bool probe : 1;           /* our own OPTIONS to a next hop member */
	struct slab_text outline; /* what answering it later takes */
	struct slab_text cancel;  /* CANCEL that waits for a provisional response */
	struct slab_text keep;    /* a struct hide_keep: what hide.c wants back with the response */
};

struct txn_table {
	struct hash_table by_id, by_key;
	struct slab slab;
	struct slab_texts texts;
	struct timeq b, c;
	struct hash_key key[2];
	uint32_t n, max;
};

int txn_table_init(struct txn_table *t, const struct hash_key *key, uint32_t max) ED_MUST_CHECK;
/* Drops whatever is left. */
void txn_table_done(struct txn_table *t);

/*
 * Key of request m from the connection cid. ACK and CANCEL give the key of the INVITE they may
 * belong to (RFC 3261 17.2.3, and its RFC 2543 rule where there is no cookie).
 */
void txn_key_of(
    const struct txn_table *t, const struct sip_msg *m, uint64_t cid, struct txn_key *ret_key);

/* The transaction a request repeats, or an ACK or CANCEL belongs to; NULL if none. */
struct txn *txn_of_request(
    const struct txn_table *t, const struct txn_key *k, enum sip_method method);
/* By the transaction id in a branch of ours; the caller compares the rest of the branch. */
struct txn *txn_of_id(const struct txn_table *t, uint64_t id);

/*
 * A new one in TRYING with timer B or F running. ED_LIMIT when the table is full, ED_NOMEM. The
 * caller fills what it knows and links it to a flow with txn_sent_on.
 */
int txn_open(struct txn_table *t, const struct txn_key *k, enum sip_method method, uint64_t id,
    uint64_t now_ms, struct txn **ret_txn) ED_MUST_CHECK;
void txn_sent_on(struct txn *x, struct flow *to);

/* A provisional response came: timer C for INVITE. */
void txn_proceed(struct txn_table *t, struct txn *x, uint64_t now_ms);
/* A final response went back. INVITE stays (see above); everything else is freed: returns NULL
 * then. */
struct txn *txn_finish(
    struct txn_table *t, struct txn *x, uint16_t status, struct str to_tag, uint64_t now_ms);
/* Restart timer B; used while a cancelled INVITE waits for its 487. */
void txn_wait_b(struct txn_table *t, struct txn *x, uint64_t now_ms);
struct txn *txn_free(struct txn_table *t, struct txn *x);

/* When the table is full: the oldest that is answered and only stays for what may still come; NULL
 * when none is near. */
struct txn *txn_spare(const struct txn_table *t);

/* One whose timer fired, until NULL. Its timer is not set then; the caller ends or re-arms it. */
struct txn *txn_due(struct txn_table *t, uint64_t now_ms);

#endif

/* SPDX-License-Identifier: MIT
 *
 * net/keycall.h: asks keyd for what needs a private key, and gives OpenSSL an ordinary key handle
 * that does so (a small OpenSSL 3 provider of ours, "edged-keycall").
 *
 * One channel (SOCK_SEQPACKET pair) to keyd per process, used for nothing else. During a server
 * handshake the signature suspends that one handshake (OpenSSL async job); the loop goes on; the
 * answer is matched by number and wakes the connection. Each call has a deadline
 * (KEYCALL_DEADLINE_MS), after which that handshake fails. Protocol: docs/decisions/0003-keys.md.
 */
#ifndef EDGED_NET_KEYCALL_H
#define EDGED_NET_KEYCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct keycall;
struct loop;

#define KEYCALL_DEADLINE_MS 5000u

/*
 * Takes over fd (the channel). Loads the provider, so call it before the sandbox closes. A process
 * has one keycall; it outlives the TLS contexts made with it.
 */
struct keycall *keycall_new(struct loop *l, int fd);
struct keycall *keycall_free(struct keycall *k);
/* Another one than KEYCALL_DEADLINE_MS, for calls made from now on. */
void keycall_set_deadline(struct keycall *k, uint32_t ms);

/* keyd was restarted: calls under way fail, later ones use fd (taken over). */
void keycall_rebind(struct keycall *k, int fd);

/* Key material by which route tokens are signed and sealed, one per day (access-edge-sip 6.2). */
struct keycall_day_key {
	uint16_t day; /* days since 1970, modulo 65536 */
	uint8_t sign[32];
	uint8_t seal[32];
};
/* Blocking, at start and once a day; days [first, first + n). */
int keycall_day_keys(
    struct keycall *k, uint32_t first_day, uint8_t n, struct keycall_day_key *ret) ED_MUST_CHECK;

/* TLS session ticket keys shared by the pool, rotated (48 bytes each: name, aes, hmac). Blocking.
 */
int keycall_ticket_keys(struct keycall *k, uint32_t period, uint8_t ret[3][48]) ED_MUST_CHECK;

#define KEYCALL_TURN_KEYS 2u
#define KEYCALL_NAME_MAX  512u /* longest username or identity that fits a request */
/* The key of a TURN user (token, file user or time-limited name). */
struct keycall_turn {
	int verdict; /* ED_OK; ED_DENIED: unknown; ED_GONE: expired */
	uint8_t key[KEYCALL_TURN_KEYS][16];
	uint8_t n_keys;   /* a shared secret being rolled gives two: either may be the sender's */
	uint8_t user[16]; /* pseudonym: groups the allocations of one user */
	uint64_t remaining_s; /* UINT64_MAX: does not end */
};
/* answer is NULL when keyd cannot be reached or was too slow; valid during the call. */
typedef void keycall_turn_cb(void *arg, uint32_t tag, const struct keycall_turn *answer);
int keycall_turn_key(struct keycall *k, struct str username, uint32_t tag, keycall_turn_cb *cb,
    void *arg) ED_MUST_CHECK;

/* A relay credential for an identity: mras.md 6.4. */
struct keycall_token {
	int verdict; /* ED_OK; ED_UNSUPPORTED: no A/V authentication key */
	uint8_t username[56];
	uint8_t password[20];
	uint32_t duration_min; /* granted */
};
typedef void keycall_token_cb(void *arg, uint32_t tag, const struct keycall_token *answer);
/* duration_min 0: the longest there is. flags: mras.md 6.4. */
int keycall_issue_token(struct keycall *k, struct str identity, uint32_t duration_min,
    uint8_t flags, uint32_t tag, keycall_token_cb *cb, void *arg) ED_MUST_CHECK;

#endif

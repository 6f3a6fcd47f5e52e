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

/* Takes over fd (the channel). */
struct keycall *keycall_new(struct loop *l, int fd);
struct keycall *keycall_free(struct keycall *k);

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

#endif

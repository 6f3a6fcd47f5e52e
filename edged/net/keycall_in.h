/* SPDX-License-Identifier: MIT
 *
 * net/keycall_in.h: what tls.c, conn.c and the provider see of keycall; nobody else includes it.
 */
#ifndef EDGED_NET_KEYCALL_IN_H
#define EDGED_NET_KEYCALL_IN_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct keycall;
struct keycall_call;

/*
 * Lies in whoever runs a handshake. Before each step keycall_enter names it; a signature in that
 * step pauses the async job and wake comes when the answer is there (from the loop, then step
 * again).
 */
struct keycall_wait {
	struct keycall_call *call; /* under way; NULL: none */
	void (*wake)(struct keycall_wait *w);
	const char *why; /* static text after a failed call; NULL: none failed */
};
void keycall_enter(struct keycall_wait *w);
void keycall_leave(void);
/* The owner gives up: the call fails at once, without wake. Step once more to unwind the job. */
void keycall_abandon(struct keycall_wait *w);

/*
 * One signature: pauses the async job it runs in, blocks outside of one. alg: enum keyproto_alg.
 * ED_OK, ED_LIMIT (ret too small), ED_GONE (keyd away or late), ED_DENIED (keyd said no).
 */
int keycall_sign(struct keycall *k, uint16_t slot, uint8_t alg, struct str digest, uint8_t *ret,
    size_t room, size_t *ret_n) ED_MUST_CHECK;

/* keyprov.c: loads the provider; idempotent. */
int keyprov_setup(void) ED_MUST_CHECK;
/* A private key handle whose signatures come from keyd: slot's key must belong to leaf. */
EVP_PKEY *keycall_pkey(struct keycall *k, uint16_t slot, X509 *leaf);

#endif

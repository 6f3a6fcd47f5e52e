/* SPDX-License-Identifier: MIT
 *
 * access/sibling.h: what workers say to each other (docs/decisions/0001): a request from inside
 * that met the wrong worker is handed on once, as its bytes and the connection it came on; what the
 * other worker wants written on that connection travels back the same way.
 *
 * Pure: bytes in, bytes out (net/ipc.h). Nothing from a sibling is trusted beyond "a server inside
 * sent this": the connection ids are checked against the slot that speaks and the slot that
 * listens.
 */
#ifndef EDGED_ACCESS_SIBLING_H
#define EDGED_ACCESS_SIBLING_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

enum sibling_kind {
	SIBLING_REQUEST = 1, /* bytes: one SIP request that came on connection cid of the speaker */
	SIBLING_OUTPUT = 2,  /* bytes: to be written on connection cid of the listener */
	SIBLING_GONE = 3,    /* connection cid of the speaker has closed; no bytes */
	/* bytes: user@host, in lower case, who failed to sign in, or did, on cid of the speaker */
	SIBLING_FAILED = 4,
	SIBLING_SIGNED_IN = 5,
};

#define SIBLING_HEAD_LEN  32u   /* kind, cid, peer's address, length */
#define SIBLING_FLOWS_MAX 1024u /* connections of one sibling that a worker remembers */

struct sibling_msg {
	enum sibling_kind kind;
	uint64_t cid;
	struct addr peer; /* SIBLING_REQUEST: who sent it */
	struct str bytes;
};

/* Writes the head in front of n bytes that the caller has put (or will put) at out +
 * SIBLING_HEAD_LEN. */
void sibling_head(
    uint8_t *out, enum sibling_kind kind, uint64_t cid, const struct addr *peer, uint32_t n);

/* from, to: slots of speaker and listener. ED_MALFORMED when the message is not one of these,
 * or names a connection that the speaker has no business with. */
int sibling_read(
    struct str bytes, unsigned from, unsigned to, struct sibling_msg *ret) ED_MUST_CHECK;

#endif

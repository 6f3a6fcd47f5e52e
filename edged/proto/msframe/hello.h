/* SPDX-License-Identifier: MIT
 *
 * proto/msframe/hello.h: what a fresh TCP connection of the relay begins with, and the answer to
 * the hello that only looks like TLS so that a firewall lets it pass. Nothing is encrypted by it.
 *
 * Pure. Spec: ms-turn 1.3, 1.4, 1.5 (docs/spec/ms-turn.md).
 */
#ifndef EDGED_PROTO_MSFRAME_HELLO_H
#define EDGED_PROTO_MSFRAME_HELLO_H

#include <stdint.h>

#include "base/str.h"

#define MSFRAME_CLIENT_HELLO_LEN 50u
#define MSFRAME_SERVER_HELLO_LEN 83u
#define MSFRAME_HELLO_RANDOM_LEN 60u /* 28 of ServerHello's random, 32 of the session id */

enum msframe_first {
	MSFRAME_FIRST_MORE,  /* too early to tell */
	MSFRAME_FIRST_HELLO, /* pseudo-TLS: consume MSFRAME_CLIENT_HELLO_LEN, answer, then frames */
	MSFRAME_FIRST_FRAMES,   /* frames of the MS dialect at once */
	MSFRAME_FIRST_STANDARD, /* STUN and TURN messages, RFC 8656 */
	MSFRAME_FIRST_TLS,      /* a real ClientHello */
	MSFRAME_FIRST_GOOGLE,   /* the old Google relay's hello: recognised, refused */
	MSFRAME_FIRST_CLOSE,
};

/* Decides at the first byte that rules the other rows out; bytes from the start of the connection.
 */
enum msframe_first msframe_first(struct str bytes);

/* Must leave in one segment: libnice reads 83 bytes once. now_s fills the timestamp. */
void msframe_server_hello(uint8_t ret[MSFRAME_SERVER_HELLO_LEN], uint32_t now_s,
    const uint8_t random[MSFRAME_HELLO_RANDOM_LEN]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/mras/doc.h: the documents of the A/V Authentication service: a request read, an answer
 * written.
 *
 * Pure; all text lives in the caller's arena. No DTD, no entities but the five and numbers, bounded
 * depth and length. Whether the requester may have what it asks for is judged by avauth.
 *
 * Spec: [MS-AVEDGEA] 2.2; mras.md 4, 5 (docs/spec/mras.md).
 */
#ifndef EDGED_PROTO_MRAS_DOC_H
#define EDGED_PROTO_MRAS_DOC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/mras/token.h"

#define MRAS_BODY_MAX        65536u
#define MRAS_CREDENTIALS_MAX 100u
#define MRAS_CONTENT_TYPE    "application/msrtc-media-relay-auth+xml"

enum mras_reason { /* the ten literals of [MS-AVEDGEA] 2.2.4.7 */
	MRAS_OK,
	MRAS_REQUEST_MALFORMED,
	MRAS_REQUEST_TOO_LARGE,
	MRAS_NOT_SUPPORTED,
	MRAS_SERVER_BUSY,
	MRAS_TIME_OUT,
	MRAS_FORBIDDEN,
	MRAS_INTERNAL_SERVER_ERROR,
	MRAS_OTHER_FAILURE,
	MRAS_VERSION_MISMATCH,
	MRAS_REASON__N
};
const char *mras_reason_text(enum mras_reason r);

enum mras_location { MRAS_ANYWHERE, MRAS_INTRANET, MRAS_INTERNET };

struct mras_ask {
	struct str id, identity;
	enum mras_location location;
	uint32_t duration_min; /* 0: not named */
};

struct mras_request {
	enum mras_reason reason; /* OK, MALFORMED (no ids then), TOO_LARGE or VERSION_MISMATCH */
	struct str id, to, from;
	struct str version; /* for the answer */
	bool directip;
	struct mras_ask *asks;
	uint32_t n_asks;
};

/* Never fails but for memory (ED_NOMEM: answer Internal Server Error): an unreadable body gives
 * reason MALFORMED. */
int mras_request_read(struct arena *a, struct str body, struct mras_request *ret) ED_MUST_CHECK;

struct mras_relay {
	enum mras_location location;
	bool is_address; /* directIPAddress instead of hostName */
	struct str host;
	uint16_t udp_port, tcp_port; /* 0: left out */
};

struct mras_grant {
	struct mras_token token;
	uint32_t duration_min;
};

struct mras_answer {
	const struct mras_request *request;
	enum mras_reason reason;
	struct str realm;
	const struct mras_grant *grants; /* one for each ask when reason is OK */
	const struct mras_relay *relays; /* all there are; each ask gets those of its location */
	uint32_t n_relays;
};

/* Into the arena; p is NULL without room. */
struct str mras_answer_write(struct arena *a, const struct mras_answer *answer);

#endif

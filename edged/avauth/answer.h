/* SPDX-License-Identifier: MIT
 *
 * avauth/answer.h: which final response a request gets before its document is read, and the bytes
 * of a response.
 *
 * Pure. Spec: mras.md 3.2, 3.3; RFC 3261 8.2.
 */
#ifndef EDGED_AVAUTH_ANSWER_H
#define EDGED_AVAUTH_ANSWER_H

#include "base/arena.h"
#include "base/str.h"
#include "sipparse/msg.h"

struct view;

struct answer {
	unsigned code; /* 0: none at all; 200 with is_mras: read the document */
	bool is_mras;
	const char *reason;
	struct str headers; /* whole lines of our own, may be empty */
};

/* What the headers alone decide. Text of `headers` may lie in the arena. */
struct answer answer_judge(const struct view *v, const struct sip_msg *m, struct arena *a);

/* tag: of To, when the request had none. p NULL without room. */
struct str answer_write(struct arena *a, const struct sip_msg *m, const struct answer *answer,
    struct str tag, struct str body);

#endif

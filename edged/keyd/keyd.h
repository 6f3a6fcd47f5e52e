/* SPDX-License-Identifier: MIT
 *
 * keyd/keyd.h: the keys by slot and the few operations on them. Bytes of a request in, bytes of the
 * answer out: no descriptor, no clock, no log, so a test or a fuzzer calls it as the daemon does.
 *
 * Life: keyd_new; keyd_stage reads a key plan beside the view in force, keyd_commit swaps it in or
 * keyd_rollback drops it; keyd_answer per request; keyd_free wipes. Nothing that leaves here is a
 * private key or the pool secret.
 *
 * Spec: docs/decisions/0003-keys.md; net/keyproto.h.
 */
#ifndef EDGED_KEYD_KEYD_H
#define EDGED_KEYD_KEYD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/keyproto.h"
#include "svc/roles.h"

/* The largest answer: number, verdict, length, result. */
#define KEYD_ANSWER_MAX (KEYPROTO_RESULT_MAX + 16u)

struct keyd;

struct keyd *keyd_new(void);
struct keyd *keyd_free(struct keyd *k);

/*
 * plan is borrowed; its keys are copied and its bytes stay the caller's to wipe. On error *ret_why
 * says which binding and why (valid until the next call), and what was staged before is gone too.
 */
int keyd_stage(struct keyd *k, struct str plan, const char **ret_why) ED_MUST_CHECK;
void keyd_commit(struct keyd *k); /* no harm when nothing is staged */
void keyd_rollback(struct keyd *k);

/*
 * One request on a channel of role. Every request that has a number gets an answer, refusals too:
 * *ret_verdict tells which. now_s: seconds since 1970. ED_MALFORMED: not even a number; nothing to
 * say.
 */
int keyd_answer(struct keyd *k, enum role role, int64_t now_s, struct str request,
    uint8_t ret[KEYD_ANSWER_MAX], size_t *ret_n, enum keyproto_verdict *ret_verdict) ED_MUST_CHECK;

/* Slots in force. */
unsigned keyd_slots(const struct keyd *k);

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/turn/shared.h: what one user holds over all workers: a table of fixed size in memory that
 * they share, made of atomic numbers only.
 *
 * Each worker writes its own column of counts and clears it at its start, so that a killed one
 * leaves nothing behind. Nothing is trusted but to say no: whoever writes nonsense into it can
 * refuse users, and cannot let one through a limit that each worker keeps for itself as well.
 *
 * Spec: style 12 "Which worker"; ms-turn 7.7.
 */
#ifndef EDGED_PROTO_TURN_SHARED_H
#define EDGED_PROTO_TURN_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TURN_SHARED_WORKERS 64u
#define TURN_SHARED_ENTRIES                                                                        \
	16384u /* users at a time; more than there are relay ports by default                      \
		*/
#define TURN_SHARED_SIZE (TURN_SHARED_ENTRIES * (16u + 2u * TURN_SHARED_WORKERS))

struct turn_shared;

/* The table in size bytes of zeroed (or used) memory, 8-byte aligned; NULL when they do not fit it.
 */
struct turn_shared *turn_shared_at(void *mem, size_t size);
/* A worker starts: what an earlier one of its number counted is gone. */
void turn_shared_reset(struct turn_shared *t, unsigned worker);

/*
 * One more of that user. user: 8 bytes that differ between users. ED_OK with *ret_slot for the
 * calls below; ED_LIMIT: max are there already; ED_STATE: no room to count it, *ret_slot is
 * TURN_SHARED_NONE.
 */
#define TURN_SHARED_NONE UINT32_MAX
int turn_shared_take(struct turn_shared *t, unsigned worker, uint64_t user, uint32_t max,
    uint32_t *ret_slot) ED_MUST_CHECK;
void turn_shared_put(struct turn_shared *t, unsigned worker, uint32_t slot);
/* Bandwidth, one second's worth at most; kbit 0: no limit. */
bool turn_shared_pay(
    struct turn_shared *t, uint32_t slot, uint64_t kbit, uint32_t n, uint64_t now_ms);
/* The same for streams, as turn_bucket_owe and turn_bucket_wait_ms (turn/source.h). */
void turn_shared_owe(
    struct turn_shared *t, uint32_t slot, uint64_t kbit, uint32_t n, uint64_t now_ms);
uint64_t turn_shared_wait_ms(
    const struct turn_shared *t, uint32_t slot, uint64_t kbit, uint64_t now_ms);
/* The ceiling is another one now: what is owed is kept as time, and would be far too much (or too
 * little) of it. As if the user had come just now. */
void turn_shared_forgive(struct turn_shared *t, uint32_t slot);

#endif

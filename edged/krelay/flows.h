/* SPDX-License-Identifier: MIT
 *
 * krelay/flows.h: a worker's side of the relay in the kernel: enter, read and take out flows.
 *
 * The maps are the supervisor's; a worker has their descriptors and nothing else (its sandbox
 * allows three commands of bpf(2)). What is in the map is a copy of what user space has decided,
 * for KRELAY_LEASE_MS at most: then one packet comes up, is judged as any other, and enters it
 * again.
 *
 * Spec: docs/decisions/0008-kernel-relay.md.
 */
#ifndef EDGED_KRELAY_FLOWS_H
#define EDGED_KRELAY_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "krelay/layout.h"

#define KRELAY_LEASE_MS 10000u

/* What the supervisor hands to a worker of the A/V Edge. */
struct krelay_grant {
	int flows_fd, accounts_fd;
	uint32_t epoch; /* of this worker's life */
	struct krelay_conf conf;
};

struct krelay;

/* Takes the descriptors over, also when it fails. */
int krelay_new(
    const struct krelay_grant *grant, unsigned worker, struct krelay **ret) ED_MUST_CHECK;
struct krelay *krelay_free(struct krelay *k);

/* Of the leg with this address as listener (its port) or as relay; ED_STATE: the kernel has none.
 */
int krelay_leg_of_listener(
    const struct krelay *k, const struct addr *at, uint8_t *ret) ED_MUST_CHECK;
int krelay_leg_of_relay(const struct krelay *k, uint8_t family, uint8_t *ret) ED_MUST_CHECK;

void krelay_addr(uint8_t ret[16], const struct addr *a);

/* Worker and epoch of f are filled in. ED_OK, ED_SYS. */
int krelay_put(struct krelay *k, const struct krelay_key *key, struct krelay_flow *f) ED_MUST_CHECK;
/* ED_GONE: not there (any more). */
int krelay_get(
    const struct krelay *k, const struct krelay_key *key, struct krelay_flow *ret) ED_MUST_CHECK;
void krelay_drop(struct krelay *k, const struct krelay_key *key);
/* f is charged to account id (i: 0 the port's, 1 the user's), which is opened if there is none. */
int krelay_charge(struct krelay *k, struct krelay_flow *f, unsigned i, uint64_t id,
    uint64_t kbit_per_s) ED_MUST_CHECK;

#endif

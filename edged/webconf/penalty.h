/* SPDX-License-Identifier: MIT
 *
 * webconf/penalty.h: source addresses whose admissions failed too often are refused for a while
 * (IPv6 by /64). A table of fixed size: the entry that was idle longest gives way, so a flood costs
 * the flooder's own history and no memory. Pure: time comes in as now_ms.
 *
 * Spec: docs/spec/psom-webconf.md, "Limits".
 */
#ifndef EDGED_WEBCONF_PENALTY_H
#define EDGED_WEBCONF_PENALTY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"

struct penalty;

struct penalty *penalty_new(const struct hash_key *key);
struct penalty *penalty_free(struct penalty *p);
/* One admission failed. True when the address is refused from now on for refuse_ms. */
bool penalty_failed(struct penalty *p, const struct addr *peer, uint32_t per_minute,
    uint64_t refuse_ms, uint64_t now_ms);
bool penalty_is_refused(const struct penalty *p, const struct addr *peer, uint64_t now_ms);

#endif

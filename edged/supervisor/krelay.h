/* SPDX-License-Identifier: MIT
 *
 * supervisor/krelay.h: the relay in the kernel, from its object to an interface.
 *
 * krelay_open checks and loads the program with its configuration, krelay_attach puts it in front
 * of an interface. Closing takes it off again; what was relayed by it comes up to the sockets then.
 *
 * Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN. Spec: docs/decisions/0008-kernel-relay.md.
 */
#ifndef EDGED_SUPERVISOR_KRELAY_H
#define EDGED_SUPERVISOR_KRELAY_H

#include <stdint.h>

#include "base/err.h"
#include "krelay/layout.h"

struct krelay_maps;

extern const char krelay_object_begin[], krelay_object_end[];

/* ED_SYS with *ret_why (static) when the kernel does not take it. */
int krelay_open(
    const struct krelay_conf *conf, struct krelay_maps **ret, const char **ret_why) ED_MUST_CHECK;
int krelay_attach(struct krelay_maps *k, uint32_t ifindex, const char **ret_why) ED_MUST_CHECK;
struct krelay_maps *krelay_close(struct krelay_maps *k);

const struct krelay_conf *krelay_conf_of(const struct krelay_maps *k);
int krelay_program_fd(const struct krelay_maps *k);
int krelay_map_fd(const struct krelay_maps *k, const char *name);
uint32_t krelay_epoch(const struct krelay_maps *k, unsigned worker);
/* Everything that worker has entered is void from now on. */
void krelay_end_epoch(struct krelay_maps *k, unsigned worker);

#endif

/* SPDX-License-Identifier: MIT
 *
 * svc/priority.h: who comes first when processes of this house want the same core.
 */
#ifndef EDGED_SVC_PRIORITY_H
#define EDGED_SVC_PRIORITY_H

struct role_row;

/*
 * Give this process the niceness of its row, and a service that reads from the network a short time
 * slice, so that a woken worker comes before a keyd with more to sign (goals P7): at once, or, if
 * its row says batch, behind the signature under way. Before the sandbox closes; what the kernel
 * refuses is logged and does without.
 */
void priority_prepare(const struct role_row *row);

#endif

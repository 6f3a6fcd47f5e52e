/* SPDX-License-Identifier: MIT
 *
 * svc/notify.h: what a program that systemd started tells it.
 */
#ifndef EDGED_SVC_NOTIFY_H
#define EDGED_SVC_NOTIFY_H

/* A sign of life so often; WatchdogSec= of the units is a multiple. */
#define NOTIFY_MS 5000u

/* "READY=1", "WATCHDOG=1" and so on, to the socket that $NOTIFY_SOCKET names; nothing without one.
 */
void notify_state(const char *state);

#endif

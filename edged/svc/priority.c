/* SPDX-License-Identifier: MIT
 *
 * svc/priority.c
 */
#include "svc/priority.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "svc/log.h"
#include "svc/roles.h"

/*
 * Linux 6.12 and later: a task that wakes with a shorter slice than the one that runs takes the
 * core at once (sched(7), SCHED_OTHER with sched_runtime). A round of a loop is shorter than this
 * slice anyway, so nothing is lost by it. Older kernels take the call and pay no heed.
 */
#define SLICE_NS 100000u

/*
 * SCHED_BATCH: woken, it waits until who runs gives the core up. keyd does so behind every
 * signature, so that a message waits for one at most (0.3 ms), and a handshake costs one switch
 * each way instead of two: 6 % of its CPU where a switch is dear. For media that wait is too long.
 */
static void
shorten_slice(int niceness, bool batch)
{
	struct sched_attr a;

	memset(&a, 0, sizeof(a));
	a.size = SCHED_ATTR_SIZE_VER0;
	a.sched_policy = batch ? SCHED_BATCH : SCHED_NORMAL;
	a.sched_nice = niceness;
	a.sched_runtime = SLICE_NS;
	if (syscall(SYS_sched_setattr, 0, &a, 0) < 0)
		log_info(AREA_SYS, "", "slice_refused", "errno=%d", errno);
}

void
priority_prepare(const struct role_row *row)
{
	if (row->nice && setpriority(PRIO_PROCESS, 0, row->nice) < 0)
		log_warning(AREA_SYS, "", "nice_refused", "nice=%d", row->nice);
	if (row->listeners)
		shorten_slice(getpriority(PRIO_PROCESS, 0), row->batch);
}

/* SPDX-License-Identifier: MIT
 *
 * supervisor/privilege.c: what the supervisor may do, and what it gives up.
 *
 * Two ways to be started: as root, or (edged.service) as an ordinary user with a few ambient
 * capabilities. Root's children get theirs by exec; an ordinary user's only as far as they stay
 * inheritable, so they do. Each child gives up all of them in its sandbox.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/supervisor.h"
#include "svc/log.h"

struct caps {
	struct __user_cap_data_struct half[2];
};

static struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

static uint32_t
bit(unsigned cap)
{
	return 1u << cap % 32;
}

bool
privilege_to_lock_in(void)
{
	static const unsigned needed[] = {CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT};
	struct caps have = {0};

	if (geteuid() == 0)
		return true; /* and if a container took the means, the start says so */
	if (syscall(SYS_capget, &head, have.half) < 0)
		return false;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(have.half[needed[i] / 32].effective & bit(needed[i])))
			return false;
	return true;
}

void
privilege_drop(bool keep_net_admin)
{
	static const unsigned keep[] = {CAP_CHOWN, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE,
	    CAP_FOWNER, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_NET_BIND_SERVICE, CAP_NET_RAW,
	    CAP_SYS_CHROOT, CAP_IPC_LOCK, CAP_SYS_RESOURCE, CAP_SYS_NICE};
	struct caps have = {0}, want = {0};
	bool root = geteuid() == 0;

	if (syscall(SYS_capget, &head, have.half) < 0)
		return;
	/* The relay in the kernel is taken off its interfaces at the end. */
	if (keep_net_admin)
		want.half[CAP_NET_ADMIN / 32].permitted |= bit(CAP_NET_ADMIN);
	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		want.half[keep[i] / 32].permitted |= bit(keep[i]);
	for (unsigned h = 0; h < 2; h++) {
		want.half[h].permitted &= have.half[h].permitted;
		want.half[h].effective = want.half[h].permitted;
		/* Without the inheritable set the ambient one would go too. */
		want.half[h].inheritable =
		    root ? 0 : want.half[h].permitted & have.half[h].inheritable;
	}
	/* Needs CAP_SETPCAP; the unit's CapabilityBoundingSet has done it where that is missing. */
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(want.half[cap / 32].permitted & bit(cap)))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &head, want.half) < 0)
		log_warning(AREA_SYS, "SYS-1016", "service_degraded",
		    "role=supervisor what=\"capabilities were not dropped\"");
}

/*
 * edged.service has no CAP_KILL, which reaches every process of the host; whoever may become the
 * user of the role may end what runs as that user. Waited for: c is not reaped meanwhile, so its
 * number cannot have become another's.
 */
static void
kill_as_its_user(const struct child *c)
{
	uint32_t uid, gid;
	pid_t pid;

	if (role_user(c->sup->conf, c->role, &uid, &gid) < 0)
		return;
	pid = fork();
	if (pid == 0)
		_exit(setresuid(uid, uid, uid) == 0 && kill(c->pid, SIGKILL) == 0 ? 0 : 1);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void
privilege_kill(const struct child *c)
{
	if (kill(c->pid, SIGKILL) < 0 && errno == EPERM)
		kill_as_its_user(c);
}

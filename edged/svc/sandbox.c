/* SPDX-License-Identifier: MIT
 *
 * svc/sandbox.c: chroot, user, landlock, seccomp, in this order: each step takes away what the next
 * one no longer needs. The system calls are allow lists by group; everything else ends the process
 * (in a laboratory and in sanitizer builds it is named first).
 */
#include "svc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const base_calls[] = {"read", "write", "readv", "writev", "pread64", "close",
    "fstat", "newfstatat", "lseek", "munmap", "mremap", "brk", "madvise", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "clock_gettime", "clock_getres",
    "clock_nanosleep", "nanosleep", "gettimeofday", "time", "getpid", "gettid", "getuid", "geteuid",
    "getgid", "getegid", "getrandom", "exit", "exit_group", "futex", "restart_syscall",
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "epoll_create1", "poll", "ppoll",
    "timerfd_create", "timerfd_settime", "timerfd_gettime", "eventfd2", "sendmsg", "recvmsg",
    "sendto", "recvfrom", "getrusage", "sched_yield", "rseq", "membarrier", "memfd_create", "fcntl",
    "dup", "uname", "getcpu", "mlock", "munlock"};
static const char *const socket_calls[] = {
    "setsockopt", "getsockopt", "getsockname", "getpeername", "shutdown", "ioctl"};
static const char *const accept_calls[] = {"accept4", "accept"};
static const char *const connect_calls[] = {"bind", "connect"};
static const char *const resolve_calls[] = {"stat", "access", "faccessat", "readlink"};
static const char *const relay_calls[] = {
    /* The ring is made before; it takes no registration after, and carries its own list. */
    "recvmmsg", "sendmmsg", "listen", "io_uring_enter"};
static const char *const lock_calls[] = {"mlock", "mlock2", "munlock", "munmap"};
#ifdef EDGED_SANITIZE
/* The leak check at exit stops its own threads; reports want names and files. */
static const char *const sanitizer_calls[] = {"clone", "clone3", "ptrace", "wait4", "prctl",
    "arch_prctl", "open", "openat", "readlink", "readlinkat", "getdents64", "getdents",
    "process_vm_readv", "kill", "sched_getaffinity", "access", "faccessat2", "stat", "pipe",
    "pipe2", "dup2", "mlock", "munlock", "set_robust_list", "gettid", "getppid", "getcwd", "lstat",
    "unlink", "ioctl", "personality", "msync", "process_madvise", "getpgrp"};
#endif

#ifdef EDGED_SANITIZE
/* The leak check wants /proc and ptrace, which a locked-in process has not; it runs in the unit and
 * scenario tests of every room. */
static int locked_in;
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return locked_in;
}
#endif

#define ALLOW(ctx, list) allow_all((ctx), (list), sizeof(list) / sizeof((list)[0]))

static int
allow_all(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);

		/* Not on this architecture: nothing to allow. */
		if (nr < 0)
			continue;
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0) < 0)
			return -1;
	}
	return 0;
}

static int
allow_ip_sockets(scmp_filter_ctx ctx)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i])) < 0)
			return -1;
	/* c-ares and glibc probe others; they are told no and go on. */
	return seccomp_rule_add(
	    ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_INET6));
}

/* Opening for reading is allowed, and is all there is: the root holds two small files. */
static int
allow_read_files(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));

	if (r < 0)
		return r;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
	    SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
}

/* Calls of every role whose arguments matter: no new code, no reaching for other processes. */
static int
allow_narrow(scmp_filter_ctx ctx)
{
	int r = 0;

#ifdef EDGED_SANITIZE
	/* The sanitizers map and signal as they like. */
	static const char *const wide[] = {"mmap", "mprotect", "tgkill", "prlimit64"};

	return ALLOW(ctx, wide);
#endif
	r |= seccomp_rule_add(
	    ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	r |= seccomp_rule_add(
	    ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	r |= seccomp_rule_add(
	    ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0));
	return r ? -1 : 0;
}

/* Neither maps nor programs can be made, and none be looked up by number. */
static int
allow_maps(scmp_filter_ctx ctx)
{
	static const int commands[] = {
	    BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM};

	for (size_t i = 0; i < 3; i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)commands[i])) < 0)
			return -1;
	return 0;
}

static int
add_groups(scmp_filter_ctx ctx, uint32_t groups)
{
	int r = ALLOW(ctx, base_calls);

	if (r == 0)
		r = allow_narrow(ctx);

	if (r == 0 && (groups & SECCOMP_SOCKETS))
		r = ALLOW(ctx, socket_calls);
	if (r == 0 && (groups & SECCOMP_ACCEPT))
		r = ALLOW(ctx, accept_calls);
	if (r == 0 && (groups & SECCOMP_CONNECT))
		r = ALLOW(ctx, connect_calls);
	if (r == 0 && (groups & SECCOMP_CONNECT))
		r = allow_ip_sockets(ctx);
	if (r == 0 && (groups & SECCOMP_RESOLVE))
		r = ALLOW(ctx, resolve_calls);
	if (r == 0 && (groups & SECCOMP_RESOLVE))
		r = allow_read_files(ctx);
	if (r == 0 && (groups & SECCOMP_RELAY))
		r = ALLOW(ctx, relay_calls);
	if (r == 0 && (groups & SECCOMP_LOCK_MEMORY))
		r = ALLOW(ctx, lock_calls);
#ifdef EDGED_SANITIZE
	if (r == 0)
		r = ALLOW(ctx, sanitizer_calls);
#endif
	return r;
}

/* A forbidden call in the laboratory: say which one, then die as elsewhere. */
static void
on_forbidden(int sig, siginfo_t *info, void *context)
{
	static const char head[] = "edged: sandbox: forbidden system call ";
	char line[64];
	size_t n = sizeof(head) - 1;
	unsigned nr = (unsigned)info->si_syscall;
	char digits[12];
	size_t d = 0;

	memcpy(line, head, n);
	do
		digits[d++] = (char)('0' + nr % 10);
	while ((nr /= 10) > 0);
	while (d > 0)
		line[n++] = digits[--d];
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		_exit(128 + SIGSYS);
	_exit(128 + SIGSYS);
}

static int
enter_seccomp(const struct sandbox *sb, const char **ret_why)
{
	bool tell = sb->lab;
	scmp_filter_ctx ctx;
	int r = -1;

#ifdef EDGED_SANITIZE
	tell = true;
#endif
	if (tell) {
		struct sigaction sa = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};

		sigaction(SIGSYS, &sa, NULL);
	}
	ctx = seccomp_init(tell ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS);
	if (ctx)
		r = add_groups(ctx, sb->row->seccomp);
	if (r == 0 && sb->maps)
		r = allow_maps(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	if (r < 0) {
		*ret_why = "seccomp: the filter was not taken";
		return ED_SYS;
	}
	return ED_OK;
}

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#define LANDLOCK_FS_ABI1  ((1ULL << 13) - 1)
#define LANDLOCK_READ     (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LANDLOCK_NET_BOTH 3ULL /* bind and connect over TCP, since ABI 4 */

/* The struct of our headers may be older than the kernel; the kernel takes the size into account.
 */
struct landlock_attr {
	uint64_t fs, net, scoped;
};

static void
enter_landlock(const struct sandbox *sb, struct sandbox_warnings *w)
{
	struct landlock_attr attr = {.fs = LANDLOCK_FS_ABI1};
	size_t size = sizeof(attr.fs);
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	long fd;

	if (abi < 1) {
		w->v[w->n++] =
		    "landlock is missing in this kernel: files are kept out by chroot and "
		    "seccomp only";
		return;
	}
	if (abi >= 2)
		attr.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 4 && !(sb->row->seccomp & SECCOMP_CONNECT)) {
		attr.net = LANDLOCK_NET_BOTH;
		size = sizeof(attr.fs) + sizeof(attr.net);
	}
	if (abi >= 6) {
		attr.scoped = 3; /* abstract unix sockets and signals to others */
		size = sizeof(attr);
	}
	fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0) {
		w->v[w->n++] = "landlock refused our rules";
		return;
	}
	if (sb->row->resolves) {
		struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_READ};

		rule.parent_fd = open("/", O_PATH | O_CLOEXEC);
		if (rule.parent_fd < 0 ||
		    syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
			w->v[w->n++] = "landlock: no rule for our root";
		if (rule.parent_fd >= 0)
			close(rule.parent_fd);
	}
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		w->v[w->n++] = "landlock refused to start";
	close((int)fd);
}

/* A change of user takes capabilities from root only; from a supervisor with ambient ones it does
 * not. The ambient set goes with the inheritable one. */
static bool
drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	return geteuid() == 0 || syscall(SYS_capset, &head, none) == 0;
}

static int
drop_user(const struct sandbox *sb, struct sandbox_warnings *w, const char **ret_why)
{
	if (sb->uid == SANDBOX_STAY) {
		w->v[w->n++] = "no user of its own for this role: runs as the supervisor's user";
		return ED_OK;
	}
	if (setgroups(0, NULL) < 0 || setresgid(sb->gid, sb->gid, sb->gid) < 0 ||
	    setresuid(sb->uid, sb->uid, sb->uid) < 0) {
		*ret_why = "cannot change to the user of the role";
		return ED_SYS;
	}
	if (!drop_capabilities()) {
		*ret_why = "cannot give up capabilities";
		return ED_SYS;
	}
	if (sb->uid != 0 && setuid(0) == 0) {
		*ret_why = "the user of the role can become root again";
		return ED_SYS;
	}
	return ED_OK;
}

void
sandbox_limits(const struct role_row *row)
{
	struct rlimit none = {0, 0}, files;

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		if (files.rlim_max < row->files)
			files.rlim_max = row->files;
		files.rlim_cur = row->files < files.rlim_max ? row->files : files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
			files.rlim_cur = files.rlim_max; /* not root: as far as it goes */
			setrlimit(RLIMIT_NOFILE, &files);
		}
	}
}

/* What sandbox_limits could not get: said once, with the figures. */
static void
warn_of_limits(const struct role_row *row, struct sandbox_warnings *w)
{
	static char text[96];
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= row->files)
		return;
	snprintf(text, sizeof(text), "descriptor limit is %llu, wanted are %u (LimitNOFILE)",
	    (unsigned long long)files.rlim_cur, row->files);
	w->v[w->n++] = text;
}

int
sandbox_enter(const struct sandbox *sb, struct sandbox_warnings *ret_warnings, const char **ret_why)
{
	struct sandbox_warnings *w = ret_warnings;
	int r;

	warn_of_limits(sb->row, w);
	if (!*sb->root) {
		w->v[w->n++] = "not locked into a root directory";
	} else if (chroot(sb->root) < 0 || chdir("/") < 0) {
		if (!sb->lab) {
			*ret_why = "cannot change the root directory";
			return ED_SYS;
		}
		w->v[w->n++] = "not locked into a root directory (edge.lab)";
	}
	r = drop_user(sb, w, ret_why);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		w->v[w->n++] = "no_new_privs is missing in this kernel";
	prctl(PR_SET_DUMPABLE, 0); /* the change of user may have set it again */
#ifdef EDGED_SANITIZE
	locked_in = 1;
#endif
	enter_landlock(sb, w);
	return enter_seccomp(sb, ret_why);
}

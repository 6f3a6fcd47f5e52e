/* SPDX-License-Identifier: MIT
 *
 * supervisor/livecheck.c: `edgectl check --live`. The supervisor resolves no names, so it starts
 * itself once more as `edged -n --live --as-reload --json` and hands on what that says. The helper
 * ends by itself (LIVE_WAIT_MS); should it not, its pipe is closed when the asker goes.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/loop.h"
#include "supervisor/live.h"
#include "svc/json.h"

#define SAYS_MAX (4u * 1024u * 1024u)

struct livecheck {
	struct event *ev;
	int fd;
	pid_t pid;
	struct json said;
	livecheck_cb *done;
	void *arg;
};

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct livecheck *lc = arg;
	char buf[16384];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0 && lc->said.n < SAYS_MAX) {
		json_raw(&lc->said, (struct str){buf, (size_t)n});
		return;
	}
	event_del(lc->ev);
	lc->done(
	    lc->arg, n == 0 && !lc->said.failed ? (struct str){lc->said.p, lc->said.n} : STR_NONE);
}

static int
spawn(const char *path, int out, pid_t *ret_pid)
{
	char *argv[] = {(char[]){"edged"}, (char[]){"-n"}, (char[]){"--live"},
	    (char[]){"--as-reload"}, (char[]){"--json"}, (char[]){"-c"}, (char *)(uintptr_t)path,
	    NULL};
	posix_spawn_file_actions_t acts;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&acts);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn_file_actions_adddup2(&acts, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn(ret_pid, "/proc/self/exe", &acts, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&acts);
	return r == 0 ? ED_OK : ED_SYS;
}

struct livecheck *
livecheck_start(struct loop *l, const char *path, livecheck_cb *done, void *arg)
{
	struct livecheck *lc = calloc(1, sizeof(*lc));
	int p[2] = {-1, -1};

	if (!lc)
		return NULL;
	lc->fd = -1;
	if (pipe2(p, O_CLOEXEC) < 0 || spawn(path, p[1], &lc->pid) < 0)
		goto fail;
	close(p[1]);
	p[1] = -1;
	lc->fd = p[0];
	p[0] = -1;
	lc->done = done;
	lc->arg = arg;
	lc->ev = event_new(loop_base(l), lc->fd, EV_READ | EV_PERSIST, on_read, lc);
	if (lc->ev && event_add(lc->ev, NULL) == 0)
		return lc;
fail:
	if (p[0] >= 0)
		close(p[0]);
	if (p[1] >= 0)
		close(p[1]);
	return livecheck_free(lc);
}

struct livecheck *
livecheck_free(struct livecheck *lc)
{
	if (!lc)
		return NULL;
	if (lc->ev)
		event_free(lc->ev);
	if (lc->fd >= 0)
		close(lc->fd);
	json_done(&lc->said);
	free(lc);
	return NULL;
}

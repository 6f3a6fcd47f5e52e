/* SPDX-License-Identifier: MIT
 *
 * supervisor/rundir.c: the directories that services are locked into, and their users.
 *
 * RUN/root is empty. RUN/resolve holds etc/hosts and etc/resolv.conf, copied at start and at each
 * reload: c-ares looks the first one up by itself. Copies, so that a file of a network namespace
 * (`ip netns exec` mounts one over /etc/hosts) is the one that counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/supervisor.h"

/* Others read these; the umask of a unit file must not keep them out. */
static int
make_dir(const char *path)
{
	if (mkdir(path, 0755) == 0)
		return chmod(path, 0755) == 0 ? ED_OK : ED_SYS;
	return errno == EEXIST ? ED_OK : ED_SYS;
}

static int
copy_file(const char *from, const char *to)
{
	char buf[8192], tmp[320];
	int in, out, r = ED_SYS;
	ssize_t n;

	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return errno == ENOENT ? ED_OK : ED_SYS;
	snprintf(tmp, sizeof(tmp), "%s.new", to);
	out = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (out < 0)
		goto out;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			goto out;
	if (n == 0 && fchmod(out, 0644) == 0 && rename(tmp, to) == 0)
		r = ED_OK;
out:
	if (out >= 0)
		close(out);
	close(in);
	return r;
}

static void
find_run_dir(struct supervisor *s)
{
	const char *socket = s->conf->control.socket;
	const char *slash = strrchr(socket, '/');

	if (*s->conf->edge.run_dir)
		snprintf(s->run_dir, sizeof(s->run_dir), "%s", s->conf->edge.run_dir);
	else if (slash && slash != socket)
		snprintf(s->run_dir, sizeof(s->run_dir), "%.*s", (int)(slash - socket), socket);
	else
		snprintf(s->run_dir, sizeof(s->run_dir), "/run/edged");
}

int
rundir_make(struct supervisor *s, const char **ret_why)
{
	char path[256], etc[288];

	find_run_dir(s);
	*ret_why = "cannot make the run directory";
	if (make_dir(s->run_dir) < 0)
		return ED_SYS;
	snprintf(path, sizeof(path), "%s/root", s->run_dir);
	if (make_dir(path) < 0)
		return ED_SYS;
	snprintf(path, sizeof(path), "%s/resolve", s->run_dir);
	if (make_dir(path) < 0)
		return ED_SYS;
	snprintf(path, sizeof(path), "%s/resolve/etc", s->run_dir);
	if (make_dir(path) < 0)
		return ED_SYS;
	*ret_why = "cannot copy /etc/hosts or /etc/resolv.conf into the run directory";
	snprintf(etc, sizeof(etc), "%s/resolve/etc/hosts", s->run_dir);
	if (copy_file("/etc/hosts", etc) < 0)
		return ED_SYS;
	snprintf(etc, sizeof(etc), "%s/resolve/etc/resolv.conf", s->run_dir);
	return copy_file("/etc/resolv.conf", etc);
}

void
rundir_root(const struct supervisor *s, enum role role, char *buf, size_t room)
{
	/* Without the right to there is no chroot; only a laboratory gets this far. */
	if (!privilege_to_lock_in())
		*buf = '\0';
	else
		snprintf(
		    buf, room, "%s/%s", s->run_dir, role_rows[role].resolves ? "resolve" : "root");
}

int
role_user(const struct conf *c, enum role role, uint32_t *ret_uid, uint32_t *ret_gid)
{
	const struct passwd *pw;
	char name[128];

	snprintf(name, sizeof(name), "%s-%s", c->edge.user_prefix, role_name(role));
	pw = getpwnam(name);
	if (!pw)
		return ED_STATE;
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return ED_OK;
}

void
check_users(const struct conf *c, struct conf_report *report)
{
	uint32_t uid, gid;

	for (enum role role = ROLE_KEYD; role < ROLE__N; role++) {
		if (!role_is_wanted(c, role) || role_user(c, role, &uid, &gid) == ED_OK)
			continue;
		conf_report_add(report, c, c->edge.lab ? CONF_WARNING : CONF_ERROR, "USER-01",
		    "edge.user_prefix", "make the system users (docs/SECURITY.md)",
		    "there is no user %s-%s%s", c->edge.user_prefix, role_name(role),
		    c->edge.lab ? ": the role runs as nobody" : "");
		if (c->edge.lab && report->n > 0)
			report->v[report->n - 1].lowered = true;
	}
}

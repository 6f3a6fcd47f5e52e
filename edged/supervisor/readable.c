/* SPDX-License-Identifier: MIT
 *
 * supervisor/readable.c: rule USER-02: `edged -n` by root looks at files with the eyes of the user
 * that edged.service starts the supervisor as, who is not root.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/supervisor.h"

#define FILES_MAX 24u

struct file {
	const char *key, *path;
};

static size_t
list_files(const struct conf *c, const char *conf_path, char keys[][64], struct file *ret)
{
	size_t n = 0;

	ret[n++] = (struct file){NULL, conf_path};
	ret[n++] = (struct file){"edge.pool_secret", c->edge.pool_secret};
	ret[n++] = (struct file){"certificates.external_trust", c->certificates.external_trust};
	ret[n++] = (struct file){"certificates.internal_trust", c->certificates.internal_trust};
	ret[n++] = (struct file){"certificates.external_crl", c->certificates.external_crl};
	for (int b = 0; b < BINDING__N; b++) {
		const struct conf_cert *cert = conf_binding_cert(c, (enum conf_binding)b);
		const char *name = conf_binding_name((enum conf_binding)b);

		snprintf(keys[2 * b], 64, "certificates.%s.chain", name);
		ret[n++] = (struct file){keys[2 * b], cert->chain};
		snprintf(keys[2 * b + 1], 64, "certificates.%s.key", name);
		ret[n++] = (struct file){keys[2 * b + 1], cert->key};
	}
	return n;
}

/* In a child that has become the user: one octet per file, 1 when it cannot be read. */
static void
look(const struct passwd *pw, const struct file *files, size_t n, int to)
{
	uint8_t out[FILES_MAX] = {0};

	if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		_exit(1);
	for (size_t i = 0; i < n; i++)
		out[i] = *files[i].path && access(files[i].path, R_OK) < 0 && errno == EACCES;
	_exit(write(to, out, n) == (ssize_t)n ? 0 : 1);
}

static bool
look_as(const struct passwd *pw, const struct file *files, size_t n, uint8_t *ret)
{
	int fds[2];
	ssize_t got;
	pid_t pid;

	if (pipe(fds) < 0)
		return false;
	pid = fork();
	if (pid == 0)
		look(pw, files, n, fds[1]);
	close(fds[1]);
	got = pid > 0 ? read(fds[0], ret, n) : -1;
	close(fds[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return got == (ssize_t)n;
}

/* RootDirectory= of edged.service shows these trees only. */
static bool
is_shown(const char *path)
{
	return *path != '/' || strncmp(path, "/etc/", 5) == 0 || strncmp(path, "/usr/", 5) == 0;
}

void
check_readable(const struct conf *c, const char *conf_path, struct conf_report *report)
{
	const struct passwd *pw = getpwnam(c->edge.user_prefix);
	enum conf_severity severity = c->edge.lab ? CONF_WARNING : CONF_ERROR;
	char keys[2 * BINDING__N][64];
	struct file files[FILES_MAX];
	uint8_t hidden[FILES_MAX];
	size_t n;

	if (geteuid() != 0 || !pw)
		return;
	n = list_files(c, conf_path, keys, files);
	if (!look_as(pw, files, n, hidden))
		return;
	for (size_t i = 0; i < n; i++) {
		if (hidden[i])
			conf_report_add(report, c, severity, "USER-02", files[i].key,
			    "give it to that user's group: chgrp edged FILE && chmod 640 FILE",
			    "%s cannot be read by user %s, who runs edged.service", files[i].path,
			    pw->pw_name);
		else if (!is_shown(files[i].path))
			conf_report_add(report, c, CONF_WARNING, "USER-02", files[i].key,
			    "move it below /etc/edged, or bind it in with a drop-in "
			    "(BindReadOnlyPaths=)",
			    "edged.service sees /etc and /usr only, not %s", files[i].path);
	}
}

/* SPDX-License-Identifier: MIT
 *
 * ctl/ask.c: one question over the control socket.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define ANSWER_MAX (64u * 1024u * 1024u)
#define WAIT_S     30

static int
reach(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = WAIT_S};
	int fd;

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Sends the line and its end, reads to the end. False when the daemon went away. */
static bool
exchange(int fd, const char *line, struct json *ret_answer)
{
	char buf[16384];
	ssize_t n;

	if (send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_MORE) != (ssize_t)strlen(line) ||
	    send(fd, "\n", 1, MSG_NOSIGNAL) != 1)
		return false;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		json_raw(ret_answer, (struct str){buf, (size_t)n});
		if (ret_answer->n > ANSWER_MAX)
			return false;
	}
	return n == 0 && ret_answer->n > 0 && !ret_answer->failed;
}

int
ctl_ask(const char *socket_path, const char *line, struct json *ret_answer)
{
	int fd = reach(socket_path);
	bool answered;

	*ret_answer = (struct json){0};
	if (fd < 0) {
		fprintf(stderr, "edgectl: %s: %s\n", socket_path, strerror(errno));
		return CTL_UNREACHED;
	}
	answered = exchange(fd, line, ret_answer);
	close(fd);
	if (answered)
		return CTL_DONE;
	fputs("edgectl: the daemon did not answer\n", stderr);
	json_done(ret_answer);
	return CTL_UNREACHED;
}

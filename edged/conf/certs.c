/* SPDX-License-Identifier: MIT
 *
 * conf/certs.c: files in, texts and secrets out. What they hold is judged by conf/check_cert.c.
 */
#include "conf/certs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX   (64u * 1024u)
#define CHAIN_MAX (256u * 1024u)
#define TRUST_MAX (8u * 1024u * 1024u)

static const struct {
	const char *name;
	size_t at;
} bindings[BINDING__N] = {
    [BINDING_EXTERNAL] = {"external", offsetof(struct conf, certificates.external)},
    [BINDING_EXTERNAL_ECDSA] = {"external_ecdsa",
	offsetof(struct conf, certificates.external_ecdsa)},
    [BINDING_INTERNAL] = {"internal", offsetof(struct conf, certificates.internal)},
    [BINDING_AV_AUTH] = {"av_auth", offsetof(struct conf, certificates.av_auth)},
    [BINDING_AV_AUTH_NEXT] = {"av_auth_next", offsetof(struct conf, certificates.av_auth_next)},
};

const char *
conf_binding_name(enum conf_binding b)
{
	return bindings[b].name;
}

struct conf_cert *
conf_binding_cert(const struct conf *c, enum conf_binding b)
{
	return (struct conf_cert *)(void *)((char *)(uintptr_t)c + bindings[b].at);
}

/* Open a regular file of at most max bytes. */
static int
open_file(const char *path, size_t max, size_t *ret_n, const char **ret_why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		*ret_why = strerror(errno);
		return -1;
	}
	*ret_why = NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		*ret_why = "not a file";
	else if (st.st_size == 0)
		*ret_why = "empty";
	else if ((uint64_t)st.st_size > max)
		*ret_why = "too large";
	if (*ret_why) {
		close(fd);
		return -1;
	}
	*ret_n = (size_t)st.st_size;
	return fd;
}

static bool
read_all(int fd, char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = read(fd, p, n);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static void
report_unread(struct conf_report *rep, const struct conf *c, const char *key, const char *path,
    const char *why)
{
	conf_report_add(rep, c, CONF_ERROR, "CERT-ALL-01", key,
	    "name a PEM file that the user who starts edged can read", "%s: %s", path, why);
}

static int
read_text(struct conf *c, const char *key, const char *path, size_t max, const char **ret,
    struct conf_report *rep)
{
	const char *why;
	size_t n;
	char *p;
	int fd;

	*ret = "";
	if (!*path)
		return ED_OK;
	fd = open_file(path, max, &n, &why);
	if (fd < 0) {
		report_unread(rep, c, key, path, why);
		return ED_OK;
	}
	p = arena_alloc(&c->arena, n + 1);
	if (!p) {
		close(fd);
		return ED_NOMEM;
	}
	if (!read_all(fd, p, n)) {
		report_unread(rep, c, key, path, "cannot be read");
	} else {
		p[n] = '\0';
		*ret = p;
	}
	close(fd);
	return ED_OK;
}

static int
read_key(const struct conf *c, const char *key, const char *path, struct secret *ret,
    struct conf_report *rep)
{
	const char *why;
	size_t n;
	int fd;

	if (!*path)
		return ED_OK;
	fd = open_file(path, KEY_MAX, &n, &why);
	if (fd < 0) {
		report_unread(rep, c, key, path, why);
		return ED_OK;
	}
	if (secret_init(ret, n) < 0) {
		close(fd);
		return ED_NOMEM;
	}
	if (!read_all(fd, (char *)ret->p, n)) {
		report_unread(rep, c, key, path, "cannot be read");
		secret_done(ret);
	}
	close(fd);
	return ED_OK;
}

int
conf_keys_read(const struct conf *c, struct conf_keys *ret_keys, struct conf_report *report)
{
	int r = ED_OK;

	memset(ret_keys, 0, sizeof(*ret_keys));
	for (int b = 0; r == ED_OK && b < BINDING__N; b++) {
		const struct conf_cert *cert = conf_binding_cert(c, (enum conf_binding)b);
		char key[64];

		snprintf(key, sizeof(key), "certificates.%s.key", bindings[b].name);
		r = read_key(c, key, cert->key, &ret_keys->pem[b], report);
	}
	if (r < 0)
		conf_keys_done(ret_keys);
	return r;
}

int
conf_certs_read(struct conf *c, struct conf_report *report)
{
	int r = ED_OK;

	for (int b = 0; r == ED_OK && b < BINDING__N; b++) {
		struct conf_cert *cert = conf_binding_cert(c, (enum conf_binding)b);
		char key[64];

		snprintf(key, sizeof(key), "certificates.%s.chain", bindings[b].name);
		r = read_text(c, key, cert->chain, CHAIN_MAX, &cert->chain_pem, report);
	}
	if (r == ED_OK)
		r = read_text(c, "certificates.external_trust", c->certificates.external_trust,
		    TRUST_MAX, &c->certificates.external_trust_pem, report);
	if (r == ED_OK)
		r = read_text(c, "certificates.external_crl", c->certificates.external_crl,
		    TRUST_MAX, &c->certificates.external_crl_pem, report);
	if (r == ED_OK)
		r = read_text(c, "certificates.internal_trust", c->certificates.internal_trust,
		    TRUST_MAX, &c->certificates.internal_trust_pem, report);
	return r;
}

void
conf_keys_done(struct conf_keys *k)
{
	for (int b = 0; b < BINDING__N; b++)
		secret_done(&k->pem[b]);
}

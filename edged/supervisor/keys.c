/* SPDX-License-Identifier: MIT
 *
 * supervisor/keys.c: which key stands in which slot, and the plan for keyd. Keys pass through: they
 * are read, sent over keyd's own descriptor and wiped; a digest of each file stays, to see changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "net/ipc.h"
#include "supervisor/supervisor.h"
#include "svc/svc.h"
#include "svc/wire.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
read_hex_secret(const char *path, uint8_t *ret)
{
	char text[2 * KEYPLAN_SECRET_LEN + 2];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	bool ok;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text));
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	ok = n == 2 * (ssize_t)KEYPLAN_SECRET_LEN;
	for (size_t i = 0; ok && i < KEYPLAN_SECRET_LEN; i++) {
		int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);

		ok = hi >= 0 && lo >= 0;
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	wipe(text, sizeof(text));
	return ok;
}

int
keys_load_secret(struct supervisor *s, struct conf_report *report)
{
	const char *path = s->conf->edge.pool_secret;

	if (!s->pool_secret.p && secret_init(&s->pool_secret, KEYPLAN_SECRET_LEN) < 0)
		return ED_NOMEM;
	if (!*path) {
		svc_random(s->pool_secret.p, s->pool_secret.n);
		return ED_OK;
	}
	if (!read_hex_secret(path, s->pool_secret.p)) {
		conf_report_add(report, s->conf, CONF_ERROR, "POOL-09", "edge.pool_secret",
		    "make it with: openssl rand -hex 32", "%s: %s", path,
		    errno ? strerror(errno) : "does not hold 64 hexadecimal digits");
		return ED_MALFORMED;
	}
	return ED_OK;
}

int
keys_assign(struct supervisor *s, struct conf *next, const struct conf_keys *keys,
    struct key_slot ret_slots[BINDING__N])
{
	for (int b = 0; b < BINDING__N; b++) {
		struct conf_cert *cert = conf_binding_cert(next, (enum conf_binding)b);
		struct str text = {(char *)keys->pem[b].p, keys->pem[b].n};

		memset(&ret_slots[b], 0, sizeof(ret_slots[b]));
		cert->slot = 0;
		if (!text.n)
			continue;
		if (digest_sha256(&text, 1, ret_slots[b].digest) < 0)
			return ED_SYS;
		if (s->keys[b].slot && memcmp(s->keys[b].digest, ret_slots[b].digest, 32) == 0)
			ret_slots[b].slot = s->keys[b].slot;
		else
			ret_slots[b].slot = ++s->next_slot;
		cert->slot = ret_slots[b].slot;
	}
	return ED_OK;
}

bool
keys_is_in_force(const struct supervisor *s, enum conf_binding b, const struct secret *pem)
{
	struct str text = {(char *)pem->p, pem->n};
	uint8_t digest[32];

	return s->keys[b].slot && digest_sha256(&text, 1, digest) == ED_OK &&
	       memcmp(digest, s->keys[b].digest, sizeof(digest)) == 0;
}

/* "2027-01-01T00:00:00Z"; 0 when it is none. */
static int64_t
parse_time(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	return end && !*end ? timegm(&tm) : 0;
}

static void
plan_add(
    struct keyplan *p, enum conf_binding b, const struct conf *conf, struct str key, uint16_t slot)
{
	const struct conf_cert *cert = conf_binding_cert(conf, b);
	struct keyplan_slot *ks = &p->slots[p->n_slots++];

	ks->slot = slot;
	ks->binding = str_of(conf_binding_name(b));
	ks->key_pem = key;
	ks->cert_pem = str_of(cert->chain_pem);
	ks->effective = b == BINDING_AV_AUTH_NEXT ? parse_time(cert->effective) : 0;
}

static void
plan_turn(struct keyplan *p, const struct conf *conf)
{
	p->turn_realm = str_of(conf->av.realm);
	p->turn_shared_secret = str_of(conf->av.shared_secret);
	p->token_lifetime_s = conf->av.token_lifetime_s;
	for (uint32_t i = 0; i < conf->av.n_users && i < KEYPLAN_TURN_USERS_MAX; i++) {
		p->turn_users[i].name = str_of(conf->av.users[i].name);
		p->turn_users[i].password = str_of(conf->av.users[i].password);
		p->turn_users[i].key = str_of(conf->av.users[i].key);
		p->n_turn_users++;
	}
}

int
keys_send(struct supervisor *s, struct child *keyd, const struct conf *conf,
    const struct conf_keys *keys, const struct key_slot slots[BINDING__N])
{
	struct keyplan *p = calloc(1, sizeof(*p));
	struct secret inner = {0}, outer = {0};
	struct ipc_writer w;
	int r = ED_NOMEM;

	if (!p || secret_init(&inner, IPC_MSG_MAX - 16) < 0 || secret_init(&outer, IPC_MSG_MAX) < 0)
		goto out;
	p->pool_secret = (struct str){(char *)s->pool_secret.p, s->pool_secret.n};
	for (int b = 0; b < BINDING__N; b++)
		if (keys->pem[b].n)
			plan_add(p, (enum conf_binding)b, conf,
			    (struct str){(char *)keys->pem[b].p, keys->pem[b].n}, slots[b].slot);
	for (int role = 0; role < ROLE__N; role++) {
		p->roles[role].ops = role_rows[role].keyd_ops;
		p->roles[role].bindings = str_of(role_rows[role].bindings);
	}
	plan_turn(p, conf);

	w = (struct ipc_writer){.p = inner.p, .room = inner.n};
	keyplan_put(&w, p);
	r = w.err;
	if (r < 0)
		goto out;
	inner.n = w.n;
	w = (struct ipc_writer){.p = outer.p, .room = outer.n};
	ipc_put_u8(&w, WIRE_KEYS);
	ipc_put_str(&w, (struct str){(char *)inner.p, inner.n});
	inner.n = IPC_MSG_MAX - 16;
	r = w.err;
	if (r == ED_OK)
		child_say(keyd, (struct str){(char *)outer.p, w.n}, NULL, 0);
out:
	secret_done(&inner);
	secret_done(&outer);
	free(p);
	return r;
}

/* SPDX-License-Identifier: MIT
 *
 * access/softlock.c: the soft lock of accounts (EXT-08, ACC-2011) around the table of lockout.c.
 * All workers count alike: who sees a wrong password tells the others whose it was.
 *
 * The user is From of the request: what the directory checks lies in credentials that are not ours
 * to read. Whoever signed in on a connection before keeps it: the lock is for those who try.
 */
#include <string.h>

#include "access/engine.h"
#include "access/sibling.h"
#include "conf/conf.h"
#include "svc/log.h"

#define AOR_MAX 320u

/* user@host in lower case; empty when it is longer than any account's. */
static struct str
aor_of(const struct sip_msg *m, char buf[AOR_MAX])
{
	const struct sip_uri *u = &m->from.addr;
	size_t n = 0;

	if (u->scheme == SIP_SCHEME_OTHER || u->user.n + 1 + u->host.n > AOR_MAX || !u->user.n)
		return STR_NONE;
	for (size_t i = 0; i < u->user.n; i++)
		buf[n++] = (char)ascii_lower((unsigned char)u->user.p[i]);
	buf[n++] = '@';
	for (size_t i = 0; i < u->host.n; i++)
		buf[n++] = (char)ascii_lower((unsigned char)u->host.p[i]);
	return (struct str){buf, n};
}

static uint64_t
user_of(const struct access *ax, struct str aor)
{
	return hash_bytes(&ax->hash_key, aor.p, aor.n);
}

static bool
limits_of(const struct access *ax, struct lockout_limits *ret)
{
	const struct conf *c = engine_conf(ax);

	*ret = (struct lockout_limits){
	    .failures = c->access.soft_lock.failures,
	    .window_ms = (uint64_t)c->access.soft_lock.window_s * 1000,
	    .lock_ms = (uint64_t)c->access.soft_lock.lock_s * 1000,
	};
	return ret->failures > 0;
}

static void
tell_siblings(const struct flow *f, enum sibling_kind kind, struct str aor)
{
	struct access *ax = f->ax;
	struct str msg = {(const char *)ax->sibling_out, SIBLING_HEAD_LEN + aor.n};

	sibling_head(ax->sibling_out, kind, f->cid, &f->peer, (uint32_t)aor.n);
	memcpy(ax->sibling_out + SIBLING_HEAD_LEN, aor.p, aor.n);
	for (unsigned slot = 0; slot < ax->n_workers; slot++) {
		if (slot == ax->slot)
			continue;
		if (ax->ops->to_sibling(ax->net, slot, msg) < 0)
			count(CNT_SIBLING_FAILED);
		else
			count(CNT_SIBLING_OUT);
	}
}

bool
softlock_holds(const struct flow *f, const struct sip_msg *m)
{
	char buf[AOR_MAX];
	struct str aor;

	if (f->kind != FLOW_CLIENT || f->signed_in ||
	    !engine_conf(f->ax)->access.soft_lock.failures)
		return false;
	aor = aor_of(m, buf);
	return aor.n && lockout_left_ms(f->ax->lockout, user_of(f->ax, aor), f->ax->now_ms) > 0;
}

/* The tables are alike, so one worker speaks for all. */
static void
say_locked(const struct access *ax, uint64_t cid, const struct addr *peer, struct str aor,
    const struct lockout_limits *lim)
{
	char a[ADDR_STR_LEN], q[LOG_QUOTE_LEN];

	if (ax->slot != 0)
		return;
	count(CNT_SOFT_LOCKS);
	log_warning(AREA_SIP, "ACC-2011", "account_soft_locked",
	    "flow=%llx peer=%s user=%s failures=%u lock_s=%u hint=\"edgectl release USER@DOMAIN "
	    "ends it\"",
	    (unsigned long long)cid, addr_str(peer, a), log_quote(aor, q), lim->failures,
	    (unsigned)(lim->lock_ms / 1000));
}

void
softlock_failed(const struct flow *f, const struct sip_msg *m)
{
	struct access *ax = f->ax;
	struct lockout_limits lim;
	char buf[AOR_MAX];
	struct str aor;

	if (!limits_of(ax, &lim))
		return;
	aor = aor_of(m, buf);
	if (!aor.n)
		return;
	tell_siblings(f, SIBLING_FAILED, aor);
	if (lockout_failed(ax->lockout, user_of(ax, aor), &lim, ax->now_ms))
		say_locked(ax, f->cid, &f->peer, aor, &lim);
}

void
softlock_good(const struct flow *f, const struct sip_msg *m)
{
	char buf[AOR_MAX];
	struct lockout_limits lim;
	struct str aor;

	if (!limits_of(f->ax, &lim))
		return;
	aor = aor_of(m, buf);
	if (aor.n && lockout_good(f->ax->lockout, user_of(f->ax, aor), f->ax->now_ms))
		tell_siblings(f, SIBLING_SIGNED_IN, aor);
}

void
softlock_heard(struct access *ax, const struct sibling_msg *s)
{
	struct lockout_limits lim;

	if (!limits_of(ax, &lim))
		return;
	if (s->kind == SIBLING_SIGNED_IN)
		(void)lockout_good(ax->lockout, user_of(ax, s->bytes), ax->now_ms);
	else if (lockout_failed(ax->lockout, user_of(ax, s->bytes), &lim, ax->now_ms))
		say_locked(ax, s->cid, &s->peer, s->bytes, &lim);
}

bool
softlock_release(struct access *ax, struct str aor)
{
	return lockout_clear(ax->lockout, user_of(ax, aor));
}

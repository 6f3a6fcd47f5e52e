/* SPDX-License-Identifier: MIT
 *
 * avauth/view.h: what the options mean here: who may ask, for whose users, which relays are named.
 * Immutable; a reload makes another.
 */
#ifndef EDGED_AVAUTH_VIEW_H
#define EDGED_AVAUTH_VIEW_H

#include <stdbool.h>

#include "base/arena.h"
#include "proto/mras/doc.h"

struct conf;
struct keycall;
struct tls_ctx;
struct tls_facts;

#define VIEW_RELAYS_MAX 8u

struct view {
	struct arena arena;
	struct tls_ctx *tls;
	struct str *trusted; /* certificate names */
	uint32_t n_trusted;
	struct str *domains; /* SIP domains, ours */
	uint32_t n_domains;
	struct str names[2]; /* edge and pool FQDN */
	struct str realm;
	struct mras_relay relays[VIEW_RELAYS_MAX];
	uint32_t n_relays;
	bool has_key; /* certificates.av_auth is set */
	uint32_t refs;
};

/* keys NULL: without TLS, for tests. */
int view_new(const struct conf *conf, struct keycall *keys, struct view **ret,
    const char **ret_why) ED_MUST_CHECK;
struct view *view_ref(struct view *v);
struct view *view_unref(struct view *v);

bool view_trusts(const struct view *v, const struct tls_facts *facts);
/* Is the host of that SIP URI one of our domains? */
bool view_has_domain(const struct view *v, struct str uri);
/* May a request be addressed to that host (2.1: our names, our domains; an address always)? */
bool view_is_target(const struct view *v, struct str uri);
/* Are there relays of that kind for that location? */
bool view_has_relays(const struct view *v, bool directip, enum mras_location location);

#endif

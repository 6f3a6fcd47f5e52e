/* SPDX-License-Identifier: MIT
 *
 * svc/keyplan.h: what the supervisor tells keyd: the keys by slot, the pool secret, and which role
 * may do which operation with which slots. Written by supervisor/keys.c, read by keyd.
 *
 * A key keeps its slot as long as it is in force; a changed key gets a fresh number. A plan holds
 * the slots in force and those of the view before, so handshakes begun before a reload still end
 * well. Spec: docs/decisions/0003-keys.md.
 */
#ifndef EDGED_SVC_KEYPLAN_H
#define EDGED_SVC_KEYPLAN_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/keyproto.h"
#include "svc/roles.h"

#define KEYPLAN_SLOTS_MAX      64u
#define KEYPLAN_SECRET_LEN     32u
#define KEYPLAN_TURN_USERS_MAX 256u

/* keyd's operations (net/keyproto.h) as bits of keyplan_role.ops */
#define KEYD_OP_BIT(op) (1u << (op))

struct keyplan_slot {
	uint16_t slot; /* 1..65535, never reused while the supervisor lives */
	struct str
	    binding; /* "external", "external_ecdsa", "internal", "av_auth", "av_auth_next" */
	struct str key_pem;  /* private key, unencrypted PEM */
	struct str cert_pem; /* its chain, leaf first: keyd checks that both belong together */
	int64_t effective;   /* seconds since 1970; 0: now (CERT-AV-06) */
};

struct keyplan_role {        /* one per role with a channel */
	uint32_t ops;        /* KEYD_OP_BIT */
	struct str bindings; /* blank-separated names; their slots may be used */
};

/* Views into the message: valid as long as its bytes. */
struct keyplan {
	struct str pool_secret; /* KEYPLAN_SECRET_LEN bytes, always set */
	struct keyplan_slot slots[KEYPLAN_SLOTS_MAX];
	uint16_t n_slots;
	struct keyplan_role roles[ROLE__N];
	/* TURN long-term users and the shared secret: what TURN_KEY needs beside tokens. */
	struct str turn_realm;
	struct str turn_shared_secret;
	struct {
		struct str name, password, key; /* key: hex of MD5(name:realm:password) */
	} turn_users[KEYPLAN_TURN_USERS_MAX];
	uint16_t n_turn_users;
	uint32_t token_lifetime_s;
};

struct ipc_writer;
void keyplan_put(struct ipc_writer *w, const struct keyplan *plan);
/* ED_MALFORMED, ED_LIMIT. */
int keyplan_get(struct str bytes, struct keyplan *ret) ED_MUST_CHECK;

#endif

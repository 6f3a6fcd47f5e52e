/* SPDX-License-Identifier: MIT
 *
 * access/view.h: the configuration as the pure half of the Access Edge wants it (flags, names,
 * ready made texts), and the surroundings that every function of it gets.
 *
 * Life: view_new once per slice; immutable afterwards; a connection keeps the view it was born
 * with; view_free by the last one (the owner counts). Borrows the conf, which must live as long.
 *
 * Spec: access-edge-sip 6.2, 6.3, 9; docs/spec/access-edge.md.
 */
#ifndef EDGED_ACCESS_VIEW_H
#define EDGED_ACCESS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

struct conf;
struct names;      /* access/names.h */
struct token_ring; /* access/token.h */

enum hide_mode {
	HIDE_NONE,
	HIDE_PARTNERS, /* clients see the inside's Record-Routes, partners do not */
	HIDE_ALL,
};

struct view {
	const struct conf *conf; /* borrowed */
	struct names *names;     /* owned */
	enum hide_mode hide;
	bool rr_single; /* one entry per traversal toward the inside instead of two */
	bool block_ntlm;
	bool allow_outside_users, allow_anonymous_users, allow_federated_users, partner_discovery;
	bool require_registration, next_hop_path;
	bool offer_keep_alive; /* to the next hop: it is a Lync Front End */
	uint32_t keep_alive_s;

	/* Texts live in the view. */
	struct str inside_host; /* host of entries facing inside: the pool's name, else edge.fqdn */
	struct str ms_fe;       /* edge.fqdn when inside_host is a pool's name, else empty */
	struct str edge_fqdn;
	struct str external_fqdn;
	struct str sip_domain; /* the first; hosts Contact tokens */
	uint16_t inside_port, client_port, federation_port;
	struct str trust_internet_user; /* whole header lines with CRLF */
	struct str trust_edge_generated;
	char *texts;
};

/* ED_OK; ED_NOMEM; ED_MALFORMED when a name or network of the conf is not one. */
int view_new(
    const struct conf *c, const struct hash_key *key, struct view **ret_view) ED_MUST_CHECK;
struct view *view_free(struct view *v);

/*
 * What a pure function gets beside its message: made on the caller's stack for each message. The
 * arena is the message's; all text handed out or put into edits lives there. `random` is called
 * only where a rule needs fresh bytes (a sealing nonce, a tag), so that a test can make them up.
 */
struct work {
	const struct view *view;
	struct token_ring *ring;
	struct arena *arena;
	int64_t now_s; /* seconds since 1970: chooses and judges the keys of the day */
	void (*random)(void *ctx, void *buf, size_t n);
	void *random_ctx;
};

#endif

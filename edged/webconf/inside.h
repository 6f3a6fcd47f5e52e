/* SPDX-License-Identifier: MIT
 *
 * webconf/inside.h: the narrow door between a client and the server it wants, whichever way the
 * inside is reached: a stream on a link that a connector dialled (link.c), or a connection of ours
 * (dial.c).
 *
 * inside_open gives a handle; events come back as client_far_* (client.h), client_far_gone exactly
 * once and last, unless inside_reset gave the handle up before.
 */
#ifndef EDGED_WEBCONF_INSIDE_H
#define EDGED_WEBCONF_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/h2/h2.h"

struct client;
struct webconf;

/*
 * The inside may bring this much beyond a client's buffer: a read that began below the mark, with
 * the record before it, and what TLS adds.
 */
#define INSIDE_READ_MAX (128u * 1024u)

struct inside_want {
	struct str server; /* id */
	struct addr client, local;
	struct str sni;
	const char *tls;       /* version */
	struct str conference; /* may be empty */
	const uint8_t *ticket; /* its hash, or NULL */
};

struct inside_class {
	size_t (*write)(void *in, struct str bytes); /* how many were taken */
	void (*end)(void *in);
	void (*passed)(void *in, size_t n);
	void (*reset)(void *in, enum h2_code code);
	void (*hold)(void *in, bool on); /* do not read it; NULL: its link is held instead */
};

struct inside { /* first member of link_stream and dial */
	const struct inside_class *cls;
	struct client *client;
};

/* ED_OK; ED_GONE: no such server; ED_LIMIT: none of its links has room; ED_NOMEM, ED_SYS. */
int inside_open(struct webconf *w, struct client *c, const struct inside_want *want,
    struct inside **ret) ED_MUST_CHECK;
/* The id of the server that answers to a host name; empty if none. Valid until the next event. */
struct str inside_server_by_name(struct webconf *w, struct str name);

#endif

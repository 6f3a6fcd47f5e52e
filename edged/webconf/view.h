/* SPDX-License-Identifier: MIT
 *
 * webconf/view.h: one configuration as the Web Conferencing Edge uses it: numbers, names, TLS
 * contexts.
 *
 * Made at start and for each reload, beside the one in force; it never changes. Connections keep
 * the TLS context they were born with (it is counted), so a view is freed as soon as another is in
 * force.
 */
#ifndef EDGED_WEBCONF_VIEW_H
#define EDGED_WEBCONF_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/err.h"
#include "conf/conf.h"
#include "proto/psom/walk.h"

struct keycall;
struct tls_ctx;

#define LINK_ALPN "h2-edged-webconf"

enum admission { ADMISSION_NONE, ADMISSION_SNI_TICKET, ADMISSION_PREFACE };
enum proxy_header { PROXY_NONE, PROXY_BEFORE_TLS, PROXY_INSIDE_TLS };

struct dial_server { /* mode dial */
	struct str id, name, fqdn;
	struct addr addr;
	struct tls_ctx *tls;
};

struct view {
	struct arena arena; /* texts and arrays below */
	struct conf_webconf_limits lim;
	enum admission admission;
	bool dials;
	enum proxy_header proxy;
	bool framed;
	struct psom_framing framing;
	struct str ticket_suffix, default_server;
	struct str *trusted;
	uint32_t n_trusted;
	struct dial_server *servers;
	uint32_t n_servers;
	struct addr bind; /* mode dial: our inside address */
	const char *device;
	struct tls_ctx *external; /* server side, clients */
	uint32_t ticket_period;   /* of its session ticket keys; 0: keyd had none for us */
	struct tls_ctx *internal; /* server side, links; NULL in mode dial */
};

/* NULL with *ret_why (static text) when the configuration cannot be used. */
struct view *view_new(const struct conf *conf, struct keycall *keys, const char **ret_why);
struct view *view_free(struct view *v);
/*
 * Session ticket keys of the present period, when those of v are of another; new clients meet them.
 * conf is the one that v was made from. On failure the old ones stay.
 */
int view_renew_tickets(struct view *v, const struct conf *conf, struct keycall *keys) ED_MUST_CHECK;

#endif

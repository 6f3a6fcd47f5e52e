/* SPDX-License-Identifier: MIT
 *
 * avauth/service.h: the connections of trusted servers and the requests on them.
 *
 * A link lives with its connection; a request lives until keyd has answered for each of its
 * credentials, and finds its link gone if the server has left meanwhile.
 */
#ifndef EDGED_AVAUTH_SERVICE_H
#define EDGED_AVAUTH_SERVICE_H

#include "avauth/rate.h"
#include "avauth/view.h"
#include "base/list.h"
#include "proto/mras/doc.h"

struct addr;
struct admit;
struct keycall;
struct listener;
struct loop;
struct svc;

struct service {
	struct svc *svc;
	struct loop *loop;
	struct keycall *keys;
	struct view *view, *next;
	struct admit *admit;
	struct listener *listeners[4];
	uint32_t n_listeners;
	struct list links, requests;
	uint32_t n_links, n_requests;
	struct rate *by_peer, *by_identity;
	bool draining;
};

void service_on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local);
/* Closes all links; requests end as their answers come. */
void service_close(struct service *s);
/* At the end of the process: keyd tells nobody any more. */
void service_forget(struct service *s);

/* counters.c */
void counters_register(void);
void counters_request(enum mras_reason r);
void counters_issued(uint32_t n);
void counters_refused_peer(void);

#endif

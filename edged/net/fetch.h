/* SPDX-License-Identifier: MIT
 *
 * net/fetch.h: a small file over plain HTTP (libcurl), asynchronous: revocation lists. Names are
 * resolved through net/resolve, never by libcurl; each address is shown to `may_connect` before a
 * socket is made, and the socket is bound to the service's own address and device. No redirects, no
 * proxy, no cookies, one port.
 *
 * Bounded: FETCH_MAX at a time, octets and milliseconds of each by its caller.
 */
#ifndef EDGED_NET_FETCH_H
#define EDGED_NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"

struct fetch;
struct loop;
struct resolve;

#define FETCH_MAX     4u
#define FETCH_URL_MAX 512u
#define FETCH_PORT    80u

struct fetch_conf {
	struct loop *loop;
	struct resolve *resolve; /* borrowed */
	bool (*may_connect)(void *arg, const struct addr *a);
	/* Source address of the family of `like` (family 0: the kernel's choice), and device. */
	struct addr (*source)(void *arg, const struct addr *like);
	const char *(*device)(void *arg);
	void *arg;
};

/* NULL: no memory, or libcurl refused. Before the sandbox closes. */
struct fetch *fetch_new(const struct fetch_conf *conf);
/* What is under way ends without a word. */
struct fetch *fetch_free(struct fetch *f);

/* err ED_OK with the whole body; else why, one line for people. Comes once, never inside the call.
 */
typedef void fetch_cb(void *arg, int err, const char *why, struct str body);
/* ED_OK; ED_MALFORMED: not such a URL; ED_LIMIT: too many at a time; ED_NOMEM. */
int fetch_start(struct fetch *f, const char *url, size_t max, uint32_t timeout_ms, fetch_cb *cb,
    void *arg) ED_MUST_CHECK;
bool fetch_has_room(const struct fetch *f);

#endif

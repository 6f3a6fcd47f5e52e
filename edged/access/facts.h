/* SPDX-License-Identifier: MIT
 *
 * access/facts.h: what is known about the connection a message came on. Filled by the flow code
 * from the listener, TLS and DNS; read by the pure functions, which never look further.
 */
#ifndef EDGED_ACCESS_FACTS_H
#define EDGED_ACCESS_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/str.h"

enum facts_peer {
	FACTS_CLIENT,   /* external, no certificate */
	FACTS_SERVER,   /* external, certificate verified */
	FACTS_INTERNAL, /* certificate name in internal.trusted_servers */
};

/* What verification said of the peer's certificate. Zero is no proof of anything. */
enum facts_chain {
	FACTS_CHAIN_NONE, /* no certificate, or nobody looked */
	FACTS_CHAIN_BAD,
	FACTS_CHAIN_GOOD, /* chain, time, usage, and revocation as far as asked for */
};

/* DNS SRV _sipfederationtls._tcp of one domain, as far as known. */
enum facts_srv_state {
	FACTS_SRV_UNKNOWN, /* not asked yet */
	FACTS_SRV_NONE,    /* NXDOMAIN or no record */
	FACTS_SRV_FAILED,  /* no answer in time */
	FACTS_SRV_FOUND,
};

struct facts_srv {
	struct str domain;
	enum facts_srv_state state;
	const struct str *targets; /* host names */
	uint32_t n_targets;
};

struct facts {
	enum facts_peer peer;
	uint64_t cid;
	struct addr remote; /* with port */
	struct addr local;  /* our end of that connection, with port */
	bool registered; /* the inside has answered a REGISTER (anonymous: an INVITE) here with 2xx
			  */

	enum facts_chain chain; /* FACTS_SERVER */
	bool federation_port;   /* it came in on the port for partners */

	/* FACTS_SERVER, and FACTS_INTERNAL for the log: dNSNames of the certificate. */
	const struct str *names;
	uint32_t n_names;
	const struct facts_srv *srv; /* answers at hand */
	uint32_t n_srv;
};

/* What kind of traffic a message is (access-edge-sip 3.1); decides trust header and strip column.
 */
enum traffic {
	TRAFFIC_REMOTE_USER,
	TRAFFIC_ANONYMOUS,
	TRAFFIC_DIRECT_PARTNER,
	TRAFFIC_AUTO_FEDERATION,
	TRAFFIC_AUTHORIZED_SERVER, /* hosting provider */
	TRAFFIC_PUBLIC_CLOUD,      /* public IM provider; AuthorizedServer with publiccloud */
	TRAFFIC_INTERNAL,
	TRAFFIC__N
};

const char *traffic_name(enum traffic t); /* "remote_user", ... for log lines */
static inline bool
traffic_is_partner(enum traffic t)
{
	return t >= TRAFFIC_DIRECT_PARTNER && t <= TRAFFIC_PUBLIC_CLOUD;
}

#endif

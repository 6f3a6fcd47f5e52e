/* SPDX-License-Identifier: MIT
 *
 * proto/topology/topology.h: what a topology document of Lync Server 2010/2013 or Skype for
 * Business Server says, as far as an edge is concerned: SIP domains, clusters with their machines
 * and addresses, services with their ports and what they depend on.
 *
 * Pure: bytes in, lists out; the caller read the file. Both forms are read: what Export-CsTopology,
 * Get-CsTopology -AsXml or DocItemSet.xml of Export-CsConfiguration hold, and the file of Topology
 * Builder (.tbxml). Whatever it does not know it passes over; a document type declaration it
 * refuses, so there are no entities to expand.
 *
 * Spec: docs/spec/topology.md.
 */
#ifndef EDGED_PROTO_TOPOLOGY_TOPOLOGY_H
#define EDGED_PROTO_TOPOLOGY_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* What a hostile document can make us hold; real ones have some hundred of each. */
#define TOPOLOGY_BYTES_MAX (16u * 1024u * 1024u)
#define TOPOLOGY_DEPTH_MAX 64u
#define TOPOLOGY_ITEMS_MAX 65536u /* of all kinds together */
#define TOPOLOGY_TEXT_MAX  255u   /* of an attribute that we keep */
#define TOPOLOGY_ARENA_CAP (32u * 1024u * 1024u)

struct topology_name {
	const char *name;
	struct topology_name *next;
};

struct topology_interface {
	const char *side; /* Internal | External | Primary */
	const char *number;
	const char *address;
	const char *configured; /* the one behind which a NAT shows it; may be empty */
	struct topology_interface *next;
};

struct topology_machine {
	const char *fqdn; /* empty: that of its cluster */
	struct topology_interface *interfaces;
	struct topology_machine *next;
};

struct topology_cluster {
	const char *id; /* as services name it */
	const char *fqdn;
	struct topology_machine *machines;
	struct topology_cluster *next;
};

struct topology_port {
	const char *owner; /* without "urn:component:" */
	const char *usage, *side, *number, *port, *protocol, *range, *fqdn;
	struct topology_port *next;
};

struct topology_service {
	const char *id, *role;
	const char *cluster;
	struct topology_name *depends_on; /* ids */
	struct topology_port *ports;
	struct topology_service *next;
};

struct topology {
	struct topology_name *domains; /* the default one first */
	struct topology_cluster *clusters;
	struct topology_service *services;
	uint32_t n_domains, n_clusters, n_services;
	uint32_t n_others; /* further topologies in the document, passed over */
};

/*
 * bytes      the whole file, UTF-8 or UTF-16
 * arena      everything in *ret lies in it; cap TOPOLOGY_ARENA_CAP is enough
 * ret_line   where it went wrong; static text says what in ret_why
 *
 * ED_OK; ED_MALFORMED: no XML, or no topology in it; ED_LIMIT; ED_UNSUPPORTED: a document type
 * declaration; ED_NOMEM.
 */
int topology_read(struct str bytes, struct arena *arena, struct topology *ret, uint32_t *ret_line,
    const char **ret_why) ED_MUST_CHECK;

/* NULL when there is none. */
const struct topology_cluster *topology_cluster_of(const struct topology *t, const char *id);
const struct topology_service *topology_service_of(const struct topology *t, const char *id);

#endif

/* SPDX-License-Identifier: MIT
 *
 * connector/relay.h: one client: a stream from an edge, a TLS connection to a conferencing server,
 * and the octets between.
 *
 * Life: relay_open from a CONNECT; answers 200 when the server's handshake is done (502, 504 when
 * it fails); ends with both directions, a reset of either side, or the link.
 */
#ifndef EDGED_CONNECTOR_RELAY_H
#define EDGED_CONNECTOR_RELAY_H

#include <stdint.h>

struct connector;
struct h2_request;
struct h2_stream;
struct server;

/* Takes the stream, whatever comes. n_clients is counted down when the relay is gone. */
void relay_open(struct connector *k, struct h2_stream *s, struct server *srv, uint32_t *n_clients);

#endif

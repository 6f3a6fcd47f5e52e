/* SPDX-License-Identifier: MIT
 *
 * avedge/ingress.c: datagrams from clients and from peers, handed to proto/turn.
 */
#include "avedge/internal.h"

void
ingress_on_datagram(void *arg, struct udp_socket *s, struct pkt *p, const struct addr *from)
{
	struct av_listener *l = arg;
	struct avedge *av = l->av;
	struct turn_flow flow = {.client = *from, .listener = l->index, .transport = TURN_UDP};
	struct turn_input in = {.flow = &flow, .pkt = p, .now_ms = loop_now_ms(av->loop)};

	turn_server_input(av->server, &in, &av->acts);
	egress_run(av);
}

void
ingress_on_peer(void *arg, struct udp_socket *s, struct pkt *p, const struct addr *from)
{
	struct av_relay *r = arg;
	struct avedge *av = r->av;

	if (!r->a) /* reserved, and nobody has come for it yet */
		return;
	turn_server_peer_input(av->server, r->a, from, p, loop_now_ms(av->loop), &av->acts);
	egress_run(av);
}

/* SPDX-License-Identifier: MIT */
#include "access/sibling.h"

#include "access/flow.h"
#include "net/ipc.h"

void
sibling_head(
    uint8_t *out, enum sibling_kind kind, uint64_t cid, const struct addr *peer, uint32_t n)
{
	static const struct addr nobody;
	struct ipc_writer w = {.p = out, .n = 0, .room = SIBLING_HEAD_LEN, .err = 0};

	ipc_put_u8(&w, (uint8_t)kind);
	ipc_put_u64(&w, cid);
	if (!peer)
		peer = &nobody;
	ipc_put_u8(&w, peer->family);
	for (unsigned i = 0; i < sizeof(peer->ip); i++)
		ipc_put_u8(&w, peer->ip[i]);
	ipc_put_u16(&w, peer->port);
	ipc_put_u32(&w, n); /* with the bytes behind it this is what ipc_get_str reads */
}

int
sibling_read(struct str bytes, unsigned from, unsigned to, struct sibling_msg *ret)
{
	struct ipc_reader r = {.left = bytes, .err = 0};
	uint8_t kind = ipc_get_u8(&r);
	uint64_t cid = ipc_get_u64(&r);
	struct addr peer = {.family = ipc_get_u8(&r)};
	struct str body;

	for (unsigned i = 0; i < sizeof(peer.ip); i++)
		peer.ip[i] = ipc_get_u8(&r);
	peer.port = ipc_get_u16(&r);
	body = ipc_get_str(&r);
	if (ipc_get_end(&r) < 0 || (peer.family != 0 && peer.family != 4 && peer.family != 6))
		return ED_MALFORMED;
	switch (kind) {
	case SIBLING_REQUEST:
	case SIBLING_FAILED:
	case SIBLING_SIGNED_IN:
		if (FLOW_CID_SLOT(cid) != from || body.n == 0)
			return ED_MALFORMED;
		break;
	case SIBLING_OUTPUT:
		if (FLOW_CID_SLOT(cid) != to || body.n == 0)
			return ED_MALFORMED;
		break;
	case SIBLING_GONE:
		if (FLOW_CID_SLOT(cid) != from || body.n != 0)
			return ED_MALFORMED;
		break;
	default:
		return ED_MALFORMED;
	}
	*ret = (struct sibling_msg){(enum sibling_kind)kind, cid, peer, body};
	return ED_OK;
}

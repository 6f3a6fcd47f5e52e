/* SPDX-License-Identifier: MIT */
#include "proto/turn/nonce.h"

#include <string.h>

#define MAC_BYTES 9u /* 72 bits */

static int
make(struct mac_ctx *key, const struct turn_flow *flow, uint32_t minute, char ret[TURN_NONCE_LEN])
{
	uint8_t text[3 + 16 + 1 + 2 + 2], mac[MAC_LEN], raw[3 + MAC_BYTES];
	int r;

	text[0] = (uint8_t)(minute >> 16);
	text[1] = (uint8_t)(minute >> 8);
	text[2] = (uint8_t)minute;
	memcpy(text + 3, flow->client.ip, 16);
	text[19] = flow->client.family;
	text[20] = (uint8_t)(flow->client.port >> 8);
	text[21] = (uint8_t)flow->client.port;
	text[22] = flow->transport;
	text[23] = flow->listener;
	r = mac_hmac(key, (struct str){(const char *)text, sizeof(text)}, mac);
	if (r < 0)
		return r;
	memcpy(raw, text, 3);
	memcpy(raw + 3, mac, MAC_BYTES);
	b64url_encode(raw, sizeof(raw), ret);
	return ED_OK;
}

int
turn_nonce_make(
    struct mac_ctx *key, const struct turn_flow *flow, uint64_t now_ms, char ret[TURN_NONCE_LEN])
{
	return make(key, flow, (uint32_t)(now_ms / 60000) & 0xffffff, ret);
}

bool
turn_nonce_holds(
    struct mac_ctx *key, const struct turn_flow *flow, uint64_t now_ms, struct str nonce)
{
	uint8_t raw[TURN_NONCE_LEN * 3 / 4];
	char want[TURN_NONCE_LEN];
	uint32_t minute, now = (uint32_t)(now_ms / 60000) & 0xffffff;

	if (nonce.n != TURN_NONCE_LEN || b64url_decode(nonce, raw) != (int64_t)sizeof(raw))
		return false;
	minute = (uint32_t)raw[0] << 16 | (uint32_t)raw[1] << 8 | raw[2];
	if (((now - minute) & 0xffffff) > TURN_NONCE_MINUTES)
		return false;
	return make(key, flow, minute, want) == ED_OK && mac_equal(want, nonce.p, sizeof(want));
}

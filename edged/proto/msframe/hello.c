/* SPDX-License-Identifier: MIT */
#include "proto/msframe/hello.h"

/* Offsets 11..42 (timestamp and random) are the client's own. */
static const uint8_t client_head[11] = {
    0x16, 0x03, 0x01, 0x00, 0x2d, 0x01, 0x00, 0x00, 0x29, 0x03, 0x01};
static const uint8_t client_tail[7] = {0x00, 0x00, 0x02, 0x00, 0x18, 0x01, 0x00};
#define CLIENT_TAIL_AT 43u

static const uint8_t google_head[5] = {0x80, 0x46, 0x01, 0x03, 0x01};

/* How far bytes agree with want from offset at on: 1 wholly, 0 as far as they go, -1 not. */
static int
agrees(struct str bytes, size_t at, const uint8_t *want, size_t n)
{
	size_t have = bytes.n > at ? bytes.n - at : 0;

	if (have && memcmp(bytes.p + at, want, have < n ? have : n) != 0)
		return -1;
	return have >= n;
}

static enum msframe_first
first_tls(struct str bytes)
{
	static const uint8_t handshake[2] = {0x16, 0x03};
	int head = agrees(bytes, 0, client_head, sizeof(client_head));
	int tail = agrees(bytes, CLIENT_TAIL_AT, client_tail, sizeof(client_tail));

	if (head == 1 && tail == 1)
		return MSFRAME_FIRST_HELLO;
	if (head >= 0 && tail >= 0)
		return MSFRAME_FIRST_MORE;
	return agrees(bytes, 0, handshake, sizeof(handshake)) == 1 ? MSFRAME_FIRST_TLS
								   : MSFRAME_FIRST_CLOSE;
}

static enum msframe_first
first_standard(struct str bytes)
{
	static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};
	int r = agrees(bytes, 4, cookie, sizeof(cookie));

	return r == 1 ? MSFRAME_FIRST_STANDARD : r == 0 ? MSFRAME_FIRST_MORE : MSFRAME_FIRST_CLOSE;
}

enum msframe_first
msframe_first(struct str bytes)
{
	int google;

	if (bytes.n == 0)
		return MSFRAME_FIRST_MORE;
	switch ((uint8_t)bytes.p[0]) {
	case 0x16:
		return first_tls(bytes);
	case 0x02:
	case 0x03:
		/* Second byte 0: our frame. A STUN type with these first bytes does not exist. */
		if (bytes.n < 2)
			return MSFRAME_FIRST_MORE;
		return bytes.p[1] == 0 ? MSFRAME_FIRST_FRAMES : MSFRAME_FIRST_CLOSE;
	case 0x00:
	case 0x01:
		return first_standard(bytes);
	case 0x80:
		google = agrees(bytes, 0, google_head, sizeof(google_head));
		return google == 1   ? MSFRAME_FIRST_GOOGLE
		       : google == 0 ? MSFRAME_FIRST_MORE
				     : MSFRAME_FIRST_CLOSE;
	default:
		return MSFRAME_FIRST_CLOSE;
	}
}

void
msframe_server_hello(uint8_t ret[MSFRAME_SERVER_HELLO_LEN], uint32_t now_s,
    const uint8_t random[MSFRAME_HELLO_RANDOM_LEN])
{
	static const uint8_t head[11] = {
	    0x16, 0x03, 0x01, 0x00, 0x4e, 0x02, 0x00, 0x00, 0x46, 0x03, 0x01};
	static const uint8_t tail[7] = {0x00, 0x18, 0x00, 0x0e, 0x00, 0x00, 0x00};

	memcpy(ret, head, sizeof(head));
	ret[11] = (uint8_t)(now_s >> 24);
	ret[12] = (uint8_t)(now_s >> 16);
	ret[13] = (uint8_t)(now_s >> 8);
	ret[14] = (uint8_t)now_s;
	memcpy(ret + 15, random, 28);
	ret[43] = 32;
	memcpy(ret + 44, random + 28, 32);
	memcpy(ret + 76, tail, sizeof(tail));
}

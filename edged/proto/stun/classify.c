/* SPDX-License-Identifier: MIT */
#include "proto/stun/classify.h"

#include "proto/stun/msg.h"
#include "proto/stun/types.h"

enum stun_class
stun_classify(struct str bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	bool fits;

	if (bytes.n < 2)
		return STUN_CLASS_OTHER;
	if ((p[0] & 0xc0) == 0x40)
		return STUN_CLASS_CHANNEL;
	if (p[0] == 0xff && p[1] == 0x10)
		return STUN_CLASS_MULTIPLEX;
	if ((p[0] & 0xc0) != 0 || bytes.n < STUN_HEADER_LEN)
		return STUN_CLASS_OTHER;
	fits = (size_t)stun_u16(p + 2) + STUN_HEADER_LEN == bytes.n;
	if (fits && bytes.n >= STUN_HEADER_LEN + 8 && stun_u32(p + 20) == 0x000f0004u &&
	    stun_u32(p + 24) == STUN_MS_MAGIC_COOKIE)
		return STUN_CLASS_MS;
	if (stun_u32(p + 4) == STUN_MAGIC_COOKIE)
		return STUN_CLASS_STANDARD;
	if (fits && stun_u16(p) == STUN_BINDING)
		return STUN_CLASS_RFC3489;
	return STUN_CLASS_OTHER;
}

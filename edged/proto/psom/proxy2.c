/* SPDX-License-Identifier: MIT */
#include "proto/psom/proxy2.h"

#include <string.h>

#define PP2_PROXY_V2       0x21 /* version 2, command PROXY */
#define PP2_TCP4           0x11
#define PP2_TCP6           0x21
#define PP2_TYPE_AUTHORITY 0x02

static uint8_t *
put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *
put_ip(uint8_t *p, const struct addr *a, bool six)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (six && a->family == 6) {
		memcpy(p, a->ip, 16);
		return p + 16;
	}
	if (six) {
		memcpy(p, mapped, sizeof(mapped));
		p += sizeof(mapped);
	}
	memcpy(p, a->ip, 4);
	return p + 4;
}

int
psom_proxy2_write(
    const struct addr *client, const struct addr *ours, struct str authority, uint8_t *ret)
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	bool six = client->family == 6 || ours->family == 6;
	size_t body = (six ? 36u : 12u) + (authority.n ? 3u + authority.n : 0u);
	uint8_t *p = ret;

	if (authority.n > PSOM_PROXY2_AUTHORITY_MAX)
		return ED_LIMIT;
	if ((client->family != 4 && client->family != 6) ||
	    (ours->family != 4 && ours->family != 6))
		return ED_UNSUPPORTED;
	memcpy(p, signature, sizeof(signature));
	p += sizeof(signature);
	*p++ = PP2_PROXY_V2;
	*p++ = six ? PP2_TCP6 : PP2_TCP4;
	p = put_u16(p, (uint16_t)body);
	p = put_ip(p, client, six);
	p = put_ip(p, ours, six);
	p = put_u16(p, client->port);
	p = put_u16(p, ours->port);
	if (authority.n) {
		*p++ = PP2_TYPE_AUTHORITY;
		p = put_u16(p, (uint16_t)authority.n);
		memcpy(p, authority.p, authority.n);
		p += authority.n;
	}
	return (int)(p - ret);
}

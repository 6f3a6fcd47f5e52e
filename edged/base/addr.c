/* SPDX-License-Identifier: MIT
 *
 * base/addr.c: see the header. inet_pton and inet_ntop do the text; both are pure.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* The v4 form of ::ffff:a.b.c.d; one host has one form. */
static void
unmap(struct addr *a)
{
	uint8_t v4[4];

	if (a->family != 6 || memcmp(a->ip, v4_mapped, sizeof(v4_mapped)) != 0)
		return;
	memcpy(v4, a->ip + 12, 4);
	memset(a->ip, 0, sizeof(a->ip));
	memcpy(a->ip, v4, 4);
	a->family = 4;
	a->scope = 0;
}

int
addr_from_sockaddr(struct addr *ret, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	sa_family_t family;

	if (len < sizeof(family))
		return ED_UNSUPPORTED;
	memcpy(&family, sa, sizeof(family));
	if (family == AF_INET && len >= sizeof(in4)) {
		memcpy(&in4, sa, sizeof(in4));
		memset(ret, 0, sizeof(*ret));
		ret->family = 4;
		ret->port = ntohs(in4.sin_port);
		memcpy(ret->ip, &in4.sin_addr, 4);
		return ED_OK;
	}
	if (family == AF_INET6 && len >= sizeof(in6)) {
		memcpy(&in6, sa, sizeof(in6));
		memset(ret, 0, sizeof(*ret));
		ret->family = 6;
		ret->port = ntohs(in6.sin6_port);
		memcpy(ret->ip, &in6.sin6_addr, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
			ret->scope = in6.sin6_scope_id;
		unmap(ret);
		return ED_OK;
	}
	return ED_UNSUPPORTED;
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ret)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	memset(ret, 0, sizeof(*ret));
	if (a->family == 4) {
		in4.sin_port = htons(a->port);
		memcpy(&in4.sin_addr, a->ip, 4);
		memcpy(ret, &in4, sizeof(in4));
		return sizeof(in4);
	}
	if (a->family == 6) {
		in6.sin6_port = htons(a->port);
		in6.sin6_scope_id = a->scope;
		memcpy(&in6.sin6_addr, a->ip, 16);
		memcpy(ret, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

/* "fe80::1%3": the zone as a number only; names of interfaces would ask the system. */
static int
parse_zone(struct str *text, uint32_t *ret_scope)
{
	ptrdiff_t at = str_find(*text, '%');

	*ret_scope = 0;
	if (at < 0)
		return ED_OK;
	if (!str_to_u32(str_from(*text, (size_t)at + 1), UINT32_MAX, ret_scope))
		return ED_MALFORMED;
	*text = str_first(*text, (size_t)at);
	return ED_OK;
}

int
addr_parse_ip(struct addr *ret, struct str text)
{
	struct addr a = {0};
	char z[INET6_ADDRSTRLEN + 1];
	bool bracket = text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']';
	uint32_t scope;

	if (bracket)
		text = (struct str){text.p + 1, text.n - 2};
	if (parse_zone(&text, &scope) < 0)
		return ED_MALFORMED;
	if (text.n == 0 || text.n >= sizeof(z) || memchr(text.p, 0, text.n))
		return ED_MALFORMED;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	if (!bracket && scope == 0 && inet_pton(AF_INET, z, a.ip) == 1) {
		a.family = 4;
	} else if (inet_pton(AF_INET6, z, a.ip) == 1) {
		a.family = 6;
		a.scope = scope;
		unmap(&a);
	} else {
		return ED_MALFORMED;
	}
	*ret = a;
	return ED_OK;
}

int
addr_parse(struct addr *ret, struct str text)
{
	struct addr a;
	ptrdiff_t colon = -1;
	uint32_t port;

	for (size_t i = text.n; i > 0 && colon < 0; i--)
		if (text.p[i - 1] == ':')
			colon = (ptrdiff_t)i - 1;
	if (colon <= 0)
		return ED_MALFORMED;
	/* "::1:5061" would be ambiguous: v6 needs its brackets here */
	if (text.p[0] != '[' && memchr(text.p, ':', (size_t)colon))
		return ED_MALFORMED;
	if (!str_to_u32(str_from(text, (size_t)colon + 1), 65535, &port))
		return ED_MALFORMED;
	if (addr_parse_ip(&a, str_first(text, (size_t)colon)) < 0)
		return ED_MALFORMED;
	a.port = (uint16_t)port;
	*ret = a;
	return ED_OK;
}

bool
addr_ip_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_ip_eq(a, b);
}

static char *
put_number(char *at, unsigned v)
{
	char digits[5];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	while (n)
		*at++ = digits[--n];
	return at;
}

/* Written for every message that passes, so without the detour through printf. */
static char *
put_v4(char *at, const struct addr *a)
{
	for (unsigned i = 0; i < 4; i++) {
		at = put_number(at, a->ip[i]);
		*at++ = '.';
	}
	at[-1] = '\0';
	return at - 1;
}

const char *
addr_ip_str(const struct addr *a, char *buf)
{
	char ip[INET6_ADDRSTRLEN];

	if (a->family == 4 && !a->scope) {
		put_v4(buf, a);
		return buf;
	}
	if (a->family != 4 && a->family != 6) {
		snprintf(buf, ADDR_STR_LEN, "-");
		return buf;
	}
	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, ip, sizeof(ip));
	if (a->scope)
		snprintf(buf, ADDR_STR_LEN, "%s%%%u", ip, a->scope);
	else
		snprintf(buf, ADDR_STR_LEN, "%s", ip);
	return buf;
}

const char *
addr_str(const struct addr *a, char *buf)
{
	char ip[ADDR_STR_LEN];
	char *at;

	if (a->family == 4 && !a->scope) {
		at = put_v4(buf, a);
		*at++ = ':';
		at = put_number(at, a->port);
		*at = '\0';
		return buf;
	}
	addr_ip_str(a, ip);
	snprintf(buf, ADDR_STR_LEN, a->family == 6 ? "[%.56s]:%u" : "%.56s:%u", ip, a->port);
	return buf;
}

int
addr_net_parse(struct addr_net *ret, struct str text)
{
	struct addr_net net;
	ptrdiff_t slash = str_find(text, '/');
	uint32_t bits, max;

	if (addr_parse_ip(&net.base, slash < 0 ? text : str_first(text, (size_t)slash)) < 0)
		return ED_MALFORMED;
	max = net.base.family == 4 ? 32 : 128;
	bits = max;
	if (slash >= 0 && !str_to_u32(str_from(text, (size_t)slash + 1), max, &bits))
		return ED_MALFORMED;
	net.bits = (uint8_t)bits;
	*ret = net;
	return ED_OK;
}

bool
addr_net_has(const struct addr_net *net, const struct addr *a)
{
	size_t whole = net->bits / 8;
	uint8_t rest = net->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (net->base.family != a->family)
		return false;
	if (memcmp(net->base.ip, a->ip, whole) != 0)
		return false;
	return rest == 0 || ((net->base.ip[whole] ^ a->ip[whole]) & mask) == 0;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const uint8_t v6[16] = {[15] = 1};

	if (a->family == 4)
		return a->ip[0] == 127;
	return a->family == 6 && memcmp(a->ip, v6, sizeof(v6)) == 0;
}

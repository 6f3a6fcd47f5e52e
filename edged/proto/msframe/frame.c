/* SPDX-License-Identifier: MIT */
#include "proto/msframe/frame.h"

static size_t
length_at(struct str bytes, size_t at)
{
	return (size_t)(uint8_t)bytes.p[at] << 8 | (uint8_t)bytes.p[at + 1];
}

int64_t
msframe_next(struct str bytes, size_t max, struct msframe *ret)
{
	size_t n;

	if (bytes.n == 0)
		return 0;
	if (bytes.p[0] != MSFRAME_CONTROL && bytes.p[0] != MSFRAME_DATA)
		return ED_MALFORMED;
	if (bytes.n < MSFRAME_HEADER_LEN)
		return 0;
	n = MSFRAME_HEADER_LEN + length_at(bytes, 2);
	if (n > max)
		return ED_LIMIT;
	if (bytes.n < n)
		return 0;
	ret->kind = (enum msframe_kind)bytes.p[0];
	ret->body = (struct str){bytes.p + MSFRAME_HEADER_LEN, n - MSFRAME_HEADER_LEN};
	return (int64_t)n;
}

int64_t
msframe_next_standard(struct str bytes, size_t max, struct msframe *ret)
{
	bool is_channel;
	size_t n, padded;

	if (bytes.n == 0)
		return 0;
	is_channel = ((uint8_t)bytes.p[0] & 0xc0) == 0x40;
	if (!is_channel && ((uint8_t)bytes.p[0] & 0xc0) != 0)
		return ED_MALFORMED;
	if (bytes.n < 4)
		return 0;
	n = length_at(bytes, 2) + (is_channel ? 4 : 20);
	padded = (n + 3) & ~(size_t)3;
	if (!is_channel && padded != n)
		return ED_MALFORMED; /* RFC 8489 5: always a multiple of four */
	if (padded > max)
		return ED_LIMIT;
	if (bytes.n < padded)
		return 0;
	ret->kind = is_channel ? MSFRAME_CHANNEL_DATA : MSFRAME_MESSAGE;
	ret->body = (struct str){bytes.p, n};
	return (int64_t)padded;
}

/* SPDX-License-Identifier: MIT
 *
 * harness/hex.h: bytes of a test vector, written as its document prints them: hex digits, blanks
 * where they help the eye.
 */
#ifndef EDGED_TEST_HEX_H
#define EDGED_TEST_HEX_H

#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes written; the text is ours, so a wrong one is a mistake in the test. */
static inline size_t
hex_bytes(const char *text, uint8_t *ret, size_t room)
{
	size_t n = 0;
	int high = -1;

	for (; *text; text++) {
		int c = tolower((unsigned char)*text), v;

		if (isspace(c))
			continue;
		assert(isxdigit(c));
		v = c <= '9' ? c - '0' : c - 'a' + 10;
		if (high < 0) {
			high = v;
			continue;
		}
		assert(n < room);
		ret[n++] = (uint8_t)(high << 4 | v);
		high = -1;
	}
	assert(high < 0);
	return n;
}

#endif

/* SPDX-License-Identifier: MIT */
#include "proto/psom/preface.h"

static const uint8_t magic[5] = {'E', 'D', 'W', 'C', 1};

/* What octet number at may be before the handle starts. */
static bool
head_octet_ok(size_t at, uint8_t octet)
{
	if (at < sizeof(magic))
		return octet == magic[at];
	if (at == 5)
		return octet >= PSOM_HANDLE_MIN && octet <= PSOM_HANDLE_MAX;
	return octet == 0;
}

int
psom_preface_read(struct str in, struct str *ret_handle)
{
	const uint8_t *p = (const uint8_t *)in.p;

	/* Octet by octet, so that a stream which is no preface is refused at once, not after 5 s.
	 */
	for (size_t i = 0; i < 8; i++) {
		if (i >= in.n)
			return 0;
		if (!head_octet_ok(i, p[i]))
			return ED_MALFORMED;
	}
	if (in.n < 8u + p[5])
		return 0;
	*ret_handle = (struct str){in.p + 8, p[5]};
	return 8 + p[5];
}

int
psom_preface_write(struct str handle, uint8_t *ret)
{
	if (handle.n < PSOM_HANDLE_MIN || handle.n > PSOM_HANDLE_MAX)
		return ED_LIMIT;
	memcpy(ret, magic, sizeof(magic));
	ret[5] = (uint8_t)handle.n;
	ret[6] = ret[7] = 0;
	memcpy(ret + 8, handle.p, handle.n);
	return (int)(8 + handle.n);
}

static int
base32_value(unsigned char c)
{
	c = ascii_lower(c);
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	return -1;
}

int
psom_label_read(struct str sni, struct str suffix, uint8_t ret_handle[PSOM_HANDLE_LEN])
{
	uint8_t out[PSOM_HANDLE_LEN];
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t at = 0;
	ptrdiff_t dot = str_find(sni, '.');
	int v;

	if (suffix.n == 0 || dot < 0 || !str_eq_nocase(str_from(sni, (size_t)dot + 1), suffix))
		return ED_UNSUPPORTED;
	if (dot != (ptrdiff_t)PSOM_LABEL_LEN)
		return ED_MALFORMED;
	for (size_t i = 0; i < PSOM_LABEL_LEN; i++) {
		v = base32_value((unsigned char)sni.p[i]);
		if (v < 0)
			return ED_MALFORMED;
		bits = bits << 5 | (uint32_t)v;
		n_bits += 5;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[at++] = (uint8_t)(bits >> n_bits);
		}
	}
	memcpy(ret_handle, out, sizeof(out));
	return ED_OK;
}

void
psom_label_write(const uint8_t handle[PSOM_HANDLE_LEN], char ret[PSOM_LABEL_LEN])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t at = 0;

	for (size_t i = 0; i < PSOM_HANDLE_LEN; i++) {
		bits = bits << 8 | handle[i];
		n_bits += 8;
		while (n_bits >= 5) {
			n_bits -= 5;
			ret[at++] = digits[bits >> n_bits & 31u];
		}
	}
}

/* SPDX-License-Identifier: MIT */
#include "proto/stun/integrity.h"

#include "base/digest.h"
#include "base/mac.h"

#define FINGERPRINT_MASK 0x5354554eu
#define FINGERPRINT_LEN  8u /* with its header */

int
stun_key(struct str username, struct str realm, struct str password, uint8_t ret[STUN_KEY_LEN])
{
	struct str parts[5] = {username, STR(":"), realm, STR(":"), password};

	return digest_md5(parts, 5, ret);
}

/* HMAC over the at bytes in front of the attribute header; total is the length of the message on
 * the wire, as the writer has not set it yet. */
static int
integrity(const struct stun_dialect *d, struct str bytes, uint32_t at, size_t total, struct str key,
    uint8_t ret[STUN_INTEGRITY_LEN])
{
	static const uint8_t zeros[64];
	size_t length =
	    (d->integrity_block ? total : at + 4 + STUN_INTEGRITY_LEN) - STUN_HEADER_LEN;
	uint8_t head[4];
	struct str parts[3] = {{(const char *)head, sizeof(head)}, {bytes.p + 4, at - 4},
	    {(const char *)zeros, d->integrity_block ? -(size_t)at & 63 : 0}};

	memcpy(head, bytes.p, 2);
	head[2] = (uint8_t)(length >> 8);
	head[3] = (uint8_t)length;
	return digest_hmac_sha1(key, parts, 3, ret);
}

int
stun_integrity_check(const struct stun_msg *m, struct str key)
{
	uint8_t want[STUN_INTEGRITY_LEN];
	int r;

	if (!m->integrity_at)
		return ED_STATE;
	if (m->attr[STUN_MESSAGE_INTEGRITY].n != STUN_INTEGRITY_LEN)
		return ED_UNSUPPORTED;
	r = integrity(m->dialect, m->bytes, m->integrity_at, m->bytes.n, key, want);
	if (r < 0)
		return r;
	return mac_equal(want, m->attr[STUN_MESSAGE_INTEGRITY].p, sizeof(want)) ? ED_OK : ED_DENIED;
}

void
stun_write_integrity(struct stun_writer *w, struct str key)
{
	uint8_t mac[STUN_INTEGRITY_LEN];
	struct str so_far = {(const char *)w->p, w->n};

	if (w->full)
		return;
	if (integrity(w->d, so_far, (uint32_t)w->n, w->n + 4 + sizeof(mac), key, mac) < 0) {
		w->full = true;
		return;
	}
	stun_write_bytes(w, STUN_MESSAGE_INTEGRITY, (struct str){(const char *)mac, sizeof(mac)});
}

/* CRC-32 of ITU V.42, four bits at a time: only control messages carry it. */
static uint32_t
crc32_of(const uint8_t *p, size_t n, uint32_t crc)
{
	static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
	    0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
	    0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

	for (size_t i = 0; i < n; i++) {
		crc = nibble[(crc ^ p[i]) & 15] ^ crc >> 4;
		crc = nibble[(crc ^ (uint32_t)(p[i] >> 4)) & 15] ^ crc >> 4;
	}
	return crc;
}

/* The length field inside counts the FINGERPRINT (RFC 8489 14.7). */
static uint32_t
fingerprint(struct str bytes, size_t at)
{
	size_t length = at + FINGERPRINT_LEN - STUN_HEADER_LEN;
	uint8_t head[4] = {
	    (uint8_t)bytes.p[0], (uint8_t)bytes.p[1], (uint8_t)(length >> 8), (uint8_t)length};
	uint32_t crc = crc32_of(head, sizeof(head), 0xffffffff);

	return ~crc32_of((const uint8_t *)bytes.p + 4, at - 4, crc) ^ FINGERPRINT_MASK;
}

bool
stun_fingerprint_holds(const struct stun_msg *m)
{
	if (!m->fingerprint_at)
		return true;
	return m->fingerprint_at + FINGERPRINT_LEN == m->bytes.n &&
	       stun_u16(m->bytes.p + m->fingerprint_at + 2) == 4 &&
	       stun_u32(m->bytes.p + m->fingerprint_at + 4) ==
		   fingerprint(m->bytes, m->fingerprint_at);
}

void
stun_write_fingerprint(struct stun_writer *w)
{
	if (w->full)
		return;
	stun_write_u32(
	    w, STUN_FINGERPRINT, fingerprint((struct str){(const char *)w->p, w->n}, w->n));
}

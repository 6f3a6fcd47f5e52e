/* SPDX-License-Identifier: MIT */
#include "proto/stun/msg.h"

#include "proto/stun/types.h"

static const uint8_t ms_cookie_attribute[8] = {0x00, 0x0f, 0x00, 0x04, 0x72, 0xc6, 0x4b, 0xc6};

static void
put_u16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, v >> 16);
	put_u16(p + 2, v);
}

static enum stun_attr
meaning(const struct stun_dialect *d, uint16_t number)
{
	if (number < STUN_LOW_ATTRS)
		return (enum stun_attr)d->low[number];
	if (number < 0x8000)
		return STUN_NONE;
	number -= 0x8000;
	return number < STUN_HIGH_ATTRS && d->high[number] ? (enum stun_attr)d->high[number]
							   : STUN_IGNORED;
}

static void
note_unknown(struct stun_msg *m, uint16_t number)
{
	for (uint8_t i = 0; i < m->n_unknown; i++)
		if (m->unknown[i] == number)
			return;
	if (m->n_unknown < STUN_UNKNOWN_MAX)
		m->unknown[m->n_unknown++] = number;
}

static int
read_attributes(struct stun_msg *m)
{
	const uint8_t *p = (const uint8_t *)m->bytes.p;
	size_t at = STUN_HEADER_LEN, n = m->bytes.n;

	while (at < n) {
		enum stun_attr what;
		size_t len, step;

		if (n - at < 4)
			return ED_MALFORMED;
		what = meaning(m->dialect, stun_u16(p + at));
		len = stun_u16(p + at + 2);
		step = 4 + (m->dialect->padded ? (len + 3) & ~(size_t)3 : len);
		if (step > n - at)
			return ED_MALFORMED;
		if (what == STUN_FINGERPRINT && !m->fingerprint_at)
			m->fingerprint_at = (uint32_t)at;
		if (!m->integrity_at && !(m->fingerprint_at && what != STUN_FINGERPRINT)) {
			if (what == STUN_NONE)
				note_unknown(m, stun_u16(p + at));
			else if (!m->attr[what].p)
				m->attr[what] = (struct str){(const char *)p + at + 4, len};
			if (what == STUN_MESSAGE_INTEGRITY)
				m->integrity_at = (uint32_t)at;
		}
		at += step;
	}
	return ED_OK;
}

static int
parse(struct stun_msg *ret, const struct stun_dialect *d, struct str bytes, bool has_marker)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	struct stun_msg m = {.dialect = d, .bytes = bytes};
	int r;

	if (bytes.n < STUN_HEADER_LEN || (p[0] & 0xc0) != 0)
		return ED_MALFORMED;
	if ((size_t)stun_u16(p + 2) + STUN_HEADER_LEN != bytes.n)
		return ED_MALFORMED;
	if (d->padded && (bytes.n & 3) != 0)
		return ED_MALFORMED;
	if (d->cookie_attribute) {
		if (bytes.n < STUN_HEADER_LEN + sizeof(ms_cookie_attribute) ||
		    memcmp(p + STUN_HEADER_LEN, ms_cookie_attribute, sizeof(ms_cookie_attribute)))
			return ED_MALFORMED;
	} else if (has_marker && stun_u32(p + 4) != STUN_MAGIC_COOKIE) {
		return ED_MALFORMED;
	}
	m.type = stun_u16(p);
	m.id = p + 4;
	r = read_attributes(&m);
	if (r == ED_OK)
		*ret = m;
	return r;
}

int
stun_msg_parse(struct stun_msg *ret, const struct stun_dialect *d, struct str bytes)
{
	return parse(ret, d, bytes, true);
}

int
stun_msg_parse_rfc3489(struct stun_msg *ret, struct str bytes)
{
	return parse(ret, &stun_dialect_standard, bytes, false);
}

int
stun_get_u32(const struct stun_msg *m, enum stun_attr what, uint32_t *ret)
{
	if (!stun_has(m, what))
		return ED_STATE;
	if (m->attr[what].n != 4)
		return ED_MALFORMED;
	*ret = stun_u32(m->attr[what].p);
	return ED_OK;
}

/* Which addresses a dialect masks: ms-turn 3.4, RFC 8489 14.2. */
static bool
is_masked(const struct stun_dialect *d, enum stun_attr what)
{
	if (d->masks_with_id)
		return what == STUN_XOR_MAPPED_ADDRESS;
	return what != STUN_MAPPED_ADDRESS && what != STUN_ALTERNATE_SERVER;
}

/* The mask is the 16 bytes behind the length field in both dialects: the standard one has its
 * cookie at their head, the other only a longer transaction id. */
static void
mask_addr(uint8_t *v, size_t n, const uint8_t *id)
{
	v[2] ^= id[0];
	v[3] ^= id[1];
	for (size_t i = 4; i < n; i++)
		v[i] ^= id[i - 4];
}

bool
stun_next(const struct stun_msg *m, enum stun_attr what, uint32_t *at, struct str *ret)
{
	const uint8_t *p = (const uint8_t *)m->bytes.p;
	uint32_t end = m->integrity_at ? m->integrity_at : (uint32_t)m->bytes.n;

	if (*at == 0)
		*at = STUN_HEADER_LEN;
	while (*at < end) { /* the lengths were checked by the parser */
		uint32_t here = *at, len = stun_u16(p + here + 2);

		*at = here + 4 + (m->dialect->padded ? (len + 3) & ~3u : len);
		if (meaning(m->dialect, stun_u16(p + here)) == what) {
			*ret = (struct str){(const char *)p + here + 4, len};
			return true;
		}
	}
	return false;
}

int
stun_get_addr(const struct stun_msg *m, enum stun_attr what, struct addr *ret)
{
	return m->attr[what].p ? stun_addr_of(m, what, m->attr[what], ret) : ED_STATE;
}

int
stun_addr_of(const struct stun_msg *m, enum stun_attr what, struct str s, struct addr *ret)
{
	uint8_t v[20];
	struct addr a = {0};

	if (s.n < 4)
		return ED_MALFORMED;
	if (s.p[1] != 1 && s.p[1] != 2)
		return ED_UNSUPPORTED;
	if (s.n != (s.p[1] == 1 ? 8u : 20u))
		return ED_MALFORMED;
	memcpy(v, s.p, s.n);
	if (is_masked(m->dialect, what))
		mask_addr(v, s.n, m->id);
	a.family = v[1] == 1 ? 4 : 6;
	a.port = stun_u16(v + 2);
	memcpy(a.ip, v + 4, s.n - 4);
	*ret = a;
	return ED_OK;
}

void
stun_write_start(struct stun_writer *w, const struct stun_dialect *d, void *buf, size_t room,
    uint16_t type, const uint8_t *id)
{
	*w = (struct stun_writer){.d = d, .p = buf, .room = room};
	if (room < STUN_HEADER_LEN + sizeof(ms_cookie_attribute)) {
		w->full = true;
		return;
	}
	put_u16(w->p, type);
	put_u16(w->p + 2, 0);
	memcpy(w->p + 4, id, STUN_ID_LEN);
	w->n = STUN_HEADER_LEN;
	if (d->cookie_attribute) {
		memcpy(w->p + w->n, ms_cookie_attribute, sizeof(ms_cookie_attribute));
		w->n += sizeof(ms_cookie_attribute);
	}
}

/* Room for a value of n bytes behind a fresh attribute header, padding already cleared: what
 * another client's message left in the buffer must not go out (coturn CVE-2020-4067). */
static uint8_t *
open_attr(struct stun_writer *w, enum stun_attr what, size_t n)
{
	size_t padded = w->d->padded ? (n + 3) & ~(size_t)3 : n;
	uint8_t *v;

	if (w->full || n > UINT16_MAX || w->room - w->n < 4 + padded) {
		w->full = true;
		return NULL;
	}
	v = w->p + w->n;
	put_u16(v, w->d->number[what]);
	put_u16(v + 2, (uint32_t)n);
	memset(v + 4 + n, 0, padded - n);
	w->n += 4 + padded;
	return v + 4;
}

void
stun_write_bytes(struct stun_writer *w, enum stun_attr what, struct str value)
{
	uint8_t *v = open_attr(w, what, value.n);

	if (v && value.n)
		memcpy(v, value.p, value.n);
}

void
stun_write_u32(struct stun_writer *w, enum stun_attr what, uint32_t value)
{
	uint8_t *v = open_attr(w, what, 4);

	if (v)
		put_u32(v, value);
}

static size_t
encode_addr(uint8_t *v, const struct addr *a)
{
	size_t n = a->family == 4 ? 4 : 16;

	v[0] = 0;
	v[1] = a->family == 4 ? 1 : 2;
	put_u16(v + 2, a->port);
	memcpy(v + 4, a->ip, n);
	return 4 + n;
}

void
stun_write_addr(struct stun_writer *w, enum stun_attr what, const struct addr *a)
{
	uint8_t *v = open_attr(w, what, a->family == 4 ? 8 : 20);

	if (!v)
		return;
	if (is_masked(w->d, what))
		mask_addr(v, encode_addr(v, a), w->p + 4);
	else
		encode_addr(v, a);
}

void
stun_write_error(struct stun_writer *w, unsigned code, struct str phrase)
{
	size_t n = w->d->pads_text ? (phrase.n + 3) & ~(size_t)3 : phrase.n;
	uint8_t *v = open_attr(w, STUN_ERROR_CODE, 4 + n);

	if (!v)
		return;
	put_u16(v, 0);
	v[2] = (uint8_t)(code / 100);
	v[3] = (uint8_t)(code % 100);
	memset(v + 4, ' ', n);
	if (phrase.n)
		memcpy(v + 4, phrase.p, phrase.n);
}

void
stun_write_unknown(struct stun_writer *w, const struct stun_msg *req)
{
	/* RFC 3489 11.2.10: an even count, by repeating the last; the padded dialect has no need.
	 */
	size_t n = w->d->padded ? req->n_unknown : (req->n_unknown + 1u) & ~1u;
	uint8_t *v = open_attr(w, STUN_UNKNOWN_ATTRIBUTES, 2 * n);

	for (size_t i = 0; v && i < n; i++)
		put_u16(
		    v + 2 * i, req->unknown[i < req->n_unknown ? i : (size_t)req->n_unknown - 1]);
}

int64_t
stun_write_end(struct stun_writer *w)
{
	if (w->full)
		return ED_LIMIT;
	put_u16(w->p + 2, (uint32_t)(w->n - STUN_HEADER_LEN));
	return (int64_t)w->n;
}

size_t
stun_data_head(const struct stun_dialect *d, uint8_t ret[STUN_DATA_HEAD_MAX], const uint8_t *id,
    const struct addr *peer, uint32_t n)
{
	size_t at = STUN_HEADER_LEN, addr_len, total;
	uint8_t *v;

	put_u16(ret, d->cookie_attribute ? STUN_MS_DATA_INDICATION : STUN_DATA_INDICATION);
	memcpy(ret + 4, id, STUN_ID_LEN);
	if (d->cookie_attribute) {
		memcpy(ret + at, ms_cookie_attribute, sizeof(ms_cookie_attribute));
		at += sizeof(ms_cookie_attribute);
	}
	v = ret + at;
	put_u16(v, d->number[STUN_REMOTE_ADDRESS]);
	addr_len = encode_addr(v + 4, peer);
	put_u16(v + 2, (uint32_t)addr_len);
	if (is_masked(d, STUN_REMOTE_ADDRESS))
		mask_addr(v + 4, addr_len, id);
	at += 4 + addr_len;
	put_u16(ret + at, d->number[STUN_DATA]);
	put_u16(ret + at + 2, n);
	at += 4;
	total = at + n;
	if (d->padded)
		total = (total + 3) & ~(size_t)3;
	put_u16(ret + 2, (uint32_t)(total - STUN_HEADER_LEN));
	return at;
}

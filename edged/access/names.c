/* SPDX-License-Identifier: MIT
 *
 * access/names.c: see names.h. One open-addressed table of lower-case names; a bit per name length
 * and per first octet turns away nearly all text before anything is hashed.
 */
#include "access/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "conf/conf.h"

#define NAME_MAX_LEN 255u

struct name {
	struct str text; /* lower case */
	unsigned bits;
};

struct address {
	struct addr ip;
	unsigned bits;
};

struct names {
	struct name *slots; /* power of two, at most half full */
	size_t n_slots;
	uint64_t seed;
	uint64_t lengths[4]; /* which lengths occur */
	uint64_t firsts[4];  /* which first octets */
	uint8_t *len_list;   /* the lengths that occur among inside names and inside domains */
	unsigned n_len_list;
	bool has_dotless; /* an inside name of a single label */
	bool has_v6;
	struct address *addrs;
	size_t n_addrs;
	struct addr_net *nets;
	size_t n_nets;
	char *texts;
};

/* While compiling: everything counted first, so that one allocation each is enough. */
struct build {
	struct names *n;
	char *at;
	size_t n_names, n_bytes;
	bool counting;
};

#define INSIDE_BITS (NAMES_SELF_INSIDE | NAMES_TRUSTED | NAMES_INSIDE_DOMAIN)

static bool
bit_get(const uint64_t set[4], unsigned char c)
{
	return set[c >> 6] >> (c & 63) & 1;
}

static void
bit_set(uint64_t set[4], unsigned char c)
{
	set[c >> 6] |= 1ull << (c & 63);
}

/* FNV-1a over lower case. The table's content is the administrator's, so nobody can pile up chains.
 */
static uint64_t
name_hash(uint64_t seed, struct str s)
{
	uint64_t h = seed ^ 0xcbf29ce484222325ull;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ ascii_lower((unsigned char)s.p[i])) * 0x100000001b3ull;
	return h ^ h >> 29;
}

static struct name *
name_slot(const struct names *n, struct str host)
{
	size_t i = name_hash(n->seed, host) & (n->n_slots - 1);

	while (n->slots[i].text.p && !str_eq_nocase(n->slots[i].text, host))
		i = (i + 1) & (n->n_slots - 1);
	return &n->slots[i];
}

/* Bits of exactly this name. */
static unsigned
name_exact(const struct names *n, struct str host)
{
	if (host.n == 0 || host.n > NAME_MAX_LEN || !bit_get(n->lengths, (unsigned char)host.n) ||
	    !bit_get(n->firsts, ascii_lower((unsigned char)host.p[0])))
		return 0;
	return name_slot(n, host)->bits;
}

static struct str
without_dot(struct str host)
{
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	return host;
}

static void
add_name(struct build *b, struct str host, unsigned bits)
{
	struct names *n = b->n;
	struct name *slot;

	host = without_dot(host);
	if (host.n == 0 || host.n > NAME_MAX_LEN)
		return;
	if (b->counting) {
		b->n_names++;
		b->n_bytes += host.n;
		return;
	}
	slot = name_slot(n, host);
	if (!slot->text.p) {
		for (size_t i = 0; i < host.n; i++)
			b->at[i] = (char)ascii_lower((unsigned char)host.p[i]);
		slot->text = (struct str){b->at, host.n};
		b->at += host.n;
		bit_set(n->lengths, (unsigned char)host.n);
		bit_set(n->firsts, (unsigned char)slot->text.p[0]);
	}
	slot->bits |= bits;
	if ((bits & INSIDE_BITS) && str_find(host, '.') < 0)
		n->has_dotless = true;
}

/* A name or an address, with or without port. */
static void
add_host(struct build *b, struct str host, unsigned bits)
{
	struct addr ip;

	if (host.n == 0)
		return;
	if (addr_parse_ip(&ip, host) == ED_OK || addr_parse(&ip, host) == ED_OK) {
		if (!b->counting) {
			b->n->addrs[b->n->n_addrs] = (struct address){ip, bits};
			b->n->has_v6 |= ip.family == 6;
		}
		b->n->n_addrs++;
		return;
	}
	if (str_find(host, ':') >= 0)
		host = str_first(host, (size_t)str_find(host, ':'));
	add_name(b, host, bits);
}

static void
add_list(struct build *b, const struct conf_list *l, unsigned bits)
{
	for (uint32_t i = 0; i < l->n; i++)
		add_host(b, str_of(l->v[i]), bits);
}

static void
add_all(struct build *b, const struct conf *c)
{
	char sip[4 + NAME_MAX_LEN];

	for (uint32_t i = 0; i < c->edge.sip_domains.n; i++) {
		struct str d = str_of(c->edge.sip_domains.v[i]);

		add_name(b, d, NAMES_SIP_DOMAIN);
		if (d.n + 4 > NAME_MAX_LEN)
			continue;
		/* Clients dial sip.<domain> where no SRV record is found (access-edge-sip 1.1). */
		memcpy(sip, "sip.", 4);
		memcpy(sip + 4, d.p, d.n);
		add_name(b, (struct str){sip, d.n + 4}, NAMES_EXTERNAL);
	}
	add_host(b, str_of(c->external.access.fqdn), NAMES_EXTERNAL);
	add_host(b, str_of(c->external.access.address), NAMES_EXTERNAL);
	add_list(b, &c->external.access.addresses, NAMES_EXTERNAL);
	add_host(b, str_of(c->edge.fqdn), NAMES_SELF_INSIDE);
	add_host(b, str_of(c->edge.pool_fqdn), NAMES_SELF_INSIDE);
	add_host(b, str_of(c->internal.address), NAMES_SELF_INSIDE);
	add_list(b, &c->internal.addresses, NAMES_SELF_INSIDE);
	add_host(b, str_of(c->access.next_hop.fqdn), NAMES_TRUSTED);
	add_list(b, &c->access.next_hop.members, NAMES_TRUSTED);
	add_list(b, &c->internal.trusted_servers, NAMES_TRUSTED);
	for (uint32_t i = 0; i < c->internal.domains.n; i++) {
		struct str d = str_of(c->internal.domains.v[i]);

		if (d.n && d.p[0] == '.')
			d = str_from(d, 1);
		add_name(b, d, NAMES_INSIDE_DOMAIN);
	}
}

static int
add_nets(struct names *n, const struct conf *c)
{
	for (uint32_t i = 0; i < c->internal.networks.n; i++) {
		struct str text = str_of(c->internal.networks.v[i]);

		if (addr_net_parse(&n->nets[n->n_nets], text) < 0)
			return ED_MALFORMED;
		n->has_v6 |= n->nets[n->n_nets].base.family == 6;
		n->n_nets++;
	}
	return ED_OK;
}

/* The lengths that an inside name can have, for names_scan. */
static void
list_lengths(struct names *n)
{
	bool seen[NAME_MAX_LEN + 1] = {false};

	for (size_t i = 0; i < n->n_slots; i++)
		if (n->slots[i].bits & INSIDE_BITS)
			seen[n->slots[i].text.n] = true;
	/* Longest first: "fe01.contoso.net" before "contoso.net". */
	for (unsigned len = NAME_MAX_LEN; len > 0; len--)
		if (seen[len])
			n->len_list[n->n_len_list++] = (uint8_t)len;
}

int
names_new(const struct conf *c, const struct hash_key *key, struct names **ret_names)
{
	struct names *n = calloc(1, sizeof(*n));
	struct build b = {.n = n, .counting = true};
	int r = ED_NOMEM;

	if (!n)
		goto out;
	n->seed = key ? key->k[0] : 0;
	add_all(&b, c);
	for (n->n_slots = 16; n->n_slots < 2 * b.n_names + 1; n->n_slots *= 2)
		;
	n->slots = calloc(n->n_slots, sizeof(*n->slots));
	n->addrs = calloc(n->n_addrs + 1, sizeof(*n->addrs));
	n->nets = calloc(c->internal.networks.n + 1, sizeof(*n->nets));
	n->texts = malloc(b.n_bytes + 1);
	n->len_list = malloc(NAME_MAX_LEN);
	if (!n->slots || !n->addrs || !n->nets || !n->texts || !n->len_list)
		goto out;
	n->n_addrs = 0;
	b.counting = false;
	b.at = n->texts;
	add_all(&b, c);
	list_lengths(n);
	r = add_nets(n, c);
	if (r < 0)
		goto out;
	*ret_names = n;
	n = NULL;
out:
	names_free(n);
	return r;
}

struct names *
names_free(struct names *n)
{
	if (n) {
		free(n->slots);
		free(n->addrs);
		free(n->nets);
		free(n->texts);
		free(n->len_list);
		free(n);
	}
	return NULL;
}

static bool
looks_like_address(struct str host)
{
	return host.n && ((host.p[host.n - 1] >= '0' && host.p[host.n - 1] <= '9') ||
			     str_find(host, ':') >= 0);
}

static unsigned
address_bits(const struct names *n, struct str host, bool *ret_in_nets)
{
	struct addr ip;
	unsigned bits = 0;

	*ret_in_nets = false;
	if (host.n > ADDR_STR_LEN || !looks_like_address(host) || addr_parse_ip(&ip, host) < 0)
		return 0;
	for (size_t i = 0; i < n->n_addrs; i++)
		if (addr_ip_eq(&n->addrs[i].ip, &ip))
			bits |= n->addrs[i].bits;
	for (size_t i = 0; i < n->n_nets && !*ret_in_nets; i++)
		*ret_in_nets = addr_net_has(&n->nets[i], &ip);
	return bits;
}

/* Is host one of internal.domains or below one? Each label end is one look at the length bits. */
static bool
below_inside_domain(const struct names *n, struct str host)
{
	for (size_t at = 0; at < host.n; at++) {
		if (at != 0 && host.p[at - 1] != '.')
			continue;
		if (name_exact(n, str_from(host, at)) & NAMES_INSIDE_DOMAIN)
			return true;
	}
	return false;
}

unsigned
names_bits(const struct names *n, struct str host)
{
	bool in_nets;
	unsigned bits;

	host = without_dot(host);
	bits = name_exact(n, host);
	/* NAMES_INSIDE_DOMAIN of the exact name is set again below. */
	if (below_inside_domain(n, host))
		bits |= NAMES_INSIDE_DOMAIN;
	return bits | address_bits(n, host, &in_nets);
}

bool
names_is_sip_domain(const struct names *n, struct str host)
{
	return name_exact(n, without_dot(host)) & NAMES_SIP_DOMAIN;
}

/* Name or address text with that bit. */
static bool
has_bit(const struct names *n, struct str host, unsigned bit)
{
	bool in_nets;

	host = without_dot(host);
	return (name_exact(n, host) & bit) || (address_bits(n, host, &in_nets) & bit);
}

bool
names_is_external(const struct names *n, struct str host)
{
	return has_bit(n, host, NAMES_EXTERNAL);
}

bool
names_is_self_inside(const struct names *n, struct str host)
{
	return has_bit(n, host, NAMES_SELF_INSIDE);
}

bool
names_is_trusted(const struct names *n, struct str host)
{
	return has_bit(n, host, NAMES_TRUSTED);
}

/* A name that must not leave, without addresses. A SIP domain never counts, nor do our outside
 * names. */
static bool
name_is_inside(const struct names *n, struct str host)
{
	unsigned bits = name_exact(n, host);

	if (bits & (NAMES_SIP_DOMAIN | NAMES_EXTERNAL))
		return false;
	return (bits & INSIDE_BITS) || below_inside_domain(n, host);
}

bool
names_is_inside(const struct names *n, struct str host, bool with_addresses)
{
	bool in_nets;
	unsigned bits;

	host = without_dot(host);
	if (name_is_inside(n, host))
		return true;
	if (!with_addresses)
		return false;
	bits = address_bits(n, host, &in_nets);
	return !(bits & NAMES_EXTERNAL) && (in_nets || (bits & INSIDE_BITS));
}

bool
names_is_inward(const struct names *n, const struct addr *a)
{
	static const uint8_t zero[16];
	char text[ADDR_STR_LEN];
	struct str s = str_of(addr_ip_str(a, text));
	bool v4 = a->family == 4;

	if (addr_is_loopback(a) || memcmp(a->ip, zero, v4 ? 4 : 16) == 0)
		return true;
	if (v4 ? a->ip[0] >= 224 || (a->ip[0] == 169 && a->ip[1] == 254)
	       : a->ip[0] == 0xff || (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80))
		return true; /* multicast and beyond, link-local */
	return names_is_inside(n, s, true) || names_is_external(n, s);
}

bool
names_is_within(struct str host, struct str domain)
{
	host = without_dot(host);
	domain = without_dot(domain);
	if (domain.n == 0 || !str_ends_nocase(host, domain))
		return false;
	return host.n == domain.n || host.p[host.n - domain.n - 1] == '.';
}

static bool
is_host_char(unsigned char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10 ||
	       c == '-' || c == '.';
}

static bool
is_v6_char(unsigned char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 6 || (unsigned char)(c - '0') < 10 || c == ':' ||
	       c == '.';
}

/* Where a name that begins inside a run of host characters may end. */
static bool
is_name_end(struct str run, size_t at)
{
	return at == run.n || run.p[at] == '.' || run.p[at] == '-';
}

/*
 * An inside name that begins at `at` (start of a label) of the run. A name below an inside domain
 * begins with the run, as its labels before the domain belong to it.
 */
static bool
run_holds_name(const struct names *n, struct str run, size_t at, size_t *ret_at, size_t *ret_len)
{
	for (unsigned i = 0; i < n->n_len_list; i++) {
		size_t len = n->len_list[i];
		unsigned bits;
		size_t from = at;

		if (len > run.n - at || !is_name_end(run, at + len))
			continue;
		bits = name_exact(n, (struct str){run.p + at, len});
		if (!(bits & INSIDE_BITS))
			continue;
		if (bits & NAMES_INSIDE_DOMAIN)
			from = 0;
		if (from == at && (bits & (NAMES_SIP_DOMAIN | NAMES_EXTERNAL)))
			continue;
		if (from < at && (name_exact(n, (struct str){run.p, at + len}) &
				     (NAMES_SIP_DOMAIN | NAMES_EXTERNAL)))
			continue;
		*ret_at = from;
		*ret_len = at + len - from;
		return true;
	}
	return false;
}

/* A dotted quad that begins at `at` and is an inside address. */
static bool
run_holds_v4(const struct names *n, struct str run, size_t at, size_t *ret_len)
{
	size_t end = at;
	unsigned dots = 0;

	for (; end < run.n && end - at <= 15; end++) {
		if (run.p[end] == '.' && ++dots == 4)
			break;
		if (run.p[end] != '.' && (run.p[end] < '0' || run.p[end] > '9'))
			break;
	}
	if (end > at && run.p[end - 1] == '.') {
		end--;
		dots--;
	}
	if (dots < 3 || (end < run.n && run.p[end] != '.' && run.p[end] != '-'))
		return false;
	if (!names_is_inside(n, (struct str){run.p + at, end - at}, true))
		return false;
	*ret_len = end - at;
	return true;
}

static bool
scan_run(
    const struct names *n, struct str run, bool with_addresses, size_t *ret_at, size_t *ret_len)
{
	for (size_t at = 0; at < run.n; at++) {
		unsigned char c = ascii_lower((unsigned char)run.p[at]);

		if (at != 0 && run.p[at - 1] != '.')
			continue;
		if (bit_get(n->firsts, c) && run_holds_name(n, run, at, ret_at, ret_len))
			return true;
		if (with_addresses && c >= '0' && c <= '9' && run_holds_v4(n, run, at, ret_len)) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}

/*
 * An IPv6 address of the inside that begins at `at`: the longest run of octets that is one; groups
 * that belong to the sentence behind it are given up one after the other. Looked for only where an
 * inside network or server is IPv6.
 */
static bool
holds_v6(const struct names *n, struct str text, size_t at, size_t *ret_len)
{
	size_t end = at;
	bool colon = false;

	while (end < text.n && end - at < ADDR_STR_LEN && is_v6_char((unsigned char)text.p[end]))
		colon |= text.p[end++] == ':';
	while (colon && end > at + 1) {
		if (names_is_inside(n, (struct str){text.p + at, end - at}, true)) {
			*ret_len = end - at - (text.p[end - 1] == '.');
			return true;
		}
		do
			end--;
		while (
		    end > at && text.p[end] != ':' && text.p[end] != '.' && text.p[end - 1] != ':');
	}
	return false;
}

/* The next place where a name or address can begin; text.n when there is none. */
static size_t
next_start(const struct names *n, struct str text, size_t at, bool v6)
{
	const char *dot;
	size_t start;

	if (n->has_dotless || v6) { /* nothing tells a name from a word: look at every one */
		while (at < text.n && !is_host_char((unsigned char)text.p[at]) &&
		       !(v6 && text.p[at] == ':' && at + 1 < text.n && text.p[at + 1] == ':'))
			at++;
		return at;
	}
	dot = at < text.n ? memchr(text.p + at, '.', text.n - at) : NULL;
	if (!dot)
		return text.n;
	start = (size_t)(dot - text.p);
	while (start > at && is_host_char((unsigned char)text.p[start - 1]))
		start--;
	return start;
}

/* What replaces the hit must not stand behind a percent sign whose two digits are gone. */
static void
hit_at(struct str text, size_t at, size_t len, size_t *ret_at, size_t *ret_len)
{
	size_t escape = at > 0 && text.p[at - 1] == '%';

	*ret_at = at - escape;
	*ret_len = len + escape;
}

bool
names_scan(
    const struct names *n, struct str text, bool with_addresses, size_t *ret_at, size_t *ret_len)
{
	bool v6 = with_addresses && n->has_v6;
	size_t at = 0;

	while ((at = next_start(n, text, at, v6)) < text.n) {
		size_t end = at, hit, len;

		if (v6 && holds_v6(n, text, at, &len)) {
			hit_at(text, at, len, ret_at, ret_len);
			return true;
		}
		while (end < text.n && is_host_char((unsigned char)text.p[end]))
			end++;
		if (end > at &&
		    scan_run(n, (struct str){text.p + at, end - at}, with_addresses, &hit, &len)) {
			hit_at(text, at + hit, len, ret_at, ret_len);
			return true;
		}
		at = end + 1;
	}
	return false;
}

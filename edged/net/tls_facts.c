/* SPDX-License-Identifier: MIT
 *
 * net/tls_facts.c: what a peer's leaf certificate says, copied into one block of just the size
 * needed. The certificate comes from outside: every string in it is octets with a length, nothing
 * more.
 */
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_in.h"

#define NAME_LEN_MAX 253u /* of a host name, RFC 1035 */

struct text { /* grows while facts are gathered */
	char *p;
	size_t n, room;
};

static size_t
put(struct text *t, const void *p, size_t n)
{
	size_t at = t->n;

	if (n > t->room - t->n)
		return SIZE_MAX;
	if (n)
		memcpy(t->p + t->n, p, n);
	t->n += n;
	return at;
}

static bool
is_name_octet(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '*';
}

/* Lower case, without a trailing dot, into buf of NAME_LEN_MAX + 1; 0: not a host name. */
static size_t
host_name(const ASN1_STRING *s, char *buf)
{
	const unsigned char *p = ASN1_STRING_get0_data(s);
	size_t n = (size_t)ASN1_STRING_length(s);

	if (n && p[n - 1] == '.')
		n--;
	if (n == 0 || n > NAME_LEN_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!is_name_octet(p[i]))
			return 0;
		buf[i] = (char)ascii_lower(p[i]);
	}
	return n;
}

/* The most specific CN, or NULL. */
static const ASN1_STRING *
common_name(X509 *leaf)
{
	X509_NAME *subject = X509_get_subject_name(leaf);
	int at = -1, next;

	while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
		at = next;
	return at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
}

bool
tls_cert_has_nul_name(X509 *leaf)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *cn = common_name(leaf);
	bool bad = false;

	for (int i = 0; sans && i < sk_GENERAL_NAME_num(sans); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);

		if (g->type == GEN_DNS && ASN1_STRING_length(g->d.dNSName) > 0 &&
		    memchr(ASN1_STRING_get0_data(g->d.dNSName), 0,
			(size_t)ASN1_STRING_length(g->d.dNSName)))
			bad = true;
	}
	/* A BMPString has NULs by nature; it is no host name and never matches (host_name). */
	if (cn && ASN1_STRING_type(cn) != V_ASN1_BMPSTRING &&
	    ASN1_STRING_type(cn) != V_ASN1_UNIVERSALSTRING && ASN1_STRING_length(cn) > 0 &&
	    memchr(ASN1_STRING_get0_data(cn), 0, (size_t)ASN1_STRING_length(cn)))
		bad = true;
	GENERAL_NAMES_free(sans);
	return bad;
}

struct gathered {
	size_t name_at[TLS_NAMES_MAX], name_n[TLS_NAMES_MAX];
	size_t cn_at, cn_n, serial_at, serial_n, issuer_at, issuer_n, sni_at, sni_n, alpn_at,
	    alpn_n;
	struct tls_facts f; /* numbers; its views are set at the end */
	struct text text;
};

static void
gather_names(struct gathered *g, X509 *leaf)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *cn = common_name(leaf);
	char name[NAME_LEN_MAX + 1];
	size_t n;

	for (int i = 0; sans && i < sk_GENERAL_NAME_num(sans); i++) {
		const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, i);

		if (san->type != GEN_DNS)
			continue;
		g->f.has_san = true;
		n = host_name(san->d.dNSName, name);
		if (n == 0)
			continue;
		if (g->f.n_names == TLS_NAMES_MAX ||
		    (g->name_at[g->f.n_names] = put(&g->text, name, n)) == SIZE_MAX) {
			g->f.names_cut = true;
			break;
		}
		g->name_n[g->f.n_names++] = n;
	}
	n = cn ? host_name(cn, name) : 0;
	g->cn_at = put(&g->text, name, n);
	g->cn_n = g->cn_at == SIZE_MAX ? 0 : n;
	GENERAL_NAMES_free(sans);
}

static void
gather_serial(struct gathered *g, X509 *leaf)
{
	static const char hex[] = "0123456789abcdef";
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	const unsigned char *p = ASN1_STRING_get0_data(serial);
	int n = ASN1_STRING_length(serial);
	char buf[2 * 20]; /* RFC 5280 4.1.2.2: at most 20 octets */
	int used = 0;

	for (int i = 0; i < n && i < 20; i++) {
		buf[used++] = hex[p[i] >> 4];
		buf[used++] = hex[p[i] & 15];
	}
	g->serial_at = put(&g->text, buf, (size_t)used);
	g->serial_n = g->serial_at == SIZE_MAX ? 0 : (size_t)used;
}

static void
gather_leaf(struct gathered *g, X509 *leaf)
{
	struct tm tm;
	char buf[256];

	g->f.has_cert = true;
	gather_names(g, leaf);
	gather_serial(g, leaf);
	X509_NAME_oneline(X509_get_issuer_name(leaf), buf, sizeof(buf));
	g->issuer_n = strlen(buf);
	g->issuer_at = put(&g->text, buf, g->issuer_n);
	if (g->issuer_at == SIZE_MAX)
		g->issuer_n = 0;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) == 1)
		g->f.not_after = (int64_t)timegm(&tm);
}

static void
gather_session(struct gathered *g, SSL *ssl, bool server)
{
	const char *sni = server ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL;
	const unsigned char *alpn = NULL;
	unsigned alpn_n = 0;

	g->f.resumed = SSL_session_reused(ssl) == 1;
	g->f.verified = g->f.has_cert && SSL_get_verify_result(ssl) == X509_V_OK;
	g->f.version = SSL_get_version(ssl);
	g->f.cipher = SSL_get_cipher_name(ssl);
	if (sni && (g->sni_at = put(&g->text, sni, strlen(sni))) != SIZE_MAX)
		g->sni_n = strlen(sni);
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_n);
	if (alpn_n && (g->alpn_at = put(&g->text, alpn, alpn_n)) != SIZE_MAX)
		g->alpn_n = alpn_n;
}

static struct tls_facts *
settle(const struct gathered *g)
{
	size_t head = offsetof(struct tls_facts, names) + g->f.n_names * sizeof(struct str);
	struct tls_facts *f = malloc(head + g->text.n);
	char *text;

	if (!f)
		return NULL;
	memcpy(f, &g->f, offsetof(struct tls_facts, names));
	text = (char *)f + head;
	if (g->text.n)
		memcpy(text, g->text.p, g->text.n);
	for (uint16_t i = 0; i < f->n_names; i++)
		f->names[i] = (struct str){text + g->name_at[i], g->name_n[i]};
	if (g->cn_n)
		f->cn = (struct str){text + g->cn_at, g->cn_n};
	if (g->serial_n)
		f->serial = (struct str){text + g->serial_at, g->serial_n};
	if (g->issuer_n)
		f->issuer = (struct str){text + g->issuer_at, g->issuer_n};
	if (g->sni_n)
		f->sni = (struct str){text + g->sni_at, g->sni_n};
	if (g->alpn_n)
		f->alpn = (struct str){text + g->alpn_at, g->alpn_n};
	return f;
}

static struct tls_facts *
facts(SSL *ssl, bool server, X509 *leaf)
{
	static char room[TLS_NAMES_MAX * (NAME_LEN_MAX + 1) + 2048];
	struct gathered g = {.text = {.p = room, .room = sizeof(room)}};

	if (leaf)
		gather_leaf(&g, leaf);
	if (ssl)
		gather_session(&g, ssl, server);
	return settle(&g);
}

struct tls_facts *
tls_facts_new(SSL *ssl, bool server)
{
	return facts(ssl, server, SSL_get0_peer_certificate(ssl));
}

struct tls_facts *
tls_facts_of(X509 *leaf)
{
	return facts(NULL, false, leaf);
}

static bool
is_same_name(struct str cert, struct str name)
{
	return str_find(cert, '*') < 0 && str_eq_nocase(cert, name);
}

bool
tls_facts_match(const struct tls_facts *f, struct str name, bool cn_fallback)
{
	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || !f->has_cert)
		return false;
	for (uint16_t i = 0; i < f->n_names; i++)
		if (is_same_name(f->names[i], name))
			return true;
	return cn_fallback && !f->has_san && f->cn.n && is_same_name(f->cn, name);
}

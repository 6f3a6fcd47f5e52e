/* SPDX-License-Identifier: MIT
 *
 * net/tls_verify.c: the verdict on a peer's certificate, and its reason in words an operator can
 * use.
 *
 * The library walks the chain (signatures, time, CA bits, CRLs when given). Ours are: what the leaf
 * may be used for, names with a NUL in them, and on opened connections whether it is the peer we
 * meant.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_in.h"

/* A peer whose issuer publishes no CRL that we were given is let through: CERT-ALL-09, soft. */
int
tls_verify_each(int ok, X509_STORE_CTX *store)
{
	if (!ok && X509_STORE_CTX_get_error(store) == X509_V_ERR_UNABLE_TO_GET_CRL)
		return 1;
	return ok;
}

static void
serial_text(X509 *cert, char *buf, size_t room)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *p = ASN1_STRING_get0_data(serial);
	int n = ASN1_STRING_length(serial);
	size_t at = 0;

	buf[0] = 0;
	for (int i = 0; i < n && at + 3 <= room; i++)
		at += (size_t)snprintf(buf + at, room - at, "%02x", p[i]);
}

static const char *
reason_text(int err)
{
	switch (err) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "unknown CA";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "self-signed certificate";
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "certificate has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "certificate is not yet valid";
	case X509_V_ERR_CERT_REVOKED:
		return "certificate is revoked";
	default:
		return X509_verify_cert_error_string(err);
	}
}

static void
say_why(struct tls_peer *peer, X509_STORE_CTX *store)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	char serial[48] = "", issuer[128] = "";

	if (!cert)
		cert = X509_STORE_CTX_get0_cert(store);
	if (cert) {
		serial_text(cert, serial, sizeof(serial));
		X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof(issuer));
	}
	tls_because(peer, TLS_END_CERTIFICATE);
	tls_detail(peer, "%s (serial %s, issuer %s)", reason_text(X509_STORE_CTX_get_error(store)),
	    serial, issuer);
}

/* RFC 5280 4.2.1.12: without the extension any usage. */
static bool
usage_ok(X509 *leaf, const struct tls_ctx *t)
{
	uint32_t usage = X509_get_extended_key_usage(leaf);

	if (usage == UINT32_MAX || usage & XKU_ANYEKU)
		return true;
	if (usage & XKU_SSL_CLIENT)
		return true;
	return t->server_eku_ok && (usage & XKU_SSL_SERVER);
}

static int
refuse(X509_STORE_CTX *store, int err)
{
	X509_STORE_CTX_set_error(store, err);
	return 0;
}

static int
judge_name(struct tls_peer *peer, X509_STORE_CTX *store, X509 *leaf)
{
	const struct tls_ctx *t = peer->ctx;
	struct tls_facts *f = tls_facts_of(leaf);
	char found[256];
	size_t at = 0;

	if (!f)
		return refuse(store, X509_V_ERR_OUT_OF_MEM);
	for (uint16_t i = 0; i < t->n_expect; i++)
		if (tls_facts_match(f, t->expect[i], t->cn_fallback)) {
			free(f);
			return 1;
		}
	found[0] = 0;
	for (uint16_t i = 0; i < f->n_names && at < sizeof(found) - 1; i++)
		at += (size_t)snprintf(found + at, sizeof(found) - at, "%s" STR_FMT, i ? ", " : "",
		    STR_ARG(f->names[i]));
	if (f->n_names == 0)
		snprintf(found, sizeof(found), f->cn.n ? "CN " STR_FMT : "no host name" STR_FMT,
		    STR_ARG(f->cn));
	tls_because(peer, TLS_END_CERTIFICATE);
	tls_detail(
	    peer, "wrong name: expected " STR_FMT ", found %s", STR_ARG(t->expect[0]), found);
	free(f);
	return refuse(store, X509_V_ERR_HOSTNAME_MISMATCH);
}

int
tls_verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_peer *peer = SSL_get_app_data(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(store);

	if (X509_verify_cert(store) != 1) {
		say_why(peer, store);
		return 0;
	}
	if (tls_cert_has_nul_name(leaf)) {
		tls_because(peer, TLS_END_CERTIFICATE);
		tls_detail(peer, "a name in the certificate contains a NUL");
		return refuse(store, X509_V_ERR_HOSTNAME_MISMATCH);
	}
	if (!peer->ctx->server)
		return judge_name(peer, store, leaf);
	(void)SSL_set_num_tickets(ssl, 0); /* a certificate is checked anew each time */
	if (!usage_ok(leaf, peer->ctx)) {
		tls_because(peer, TLS_END_CERTIFICATE);
		tls_detail(peer, "certificate may not be used by a client (extended key usage)");
		return refuse(store, X509_V_ERR_INVALID_PURPOSE);
	}
	return 1;
}

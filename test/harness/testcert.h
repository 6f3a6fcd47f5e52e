/* SPDX-License-Identifier: MIT
 *
 * test/harness/testcert.h: certificates made while a test runs, so that no key ever lies in the
 * tree.
 *
 * Header-only. Every text is malloc'ed PEM; testcert_free. Failures abort: a test without its
 * certificates says nothing.
 */
#ifndef EDGED_TEST_TESTCERT_H
#define EDGED_TEST_TESTCERT_H

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct testcert {
	X509 *x509;
	EVP_PKEY *key;
	char *pem, *key_pem;
};

struct testcert_spec {
	const char *cn;      /* NULL: none */
	const char *sans;    /* "DNS:a,DNS:b" or NULL */
	const char *raw_dns; /* one dNSName of exactly raw_dns_len octets */
	size_t raw_dns_len;
	const char *eku;      /* "serverAuth,clientAuth" or NULL: no extension */
	int rsa_bits;         /* 0: EC P-256 */
	long from_s, until_s; /* relative to now; both 0: an hour each way */
	int is_ca;
};

static inline void
testcert_must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "testcert: %s\n", what);
	abort();
}

static inline void
testcert_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	testcert_must(e && X509_add_ext(x, e, -1), value);
	X509_EXTENSION_free(e);
}

static inline void
testcert_raw_dns(X509 *x, const char *p, size_t n)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	testcert_must(ASN1_STRING_set(s, p, (int)n), "raw name");
	GENERAL_NAME_set0_value(g, GEN_DNS, s);
	sk_GENERAL_NAME_push(names, g);
	testcert_must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), "raw name");
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
}

static inline char *
testcert_text(BIO *b)
{
	char *p, *copy;
	long n = BIO_get_mem_data(b, &p);

	copy = malloc((size_t)n + 1);
	memcpy(copy, p, (size_t)n);
	copy[n] = 0;
	BIO_free(b);
	return copy;
}

/* issuer NULL: self-signed */
static inline struct testcert
testcert_new(const struct testcert_spec *spec, const struct testcert *issuer)
{
	static long serial = 0x1000;
	struct testcert t = {0};
	X509_NAME *name;
	BIO *b;

	t.key = spec->rsa_bits ? EVP_RSA_gen((unsigned)spec->rsa_bits) : EVP_EC_gen("P-256");
	t.x509 = X509_new();
	testcert_must(t.key && t.x509, "key");
	X509_set_version(t.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(t.x509), ++serial);
	X509_gmtime_adj(
	    X509_getm_notBefore(t.x509), spec->from_s || spec->until_s ? spec->from_s : -3600);
	X509_gmtime_adj(
	    X509_getm_notAfter(t.x509), spec->from_s || spec->until_s ? spec->until_s : 3600);
	X509_set_pubkey(t.x509, t.key);
	name = X509_get_subject_name(t.x509);
	X509_NAME_add_entry_by_txt(
	    name, "O", MBSTRING_ASC, (const unsigned char *)"edged test", -1, -1, 0);
	if (spec->cn)
		X509_NAME_add_entry_by_txt(
		    name, "CN", MBSTRING_ASC, (const unsigned char *)spec->cn, -1, -1, 0);
	X509_set_issuer_name(t.x509, issuer ? X509_get_subject_name(issuer->x509) : name);
	testcert_ext(t.x509, issuer ? issuer->x509 : t.x509, NID_basic_constraints,
	    spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (spec->is_ca)
		testcert_ext(t.x509, t.x509, NID_key_usage, "critical,keyCertSign,cRLSign");
	if (spec->sans)
		testcert_ext(t.x509, t.x509, NID_subject_alt_name, spec->sans);
	if (spec->raw_dns)
		testcert_raw_dns(t.x509, spec->raw_dns, spec->raw_dns_len);
	if (spec->eku)
		testcert_ext(t.x509, t.x509, NID_ext_key_usage, spec->eku);
	testcert_must(X509_sign(t.x509, issuer ? issuer->key : t.key, EVP_sha256()) > 0, "sign");
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, t.x509);
	t.pem = testcert_text(b);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, t.key, NULL, NULL, 0, NULL, NULL);
	t.key_pem = testcert_text(b);
	return t;
}

static inline void
testcert_free(struct testcert *t)
{
	X509_free(t->x509);
	EVP_PKEY_free(t->key);
	free(t->pem);
	free(t->key_pem);
	memset(t, 0, sizeof(*t));
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * conf/check_cert.c: PEM to facts, with OpenSSL. Judges nothing.
 */
#include "conf/check_cert.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

static int64_t
time_of(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void
read_name(const X509_NAME *name, char *buf, size_t room)
{
	BIO *out = BIO_new(BIO_s_mem());
	int n = 0;

	buf[0] = '\0';
	if (!out)
		return;
	if (X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_read(out, buf, (int)room - 1);
	buf[n > 0 ? n : 0] = '\0';
	BIO_free(out);
}

static void
read_serial(const X509 *x, char *buf, size_t room)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = bn ? BN_bn2hex(bn) : NULL;

	snprintf(buf, room, "%s", hex ? hex : "");
	OPENSSL_free(hex);
	BN_free(bn);
}

static void
read_fingerprint(const X509 *x, char *buf)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	buf[0] = '\0';
	if (X509_digest(x, EVP_sha256(), md, &n) != 1)
		return;
	for (unsigned i = 0; i < n && i < 32; i++)
		snprintf(buf + 2 * i, 3, "%02x", md[i]);
}

static void
read_key_type(struct check_cert_facts *f, const X509 *x)
{
	const EVP_PKEY *k = X509_get0_pubkey(x);
	char group[32] = "";

	if (!k)
		return;
	f->key_bits = (unsigned)EVP_PKEY_get_bits(k);
	f->rsa = EVP_PKEY_is_a(k, "RSA") == 1;
	if (EVP_PKEY_get_group_name(k, group, sizeof(group), NULL) == 1)
		snprintf(f->key_type, sizeof(f->key_type), "EC %.28s", group);
	else
		snprintf(f->key_type, sizeof(f->key_type), "%s %u", EVP_PKEY_get0_type_name(k),
		    f->key_bits);
}

static void
read_alt_names(struct check_cert_facts *f, const X509 *x)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; all && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		const ASN1_STRING *s;
		char *copy;

		if (g->type != GEN_DNS || f->n_names == CERT_FACTS_NAMES_MAX)
			continue;
		s = g->d.dNSName;
		copy =
		    strndup((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
		if (!copy)
			break;
		for (char *p = copy; *p; p++)
			*p = (char)ascii_lower((unsigned char)*p);
		f->names[f->n_names++] = copy;
	}
	GENERAL_NAMES_free(all);
}

static void
read_usage(struct check_cert_facts *f, X509 *x)
{
	uint32_t eku;

	f->has_eku = (X509_get_extension_flags(x) & EXFLAG_XKUSAGE) != 0;
	eku = X509_get_extended_key_usage(x);
	f->eku_server = !f->has_eku || (eku & (XKU_SSL_SERVER | XKU_ANYEKU));
	f->eku_client = !f->has_eku || (eku & (XKU_SSL_CLIENT | XKU_ANYEKU));
}

static bool
has_crl_place(const X509 *x)
{
	return X509_get_ext_by_NID(x, NID_crl_distribution_points, -1) >= 0;
}

static enum cert_signature
signature_of(const X509 *x)
{
	switch (X509_get_signature_nid(x)) {
	case NID_md5WithRSAEncryption:
		return CERT_SIG_MD5;
	case NID_sha1WithRSAEncryption:
	case NID_ecdsa_with_SHA1:
		return CERT_SIG_SHA1;
	case NID_rsassaPss:
		return CERT_SIG_PSS;
	default:
		return CERT_SIG_GOOD;
	}
}

static STACK_OF(X509) * read_pem(const char *pem)
{
	STACK_OF(X509) *sk = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *x;

	while (sk && in && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		if (sk_X509_push(sk, x) == 0) {
			X509_free(x);
			break;
		}
	ERR_clear_error(); /* the end of the file is one */
	BIO_free(in);
	return sk;
}

static bool
issued_by_one_of(X509 *x, const char *trust_pem)
{
	STACK_OF(X509) * trust;
	bool found = false;

	if (!trust_pem || !*trust_pem)
		return true;
	trust = read_pem(trust_pem);
	for (int i = 0; trust && i < sk_X509_num(trust); i++)
		found |= X509_check_issued(sk_X509_value(trust, i), x) == X509_V_OK;
	sk_X509_pop_free(trust, X509_free);
	return found;
}

static void
read_chain(struct check_cert_facts *f, STACK_OF(X509) * chain, const char *trust_pem)
{
	X509 *last = sk_X509_value(chain, sk_X509_num(chain) - 1);

	f->n_chain = (unsigned)sk_X509_num(chain);
	f->chain_in_order = true;
	for (int i = 0; i + 1 < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i + 1), sk_X509_value(chain, i)) !=
		    X509_V_OK)
			f->chain_in_order = false;
	f->self_signed =
	    X509_check_issued(sk_X509_value(chain, 0), sk_X509_value(chain, 0)) == X509_V_OK;
	f->chain_complete =
	    X509_check_issued(last, last) == X509_V_OK || issued_by_one_of(last, trust_pem);
}

static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	return -1;
}

static void
read_key_match(struct check_cert_facts *f, const X509 *x, struct str key_pem)
{
	BIO *in;
	EVP_PKEY *k;

	if (!key_pem.n)
		return;
	in = BIO_new_mem_buf(key_pem.p, (int)key_pem.n);
	k = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
	f->key_read = true;
	f->key_matches = k && X509_check_private_key(x, k) == 1;
	EVP_PKEY_free(k);
	BIO_free(in);
	ERR_clear_error();
}

void
cert_facts_read(
    struct check_cert_facts *ret, const char *chain_pem, const char *trust_pem, struct str key_pem)
{
	STACK_OF(X509) * chain;
	X509 *leaf;

	memset(ret, 0, sizeof(*ret));
	ret->present = *chain_pem != '\0';
	if (!ret->present)
		return;
	chain = read_pem(chain_pem);
	if (chain && sk_X509_num(chain) > 0) {
		leaf = sk_X509_value(chain, 0);
		ret->parsed = true;
		read_name(X509_get_subject_name(leaf), ret->subject, sizeof(ret->subject));
		read_name(X509_get_issuer_name(leaf), ret->issuer, sizeof(ret->issuer));
		if (X509_NAME_get_text_by_NID(
			X509_get_subject_name(leaf), NID_commonName, ret->cn, sizeof(ret->cn)) < 0)
			ret->cn[0] = '\0';
		read_serial(leaf, ret->serial, sizeof(ret->serial));
		read_fingerprint(leaf, ret->fingerprint);
		read_key_type(ret, leaf);
		ret->not_before = time_of(X509_get0_notBefore(leaf));
		ret->not_after = time_of(X509_get0_notAfter(leaf));
		read_alt_names(ret, leaf);
		read_usage(ret, leaf);
		ret->signature = signature_of(leaf);
		ret->has_crl_place = has_crl_place(leaf);
		read_chain(ret, chain, trust_pem);
		read_key_match(ret, leaf, key_pem);
	}
	sk_X509_pop_free(chain, X509_free);
}

void
cert_facts_done(struct check_cert_facts *f)
{
	for (unsigned i = 0; i < f->n_names; i++)
		free(f->names[i]);
	f->n_names = 0;
}

bool
cert_facts_has_name(const struct check_cert_facts *f, struct str name, bool wildcard)
{
	for (unsigned i = 0; i < f->n_names; i++) {
		struct str n = str_of(f->names[i]);
		ptrdiff_t dot;

		if (str_eq_nocase(n, name))
			return true;
		if (!wildcard || n.n < 3 || n.p[0] != '*' || n.p[1] != '.')
			continue;
		dot = str_find(name, '.');
		if (dot > 0 && str_eq_nocase(str_from(n, 1), str_from(name, (size_t)dot)))
			return true;
	}
	return false;
}

/* Whether the inside's own authority made the certificate that the world sees (CERT-EXT-10). */
static bool
is_of_inside(const char *chain_pem, const char *internal_trust_pem)
{
	STACK_OF(X509) *chain = *chain_pem && *internal_trust_pem ? read_pem(chain_pem) : NULL;
	bool of_inside =
	    chain && sk_X509_num(chain) > 0 &&
	    issued_by_one_of(sk_X509_value(chain, sk_X509_num(chain) - 1), internal_trust_pem);

	sk_X509_pop_free(chain, X509_free);
	return of_inside;
}

struct check_cert_facts *
check_certs_read(const struct conf *c, const struct conf_keys *keys)
{
	struct check_cert_facts *f = calloc(BINDING__N, sizeof(*f));

	if (!f)
		return NULL;
	for (int b = 0; b < BINDING__N; b++) {
		const struct conf_cert *cert = conf_binding_cert(c, (enum conf_binding)b);
		bool inside = b == BINDING_INTERNAL;
		struct str key = STR_NONE;

		if (keys)
			key = (struct str){(char *)keys->pem[b].p, keys->pem[b].n};
		cert_facts_read(&f[b], cert->chain_pem,
		    inside ? c->certificates.internal_trust_pem
			   : c->certificates.external_trust_pem,
		    key);
		f[b].private_ca = is_of_inside(cert->chain_pem, c->certificates.internal_trust_pem);
	}
	return f;
}

void
check_certs_free(struct check_cert_facts *f)
{
	for (int b = 0; f && b < BINDING__N; b++)
		cert_facts_done(&f[b]);
	free(f);
}

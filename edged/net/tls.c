/* SPDX-License-Identifier: MIT
 *
 * net/tls.c: contexts. What every connection has in common is set here once: versions, suites,
 * groups, chain and key, whom to trust, tickets.
 *
 * Spec: docs/spec/tls.md. RFC 5246, 8446, 5077, 7301; suites after RFC 9325.
 */
#include "net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"
#include "net/keycall_in.h"
#include "net/tls_in.h"

#define AEAD_SUITES                                                                                \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* Schannel of Windows 8.1 and Server 2012 R2 has no ECDHE with RSA and GCM; these it has. */
#define CBC_SUITES                                                                                 \
	":ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:"                                        \
	"ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256"
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
/* What keyd signs is a subset of these; SHA-1 is in neither. */
#define SIGALGS                                                                                    \
	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"     \
	"RSA+SHA256:RSA+SHA384:RSA+SHA512"
#define GROUPS            "X25519:P-256:P-384"
#define CERT_LIST_MAX     (32 * 1024) /* octets of a peer's chain */
#define DEPTH_MAX         6
#define CA_NAMES_MAX      16 /* more are not sent: an empty list means any, and fits a record */
#define TICKET_LIFETIME_S 28800
#define CHAIN_MAX         10

static int
fail_tls(struct ed_fault *fault, const char *what)
{
	ERR_clear_error();
	return ed_fail(fault, ED_SYS, 0, what);
}

static int
common_setup(struct tls_ctx *t, bool only_tls13, bool only_aead)
{
	SSL_CTX *x = t->ssl;

	SSL_CTX_set_app_data(x, t);
	SSL_CTX_set_options(x, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
				   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(x, CERT_LIST_MAX);
	SSL_CTX_set_security_level(x, 2);
	X509_VERIFY_PARAM_set_depth(SSL_CTX_get0_param(x), DEPTH_MAX);
	if (SSL_CTX_set_min_proto_version(x, only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(x, only_aead ? AEAD_SUITES : AEAD_SUITES CBC_SUITES) != 1 ||
	    SSL_CTX_set_ciphersuites(x, SUITES_13) != 1 ||
	    SSL_CTX_set1_groups_list(x, GROUPS) != 1 || SSL_CTX_set1_sigalgs_list(x, SIGALGS) != 1)
		return ED_SYS;
	SSL_CTX_set_cert_verify_callback(x, tls_verify, NULL);
	return ED_OK;
}

static BIO *
bio_of(struct str pem)
{
	return pem.n && pem.n < 0x7fffffff ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

/* Leaf and the rest of the chain, in order. */
static int
read_chain(struct str pem, X509 **ret_leaf, STACK_OF(X509) * *ret_rest)
{
	BIO *b = bio_of(pem);
	X509 *leaf = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	STACK_OF(X509) *rest = sk_X509_new_null();
	X509 *x;
	int r = ED_MALFORMED;

	if (!leaf || !rest)
		goto out;
	while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		if (sk_X509_num(rest) >= CHAIN_MAX || !sk_X509_push(rest, x)) {
			X509_free(x);
			goto out;
		}
	*ret_leaf = leaf;
	*ret_rest = rest;
	leaf = NULL;
	rest = NULL;
	r = ED_OK;
out:
	ERR_clear_error(); /* the end of a PEM file is an error there */
	sk_X509_pop_free(rest, X509_free);
	X509_free(leaf);
	BIO_free(b);
	return r;
}

static int
no_password(char *buf, int size, int rwflag, void *arg)
{
	return -1; /* never ask on a terminal */
}

static EVP_PKEY *
private_key(const struct tls_identity *id, X509 *leaf)
{
	EVP_PKEY *key;
	BIO *b;

	if (id->keys)
		return keycall_pkey(id->keys, id->slot, leaf);
	b = bio_of(id->key_pem);
	key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	BIO_free(b);
	return key;
}

static int
add_identity(struct tls_ctx *t, const struct tls_identity *id, struct ed_fault *fault)
{
	STACK_OF(X509) *rest = NULL;
	EVP_PKEY *key = NULL;
	X509 *leaf = NULL;
	int r = read_chain(id->chain_pem, &leaf, &rest);

	if (r < 0)
		return ed_fail(fault, r, 0, "certificate chain: not PEM");
	key = private_key(id, leaf);
	if (!key)
		r = fail_tls(fault, "private key: cannot be used");
	else if (SSL_CTX_use_cert_and_key(t->ssl, leaf, key, rest, 1) != 1)
		r = fail_tls(
		    fault, "private key does not belong to the certificate, or is too weak");
	if (id->keys)
		t->keys_elsewhere = true;
	EVP_PKEY_free(key);
	sk_X509_pop_free(rest, X509_free);
	X509_free(leaf);
	return r;
}

static int
add_ca_names(SSL_CTX *x, const STACK_OF(X509_OBJECT) * objects)
{
	int n = sk_X509_OBJECT_num(objects);

	if (n > CA_NAMES_MAX)
		return ED_OK;
	for (int i = 0; i < n; i++) {
		X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		if (ca && SSL_CTX_add_client_CA(x, ca) != 1)
			return ED_NOMEM;
	}
	return ED_OK;
}

static int
add_trust(struct tls_ctx *t, struct str pem, struct ed_fault *fault)
{
	X509_STORE *store = SSL_CTX_get_cert_store(t->ssl);
	BIO *b = bio_of(pem);
	STACK_OF(X509_INFO) *infos = b ? PEM_X509_INFO_read_bio(b, NULL, NULL, NULL) : NULL;
	int n_cas = 0, n_crls = 0, r = ED_OK;

	for (int i = 0; infos && i < sk_X509_INFO_num(infos); i++) {
		const X509_INFO *info = sk_X509_INFO_value(infos, i);

		if (info->x509)
			n_cas += X509_STORE_add_cert(store, info->x509) == 1;
		if (info->crl)
			n_crls += X509_STORE_add_crl(store, info->crl) == 1;
	}
	ERR_clear_error();
	if (n_cas == 0)
		r = ed_fail(fault, ED_MALFORMED, 0, "trusted certificates: none found");
	if (n_crls)
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	if (r == ED_OK && t->server)
		r = add_ca_names(t->ssl, X509_STORE_get0_objects(store));
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	BIO_free(b);
	return r;
}

/* RFC 5077. keys[0] seals, all three open; what another than the first opened is renewed. */
static int
on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int enc)
{
	static EVP_CIPHER *aes; /* fetched once: the fetch costs more than the ticket */
	struct tls_ctx *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	char digest[] = "SHA256";
	OSSL_PARAM params[3];
	uint8_t *key = t->ticket_key[0];
	int which = 0;

	if (!aes)
		aes = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
	if (!aes)
		return -1;
	if (enc) {
		if (SSL_get0_peer_certificate(ssl)) /* TLS 1.2; for 1.3 see tls_verify */
			return 0;
		if (RAND_bytes(iv, 16) != 1)
			return -1;
		memcpy(name, key, 16);
	} else {
		while (which < 3 && memcmp(name, t->ticket_key[which], 16) != 0)
			which++;
		if (which == 3)
			return 0;
		key = t->ticket_key[which];
	}
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key + 32, 16);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	if (EVP_MAC_CTX_set_params(mac, params) != 1 ||
	    EVP_CipherInit_ex2(cipher, aes, key + 16, iv, enc, NULL) != 1)
		return -1;
	return which == 0 ? 1 : 2;
}

static int
setup_tickets(struct tls_ctx *t, const struct tls_server_conf *conf)
{
	static const unsigned char context[] = "edged";

	/* Without this TLS 1.3 would hand out tickets that name an entry of a cache we do not keep.
	 */
	SSL_CTX_set_num_tickets(t->ssl, conf->tickets ? 1 : 0);
	if (!conf->tickets)
		return ED_OK;
	if (conf->have_ticket_keys)
		memcpy(t->ticket_key, conf->ticket_key, sizeof(t->ticket_key));
	else if (RAND_bytes((unsigned char *)t->ticket_key, sizeof(t->ticket_key)) != 1)
		return ED_SYS;
	SSL_CTX_clear_options(t->ssl, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_id_context(t->ssl, context, sizeof(context) - 1);
	SSL_CTX_set_timeout(t->ssl, TICKET_LIFETIME_S);
	if (SSL_CTX_set_tlsext_ticket_key_evp_cb(t->ssl, on_ticket) != 1)
		return ED_SYS;
	return ED_OK;
}

static int
set_alpn(struct tls_ctx *t, struct str name)
{
	if (name.n > 255)
		return ED_LIMIT;
	t->alpn[0] = (uint8_t)name.n;
	if (name.n)
		memcpy(t->alpn + 1, name.p, name.n);
	return ED_OK;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned int in_len, void *arg)
{
	struct tls_ctx *t = arg;

	for (unsigned i = 0; i < in_len; i += 1u + in[i])
		if (in[i] == t->alpn[0] && memcmp(in + i, t->alpn, 1u + t->alpn[0]) == 0) {
			*out = t->alpn + 1;
			*out_len = t->alpn[0];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: no_application_protocol */
}

static struct tls_ctx *
ctx_new(bool server)
{
	struct tls_ctx *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->refs = 1;
	t->server = server;
	t->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!t->ssl)
		return tls_ctx_unref(t);
	return t;
}

int
tls_server_new(const struct tls_server_conf *conf, struct tls_ctx **ret, struct ed_fault *fault)
{
	struct tls_ctx *t = ctx_new(true);
	int r = ED_NOMEM;

	if (!t)
		return ed_fail(fault, ED_NOMEM, 0, "no memory");
	if (common_setup(t, conf->only_tls13, conf->only_aead) < 0 || setup_tickets(t, conf) < 0 ||
	    set_alpn(t, conf->alpn) < 0) {
		r = fail_tls(fault, "TLS library refused its settings");
		goto out;
	}
	if (conf->n_ids == 0) {
		r = ed_fail(fault, ED_STATE, 0, "no certificate");
		goto out;
	}
	for (uint8_t i = 0; i < conf->n_ids; i++) {
		r = add_identity(t, &conf->ids[i], fault);
		if (r < 0)
			goto out;
	}
	if (t->alpn[0])
		SSL_CTX_set_alpn_select_cb(t->ssl, on_alpn, t);
	if (conf->peer != TLS_PEER_NONE) {
		t->server_eku_ok = conf->peer_server_eku_ok;
		r = add_trust(t, conf->trust_pem, fault);
		if (r < 0)
			goto out;
		SSL_CTX_set_verify(t->ssl,
		    SSL_VERIFY_PEER |
			(conf->peer == TLS_PEER_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
		    tls_verify_each);
		/* Usage is ours to judge (tls_verify): the library knows only one for each side. */
		X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(t->ssl), X509_PURPOSE_ANY);
	}
	*ret = t;
	t = NULL;
	r = ED_OK;
out:
	tls_ctx_unref(t);
	return r;
}

static int
copy_expect(struct tls_ctx *t, const struct str *names, uint16_t n)
{
	t->expect = calloc(n, sizeof(*t->expect));
	if (!t->expect)
		return ED_NOMEM;
	for (uint16_t i = 0; i < n; i++) {
		char *p = malloc(names[i].n + 1);

		if (!p)
			return ED_NOMEM;
		if (names[i].n)
			memcpy(p, names[i].p, names[i].n);
		p[names[i].n] = 0;
		t->expect[t->n_expect++] = (struct str){p, names[i].n};
	}
	return ED_OK;
}

int
tls_client_new(const struct tls_client_conf *conf, struct tls_ctx **ret, struct ed_fault *fault)
{
	struct tls_ctx *t = ctx_new(false);
	int r = ED_NOMEM;

	if (!t)
		return ed_fail(fault, ED_NOMEM, 0, "no memory");
	if (conf->n_expect == 0) { /* CERT-ALL-15: no connection without a name to check */
		r = ed_fail(fault, ED_STATE, 0, "no name to expect");
		goto out;
	}
	if (common_setup(t, conf->only_tls13, conf->only_aead) < 0 || set_alpn(t, conf->alpn) < 0) {
		r = fail_tls(fault, "TLS library refused its settings");
		goto out;
	}
	/* The library answers 0 for success here, and only here. */
	if (t->alpn[0] && SSL_CTX_set_alpn_protos(t->ssl, t->alpn, 1u + t->alpn[0]) != 0) {
		r = fail_tls(fault, "ALPN name refused");
		goto out;
	}
	t->cn_fallback = conf->cn_fallback;
	r = copy_expect(t, conf->expect, conf->n_expect);
	if (r < 0)
		goto out;
	if (conf->id) {
		r = add_identity(t, conf->id, fault);
		if (r < 0)
			goto out;
	}
	r = add_trust(t, conf->trust_pem, fault);
	if (r < 0)
		goto out;
	SSL_CTX_set_verify(t->ssl, SSL_VERIFY_PEER, tls_verify_each);
	*ret = t;
	t = NULL;
	r = ED_OK;
out:
	tls_ctx_unref(t);
	return r;
}

SSL *
tls_ssl_new(struct tls_ctx *t, struct tls_peer *peer, const char *sni)
{
	SSL *ssl = SSL_new(t->ssl);

	if (!ssl)
		return NULL;
	SSL_set_app_data(ssl, peer);
	if (t->server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	if (sni && sni[0] && SSL_set_tlsext_host_name(ssl, sni) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	if (t->keys_elsewhere)
		SSL_set_mode(ssl, SSL_MODE_ASYNC);
	peer->ctx = tls_ctx_ref(t);
	t->conns++;
	return ssl;
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *t)
{
	t->refs++;
	return t;
}

struct tls_ctx *
tls_ctx_unref(struct tls_ctx *t)
{
	if (!t || --t->refs > 0)
		return NULL;
	SSL_CTX_free(t->ssl);
	for (uint16_t i = 0; i < t->n_expect; i++)
		free((char *)(uintptr_t)t->expect[i].p);
	free(t->expect);
	wipe(t->ticket_key, sizeof(t->ticket_key));
	free(t);
	return NULL;
}

uint32_t
tls_ctx_conns(const struct tls_ctx *t)
{
	return t->conns;
}

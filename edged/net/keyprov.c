/* SPDX-License-Identifier: MIT
 *
 * net/keyprov.c: the OpenSSL 3 provider "edged-keycall": RSA and EC key handles whose public half
 * is an ordinary key of the default provider and whose private half is a slot in keyd.
 *
 * The handles go by the names "RSA" and "EC", because TLS asks a key what it is. The default
 * provider is loaded first, so a fetch by name still finds its own; libcrypto comes to ours because
 * the handle does not let its private half be exported. Digests are made here, 32 to 64 octets
 * travel.
 *
 * See provider-keymgmt(7), provider-signature(7).
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "net/keycall_in.h"
#include "net/keyproto.h"

#define PROVIDER      "edged-keycall"
#define PARAM_KEYCALL "edged-keycall" /* our own: pointer and slot, for keymgmt import */
#define PARAM_SLOT    "edged-slot"
#define DEFAULT_QUERY "provider=default"
#define PRIVATE       OSSL_KEYMGMT_SELECT_PRIVATE_KEY

struct prov_key {
	unsigned refs;
	bool ec;
	EVP_PKEY *pub;     /* default provider's */
	struct keycall *k; /* NULL: public half only (libcrypto compares so) */
	uint16_t slot;
};

/* --- keymgmt --- */

static void *
key_new(bool ec)
{
	struct prov_key *key = calloc(1, sizeof(*key));

	if (key) {
		key->refs = 1;
		key->ec = ec;
	}
	return key;
}

static void *
rsa_new(void *provctx)
{
	return key_new(false);
}

static void *
ec_new(void *provctx)
{
	return key_new(true);
}

static void
key_free(void *v)
{
	struct prov_key *key = v;

	if (!key || --key->refs > 0)
		return;
	EVP_PKEY_free(key->pub);
	free(key);
}

static int
key_has(const void *v, int selection)
{
	const struct prov_key *key = v;

	if (selection & PRIVATE && !key->k)
		return 0;
	return key->pub != NULL;
}

static int
key_import(void *v, int selection, const OSSL_PARAM params[])
{
	const OSSL_PARAM *at = OSSL_PARAM_locate_const(params, PARAM_KEYCALL);
	const OSSL_PARAM *slot = OSSL_PARAM_locate_const(params, PARAM_SLOT);
	struct prov_key *key = v;
	uint64_t number = 0;
	unsigned s = 0;
	EVP_PKEY_CTX *ctx;
	int ok;

	if (selection & PRIVATE && at && slot) {
		if (OSSL_PARAM_get_uint64(at, &number) != 1 || OSSL_PARAM_get_uint(slot, &s) != 1 ||
		    s > UINT16_MAX)
			return 0;
		key->k = (struct keycall *)(uintptr_t)number;
		key->slot = (uint16_t)s;
	}
	ctx = EVP_PKEY_CTX_new_from_name(NULL, key->ec ? "EC" : "RSA", DEFAULT_QUERY);
	ok = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	     EVP_PKEY_fromdata(
		 ctx, &key->pub, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* The public half; and nothing at all to who wants the private one. */
static int
key_export(void *v, int selection, OSSL_CALLBACK *cb, void *arg)
{
	struct prov_key *key = v;
	OSSL_PARAM *params = NULL;
	int ok;

	if (selection & PRIVATE && key->k)
		return 0;
	if (!key->pub || EVP_PKEY_todata(key->pub, EVP_PKEY_PUBLIC_KEY, &params) != 1)
		return 0;
	ok = cb(params, arg);
	OSSL_PARAM_free(params);
	return ok;
}

static const OSSL_PARAM *
rsa_types(int selection)
{
	static const OSSL_PARAM types[] = {
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	    OSSL_PARAM_END,
	};

	return types;
}

static const OSSL_PARAM *
ec_types(int selection)
{
	static const OSSL_PARAM types[] = {
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	    OSSL_PARAM_END,
	};

	return types;
}

static int
key_match(const void *a, const void *b, int selection)
{
	const struct prov_key *x = a, *y = b;

	return x->pub && y->pub && EVP_PKEY_eq(x->pub, y->pub) == 1;
}

static int
key_get_params(void *v, OSSL_PARAM params[])
{
	struct prov_key *key = v;

	return key->pub ? EVP_PKEY_get_params(key->pub, params) : 0;
}

static const OSSL_PARAM *
key_gettable(void *provctx)
{
	static const OSSL_PARAM types[] = {
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	    OSSL_PARAM_END,
	};

	return types;
}

static const char *
rsa_operation(int op)
{
	return "RSA";
}

static const char *
ec_operation(int op)
{
	return "ECDSA";
}

typedef void (*any_fn)(void); /* the shape of OSSL_DISPATCH */

#define KEYMGMT(new_fn, types_fn, op_fn)                                                           \
	{OSSL_FUNC_KEYMGMT_NEW, (any_fn)(new_fn)}, {OSSL_FUNC_KEYMGMT_FREE, (any_fn)key_free},     \
	    {OSSL_FUNC_KEYMGMT_HAS, (any_fn)key_has},                                              \
	    {OSSL_FUNC_KEYMGMT_IMPORT, (any_fn)key_import},                                        \
	    {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (any_fn)(types_fn)},                                  \
	    {OSSL_FUNC_KEYMGMT_EXPORT, (any_fn)key_export},                                        \
	    {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (any_fn)(types_fn)},                                  \
	    {OSSL_FUNC_KEYMGMT_MATCH, (any_fn)key_match},                                          \
	    {OSSL_FUNC_KEYMGMT_GET_PARAMS, (any_fn)key_get_params},                                \
	    {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (any_fn)key_gettable},                             \
	    {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (any_fn)(op_fn)},                             \
	{                                                                                          \
		0, NULL                                                                            \
	}

static const OSSL_DISPATCH rsa_keymgmt[] = {KEYMGMT(rsa_new, rsa_types, rsa_operation)};
static const OSSL_DISPATCH ec_keymgmt[] = {KEYMGMT(ec_new, ec_types, ec_operation)};

/* --- signature --- */

static const struct {
	const char *name;
	size_t len;
	uint8_t rsa, pss, ecdsa;
} digests[] = {
    {"SHA256", 32, KEYPROTO_RSA_SHA256, KEYPROTO_PSS_SHA256, KEYPROTO_ECDSA_SHA256},
    {"SHA384", 48, KEYPROTO_RSA_SHA384, KEYPROTO_PSS_SHA384, KEYPROTO_ECDSA_SHA384},
    {"SHA512", 64, KEYPROTO_RSA_SHA512, KEYPROTO_PSS_SHA512, KEYPROTO_ECDSA_SHA512},
};
#define N_DIGESTS (sizeof(digests) / sizeof(digests[0]))

static EVP_MD *fetched[N_DIGESTS];

struct sig_ctx {
	struct prov_key *key;
	EVP_MD_CTX *md;
	unsigned digest; /* index into digests */
	bool pss;
};

static void *
sig_new(void *provctx, const char *propq)
{
	struct sig_ctx *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->md = EVP_MD_CTX_new();
	if (!s->md) {
		free(s);
		return NULL;
	}
	return s;
}

static void
sig_free(void *v)
{
	struct sig_ctx *s = v;

	if (!s)
		return;
	EVP_MD_CTX_free(s->md);
	key_free(s->key);
	free(s);
}

static int
pick_digest(struct sig_ctx *s, const char *name)
{
	for (unsigned i = 0; i < N_DIGESTS; i++)
		if (EVP_MD_is_a(fetched[i], name)) {
			s->digest = i;
			return EVP_DigestInit_ex2(s->md, fetched[i], NULL);
		}
	return 0;
}

static int
is_pss(const OSSL_PARAM *p)
{
	int mode = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		return p->data && strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
	return OSSL_PARAM_get_int(p, &mode) == 1 && mode == RSA_PKCS1_PSS_PADDING;
}

static int
is_pkcs1(const OSSL_PARAM *p)
{
	int mode = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		return p->data && strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0;
	return OSSL_PARAM_get_int(p, &mode) == 1 && mode == RSA_PKCS1_PADDING;
}

/* keyd salts with the digest's length and nothing else. */
static int
is_digest_salt(const OSSL_PARAM *p)
{
	int n = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		return p->data && strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
	return OSSL_PARAM_get_int(p, &n) == 1 && n == RSA_PSS_SALTLEN_DIGEST;
}

static int
sig_set_params(void *v, const OSSL_PARAM params[])
{
	struct sig_ctx *s = v;
	const OSSL_PARAM *p;

	if (!params)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p && is_pss(p))
		s->pss = true;
	else if (p && is_pkcs1(p))
		s->pss = false;
	else if (p)
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	return !p || is_digest_salt(p);
}

static const OSSL_PARAM *
sig_settable(void *v, void *provctx)
{
	static const OSSL_PARAM types[] = {
	    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
	    OSSL_PARAM_END,
	};

	return types;
}

static int
sig_init(void *v, const char *digest, void *provkey, const OSSL_PARAM params[])
{
	struct sig_ctx *s = v;
	struct prov_key *key = provkey;

	if (!key || !key->k)
		return 0;
	key->refs++;
	key_free(s->key);
	s->key = key;
	s->pss = false;
	return pick_digest(s, digest && digest[0] ? digest : "SHA256") && sig_set_params(v, params);
}

static int
sig_update(void *v, const unsigned char *data, size_t n)
{
	struct sig_ctx *s = v;

	return EVP_DigestUpdate(s->md, data, n);
}

static int
sig_final(void *v, unsigned char *sig, size_t *sig_n, size_t room)
{
	struct sig_ctx *s = v;
	unsigned char md[EVP_MAX_MD_SIZE];
	uint8_t alg;

	if (!sig) {
		*sig_n = (size_t)EVP_PKEY_get_size(s->key->pub);
		return 1;
	}
	alg = s->key->ec ? digests[s->digest].ecdsa
	      : s->pss   ? digests[s->digest].pss
			 : digests[s->digest].rsa;
	if (EVP_DigestFinal_ex(s->md, md, NULL) != 1)
		return 0;
	return keycall_sign(s->key->k, s->key->slot, alg,
		   (struct str){(const char *)md, digests[s->digest].len}, sig, room,
		   sig_n) == ED_OK;
}

static int
sig_oneshot(
    void *v, unsigned char *sig, size_t *sig_n, size_t room, const unsigned char *data, size_t n)
{
	if (sig && sig_update(v, data, n) != 1)
		return 0;
	return sig_final(v, sig, sig_n, room);
}

static const OSSL_DISPATCH signature[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, (any_fn)sig_new},
    {OSSL_FUNC_SIGNATURE_FREECTX, (any_fn)sig_free},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (any_fn)sig_init},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, (any_fn)sig_update},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, (any_fn)sig_final},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (any_fn)sig_oneshot},
    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (any_fn)sig_set_params},
    {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (any_fn)sig_settable},
    {0, NULL},
};

/* --- provider --- */

static const OSSL_ALGORITHM *
query(void *provctx, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keymgmts[] = {
	    {"RSA:rsaEncryption", "provider=" PROVIDER, rsa_keymgmt, NULL},
	    {"EC:id-ecPublicKey", "provider=" PROVIDER, ec_keymgmt, NULL},
	    {NULL, NULL, NULL, NULL},
	};
	static const OSSL_ALGORITHM signatures[] = {
	    {"RSA:rsaEncryption", "provider=" PROVIDER, signature, NULL},
	    {"ECDSA", "provider=" PROVIDER, signature, NULL},
	    {NULL, NULL, NULL, NULL},
	};

	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keymgmts;
	return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int
init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **provctx)
{
	static const OSSL_DISPATCH table[] = {
	    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (any_fn)query},
	    {0, NULL},
	};

	*out = table;
	*provctx = fetched; /* anything but NULL */
	return 1;
}

int
keyprov_setup(void)
{
	static OSSL_PROVIDER *volatile theirs, *volatile ours; /* held until the process ends */
	static bool done;

	if (done)
		return ED_OK;
	/* Loading one by hand ends the automatic loading of the default provider. */
	theirs = OSSL_PROVIDER_load(NULL, "default");
	if (!theirs || OSSL_PROVIDER_add_builtin(NULL, PROVIDER, init) != 1)
		return ED_SYS;
	ours = OSSL_PROVIDER_load(NULL, PROVIDER);
	if (!ours)
		return ED_SYS;
	for (unsigned i = 0; i < N_DIGESTS; i++)
		if (!(fetched[i] = EVP_MD_fetch(NULL, digests[i].name, DEFAULT_QUERY)))
			return ED_SYS;
	done = true;
	return ED_OK;
}

EVP_PKEY *
keycall_pkey(struct keycall *k, uint16_t slot, X509 *leaf)
{
	EVP_PKEY *pub = X509_get0_pubkey(leaf), *key = NULL;
	bool ec = pub && EVP_PKEY_is_a(pub, "EC");
	uint64_t pointer = (uint64_t)(uintptr_t)k;
	unsigned number = slot;
	OSSL_PARAM ours[] = {
	    OSSL_PARAM_construct_uint64(PARAM_KEYCALL, &pointer),
	    OSSL_PARAM_construct_uint(PARAM_SLOT, &number),
	    OSSL_PARAM_construct_end(),
	};
	OSSL_PARAM *theirs = NULL, *all = NULL;
	EVP_PKEY_CTX *ctx = NULL;

	if (!pub || (!ec && !EVP_PKEY_is_a(pub, "RSA")))
		return NULL;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, ec ? "EC" : "RSA", "provider=" PROVIDER);
	if (!ctx || EVP_PKEY_todata(pub, EVP_PKEY_PUBLIC_KEY, &theirs) != 1)
		goto out;
	all = OSSL_PARAM_merge(theirs, ours);
	if (!all || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, all) != 1)
		key = NULL;
out:
	OPENSSL_free(all); /* the array only; its texts are theirs */
	OSSL_PARAM_free(theirs);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

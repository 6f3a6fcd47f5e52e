/* SPDX-License-Identifier: MIT
 *
 * keyd/view.c: see the header. Private numbers are read into OpenSSL's secure heap where it stands
 * (keyd_new makes it): locked, kept out of dumps, guarded.
 */
#include "keyd/view.h"

#include "keyd/relay.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
no_password(char *buf, int size, int rwflag, void *arg)
{
	return -1;
}

static EVP_PKEY *
read_key(struct str pem)
{
	BIO *b = pem.n && pem.n < 0x7fffffff ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;

	BIO_free(b);
	return key;
}

static bool
belongs_to(EVP_PKEY *key, struct str cert_pem)
{
	BIO *b = cert_pem.n < 0x7fffffff ? BIO_new_mem_buf(cert_pem.p, (int)cert_pem.n) : NULL;
	X509 *leaf = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
	bool ok = leaf && X509_check_private_key(leaf, key) == 1;

	X509_free(leaf);
	BIO_free(b);
	return ok;
}

static int
refuse(char *why, struct str binding, const char *what)
{
	ERR_clear_error();
	snprintf(why, KEYD_WHY_LEN, "certificates." STR_FMT ": %s", STR_ARG(str_first(binding, 64)),
	    what);
	return ED_DENIED;
}

static int
take_slot(struct keyd_view *v, const struct keyplan_slot *from, char *why)
{
	struct keyd_slot *to = &v->slots[v->n_slots];

	for (unsigned i = 0; i < v->n_slots; i++)
		if (v->slots[i].number == from->slot)
			return refuse(why, from->binding, "slot number used twice");
	to->key = read_key(from->key_pem);
	if (!to->key)
		return refuse(why, from->binding, "private key cannot be read");
	v->n_slots++; /* owned by the view from here on */
	to->number = from->slot;
	to->ec = EVP_PKEY_is_a(to->key, "EC");
	if (!to->ec && !EVP_PKEY_is_a(to->key, "RSA"))
		return refuse(why, from->binding, "private key is neither RSA nor EC");
	/* CERT-ALL-01 */
	if (from->cert_pem.n && !belongs_to(to->key, from->cert_pem))
		return refuse(why, from->binding, "private key does not match the certificate");
	return ED_OK;
}

/* name is one of the blank-separated words of list. */
static bool
has_word(struct str list, struct str name)
{
	while (list.n) {
		ptrdiff_t end = str_find(list, ' ');
		struct str word = end < 0 ? list : str_first(list, (size_t)end);

		if (word.n && str_eq(word, name))
			return true;
		list = end < 0 ? STR_NONE : str_from(list, (size_t)end + 1);
	}
	return false;
}

static void
take_rows(struct keyd_view *v, const struct keyplan *plan)
{
	for (int role = 0; role < ROLE__N; role++) {
		v->rows[role].ops = plan->roles[role].ops;
		for (unsigned i = 0; i < v->n_slots; i++)
			if (has_word(plan->roles[role].bindings, plan->slots[i].binding))
				v->rows[role].slots |= 1ull << i;
	}
}

int
keyd_view_new(struct str bytes, struct keyd_view **ret, char *why)
{
	struct keyplan *plan = calloc(1, sizeof(*plan));
	struct keyd_view *v = calloc(1, sizeof(*v));
	const char *relay_why = "";
	int r = ED_NOMEM;

	_Static_assert(KEYPLAN_SLOTS_MAX <= 64, "one bit of rows[].slots for each");
	snprintf(why, KEYD_WHY_LEN, "no memory");
	if (!plan || !v)
		goto out;
	r = keyplan_get(bytes, plan);
	if (r < 0) {
		snprintf(why, KEYD_WHY_LEN, "key plan: %s", ed_err_name(r));
		goto out;
	}
	r = secret_init(&v->pool, KEYPLAN_SECRET_LEN);
	if (r < 0)
		goto out;
	memcpy(v->pool.p, plan->pool_secret.p, KEYPLAN_SECRET_LEN);
	for (uint16_t i = 0; i < plan->n_slots; i++) {
		r = take_slot(v, &plan->slots[i], why);
		if (r < 0)
			goto out;
	}
	take_rows(v, plan);
	r = relay_new(plan, &v->relay, &relay_why);
	if (r < 0) {
		ERR_clear_error();
		snprintf(why, KEYD_WHY_LEN, "%s", relay_why);
		goto out;
	}
	*ret = v;
	v = NULL;
	why[0] = 0;
out:
	keyd_view_free(v);
	free(plan);
	return r;
}

struct keyd_view *
keyd_view_free(struct keyd_view *v)
{
	if (!v)
		return NULL;
	keyd_view_free(v->before);
	for (unsigned i = 0; i < v->n_slots; i++) {
		for (unsigned a = 0; a < KEYPROTO_ALG__N; a++)
			EVP_PKEY_CTX_free(v->slots[i].sign[a]);
		EVP_PKEY_free(v->slots[i].key);
	}
	secret_done(&v->pool);
	relay_free(v->relay);
	free(v);
	return NULL;
}

/* SPDX-License-Identifier: MIT
 *
 * conf/check_cert.h: what a certificate file holds, as plain facts for the rules, for `edgectl
 * certs` and for the log line of a reload.
 */
#ifndef EDGED_CONF_CHECK_CERT_H
#define EDGED_CONF_CHECK_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/certs.h"

#define CERT_FACTS_NAMES_MAX 200u

enum cert_signature { CERT_SIG_GOOD, CERT_SIG_SHA1, CERT_SIG_MD5, CERT_SIG_PSS };

struct check_cert_facts {
	bool present; /* chain_pem is not empty */
	bool parsed;
	bool key_read, key_matches; /* key_read: a key was given to compare */
	char subject[512], issuer[512], cn[256];
	char serial[96];      /* big-endian hex (CERT-ALL-13) */
	char fingerprint[65]; /* SHA-256, hex */
	char key_type[32];    /* "RSA 2048", "EC P-256" */
	bool rsa;
	unsigned key_bits;
	int64_t not_before, not_after;     /* seconds since 1970 */
	char *names[CERT_FACTS_NAMES_MAX]; /* dNSNames, lower case */
	unsigned n_names;
	bool has_eku, eku_server, eku_client;
	enum cert_signature signature;
	unsigned n_chain;
	bool chain_in_order; /* each is issued by the next */
	bool chain_complete; /* the last is a root or issued by one of the trust file (or none
				given) */
	bool self_signed;
	bool has_crl_place; /* a CRL distribution point */
	bool private_ca;    /* the last of the chain is, or is issued by, one of internal_trust */
};

/* BINDING__N of them; keys may be NULL. NULL without memory. */
struct check_cert_facts *check_certs_read(const struct conf *c, const struct conf_keys *keys);
void check_certs_free(struct check_cert_facts *f);
/* One chain; names are freed with cert_facts_done. */
void cert_facts_read(
    struct check_cert_facts *ret, const char *chain_pem, const char *trust_pem, struct str key_pem);
void cert_facts_done(struct check_cert_facts *f);
/* Is name (no case) one of the dNSNames; *.x counts when wildcard is true. */
bool cert_facts_has_name(const struct check_cert_facts *f, struct str name, bool wildcard);

#endif

/* SPDX-License-Identifier: MIT
 *
 * conf/certs.h: reads the certificate, key and trust files that a configuration names. The
 * supervisor is the only caller at run time; the check uses it too.
 */
#ifndef EDGED_CONF_CERTS_H
#define EDGED_CONF_CERTS_H

#include "base/wipe.h"
#include "conf/conf.h"
#include "conf/report.h"

enum conf_binding {
	BINDING_EXTERNAL,
	BINDING_EXTERNAL_ECDSA,
	BINDING_INTERNAL,
	BINDING_AV_AUTH,
	BINDING_AV_AUTH_NEXT,
	BINDING__N
};

struct conf_keys { /* private keys as PEM; empty where the binding is not configured */
	struct secret pem[BINDING__N];
};

const char *conf_binding_name(enum conf_binding b); /* "external_ecdsa" */
struct conf_cert *conf_binding_cert(const struct conf *c, enum conf_binding b);

/*
 * A file that cannot be read is a finding (CERT-ALL-01) and leaves its field empty. certs fills
 * chain_pem and the trust texts of c; keys gives the private keys, which the caller wipes. ED_OK or
 * ED_NOMEM.
 */
int conf_certs_read(struct conf *c, struct conf_report *report) ED_MUST_CHECK;
int conf_keys_read(
    const struct conf *c, struct conf_keys *ret_keys, struct conf_report *report) ED_MUST_CHECK;
void conf_keys_done(struct conf_keys *k);

#endif

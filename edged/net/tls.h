/* SPDX-License-Identifier: MIT
 *
 * net/tls.h: TLS contexts (OpenSSL 3) and what is known of a peer after a handshake.
 *
 * A context is made from PEM text and a key handle; the private key itself is elsewhere (keyd,
 * through net/keycall.h) except in tests and before keyd stands. Verification of chain, time and
 * (when given) CRLs is done here; which names are good is judged by the room (access/policy), but
 * for opened connections, where tls_client_conf.expect is checked before on_up.
 */
#ifndef EDGED_NET_TLS_H
#define EDGED_NET_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct keycall;
struct tls_ctx; /* counted; a connection keeps the one it was born with */

#define TLS_NAMES_MAX 100

enum tls_end {               /* why a handshake failed, as a counter tells it */
	TLS_END_OTHER,       /* conn_end_detail says what */
	TLS_END_CERTIFICATE, /* the peer's: missing, not trusted, out of date, another name */
	TLS_END_ALERT,       /* the peer gave up: mostly it does not like our certificate */
	TLS_END_NOT_TLS,
	TLS_END_PARAMETERS, /* no version, cipher, signature or application protocol in common */
	TLS_END_KEY,        /* keyd did not sign */
	TLS_END__N
};

struct tls_facts {
	bool resumed;
	bool has_cert;
	bool verified;       /* has_cert, and chain, time and usage held in this handshake */
	uint16_t n_names;    /* names[] stands last */
	bool names_cut;      /* more than TLS_NAMES_MAX */
	struct str cn;       /* empty if none or not a plausible host name */
	bool has_san;        /* any dNSName */
	struct str serial;   /* big-endian hex */
	struct str issuer;   /* one line */
	int64_t not_after;   /* seconds since 1970 */
	const char *version; /* "TLSv1.3" */
	const char *cipher;
	struct str sni;  /* server side: what the client asked for; empty if nothing */
	struct str alpn; /* what was agreed; empty if nothing (the room judges that) */
	/*
	 * Peer leaf: all SAN dNSNames, lower case, no trailing dot; CN apart. Views into the facts.
	 * The struct is allocated no longer than n_names asks for: keep the pointer, never copy the
	 * whole.
	 */
	struct str names[TLS_NAMES_MAX];
};

/* True when name (no case) is among the facts' SANs; CN counts only if cn_fallback and no SAN at
 * all (CERT-INT-04). Wildcards never match. */
bool tls_facts_match(const struct tls_facts *f, struct str name, bool cn_fallback);

enum tls_peer_cert {
	TLS_PEER_NONE,     /* not asked for */
	TLS_PEER_OPTIONAL, /* asked for; when given it must verify */
	TLS_PEER_REQUIRED,
};

struct tls_identity {
	struct str chain_pem; /* leaf first */
	struct str key_pem;   /* tests only; empty when keys are in keyd */
	struct keycall *keys; /* with slot */
	uint16_t slot;
};

struct tls_server_conf {
	const struct tls_identity *ids; /* RSA and/or ECDSA */
	uint8_t n_ids;
	enum tls_peer_cert peer;
	struct str trust_pem; /* CAs for peer certificates; empty when peer is NONE */
	/* CERT-EXT-14: a peer with server usage only is accepted. Inside too: certificates of Front
	 * Ends are made for servers, and they dial us with them. */
	bool peer_server_eku_ok;
	bool only_tls13;
	bool only_aead; /* without the CBC suites that Windows Server 2012 R2 needs for RSA */
	bool tickets;
	uint8_t ticket_key[3][48]; /* current, previous, next: name(16) aes(16) hmac(16) */
	bool have_ticket_keys;
	/* One protocol name, or empty: ALPN is ignored. A client that offers others only is refused
	 * with the alert of RFC 7301; one that offers none comes through with facts.alpn empty. */
	struct str alpn;
};
int tls_server_new(
    const struct tls_server_conf *conf, struct tls_ctx **ret, struct ed_fault *fault) ED_MUST_CHECK;

struct tls_client_conf {
	const struct tls_identity *id; /* presented when asked for; may be NULL */
	struct str trust_pem;
	/* The peer must carry one of these names (SAN; CN by cn_fallback). Never empty. */
	const struct str *expect;
	uint16_t n_expect;
	bool cn_fallback; /* inside only, CERT-INT-04 */
	bool only_tls13, only_aead;
	struct str alpn; /* one protocol name offered, or empty */
};
int tls_client_new(
    const struct tls_client_conf *conf, struct tls_ctx **ret, struct ed_fault *fault) ED_MUST_CHECK;

struct tls_ctx *tls_ctx_ref(struct tls_ctx *t);
struct tls_ctx *tls_ctx_unref(struct tls_ctx *t);
/* Connections now alive that were born with it. */
uint32_t tls_ctx_conns(const struct tls_ctx *t);

#endif

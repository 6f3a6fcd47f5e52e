/* SPDX-License-Identifier: MIT
 *
 * net/tls_in.h: what net/conn.c sees of a TLS context; nobody else includes it.
 */
#ifndef EDGED_NET_TLS_IN_H
#define EDGED_NET_TLS_IN_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_ctx {
	SSL_CTX *ssl;
	uint32_t refs;
	uint32_t conns;
	bool server;
	bool server_eku_ok;
	bool cn_fallback;
	bool keys_elsewhere; /* a private key is in keyd: handshakes run as async jobs */
	struct str *expect;  /* owned, client only */
	uint16_t n_expect;
	uint8_t alpn[256]; /* length octet and name; [0] == 0: none */
	uint8_t ticket_key[3][48];
};

#define TLS_COUNT_SERIAL_LEN 65u

struct tls_count { /* net/tls_count.c */
	char serial[TLS_COUNT_SERIAL_LEN];
	uint32_t conns;
};

/* Lies inside a conn and is the SSL's app data. */
struct tls_peer {
	struct tls_ctx *ctx;
	struct tls_facts *facts;
	struct tls_count *count; /* where it is counted; NULL: not up, or not accepted by us */
	char *detail;            /* why it failed, for the log; NULL: nothing said yet */
	uint8_t end;             /* enum tls_end */
};

/* tls.c */
SSL *tls_ssl_new(struct tls_ctx *t, struct tls_peer *peer, const char *sni);

/* tls_count.c: at the end of the handshake, and at the end of the connection */
void tls_count_up(struct tls_peer *peer, SSL *ssl);
void tls_count_down(struct tls_peer *peer);

/* tls_verify.c: chain, time, usage, and for clients the name */
int tls_verify(X509_STORE_CTX *store, void *arg);
int tls_verify_each(int ok, X509_STORE_CTX *store);

/* tls_facts.c; NULL without memory */
struct tls_facts *tls_facts_new(SSL *ssl, bool server);
struct tls_facts *tls_facts_of(X509 *leaf);
/* True when a SAN or the CN carries an octet that no host name has and that could cut it short. */
bool tls_cert_has_nul_name(X509 *leaf);

/* tls_error.c */
/* printf into peer->detail; the first one stays. */
void tls_detail(struct tls_peer *peer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The kind of it; said before the text, and the first one stays. */
void tls_because(struct tls_peer *peer, enum tls_end end);
/* From OpenSSL's queue, which is emptied. */
void tls_detail_from_queue(struct tls_peer *peer);

#endif

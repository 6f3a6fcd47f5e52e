/* SPDX-License-Identifier: MIT
 *
 * net/tls_count.c: a row per certificate in use. A row without connections is free for another; the
 * last row is shared by what finds none.
 */
#include "net/tls_count.h"

#include <openssl/bn.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "net/tls_in.h"

#define OTHERS (TLS_COUNT_SERIALS_MAX - 1)

static struct tls_count rows[TLS_COUNT_SERIALS_MAX];

static void
serial_of(SSL *ssl, char *ret, size_t room)
{
	const X509 *x = SSL_get_certificate(ssl);
	BIGNUM *bn = x ? ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL) : NULL;
	char *hex = bn ? BN_bn2hex(bn) : NULL;

	snprintf(ret, room, "%s", hex ? hex : "");
	OPENSSL_free(hex);
	BN_free(bn);
}

static struct tls_count *
row_for(const char *serial)
{
	struct tls_count *unused = NULL;

	for (size_t i = 0; i < OTHERS; i++) {
		if (rows[i].conns > 0 && strcmp(rows[i].serial, serial) == 0)
			return &rows[i];
		if (rows[i].conns == 0 && !unused)
			unused = &rows[i];
	}
	if (!unused) {
		unused = &rows[OTHERS];
		serial = "others";
	}
	snprintf(unused->serial, sizeof(unused->serial), "%s", serial);
	return unused;
}

void
tls_count_up(struct tls_peer *peer, SSL *ssl)
{
	char serial[TLS_COUNT_SERIAL_LEN];

	if (!peer->ctx->server || peer->count)
		return;
	serial_of(ssl, serial, sizeof(serial));
	if (!serial[0])
		return;
	peer->count = row_for(serial);
	peer->count->conns++;
}

void
tls_count_down(struct tls_peer *peer)
{
	if (peer->count)
		peer->count->conns--;
	peer->count = NULL;
}

void
tls_count_each(tls_count_cb *each, void *arg)
{
	for (size_t i = 0; i < TLS_COUNT_SERIALS_MAX; i++)
		if (rows[i].conns > 0)
			each(arg, rows[i].serial, rows[i].conns);
}

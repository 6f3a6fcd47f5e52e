/* SPDX-License-Identifier: MIT
 *
 * net/tls_error.c: OpenSSL's reasons in an operator's words.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/tls_in.h"

#define ALERT_REASON 1000 /* SSL_AD_REASON_OFFSET: reasons above are alerts of the peer */

static const struct {
	int reason;
	enum tls_end end;
	const char *text;
} texts[] = {
    {SSL_R_HTTP_REQUEST, TLS_END_NOT_TLS, "HTTP request on TLS port"},
    {SSL_R_HTTPS_PROXY_REQUEST, TLS_END_NOT_TLS, "HTTP proxy request on TLS port"},
    {SSL_R_WRONG_VERSION_NUMBER, TLS_END_NOT_TLS, "not TLS"},
    {SSL_R_NO_SHARED_CIPHER, TLS_END_PARAMETERS, "no shared cipher"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TLS_END_PARAMETERS, "no shared signature algorithm"},
    {SSL_R_UNSUPPORTED_PROTOCOL, TLS_END_PARAMETERS, "TLS version too old"},
    {SSL_R_VERSION_TOO_LOW, TLS_END_PARAMETERS, "TLS version too old"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_END_CERTIFICATE, "no client certificate"},
    {SSL_R_EXCESSIVE_MESSAGE_SIZE, TLS_END_OTHER, "handshake message too large"},
    {SSL_R_NO_APPLICATION_PROTOCOL, TLS_END_PARAMETERS, "no shared application protocol"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, TLS_END_OTHER, "record does not decrypt"},
    {SSL_R_RECORD_LENGTH_MISMATCH, TLS_END_NOT_TLS, "not TLS"},
};

void
tls_detail(struct tls_peer *peer, const char *fmt, ...)
{
	va_list ap;

	if (peer->detail) /* the first cause is the cause */
		return;
	va_start(ap, fmt);
	if (vasprintf(&peer->detail, fmt, ap) < 0)
		peer->detail = NULL;
	va_end(ap);
}

void
tls_because(struct tls_peer *peer, enum tls_end end)
{
	if (!peer->detail)
		peer->end = (uint8_t)end;
}

void
tls_detail_from_queue(struct tls_peer *peer)
{
	unsigned long e = ERR_peek_error();
	int reason = ERR_GET_REASON(e);

	ERR_clear_error();
	if (e == 0)
		return;
	if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason > ALERT_REASON && reason < ALERT_REASON + 256) {
		tls_because(peer, TLS_END_ALERT);
		tls_detail(
		    peer, "peer sent alert: %s", SSL_alert_desc_string_long(reason - ALERT_REASON));
		return;
	}
	for (size_t i = 0; ERR_GET_LIB(e) == ERR_LIB_SSL && i < sizeof(texts) / sizeof(texts[0]);
	     i++)
		if (texts[i].reason == reason) {
			tls_because(peer, texts[i].end);
			tls_detail(peer, "%s", texts[i].text);
			return;
		}
	tls_detail(peer, "%s",
	    ERR_reason_error_string(e) ? ERR_reason_error_string(e) : "TLS library error");
}

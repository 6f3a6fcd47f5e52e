/* SPDX-License-Identifier: MIT
 *
 * access/cert_event.h: what is wrong with a partner's certificate, as the name of the log event:
 * an administrator searches for one of these, not for a library's wording (net/tls_verify.c).
 */
#ifndef EDGED_ACCESS_CERT_EVENT_H
#define EDGED_ACCESS_CERT_EVENT_H

#include <stdbool.h>

/* "FED-3006" and "partner_certificate_expired", ...; false: detail is not about a certificate. */
bool cert_event(const char *detail, const char **ret_id, const char **ret_name);

#endif

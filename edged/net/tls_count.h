/* SPDX-License-Identifier: MIT
 *
 * net/tls_count.h: how many connections that we accepted live under which certificate of ours
 * (CERT-ALL-04). Per process. A resumed connection presents no certificate; it counts under the one
 * that its context would present.
 */
#ifndef EDGED_NET_TLS_COUNT_H
#define EDGED_NET_TLS_COUNT_H

#include <stdint.h>

/* Certificates that are told apart; what is in use beyond that is one row. */
#define TLS_COUNT_SERIALS_MAX 32u

typedef void tls_count_cb(void *arg, const char *serial, uint32_t conns);
/* Serials in big-endian hex; those without connections are left out. */
void tls_count_each(tls_count_cb *each, void *arg);

#endif

/* SPDX-License-Identifier: MIT
 *
 * proto/psom/preface.h: what a client of the Web Conferencing Edge shows before its PSOM stream:
 * the 28 octet preface, or a host name whose first label is the ticket.
 *
 * Pure. Both give a handle, the secret half of a ticket; the Edge keeps only its hash (ticket.h).
 * Called by webconf/admission.c with what came from the network, and by tools that write one.
 *
 * Spec: docs/spec/psom-webconf.md, "Admission".
 */
#ifndef EDGED_PROTO_PSOM_PREFACE_H
#define EDGED_PROTO_PSOM_PREFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define PSOM_HANDLE_MIN  16u
#define PSOM_HANDLE_MAX  64u
#define PSOM_HANDLE_LEN  20u /* of the tickets we make ourselves */
#define PSOM_PREFACE_MAX (8u + PSOM_HANDLE_MAX)
#define PSOM_LABEL_LEN   32u /* base32 of PSOM_HANDLE_LEN octets */

/*
 * Read a preface at the start of in: "EDWC", version 1, length of the handle, two zero octets,
 * handle.
 *
 * Returns octets used (> 0) with *ret_handle a view into in; 0 when more octets are needed;
 * ED_MALFORMED at the first octet that cannot belong to a preface.
 */
int psom_preface_read(struct str in, struct str *ret_handle) ED_MUST_CHECK;

/* Into ret of PSOM_PREFACE_MAX; the number of octets written, or ED_LIMIT for a length out of
 * bounds. */
int psom_preface_write(struct str handle, uint8_t *ret) ED_MUST_CHECK;

/*
 * sni is LABEL.SUFFIX: decode the label (RFC 4648 base32, either case, no padding).
 *
 * Returns ED_OK; ED_MALFORMED when the suffix matches but the label is no ticket; ED_UNSUPPORTED
 * when the name does not lie directly below suffix (so it may name a server instead).
 */
int psom_label_read(
    struct str sni, struct str suffix, uint8_t ret_handle[PSOM_HANDLE_LEN]) ED_MUST_CHECK;
/* Lower case, PSOM_LABEL_LEN characters, not NUL-terminated. */
void psom_label_write(const uint8_t handle[PSOM_HANDLE_LEN], char ret[PSOM_LABEL_LEN]);

#endif

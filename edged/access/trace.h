/* SPDX-License-Identifier: MIT
 *
 * access/trace.h: copies of the messages of one call, user or connection for `edgectl trace`, with
 * bodies and credentials masked before they are kept.
 *
 * Life: trace_new on `trace on WORD`; ingress and egress show it every message while it stands
 * (none stands: one pointer is NULL, nothing is paid); `trace read` takes the oldest out; it ends
 * with `trace off`, or by itself when nobody has read for TRACE_FORGOTTEN_MS. Held octets have a
 * cap: beyond it new messages are counted as lost.
 *
 * trace_mask is pure. LOG-03, LOG-06 and LOG-07 of the administrator reference.
 */
#ifndef EDGED_ACCESS_TRACE_H
#define EDGED_ACCESS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct flow;
struct svc_ctl_reply;
struct trace;

#define TRACE_WORD_MAX     128u
#define TRACE_HELD_MAX     (1024u * 1024u) /* octets a worker holds */
#define TRACE_MESSAGE_MAX  65000u          /* one message; what is beyond it is cut */
#define TRACE_FORGOTTEN_MS 60000u

/*
 * Overwrites in place, by '*' of the same number: the body, and in the lines of authentication
 * every parameter value but those that say which scheme, realm and server it is about. Line ends
 * stay.
 */
void trace_mask(char *p, size_t n);

/* word: what a header block must hold (a Call-ID, an address), or a flow's id in hex. NULL: no
 * memory, or no such word. */
struct trace *trace_new(struct str word, uint64_t now_ms);
struct trace *trace_free(struct trace *t);
bool trace_is_forgotten(const struct trace *t, uint64_t now_ms);

/* A message that came in on f or goes out on it. */
void trace_show(struct trace *t, const struct flow *f, bool in, struct str bytes, uint64_t now_ms);

/* {"messages":[{"age_ms","flow","dir","side","peer","local","octets":HEX},...],"more":bool,"lost":N};
 * what was told is forgotten. */
void trace_read(struct trace *t, uint64_t now_ms, struct svc_ctl_reply *reply);

#endif

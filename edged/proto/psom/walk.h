/* SPDX-License-Identifier: MIT
 *
 * proto/psom/walk.h: walks length-prefixed frames and says whether they keep to their bounds. The
 * octets of PSOM are not known to us, so the framing is a table of numbers that a site sets, and
 * off by default.
 *
 * Pure function of (table, state, octets). Nothing of a body is kept; at most a header cut in two
 * is.
 *
 * Spec: docs/spec/psom-webconf.md, "Framing".
 */
#ifndef EDGED_PROTO_PSOM_WALK_H
#define EDGED_PROTO_PSOM_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define PSOM_HEAD_MAX     16u
#define PSOM_PREAMBLE_MAX 32u

struct psom_framing {
	uint8_t preamble[PSOM_PREAMBLE_MAX]; /* octets before the first frame ... */
	uint8_t preamble_len;
	bool preamble_fixed; /* ... compared when this is set, else just counted */
	uint8_t len_off;     /* position of the length field; len_off + len_size <= PSOM_HEAD_MAX */
	uint8_t len_size;    /* 1, 2, 4 */
	bool little;
	int32_t len_adjust; /* added to the field: octets that follow the length field */
	uint32_t frame_max; /* bound on that sum */
	uint32_t first_max; /* the same before the other side's first frame; 0: frame_max */
	bool zero_ok;       /* a frame may end with its length field */
};

struct psom_walk { /* all zero is a good start */
	uint8_t head[PSOM_HEAD_MAX];
	uint8_t n_head;
	uint8_t n_preamble;
	uint32_t left; /* octets of the body still to come; 0: in a header */
	uint64_t frames;
};

/*
 * Read the table from an option: "opaque" (then *ret_on is false), or "lenprefix" and words:
 * size=1|2|4 max=N, and where wanted off=N order=big|little adjust=N first=N zero=yes preamble=HEX
 * or skip=N. ED_OK, or ED_MALFORMED with fault saying where.
 */
int psom_framing_read(
    struct str text, struct psom_framing *ret, bool *ret_on, struct ed_fault *fault) ED_MUST_CHECK;

/* ED_OK; ED_UNSUPPORTED for widths or positions that cannot be walked. */
int psom_framing_check(const struct psom_framing *f) ED_MUST_CHECK;

/*
 * Go over in. answered: the other side has sent a whole frame (lifts first_max).
 *
 * *ret_used counts the octets that are good. Returns ED_OK (then all are), ED_MALFORMED (preamble
 * differs, length negative or zero) or ED_LIMIT (length above its bound); *ret_used then ends with
 * the octet that decided, and the walk must not go on.
 */
int psom_walk_input(const struct psom_framing *f, struct psom_walk *w, bool answered, struct str in,
    size_t *ret_used) ED_MUST_CHECK;

#endif

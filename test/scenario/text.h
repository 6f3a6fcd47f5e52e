/* SPDX-License-Identifier: MIT
 *
 * scenario/text.h: SIP messages as the made-up peers of a scenario see them: lines of text. On
 * purpose not the parser of the program under test: what it writes is read by somebody else's eyes.
 */
#ifndef SCENARIO_TEXT_H
#define SCENARIO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define TEXT_HEADERS_MAX 128

struct text_header {
	char *name, *value;
};

struct text_msg {
	char *raw; /* owned, NUL-terminated copy */
	size_t n;
	char *start; /* owned */
	struct text_header h[TEXT_HEADERS_MAX];
	unsigned n_headers;
	char *body; /* inside raw */
	size_t body_n;
	bool is_request;
	char method[32]; /* of the start line, or of CSeq */
	char uri[4096];
	int status;
};

/* Bytes of the first whole message in p, 0 when more is wanted, -1 when it is none. */
long text_frame(const char *p, size_t n);
struct text_msg *text_parse(const char *p, size_t n); /* NULL: not a message */
struct text_msg *text_free(struct text_msg *m);

/* The i-th (from 0) header of that name, NULL if none; names compare without case. */
const char *text_header(const struct text_msg *m, const char *name, unsigned i);
unsigned text_count(const struct text_msg *m, const char *name); /* lines */

/* Growing text; never fails (a test that runs out of memory stops). */
struct buf {
	char *p;
	size_t n, room;
};
void buf_add(struct buf *b, const char *p, size_t n);
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);

/* Lines of a script (LF) to a message on the wire: CRLF, the body as it is, Content-Length if
 * missing. */
void text_to_wire(const char *lines, struct buf *out);
/* An answer to request m; more: header lines (and body after an empty line), may be "". */
void text_answer(const struct text_msg *m, int status, const char *reason, const char *more,
    unsigned tag, struct buf *out);

#endif

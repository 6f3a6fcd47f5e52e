/* SPDX-License-Identifier: MIT */
#include "sipparse/frame.h"

#include "chars.h"

enum frame_state {
	FRAME_IDLE,  /* between messages: a CRLF here is a keep-alive */
	FRAME_START, /* inside the start line */
	FRAME_LINE,  /* inside a physical header line */
	FRAME_EDGE,  /* behind a CRLF: a new line, a fold or the end of the header block */
	FRAME_BODY,
};

void
sip_framer_init(struct sip_framer *f)
{
	memset(f, 0, sizeof(*f));
}

/* True for the names a reader may take for Content-Length, whatever stands between name and colon.
 */
static bool
frame_is_length(struct str line, size_t *ret_name_len)
{
	if (line.n >= 14 && name_is(line.p, "content-length", 14) &&
	    (line.n == 14 || !ch_is(line.p[14], CH_TOKEN))) {
		*ret_name_len = 14;
		return true;
	}
	if (line.n >= 1 && (line.p[0] | 0x20) == 'l' &&
	    (line.n == 1 || !ch_is(line.p[1], CH_TOKEN))) {
		*ret_name_len = 1;
		return true;
	}
	return false;
}

/* A whole logical line, without its last CRLF, has been seen. */
static int
frame_line_done(
    struct sip_framer *f, struct str line, const struct sip_limits *lim, struct ed_fault *fault)
{
	struct str value;
	size_t name_len;

	if (f->n_lines >= lim->n_lines || f->n_lines == UINT16_MAX)
		return ed_fail(fault, ED_LIMIT, f->line_at, "too many header lines");
	f->n_lines++;
	if (((line.p[0] | 0x20) != 'c' && (line.p[0] | 0x20) != 'l') ||
	    !frame_is_length(line, &name_len))
		return ED_OK;

	if (name_len == line.n || line.p[name_len] != ':')
		return ed_fail(
		    fault, ED_MALFORMED, f->line_at, "Content-Length: no colon right behind it");
	if (f->seen_length)
		return ed_fail(fault, ED_MALFORMED, f->line_at, "Content-Length: more than one");
	value = str_trim(str_from(line, name_len + 1));
	/* A leading zero is an octal number to some readers; a fold shows as a CR and fails too. */
	if (!str_to_u32(value, UINT32_MAX, &f->body_len) || (value.n > 1 && value.p[0] == '0'))
		return ed_fail(
		    fault, ED_MALFORMED, f->line_at, "Content-Length: not a plain number");
	if (f->body_len > lim->body)
		return ed_fail(fault, ED_LIMIT, f->line_at, "body too large");
	f->seen_length = 1;
	return ED_OK;
}

/* The CR and LF of one physical line end at p: 1 both there, 0 more wanted, or ED_MALFORMED. */
static int
frame_crlf(struct str bytes, size_t at, struct ed_fault *fault)
{
	if (bytes.p[at] != '\r')
		return ed_fail(fault, ED_MALFORMED, (uint32_t)at,
		    bytes.p[at] == '\n' ? "bare LF" : "control character");
	if (at + 1 == bytes.n)
		return 0;
	if (bytes.p[at + 1] != '\n')
		return ed_fail(fault, ED_MALFORMED, (uint32_t)at, "bare CR");
	return 1;
}

/* One or more CRLF; a CR alone behind them waits for the next round. */
static int64_t
frame_keepalive(struct str bytes, struct sip_frame *ret_frame, struct ed_fault *fault)
{
	size_t at = 0;
	int r;

	while (at < bytes.n && bytes.p[at] == '\r') {
		r = frame_crlf(bytes, at, fault);
		if (r <= 0 && at == 0)
			return r;
		if (r <= 0) /* what has come whole counts first, however the bytes were cut */
			break;
		at += 2;
	}
	ret_frame->kind = SIP_FRAME_KEEPALIVE;
	ret_frame->header_len = (uint32_t)at;
	ret_frame->body_len = 0;
	return (int64_t)at;
}

/* Limits that hold for a line still open as well as for a whole one. */
static int
frame_check_len(
    const struct sip_framer *f, size_t upto, const struct sip_limits *lim, struct ed_fault *fault)
{
	uint32_t cap = f->state == FRAME_START ? lim->start_line : lim->header_line;

	if (upto > lim->header_block)
		return ed_fail(fault, ED_LIMIT, lim->header_block, "header block too long");
	if (upto - f->line_at > cap)
		return ed_fail(fault, ED_LIMIT, f->line_at,
		    f->state == FRAME_START ? "start line too long" : "header line too long");
	return ED_OK;
}

/* A continuation of nothing but blanks is the end of the headers to some readers. */
static bool
frame_blank_only(const char *line_end, const char *from)
{
	while (line_end > from && ch_blank(line_end[-1]))
		line_end--;
	return line_end > from && line_end[-1] == '\n';
}

/* Inside a physical line: up to its CRLF. 1 when the line ended, 0 more wanted, < 0 refused. */
static int
frame_scan_line(struct sip_framer *f, struct str bytes, struct ctl_scan *ctls,
    const struct sip_limits *lim, struct ed_fault *fault)
{
	const char *hit;
	int r;

	do
		hit = ctl_scan_next(ctls);
	while (hit < bytes.p + f->scanned); /* the LF of the line before */

	f->scanned = (uint32_t)(hit - bytes.p);
	r = frame_check_len(f, f->scanned, lim, fault);
	if (r < 0)
		return r;
	if (f->scanned == bytes.n)
		return 0;
	r = frame_crlf(bytes, f->scanned, fault);
	if (r <= 0)
		return r;
	if (f->state == FRAME_LINE && frame_blank_only(hit, bytes.p + f->line_at))
		return ed_fail(fault, ED_MALFORMED, f->scanned, "continuation line of blanks only");
	ctl_scan_skip(ctls, hit + 1);
	f->scanned += 2;
	f->state = FRAME_EDGE;
	return 1;
}

/* Behind a CRLF. 1 go on in f->state, 0 more wanted, < 0 refused. */
static int
frame_edge(
    struct sip_framer *f, struct str bytes, const struct sip_limits *lim, struct ed_fault *fault)
{
	bool after_start = f->line_at == 0;
	int r;

	if (f->scanned == bytes.n)
		return 0;
	if (ch_blank(bytes.p[f->scanned])) {
		if (after_start)
			return ed_fail(
			    fault, ED_MALFORMED, f->scanned, "blank in front of the first header");
		f->state = FRAME_LINE;
		return 1;
	}
	if (!after_start) {
		struct str line = {bytes.p + f->line_at, f->scanned - 2 - f->line_at};

		if (bytes.p[f->scanned] == '\r' && f->scanned + 1 == bytes.n)
			return 0; /* so that this line is counted once */
		r = frame_line_done(f, line, lim, fault);
		if (r < 0)
			return r;
	}
	if (bytes.p[f->scanned] != '\r') {
		f->line_at = f->scanned;
		f->state = FRAME_LINE;
		return 1;
	}
	r = frame_crlf(bytes, f->scanned, fault);
	if (r <= 0)
		return r;
	f->scanned += 2;
	if (f->scanned > lim->header_block)
		return ed_fail(fault, ED_LIMIT, lim->header_block, "header block too long");
	if (!f->seen_length)
		return ed_fail(fault, ED_MALFORMED, 0, "Content-Length missing");
	f->header_len = f->scanned;
	f->state = FRAME_BODY;
	return 1;
}

int64_t
sip_frame_next(struct sip_framer *f, struct str bytes, const struct sip_limits *lim,
    struct sip_frame *ret_frame, struct ed_fault *fault)
{
	struct ctl_scan ctls;
	int r;

	if (bytes.n > UINT32_MAX / 2) /* offsets are 32 bit; no caller lends as much */
		bytes.n = UINT32_MAX / 2;
	if (f->state == FRAME_IDLE) {
		if (bytes.n == 0)
			return 0;
		if (bytes.p[0] == '\r')
			return frame_keepalive(bytes, ret_frame, fault);
		if (!ch_is(bytes.p[0], CH_TOKEN))
			return ed_fail(fault, ED_MALFORMED, 0, "no start line");
		f->state = FRAME_START;
	}
	ctl_scan_init(&ctls, bytes.p + f->scanned, bytes.p + bytes.n);
	while (f->state != FRAME_BODY) {
		r = f->state == FRAME_EDGE ? frame_edge(f, bytes, lim, fault)
					   : frame_scan_line(f, bytes, &ctls, lim, fault);
		if (r <= 0)
			return r;
	}
	if (bytes.n - f->header_len < f->body_len)
		return 0;
	ret_frame->kind = SIP_FRAME_MESSAGE;
	ret_frame->header_len = f->header_len;
	ret_frame->body_len = f->body_len;
	sip_framer_init(f);
	return (int64_t)ret_frame->header_len + ret_frame->body_len;
}

/* SPDX-License-Identifier: MIT
 *
 * table.h: runs one row of a parser table the four ways of docs/ARCHITECTURE.md: whole, byte by
 * byte, flush against a page that must not be read, and with arena caps that grow until it passes.
 *
 * Tests only.
 */
#ifndef SIPPARSE_TABLE_H
#define SIPPARSE_TABLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sipparse/frame.h"
#include "sipparse/msg.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* A copy of text whose last byte is the last one before a page that must not be touched. */
struct flush {
	char *map;
	size_t len;
	struct str text;
};

static inline struct flush
flush_of(struct str text)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (text.n + page - 1) / page * page;
	struct flush f = {.len = room + page};

	f.map = mmap(NULL, f.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(f.map != MAP_FAILED);
	assert_int_equal(mprotect(f.map + room, page, PROT_NONE), 0);
	f.text = (struct str){f.map + room - text.n, text.n};
	if (text.n)
		memcpy(f.map + room - text.n, text.p, text.n);
	return f;
}

static inline void
flush_done(struct flush *f)
{
	munmap(f->map, f->len);
}

/* sip_frame_next on all bytes at once, or on one more byte each time. */
static inline int64_t
frame_whole(
    struct str in, const struct sip_limits *lim, struct sip_frame *frame, struct ed_fault *fault)
{
	struct sip_framer f;

	sip_framer_init(&f);
	return sip_frame_next(&f, in, lim, frame, fault);
}

static inline int64_t
frame_dripped(
    struct str in, const struct sip_limits *lim, struct sip_frame *frame, struct ed_fault *fault)
{
	struct sip_framer f;
	int64_t r = 0;

	sip_framer_init(&f);
	for (size_t n = 0; n <= in.n && r == 0; n++)
		r = sip_frame_next(&f, str_first(in, n), lim, frame, fault);
	return r;
}

/* sip_msg_parse with arena caps 0, 64, 128 ... until memory is no longer the answer. */
static inline int
msg_growing_caps(struct str in, const struct sip_limits *lim)
{
	struct arena a;
	struct sip_msg *m;
	struct ed_fault fault;
	int r = ED_NOMEM;

	for (size_t cap = 0; r == ED_NOMEM && cap < 1024 * 1024; cap += 64) {
		arena_init(&a, NULL, 0, cap);
		r = sip_msg_parse(&a, in, lim, &m, &fault);
		arena_done(&a);
	}
	return r;
}

#endif

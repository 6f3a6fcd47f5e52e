/* SPDX-License-Identifier: MIT
 *
 * sipparse/err.h: the few ways a reader of outside bytes can end, and where in the input it did.
 *
 * Shared by libsipparse and by edged (base/err.h takes it over). Few codes, each with a different
 * consequence: MALFORMED answers 400 or closes, LIMIT counts against the sender, DENIED is policy.
 */
#ifndef SIPPARSE_ERR_H
#define SIPPARSE_ERR_H

#include <stdint.h>

#define ED_MUST_CHECK __attribute__((warn_unused_result))

enum ed_err {
	ED_OK = 0,
	ED_MALFORMED = -1,   /* the bytes break the grammar */
	ED_LIMIT = -2,       /* well formed, beyond a cap */
	ED_UNSUPPORTED = -3, /* legal, not done here */
	ED_STATE = -4,       /* legal, not now */
	ED_DENIED = -5,      /* policy or authentication said no */
	ED_NOMEM = -6,
	ED_GONE = -7, /* the other end closed or timed out */
	ED_SYS = -8,  /* a system or library call failed; errno or the OpenSSL queue tells more */
};

/* Filled by parsers that take one, on error only; for the log and the reply. */
struct ed_fault {
	enum ed_err code;
	uint32_t at;      /* byte offset into the input */
	const char *what; /* static text: "Via: port is not a number" */
};

/* Fill f (may be NULL) and hand code back, so that a parser can say `return ed_fail(f, ...);`. */
static inline int
ed_fail(struct ed_fault *f, enum ed_err code, uint32_t at, const char *what)
{
	if (f) {
		f->code = code;
		f->at = at;
		f->what = what;
	}
	return code;
}

/* "malformed", "limit", ...: for log lines. */
static inline const char *
ed_err_name(int code)
{
	static const char *const names[] = {"ok", "malformed", "limit", "unsupported", "state",
	    "denied", "no_memory", "gone", "system"};

	return code <= 0 && code >= ED_SYS ? names[-code] : "unknown";
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * host.h: the readers behind uri.h and via.h, for text that stands inside a larger buffer.
 *
 * Inside libsipparse only. `safe` is the end of that buffer (chars.h). Unlike the public functions
 * these fill *ret as they go, also when they fail.
 */
#ifndef SIPPARSE_HOST_H
#define SIPPARSE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "chars.h"
#include "sipparse/str.h"
#include "sipparse/uri.h"
#include "sipparse/via.h"

struct hostport {
	struct str text; /* all of it */
	struct str host; /* IPv6 without its brackets */
	uint16_t port;   /* 0 when absent */
	bool is_v6, is_v4;
};

/* The octet behind host[:port], or NULL when there is no valid one. */
const char *hostport_parse(const char *p, const char *end, const char *safe, struct hostport *ret);

int uri_parse(struct str text, const char *safe, struct sip_uri *ret, struct ed_fault *fault);
int nameaddr_parse(
    struct str value, const char *safe, struct sip_nameaddr *ret, struct ed_fault *fault);
int via_parse(struct str value, const char *safe, struct sip_via *ret, struct ed_fault *fault);

/* sip_param_next; here, since it is the innermost step of most checks. */
static inline int
param_next(struct str params, const char *safe, uint32_t *pos, struct sip_param *ret)
{
	const char *start, *tail, *p, *end;

	if (params.n == 0) /* p may be NULL */
		return 0;
	end = params.p + params.n;
	p = scan_blanks(params.p + *pos, end);
	if (p == end)
		return 0;
	if (*p != ';')
		return ED_MALFORMED;
	start = p;
	p = scan_blanks(p + 1, end);
	ret->name.p = p;
	p = scan_pname(p, end, safe);
	ret->name.n = (size_t)(p - ret->name.p);
	if (ret->name.n == 0)
		return ED_MALFORMED;
	ret->value = STR_NONE;
	tail = scan_blanks(p, end);
	if (tail < end && *tail == '=') {
		p = scan_blanks(tail + 1, end);
		ret->value.p = p;
		if (p < end && *p == '"')
			p = scan_quoted(p, end, safe);
		else
			p = scan_value(p, end, safe);
		if (!p || p == ret->value.p)
			return ED_MALFORMED;
		ret->value.n = (size_t)(p - ret->value.p);
		tail = scan_blanks(p, end);
	}
	if (tail < end && *tail != ';')
		return ED_MALFORMED;
	ret->at = (uint32_t)(start - params.p);
	ret->len = (uint32_t)(p - start);
	*pos = (uint32_t)(tail - params.p);
	return 1;
}

/*
 * Walks a whole list: ED_MALFORMED for bad text, a name twice or too many; else 0, and *ret is the
 * parameter called `name` (ret->name.n 0 when there is none).
 */
int params_check(struct str params, const char *safe, struct str name, struct sip_param *ret);

#endif
